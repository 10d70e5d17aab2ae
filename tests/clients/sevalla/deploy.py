"""Sevalla's API v3 with Python's requests: trigger, wait, list, read logs, cancel, restart, roll back, suspend, the
deployment hook, processes, runtime logs, the key; a list of 250 in pages of 100; a restart of what was never deployed.

SEVALLA_API_URL, with its /v3, and SEVALLA_API_TOKEN say where and as whom; SEVALLA_APP names the application to deploy,
SEVALLA_FRESH_APP one that was never deployed, SEVALLA_SLOW_BRANCH a branch whose build takes long.
"""

import os
import time

import requests

API = os.environ["SEVALLA_API_URL"]
SLOW = os.environ["SEVALLA_SLOW_BRANCH"]
FINAL = {"success", "failed", "cancelled", "skipped"}
KEYS = set(
    "id app_id status type trigger steps docker_image_url git_type repo_url branch commit_sha commit_message"
    " author_login author_img started_at finished_at created_at updated_at".split()
)

session = requests.Session()
session.headers["Authorization"] = f"Bearer {os.environ['SEVALLA_API_TOKEN']}"


def call(method, path, status=200, **options):
    response = session.request(method, API + path, timeout=60, **options)
    assert response.status_code == status, (method, path, response.status_code, response.text)
    assert response.headers["x-request-id"] and response.headers["x-ratelimit-reset"].isdigit(), response.headers
    if status == 204:
        assert not response.content
        return None
    answer = response.json()
    if status >= 400:
        assert answer["status"] == status and answer["message"] and set(answer) <= {"message", "status", "data"}, answer
    return answer


def pages(path, limit=100):
    """All there is, as Terraform's provider reads it: until `offset + limit` reaches `total`."""
    found, offset = [], 0
    while True:
        page = call("GET", path, params={"limit": limit, "offset": offset})
        assert page["limit"] == limit and page["offset"] == offset, page
        found += page["data"]
        if offset + limit >= page["total"]:
            return found, page["total"]
        offset += limit


def trigger(app, **body):
    deployment = call("POST", f"/applications/{app}/deployments", json=body)
    assert set(deployment) == KEYS, sorted(deployment)
    assert deployment["app_id"] == app and deployment["created_at"].endswith("Z"), deployment
    return deployment


def wait(app, id, done=FINAL.__contains__):
    for _ in range(480):
        deployment = call("GET", f"/applications/{app}/deployments/{id}")
        assert set(deployment) == KEYS, sorted(deployment)
        if done(deployment["status"]):
            return deployment
        time.sleep(0.25)
    raise AssertionError(f"{id} stays {deployment['status']}")


applications, total = pages("/applications")
by_name = {application["name"]: application["id"] for application in applications}
assert total == len(applications)
app, fresh = by_name[os.environ["SEVALLA_APP"]], by_name[os.environ["SEVALLA_FRESH_APP"]]
key = call("GET", "/api-keys/validate")
assert key["status"] == "active" and key["company_id"] == call("GET", f"/applications/{app}")["company_id"], key
print(total, "applications, the key is", key["name"])

# Terraform's first apply is a restart: there is nothing to restart, and nothing is queued.
refused = call("POST", f"/applications/{fresh}/deployments", status=400, json={"is_restart": True})
assert pages(f"/applications/{fresh}/deployments") == ([], 0)
assert call("GET", f"/applications/{fresh}")["status"] is None
print("a restart of what was never deployed:", refused["message"])

# Trigger, poll, list, logs.
first = trigger(app)
assert (first["trigger"], first["type"], first["steps"]) == ("MANUAL_DEPLOY", "manual", ["checkout", "build", "rollout"])
first = wait(app, first["id"])
assert first["status"] == "success" and first["started_at"] and first["finished_at"] and first["docker_image_url"], first
assert len(first["commit_sha"]) == 40 and first["commit_message"] and first["branch"] == "main", first
assert call("GET", f"/applications/{app}")["status"] == "deploymentSuccess"
listed = call("GET", f"/applications/{app}/deployments")
assert listed == {"data": [first], "total": 1, "offset": 0, "limit": 25}, listed
log = call("GET", f"/applications/{app}/deployments/{first['id']}/logs")
assert len(log) > 5 and all(line["service"] == "APP_DEPLOYMENT" for line in log), log
filters = '[{"key":"tags.step","operator":"EQUALS","value":"build"}]'
built = call("GET", f"/applications/{app}/deployments/{first['id']}/logs", params={"filters": filters, "limit": 5000})
assert 0 < len(built) < len(log) and all(line["tags"]["step"] == "build" for line in built), built
print("deployed", first["id"], "as", first["docker_image_url"], "with", len(log), "lines of log")

# An empty body without a content type, as the vendor's command line sends it for what needs none.
second = call("POST", f"/applications/{app}/deployments")
second = wait(app, second["id"])
assert second["status"] == "success", second

# What runs is cancelled, what waits is skipped, and neither can be cancelled again.
slow = trigger(app, branch=SLOW, tag="ignored")
wait(app, slow["id"], lambda status: status == "inProgress")
waiting = trigger(app)
assert waiting["status"] == "waiting" and waiting["started_at"] is None, waiting
assert call("POST", f"/applications/{app}/deployments/{waiting['id']}/cancel")["message"]
assert wait(app, waiting["id"])["status"] == "skipped"
assert call("POST", f"/applications/{app}/deployments/{slow['id']}/cancel")["message"]
assert wait(app, slow["id"])["status"] == "cancelled"
for id in (waiting["id"], slow["id"], first["id"]):
    call("POST", f"/applications/{app}/deployments/{id}/cancel", status=400)
print("cancelled", slow["id"], "and skipped", waiting["id"])

# Restart and rollback reuse what was built.
restart = trigger(app, is_restart=True, branch="no-such-branch")
assert (restart["trigger"], restart["steps"]) == ("RESTART", ["rollout"]), restart
restart = wait(app, restart["id"])
assert restart["status"] == "success" and restart["commit_sha"] == second["commit_sha"], restart
back = call("POST", f"/applications/{app}/deployments/rollback")
assert (back["trigger"], back["steps"]) == ("ROLLBACK_DEPLOYMENT", ["rollout"]), back
assert wait(app, back["id"])["status"] == "success"
named = call("POST", f"/applications/{app}/deployments/rollback", json={"deployment_id": first["id"]})
named = wait(app, named["id"])
assert named["status"] == "success" and named["docker_image_url"] == first["docker_image_url"], named
call("POST", f"/applications/{app}/deployments/rollback", status=400, json={"deployment_id": slow["id"]})
call("POST", f"/applications/{app}/deployments/rollback", status=404, json={"deployment_id": app})
print("restarted as", restart["id"], "and went back by", back["id"], "and", named["id"])

# Suspend and activate: they are done when the application says so.
for verb, suspended in (("suspend", True), ("activate", False)):
    assert call("POST", f"/applications/{app}/{verb}")["message"]
    for _ in range(240):
        if call("GET", f"/applications/{app}")["is_suspended"] is suspended:
            break
        time.sleep(0.25)
    else:
        raise AssertionError(f"{verb} has no effect")
    if suspended:
        call("POST", f"/applications/{app}/deployments", status=400, json={})
print("suspended and activated")

# The deployment hook: its call needs no key and no body.
hook = f"/applications/{app}/deployment-hook"
call("GET", hook, status=404)
enabled = call("POST", hook, status=201)
assert call("POST", hook, status=201) == call("GET", hook) == enabled
renewed = call("PUT", hook)
assert requests.post(enabled["url"], timeout=60).status_code == 404
called = requests.post(renewed["url"], timeout=60)
assert called.status_code == 200, called.text
called = called.json()
assert called["id"] == called["deployment"]["id"] == called["deploymentId"], called
assert wait(app, called["id"])["status"] == "success"
call("DELETE", hook, status=204)
assert requests.post(renewed["url"], timeout=60).status_code == 404
print("a hook's call deployed", called["id"])

# Processes, and what they print.
processes, total = pages(f"/applications/{app}/processes")
assert [process["key"] for process in processes][0] == "web" and total == len(processes), processes
web = processes[0]
assert web["type"] == "web" and web["port"] == 8080 and len(web) == 22, web
call("POST", f"/applications/{app}/processes/{web['id']}/trigger", status=400)
call("POST", f"/applications/{app}/processes/{app}/trigger", status=404)
for _ in range(120):
    printed = call("GET", f"/applications/{app}/runtime-logs")
    if any("listens on port" in line["message"] for line in printed):
        break
    time.sleep(0.25)
else:
    raise AssertionError(f"nothing of what runs is in its log: {printed}")
assert all(line["service"] == "APP_RUNTIME" and line["tags"]["container"] for line in printed), printed
call("GET", f"/applications/{app}/runtime-logs", status=400, params={"limit": 5001})
print(len(processes), "processes,", len(printed), "lines printed")

# 250 deployments in pages of 100: a slow one holds the queue, the others wait and are skipped.
holding = trigger(fresh, branch=SLOW)
made = [holding["id"]] + [trigger(fresh)["id"] for _ in range(249)]
for id in made[1:]:
    call("POST", f"/applications/{fresh}/deployments/{id}/cancel")
call("POST", f"/applications/{fresh}/deployments/{made[0]}/cancel")
wait(fresh, made[0])
listed, total = pages(f"/applications/{fresh}/deployments")
assert total == 250 and [one["id"] for one in listed] == made[::-1], (total, len(listed))
assert {one["status"] for one in listed} == {"skipped", "cancelled"}
call("GET", f"/applications/{fresh}/deployments", status=400, params={"limit": 101})
print("listed", len(listed), "in pages of 100")

unknown = "fb5e5168-4281-4bec-94c5-0d1584e9e657"
for path in (f"/applications/{unknown}", f"/applications/{app}/deployments/{unknown}", "/applications/x", "/nothing"):
    call("GET", path, status=404)
bare = API.removesuffix("/v3")
assert session.get(f"{bare}/applications/{app}", timeout=30).json()["id"] == app
assert requests.get(f"{API}/applications", timeout=30).json()["status"] == 401
print("refused what is to be refused")

"""git.dev's API with Python's requests: create, wait, page through the list, cancel, repeat a request, delete.

GITDEV_API, GITDEV_TOKEN, GITDEV_ADMIN_TOKEN, GITDEV_PROJECT, GITDEV_SLOW_BRANCH say where, as whom, what.
"""

import os
import time

import requests

API = os.environ["GITDEV_API"]
PROJECT = os.environ["GITDEV_PROJECT"]
HEADERS = {"Authorization": f"Bearer {os.environ['GITDEV_TOKEN']}"}
ADMIN = {"Authorization": f"Bearer {os.environ['GITDEV_ADMIN_TOKEN']}"}
TERMINAL = {"success", "failed", "cancelled"}


def wait_for(id, done):
    for _ in range(240):
        response = requests.get(f"{API}/deployments/{id}", headers=HEADERS, timeout=30)
        response.raise_for_status()
        deployment = response.json()
        if done(deployment["status"]):
            return deployment
        time.sleep(0.25)
    raise AssertionError(f"{id} stays {deployment['status']}")


def create(**fields):
    body = {"project_id": PROJECT, **fields}
    return requests.post(f"{API}/deployments", headers=HEADERS, json=body, timeout=60)


response = create(branch="main", env_vars={"NODE_ENV": "production"})
assert response.status_code == 201, response.text
created = response.json()
assert set(created) >= {"id", "status", "project_id", "branch", "commit_sha", "created_at", "url"}, created
assert created["status"] == "queued" and created["branch"] == "main" and len(created["commit_sha"]) == 40, created
assert response.headers["Location"].endswith(f"/v1/deployments/{created['id']}"), response.headers
for name in ("Limit", "Remaining", "Reset"):
    assert response.headers[f"X-RateLimit-{name}"].isdigit(), response.headers
print("created", created["id"], "remaining", response.headers["X-RateLimit-Remaining"])

ended = wait_for(created["id"], TERMINAL.__contains__)
assert ended["status"] == "success" and ended["completed_at"] and ended["build_duration"].endswith("s"), ended
print("success after", ended["build_duration"], "of building")

log = requests.get(ended["logs_url"], headers={**HEADERS, "Accept": "application/json"}, timeout=30).json()
assert log["meta"]["total"] >= len(log["data"]) > 0 and "message" in log["data"][0], log["meta"]
text = requests.get(ended["logs_url"], headers=HEADERS, timeout=30)
assert text.headers["Content-Type"] == "text/plain; charset=utf-8" and "Release" in text.text

# The same request twice with one key: one deployment.
key = {"Idempotency-Key": f"sample-{created['id']}"}
body = {"project_id": PROJECT, "branch": "main"}
first, second = (requests.post(f"{API}/deployments", headers={**HEADERS, **key}, json=body, timeout=60) for _ in range(2))
assert first.status_code == second.status_code == 201 and first.json() == second.json(), (first.text, second.text)
reused = requests.post(f"{API}/deployments", headers={**HEADERS, **key}, json={**body, "env_vars": {"A": "b"}}, timeout=60)
assert reused.status_code == 409, reused.text
wait_for(first.json()["id"], TERMINAL.__contains__)
print("repeated with one key: one deployment", first.json()["id"])

# A build that takes long is cancelled.
slow = create(branch=os.environ["GITDEV_SLOW_BRANCH"]).json()
wait_for(slow["id"], lambda status: status == "building")
cancelled = requests.post(f"{API}/deployments/{slow['id']}/cancel", headers=HEADERS, timeout=30)
assert cancelled.status_code == 200, cancelled.text
assert set(cancelled.json()) == {"id", "status", "cancelled_by", "cancelled_at"}, cancelled.json()
again = requests.post(f"{API}/deployments/{slow['id']}/cancel", headers=HEADERS, timeout=30)
assert again.json() == cancelled.json()
print("cancelled", slow["id"], "by", cancelled.json()["cancelled_by"])

# Pages that join to the whole list.
seen, offset = [], 0
while True:
    page = requests.get(f"{API}/deployments", headers=HEADERS, params={"limit": 2, "offset": offset}, timeout=30).json()
    assert page["meta"]["limit"] == 2 and page["meta"]["offset"] == offset
    seen += [item["id"] for item in page["data"]]
    offset += 2
    if offset >= page["meta"]["total"]:
        break
assert len(seen) == len(set(seen)) == page["meta"]["total"], (seen, page["meta"])
filtered = requests.get(f"{API}/deployments", headers=HEADERS, params={"status": "cancelled"}, timeout=30).json()
assert [item["id"] for item in filtered["data"]] == [slow["id"]], filtered
print("listed", len(seen), "in pages of 2")

for fields, status, code in [
    ({"branch": ""}, 400, "missing_field"),
    ({"branch": 7}, 400, "invalid_field"),
    ({"branch": "--upload-pack=x"}, 400, "invalid_branch"),
    ({"branch": "main", "commit_sha": "xyz"}, 400, "invalid_field"),
    ({"branch": "main", "commit_sha": "0123456"}, 400, "invalid_commit"),
    ({"branch": "main", "env_vars": {"PATH": "/tmp"}}, 400, "invalid_env_vars"),
    ({"branch": "main", "project_id": "proj_8f3k29"}, 404, "project_not_found"),
]:
    refused = create(**fields)
    assert refused.status_code == status and refused.json()["error"]["code"] == code, (fields, refused.text)
    assert isinstance(refused.json()["error"]["details"], dict)
for params in ({"limit": 101}, {"limit": 0}, {"offset": -1}, {"status": "done"}):
    refused = requests.get(f"{API}/deployments", headers=HEADERS, params=params, timeout=30)
    assert refused.status_code == 400 and refused.json()["error"]["code"] == "invalid_parameter", (params, refused.text)
print("refused what is to be refused")

# Deleting needs an admin, leaves no trace in the API, and spares what is live.
live = first.json()["id"]
for id, headers, status in [(slow["id"], HEADERS, 403), (live, ADMIN, 409), (slow["id"], ADMIN, 204), (slow["id"], ADMIN, 404)]:
    deleted = requests.delete(f"{API}/deployments/{id}", headers=headers, timeout=60)
    assert deleted.status_code == status, (id, status, deleted.text)
assert requests.get(f"{API}/deployments/{slow['id']}", headers=HEADERS, timeout=30).status_code == 404
left = requests.get(f"{API}/deployments", headers=HEADERS, timeout=30).json()
assert left["meta"]["total"] == len(seen) - 1, left["meta"]
print("deleted", slow["id"])

"""GitLab's API v4 with python-gitlab: who am I, the project by path and by id, environments, a deployment that is executed
and one that is only reported, lists by filters over three pages, cancel, delete, stop and start again, tags, errors.

GITLAB_URL and GITLAB_TOKEN say where and as whom, GITLAB_READ_TOKEN is one that may only read, GITLAB_PROJECT is the
project's path, GITLAB_ENVIRONMENT one of its configured environments, GITLAB_SLOW_BRANCH a branch whose build takes long,
GITLAB_SLOW_SHA its head, GITLAB_TAG an annotated tag, GITLAB_SHA the head of main and the tag's commit.
"""

import os
import time
import warnings

import gitlab

# What the client warns of (addresses of another host in Link headers, lists cut short) is a fault of ours.
warnings.simplefilter("error")

URL, PATH, ENVIRONMENT = (os.environ[name] for name in ("GITLAB_URL", "GITLAB_PROJECT", "GITLAB_ENVIRONMENT"))
SHA, TAG = os.environ["GITLAB_SHA"], os.environ["GITLAB_TAG"]
SLOW, SLOW_SHA = os.environ["GITLAB_SLOW_BRANCH"], os.environ["GITLAB_SLOW_SHA"]
TOKEN = os.environ["GITLAB_TOKEN"]
FINAL = {"success", "failed", "canceled", "skipped"}


def refused(kind, status, text, do):
    """The client's own error of that kind, with the status and the message that it shows."""
    try:
        do()
    except kind as error:
        assert error.response_code == status, (error.response_code, error.error_message)
        assert text in str(error.error_message), error.error_message
        print("refused:", error)
    else:
        raise AssertionError(f"it was not refused: {text}")


def wait(deployments, id, done=FINAL.__contains__):
    for _ in range(480):
        deployment = deployments.get(id)
        if done(deployment.status):
            return deployment
        time.sleep(0.25)
    raise AssertionError(f"{id} stays {deployment.status}")


gl = gitlab.Gitlab(URL, private_token=TOKEN)
gl.auth()
assert gl.user.username and gl.user.id and gl.user.state == "active", gl.user
assert gl.version()[0].split(".")[0].isdigit(), gl.version()
for other in (gitlab.Gitlab(URL, oauth_token=TOKEN), gitlab.Gitlab(URL, job_token=TOKEN)):
    assert other.projects.get(PATH).path_with_namespace == PATH
project = gl.projects.get(PATH)
assert project.path_with_namespace == PATH and project.default_branch == "main" and project.web_url, project
assert gl.projects.get(project.id).path_with_namespace == PATH
assert gl.projects.get(str(project.id)).id == project.id
assert [one.id for one in gl.projects.list(iterator=True) if one.path_with_namespace == PATH] == [project.id]
deployments = gl.projects.get(PATH, lazy=True).deployments
# The client has no method that deletes one.
path = f"/projects/{project.id}/deployments"
print("signed in as", gl.user.username, "for project", project.id, project.name_with_namespace)

environments = {one.name: one for one in project.environments.list(get_all=True)}
environment = environments[ENVIRONMENT]
assert environment.state == "available" and environment.slug and environment.tier, environment
assert [one.id for one in project.environments.list(name=ENVIRONMENT)] == [environment.id]
assert project.environments.list(name="no-such-environment") == []

# Executed: `created` asks for it, and the agent walks it to its end.
asked = {"environment": ENVIRONMENT, "sha": SHA, "ref": "main", "tag": False, "status": "created"}
first = deployments.create(asked)
assert (first.status, first.ref, first.sha, first.environment["name"]) == ("created", "main", SHA, ENVIRONMENT), first
assert deployments.create(asked).id == first.id, "a repetition made a second deployment"
first = wait(deployments, first.id)
assert first.status == "success" and first.deployable["status"] == "success", first
assert first.deployable["commit"]["id"] == SHA and first.deployable["tag"] is False, first.deployable
assert first.user["username"] == gl.user.username and first.iid >= 1, first
assert project.environments.get(environment.id).last_deployment["id"] == first.id
again = deployments.create(asked)
assert again.id != first.id, "the same commit may be deployed again"
assert wait(deployments, again.id).status == "success"
first.status = "failed"
refused(gitlab.GitlabUpdateError, 403, "Deployments executed by this agent can not be updated", first.save)
print("executed", first.id, "and", again.id)

# A tag. Of one that is a branch nothing is known.
tagged = deployments.create({**asked, "ref": TAG, "tag": True})
tagged = wait(deployments, tagged.id)
assert (tagged.status, tagged.ref, tagged.sha) == ("success", TAG, SHA), tagged
assert tagged.deployable["tag"] is True and tagged.deployable["ref"] == TAG, tagged.deployable
for wrong in ({"ref": "main", "tag": True}, {"ref": TAG, "tag": False}, {"ref": "nothing"}):
    missing = "The branch or tag does not exist"
    refused(gitlab.GitlabCreateError, 400, missing, lambda: deployments.create({**asked, **wrong}))
refused(
    gitlab.GitlabCreateError, 400, "The commit does not exist", lambda: deployments.create({**asked, "sha": "1" * 40})
)

# Cancelled while it runs: the answer says so at once.
slow = deployments.create({**asked, "ref": SLOW, "sha": SLOW_SHA})
slow = wait(deployments, slow.id, lambda status: status == "running")
slow.status = "canceled"
slow.save()
assert slow.status == "canceled", slow
assert wait(deployments, slow.id).status == "canceled"
# The client sends only what was set since the last time.
slow.status = "canceled"
refused(gitlab.GitlabUpdateError, 403, "can not be updated", slow.save)
assert project.environments.get(environment.id).last_deployment["id"] == tagged.id
print("cancelled", slow.id)

# Reported: the name is not configured, and need not be; nothing is executed.
REPORTED = "review/python client"
reported = {**asked, "environment": REPORTED, "status": "running"}
told = deployments.create(reported)
assert (told.status, told.deployable) == ("running", None), told
told.status = "running"
refused(gitlab.GitlabUpdateError, 400, 'cannot transition via "run"', told.save)
refused(
    gitlab.GitlabHttpError, 400, "Cannot destroy running deployment", lambda: gl.http_delete(f"{path}/{told.id}")
)
told.status = "success"
told.save()
assert (told.status, deployments.get(told.id).status) == ("success", "success")
told.status = "success"
refused(gitlab.GitlabUpdateError, 400, 'cannot transition via "succeed"', told.save)
same = deployments.create({**reported, "status": "success"})
assert same.id == told.id, "a success that was reported twice is one"
assert told.mergerequests.list() == []
# Also of an environment that is configured, which does not start anything.
beside = deployments.create({**asked, "status": "running"})
deployments.update(beside.id, {"status": "failed"})
assert deployments.get(beside.id).deployable is None
assert project.environments.get(environment.id).last_deployment["id"] == tagged.id
refused(
    gitlab.GitlabCreateError,
    400,
    "is not configured for this project",
    lambda: deployments.create({**asked, "environment": REPORTED}),
)
print("reported", told.id, "and", beside.id)

# 45 that failed, in three pages, by every filter; the Link headers must carry the filters on.
many = [deployments.create({**reported, "status": "failed"}).id for _ in range(45)]
after = deployments.get(many[0]).updated_at
filters = {"environment": REPORTED, "status": "failed", "order_by": "updated_at", "sort": "desc", "updated_after": after}
pages = deployments.list(iterator=True, per_page=20, **filters)
assert (pages.total, pages.total_pages, pages.per_page, pages.prev_page, pages.next_page) == (45, 3, 20, None, 2), pages
assert [one.id for one in pages] == many[::-1]
for order in ("id", "iid", "created_at"):
    found = deployments.list(get_all=True, per_page=20, environment=REPORTED, status="failed", order_by=order)
    assert [one.id for one in found] == many, order
last = deployments.list(environment=REPORTED, sort="desc", per_page=1, page=3)
assert [one.id for one in last] == [many[-3]]
assert deployments.list(environment="no-such-environment") == []
finished = {"order_by": "finished_at", "status": "success", "finished_after": "2020-01-01T00:00:00Z"}
found = {one.id for one in deployments.list(get_all=True, **finished)}
assert {first.id, again.id, tagged.id, told.id} <= found, found
refused(
    gitlab.GitlabListError,
    400,
    "`finished_at` filter requires `finished_at` sort.",
    lambda: deployments.list(finished_after="2020-01-01T00:00:00Z", status="success"),
)
refused(gitlab.GitlabListError, 400, "status does not have a valid value", lambda: deployments.list(status="odd"))
print("listed", len(many), "in", pages.total_pages, "pages")

# Deleted: what failed may go, what is deployed may not.
refused(
    gitlab.GitlabHttpError,
    400,
    "Deployment currently deployed to environment",
    lambda: gl.http_delete(f"{path}/{told.id}"),
)
assert gl.http_delete(f"{path}/{many[0]}").status_code == 204
refused(gitlab.GitlabGetError, 404, "404 Not found", lambda: deployments.get(many[0]))
assert len(deployments.list(get_all=True, environment=REPORTED, status="failed")) == 44

# Stopped, and brought back by the next deployment.
environment = project.environments.get(environment.id)
environment.stop()
for _ in range(240):
    if project.environments.get(environment.id).state == "stopped":
        break
    time.sleep(0.25)
else:
    raise AssertionError("it does not stop")
assert environment.id in {one.id for one in project.environments.list(states="stopped")}
back = wait(deployments, deployments.create(asked).id)
assert back.status == "success" and project.environments.get(environment.id).state == "available", back
print("stopped, and back with", back.id)

# An environment of one's own, from the beginning to the end.
own = project.environments.create({"name": "qa/python", "external_url": "https://qa.example.com"})
own.external_url = "https://other.example.com"
own.save()
assert project.environments.get(own.id).external_url == "https://other.example.com"
refused(
    gitlab.GitlabCreateError, 400, "has already been taken", lambda: project.environments.create({"name": "qa/python"})
)
refused(gitlab.GitlabDeleteError, 403, "403 Forbidden", own.delete)
own.stop()
own.delete()
refused(gitlab.GitlabGetError, 404, "404 Not found", lambda: project.environments.get(own.id))

refused(gitlab.GitlabGetError, 404, "404 Project Not Found", lambda: gl.projects.get("no/such.project"))
refused(gitlab.GitlabGetError, 404, "404 Not found", lambda: deployments.get(10**9))
refused(gitlab.GitlabCreateError, 400, "environment is empty", lambda: deployments.create({**asked, "environment": ""}))
refused(
    gitlab.GitlabCreateError, 400, "status does not have a valid value", lambda: deployments.create({**asked, "status": "x"})
)
refused(gitlab.GitlabHttpError, 404, "404 Not Found", lambda: gl.http_get(f"{path}/{back.id}/nothing"))
wrong = gitlab.Gitlab(URL, private_token="glpat-unknown")
refused(gitlab.GitlabAuthenticationError, 401, "401 Unauthorized", wrong.auth)
reader = gitlab.Gitlab(URL, private_token=os.environ["GITLAB_READ_TOKEN"]).projects.get(PATH)
assert reader.deployments.get(back.id).status == "success"
refused(gitlab.GitlabCreateError, 403, "insufficient_scope", lambda: reader.deployments.create(asked))
print("refused what is to be refused")

"""GitHub's API with PyGithub: who am I, the repository, a deployment that is executed with the statuses that tell of it,
statuses of one's own, commit statuses that a deployment waits for, a branch that is brought up to date, lists by filters over
pages, inactive and delete, environments, errors.

GITHUB_API says where, GITHUB_TOKEN as whom, GITHUB_READ_TOKEN is one that may only read, GITHUB_REPO is the repository,
GITHUB_ENVIRONMENT one of its configured environments, GITHUB_SHA the head of main, GITHUB_TOPIC a branch that is behind it,
GITHUB_RECORDS a repository of which nothing is deployed here.
"""

import os
import time

import github

API, REPO, ENVIRONMENT = (os.environ[name] for name in ("GITHUB_API", "GITHUB_REPO", "GITHUB_ENVIRONMENT"))
SHA, TOPIC, RECORDS = (os.environ[name] for name in ("GITHUB_SHA", "GITHUB_TOPIC", "GITHUB_RECORDS"))
TOKEN = os.environ["GITHUB_TOKEN"]
FINAL = {"success", "failure", "error", "inactive"}


def client(token, **options):
    # It would repeat what is refused for a limit, and a fault of ours: here both are faults of the test.
    return github.Github(base_url=API, auth=github.Auth.Token(token), retry=None, **options)


def refused(kind, status, text, do):
    """The client's own error of that kind, with the status and the message that it shows."""
    try:
        do()
    except kind as error:
        assert error.status == status, (error.status, error.data)
        assert text in str(error.data), error.data
        print("refused:", error)
    else:
        raise AssertionError(f"it was not refused: {text}")


def wait(deployment, done=FINAL.__contains__):
    for _ in range(480):
        statuses = list(deployment.get_statuses())
        if statuses and done(statuses[0].state):
            return statuses
        time.sleep(0.25)
    raise AssertionError(f"{deployment.id} stays {statuses}")


gh = client(TOKEN)
me = gh.get_user()
assert me.login and me.id and me.type == "User", me
assert gh.get_rate_limit().rate.limit > 0 and gh.rate_limiting[0] >= 0
repo = gh.get_repo(REPO)
assert repo.full_name == REPO and repo.default_branch == "main" and repo.private, repo
assert gh.get_repo(REPO.upper()).full_name == REPO, "another case is another repository"
assert repo.permissions.push and not client(os.environ["GITHUB_READ_TOKEN"]).get_repo(REPO).permissions.push
basic = github.Github(base_url=API, auth=github.Auth.Login("anybody", TOKEN))
assert basic.get_user().login == me.login
print("signed in as", me.login, "for", repo.full_name)

# Executed, with nothing posted by anybody: the agent says what becomes of it.
asked = {"environment": ENVIRONMENT, "auto_merge": False, "required_contexts": []}
first = repo.create_deployment("main", payload={"room": 7}, description="with PyGithub", **asked)
assert (first.ref, first.sha, first.task, first.environment) == ("main", SHA, "deploy", ENVIRONMENT), first.raw_data
assert first.payload == {"room": 7} and first.description == "with PyGithub" and first.creator.login == me.login
assert not first.transient_environment and not first.production_environment and first.original_environment == ENVIRONMENT
statuses = wait(first)
assert [one.state for one in statuses] == ["success", "in_progress"], statuses
assert statuses[0].log_url == statuses[0].target_url and statuses[0].log_url.startswith(API.removesuffix("/api/v3"))
assert statuses[0].environment_url.startswith("http"), statuses[0].raw_data
assert first.get_status(statuses[1].id).state == "in_progress"
assert repo.get_deployment(first.id).statuses_url == first.statuses_url
for ref in ("refs/heads/main", SHA, "v1"):
    other = repo.create_deployment(ref, **asked)
    assert other.ref == ref and wait(other)[0].state == "success", other.raw_data
print("executed", first.id, "and others")

# One's own statuses are kept, and move nothing.
posted = first.create_status(
    "failure", target_url="https://ci.example.com/1", description="é" * 140, environment_url="https://web.example.com"
)
assert (posted.state, posted.description, posted.log_url) == ("failure", "é" * 140, "https://ci.example.com/1"), posted
assert posted.creator.login == me.login and posted.environment == ENVIRONMENT
assert [one.id for one in first.get_statuses()][0] == posted.id
refused(github.GithubException, 422, "too long", lambda: first.create_status("success", description="x" * 141))

# What checks say of a commit.
commit = repo.get_commit("main")
assert commit.sha == SHA and commit.commit.message and commit.parents, commit
CONTEXT = f"{ENVIRONMENT}/build"
waiting = {**asked, "required_contexts": [CONTEXT], "description": "after the checks"}
refused(github.GithubException, 409, "pending", lambda: repo.create_deployment("main", **waiting))
said = commit.create_status("failure", "https://ci.example.com/2", "no", CONTEXT)
assert (said.state, said.context, said.creator.login) == ("failure", CONTEXT, me.login)
refused(github.GithubException, 409, "Commit status checks failed for main.", lambda: repo.create_deployment("main", **waiting))
commit.create_status("success", context=CONTEXT)
assert wait(repo.create_deployment("main", **waiting))[0].state == "success"
assert [one.state for one in commit.get_statuses() if one.context == CONTEXT] == ["success", "failure"]
combined = commit.get_combined_status()
assert combined.sha == SHA and CONTEXT in {one.context for one in combined.statuses}, combined

# A branch that is behind is brought up to date: nothing is deployed until it is asked again.
before = repo.get_commit(TOPIC).sha
merged = repo.create_deployment(TOPIC, **{**asked, "auto_merge": True})
assert merged.raw_data == {"message": f"Auto-merged main into {TOPIC} on deployment."}, merged.raw_data
head = repo.get_commit(TOPIC)
assert [one.sha for one in head.parents] == [before, SHA], head.raw_data
again = repo.create_deployment(TOPIC, **{**asked, "auto_merge": True})
assert again.sha == head.sha and wait(again)[0].state == "success", again.raw_data
conflict = "Conflict merging main into conflicting."
refused(github.GithubException, 409, conflict, lambda: repo.create_deployment("conflicting", environment=ENVIRONMENT))
protected = "Conflict merging main into protected."
refused(github.GithubException, 409, protected, lambda: repo.create_deployment("protected", environment=ENVIRONMENT))
print("merged", TOPIC)

# Recorded: 45 of them over three pages, by filters; the Link headers must carry the filters on.
records = gh.get_repo(RECORDS)
there = {"environment": f"review/{ENVIRONMENT}", "required_contexts": []}
many = [records.create_deployment(SHA, task="migrate", description=str(number), **there) for number in range(45)]
gh.per_page = 20
listed = records.get_deployments(environment=there["environment"].upper(), task="migrate", sha=SHA)
assert listed.totalCount == 45, listed.totalCount
assert [one.id for one in listed] == [one.id for one in many[::-1]]
assert records.get_deployments(environment="no-such-environment").totalCount == 0
for number in range(35):
    many[0].create_status("in_progress", description=str(number))
assert [one.description for one in many[0].get_statuses()] == [str(number) for number in range(34, -1, -1)]
assert {first.id, again.id} <= {one.id for one in repo.get_deployments(environment=ENVIRONMENT)}
print("listed", len(many), "in pages of", gh.per_page)


# Inactive, and deleted: the client has no method that deletes one.
def delete(deployment):
    repo.requester.requestJsonAndCheck("DELETE", deployment.url)


for one in many[:2]:
    one.create_status("success", auto_inactive=False)
refused(github.GithubException, 422, "We cannot delete an active deployment", lambda: delete(many[1]))
many[2].create_status("success")
assert {one.get_statuses()[0].state for one in many[:2]} == {"inactive"}
many[2].create_status("inactive")
for one in many:
    delete(one)
refused(github.UnknownObjectException, 404, "Not Found", lambda: records.get_deployment(many[0].id))
assert records.get_deployments(environment=there["environment"]).totalCount == 0
assert there["environment"] in {one.name for one in records.get_environments()}
records.delete_environment(there["environment"].replace("/", "%2F"))
assert there["environment"] not in {one.name for one in records.get_environments()}
print("deleted", len(many), "and their environment")

environments = {one.name: one for one in repo.get_environments()}
assert environments[ENVIRONMENT].url.endswith(f"/environments/{ENVIRONMENT}") and environments[ENVIRONMENT].protection_rules == []
assert repo.get_environment(ENVIRONMENT).id == environments[ENVIRONMENT].id
made = repo.create_environment("pygithub")
assert repo.create_environment("pygithub", wait_timer=30).id == made.id
repo.delete_environment("pygithub")
refused(github.UnknownObjectException, 404, "Not Found", lambda: repo.get_environment("pygithub"))

refused(github.UnknownObjectException, 404, "Not Found", lambda: gh.get_repo("no/such.repository"))
refused(github.UnknownObjectException, 404, "Not Found", lambda: repo.get_deployment(10**9))
refused(github.GithubException, 422, "No ref found for: nothing", lambda: repo.create_deployment("nothing", **asked))
refused(
    github.GithubException, 422, "is not configured", lambda: repo.create_deployment("main", **{**asked, "environment": "typo"})
)
refused(github.GithubException, 422, "there is no task 'nothing'", lambda: repo.create_deployment("main", "nothing", **asked))
refused(github.GithubException, 422, "state is not included in the list", lambda: first.create_status("odd"))
refused(github.BadCredentialsException, 401, "Bad credentials", lambda: client("unknown").get_user().login)
reader = client(os.environ["GITHUB_READ_TOKEN"]).get_repo(REPO)
assert reader.get_deployment(first.id).sha == SHA
refused(github.GithubException, 403, "Resource not accessible", lambda: reader.create_deployment("main", **asked))
print("refused what is to be refused")

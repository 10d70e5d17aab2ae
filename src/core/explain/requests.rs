//! Why requests are not carried out, and why a daemon is not healthy.

use super::Explanation;
use super::Of::{Health, Request};

/// What `disk_full` and `engine_unavailable` mean is told with the failures.
pub(super) const TABLE: &[Explanation] = &[
    request(
        "missing_token",
        "the request came without a token",
        "Over TCP every request needs a bearer token; only the unix socket asks who you are by itself.",
        &[
            "Make one on that host: `longshore token create NAME --scope write > token`.",
            "Give it: `LONGSHORE_TOKEN_FILE=token longshore --url URL ls`, or the header `Authorization: Bearer …`.",
        ],
    ),
    request(
        "invalid_token",
        "the token is not known, or was revoked",
        "It was mistyped or cut short, belongs to another daemon, or somebody revoked it.",
        &[
            "See which there are: `longshore token ls --all`.",
            "Make a new one: `longshore token create NAME --scope write`.",
        ],
    ),
    request(
        "expired_token",
        "the token's time is over",
        "It was made with an end (`--expires`), and that is past.",
        &["Make a new one: `longshore token create NAME --scope write --expires 90d`."],
    ),
    request(
        "insufficient_scope",
        "the token may not do this",
        "Scopes go from deploy:read over deploy:write to deploy:admin, and a token for one app may do nothing to others.",
        &[
            "Use a token with the scope the message names: `longshore token create NAME --scope admin`.",
        ],
    ),
    request(
        "rate_limit_exceeded",
        "the token made more requests than its plan allows",
        "Each token has a number of requests a minute and a burst; the answer says in `Retry-After` when the next is taken.",
        &[
            "Wait as long as it says; the command line does so by itself.",
            "Give the token a larger plan by making a new one: `longshore token create NAME --scope write --plan pro`.",
            "Follow with `longshore events -f` instead of asking again and again.",
        ],
    ),
    request(
        "too_many_followers",
        "too many connections follow logs or events",
        "Each that follows holds a connection open, and the daemon bounds how many.",
        &["End some that nobody reads, then try again."],
    ),
    request(
        "run_not_found",
        "there is no such run",
        "Its id was mistyped, or it was older than the `keep_runs` that are kept.",
        &["See which there are: `longshore runs APP`."],
    ),
    request(
        "run_at_work",
        "another run of the job is at work",
        "The job's `overlap` is \"forbid\": runs are made one at a time.",
        &[
            "Wait for its end: `longshore runs APP` shows it.",
            "Set `overlap = \"replace\"` to end it instead, or \"allow\" to run both.",
        ],
    ),
    request(
        "operation_in_progress",
        "an operation is in progress in the environment",
        "The request asked to be refused where something is at work or waiting.",
        &["Ask again when it has ended: `longshore ls --app APP`."],
    ),
    request(
        "missing_field",
        "a field that is needed was not given",
        "`details.field` names it.",
        &["Add the field to the JSON body; `GET /v1/openapi.json` describes every body."],
    ),
    request(
        "invalid_field",
        "a field of the body has a value that cannot be used",
        "`details.field` names it and the message says what it must be.",
        &["Put it right; `longshore apps` lists the apps and environments there are."],
    ),
    request(
        "invalid_parameter",
        "a parameter of the query has a value that cannot be used",
        "`details.parameter` names it and the message says what it must be.",
        &["Put it right; unknown values are refused instead of ignored."],
    ),
    request(
        "invalid_json",
        "the body is no JSON object",
        "It does not parse, or is a list or a bare value.",
        &["Check it: `jq . body.json`."],
    ),
    request(
        "invalid_env_vars",
        "`env_vars` has a name or value that cannot be a variable",
        "Names are letters, digits and underscores; values are strings without NUL bytes; there are limits to their number and size.",
        &["Put right what `details` names; values that are large belong in a file or a volume."],
    ),
    request(
        "invalid_branch",
        "the repository has no such branch",
        "Branches are looked up at the remote at the moment of the request; it may not be pushed yet.",
        &[
            "Push it: `git push origin BRANCH`.",
            "Name another: `longshore deploy APP --branch BRANCH`.",
        ],
    ),
    request(
        "invalid_commit",
        "the commit does not exist, is ambiguous, or is not on the branch",
        "Only commits that the branch holds are deployed, so that nobody runs what was never pushed there.",
        &[
            "Push it, give more of its digits, or name the branch it is on: `longshore deploy APP --commit SHA --branch BRANCH`.",
        ],
    ),
    request(
        "invalid_request",
        "the request is not whole HTTP, or not as it has to be",
        "Its first line, a header or its path could not be read.",
        &["Check the client or the proxy in between; `curl -v` shows what is sent."],
    ),
    request(
        "payload_too_large",
        "the body is too large",
        "`details.max_bytes` says how large it may be.",
        &["Send less: large values belong in a file of the host or in a volume."],
    ),
    request(
        "uri_too_long",
        "the path with its query is too long",
        "`details.max_bytes` says how long it may be.",
        &["Ask with fewer or shorter parameters."],
    ),
    request(
        "headers_too_large",
        "the headers are too many or too large",
        "`details` says how many and how large they may be; cookies of a browser are a usual cause.",
        &["Send fewer; the API needs `Authorization` and little else."],
    ),
    request(
        "request_timeout",
        "the request did not come whole in time",
        "The client was slow to send it, or the connection hung.",
        &["Send it again; an `Idempotency-Key` keeps a create from happening twice."],
    ),
    request(
        "not_found",
        "there is nothing at this path",
        "The address is mistyped, or this version of the daemon does not have it.",
        &[
            "`GET /v1/openapi.json` lists all there is; compare `longshore --version` with the daemon's.",
        ],
    ),
    request(
        "method_not_allowed",
        "this method is not possible at this path",
        "The path exists, for other methods.",
        &["`GET /v1/openapi.json` says which."],
    ),
    request(
        "project_not_found",
        "there is no such app, or none that this token can see",
        "Apps are those of the configuration and those that once were deployed; a token for one app sees no other.",
        &["List them: `longshore apps`."],
    ),
    request(
        "environment_not_found",
        "the app has no such environment",
        "Environments are those of the configuration and those that once were deployed to.",
        &["List them: `longshore app show APP`."],
    ),
    request(
        "deployment_not_found",
        "there is no such deployment, or none that this token can see",
        "The id is mistyped or another daemon's, or the deployment was removed.",
        &["List them: `longshore ls`."],
    ),
    request(
        "operation_not_found",
        "there is no such stop, start, suspension, activation or removal",
        "The number is mistyped or another daemon's.",
        &["See what happened: `longshore events`."],
    ),
    request(
        "secret_not_found",
        "the environment keeps no such secret",
        "Secrets belong to one environment; this one was not set there.",
        &["List them: `longshore secret ls APP`."],
    ),
    request(
        "hook_not_found",
        "the environment has no deployment hook",
        "None was made, or it was taken away; hooks belong to one environment.",
        &["Make one: `longshore hook enable APP`."],
    ),
    request(
        "token_not_found",
        "there is no such token, or it is revoked already",
        "The id is mistyped or another daemon's, or somebody was faster.",
        &["List them: `longshore token ls --all`."],
    ),
    request(
        "deployment_not_cancellable",
        "the deployment can no longer be cancelled",
        "It ended, or its release is live already and only clean-up is left.",
        &[
            "See how it stands: `longshore show ID`.",
            "Go back to what was live before: `longshore rollback APP`.",
        ],
    ),
    request(
        "deployment_recorded",
        "the deployment was executed elsewhere and only reported here",
        "Somebody told longshore of it by GitLab's API, with a status other than `created`. longshore ran nothing: there is no log and nothing to cancel.",
        &[
            "Read its log, or cancel it, where it runs; `longshore show ID` tells who reported it.",
            "Who reports it says here how it ended: `PUT /api/v4/projects/PROJECT/deployments/NUMBER` with a `status`.",
        ],
    ),
    request(
        "deployment_in_progress",
        "the deployment is under way and cannot be removed",
        "What is being worked on is not taken out of the history.",
        &[
            "Cancel it first, or both at once: `longshore cancel ID`, `longshore rm ID --force`.",
            "Of one that was only reported as running: report first how it ended.",
        ],
    ),
    request(
        "deployment_active",
        "the deployment's release is live and cannot be removed",
        "The history keeps what runs.",
        &["Deploy another version first; or remove the whole app: `longshore app rm APP`."],
    ),
    request(
        "environment_refused",
        "the environment takes no deployments now",
        "It is suspended, being removed, its queue is full, or the database was put back from a backup and nobody has decided yet.",
        &[
            "The message says which: `longshore activate APP` ends a suspension, `longshore adopt` a doubt.",
            "See how it stands: `longshore app show APP`.",
        ],
    ),
    request(
        "nothing_to_deploy",
        "there is nothing to deploy",
        "What was asked for is live already, or the branch is not the app's.",
        &["Deploy by hand if it is meant: `longshore deploy APP`."],
    ),
    request(
        "config_refused",
        "the configuration file has faults and was not taken",
        "The configuration before it goes on.",
        &["See all faults: `longshore check FILE`; put them right and `longshore reload`."],
    ),
    request(
        "idempotency_key_reused",
        "the Idempotency-Key was used for another request",
        "A key stands for one request for 24 hours; with another body it would get the wrong answer.",
        &["Use a new key for a new request, and the same only to send the same again."],
    ),
    request(
        "unsupported",
        "longshore does not do this",
        "The request asks for something this version has no answer to.",
        &["The message names it; leave it out."],
    ),
    request(
        "unavailable",
        "something outside longshore cannot be reached now",
        "The git host, Docker, the ingress or the database did not answer in time.",
        &[
            "Try again in a moment: the answer says when in `Retry-After`.",
            "See the daemon's own view: `longshore status`.",
        ],
    ),
    request(
        "internal_error",
        "longshore itself is at fault",
        "It met something it did not expect; nothing was changed by the request.",
        &[
            "Find `details.request_id` in the daemon's log: `journalctl -u longshore`.",
            "Report it with those lines.",
        ],
    ),
    health(
        "store_failed",
        "the database cannot be read",
        "The disk has an error, or somebody changed or removed files under `data_dir`.",
        &[
            "Read the cause in the daemon's log: `journalctl -u longshore`.",
            "Put the last backup back if the file is damaged; then `longshore adopt`.",
        ],
    ),
    health(
        "database_restored",
        "the database is older than what runs, and nobody has decided yet",
        "A backup was put back; containers run that it knows nothing of, and longshore touches nothing until it is told what counts.",
        &[
            "Keep what runs: `longshore adopt`.",
            "Make live what the database says: `longshore adopt --discard`.",
        ],
    ),
    health(
        "ingress_unavailable",
        "the ingress cannot be reached, or did not take the routes",
        "Its process does not run, its socket is another than `ingress.socket` says, or it refused the route table; what it serves already goes on, and no old container is stopped before it has the new routes.",
        &[
            "See whether it runs, where it is a unit of its own: `systemctl status longshore-ingress`.",
            "Read the cause in the daemon's log: `journalctl -u longshore`.",
            "Compare `ingress.socket` in the configuration with where it listens.",
        ],
    ),
    health(
        "ingress_foreign",
        "the ingress serves another longshore's apps",
        "It holds the route table of another instance: a second daemon on this host, or one whose `data_dir` was made anew. No change of this daemon reaches its clients.",
        &[
            "Make it serve this daemon's apps: `longshore takeover`.",
            "Give each of several daemons an ingress of its own: `ingress.socket` and `ingress.data_dir`.",
        ],
    ),
    health(
        "shutting_down",
        "the daemon is stopping",
        "It was asked to end; deployments under way go on when it starts again.",
        &["Wait, or see its unit: `systemctl status longshore`."],
    ),
];

const fn health(
    code: &'static str,
    meaning: &'static str,
    why: &'static str,
    next: &'static [&'static str],
) -> Explanation {
    Explanation {
        code,
        of: &[Health],
        meaning,
        why,
        next,
    }
}

const fn request(
    code: &'static str,
    meaning: &'static str,
    why: &'static str,
    next: &'static [&'static str],
) -> Explanation {
    Explanation {
        code,
        of: &[Request],
        meaning,
        why,
        next,
    }
}

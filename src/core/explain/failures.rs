//! Why deployments fail.

use super::Of::{Deployment, Health, Request};
use super::{Explanation, Of};
use crate::core::failure::FailureCode;

/// The explanations of failures, in the order of the codes.
pub(super) const TABLE: &[Explanation] = &[
    CHECKOUT_FAILED,
    DOCKERFILE_MISSING,
    BUILD_FAILED,
    PULL_FAILED,
    IMAGE_MISSING,
    IMAGE_GONE,
    RELEASE_FAILED,
    TASK_FAILED,
    JOB_FAILED,
    INTERRUPTED,
    CONTAINER_EXITED,
    NOT_READY,
    ENGINE_REFUSED,
    ENGINE_UNAVAILABLE,
    DEADLINE_EXCEEDED,
    SECRET_UNREADABLE,
    CONFIG_CHANGED,
    ENVIRONMENT_STOPPED,
    ENVIRONMENT_SUSPENDED,
    ADDRESSES_EXHAUSTED,
    CRASH_LOOP,
    RESTORED,
    DISK_FULL,
    INTERNAL,
];

/// The explanation of one. A new code does not compile until it has its own.
pub(super) fn of(code: FailureCode) -> &'static Explanation {
    match code {
        FailureCode::CheckoutFailed => &CHECKOUT_FAILED,
        FailureCode::DockerfileMissing => &DOCKERFILE_MISSING,
        FailureCode::BuildFailed => &BUILD_FAILED,
        FailureCode::PullFailed => &PULL_FAILED,
        FailureCode::ImageMissing => &IMAGE_MISSING,
        FailureCode::ImageGone => &IMAGE_GONE,
        FailureCode::ReleaseFailed => &RELEASE_FAILED,
        FailureCode::TaskFailed => &TASK_FAILED,
        FailureCode::JobFailed => &JOB_FAILED,
        FailureCode::Interrupted => &INTERRUPTED,
        FailureCode::ContainerExited => &CONTAINER_EXITED,
        FailureCode::NotReady => &NOT_READY,
        FailureCode::EngineRefused => &ENGINE_REFUSED,
        FailureCode::EngineUnavailable => &ENGINE_UNAVAILABLE,
        FailureCode::DeadlineExceeded => &DEADLINE_EXCEEDED,
        FailureCode::SecretUnreadable => &SECRET_UNREADABLE,
        FailureCode::ConfigChanged => &CONFIG_CHANGED,
        FailureCode::EnvironmentStopped => &ENVIRONMENT_STOPPED,
        FailureCode::EnvironmentSuspended => &ENVIRONMENT_SUSPENDED,
        FailureCode::AddressesExhausted => &ADDRESSES_EXHAUSTED,
        FailureCode::CrashLoop => &CRASH_LOOP,
        FailureCode::Restored => &RESTORED,
        FailureCode::DiskFull => &DISK_FULL,
        FailureCode::Internal => &INTERNAL,
    }
}

const fn failure(
    code: &'static str,
    meaning: &'static str,
    why: &'static str,
    next: &'static [&'static str],
) -> Explanation {
    also(&[Deployment], code, meaning, why, next)
}

const fn also(
    of: &'static [Of],
    code: &'static str,
    meaning: &'static str,
    why: &'static str,
    next: &'static [&'static str],
) -> Explanation {
    Explanation {
        code,
        of,
        meaning,
        why,
        next,
    }
}

const CHECKOUT_FAILED: Explanation = failure(
    "checkout_failed",
    "the commit could not be fetched or checked out",
    "The git host was out of reach or refused the key, the commit is gone after a force-push, or a submodule cannot be fetched.",
    &[
        "See what git said: `longshore logs ID`.",
        "Try it as longshore's user on that host: `sudo -u USER git ls-remote URL`.",
        "If the commit was rewritten, deploy the branch again: `longshore deploy APP`.",
    ],
);
const DOCKERFILE_MISSING: Explanation = failure(
    "dockerfile_missing",
    "the commit has no Dockerfile, or no build context, where the configuration says",
    "The app's `dockerfile` and `context` are paths in the repository, and this commit has nothing there.",
    &[
        "Look into the commit: `git ls-tree -r --name-only COMMIT`.",
        "Set `dockerfile` and `context` of the app, or commit the file, and deploy again.",
    ],
);
const BUILD_FAILED: Explanation = failure(
    "build_failed",
    "the build ran and failed",
    "A step of the Dockerfile ended with an error, or the Dockerfile itself has one; the last lines of output are the build's.",
    &[
        "Read the whole output: `longshore logs ID`.",
        "Build it yourself at the same commit: `docker build .`.",
    ],
);
const PULL_FAILED: Explanation = failure(
    "pull_failed",
    "the image could not be pulled",
    "The registry does not know the image or its tag, wants a login, or could not be reached.",
    &[
        "Try it on that host: `docker pull IMAGE`.",
        "For a private registry, set its credentials under `docker.registries`.",
    ],
);
const IMAGE_MISSING: Explanation = failure(
    "image_missing",
    "the image is not on this host and is not to be pulled",
    "The app says `pull = \"never\"`, and Docker has no image of that name.",
    &[
        "See what there is: `docker image ls`.",
        "Build or load the image on that host, or set another `pull`, and deploy again.",
    ],
);
const IMAGE_GONE: Explanation = failure(
    "image_gone",
    "the image of the release that was to be live again is gone",
    "Only the images of the last releases are kept (`retention.keep_releases`); an older one that was built here cannot be pulled.",
    &[
        "Deploy that release's commit anew: `longshore deploy APP --commit SHA`.",
        "Keep more of them: raise `retention.keep_releases`.",
    ],
);
const RELEASE_FAILED: Explanation = failure(
    "release_failed",
    "a command of `release` failed",
    "The app's `release` commands run from the new image before it takes over; one ended with another status than 0 or could not be started. What was live still serves; what the commands did already is not undone.",
    &[
        "Read what it printed: `longshore logs ID`.",
        "Mend the cause and deploy again: all commands of `release` run again, from the first.",
    ],
);
const TASK_FAILED: Explanation = failure(
    "task_failed",
    "the task that was asked for failed",
    "A task under `[app.tasks]` runs from the deployment's image before that takes over; it ended with another status than 0 or could not be started. What was live still serves; what it did already is not undone.",
    &[
        "Read what it printed: `longshore logs ID`.",
        "Mend the cause and ask for it again: `longshore deploy APP --task NAME`.",
    ],
);
const JOB_FAILED: Explanation = failure(
    "job_failed",
    "the command of a job ended with another status than 0",
    "It says so itself in its last lines, or could not be started at all; it was tried as often as `retries` allows.",
    &[
        "Read what it printed: `longshore logs APP --run NUMBER`.",
        "Run it again when the cause is mended: `longshore run APP`, or deploy again.",
    ],
);
const INTERRUPTED: Explanation = failure(
    "interrupted",
    "a command of `release`, or the task, was cut off and not run again",
    "Docker or the host went down while it ran, or somebody ended or removed its container. How far it came is not known, and a command is run again by itself only where the configuration says `retry = true`.",
    &[
        "Look how far it came: `longshore logs ID`, and into what it changes.",
        "If it can be run again, deploy again; if it always can, write `{ command = […], retry = true }`.",
    ],
);
const CONTAINER_EXITED: Explanation = failure(
    "container_exited",
    "the container ended before it was ready",
    "The app stopped by itself while it was waited for: a missing variable, a database out of reach, a command that does not exist.",
    &[
        "Read what it printed: `longshore logs ID`.",
        "Set what it misses under `env` or with `longshore secret set APP NAME`, and deploy again.",
    ],
);
const NOT_READY: Explanation = failure(
    "not_ready",
    "the container ran and did not get ready in time",
    "Nothing answered where `port` and `health` say, or it answered with an error, for as long as `health.timeout`.",
    &[
        "The message names the address, the last answer and the ports it does listen on: make `port` and the app agree.",
        "An app must listen on 0.0.0.0, not only on 127.0.0.1.",
        "If it only starts slowly, raise `health.timeout`.",
    ],
);
const ENGINE_REFUSED: Explanation = failure(
    "engine_refused",
    "Docker refused to make, start or stop a container, or to make its network",
    "Docker answered with an error: a host port in use, a volume or option it does not accept.",
    &[
        "The message has Docker's own words; `docker ps` shows who holds a port.",
        "Check the app with `longshore check`, put right what Docker names, and deploy again.",
    ],
);
const ENGINE_UNAVAILABLE: Explanation = also(
    &[Deployment, Health],
    "engine_unavailable",
    "Docker could not be reached",
    "The engine was down or hung; a deployment waits for it as long as `docker.unavailable_timeout`, then fails.",
    &[
        "Look at it on that host: `systemctl status docker`.",
        "When it runs again, deploy again; what was live needs nothing done.",
    ],
);
const DEADLINE_EXCEEDED: Explanation = failure(
    "deadline_exceeded",
    "a step used up its time",
    "Each step has a time in `deadlines`; one that hangs is ended, so that it does not block the queue.",
    &[
        "See where it stood: `longshore logs ID`.",
        "If the step truly needs longer, raise its time in `deadlines`.",
    ],
);
const SECRET_UNREADABLE: Explanation = failure(
    "secret_unreadable",
    "a secret, an environment file or a credential could not be read, or was not set",
    "The configuration names a value that is not there: a file longshore's user may not read, a credential its unit does not load, a stored secret nobody set.",
    &[
        "See which are set: `longshore secret ls APP`.",
        "Set a stored one: `longshore secret set APP NAME`.",
        "Check a file's owner and mode, or the unit's `LoadCredential`.",
    ],
);
const CONFIG_CHANGED: Explanation = failure(
    "config_changed",
    "the configuration no longer has what was asked for",
    "Between the request and its turn in the queue the app, its environment or its source was taken out of the configuration or changed its kind.",
    &[
        "See what is configured: `longshore apps`.",
        "Put it back and `longshore reload`, or deploy what is there now.",
    ],
);
const ENVIRONMENT_STOPPED: Explanation = failure(
    "environment_stopped",
    "the environment was stopped when the deployment's turn came",
    "An automatic deployment does not start what somebody stopped; one by hand does.",
    &["Start it: `longshore start APP`, or deploy by hand: `longshore deploy APP`."],
);
const ENVIRONMENT_SUSPENDED: Explanation = failure(
    "environment_suspended",
    "the environment was suspended when the deployment's turn came",
    "Nothing is deployed to a suspended environment until somebody ends the suspension.",
    &["Activate it, then deploy: `longshore activate APP`."],
);
const ADDRESSES_EXHAUSTED: Explanation = failure(
    "addresses_exhausted",
    "there is no network address left",
    "Each environment and each connection has a network from the pool, and each container an address in its environment's; the pool or the network is used up.",
    &[
        "Remove environments nobody needs: `longshore app rm APP --environment E`, or take `connections` out.",
        "Give the daemon a larger address pool in its configuration and start it again.",
    ],
);
const CRASH_LOOP: Explanation = failure(
    "crash_loop",
    "going on with a step ended with longshore itself three times in a row",
    "The daemon died each time at the same point, for want of memory perhaps; the deployment is given up so that the others can go on.",
    &[
        "See how it ended: `journalctl -u longshore`, `dmesg`.",
        "Give the host more memory or limit the build, then deploy again.",
    ],
);
const RESTORED: Explanation = failure(
    "restored",
    "the database was put back from a backup that does not know how this deployment ended",
    "It was under way when the backup was made, and what happened after that is not in it.",
    &["See what is live: `longshore apps`; deploy again if that is not what you want."],
);
const DISK_FULL: Explanation = also(
    &[Deployment, Request, Health],
    "disk_full",
    "a disk is full: that of `data_dir`, or Docker's",
    "New deployments are refused and those that need space fail, so that the history stays whole and what runs goes on.",
    &[
        "See what longshore can give back, then let it: `longshore gc --explain`, `longshore gc`.",
        "See what Docker uses: `docker system df`.",
        "With space again everything goes on without a restart.",
    ],
);
const INTERNAL: Explanation = failure(
    "internal",
    "longshore itself is at fault",
    "It met something it did not expect; the cause is in the daemon's own log.",
    &[
        "Read it: `journalctl -u longshore`.",
        "Deploying again may help; if it comes again, report it with those lines.",
    ],
);

//! What can go wrong between a request and its answer, in words that no dialect owns. Each dialect has one function
//! that turns these into its own shape.

use super::access::Scope;
use super::commit_status::{CommitState, MAX_STATUSES};
use super::deployment::Phase;
use super::environment::EnvironmentRef;
use super::recorded::CannotBecome;

/// Why a request was not carried out. Nothing has changed when one of these is returned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No such app, or none the caller can see.
    #[error("there is no app '{0}'")]
    AppNotFound(String),
    /// The app has no such environment.
    #[error("app '{app}' has no environment '{environment}'; it has: {known}")]
    EnvironmentNotFound {
        /// The app.
        app: String,
        /// What was asked for.
        environment: String,
        /// The names there are, comma separated.
        known: String,
    },
    /// No environment of this id, or none the caller can see.
    #[error("there is no environment {0}")]
    EnvironmentIdNotFound(EnvironmentRef),
    /// The environment's deployment hook is not enabled.
    #[error("environment '{environment}' of app '{app}' has no deployment hook")]
    HookNotFound {
        /// The app.
        app: String,
        /// The environment.
        environment: String,
    },
    /// No such deployment, or none the caller can see.
    #[error("there is no such deployment")]
    DeploymentNotFound,
    /// No such project, or none the caller can see.
    #[error("there is no project '{0}'")]
    ProjectNotFound(String),
    /// It was only recorded: somebody else executed it.
    #[error(
        "the deployment was recorded here and executed elsewhere: it has no log, and only who reports it can say that it ended"
    )]
    Recorded,
    /// It was recorded as running and so cannot be deleted.
    #[error("the deployment was reported as running: report first how it ended")]
    ReportedRunning,
    /// It is what its environment runs, as far as was reported, and so cannot be deleted.
    #[error("the deployment is the newest success of its environment: report another first")]
    NewestSuccess,
    /// A report that cannot be true.
    #[error(transparent)]
    CannotBecome(#[from] CannotBecome),
    /// The name belongs to another.
    #[error("project '{project}' has an environment '{environment}' already")]
    EnvironmentExists {
        /// The project.
        project: String,
        /// The name.
        environment: String,
    },
    /// It is not stopped and so cannot be removed.
    #[error("the environment is not stopped: stop it first")]
    NotStopped,
    /// The environment has no such secret.
    #[error("environment '{environment}' of app '{app}' has no secret '{name}'")]
    SecretNotFound {
        /// The app.
        app: String,
        /// The environment.
        environment: String,
        /// What was asked for.
        name: String,
    },
    /// No such change of an environment, or none the caller can see.
    #[error("there is no such operation")]
    OperationNotFound,
    /// No such token, or none the caller can see, or it is revoked already.
    #[error("there is no such token")]
    TokenNotFound,
    /// The caller's rights are too small.
    #[error("this needs the scope {}", .0.as_str())]
    Forbidden(Scope),
    /// A value that is needed and was not given.
    #[error("{0} is required")]
    Missing(&'static str),
    /// A value that cannot be used.
    #[error("{field} {message}")]
    Invalid {
        /// The field, as the action names it.
        field: &'static str,
        /// What is wrong with it, to be read after its name.
        message: String,
    },
    /// The remote has no such branch.
    #[error("branch '{branch}' does not exist in {repository}")]
    BranchNotFound {
        /// The branch.
        branch: String,
        /// The remote.
        repository: String,
    },
    /// The remote has no such tag.
    #[error("tag '{tag}' does not exist in {repository}")]
    TagNotFound {
        /// The tag.
        tag: String,
        /// The remote.
        repository: String,
    },
    /// The commit does not exist, is ambiguous, or is not on the branch or in the tag's history.
    #[error("{message}")]
    CommitNotFound {
        /// The commit as it was asked for.
        commit: String,
        /// Which of the three it is.
        message: String,
    },
    /// The remote has nothing that is called so.
    #[error("'{name}' names no branch, tag or commit of {repository}")]
    RefNotFound {
        /// The name, as it was asked for.
        name: String,
        /// The remote.
        repository: String,
    },
    /// The remote has no commit at all.
    #[error("{repository} is empty: push a commit first")]
    RepositoryEmpty {
        /// The remote.
        repository: String,
    },
    /// The default branch does not merge into what was to be deployed.
    #[error("branch '{from}' cannot be merged into '{into}'")]
    MergeConflict {
        /// The default branch.
        from: String,
        /// What was to be deployed, as it was asked for.
        into: String,
    },
    /// It would merge, and may not be pushed.
    #[error("branch '{from}' is not merged into '{into}': {why}")]
    MergeRefused {
        /// The default branch.
        from: String,
        /// What was to be deployed, as it was asked for.
        into: String,
        /// Who says so, and what to do.
        why: String,
    },
    /// Checks of the commit are not well.
    #[error("not every check of '{reference}' is well: {}", contexts.iter().map(|(label, state)| format!("{label} is {}", state.as_str())).collect::<Vec<_>>().join(", "))]
    ChecksFailed {
        /// What was to be deployed, as it was asked for.
        reference: String,
        /// The checks that were looked at, with what each says.
        contexts: Vec<(String, CommitState)>,
    },
    /// The app has no such task.
    #[error("there is no task '{task}'; there is: {}", known.join(", "))]
    UnknownTask {
        /// What was asked for.
        task: String,
        /// Those there are, `deploy` first.
        known: Vec<String>,
    },
    /// The environment is not configured, and no app of the project takes previews.
    #[error(
        "project '{project}' has no environment '{environment}' and takes no previews; it has: {known}"
    )]
    PreviewsOff {
        /// The project.
        project: String,
        /// What was asked for.
        environment: String,
        /// The names there are, comma separated.
        known: String,
    },
    /// There are as many previews as the configuration allows.
    #[error(
        "app '{app}' has {max} previews already, as many as `previews.max` allows: remove one first"
    )]
    TooManyPreviews {
        /// The app.
        app: String,
        /// How many it may have.
        max: u32,
    },
    /// The deployment has no such status.
    #[error("the deployment has no such status")]
    StatusNotFound,
    /// The deployment, or the commit for this check, has as many statuses as it may have.
    #[error(
        "{MAX_STATUSES} statuses are kept of a deployment, and of a commit for each check, and there are as many"
    )]
    TooManyStatuses,
    /// Its newest status is a success, and it is not the only one of its environment (GitHub's rule).
    #[error(
        "the deployment is active and not the only one of its environment: post the status inactive first"
    )]
    Active,
    /// No such run, or none the caller can see.
    #[error("there is no such run")]
    RunNotFound,
    /// The app is a service: it has no runs.
    #[error("app '{app}' is no job: it runs on, and is deployed")]
    NotAJob {
        /// The app.
        app: String,
    },
    /// The job runs nothing at such an event.
    #[error("app '{app}' runs nothing at '{event}'; it runs something at: {known}")]
    NoSuchEvent {
        /// The app.
        app: String,
        /// What was asked for.
        event: String,
        /// Those it has, comma separated.
        known: String,
    },
    /// Another run of the job is at work, and its `overlap` forbids one beside it.
    #[error("run {number} is at work, and overlap = \"forbid\" allows none beside it")]
    RunAtWork {
        /// Its number.
        number: i64,
    },
    /// Something is at work or waiting in the environment, and the caller wants to be refused then.
    #[error("an operation is in progress in environment '{environment}' of app '{app}'")]
    Busy {
        /// The app.
        app: String,
        /// The environment.
        environment: String,
    },
    /// It ended, or is past its commit.
    #[error("the deployment can no longer be cancelled: {0}")]
    NotCancellable(Ended),
    /// It has not ended and so cannot be deleted.
    #[error("the deployment has not ended: cancel it first")]
    InProgress(Box<Phase>),
    /// It is what its environment runs and so cannot be deleted.
    #[error(
        "the deployment is live: deploy another first, or delete it with force, which stops its environment"
    )]
    Live,
    /// The environment takes no deployments now.
    #[error("{0}")]
    Refused(String),
    /// The configuration file has faults; the one before goes on.
    #[error("the configuration {file} has faults and was not taken; the one before goes on")]
    ConfigRefused {
        /// The file.
        file: String,
        /// Each fault, with file, line and column.
        faults: Vec<String>,
    },
    /// The same key came with another request.
    #[error("this idempotency key was used for another request")]
    KeyReused,
    /// longshore does not do this (yet).
    #[error("{0} is not supported")]
    Unsupported(String),
    /// Something outside cannot be reached now.
    #[error("{0}")]
    Unavailable(String),
    /// The disk of data_dir is full; what runs goes on, and nothing new is begun.
    #[error("{0}")]
    DiskFull(String),
    /// longshore is at fault; the log has the cause.
    #[error("{0}")]
    Internal(String),
}

/// How a deployment that cannot be cancelled any more stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Its release is live; only finishing work is left.
    Committed,
    /// It succeeded.
    Succeeded,
    /// It failed.
    Failed,
    /// A newer one took its place.
    Superseded,
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Committed => "its release is already live",
            Self::Succeeded => "it succeeded",
            Self::Failed => "it failed",
            Self::Superseded => "a newer deployment took its place",
        })
    }
}

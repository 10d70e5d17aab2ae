//! Qovery's words, as far as we have a use for them: a word that a generated client does not know makes it reject the
//! whole answer, so none is ours.

use serde::Serialize;

/// How a job, or an environment, stands. `QUEUED` is no state of a job's to a client that waits: it takes it for the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(in crate::api::qovery) enum State {
    Ready,
    DeploymentQueued,
    Building,
    BuildError,
    Deploying,
    Executing,
    Deployed,
    DeploymentError,
    Canceling,
    Canceled,
    StopQueued,
    Stopping,
    Stopped,
    StopError,
    DeleteQueued,
    Deleting,
    Deleted,
    DeleteError,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(in crate::api::qovery) enum Doing {
    Deploy,
    Delete,
    Stop,
    Unknown,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(in crate::api::qovery) enum Progress {
    Queued,
    Ongoing,
    Success,
    Error,
    Executing,
    Canceled,
    Canceling,
    Never,
}

/// What else is done: only Terraform's services have words for that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(in crate::api::qovery) enum SubAction {
    None,
}

/// Whether what is live is what is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(in crate::api::qovery) enum Freshness {
    NeverDeployed,
    OutOfDate,
    UpToDate,
}

/// A step of a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(in crate::api::qovery) enum StepName {
    GitClone,
    Build,
    DeploymentQueueing,
    Deployment,
    Executing,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(in crate::api::qovery) enum StepStatus {
    Success,
    Error,
    Cancel,
    Skip,
}

/// What a job runs at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(in crate::api::qovery) enum ScheduleEvent {
    OnStart,
    OnStop,
    OnDelete,
    Cron,
}

/// The two kinds of jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(in crate::api::qovery) enum JobType {
    Lifecycle,
    Cron,
}

/// What a service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(in crate::api::qovery) enum ServiceType {
    Job,
}

/// Where something was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(in crate::api::qovery) enum Origin {
    Api,
    Git,
    QoveryInternal,
}

//! Why a deployment failed, in the form every dialect and the CLI show: a stable code, what happened, the last
//! lines of output, and what to do next.

use serde::{Deserialize, Serialize};

/// Why a deployment failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The stable word for it.
    pub code: FailureCode,
    /// What happened, as one sentence.
    pub message: String,
    /// The last lines of the build's or the container's output; empty if there were none.
    pub output: Vec<String>,
    /// What to do next, as one sentence.
    pub next: String,
}

/// The stable words for failures. New ones may come; none is ever renamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureCode {
    /// The commit could not be fetched or checked out.
    CheckoutFailed,
    /// The repository has no Dockerfile where the configuration says.
    DockerfileMissing,
    /// The build ran and failed.
    BuildFailed,
    /// The image could not be pulled.
    PullFailed,
    /// The image is not on this host and may not be, or cannot be, pulled.
    ImageMissing,
    /// The image of the release that is to be live again is gone and cannot be pulled.
    ImageGone,
    /// A command of `release` ended with another status than 0, or could not be started.
    ReleaseFailed,
    /// The task that was asked for did.
    TaskFailed,
    /// A command of `release`, or the task, was cut off before it ended by itself, and may not be run again.
    Interrupted,
    /// The command of a job ended with another status than 0, or could not be started.
    JobFailed,
    /// The container ended before it was ready.
    ContainerExited,
    /// The container ran and did not get ready in time.
    NotReady,
    /// The engine refused to make or start the container.
    EngineRefused,
    /// The engine could not be reached for too long.
    EngineUnavailable,
    /// A step used up its time.
    DeadlineExceeded,
    /// A secret, an environment file or a credential could not be read.
    SecretUnreadable,
    /// The configuration no longer fits what was asked for.
    ConfigChanged,
    /// The environment was stopped before the turn of an automatic deployment came.
    EnvironmentStopped,
    /// The environment is suspended.
    EnvironmentSuspended,
    /// The address pool or the environment's network has no address left.
    AddressesExhausted,
    /// A step took the agent down three times in a row.
    CrashLoop,
    /// The database was restored from a backup in which it was not finished, or which does not know it.
    Restored,
    /// A disk is full: data_dir's, or the engine's.
    DiskFull,
    /// longshore itself is at fault.
    Internal,
}

impl FailureCode {
    /// The word as it is stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CheckoutFailed => "checkout_failed",
            Self::DockerfileMissing => "dockerfile_missing",
            Self::BuildFailed => "build_failed",
            Self::PullFailed => "pull_failed",
            Self::ImageMissing => "image_missing",
            Self::ImageGone => "image_gone",
            Self::ReleaseFailed => "release_failed",
            Self::TaskFailed => "task_failed",
            Self::Interrupted => "interrupted",
            Self::JobFailed => "job_failed",
            Self::ContainerExited => "container_exited",
            Self::NotReady => "not_ready",
            Self::EngineRefused => "engine_refused",
            Self::EngineUnavailable => "engine_unavailable",
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::SecretUnreadable => "secret_unreadable",
            Self::ConfigChanged => "config_changed",
            Self::EnvironmentStopped => "environment_stopped",
            Self::EnvironmentSuspended => "environment_suspended",
            Self::AddressesExhausted => "addresses_exhausted",
            Self::CrashLoop => "crash_loop",
            Self::Restored => "restored",
            Self::DiskFull => "disk_full",
            Self::Internal => "internal",
        }
    }
}

//! Our states in Sevalla's words.

use crate::core::deployment::{Phase, Step as CoreStep, Trigger, Wanted};
use crate::core::recorded::ReportedState;
use crate::core::spec::{GitSource, SourceSpec};
use serde::Serialize;

/// Where a deployment is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::api::sevalla) enum DeploymentStatus {
    Waiting,
    InProgress,
    Success,
    Failed,
    Cancelled,
    Skipped,
}

impl From<&Phase> for DeploymentStatus {
    fn from(phase: &Phase) -> Self {
        match phase {
            Phase::Queued => Self::Waiting,
            Phase::Running(_) | Phase::Committed(_) => Self::InProgress,
            Phase::Succeeded { .. } => Self::Success,
            Phase::Failed { .. } => Self::Failed,
            Phase::Cancelled {
                was_waiting: false, ..
            } => Self::Cancelled,
            Phase::Cancelled {
                was_waiting: true, ..
            }
            | Phase::Superseded { .. } => Self::Skipped,
        }
    }
}

impl From<ReportedState> for DeploymentStatus {
    fn from(state: ReportedState) -> Self {
        match state {
            ReportedState::Created => Self::Waiting,
            ReportedState::Running => Self::InProgress,
            ReportedState::Success => Self::Success,
            ReportedState::Failed => Self::Failed,
            ReportedState::Canceled => Self::Cancelled,
        }
    }
}

/// How an application stands, by its newest deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(in crate::api::sevalla) enum ApplicationStatus {
    #[serde(rename = "deploymentInProgress")]
    InProgress,
    #[serde(rename = "deploymentFailed")]
    Failed,
    #[serde(rename = "deploymentSuccess")]
    Success,
    #[serde(rename = "deploymentCancelled")]
    Cancelled,
}

impl From<&Phase> for ApplicationStatus {
    fn from(phase: &Phase) -> Self {
        match phase {
            Phase::Queued | Phase::Running(_) | Phase::Committed(_) => Self::InProgress,
            Phase::Succeeded { .. } => Self::Success,
            Phase::Failed { .. } => Self::Failed,
            Phase::Cancelled { .. } | Phase::Superseded { .. } => Self::Cancelled,
        }
    }
}

/// How a deployment was initiated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::api::sevalla) enum Initiated {
    Manual,
    Automatic,
}

impl From<Trigger> for Initiated {
    fn from(trigger: Trigger) -> Self {
        match trigger {
            Trigger::Manual => Self::Manual,
            Trigger::Automatic => Self::Automatic,
        }
    }
}

/// What initiated a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(in crate::api::sevalla) enum Initiator {
    ManualDeploy,
    RollbackDeployment,
    AutoDeployOnPush,
    Restart,
}

impl Initiator {
    pub(in crate::api::sevalla) fn of(wanted: &Wanted, trigger: Trigger) -> Self {
        match (wanted, trigger) {
            (Wanted::Restart, _) => Self::Restart,
            (Wanted::Release(_), _) => Self::RollbackDeployment,
            (Wanted::Commit { .. } | Wanted::Image(_), Trigger::Manual) => Self::ManualDeploy,
            (Wanted::Commit { .. } | Wanted::Image(_), Trigger::Automatic) => {
                Self::AutoDeployOnPush
            }
        }
    }
}

/// A step that a deployment takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::api::sevalla) enum Step {
    Checkout,
    Build,
    Rollout,
    SyncConnections,
}

impl From<CoreStep> for Step {
    fn from(step: CoreStep) -> Self {
        match step {
            CoreStep::Checkout => Self::Checkout,
            CoreStep::Build => Self::Build,
            CoreStep::Rollout => Self::Rollout,
            CoreStep::SyncConnections => Self::SyncConnections,
        }
    }
}

/// Where an application's source comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::api::sevalla) enum Source {
    PrivateGit,
    PublicGit,
    DockerImage,
    /// Neither: the configuration no longer names it.
    App,
}

impl From<Option<&SourceSpec>> for Source {
    fn from(source: Option<&SourceSpec>) -> Self {
        match source {
            Some(SourceSpec::Image(_)) => Self::DockerImage,
            Some(SourceSpec::Git(git)) if git.repository.credentials.is_some() => Self::PrivateGit,
            Some(SourceSpec::Git(_)) => Self::PublicGit,
            None => Self::App,
        }
    }
}

/// Who hosts a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::api::sevalla) enum GitType {
    Github,
    Bitbucket,
    Gitlab,
}

impl GitType {
    /// By the host; `None` for one that Sevalla has no word for.
    pub(in crate::api::sevalla) fn of(url: &str) -> Option<Self> {
        match host(url)?.to_ascii_lowercase().as_str() {
            "github.com" => Some(Self::Github),
            "bitbucket.org" => Some(Self::Bitbucket),
            "gitlab.com" => Some(Self::Gitlab),
            _ => None,
        }
    }
}

/// The host of `https://host/…`, `ssh://user@host:22/…` or `user@host:…`.
fn host(url: &str) -> Option<&str> {
    let authority = match url.split_once("://") {
        Some((_, rest)) => rest.split('/').next()?,
        None => url.split_once(':')?.0,
    };
    let host = authority.rsplit('@').next()?;
    host.split(':').next()
}

/// The git side of a source.
pub(in crate::api::sevalla) fn git(source: Option<&SourceSpec>) -> Option<&GitSource> {
    match source {
        Some(SourceSpec::Git(git)) => Some(git),
        Some(SourceSpec::Image(_)) | None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_written_in_sevallas_spelling() {
        let words = [
            CoreStep::Checkout,
            CoreStep::Build,
            CoreStep::Rollout,
            CoreStep::SyncConnections,
        ];
        let words = words.map(|step| serde_json::to_value(Step::from(step)).unwrap());
        assert_eq!(words, ["checkout", "build", "rollout", "syncConnections"]);
    }

    #[test]
    fn the_host_of_a_repository_says_who_hosts_it() {
        for (url, expected) in [
            ("https://github.com/acme/web.git", Some(GitType::Github)),
            ("https://GitHub.com/acme/web", Some(GitType::Github)),
            ("git@github.com:acme/web.git", Some(GitType::Github)),
            ("ssh://git@gitlab.com:22/acme/web", Some(GitType::Gitlab)),
            ("https://bitbucket.org/acme/web", Some(GitType::Bitbucket)),
            ("https://github.com.evil.example/web", None),
            ("https://git.example/github.com/web", None),
            ("/srv/git/github.com:web", None),
            ("file:///srv/git/web", None),
        ] {
            assert_eq!(GitType::of(url), expected, "{url}");
        }
    }
}

//! Statuses of deployments, as GitHub has them: an append-only list beside each deployment. longshore writes its own as
//! the deployment walks; whoever may deploy can add others. None of them moves anything that runs here.

use super::access::Principal;
use super::deployment::Phase;
use super::failure::{Failure, FailureCode};
use super::id::{DeploymentSerial, StatusSerial};
use super::listing::DeploymentRef;
use super::name::EnvironmentName;
use super::recorded::ReportedState;
use super::route::Domain;
use super::time::Timestamp;
use uuid::Uuid;

/// What a status says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StatusState {
    /// It could not be carried out.
    Error,
    /// It failed.
    Failure,
    /// It no longer counts.
    Inactive,
    /// It is at work.
    InProgress,
    /// It waits.
    Queued,
    /// Nothing is known yet.
    Pending,
    /// It ended well.
    Success,
}

impl StatusState {
    /// Every one.
    pub const ALL: [Self; 7] = [
        Self::Error,
        Self::Failure,
        Self::Inactive,
        Self::InProgress,
        Self::Queued,
        Self::Pending,
        Self::Success,
    ];

    /// The word that is stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Failure => "failure",
            Self::Inactive => "inactive",
            Self::InProgress => "in_progress",
            Self::Queued => "queued",
            Self::Pending => "pending",
            Self::Success => "success",
        }
    }

    /// Reads the word back.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// What it says of a deployment that somebody else executes; `None` if nothing.
    #[must_use]
    pub fn reports(self) -> Option<ReportedState> {
        match self {
            Self::Error | Self::Failure => Some(ReportedState::Failed),
            Self::InProgress => Some(ReportedState::Running),
            Self::Success => Some(ReportedState::Success),
            Self::Inactive | Self::Queued | Self::Pending => None,
        }
    }
}

/// How many characters a description has at most (GitHub's contract).
pub const MAX_DESCRIPTION: usize = 140;

/// How many statuses of one deployment others may write: a tool that says every second how far it is fills a quarter of an
/// hour, and whoever says more says it in a loop.
pub const MAX_STATUSES: u64 = 1000;

/// A status that longshore writes by itself when a deployment comes to a phase; `None` where there is nothing new to say.
#[must_use]
pub fn of_phase(phase: &Phase, is_first_step: bool) -> Option<(StatusState, String)> {
    match phase {
        Phase::Queued | Phase::Committed(_) => None,
        Phase::Running(_) => is_first_step.then(|| (StatusState::InProgress, String::new())),
        Phase::Succeeded { .. } => Some((StatusState::Success, String::new())),
        Phase::Failed { failure, .. } => Some(of_failure(failure)),
        Phase::Cancelled { was_waiting, .. } => {
            let said = match was_waiting {
                true => "Cancelled before it began",
                false => "Cancelled",
            };
            Some((StatusState::Error, said.to_owned()))
        }
        Phase::Superseded { .. } => Some((
            StatusState::Inactive,
            "A newer deployment took its place before it began".to_owned(),
        )),
    }
}

/// `failure` where what was to be deployed is at fault, `error` where this host is.
fn of_failure(failure: &Failure) -> (StatusState, String) {
    let state = match failure.code {
        FailureCode::CheckoutFailed
        | FailureCode::DockerfileMissing
        | FailureCode::BuildFailed
        | FailureCode::PullFailed
        | FailureCode::ImageMissing
        | FailureCode::ImageGone
        | FailureCode::ReleaseFailed
        | FailureCode::TaskFailed
        | FailureCode::JobFailed
        | FailureCode::ContainerExited
        | FailureCode::NotReady
        | FailureCode::DeadlineExceeded
        | FailureCode::SecretUnreadable
        | FailureCode::ConfigChanged
        | FailureCode::EnvironmentStopped
        | FailureCode::EnvironmentSuspended
        | FailureCode::EngineRefused => StatusState::Failure,
        FailureCode::Interrupted
        | FailureCode::EngineUnavailable
        | FailureCode::AddressesExhausted
        | FailureCode::CrashLoop
        | FailureCode::Restored
        | FailureCode::DiskFull
        | FailureCode::Internal => StatusState::Error,
    };
    (state, shortened(&failure.message))
}

/// As much of a text as a description holds, on one line.
fn shortened(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() <= MAX_DESCRIPTION {
        return line.to_owned();
    }
    let kept = line.chars().take(MAX_DESCRIPTION - 1);
    kept.chain(['…']).collect()
}

/// What a deployment that somebody else executes is shown with when something was reported of it.
#[must_use]
pub fn of_report(state: ReportedState) -> Option<StatusState> {
    match state {
        ReportedState::Created => None,
        ReportedState::Running => Some(StatusState::InProgress),
        ReportedState::Success => Some(StatusState::Success),
        ReportedState::Failed => Some(StatusState::Failure),
        ReportedState::Canceled => Some(StatusState::Error),
    }
}

/// A request to write a status down.
#[derive(Clone, Debug)]
pub struct PostStatus {
    /// Of which deployment.
    pub deployment: DeploymentRef,
    /// What it says.
    pub state: StatusState,
    /// A short description, at most [`MAX_DESCRIPTION`] characters; may be empty.
    pub description: String,
    /// The URL of the output; may be empty.
    pub log_url: String,
    /// The name of the environment from now on, as far as it is shown; as before if absent.
    pub environment: Option<EnvironmentName>,
    /// Where the environment is reached; may be empty.
    pub environment_url: String,
    /// Whether a success makes older ones of the environment inactive, where those are neither transient nor production.
    pub auto_inactive: bool,
}

/// A status as a reader sees it.
#[derive(Clone, Debug)]
pub struct StatusView {
    /// Its serial.
    pub serial: StatusSerial,
    /// Its deployment.
    pub deployment: DeploymentSerial,
    /// What it says.
    pub state: StatusState,
    /// A short description; may be empty.
    pub description: String,
    /// The name of the environment at that time.
    pub environment: EnvironmentName,
    /// Where the environment was reached.
    pub reached: Reached,
    /// Where the output is.
    pub log: StatusLog,
    /// Who wrote it; `None`: longshore itself.
    pub by: Option<Principal>,
    /// When.
    pub at: Timestamp,
}

/// Where an environment was reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reached {
    /// As the one who wrote the status said; may be empty.
    Given(String),
    /// At this domain, through the ingress.
    Domain(Domain),
}

/// Where the output of a deployment is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatusLog {
    /// As the one who wrote the status said; may be empty.
    Given(String),
    /// It is the log that is kept here, of the deployment with this id.
    Own(Uuid),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_words_are_read_back() {
        for state in StatusState::ALL {
            assert_eq!(StatusState::parse(state.as_str()), Some(state));
        }
        assert_eq!(StatusState::parse("Success"), None);
    }

    #[test]
    fn a_long_message_is_cut_to_what_a_description_holds() {
        let text = "é".repeat(200);
        assert_eq!(shortened(&text).chars().count(), MAX_DESCRIPTION);
        assert!(shortened(&text).ends_with('…'));
        assert_eq!(shortened("one\ntwo"), "one");
        assert_eq!(shortened(&"é".repeat(140)), "é".repeat(140));
    }
}

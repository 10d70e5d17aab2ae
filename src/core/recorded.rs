//! Deployments that somebody else executed and only told us about. None is ever queued, none is timed out, and none
//! moves anything that runs here; where one stands is what was reported last.
//!
//! ```text
//!  report ─▶ Created ──run──▶ Running ──┐
//!              │                        ├─ succeed ─▶ Success ─┐
//!              └────────────────────────┼─ drop ────▶ Failed  ─┼─▶ any other of the three
//!                                       └─ cancel ──▶ Canceled ┘
//! ```
//!
//! The transitions are GitLab's: that is the dialect in which such deployments are reported. What has ended may end in
//! another way, and never runs again.

use super::access::Principal;
use super::commit_status::Contexts;
use super::environment::Brief;
use super::id::{AppSerial, DeploymentSerial, EnvironmentSerial, PrincipalSerial, ProjectSerial};
use super::name::{AppName, EnvironmentName, ProjectPath, Reported};
use super::particulars::{Noted, Particulars};
use super::route::Domain;
use super::time::Timestamp;
use uuid::Uuid;

/// Where a recorded deployment stands, as somebody said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReportedState {
    /// It has not begun.
    Created,
    /// It is at work.
    Running,
    /// It ended well.
    Success,
    /// It ended badly.
    Failed,
    /// Somebody ended it.
    Canceled,
}

impl ReportedState {
    /// Every one.
    pub const ALL: [Self; 5] = [
        Self::Created,
        Self::Running,
        Self::Success,
        Self::Failed,
        Self::Canceled,
    ];

    /// The word by which it is stored, among the phases of other deployments.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "recorded_created",
            Self::Running => "recorded_running",
            Self::Success => "recorded_success",
            Self::Failed => "recorded_failed",
            Self::Canceled => "recorded_canceled",
        }
    }

    /// Reads the stored word back.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// Whether it is an end.
    #[must_use]
    pub fn is_end(self) -> bool {
        match self {
            Self::Created | Self::Running => false,
            Self::Success | Self::Failed | Self::Canceled => true,
        }
    }

    /// Whether something may be said of a deployment that stands here (GitLab's rules).
    #[must_use]
    pub fn may_become(self, next: Self) -> bool {
        match next {
            Self::Created => false,
            Self::Running => self == Self::Created,
            Self::Success | Self::Failed | Self::Canceled => self != next,
        }
    }
}

/// A deployment that somebody else executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The row's serial.
    pub serial: DeploymentSerial,
    /// The id clients hold, a version 7 UUID.
    pub id: Uuid,
    /// The serial within the project.
    pub iid: i64,
    /// The app it belongs to.
    pub app: AppSerial,
    /// The environment it was for.
    pub environment: EnvironmentSerial,
    /// Who told of it first.
    pub by: PrincipalSerial,
    /// The branch or tag, as it was told.
    pub reference: Reported,
    /// Whether that is a tag.
    pub tag: bool,
    /// The commit, as it was told.
    pub sha: Reported,
    /// Where it stands.
    pub state: ReportedState,
    /// When it was told of first.
    pub created_at: Timestamp,
    /// When something else was said of it last.
    pub updated_at: Timestamp,
}

/// Something was said of a recorded deployment that cannot be true of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a deployment that was reported as {from:?} cannot become {to:?}")]
pub struct CannotBecome {
    /// Where it stands.
    pub from: ReportedState,
    /// What was said.
    pub to: ReportedState,
}

impl Recorded {
    /// What it becomes by a report.
    ///
    /// # Errors
    /// If it cannot become that.
    pub fn report(self, state: ReportedState, at: Timestamp) -> Result<Self, CannotBecome> {
        match self.state.may_become(state) {
            true => Ok(Self {
                state,
                updated_at: at,
                ..self
            }),
            false => Err(CannotBecome {
                from: self.state,
                to: state,
            }),
        }
    }

    /// When it ended; `None` while it has not.
    #[must_use]
    pub fn ended_at(&self) -> Option<Timestamp> {
        self.state.is_end().then_some(self.updated_at)
    }
}

/// A deployment that somebody tells of for the first time.
#[derive(Clone, Debug)]
pub struct Record {
    /// In which project.
    pub project: ProjectSerial,
    /// For which environment; it is made if the project has none of this name.
    pub environment: EnvironmentName,
    /// The branch or tag.
    pub reference: Reported,
    /// Whether that is a tag.
    pub tag: bool,
    /// The commit.
    pub sha: Reported,
    /// Where it stands. The newest success of its environment is not recorded a second time: who tells of it again is
    /// given the first one (GitLab's rule).
    pub state: ReportedState,
    /// What is told besides.
    pub particulars: Particulars,
    /// Which checks of the commit must be well.
    pub contexts: Contexts,
}

/// A recorded deployment with what a reader needs around it.
#[derive(Clone, Debug)]
pub struct RecordedView {
    /// The deployment itself.
    pub recorded: Recorded,
    /// Its app's name.
    pub app: AppName,
    /// Its app's id.
    pub app_id: Uuid,
    /// Its project.
    pub project: ProjectPath,
    /// Its environment's name.
    pub environment: EnvironmentName,
    /// Its environment's id.
    pub environment_id: Uuid,
    /// The first domain of its environment that is one host; none if that has none, or was removed.
    pub domain: Option<Domain>,
    /// What is to be known of its environment.
    pub brief: Brief,
    /// Who told of it.
    pub by: Principal,
    /// What it is shown with besides.
    pub noted: Noted,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_ended_may_end_otherwise_and_never_runs_again() {
        use ReportedState::{Canceled, Created, Failed, Running, Success};
        let all = |to: ReportedState| -> Vec<ReportedState> {
            let from = ReportedState::ALL.into_iter();
            from.filter(|from| from.may_become(to)).collect()
        };
        assert_eq!(all(Created), []);
        assert_eq!(all(Running), [Created]);
        assert_eq!(all(Success), [Created, Running, Failed, Canceled]);
        assert_eq!(all(Failed), [Created, Running, Success, Canceled]);
        assert_eq!(all(Canceled), [Created, Running, Success, Failed]);
    }

    #[test]
    fn stored_words_are_read_back() {
        for state in ReportedState::ALL {
            assert_eq!(ReportedState::parse(state.as_str()), Some(state));
        }
        assert_eq!(ReportedState::parse("running"), None);
    }
}

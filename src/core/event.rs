//! What happened, in order: each step of a deployment's life, of a change's and of a run's, as it was written down with it.

use super::change::Change;
use super::deployment::Step;
use super::id::{AppSerial, OperationSerial};
use super::job::JobEvent;
use super::name::{AppName, EnvironmentName};
use super::recorded::ReportedState;
use super::time::Timestamp;
use uuid::Uuid;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its place in the order of everything that happened; never given twice.
    pub serial: i64,
    /// When.
    pub at: Timestamp,
    /// The app it happened to.
    pub app: AppName,
    /// The environment.
    pub environment: EnvironmentName,
    /// What it was.
    pub what: Happened,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happened {
    /// A deployment went on.
    Deployment {
        /// Which one.
        id: Uuid,
        /// Where it has come to.
        stage: DeploymentStage,
    },
    /// A change of an environment went on.
    Change {
        /// Which operation.
        operation: OperationSerial,
        /// What is asked of the environment.
        change: Change,
        /// Where it has come to.
        stage: ChangeStage,
    },
    /// A run went on.
    Run {
        /// Which one.
        id: Uuid,
        /// Its number within the environment.
        number: i64,
        /// What it runs.
        event: JobEvent,
        /// Where it has come to.
        stage: RunStage,
    },
}

/// A point of a deployment's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeploymentStage {
    /// It was accepted.
    Queued,
    /// It began this step.
    Running(Step),
    /// Its release became live.
    Committed,
    /// It is done.
    Succeeded,
    /// It failed.
    Failed,
    /// Somebody cancelled it.
    Cancelled,
    /// A newer one took its place.
    Superseded,
    /// Somebody else executes it and reported this.
    Recorded(ReportedState),
}

impl DeploymentStage {
    const OURS: [Self; 9] = [
        Self::Queued,
        Self::Running(Step::Checkout),
        Self::Running(Step::Build),
        Self::Running(Step::Rollout),
        Self::Committed,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
        Self::Superseded,
    ];

    /// The word that is stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running(step) => step.as_str(),
            Self::Committed => "committed",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Superseded => "superseded",
            Self::Recorded(state) => state.as_str(),
        }
    }

    /// Reads the stored word back.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let ours = Self::OURS.into_iter().find(|stage| stage.as_str() == text);
        ours.or_else(|| ReportedState::parse(text).map(Self::Recorded))
    }

    /// Whether a deployment that was executed here ended with it.
    #[must_use]
    pub fn is_end_here(self) -> bool {
        match self {
            Self::Succeeded | Self::Failed | Self::Cancelled | Self::Superseded => true,
            Self::Queued | Self::Running(_) | Self::Committed | Self::Recorded(_) => false,
        }
    }

    /// The word, if more of it follows.
    #[must_use]
    pub fn unfinished(self) -> Option<&'static str> {
        match self {
            Self::Queued | Self::Running(_) | Self::Committed => Some(self.as_str()),
            Self::Succeeded
            | Self::Failed
            | Self::Cancelled
            | Self::Superseded
            | Self::Recorded(_) => None,
        }
    }
}

/// A point of a change's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeStage {
    /// It was accepted.
    Queued,
    /// It began.
    Running,
    /// It is so.
    Done,
    /// It could not be made so in time.
    Failed,
    /// The environment was removed in the meantime.
    Cancelled,
}

impl ChangeStage {
    /// The word that is stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads the stored word back.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [
            Self::Queued,
            Self::Running,
            Self::Done,
            Self::Failed,
            Self::Cancelled,
        ]
        .into_iter()
        .find(|stage| stage.as_str() == text)
    }

    /// The word, if more of it follows.
    #[must_use]
    pub fn unfinished(self) -> Option<&'static str> {
        match self {
            Self::Queued | Self::Running => Some(self.as_str()),
            Self::Done | Self::Failed | Self::Cancelled => None,
        }
    }
}

/// A point of a run's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RunStage {
    /// It was made.
    Queued,
    /// It began.
    Running,
    /// It ended with status 0.
    Succeeded,
    /// It ended otherwise.
    Failed,
    /// It was ended from outside.
    Cancelled,
    /// It was left out, because another one was at work.
    Skipped,
}

impl RunStage {
    /// The word that is stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
        }
    }

    /// Reads the stored word back.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [
            Self::Queued,
            Self::Running,
            Self::Succeeded,
            Self::Failed,
            Self::Cancelled,
            Self::Skipped,
        ]
        .into_iter()
        .find(|stage| stage.as_str() == text)
    }
}

/// Where reading events begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// After the event of this serial; 0 is before all.
    Serial(i64),
    /// After everything that has happened until now.
    Latest,
}

/// Some events, and where to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventPage {
    /// In their order.
    pub events: Vec<Event>,
    /// Everything up to this serial was looked at.
    pub next: i64,
}

/// Which events are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Narrow {
    /// Only this app's.
    pub app: Option<AppSerial>,
    /// Only those of environments of this name.
    pub environment: Option<EnvironmentName>,
    /// Only this deployment's.
    pub deployment: Option<Uuid>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stored_word_comes_back_as_its_stage() {
        let recorded = ReportedState::ALL.map(DeploymentStage::Recorded);
        for stage in DeploymentStage::OURS.into_iter().chain(recorded) {
            assert_eq!(DeploymentStage::parse(stage.as_str()), Some(stage));
        }
        for word in ["queued", "running", "done", "failed", "cancelled"] {
            assert_eq!(
                ChangeStage::parse(word).map(ChangeStage::as_str),
                Some(word)
            );
        }
        for word in [
            "queued",
            "running",
            "succeeded",
            "failed",
            "cancelled",
            "skipped",
        ] {
            assert_eq!(RunStage::parse(word).map(RunStage::as_str), Some(word));
        }
        assert_eq!(DeploymentStage::parse("running"), None);
    }
}

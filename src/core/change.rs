//! Changes of what an environment is meant to be doing: stop, start, suspend, activate, remove. Each waits in the
//! environment's queue like a deployment.
//!
//! ```text
//!  accept ─▶ Queued ─▶ Running ─▶ Done
//!               │         ├─ error, deadline ─▶ Failed
//!               └─────────┴─ removal ─▶ Cancelled
//! ```
//!
//! What the environment is meant to be doing changes when the change begins, and stays changed when it fails: what a
//! failed stop could not stop is stopped as soon as the engine can be asked again.

use super::admission::Desired;
use super::deployment::InvalidTransition;
use super::failure::Failure;
use super::id::{EnvironmentSerial, OperationSerial, PrincipalSerial};
use super::time::Timestamp;
use std::time::Duration;

/// How long the work of a change may take, in consumed time: a stop with its grace, or a start. A removal has no
/// deadline: it is accepted, so the environment is gone, and what is left of it is cleared away until it is.
pub const BUDGET: Duration = Duration::from_secs(600);

/// What is asked of an environment as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing runs; a manual deployment or a start brings it back.
    Stop,
    /// Its live release runs again.
    Start,
    /// Nothing runs and nothing can be deployed until it is activated.
    Suspend,
    /// The end of a suspension: its live release runs again.
    Activate,
    /// It is gone, and everything of it but its history.
    Remove {
        /// Whether its volumes go, too.
        volumes: bool,
    },
}

impl Change {
    /// The word that is stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Start => "start",
            Self::Suspend => "suspend",
            Self::Activate => "activate",
            Self::Remove { .. } => "remove",
        }
    }

    /// Reads the stored word back.
    #[must_use]
    pub fn parse(text: &str, volumes: bool) -> Option<Self> {
        [
            Self::Stop,
            Self::Start,
            Self::Suspend,
            Self::Activate,
            Self::Remove { volumes },
        ]
        .into_iter()
        .find(|change| change.as_str() == text)
    }

    /// What the environment is meant to be doing from its begin on.
    #[must_use]
    pub fn desired(self) -> Desired {
        match self {
            Self::Stop => Desired::Stopped,
            Self::Suspend => Desired::Suspended,
            Self::Start | Self::Activate => Desired::Running,
            Self::Remove { .. } => Desired::Removed,
        }
    }

    /// How long its work may take.
    #[must_use]
    pub fn budget(self) -> Duration {
        match self {
            Self::Stop | Self::Start | Self::Suspend | Self::Activate => BUDGET,
            Self::Remove { .. } => Duration::MAX,
        }
    }
}

/// A change that was accepted.
#[derive(Clone, Debug, PartialEq)]
pub struct EnvironmentChange {
    /// Its operation's serial.
    pub serial: OperationSerial,
    /// The environment.
    pub environment: EnvironmentSerial,
    /// Who asked.
    pub by: PrincipalSerial,
    /// What is asked.
    pub change: Change,
    /// Where it is in its life.
    pub phase: ChangePhase,
    /// When it was accepted.
    pub created_at: Timestamp,
}

/// Where a change is in its life.
#[derive(Clone, Debug, PartialEq)]
pub enum ChangePhase {
    /// Accepted, waiting in its environment's queue.
    Queued,
    /// At work: the environment is meant to be what was asked, and is being made so.
    Running,
    /// It is so.
    Done,
    /// It could not be made so in time.
    Failed(Failure),
    /// The environment was removed in the meantime.
    Cancelled,
}

impl ChangePhase {
    /// The word that is stored and shown.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed(_) => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    fn wants(&self, to: &'static str) -> InvalidTransition {
        InvalidTransition {
            what: "a change",
            from: self.as_str(),
            to,
        }
    }
}

impl EnvironmentChange {
    /// Queued → Running.
    ///
    /// # Errors
    /// If it is not queued.
    pub fn begin(self) -> Result<Self, InvalidTransition> {
        match self.phase {
            ChangePhase::Queued => Ok(self.with(ChangePhase::Running)),
            ref other => Err(other.wants("running")),
        }
    }

    /// Running → Done.
    ///
    /// # Errors
    /// If it is not running.
    pub fn finish(self) -> Result<Self, InvalidTransition> {
        match self.phase {
            ChangePhase::Running => Ok(self.with(ChangePhase::Done)),
            ref other => Err(other.wants("done")),
        }
    }

    /// Running → Failed.
    ///
    /// # Errors
    /// If it is not running, or is a removal: that one is repeated until it is done.
    pub fn fail(self, failure: Failure) -> Result<Self, InvalidTransition> {
        match (&self.phase, self.change) {
            (
                ChangePhase::Running,
                Change::Stop | Change::Start | Change::Suspend | Change::Activate,
            ) => Ok(self.with(ChangePhase::Failed(failure))),
            (other, _) => Err(other.wants("failed")),
        }
    }

    /// Queued or Running → Cancelled, by a removal.
    ///
    /// # Errors
    /// If it has ended, or is a removal itself.
    pub fn cancel(self) -> Result<Self, InvalidTransition> {
        match (&self.phase, self.change) {
            (
                ChangePhase::Queued | ChangePhase::Running,
                Change::Stop | Change::Start | Change::Suspend | Change::Activate,
            ) => Ok(self.with(ChangePhase::Cancelled)),
            (other, _) => Err(other.wants("cancelled")),
        }
    }

    fn with(self, phase: ChangePhase) -> Self {
        Self { phase, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(change: Change) -> EnvironmentChange {
        EnvironmentChange {
            serial: OperationSerial(1),
            environment: EnvironmentSerial(1),
            by: PrincipalSerial(1),
            change,
            phase: ChangePhase::Queued,
            created_at: Timestamp(0),
        }
    }

    #[test]
    fn a_stop_can_be_cancelled_by_a_removal_until_it_ended_and_a_removal_never() {
        let stop = change(Change::Stop);
        assert!(stop.clone().cancel().is_ok());
        let running = stop.begin().unwrap();
        assert!(running.clone().cancel().is_ok());
        let done = running.finish().unwrap();
        assert!(done.clone().cancel().is_err() && done.begin().is_err());
        let removal = change(Change::Remove { volumes: false }).begin().unwrap();
        assert!(removal.cancel().is_err());
    }

    #[test]
    fn words_are_read_back() {
        for stored in [
            Change::Stop,
            Change::Start,
            Change::Suspend,
            Change::Activate,
        ] {
            assert_eq!(Change::parse(stored.as_str(), false), Some(stored));
        }
        assert_eq!(
            Change::parse("remove", true),
            Some(Change::Remove { volumes: true })
        );
        assert_eq!(Change::parse("deploy", false), None);
    }
}

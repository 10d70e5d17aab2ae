//! May this deployment enter its environment's queue, given what is already in it? No clock, no store: the caller
//! brings the state, and carries out the verdict in the transaction that read it.

use super::deployment::Trigger;
use super::id::DeploymentSerial;

/// What an environment is meant to be doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Desired {
    /// Its live release runs.
    Running,
    /// Nothing runs and nothing may be deployed until it is activated.
    Suspended,
    /// Nothing runs; a manual deployment starts it.
    Stopped,
    /// It is gone; its rows are kept.
    Removed,
}

impl Desired {
    /// The word that is stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Suspended => "suspended",
            Self::Stopped => "stopped",
            Self::Removed => "removed",
        }
    }

    /// Reads the stored word back.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Running, Self::Suspended, Self::Stopped, Self::Removed]
            .into_iter()
            .find(|d| d.as_str() == text)
    }
}

/// A deployment that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Which one.
    pub deployment: DeploymentSerial,
    /// How it was initiated.
    pub trigger: Trigger,
}

/// The answer. Denied, ignored and accepted are three different things.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It enters the queue, and these older ones leave it as superseded.
    Accepted {
        /// The queued automatic deployments it makes pointless.
        supersedes: Vec<DeploymentSerial>,
    },
    /// There is nothing to do now; what was seen is noted.
    Ignored(IgnoredReason),
    /// It may not.
    Denied(DeniedReason),
}

/// Why nothing is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IgnoredReason {
    /// Events do not start a stopped environment.
    Stopped,
}

/// Why a deployment is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeniedReason {
    /// The environment is suspended until somebody activates it.
    Suspended,
    /// The environment is gone.
    Removed,
}

/// Decides over a new deployment; `desired` is the state the queue will leave.
#[must_use]
pub fn admit(desired: Desired, waiting: &[Waiting], trigger: Trigger) -> Verdict {
    match (desired, trigger) {
        (Desired::Removed, _) => Verdict::Denied(DeniedReason::Removed),
        (Desired::Suspended, _) => Verdict::Denied(DeniedReason::Suspended),
        (Desired::Stopped, Trigger::Automatic) => Verdict::Ignored(IgnoredReason::Stopped),
        (Desired::Running | Desired::Stopped, Trigger::Manual) => Verdict::Accepted {
            supersedes: Vec::new(),
        },
        (Desired::Running, Trigger::Automatic) => {
            let automatic = waiting.iter().filter(|w| w.trigger == Trigger::Automatic);
            Verdict::Accepted {
                supersedes: automatic.map(|w| w.deployment).collect(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUEUE: [Waiting; 2] = [
        Waiting {
            deployment: DeploymentSerial(1),
            trigger: Trigger::Manual,
        },
        Waiting {
            deployment: DeploymentSerial(2),
            trigger: Trigger::Automatic,
        },
    ];

    #[test]
    fn a_newer_automatic_deployment_supersedes_queued_automatic_ones_and_leaves_manual_ones_alone()
    {
        let verdict = admit(Desired::Running, &QUEUE, Trigger::Automatic);
        assert_eq!(
            verdict,
            Verdict::Accepted {
                supersedes: vec![DeploymentSerial(2)]
            }
        );
        let verdict = admit(Desired::Running, &QUEUE, Trigger::Manual);
        assert_eq!(verdict, Verdict::Accepted { supersedes: vec![] });
    }

    #[test]
    fn a_stopped_environment_is_started_by_people_not_by_events_and_a_suspended_one_by_neither() {
        assert_eq!(
            admit(Desired::Stopped, &[], Trigger::Automatic),
            Verdict::Ignored(IgnoredReason::Stopped)
        );
        assert_eq!(
            admit(Desired::Stopped, &[], Trigger::Manual),
            Verdict::Accepted { supersedes: vec![] }
        );
        for trigger in [Trigger::Manual, Trigger::Automatic] {
            assert_eq!(
                admit(Desired::Suspended, &[], trigger),
                Verdict::Denied(DeniedReason::Suspended)
            );
            assert_eq!(
                admit(Desired::Removed, &[], trigger),
                Verdict::Denied(DeniedReason::Removed)
            );
        }
    }
}

//! The life of a deployment.
//!
//! ```text
//!  create ─▶ Queued ─▶ Running(checkout) ─▶ Running(build) ─▶ Running(rollout) ═commit═▶ Committed ─▶ Succeeded
//!              │             │                   │                  │
//!              ├─ newer automatic one ─▶ Superseded
//!              ├─ cancel ─▶ Cancelled    │                   │                  │
//!              │             └───────────┴────── cancel ─────┴──────────────────┴─▶ Cancelled
//!              └──── error, deadline ────┴───────────────────┴──────────────────┴─▶ Failed
//! ```
//!
//! Left of the commit everything can be undone; right of it there is only work that is repeated until it is done.
//! Transitions consume the deployment and never wait; the store writes the result only where the row still is in
//! the phase the transition came from.

use super::failure::Failure;
use super::id::{AppSerial, DeploymentSerial, EnvironmentSerial, PrincipalSerial, ReleaseSerial};
use super::job::JobEvent;
use super::name::{ImageReference, Sha, TaskName, VariableName};
use super::reference::Reference;
use super::secret::Secret;
use super::spec::SourceSpec;
use super::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use uuid::Uuid;

/// One request to bring an environment to a release.
#[derive(Clone, Debug, PartialEq)]
pub struct Deployment {
    /// The row's serial.
    pub serial: DeploymentSerial,
    /// The id clients hold, a version 7 UUID.
    pub id: Uuid,
    /// The serial within the project.
    pub iid: i64,
    /// The app it belongs to.
    pub app: AppSerial,
    /// The environment it is for.
    pub environment: EnvironmentSerial,
    /// What was asked.
    pub request: Request,
    /// What is known of the commit; filled in when the tree was checked out.
    pub commit: Option<CommitInfo>,
    /// Where it is in its life.
    pub phase: Phase,
    /// When it was accepted.
    pub created_at: Timestamp,
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Who asked.
    pub by: PrincipalSerial,
    /// Whether a person or API call asked, or an event.
    pub trigger: Trigger,
    /// What is to become live.
    pub wanted: Wanted,
    /// Environment variables of this one deployment, over the configured ones; never shown.
    pub variables: BTreeMap<VariableName, Secret>,
    /// The task whose command is run before the switch.
    pub task: Option<TaskName>,
    /// JSON text that reaches the containers where the configuration asks.
    pub payload: Option<String>,
    /// Of a job, what is run once instead of what its deployments run.
    pub event: Option<JobEvent>,
}

/// How a deployment was initiated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// By a user or an API call.
    Manual,
    /// By a push or a schedule; a newer one of the same environment supersedes it while it is queued.
    Automatic,
}

/// What a deployment is to make live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A commit, built.
    Commit {
        /// The branch or tag it was found on.
        reference: Reference,
        /// The commit, resolved when the deployment was accepted.
        sha: Sha,
        /// How the caller spelled the commit, lower-cased; absent if it was the branch's head or what the tag
        /// names.
        asked: Option<String>,
    },
    /// An image, pulled.
    Image(ImageReference),
    /// An earlier release, as it was.
    Release(ReleaseSerial),
    /// The image that is live when its turn comes, with today's configuration: a restart.
    Restart,
}

/// What git tells about a commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitInfo {
    /// The first [`MAX_MESSAGE`] characters of the message.
    pub message: String,
    /// The author's name.
    pub author: String,
    /// The author's mail address; may be empty.
    pub author_email: String,
    /// When it was committed; absent where it was kept before that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub committed_at: Option<Timestamp>,
}

/// How many characters of a commit's message are kept (Sevalla's contract).
pub const MAX_MESSAGE: usize = 1000;

/// A part of a deployment's work. Each can be run again from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Fetch the commit and write out its tree.
    Checkout,
    /// Build the image.
    Build,
    /// Bring the image to run and switch to it; pulls it first where there was no build.
    Rollout,
    /// Make the environment known to whoever it is connected with, and end connections it no longer has. It follows the
    /// commit: no deployment is [`Phase::Running`] it.
    SyncConnections,
}

impl Step {
    /// The word that is stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Checkout => "checkout",
            Self::Build => "build",
            Self::Rollout => "rollout",
            Self::SyncConnections => "sync_connections",
        }
    }

    /// Reads the stored word back.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [
            Self::Checkout,
            Self::Build,
            Self::Rollout,
            Self::SyncConnections,
        ]
        .into_iter()
        .find(|step| step.as_str() == text)
    }
}

/// Where a deployment is in its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Accepted, waiting in its environment's queue.
    Queued,
    /// At work; nothing that cannot be undone has happened.
    Running(Step),
    /// Past the point of no return: its release is live, the rest is repeated until done.
    Committed(ReleaseSerial),
    /// Done.
    Succeeded {
        /// The release it made live.
        release: ReleaseSerial,
        /// When it ended.
        at: Timestamp,
    },
    /// Ended by an error before the commit.
    Failed {
        /// The step it failed in.
        step: Step,
        /// Why.
        failure: Failure,
        /// When it ended.
        at: Timestamp,
    },
    /// Ended by somebody before the commit.
    Cancelled {
        /// Who cancelled it.
        by: PrincipalSerial,
        /// Whether it had not begun.
        was_waiting: bool,
        /// When it ended.
        at: Timestamp,
    },
    /// Made pointless by a newer automatic deployment before it began.
    Superseded {
        /// The newer one.
        by: DeploymentSerial,
        /// When it ended.
        at: Timestamp,
    },
}

impl Phase {
    /// The word that is stored.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running(_) => "running",
            Self::Committed(_) => "committed",
            Self::Succeeded { .. } => "succeeded",
            Self::Failed { .. } => "failed",
            Self::Cancelled { .. } => "cancelled",
            Self::Superseded { .. } => "superseded",
        }
    }

    /// When it ended; `None` while it has not.
    #[must_use]
    pub fn ended_at(&self) -> Option<Timestamp> {
        match self {
            Self::Queued | Self::Running(_) | Self::Committed(_) => None,
            Self::Succeeded { at, .. }
            | Self::Failed { at, .. }
            | Self::Cancelled { at, .. }
            | Self::Superseded { at, .. } => Some(*at),
        }
    }

    /// The step at work before the commit.
    #[must_use]
    pub fn running_step(&self) -> Option<Step> {
        match self {
            Self::Running(step) => Some(*step),
            Self::Queued
            | Self::Committed(_)
            | Self::Succeeded { .. }
            | Self::Failed { .. }
            | Self::Cancelled { .. }
            | Self::Superseded { .. } => None,
        }
    }
}

/// A transition that a life does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} that is {from} cannot become {to}")]
pub struct InvalidTransition {
    /// What was to move.
    pub what: &'static str,
    /// The phase it is in.
    pub from: &'static str,
    /// The phase that was wanted.
    pub to: &'static str,
}

impl Deployment {
    /// Queued → Running(the first step).
    ///
    /// # Errors
    /// If it is not queued.
    pub fn start(self) -> Result<Self, InvalidTransition> {
        match self.phase {
            Phase::Queued => {
                let first = self.request.wanted.steps()[0];
                Ok(self.with(Phase::Running(first)))
            }
            ref other => Err(InvalidTransition {
                what: "a deployment",
                from: other.as_str(),
                to: "running",
            }),
        }
    }

    /// Running(a step) → Running(the one after it).
    ///
    /// # Errors
    /// If it is not running, or in its last step.
    pub fn advance(self) -> Result<Self, InvalidTransition> {
        let steps = self.request.wanted.steps();
        let next = self
            .phase
            .running_step()
            .and_then(|step| steps.iter().position(|s| *s == step))
            .and_then(|index| steps.get(index + 1));
        match next {
            Some(step) => Ok(self.with(Phase::Running(*step))),
            None => Err(InvalidTransition {
                what: "a deployment",
                from: self.phase.as_str(),
                to: "running the next step",
            }),
        }
    }

    /// Running(rollout) → Committed: the point of no return.
    ///
    /// # Errors
    /// If it is not in its rollout.
    pub fn commit(self, release: ReleaseSerial) -> Result<Self, InvalidTransition> {
        match self.phase {
            Phase::Running(Step::Rollout) => Ok(self.with(Phase::Committed(release))),
            ref other => Err(InvalidTransition {
                what: "a deployment",
                from: other.as_str(),
                to: "committed",
            }),
        }
    }

    /// Committed → Succeeded.
    ///
    /// # Errors
    /// If it is not committed.
    pub fn succeed(self, at: Timestamp) -> Result<Self, InvalidTransition> {
        match self.phase {
            Phase::Committed(release) => Ok(self.with(Phase::Succeeded { release, at })),
            ref other => Err(InvalidTransition {
                what: "a deployment",
                from: other.as_str(),
                to: "succeeded",
            }),
        }
    }

    /// Running → Failed.
    ///
    /// # Errors
    /// If it is not running: the queue has no deadline, and after the commit nothing fails.
    pub fn fail(self, failure: Failure, at: Timestamp) -> Result<Self, InvalidTransition> {
        match self.phase {
            Phase::Running(step) => Ok(self.with(Phase::Failed { step, failure, at })),
            ref other => Err(InvalidTransition {
                what: "a deployment",
                from: other.as_str(),
                to: "failed",
            }),
        }
    }

    /// Queued or Running → Cancelled.
    ///
    /// # Errors
    /// After the commit, and when it already ended.
    pub fn cancel(self, by: PrincipalSerial, at: Timestamp) -> Result<Self, InvalidTransition> {
        match self.phase {
            Phase::Queued => Ok(self.with(Phase::Cancelled {
                by,
                was_waiting: true,
                at,
            })),
            Phase::Running(_) => Ok(self.with(Phase::Cancelled {
                by,
                was_waiting: false,
                at,
            })),
            ref other => Err(InvalidTransition {
                what: "a deployment",
                from: other.as_str(),
                to: "cancelled",
            }),
        }
    }

    /// Queued → Superseded.
    ///
    /// # Errors
    /// If it is not queued, or nobody's event started it.
    pub fn supersede(self, by: DeploymentSerial, at: Timestamp) -> Result<Self, InvalidTransition> {
        match (&self.phase, self.request.trigger) {
            (Phase::Queued, Trigger::Automatic) => Ok(self.with(Phase::Superseded { by, at })),
            (other, _) => Err(InvalidTransition {
                what: "a deployment",
                from: other.as_str(),
                to: "superseded",
            }),
        }
    }

    fn with(self, phase: Phase) -> Self {
        Self { phase, ..self }
    }
}

impl Wanted {
    /// The steps before the commit, in order; never empty, and the last is always the rollout.
    #[must_use]
    pub fn steps(&self) -> &'static [Step] {
        match self {
            Self::Commit { .. } => &[Step::Checkout, Step::Build, Step::Rollout],
            Self::Image(_) | Self::Release(_) | Self::Restart => &[Step::Rollout],
        }
    }

    /// Whether a configured source can still give what was asked for when the deployment was accepted.
    #[must_use]
    pub fn fits(&self, source: &SourceSpec) -> bool {
        match (self, source) {
            (Self::Commit { .. }, SourceSpec::Git(_))
            | (Self::Image(_), SourceSpec::Image(_))
            | (Self::Release(_) | Self::Restart, SourceSpec::Git(_) | SourceSpec::Image(_)) => true,
            (Self::Commit { .. }, SourceSpec::Image(_)) | (Self::Image(_), SourceSpec::Git(_)) => {
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::failure::FailureCode;
    use proptest::prelude::*;

    fn deployment(wanted: Wanted, trigger: Trigger) -> Deployment {
        Deployment {
            serial: DeploymentSerial(1),
            id: Uuid::nil(),
            iid: 1,
            app: AppSerial(1),
            environment: EnvironmentSerial(1),
            request: Request {
                by: PrincipalSerial(1),
                trigger,
                wanted,
                variables: BTreeMap::new(),
                task: None,
                payload: None,
                event: None,
            },
            commit: None,
            phase: Phase::Queued,
            created_at: Timestamp(0),
        }
    }

    fn commit() -> Wanted {
        Wanted::Commit {
            reference: Reference::parse("main", false).unwrap(),
            sha: Sha::parse(&"a".repeat(40)).unwrap(),
            asked: None,
        }
    }

    fn failure() -> Failure {
        Failure {
            code: FailureCode::BuildFailed,
            message: String::new(),
            output: vec![],
            next: String::new(),
        }
    }

    #[test]
    fn a_commit_walks_through_all_steps_and_an_image_only_through_the_rollout() {
        let built = deployment(commit(), Trigger::Manual).start().unwrap();
        assert_eq!(built.phase, Phase::Running(Step::Checkout));
        let built = built.advance().unwrap().advance().unwrap();
        assert_eq!(built.phase, Phase::Running(Step::Rollout));
        assert!(built.clone().advance().is_err());
        let release = ReleaseSerial(7);
        let done = built
            .commit(release)
            .unwrap()
            .succeed(Timestamp(9))
            .unwrap();
        assert_eq!(
            done.phase,
            Phase::Succeeded {
                release,
                at: Timestamp(9)
            }
        );
        let image = Wanted::Image(ImageReference::parse("nginx").unwrap());
        assert_eq!(
            deployment(image, Trigger::Manual).start().unwrap().phase,
            Phase::Running(Step::Rollout)
        );
    }

    #[test]
    fn only_a_queued_automatic_deployment_can_be_superseded() {
        let at = Timestamp(1);
        assert!(
            deployment(commit(), Trigger::Manual)
                .supersede(DeploymentSerial(2), at)
                .is_err()
        );
        let automatic = deployment(commit(), Trigger::Automatic);
        assert!(
            automatic
                .clone()
                .start()
                .unwrap()
                .supersede(DeploymentSerial(2), at)
                .is_err()
        );
        assert!(automatic.supersede(DeploymentSerial(2), at).is_ok());
    }

    proptest! {
        /// Whatever is tried in whatever order: what ended stays as it ended, and nothing that was committed can
        /// fail or be cancelled.
        #[test]
        fn no_order_of_transitions_leaves_an_end_or_undoes_a_commit(moves in proptest::collection::vec(0u8..7, 0..30)) {
            let mut now = deployment(commit(), Trigger::Automatic);
            for step in moves {
                let before = now.clone();
                let tried = match step {
                    0 => now.clone().start(),
                    1 => now.clone().advance(),
                    2 => now.clone().commit(ReleaseSerial(1)),
                    3 => now.clone().succeed(Timestamp(1)),
                    4 => now.clone().fail(failure(), Timestamp(1)),
                    5 => now.clone().cancel(PrincipalSerial(1), Timestamp(1)),
                    _ => now.clone().supersede(DeploymentSerial(2), Timestamp(1)),
                };
                if let Ok(after) = tried {
                    prop_assert!(before.phase.ended_at().is_none());
                    if matches!(before.phase, Phase::Committed(_)) {
                        prop_assert!(matches!(after.phase, Phase::Succeeded { .. }), "left the commit for another end");
                    }
                    now = after;
                }
            }
        }
    }
}

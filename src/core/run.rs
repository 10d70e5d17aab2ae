//! The life of a run: one execution of a job.
//!
//! ```text
//!  intend ─┬▶ Queued ─▶ Running ─┬─ status 0 ─▶ Succeeded
//!          │     │         │      └─ another status, too long, cut off ─▶ Failed
//!          │     └─────────┴─ cancel, a newer one, the end of what it belongs to ─▶ Cancelled
//!          └▶ Skipped: another was at work
//! ```
//!
//! A run that belongs to a deployment or a change is walked with it and ends with it; the others are walked by themselves.

use super::access::Principal;
use super::action::{AppRef, RequestKey};
use super::deployment::InvalidTransition;
use super::failure::Failure;
use super::id::{DeploymentSerial, EnvironmentSerial, OperationSerial, PrincipalSerial, RunSerial};
use super::job::JobEvent;
use super::name::{AppName, EnvironmentName};
use super::time::Timestamp;
use uuid::Uuid;

/// One execution of a job.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// The row's serial.
    pub serial: RunSerial,
    /// The id clients hold, a version 7 UUID.
    pub id: Uuid,
    /// Its number within the environment, from 1.
    pub number: i64,
    /// The environment it is of.
    pub environment: EnvironmentSerial,
    /// The deployment whose image and commands it runs: the one it belongs to, else the one that made the live release.
    pub deployment: DeploymentSerial,
    /// What it runs.
    pub event: JobEvent,
    /// What it was made for.
    pub cause: Cause,
    /// Who asked.
    pub by: PrincipalSerial,
    /// Where it is in its life.
    pub phase: RunPhase,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What a run was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It belongs to this deployment, and runs before its commit.
    Deployment(DeploymentSerial),
    /// It belongs to this change of its environment.
    Change(OperationSerial),
    /// It was due then, by the job's schedule.
    Schedule(Timestamp),
    /// Somebody asked for it.
    Hand,
}

/// Where a run is in its life.
#[derive(Clone, Debug, PartialEq)]
pub enum RunPhase {
    /// It waits for another one's end.
    Queued,
    /// It is at work.
    Running,
    /// It ended with status 0.
    Succeeded {
        /// When.
        at: Timestamp,
    },
    /// It ended otherwise, or was ended because it took too long.
    Failed {
        /// When.
        at: Timestamp,
        /// The exit status of its last attempt, if it ended by itself.
        status: Option<i64>,
        /// Why.
        failure: Failure,
    },
    /// It was ended from outside.
    Cancelled {
        /// When.
        at: Timestamp,
        /// Why.
        why: Cancellation,
    },
    /// It was not run: another one was at work.
    Skipped {
        /// When.
        at: Timestamp,
    },
}

/// Why a run was ended from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancellation {
    /// Somebody cancelled it.
    By(PrincipalSerial),
    /// A newer run took its place.
    ReplacedBy(RunSerial),
    /// The deployment it belongs to, or that took its place, ended it.
    WithDeployment,
    /// Its environment was stopped at once, or removed.
    WithEnvironment,
}

impl RunPhase {
    /// The word that is stored and shown.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded { .. } => "succeeded",
            Self::Failed { .. } => "failed",
            Self::Cancelled { .. } => "cancelled",
            Self::Skipped { .. } => "skipped",
        }
    }

    /// When it ended; `None` if it has not.
    #[must_use]
    pub fn ended_at(&self) -> Option<Timestamp> {
        match self {
            Self::Queued | Self::Running => None,
            Self::Succeeded { at }
            | Self::Failed { at, .. }
            | Self::Cancelled { at, .. }
            | Self::Skipped { at } => Some(*at),
        }
    }

    fn wants(&self, to: &'static str) -> InvalidTransition {
        InvalidTransition {
            what: "a run",
            from: self.as_str(),
            to,
        }
    }

    /// The exit status of its last attempt, if that ended by itself.
    #[must_use]
    pub fn exit_status(&self) -> Option<i64> {
        match self {
            Self::Succeeded { .. } => Some(0),
            Self::Failed { status, .. } => *status,
            Self::Queued | Self::Running | Self::Cancelled { .. } | Self::Skipped { .. } => None,
        }
    }
}

impl Run {
    /// Whether it is walked by itself, and not with a deployment or a change.
    #[must_use]
    pub fn stands_alone(&self) -> bool {
        match self.cause {
            Cause::Schedule(_) | Cause::Hand => true,
            Cause::Deployment(_) | Cause::Change(_) => false,
        }
    }

    /// Queued → Running.
    ///
    /// # Errors
    /// If it is not queued.
    pub fn begin(self) -> Result<Self, InvalidTransition> {
        match self.phase {
            RunPhase::Queued => Ok(self.with(RunPhase::Running)),
            ref other => Err(other.wants("running")),
        }
    }

    /// Running → Succeeded.
    ///
    /// # Errors
    /// If it is not running.
    pub fn succeed(self, at: Timestamp) -> Result<Self, InvalidTransition> {
        match self.phase {
            RunPhase::Running => Ok(self.with(RunPhase::Succeeded { at })),
            ref other => Err(other.wants("succeeded")),
        }
    }

    /// Queued or Running → Failed.
    ///
    /// # Errors
    /// If it has ended.
    pub fn fail(
        self,
        failure: Failure,
        status: Option<i64>,
        at: Timestamp,
    ) -> Result<Self, InvalidTransition> {
        match self.phase {
            RunPhase::Queued | RunPhase::Running => Ok(self.with(RunPhase::Failed {
                at,
                status,
                failure,
            })),
            ref other => Err(other.wants("failed")),
        }
    }

    /// Queued or Running → Cancelled.
    ///
    /// # Errors
    /// If it has ended.
    pub fn cancel(self, why: Cancellation, at: Timestamp) -> Result<Self, InvalidTransition> {
        match self.phase {
            RunPhase::Queued | RunPhase::Running => Ok(self.with(RunPhase::Cancelled { at, why })),
            ref other => Err(other.wants("cancelled")),
        }
    }

    fn with(self, phase: RunPhase) -> Self {
        Self { phase, ..self }
    }
}

/// A request for a run of a job, of what is live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunJob {
    /// Which app.
    pub app: AppRef,
    /// Which environment; the token's own, else the app's default, if absent.
    pub environment: Option<EnvironmentName>,
    /// What to run; if absent what a schedule would run, else what a start would.
    pub event: Option<JobEvent>,
    /// Makes a repetition of the same request give the first answer again.
    pub key: Option<RequestKey>,
}

/// Which runs to list, the newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListRuns {
    /// Of which app.
    pub app: AppRef,
    /// Of which environment; the token's own, else the app's default, if absent.
    pub environment: Option<EnvironmentName>,
    /// How many at most.
    pub limit: u32,
    /// How many to skip.
    pub offset: u64,
}

/// A run with what a reader needs around it.
#[derive(Clone, Debug)]
pub struct RunView {
    /// The run itself.
    pub run: Run,
    /// Its app's name.
    pub app: AppName,
    /// Its app's id.
    pub app_id: Uuid,
    /// Its environment's name.
    pub environment: EnvironmentName,
    /// Its environment's id.
    pub environment_id: Uuid,
    /// Who asked for it.
    pub by: Principal,
    /// When it began.
    pub began_at: Option<Timestamp>,
    /// How often its command was tried.
    pub attempts: u32,
    /// Whose log has what it printed: the deployment's it belongs to, else its own.
    pub log: Uuid,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::failure::FailureCode;
    use proptest::prelude::*;

    fn run() -> Run {
        Run {
            serial: RunSerial(1),
            id: Uuid::nil(),
            number: 1,
            environment: EnvironmentSerial(1),
            deployment: DeploymentSerial(1),
            event: JobEvent::Start,
            cause: Cause::Hand,
            by: PrincipalSerial(1),
            phase: RunPhase::Queued,
            created_at: Timestamp(0),
        }
    }

    fn failure() -> Failure {
        Failure {
            code: FailureCode::JobFailed,
            message: String::new(),
            output: vec![],
            next: String::new(),
        }
    }

    #[test]
    fn a_run_succeeds_only_from_being_at_work() {
        assert!(run().succeed(Timestamp(1)).is_err());
        let done = run().begin().unwrap().succeed(Timestamp(1)).unwrap();
        assert_eq!(done.phase.exit_status(), Some(0));
        assert!(
            run()
                .cancel(Cancellation::WithEnvironment, Timestamp(1))
                .is_ok()
        );
    }

    proptest! {
        #[test]
        fn no_order_of_transitions_leaves_an_end(moves in proptest::collection::vec(0u8..4, 0..12)) {
            let mut now = run();
            for step in moves {
                let before = now.clone();
                let tried = match step {
                    0 => now.clone().begin(),
                    1 => now.clone().succeed(Timestamp(1)),
                    2 => now.clone().fail(failure(), Some(1), Timestamp(1)),
                    _ => now.clone().cancel(Cancellation::WithDeployment, Timestamp(1)),
                };
                if let Ok(after) = tried {
                    prop_assert!(before.phase.ended_at().is_none());
                    now = after;
                }
            }
        }
    }
}

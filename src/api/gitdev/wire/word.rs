//! The words that stand for states, scopes and kinds.

use crate::core::access::Scope as CoreScope;
use crate::core::admission::Desired as CoreDesired;
use crate::core::change::{Change, ChangePhase};
use crate::core::deployment::{Phase, Step as CoreStep, Trigger as CoreTrigger};
use crate::core::rate::RatePlan as CoreRatePlan;
use crate::core::recorded::ReportedState;
use crate::core::spec::Strategy as CoreStrategy;
use serde::Serialize;
use utoipa::ToSchema;

/// Where a deployment is in its life. The last three are its ends.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::api::gitdev) enum Status {
    /// It waits in its environment's queue.
    Queued,
    /// It is checked out and built.
    Building,
    /// Its container is made, waited for and switched to.
    Deploying,
    /// Its release is, or was, live.
    Success,
    /// What ran before goes on.
    Failed,
    /// Somebody cancelled it, or a newer one took its place.
    Cancelled,
}

impl From<&Phase> for Status {
    fn from(phase: &Phase) -> Self {
        match phase {
            Phase::Queued => Self::Queued,
            Phase::Running(CoreStep::Checkout | CoreStep::Build) => Self::Building,
            Phase::Running(CoreStep::Rollout | CoreStep::SyncConnections) | Phase::Committed(_) => {
                Self::Deploying
            }
            Phase::Succeeded { .. } => Self::Success,
            Phase::Failed { .. } => Self::Failed,
            Phase::Cancelled { .. } | Phase::Superseded { .. } => Self::Cancelled,
        }
    }
}

impl From<ReportedState> for Status {
    fn from(state: ReportedState) -> Self {
        match state {
            ReportedState::Created => Self::Queued,
            ReportedState::Running => Self::Deploying,
            ReportedState::Success => Self::Success,
            ReportedState::Failed => Self::Failed,
            ReportedState::Canceled => Self::Cancelled,
        }
    }
}

/// Whether something runs on or comes to an end.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::api::gitdev) enum Kind {
    /// It runs on.
    Service,
    /// It runs to its end.
    Job,
}

/// How a new container takes over.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::api::gitdev) enum Strategy {
    /// The new one starts beside the old one, and takes over when it is ready.
    Swap,
    /// The old one stops, then the new one starts.
    Recreate,
}

impl From<CoreStrategy> for Strategy {
    fn from(strategy: CoreStrategy) -> Self {
        match strategy {
            CoreStrategy::Swap => Self::Swap,
            CoreStrategy::Recreate => Self::Recreate,
        }
    }
}

/// A part of a deployment's work.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::api::gitdev) enum Step {
    /// The commit is fetched and its tree written out.
    Checkout,
    /// The image is built.
    Build,
    /// The image is brought to run and switched to.
    Rollout,
    /// The environment is made known to those it is connected with, and connections it no longer has are ended.
    #[serde(rename = "sync_connections")]
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

/// What asked for a deployment.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::api::gitdev) enum Trigger {
    /// A person, or a call of the API.
    Manual,
    /// A push or a schedule.
    Automatic,
}

impl From<CoreTrigger> for Trigger {
    fn from(trigger: CoreTrigger) -> Self {
        match trigger {
            CoreTrigger::Manual => Self::Manual,
            CoreTrigger::Automatic => Self::Automatic,
        }
    }
}

/// What a token may do; each includes the ones before it.
#[derive(Serialize, ToSchema)]
pub(in crate::api::gitdev) enum Scope {
    /// Look.
    #[serde(rename = "deploy:read")]
    Read,
    /// Create and cancel.
    #[serde(rename = "deploy:write")]
    Write,
    /// Everything.
    #[serde(rename = "deploy:admin")]
    Admin,
}

impl From<CoreScope> for Scope {
    fn from(scope: CoreScope) -> Self {
        match scope {
            CoreScope::Read => Self::Read,
            CoreScope::Write => Self::Write,
            CoreScope::Admin => Self::Admin,
        }
    }
}

/// How often a token may ask.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::api::gitdev) enum RatePlan {
    /// 100 requests a minute, 20 at once.
    Starter,
    /// 1000 requests a minute, 200 at once.
    Pro,
    /// Without a limit.
    Enterprise,
    /// With figures of its own.
    Custom,
}

impl From<CoreRatePlan> for RatePlan {
    fn from(plan: CoreRatePlan) -> Self {
        match plan {
            CoreRatePlan::Starter => Self::Starter,
            CoreRatePlan::Pro => Self::Pro,
            CoreRatePlan::Enterprise => Self::Enterprise,
            CoreRatePlan::Custom(_) => Self::Custom,
        }
    }
}

/// What an environment is meant to be doing.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::api::gitdev) enum Desired {
    /// Its live release runs.
    Running,
    /// Nothing runs, and nothing can be deployed until it is activated.
    Suspended,
    /// Nothing runs; a deployment by hand starts it.
    Stopped,
    /// It is gone.
    Removed,
}

impl From<CoreDesired> for Desired {
    fn from(desired: CoreDesired) -> Self {
        match desired {
            CoreDesired::Running => Self::Running,
            CoreDesired::Suspended => Self::Suspended,
            CoreDesired::Stopped => Self::Stopped,
            CoreDesired::Removed => Self::Removed,
        }
    }
}

/// What is done to an environment.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::api::gitdev) enum OperationKind {
    /// Nothing runs afterwards.
    Stop,
    /// Its live release runs again.
    Start,
    /// Nothing runs, and nothing can be deployed.
    Suspend,
    /// The end of a suspension.
    Activate,
    /// It is gone afterwards.
    Remove,
}

impl From<Change> for OperationKind {
    fn from(change: Change) -> Self {
        match change {
            Change::Stop => Self::Stop,
            Change::Start => Self::Start,
            Change::Suspend => Self::Suspend,
            Change::Activate => Self::Activate,
            Change::Remove { .. } => Self::Remove,
        }
    }
}

/// Where an operation is in its life. The last three are its ends.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::api::gitdev) enum OperationStatus {
    /// It waits in its environment's queue.
    Queued,
    /// It is at work.
    Running,
    /// It is so.
    Done,
    /// It could not be made so in time.
    Failed,
    /// The environment was removed in the meantime.
    Cancelled,
}

impl From<&ChangePhase> for OperationStatus {
    fn from(phase: &ChangePhase) -> Self {
        match phase {
            ChangePhase::Queued => Self::Queued,
            ChangePhase::Running => Self::Running,
            ChangePhase::Done => Self::Done,
            ChangePhase::Failed(_) => Self::Failed,
            ChangePhase::Cancelled => Self::Cancelled,
        }
    }
}

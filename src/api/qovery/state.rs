//! How a job stands, in Qovery's words: by what was asked for last, and how far that is. What runs by its schedule, or by
//! hand beside that, changes nothing: a job whose run of last night failed is still deployed.

use super::wire::word::{Doing, Freshness, Progress, State};
use crate::core::action::{ChangeView, DeploymentView, RunView, ServiceView};
use crate::core::change::{Change, ChangePhase};
use crate::core::deployment::{Phase, Step, Wanted};
use crate::core::failure::{Failure, FailureCode};
use crate::core::id::OperationSerial;
use crate::core::job::JobEvent;
use crate::core::run::{Cause, RunPhase};
use crate::core::service::{Asked, Newest};
use crate::core::time::Timestamp;
use uuid::Uuid;

/// A state with what is said of it beside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) state: State,
    pub(super) doing: Doing,
    pub(super) progress: Progress,
}

/// What was asked for last, as far as both kinds have it.
pub(super) struct Request {
    /// What clients know it by.
    pub(super) id: Uuid,
    pub(super) operation: OperationSerial,
    pub(super) by: String,
    pub(super) created_at: Timestamp,
    /// When it was asked for, and when something was written down of it last, by the order of everything that happened.
    pub(super) asked: i64,
    pub(super) told: i64,
    /// When something of it changed last.
    pub(super) changed_at: Timestamp,
    /// When it ended.
    pub(super) ended_at: Option<Timestamp>,
}

impl Standing {
    fn new(state: State) -> Self {
        let (doing, progress) = match state {
            State::Ready => (Doing::Unknown, Progress::Never),
            State::DeploymentQueued => (Doing::Deploy, Progress::Queued),
            State::Building | State::Deploying => (Doing::Deploy, Progress::Ongoing),
            State::Executing => (Doing::Deploy, Progress::Executing),
            State::Deployed => (Doing::Deploy, Progress::Success),
            State::BuildError | State::DeploymentError => (Doing::Deploy, Progress::Error),
            State::Canceling => (Doing::Deploy, Progress::Canceling),
            State::Canceled => (Doing::Deploy, Progress::Canceled),
            State::StopQueued => (Doing::Stop, Progress::Queued),
            State::Stopping => (Doing::Stop, Progress::Ongoing),
            State::Stopped => (Doing::Stop, Progress::Success),
            State::StopError => (Doing::Stop, Progress::Error),
            State::DeleteQueued => (Doing::Delete, Progress::Queued),
            State::Deleting => (Doing::Delete, Progress::Ongoing),
            State::Deleted => (Doing::Delete, Progress::Success),
            State::DeleteError => (Doing::Delete, Progress::Error),
        };
        Self {
            state,
            doing,
            progress,
        }
    }

    /// Of a job.
    pub(super) fn of(service: &ServiceView) -> Self {
        match service.newest() {
            Newest::Nothing => Self::new(State::Ready),
            Newest::Deployment(asked) => {
                let run = asked.run.as_ref();
                Self::of_deployment(&asked.view, run, asked.settled)
            }
            Newest::Change(asked) => Self::new(of_change(service, asked)),
        }
    }

    /// Of a deployment that may not be settled yet: what was cancelled is at its end when nothing of it is left.
    pub(super) fn of_deployment(
        view: &DeploymentView,
        run: Option<&RunView>,
        settled: bool,
    ) -> Self {
        Self::new(match &view.deployment.phase {
            Phase::Queued => State::DeploymentQueued,
            Phase::Running(Step::Checkout | Step::Build) => State::Building,
            Phase::Running(Step::Rollout) if is_at_work(run) => State::Executing,
            Phase::Running(Step::Rollout) if is_pulling(view) => State::Building,
            Phase::Running(Step::Rollout | Step::SyncConnections) | Phase::Committed(_) => {
                State::Deploying
            }
            Phase::Succeeded { .. } => State::Deployed,
            Phase::Failed {
                step: Step::Checkout | Step::Build,
                ..
            } => State::BuildError,
            Phase::Failed { failure, .. } if is_of_the_pull(view, failure) => State::BuildError,
            Phase::Failed {
                step: Step::Rollout | Step::SyncConnections,
                ..
            } => State::DeploymentError,
            Phase::Cancelled { .. } if !settled => State::Canceling,
            Phase::Cancelled { .. } | Phase::Superseded { .. } => State::Canceled,
        })
    }

    /// Of a run that belongs to no deployment, in the history.
    pub(super) fn of_run(view: &RunView) -> Self {
        let change = matches!(view.run.cause, Cause::Change(_)).then_some(view.run.event);
        Self::new(of_run(&view.run.phase, change))
    }

    /// Whether more will come of it by itself.
    pub(super) fn is_going_on(self) -> bool {
        match self.progress {
            Progress::Queued | Progress::Ongoing | Progress::Executing | Progress::Canceling => {
                true
            }
            Progress::Success | Progress::Error | Progress::Canceled | Progress::Never => false,
        }
    }
}

/// Whether its image is still to be brought here: that is a build to clients.
fn is_pulling(view: &DeploymentView) -> bool {
    let pulls = matches!(view.deployment.request.wanted, Wanted::Image(_));
    pulls && view.origin.image.is_none()
}

fn is_of_the_pull(view: &DeploymentView, failure: &Failure) -> bool {
    match failure.code {
        FailureCode::PullFailed | FailureCode::ImageMissing | FailureCode::ImageGone => true,
        // These end whatever is at work.
        FailureCode::DeadlineExceeded
        | FailureCode::EngineUnavailable
        | FailureCode::CrashLoop
        | FailureCode::DiskFull => is_pulling(view),
        FailureCode::CheckoutFailed
        | FailureCode::DockerfileMissing
        | FailureCode::BuildFailed
        | FailureCode::ReleaseFailed
        | FailureCode::TaskFailed
        | FailureCode::Interrupted
        | FailureCode::JobFailed
        | FailureCode::ContainerExited
        | FailureCode::NotReady
        | FailureCode::EngineRefused
        | FailureCode::SecretUnreadable
        | FailureCode::ConfigChanged
        | FailureCode::EnvironmentStopped
        | FailureCode::EnvironmentSuspended
        | FailureCode::AddressesExhausted
        | FailureCode::Restored
        | FailureCode::Internal => false,
    }
}

fn is_at_work(run: Option<&RunView>) -> bool {
    run.is_some_and(|run| matches!(run.run.phase, RunPhase::Running))
}

fn of_change(service: &ServiceView, asked: &Asked<ChangeView>) -> State {
    let change = &asked.view.change;
    match change.change {
        Change::Stop | Change::Suspend => match &change.phase {
            ChangePhase::Queued => State::StopQueued,
            ChangePhase::Running => State::Stopping,
            ChangePhase::Done => State::Stopped,
            ChangePhase::Failed(_) => State::StopError,
            ChangePhase::Cancelled => State::Canceled,
        },
        // There is no word for it: what was deployed is there again.
        Change::Start | Change::Activate => match &change.phase {
            ChangePhase::Queued => State::DeploymentQueued,
            ChangePhase::Running if is_at_work(asked.run.as_ref()) => State::Executing,
            ChangePhase::Running => State::Deploying,
            ChangePhase::Done if service.live.is_none() => State::Ready,
            ChangePhase::Done => State::Deployed,
            ChangePhase::Failed(_) => State::DeploymentError,
            ChangePhase::Cancelled => State::Canceled,
        },
        Change::Remove { .. } => match &change.phase {
            ChangePhase::Queued => State::DeleteQueued,
            ChangePhase::Running => State::Deleting,
            // What is left of it is still being cleared away.
            ChangePhase::Done if !asked.settled => State::Deleting,
            // It is gone all the same.
            ChangePhase::Done if has_failed(asked.run.as_ref()) => State::DeleteError,
            ChangePhase::Done => State::Deleted,
            ChangePhase::Failed(_) => State::DeleteError,
            ChangePhase::Cancelled => State::Canceled,
        },
    }
}

/// What was ended before its end was not done either.
fn has_failed(run: Option<&RunView>) -> bool {
    run.is_some_and(|run| match run.run.phase {
        RunPhase::Failed { .. } | RunPhase::Cancelled { .. } => true,
        RunPhase::Queued
        | RunPhase::Running
        | RunPhase::Succeeded { .. }
        | RunPhase::Skipped { .. } => false,
    })
}

/// `change`: what it runs at, where it belongs to a change.
fn of_run(phase: &RunPhase, change: Option<JobEvent>) -> State {
    let [queued, running, succeeded, failed] = match change {
        Some(JobEvent::Stop) => [
            State::StopQueued,
            State::Stopping,
            State::Stopped,
            State::StopError,
        ],
        Some(JobEvent::Delete) => [
            State::DeleteQueued,
            State::Deleting,
            State::Deleted,
            State::DeleteError,
        ],
        Some(JobEvent::Start | JobEvent::Cron) | None => [
            State::DeploymentQueued,
            State::Executing,
            State::Deployed,
            State::DeploymentError,
        ],
    };
    match phase {
        RunPhase::Queued => queued,
        RunPhase::Running => running,
        RunPhase::Succeeded { .. } => succeeded,
        RunPhase::Failed { .. } => failed,
        RunPhase::Cancelled { .. } => match change {
            Some(JobEvent::Stop | JobEvent::Delete) => failed,
            Some(JobEvent::Start | JobEvent::Cron) | None => State::Canceled,
        },
        RunPhase::Skipped { .. } => State::Canceled,
    }
}

impl Request {
    /// What was asked for last; `None`: nothing ever was.
    pub(super) fn of(service: &ServiceView) -> Option<Self> {
        match service.newest() {
            Newest::Nothing => None,
            Newest::Deployment(asked) => {
                let deployment = &asked.view.deployment;
                Some(Self {
                    id: deployment.id,
                    operation: asked.operation,
                    by: asked.view.by.name.clone(),
                    created_at: deployment.created_at,
                    asked: asked.asked,
                    told: asked.told,
                    changed_at: asked.view.updated_at,
                    ended_at: deployment.phase.ended_at(),
                })
            }
            Newest::Change(asked) => {
                let change = &asked.view.change;
                let name = format!("operation/{}", asked.operation);
                let ended_at = asked.view.done_at;
                Some(Self {
                    // A change has no id of this kind; this one leads to no other.
                    id: Uuid::new_v5(&service.environment.id, name.as_bytes()),
                    operation: asked.operation,
                    by: asked.view.by.name.clone(),
                    created_at: change.created_at,
                    asked: asked.asked,
                    told: asked.told,
                    changed_at: ended_at.unwrap_or(change.created_at),
                    ended_at,
                })
            }
        }
    }
}

impl Freshness {
    /// Of a job. What is being deployed is out of date until it is there.
    pub(super) fn of(service: &ServiceView) -> Self {
        let deployed = service.deployment.as_ref();
        let phase = deployed.map(|asked| &asked.view.deployment.phase);
        match (phase, &service.live) {
            (None, None) => Self::NeverDeployed,
            (Some(Phase::Succeeded { .. }) | None, Some(_)) if !service.drifted => Self::UpToDate,
            (Some(_) | None, Some(_)) | (Some(_), None) => Self::OutOfDate,
        }
    }
}

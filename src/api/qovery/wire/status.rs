//! How a job stands.

use super::Time;
use super::word::{Doing, Freshness, Progress, State, StepName, StepStatus, SubAction};
use crate::api::qovery::state::{Request, Standing};
use crate::core::action::{DeploymentView, RunView, ServiceView, StepView};
use crate::core::deployment::{Phase, Step};
use crate::core::run::RunPhase;
use crate::core::service::Newest;
use crate::core::time::Timestamp;
use serde::Serialize;
use uuid::Uuid;

/// A job's status.
#[derive(Serialize)]
pub(in crate::api::qovery) struct Status {
    /// The id of what was asked for last: the key is there where it is null, too.
    deployment_request_id: Option<Uuid>,
    deployment_requests_count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    execution_id: Option<String>,
    /// The job's own.
    id: Uuid,
    is_part_last_deployment: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_deployment_date: Option<Time>,
    service_deployment_status: Freshness,
    state: State,
    status_details: Details,
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<Steps>,
}

/// What is done, and how far that is.
#[derive(Serialize)]
pub(in crate::api::qovery) struct Details {
    action: Doing,
    status: Progress,
    sub_action: SubAction,
}

impl From<Standing> for Details {
    fn from(standing: Standing) -> Self {
        Self {
            action: standing.doing,
            status: standing.progress,
            sub_action: SubAction::None,
        }
    }
}

impl Status {
    /// `id`: by what the client knows the job.
    pub(in crate::api::qovery) fn new(service: &ServiceView, id: Uuid) -> Self {
        let (standing, request) = (Standing::of(service), Request::of(service));
        Self {
            deployment_request_id: request.as_ref().map(|request| request.id),
            deployment_requests_count: service.waiting,
            execution_id: request.as_ref().map(|request| execution(request.id)),
            id,
            is_part_last_deployment: request.is_some(),
            last_deployment_date: request.map(|request| request.changed_at.into()),
            service_deployment_status: Freshness::of(service),
            state: standing.state,
            status_details: standing.into(),
            steps: match service.newest() {
                Newest::Deployment(asked) => Some(Steps::new(&asked.view, asked.run.as_ref())),
                Newest::Nothing | Newest::Change(_) => None,
            },
        }
    }
}

/// What an execution is known by: one request is one execution.
pub(in crate::api::qovery) fn execution(request: Uuid) -> String {
    request.to_string()
}

/// The steps of a deployment.
#[derive(Serialize)]
struct Steps {
    details: Vec<StepDetail>,
    total_computing_duration_sec: i64,
    total_duration_sec: Option<i64>,
}

/// One that has begun, or never will.
#[derive(Serialize)]
struct StepDetail {
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_sec: Option<i64>,
    /// Of one that goes on there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<StepStatus>,
    step_name: StepName,
}

impl Steps {
    fn new(view: &DeploymentView, run: Option<&RunView>) -> Self {
        let deployment = &view.deployment;
        let ended_at = deployment.phase.ended_at();
        let computing = view.steps.iter().filter_map(|step| {
            let began = step.started_at?;
            seconds(began, step.ended_at)
        });
        let queueing = queueing(view);
        let steps = view.steps.iter();
        let steps = steps.filter_map(|step| detail(step, &deployment.phase));
        Self {
            total_computing_duration_sec: computing.sum(),
            total_duration_sec: seconds(deployment.created_at, ended_at),
            details: queueing
                .into_iter()
                .chain(steps)
                .chain(run.and_then(executing))
                .collect(),
        }
    }
}

/// The wait for its turn.
fn queueing(view: &DeploymentView) -> Option<StepDetail> {
    let deployment = &view.deployment;
    let began = view.steps.iter().filter_map(|step| step.started_at).min();
    let status = match (began, deployment.phase.ended_at()) {
        (Some(_), _) => Some(StepStatus::Success),
        (None, Some(_)) => Some(StepStatus::Cancel),
        (None, None) => None,
    };
    Some(StepDetail {
        duration_sec: seconds(deployment.created_at, began.or(deployment.phase.ended_at())),
        status,
        step_name: StepName::DeploymentQueueing,
    })
}

fn detail(step: &StepView, phase: &Phase) -> Option<StepDetail> {
    let step_name = match step.step {
        Step::Checkout => StepName::GitClone,
        Step::Build => StepName::Build,
        Step::Rollout => StepName::Deployment,
        // Qovery has no word for it.
        Step::SyncConnections => return None,
    };
    let status = match (step.started_at, phase) {
        // It will come.
        (None, Phase::Queued | Phase::Running(_) | Phase::Committed(_)) => return None,
        (
            None,
            Phase::Succeeded { .. }
            | Phase::Failed { .. }
            | Phase::Cancelled { .. }
            | Phase::Superseded { .. },
        ) => Some(StepStatus::Skip),
        (Some(_), Phase::Running(now)) if *now == step.step => None,
        (Some(_), Phase::Committed(_)) if step.step == Step::Rollout => None,
        (Some(_), Phase::Failed { step: failed, .. }) if *failed == step.step => {
            Some(StepStatus::Error)
        }
        (Some(_), Phase::Cancelled { .. }) if step.ended_at == phase.ended_at() => {
            Some(StepStatus::Cancel)
        }
        (
            Some(_),
            Phase::Queued
            | Phase::Running(_)
            | Phase::Committed(_)
            | Phase::Succeeded { .. }
            | Phase::Failed { .. }
            | Phase::Cancelled { .. }
            | Phase::Superseded { .. },
        ) => Some(StepStatus::Success),
    };
    let duration_sec = match (step.started_at, status) {
        (Some(began), Some(_)) => seconds(began, step.ended_at),
        (Some(_) | None, _) => None,
    };
    Some(StepDetail {
        duration_sec,
        status,
        step_name,
    })
}

/// What the job itself did.
fn executing(run: &RunView) -> Option<StepDetail> {
    let began = run.began_at?;
    let status = match &run.run.phase {
        RunPhase::Queued | RunPhase::Running => None,
        RunPhase::Succeeded { .. } => Some(StepStatus::Success),
        RunPhase::Failed { .. } => Some(StepStatus::Error),
        RunPhase::Cancelled { .. } => Some(StepStatus::Cancel),
        RunPhase::Skipped { .. } => Some(StepStatus::Skip),
    };
    Some(StepDetail {
        duration_sec: seconds(began, run.run.phase.ended_at()),
        status,
        step_name: StepName::Executing,
    })
}

/// Whole seconds; none while it goes on. A clock that was set back in between makes none negative.
pub(in crate::api::qovery) fn seconds(from: Timestamp, to: Option<Timestamp>) -> Option<i64> {
    let millis = to?.millis_since(from);
    Some(millis.max(0) / 1000)
}

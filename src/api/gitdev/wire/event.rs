//! Events in answers.

use super::Time;
use crate::api::gitdev::id;
use crate::core::deployment::Step;
use crate::core::event::{
    ChangeStage, DeploymentStage, Event as CoreEvent, EventPage, Happened, RunStage,
};
use crate::core::recorded::ReportedState;
use serde::Serialize;
use utoipa::ToSchema;

/// What happened, in order.
#[derive(Serialize, ToSchema)]
pub(in crate::api::gitdev) struct Events {
    data: Vec<Event>,
    meta: EventsMeta,
}

#[derive(Serialize, ToSchema)]
struct EventsMeta {
    /// What `after` is to be next. Of a long history one answer may hold nothing and still go on.
    next: i64,
}

impl From<&EventPage> for Events {
    fn from(page: &EventPage) -> Self {
        Self {
            data: page.events.iter().map(Event::from).collect(),
            meta: EventsMeta { next: page.next },
        }
    }
}

/// One thing that happened to a deployment, to another operation, or to a run of a job.
#[derive(Serialize, ToSchema)]
pub(in crate::api::gitdev) struct Event {
    app: String,
    at: Time,
    #[schema(required)]
    deployment: Option<String>,
    environment: String,
    /// Its place in the order of everything that happened.
    id: i64,
    /// What is done: `deploy`, a change of the environment, or `run`.
    #[schema(examples("deploy", "stop", "run"))]
    kind: &'static str,
    /// The operation's number, where it is no deployment.
    #[schema(required)]
    operation: Option<i64>,
    /// The same as the status, and finer for deployments: which step, whether it was a newer one that took its place.
    #[schema(examples("checkout", "committed", "superseded"))]
    phase: &'static str,
    /// The run's number within its environment, where it is one.
    #[schema(required)]
    run: Option<i64>,
    /// What a look at the deployment, the operation or the run would have shown.
    #[schema(examples("building", "success"))]
    status: &'static str,
    r#type: EventType,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum EventType {
    Deployment,
    Operation,
    Run,
}

impl From<&CoreEvent> for Event {
    fn from(event: &CoreEvent) -> Self {
        let (deployment, operation, kind, stage) = match event.what {
            Happened::Deployment { id, stage } => {
                let id = id::deployment(id);
                (Some(id), None, "deploy", Stage::of_deployment(stage))
            }
            Happened::Change {
                operation,
                change,
                stage,
            } => {
                let stage = Stage::of_change(stage);
                (None, Some(operation.0), change.as_str(), stage)
            }
            Happened::Run { stage, .. } => (None, None, "run", Stage::of_run(stage)),
        };
        let run = match event.what {
            Happened::Run { number, .. } => Some(number),
            Happened::Deployment { .. } | Happened::Change { .. } => None,
        };
        Self {
            app: event.app.to_string(),
            at: event.at.into(),
            r#type: match event.what {
                Happened::Deployment { .. } => EventType::Deployment,
                Happened::Change { .. } => EventType::Operation,
                Happened::Run { .. } => EventType::Run,
            },
            deployment,
            environment: event.environment.to_string(),
            id: event.serial,
            kind,
            operation,
            run,
            phase: stage.phase,
            status: stage.status,
        }
    }
}

/// A stage in the words it is shown by.
struct Stage {
    phase: &'static str,
    status: &'static str,
}

impl Stage {
    fn of_deployment(stage: DeploymentStage) -> Self {
        let status = match stage {
            DeploymentStage::Queued | DeploymentStage::Recorded(ReportedState::Created) => "queued",
            DeploymentStage::Running(Step::Checkout | Step::Build) => "building",
            DeploymentStage::Running(Step::Rollout | Step::SyncConnections)
            | DeploymentStage::Committed
            | DeploymentStage::Recorded(ReportedState::Running) => "deploying",
            DeploymentStage::Succeeded | DeploymentStage::Recorded(ReportedState::Success) => {
                "success"
            }
            DeploymentStage::Failed | DeploymentStage::Recorded(ReportedState::Failed) => "failed",
            DeploymentStage::Cancelled
            | DeploymentStage::Superseded
            | DeploymentStage::Recorded(ReportedState::Canceled) => "cancelled",
        };
        let phase = stage.as_str();
        Self { phase, status }
    }

    fn of_run(stage: RunStage) -> Self {
        let phase = stage.as_str();
        let status = match stage {
            RunStage::Succeeded => "success",
            RunStage::Queued
            | RunStage::Running
            | RunStage::Failed
            | RunStage::Cancelled
            | RunStage::Skipped => phase,
        };
        Self { phase, status }
    }

    fn of_change(stage: ChangeStage) -> Self {
        let phase = stage.as_str();
        Self {
            phase,
            status: phase,
        }
    }
}

//! Runs of jobs in answers and bodies.

use super::deployment::Failure;
use super::name::EnvironmentName;
use super::{PageMeta, Time};
use crate::api::gitdev::id;
use crate::core::action::RunView;
use crate::core::job::JobEvent;
use crate::core::run::{Cancellation, Cause, RunPhase};
use serde::Serialize;
use utoipa::ToSchema;

/// Runs of a job, the newest first.
#[derive(Serialize, ToSchema)]
pub(in crate::api::gitdev) struct Runs {
    data: Vec<Run>,
    meta: PageMeta,
}

impl Runs {
    pub(in crate::api::gitdev) fn new(items: &[RunView], meta: PageMeta) -> Self {
        Self {
            data: items.iter().map(Run::from).collect(),
            meta,
        }
    }
}

/// One execution of a job.
#[derive(Serialize, ToSchema)]
pub(in crate::api::gitdev) struct Run {
    app: String,
    /// How often its command was begun.
    attempts: u32,
    /// Why it was cancelled, if it was.
    #[schema(required)]
    cancelled: Option<CancelledBy>,
    cause: MadeFor,
    #[schema(required)]
    completed_at: Option<Time>,
    created_at: Time,
    /// The name of who asked for it.
    created_by: String,
    /// The deployment it is a part of, whose log has what it printed.
    #[schema(required)]
    deployment: Option<String>,
    /// The schedule's time that it was made for.
    #[schema(required)]
    due_at: Option<Time>,
    environment: String,
    #[schema(required)]
    error: Option<Failure>,
    event: Event,
    /// How its command ended the last time, if it ended by itself.
    #[schema(required)]
    exit_status: Option<i64>,
    #[schema(examples("run_0rk5x3w9m1"))]
    id: String,
    /// Its number within the environment.
    number: i64,
    /// The operation it is a part of.
    #[schema(required)]
    operation: Option<i64>,
    #[schema(required)]
    started_at: Option<Time>,
    status: RunStatus,
}

/// What made a run.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum MadeFor {
    /// A deployment, of which it is a part.
    Deployment,
    /// A change of the environment, of which it is a part.
    Change,
    /// Its schedule.
    Schedule,
    /// Somebody who asked for it.
    Hand,
}

/// What a job runs something at.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::api::gitdev) enum Event {
    /// A deployment, a start, an activation.
    Start,
    /// A stop, a suspension.
    Stop,
    /// A removal.
    Delete,
    /// Its schedule.
    Cron,
}

/// Where a run is in its life. The last four are its ends.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum RunStatus {
    /// It waits for the end of another.
    Queued,
    /// It is at work.
    Running,
    /// It ended with status 0.
    Succeeded,
    /// It ended otherwise, was cut off, or took too long.
    Failed,
    /// It was ended from outside.
    Cancelled,
    /// It was not run, because another was at work.
    Skipped,
}

/// What ended a run from outside.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum CancelledBy {
    /// Somebody who asked for that.
    Hand,
    /// A newer run, which took its place.
    Run,
    /// The deployment it is a part of, or a newer one.
    Deployment,
    /// The stop or the removal of its environment.
    Environment,
}

impl From<JobEvent> for Event {
    fn from(event: JobEvent) -> Self {
        match event {
            JobEvent::Start => Self::Start,
            JobEvent::Stop => Self::Stop,
            JobEvent::Delete => Self::Delete,
            JobEvent::Cron => Self::Cron,
        }
    }
}

impl From<&RunView> for Run {
    fn from(view: &RunView) -> Self {
        let run = &view.run;
        let (cause, due, operation) = match run.cause {
            Cause::Deployment(_) => (MadeFor::Deployment, None, None),
            Cause::Change(operation) => (MadeFor::Change, None, Some(operation.0)),
            Cause::Schedule(due) => (MadeFor::Schedule, Some(due), None),
            Cause::Hand => (MadeFor::Hand, None, None),
        };
        let (status, error, cancelled) = match &run.phase {
            RunPhase::Queued => (RunStatus::Queued, None, None),
            RunPhase::Running => (RunStatus::Running, None, None),
            RunPhase::Succeeded { .. } => (RunStatus::Succeeded, None, None),
            RunPhase::Failed { failure, .. } => (RunStatus::Failed, Some(failure), None),
            RunPhase::Cancelled { why, .. } => (RunStatus::Cancelled, None, Some(*why)),
            RunPhase::Skipped { .. } => (RunStatus::Skipped, None, None),
        };
        Self {
            app: view.app.to_string(),
            attempts: view.attempts,
            cancelled: cancelled.map(CancelledBy::from),
            completed_at: run.phase.ended_at().map(Time::from),
            created_at: run.created_at.into(),
            created_by: view.by.name.clone(),
            deployment: match run.cause {
                Cause::Deployment(_) => Some(id::deployment(view.log)),
                Cause::Change(_) | Cause::Schedule(_) | Cause::Hand => None,
            },
            due_at: due.map(Time::from),
            environment: view.environment.to_string(),
            error: error.map(Failure::from),
            event: run.event.into(),
            exit_status: run.phase.exit_status(),
            id: id::run(run.id),
            number: run.number,
            operation,
            started_at: view.began_at.map(Time::from),
            status,
            cause,
        }
    }
}

impl From<Cancellation> for CancelledBy {
    fn from(why: Cancellation) -> Self {
        match why {
            Cancellation::By(_) => Self::Hand,
            Cancellation::ReplacedBy(_) => Self::Run,
            Cancellation::WithDeployment => Self::Deployment,
            Cancellation::WithEnvironment => Self::Environment,
        }
    }
}

/// A run to be made of what is live.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what is read by hand")]
pub(in crate::api::gitdev) struct NewRun {
    /// The token's own, else the app's default, if absent.
    environment: Option<EnvironmentName>,
    /// What its schedule runs, else what a start runs, if absent.
    event: Option<Event>,
}

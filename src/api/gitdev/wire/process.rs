//! Processes in answers.

use super::Time;
use crate::core::ports::{ContainerState, HealthState};
use crate::core::process::{ProcessKind as CoreKind, ProcessView};
use serde::Serialize;
use utoipa::ToSchema;

/// The processes of an environment: the one that serves, then the others by name.
#[derive(Serialize, ToSchema)]
pub(in crate::api::gitdev) struct Processes {
    data: Vec<Process>,
}

impl From<&[ProcessView]> for Processes {
    fn from(views: &[ProcessView]) -> Self {
        Self {
            data: views.iter().map(Process::from).collect(),
        }
    }
}

/// A process of an environment.
#[derive(Serialize, ToSchema)]
struct Process {
    /// What the configuration says instead of the image's entrypoint and command.
    command: Vec<String>,
    #[schema(required)]
    container: Option<String>,
    /// In thousandths of a processor.
    #[schema(required)]
    cpus: Option<u32>,
    /// The exit status, of one that ended.
    #[schema(required)]
    exit_code: Option<i64>,
    /// The same for ever for one name in one environment.
    id: String,
    kind: ProcessKind,
    /// In bytes.
    #[schema(required)]
    memory: Option<u64>,
    name: String,
    #[schema(required)]
    port: Option<u16>,
    /// The release it runs.
    #[schema(required)]
    release: Option<i64>,
    /// When that release was made.
    #[schema(required)]
    since: Option<Time>,
    /// None if it has no container, or the engine cannot be asked.
    #[schema(required)]
    state: Option<State>,
}

/// What a process is to its app.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum ProcessKind {
    /// It serves.
    Web,
    /// It works beside it.
    Worker,
}

/// What its container is doing.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ProcessState)]
enum State {
    /// It was made and never started.
    Created,
    /// It runs.
    Running,
    /// It runs, and its image's own check says that it is not well.
    Unhealthy,
    /// It ended.
    Exited,
}

impl From<&ProcessView> for Process {
    fn from(view: &ProcessView) -> Self {
        let exit_code = match &view.state {
            Some(ContainerState::Exited { code, .. }) => Some(*code),
            Some(ContainerState::Created | ContainerState::Running { .. }) | None => None,
        };
        Self {
            command: view.command.clone(),
            container: view.container.clone(),
            cpus: view.millicpus,
            exit_code,
            id: view.id.to_string(),
            kind: match view.kind {
                CoreKind::Web => ProcessKind::Web,
                CoreKind::Worker => ProcessKind::Worker,
            },
            memory: view.memory,
            name: view.name.clone(),
            port: view.port,
            release: view.release,
            since: view.since.map(Time::from),
            state: view.state.as_ref().map(State::from),
        }
    }
}

impl From<&ContainerState> for State {
    fn from(state: &ContainerState) -> Self {
        match state {
            ContainerState::Created => Self::Created,
            ContainerState::Running {
                health: Some(HealthState::Unhealthy),
            } => Self::Unhealthy,
            ContainerState::Running {
                health: None | Some(HealthState::Starting | HealthState::Healthy),
            } => Self::Running,
            ContainerState::Exited { .. } => Self::Exited,
        }
    }
}

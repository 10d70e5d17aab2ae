//! The processes of an app beside the one that serves: what runs in containers of its own, from the same release.

use super::container::WEB;
use super::name::ProcessName;
use super::ports::ContainerState;
use super::spec::{Check, RunSpec};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use uuid::Uuid;

/// How many processes an app may have beside the one that serves. At a deployment each has two containers, and an
/// environment has 30 addresses.
pub const MAX_PROCESSES: usize = 8;

/// A process as the configuration says it. What it does not say for itself (variables, secrets, volumes, log driver) is
/// the app's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessSpec {
    /// What it runs instead of the image's command; empty only with an entrypoint.
    pub command: Vec<String>,
    /// Overrides the image's entrypoint; empty: the image's own.
    pub entrypoint: Vec<String>,
    /// Memory limit in bytes, swap included.
    pub memory: Option<u64>,
    /// CPU limit in thousandths of a CPU.
    pub millicpus: Option<u32>,
    /// Time between the stop signal and the kill.
    pub stop_grace: Duration,
    /// When it counts as ready: [`Check::Image`] or [`Check::StaysUp`]; it has no port to ask at.
    pub check: Check,
}

impl ProcessSpec {
    /// How it is run: as the app is, but for what it says itself. It is nobody's to reach from outside.
    #[must_use]
    pub fn run(&self, app: &RunSpec) -> RunSpec {
        RunSpec {
            command: self.command.clone(),
            entrypoint: self.entrypoint.clone(),
            port: None,
            publish: Vec::new(),
            memory: self.memory,
            millicpus: self.millicpus,
            stop_grace: self.stop_grace,
            ..app.clone()
        }
    }
}

/// What a process is to its app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessKind {
    /// The one that serves.
    Web,
    /// One that works beside it.
    Worker,
}

/// A process of an environment as a reader sees it: of its live release or, where nothing is live, of the configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct ProcessView {
    /// The same for ever for one name in one environment.
    pub id: Uuid,
    /// Its name; [`WEB`] for the one that serves.
    pub name: String,
    /// What it is.
    pub kind: ProcessKind,
    /// Entrypoint and command as configured; empty: what the image says.
    pub command: Vec<String>,
    /// Where it listens.
    pub port: Option<u16>,
    /// Memory limit in bytes, swap included.
    pub memory: Option<u64>,
    /// CPU limit in thousandths of a CPU.
    pub millicpus: Option<u32>,
    /// Its container's name, once it has one.
    pub container: Option<String>,
    /// What that is doing; `None` if there is none, or the engine cannot be asked.
    pub state: Option<ContainerState>,
    /// The number of the release it runs.
    pub release: Option<i64>,
    /// When that release was made.
    pub since: Option<super::time::Timestamp>,
}

/// The id clients hold of a process; no row has it.
#[must_use]
pub fn process_id(environment: Uuid, name: &str) -> Uuid {
    Uuid::new_v5(&environment, name.as_bytes())
}

/// What a process' containers are called by on the environment's network: the app's name is the serving one's alone.
#[must_use]
pub fn alias(app: &str, process: &str) -> String {
    match process {
        WEB => app.to_owned(),
        worker => format!("{app}-{worker}"),
    }
}

impl ProcessName {
    /// Whether a further process may have this name.
    ///
    /// # Errors
    /// Says why not.
    pub fn parse_further(text: &str) -> Result<Self, String> {
        match text {
            WEB => {
                Err("cannot be \"web\": that is the app itself, with its own command".to_owned())
            }
            text => Self::parse(text).map_err(|fault| fault.0),
        }
    }
}

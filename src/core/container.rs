//! Containers as rows: what was meant to exist, written before it is made.

use super::id::{ContainerSerial, DeploymentSerial, EnvironmentSerial, ReleaseSerial};
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

/// The process every app has.
pub const WEB: &str = "web";

/// What stands in place of a process where a container runs a command once: no process can have the name.
pub const ONE_OFF: &str = ":once";

/// What a container that runs a run's command carries as its role.
pub const RUN: &str = "run";

/// A container that was meant to exist. Its name is made once and never reused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerRow {
    /// The row's serial.
    pub serial: ContainerSerial,
    /// The environment it belongs to.
    pub environment: EnvironmentSerial,
    /// The deployment it was made for.
    pub deployment: DeploymentSerial,
    /// The release it runs; none until the deployment committed.
    pub release: Option<ReleaseSerial>,
    /// Which of the app's processes it is; [`WEB`] for the one that serves, [`ONE_OFF`] for none of them.
    pub process: String,
    /// The engine's name for it.
    pub name: String,
    /// Its address on the environment's network.
    pub address: Ipv4Addr,
    /// What it is to its environment.
    pub role: ContainerRole,
    /// How far its output was read; `None` when nothing was.
    pub read_until: Option<OutputCursor>,
}

/// What a container is to its environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContainerRole {
    /// Made by a deployment that has not committed.
    Candidate,
    /// Runs a command to its end for a deployment that has not committed.
    Task,
    /// Runs a run's command to its end, of a release that is live or was.
    Run,
    /// Runs the live release.
    Live,
    /// To be removed, or gone; a settlement row says which. Kept, so that it is removed even if it appears later.
    Retired,
}

impl ContainerRole {
    /// The word that is stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Candidate => "candidate",
            Self::Task => "task",
            Self::Run => "run",
            Self::Live => "live",
            Self::Retired => "retired",
        }
    }

    /// Reads the stored word back.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [
            Self::Candidate,
            Self::Task,
            Self::Run,
            Self::Live,
            Self::Retired,
        ]
        .into_iter()
        .find(|role| role.as_str() == text)
    }
}

/// The engine's time of a line of output: fixed width, so that the text sorts as time does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OutputCursor(pub String);

//! Environments by themselves, for readers to whom an environment is what is deployed, or is a thing to be made,
//! stopped and removed.

use super::admission::Desired;
use super::deployment::Phase;
use super::id::{EnvironmentSerial, ProjectSerial};
use super::name::{AppName, EnvironmentName, ProjectPath};
use super::route::Domain;
use super::spec::Spec;
use super::time::Timestamp;
use uuid::Uuid;

/// How an environment is named, apart from its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnvironmentRef {
    /// By its UUID.
    Id(Uuid),
    /// By its serial.
    Serial(EnvironmentSerial),
}

impl std::fmt::Display for EnvironmentRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Serial(serial) => serial.fmt(f),
        }
    }
}

/// Which environments to list, by their serials. Without a project only those that are deployed here.
#[derive(Clone, Debug, Default)]
pub struct ListEnvironments {
    /// Only those of apps of this project; also those for which deployments were only reported.
    pub project: Option<ProjectSerial>,
    /// Only the one of this name.
    pub name: Option<EnvironmentName>,
    /// Whether that is compared without regard to case.
    pub any_case: bool,
    /// Only those whose name holds this, whatever the case.
    pub search: Option<String>,
    /// Only those that stand so.
    pub standing: Option<Standing>,
    /// The smallest serial first.
    pub ascending: bool,
    /// How many at most.
    pub limit: u32,
    /// How many to skip.
    pub offset: u64,
}

/// Whether an environment serves, as far as somebody decided it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is meant to.
    Available,
    /// It is being stopped or suspended, or will be when its turn comes.
    Stopping,
    /// It was stopped or suspended.
    Stopped,
}

impl Standing {
    /// The word in the store's queries.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Available => "available",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
        }
    }

    /// Reads that word back.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Available, Self::Stopping, Self::Stopped]
            .into_iter()
            .find(|standing| standing.as_str() == text)
    }
}

/// What people write down about an environment; nothing here acts on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// Where it is reached. If absent, where it is reached by its domains.
    pub external_url: Option<String>,
    /// What it is for; one of the words of the dialect that sets it.
    pub tier: Option<String>,
    /// Any text.
    pub description: Option<String>,
}

/// A request for an environment for which deployments can be reported.
#[derive(Clone, Debug)]
pub struct CreateEnvironment {
    /// In which project.
    pub project: ProjectSerial,
    /// Its name; no other of the project has it.
    pub name: EnvironmentName,
    /// What is to be known of it.
    pub notes: Notes,
}

/// What a reader of a deployment is told of its environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brief {
    /// When it was made.
    pub created_at: Timestamp,
    /// When its notes, or what it is meant to be doing, changed last.
    pub updated_at: Timestamp,
    /// Where it is reached, if somebody wrote that down.
    pub external_url: Option<String>,
}

/// An environment by itself.
#[derive(Clone, Debug)]
pub struct EnvironmentDetail {
    /// Its id.
    pub id: Uuid,
    /// Its serial.
    pub serial: EnvironmentSerial,
    /// Its name.
    pub name: EnvironmentName,
    /// Its app's name.
    pub app: AppName,
    /// Its app's id.
    pub app_id: Uuid,
    /// Its project.
    pub project: ProjectPath,
    /// Its project's serial.
    pub project_serial: ProjectSerial,
    /// Whether it is the app's default one.
    pub is_default: bool,
    /// Whether deployments for it were only reported: nothing of it runs here.
    pub reported_only: bool,
    /// Whether it is a preview: it was made for a deployment, and will be gone some day.
    pub preview: bool,
    /// What it is meant to be doing.
    pub desired: Desired,
    /// Whether it serves.
    pub standing: Standing,
    /// What was written down about it.
    pub notes: Notes,
    /// When that, or what it is meant to be doing, changed last.
    pub noted_at: Timestamp,
    /// Its first domain that is one host.
    pub domain: Option<Domain>,
    /// What the configuration says of it; `None` if that does not name it.
    pub spec: Option<Spec>,
    /// When its schedule is due next; `None` without one, or while that makes no runs.
    pub next_run: Option<Timestamp>,
    /// The phase of its newest deployment that was executed here; `None` if it never had one.
    pub last: Option<Phase>,
    /// Which installation this is.
    pub instance: Uuid,
    /// When it was made.
    pub created_at: Timestamp,
    /// When something happened to it last: it was made, or a deployment began, ended, or was asked for.
    pub updated_at: Timestamp,
}

//! Which deployments a list shows, and in which order.

use super::action::AppRef;
use super::id::{DeploymentSerial, ProjectSerial};
use super::name::EnvironmentName;
use super::particulars::Narrowed;
use super::time::Timestamp;
use uuid::Uuid;

/// How a deployment is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeploymentRef {
    /// By its UUID.
    Id(Uuid),
    /// By its serial.
    Serial(DeploymentSerial),
}

impl From<Uuid> for DeploymentRef {
    fn from(id: Uuid) -> Self {
        Self::Id(id)
    }
}

/// Which deployments to list: those that were executed here, and those that were recorded.
#[derive(Clone, Debug, Default)]
pub struct ListDeployments {
    /// Only those of apps of this project.
    pub project: Option<ProjectSerial>,
    /// Only this app's.
    pub app: Option<AppRef>,
    /// Only those of environments of this name.
    pub environment: Option<EnvironmentName>,
    /// Only those of the environment with this id.
    pub environment_id: Option<Uuid>,
    /// Only those in one of these states; empty: all.
    pub states: Vec<StateFilter>,
    /// Only those that changed last at or after this.
    pub updated_from: Option<Timestamp>,
    /// Only those that changed last before this.
    pub updated_before: Option<Timestamp>,
    /// In which order.
    pub order: Order,
    /// The other way round: the smallest first.
    pub ascending: bool,
    /// How many at most.
    pub limit: u32,
    /// How many to skip.
    pub offset: u64,
    /// Whether their steps, and what could not be started again, are wanted: looking them up takes as long as all the
    /// rest. If not, both are empty.
    pub steps: bool,
    /// What else it is narrowed to.
    pub narrowed: Narrowed,
}

/// What a list is ordered by, the greatest first unless it is to be ascending.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// When they were accepted: their serials.
    #[default]
    Serial,
    /// When they changed last; of those that have ended, that is when they ended. At the same time the one with the
    /// greater serial comes first, whichever way round.
    Updated,
    /// Their references, byte by byte. Of the same reference the one with the greater serial comes first, whichever
    /// way round.
    Reference,
}

/// A group of states a list can be narrowed to; deployments that were recorded have the state that was reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateFilter {
    /// Waiting.
    Queued,
    /// In the checkout or the build.
    Building,
    /// In the rollout, or committed.
    Deploying,
    /// Succeeded.
    Succeeded,
    /// Failed.
    Failed,
    /// Cancelled.
    Cancelled,
    /// Superseded.
    Superseded,
}

impl StateFilter {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Queued,
        Self::Building,
        Self::Deploying,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
        Self::Superseded,
    ];
}

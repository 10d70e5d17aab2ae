//! Projects as readers see them: the repository's side of apps, and where a deployment of an environment would go.

use super::id::ProjectSerial;
use super::name::{Branch, EnvironmentName, ProjectPath};
use super::time::Timestamp;
use std::collections::BTreeMap;
use uuid::Uuid;

/// How a project is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProjectRef {
    /// By its serial.
    Serial(ProjectSerial),
    /// By its path.
    Path(ProjectPath),
}

impl std::fmt::Display for ProjectRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Serial(serial) => serial.fmt(f),
            Self::Path(path) => path.fmt(f),
        }
    }
}

/// What a list of projects is ordered by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProjectOrder {
    /// When they were made.
    #[default]
    Serial,
    /// Their paths.
    Path,
    /// When something was last asked to be deployed there.
    Activity,
}

/// Which projects to list.
#[derive(Clone, Debug, Default)]
pub struct ListProjects {
    /// Only those whose path holds this, whatever the case.
    pub search: Option<String>,
    /// In which order, the greatest first.
    pub order: ProjectOrder,
    /// The other way round.
    pub ascending: bool,
    /// How many at most.
    pub limit: u32,
    /// How many to skip.
    pub offset: u64,
}

/// A project as a reader sees it.
#[derive(Clone, Debug)]
pub struct ProjectView {
    /// Its serial.
    pub serial: ProjectSerial,
    /// Its path.
    pub path: ProjectPath,
    /// When its first app was made.
    pub created_at: Timestamp,
    /// When something was last asked to be deployed there.
    pub last_activity_at: Timestamp,
    /// The repository's URL, without credentials, where an app is built from one.
    pub repository: Option<String>,
    /// The branch that is deployed if none is named, where an app is built from a repository.
    pub branch: Option<Branch>,
    /// Whether the configuration names an app of it that can be deployed here, and not only recorded.
    pub has_source: bool,
    /// The environments that can be deployed to: those that the configuration names, and the previews that are there; and what
    /// is deployed there.
    pub bound: BTreeMap<EnvironmentName, Bound>,
    /// What a preview of it would belong to, if an app of it takes previews.
    pub previews: Option<Bound>,
}

/// What an environment of a project belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Its app's id.
    pub app: Uuid,
    /// Whether it runs an image, and so knows no commits.
    pub runs_image: bool,
}

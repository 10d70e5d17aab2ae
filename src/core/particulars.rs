//! What a request for a deployment says besides what is to become live: GitHub's dialect has the words for it. It is
//! carried and shown; only the task and the payload are read by what runs.

use super::commit_status::Contexts;
use super::name::{EnvironmentName, Sha, TaskName};
use super::time::Timestamp;

/// What a request says besides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Particulars {
    /// What is to be deployed, as the caller wrote it, if that is not what it is shown with anyway.
    pub written: Option<String>,
    /// The commit it is shown with, where what is deployed has none: of an app that runs an image.
    pub sha: Option<Sha>,
    /// The task whose command is run before the switch; `None` is GitHub's `deploy`: none.
    pub task: Option<TaskName>,
    /// Anything, as JSON text.
    pub payload: Option<String>,
    /// A short description.
    pub description: Option<String>,
    /// Whether the environment will be gone some day. One that is not configured is made for it, where the app takes
    /// previews.
    pub transient: bool,
    /// Whether end users use the environment; if absent whether its name is `production`.
    pub production: Option<bool>,
}

/// What must be so before a deployment is taken in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// The branch must have everything of the default branch; what is missing is merged into it first.
    pub auto_merge: bool,
    /// These checks must be well.
    pub contexts: Contexts,
    /// Nothing may be at work or waiting in the environment.
    pub idle: bool,
}

/// What a deployment is shown with besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noted {
    /// What was to be deployed, as the caller wrote it.
    pub written: Option<String>,
    /// The commit it is shown with, where what is deployed has none.
    pub sha: Option<Sha>,
    /// The task; `None`: `deploy`.
    pub task: Option<TaskName>,
    /// Anything, as JSON text.
    pub payload: Option<String>,
    /// A short description.
    pub description: Option<String>,
    /// Whether its environment will be gone some day.
    pub transient: bool,
    /// Whether end users use its environment.
    pub production: bool,
    /// The name of its environment from some status on, if one changed it.
    pub shown_environment: Option<EnvironmentName>,
    /// When its newest status was written.
    pub status_at: Option<Timestamp>,
}

/// Which deployments a list is narrowed to besides; only in the order of their serials, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Narrowed {
    /// Only those of this commit.
    pub sha: Option<Sha>,
    /// Only those of this reference: its short name, `refs/heads/…`, or as the caller wrote it.
    pub reference: Option<String>,
    /// Only those with this task; `Some(None)`: with none.
    pub task: Option<Option<TaskName>>,
    /// Only those whose environment is called so now, whatever the case.
    pub shown_environment: Option<EnvironmentName>,
}

impl Narrowed {
    /// Whether it lets everything through.
    #[must_use]
    pub fn is_open(&self) -> bool {
        *self == Self::default()
    }
}

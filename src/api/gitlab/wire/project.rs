//! A project.

use super::{Nothing, Time};
use crate::api::arrival::Base;
use crate::core::project::ProjectView;
use serde::Serialize;
use uuid::Uuid;

/// What clients need of GitLab's hundred and more keys. The repository's URL is under the one of two keys that it fits.
#[derive(Clone, Serialize)]
pub(in crate::api::gitlab) struct Project {
    archived: bool,
    created_at: Time,
    default_branch: Option<String>,
    description: Nothing,
    http_url_to_repo: Option<String>,
    id: i64,
    last_activity_at: Time,
    name: String,
    name_with_namespace: String,
    namespace: Namespace,
    path: String,
    path_with_namespace: String,
    ssh_url_to_repo: Option<String>,
    visibility: &'static str,
    web_url: String,
}

/// What stands before the last part of a project's path.
#[derive(Clone, Serialize)]
struct Namespace {
    full_path: String,
    id: u32,
    kind: &'static str,
    name: String,
    path: String,
}

impl Project {
    pub(in crate::api::gitlab) fn new(view: &ProjectView, base: &Base) -> Self {
        let full = view.path.as_str();
        let (before, name) = full.rsplit_once('/').unwrap_or(("", full));
        let is_web = |url: &String| url.starts_with("https://") || url.starts_with("http://");
        let url = view.repository.clone();
        Self {
            archived: false,
            created_at: view.created_at.into(),
            default_branch: view.branch.as_ref().map(ToString::to_string),
            description: Nothing::HERE,
            http_url_to_repo: url.clone().filter(is_web),
            id: view.serial.0,
            last_activity_at: view.last_activity_at.into(),
            name: name.to_owned(),
            name_with_namespace: full.replace('/', " / "),
            namespace: Namespace::new(before),
            path: name.to_owned(),
            path_with_namespace: full.to_owned(),
            ssh_url_to_repo: url.filter(|url| !is_web(url)),
            visibility: "private",
            web_url: format!("{}/{full}", base.api),
        }
    }
}

impl Namespace {
    fn new(full: &str) -> Self {
        let last = full.rsplit('/').next().unwrap_or_default();
        // No row of ours: the number is derived, so that it is always the same, and within every client's integers.
        let (number, ..) = Uuid::new_v5(&Uuid::NAMESPACE_URL, full.as_bytes()).as_fields();
        Self {
            full_path: full.to_owned(),
            id: (number >> 1).max(1),
            kind: "group",
            name: last.to_owned(),
            path: last.to_owned(),
        }
    }
}

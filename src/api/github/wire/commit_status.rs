//! What a check said of a commit, and what all say together. What is not set is `null` here, never an empty text.

use super::repository::Repository;
use super::user::{User, avatar};
use super::{Time, node, word};
use crate::api::github::urls::Urls;
use crate::core::commit_status::{Combined, CommitStatusView};
use crate::core::name::{ProjectPath, Sha};
use serde::Serialize;

/// GitHub's `status`; within the combined one, `simple-commit-status`, its writer is not told.
#[derive(Serialize)]
pub(in crate::api::github) struct CommitStatus {
    avatar_url: String,
    context: String,
    created_at: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    creator: Option<User>,
    description: Option<String>,
    id: i64,
    node_id: String,
    state: &'static str,
    target_url: Option<String>,
    updated_at: Time,
    url: String,
}

impl CommitStatus {
    pub(in crate::api::github) fn new(
        view: &CommitStatusView,
        path: &ProjectPath,
        urls: &Urls,
    ) -> Self {
        Self {
            creator: Some(User::new(&view.by, urls)),
            ..Self::simple(view, path, urls)
        }
    }

    fn simple(view: &CommitStatusView, path: &ProjectPath, urls: &Urls) -> Self {
        Self {
            avatar_url: avatar(view.by.serial.0, urls),
            context: view.context.clone(),
            created_at: view.at.into(),
            creator: None,
            description: view.description.clone(),
            id: view.serial.0,
            node_id: node::id("Status", view.serial),
            state: word::of_commit_state(view.state),
            target_url: view.target_url.clone(),
            updated_at: view.at.into(),
            url: url(&view.sha, path, urls),
        }
    }
}

/// Where the statuses of a commit are.
pub(in crate::api::github) fn url(sha: &Sha, path: &ProjectPath, urls: &Urls) -> String {
    format!("{}/statuses/{sha}", urls.repository(path))
}

/// GitHub's `combined-commit-status`. Clients take an object that has a total and no URL for a page of a list.
#[derive(Serialize)]
pub(in crate::api::github) struct CombinedStatus {
    commit_url: String,
    repository: Repository,
    sha: String,
    state: &'static str,
    statuses: Vec<CommitStatus>,
    total_count: u64,
    url: String,
}

impl CombinedStatus {
    pub(in crate::api::github) fn new(
        combined: &Combined,
        (path, repository): (&ProjectPath, Repository),
        urls: &Urls,
    ) -> Self {
        let newest = combined.newest.iter();
        let commit_url = format!("{}/commits/{}", urls.repository(path), combined.sha);
        Self {
            repository,
            sha: combined.sha.to_string(),
            state: word::of_commit_state(combined.state),
            statuses: newest
                .map(|view| CommitStatus::simple(view, path, urls))
                .collect(),
            total_count: combined.total,
            url: format!("{commit_url}/status"),
            commit_url,
        }
    }
}

//! A commit.

use super::{Nothing, Time, node};
use crate::api::github::urls::Urls;
use crate::core::commit::{CommitView, Signature};
use crate::core::name::Sha;
use serde::Serialize;

/// GitHub's `commit`, without what it changes.
#[derive(Serialize)]
pub(in crate::api::github) struct Commit {
    /// GitHub's users, not git's: nobody here is one.
    author: Nothing,
    comments_url: String,
    commit: Said,
    committer: Nothing,
    html_url: String,
    node_id: String,
    parents: Vec<Parent>,
    sha: String,
    url: String,
}

/// What git says of it.
#[derive(Serialize)]
struct Said {
    author: By,
    comment_count: u32,
    committer: By,
    message: String,
    tree: Tree,
    url: String,
    verification: Verification,
}

#[derive(Serialize)]
struct By {
    date: Time,
    email: String,
    name: String,
}

#[derive(Serialize)]
struct Tree {
    sha: String,
    url: String,
}

/// No signature is looked at.
#[derive(Serialize)]
struct Verification {
    payload: Nothing,
    reason: &'static str,
    signature: Nothing,
    verified: bool,
    verified_at: Nothing,
}

#[derive(Serialize)]
struct Parent {
    html_url: String,
    sha: String,
    url: String,
}

impl From<&Signature> for By {
    fn from(signature: &Signature) -> Self {
        Self {
            date: signature.at.into(),
            email: signature.email.clone(),
            name: signature.name.clone(),
        }
    }
}

impl Commit {
    pub(in crate::api::github) fn new(view: &CommitView, urls: &Urls) -> Self {
        let commit = &view.commit;
        let api = urls.repository(&view.project);
        let web = urls.web_repository(&view.project);
        let url = |sha: &Sha| format!("{api}/commits/{sha}");
        let html_url = |sha: &Sha| format!("{web}/commit/{sha}");
        let sha = &commit.sha;
        let parents = commit.parents.iter().map(|parent| Parent {
            html_url: html_url(parent),
            sha: parent.to_string(),
            url: url(parent),
        });
        Self {
            author: Nothing::HERE,
            comments_url: format!("{}/comments", url(sha)),
            commit: Said {
                author: By::from(&commit.author),
                comment_count: 0,
                committer: By::from(&commit.committer),
                message: commit.message.clone(),
                tree: Tree {
                    sha: commit.tree.to_string(),
                    url: format!("{api}/git/trees/{}", commit.tree),
                },
                url: format!("{api}/git/commits/{sha}"),
                verification: Verification {
                    payload: Nothing::HERE,
                    reason: "unsigned",
                    signature: Nothing::HERE,
                    verified: false,
                    verified_at: Nothing::HERE,
                },
            },
            committer: Nothing::HERE,
            html_url: html_url(sha),
            node_id: node::id("Commit", sha),
            parents: parents.collect(),
            sha: sha.to_string(),
            url: url(sha),
        }
    }
}

//! A commit as git tells of it.

use super::name::{ProjectPath, Sha};
use super::time::Timestamp;

/// A commit with everything that is shown of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitDetail {
    /// Its id.
    pub sha: Sha,
    /// The id of its tree.
    pub tree: Sha,
    /// The ids of its parents, in their order.
    pub parents: Vec<Sha>,
    /// Its message, the first 64 KiB of it.
    pub message: String,
    /// Who wrote it.
    pub author: Signature,
    /// Who committed it.
    pub committer: Signature,
}

/// Somebody's name on a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The name; may be empty.
    pub name: String,
    /// The mail address; may be empty.
    pub email: String,
    /// When.
    pub at: Timestamp,
}

/// A commit of a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitView {
    /// The project.
    pub project: ProjectPath,
    /// The commit.
    pub commit: CommitDetail,
}

//! Commits of projects' repositories, as the remotes have them now.

use super::Agent;
use crate::core::access::Caller;
use crate::core::action::Reply;
use crate::core::error::Error;
use crate::core::name::{RefName, Sha};
use crate::core::project::{ProjectRef, ProjectView};

impl Agent {
    /// A commit with everything that is shown of it.
    pub(super) async fn show_commit(
        &self,
        caller: &Caller,
        project: &ProjectRef,
        name: &RefName,
    ) -> Result<Reply, Error> {
        let project = self.project_of(caller, project)?;
        self.find_commit(caller, &project, name).await?;
        Err(Error::Unsupported("looking at a commit".into()))
    }

    /// The commit that a name means in a project's repository. Where there is none, only a full id is a commit.
    #[expect(clippy::unused_async, reason = "the remote is asked")]
    pub(super) async fn find_commit(
        &self,
        _caller: &Caller,
        project: &ProjectView,
        name: &RefName,
    ) -> Result<Sha, Error> {
        if let (None, Ok(sha)) = (&project.repository, Sha::parse(name.as_str())) {
            return Ok(sha);
        }
        Err(Error::Unsupported("looking for a commit".into()))
    }
}

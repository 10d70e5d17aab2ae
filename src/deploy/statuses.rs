//! Statuses that others write: of deployments, and of commits. They are kept and shown, and move nothing that runs here.

use super::Agent;
use super::dispatch::internal;
use crate::core::access::Caller;
use crate::core::action::{DeploymentRef, Reply};
use crate::core::commit_status::{Combined, CommitState, ListCommitStatuses, PostCommitStatus};
use crate::core::error::Error;
use crate::core::id::{DeploymentSerial, ProjectSerial, StatusSerial};
use crate::core::name::{RefName, Sha};
use crate::core::project::{ProjectRef, ProjectView};
use crate::core::status::PostStatus;
use crate::store::Posted;

impl Agent {
    /// A page of a deployment's statuses.
    pub(super) fn list_statuses(
        &self,
        caller: &Caller,
        which: DeploymentRef,
        limit: u32,
        offset: u64,
    ) -> Result<Reply, Error> {
        let deployment = self.seen(caller, which)?;
        let found = self.store.statuses(deployment, limit, offset);
        let (items, total) = found.map_err(internal)?;
        Ok(Reply::Statuses { items, total })
    }

    /// One of them.
    pub(super) fn show_status(
        &self,
        caller: &Caller,
        which: DeploymentRef,
        serial: StatusSerial,
    ) -> Result<Reply, Error> {
        let deployment = self.seen(caller, which)?;
        let found = self.store.status(deployment, serial).map_err(internal)?;
        let found = found.ok_or(Error::StatusNotFound)?;
        Ok(Reply::Status(Box::new(found)))
    }

    /// Writes one down.
    pub(super) fn post_status(&self, caller: &Caller, post: &PostStatus) -> Result<Reply, Error> {
        let deployment = self.seen(caller, post.deployment)?;
        let by = (caller.principal.serial, caller.reach);
        let now = self.ports.clock.now();
        let posted = self.store.post_status(deployment, post, by, now);
        match posted.map_err(internal)? {
            Posted::Kept(view) => Ok(Reply::Status(view)),
            Posted::Missing => Err(Error::DeploymentNotFound),
            Posted::Full => Err(Error::TooManyStatuses),
        }
    }

    /// A deployment the caller can see, whoever executed it.
    pub(super) fn seen(
        &self,
        caller: &Caller,
        which: DeploymentRef,
    ) -> Result<DeploymentSerial, Error> {
        match self.visible(caller, which) {
            Ok(deployment) => Ok(deployment.serial),
            Err(Error::Recorded) => Ok(self.recorded(caller, which)?.serial),
            Err(error) => Err(error),
        }
    }

    /// Writes down what a check says of a commit, which must be one of the project's repository.
    pub(super) async fn post_commit_status(
        &self,
        caller: &Caller,
        post: PostCommitStatus,
    ) -> Result<Reply, Error> {
        let name = RefName::parse(post.sha.as_str());
        let name = name.map_err(|error| Error::Internal(error.0))?;
        let (project, sha) = self.commit_called(caller, &post.project, &name).await?;
        let post = PostCommitStatus { sha, ..post };
        let (by, now) = (caller.principal.serial, self.ports.clock.now());
        let posted = self.store.post_commit_status(project, &post, by, now);
        let posted = posted.map_err(internal)?;
        let posted = posted.ok_or(Error::TooManyStatuses)?;
        Ok(Reply::CommitStatus(Box::new(posted)))
    }

    /// A page of what was said of a commit.
    pub(super) async fn list_commit_statuses(
        &self,
        caller: &Caller,
        list: ListCommitStatuses,
    ) -> Result<Reply, Error> {
        let named = self.commit_called(caller, &list.project, &list.name);
        let (project, sha) = named.await?;
        let found = self
            .store
            .commit_statuses(project, &sha, list.limit, list.offset);
        let (items, total) = found.map_err(internal)?;
        Ok(Reply::CommitStatuses { items, total })
    }

    /// What all checks say of a commit together.
    pub(super) async fn combine_commit_statuses(
        &self,
        caller: &Caller,
        list: ListCommitStatuses,
    ) -> Result<Reply, Error> {
        let named = self.commit_called(caller, &list.project, &list.name);
        let (project, sha) = named.await?;
        let newest = self.store.newest_commit_statuses(project, &sha);
        let newest = newest.map_err(internal)?;
        let skip = usize::try_from(list.offset).unwrap_or(usize::MAX);
        let limit = usize::try_from(list.limit).unwrap_or(usize::MAX);
        Ok(Reply::Combined(Box::new(Combined {
            sha,
            state: CommitState::combined(newest.iter().map(|status| status.state)),
            total: newest.len() as u64,
            newest: newest.into_iter().skip(skip).take(limit).collect(),
        })))
    }

    /// The project, and the commit that a name means in it. One that was deployed here, or of which something was said, is known without asking the
    /// remote: where that is down, its checks can still be read.
    async fn commit_called(
        &self,
        caller: &Caller,
        which: &ProjectRef,
        name: &RefName,
    ) -> Result<(ProjectSerial, Sha), Error> {
        let project = self.project_of(caller, which)?;
        if let Ok(sha) = Sha::parse(&name.as_str().to_ascii_lowercase())
            && self
                .store
                .knows_commit(project.serial, &sha)
                .map_err(internal)?
        {
            return Ok((project.serial, sha));
        }
        let sha = self.find_commit(&project, name).await?;
        Ok((project.serial, sha))
    }

    /// A project the caller can see.
    pub(super) fn project_of(
        &self,
        caller: &Caller,
        which: &ProjectRef,
    ) -> Result<ProjectView, Error> {
        match self.show_project(caller, which)? {
            Reply::Project(project) => Ok(*project),
            other => Err(Error::Internal(format!(
                "asked for a project and got {other:?}"
            ))),
        }
    }
}

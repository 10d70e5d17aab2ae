//! Commits of projects' repositories, as the remotes have them now.

use super::Agent;
use super::create::not_located;
use crate::core::access::Caller;
use crate::core::action::Reply;
use crate::core::app::App;
use crate::core::commit::CommitView;
use crate::core::error::Error;
use crate::core::name::{EnvironmentName, RefName, Sha};
use crate::core::ports::{Located, Remote};
use crate::core::project::{ProjectRef, ProjectView};
use crate::core::spec::SourceSpec;

impl Agent {
    /// A commit with everything that is shown of it.
    pub(super) async fn show_commit(
        &self,
        caller: &Caller,
        project: &ProjectRef,
        name: &RefName,
    ) -> Result<Reply, Error> {
        let project = self.project_of(caller, project)?;
        let Some(remote) = self.remote_of(&project)? else {
            return Err(nowhere(&project, name));
        };
        let sha = self.located(&remote, name).await?.sha;
        let commit = self.ports.source.commit(&remote, &sha).await;
        let commit = commit.map_err(|error| not_located(error, &remote.url, name.as_str()))?;
        Ok(Reply::Commit(Box::new(CommitView {
            project: project.path,
            commit,
        })))
    }

    /// The commit that a name means in a project's repository. Where there is none, only a full id is a commit.
    pub(super) async fn find_commit(
        &self,
        project: &ProjectView,
        name: &RefName,
    ) -> Result<Sha, Error> {
        match self.remote_of(project)? {
            Some(remote) => Ok(self.located(&remote, name).await?.sha),
            None => {
                Sha::parse(&name.as_str().to_ascii_lowercase()).map_err(|_| nowhere(project, name))
            }
        }
    }

    async fn located(&self, remote: &Remote, name: &RefName) -> Result<Located, Error> {
        let located = self.ports.source.locate(remote, name).await;
        located.map_err(|error| not_located(error, &remote.url, name.as_str()))
    }

    /// The project's repository, with the credentials of the first app that is built from it, of those the caller sees:
    /// only those are in the view.
    fn remote_of(&self, project: &ProjectView) -> Result<Option<Remote>, Error> {
        let settings = self.settings();
        let seen = |app: &App, name: &EnvironmentName| {
            let bound = project.bound.get(name);
            bound.is_some_and(|bound| bound.app == app.id)
        };
        let git = settings.apps.iter().find_map(|app| {
            let default = app.environments.get_key_value(&app.default_environment);
            let mut all = default.into_iter().chain(&app.environments);
            all.find_map(|(name, spec)| match &spec.source {
                SourceSpec::Git(git) if seen(app, name) => Some(git),
                SourceSpec::Git(_) | SourceSpec::Image(_) => None,
            })
        });
        git.map(|git| self.reached(&project.path, git)).transpose()
    }
}

/// There is no repository to look in.
fn nowhere(project: &ProjectView, name: &RefName) -> Error {
    Error::RefNotFound {
        name: name.to_string(),
        repository: format!("project '{}', which has no repository here", project.path),
    }
}

//! Taking in a request for a deployment: what is meant is found out against the real remote, then written down.

use super::Agent;
use super::dispatch::internal;
use crate::core::access::{Caller, Reach};
use crate::core::action::{AppRef, CreateDeployment, Reply, Target};
use crate::core::admission::{DeniedReason, IgnoredReason};
use crate::core::deployment::{Request, Wanted};
use crate::core::error::Error;
use crate::core::name::{Branch, EnvironmentName};
use crate::core::ports::{Revision, SourceError};
use crate::core::spec::{GitSource, SourceSpec};
use crate::core::time::Timestamp;
use crate::store::{Created, NewDeployment, Place, PlaceError};
use uuid::Uuid;

impl Agent {
    pub(super) async fn create(
        &self,
        caller: &Caller,
        create: CreateDeployment,
    ) -> Result<Reply, Error> {
        let place = self.place(caller, &create.app, create.environment.as_ref())?;
        let spec = self.configured(&place).ok_or_else(|| {
            Error::Refused(format!(
                "the configuration no longer names environment '{}' of app '{}'; what runs there goes on: put it back into the file and reload, or remove it with `longshore app rm {}`",
                place.environment_name, place.app_name, place.app_name
            ))
        })?;
        let wanted = self.resolve(&place, &spec.source, create.target).await?;
        let now = self.ports.clock.now();
        let request = Request {
            by: caller.principal.serial,
            trigger: create.trigger,
            wanted,
            variables: create.variables,
        };
        let new = NewDeployment {
            id: self.new_id(now),
            app: place.app,
            environment: place.environment,
            request,
            key: create.key,
        };
        let created = match self.store.create_deployment(&new, now).map_err(internal)? {
            Created::New(created) | Created::Known(created) => created,
            Created::KeyReused => return Err(Error::KeyReused),
            Created::Ignored(IgnoredReason::Stopped) => {
                return Err(Error::Refused(
                    "the environment is stopped; a manual deployment starts it".into(),
                ));
            }
            Created::Denied(DeniedReason::Suspended) => {
                return Err(Error::Refused(
                    "the environment is suspended; activate it first".into(),
                ));
            }
            Created::Denied(DeniedReason::Removed) => {
                return Err(Error::AppNotFound(place.app_name.to_string()));
            }
        };
        let view = self.store.view(created.serial).map_err(internal)?;
        Ok(Reply::Deployment(Box::new(view)))
    }

    /// The environment a caller means, if they can see it.
    pub(super) fn place(
        &self,
        caller: &Caller,
        app: &AppRef,
        environment: Option<&EnvironmentName>,
    ) -> Result<Place, Error> {
        let asked = match app {
            AppRef::Id(id) => id.to_string(),
            AppRef::Name(name) => name.to_string(),
        };
        let settings = self.settings();
        let own = match caller.reach {
            Reach::Environment(_, environment) => Some(
                self.store
                    .place_of(environment)
                    .map_err(internal)?
                    .environment_name,
            ),
            Reach::All | Reach::App(_) => None,
        };
        let found = self.store.place(app, environment, |name| {
            own.or_else(|| {
                settings
                    .apps
                    .iter()
                    .find(|app| app.name == *name)
                    .map(|app| app.default_environment.clone())
            })
        });
        match found.map_err(internal)? {
            Ok(place) if caller.reach.includes(place.app, place.environment) => Ok(place),
            Ok(_) | Err(PlaceError::App) => Err(Error::AppNotFound(asked)),
            Err(PlaceError::Environment(known)) => match caller.reach {
                Reach::All => Err(Error::EnvironmentNotFound {
                    app: asked,
                    environment: environment
                        .map_or_else(|| "production".to_owned(), ToString::to_string),
                    known: known.join(", "),
                }),
                Reach::App(_) | Reach::Environment(..) => Err(Error::AppNotFound(asked)),
            },
        }
    }

    async fn resolve(
        &self,
        place: &Place,
        source: &SourceSpec,
        target: Target,
    ) -> Result<Wanted, Error> {
        let on_image = |field| Error::Invalid {
            field,
            message: format!(
                "cannot be given: app '{}' runs an image, not a repository",
                place.app_name
            ),
        };
        match (source, target) {
            (SourceSpec::Image(image), Target::Configured(None) | Target::Unnamed) => {
                Ok(Wanted::Image(image.reference.clone()))
            }
            (SourceSpec::Image(_), Target::Image(reference)) => Ok(Wanted::Image(reference)),
            (SourceSpec::Image(_), Target::Branch(..)) => Err(on_image("branch")),
            (SourceSpec::Image(_), Target::Configured(Some(_))) => Err(on_image("commit_sha")),
            (SourceSpec::Git(git), Target::Configured(commit)) => {
                self.resolve_commit(place, git, git.branch.clone(), commit)
                    .await
            }
            (SourceSpec::Git(git), Target::Branch(branch, commit)) => {
                self.resolve_commit(place, git, branch, commit).await
            }
            (SourceSpec::Git(_), Target::Unnamed) => Err(Error::Missing("branch")),
            (SourceSpec::Git(_), Target::Image(_)) => Err(Error::Invalid {
                field: "image",
                message: format!(
                    "cannot be given: app '{}' is built from its repository",
                    place.app_name
                ),
            }),
            (SourceSpec::Git(_) | SourceSpec::Image(_), Target::Release(_)) => {
                Err(Error::Unsupported("rollback".into()))
            }
        }
    }

    async fn resolve_commit(
        &self,
        place: &Place,
        git: &GitSource,
        branch: Branch,
        commit: Option<String>,
    ) -> Result<Wanted, Error> {
        let remote = self
            .remote(place, &git.repository)
            .map_err(|error| Error::Unavailable(error.to_string()))?;
        let revision = Revision { branch, commit };
        let resolved = self.ports.source.resolve(&remote, &revision).await;
        let sha = resolved.map_err(|error| refused(error, &remote.url, &revision))?;
        Ok(Wanted::Commit {
            branch: revision.branch,
            sha,
            asked: revision.commit,
        })
    }

    /// A version 7 UUID: it sorts by time and cannot be guessed.
    fn new_id(&self, now: Timestamp) -> Uuid {
        let mut random = [0; 10];
        (self.ports.random)(&mut random);
        uuid::Builder::from_unix_timestamp_millis(u64::try_from(now.0).unwrap_or(0), &random)
            .into_uuid()
    }
}

fn refused(error: SourceError, url: &str, revision: &Revision) -> Error {
    match error {
        SourceError::NoSuchBranch(branch) => Error::BranchNotFound {
            branch,
            repository: url.to_owned(),
        },
        SourceError::NoSuchCommit(_)
        | SourceError::AmbiguousCommit(_)
        | SourceError::NotOnBranch { .. } => Error::CommitNotFound {
            commit: revision.commit.clone().unwrap_or_default(),
            message: error.to_string(),
        },
        SourceError::AccessDenied(_) | SourceError::Unreachable(_) | SourceError::Failed(_) => {
            Error::Unavailable(format!("{url}: {error}"))
        }
    }
}

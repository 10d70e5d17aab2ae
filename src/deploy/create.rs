//! Taking in a request for a deployment: what is meant is found out against the real remote, then written down.

use super::Agent;
use super::answered::Kind;
use super::dispatch::internal;
use super::gate::Gate;
use super::jobs::known_event;
use super::previews::named;
use super::tasks::{known_task, payload_fits};
use crate::core::access::{Caller, Reach};
use crate::core::action::{AppRef, CreateDeployment, Reply, Target};
use crate::core::admission::{DeniedReason, IgnoredReason, Verdict, admit};
use crate::core::deployment::{Deployment, Request, Wanted};
use crate::core::error::Error;
use crate::core::name::{Branch, EnvironmentName, ProjectPath, RefName, Sha};
use crate::core::ports::{Located, Remote, Revision, SourceError};
use crate::core::reference::Reference;
use crate::core::spec::{GitSource, SourceSpec, Spec};
use crate::core::time::Timestamp;
use crate::store::{
    Created, NewDeployment, NewPreview, NoTarget, Place, PlaceError, SecretError, StoreError,
};
use uuid::Uuid;

impl Agent {
    pub(super) async fn create(
        &self,
        caller: &Caller,
        create: CreateDeployment,
    ) -> Result<Reply, Error> {
        if let Some(reply) = self.answered(caller, create.key.as_ref(), Kind::Deployment)? {
            return Ok(reply);
        }
        let (place, new) = match self.prepared(caller, create).await? {
            Prepared::New(both) => *both,
            Prepared::Merged { from, into } => return Ok(Reply::Merged { from, into }),
        };
        let now = self.ports.clock.now();
        let created = self.store.create_deployment(&new, now);
        match self.taken(&place, &new, created.map_err(not_taken_in)?)? {
            Taken::In(created) => {
                let view = self.store.view(created.serial).map_err(internal)?;
                Ok(Reply::Deployment(Box::new(view)))
            }
            Taken::Ignored(reason) => Ok(Reply::Ignored(reason)),
        }
    }

    /// Several at once: everything is found out for all of them before anything is written, and then all of it is.
    pub(super) async fn create_together(
        &self,
        caller: &Caller,
        all: Vec<CreateDeployment>,
    ) -> Result<Reply, Error> {
        let (mut places, mut new) = (Vec::new(), Vec::new());
        for create in all {
            match self.prepared(caller, create).await? {
                Prepared::New(both) => {
                    places.push(both.0);
                    new.push(both.1);
                }
                Prepared::Merged { .. } => {
                    let what = "a merge among several deployments";
                    return Err(Error::Unsupported(what.into()));
                }
            }
        }
        let now = self.ports.clock.now();
        let created = self.store.create_deployments(&new, now);
        match created.map_err(not_taken_in)? {
            Ok(created) => {
                let views = created.iter().map(|one| self.store.view(one.serial));
                let views = views.collect::<Result<_, _>>().map_err(internal)?;
                Ok(Reply::Together(views))
            }
            Err((index, refused)) => match self.taken(&places[index], &new[index], refused)? {
                Taken::Ignored(reason) => Ok(Reply::Ignored(reason)),
                Taken::In(_) => Err(Error::Internal("a deployment was taken in and not".into())),
            },
        }
    }

    /// What a request means, found out against the real remote, and where.
    async fn prepared(&self, caller: &Caller, create: CreateDeployment) -> Result<Prepared, Error> {
        let CreateDeployment {
            particulars,
            conditions,
            ..
        } = &create;
        let name = create.environment.as_ref();
        let (place, preview) =
            self.place_to_deploy(caller, &create.app, name, particulars.transient)?;
        let is_again = matches!(create.target, Target::Release(_) | Target::Restart);
        if preview.is_some() && is_again {
            return Err(nothing_live());
        }
        let spec = self.spec_of(&place)?;
        known_task(&spec, particulars.task.as_ref())?;
        payload_fits(&spec, particulars.payload.as_deref())?;
        known_event(&place, &spec, create.event)?;
        let wanted = self
            .resolve(&place, &spec.source, create.target.clone())
            .await?;
        if conditions.auto_merge {
            // Nothing is pushed for what would not be taken in.
            self.store.room().map_err(not_taken_in)?;
            if preview.is_none() {
                let standing = self.store.standing(place.environment).map_err(internal)?;
                match admit(&standing, create.trigger, &wanted) {
                    Verdict::Denied(reason) => return Err(denied(&place, reason)),
                    Verdict::Accepted { .. } | Verdict::Ignored(_) => {}
                }
            }
        }
        let gate = self.gate(caller, (&place, &spec), wanted, (particulars, conditions));
        let wanted = match Box::pin(gate).await? {
            Gate::Open(wanted) => wanted,
            Gate::Merged { from, into } => return Ok(Prepared::Merged { from, into }),
        };
        let head = seen_head(&wanted, &spec.source);
        let request = Request {
            by: caller.principal.serial,
            trigger: create.trigger,
            wanted,
            variables: create.variables,
            task: create.particulars.task.clone(),
            payload: create.particulars.payload.clone(),
            event: create.event,
        };
        let new = NewDeployment {
            id: self.new_id(self.ports.clock.now()),
            app: place.app,
            environment: place.environment,
            request,
            head,
            key: create.key,
            unless_unfinished: create.unless_unfinished,
            idle: create.conditions.idle,
            particulars: create.particulars,
            preview,
        };
        Ok(Prepared::New(Box::new((place, new))))
    }

    fn taken(&self, place: &Place, new: &NewDeployment, created: Created) -> Result<Taken, Error> {
        match created {
            Created::New(created) | Created::Known(created) => Ok(Taken::In(Box::new(created))),
            Created::Ignored(reason) => Ok(Taken::Ignored(reason)),
            Created::NoPreview(why) => Err(match &new.preview {
                Some(preview) => self.not_made(place, preview, why),
                None => Error::Internal("a preview was not made that nobody asked for".into()),
            }),
            Created::Busy => Err(Error::Busy {
                app: place.app_name.to_string(),
                environment: place.environment_name.to_string(),
            }),
            Created::KeyReused => Err(Error::KeyReused),
            Created::Denied(reason) => Err(denied(place, reason)),
        }
    }

    /// Whether an environment the caller means, and can see, runs an image: its deployments need no branch.
    pub fn runs_image(
        &self,
        caller: &Caller,
        app: &AppRef,
        environment: Option<&EnvironmentName>,
    ) -> bool {
        let spec = match self.place(caller, app, environment) {
            Ok(place) => self.configured(&place),
            Err(missing) => self.begins_anew(caller, app, environment).or_else(|| {
                let (_, preview) = self
                    .preview_to_be(caller, app, environment?, missing)
                    .ok()?;
                Some(preview.previews.spec)
            }),
        };
        spec.is_some_and(|spec| matches!(spec.source, SourceSpec::Image(_)))
    }

    /// What the configuration says of an environment that is to be deployed.
    pub(super) fn spec_of(&self, place: &Place) -> Result<Spec, Error> {
        self.configured(place).ok_or_else(|| {
            if place.preview {
                return Error::Refused(format!(
                    "app '{}' takes no previews any more; what runs of '{}' goes on until its time is over: put `previews` back into the file and reload, or remove it with `longshore app rm {} --environment {}`",
                    place.app_name, place.environment_name, place.app_name, place.environment_name
                ));
            }
            Error::Refused(format!(
                "the configuration no longer names environment '{}' of app '{}'; what runs there goes on: put it back into the file and reload, or remove it with `longshore app rm {}`",
                place.environment_name, place.app_name, place.app_name
            ))
        })
    }

    /// The environment a caller means. One that was removed and that the configuration still names begins anew, with a
    /// new id and network; one that it does not name is made together with a deployment that is `transient`: until then
    /// there is nothing of it to be left behind.
    fn place_to_deploy(
        &self,
        caller: &Caller,
        app: &AppRef,
        environment: Option<&EnvironmentName>,
        transient: bool,
    ) -> Result<(Place, Option<NewPreview>), Error> {
        let missing = match self.place(caller, app, environment) {
            Err(missing @ (Error::AppNotFound(_) | Error::EnvironmentNotFound { .. })) => missing,
            found => return found.map(|place| (place, None)),
        };
        if self.begins_anew(caller, app, environment).is_none() {
            return match environment {
                Some(name) if transient => {
                    let (place, new) = self.preview_to_be(caller, app, name, missing)?;
                    Ok((place, Some(new)))
                }
                Some(_) | None => Err(missing),
            };
        }
        let settings = self.settings();
        let now = self.ports.clock.now();
        self.store
            .sync_apps(&settings.configured(), now)
            .map_err(internal)?;
        Ok((self.place(caller, app, environment)?, None))
    }

    /// What an environment that is not there begins with at its next deployment; `None` if it does not.
    pub(super) fn begins_anew(
        &self,
        caller: &Caller,
        app: &AppRef,
        environment: Option<&EnvironmentName>,
    ) -> Option<Spec> {
        // Nobody begins what they could not see; a token for the removed environment itself ends with it.
        let may_begin = match caller.reach {
            Reach::All => true,
            Reach::App(_) => self.visible_app(caller, app).is_ok(),
            Reach::Environment(..) => false,
        };
        let settings = self.settings();
        let named = named(&settings.apps, app).filter(|_| may_begin)?;
        let wanted = environment.unwrap_or(&named.default_environment);
        named.environments.get(wanted).cloned()
    }

    /// The environment a caller means, if they can see it.
    pub(super) fn place(
        &self,
        caller: &Caller,
        app: &AppRef,
        environment: Option<&EnvironmentName>,
    ) -> Result<Place, Error> {
        let asked = app.to_string();
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
                // All that is left of it is history.
                Reach::All if known.is_empty() => Err(Error::AppNotFound(asked)),
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

    /// What a request means there, found out against the configuration and the real remote.
    pub(super) async fn resolve(
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
            (SourceSpec::Image(_), Target::Reference(reference, _)) => {
                Err(on_image(reference.kind()))
            }
            (SourceSpec::Image(_), Target::Configured(Some(_))) => Err(on_image("commit_sha")),
            (SourceSpec::Git(git), Target::Configured(commit)) => {
                self.resolve_commit(place, git, git.branch.clone().into(), commit)
                    .await
            }
            (SourceSpec::Git(git), Target::Reference(reference, commit)) => {
                self.resolve_commit(place, git, reference, commit).await
            }
            (SourceSpec::Git(git), Target::Named(name)) => {
                self.resolve_name(place, git, &name).await
            }
            (SourceSpec::Image(_), Target::Named(_)) => Err(on_image("branch")),
            (SourceSpec::Git(_), Target::Unnamed) => Err(Error::Missing("branch")),
            (SourceSpec::Git(_), Target::Image(_)) => Err(Error::Invalid {
                field: "image",
                message: format!(
                    "cannot be given: app '{}' is built from its repository",
                    place.app_name
                ),
            }),
            (SourceSpec::Git(_) | SourceSpec::Image(_), Target::Release(number)) => {
                self.rollback_to(place, number)
            }
            (SourceSpec::Git(_) | SourceSpec::Image(_), Target::Restart) => {
                match self.store.live(place.environment).map_err(internal)? {
                    Some(_) => Ok(Wanted::Restart),
                    None => Err(nothing_live()),
                }
            }
        }
    }

    /// A rollback's target is fixed when it is accepted.
    fn rollback_to(&self, place: &Place, number: Option<i64>) -> Result<Wanted, Error> {
        let target = self.store.rollback_target(place.environment, number);
        match target.map_err(internal)? {
            Ok(release) => Ok(Wanted::Release(release)),
            Err(why @ (NoTarget::NeverLive | NoTarget::NoEarlier { .. })) => {
                Err(Error::Refused(why.to_string()))
            }
            Err(why @ (NoTarget::Unknown { .. } | NoTarget::Collected)) => Err(Error::Invalid {
                field: "release",
                message: why.to_string(),
            }),
        }
    }

    async fn resolve_commit(
        &self,
        place: &Place,
        git: &GitSource,
        reference: Reference,
        commit: Option<String>,
    ) -> Result<Wanted, Error> {
        let remote = self.reached(&place.project, git)?;
        let revision = Revision { reference, commit };
        let resolved = self.ports.source.resolve(&remote, &revision).await;
        let sha = resolved.map_err(|error| refused(error, &remote.url, &revision))?;
        Ok(Wanted::Commit {
            reference: revision.reference,
            sha,
            asked: revision.commit,
        })
    }

    async fn resolve_name(
        &self,
        place: &Place,
        git: &GitSource,
        name: &RefName,
    ) -> Result<Wanted, Error> {
        let remote = self.reached(&place.project, git)?;
        let located = self.ports.source.locate(&remote, name).await;
        let Located { reference, sha } =
            located.map_err(|error| not_located(error, &remote.url, name.as_str()))?;
        Ok(Wanted::Commit {
            reference,
            sha,
            asked: None,
        })
    }

    /// The remote with its credentials, to be asked while a caller waits.
    pub(super) fn reached(&self, project: &ProjectPath, git: &GitSource) -> Result<Remote, Error> {
        let remote = self.remote(project, &git.repository);
        remote.map_err(|error| match error {
            SecretError::Store(error) => internal(error),
            SecretError::Unreadable(_) | SecretError::NotSet { .. } => {
                Error::Unavailable(error.to_string())
            }
        })
    }

    /// A version 7 UUID: it sorts by time and cannot be guessed.
    pub(super) fn new_id(&self, now: Timestamp) -> Uuid {
        let mut random = [0; 10];
        (self.ports.random)(&mut random);
        uuid::Builder::from_unix_timestamp_millis(u64::try_from(now.0).unwrap_or(0), &random)
            .into_uuid()
    }
}

/// A request that was looked at.
enum Prepared {
    /// It is to be taken in.
    New(Box<(Place, NewDeployment)>),
    /// Its branch was brought up to date instead.
    Merged {
        /// What was merged.
        from: Branch,
        /// Into what.
        into: String,
    },
}

/// What became of it.
enum Taken {
    In(Box<Deployment>),
    Ignored(IgnoredReason),
}

/// The head of the configured branch, where finding the commit told it.
fn seen_head(wanted: &Wanted, source: &SourceSpec) -> Option<Sha> {
    match (wanted, source) {
        (
            Wanted::Commit {
                reference: Reference::Branch(branch),
                sha,
                asked: None,
            },
            SourceSpec::Git(git),
        ) if *branch == git.branch => Some(sha.clone()),
        (
            Wanted::Commit { .. } | Wanted::Image(_) | Wanted::Release(_) | Wanted::Restart,
            SourceSpec::Git(_) | SourceSpec::Image(_),
        ) => None,
    }
}

fn nothing_live() -> Error {
    Error::Refused("nothing is live in this environment: deploy first".into())
}

/// Why a deployment was not written down, to the caller.
fn not_taken_in(error: StoreError) -> Error {
    match error {
        StoreError::AddressesExhausted(why) => Error::Refused(why),
        other => internal(other),
    }
}

/// Why an environment takes no deployment or change, to the caller.
pub(super) fn denied(place: &Place, reason: DeniedReason) -> Error {
    match reason {
        // Removed between the question where it is and the answer.
        DeniedReason::Removed => Error::AppNotFound(place.app_name.to_string()),
        DeniedReason::Suspended
        | DeniedReason::Stopped
        | DeniedReason::NotSuspended
        | DeniedReason::QueueFull
        | DeniedReason::Collected => Error::Refused(reason.to_string()),
    }
}

/// Why a name leads nowhere, to the caller who wrote it.
pub(super) fn not_located(error: SourceError, url: &str, name: &str) -> Error {
    match error {
        SourceError::Empty => Error::RepositoryEmpty {
            repository: url.to_owned(),
        },
        SourceError::NoSuchBranch(_)
        | SourceError::NoSuchTag(_)
        | SourceError::NoSuchRef(_)
        | SourceError::NoSuchCommit(_)
        | SourceError::AmbiguousCommit(_)
        | SourceError::NotOnBranch { .. }
        | SourceError::NotInTag { .. } => Error::RefNotFound {
            name: name.to_owned(),
            repository: url.to_owned(),
        },
        SourceError::DiskFull { .. }
        | SourceError::AccessDenied(_)
        | SourceError::Unreachable(_)
        | SourceError::Failed(_) => unreachable_now(&error, url),
    }
}

/// What has nothing to do with what was asked for.
fn unreachable_now(error: &SourceError, url: &str) -> Error {
    match error {
        SourceError::DiskFull { .. } => Error::DiskFull(format!(
            "the disk of data_dir is full: {error}. Free space there, then ask again."
        )),
        error => Error::Unavailable(format!("{url}: {error}")),
    }
}

fn refused(error: SourceError, url: &str, revision: &Revision) -> Error {
    match error {
        SourceError::NoSuchBranch(branch) => Error::BranchNotFound {
            branch,
            repository: url.to_owned(),
        },
        SourceError::NoSuchTag(tag) => Error::TagNotFound {
            tag,
            repository: url.to_owned(),
        },
        SourceError::NoSuchRef(_)
        | SourceError::Empty
        | SourceError::NoSuchCommit(_)
        | SourceError::AmbiguousCommit(_)
        | SourceError::NotOnBranch { .. }
        | SourceError::NotInTag { .. } => Error::CommitNotFound {
            commit: revision.commit.clone().unwrap_or_default(),
            message: error.to_string(),
        },
        SourceError::DiskFull { .. }
        | SourceError::AccessDenied(_)
        | SourceError::Unreachable(_)
        | SourceError::Failed(_) => unreachable_now(&error, url),
    }
}

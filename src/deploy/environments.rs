//! Environments by themselves, for readers to whom an environment is what is deployed, and who such a reader is.

use super::Agent;
use super::dispatch::internal;
use crate::core::access::{Caller, Scope};
use crate::core::action::{
    AppRef, ChangeEnvironment, EnvironmentDetail, EnvironmentRef, Environments, Introduced,
    ListEnvironments, Reply,
};
use crate::core::change::Change;
use crate::core::environment::{CreateEnvironment, Notes, Standing};
use crate::core::error::Error;
use crate::store::{Dropped, Made, StandingPlace};

/// The default environment where the configuration no longer says which it is.
const USUAL: &str = "production";

impl Agent {
    /// One environment that the caller can see.
    pub(super) fn show_environment(
        &self,
        caller: &Caller,
        which: EnvironmentRef,
    ) -> Result<Reply, Error> {
        let found = self.standing_place(caller, which)?;
        Ok(Reply::Environment(Box::new(self.detail(found))))
    }

    fn standing_place(
        &self,
        caller: &Caller,
        which: EnvironmentRef,
    ) -> Result<StandingPlace, Error> {
        let found = self.store.find_environment(which).map_err(internal)?;
        found
            .filter(|found| caller.reach.includes(found.app, found.environment))
            .ok_or(Error::EnvironmentIdNotFound(which))
    }

    /// A page of those the caller can see.
    pub(super) fn list_environments(
        &self,
        caller: &Caller,
        list: &ListEnvironments,
    ) -> Result<Reply, Error> {
        let found = self.store.environments(caller.reach, list);
        let (page, total) = found.map_err(internal)?;
        let items = page.into_iter().map(|found| self.detail(found)).collect();
        Ok(Reply::Environments { items, total })
    }

    /// Makes one for which deployments can be reported. The configuration makes those that are deployed here.
    pub(super) fn create_environment(
        &self,
        caller: &Caller,
        create: &CreateEnvironment,
    ) -> Result<Reply, Error> {
        let now = self.ports.clock.now();
        let place = (create.project, &create.name);
        let made = self
            .store
            .create_environment(place, &create.notes, caller.reach, now);
        match made.map_err(internal)? {
            Made::New(environment) => {
                self.show_environment(caller, EnvironmentRef::Serial(environment))
            }
            Made::Taken => Err(Error::EnvironmentExists {
                project: create.project.to_string(),
                environment: create.name.to_string(),
            }),
            Made::NoProject => Err(Error::ProjectNotFound(create.project.to_string())),
            Made::OutOfReach => Err(Error::Forbidden(Scope::Write)),
        }
    }

    /// Writes something down about one.
    pub(super) fn note_environment(
        &self,
        caller: &Caller,
        which: EnvironmentRef,
        notes: &Notes,
    ) -> Result<Reply, Error> {
        let environment = self.standing_place(caller, which)?.environment;
        let now = self.ports.clock.now();
        let noted = self.store.note_environment(environment, notes, now);
        noted.map_err(internal)?;
        self.show_environment(caller, EnvironmentRef::Serial(environment))
    }

    /// Stops one: at once where nothing of it runs here, else as an operation of its queue.
    pub(super) fn stop_environment(
        &self,
        caller: &Caller,
        which: EnvironmentRef,
    ) -> Result<Reply, Error> {
        let found = self.standing_place(caller, which)?;
        let environment = found.environment;
        match (found.reported_only, found.standing) {
            (true, _) => {
                let now = self.ports.clock.now();
                self.store
                    .stop_reported(environment, now)
                    .map_err(internal)?;
            }
            (false, Standing::Available) => {
                self.change_one(caller, &found, Change::Stop)?;
            }
            // Whoever asks wants it so, and it is, or will be.
            (false, Standing::Stopping | Standing::Stopped) => {}
        }
        self.show_environment(caller, EnvironmentRef::Serial(environment))
    }

    /// Removes one that was stopped; its volumes are kept.
    pub(super) fn remove_environment(
        &self,
        caller: &Caller,
        which: EnvironmentRef,
    ) -> Result<Reply, Error> {
        let found = self.standing_place(caller, which)?;
        if found.reported_only {
            return self.drop_reported(&found, false);
        }
        match found.standing {
            Standing::Stopped => {
                self.change_one(caller, &found, Change::Remove { volumes: false })?;
                Ok(Reply::Gone)
            }
            Standing::Available | Standing::Stopping => Err(Error::NotStopped),
        }
    }

    /// Removes one, whatever there is of it. Its history and its volumes are kept.
    pub(super) fn take_down_environment(
        &self,
        caller: &Caller,
        which: EnvironmentRef,
    ) -> Result<Reply, Error> {
        let found = self.standing_place(caller, which)?;
        if found.reported_only {
            return self.drop_reported(&found, true);
        }
        if !found.preview && caller.scope < Scope::Admin {
            return Err(Error::Forbidden(Scope::Admin));
        }
        self.change_one(caller, &found, Change::Remove { volumes: false })?;
        Ok(Reply::Gone)
    }

    /// Removes one of which nothing runs here.
    fn drop_reported(&self, found: &StandingPlace, whatever: bool) -> Result<Reply, Error> {
        let environment = found.environment;
        let now = self.ports.clock.now();
        let dropped = self.store.drop_reported(environment, whatever, now);
        match dropped.map_err(internal)? {
            Dropped::Done => Ok(Reply::Gone),
            Dropped::NotStopped => Err(Error::NotStopped),
            Dropped::Missing => {
                let which = EnvironmentRef::Serial(environment);
                Err(Error::EnvironmentIdNotFound(which))
            }
        }
    }

    fn change_one(
        &self,
        caller: &Caller,
        found: &StandingPlace,
        change: Change,
    ) -> Result<Reply, Error> {
        let asked = ChangeEnvironment {
            app: AppRef::Id(found.app_id),
            environments: Environments::Named(found.environment_name.clone()),
            change,
            now: false,
            idle: false,
            key: None,
        };
        self.change(caller, &asked)
    }

    pub(super) fn detail(&self, found: StandingPlace) -> EnvironmentDetail {
        let settings = self.settings();
        let app = settings.apps.iter().find(|app| app.id == found.app_id);
        let name = &found.environment_name;
        let spec = app.and_then(|app| app.spec_of(name, found.preview));
        let job = spec.as_ref().and_then(|spec| spec.job.as_ref());
        EnvironmentDetail {
            is_default: match app {
                Some(app) => app.default_environment == *name,
                None => name.as_str() == USUAL,
            },
            next_run: found.seen.and_then(|seen| self.next_run(job, &seen)),
            spec,
            id: found.environment_id,
            serial: found.environment,
            name: found.environment_name,
            app: found.app_name,
            app_id: found.app_id,
            project: found.project,
            project_serial: found.project_serial,
            reported_only: found.reported_only,
            preview: found.preview,
            desired: found.desired,
            standing: found.standing,
            notes: found.notes,
            noted_at: found.noted_at,
            domain: found.domain,
            last: found.last,
            instance: self.store.instance(),
            created_at: found.created_at,
            updated_at: found.updated_at,
        }
    }

    /// Who the caller is.
    pub(super) fn introduce(&self, caller: &Caller) -> Reply {
        Reply::Introduced(Introduced {
            principal: caller.principal.clone(),
            scope: caller.scope,
            expires_at: caller.expires_at,
            instance: self.store.instance(),
        })
    }
}

//! Environments by themselves, for readers to whom an environment is what is deployed, and who such a reader is.

use super::Agent;
use super::dispatch::internal;
use crate::core::access::Caller;
use crate::core::action::{EnvironmentDetail, Introduced, Reply};
use crate::core::error::Error;
use crate::store::StandingPlace;
use uuid::Uuid;

/// The default environment where the configuration no longer says which it is.
const USUAL: &str = "production";

impl Agent {
    /// One environment that the caller can see.
    pub(super) fn show_environment(&self, caller: &Caller, id: Uuid) -> Result<Reply, Error> {
        let found = self.store.find_environment(id).map_err(internal)?;
        found
            .filter(|found| {
                let place = &found.place;
                caller.reach.includes(place.app, place.environment)
            })
            .map(|found| Reply::Environment(Box::new(self.detail(found))))
            .ok_or(Error::EnvironmentIdNotFound(id))
    }

    /// A page of those the caller can see, newest first.
    pub(super) fn list_environments(
        &self,
        caller: &Caller,
        limit: u32,
        offset: u64,
    ) -> Result<Reply, Error> {
        let found = self.store.environments(caller.reach, limit, offset);
        let (page, total) = found.map_err(internal)?;
        let items = page.into_iter().map(|found| self.detail(found)).collect();
        Ok(Reply::Environments { items, total })
    }

    fn detail(&self, found: StandingPlace) -> EnvironmentDetail {
        let place = found.place;
        let settings = self.settings();
        let app = settings.apps.iter().find(|app| app.id == place.app_id);
        let name = &place.environment_name;
        EnvironmentDetail {
            is_default: match app {
                Some(app) => app.default_environment == *name,
                None => name.as_str() == USUAL,
            },
            spec: app.and_then(|app| app.environments.get(name)).cloned(),
            id: place.environment_id,
            name: place.environment_name,
            app: place.app_name,
            app_id: place.app_id,
            project: place.project,
            desired: place.desired,
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

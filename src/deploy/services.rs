//! Environments for readers who follow what they asked for there, and what happened in them.

use super::Agent;
use super::dispatch::internal;
use crate::core::access::Caller;
use crate::core::action::{EnvironmentRef, Reply};
use crate::core::drift::drift;
use crate::core::error::Error;
use crate::core::service::{ListServices, ServiceHistory, ServiceView, id_of_name};
use crate::store::ServiceRow;

impl Agent {
    /// The environment that this one stands for, if the caller can see it.
    pub(super) fn show_service(
        &self,
        caller: &Caller,
        which: EnvironmentRef,
    ) -> Result<Reply, Error> {
        let found = self.store.service(which, caller.reach).map_err(internal)?;
        let found = found.ok_or(Error::EnvironmentIdNotFound(which))?;
        Ok(Reply::Service(Box::new(self.service_view(found))))
    }

    /// Those the caller can see.
    pub(super) fn list_services(
        &self,
        caller: &Caller,
        list: &ListServices,
    ) -> Result<Reply, Error> {
        let name = match list {
            ListServices::All => None,
            ListServices::Named(name) => Some(name.clone()),
            ListServices::OfName(id) => {
                let instance = self.store.instance();
                let names = self.store.service_names(caller.reach).map_err(internal)?;
                let mut names = names.into_iter();
                match names.find(|name| id_of_name(instance, name) == *id) {
                    Some(name) => Some(name),
                    None => return Ok(Reply::Services(Vec::new())),
                }
            }
        };
        let found = self.store.services(caller.reach, name.as_ref());
        let found = found.map_err(internal)?.into_iter();
        let views = found.map(|found| self.service_view(found));
        // One that was removed and that nobody can deploy to any more is only history, once nothing of it is left.
        let is_being_cleared =
            |view: &ServiceView| view.change.as_ref().is_some_and(|asked| !asked.settled);
        let views = views.filter(|view| {
            !view.removed || view.environment.spec.is_some() || is_being_cleared(view)
        });
        Ok(Reply::Services(views.collect()))
    }

    /// What was done there.
    pub(super) fn service_history(
        &self,
        caller: &Caller,
        asked: ServiceHistory,
    ) -> Result<Reply, Error> {
        let which = asked.environment;
        let found = self
            .store
            .service_history(which, caller.reach, asked.limit)
            .map_err(internal)?;
        let past = found.ok_or(Error::EnvironmentIdNotFound(which))?;
        Ok(Reply::History(past))
    }

    fn service_view(&self, found: ServiceRow) -> ServiceView {
        let environment = self.detail(found.place);
        let drifted = match (&found.live, &environment.spec) {
            (Some(live), Some(spec)) => {
                !drift(&live.content, found.made_with.as_ref(), spec).is_empty()
            }
            (Some(_) | None, None) | (None, Some(_)) => false,
        };
        ServiceView {
            environment,
            removed: found.removed,
            live: found.live,
            drifted,
            deployment: found.deployment,
            before: found.begun_with.or(found.made_with),
            change: found.change,
            waiting: found.waiting,
        }
    }
}

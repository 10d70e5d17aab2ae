//! Environments for readers who follow what they asked for there, and what happened in them.

use super::Agent;
use super::dispatch::internal;
use crate::core::access::Caller;
use crate::core::action::{EnvironmentRef, Reply};
use crate::core::drift::drift;
use crate::core::error::Error;
use crate::core::service::{ListServices, ServiceHistory, ServiceView};
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
        let found = self
            .store
            .services(caller.reach, list.environment.as_ref())
            .map_err(internal)?;
        let views = found.into_iter().map(|found| self.service_view(found));
        // One that was removed and that nobody can deploy to any more is only history.
        let views = views.filter(|view| !view.removed || view.environment.spec.is_some());
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
            change: found.change,
            waiting: found.waiting,
        }
    }
}

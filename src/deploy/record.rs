//! Deployments that somebody else executes: nothing starts here, and nothing moves; what was told is written down.

use super::Agent;
use super::delete::gone;
use super::dispatch::internal;
use crate::core::access::{Caller, Scope};
use crate::core::action::{DeploymentRef, Reply};
use crate::core::error::Error;
use crate::core::name::Sha;
use crate::core::recorded::{Record, Recorded, ReportedState};
use crate::store::{StoreError, Wrote};

impl Agent {
    /// Writes one down.
    pub(super) fn record(&self, caller: &Caller, record: &Record) -> Result<Reply, Error> {
        if let Ok(sha) = Sha::parse(record.sha.as_str()) {
            let reference = record.reference.to_string();
            self.checks(record.project, &sha, &record.contexts, reference)?;
        }
        let now = self.ports.clock.now();
        let by = (caller.principal.serial, caller.reach);
        let wrote = self.store.record(record, self.new_id(now), by, now);
        match wrote.map_err(internal)? {
            // Whoever deletes it in the same moment does not make it unwritten: it is shown as it was taken in.
            Wrote::New(serial) => {
                let view = self.store.recorded_view(serial).map_err(internal)?;
                Ok(Reply::Recorded(Box::new(view)))
            }
            Wrote::Known(serial) => self.shown(caller, DeploymentRef::Serial(serial)),
            Wrote::NoProject => Err(Error::ProjectNotFound(record.project.to_string())),
            Wrote::OutOfReach => Err(Error::Forbidden(Scope::Write)),
        }
    }

    /// Writes down what became of one.
    pub(super) fn report(
        &self,
        caller: &Caller,
        which: DeploymentRef,
        state: ReportedState,
    ) -> Result<Reply, Error> {
        loop {
            let recorded = self.recorded(caller, which)?;
            let from = recorded.state;
            let now = self.ports.clock.now();
            let next = recorded.report(state, now)?;
            match self.store.report(from, &next, caller.principal.serial, now) {
                Ok(()) => {
                    let view = self.store.recorded_view(next.serial).map_err(internal)?;
                    return Ok(Reply::Recorded(Box::new(view)));
                }
                // Somebody else reported, or deleted it, in between: what they made of it counts.
                Err(StoreError::Moved(_)) => {}
                Err(error) => return Err(internal(error)),
            }
        }
    }

    /// Hides one.
    pub(super) fn delete_recorded(
        &self,
        caller: &Caller,
        recorded: &Recorded,
    ) -> Result<Reply, Error> {
        let (by, now) = (caller.principal.serial, self.ports.clock.now());
        let hidden = self.store.hide_recorded(recorded.serial, by, now);
        gone(hidden.map_err(internal)?, Error::NewestSuccess)
    }

    /// A recorded deployment that the caller can see.
    pub(super) fn recorded(
        &self,
        caller: &Caller,
        which: DeploymentRef,
    ) -> Result<Recorded, Error> {
        let found = self.store.find_recorded(which).map_err(internal)?;
        found
            .filter(|found| caller.reach.includes(found.app, found.environment))
            .ok_or(Error::DeploymentNotFound)
    }
}

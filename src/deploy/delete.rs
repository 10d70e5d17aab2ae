//! Deleting a deployment: no API shows it any more, and its row stays. It touches neither what is live nor what can be
//! gone back to, so the one that is live can only go with a stop of its environment.

use super::Agent;
use super::dispatch::internal;
use crate::core::access::Caller;
use crate::core::action::{Deletion, DeploymentRef, Reply};
use crate::core::admission::DeniedReason;
use crate::core::change::{Change, ChangePhase};
use crate::core::error::Error;
use crate::core::id::EnvironmentSerial;
use crate::store::{ChangeAccepted, Hidden};
use std::time::Duration;

/// How long a deletion waits for its stop: shorter than the idle timeouts of usual proxies (60 s), longer than the
/// grace a program usually gets.
const STOP_WAIT: Duration = Duration::from_secs(50);

impl Agent {
    /// Hides a deployment. With force the live one, too: first its environment is stopped, durably. Where the process
    /// ends in between, the environment is stopped and the deployment can be deleted again.
    pub(super) async fn delete(
        &self,
        caller: &Caller,
        which: DeploymentRef,
        how: Deletion,
    ) -> Result<Reply, Error> {
        if how == Deletion::Record {
            return self.delete_record(caller, which);
        }
        let deployment = match self.visible(caller, which) {
            Err(Error::Recorded) => {
                return self.delete_recorded(caller, &self.recorded(caller, which)?);
            }
            found => found?,
        };
        let hide = |stopped| {
            let (by, now) = (caller.principal.serial, self.ports.clock.now());
            let hidden = self
                .store
                .hide_deployment(deployment.serial, stopped, by, now);
            gone(hidden.map_err(internal)?, Error::Live)
        };
        match hide(false) {
            Err(Error::Live) if how == Deletion::Force => {
                self.stop_and_wait(caller, deployment.environment).await?;
                hide(true)
            }
            hidden => hidden,
        }
    }

    /// Hides a deployment by GitHub's rule, whoever executed it. What runs goes on.
    fn delete_record(&self, caller: &Caller, which: DeploymentRef) -> Result<Reply, Error> {
        let serial = self.seen(caller, which)?;
        let (by, now) = (caller.principal.serial, self.ports.clock.now());
        let hidden = self.store.hide_record(serial, by, now);
        gone(hidden.map_err(internal)?, Error::Live)
    }

    async fn stop_and_wait(
        &self,
        caller: &Caller,
        environment: EnvironmentSerial,
    ) -> Result<(), Error> {
        let place = self.store.place_of(environment).map_err(internal)?;
        let (by, now) = (caller.principal.serial, self.ports.clock.now());
        let places = std::slice::from_ref(&place);
        let accepted = self
            .store
            .accept_change(places, Change::Stop, by, (true, false), None, now);
        let stop = match accepted.map_err(internal)? {
            ChangeAccepted::Accepted(stops) => stops.into_iter().next(),
            ChangeAccepted::Denied(_, DeniedReason::Removed) => None,
            ChangeAccepted::Denied(_, reason) => return Err(Error::Refused(reason.to_string())),
            ChangeAccepted::KeyReused => return Err(Error::KeyReused),
            ChangeAccepted::Busy(_) => {
                let what = "a stop that waits for its turn was refused because another is at work";
                return Err(Error::Internal(what.into()));
            }
        };
        let (app, name) = (&place.app_name, &place.environment_name);
        let gone = || Error::Unavailable(format!("'{name}' of app '{app}' is being removed"));
        let stop = stop.ok_or_else(gone)?;
        let mut changes = self.store.changes();
        let mut closing = self.closing.subscribe();
        let give_up = self.ports.clock.sleep(STOP_WAIT);
        tokio::pin!(give_up);
        loop {
            changes.borrow_and_update();
            let found = self.store.change(stop).map_err(internal)?;
            match found.map(|change| change.phase) {
                Some(ChangePhase::Done) => return Ok(()),
                Some(ChangePhase::Failed(failure)) => {
                    let message = failure.message;
                    return Err(Error::Unavailable(format!(
                        "'{name}' of app '{app}' could not be stopped, so nothing was deleted: {message}"
                    )));
                }
                Some(ChangePhase::Queued | ChangePhase::Running) => {}
                Some(ChangePhase::Cancelled) | None => return Err(gone()),
            }
            let later = || {
                Error::Unavailable(format!(
                    "'{name}' of app '{app}' is still being stopped, and will be; nothing was deleted yet: ask again"
                ))
            };
            if *closing.borrow_and_update() {
                return Err(later());
            }
            tokio::select! {
                biased;
                _ = changes.changed() => {}
                _ = closing.changed() => {}
                () = &mut give_up => return Err(later()),
            }
        }
    }
}

/// The answer to a deletion; `live` is said of what its environment runs.
pub(super) fn gone(hidden: Hidden, live: Error) -> Result<Reply, Error> {
    match hidden {
        Hidden::Done => Ok(Reply::Gone),
        Hidden::Already => Err(Error::DeploymentNotFound),
        Hidden::Unfinished(phase) => Err(Error::InProgress(Box::new(phase))),
        Hidden::Reported => Err(Error::ReportedRunning),
        Hidden::Live => Err(live),
        Hidden::Active => Err(Error::Active),
    }
}

//! Taking in changes of environments, and showing how they stand.

use super::Agent;
use super::answered::Kind;
use super::create::denied;
use super::dispatch::internal;
use crate::core::access::{Caller, Reach};
use crate::core::action::{ChangeEnvironment, ChangeView, Environments, Reply};
use crate::core::error::Error;
use crate::core::id::OperationSerial;
use crate::core::name::EnvironmentName;
use crate::store::{ChangeAccepted, Place};

impl Agent {
    /// Writes a change down for every environment it is for; each waits for its turn.
    pub(super) fn change(
        &self,
        caller: &Caller,
        asked: &ChangeEnvironment,
    ) -> Result<Reply, Error> {
        if let Some(reply) = self.answered(caller, asked.key.as_ref(), Kind::Changes)? {
            return Ok(reply);
        }
        let places = self.places(caller, asked)?;
        let accepted = self
            .store
            .accept_change(
                &places,
                asked.change,
                caller.principal.serial,
                (asked.now, asked.idle),
                asked.key.as_ref(),
                self.ports.clock.now(),
            )
            .map_err(internal)?;
        match accepted {
            ChangeAccepted::Accepted(serials) => self.change_views(serials),
            ChangeAccepted::KeyReused => Err(Error::KeyReused),
            ChangeAccepted::Busy(environment) => Err(Error::Busy {
                app: asked.app.to_string(),
                environment: environment.to_string(),
            }),
            ChangeAccepted::Denied(environment, reason) => {
                let place = places
                    .iter()
                    .find(|place| place.environment_name == environment);
                Err(place.map_or_else(
                    || Error::Refused(reason.to_string()),
                    |place| denied(place, reason),
                ))
            }
        }
    }

    /// A change of an environment the caller can see.
    pub(super) fn show_change(
        &self,
        caller: &Caller,
        serial: OperationSerial,
    ) -> Result<Reply, Error> {
        let found = self.store.change_view(serial).map_err(internal)?;
        found
            .filter(|view| {
                caller
                    .reach
                    .includes(view.app_serial, view.change.environment)
            })
            .map(|view| Reply::Changes(vec![view]))
            .ok_or(Error::OperationNotFound)
    }

    pub(super) fn change_views(&self, serials: Vec<OperationSerial>) -> Result<Reply, Error> {
        let views = serials.into_iter().map(|serial| self.change_view(serial));
        Ok(Reply::Changes(views.collect::<Result<_, _>>()?))
    }

    fn change_view(&self, serial: OperationSerial) -> Result<ChangeView, Error> {
        let found = self.store.change_view(serial).map_err(internal)?;
        found.ok_or_else(|| Error::Internal(format!("operation {serial} has no row")))
    }

    /// Whether what is missing is only being cleared away yet.
    fn is_being_removed(
        &self,
        caller: &Caller,
        asked: &ChangeEnvironment,
        name: &EnvironmentName,
    ) -> Result<bool, Error> {
        let found = self.store.is_being_removed(&asked.app, name, caller.reach);
        found.map_err(internal)
    }

    fn places(&self, caller: &Caller, asked: &ChangeEnvironment) -> Result<Vec<Place>, Error> {
        match &asked.environments {
            Environments::Default => Ok(vec![self.place(caller, &asked.app, None)?]),
            Environments::Named(name) => match self.place(caller, &asked.app, Some(name)) {
                Ok(place) => Ok(vec![place]),
                Err(missing) => match asked.idle && self.is_being_removed(caller, asked, name)? {
                    true => Err(Error::Busy {
                        app: asked.app.to_string(),
                        environment: name.to_string(),
                    }),
                    false => Err(missing),
                },
            },
            Environments::All => {
                let app = self.visible_app(caller, &asked.app)?;
                let places = self.store.places(app).map_err(internal)?;
                let seen = |place: &Place| match caller.reach {
                    Reach::All | Reach::App(_) => true,
                    Reach::Environment(_, only) => place.environment == only,
                };
                let places: Vec<Place> = places.into_iter().filter(seen).collect();
                if places.is_empty() {
                    return Err(Error::AppNotFound(asked.app.to_string()));
                }
                Ok(places)
            }
        }
    }
}

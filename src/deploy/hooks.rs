//! Deployment hooks: made, shown, renewed, taken away, and called.

use super::Agent;
use super::dispatch::internal;
use crate::core::access::{Caller, Origin};
use crate::core::action::{Action, AppRef, CreateDeployment, EnvironmentRef, Reply, Target};
use crate::core::deployment::Trigger;
use crate::core::error::Error;
use crate::core::hook::{HookChange, HookRequest, HookView};
use crate::core::particulars::{Conditions, Particulars};
use crate::core::rate::Exceeded;
use crate::core::secret::Secret;
use crate::store::{HookCaller, IfThere, KeptHook, Place, StoreError};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Why a call of a hook deployed nothing.
#[derive(Clone, Debug)]
pub enum HookFault {
    /// It is one too many.
    TooMany(Exceeded),
    /// The address leads nowhere: it never did, was renewed or taken away, or its environment was removed.
    Unknown,
    /// What it asked for cannot be done.
    Refused(Error),
}

impl Agent {
    /// Looks at or changes an environment's hook.
    pub(super) fn hook(&self, caller: &Caller, request: &HookRequest) -> Result<Reply, Error> {
        let place = self.place(caller, &request.app, request.environment.as_ref())?;
        let if_there = match request.change {
            HookChange::Show => {
                let kept = self.store.hook(place.environment).map_err(internal)?;
                let kept = kept.ok_or_else(|| Error::HookNotFound {
                    app: place.app_name.to_string(),
                    environment: place.environment_name.to_string(),
                })?;
                return Ok(view(place, kept, false));
            }
            HookChange::Disable => {
                self.store
                    .remove_hook(place.environment)
                    .map_err(internal)?;
                return Ok(Reply::Gone);
            }
            HookChange::Enable => IfThere::Keep,
            HookChange::Renew => IfThere::Renew,
        };
        let now = self.ports.clock.now();
        let set = self
            .store
            .set_hook(&place, if_there, caller.principal.serial, now);
        match set {
            Ok((kept, made)) => Ok(view(place, kept, made)),
            Err(StoreError::Moved(_)) => Err(Error::EnvironmentIdNotFound(EnvironmentRef::Id(
                place.environment_id,
            ))),
            Err(error) => Err(internal(error)),
        }
    }

    /// Somebody called a hook's address: deploys what the configuration says, as a request by hand does. Whoever guesses is
    /// counted by where they come from.
    ///
    /// # Errors
    /// Says why nothing was deployed.
    pub async fn call_hook(
        &self,
        origin: &Origin,
        environment: Uuid,
        secret: &Secret,
    ) -> Result<Reply, HookFault> {
        let found = self.store.hook_caller(environment, secret);
        let found = found.map_err(|error| HookFault::Refused(internal(error)))?;
        let exceeded = match (&found, origin) {
            (Some(HookCaller { caller, .. }), _) => {
                self.limits.take(caller.principal.serial, caller.plan).1
            }
            (None, Origin::Remote(address)) => self.limits.take_of_stranger(*address).1,
            (None, Origin::Local(_)) => None,
        };
        if let Some(exceeded) = exceeded {
            return Err(HookFault::TooMany(exceeded));
        }
        let HookCaller { caller, app } = found.ok_or(HookFault::Unknown)?;
        let create = CreateDeployment {
            app: AppRef::Id(app),
            // The caller's own, which is the hook's.
            environment: None,
            target: Target::Configured(None),
            variables: BTreeMap::new(),
            trigger: Trigger::Manual,
            key: None,
            unless_unfinished: false,
            particulars: Particulars::default(),
            conditions: Conditions::default(),
            event: None,
        };
        self.dispatch(&caller, Action::CreateDeployment(create))
            .await
            .map_err(HookFault::Refused)
    }
}

fn view(place: Place, kept: KeptHook, made: bool) -> Reply {
    Reply::Hook(HookView {
        app: place.app_name,
        environment: place.environment_name,
        id: place.environment_id,
        secret: kept.secret,
        since: kept.since,
        made,
    })
}

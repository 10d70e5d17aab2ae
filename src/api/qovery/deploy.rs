//! What is asked for of a service: deploy, stop, uninstall. What is at work or waiting there refuses it: the store looks in
//! the transaction that takes the request in, so that of two at once one is taken.

use super::error::Refusal;
use super::parse::Version;
use super::state::Standing;
use super::target::target;
use super::wire::word::State;
use crate::api::Api;
use crate::core::access::{Caller, Scope};
use crate::core::action::{
    Action, AppRef, ChangeEnvironment, CreateDeployment, Environments, Reply, ServiceView,
};
use crate::core::admission::Desired;
use crate::core::change::Change;
use crate::core::deployment::Trigger;
use crate::core::error::Error;
use crate::core::job::JobEvent;
use crate::core::particulars::{Conditions, Particulars};
use crate::core::service::Newest;
use std::collections::BTreeMap;
use uuid::Uuid;

/// Whoever may not learns only that.
pub(super) fn may(caller: &Caller, scope: Scope) -> Result<(), Refusal> {
    match caller.scope >= scope {
        true => Ok(()),
        false => Err(Error::Forbidden(scope).into()),
    }
}

/// Asks for a deployment; the id of the one that was made. Of an event that the job does not have there is none, and that is
/// no fault.
pub(super) async fn deploy(
    api: &Api,
    caller: &Caller,
    service: &ServiceView,
    version: Option<Version>,
    event: Option<JobEvent>,
) -> Result<Option<Uuid>, Refusal> {
    let target = target(service, version)?;
    if let Some(event) = event
        && service.job().is_none_or(|job| job.command(event).is_none())
    {
        return Ok(None);
    }
    must_rest(service)?;
    let create = CreateDeployment {
        app: AppRef::Id(service.environment.app_id),
        environment: Some(service.environment.name.clone()),
        target,
        variables: BTreeMap::new(),
        trigger: Trigger::Manual,
        key: None,
        unless_unfinished: false,
        particulars: Particulars::default(),
        conditions: Conditions {
            idle: true,
            ..Conditions::default()
        },
        event,
    };
    let asked = Action::CreateDeployment(create);
    match api.agent.dispatch(caller, asked).await {
        Ok(Reply::Deployment(view)) => Ok(Some(view.deployment.id)),
        Ok(Reply::Ignored(reason)) => Err(reason.into()),
        Ok(other) => Err(Refusal::unexpected(&other)),
        // The configuration was read again in between.
        Err(Error::NoSuchEvent { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The store would not see it where an environment was removed and is still being cleared away.
fn must_rest(service: &ServiceView) -> Result<(), Refusal> {
    match Standing::of(service).is_going_on() {
        true => Err(Refusal::in_progress()),
        false => Ok(()),
    }
}

/// What is stopped is not stopped again.
pub(super) async fn stop(api: &Api, caller: &Caller, service: &ServiceView) -> Result<(), Refusal> {
    must_rest(service)?;
    match (service.environment.desired, Standing::of(service).state) {
        // What did not stop in the way that was asked for is stopped once more.
        (Desired::Running, _) | (Desired::Stopped, State::StopError) => {}
        (Desired::Stopped | Desired::Suspended | Desired::Removed, _) => {
            return Err(Refusal::conflict("the job is already stopped"));
        }
    }
    change(api, caller, service, Change::Stop).await
}

/// Removes what there is of it; what the configuration says of it stays. Whether there was anything to remove.
pub(super) async fn uninstall(
    api: &Api,
    caller: &Caller,
    service: &ServiceView,
) -> Result<bool, Refusal> {
    must_rest(service)?;
    if service.removed || matches!(service.newest(), Newest::Nothing) {
        return Ok(false);
    }
    let removal = Change::Remove { volumes: false };
    change(api, caller, service, removal).await.map(|()| true)
}

async fn change(
    api: &Api,
    caller: &Caller,
    service: &ServiceView,
    change: Change,
) -> Result<(), Refusal> {
    let asked = ChangeEnvironment {
        app: AppRef::Id(service.environment.app_id),
        environments: Environments::Named(service.environment.name.clone()),
        change,
        now: false,
        idle: true,
        key: None,
    };
    match api.agent.dispatch(caller, Action::Change(asked)).await? {
        Reply::Changes(_) => Ok(()),
        other => Err(Refusal::unexpected(&other)),
    }
}

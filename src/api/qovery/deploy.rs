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
use crate::core::change::Change;
use crate::core::deployment::Trigger;
use crate::core::error::Error;
use crate::core::job::JobEvent;
use crate::core::particulars::{Conditions, Particulars};
use crate::core::service::Newest;
use std::collections::BTreeMap;

/// Whoever may not learns only that.
pub(super) fn may(caller: &Caller, scope: Scope) -> Result<(), Refusal> {
    match caller.scope >= scope {
        true => Ok(()),
        false => Err(Error::Forbidden(scope).into()),
    }
}

/// What is to be asked for, as far as it can be looked at without asking. Of an event that the job does not have nothing is,
/// and that is no fault.
pub(super) fn wanted(
    service: &ServiceView,
    version: Option<Version>,
    event: Option<JobEvent>,
) -> Result<Option<CreateDeployment>, Refusal> {
    let target = target(service, version)?;
    if let Some(event) = event
        && service.job().is_none_or(|job| job.command(event).is_none())
    {
        return Ok(None);
    }
    must_rest(service)?;
    Ok(Some(CreateDeployment {
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
    }))
}

/// Asks for a deployment.
pub(super) async fn deploy(
    api: &Api,
    caller: &Caller,
    service: &ServiceView,
    version: Option<Version>,
    event: Option<JobEvent>,
) -> Result<(), Refusal> {
    let Some(create) = wanted(service, version, event)? else {
        return Ok(());
    };
    let asked = Action::CreateDeployment(create);
    match api.agent.dispatch(caller, asked).await {
        Ok(Reply::Deployment(_)) => Ok(()),
        Ok(Reply::Ignored(reason)) => Err(reason.into()),
        Ok(other) => Err(Refusal::unexpected(&other)),
        // The configuration was read again in between.
        Err(Error::NoSuchEvent { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Asks for several: all of them are taken in, or none.
pub(super) async fn deploy_together(
    api: &Api,
    caller: &Caller,
    all: Vec<CreateDeployment>,
) -> Result<(), Refusal> {
    if all.is_empty() {
        return Ok(());
    }
    let asked = Action::CreateTogether(all);
    match api.agent.dispatch(caller, asked).await? {
        Reply::Together(_) => Ok(()),
        Reply::Ignored(reason) => Err(reason.into()),
        other => Err(Refusal::unexpected(&other)),
    }
}

/// The store would not see it where an environment was removed and is still being cleared away.
fn must_rest(service: &ServiceView) -> Result<(), Refusal> {
    match Standing::of(service).is_going_on() {
        true => Err(Refusal::in_progress()),
        false => Ok(()),
    }
}

/// What reads as stopped, or never ran, is not stopped again. Anything else is, whatever it is meant to be doing: whoever
/// waits for `STOPPED` would wait for ever otherwise.
pub(super) async fn stop(api: &Api, caller: &Caller, service: &ServiceView) -> Result<(), Refusal> {
    must_rest(service)?;
    match Standing::of(service).state {
        _ if service.removed => Err(already_stopped()),
        State::Stopped | State::Ready | State::Deleted => Err(already_stopped()),
        State::BuildError
        | State::Deployed
        | State::DeploymentError
        | State::Canceled
        | State::StopError
        | State::DeleteError
        | State::DeploymentQueued
        | State::Building
        | State::Deploying
        | State::Executing
        | State::Canceling
        | State::StopQueued
        | State::Stopping
        | State::DeleteQueued
        | State::Deleting => change(api, caller, service, Change::Stop).await,
    }
}

fn already_stopped() -> Refusal {
    Refusal::conflict("the job is already stopped")
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
    match api.agent.dispatch(caller, Action::Change(asked)).await {
        Ok(Reply::Changes(_)) => Ok(()),
        Ok(other) => Err(Refusal::unexpected(&other)),
        // It was there a moment ago: somebody else was first.
        Err(Error::AppNotFound(_) | Error::EnvironmentNotFound { .. }) => {
            Err(Refusal::in_progress())
        }
        Err(error) => Err(error.into()),
    }
}

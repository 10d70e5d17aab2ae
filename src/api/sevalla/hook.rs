//! An application's deployment hook: an address whose call deploys.

use super::error::Refusal;
use super::path::Application;
use super::wire::HookUrl;
use super::{Route, render};
use crate::api::Api;
use crate::api::arrival::Base;
use crate::core::access::Caller;
use crate::core::action::{Action, Reply};
use crate::core::hook::{HookChange, HookRequest, HookView};
use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

pub(super) fn routes() -> Vec<Route> {
    let methods = get(show).post(enable).put(renew).delete(disable);
    vec![("/{id}/deployment-hook", methods)]
}

async fn show(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    application: Application,
    base: Base,
) -> Result<Response, Refusal> {
    match ask(&api, &caller, &application, HookChange::Show).await? {
        Reply::Hook(hook) => Ok(address(&hook, &base)),
        other => Err(Refusal::unexpected(&other)),
    }
}

/// The existing address if it is enabled already.
async fn enable(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    application: Application,
    base: Base,
) -> Result<Response, Refusal> {
    match ask(&api, &caller, &application, HookChange::Enable).await? {
        Reply::Hook(hook) => Ok((StatusCode::CREATED, address(&hook, &base)).into_response()),
        other => Err(Refusal::unexpected(&other)),
    }
}

async fn renew(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    application: Application,
    base: Base,
) -> Result<Response, Refusal> {
    match ask(&api, &caller, &application, HookChange::Renew).await? {
        Reply::Hook(hook) => Ok(address(&hook, &base)),
        other => Err(Refusal::unexpected(&other)),
    }
}

async fn disable(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    application: Application,
) -> Result<Response, Refusal> {
    match ask(&api, &caller, &application, HookChange::Disable).await? {
        Reply::Gone => Ok(StatusCode::NO_CONTENT.into_response()),
        other => Err(Refusal::unexpected(&other)),
    }
}

async fn ask(
    api: &Api,
    caller: &Caller,
    application: &Application,
    change: HookChange,
) -> Result<Reply, Refusal> {
    let request = HookRequest {
        app: application.app(),
        environment: Some(application.environment.name.clone()),
        change,
    };
    Ok(api.agent.dispatch(caller, Action::Hook(request)).await?)
}

fn address(hook: &HookView, base: &Base) -> Response {
    let url = crate::api::hook::address(base, hook);
    render::json(&HookUrl { url })
}

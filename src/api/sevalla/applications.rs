//! Applications: list, show, suspend, activate.

use super::error::Refusal;
use super::path::Application as Named;
use super::wire::Message;
use super::wire::application::{Application, ListedApplication, is_suspended};
use super::wire::page::Page;
use super::{Params, Route, parse, render};
use crate::api::Api;
use crate::core::access::Caller;
use crate::core::action::{Action, ChangeEnvironment, Environments, ListEnvironments, Reply};
use crate::core::admission::Desired;
use crate::core::change::Change;
use axum::Extension;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};

pub(super) fn routes() -> Vec<Route> {
    vec![
        ("/", list_route()),
        ("/{id}", get(show)),
        ("/{id}/suspend", post(suspend)),
        ("/{id}/activate", post(activate)),
    ]
}

pub(super) fn list_route() -> MethodRouter<Api> {
    get(list)
}

async fn list(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Query(params): Params,
) -> Result<Response, Refusal> {
    let page = parse::page(&params)?;
    let asked = Action::ListEnvironments(ListEnvironments {
        limit: page.limit,
        offset: page.offset,
        ..ListEnvironments::default()
    });
    match api.agent.dispatch(&caller, asked).await? {
        Reply::Environments { items, total } => {
            let items = items.iter().map(ListedApplication::from).collect();
            Ok(render::json(&Page::new(items, page, total)))
        }
        other => Err(Refusal::unexpected(&other)),
    }
}

async fn show(named: Named) -> Response {
    render::json(&Application::from(&named.environment))
}

/// Suspending what is suspended is no fault: whoever asks wants it so, and it is.
async fn suspend(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    named: Named,
) -> Result<Response, Refusal> {
    let message = match named.environment.desired {
        Desired::Suspended => "Application is suspended already",
        Desired::Running | Desired::Stopped | Desired::Removed => "Application suspension started",
    };
    change(&api, &caller, &named, Change::Suspend, message).await
}

/// What was stopped is started: to Sevalla's clients it is suspended, too.
async fn activate(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    named: Named,
) -> Result<Response, Refusal> {
    let desired = named.environment.desired;
    let asked = match desired {
        Desired::Stopped => Change::Start,
        Desired::Running | Desired::Suspended | Desired::Removed => Change::Activate,
    };
    let message = match is_suspended(desired) {
        true => "Application activation started",
        false => "Application is active already",
    };
    change(&api, &caller, &named, asked, message).await
}

async fn change(
    api: &Api,
    caller: &Caller,
    named: &Named,
    change: Change,
    message: &'static str,
) -> Result<Response, Refusal> {
    let asked = ChangeEnvironment {
        app: named.app(),
        environments: Environments::Named(named.environment.name.clone()),
        change,
        now: false,
        idle: false,
        key: None,
    };
    match api.agent.dispatch(caller, Action::Change(asked)).await? {
        Reply::Changes(_) => Ok(render::json(&Message { message })),
        other => Err(Refusal::unexpected(&other)),
    }
}

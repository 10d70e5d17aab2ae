//! Deployments: trigger, list, show, cancel, roll back.

use super::error::Refusal;
use super::path::Application;
use super::wire::Message;
use super::wire::deployment::Deployment;
use super::wire::page::Page;
use super::{Params, Route, parse, render};
use crate::api::Api;
use crate::core::access::Caller;
use crate::core::action::{Action, CreateDeployment, ListDeployments, Listed, Reply, Target};
use crate::core::deployment::{Phase, Trigger};
use crate::core::error::Error;
use crate::core::particulars::{Conditions, Particulars};
use axum::Extension;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::{get, post};
use std::collections::BTreeMap;

pub(super) fn routes() -> Vec<Route> {
    vec![
        ("/{id}/deployments", get(list).post(trigger)),
        // Where an id would stand: a literal comes first.
        ("/{id}/deployments/rollback", post(rollback)),
        ("/{id}/deployments/{deployment_id}", get(show)),
        ("/{id}/deployments/{deployment_id}/cancel", post(cancel)),
    ]
}

/// 200 with the whole object at once: there are clients to whom 202 is an error.
async fn trigger(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    application: Application,
    body: Body,
) -> Result<Response, Refusal> {
    let target = parse::trigger(body).await?;
    deploy(&api, &caller, &application, target).await
}

async fn rollback(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    application: Application,
    body: Body,
) -> Result<Response, Refusal> {
    let release = match parse::rollback(body).await? {
        None => None,
        Some(id) => {
            let view = application.executed(&api, &caller, id).await?;
            match (&view.deployment.phase, view.release) {
                (Phase::Succeeded { .. }, Some(number)) => Some(number),
                _ => {
                    return Err(Refusal::field(
                        "deployment_id",
                        "names a deployment that did not succeed: there is nothing to go back to",
                    ));
                }
            }
        }
    };
    deploy(&api, &caller, &application, Target::Release(release)).await
}

async fn deploy(
    api: &Api,
    caller: &Caller,
    application: &Application,
    target: Target,
) -> Result<Response, Refusal> {
    let create = CreateDeployment {
        app: application.app(),
        environment: Some(application.environment.name.clone()),
        target,
        variables: BTreeMap::new(),
        trigger: Trigger::Manual,
        key: None,
        unless_unfinished: false,
        particulars: Particulars::default(),
        conditions: Conditions::default(),
        event: None,
    };
    let asked = Action::CreateDeployment(create);
    match api.agent.dispatch(caller, asked).await? {
        Reply::Deployment(view) => {
            let deployment = Deployment::new(&view, &application.environment);
            Ok(render::json(&deployment))
        }
        Reply::Ignored(reason) => Err(reason.into()),
        other => Err(Refusal::unexpected(&other)),
    }
}

async fn list(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    application: Application,
    Query(params): Params,
) -> Result<Response, Refusal> {
    let page = parse::page(&params)?;
    let asked = ListDeployments {
        environment_id: Some(application.environment.id),
        limit: page.limit,
        offset: page.offset,
        steps: true,
        ..ListDeployments::default()
    };
    match api
        .agent
        .dispatch(&caller, Action::ListDeployments(asked))
        .await?
    {
        Reply::Deployments { items, total } => {
            let shown = |listed| Deployment::listed(listed, &application.environment);
            let items = items.iter().map(shown).collect();
            Ok(render::json(&Page::new(items, page, total)))
        }
        other => Err(Refusal::unexpected(&other)),
    }
}

async fn show(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    application: Application,
) -> Result<Response, Refusal> {
    let listed = application.deployment(&api, &caller).await?;
    Ok(render::json(&Deployment::listed(
        &listed,
        &application.environment,
    )))
}

/// Whatever its body and content type are: the vendor's clients send neither.
async fn cancel(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    application: Application,
) -> Result<Response, Refusal> {
    let before = match application.deployment(&api, &caller).await? {
        Listed::Executed(view) => view,
        Listed::Recorded(_) => return Err(Error::Recorded.into()),
    };
    let asked = Action::CancelDeployment(before.deployment.id.into());
    let view = match api.agent.dispatch(&caller, asked).await? {
        Reply::Deployment(view) => view,
        other => return Err(Refusal::unexpected(&other)),
    };
    // To us cancelling twice is no fault; to Sevalla what was cancelled can not be cancelled.
    if matches!(before.deployment.phase, Phase::Cancelled { .. }) {
        return Err(Refusal::bad(
            "the deployment can no longer be cancelled: it was cancelled already",
        ));
    }
    let message = match view.deployment.phase {
        Phase::Cancelled {
            was_waiting: true, ..
        } => "Deployment was skipped",
        Phase::Cancelled {
            was_waiting: false, ..
        }
        | Phase::Queued
        | Phase::Running(_)
        | Phase::Committed(_)
        | Phase::Succeeded { .. }
        | Phase::Failed { .. }
        | Phase::Superseded { .. } => "Deployment is being cancelled",
    };
    Ok(render::json(&Message { message }))
}

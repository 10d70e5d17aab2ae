//! Collecting garbage: an addition, `GET` explains and `POST` does it.

use super::error::Refusal;
use super::wire::gc::Garbage;
use super::{Route, render};
use crate::api::Api;
use crate::core::access::Caller;
use crate::core::action::{Action, Reply};
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use utoipa_axum::routes;

pub(super) fn routes() -> Vec<Route> {
    vec![routes!(explain, collect)]
}

/// Says what is no longer needed
#[utoipa::path(
    get, path = "/gc", tag = "daemon", operation_id = "explainGarbage",
    responses((status = 200, body = Garbage)),
)]
async fn explain(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, Refusal> {
    run(&api, &caller, true).await
}

/// Gives back what is no longer needed
#[utoipa::path(
    post, path = "/gc", tag = "daemon", operation_id = "collectGarbage",
    responses((status = 200, body = Garbage)),
)]
async fn collect(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, Refusal> {
    run(&api, &caller, false).await
}

async fn run(api: &Api, caller: &Caller, explain: bool) -> Result<Response, Refusal> {
    let action = Action::CollectGarbage { explain };
    match api.agent.dispatch(caller, action).await? {
        Reply::Collection(collection) => Ok(render::json(&Garbage::from(&collection))),
        other => Err(Refusal::unexpected(&other)),
    }
}

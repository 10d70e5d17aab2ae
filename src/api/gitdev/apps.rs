//! Apps and environments as they are: an addition.

use super::error::Refusal;
use super::wire::app::Apps;
use super::{Route, render};
use crate::api::Api;
use crate::core::access::Caller;
use crate::core::action::{Action, Reply};
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use utoipa_axum::routes;

pub(super) fn routes() -> Vec<Route> {
    vec![routes!(list)]
}

/// Lists apps with their environments
#[utoipa::path(
    get, path = "/apps", tag = "apps", operation_id = "listApps",
    responses((status = 200, body = Apps)),
)]
async fn list(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, Refusal> {
    match api.agent.dispatch(&caller, Action::ListApps).await? {
        Reply::Apps(apps) => Ok(render::json(&Apps::from(apps.as_slice()))),
        other => Err(Refusal::unexpected(&other)),
    }
}

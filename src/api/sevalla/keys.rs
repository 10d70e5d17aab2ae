//! API keys: whose one is and how long it holds.

use super::error::Refusal;
use super::wire::key::ApiKey;
use super::{Route, render};
use crate::api::Api;
use crate::core::access::Caller;
use crate::core::action::{Action, Reply};
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;

pub(super) fn routes() -> Vec<Route> {
    vec![("/validate", get(validate))]
}

async fn validate(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, Refusal> {
    match api.agent.dispatch(&caller, Action::Introduce).await? {
        Reply::Introduced(caller) => Ok(render::json(&ApiKey::from(caller))),
        other => Err(Refusal::unexpected(&other)),
    }
}

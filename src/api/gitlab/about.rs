//! What clients ask first: who they are and which GitLab this is.

use super::error::Refusal;
use super::wire::about::VERSION;
use super::wire::user::User;
use super::{Route, render};
use crate::api::Api;
use crate::api::arrival::Base;
use crate::core::access::Caller;
use crate::core::action::{Action, Reply};
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;

pub(super) fn routes() -> Vec<Route> {
    vec![
        ("/user", get(user)),
        ("/version", get(version)),
        ("/metadata", get(version)),
    ]
}

async fn user(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    base: Base,
) -> Result<Response, Refusal> {
    match api.agent.dispatch(&caller, Action::Introduce).await? {
        Reply::Introduced(caller) => Ok(render::json(&User::new(&caller.principal, &base))),
        other => Err(Refusal::unexpected(&other)),
    }
}

async fn version() -> Response {
    render::json(&VERSION)
}

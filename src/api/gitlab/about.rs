//! What clients ask first: who they are and which GitLab this is.

use super::call::Call;
use super::error::Refusal;
use super::wire::about::VERSION;
use super::wire::user::User;
use super::{Route, render};
use crate::core::action::{Action, Reply};
use axum::response::Response;
use axum::routing::get;

pub(super) fn routes() -> Vec<Route> {
    vec![
        ("/user", get(user)),
        ("/version", get(version)),
        ("/metadata", get(version)),
    ]
}

async fn user(call: Call) -> Result<Response, Refusal> {
    match call.dispatch(Action::Introduce).await? {
        Reply::Introduced(caller) => Ok(render::json(&User::new(&caller.principal, &call.base))),
        other => Err(Refusal::unexpected(&other)),
    }
}

async fn version() -> Response {
    render::json(&VERSION)
}

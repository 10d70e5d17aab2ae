//! What clients ask first: what is where, who they are, how often they may ask, and which repository this is.

use super::call::Call;
use super::error::Refusal;
use super::wire::about::{Limits, Meta, Root};
use super::wire::repository::Repository;
use super::wire::user::User;
use crate::api::answer::json;
use crate::core::action::{Action, Reply};
use axum::response::Response;

pub(super) fn root(call: &Call) -> Response {
    json(&Root::new(&call.urls))
}

pub(super) fn meta(call: &Call) -> Response {
    json(&Meta::at(call.prefix()))
}

pub(super) fn rate_limit(call: &Call) -> Result<Response, Refusal> {
    let allowance = call.allowance.ok_or_else(Refusal::fault)?;
    Ok(json(&Limits::from(allowance)))
}

pub(super) async fn user(call: &Call) -> Result<Response, Refusal> {
    call.caller()?;
    match call.dispatch(Action::Introduce).await? {
        Reply::Introduced(caller) => Ok(json(&User::of_caller(&caller.principal, &call.urls))),
        other => Err(Refusal::unexpected(&other)),
    }
}

pub(super) async fn repository(call: &Call, path: &str) -> Result<Response, Refusal> {
    let project = call.project(path).await?;
    let scope = call.caller()?.scope;
    Ok(json(&Repository::new(&project, scope, &call.urls)))
}

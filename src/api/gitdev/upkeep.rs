//! Additions about the daemon as a whole: reading the configuration again, adopting what runs after the database was
//! put back, and taking the ingress over.

use super::error::Refusal;
use super::wire::adopt::Adoption;
use super::wire::problem::Problem;
use super::wire::reload::Reload;
use super::wire::request::AdoptRequest;
use super::wire::takeover::TakenOver;
use super::{MAX_BODY, Route, parse, render};
use crate::api::Api;
use crate::core::access::Caller;
use crate::core::action::{Action, Reply};
use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use utoipa_axum::routes;

pub(super) fn routes() -> Vec<Route> {
    vec![routes!(reload), routes!(adopt), routes!(takeover)]
}

/// Reads the configuration again
#[utoipa::path(
    post, path = "/reload", tag = "daemon", operation_id = "reload",
    responses(
        (status = 200, body = Reload),
        (status = 400, body = Problem, description = "This daemon has no configuration file"),
        (status = 409, body = Problem, description = "The file has faults; all of them are in the details"),
    ),
)]
async fn reload(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, Refusal> {
    match api.agent.dispatch(&caller, Action::Reload).await? {
        Reply::Reloaded(reloaded) => Ok(render::json(&Reload::from(&reloaded))),
        other => Err(Refusal::unexpected(&other)),
    }
}

/// Makes what runs live after a backup of the database was put back
#[utoipa::path(
    post, path = "/adopt", tag = "daemon", operation_id = "adopt",
    request_body = AdoptRequest,
    responses(
        (status = 200, body = Adoption),
        (status = 400, body = Problem, description = "The body breaks a rule"),
        (status = 409, body = Problem, description = "There is nothing to adopt"),
    ),
)]
async fn adopt(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Result<Response, Refusal> {
    let body = parse::object(body, MAX_BODY).await?;
    let discard = parse::flag(&body, "discard")?;
    let action = Action::Adopt { discard };
    match api.agent.dispatch(&caller, action).await? {
        Reply::Adopted(adopted) => Ok(render::json(&Adoption::from(&adopted))),
        other => Err(Refusal::unexpected(&other)),
    }
}

/// Makes the ingress serve this daemon's apps, whosever it served
#[utoipa::path(
    post, path = "/takeover", tag = "daemon", operation_id = "takeover",
    responses(
        (status = 200, body = TakenOver),
        (status = 503, body = Problem, description = "The ingress cannot be reached, or refuses"),
    ),
)]
async fn takeover(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, Refusal> {
    match api.agent.dispatch(&caller, Action::Takeover).await? {
        Reply::TakenOver(taken) => Ok(render::json(&TakenOver::from(taken))),
        other => Err(Refusal::unexpected(&other)),
    }
}

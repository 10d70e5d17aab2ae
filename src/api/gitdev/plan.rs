//! What a create would do: an addition.

use super::error::{self, Refusal};
use super::path::NamedApp;
use super::wire::plan::Plan;
use super::wire::problem::Problem;
use super::wire::request::PlanRequest;
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
    vec![routes!(plan)]
}

/// Says what a deployment would do, without doing it
///
/// Branch and commit are looked up at the remote, and the queue is looked at as it stands. A rollback brings its own
/// settings with it, so that it has no `changes`.
#[utoipa::path(
    post, path = "/apps/{app}/plan", tag = "deployments", operation_id = "planDeployment",
    params(("app" = String, Path, description = "The app's id or name")),
    request_body = inline(Option<PlanRequest>),
    responses(
        (status = 200, body = Plan),
        (status = 400, body = Problem, description = "The body breaks a rule, or names what the repository does not have"),
        (status = 404, body = Problem, description = "There is no such app"),
        (status = 409, body = Problem, description = "There is nothing to go back to, or the configuration no longer names the environment"),
    ),
)]
async fn plan(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    app: NamedApp,
    body: Body,
) -> Result<Response, Refusal> {
    let body = parse::optional_object(body, MAX_BODY).await?;
    let create = parse::plan(&app.text, &body)?;
    match api
        .agent
        .dispatch(&caller, Action::PlanDeployment(create))
        .await
        .map_err(|error| error::about(error, &app.text))?
    {
        Reply::Plan(plan) => Ok(render::json(&Plan::from(&*plan))),
        other => Err(Refusal::unexpected(&other)),
    }
}

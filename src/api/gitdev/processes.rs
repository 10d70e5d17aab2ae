//! An addition: the processes of an environment.

use super::error::{self, Refusal};
use super::path::{NamedApp, NamedEnvironment};
use super::wire::problem::Problem;
use super::wire::process::Processes;
use super::{Route, path, render};
use crate::api::Api;
use crate::core::access::Caller;
use crate::core::action::{Action, Reply};
use crate::core::name::EnvironmentName;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use utoipa_axum::routes;

pub(super) fn routes() -> Vec<Route> {
    vec![routes!(list_default), routes!(list)]
}

/// The processes of the token's own environment, else of the app's default
#[utoipa::path(
    get, path = "/apps/{app}/processes", tag = "apps", operation_id = "listProcessesOfDefault",
    params(("app" = String, Path, description = "The app's id or name")),
    responses(
        (status = 200, body = Processes),
        (status = 404, body = Problem, description = "There is no such app or environment"),
    ),
)]
async fn list_default(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    app: NamedApp,
) -> Result<Response, Refusal> {
    answer(&api, &caller, app, None).await
}

/// The processes of an environment
#[utoipa::path(
    get, path = "/apps/{app}/environments/{environment}/processes", tag = "apps", operation_id = "listProcesses",
    params(
        ("app" = String, Path, description = "The app's id or name"),
        ("environment" = String, Path, description = "The environment's name"),
    ),
    responses(
        (status = 200, body = Processes),
        (status = 404, body = Problem, description = "There is no such app or environment"),
    ),
)]
async fn list(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    app: NamedApp,
    NamedEnvironment(name): NamedEnvironment,
) -> Result<Response, Refusal> {
    let environment = path::environment(Some(name))?;
    answer(&api, &caller, app, environment).await
}

async fn answer(
    api: &Api,
    caller: &Caller,
    app: NamedApp,
    environment: Option<EnvironmentName>,
) -> Result<Response, Refusal> {
    let asked = Action::ListProcesses(app.app, environment);
    match api.agent.dispatch(caller, asked).await {
        Ok(Reply::Processes(views)) => Ok(render::json(&Processes::from(views.as_slice()))),
        Ok(other) => Err(Refusal::unexpected(&other)),
        Err(error) => Err(error::of_path(error, &app.text)),
    }
}

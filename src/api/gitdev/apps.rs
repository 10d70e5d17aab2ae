//! Apps and environments as they are: an addition.

use super::error::{self, Refusal};
use super::path::{NamedApp, NamedEnvironment};
use super::wire::app::{App, Apps, Environment, Environments};
use super::wire::problem::Problem;
use super::{Route, render};
use crate::api::Api;
use crate::core::access::Caller;
use crate::core::action::{Action, AppView, Reply};
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use utoipa_axum::routes;

pub(super) fn routes() -> Vec<Route> {
    vec![
        routes!(list),
        routes!(show),
        routes!(environments),
        routes!(environment),
    ]
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

/// Shows an app with its environments
#[utoipa::path(
    get, path = "/apps/{app}", tag = "apps", operation_id = "getApp",
    params(("app" = String, Path, description = "The app's id or name")),
    responses(
        (status = 200, body = App),
        (status = 404, body = Problem, description = "There is no such app"),
    ),
)]
async fn show(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    app: NamedApp,
) -> Result<Response, Refusal> {
    let found = find(&api, &caller, app).await?;
    Ok(render::json(&App::from(&found)))
}

/// Lists an app's environments
#[utoipa::path(
    get, path = "/apps/{app}/environments", tag = "apps", operation_id = "listEnvironments",
    params(("app" = String, Path, description = "The app's id or name")),
    responses(
        (status = 200, body = Environments),
        (status = 404, body = Problem, description = "There is no such app"),
    ),
)]
async fn environments(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    app: NamedApp,
) -> Result<Response, Refusal> {
    let found = find(&api, &caller, app).await?;
    let answer = Environments::from(found.environments.as_slice());
    Ok(render::json(&answer))
}

/// Shows an environment: what is live in it, and by what that differs from the configuration
#[utoipa::path(
    get, path = "/apps/{app}/environments/{environment}", tag = "apps", operation_id = "getEnvironment",
    params(
        ("app" = String, Path, description = "The app's id or name"),
        ("environment" = String, Path, description = "The environment's name"),
    ),
    responses(
        (status = 200, body = Environment),
        (status = 404, body = Problem, description = "There is no such app or environment"),
    ),
)]
async fn environment(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    app: NamedApp,
    NamedEnvironment(name): NamedEnvironment,
) -> Result<Response, Refusal> {
    let asked = app.text.clone();
    let found = find(&api, &caller, app).await?;
    let mut environments = found.environments.iter();
    let environment = environments.find(|environment| environment.name.as_str() == name);
    let missing = || format!("App '{asked}' has no environment '{name}'");
    let environment = environment.ok_or_else(|| Refusal::no_environment(&name, missing()))?;
    Ok(render::json(&Environment::from(environment)))
}

async fn find(api: &Api, caller: &Caller, app: NamedApp) -> Result<AppView, Refusal> {
    match api
        .agent
        .dispatch(caller, Action::GetApp(app.app))
        .await
        .map_err(|error| error::about(error, &app.text))?
    {
        Reply::App(found) => Ok(*found),
        other => Err(Refusal::unexpected(&other)),
    }
}

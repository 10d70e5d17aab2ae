//! Additions: what is done to environments, and redeploying what was there: stop, start, suspend, activate, remove,
//! restart, rollback.

use super::error::{self, Refusal};
use super::key::Keyed;
use super::path::{NamedApp, NamedId};
use super::wire::deployment::Created;
use super::wire::name::EnvironmentName;
use super::wire::operation::Operations;
use super::wire::problem::Problem;
use super::wire::request::{ChangeRequest, RestartRequest, RollbackRequest};
use super::{MAX_BODY, Params, Route, parse, render};
use crate::api::Api;
use crate::api::arrival::Base;
use crate::core::access::Caller;
use crate::core::action::{Action, ChangeEnvironment, CreateDeployment, Reply, Target};
use crate::core::change::Change;
use crate::core::id::OperationSerial;
use axum::Extension;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use utoipa_axum::routes;

pub(super) fn routes() -> Vec<Route> {
    vec![
        routes!(remove),
        routes!(stop),
        routes!(start),
        routes!(suspend),
        routes!(activate),
        routes!(restart),
        routes!(rollback),
        routes!(show),
    ]
}

/// Stops an environment
#[utoipa::path(
    post, path = "/apps/{app}/stop", tag = "operations", operation_id = "stopEnvironment",
    params(
        ("app" = String, Path, description = "The app's id or name"),
        Keyed,
    ),
    request_body = inline(Option<ChangeRequest>),
    responses(
        (status = 202, body = Operations),
        (status = 400, body = Problem, description = "The body breaks a rule, or names an environment there is not"),
        (status = 404, body = Problem, description = "There is no such app"),
        (status = 409, body = Problem, description = "It is suspended"),
    ),
)]
async fn stop(
    state: State<Api>,
    caller: Extension<Caller>,
    keyed: Keyed,
    app: NamedApp,
    body: Body,
) -> Result<Response, Refusal> {
    ask(state, caller, keyed, app, body, Change::Stop).await
}

/// Starts an environment that was stopped
#[utoipa::path(
    post, path = "/apps/{app}/start", tag = "operations", operation_id = "startEnvironment",
    params(
        ("app" = String, Path, description = "The app's id or name"),
        Keyed,
    ),
    request_body = inline(Option<ChangeRequest>),
    responses(
        (status = 202, body = Operations),
        (status = 400, body = Problem, description = "The body breaks a rule, or names an environment there is not"),
        (status = 404, body = Problem, description = "There is no such app"),
        (status = 409, body = Problem, description = "It is suspended"),
    ),
)]
async fn start(
    state: State<Api>,
    caller: Extension<Caller>,
    keyed: Keyed,
    app: NamedApp,
    body: Body,
) -> Result<Response, Refusal> {
    ask(state, caller, keyed, app, body, Change::Start).await
}

/// Suspends an environment: nothing runs, and nothing can be deployed until it is activated
#[utoipa::path(
    post, path = "/apps/{app}/suspend", tag = "operations", operation_id = "suspendEnvironment",
    params(
        ("app" = String, Path, description = "The app's id or name"),
        Keyed,
    ),
    request_body = inline(Option<ChangeRequest>),
    responses(
        (status = 202, body = Operations),
        (status = 400, body = Problem, description = "The body breaks a rule, or names an environment there is not"),
        (status = 404, body = Problem, description = "There is no such app"),
        (status = 409, body = Problem, description = "It cannot be suspended now"),
    ),
)]
async fn suspend(
    state: State<Api>,
    caller: Extension<Caller>,
    keyed: Keyed,
    app: NamedApp,
    body: Body,
) -> Result<Response, Refusal> {
    ask(state, caller, keyed, app, body, Change::Suspend).await
}

/// Ends a suspension
#[utoipa::path(
    post, path = "/apps/{app}/activate", tag = "operations", operation_id = "activateEnvironment",
    params(
        ("app" = String, Path, description = "The app's id or name"),
        Keyed,
    ),
    request_body = inline(Option<ChangeRequest>),
    responses(
        (status = 202, body = Operations),
        (status = 400, body = Problem, description = "The body breaks a rule, or names an environment there is not"),
        (status = 404, body = Problem, description = "There is no such app"),
        (status = 409, body = Problem, description = "It is not suspended"),
    ),
)]
async fn activate(
    state: State<Api>,
    caller: Extension<Caller>,
    keyed: Keyed,
    app: NamedApp,
    body: Body,
) -> Result<Response, Refusal> {
    ask(state, caller, keyed, app, body, Change::Activate).await
}

async fn ask(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    keyed: Keyed,
    app: NamedApp,
    body: Body,
    change: Change,
) -> Result<Response, Refusal> {
    let body = parse::optional_object(body, MAX_BODY).await?;
    let asked = ChangeEnvironment {
        app: app.app,
        environments: parse::environments(&body)?,
        change,
        now: parse::flag(&body, "now")?,
        idle: false,
        key: keyed.key(&body)?,
    };
    carry_out(&api, &caller, &app.text, asked).await
}

/// Removes an app, or one of its environments, with its containers, images and networks
///
/// The history stays, and the volumes unless they are asked for.
#[utoipa::path(
    delete, path = "/apps/{app}", tag = "operations", operation_id = "removeApp",
    params(
        ("app" = String, Path, description = "The app's id or name"),
        ("environment" = inline(Option<EnvironmentName>), Query, description = "Only this one; all of them if absent"),
        ("volumes" = Option<bool>, Query, description = "Whether the volumes go, too"),
        Keyed,
    ),
    responses(
        (status = 202, body = Operations),
        (status = 400, body = Problem, description = "A parameter breaks a rule, or names an environment there is not"),
        (status = 404, body = Problem, description = "There is no such app"),
        (status = 409, body = Problem, description = "The key was used for another request"),
    ),
)]
async fn remove(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    keyed: Keyed,
    app: NamedApp,
    Query(params): Params,
) -> Result<Response, Refusal> {
    let asked = ChangeEnvironment {
        app: app.app,
        environments: parse::environments_of_query(&params)?,
        change: Change::Remove {
            volumes: parse::flag_of_query(&params, "volumes")?,
        },
        now: true,
        idle: false,
        key: keyed.key(&parse::Object::new())?,
    };
    carry_out(&api, &caller, &app.text, asked).await
}

async fn carry_out(
    api: &Api,
    caller: &Caller,
    app: &str,
    asked: ChangeEnvironment,
) -> Result<Response, Refusal> {
    match api
        .agent
        .dispatch(caller, Action::Change(asked))
        .await
        .map_err(|error| error::about(error, app))?
    {
        Reply::Changes(views) => Ok(render::changes(&views, StatusCode::ACCEPTED)),
        other => Err(Refusal::unexpected(&other)),
    }
}

/// Shows an operation
#[utoipa::path(
    get, path = "/operations/{id}", tag = "operations", operation_id = "getOperation",
    params(("id" = String, Path, description = "The operation's number")),
    responses(
        (status = 200, body = Operations),
        (status = 404, body = Problem, description = "There is no such operation"),
    ),
)]
async fn show(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    NamedId(id): NamedId,
) -> Result<Response, Refusal> {
    // What is no number is an operation there is not.
    let serial = OperationSerial(id.parse().unwrap_or(0));
    match api
        .agent
        .dispatch(&caller, Action::GetChange(serial))
        .await
        .map_err(|error| error::about(error, &id))?
    {
        Reply::Changes(views) => Ok(render::changes(&views, StatusCode::OK)),
        other => Err(Refusal::unexpected(&other)),
    }
}

/// Runs again what is live, with today's configuration and secrets
#[utoipa::path(
    post, path = "/apps/{app}/restart", tag = "deployments", operation_id = "restart",
    params(
        ("app" = String, Path, description = "The app's id or name"),
        Keyed,
    ),
    request_body = inline(Option<RestartRequest>),
    responses(
        (status = 201, body = Created, headers(("location" = String, description = "Where it can be looked at"))),
        (status = 400, body = Problem, description = "The body breaks a rule"),
        (status = 404, body = Problem, description = "There is no such app"),
        (status = 409, body = Problem, description = "Nothing is live, or the environment takes no deployment now"),
    ),
)]
async fn restart(
    state: State<Api>,
    caller: Extension<Caller>,
    base: Base,
    uri: Uri,
    headers: HeaderMap,
    app: NamedApp,
    body: Body,
) -> Result<Response, Refusal> {
    let body = parse::optional_object(body, MAX_BODY).await?;
    let create = parse::create_again(app.app, &uri, &body, &headers, Target::Restart)?;
    created(state, caller, base, &app.text, create).await
}

/// Makes an earlier release live again
///
/// Its image, environment and limits, with today's secrets.
#[utoipa::path(
    post, path = "/apps/{app}/rollback", tag = "deployments", operation_id = "rollback",
    params(
        ("app" = String, Path, description = "The app's id or name"),
        Keyed,
    ),
    request_body = inline(Option<RollbackRequest>),
    responses(
        (status = 201, body = Created, headers(("location" = String, description = "Where it can be looked at"))),
        (status = 400, body = Problem, description = "The body breaks a rule, or there is no such release"),
        (status = 404, body = Problem, description = "There is no such app"),
        (status = 409, body = Problem, description = "There is nothing to go back to, or the environment takes no deployment now"),
    ),
)]
async fn rollback(
    state: State<Api>,
    caller: Extension<Caller>,
    base: Base,
    uri: Uri,
    headers: HeaderMap,
    app: NamedApp,
    body: Body,
) -> Result<Response, Refusal> {
    let body = parse::optional_object(body, MAX_BODY).await?;
    let target = Target::Release(parse::release(&body)?);
    let create = parse::create_again(app.app, &uri, &body, &headers, target)?;
    created(state, caller, base, &app.text, create).await
}

async fn created(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    base: Base,
    app: &str,
    create: CreateDeployment,
) -> Result<Response, Refusal> {
    match api
        .agent
        .dispatch(&caller, Action::CreateDeployment(create))
        .await
        .map_err(|error| error::about(error, app))?
    {
        Reply::Deployment(view) => Ok(render::created(&view, &base)),
        Reply::Ignored(reason) => Err(reason.into()),
        other => Err(Refusal::unexpected(&other)),
    }
}

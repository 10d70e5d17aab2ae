//! Additions: runs of jobs.

use super::deployments::log_of;
use super::error::{self, Refusal};
use super::key::Keyed;
use super::path::{NamedApp, NamedId};
use super::wire::PageMeta;
use super::wire::log::{LogLine, LogLines};
use super::wire::name::{EnvironmentName, EventId};
use super::wire::problem::Problem;
use super::wire::run::{NewRun, Run, Runs};
use super::{MAX_BODY, Params, Route, id, parse, render};
use crate::api::Api;
use crate::api::follow::Followers;
use crate::core::access::Caller;
use crate::core::action::{Action, Reply, RunJob, RunView};
use axum::Extension;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use utoipa_axum::routes;
use uuid::Uuid;

pub(super) fn routes() -> Vec<Route> {
    vec![
        routes!(list, create),
        routes!(show),
        routes!(cancel),
        routes!(logs),
    ]
}

/// Runs a job once, as it is live
///
/// The answer comes when the run is on disk.
#[utoipa::path(
    post, path = "/apps/{app}/runs", tag = "runs", operation_id = "createRun",
    params(
        ("app" = String, Path, description = "The app's id or name"),
        Keyed,
    ),
    request_body = inline(Option<NewRun>),
    responses(
        (status = 201, body = Run),
        (status = 400, body = Problem, description = "The body breaks a rule, names an event or environment there is not, or the app is no job"),
        (status = 404, body = Problem, description = "There is no such app"),
        (status = 409, body = Problem, description = "Another run is at work, nothing is live, or the environment does not run"),
    ),
)]
async fn create(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    keyed: Keyed,
    app: NamedApp,
    body: Body,
) -> Result<Response, Refusal> {
    let body = parse::optional_object(body, MAX_BODY).await?;
    let asked = RunJob {
        app: app.app,
        environment: parse::environment(&body)?,
        event: parse::job_event(&body)?,
        key: keyed.key(&body)?,
    };
    let made = api.agent.dispatch(&caller, Action::RunJob(asked)).await;
    let made = run(made.map_err(|error| error::about(error, &app.text))?)?;
    Ok((StatusCode::CREATED, render::json(&Run::from(&made))).into_response())
}

/// Lists the runs of a job, newest first
#[utoipa::path(
    get, path = "/apps/{app}/runs", tag = "runs", operation_id = "listRuns",
    params(
        ("app" = String, Path, description = "The app's id or name"),
        ("environment" = inline(Option<EnvironmentName>), Query, description = "The token's own, else the app's default, if absent"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100, description = "20 if absent"),
        ("offset" = Option<i64>, Query, minimum = 0, description = "How many to skip"),
    ),
    responses(
        (status = 200, body = Runs),
        (status = 400, body = Problem, description = "A parameter breaks a rule, or names an environment there is not"),
        (status = 404, body = Problem, description = "There is no such app"),
    ),
)]
async fn list(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    app: NamedApp,
    Query(params): Params,
) -> Result<Response, Refusal> {
    let asked = parse::runs(app.app, &params)?;
    let (limit, offset) = (asked.limit, asked.offset);
    match api
        .agent
        .dispatch(&caller, Action::ListRuns(asked))
        .await
        .map_err(|error| error::about(error, &app.text))?
    {
        Reply::Runs { items, total } => {
            let meta = PageMeta {
                limit: limit.into(),
                offset,
                total,
            };
            Ok(render::json(&Runs::new(&items, meta)))
        }
        other => Err(Refusal::unexpected(&other)),
    }
}

/// Shows a run
#[utoipa::path(
    get, path = "/runs/{id}", tag = "runs", operation_id = "getRun",
    params(("id" = String, Path, description = "The run's id")),
    responses(
        (status = 200, body = Run),
        (status = 404, body = Problem, description = "There is no such run"),
    ),
)]
async fn show(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    NamedId(text): NamedId,
) -> Result<Response, Refusal> {
    let found = find(&api, &caller, &text).await?;
    Ok(render::json(&Run::from(&found)))
}

/// Cancels a run
///
/// The run of a deployment takes that with it; a stop, start, suspension or activation fails with its run. The run of a
/// removal needs deploy:admin, and the removal goes on without it.
#[utoipa::path(
    post, path = "/runs/{id}/cancel", tag = "runs", operation_id = "cancelRun",
    params(("id" = String, Path, description = "The run's id")),
    responses(
        (status = 200, body = Run),
        (status = 404, body = Problem, description = "There is no such run"),
        (status = 409, body = Problem, description = "It has ended, or its deployment can no longer be cancelled"),
    ),
)]
async fn cancel(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    NamedId(text): NamedId,
) -> Result<Response, Refusal> {
    let cancelled = api.agent.dispatch(&caller, Action::CancelRun(named(&text)));
    let cancelled = cancelled
        .await
        .map_err(|error| error::about(error, &text))?;
    Ok(render::json(&Run::from(&run(cancelled)?)))
}

/// Reads a run's log
///
/// In the forms of a deployment's. What a run printed that is a part of a deployment is in that one's log, and this is that.
#[utoipa::path(
    get, path = "/runs/{id}/logs", tag = "runs", operation_id = "getRunLogs",
    params(
        ("id" = String, Path, description = "The run's id"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "How many lines as JSON; 100 if absent"),
        ("offset" = Option<i64>, Query, minimum = 0, description = "How many lines to skip"),
        ("from" = Option<i64>, Query, minimum = 0, description = "The byte to begin at"),
        ("Last-Event-ID" = inline(Option<EventId>), Header,
            description = "Where a client that was cut off goes on following; counts more than `from`"),
        ("wait" = Option<bool>, Query, description = "With `from`: whether to wait for a line if there is none yet"),
    ),
    responses(
        (status = 200, content(
            (LogLines = "application/json"),
            (String = "text/plain"),
            (LogLine = "text/event-stream"),
        )),
        (status = 400, body = Problem, description = "A parameter breaks a rule"),
        (status = 404, body = Problem, description = "There is no such run"),
    ),
)]
async fn logs(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(followers): Extension<Followers>,
    NamedId(text): NamedId,
    headers: HeaderMap,
    Query(params): Params,
) -> Result<Response, Refusal> {
    let wanted = parse::log(&params, &headers)?;
    let found = find(&api, &caller, &text).await?;
    log_of(
        &api,
        (&caller, &followers, &headers),
        (found.log, &text),
        wanted,
    )
    .await
}

/// The run of that id; what can be none's is asked for all the same, and is a 404.
async fn find(api: &Api, caller: &Caller, text: &str) -> Result<RunView, Refusal> {
    let found = api
        .agent
        .dispatch(caller, Action::GetRun(named(text)))
        .await;
    run(found.map_err(|error| error::about(error, text))?)
}

fn named(text: &str) -> Uuid {
    id::parse("run_", text).unwrap_or(parse::NOTHING)
}

fn run(reply: Reply) -> Result<RunView, Refusal> {
    match reply {
        Reply::Run(view) => Ok(*view),
        other => Err(Refusal::unexpected(&other)),
    }
}

//! Deployments: create, list, show, cancel, read the log.

use super::error::{self, Refusal};
use super::follow::{self, Follower};
use super::key::Keyed;
use super::parse;
use super::path::Named;
use super::wire::PageMeta;
use super::wire::deployment::{Cancelled, Created, Deployment, DeploymentPage};
use super::wire::log::{LogLine, LogLines};
use super::wire::name::{EventId, ListedEnvironment};
use super::wire::problem::Problem;
use super::wire::request::NewDeployment;
use super::wire::word::Status;
use super::{MAX_BODY, Params, Route, render};
use crate::api::Api;
use crate::api::arrival::Base;
use crate::api::follow::Followers;
use crate::core::access::Caller;
use crate::core::action::{Action, Deletion, ReadLog, Reply};
use axum::Extension;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;
use utoipa_axum::routes;
use uuid::Uuid;

pub(super) fn routes() -> Vec<Route> {
    vec![
        routes!(list, create),
        routes!(show, delete),
        routes!(cancel),
        routes!(logs),
    ]
}

/// Asks for a deployment
///
/// Branch and commit are looked up at the remote before the answer; the answer comes when the deployment is on disk.
#[utoipa::path(
    post, path = "/deployments", tag = "deployments", operation_id = "createDeployment",
    params(Keyed),
    request_body = NewDeployment,
    responses(
        (status = 201, body = Created, headers(("location" = String, description = "Where it can be looked at"))),
        (status = 400, body = Problem, description = "The body breaks a rule, or names what the repository does not have"),
        (status = 404, body = Problem, description = "There is no such app"),
        (status = 409, body = Problem, description = "The environment takes no deployment now, or the key was used for another request"),
    ),
)]
async fn create(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    base: Base,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let body = parse::object(body, MAX_BODY).await?;
    let create = parse::create(&body, &headers, |app, environment| {
        api.agent.runs_image(&caller, app, environment)
    })?;
    let asked = body.get("project_id").and_then(Value::as_str);
    match api
        .agent
        .dispatch(&caller, Action::CreateDeployment(create))
        .await
        .map_err(|error| error::about(error, asked.unwrap_or_default()))?
    {
        Reply::Deployment(view) => Ok(render::created(&view, &base)),
        Reply::Ignored(reason) => Err(reason.into()),
        other => Err(Refusal::unexpected(&other)),
    }
}

/// Lists deployments, newest first
#[utoipa::path(
    get, path = "/deployments", tag = "deployments", operation_id = "listDeployments",
    params(
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100, description = "20 if absent"),
        ("offset" = Option<i64>, Query, minimum = 0, description = "How many to skip"),
        ("status" = Option<Status>, Query, description = "Only those in this state"),
        ("project_id" = Option<String>, Query, description = "Only this app's, by id or name"),
        ("environment" = inline(Option<ListedEnvironment>), Query, description = "Only those of environments of this name"),
    ),
    responses(
        (status = 200, body = DeploymentPage),
        (status = 400, body = Problem, description = "A parameter breaks a rule"),
        (status = 404, body = Problem, description = "There is no such app"),
    ),
)]
async fn list(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    base: Base,
    Query(params): Params,
) -> Result<Response, Refusal> {
    let list = parse::list(&params)?;
    let (limit, offset) = (list.limit, list.offset);
    let asked = params.get("project_id");
    match api
        .agent
        .dispatch(&caller, Action::ListDeployments(list))
        .await
        .map_err(|error| error::about(error, asked.map_or("", String::as_str)))?
    {
        Reply::Deployments { items, total } => {
            let meta = PageMeta {
                limit: limit.into(),
                offset,
                total,
            };
            Ok(render::json(&DeploymentPage::new(&items, meta, &base)))
        }
        other => Err(Refusal::unexpected(&other)),
    }
}

/// Shows a deployment
#[utoipa::path(
    get, path = "/deployments/{id}", tag = "deployments", operation_id = "getDeployment",
    params(("id" = String, Path, description = "The deployment's id")),
    responses(
        (status = 200, body = Deployment),
        (status = 404, body = Problem, description = "There is no such deployment"),
    ),
)]
async fn show(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    base: Base,
    named: Named,
) -> Result<Response, Refusal> {
    match api
        .agent
        .dispatch(&caller, Action::GetDeployment(named.deployment.into()))
        .await
        .map_err(|error| error::about(error, &named.text))?
    {
        Reply::Deployment(view) => Ok(render::json(&Deployment::new(&view, &base))),
        Reply::Recorded(view) => Ok(render::json(&Deployment::recorded(&view, &base))),
        other => Err(Refusal::unexpected(&other)),
    }
}

/// Cancels a deployment
///
/// Possible until its release is live, and again after it was cancelled. What ran before goes on running.
#[utoipa::path(
    post, path = "/deployments/{id}/cancel", tag = "deployments", operation_id = "cancelDeployment",
    params(("id" = String, Path, description = "The deployment's id")),
    responses(
        (status = 200, body = Cancelled),
        (status = 404, body = Problem, description = "There is no such deployment"),
        (status = 409, body = Problem, description = "It is too late, or it was only recorded"),
    ),
)]
async fn cancel(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    named: Named,
) -> Result<Response, Refusal> {
    match api
        .agent
        .dispatch(&caller, Action::CancelDeployment(named.deployment.into()))
        .await
        .map_err(|error| error::about(error, &named.text))?
    {
        Reply::Deployment(view) => Ok(render::json(&Cancelled::from(&*view))),
        other => Err(Refusal::unexpected(&other)),
    }
}

/// Deletes a deployment that has ended: nothing shows it any more
///
/// The live one only with `force`, which stops its environment first and waits until that is done. What is live and
/// what can be gone back to stays as it is.
#[utoipa::path(
    delete, path = "/deployments/{id}", tag = "deployments", operation_id = "deleteDeployment",
    params(
        ("id" = String, Path, description = "The deployment's id"),
        ("force" = Option<bool>, Query, description = "The live one, too: its environment is stopped"),
    ),
    responses(
        (status = 204, description = "It is gone"),
        (status = 400, body = Problem, description = "A parameter breaks a rule"),
        (status = 404, body = Problem, description = "There is no such deployment"),
        (status = 409, body = Problem, description = "It has not ended, it is live, or it is the newest success that was recorded"),
    ),
)]
async fn delete(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    named: Named,
    Query(params): Params,
) -> Result<Response, Refusal> {
    let delete = Action::DeleteDeployment {
        which: named.deployment.into(),
        how: match parse::flag_of_query(&params, "force")? {
            true => Deletion::Force,
            false => Deletion::Ended,
        },
    };
    match api
        .agent
        .dispatch(&caller, delete)
        .await
        .map_err(|error| error::about(error, &named.text))?
    {
        Reply::Gone => Ok(StatusCode::NO_CONTENT.into_response()),
        other => Err(Refusal::unexpected(&other)),
    }
}

/// Reads a deployment's log
///
/// As text; as JSON where `Accept` names it; with `from` whole lines from that byte on, and in `X-Longshore-Next` where
/// to go on. Where `Accept` names `text/event-stream`, as Server-Sent Events until the log's end, which an event `end`
/// tells: each is a line as JSON, its id the byte to go on at.
#[utoipa::path(
    get, path = "/deployments/{id}/logs", tag = "deployments", operation_id = "getDeploymentLogs",
    params(
        ("id" = String, Path, description = "The deployment's id"),
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
        (status = 404, body = Problem, description = "There is no such deployment"),
        (status = 409, body = Problem, description = "It was only recorded: who executed it has the log"),
    ),
)]
async fn logs(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(followers): Extension<Followers>,
    named: Named,
    headers: HeaderMap,
    Query(params): Params,
) -> Result<Response, Refusal> {
    let wanted = parse::log(&params, &headers)?;
    let Named { deployment, text } = &named;
    log_of(
        &api,
        (&caller, &followers, &headers),
        (*deployment, text),
        wanted,
    )
    .await
}

/// A log in the form that was asked for: of a deployment or a run, which the caller calls `text`.
pub(super) async fn log_of(
    api: &Api,
    (caller, followers, headers): (&Caller, &Followers, &HeaderMap),
    (deployment, text): (Uuid, &str),
    wanted: parse::LogForm,
) -> Result<Response, Refusal> {
    match wanted {
        parse::LogForm::Piece { from, wait } => {
            let read = ReadLog {
                deployment,
                from,
                limit: 0,
                wait,
            };
            match api
                .agent
                .dispatch(caller, Action::ReadLog(read))
                .await
                .map_err(|error| error::about(error, text))?
            {
                Reply::Log(page) => Ok(render::log_piece(page)),
                other => Err(Refusal::unexpected(&other)),
            }
        }
        parse::LogForm::Followed { from } => {
            let first = render::read_piece(api, caller, deployment, from)
                .await
                .map_err(|error| error::about(error, text))?;
            let follower = Follower::join(api, followers, caller, headers)?;
            Ok(follow::log(follower, deployment, first))
        }
        parse::LogForm::Whole => {
            // The first piece is read before the answer begins, so that a missing deployment is a 404.
            let first = render::read_piece(api, caller, deployment, 0)
                .await
                .map_err(|error| error::about(error, text))?;
            Ok(render::whole_log(
                api.clone(),
                caller.clone(),
                deployment,
                first,
            ))
        }
        parse::LogForm::Lines { limit, offset } => {
            let lines = render::log_lines(api, caller, deployment, limit, offset).await;
            lines.map_err(|error| error::about(error, text))
        }
    }
}

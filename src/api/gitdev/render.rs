//! Replies to git.dev's answers, with our additions.

use super::error::Refusal;
use super::{id, words};
use crate::api::Api;
use crate::core::access::Caller;
use crate::core::action::{
    Action, AppView, ChangeView, DeploymentView, LogPage, ReadLog, Reply, Version,
};
use crate::core::change::ChangePhase;
use crate::core::deployment::{Phase, Step, Trigger, Wanted};
use crate::core::error::Error;
use crate::core::failure::Failure;
use crate::core::log::parse_line;
use crate::core::time::Timestamp;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Serialize;
use serde_json::{Value, json as object};
use uuid::Uuid;

/// Where to go on reading a log, in bytes.
const NEXT: HeaderName = HeaderName::from_static("x-longshore-next");
/// Whether no line will follow.
const COMPLETE: HeaderName = HeaderName::from_static("x-longshore-complete");

/// A JSON body with the content type the contract names.
pub(super) fn json(body: &Value) -> Response {
    let content_type = HeaderValue::from_static("application/json; charset=utf-8");
    ([(header::CONTENT_TYPE, content_type)], body.to_string()).into_response()
}

/// The same of a value of ours.
pub(super) fn body(value: &impl Serialize) -> Result<Response, Refusal> {
    let value =
        serde_json::to_value(value).map_err(|error| Refusal::internal(error.to_string()))?;
    Ok(json(&value))
}

/// What absolute URLs begin with: the configured address, else the one the client used.
pub(super) fn base(api: &Api, headers: &HeaderMap, uri: &Uri) -> String {
    if let Some(public) = &api.public_url {
        return public.clone();
    }
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .or_else(|| uri.authority().map(|a| a.as_str()));
    // A Host that is no host would make the URL lie about where it leads.
    let is_host = |host: &&str| {
        host.bytes().all(|b| {
            b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']' | b'_')
        })
    };
    format!(
        "http://{}",
        host.filter(|host| !host.is_empty())
            .filter(is_host)
            .unwrap_or("localhost")
    )
}

pub(super) fn created(view: &DeploymentView, base: &str) -> Response {
    let id = id::deployment(view.deployment.id);
    let url = address(base, &id);
    let (branch, commit, image) = source(view);
    let body = object!({
        "id": id,
        "status": "queued",
        "project_id": id::project(view.app_id),
        "branch": branch,
        "commit_sha": commit,
        "created_at": view.deployment.created_at.to_seconds_string(),
        "url": url,
        "app": view.app.as_str(),
        "environment": view.environment.as_str(),
        "image": image,
    });
    let location =
        HeaderValue::from_str(&url).unwrap_or_else(|_| HeaderValue::from_static("/v1/deployments"));
    (
        StatusCode::CREATED,
        [(header::LOCATION, location)],
        json(&body),
    )
        .into_response()
}

pub(super) fn deployment(view: &DeploymentView, base: &str) -> Response {
    let deployment = &view.deployment;
    let id = id::deployment(deployment.id);
    let (branch, commit, image) = source(view);
    let url = address(base, &id);
    let succeeded = matches!(deployment.phase, Phase::Succeeded { .. });
    let cancelled = view.cancelled_by.as_ref().map(|by| id::user(by.id));
    let steps: Vec<Value> = view
        .steps
        .iter()
        .map(|step| object!({ "name": step.step.as_str(), "started_at": time(step.started_at), "ended_at": time(step.ended_at) }))
        .collect();
    json(&object!({
        "id": id,
        "status": words::status(&deployment.phase),
        "project_id": id::project(view.app_id),
        "branch": branch,
        "commit_sha": commit,
        "build_duration": build_duration(view),
        "deploy_url": succeeded.then_some(&url),
        "logs_url": format!("{url}/logs"),
        "created_at": deployment.created_at.to_seconds_string(),
        "completed_at": time(deployment.phase.ended_at()),
        "cancelled_at": cancelled.as_ref().and(deployment.phase.ended_at()).map(Timestamp::to_seconds_string),
        "cancelled_by": cancelled,
        "cancelled_by_name": view.cancelled_by.as_ref().map(|by| &by.name),
        "error": failure(&deployment.phase),
        "app": view.app.as_str(),
        "environment": view.environment.as_str(),
        "image": image,
        "release": view.release,
        "rollback": view.rollback_to.map(|release| object!({ "active": view.live, "of": release })),
        "restart": deployment.request.wanted == Wanted::Restart,
        "live": view.live,
        "trigger": match deployment.request.trigger { Trigger::Manual => "manual", Trigger::Automatic => "automatic" },
        "created_by": view.by.name,
        "superseded": matches!(deployment.phase, Phase::Superseded { .. }),
        "commit": deployment.commit.as_ref().map(|commit| object!({ "message": commit.message, "author": commit.author })),
        "steps": steps,
        "restore_failed": view.restore_failed,
    }))
}

pub(super) fn list(
    views: &[DeploymentView],
    total: u64,
    limit: u32,
    offset: u64,
    base: &str,
) -> Response {
    let item = |view: &DeploymentView| {
        let id = id::deployment(view.deployment.id);
        let (branch, commit, image) = source(view);
        object!({
            "url": address(base, &id),
            "id": id,
            "status": words::status(&view.deployment.phase),
            "project_id": id::project(view.app_id),
            "branch": branch,
            "commit_sha": commit,
            "created_at": view.deployment.created_at.to_seconds_string(),
            "completed_at": time(view.deployment.phase.ended_at()),
            "app": view.app.as_str(),
            "environment": view.environment.as_str(),
            "image": image,
            "release": view.release,
            "live": view.live,
        })
    };
    let data: Vec<Value> = views.iter().map(item).collect();
    json(&object!({ "data": data, "meta": { "total": total, "limit": limit, "offset": offset } }))
}

pub(super) fn cancelled(view: &DeploymentView) -> Response {
    json(&object!({
        "id": id::deployment(view.deployment.id),
        "status": words::status(&view.deployment.phase),
        "cancelled_by": view.cancelled_by.as_ref().map(|by| id::user(by.id)),
        "cancelled_at": time(view.deployment.phase.ended_at()),
    }))
}

pub(super) fn apps(apps: &[AppView]) -> Response {
    let app = |app: &AppView| {
        let environments: Vec<Value> = app
            .environments
            .iter()
            .map(|environment| {
                object!({
                    "name": environment.name.as_str(),
                    "desired": environment.desired.as_str(),
                    "configured": environment.configured,
                    "drift": environment.drift,
                    "live_release": environment.live_release,
                    "live_deployment": environment.live_deployment.map(id::deployment),
                    "address": environment.address,
                    "version": environment.live_version,
                })
            })
            .collect();
        object!({
            "name": app.name.as_str(),
            "id": id::project(app.id),
            "project": app.project.as_str(),
            "configured": app.configured,
            "environments": environments,
        })
    };
    let data: Vec<Value> = apps.iter().map(app).collect();
    json(&object!({ "data": data }))
}

/// An addition: whole lines, and where to go on.
pub(super) fn log_piece(page: LogPage) -> Response {
    let headers = [
        (NEXT, HeaderValue::from(page.next)),
        (
            COMPLETE,
            HeaderValue::from_static(if page.complete { "true" } else { "false" }),
        ),
    ];
    (headers, [(header::CONTENT_TYPE, PLAIN)], page.text).into_response()
}

const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

pub(super) async fn read_piece(
    api: &Api,
    caller: &Caller,
    deployment: Uuid,
    from: u64,
) -> Result<LogPage, Error> {
    let read = ReadLog {
        deployment,
        from,
        limit: u64::MAX,
        wait: false,
    };
    match api.agent.dispatch(caller, Action::ReadLog(read)).await? {
        Reply::Log(page) => Ok(page),
        _ => Err(Error::Internal("a reply does not fit its action".into())),
    }
}

/// The whole log, piece by piece, so that a large one is never held in memory.
pub(super) fn whole_log(api: Api, caller: Caller, deployment: Uuid, first: LogPage) -> Response {
    let pieces = stream::unfold(Some(first), move |page| {
        let (api, caller) = (api.clone(), caller.clone());
        async move {
            let page = page.filter(|page| !page.text.is_empty())?;
            let next = read_piece(&api, &caller, deployment, page.next).await.ok();
            Some((
                Ok::<Bytes, std::convert::Infallible>(Bytes::from(page.text)),
                next,
            ))
        }
    });
    ([(header::CONTENT_TYPE, PLAIN)], Body::from_stream(pieces)).into_response()
}

/// A page of a log as JSON objects.
pub(super) async fn log_lines(
    api: &Api,
    caller: &Caller,
    deployment: Uuid,
    limit: u64,
    offset: u64,
) -> Result<Response, Error> {
    let (mut data, mut total, mut from) = (Vec::new(), 0u64, 0u64);
    loop {
        let page = read_piece(api, caller, deployment, from).await?;
        if page.text.is_empty() {
            break;
        }
        from = page.next;
        for line in page.text.lines().filter_map(parse_line) {
            if total >= offset && total - offset < limit {
                data.push(object!({ "timestamp": line.timestamp, "stream": line.stream, "message": line.text, "step": line.step }));
            }
            total += 1;
        }
    }
    Ok(json(
        &object!({ "data": data, "meta": { "total": total, "limit": limit, "offset": offset } }),
    ))
}

fn address(base: &str, id: &str) -> String {
    format!("{base}/v1/deployments/{id}")
}

/// Branch, commit and image: the commit in the caller's spelling if they gave one.
fn source(view: &DeploymentView) -> (Option<&str>, Option<&str>, Option<&str>) {
    match &view.deployment.request.wanted {
        Wanted::Commit { branch, sha, asked } => (
            Some(branch.as_str()),
            Some(asked.as_deref().unwrap_or(sha.as_str())),
            None,
        ),
        Wanted::Image(image) => (None, None, Some(image.as_str())),
        Wanted::Release(_) | Wanted::Restart => match &view.version {
            Some(Version::Commit(sha)) => (None, Some(sha.as_str()), None),
            Some(Version::Image(image)) => (None, None, Some(image)),
            None => (None, None, None),
        },
    }
}

fn time(at: Option<Timestamp>) -> Option<String> {
    at.map(Timestamp::to_seconds_string)
}

/// From the start of building (the checkout is part of it) to its end, in seconds with one decimal.
fn build_duration(view: &DeploymentView) -> Option<String> {
    let find = |wanted: Step| view.steps.iter().find(|step| step.step == wanted);
    let began = find(Step::Checkout)?.started_at?;
    let built = find(Step::Build)?.ended_at;
    let stopped = || {
        view.deployment
            .phase
            .ended_at()
            .and(find(Step::Checkout)?.ended_at)
    };
    let ended = built.or_else(stopped)?;
    let tenths = (ended.millis_since(began).max(0) + 50) / 100;
    Some(format!("{}.{}s", tenths / 10, tenths % 10))
}

/// Additions: changes of environments.
pub(super) fn changes(views: &[ChangeView], status: StatusCode) -> Response {
    let data: Vec<Value> = views.iter().map(change).collect();
    (status, json(&object!({ "data": data }))).into_response()
}

fn change(view: &ChangeView) -> Value {
    let error = match &view.change.phase {
        ChangePhase::Failed(failure) => Some(failure_object(failure)),
        ChangePhase::Queued | ChangePhase::Running | ChangePhase::Done | ChangePhase::Cancelled => {
            None
        }
    };
    object!({
        "id": view.change.serial,
        "operation": view.change.change.as_str(),
        "status": view.change.phase.as_str(),
        "app": view.app.as_str(),
        "environment": view.environment.as_str(),
        "created_at": view.change.created_at.to_seconds_string(),
        "created_by": view.by.name,
        "completed_at": time(view.done_at),
        "error": error,
    })
}

fn failure_object(failure: &Failure) -> Value {
    object!({
        "code": failure.code.as_str(),
        "message": failure.message,
        "output": failure.output,
        "next": failure.next,
    })
}

fn failure(phase: &Phase) -> Option<Value> {
    match phase {
        Phase::Failed { step, failure, .. } => {
            let mut shown = failure_object(failure);
            shown["step"] = step.as_str().into();
            Some(shown)
        }
        Phase::Queued
        | Phase::Running(_)
        | Phase::Committed(_)
        | Phase::Succeeded { .. }
        | Phase::Cancelled { .. }
        | Phase::Superseded { .. } => None,
    }
}

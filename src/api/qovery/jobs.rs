//! One job: what it is, how it stands, and what can be asked of it.

use super::deploy::{self, may};
use super::error::Refusal;
use super::path::{Job, service};
use super::wire::job::Job as Shown;
use super::wire::status::Status;
use super::{Params, Route, history, parse, render};
use crate::api::Api;
use crate::core::access::{Caller, Scope};
use axum::Extension;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde::Serialize;
use uuid::Uuid;

pub(super) fn routes() -> Vec<Route> {
    vec![
        ("/{jobId}", get(show)),
        ("/{jobId}/status", get(status)),
        ("/{jobId}/deploy", post(deploy)),
        ("/{jobId}/redeploy", post(redeploy)),
        ("/{jobId}/stop", post(stop)),
        ("/{jobId}/uninstall", post(uninstall)),
        ("/{jobId}/deploymentHistory", get(history::first)),
        ("/{jobId}/deploymentHistoryV2", get(history::second)),
        ("/{jobId}/cleanFailedJob", post(clean)),
    ]
}

async fn show(job: Job) -> Result<Response, Refusal> {
    let shown = Shown::new(&job.service, job.id);
    let shown = shown.ok_or_else(|| Refusal::no_job(&job.id.to_string()))?;
    Ok(render::json(&shown))
}

async fn status(job: Job) -> Response {
    render::json(&Status::new(&job.service, job.id))
}

async fn deploy(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    job: Job,
    Query(params): Params,
    body: Body,
) -> Result<Response, Refusal> {
    may(&caller, Scope::Write)?;
    let event = parse::force_event(&params)?;
    let version = parse::version(body).await?;
    deploy::deploy(&api, &caller, &job.service, version, event).await?;
    accepted(&api, &caller, job.id).await
}

/// Whatever its body and content type are: clients send neither.
async fn redeploy(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    job: Job,
    Query(params): Params,
) -> Result<Response, Refusal> {
    may(&caller, Scope::Write)?;
    let event = parse::force_event(&params)?;
    deploy::deploy(&api, &caller, &job.service, None, event).await?;
    accepted(&api, &caller, job.id).await
}

async fn stop(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    job: Job,
) -> Result<Response, Refusal> {
    may(&caller, Scope::Write)?;
    deploy::stop(&api, &caller, &job.service).await?;
    accepted(&api, &caller, job.id).await
}

async fn uninstall(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    job: Job,
) -> Result<Response, Refusal> {
    may(&caller, Scope::Admin)?;
    match deploy::uninstall(&api, &caller, &job.service).await? {
        true => accepted(&api, &caller, job.id).await,
        false => Ok(StatusCode::NO_CONTENT.into_response()),
    }
}

/// How it stands now that something was asked for: whoever asks at once is not told how it stood before.
async fn accepted(api: &Api, caller: &Caller, id: Uuid) -> Result<Response, Refusal> {
    let service = service(api, caller, id).await?;
    let status = render::json(&Status::new(&service, id));
    Ok((StatusCode::ACCEPTED, status).into_response())
}

/// What a run leaves behind is cleared away with its end: there is never anything left.
async fn clean(Extension(caller): Extension<Caller>, _: Job) -> Result<Response, Refusal> {
    may(&caller, Scope::Write)?;
    Ok(render::json(&Cleaned {
        clean_kubernetes_jobs: [],
    }))
}

/// What was cleared away.
#[derive(Serialize)]
struct Cleaned {
    clean_kubernetes_jobs: [&'static str; 0],
}

//! A job's history: its deployments, and the runs that belong to none of them.

use super::error::Refusal;
use super::parse::{HISTORY, page_size};
use super::path::Job;
use super::wire::Page;
use super::wire::history::{JobDeployment, ServiceDeployment};
use super::{Params, render};
use crate::api::Api;
use crate::core::access::Caller;
use crate::core::action::{Action, EnvironmentRef, Past, Reply, ServiceHistory};
use axum::Extension;
use axum::extract::{Query, State};
use axum::response::Response;

/// The first version: always the last twenty.
pub(super) async fn first(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    job: Job,
) -> Result<Response, Refusal> {
    let past = past(&api, &caller, &job, HISTORY).await?;
    let results = past
        .iter()
        .map(|past| JobDeployment::new(past, &job.service));
    Ok(render::json(&Page {
        page: 1,
        page_size: HISTORY,
        results: results.collect(),
    }))
}

/// The second.
pub(super) async fn second(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    job: Job,
    Query(params): Params,
) -> Result<Response, Refusal> {
    let size = page_size(&params);
    let past = past(&api, &caller, &job, size).await?;
    let results = past.iter();
    let results = results.map(|past| ServiceDeployment::new(past, &job.service, job.id));
    Ok(render::json(&Page {
        page: 1,
        page_size: size,
        results: results.collect(),
    }))
}

async fn past(api: &Api, caller: &Caller, job: &Job, limit: u32) -> Result<Vec<Past>, Refusal> {
    let asked = Action::ListHistory(ServiceHistory {
        environment: EnvironmentRef::Id(job.id),
        limit,
    });
    match api.agent.dispatch(caller, asked).await? {
        Reply::History(past) => Ok(past),
        other => Err(Refusal::unexpected(&other)),
    }
}

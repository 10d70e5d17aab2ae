//! Environments: their services together.

use super::deploy::{deploy, may};
use super::error::Refusal;
use super::parse::{self, Kind, Wish};
use super::path::{Environment, service, services};
use super::state::{Request, Standing};
use super::wire::Results;
use super::wire::environment::{EnvironmentStatus, EnvironmentStatuses};
use super::wire::job::Job;
use super::wire::status::Status;
use super::wire::word::{Freshness, Origin, State as Word};
use super::{Params, Route, render};
use crate::api::Api;
use crate::core::access::{Caller, Scope};
use crate::core::action::{Action, ListDeployments, Listed, Reply, ServiceView, StateFilter};
use crate::core::admission::MAX_QUEUE;
use crate::core::error::Error;
use crate::core::service::Newest;
use crate::core::spec::SourceSpec;
use axum::Extension;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use uuid::Uuid;

pub(super) fn routes() -> Vec<Route> {
    vec![
        ("/{environmentId}/job", get(jobs)),
        ("/{environmentId}/job/status", get(job_statuses)),
        ("/{environmentId}/service/deploy", post(deploy_services)),
        ("/{environmentId}/cancelDeployment", post(cancel)),
        ("/{environmentId}/status", get(status)),
        ("/{environmentId}/statuses", get(statuses)),
    ]
}

fn is_job(service: &&ServiceView) -> bool {
    service.job().is_some()
}

async fn jobs(environment: Environment, Query(params): Params) -> Response {
    let only_stale = parse::to_update(&params);
    let jobs = environment.services.iter().filter(is_job);
    let jobs = jobs.filter(|job| !only_stale || Freshness::of(job) == Freshness::OutOfDate);
    render::json(&Results {
        results: jobs
            .filter_map(|job| Job::new(job, job.environment.id))
            .collect(),
    })
}

async fn job_statuses(environment: Environment) -> Response {
    let jobs = environment.services.iter().filter(is_job);
    render::json(&Results {
        results: jobs.map(own_status).collect(),
    })
}

fn own_status(service: &ServiceView) -> Status {
    Status::new(service, service.environment.id)
}

async fn status(environment: Environment) -> Response {
    render::json(&together(environment.id, &environment.services))
}

/// A service that is no job is what Qovery calls an application where it is built, and a container where it is not.
async fn statuses(environment: Environment) -> Response {
    let services = &environment.services;
    let (jobs, others): (Vec<_>, Vec<_>) = services.iter().partition(is_job);
    let (built, pulled): (Vec<_>, Vec<_>) = others.into_iter().partition(|one| is_built(one));
    render::json(&EnvironmentStatuses {
        applications: built.into_iter().map(own_status).collect(),
        containers: pulled.into_iter().map(own_status).collect(),
        databases: [],
        environment: together(environment.id, services),
        helms: [],
        jobs: jobs.into_iter().map(own_status).collect(),
        terraforms: [],
    })
}

fn is_built(service: &ServiceView) -> bool {
    match (&service.environment.spec, &service.live) {
        (Some(spec), _) => matches!(spec.source, SourceSpec::Git(_)),
        (None, Some(live)) => live.content.sha.is_some(),
        (None, None) => false,
    }
}

/// How all of them stand together.
fn together(id: Uuid, services: &[ServiceView]) -> EnvironmentStatus {
    let all: Vec<(Standing, Option<Request>)> = services
        .iter()
        .map(|service| (Standing::of(service), Request::of(service)))
        .collect();
    let requests = all.iter().filter_map(|(_, request)| request.as_ref());
    let newest = requests.max_by_key(|request| request.operation);
    // What was still going on when the newest was asked for was asked for together with it.
    let is_of_it = |request: &Request| match (newest, request.ended_at) {
        (Some(newest), Some(ended_at)) => {
            request.operation == newest.operation || ended_at >= newest.created_at
        }
        (Some(_) | None, _) => true,
    };
    let wave = all.iter();
    let wave = wave.filter(|(_, request)| request.as_ref().is_some_and(is_of_it));
    let wave: Vec<_> = wave.collect();
    let of_wave = wave.iter().filter_map(|(_, request)| request.as_ref());
    let began = of_wave.clone().map(|request| request.created_at).min();
    let ended = of_wave
        .map(|request| request.ended_at)
        .max_by_key(|at| (at.is_none(), *at));
    let duration = began.zip(ended.flatten());
    EnvironmentStatus {
        deployment_request_id: newest.map(|request| request.id),
        deployment_status: freshness(services),
        id,
        last_deployment_date: newest.map(|request| request.changed_at.into()),
        last_deployment_id: newest.map(|request| request.id.to_string()),
        last_deployment_state: worst(wave.iter().copied()),
        origin: newest.map(|_| Origin::Api),
        state: worst(all.iter()),
        total_deployment_duration_in_seconds: duration
            .map(|(began, ended)| ended.millis_since(began).max(0) / 1000),
        triggered_by: newest.map(|request| request.by.clone()),
    }
}

/// What goes on comes first, then what went wrong; of the same the newest.
fn worst<'a>(all: impl Iterator<Item = &'a (Standing, Option<Request>)>) -> Word {
    let rank = |standing: &Standing| match standing.state {
        _ if standing.is_going_on() => 4,
        Word::BuildError | Word::DeploymentError | Word::StopError | Word::DeleteError => 3,
        Word::Canceled => 2,
        Word::Deployed | Word::Stopped | Word::Deleted => 1,
        Word::Ready
        | Word::DeploymentQueued
        | Word::Building
        | Word::Deploying
        | Word::Executing
        | Word::Canceling
        | Word::StopQueued
        | Word::Stopping
        | Word::DeleteQueued
        | Word::Deleting => 0,
    };
    let newest = |request: &Option<Request>| request.as_ref().map(|request| request.operation);
    let worst = all.max_by_key(|(standing, request)| (rank(standing), newest(request)));
    worst.map_or(Word::Ready, |(standing, _)| standing.state)
}

fn freshness(services: &[ServiceView]) -> Freshness {
    let each: Vec<Freshness> = services.iter().map(Freshness::of).collect();
    match each.iter().all(|one| *one == Freshness::NeverDeployed) {
        true => Freshness::NeverDeployed,
        false if each.contains(&Freshness::OutOfDate) => Freshness::OutOfDate,
        false => Freshness::UpToDate,
    }
}

async fn deploy_services(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    environment: Environment,
    body: Body,
) -> Result<Response, Refusal> {
    may(&caller, Scope::Write)?;
    let mut wanted = Vec::new();
    for wish in parse::wishes(body).await? {
        let found = service(&api, &caller, wish.id).await?;
        if found.environment.name != environment.name || !is_meant(&found, &wish) {
            return Err(Refusal::no_job(&wish.id.to_string()));
        }
        wanted.push((found, wish.version));
    }
    if wanted
        .iter()
        .any(|(found, _)| Standing::of(found).is_going_on())
    {
        return Err(Refusal::in_progress());
    }
    let mut made = Vec::new();
    for (found, version) in wanted {
        match deploy(&api, &caller, &found, version, None).await {
            Ok(id) => made.extend(id),
            Err(refusal) => {
                // All of them or none.
                for id in made {
                    cancel_one(&api, &caller, id).await?;
                }
                return Err(refusal);
            }
        }
    }
    accepted(&api, &caller, &environment).await
}

fn is_meant(service: &ServiceView, wish: &Wish) -> bool {
    match wish.kind {
        Kind::Job => service.job().is_some(),
        Kind::Application => service.job().is_none() && is_built(service),
        Kind::Container => service.job().is_none() && !is_built(service),
    }
}

/// Cancels every deployment of it that can be, and ends what a job runs because it is stopped, started or uninstalled; where
/// there is none of these that is no fault.
async fn cancel(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    environment: Environment,
) -> Result<Response, Refusal> {
    may(&caller, Scope::Write)?;
    for service in &environment.services {
        let asked = ListDeployments {
            environment_id: Some(service.environment.id),
            states: vec![
                StateFilter::Queued,
                StateFilter::Building,
                StateFilter::Deploying,
            ],
            limit: u32::try_from(MAX_QUEUE).unwrap_or(u32::MAX),
            ..ListDeployments::default()
        };
        let unfinished = match api
            .agent
            .dispatch(&caller, Action::ListDeployments(asked))
            .await?
        {
            Reply::Deployments { items, .. } => items,
            other => return Err(Refusal::unexpected(&other)),
        };
        for listed in unfinished {
            match listed {
                Listed::Executed(view) => cancel_one(&api, &caller, view.deployment.id).await?,
                Listed::Recorded(_) => {}
            }
        }
        if let Some(run) = run_of_change(service) {
            match api.agent.dispatch(&caller, Action::CancelRun(run)).await {
                // It ended by itself in between.
                Ok(_) | Err(Error::Refused(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    accepted(&api, &caller, &environment).await
}

/// What is at work there for the change that was asked for last.
fn run_of_change(service: &ServiceView) -> Option<Uuid> {
    match service.newest() {
        Newest::Change(asked) => {
            let run = &asked.run.as_ref()?.run;
            run.phase.ended_at().is_none().then_some(run.id)
        }
        Newest::Nothing | Newest::Deployment(_) => None,
    }
}

/// What is too late for it goes on.
async fn cancel_one(api: &Api, caller: &Caller, id: Uuid) -> Result<(), Refusal> {
    let asked = Action::CancelDeployment(id.into());
    match api.agent.dispatch(caller, asked).await {
        Ok(_) | Err(Error::NotCancellable(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

async fn accepted(
    api: &Api,
    caller: &Caller,
    environment: &Environment,
) -> Result<Response, Refusal> {
    let services = services(api, caller, Some(environment.name.clone())).await?;
    let status = render::json(&together(environment.id, &services));
    Ok((StatusCode::ACCEPTED, status).into_response())
}

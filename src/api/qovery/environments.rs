//! Environments: their services together.

use super::deploy::{deploy_together, may, wanted};
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
use crate::core::action::{
    Action, ListDeployments, ListServices, Listed, Reply, ServiceView, StateFilter,
};
use crate::core::admission::MAX_QUEUE;
use crate::core::change::Change;
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
    let wave = wave(&all);
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

/// What was asked for together with the newest: what still went on when that was asked for, what still went on when the oldest
/// of these was, and so on. For whoever waits for one of them all of them have not ended until now, and so none that went
/// wrong may be left out.
fn wave(all: &[(Standing, Option<Request>)]) -> Vec<&(Standing, Option<Request>)> {
    let mut all: Vec<_> = all
        .iter()
        .filter(|(_, request)| request.is_some())
        .collect();
    let order = |(standing, request): &(Standing, Option<Request>)| {
        let ended = request.as_ref().map_or(0, |request| request.told);
        if standing.is_going_on() {
            i64::MAX
        } else {
            ended
        }
    };
    all.sort_by_key(|one| std::cmp::Reverse(order(one)));
    let asked = |one: &&(Standing, Option<Request>)| one.1.as_ref().map(|request| request.asked);
    let Some(mut since) = all.iter().filter_map(asked).max() else {
        return Vec::new();
    };
    let is_of_it = |one: &&(Standing, Option<Request>)| {
        let is = order(one) >= since;
        since = since.min(asked(one).filter(|_| is).unwrap_or(since));
        is
    };
    all.into_iter().take_while(is_of_it).collect()
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
    let mut chosen = Vec::new();
    for wish in parse::wishes(body).await? {
        let found = service(&api, &caller, wish.id).await?;
        if found.environment.name != environment.name || !is_meant(&found, &wish) {
            return Err(Refusal::no_job(&wish.id.to_string()));
        }
        chosen.push((found, wish.version));
    }
    if chosen
        .iter()
        .any(|(found, _)| Standing::of(found).is_going_on())
    {
        return Err(Refusal::in_progress());
    }
    let mut all = Vec::new();
    for (found, version) in chosen {
        all.extend(wanted(&found, version, None)?);
    }
    deploy_together(&api, &caller, all).await?;
    accepted(&api, &caller, &environment).await
}

fn is_meant(service: &ServiceView, wish: &Wish) -> bool {
    match wish.kind {
        Kind::Job => service.job().is_some(),
        Kind::Application => service.job().is_none() && is_built(service),
        Kind::Container => service.job().is_none() && !is_built(service),
    }
}

/// Cancels every deployment of it that can be, and ends what a job runs because it is stopped or started; where there is none
/// of these that is no fault. What is uninstalled is left alone: that asks for more than the scope of this.
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
        Newest::Change(asked) => match asked.view.change.change {
            Change::Stop | Change::Start | Change::Suspend | Change::Activate => {
                let run = &asked.run.as_ref()?.run;
                run.phase.ended_at().is_none().then_some(run.id)
            }
            Change::Remove { .. } => None,
        },
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
    let named = ListServices::Named(environment.name.clone());
    let services = services(api, caller, named).await?;
    let status = render::json(&together(environment.id, &services));
    Ok((StatusCode::ACCEPTED, status).into_response())
}

//! The way down to a job by names: the organization, its project, that one's environments.

use super::error::Refusal;
use super::path::{hole, services, uuid};
use super::wire::place::{CloudProvider, Environment, Mode, NAME, Organization, Plan, Project};
use super::wire::{Reference, Results};
use super::{Route, render};
use crate::api::Api;
use crate::core::access::Caller;
use crate::core::action::{Action, ListServices, Reply, ServiceView};
use crate::core::service::id_of_name;
use crate::core::time::Timestamp;
use axum::Extension;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use std::collections::BTreeMap;
use uuid::Uuid;

pub(super) fn organizations() -> MethodRouter<Api> {
    get(list_organizations)
}

pub(super) fn of_organization() -> Vec<Route> {
    vec![
        ("/", organizations()),
        ("/{organizationId}/project", get(list_projects)),
    ]
}

pub(super) fn of_project() -> Vec<Route> {
    vec![("/{projectId}/environment", get(list_environments))]
}

/// The installation, and what the caller sees of it.
struct Installation {
    id: Uuid,
    services: Vec<ServiceView>,
}

impl Installation {
    async fn seen(api: &Api, caller: &Caller) -> Result<Self, Refusal> {
        match api.agent.dispatch(caller, Action::Introduce).await? {
            Reply::Introduced(introduced) => Ok(Self {
                id: introduced.instance,
                services: services(api, caller, ListServices::All).await?,
            }),
            other => Err(Refusal::unexpected(&other)),
        }
    }

    /// There is one.
    fn project(&self) -> Uuid {
        Uuid::new_v5(&self.id, b"/project")
    }

    /// Nobody wrote down when it was made: the oldest thing of it that can be seen is at least as young.
    fn created_at(&self) -> Timestamp {
        let all = self.services.iter();
        let all = all.map(|service| service.environment.created_at);
        all.min().unwrap_or(Timestamp(0))
    }
}

/// What stands in a path where an id is expected that there is one of.
struct Named(Option<Uuid>);

impl FromRequestParts<Api> for Named {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Refusal> {
        let organization = hole(parts, api, "organizationId").await;
        let project = hole(parts, api, "projectId").await;
        Ok(Self(uuid(&organization).or_else(|| uuid(&project))))
    }
}

async fn list_organizations(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, Refusal> {
    let seen = Installation::seen(&api, &caller).await?;
    Ok(render::json(&Results {
        results: vec![Organization {
            created_at: seen.created_at().into(),
            id: seen.id,
            name: NAME,
            plan: Plan::Free,
        }],
    }))
}

async fn list_projects(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Named(id): Named,
) -> Result<Response, Refusal> {
    let seen = Installation::seen(&api, &caller).await?;
    if id != Some(seen.id) {
        return Err(Refusal::not_found("there is no such organization"));
    }
    Ok(render::json(&Results {
        results: vec![Project {
            associated_environments_count: environments(&seen).len(),
            created_at: seen.created_at().into(),
            id: seen.project(),
            name: NAME,
            organization: Reference { id: seen.id },
        }],
    }))
}

async fn list_environments(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Named(id): Named,
) -> Result<Response, Refusal> {
    let seen = Installation::seen(&api, &caller).await?;
    if id != Some(seen.project()) {
        return Err(Refusal::not_found("there is no such project"));
    }
    let results = environments(&seen).into_values().map(|first| Environment {
        cloud_provider: CloudProvider {
            cluster: NAME,
            provider: "ON_PREMISE",
        },
        cluster_id: Uuid::new_v5(&seen.id, b"/cluster"),
        cluster_name: NAME,
        created_at: first.environment.created_at.into(),
        id: id_of_name(seen.id, &first.environment.name),
        mode: mode(first),
        name: first.environment.name.to_string(),
        organization: Reference { id: seen.id },
        project: Reference { id: seen.project() },
    });
    Ok(render::json(&Results {
        results: results.collect(),
    }))
}

/// The oldest service of each name.
fn environments(seen: &Installation) -> BTreeMap<&str, &ServiceView> {
    let mut named = BTreeMap::new();
    for service in &seen.services {
        let name = service.environment.name.as_str();
        named.entry(name).or_insert(service);
    }
    named
}

fn mode(service: &ServiceView) -> Mode {
    match service.environment.name.as_str() {
        _ if service.environment.preview => Mode::Preview,
        "production" => Mode::Production,
        "staging" => Mode::Staging,
        _ => Mode::Development,
    }
}

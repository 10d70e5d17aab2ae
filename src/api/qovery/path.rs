//! What a path names: a job, or an environment with its services. What can be no id is a 404 like an id that nobody has.

use super::error::Refusal;
use crate::api::{Api, path};
use crate::core::access::Caller;
use crate::core::action::{Action, EnvironmentRef, ListServices, Reply, ServiceView};
use crate::core::error::Error;
use crate::core::name::EnvironmentName;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use uuid::Uuid;

/// The job at `{jobId}`, if the caller can see it.
pub(super) struct Job {
    /// By what the caller knows it; it goes on to be known by that after it was uninstalled and deployed again.
    pub(super) id: Uuid,
    pub(super) service: ServiceView,
}

impl FromRequestParts<Api> for Job {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Refusal> {
        let text = hole(parts, api, "jobId").await;
        let (Some(id), Some(caller)) = (uuid(&text), parts.extensions.get::<Caller>()) else {
            return Err(Refusal::no_job(&text));
        };
        let service = service(api, caller, id).await?;
        match service.job() {
            Some(_) => Ok(Self { id, service }),
            None => Err(Refusal::no_job(&text)),
        }
    }
}

/// The service of an id.
pub(super) async fn service(api: &Api, caller: &Caller, id: Uuid) -> Result<ServiceView, Refusal> {
    let asked = Action::GetService(EnvironmentRef::Id(id));
    match api.agent.dispatch(caller, asked).await {
        Ok(Reply::Service(service)) => Ok(*service),
        Ok(other) => Err(Refusal::unexpected(&other)),
        Err(Error::EnvironmentIdNotFound(_)) => Err(Refusal::no_job(&id.to_string())),
        Err(error) => Err(error.into()),
    }
}

/// The environment at `{environmentId}`, if the caller can see something of it.
pub(super) struct Environment {
    pub(super) id: Uuid,
    pub(super) name: EnvironmentName,
    pub(super) services: Vec<ServiceView>,
}

impl FromRequestParts<Api> for Environment {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Refusal> {
        let text = hole(parts, api, "environmentId").await;
        let (Some(id), Some(caller)) = (uuid(&text), parts.extensions.get::<Caller>()) else {
            return Err(Refusal::no_environment(&text));
        };
        let services = services(api, caller, ListServices::OfName(id)).await?;
        match services.first() {
            Some(first) => Ok(Self {
                id,
                name: first.environment.name.clone(),
                services,
            }),
            None => Err(Refusal::no_environment(&text)),
        }
    }
}

/// Services that the caller can see.
pub(super) async fn services(
    api: &Api,
    caller: &Caller,
    which: ListServices,
) -> Result<Vec<ServiceView>, Refusal> {
    let asked = Action::ListServices(which);
    match api.agent.dispatch(caller, asked).await? {
        Reply::Services(services) => Ok(services),
        other => Err(Refusal::unexpected(&other)),
    }
}

/// What stands for a name in braces.
pub(super) async fn hole(parts: &mut Parts, api: &Api, name: &str) -> String {
    path::holes(parts, api)
        .await
        .remove(name)
        .unwrap_or_default()
}

/// An id as it is documented: with its dashes, in either case.
pub(super) fn uuid(text: &str) -> Option<Uuid> {
    let is_dashed = text.len() == uuid::fmt::Hyphenated::LENGTH;
    Uuid::try_parse(text).ok().filter(|_| is_dashed)
}

//! What a path names: an application, and a part of it. What can be no id is a 404 like an id that nobody has.

use super::error::Refusal;
use crate::api::{Api, path};
use crate::core::access::Caller;
use crate::core::action::{
    Action, AppRef, DeploymentView, EnvironmentDetail, EnvironmentRef, Listed, Reply,
};
use crate::core::error::Error;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use std::collections::HashMap;
use uuid::Uuid;

/// The application at `{id}`, if the caller can see it.
pub(super) struct Application {
    pub(super) environment: EnvironmentDetail,
    holes: HashMap<String, String>,
}

impl FromRequestParts<Api> for Application {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Refusal> {
        let holes = path::holes(parts, api).await;
        let text = holes.get("id").map_or("", String::as_str);
        let (Some(id), Some(caller)) = (uuid(text), parts.extensions.get::<Caller>()) else {
            return Err(Refusal::no_application(text));
        };
        match api
            .agent
            .dispatch(caller, Action::GetEnvironment(EnvironmentRef::Id(id)))
            .await?
        {
            Reply::Environment(environment) => Ok(Self {
                environment: *environment,
                holes,
            }),
            other => Err(Refusal::unexpected(&other)),
        }
    }
}

impl Application {
    /// Its app: what an action names.
    pub(super) fn app(&self) -> AppRef {
        AppRef::Id(self.environment.app_id)
    }

    /// What stands at a further name in braces.
    pub(super) fn hole(&self, name: &str) -> &str {
        self.holes.get(name).map_or("", String::as_str)
    }

    /// The deployment at `{deployment_id}`: one of its own, executed or recorded.
    pub(super) async fn deployment(&self, api: &Api, caller: &Caller) -> Result<Listed, Refusal> {
        let text = self.hole("deployment_id");
        match uuid(text) {
            Some(id) => self.find_deployment(api, caller, id).await,
            None => Err(Refusal::no_deployment(text)),
        }
    }

    /// A deployment of its own that was executed here.
    pub(super) async fn executed(
        &self,
        api: &Api,
        caller: &Caller,
        id: Uuid,
    ) -> Result<DeploymentView, Refusal> {
        match self.find_deployment(api, caller, id).await? {
            Listed::Executed(view) => Ok(view),
            Listed::Recorded(_) => Err(Error::Recorded.into()),
        }
    }

    async fn find_deployment(
        &self,
        api: &Api,
        caller: &Caller,
        id: Uuid,
    ) -> Result<Listed, Refusal> {
        let missing = || Refusal::no_deployment(&id.to_string());
        match api
            .agent
            .dispatch(caller, Action::GetDeployment(id.into()))
            .await
        {
            Ok(Reply::Deployment(view)) if view.environment_id == self.environment.id => {
                Ok(Listed::Executed(*view))
            }
            Ok(Reply::Recorded(view)) if view.environment_id == self.environment.id => {
                Ok(Listed::Recorded(*view))
            }
            Ok(Reply::Deployment(_) | Reply::Recorded(_)) | Err(Error::DeploymentNotFound) => {
                Err(missing())
            }
            Ok(other) => Err(Refusal::unexpected(&other)),
            Err(error) => Err(error.into()),
        }
    }
}

/// An id as it is documented: with its dashes, in either case.
pub(super) fn uuid(text: &str) -> Option<Uuid> {
    let is_dashed = text.len() == uuid::fmt::Hyphenated::LENGTH;
    Uuid::try_parse(text).ok().filter(|_| is_dashed)
}

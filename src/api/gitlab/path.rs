//! What a path names: a project by its number or its path, and a deployment or an environment of it by its number.

use super::error::Refusal;
use crate::api::Api;
use crate::api::path::holes;
use crate::core::access::Caller;
use crate::core::action::{
    Action, DeploymentRef, DeploymentView, EnvironmentDetail, EnvironmentRef, Reply,
};
use crate::core::id::{DeploymentSerial, EnvironmentSerial, ProjectSerial};
use crate::core::name::ProjectPath;
use crate::core::project::{ProjectRef, ProjectView};
use crate::core::recorded::RecordedView;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use std::collections::HashMap;
use std::convert::Infallible;

/// What stands for the names in braces.
pub(super) struct Named(HashMap<String, String>);

impl FromRequestParts<Api> for Named {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Infallible> {
        Ok(Self(holes(parts, api).await))
    }
}

/// A deployment of either kind.
pub(super) enum Found {
    Executed(Box<DeploymentView>),
    Recorded(Box<RecordedView>),
}

impl Named {
    /// As the caller wrote it.
    pub(super) fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// The project at `{id}`. What can be no project's path is one that there is not.
    pub(super) async fn project(&self, api: &Api, caller: &Caller) -> Result<ProjectView, Refusal> {
        let text = self.text("id");
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let which = match (is_number, text.parse(), ProjectPath::parse(text)) {
            (true, Ok(serial), _) => ProjectRef::Serial(ProjectSerial(serial)),
            (false, _, Ok(path)) => ProjectRef::Path(path),
            (true, Err(_), _) | (false, _, Err(_)) => return Err(Refusal::no_project()),
        };
        match api
            .agent
            .dispatch(caller, Action::GetProject(which))
            .await?
        {
            Reply::Project(project) => Ok(*project),
            other => Err(Refusal::unexpected(&other)),
        }
    }
}

/// A deployment of this project.
pub(super) async fn deployment(
    api: &Api,
    caller: &Caller,
    project: &ProjectView,
    number: i64,
) -> Result<Found, Refusal> {
    let which = DeploymentRef::Serial(DeploymentSerial(number));
    match api
        .agent
        .dispatch(caller, Action::GetDeployment(which))
        .await?
    {
        Reply::Deployment(view) if view.project == project.path => Ok(Found::Executed(view)),
        Reply::Recorded(view) if view.project == project.path => Ok(Found::Recorded(view)),
        Reply::Deployment(_) | Reply::Recorded(_) => Err(Refusal::not_found()),
        other => Err(Refusal::unexpected(&other)),
    }
}

/// An environment of this project.
pub(super) async fn environment(
    api: &Api,
    caller: &Caller,
    project: &ProjectView,
    number: i64,
) -> Result<EnvironmentDetail, Refusal> {
    let which = EnvironmentRef::Serial(EnvironmentSerial(number));
    match api
        .agent
        .dispatch(caller, Action::GetEnvironment(which))
        .await?
    {
        Reply::Environment(found) if found.project_serial == project.serial => Ok(*found),
        Reply::Environment(_) => Err(Refusal::not_found()),
        other => Err(Refusal::unexpected(&other)),
    }
}

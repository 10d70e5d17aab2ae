//! What a path names: a project by its number or its path, and a deployment or an environment of it by its number.

use super::call::Call;
use super::error::Refusal;
use crate::api::Api;
use crate::api::path::holes;
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

    /// The project at `{id}`, by its number or its path; `None`: what can be neither.
    pub(super) fn project(&self) -> Option<ProjectRef> {
        let text = self.text("id");
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            let serial = text.parse().ok()?;
            return Some(ProjectRef::Serial(ProjectSerial(serial)));
        }
        ProjectPath::parse(text).ok().map(ProjectRef::Path)
    }
}

/// A deployment of this project.
pub(super) async fn deployment(
    call: &Call,
    project: &ProjectView,
    number: i64,
) -> Result<Found, Refusal> {
    let which = DeploymentRef::Serial(DeploymentSerial(number));
    match call.dispatch(Action::GetDeployment(which)).await? {
        Reply::Deployment(view) if view.project == project.path => Ok(Found::Executed(view)),
        Reply::Recorded(view) if view.project == project.path => Ok(Found::Recorded(view)),
        Reply::Deployment(_) | Reply::Recorded(_) => Err(Refusal::not_found()),
        other => Err(Refusal::unexpected(&other)),
    }
}

/// An environment of this project.
pub(super) async fn environment(
    call: &Call,
    project: &ProjectView,
    number: i64,
) -> Result<EnvironmentDetail, Refusal> {
    let which = EnvironmentRef::Serial(EnvironmentSerial(number));
    match call.dispatch(Action::GetEnvironment(which)).await? {
        Reply::Environment(found) if found.project_serial == project.serial => Ok(*found),
        Reply::Environment(_) => Err(Refusal::not_found()),
        other => Err(Refusal::unexpected(&other)),
    }
}

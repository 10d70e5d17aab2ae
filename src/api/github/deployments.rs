//! Deployments: list, show, create, delete.

use super::call::Call;
use super::create::Wanted;
use super::environments;
use super::error::{Refusal, allow};
use super::headers::last_modified;
use super::wire::deployment::{Deployment, TASK};
use crate::api::{answer, number};
use crate::core::action::{
    Action, Deletion, DeploymentRef, DeploymentView, ListDeployments, Listed, Reply,
};
use crate::core::id::DeploymentSerial;
use crate::core::name::{EnvironmentName, Sha, TaskName};
use crate::core::particulars::Narrowed;
use crate::core::project::ProjectView;
use crate::core::recorded::RecordedView;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

/// What somebody lacks who may only look.
const PERMISSION: &str = "deployments=write";

pub(super) async fn list(call: &Call, path: &str) -> Result<Response, Refusal> {
    let project = call.project(path).await?;
    let Some(narrowed) = narrowed(call) else {
        return Ok(call.list(0, &[(); 0]));
    };
    let page = call.page();
    let list = ListDeployments {
        project: Some(project.serial),
        narrowed,
        limit: page.limit(),
        offset: page.offset(),
        ..ListDeployments::default()
    };
    match call.dispatch(Action::ListDeployments(list)).await? {
        Reply::Deployments { items, total } => {
            let items = items.iter();
            let items: Vec<Deployment> = items.map(|one| Deployment::of(one, &call.urls)).collect();
            Ok(call.list(total, &items))
        }
        other => Err(Refusal::unexpected(&other)),
    }
}

/// What a list is narrowed to; `None` if nothing can be like that.
fn narrowed(call: &Call) -> Option<Narrowed> {
    let sha = call
        .filter("sha")
        .map(|text| Sha::parse(&text.to_ascii_lowercase()));
    let environment = call
        .filter("environment")
        .map(|text| EnvironmentName::any(&text));
    let task = call.filter("task").map(|text| match text.as_str() {
        TASK => Ok(None),
        text => TaskName::parse(text).map(Some),
    });
    Some(Narrowed {
        sha: sha.transpose().ok()?,
        reference: call.filter("ref"),
        task: task.transpose().ok()?,
        shown_environment: environment.transpose().ok()?,
    })
}

/// A deployment of this project. What is no positive number is the id of none.
pub(super) async fn find(
    call: &Call,
    project: &ProjectView,
    id: &str,
) -> Result<(DeploymentRef, Listed), Refusal> {
    let serial = number::within(id, 1..=i64::MAX).ok_or_else(Refusal::not_found)?;
    let which = DeploymentRef::Serial(DeploymentSerial(serial));
    let found = match call.dispatch(Action::GetDeployment(which)).await? {
        Reply::Deployment(view) if view.project == project.path => Listed::Executed(*view),
        Reply::Recorded(view) if view.project == project.path => Listed::Recorded(*view),
        Reply::Deployment(_) | Reply::Recorded(_) => return Err(Refusal::not_found()),
        other => return Err(Refusal::unexpected(&other)),
    };
    Ok((which, found))
}

pub(super) async fn show(call: &Call, path: &str, id: &str) -> Result<Response, Refusal> {
    let project = call.project(path).await?;
    let (_, found) = find(call, &project, id).await?;
    Ok(shown(call, &found))
}

fn shown(call: &Call, found: &Listed) -> Response {
    let mut response = answer::json(&Deployment::of(found, &call.urls));
    let (noted, created_at) = match found {
        Listed::Executed(DeploymentView {
            noted, deployment, ..
        }) => (noted, deployment.created_at),
        Listed::Recorded(RecordedView {
            noted, recorded, ..
        }) => (noted, recorded.created_at),
    };
    if let Some(at) = last_modified(noted.status_at.unwrap_or(created_at)) {
        response.headers_mut().insert(header::LAST_MODIFIED, at);
    }
    response
}

/// The answer to what was made: where it is, and what it is.
pub(super) fn created(url: &str, shown: Response) -> Response {
    let mut response = (StatusCode::CREATED, shown).into_response();
    // Every URL is encoded, so that this is always one.
    if let Ok(url) = HeaderValue::from_str(url) {
        response.headers_mut().insert(header::LOCATION, url);
    }
    response
}

pub(super) async fn create(call: &Call, path: &str) -> Result<Response, Refusal> {
    let project = call.project(path).await?;
    allow(call.caller()?, PERMISSION)?;
    let wanted = Wanted::of(&call.fields()?)?;
    let wanted = match environments::find(call, &project, wanted.environment()).await? {
        Some(known) => wanted.of_environment(known.name),
        None => wanted,
    };
    let action = wanted.action(&project)?;
    let found = match call.dispatch(action).await? {
        Reply::Deployment(view) => Listed::Executed(*view),
        Reply::Recorded(view) => Listed::Recorded(*view),
        Reply::Merged { from, into } => {
            let message = format!("Auto-merged {from} into {into} on deployment.");
            let body = answer::json(&json!({ "message": message }));
            return Ok((StatusCode::ACCEPTED, body).into_response());
        }
        Reply::Ignored(reason) => return Err(reason.into()),
        other => return Err(Refusal::unexpected(&other)),
    };
    let url = call.urls.deployment(&project.path, found.serial().0);
    Ok(created(&url, shown(call, &found)))
}

/// Only the record goes; what runs goes on.
pub(super) async fn delete(call: &Call, path: &str, id: &str) -> Result<Response, Refusal> {
    let project = call.project(path).await?;
    allow(call.caller()?, PERMISSION)?;
    let (which, _) = find(call, &project, id).await?;
    let action = Action::DeleteDeployment {
        which,
        how: Deletion::Record,
    };
    match call.dispatch(action).await? {
        Reply::Gone => Ok(StatusCode::NO_CONTENT.into_response()),
        other => Err(Refusal::unexpected(&other)),
    }
}

//! Statuses of deployments: list, show, create. Those that clients post are kept and shown, and move nothing.

use super::body::Fields;
use super::call::Call;
use super::deployments::{created, find};
use super::error::{Refusal, Resource, allow};
use super::wire::status::{self, Status};
use super::wire::word;
use crate::api::{answer, number};
use crate::core::action::{Action, DeploymentRef, Reply};
use crate::core::id::StatusSerial;
use crate::core::name::EnvironmentName;
use crate::core::status::{MAX_DESCRIPTION, PostStatus};
use axum::response::Response;

/// What somebody lacks who may only look.
const PERMISSION: &str = "deployments=write";

/// The longest URL, in characters.
const MAX_URL: usize = 4096;

pub(super) async fn list(call: &Call, path: &str, id: &str) -> Result<Response, Refusal> {
    let project = call.project(path).await?;
    let (which, _) = find(call, &project, id).await?;
    let page = call.page();
    let list = Action::ListStatuses {
        which,
        limit: page.limit(),
        offset: page.offset(),
    };
    match call.dispatch(list).await? {
        Reply::Statuses { items, total } => {
            let items = items.iter();
            let items: Vec<Status> = items
                .map(|one| Status::new(one, &project.path, &call.urls))
                .collect();
            Ok(call.list(total, &items))
        }
        other => Err(Refusal::unexpected(&other)),
    }
}

pub(super) async fn show(
    call: &Call,
    path: &str,
    id: &str,
    status: &str,
) -> Result<Response, Refusal> {
    let project = call.project(path).await?;
    let (which, _) = find(call, &project, id).await?;
    let serial = number::within(status, 1..=i64::MAX).ok_or_else(Refusal::not_found)?;
    let action = Action::GetStatus(which, StatusSerial(serial));
    match call.dispatch(action).await? {
        Reply::Status(view) => Ok(answer::json(&Status::new(&view, &project.path, &call.urls))),
        other => Err(Refusal::unexpected(&other)),
    }
}

pub(super) async fn create(call: &Call, path: &str, id: &str) -> Result<Response, Refusal> {
    let project = call.project(path).await?;
    allow(call.caller()?, PERMISSION)?;
    let (which, _) = find(call, &project, id).await?;
    let post = post(which, &call.fields()?)?;
    match call.dispatch(Action::PostStatus(post)).await? {
        Reply::Status(view) => {
            let url = status::url(&view, &project.path, &call.urls);
            let shown = answer::json(&Status::new(&view, &project.path, &call.urls));
            Ok(created(&url, shown))
        }
        other => Err(Refusal::unexpected(&other)),
    }
}

/// `log_url` goes before `target_url`, its old name.
fn post(deployment: DeploymentRef, fields: &Fields) -> Result<PostStatus, Refusal> {
    let state = fields.required("state")?;
    let state = word::status(&state).ok_or_else(|| not_included(Resource::DeploymentStatus))?;
    let log_url = web(fields, "log_url")?;
    let target_url = web(fields, "target_url")?;
    let description = fields.text("description")?.unwrap_or_default();
    if description.chars().count() > MAX_DESCRIPTION {
        return Err(Refusal::too_long(
            Resource::DeploymentStatus,
            "description",
            MAX_DESCRIPTION,
        ));
    }
    let environment = fields.present("environment")?;
    let environment = environment.map(|name| EnvironmentName::any(&name));
    let environment = environment.transpose().map_err(|fault| {
        let text = format!("environment {fault}");
        Refusal::invalid(Resource::DeploymentStatus, "environment", text)
    })?;
    Ok(PostStatus {
        deployment,
        state,
        description,
        log_url: if log_url.is_empty() {
            target_url
        } else {
            log_url
        },
        environment,
        environment_url: web(fields, "environment_url")?,
        auto_inactive: fields.flag("auto_inactive")?.unwrap_or(true),
    })
}

pub(super) fn not_included(resource: Resource) -> Refusal {
    Refusal::invalid(resource, "state", "state is not included in the list")
}

/// A URL that a client opens; clients send an empty one where they have none.
fn web(fields: &Fields, name: &str) -> Result<String, Refusal> {
    let url = fields.text(name)?.unwrap_or_default();
    check_url(Resource::DeploymentStatus, name, &url)?;
    Ok(url)
}

pub(super) fn check_url(resource: Resource, name: &str, url: &str) -> Result<(), Refusal> {
    let scheme = url.split_once("://").map(|(scheme, _)| scheme);
    let is_web = scheme.is_some_and(|scheme| {
        scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
    });
    let breaks = url.chars().any(|c| c.is_control() || c.is_whitespace());
    if !url.is_empty() && (!is_web || breaks) {
        let text = format!("{name} must use http(s) scheme");
        return Err(Refusal::invalid(resource, name, text));
    }
    if url.chars().count() > MAX_URL {
        return Err(Refusal::too_long(resource, name, MAX_URL));
    }
    Ok(())
}

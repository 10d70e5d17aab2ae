//! Environments: list, show, make, take down. Names are compared without regard to case.

use super::call::Call;
use super::error::{Refusal, allow};
use super::wire::environment::{Environment, Environments};
use crate::api::answer;
use crate::core::action::{Action, EnvironmentDetail, EnvironmentRef, ListEnvironments, Reply};
use crate::core::environment::{CreateEnvironment, Notes};
use crate::core::error::Error;
use crate::core::name::EnvironmentName;
use crate::core::project::ProjectView;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};

/// What somebody lacks who may only look.
const PERMISSION: &str = "environments=write";

pub(super) async fn list(call: &Call, path: &str) -> Result<Response, Refusal> {
    let project = call.project(path).await?;
    let page = call.page();
    let list = ListEnvironments {
        project: Some(project.serial),
        ascending: true,
        limit: page.limit(),
        offset: page.offset(),
        ..ListEnvironments::default()
    };
    match call.dispatch(Action::ListEnvironments(list)).await? {
        Reply::Environments { items, total } => {
            let items = items.iter().map(|one| Environment::new(one, &call.urls));
            let body = Environments {
                environments: items.collect(),
                total_count: total,
            };
            Ok(call.list(total, &body))
        }
        other => Err(Refusal::unexpected(&other)),
    }
}

/// The project's environment of this name; `None`: it has none.
pub(super) async fn find(
    call: &Call,
    project: &ProjectView,
    name: &EnvironmentName,
) -> Result<Option<EnvironmentDetail>, Refusal> {
    let list = ListEnvironments {
        project: Some(project.serial),
        name: Some(name.clone()),
        any_case: true,
        ascending: true,
        limit: 100,
        ..ListEnvironments::default()
    };
    match call.dispatch(Action::ListEnvironments(list)).await? {
        // Other dialects may have made several that differ by case alone.
        Reply::Environments { mut items, .. } => {
            let exact = items.iter().position(|one| one.name == *name);
            let first = exact.or((!items.is_empty()).then_some(0));
            Ok(first.map(|index| items.swap_remove(index)))
        }
        other => Err(Refusal::unexpected(&other)),
    }
}

/// What can be no name is one that no environment has.
fn named(name: &str) -> Result<EnvironmentName, Refusal> {
    EnvironmentName::any(name).map_err(|_| Refusal::not_found())
}

pub(super) async fn show(call: &Call, path: &str, name: &str) -> Result<Response, Refusal> {
    let project = call.project(path).await?;
    let found = find(call, &project, &named(name)?).await?;
    let found = found.ok_or_else(Refusal::not_found)?;
    Ok(answer::json(&Environment::new(&found, &call.urls)))
}

/// Nothing here waits for an approval or a timer, so that there is nothing to keep of a body.
pub(super) async fn put(call: &Call, path: &str, name: &str) -> Result<Response, Refusal> {
    let project = call.project(path).await?;
    allow(call.caller()?, PERMISSION)?;
    call.any_fields()?;
    let name = EnvironmentName::any(name);
    let name = name.map_err(|fault| Refusal::unprocessable(format!("Name {fault}")))?;
    if let Some(found) = find(call, &project, &name).await? {
        return Ok(answer::json(&Environment::new(&found, &call.urls)));
    }
    let create = CreateEnvironment {
        project: project.serial,
        name: name.clone(),
        notes: Notes::default(),
    };
    let made = match call.dispatch(Action::CreateEnvironment(create)).await {
        Ok(Reply::Environment(made)) => *made,
        // Somebody else made it in the same moment.
        Err(Error::EnvironmentExists { .. }) => {
            let found = find(call, &project, &name).await?;
            found.ok_or_else(Refusal::not_found)?
        }
        Ok(other) => return Err(Refusal::unexpected(&other)),
        Err(error) => return Err(error.into()),
    };
    Ok(answer::json(&Environment::new(&made, &call.urls)))
}

/// Its deployments stay.
pub(super) async fn delete(call: &Call, path: &str, name: &str) -> Result<Response, Refusal> {
    let project = call.project(path).await?;
    allow(call.caller()?, PERMISSION)?;
    let found = find(call, &project, &named(name)?).await?;
    let found = found.ok_or_else(Refusal::not_found)?;
    let which = EnvironmentRef::Serial(found.serial);
    match call.dispatch(Action::TakeDownEnvironment(which)).await? {
        Reply::Gone => Ok(StatusCode::NO_CONTENT.into_response()),
        other => Err(Refusal::unexpected(&other)),
    }
}

//! Deployments: list, show, create, update, delete.

use super::call::Call;
use super::create::{self, Status};
use super::error::{Refusal, allow};
use super::filter::Filter;
use super::path::{self, Found};
use super::wire::deployment::Deployment;
use super::{Route, render};
use crate::api::arrival::Base;
use crate::core::access::Scope;
use crate::core::action::{Action, Deletion, DeploymentRef, ListDeployments, Reply};
use crate::core::deployment::Phase;
use crate::core::recorded::ReportedState;
use crate::core::time::Timestamp;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use time::PrimitiveDateTime;
use time::macros::format_description;

pub(super) fn routes() -> Vec<Route> {
    vec![
        ("/projects/{id}/deployments", get(list).post(create)),
        (
            "/projects/{id}/deployments/{deployment_id}",
            get(show).put(update).delete(delete),
        ),
        (
            "/projects/{id}/deployments/{deployment_id}/merge_requests",
            get(merge_requests),
        ),
    ]
}

async fn list(mut call: Call) -> Result<Response, Refusal> {
    let page = call.asked.page();
    let filter = Filter::of(&mut call.asked);
    call.asked.checked()?;
    let page = page.unwrap_or_default();
    let project = call.project().await?;
    filter.combined()?;
    let Some(list) = filter.list() else {
        return Ok(render::list::<Deployment>(
            &[],
            (page, 0),
            (&call.base, &call.uri),
        ));
    };
    let list = ListDeployments {
        project: Some(project.serial),
        limit: page.limit(),
        offset: page.offset(),
        ..list
    };
    match call.dispatch(Action::ListDeployments(list)).await? {
        Reply::Deployments { items, total } => {
            let items = items.iter();
            let items: Vec<Deployment> = items.map(|one| Deployment::of(one, &call.base)).collect();
            Ok(render::list(&items, (page, total), (&call.base, &call.uri)))
        }
        other => Err(Refusal::unexpected(&other)),
    }
}

async fn show(mut call: Call) -> Result<Response, Refusal> {
    let number = call.number("deployment_id");
    call.asked.checked()?;
    let project = call.project().await?;
    let found = path::deployment(&call, &project, number).await?;
    Ok(shown(&found, &call.base))
}

fn shown(found: &Found, base: &Base) -> Response {
    render::json(&match found {
        Found::Executed(view) => Deployment::executed(view, base),
        Found::Recorded(view) => Deployment::recorded(view, base),
    })
}

/// The answer to what makes or changes one.
fn answer(reply: Reply, base: &Base) -> Result<Response, Refusal> {
    match reply {
        Reply::Deployment(view) => Ok(shown(&Found::Executed(view), base)),
        Reply::Recorded(view) => Ok(shown(&Found::Recorded(view), base)),
        Reply::Ignored(reason) => Err(reason.into()),
        other => Err(Refusal::unexpected(&other)),
    }
}

async fn create(mut call: Call) -> Result<Response, Refusal> {
    let wanted = create::Wanted::of(&mut call.asked, call.api.gitlab_strict)?;
    let project = call.project().await?;
    allow(&call.caller, Scope::Write)?;
    let action = wanted.action(&project)?;
    let reply = call.dispatch(action).await?;
    Ok((StatusCode::CREATED, answer(reply, &call.base)?).into_response())
}

async fn update(mut call: Call) -> Result<Response, Refusal> {
    let number = call.number("deployment_id");
    let status = call
        .asked
        .required_word("status", |word| match Status::parse(word)? {
            Status::Created => None,
            Status::Reported(state) => Some(state),
        });
    call.asked.checked()?;
    let Some(status) = status else {
        return Err(Refusal::invalid("status is missing"));
    };
    let project = call.project().await?;
    allow(&call.caller, Scope::Write)?;
    let found = path::deployment(&call, &project, number).await?;
    let action = change(&found, status)?;
    let reply = call.dispatch(action).await?;
    answer(reply, &call.base)
}

/// What a status means for a deployment: a report of what somebody else executes, or that ours is not wanted any more.
fn change(found: &Found, status: ReportedState) -> Result<Action, Refusal> {
    let view = match found {
        Found::Recorded(view) => {
            let which = DeploymentRef::Serial(view.recorded.serial);
            return Ok(Action::Report(which, status));
        }
        Found::Executed(view) => view,
    };
    let is_unfinished = match view.deployment.phase {
        Phase::Queued | Phase::Running(_) | Phase::Committed(_) => true,
        Phase::Succeeded { .. }
        | Phase::Failed { .. }
        | Phase::Cancelled { .. }
        | Phase::Superseded { .. } => false,
    };
    match status {
        ReportedState::Canceled if is_unfinished => Ok(Action::CancelDeployment(
            DeploymentRef::Serial(view.deployment.serial),
        )),
        ReportedState::Canceled
        | ReportedState::Created
        | ReportedState::Running
        | ReportedState::Success
        | ReportedState::Failed => Err(Refusal::executed_here()),
    }
}

async fn delete(headers: HeaderMap, mut call: Call) -> Result<Response, Refusal> {
    let number = call.number("deployment_id");
    call.asked.checked()?;
    let project = call.project().await?;
    allow(&call.caller, Scope::Admin)?;
    let found = path::deployment(&call, &project, number).await?;
    let (serial, updated_at) = match &found {
        Found::Executed(view) => (view.deployment.serial, view.updated_at),
        Found::Recorded(view) => (view.recorded.serial, view.recorded.updated_at),
    };
    if changed_since(&headers, updated_at) {
        return Err(Refusal::changed_since());
    }
    let action = Action::DeleteDeployment {
        which: DeploymentRef::Serial(serial),
        how: Deletion::Ended,
    };
    match call.dispatch(action).await? {
        Reply::Gone => Ok(StatusCode::NO_CONTENT.into_response()),
        other => Err(Refusal::unexpected(&other)),
    }
}

/// Whether something changed after the time that `If-Unmodified-Since` names, to the second. What is no such time is no
/// condition (RFC 9110, section 13.1.4).
fn changed_since(headers: &HeaderMap, updated_at: Timestamp) -> bool {
    let format = format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    let said = headers.get(header::IF_UNMODIFIED_SINCE);
    let said = said.and_then(|value| value.to_str().ok());
    let since = said.and_then(|text| PrimitiveDateTime::parse(text.trim(), format).ok());
    since.is_some_and(|since| updated_at.0.div_euclid(1000) > since.assume_utc().unix_timestamp())
}

/// Merge requests are GitLab's: here are none.
async fn merge_requests(mut call: Call) -> Result<Response, Refusal> {
    let page = call.asked.page();
    let number = call.number("deployment_id");
    call.asked.checked()?;
    let project = call.project().await?;
    path::deployment(&call, &project, number).await?;
    let page = page.unwrap_or_default();
    Ok(render::list::<Deployment>(
        &[],
        (page, 0),
        (&call.base, &call.uri),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn a_deletion_may_be_bound_to_what_was_seen_last() {
        let at = Timestamp(1_470_915_155_444);
        for (since, expected) in [
            ("Thu, 11 Aug 2016 11:32:35 GMT", false),
            ("Thu, 11 Aug 2016 11:32:34 GMT", true),
            ("Thu, 11 Aug 2016 11:32:36 GMT", false),
            ("yesterday", false),
        ] {
            let value = HeaderValue::from_str(since).unwrap();
            let headers = HeaderMap::from_iter([(header::IF_UNMODIFIED_SINCE, value)]);
            assert_eq!(changed_since(&headers, at), expected, "{since}");
        }
        assert!(!changed_since(&HeaderMap::new(), at));
    }
}

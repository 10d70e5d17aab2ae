//! What checks say of commits: post, list, and what all say together.

use super::body::Fields;
use super::call::Call;
use super::deployments::created;
use super::error::{Refusal, Resource, allow};
use super::statuses::{check_url, not_included};
use super::wire::commit_status::{self, CombinedStatus, CommitStatus};
use super::wire::repository::Repository;
use super::wire::word;
use crate::api::answer;
use crate::core::action::{Action, Reply};
use crate::core::commit_status::{ListCommitStatuses, PostCommitStatus};
use crate::core::error::Error;
use crate::core::name::{RefName, Sha};
use crate::core::project::{ProjectRef, ProjectView};
use crate::core::status::MAX_DESCRIPTION;
use axum::response::Response;

/// What somebody lacks who may only look.
const PERMISSION: &str = "statuses=write";

/// The label of a check that gives none, and how many characters one has at most.
const CONTEXT: &str = "default";
const MAX_CONTEXT: usize = 255;

/// Of a commit that is named in any way. One that is not there is a 404.
fn named(call: &Call, project: &ProjectView, name: &str) -> Result<ListCommitStatuses, Refusal> {
    let page = call.page();
    Ok(ListCommitStatuses {
        project: ProjectRef::Serial(project.serial),
        name: RefName::parse(name).map_err(|_| Refusal::not_found())?,
        limit: page.limit(),
        offset: page.offset(),
    })
}

fn not_there(error: Error) -> Refusal {
    match error {
        Error::RefNotFound { .. }
        | Error::CommitNotFound { .. }
        | Error::BranchNotFound { .. }
        | Error::TagNotFound { .. } => Refusal::not_found(),
        other => other.into(),
    }
}

pub(super) async fn list(call: &Call, path: &str, name: &str) -> Result<Response, Refusal> {
    let project = call.project(path).await?;
    let list = Action::ListCommitStatuses(named(call, &project, name)?);
    match call.dispatch(list).await.map_err(not_there)? {
        Reply::CommitStatuses { items, total } => {
            let items = items.iter();
            let items: Vec<CommitStatus> = items
                .map(|one| CommitStatus::new(one, &project.path, &call.urls))
                .collect();
            Ok(call.list(total, &items))
        }
        other => Err(Refusal::unexpected(&other)),
    }
}

pub(super) async fn combine(call: &Call, path: &str, name: &str) -> Result<Response, Refusal> {
    let project = call.project(path).await?;
    let list = Action::CombineCommitStatuses(named(call, &project, name)?);
    match call.dispatch(list).await.map_err(not_there)? {
        Reply::Combined(combined) => {
            let repository = Repository::new(&project, call.caller()?.scope, &call.urls);
            let place = (&project.path, repository);
            let body = CombinedStatus::new(&combined, place, &call.urls);
            Ok(call.list(combined.total, &body))
        }
        other => Err(Refusal::unexpected(&other)),
    }
}

pub(super) async fn create(call: &Call, path: &str, sha: &str) -> Result<Response, Refusal> {
    let project = call.project(path).await?;
    allow(call.caller()?, PERMISSION)?;
    let post = post(&project, sha, &call.fields()?)?;
    let posted = call.dispatch(Action::PostCommitStatus(post)).await;
    match posted.map_err(|error| no_commit(sha, error))? {
        Reply::CommitStatus(view) => {
            let url = commit_status::url(&view.sha, &project.path, &call.urls);
            let shown = answer::json(&CommitStatus::new(&view, &project.path, &call.urls));
            Ok(created(&url, shown))
        }
        other => Err(Refusal::unexpected(&other)),
    }
}

/// What names no commit, where a commit is what is asked for.
pub(super) fn no_commit(name: &str, error: Error) -> Refusal {
    match error {
        Error::RefNotFound { .. }
        | Error::CommitNotFound { .. }
        | Error::BranchNotFound { .. }
        | Error::TagNotFound { .. } => Refusal::no_commit(name),
        other => other.into(),
    }
}

fn post(project: &ProjectView, sha: &str, fields: &Fields) -> Result<PostCommitStatus, Refusal> {
    let sha = Sha::parse(&sha.to_ascii_lowercase()).map_err(|_| {
        Refusal::invalid(Resource::Status, "sha", "sha must be a 40 character SHA1")
    })?;
    let state = fields.required("state")?;
    let state = word::commit_state(&state).ok_or_else(|| not_included(Resource::Status))?;
    let target_url = fields.present("target_url")?;
    check_url(
        Resource::Status,
        "target_url",
        target_url.as_deref().unwrap_or_default(),
    )?;
    let description = fields.text("description")?;
    let context = fields
        .present("context")?
        .unwrap_or_else(|| CONTEXT.to_owned());
    for (name, text, most) in [
        (
            "description",
            description.as_deref().unwrap_or_default(),
            MAX_DESCRIPTION,
        ),
        ("context", &context, MAX_CONTEXT),
    ] {
        if text.chars().count() > most {
            return Err(Refusal::too_long(Resource::Status, name, most));
        }
    }
    Ok(PostCommitStatus {
        project: ProjectRef::Serial(project.serial),
        sha,
        state,
        context,
        description,
        target_url,
    })
}

//! A commit, by whatever names it.

use super::call::Call;
use super::commit_statuses::no_commit;
use super::error::Refusal;
use super::wire::commit::Commit;
use crate::api::answer;
use crate::core::action::{Action, Reply};
use crate::core::name::RefName;
use crate::core::project::ProjectRef;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};

pub(super) async fn show(call: &Call, path: &str, name: &str) -> Result<Response, Refusal> {
    let project = call.project(path).await?;
    let action = Action::GetCommit {
        project: ProjectRef::Serial(project.serial),
        name: RefName::parse(name).map_err(|_| Refusal::no_commit(name))?,
    };
    let found = call.dispatch(action).await;
    match found.map_err(|error| no_commit(name, error))? {
        Reply::Commit(view) if wants_only_its_id(&call.headers) => {
            let kind = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
            Ok((kind, view.commit.sha.to_string()).into_response())
        }
        Reply::Commit(view) => Ok(answer::json(&Commit::new(&view, &call.urls))),
        other => Err(Refusal::unexpected(&other)),
    }
}

fn wants_only_its_id(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::ACCEPT).iter();
    let mut wanted = lines.flat_map(|line| line.to_str().unwrap_or_default().split(','));
    wanted.any(|one| {
        let one = one.trim();
        one == "application/vnd.github.sha" || one == "application/vnd.github.v3.sha"
    })
}

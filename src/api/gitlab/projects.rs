//! Projects: list and show.

use super::call::Call;
use super::error::Refusal;
use super::wire::project::Project;
use super::{Route, render};
use crate::core::action::{Action, Reply};
use crate::core::project::{ListProjects, ProjectOrder};
use axum::response::Response;
use axum::routing::get;

pub(super) fn routes() -> Vec<Route> {
    vec![("/projects", get(list)), ("/projects/{id}", get(show))]
}

async fn list(mut call: Call) -> Result<Response, Refusal> {
    let page = call.asked.page();
    let order = call.asked.word("order_by", order);
    let ascending = call.asked.word("sort", super::filter::ascending);
    let search = call.asked.present("search");
    call.asked.checked()?;
    let page = page.unwrap_or_default();
    let list = ListProjects {
        search,
        order: order.unwrap_or_default(),
        ascending: ascending.unwrap_or(false),
        limit: page.limit(),
        offset: page.offset(),
    };
    match call.dispatch(Action::ListProjects(list)).await? {
        Reply::Projects { items, total } => {
            let shown: Vec<Project> = items
                .iter()
                .map(|one| Project::new(one, &call.base))
                .collect();
            Ok(render::list(&shown, (page, total), (&call.base, &call.uri)))
        }
        other => Err(Refusal::unexpected(&other)),
    }
}

/// GitLab's words; not those that count what is not here, stars and the like.
fn order(word: &str) -> Option<ProjectOrder> {
    Some(match word {
        "id" | "created_at" => ProjectOrder::Serial,
        "name" | "path" => ProjectOrder::Path,
        "updated_at" | "last_activity_at" => ProjectOrder::Activity,
        _ => return None,
    })
}

async fn show(call: Call) -> Result<Response, Refusal> {
    let project = call.project().await?;
    Ok(render::json(&Project::new(&project, &call.base)))
}

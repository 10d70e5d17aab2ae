//! Projects: list and show.

use super::error::Refusal;
use super::parse::Asked;
use super::path::Named;
use super::wire::project::Project;
use super::{Route, render};
use crate::api::Api;
use crate::api::arrival::Base;
use crate::core::access::Caller;
use crate::core::action::{Action, Reply};
use crate::core::project::ListProjects;
use axum::Extension;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use axum::routing::get;

pub(super) fn routes() -> Vec<Route> {
    vec![("/projects", get(list)), ("/projects/{id}", get(show))]
}

async fn list(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    base: Base,
    uri: Uri,
    mut asked: Asked,
) -> Result<Response, Refusal> {
    let page = asked.page();
    // Both are the order in which they were made.
    let order = |word: &str| matches!(word, "id" | "created_at").then_some(());
    asked.word("order_by", order);
    let ascending = asked.word("sort", super::filter::ascending);
    let search = asked.present("search");
    asked.checked()?;
    let page = page.unwrap_or_default();
    let list = ListProjects {
        search,
        ascending: ascending.unwrap_or(false),
        limit: page.limit(),
        offset: page.offset(),
    };
    match api
        .agent
        .dispatch(&caller, Action::ListProjects(list))
        .await?
    {
        Reply::Projects { items, total } => {
            let shown: Vec<Project> = items.iter().map(|one| Project::new(one, &base)).collect();
            Ok(render::list(&shown, (page, total), (&base, &uri)))
        }
        other => Err(Refusal::unexpected(&other)),
    }
}

async fn show(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    base: Base,
    named: Named,
    _: Asked,
) -> Result<Response, Refusal> {
    let project = named.project(&api, &caller).await?;
    Ok(render::json(&Project::new(&project, &base)))
}

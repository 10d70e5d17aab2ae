//! The processes of an application.

use super::error::Refusal;
use super::path::{Application, uuid};
use super::wire::page::Page;
use super::wire::process::Process;
use super::{Params, Route, parse, render};
use crate::api::Api;
use crate::core::access::Caller;
use crate::core::action::{Action, Reply};
use crate::core::process::ProcessView;
use axum::Extension;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::{get, post};

pub(super) fn routes() -> Vec<Route> {
    vec![
        ("/{id}/processes", get(list)),
        ("/{id}/processes/{process_id}/trigger", post(trigger)),
    ]
}

/// There are few: the page is cut from all of them.
async fn list(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    application: Application,
    Query(params): Params,
) -> Result<Response, Refusal> {
    let page = parse::page(&params)?;
    let all = all(&api, &caller, &application).await?;
    let total = all.len() as u64;
    let (skip, take) = (page.offset as usize, page.limit as usize);
    let shown = |process| Process::new(process, &application.environment);
    let items = all.iter().skip(skip).take(take).map(shown).collect();
    Ok(render::json(&Page::new(items, page, total)))
}

/// Only what runs by a schedule can be triggered, and no process does.
async fn trigger(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    application: Application,
) -> Result<Response, Refusal> {
    let text = application.hole("process_id");
    let missing = || Refusal::not_found(format_args!("the application has no process '{text}'"));
    let asked = uuid(text).ok_or_else(missing)?;
    let all = all(&api, &caller, &application).await?;
    let found = all.iter().find(|process| process.id == asked);
    let process = found.ok_or_else(missing)?;
    Err(Refusal::bad(format!(
        "process '{}' is no cron process: only those can be triggered",
        process.name
    )))
}

async fn all(
    api: &Api,
    caller: &Caller,
    application: &Application,
) -> Result<Vec<ProcessView>, Refusal> {
    let name = application.environment.name.clone();
    let asked = Action::ListProcesses(application.app(), Some(name));
    match api.agent.dispatch(caller, asked).await? {
        Reply::Processes(all) => Ok(all),
        other => Err(Refusal::unexpected(&other)),
    }
}

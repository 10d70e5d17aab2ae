//! Logs: a deployment's, and what an application's containers print.

use super::error::Refusal;
use super::filter::{self, Asked, Filter};
use super::parse::Lines;
use super::path::Application;
use super::wire::log::LogEntry;
use super::{Params, Route, parse, render};
use crate::api::Api;
use crate::core::access::Caller;
use crate::core::action::{Action, ReadLog, Reply};
use crate::core::log::parse_line;
use crate::core::runtime::{ReadRuntimeLog, RuntimeFilter, RuntimeRange};
use crate::core::time::Timestamp;
use axum::Extension;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::get;
use std::collections::VecDeque;

/// How far back a runtime log is read unless asked for, in milliseconds.
const AN_HOUR: i64 = 60 * 60 * 1000;

/// How much text one answer holds, in bytes: without it five thousand of the longest lines would.
const MAX_TEXT: usize = 16 * 1024 * 1024;

pub(super) fn routes() -> Vec<Route> {
    vec![
        ("/{id}/deployments/{deployment_id}/logs", get(of_deployment)),
        ("/{id}/runtime-logs", get(of_runtime)),
    ]
}

/// From its beginning unless asked for: the usual last hour would hide the log of an older deployment.
async fn of_deployment(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    application: Application,
    Query(params): Params,
) -> Result<Response, Refusal> {
    let wanted = parse::lines(&params)?;
    let deployment = application.deployment(&api, &caller).await?.id();
    let ids = (application.environment.id, deployment);
    let mut newest = Newest::default();
    let mut from = 0;
    loop {
        let read = ReadLog {
            deployment,
            from,
            limit: u64::MAX,
            wait: false,
        };
        let page = match api.agent.dispatch(&caller, Action::ReadLog(read)).await? {
            Reply::Log(page) => page,
            other => return Err(Refusal::unexpected(&other)),
        };
        if page.text.is_empty() {
            return Ok(render::json(&newest.entries));
        }
        let mut offset = from;
        for line in page.text.split_inclusive('\n') {
            let text = line.trim_end_matches('\n');
            let entry = parse_line(text).and_then(|line| {
                let at = Timestamp::parse(line.timestamp)?;
                let is_within = wanted.from.is_none_or(|from| at >= from)
                    && wanted.to.is_none_or(|to| at <= to);
                let entry = LogEntry::of_deployment(ids, offset, at, &line);
                let is_meant = |filter: &Filter| filter.takes(&entry);
                (is_within && wanted.filters.iter().all(is_meant)).then_some(entry)
            });
            newest.take(entry, &wanted);
            offset += line.len() as u64;
        }
        from = page.next;
    }
}

/// The newest lines that are asked for, oldest first.
#[derive(Default)]
struct Newest {
    entries: VecDeque<LogEntry>,
    bytes: usize,
}

impl Newest {
    fn take(&mut self, entry: Option<LogEntry>, wanted: &Lines) {
        let Some(entry) = entry else {
            return;
        };
        self.bytes += entry.message.len();
        self.entries.push_back(entry);
        while self.entries.len() > wanted.limit as usize || self.bytes > MAX_TEXT {
            let Some(oldest) = self.entries.pop_front() else {
                return;
            };
            self.bytes -= oldest.message.len();
        }
    }
}

async fn of_runtime(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    application: Application,
    Query(params): Params,
) -> Result<Response, Refusal> {
    let wanted = parse::lines(&params)?;
    let id = application.environment.id;
    let conditions = match filter::of_runtime(&wanted.filters, id) {
        Asked::Lines(conditions) => conditions,
        Asked::Nothing => return Ok(render::json(&[(); 0])),
    };
    let an_hour_ago = || Timestamp(api.agent.now().0.saturating_sub(AN_HOUR));
    let read = ReadRuntimeLog {
        app: application.app(),
        environment: Some(application.environment.name.clone()),
        filter: RuntimeFilter {
            since: Some(wanted.from.unwrap_or_else(an_hour_ago)),
            until: wanted.to,
            process: None,
            release: None,
            conditions,
        },
        range: RuntimeRange::Last,
        limit: wanted.limit,
    };
    match api
        .agent
        .dispatch(&caller, Action::ReadRuntimeLog(read))
        .await?
    {
        Reply::RuntimeLog(page) => {
            let lines = page.lines.into_iter();
            let entries: Vec<LogEntry> = lines.map(|line| LogEntry::of_runtime(id, line)).collect();
            Ok(render::json(&entries))
        }
        other => Err(Refusal::unexpected(&other)),
    }
}

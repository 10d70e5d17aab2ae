//! What an environment's containers print: an addition.

use super::error::{self, Refusal};
use super::follow::{self, Follower};
use super::parse::{self, MAX_PLACE};
use super::path::NamedApp;
use super::wire::name::{EnvironmentName, EventId};
use super::wire::problem::Problem;
use super::wire::runtime::{RuntimeLine, RuntimeLog, SeverityWord};
use super::{Params, Route, render};
use crate::api::Api;
use crate::api::follow::Followers;
use crate::core::access::Caller;
use crate::core::action::{Action, AppRef, Reply};
use crate::core::runtime::{
    Condition, ReadRuntimeLog, RuntimeFilter, RuntimePage, RuntimeRange, Severity,
};
use crate::core::time::Timestamp;
use axum::Extension;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use std::collections::HashMap;
use utoipa_axum::routes;

/// How many lines one answer holds, and how many unless asked for.
const MAX_LINES: u64 = 1000;
const DEFAULT_LINES: u64 = 100;
/// How many texts may be looked for at once, and how long they may be in all: each line is searched for them.
const MAX_TEXT: usize = 1024;

pub(super) fn routes() -> Vec<Route> {
    vec![routes!(logs)]
}

/// Reads what an environment's containers print
///
/// The newest lines, the oldest of them first; with `from` those from that byte of the log on, as `meta.next` of an
/// earlier answer gave it. Where `Accept` names `text/event-stream`, as Server-Sent Events for ever: each is a line as
/// JSON, its id the byte to go on at. Lines that are no longer there, or could not be kept, are spoken of in a line of
/// stream `agent`.
#[utoipa::path(
    get, path = "/apps/{app}/logs", tag = "apps", operation_id = "getRuntimeLogs",
    params(
        ("app" = String, Path, description = "The app's id or name"),
        ("environment" = inline(Option<EnvironmentName>), Query, description = "The token's own, else the app's default if absent"),
        ("since" = Option<String>, Query, format = DateTime, description = "Only lines printed then or later"),
        ("until" = Option<String>, Query, format = DateTime, description = "Only lines printed then or earlier"),
        ("severity" = inline(Option<SeverityWord>), Query,
            description = "Only lines that say they are so severe or more; one that says nothing counts as `info`"),
        ("contains" = Option<String>, Query, max_length = 1024, description = "Only lines that hold this text"),
        ("process" = Option<String>, Query, description = "Only lines of this process"),
        ("release" = Option<i64>, Query, minimum = 1, description = "Only lines of this release"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "How many lines at most; 100 if absent"),
        ("from" = Option<i64>, Query, minimum = 0, description = "The byte to begin at"),
        ("wait" = Option<bool>, Query, description = "With `from`: whether to wait for a line if there is none yet"),
        ("Last-Event-ID" = inline(Option<EventId>), Header,
            description = "Where a client that was cut off goes on following; counts more than `from`"),
    ),
    responses(
        (status = 200, content(
            (RuntimeLog = "application/json"),
            (RuntimeLine = "text/event-stream"),
        )),
        (status = 400, body = Problem, description = "A parameter breaks a rule"),
        (status = 404, body = Problem, description = "There is no such app or environment"),
    ),
)]
async fn logs(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(followers): Extension<Followers>,
    NamedApp { app, text }: NamedApp,
    headers: HeaderMap,
    Query(params): Params,
) -> Result<Response, Refusal> {
    let (read, is_followed) = parse(app, &params, &headers)?;
    if !is_followed {
        let page = ask(&api, &caller, read, &text).await?;
        return Ok(render::json(&RuntimeLog::from(&page)));
    }
    // What is wrong with the request is told before the stream begins. Where nobody says from where, it begins with the
    // newest lines.
    let first = ask(&api, &caller, read.clone(), &text).await?;
    let follower = Follower::join(&api, &followers, &caller, &headers)?;
    Ok(follow::runtime(follower, read, first))
}

async fn ask(
    api: &Api,
    caller: &Caller,
    read: ReadRuntimeLog,
    app: &str,
) -> Result<RuntimePage, Refusal> {
    match api
        .agent
        .dispatch(caller, Action::ReadRuntimeLog(read))
        .await
    {
        Ok(Reply::RuntimeLog(page)) => Ok(page),
        Ok(other) => Err(Refusal::unexpected(&other)),
        Err(error) => Err(error::of_path(error, app)),
    }
}

fn parse(
    app: AppRef,
    params: &HashMap<String, String>,
    headers: &HeaderMap,
) -> Result<(ReadRuntimeLog, bool), Refusal> {
    let environment = parse::environment_of_query(params)?;
    let filter = filter(params)?;
    let limit = parse::number(params, "limit", DEFAULT_LINES, 1, MAX_LINES)?;
    let offset = parse::number(params, "from", 0, 0, MAX_PLACE)?;
    let wait = parse::flag_of_query(params, "wait")?;
    let seen = parse::last_event(headers)?;
    let is_followed = parse::accepts(headers, "text/event-stream");
    let range = match (is_followed, seen, params.contains_key("from")) {
        (true, Some(offset), _) => RuntimeRange::From {
            offset,
            wait: false,
        },
        (true, None, true) => RuntimeRange::From {
            offset,
            wait: false,
        },
        (false, _, true) => RuntimeRange::From { offset, wait },
        (_, _, false) => RuntimeRange::Last,
    };
    let read = ReadRuntimeLog {
        app,
        environment,
        filter,
        range,
        limit: u32::try_from(limit).unwrap_or(u32::MAX),
    };
    Ok((read, is_followed))
}

fn filter(params: &HashMap<String, String>) -> Result<RuntimeFilter, Refusal> {
    let time = |name: &str| -> Result<Option<Timestamp>, Refusal> {
        let text = params.get(name);
        let wrong = || Refusal::parameter(name, "must be a time like 2025-03-14T10:32:00Z");
        text.map(|text| Timestamp::parse(text).ok_or_else(wrong))
            .transpose()
    };
    let (since, until) = (time("since")?, time("until")?);
    let mut conditions = Vec::new();
    if let Some(word) = params.get("severity") {
        let least = Severity::parse(word);
        let wrong = || Refusal::parameter("severity", "must be debug, info, warn or error");
        conditions.push(Condition::Severity {
            any: least.ok_or_else(wrong)?.and_above(),
            not: false,
        });
    }
    if let Some(text) = params.get("contains").filter(|text| !text.is_empty()) {
        if text.len() > MAX_TEXT {
            let message = format!("must be at most {MAX_TEXT} bytes");
            return Err(Refusal::parameter("contains", &message));
        }
        conditions.push(Condition::Contains {
            any: vec![text.clone()],
            not: false,
        });
    }
    let release = match params.contains_key("release") {
        true => {
            let number = parse::number(params, "release", 0, 1, MAX_PLACE)?;
            i64::try_from(number).ok()
        }
        false => None,
    };
    Ok(RuntimeFilter {
        since,
        until,
        process: params.get("process").cloned(),
        release,
        conditions,
    })
}

//! Requests to actions. With several bad fields the first in the contract's order is reported.

use super::error::Refusal;
use super::key::{key, key_at};
use super::{bounds, id, words};
use crate::api::number::within;
use crate::core::action::{
    AppRef, CreateDeployment, Environments, ListDeployments, ListEvents, ListRuns, Target,
};
use crate::core::command::DEPLOY;
use crate::core::deployment::Trigger;
use crate::core::event::After;
use crate::core::job::JobEvent;
use crate::core::name::{AppName, Branch, EnvironmentName, ImageReference, TaskName, VariableName};
use crate::core::particulars::{Conditions, Particulars};
use crate::core::secret::Secret;
use axum::body::Body;
use axum::http::{HeaderMap, Uri, header};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};
use uuid::Uuid;

/// The contract's limits on `env_vars`.
const MAX_VARIABLES: usize = 100;
const MAX_VALUE: usize = 32 * 1024;
/// The most a payload may hold: what tells a script what to do, and not the files for it.
const MAX_PAYLOAD: usize = 256 * 1024;
/// The contract's limits on a page, and its size unless asked for.
const MAX_LIMIT: u64 = 100;
const DEFAULT_LIMIT: u64 = 20;
const MAX_LOG_LINES: u64 = 1000;
const DEFAULT_LOG_LINES: u64 = 100;
const MAX_EVENTS: u64 = 1000;
const DEFAULT_EVENTS: u64 = 100;
/// The largest place in a file or in the order of events.
pub(super) const MAX_PLACE: u64 = i64::MAX as u64;

/// The id of nothing: no UUID that was made or derived is all ones.
pub(super) const NOTHING: Uuid = Uuid::max();

pub(super) type Object = Map<String, Value>;

/// The body as a JSON object, whatever its content type says.
pub(super) async fn object(body: Body, max: usize) -> Result<Object, Refusal> {
    let bytes = bounds::whole(body, max).await?;
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Refusal::bad(
            "invalid_json",
            "The body must be a JSON object",
            json!({}),
        )),
        Err(error) => Err(Refusal::bad(
            "invalid_json",
            format!("The body is not JSON: {error}"),
            json!({}),
        )),
    }
}

/// A body that may be empty or `null`: what it could say has a default.
pub(super) async fn optional_object(body: Body, max: usize) -> Result<Object, Refusal> {
    let bytes = bounds::whole(body, max).await?;
    if matches!(bytes.trim_ascii(), b"" | b"null") {
        return Ok(Object::new());
    }
    object(Body::from(bytes), max).await
}

/// A deployment of what was there: a restart or a rollback.
pub(super) fn create_again(
    app: AppRef,
    uri: &Uri,
    body: &Object,
    headers: &HeaderMap,
    target: Target,
) -> Result<CreateDeployment, Refusal> {
    Ok(CreateDeployment {
        app,
        environment: environment(body)?,
        target,
        variables: BTreeMap::new(),
        trigger: Trigger::Manual,
        key: key_at(uri, body, headers)?,
        unless_unfinished: false,
        particulars: Particulars::default(),
        conditions: Conditions::default(),
        event: None,
    })
}

/// The number of the release to go back to.
pub(super) fn release(body: &Object) -> Result<Option<i64>, Refusal> {
    match body.get("release") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(number)) if number.as_i64().is_some_and(|number| number > 0) => {
            Ok(number.as_i64())
        }
        Some(_) => Err(Refusal::field("release", "must be a release's number")),
    }
}

/// The one environment a body names, or the default.
pub(super) fn environments(body: &Object) -> Result<Environments, Refusal> {
    Ok(environment(body)?.map_or(Environments::Default, Environments::Named))
}

/// The one environment a query names, or all.
pub(super) fn environments_of_query(
    params: &HashMap<String, String>,
) -> Result<Environments, Refusal> {
    Ok(environment_of_query(params)?.map_or(Environments::All, Environments::Named))
}

/// Yes or no; absent is no.
pub(super) fn flag(body: &Object, field: &str) -> Result<bool, Refusal> {
    match body.get(field) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(value)) => Ok(*value),
        Some(_) => Err(Refusal::field(field, "must be true or false")),
    }
}

/// The same in a query.
pub(super) fn flag_of_query(params: &HashMap<String, String>, name: &str) -> Result<bool, Refusal> {
    match params.get(name).map(String::as_str) {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(Refusal::parameter(name, "must be true or false")),
    }
}

/// A create. `runs_image` says whether an app, in that environment or its default, needs no branch.
pub(super) fn create(
    body: &Object,
    headers: &HeaderMap,
    runs_image: impl FnOnce(&AppRef, Option<&EnvironmentName>) -> bool,
) -> Result<CreateDeployment, Refusal> {
    let app = required(body, "project_id")?;
    let create = wanted(&app, body, runs_image)?;
    let key = key(body, headers)?;
    Ok(CreateDeployment { key, ..create })
}

/// What would be asked for: the body of a create, or a release to go back to.
pub(super) fn plan(app: &str, body: &Object) -> Result<CreateDeployment, Refusal> {
    let release = release(body)?;
    // Whether a branch is missing is found out with the rest.
    let create = wanted(app, body, |_, _| true)?;
    let target = match (release, create.target) {
        (None, target) => target,
        (Some(number), Target::Unnamed) => Target::Release(Some(number)),
        (Some(_), _) => {
            return Err(Refusal::field(
                "release",
                "excludes branch, commit_sha, image and from_config",
            ));
        }
    };
    Ok(CreateDeployment { target, ..create })
}

fn wanted(
    asked: &str,
    body: &Object,
    runs_image: impl FnOnce(&AppRef, Option<&EnvironmentName>) -> bool,
) -> Result<CreateDeployment, Refusal> {
    let app = app(asked);
    // Additions that stand in for a branch; what is wrong with them is said in their turn.
    let given = |field: &str| body.get(field).is_some_and(|value| !value.is_null());
    let needs_branch = || {
        let is_asked = given("image") || body.get("from_config") == Some(&Value::Bool(true));
        let named = environment(body).ok();
        !is_asked
            && (given("commit_sha")
                || !named.is_some_and(|environment| runs_image(&app, environment.as_ref())))
    };
    let branch = match text(body, "branch")?.filter(|branch| !branch.is_empty()) {
        None if needs_branch() => return Err(Refusal::missing("branch")),
        Some(branch) => Some(Branch::parse(&branch).map_err(|fault| {
            Refusal::bad(
                "invalid_branch",
                format!("Branch '{branch}' {fault}"),
                json!({ "project_id": asked }),
            )
        })?),
        None => None,
    };
    let commit = text(body, "commit_sha")?
        .map(|commit| commit_sha(&commit))
        .transpose()?;
    let variables = variables(body.get("env_vars"))?;
    let image = text(body, "image")?
        .map(|image| ImageReference::parse(&image).map_err(|fault| Refusal::field("image", fault)))
        .transpose()?;
    let environment = environment(body)?;
    let from_config = flag(body, "from_config")?;
    let particulars = Particulars {
        task: task(body)?,
        payload: payload(body)?,
        transient: flag(body, "preview")?,
        ..Particulars::default()
    };
    let target = match (image, branch, commit, from_config) {
        (Some(_), Some(_), _, _) => {
            return Err(Refusal::field("image", "and branch exclude each other"));
        }
        (Some(_), None, Some(_), _) => {
            return Err(Refusal::field("image", "and commit_sha exclude each other"));
        }
        (Some(image), None, None, _) => Target::Image(image),
        (None, Some(branch), commit, _) => Target::Reference(branch.into(), commit),
        (None, None, commit, true) => Target::Configured(commit),
        (None, None, Some(_), false) => return Err(Refusal::missing("branch")),
        (None, None, None, false) => Target::Unnamed,
    };
    Ok(CreateDeployment {
        app,
        environment,
        target,
        variables,
        trigger: Trigger::Manual,
        key: None,
        unless_unfinished: false,
        particulars,
        conditions: Conditions::default(),
        event: None,
    })
}

/// The task that is asked for besides; GitHub's `deploy` is none.
fn task(body: &Object) -> Result<Option<TaskName>, Refusal> {
    let named = text(body, "task")?.filter(|name| name != DEPLOY);
    named
        .map(|name| TaskName::parse(&name).map_err(|fault| Refusal::field("task", fault)))
        .transpose()
}

/// Anything, for the containers.
fn payload(body: &Object) -> Result<Option<String>, Refusal> {
    let Some(value) = body.get("payload").filter(|value| !value.is_null()) else {
        return Ok(None);
    };
    let text = value.to_string();
    if text.len() > MAX_PAYLOAD {
        return Err(Refusal::field("payload", "is longer than 256 KiB"));
    }
    Ok(Some(text))
}

pub(super) fn list(params: &HashMap<String, String>) -> Result<ListDeployments, Refusal> {
    let limit = number(params, "limit", DEFAULT_LIMIT, 1, MAX_LIMIT)?;
    let offset = number(params, "offset", 0, 0, MAX_PLACE)?;
    let states = match params.get("status") {
        None => Vec::new(),
        Some(word) => words::filter(word)
            .ok_or_else(|| {
                Refusal::parameter(
                    "status",
                    "must be queued, building, deploying, success, failed or cancelled",
                )
            })?
            .to_vec(),
    };
    let environment = environment_of_list(params)?;
    let app = params.get("project_id").map(|text| app(text));
    Ok(ListDeployments {
        app,
        environment,
        states,
        limit: u32::try_from(limit).unwrap_or(u32::MAX),
        offset,
        ..ListDeployments::default()
    })
}

/// A page of an app's runs.
pub(super) fn runs(app: AppRef, params: &HashMap<String, String>) -> Result<ListRuns, Refusal> {
    let limit = number(params, "limit", DEFAULT_LIMIT, 1, MAX_LIMIT)?;
    Ok(ListRuns {
        app,
        environment: environment_of_query(params)?,
        limit: u32::try_from(limit).unwrap_or(u32::MAX),
        offset: number(params, "offset", 0, 0, MAX_PLACE)?,
    })
}

/// The event a body names.
pub(super) fn job_event(body: &Object) -> Result<Option<JobEvent>, Refusal> {
    let word = text(body, "event")?;
    let event = word.map(|word| {
        JobEvent::parse(&word)
            .ok_or_else(|| Refusal::field("event", "must be start, stop, delete or cron"))
    });
    event.transpose()
}

/// In which form a log is asked for.
pub(super) enum LogForm {
    /// The whole text.
    Whole,
    /// An addition: whole lines from a byte on, waiting for some if there are none yet.
    Piece { from: u64, wait: bool },
    /// A page of JSON objects.
    Lines { limit: u64, offset: u64 },
    /// An addition: line by line from a byte on, as they come.
    Followed { from: u64 },
}

pub(super) fn log(
    params: &HashMap<String, String>,
    headers: &HeaderMap,
) -> Result<LogForm, Refusal> {
    let from = number(params, "from", 0, 0, MAX_PLACE)?;
    let wait = flag_of_query(params, "wait")?;
    let limit = number(params, "limit", DEFAULT_LOG_LINES, 1, MAX_LOG_LINES)?;
    let offset = number(params, "offset", 0, 0, MAX_PLACE)?;
    let seen = last_event(headers)?;
    if accepts(headers, "text/event-stream") {
        let from = seen.unwrap_or(from);
        return Ok(LogForm::Followed { from });
    }
    if params.contains_key("from") {
        return Ok(LogForm::Piece { from, wait });
    }
    if accepts(headers, "application/json") {
        return Ok(LogForm::Lines { limit, offset });
    }
    Ok(LogForm::Whole)
}

/// Whether events are to be followed, instead of one page of them.
pub(super) fn events(
    params: &HashMap<String, String>,
    headers: &HeaderMap,
) -> Result<(ListEvents, bool), Refusal> {
    let after = match params.get("after").map(String::as_str) {
        Some("latest") => After::Latest,
        Some(_) | None => After::Serial(place(number(params, "after", 0, 0, MAX_PLACE)?)),
    };
    let limit = number(params, "limit", DEFAULT_EVENTS, 1, MAX_EVENTS)?;
    let deployment = params.get("deployment");
    let list = ListEvents {
        after,
        limit: u32::try_from(limit).unwrap_or(u32::MAX),
        app: params.get("app").map(|text| app(text)),
        environment: environment_of_list(params)?,
        deployment: deployment.map(|text| id::parse("dep_", text).unwrap_or(NOTHING)),
        wait: false,
    };
    let seen = last_event(headers)?;
    if !accepts(headers, "text/event-stream") {
        return Ok((list, false));
    }
    // What a client has seen counts more than where it began.
    let after = seen.map_or(list.after, |seen| After::Serial(place(seen)));
    Ok((ListEvents { after, ..list }, true))
}

fn place(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn accepts(headers: &HeaderMap, kind: &str) -> bool {
    let accept = headers.get(header::ACCEPT);
    let accept = accept.and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.contains(kind))
}

/// Where a client that was cut off goes on.
pub(super) fn last_event(headers: &HeaderMap) -> Result<Option<u64>, Refusal> {
    let Some(value) = headers.get("last-event-id").filter(|id| !id.is_empty()) else {
        return Ok(None);
    };
    let number = value.to_str().ok().and_then(|text| text.parse().ok());
    let number = number.filter(|number| *number <= MAX_PLACE);
    let wrong = || Refusal::parameter("Last-Event-ID", "must be an id that an event had");
    number.ok_or_else(wrong).map(Some)
}

pub(super) fn environment_of_query(
    params: &HashMap<String, String>,
) -> Result<Option<EnvironmentName>, Refusal> {
    let name = params.get("environment");
    let parsed = name.map(|name| EnvironmentName::any(name)).transpose();
    parsed.map_err(|fault| Refusal::parameter("environment", &fault.to_string()))
}

/// Of a list, which may show what others deployed to environments of other names than ours have.
fn environment_of_list(
    params: &HashMap<String, String>,
) -> Result<Option<EnvironmentName>, Refusal> {
    let name = params.get("environment");
    let parsed = name.map(|name| EnvironmentName::any(name)).transpose();
    parsed.map_err(|fault| Refusal::parameter("environment", &fault.to_string()))
}

/// An app by git.dev's id or, as an addition, by its name: a name holds no underscore, so the two cannot be confused.
/// What can be neither is an app there is not: a 404, after everything that is checked before.
pub(super) fn app(text: &str) -> AppRef {
    id::parse("proj_", text)
        .map(AppRef::Id)
        .or_else(|| AppName::parse(text).ok().map(AppRef::Name))
        .unwrap_or(AppRef::Id(NOTHING))
}

pub(super) fn environment(body: &Object) -> Result<Option<EnvironmentName>, Refusal> {
    let name = text(body, "environment")?;
    name.map(|name| {
        EnvironmentName::any(&name).map_err(|fault| Refusal::field("environment", fault))
    })
    .transpose()
}

fn commit_sha(text: &str) -> Result<String, Refusal> {
    let holds = (7..=40).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if holds {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(Refusal::field(
            "commit_sha",
            "must be 7 to 40 hexadecimal digits",
        ))
    }
}

fn variables(value: Option<&Value>) -> Result<BTreeMap<VariableName, Secret>, Refusal> {
    let object = match value {
        None | Some(Value::Null) => return Ok(BTreeMap::new()),
        Some(Value::Object(object)) => object,
        Some(_) => return Err(Refusal::field("env_vars", "must be an object of strings")),
    };
    let refuse = |key: &str, why: &str| {
        let shown: String = key.chars().take(255).collect();
        Refusal::bad(
            "invalid_env_vars",
            format!("env_vars: {why}"),
            json!({ "key": shown }),
        )
    };
    if object.len() > MAX_VARIABLES {
        return Err(refuse("", &format!("more than {MAX_VARIABLES} variables")));
    }
    let read = |(key, value): (&String, &Value)| {
        let name =
            VariableName::parse(key).map_err(|fault| refuse(key, &format!("a name {fault}")))?;
        if key == "PATH" || key.starts_with("LD_") || key.starts_with("LONGSHORE_") {
            return Err(refuse(
                key,
                "PATH, LD_* and LONGSHORE_* cannot be set by a deployment",
            ));
        }
        let Value::String(value) = value else {
            return Err(refuse(key, "values must be strings"));
        };
        if value.len() > MAX_VALUE || value.contains('\0') {
            return Err(refuse(
                key,
                "a value is longer than 32 KiB or holds a NUL character",
            ));
        }
        Ok((name, Secret::new(value.as_str())))
    };
    object.iter().map(read).collect()
}

/// A string; `null` is absent.
pub(super) fn text(body: &Object, field: &str) -> Result<Option<String>, Refusal> {
    match body.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(Refusal::field(field, "must be a string")),
    }
}

pub(super) fn required(body: &Object, field: &str) -> Result<String, Refusal> {
    let given = text(body, field)?.filter(|text| !text.is_empty());
    given.ok_or_else(|| Refusal::missing(field))
}

pub(super) fn number(
    params: &HashMap<String, String>,
    name: &str,
    default: u64,
    least: u64,
    most: u64,
) -> Result<u64, Refusal> {
    let Some(text) = params.get(name) else {
        return Ok(default);
    };
    within(text, least..=most).ok_or_else(|| {
        Refusal::parameter(name, &format!("must be a number from {least} to {most}"))
    })
}

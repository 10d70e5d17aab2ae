//! Requests to what they ask for. What is wrong with a field or a parameter is said with its name.

use super::MAX_BODY;
use super::error::Refusal;
use super::path::uuid;
use crate::api::bounds;
use crate::core::job::JobEvent;
use axum::body::Body;
use serde_json::{Map, Value};
use std::collections::{BTreeSet, HashMap};
use uuid::Uuid;

/// How many items a history has unless another number is asked for, and at most.
pub(super) const HISTORY: u32 = 20;
const MAX_HISTORY: u32 = 100;

/// How many services one request may name: as many apps a host hardly has.
const MAX_SERVICES: usize = 1000;

type Object = Map<String, Value>;

/// Which version is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Version {
    Tag(String),
    Commit(String),
}

/// A service of an environment that is to be deployed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) id: Uuid,
    pub(super) kind: Kind,
    pub(super) version: Option<Version>,
}

/// As what it was named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Application,
    Container,
    Job,
}

/// The body as a JSON object, whatever its content type says; empty and `null` are an empty one: clients without a body
/// send any of the three. Unknown keys are nobody's business.
async fn object(body: Body) -> Result<Object, Refusal> {
    let bytes = bounds::whole(body, MAX_BODY).await?;
    if matches!(bytes.trim_ascii(), b"" | b"null") {
        return Ok(Object::new());
    }
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Refusal::bad("the body must be a JSON object")),
        Err(error) => Err(Refusal::bad(format!("the body is not JSON: {error}"))),
    }
}

/// The body of a job's deployment.
pub(super) async fn version(body: Body) -> Result<Option<Version>, Refusal> {
    version_in(&object(body).await?, "")
}

/// `at` stands before the names of its fields.
fn version_in(object: &Object, at: &str) -> Result<Option<Version>, Refusal> {
    match (
        text(object, at, "image_tag")?,
        text(object, at, "git_commit_id")?,
    ) {
        (None, None) => Ok(None),
        (Some(tag), None) => Ok(Some(Version::Tag(tag))),
        (None, Some(commit)) => Ok(Some(Version::Commit(commit))),
        (Some(_), Some(_)) => Err(Refusal::field(
            &format!("{at}git_commit_id"),
            "and image_tag exclude each other: a service has one kind of source",
        )),
    }
}

/// A string; `null` and an empty one, which a client sends that knows of no version, are absent.
fn text(object: &Object, at: &str, name: &str) -> Result<Option<String>, Refusal> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(Refusal::field(&format!("{at}{name}"), "must be a string")),
    }
}

/// The event that is to be run instead of what a deployment runs.
pub(super) fn force_event(params: &HashMap<String, String>) -> Result<Option<JobEvent>, Refusal> {
    match params.get("forceEvent").map(String::as_str) {
        None => Ok(None),
        Some("START") => Ok(Some(JobEvent::Start)),
        Some("STOP") => Ok(Some(JobEvent::Stop)),
        Some("DELETE") => Ok(Some(JobEvent::Delete)),
        Some("CRON") => Ok(Some(JobEvent::Cron)),
        Some(_) => Err(Refusal::field(
            "forceEvent",
            "must be START, STOP, DELETE or CRON",
        )),
    }
}

/// How many items of a history. No status is documented for a number that is none: it is left out.
pub(super) fn page_size(params: &HashMap<String, String>) -> u32 {
    let asked = params.get("pageSize").and_then(|text| text.parse().ok());
    asked.map_or(HISTORY, |size: u32| size.clamp(1, MAX_HISTORY))
}

/// Whether only what is out of date is asked for.
pub(super) fn to_update(params: &HashMap<String, String>) -> bool {
    params.get("toUpdate").is_some_and(|text| text == "true")
}

/// The services that are to be deployed, each once.
pub(super) async fn wishes(body: Body) -> Result<Vec<Wish>, Refusal> {
    let body = object(body).await?;
    for kind in ["databases", "helms", "terraforms"] {
        if !list(&body, kind)?.is_empty() {
            return Err(Refusal::field(
                kind,
                "names a service that there is none of",
            ));
        }
    }
    let mut wishes = Vec::new();
    for (field, id, kind) in [
        ("applications", "application_id", Kind::Application),
        ("containers", "id", Kind::Container),
        ("jobs", "id", Kind::Job),
    ] {
        for (index, item) in list(&body, field)?.iter().enumerate() {
            let at = format!("{field}[{index}].");
            let Value::Object(item) = item else {
                return Err(Refusal::field(
                    &format!("{field}[{index}]"),
                    "must be an object",
                ));
            };
            let own = text(item, &at, id)?.as_deref().and_then(uuid);
            let own = own.ok_or_else(|| Refusal::field(&format!("{at}{id}"), "must be an id"))?;
            wishes.push(Wish {
                id: own,
                kind,
                version: version_in(item, &at)?,
            });
        }
    }
    let once: BTreeSet<Uuid> = wishes.iter().map(|wish| wish.id).collect();
    match wishes.len() {
        count if count > once.len() => Err(Refusal::bad("a service is named twice")),
        count if count > MAX_SERVICES => Err(Refusal::bad(format!(
            "more than {MAX_SERVICES} services are named"
        ))),
        _ => Ok(wishes),
    }
}

fn list<'a>(body: &'a Object, name: &str) -> Result<&'a [Value], Refusal> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(items)) => Ok(items),
        Some(_) => Err(Refusal::field(name, "must be an array")),
    }
}

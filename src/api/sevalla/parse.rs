//! Requests to actions. What is wrong with a field or a parameter is said with its name.

use super::MAX_BODY;
use super::error::Refusal;
use super::filter::{self, Filter};
use super::path::uuid;
use crate::api::bounds;
use crate::api::number::within;
use crate::core::action::Target;
use crate::core::name::{Branch, ImageReference};
use crate::core::time::Timestamp;
use axum::body::Body;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::str::FromStr;
use uuid::Uuid;

/// The document's limits on a page, and its size unless asked for.
const MAX_LIMIT: u32 = 100;
const DEFAULT_LIMIT: u32 = 25;
pub(super) const MAX_OFFSET: u64 = 10_000;
/// The same for lines of logs.
const MAX_LINES: u32 = 5000;
const DEFAULT_LINES: u32 = 1000;

type Object = Map<String, Value>;

/// The body as a JSON object, whatever its content type says; empty and `null` are an empty one: what it could say has a
/// default. Unknown keys are nobody's business: a client sends `tag`.
async fn object(body: Body) -> Result<Object, Refusal> {
    let bytes = bounds::whole(body, MAX_BODY).await?;
    if matches!(bytes.trim_ascii(), b"" | b"null") {
        return Ok(Object::new());
    }
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Refusal::bad("The body must be a JSON object")),
        Err(error) => Err(Refusal::bad(format!("The body is not JSON: {error}"))),
    }
}

/// A trigger's body. A restart ignores the other two, once they are of their types.
pub(super) async fn trigger(body: Body) -> Result<Target, Refusal> {
    let body = object(body).await?;
    let branch = text(&body, "branch")?;
    let image = text(&body, "docker_image")?;
    let is_restart = match body.get("is_restart") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(value)) => *value,
        Some(_) => return Err(Refusal::field("is_restart", "must be true or false")),
    };
    let fault = |name| move |fault| Refusal::field(name, fault);
    Ok(match (is_restart, branch, image) {
        (true, _, _) => Target::Restart,
        (false, None, None) => Target::Configured(None),
        (false, Some(branch), None) => {
            let branch = Branch::parse(branch).map_err(fault("branch"))?;
            Target::Reference(branch.into(), None)
        }
        (false, None, Some(image)) => {
            Target::Image(ImageReference::parse(image).map_err(fault("docker_image"))?)
        }
        (false, Some(_), Some(_)) => {
            return Err(Refusal::field(
                "docker_image",
                "and branch exclude each other: an application has one kind of source",
            ));
        }
    })
}

/// The deployment a rollback goes back to. The document knows no body, the vendor's command line sends this one.
pub(super) async fn rollback(body: Body) -> Result<Option<Uuid>, Refusal> {
    let body = object(body).await?;
    let asked = text(&body, "deployment_id")?;
    let parsed = asked.map(|text| {
        uuid(text).ok_or_else(|| Refusal::field("deployment_id", "must be a deployment's id"))
    });
    parsed.transpose()
}

/// A string; `null` is absent.
fn text<'a>(body: &'a Object, field: &str) -> Result<Option<&'a str>, Refusal> {
    match body.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Refusal::field(field, "must be a string")),
    }
}

/// Which part of a list is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) limit: u32,
    pub(super) offset: u64,
}

pub(super) fn page(params: &HashMap<String, String>) -> Result<Page, Refusal> {
    Ok(Page {
        limit: number(params, "limit", DEFAULT_LIMIT, 1, MAX_LIMIT)?,
        offset: number(params, "offset", 0, 0, MAX_OFFSET)?,
    })
}

/// Which lines of a log are asked for.
pub(super) struct Lines {
    pub(super) from: Option<Timestamp>,
    pub(super) to: Option<Timestamp>,
    pub(super) filters: Vec<Filter>,
    pub(super) limit: u32,
}

pub(super) fn lines(params: &HashMap<String, String>) -> Result<Lines, Refusal> {
    let filters = params.get("filters").map(|text| filter::parse(text));
    Ok(Lines {
        from: moment(params, "from")?,
        to: moment(params, "to")?,
        filters: filters.transpose()?.unwrap_or_default(),
        limit: number(params, "limit", DEFAULT_LINES, 1, MAX_LINES)?,
    })
}

fn moment(params: &HashMap<String, String>, name: &str) -> Result<Option<Timestamp>, Refusal> {
    let Some(text) = params.get(name) else {
        return Ok(None);
    };
    // The document allows a time without seconds.
    let with_seconds = match text.strip_suffix('Z') {
        Some(minutes) if minutes.len() == "2026-02-22T14:30".len() => format!("{minutes}:00Z"),
        Some(_) | None => text.clone(),
    };
    let wrong = || Refusal::field(name, "must be a time such as 2026-02-22T14:30:00.000Z");
    Timestamp::parse(&with_seconds).ok_or_else(wrong).map(Some)
}

fn number<N: FromStr + PartialOrd + std::fmt::Display + Copy>(
    params: &HashMap<String, String>,
    name: &str,
    default: N,
    least: N,
    most: N,
) -> Result<N, Refusal> {
    let Some(text) = params.get(name) else {
        return Ok(default);
    };
    within(text, least..=most).ok_or_else(|| {
        Refusal::field(
            name,
            format_args!("must be a number from {least} to {most}"),
        )
    })
}

//! An adoption: an addition of ours.

use super::error::Refusal;
use super::id;
use super::render::json;
use crate::core::action::Action;
use crate::core::adoption::Adopted;
use axum::response::Response;
use serde_json::{Map, Value, json as object};

/// `{"discard": true|false}`; what runs is kept unless the body says otherwise.
pub(super) fn parse(body: &Map<String, Value>) -> Result<Action, Refusal> {
    let discard = match body.get("discard") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(discard)) => *discard,
        Some(_) => return Err(Refusal::field("discard", "must be true or false")),
    };
    Ok(Action::Adopt { discard })
}

pub(super) fn render(adopted: &Adopted) -> Response {
    let Adopted {
        live,
        failed,
        removed,
        unknown,
    } = adopted;
    let live: Vec<Value> = live
        .iter()
        .map(|one| {
            object!({
                "app": one.app.as_str(),
                "environment": one.environment.as_str(),
                "release": one.release,
                "deployment": id::deployment(one.deployment),
                "container": one.container,
                "origin": one.origin.as_str(),
            })
        })
        .collect();
    let failed: Vec<String> = failed.iter().copied().map(id::deployment).collect();
    let unknown: Vec<Value> = unknown
        .iter()
        .map(|one| object!({ "container": one.container, "why": one.why }))
        .collect();
    json(&object!({ "live": live, "failed": failed, "removed": removed, "unknown": unknown }))
}

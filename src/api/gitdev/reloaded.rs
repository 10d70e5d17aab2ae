//! What a reload answers: an addition of ours, what the file says otherwise than before.

use super::render::json;
use crate::core::reload::{AppChange, Difference, Reloaded};
use axum::response::Response;
use serde_json::{Value, json as object};

pub(super) fn render(reloaded: &Reloaded) -> Response {
    let Reloaded {
        file,
        apps,
        settings,
        needs_restart,
    } = reloaded;
    let renamed: Vec<Value> = apps
        .renamed
        .iter()
        .map(|(from, to)| object!({ "from": from.as_str(), "to": to.as_str() }))
        .collect();
    let changed: Vec<Value> = apps.changed.iter().map(change).collect();
    json(&object!({
        "file": file,
        "added": apps.added,
        "removed": apps.removed,
        "renamed": renamed,
        "changed": changed,
        "settings": settings,
        "needs_restart": needs_restart,
        "notes": apps.notes,
    }))
}

fn change(change: &AppChange) -> Value {
    let (what, keys) = match &change.what {
        Difference::Added => ("added", Value::Null),
        Difference::Removed => ("removed", Value::Null),
        Difference::Keys(keys) => ("changed", object!(keys)),
    };
    let environment = change.environment.as_ref();
    object!({
        "app": change.app.as_str(),
        "environment": environment.map(|name| name.as_str()),
        "what": what,
        "keys": keys,
    })
}

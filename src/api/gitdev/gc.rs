//! Collecting garbage: an addition, `GET` explains and `POST` does it.

use super::error::Refusal;
use super::render;
use crate::api::Api;
use crate::core::access::Caller;
use crate::core::action::{Action, Reply};
use crate::core::retention::{Collection, Finding};
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use serde_json::{Value, json};

pub(super) async fn explain(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, Refusal> {
    run(&api, &caller, true).await
}

pub(super) async fn collect(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, Refusal> {
    run(&api, &caller, false).await
}

async fn run(api: &Api, caller: &Caller, explain: bool) -> Result<Response, Refusal> {
    let action = Action::CollectGarbage { explain };
    match api.agent.dispatch(caller, action).await? {
        Reply::Collection(collection) => Ok(render::json(&document(&collection))),
        other => Err(Refusal::unexpected(&other)),
    }
}

fn document(collection: &Collection) -> Value {
    let finding = |finding: &Finding| {
        json!({
            "kind": finding.kind.as_str(),
            "object": finding.object,
            "bytes": finding.bytes,
            "verdict": finding.verdict.as_str(),
            "reason": finding.reason,
        })
    };
    let data: Vec<Value> = collection.findings.iter().map(finding).collect();
    json!({ "explained": collection.explained, "engine_away": collection.engine_away, "data": data })
}

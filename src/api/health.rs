//! `GET /healthz`: whether longshore can do its work, for whoever watches over it. For everybody, so it names no path and
//! asks nothing outside the process.

use super::Api;
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;

#[derive(Serialize)]
#[serde(tag = "status", rename_all = "lowercase")]
enum Health {
    Ok,
    Unavailable { reasons: Vec<Reason> },
}

#[derive(Serialize)]
struct Reason {
    code: &'static str,
    message: &'static str,
}

pub(super) async fn show(State(api): State<Api>) -> Response {
    let reasons: Vec<Reason> = api
        .agent
        .unready()
        .into_iter()
        .map(|why| Reason {
            code: why.as_str(),
            message: why.message(),
        })
        .collect();
    let (status, health) = match reasons.is_empty() {
        true => (StatusCode::OK, Health::Ok),
        false => (
            StatusCode::SERVICE_UNAVAILABLE,
            Health::Unavailable { reasons },
        ),
    };
    (status, [(header::CACHE_CONTROL, "no-store")], Json(health)).into_response()
}

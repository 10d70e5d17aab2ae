//! Questions that bollard has no words for: one connection, one request, one JSON answer.

use super::connection::{Docker, HEAVY};
use crate::core::ports::EngineError;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::Request;
use hyper::header::HOST;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// More than any answer we ask for: the build cache's entries on a busy host are a few megabytes.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// Asks and reads the answer.
pub async fn ask(docker: &Docker, method: &str, path: &str) -> Result<Value, EngineError> {
    tokio::select! {
        biased;
        answer = timeout(HEAVY, exchange(docker, method, path)) => match answer {
            Ok(answer) => answer,
            Err(_) => Err(EngineError::Unavailable(format!(
                "it did not answer {method} {path} in time"
            ))),
        },
        lost = docker.lost() => Err(lost),
    }
}

async fn exchange(docker: &Docker, method: &str, path: &str) -> Result<Value, EngineError> {
    let lost = |error: &dyn std::fmt::Display| {
        EngineError::Unavailable(format!("it went away during {method} {path}: {error}"))
    };
    let wire = docker.dial().await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(wire))
        .await
        .map_err(|error| lost(&error))?;
    // The set ends the connection when this future is dropped.
    let mut tasks = JoinSet::new();
    tasks.spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, "docker")
        .body(Empty::<Bytes>::new())
        .map_err(|error| EngineError::Refused(error.to_string()))?;
    let (parts, body) = sender
        .send_request(request)
        .await
        .map_err(|error| lost(&error))?
        .into_parts();
    let body = Limited::new(body, MAX_ANSWER)
        .collect()
        .await
        .map_err(|error| lost(&error))?
        .to_bytes();
    let answer: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    if parts.status.is_success() {
        return Ok(answer);
    }
    let said = answer.get("message").and_then(Value::as_str);
    Err(EngineError::Refused(said.map_or_else(
        || format!("it answered {method} {path} with {}", parts.status),
        str::to_owned,
    )))
}

//! Requests over the daemon's socket, which may be killed under them.

use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;
use tokio::net::UnixStream;

/// How long a request may take: the longest fetches a branch.
const LIMIT: Duration = Duration::from_secs(60);

/// A request as it is sent, and sent again.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: &'static str,
    pub path: String,
    pub key: Option<String>,
    pub body: Value,
}

/// What became of it, as far as the client knows.
#[derive(Clone, Debug)]
pub enum Outcome {
    Answered(u16, Value),
    /// The connection ended before the answer: it may have been accepted, or not.
    Lost,
}

impl Asked {
    pub fn get(path: String) -> Self {
        Self {
            method: "GET",
            path,
            key: None,
            body: Value::Null,
        }
    }

    pub async fn send(&self, socket: &Path) -> Outcome {
        match tokio::time::timeout(LIMIT, self.exchange(socket)).await {
            Ok(Some((status, body))) => Outcome::Answered(status, body),
            Ok(None) => Outcome::Lost,
            Err(_) => panic!("after {LIMIT:?} still no answer to {self:?}"),
        }
    }

    async fn exchange(&self, socket: &Path) -> Option<(u16, Value)> {
        let stream = UnixStream::connect(socket).await.ok()?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .ok()?;
        let body = match &self.body {
            Value::Null => Bytes::new(),
            body => Bytes::from(body.to_string()),
        };
        let mut request = Request::builder()
            .method(self.method)
            .uri(&self.path)
            .header("host", "longshore");
        if let Some(key) = &self.key {
            request = request.header("idempotency-key", key);
        }
        let request = request.body(Full::new(body)).unwrap();
        let answer = async {
            let response = sender.send_request(request).await.ok()?;
            let status = response.status().as_u16();
            let body = response.into_body().collect().await.ok()?.to_bytes();
            Some((status, serde_json::from_slice(&body).ok()?))
        };
        let connection = async {
            let _ = connection.await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            answer = answer => answer,
            () = connection => None,
        }
    }
}

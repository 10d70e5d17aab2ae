//! One HTTP/1.1 request and its answer, on a connection of its own or on a kept one.

use super::Load;
use super::report::Failure;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use http_body_util::combinators::BoxBody;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use tokio::net::TcpStream;

pub(crate) type Body = BoxBody<Bytes, Infallible>;

/// Kept connections that nobody uses just now. Who takes one takes the one that rested longest, so that each of them
/// rests long enough for a server to end it.
#[derive(Default)]
pub(crate) struct Pool(Mutex<VecDeque<SendRequest<Body>>>);

impl Pool {
    fn take(&self) -> Option<SendRequest<Body>> {
        self.0.lock().unwrap().pop_front()
    }

    pub(crate) fn put(&self, connection: SendRequest<Body>) {
        self.0.lock().unwrap().push_back(connection);
    }
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) version: String,
    pub(crate) body: Bytes,
}

pub(crate) async fn tcp(load: &Load) -> Result<TcpStream, Failure> {
    let stream = TcpStream::connect(load.target)
        .await
        .map_err(|error| Failure::of("no connection", &error))?;
    stream
        .set_nodelay(true)
        .map_err(|error| Failure::of("no connection", &error))?;
    Ok(stream)
}

pub(crate) async fn connect(load: &Load) -> Result<SendRequest<Body>, Failure> {
    let (sender, connection) = handshake(TokioIo::new(tcp(load).await?))
        .await
        .map_err(|error| Failure::of("no connection", &error))?;
    tokio::spawn(connection);
    Ok(sender)
}

/// Asks on a connection of its own.
pub(crate) async fn ask_fresh(load: &Load, request: Request<Body>) -> Result<Answer, Failure> {
    let mut connection = connect(load).await?;
    match connection.try_send_request(request).await {
        Ok(response) => read(response).await,
        Err(error) => Err(Failure::of("no answer", error.error())),
    }
}

/// Asks on a kept connection. One that the server ended before a byte of the request was written is only a reason to take
/// the next; one that ends afterwards is a failure.
pub(crate) async fn ask_kept(load: &Load, mut request: Request<Body>) -> Result<Answer, Failure> {
    loop {
        let (mut connection, rested) = match load.pool.take() {
            Some(connection) => (connection, true),
            None => (connect(load).await?, false),
        };
        if rested && connection.ready().await.is_err() {
            load.reopened.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        let response = match connection.try_send_request(request).await {
            Ok(response) => response,
            Err(mut error) => match error.take_message() {
                Some(unsent) if rested => {
                    load.reopened.fetch_add(1, Ordering::Relaxed);
                    request = unsent;
                    continue;
                }
                Some(_) | None => return Err(Failure::of("no answer", error.error())),
            },
        };
        let answer = read(response).await?;
        load.pool.put(connection);
        return Ok(answer);
    }
}

async fn read(response: hyper::Response<hyper::body::Incoming>) -> Result<Answer, Failure> {
    let status = response.status();
    let version = response.headers().get("x-version").cloned();
    let body = response
        .into_body()
        .collect()
        .await
        .map_err(|error| Failure::of("an answer that breaks off", &error))?
        .to_bytes();
    if status != StatusCode::OK {
        let text = String::from_utf8_lossy(&body);
        return Err(Failure::new(&format!("status {}", status.as_u16()), &text));
    }
    match version.as_ref().map(|version| version.to_str()) {
        Some(Ok(version)) => Ok(Answer {
            version: version.to_owned(),
            body,
        }),
        Some(Err(_)) | None => Err(Failure::new(
            "an answer of somebody else",
            "no version in it",
        )),
    }
}

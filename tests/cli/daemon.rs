//! A daemon for the command line's tests: answers from a script, over a real socket, and can go away and come back.

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

/// What the daemon does with a request.
#[derive(Clone, Debug)]
pub enum Answer {
    /// A JSON document.
    Json(u16, Value),
    /// Text as it stands.
    Raw(u16, &'static str),
    /// A status, headers and a text.
    Headed(u16, &'static [(&'static str, &'static str)], String),
    /// Server-Sent Events, after which the connection stays open.
    OpenEvents(String),
    /// A part of a log: its text, whether nothing follows.
    Log(String, bool),
    /// A part of a log whose connection breaks in the middle.
    CutLog(String),
    /// The connection closed without an answer.
    HangUp,
    /// Nothing, for as long as the connection lasts.
    Hold,
}

/// A request that came.
#[derive(Clone, Debug)]
pub struct Asked {
    /// `GET /v1/apps?x=y`.
    pub line: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body; null if there was none.
    pub body: Value,
}

/// Answers by `METHOD /path` without the query; the last of each stays.
type Script = HashMap<&'static str, VecDeque<Answer>>;

struct Shared {
    script: Mutex<Script>,
    asked: Mutex<Vec<Asked>>,
    came: Notify,
}

/// The daemon.
pub struct Daemon {
    directory: tempfile::TempDir,
    shared: Arc<Shared>,
    serving: Option<JoinSet<()>>,
}

impl Daemon {
    /// Begins to answer by the script.
    pub fn start(script: &[(&'static str, &[Answer])]) -> Self {
        let script = script
            .iter()
            .map(|(request, answers)| (*request, answers.iter().cloned().collect()));
        let mut daemon = Self {
            directory: tempfile::tempdir().unwrap(),
            shared: Arc::new(Shared {
                script: Mutex::new(script.collect()),
                asked: Mutex::default(),
                came: Notify::new(),
            }),
            serving: None,
        };
        daemon.come_back();
        daemon
    }

    /// Its socket.
    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("api.sock")
    }

    /// Goes away, with all connections and the socket.
    pub async fn go_away(&mut self) {
        if let Some(mut serving) = self.serving.take() {
            serving.shutdown().await;
        }
        std::fs::remove_file(self.socket()).unwrap();
    }

    /// Listens again, and goes on in the script.
    pub fn come_back(&mut self) {
        let listener = UnixListener::bind(self.socket()).unwrap();
        let shared = self.shared.clone();
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, shared.clone()));
            }
        });
        self.serving = Some(serving);
    }

    /// Also listens on a TCP port of the loopback, and returns it.
    pub async fn listen_on_tcp(&mut self) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = self.shared.clone();
        self.serving.as_mut().unwrap().spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, shared.clone()));
            }
        });
        port
    }

    /// Listens on TCP with TLS, too; the port.
    pub async fn listen_with_tls(&mut self, config: ServerConfig) -> u16 {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = self.shared.clone();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        self.serving.as_mut().unwrap().spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, shared) = (acceptor.clone(), shared.clone());
                connections.spawn(async move {
                    // A handshake that fails is what some tests are about.
                    if let Ok(stream) = acceptor.accept(stream).await {
                        serve(stream, shared).await;
                    }
                });
            }
        });
        port
    }

    /// The requests that came so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().clone()
    }

    /// Their first lines.
    pub fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.line).collect()
    }

    /// Returns when a request with that first line has come.
    pub async fn was_asked(&self, line: &str) {
        loop {
            let came = self.shared.came.notified();
            if self.lines().iter().any(|asked| asked == line) {
                return;
            }
            came.await;
        }
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, shared: Arc<Shared>) {
    let service = service_fn(move |request| answer(request, shared.clone()));
    // A connection that breaks is what some tests are about.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

type Body = BoxBody<Bytes, io::Error>;

async fn answer(
    request: Request<Incoming>,
    shared: Arc<Shared>,
) -> Result<Response<Body>, io::Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let key = format!("{} {}", parts.method, parts.uri.path());
    let answer = {
        let mut script = shared.script.lock().unwrap();
        match script.get_mut(key.as_str()) {
            Some(answers) if answers.len() > 1 => answers.pop_front().unwrap(),
            Some(answers) => answers[0].clone(),
            None => Answer::Json(
                404,
                serde_json::json!({"error": {"code": "not_found", "message": format!("no {key}"), "details": {}}}),
            ),
        }
    };
    shared.asked.lock().unwrap().push(Asked {
        line: format!("{} {}", parts.method, parts.uri),
        headers: parts.headers,
        body: serde_json::from_slice(&body).unwrap_or_default(),
    });
    shared.came.notify_waiters();
    let from: usize = parts
        .uri
        .query()
        .and_then(|query| query.split('&').find_map(|part| part.strip_prefix("from=")))
        .map_or(0, |from| from.parse().unwrap());
    let full = |text: String| {
        Full::new(Bytes::from(text))
            .map_err(|never| match never {})
            .boxed()
    };
    let response = match answer {
        Answer::Json(status, value) => Response::builder()
            .status(status)
            .body(full(value.to_string())),
        Answer::Raw(status, text) => Response::builder()
            .status(status)
            .body(full(text.to_owned())),
        Answer::Log(text, complete) => Response::builder()
            .header("x-longshore-next", from + text.len())
            .header("x-longshore-complete", complete.to_string())
            .body(full(text)),
        Answer::CutLog(text) => {
            let frames = [
                Ok(Frame::data(Bytes::from(text.clone()))),
                Err(io::ErrorKind::Other.into()),
            ];
            Response::builder()
                .header("x-longshore-next", from + text.len())
                .header("x-longshore-complete", "false")
                .body(BodyExt::boxed(StreamBody::new(stream::iter(frames))))
        }
        Answer::Headed(status, headers, text) => {
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(*name, *value);
            }
            response.body(full(text))
        }
        Answer::OpenEvents(text) => {
            let first = stream::iter([Ok(Frame::data(Bytes::from(text)))]);
            Response::builder()
                .header("content-type", "text/event-stream")
                .body(BodyExt::boxed(StreamBody::new(
                    first.chain(stream::pending()),
                )))
        }
        Answer::HangUp => return Err(io::ErrorKind::Other.into()),
        Answer::Hold => std::future::pending().await,
    };
    Ok(response.unwrap())
}

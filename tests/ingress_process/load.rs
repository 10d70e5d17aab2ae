//! Clients that ask all the time and count honestly. None asks again what failed, but for what every client library
//! does: a request that a kept connection took no notice of is sent by another, and counted apart.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::Frame;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Longer than any restart or wait for an app.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// Between two requests of one client.
const PAUSE: Duration = Duration::from_millis(10);
/// Clients of each kind.
const CLIENTS: usize = 4;
const PIECES: usize = 10;
const PIECE: usize = 1000;

pub type Body = UnsyncBoxBody<Bytes, Infallible>;

#[derive(Default)]
pub struct Counts {
    pub fresh: AtomicU64,
    pub kept: AtomicU64,
    pub slow: AtomicU64,
    pub uploads: AtomicU64,
    /// Kept connections that were closed between two requests, or whose last answer said so.
    pub reopened: AtomicU64,
    /// Requests on a kept connection that was closed at the same moment, without a byte of an answer.
    pub raced: AtomicU64,
    pub failed: Mutex<Vec<String>>,
}

impl Counts {
    fn failed(&self, what: String) {
        self.failed.lock().unwrap().push(what);
    }

    #[track_caller]
    pub fn none_failed(&self) {
        let failed = self.failed.lock().unwrap();
        assert!(
            failed.is_empty(),
            "{} failed: {:?}",
            failed.len(),
            &failed[..failed.len().min(5)]
        );
    }

    pub fn told(&self) -> String {
        let count = |count: &AtomicU64| count.load(Relaxed);
        format!(
            "{} on fresh connections, {} on kept ones ({} reopened, {} raced), {} slow, {} uploads, {} failed",
            count(&self.fresh),
            count(&self.kept),
            count(&self.reopened),
            count(&self.raced),
            count(&self.slow),
            count(&self.uploads),
            self.failed.lock().unwrap().len()
        )
    }
}

/// Clients at work.
pub struct Load {
    pub counts: Arc<Counts>,
    stop: watch::Sender<bool>,
    clients: JoinSet<()>,
}

#[derive(Clone)]
struct Client {
    at: SocketAddr,
    host: String,
    expected: String,
    counts: Arc<Counts>,
    stopped: watch::Receiver<bool>,
}

impl Load {
    /// Asks this host at this address, who answers with that name.
    pub fn begin(at: SocketAddr, host: &str, expected: &str) -> Self {
        let (stop, stopped) = watch::channel(false);
        let counts = Arc::new(Counts::default());
        let client = Client {
            at,
            host: host.to_owned(),
            expected: expected.to_owned(),
            counts: Arc::clone(&counts),
            stopped,
        };
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            clients.spawn(client.clone().fresh());
            clients.spawn(client.clone().kept());
            clients.spawn(client.clone().slow());
            clients.spawn(client.clone().uploads());
        }
        Self {
            counts,
            stop,
            clients,
        }
    }

    /// Lets every client end what it is at.
    pub async fn end(mut self) -> Arc<Counts> {
        self.stop.send_replace(true);
        while let Some(ended) = self.clients.join_next().await {
            ended.unwrap();
        }
        self.counts
    }
}

impl Client {
    async fn fresh(self) {
        while self.goes_on().await {
            self.once("/", empty(), &self.expected, &self.counts.fresh)
                .await;
        }
    }

    async fn slow(self) {
        while self.goes_on().await {
            self.once("/slow", empty(), &self.expected, &self.counts.slow)
                .await;
        }
    }

    async fn uploads(self) {
        let expected = (PIECES * PIECE).to_string();
        while self.goes_on().await {
            self.once("/upload", trickle(), &expected, &self.counts.uploads)
                .await;
        }
    }

    async fn goes_on(&self) -> bool {
        tokio::time::sleep(PAUSE).await;
        !*self.stopped.borrow()
    }

    /// One request on a connection of its own.
    async fn once(&self, path: &str, body: Body, expected: &str, count: &AtomicU64) {
        let asked = async {
            let mut connection = connect(self.at).await?;
            ask(&mut connection, &self.host, path, body)
                .await
                .map_err(told)
        };
        match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Ok(answer)) => self.judge(path, &answer, expected, count),
            Ok(Err(error)) => self.counts.failed(format!("{path}: {error}")),
            Err(_) => self
                .counts
                .failed(format!("{path}: no answer in {PATIENCE:?}")),
        }
    }

    fn judge(&self, path: &str, answer: &Response<Bytes>, expected: &str, count: &AtomicU64) {
        if answer.status() == StatusCode::OK && answer.body() == expected.as_bytes() {
            count.fetch_add(1, Relaxed);
        } else {
            let body = String::from_utf8_lossy(answer.body());
            self.counts
                .failed(format!("{path}: {} {body}", answer.status()));
        }
    }

    /// Requests on a connection that is kept as long as the other side keeps it.
    async fn kept(self) {
        let mut connection = None;
        let mut asked = 0;
        while self.goes_on().await {
            if connection.as_ref().is_some_and(SendRequest::is_closed) {
                self.counts.reopened.fetch_add(1, Relaxed);
                connection = None;
            }
            let mut open = match connection.take() {
                Some(open) => open,
                None => {
                    asked = 0;
                    match tokio::time::timeout(PATIENCE, connect(self.at)).await {
                        Ok(Ok(open)) => open,
                        Ok(Err(error)) => {
                            self.counts.failed(error);
                            continue;
                        }
                        Err(_) => {
                            self.counts.failed("no connection".into());
                            continue;
                        }
                    }
                }
            };
            let answer = ask(&mut open, &self.host, "/", empty());
            match tokio::time::timeout(PATIENCE, answer).await {
                Ok(Ok(answer)) => {
                    self.judge("/", &answer, &self.expected, &self.counts.kept);
                    if answer
                        .headers()
                        .get(header::CONNECTION)
                        .is_some_and(|value| value == "close")
                    {
                        self.counts.reopened.fetch_add(1, Relaxed);
                    } else {
                        connection = Some(open);
                    }
                }
                Ok(Err(error))
                    if asked > 0 && (error.is_incomplete_message() || error.is_canceled()) =>
                {
                    self.counts.raced.fetch_add(1, Relaxed);
                }
                Ok(Err(error)) => self
                    .counts
                    .failed(format!("kept, request {asked}: {}", told(error))),
                Err(_) => self.counts.failed("kept: no answer".into()),
            }
            asked += 1;
        }
    }
}

/// A connection for HTTP/1.1.
pub async fn connect(at: SocketAddr) -> Result<SendRequest<Body>, String> {
    let stream = TcpStream::connect(at)
        .await
        .map_err(|error| format!("connect: {error}"))?;
    stream
        .set_nodelay(true)
        .map_err(|error| error.to_string())?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(told)?;
    tokio::spawn(connection.with_upgrades());
    Ok(sender)
}

/// Asks for a path: without a body by GET, else by POST.
pub async fn ask(
    connection: &mut SendRequest<Body>,
    host: &str,
    path: &str,
    body: Body,
) -> Result<Response<Bytes>, hyper::Error> {
    use hyper::body::Body as _;
    let method = match body.is_end_stream() {
        true => Method::GET,
        false => Method::POST,
    };
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, host)
        .body(body)
        .unwrap();
    connection.ready().await?;
    let (parts, body) = connection.send_request(request).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    Ok(Response::from_parts(parts, body))
}

pub fn empty() -> Body {
    Full::default().boxed_unsync()
}

/// A body that takes as long as `/slow`.
fn trickle() -> Body {
    let pieces = futures_util::stream::unfold(0, |sent| async move {
        if sent == PIECES {
            return None;
        }
        if sent > 0 {
            tokio::time::sleep(crate::upstream::SLOW / 10).await;
        }
        let piece = Bytes::from(vec![b'x'; PIECE]);
        Some((Ok(Frame::data(piece)), sent + 1))
    });
    StreamBody::new(pieces).boxed_unsync()
}

fn told(error: hyper::Error) -> String {
    match std::error::Error::source(&error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

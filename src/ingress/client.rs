//! The control plane's side of an ingress: the port, over the ingress's unix socket. Connections are kept and opened
//! again when they broke; every call has its time limit and can be repeated.

use super::probe;
use super::wire::{self, Code, Refusal};
use crate::core::ports::{Ingress, IngressError, Probe, ProbeAnswer, Takeover};
use crate::core::route::Table;
use async_trait::async_trait;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::net::SocketAddrV4;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::time::timeout;
use uuid::Uuid;

/// A table goes to the disk before it is acknowledged, and an ingress that is restarted answers when it is back.
const PUBLISH_LIMIT: Duration = Duration::from_secs(5);
/// Asked again and again: the next one comes soon.
const ASK_LIMIT: Duration = Duration::from_secs(2);
/// Somebody waits for the figures' page.
const FIGURES_LIMIT: Duration = Duration::from_secs(1);
/// Beyond a drain's own time.
const DRAIN_MARGIN: Duration = Duration::from_secs(5);
/// The largest answer is the figures of as many services as there can be routes.
const LARGEST_ANSWER: usize = 64 << 20;
/// Calls at once are a few: a table, a look, the drains of swaps.
const MOST_IDLE: usize = 4;

type Connection = SendRequest<Full<Bytes>>;

/// The control plane's side of an ingress: the port, over the ingress's unix socket.
#[derive(Debug)]
pub struct Client {
    socket: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

/// What is asked.
struct Question<'a> {
    method: Method,
    path: &'a str,
    body: Vec<u8>,
    limit: Duration,
}

impl Client {
    /// Of the ingress that listens at this path. Nothing is opened before it is needed.
    #[must_use]
    pub fn new(socket: PathBuf) -> Self {
        Self {
            socket,
            idle: Mutex::default(),
        }
    }

    /// The whole table that holds, if any.
    ///
    /// # Errors
    /// If the ingress cannot be reached or answers strangely.
    pub async fn table(&self) -> Result<Option<Table>, IngressError> {
        let held: wire::Held = self.get(wire::TABLE, PUBLISH_LIMIT).await?;
        Ok(held.table)
    }

    /// Returns when the ingress has answered that it is well.
    ///
    /// # Errors
    /// If it cannot be reached.
    pub async fn health(&self) -> Result<(), IngressError> {
        let question = Question::get(wire::HEALTH, ASK_LIMIT);
        self.ask(question).await.map(drop)
    }

    async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        limit: Duration,
    ) -> Result<T, IngressError> {
        let answer = self.ask(Question::get(path, limit)).await?;
        read(&answer)
    }

    /// Asks within the limit and returns what came with a status of success.
    async fn ask(&self, question: Question<'_>) -> Result<Bytes, IngressError> {
        let limit = question.limit;
        match timeout(limit, self.answered(&question)).await {
            Ok(Ok((status, answer))) if status.is_success() => Ok(answer),
            Ok(Ok((status, answer))) => Err(refused(status, &answer)),
            Ok(Err(why)) => Err(IngressError::Unavailable(format!(
                "{}: {why}",
                self.socket.display()
            ))),
            Err(_) => Err(IngressError::Unavailable(format!(
                "{} did not answer within {limit:?}",
                self.socket.display()
            ))),
        }
    }

    /// Every question can be asked twice, so one that a kept connection did not answer is asked by the next: it may have
    /// been closed at the other end meanwhile.
    async fn answered(&self, question: &Question<'_>) -> Result<(StatusCode, Bytes), String> {
        while let Some(kept) = self.take_idle() {
            if let Ok(answer) = self.exchange(kept, question).await {
                return Ok(answer);
            }
        }
        let fresh = self.connect().await?;
        self.exchange(fresh, question).await
    }

    async fn exchange(
        &self,
        mut connection: Connection,
        question: &Question<'_>,
    ) -> Result<(StatusCode, Bytes), String> {
        let request = Request::builder()
            .method(question.method.clone())
            .uri(question.path)
            .header(hyper::header::HOST, "ingress")
            .body(Full::from(question.body.clone()))
            .map_err(|error| error.to_string())?;
        connection.ready().await.map_err(told)?;
        let answer = connection.send_request(request).await.map_err(told)?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), LARGEST_ANSWER);
        let body = body.collect().await.map_err(|error| error.to_string())?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MOST_IDLE {
            idle.push(connection);
        }
        Ok((status, body.to_bytes()))
    }

    fn take_idle(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.pop()
    }

    async fn connect(&self) -> Result<Connection, String> {
        let stream = UnixStream::connect(&self.socket)
            .await
            .map_err(|error| error.to_string())?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(told)?;
        // It ends with its sender.
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to the ingress ended");
            }
        });
        Ok(sender)
    }
}

impl<'a> Question<'a> {
    fn get(path: &'a str, limit: Duration) -> Self {
        Self {
            method: Method::GET,
            path,
            body: Vec::new(),
            limit,
        }
    }

    fn with(
        method: Method,
        path: &'a str,
        body: &impl Serialize,
        limit: Duration,
    ) -> Result<Self, IngressError> {
        let body = serde_json::to_vec(body)
            .map_err(|error| IngressError::Refused(format!("it cannot be written: {error}")))?;
        Ok(Self {
            method,
            path,
            body,
            limit,
        })
    }
}

#[async_trait]
impl Ingress for Client {
    async fn publish(&self, table: &Table, takeover: Takeover) -> Result<i64, IngressError> {
        let taking_over = format!("{}?{}", wire::TABLE, wire::TAKEOVER);
        let path = match takeover {
            Takeover::No => wire::TABLE,
            Takeover::Explicit => &taking_over,
        };
        let question = Question::with(Method::PUT, path, table, PUBLISH_LIMIT)?;
        let holds: wire::Holds = read(&self.ask(question).await?)?;
        Ok(holds.generation)
    }

    async fn held(&self, instance: Uuid) -> Result<Option<i64>, IngressError> {
        let standing: wire::Standing = self.get(wire::GENERATION, ASK_LIMIT).await?;
        let ours = standing.table.filter(|table| table.instance == instance);
        Ok(ours.map(|table| table.generation))
    }

    async fn drain(&self, address: SocketAddrV4, limit: Duration) -> Result<u64, IngressError> {
        let drain = wire::Drain {
            address,
            limit_ms: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX),
        };
        let limit = limit.saturating_add(DRAIN_MARGIN);
        let question = Question::with(Method::POST, wire::DRAIN, &drain, limit)?;
        let drained: wire::Drained = read(&self.ask(question).await?)?;
        Ok(drained.under_way)
    }

    async fn probe(&self, probe: &Probe) -> ProbeAnswer {
        probe::ask(probe).await
    }

    async fn figures(&self) -> Result<String, IngressError> {
        let question = Question::get(wire::METRICS, FIGURES_LIMIT);
        let text = self.ask(question).await?;
        String::from_utf8(text.into())
            .map_err(|error| IngressError::Refused(format!("its figures are no text: {error}")))
    }
}

fn read<T: DeserializeOwned>(answer: &[u8]) -> Result<T, IngressError> {
    serde_json::from_slice(answer)
        .map_err(|error| IngressError::Refused(format!("its answer is not understood: {error}")))
}

/// Its own words, or those of whatever listens there instead.
fn refused(status: StatusCode, answer: &[u8]) -> IngressError {
    match serde_json::from_slice::<Refusal>(answer) {
        Ok(Refusal {
            code: Code::Foreign,
            instance: Some(instance),
            ..
        }) => IngressError::Foreign(instance),
        Ok(refusal) => IngressError::Refused(refusal.message),
        Err(_) => IngressError::Refused(format!(
            "it answered with {status} and no reason; is something else at its socket?"
        )),
    }
}

fn told(error: hyper::Error) -> String {
    match std::error::Error::source(&error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

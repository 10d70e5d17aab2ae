//! The control plane's door: what it asks over the unix socket (see [`wire`]), and what makes a table hold.
//!
//! ```text
//!   PUT /table ─▶ may it? ─▶ on disk ─▶ in effect ─▶ acknowledged
//! ```
//!
//! One table at a time goes that way, and none that has begun is dropped with the connection it came by.

use super::kept::{Kept, KeptError};
use super::routes::{Admission, Routes, admit};
use super::wire::{self, Code, Refusal};
use crate::core::ports::Takeover;
use crate::core::route::Table;
use bytes::BytesMut;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;

/// Ten times what a host with thousands of networks has; each route costs memory and, at every table, time.
const MOST_ROUTES: usize = 10_000;
/// So many routes with the longest domains and names there are.
const LARGEST_TABLE: usize = MOST_ROUTES * 1024;
/// An address and a number.
const LARGEST_DRAIN: usize = 1024;
/// From this host's memory to this host's memory.
const BODY_LIMIT: Duration = Duration::from_secs(10);
/// A control plane keeps a few; a drain holds one.
const MOST_CONNECTIONS: usize = 256;
/// Longer is a mistake, and would only be held by a connection.
const LONGEST_DRAIN: Duration = Duration::from_secs(24 * 3600);
/// For answers that are being written when the process ends.
const LAST_ANSWERS: Duration = Duration::from_millis(500);
/// How long is waited when no connection can be accepted.
const PAUSE: Duration = Duration::from_millis(50);

type Answer = Response<Full<Bytes>>;

/// What the door leads to.
#[derive(Debug)]
pub(super) struct Control {
    routes: Arc<Routes>,
    kept: Mutex<Kept>,
}

impl Control {
    pub(super) fn new(routes: Arc<Routes>, kept: Kept) -> Self {
        Self {
            routes,
            kept: Mutex::new(kept),
        }
    }

    /// On disk first, then in effect: what was acknowledged is there after a kill, too.
    fn publish(&self, table: Table, takeover: Takeover) -> Result<i64, PublishError> {
        // Whatever panicked, what is on disk and what holds are each whole.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        match admit(self.routes.table().as_deref(), &table, takeover) {
            Admission::Replaces => {}
            Admission::Holds(generation) => return Ok(generation),
            Admission::Foreign(instance) => return Err(PublishError::Foreign(instance)),
        }
        kept.write(&table)?;
        self.routes
            .install(table, takeover)
            .map_err(PublishError::Foreign)
    }
}

enum PublishError {
    Foreign(uuid::Uuid),
    NotKept(KeptError),
}

impl From<KeptError> for PublishError {
    fn from(error: KeptError) -> Self {
        Self::NotKept(error)
    }
}

/// Answers until `ended` is true.
pub(super) async fn serve(
    listener: UnixListener,
    control: Arc<Control>,
    mut ended: watch::Receiver<bool>,
) {
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            biased;
            // A sender that is gone is a reason to end, too.
            _ = ended.wait_for(|ended| *ended) => break,
            accepted = accept(&listener, &places) => accepted,
        };
        let Some((stream, place)) = accepted else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let control = Arc::clone(&control);
        let service = service_fn(move |request| {
            let control = Arc::clone(&control);
            async move { Ok::<_, Infallible>(answer(&control, request).await) }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service);
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            // Who went away in the middle knows it.
            let _ = connection.await;
            drop(place);
        });
    }
    drop(listener);
    let _ = timeout(LAST_ANSWERS, graceful.shutdown()).await;
}

async fn accept(
    listener: &UnixListener,
    places: &Arc<Semaphore>,
) -> Option<(UnixStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(places)
        .acquire_owned()
        .await
        .expect("the semaphore is never closed");
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, place)),
        Err(error) => {
            tracing::warn!(%error, "the control plane's connection cannot be accepted");
            None
        }
    }
}

async fn answer(control: &Arc<Control>, request: Request<Incoming>) -> Answer {
    let path = request.uri().path().to_owned();
    let answered = match (path.as_str(), request.method().clone()) {
        (wire::TABLE, Method::PUT) => put_table(control, request).await,
        (wire::TABLE, Method::GET) => Ok(json(
            StatusCode::OK,
            &wire::HeldBy {
                table: control.routes.table().as_deref(),
            },
        )),
        (wire::GENERATION, Method::GET) => Ok(generation(control)),
        (wire::DRAIN, Method::POST) => drain(control, request).await,
        (wire::METRICS, Method::GET) => Ok(metrics(control)),
        (wire::HEALTH, Method::GET) => {
            Ok(json(StatusCode::OK, &serde_json::json!({ "status": "ok" })))
        }
        (wire::TABLE | wire::GENERATION | wire::DRAIN | wire::METRICS | wire::HEALTH, method) => {
            Err(refusal(
                Code::MethodNotAllowed,
                format!("{path} is not asked with {method}"),
            ))
        }
        (_, _) => Err(refusal(Code::NotFound, format!("there is no {path}"))),
    };
    answered.unwrap_or_else(|refusal| json(status(refusal.code), &refusal))
}

async fn put_table(control: &Arc<Control>, request: Request<Incoming>) -> Result<Answer, Refusal> {
    let takeover = match request.uri().query() {
        Some(wire::TAKEOVER) => Takeover::Explicit,
        Some(_) | None => Takeover::No,
    };
    let body = read(request, LARGEST_TABLE).await?;
    let control = Arc::clone(control);
    // It waits for the disk; and it goes on to its end if the control plane goes away meanwhile.
    let published = tokio::task::spawn_blocking(move || {
        let table: Table = parse(&body, Code::InvalidTable)?;
        check(&table)?;
        control
            .publish(table, takeover)
            .map_err(|error| match error {
                PublishError::Foreign(instance) => Refusal {
                    instance: Some(instance),
                    ..refusal(
                        Code::Foreign,
                        format!("the table of instance {instance} holds"),
                    )
                },
                PublishError::NotKept(error) => {
                    tracing::error!("the route table cannot be kept: {error}");
                    refusal(
                        Code::NotKept,
                        format!("the route table cannot be kept: {error}"),
                    )
                }
            })
    })
    .await
    .map_err(|error| refusal(Code::Other, format!("the table was not taken: {error}")))?;
    published.map(|generation| json(StatusCode::OK, &wire::Holds { generation }))
}

/// What no table of ours has, and the routes could not cope with.
fn check(table: &Table) -> Result<(), Refusal> {
    if table.routes.len() > MOST_ROUTES {
        return Err(refusal(
            Code::TooLarge,
            format!(
                "the table has {} routes, and an ingress takes {MOST_ROUTES}",
                table.routes.len()
            ),
        ));
    }
    let mut domains = std::collections::HashSet::new();
    match table
        .routes
        .iter()
        .find(|route| !domains.insert(&route.domain))
    {
        None => Ok(()),
        Some(route) => Err(refusal(
            Code::InvalidTable,
            format!("two routes have the domain {}", route.domain),
        )),
    }
}

fn generation(control: &Control) -> Answer {
    let table = control.routes.table().map(|table| wire::Version {
        instance: table.instance,
        generation: table.generation,
    });
    json(StatusCode::OK, &wire::Standing { table })
}

async fn drain(control: &Control, request: Request<Incoming>) -> Result<Answer, Refusal> {
    let body = read(request, LARGEST_DRAIN).await?;
    let drain: wire::Drain = parse(&body, Code::InvalidDrain)?;
    let limit = Duration::from_millis(drain.limit_ms).min(LONGEST_DRAIN);
    let under_way = control.routes.drain(drain.address, limit).await;
    Ok(json(StatusCode::OK, &wire::Drained { under_way }))
}

fn metrics(control: &Control) -> Answer {
    let mut answer = Response::new(Full::from(control.routes.figures().encode()));
    let form = header::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    answer.headers_mut().insert(header::CONTENT_TYPE, form);
    answer
}

async fn read(request: Request<Incoming>, most: usize) -> Result<Bytes, Refusal> {
    match timeout(BODY_LIMIT, read_all(request.into_body(), most)).await {
        Ok(Ok(Some(body))) => Ok(body),
        Ok(Ok(None)) => Err(refusal(
            Code::TooLarge,
            format!("the body has more than {most} bytes"),
        )),
        Ok(Err(error)) => Err(refusal(
            Code::Other,
            format!("the body cannot be read: {error}"),
        )),
        Err(_) => Err(refusal(
            Code::TooSlow,
            format!("the body did not come within {} s", BODY_LIMIT.as_secs()),
        )),
    }
}

/// The body, or `None` if it is too large; it is heard to its end all the same, so that its sender can hear the answer.
async fn read_all(mut body: Incoming, most: usize) -> Result<Option<Bytes>, hyper::Error> {
    let mut read = BytesMut::new();
    let mut is_too_large = false;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else {
            continue;
        };
        is_too_large |= read.len() + data.len() > most;
        if !is_too_large {
            read.extend_from_slice(&data);
        }
    }
    Ok((!is_too_large).then(|| read.freeze()))
}

fn parse<T: DeserializeOwned>(body: &[u8], code: Code) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| {
        refusal(
            code,
            format!(
                "the body is not understood by longshore {}: {error}",
                env!("CARGO_PKG_VERSION")
            ),
        )
    })
}

fn refusal(code: Code, message: String) -> Refusal {
    Refusal {
        code,
        message,
        instance: None,
    }
}

fn status(code: Code) -> StatusCode {
    match code {
        Code::Foreign => StatusCode::CONFLICT,
        Code::InvalidTable | Code::InvalidDrain => StatusCode::BAD_REQUEST,
        Code::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::TooSlow => StatusCode::REQUEST_TIMEOUT,
        Code::NotKept => StatusCode::INSUFFICIENT_STORAGE,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Code::Other => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    let text = serde_json::to_vec(value).expect("what is answered has string keys and no maps");
    let mut answer = Response::new(Full::from(text));
    *answer.status_mut() = status;
    let form = header::HeaderValue::from_static("application/json");
    answer.headers_mut().insert(header::CONTENT_TYPE, form);
    answer
}

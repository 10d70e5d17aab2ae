//! One connection: when it waits, reads a head or is busy, and what ends it.

use super::Serving;
use super::body::{Held, Timed, UnderWay};
use super::stream::Watched;
use super::table::Place;
use crate::api::Peer;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tower::ServiceExt as _;

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing of a request has come.
    Waiting,
    /// A request's head comes in.
    Head,
    /// A request is read, worked on or answered.
    Busy,
    /// The answer is made, and the client has not taken all of it.
    Sending,
}

/// What the parts of a connection tell each other. They are polled by one task.
pub(super) struct Progress {
    stage: Mutex<Stage>,
    /// Counts the changes of the stage: two equal stages may be different ones.
    changes: AtomicU64,
    served: AtomicBool,
    unread: AtomicBool,
    /// There are bytes the client does not take at the moment.
    is_blocked: AtomicBool,
    place: Place,
}

impl Progress {
    fn new(place: Place) -> Self {
        Self {
            stage: Mutex::new(Stage::Waiting),
            changes: AtomicU64::new(0),
            served: AtomicBool::new(false),
            unread: AtomicBool::new(false),
            is_blocked: AtomicBool::new(false),
            place,
        }
    }

    /// Bytes came.
    pub(super) fn reading(&self) {
        if self.stage() == Stage::Waiting {
            self.place.busy();
            self.enter(Stage::Head);
        }
    }

    /// A request is handed over.
    pub(super) fn busy(&self) {
        self.served.store(true, Relaxed);
        self.unread.store(false, Relaxed);
        self.place.busy();
        self.enter(Stage::Busy);
    }

    /// A request's answer is made.
    pub(super) fn answered(&self) {
        self.enter(Stage::Sending);
    }

    /// Whether the client takes what is written.
    pub(super) fn blocked(&self, is_blocked: bool) {
        self.is_blocked.store(is_blocked, Relaxed);
    }

    /// Where the connection stands after everything that could go on has gone on.
    fn look(&self) -> Stage {
        if self.stage() == Stage::Sending && !self.is_blocked.load(Relaxed) {
            self.waiting();
        }
        self.stage()
    }

    fn waiting(&self) {
        self.enter(Stage::Waiting);
        self.place.idle();
    }

    /// What hyper says next without a request is a refusal again.
    fn begin_anew(&self) {
        self.served.store(false, Relaxed);
    }

    /// A request's body was not read to its end.
    pub(super) fn left_unread(&self) {
        self.unread.store(true, Relaxed);
    }

    /// Whether a request was handed over since hyper began.
    pub(super) fn has_served(&self) -> bool {
        self.served.load(Relaxed)
    }

    fn stage(&self) -> Stage {
        *self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, stage: Stage) {
        *self.stage.lock().unwrap_or_else(PoisonError::into_inner) = stage;
        self.changes.fetch_add(1, Relaxed);
    }
}

/// Why a connection is not served any longer.
enum End {
    /// Either side closed it, or hyper did.
    Over,
    /// What came is no HTTP.
    Nonsense,
    /// Nothing came for a moment: what is held for the next request is given up until it comes.
    Resting,
    /// A head that never ended.
    SlowHead,
    /// It was idle too long, had to make room, or the daemon stops.
    Unused,
}

/// Serves a connection to its end. `peer` is asked only when the client has said something.
pub(super) async fn serve<S>(
    stream: S,
    peer: impl FnOnce(&S) -> Peer + Send,
    mut serving: Serving,
    place: Place,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limits = serving.limits;
    let progress = Arc::new(Progress::new(place));
    let mut stream = Watched::new(stream, limits.stall, Arc::clone(&progress));
    let mut peer_of = Some(peer);
    let mut known = None;
    let end = loop {
        let begins = tokio::select! {
            biased;
            begins = stream.begins() => begins.unwrap_or(false),
            () = progress.place.closed() => false,
            () = tokio::time::sleep(limits.idle) => false,
            _ = serving.stopped.wait_for(|stopped| *stopped) => false,
        };
        if !begins {
            return;
        }
        if let Some(ask) = peer_of.take() {
            known = Some(ask(stream.get()));
        }
        let Some(peer) = known.clone() else { return };
        // Boxed, so that a connection that says nothing has no room for what it would need.
        let speaking = Box::pin(speak(stream, peer, &mut serving, &progress));
        let end;
        (end, stream) = speaking.await;
        match end {
            End::Resting => progress.begin_anew(),
            End::Over | End::Nonsense | End::SlowHead | End::Unused => break end,
        }
    };
    let refused = stream.refused();
    let mut stream = stream.into_stream();
    let answer = match (end, refused) {
        (End::Nonsense, refused) if !progress.has_served() => {
            Some(bare_refusal(refused.unwrap_or(400)))
        }
        (End::SlowHead, _) if !progress.has_served() => Some(refusal(
            408,
            "request_timeout",
            "The request's headers did not come in time",
            "",
        )),
        (End::Over | End::Nonsense | End::SlowHead | End::Resting | End::Unused, _) => None,
    };
    let has_more = answer.is_some() || progress.unread.load(Relaxed);
    progress.waiting();
    let close = async {
        if let Some(answer) = answer {
            stream.write_all(answer.as_bytes()).await?;
        }
        if has_more {
            linger(&mut stream).await?;
        }
        io::Result::Ok(())
    };
    tokio::select! {
        biased;
        // A client that is gone needs no answer.
        _ = close => {}
        () = progress.place.closed() => {}
        () = tokio::time::sleep(limits.linger) => {}
        _ = serving.stopped.wait_for(|stopped| *stopped) => {}
    }
}

/// Speaks HTTP until something ends it.
async fn speak<S>(
    stream: Watched<S>,
    peer: Peer,
    serving: &mut Serving,
    progress: &Arc<Progress>,
) -> (End, Watched<S>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limits = serving.limits;
    let (router, body_limit) = (serving.router.clone(), limits.body);
    let service = {
        let progress = Arc::clone(progress);
        service_fn(move |request| {
            Box::pin(answer(
                request,
                router.clone(),
                peer.clone(),
                body_limit,
                Arc::clone(&progress),
            ))
        })
    };
    let mut http = http1::Builder::new();
    // The head's time is counted here: hyper's would also run while a connection waits for its next request.
    http.header_read_timeout(None)
        .max_buf_size(limits.buffer)
        .half_close(true);
    let mut connection = http.serve_connection(TokioIo::new(stream), service);
    let end = {
        let closed = progress.place.closed();
        let stopped = serving.stopped.wait_for(|stopped| *stopped);
        let (mut closed, mut stopped) = (pin!(closed), pin!(stopped));
        let mut timer = pin!(None);
        let (mut timed, mut is_stopping) = (None, false);
        poll_fn(|context| {
            if let Poll::Ready(over) = connection.poll_without_shutdown(context) {
                let is_nonsense = over.is_err_and(|error| error.is_parse());
                return Poll::Ready(if is_nonsense {
                    End::Nonsense
                } else {
                    End::Over
                });
            }
            let stage = progress.look();
            if closed.as_mut().poll(context).is_ready() {
                return Poll::Ready(End::Unused);
            }
            if !is_stopping && stopped.as_mut().poll(context).is_ready() {
                is_stopping = true;
                Pin::new(&mut connection).graceful_shutdown();
                if matches!(stage, Stage::Waiting | Stage::Head) {
                    return Poll::Ready(End::Unused);
                }
            }
            let changes = progress.changes.load(Relaxed);
            if timed != Some(changes) {
                timed = Some(changes);
                timer.set(match stage {
                    Stage::Waiting => Some(tokio::time::sleep(limits.rest)),
                    Stage::Head => Some(tokio::time::sleep(limits.head)),
                    Stage::Busy | Stage::Sending => None,
                });
            }
            let over = match timer.as_mut().as_pin_mut() {
                Some(timer) => timer.poll(context).is_ready(),
                None => false,
            };
            match (over, stage) {
                (false, _) => Poll::Pending,
                (true, Stage::Head) => Poll::Ready(End::SlowHead),
                (true, Stage::Waiting | Stage::Busy | Stage::Sending) => Poll::Ready(End::Resting),
            }
        })
        .await
    };
    let parts = connection.into_parts();
    let mut stream = parts.io.into_inner();
    stream.give_back(&parts.read_buf);
    (end, stream)
}

async fn answer(
    request: Request<Incoming>,
    router: Router,
    peer: Peer,
    limit: Duration,
    progress: Arc<Progress>,
) -> Result<Response<Held>, Infallible> {
    let under_way = UnderWay::begin(Arc::clone(&progress));
    let (parts, body) = request.into_parts();
    let body = Timed {
        body,
        limit,
        timer: None,
        is_read: false,
        progress,
    };
    let mut request = Request::from_parts(parts, Body::new(body));
    request.extensions_mut().insert(ConnectInfo(peer));
    // What follows a chunked body may be read otherwise by a proxy before us; so nothing follows it.
    let is_last = request.headers().contains_key(header::TRANSFER_ENCODING);
    let mut response = router.oneshot(request).await?;
    if is_last {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    Ok(response.map(|body| Held {
        body,
        _under_way: under_way,
    }))
}

/// Ends our side and throws away what the client still sends: closing with bytes unread would tear the answer out of its
/// hands.
pub(super) async fn linger<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) -> io::Result<()> {
    stream.shutdown().await?;
    // Not an array: every connection would carry it, also those that never come here.
    let mut thrown_away = vec![0; 4096];
    while stream.read(&mut thrown_away).await? > 0 {}
    Ok(())
}

/// The answer to what is no request.
fn bare_refusal(status: u16) -> String {
    match status {
        431 => refusal(
            431,
            "headers_too_large",
            "The request's headers are too large",
            "",
        ),
        414 => refusal(414, "uri_too_long", "The request's address is too long", ""),
        _ => refusal(400, "invalid_request", "This is not an HTTP request", ""),
    }
}

/// An answer before any route is known: its body is in the shape of every dialect that lives here.
pub(super) fn refusal(status: u16, code: &str, message: &str, headers: &str) -> String {
    let reason = match status {
        408 => "Request Timeout",
        414 => "URI Too Long",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        _ => "Bad Request",
    };
    let body = format!(
        r#"{{"error":{{"code":"{code}","message":"{message}","details":{{}}}},"message":"{message}","status":"{status}"}}"#
    );
    format!(
        "HTTP/1.1 {status} {reason}\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: {}\r\n{headers}\
         Connection: close\r\n\r\n{body}",
        body.len()
    )
}

#[cfg(test)]
mod tests;

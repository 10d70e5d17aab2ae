//! A client's connection over HTTP/2, with prior knowledge (RFC 9113 section 3.3), on hyper's h2.

use super::answer::{Answer, Head, refuse};
use super::body::{Framing, passable_trailers};
use super::buffer::Buffer;
use super::clock::{self, Alarm, Patience, Side, Waits};
use super::exchange::{Ticket, exchange};
use super::forward::{Asked, Peer, compose};
use super::http1::slow;
use super::log::Entry;
use super::page::{Fault, Taste};
use super::request::{check_host, read_length};
use super::wire::{Piece, Sink, Source, Trouble};
use super::worker::{Seat, Worker};
use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::http::{Response, request::Parts};
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::spawn_local;

/// As many as nginx takes; a browser opens a few dozen.
const MOST_STREAMS: u32 = 128;
/// A request's body may be so far ahead of the app: an upload over a distant link is not held up by its round trips.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// Streams that the client reset before we looked at them: more are an attack (rapid reset), and the connection ends.
const MOST_RESETS: usize = 64;
/// So much of an answer is with h2, waiting for the socket.
const SEND_BUFFER: usize = 128 * 1024;

/// Serves it until it ends.
pub(super) async fn serve(
    worker: Rc<Worker>,
    seat: Rc<Seat>,
    stream: TcpStream,
    buffer: Buffer,
    peer: Peer,
) {
    let limits = worker.limits;
    let io = Prefixed { buffer, stream };
    let head = u32::try_from(limits.head).unwrap_or(u32::MAX);
    let mut builder = h2::server::Builder::new();
    builder
        .max_concurrent_streams(MOST_STREAMS)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(head)
        .max_pending_accept_reset_streams(MOST_RESETS)
        .max_local_error_reset_streams(Some(MOST_RESETS))
        .max_send_buffer_size(SEND_BUFFER);
    let handshake = tokio::time::timeout(limits.head_timeout, builder.handshake::<_, Bytes>(io));
    let Ok(Ok(mut connection)) = handshake.await else {
        return;
    };
    let shared = Rc::new(Shared {
        peer,
        seat: Rc::clone(&seat),
        open: Cell::new(0),
    });
    let mut alarm = Alarm::new(worker.shortest_limit());
    let mut leaving = false;
    loop {
        let next = poll_fn(|cx| {
            if !leaving {
                let idle = seat
                    .idle_since
                    .get()
                    .is_some_and(|since| alarm.poll(cx, since + limits.idle_timeout).is_ready());
                if idle || seat.must_leave() {
                    leaving = true;
                    connection.graceful_shutdown();
                } else {
                    seat.wake_by(cx.waker());
                }
            }
            connection.poll_accept(cx)
        })
        .await;
        let Some(Ok((request, respond))) = next else {
            // h2 has told the client what it did wrong, if it did.
            return;
        };
        let under_way = Stream::new(&shared);
        spawn_local(answer(Rc::clone(&worker), under_way, request, respond));
    }
}

/// What the streams of a connection share.
struct Shared {
    peer: Peer,
    seat: Rc<Seat>,
    open: Cell<usize>,
}

/// A stream, counted as long as this value is: the connection is idle when there is none.
struct Stream(Rc<Shared>);

impl Stream {
    fn new(shared: &Rc<Shared>) -> Self {
        shared.open.set(shared.open.get() + 1);
        shared.seat.idle_since.set(None);
        Self(Rc::clone(shared))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let left = self.0.open.get() - 1;
        self.0.open.set(left);
        if left == 0 {
            self.0.seat.idle_since.set(Some(clock::now()));
        }
    }
}

/// Answers one request.
async fn answer(
    worker: Rc<Worker>,
    stream: Stream,
    request: hyper::http::Request<RecvStream>,
    respond: SendResponse<Bytes>,
) {
    let began = clock::now();
    let limits = worker.limits;
    let waits = Waits::default();
    let mut alarm = Alarm::new(worker.shortest_limit());
    let (parts, body) = request.into_parts();
    let mut source = Body {
        waits: waits.for_side(Side::ClientReads, limits.read_timeout),
        most: limits.body,
        over: body.is_end_stream(),
        body,
        chunk: Bytes::new(),
        lines: Vec::new(),
        told: false,
        shown: 0,
        received: 0,
        way: None,
    };
    let way = Rc::new(RefCell::new(Way {
        respond,
        stream: None,
    }));
    source.way = Some(Rc::clone(&way));
    let mut answer = Http2Answer {
        way,
        waits: waits.for_side(Side::ClientWrites, limits.write_timeout),
        worker: &worker,
        ended: false,
        finished: false,
        sent: 0,
    };
    let read = read(&worker, &stream.0.peer, &parts, source.over);
    let (mut ticket, result) = match read {
        Ok(mut ticket) => {
            let too_large = match (ticket.framing, limits.body) {
                (Framing::Length(length), Some(most)) => length > most,
                _ => false,
            };
            let result = if too_large {
                Err(Fault::BodyTooLarge)
            } else {
                let exchange = pin!(exchange(
                    &worker,
                    &waits,
                    &mut ticket,
                    &mut source,
                    &mut answer
                ));
                alarm
                    .within(&waits, exchange)
                    .await
                    .unwrap_or_else(|side| Err(slow(side)))
            };
            (ticket, result)
        }
        Err(fault) => (unread(&worker, &parts), Err(fault)),
    };
    // Nobody is asked to switch over HTTP/2: what ended well was answered.
    let fault = result.err();
    if let Some(fault) = fault {
        if fault == Fault::ClientGone {
            ticket.status = fault.status();
            answer.reset(Reason::CANCEL);
        } else if answer.has_begun() {
            answer.reset(Reason::INTERNAL_ERROR);
        } else {
            ticket.status = fault.status();
            let told = {
                let page = pin!(refuse(
                    &mut answer,
                    fault,
                    ticket.taste,
                    &ticket.request_id,
                    ticket.asks_head()
                ));
                alarm.within(&waits, page).await
            };
            if !matches!(told, Ok(Ok(()))) {
                answer.reset(Reason::CANCEL);
            }
        }
    }
    if !source.over {
        // The answer is whole; the rest of the request is of no use (RFC 9113 section 8.1).
        answer.way.borrow_mut().respond.send_reset(Reason::NO_ERROR);
    }
    let account = ticket.account.take();
    worker.done(
        account.as_deref(),
        &Entry {
            client: &stream.0.peer.text,
            method: &ticket.method,
            target: &ticket.target,
            version: "HTTP/2.0",
            host: &ticket.host,
            status: ticket.status,
            sent: answer.sent,
            received: source.received,
            took: clock::now() - began,
            request_id: &ticket.request_id,
            app: account.as_ref().map_or("", |account| &account.service.app),
            environment: account
                .as_ref()
                .map_or("", |account| &account.service.environment),
            error: fault.map(Fault::code),
        },
        fault,
    );
    worker.spares.keep_list(std::mem::take(&mut ticket.head));
}

/// Checks what h2 leaves to us and writes the head for the app.
fn read(worker: &Worker, peer: &Peer, parts: &Parts, is_over: bool) -> Result<Ticket, Fault> {
    let method = parts.method.as_str();
    if matches!(method, "CONNECT" | "TRACE") {
        return Err(Fault::Method);
    }
    let mut hosts = parts.headers.get_all("host").iter();
    let named = hosts.next();
    if hosts.next().is_some() {
        return Err(Fault::Bad("more than one Host"));
    }
    let named = named
        .map(|host| {
            host.to_str()
                .map_err(|_| Fault::Bad("the Host has characters that no host has"))
        })
        .transpose()?;
    let authority = parts.uri.authority().map(|authority| authority.as_str());
    let host = match (authority, named) {
        (Some(authority), Some(host)) if !authority.eq_ignore_ascii_case(host) => {
            return Err(Fault::Bad(":authority and Host name different hosts"));
        }
        (Some(host), _) | (None, Some(host)) => host,
        (None, None) => return Err(Fault::Bad("no Host")),
    };
    check_host(host)?;
    let target = parts.uri.path_and_query().map_or("", |path| path.as_str());
    if !(target.starts_with('/') || (target == "*" && method == "OPTIONS")) {
        return Err(Fault::Bad("the request's target is not a path"));
    }
    let framing = framing(&parts.headers, is_over)?;
    let mut out = worker.spares.list();
    let composed = compose(
        &mut out,
        Asked {
            method,
            target,
            host,
            framing,
            is_http_1_1: false,
            is_http_2: true,
        },
        || {
            parts
                .headers
                .iter()
                .map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()))
        },
        peer,
        || worker.new_id(),
    );
    Ok(Ticket {
        method: method.to_owned(),
        host: host.to_owned(),
        target: target.to_owned(),
        head: out,
        framing,
        request_id: composed.request_id,
        taste: composed.taste,
        expects: composed.expects,
        upgrades: false,
        takes_interim: true,
        account: None,
        status: 0,
    })
}

fn framing(headers: &HeaderMap, is_over: bool) -> Result<Framing, Fault> {
    let mut lengths = headers.get_all("content-length").iter();
    let length = lengths
        .next()
        .map(|length| read_length(length.as_bytes()))
        .transpose()?;
    if lengths.next().is_some() {
        return Err(Fault::Bad("more than one Content-Length"));
    }
    match (is_over, length) {
        (true, Some(1..)) => Err(Fault::Bad("the body ended before its end")),
        (true, _) | (false, Some(0)) => Ok(Framing::None),
        (false, Some(length)) => Ok(Framing::Length(length)),
        (false, None) => Ok(Framing::Chunked),
    }
}

/// For a request that was refused before it was understood.
fn unread(worker: &Worker, parts: &Parts) -> Ticket {
    Ticket {
        method: parts.method.as_str().to_owned(),
        host: parts.uri.host().unwrap_or("").to_owned(),
        target: parts.uri.path().to_owned(),
        head: Vec::new(),
        framing: Framing::None,
        request_id: worker.new_id(),
        taste: parts
            .headers
            .get("accept")
            .map_or(Taste::Text, |accept| Taste::of(accept.as_bytes())),
        expects: false,
        upgrades: false,
        takes_interim: false,
        account: None,
        status: 0,
    }
}

/// A request's body.
struct Body<'a> {
    body: RecvStream,
    waits: Patience<'a>,
    most: Option<u64>,
    over: bool,
    chunk: Bytes,
    /// The trailers, and whether they were shown.
    lines: Vec<u8>,
    told: bool,
    /// Of the chunk, shown to the caller.
    shown: usize,
    received: u64,
    /// Tells when the client gave the stream up.
    way: Option<Rc<RefCell<Way>>>,
}

impl Source for Body<'_> {
    fn next(&mut self) -> Result<Option<Piece<'_>>, Trouble> {
        if self.shown > 0 {
            // The client may send as much again; a connection that is gone is noticed elsewhere.
            let _ = self.body.flow_control().release_capacity(self.shown);
            self.chunk = Bytes::new();
            self.shown = 0;
        }
        if !self.chunk.is_empty() {
            self.shown = self.chunk.len();
            self.received += self.shown as u64;
            if self.most.is_some_and(|most| self.received > most) {
                return Err(Trouble::TooLarge);
            }
            return Ok(Some(Piece::Data(&self.chunk)));
        }
        if self.over {
            return Ok(Some(if self.lines.is_empty() || self.told {
                Piece::End
            } else {
                self.told = true;
                Piece::Trailers(&self.lines)
            }));
        }
        Ok(None)
    }

    async fn fill(&mut self) -> Result<(), Trouble> {
        let Self {
            body,
            chunk,
            lines,
            over,
            waits,
            ..
        } = self;
        let filled: Result<(), h2::Error> = poll_fn(|cx| {
            waits.watch(match ready_or(body.poll_data(cx)) {
                None => Poll::Pending,
                Some(Some(Ok(data))) => {
                    *chunk = data;
                    Poll::Ready(Ok(()))
                }
                Some(Some(Err(error))) => Poll::Ready(Err(error)),
                Some(None) => match ready_or(body.poll_trailers(cx)) {
                    None => Poll::Pending,
                    Some(Ok(trailers)) => {
                        *over = true;
                        for (name, value) in &trailers.unwrap_or_default() {
                            super::forward::line(lines, name.as_str().as_bytes(), value.as_bytes());
                        }
                        Poll::Ready(Ok(()))
                    }
                    Some(Err(error)) => Poll::Ready(Err(error)),
                },
            })
        })
        .await;
        filled.map_err(|_| Trouble::Lost)
    }

    fn is_over(&self) -> bool {
        self.over
    }

    fn received(&self) -> u64 {
        self.received
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &self.way {
            Some(way) => way.borrow_mut().poll_reset(cx),
            None => Poll::Pending,
        }
    }
}

fn ready_or<T>(poll: Poll<T>) -> Option<T> {
    match poll {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// The way back on a stream, which also tells that nobody is at its end any more.
struct Way {
    respond: SendResponse<Bytes>,
    /// Once the head is on its way.
    stream: Option<SendStream<Bytes>>,
}

impl Way {
    fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let reset = match &mut self.stream {
            Some(stream) => stream.poll_reset(cx),
            None => self.respond.poll_reset(cx),
        };
        reset.map(drop)
    }
}

/// The way back to the client.
struct Http2Answer<'a> {
    way: Rc<RefCell<Way>>,
    waits: Patience<'a>,
    worker: &'a Worker,
    /// Nothing follows the head.
    ended: bool,
    finished: bool,
    sent: u64,
}

impl Http2Answer<'_> {
    fn reset(&mut self, reason: Reason) {
        let way = &mut *self.way.borrow_mut();
        match &mut way.stream {
            Some(stream) if !self.finished => stream.send_reset(reason),
            Some(_) => {}
            None => way.respond.send_reset(reason),
        }
    }
}

fn broken(error: h2::Error) -> io::Error {
    if error.is_io() {
        io::Error::from(io::ErrorKind::BrokenPipe)
    } else {
        io::Error::other(error)
    }
}

impl Sink for Http2Answer<'_> {
    async fn push(&mut self, mut data: &[u8]) -> io::Result<()> {
        while !data.is_empty() {
            let wanted = data.len();
            let capacity = poll_fn(|cx| {
                let way = &mut *self.way.borrow_mut();
                let Some(stream) = &mut way.stream else {
                    return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
                };
                stream.reserve_capacity(wanted);
                if stream.poll_reset(cx).is_ready() {
                    return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
                }
                self.waits
                    .watch(stream.poll_capacity(cx))
                    .map(|capacity| capacity.unwrap_or(Ok(0)).map_err(broken))
            })
            .await?;
            if capacity == 0 {
                continue;
            }
            let (now, later) = data.split_at(capacity.min(data.len()));
            if let Some(stream) = &mut self.way.borrow_mut().stream {
                stream
                    .send_data(Bytes::copy_from_slice(now), false)
                    .map_err(broken)?;
            }
            self.sent += now.len() as u64;
            data = later;
        }
        Ok(())
    }

    async fn trailers(&mut self, lines: &[u8]) -> io::Result<()> {
        let mut trailers = HeaderMap::new();
        passable_trailers(lines, |name, value| {
            if let (Ok(name), Ok(value)) = (
                HeaderName::from_bytes(name.as_bytes()),
                HeaderValue::from_bytes(value),
            ) {
                trailers.append(name, value);
            }
        });
        if let Some(stream) = &mut self.way.borrow_mut().stream
            && !trailers.is_empty()
        {
            self.finished = true;
            stream.send_trailers(trailers).map_err(broken)?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    async fn finish(&mut self) -> io::Result<()> {
        if let Some(stream) = &mut self.way.borrow_mut().stream
            && !self.finished
            && !self.ended
        {
            stream.send_data(Bytes::new(), true).map_err(broken)?;
        }
        self.finished = true;
        Ok(())
    }
}

impl Answer for Http2Answer<'_> {
    fn has_begun(&self) -> bool {
        self.way.borrow().stream.is_some()
    }

    async fn interim(&mut self, head: &Head<'_>) -> io::Result<()> {
        let response = response(head, "");
        let way = &mut *self.way.borrow_mut();
        way.respond.send_informational(response).map_err(broken)
    }

    fn head(&mut self, head: &Head<'_>, request_id: &str) -> io::Result<()> {
        let mut response = response(head, request_id);
        if !head.has_date() {
            let mut date = Vec::with_capacity(29);
            self.worker.write_date(&mut date);
            if let Ok(date) = HeaderValue::from_bytes(&date) {
                response.headers_mut().insert("date", date);
            }
        }
        self.ended = head.framing == Framing::None;
        let way = &mut *self.way.borrow_mut();
        let stream = way.respond.send_response(response, self.ended);
        way.stream = Some(stream.map_err(broken)?);
        Ok(())
    }

    fn sent(&self) -> u64 {
        self.sent
    }
}

fn response(head: &Head<'_>, request_id: &str) -> Response<()> {
    let mut response = Response::new(());
    if let Ok(status) = head.status.try_into() {
        *response.status_mut() = status;
    }
    let headers = response.headers_mut();
    let mut add = |name: &[u8], value: &[u8]| {
        // Both were read as a field's already.
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name), HeaderValue::from_bytes(value))
        {
            headers.append(name, value);
        }
    };
    for header in head.passed() {
        add(header.name.as_bytes(), header.value);
    }
    if let Some(length) = head.told_length() {
        add(b"content-length", length.to_string().as_bytes());
    }
    if let Some(code) = head.error {
        add(super::answer::ERROR_FIELD.as_bytes(), code.as_bytes());
    }
    if !request_id.is_empty() {
        add(b"x-request-id", request_id.as_bytes());
    }
    response
}

/// The connection, with what was read of it already before it.
struct Prefixed {
    buffer: Buffer,
    stream: TcpStream,
}

impl AsyncRead for Prefixed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.buffer.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, to);
        }
        let count = self.buffer.filled().len().min(to.remaining());
        to.put_slice(&self.buffer.filled()[..count]);
        self.buffer.take(count);
        if self.buffer.is_empty() {
            self.buffer = Buffer::default();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Prefixed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, from)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, from)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

//! A client's connection over HTTP/1.
//!
//! ```text
//!   idle ─▶ head ─▶ exchange ─┬─▶ idle
//!                             ├─▶ tunnel ─▶ closed
//!                             └─▶ lingering ─▶ closed
//! ```

use super::answer::{Answer, Head, refuse, write_head, write_interim};
use super::buffer::Buffer;
use super::clock::{self, Alarm, Side, Waits};
use super::exchange::{Ended, Ticket, exchange};
use super::forward::{Asked, Peer, compose};
use super::log::Entry;
use super::page::{Fault, Taste};
use super::request::{self, HeadEnd, MOST_HEADERS, find_end};
use super::tunnel::{Moved, tunnel};
use super::wire::{Reader, Sink, Source as _, Writer, poll_read};
use super::worker::{Seat, Worker};
use super::{body::Framing, http2};
use nix::sys::socket::{MsgFlags, Shutdown, recv, setsockopt, shutdown, sockopt};
use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::AsRawFd as _;
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::Instant;

/// After a refusal, what the client still sends is read for so long, so that it gets to read the refusal: a connection
/// closed with unread bytes is reset, and the reset overtakes the answer.
const LINGER: Duration = Duration::from_secs(2);
/// And so much of it.
const LINGER_BYTES: usize = 1024 * 1024;
/// A client that connected just before the ingress stops has this long to ask, and so has one that keeps its connection:
/// whoever asks all the time is told in an answer that the connection ends, instead of asking into a closed one.
const LAST_CALL: Duration = Duration::from_millis(500);

/// A client's connection.
pub(super) struct Connection {
    worker: Rc<Worker>,
    seat: Rc<Seat>,
    stream: TcpStream,
    buffer: Buffer,
    peer: Peer,
    alarm: Alarm,
    waits: Waits,
    /// Requests that were read on it.
    requests: u64,
}

/// What comes next on it.
enum Next {
    /// A head, so long.
    Head(usize),
    Refused(Fault),
    Over,
}

/// What happens after a request.
enum After {
    Next,
    /// The client may not have read everything yet.
    Linger,
    Close,
    /// What the client has of the answer must not look whole.
    Reset,
}

/// Serves a connection until it ends.
pub(super) async fn serve(
    worker: Rc<Worker>,
    seat: Rc<Seat>,
    stream: TcpStream,
    address: SocketAddr,
) {
    let mut connection = Connection {
        peer: Peer::new(address.ip(), &worker.trusted),
        alarm: Alarm::new(worker.shortest_limit()),
        waits: Waits::default(),
        buffer: Buffer::default(),
        requests: 0,
        worker,
        seat,
        stream,
    };
    loop {
        let after = match connection.next().await {
            Next::Head(_) if connection.requests == 0 && connection.begins_http_2() => {
                let Connection {
                    worker,
                    seat,
                    stream,
                    buffer,
                    peer,
                    ..
                } = connection;
                return Box::pin(http2::serve(worker, seat, stream, buffer, peer)).await;
            }
            Next::Head(length) => connection.request(length).await,
            Next::Refused(fault) => connection.refuse_unread(fault).await,
            Next::Over => After::Close,
        };
        connection.requests += 1;
        match after {
            After::Next => {}
            After::Linger => return connection.linger().await,
            After::Close => break,
            After::Reset => {
                // Where it cannot be set, the missing end of the body tells.
                let none = nix::libc::linger {
                    l_onoff: 1,
                    l_linger: 0,
                };
                let _ = setsockopt(&connection.stream, sockopt::Linger, &none);
                break;
            }
        }
    }
    let Connection { worker, buffer, .. } = connection;
    worker.spares.keep(buffer);
}

impl Connection {
    fn begins_http_2(&self) -> bool {
        self.buffer.filled().starts_with(b"PRI * HTTP/2.0\r\n\r\n")
    }

    /// Waits for a request's head.
    async fn next(&mut self) -> Next {
        let Self {
            worker,
            seat,
            stream,
            buffer,
            alarm,
            waits,
            ..
        } = self;
        let limits = &worker.limits;
        let idle = waits.for_side(Side::ClientReads, limits.idle_timeout);
        let head = waits.for_side(Side::ClientReads, limits.head_timeout);
        let last_call = waits.for_side(Side::ClientReads, LAST_CALL.min(limits.idle_timeout));
        seat.idle_since.set(Some(clock::now()));
        let mut began = !buffer.is_empty();
        if began {
            head.begin();
        } else {
            idle.begin();
        }
        let next = {
            let reading = pin!(async {
                let mut leaving = false;
                // A pipelined request may be here already.
                let mut look = began;
                loop {
                    if look {
                        match find_end(buffer.filled(), limits.head) {
                            Ok(HeadEnd::At(length)) => return Next::Head(length),
                            Ok(HeadEnd::NotYet) => {}
                            Err(fault) => return Next::Refused(fault),
                        }
                    }
                    if buffer.is_empty() {
                        worker.spares.keep_empty(buffer);
                    }
                    let ready = poll_fn(|cx| {
                        if !began && seat.must_leave() && !leaving {
                            // What is on its way is still answered.
                            return Poll::Ready(None);
                        }
                        seat.wake_by(cx.waker());
                        stream.poll_read_ready(cx).map(Some)
                    })
                    .await;
                    if ready.is_none() {
                        leaving = true;
                        if !worker.is_stopping() {
                            if !has_bytes(stream) {
                                return Next::Over;
                            }
                        } else {
                            last_call.begin();
                        }
                        continue;
                    }
                    worker.spares.provide(buffer);
                    if buffer.is_full() {
                        buffer.grow(2 * buffer.size());
                    }
                    let before = buffer.filled().len();
                    match poll_fn(|cx| poll_read(stream, buffer, cx)).await {
                        Ok(0) | Err(_) => return Next::Over,
                        Ok(_) => {}
                    }
                    if !began {
                        began = true;
                        head.begin();
                        seat.idle_since.set(None);
                    }
                    let fresh = &buffer.filled()[before..];
                    look = fresh.contains(&b'\n') || buffer.filled().len() > limits.head;
                }
            });
            alarm.within(waits, reading).await
        };
        self.seat.idle_since.set(None);
        match next {
            Ok(next) => next,
            Err(_) if self.buffer.is_empty() => Next::Over,
            Err(_) => Next::Refused(Fault::ClientSlow),
        }
    }

    /// Answers a head that could not be read.
    async fn refuse_unread(&mut self, fault: Fault) -> After {
        let began = clock::now();
        let mut ticket = Ticket {
            method: String::new(),
            host: String::new(),
            target: String::new(),
            head: Vec::new(),
            framing: Framing::None,
            request_id: self.worker.new_id(),
            taste: Taste::Text,
            expects: false,
            upgrades: false,
            takes_interim: false,
            account: None,
            status: fault.status(),
        };
        let after = self.refuse(fault, &ticket, false, true).await;
        self.done(&mut ticket, began, (0, 0), "HTTP/1.1", Some(fault));
        after
    }

    /// Reads a head and answers it.
    async fn request(&mut self, length: usize) -> After {
        let began = clock::now();
        let worker = Rc::clone(&self.worker);
        let mut head = worker.spares.list();
        head.extend_from_slice(&self.buffer.filled()[..length]);
        self.buffer.take(length);
        let read = self.read(&head);
        worker.spares.keep_list(head);
        let (mut ticket, is_http_1_0, keeps_alive) = match read {
            Ok(read) => read,
            Err(fault) => return self.refuse_unread(fault).await,
        };
        let version = if is_http_1_0 { "HTTP/1.0" } else { "HTTP/1.1" };
        let Self {
            stream,
            buffer,
            alarm,
            waits,
            ..
        } = self;
        let limits = &worker.limits;
        let mut source = Reader::new(
            stream,
            buffer,
            ticket.framing,
            waits.for_side(Side::ClientReads, limits.read_timeout),
            &worker.spares,
        );
        source.most = limits.body;
        let mut answer = Http1Answer {
            writer: Writer::new(
                stream,
                waits.for_side(Side::ClientWrites, limits.write_timeout),
                worker.spares.list(),
                Framing::None,
            ),
            worker: &worker,
            is_http_1_0,
            closes: !keeps_alive,
            // Until it was told to go on, the client may or may not send its body.
            unsure: ticket.expects,
            begun: false,
        };
        let too_large = match (ticket.framing, limits.body) {
            (Framing::Length(length), Some(most)) => length > most,
            _ => false,
        };
        let result = if too_large {
            Err(Fault::BodyTooLarge)
        } else {
            let exchange = pin!(exchange(
                &worker,
                waits,
                &mut ticket,
                &mut source,
                &mut answer
            ));
            alarm
                .within(waits, exchange)
                .await
                .unwrap_or_else(|side| Err(slow(side)))
        };
        let (mut received, is_over) = (source.received(), source.is_over());
        drop(source);
        let (begun, closes) = (answer.begun, answer.closes);
        let mut sent = answer.sent();
        worker
            .spares
            .keep_list(std::mem::take(&mut answer.writer.out));
        let (after, fault) = match result {
            Ok(Ended::Answered) if closes || !is_over || worker.is_stopping() => {
                (After::Linger, None)
            }
            Ok(Ended::Answered) => (After::Next, None),
            Ok(Ended::Switched(mut link, under_way)) => {
                let account = ticket.account.clone();
                if let Some(account) = &account {
                    account.upgrades_open.fetch_add(1, Relaxed);
                }
                let moved = Moved::default();
                let open = worker.tunnel();
                tunnel(
                    (stream, buffer),
                    (&link.stream, &mut link.buffer),
                    &worker.spares,
                    &moved,
                )
                .await;
                drop(open);
                if let Some(account) = &account {
                    account.upgrades_open.fetch_sub(1, Relaxed);
                }
                drop(under_way);
                (received, sent) = (moved.to_app.get(), moved.to_client.get());
                (After::Close, None)
            }
            Err(Fault::ClientGone) => (After::Close, Some(Fault::ClientGone)),
            Err(fault) if begun => (After::Reset, Some(fault)),
            Err(fault) => {
                ticket.status = fault.status();
                let closes = !keeps_alive || !is_over || fault.ends_connection();
                let after = self.refuse(fault, &ticket, is_http_1_0, closes).await;
                (after, Some(fault))
            }
        };
        if fault == Some(Fault::ClientGone) {
            ticket.status = Fault::ClientGone.status();
        }
        self.done(&mut ticket, began, (received, sent), version, fault);
        worker.spares.keep_empty(&mut self.buffer);
        after
    }

    /// Reads a head, and writes the one for the app.
    fn read(&self, head: &[u8]) -> Result<(Ticket, bool, bool), Fault> {
        let mut fields = [const { MaybeUninit::uninit() }; MOST_HEADERS];
        let request = request::read(head, &mut fields)?;
        let mut out = self.worker.spares.list();
        let composed = compose(
            &mut out,
            Asked {
                method: request.method,
                target: request.target,
                host: request.host,
                framing: request.framing,
                is_http_1_1: !request.is_http_1_0,
                is_http_2: false,
            },
            || {
                request
                    .headers
                    .iter()
                    .map(|header| (header.name.as_bytes(), header.value))
            },
            &self.peer,
            || self.worker.new_id(),
        );
        let ticket = Ticket {
            method: request.method.to_owned(),
            host: request.host.to_owned(),
            target: request.target.to_owned(),
            head: out,
            framing: request.framing,
            request_id: composed.request_id,
            taste: composed.taste,
            expects: composed.expects,
            upgrades: composed.upgrades,
            takes_interim: !request.is_http_1_0,
            account: None,
            status: 0,
        };
        Ok((
            ticket,
            request.is_http_1_0,
            request.keeps_alive && !self.worker.is_stopping(),
        ))
    }

    /// Answers with our own page.
    async fn refuse(
        &mut self,
        fault: Fault,
        ticket: &Ticket,
        is_http_1_0: bool,
        closes: bool,
    ) -> After {
        let worker = Rc::clone(&self.worker);
        let mut answer = Http1Answer {
            writer: Writer::new(
                &self.stream,
                self.waits
                    .for_side(Side::ClientWrites, worker.limits.write_timeout),
                worker.spares.list(),
                Framing::None,
            ),
            worker: &worker,
            is_http_1_0,
            closes,
            unsure: false,
            begun: false,
        };
        let page = pin!(refuse(
            &mut answer,
            fault,
            ticket.taste,
            &ticket.request_id,
            ticket.asks_head()
        ));
        match self.alarm.within(&self.waits, page).await {
            Ok(Ok(())) if closes => After::Linger,
            Ok(Ok(())) => After::Next,
            Ok(Err(_)) | Err(_) => After::Close,
        }
    }

    /// Writes down how a request went.
    fn done(
        &self,
        ticket: &mut Ticket,
        began: Instant,
        (received, sent): (u64, u64),
        version: &'static str,
        fault: Option<Fault>,
    ) {
        let account = ticket.account.take();
        self.worker.done(
            account.as_deref(),
            &Entry {
                client: &self.peer.text,
                method: &ticket.method,
                target: &ticket.target,
                version,
                host: &ticket.host,
                status: ticket.status,
                sent,
                received,
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
        self.worker
            .spares
            .keep_list(std::mem::take(&mut ticket.head));
    }

    /// Says that nothing more comes and reads what the client still sends, for a while.
    async fn linger(mut self) {
        if shutdown(self.stream.as_raw_fd(), Shutdown::Write).is_err() {
            return;
        }
        let discard = async {
            let mut left = LINGER_BYTES;
            loop {
                self.buffer.take(self.buffer.filled().len());
                self.worker.spares.provide(&mut self.buffer);
                match poll_fn(|cx| poll_read(&self.stream, &mut self.buffer, cx)).await {
                    Ok(0) | Err(_) => return,
                    Ok(count) if count >= left => return,
                    Ok(count) => left -= count,
                }
            }
        };
        // Who goes on sending is cut off.
        let _ = tokio::time::timeout(LINGER, discard).await;
    }
}

/// Whether something can be read at once.
fn has_bytes(stream: &TcpStream) -> bool {
    let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
    matches!(recv(stream.as_raw_fd(), &mut [0], flags), Ok(1))
}

/// Whose fault it is that time ran out.
pub(super) fn slow(side: Side) -> Fault {
    match side {
        Side::ClientReads => Fault::ClientSlow,
        Side::ClientWrites => Fault::ClientGone,
        Side::AppReads | Side::AppWrites => Fault::AppSlow,
    }
}

/// The way back to the client.
struct Http1Answer<'a> {
    writer: Writer<'a>,
    worker: &'a Worker,
    is_http_1_0: bool,
    closes: bool,
    unsure: bool,
    begun: bool,
}

impl Sink for Http1Answer<'_> {
    async fn push(&mut self, data: &[u8]) -> io::Result<()> {
        self.writer.push(data).await
    }

    async fn trailers(&mut self, lines: &[u8]) -> io::Result<()> {
        self.writer.trailers(lines).await
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.writer.flush().await
    }

    async fn finish(&mut self) -> io::Result<()> {
        self.writer.finish().await
    }
}

impl Answer for Http1Answer<'_> {
    fn has_begun(&self) -> bool {
        self.begun
    }

    async fn interim(&mut self, head: &Head<'_>) -> io::Result<()> {
        if head.status == 100 {
            self.unsure = false;
        }
        write_interim(&mut self.writer.out, head);
        self.writer.flush().await
    }

    fn head(&mut self, head: &Head<'_>, request_id: &str) -> io::Result<()> {
        self.closes |= self.unsure || self.worker.is_stopping();
        self.begun = true;
        self.writer.framing = write_head(
            &mut self.writer.out,
            head,
            request_id,
            self.is_http_1_0,
            self.closes,
            |out| self.worker.write_date(out),
        );
        Ok(())
    }

    fn sent(&self) -> u64 {
        self.writer.sent
    }
}

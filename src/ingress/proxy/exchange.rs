//! One request and its answer, between a client of either protocol and an app.
//!
//! ```text
//!   route ─▶ connection (kept, or new; waits while nobody takes one) ─▶ ┌ request ─▶ app ┐ ─▶ kept for the next
//!     ▲                                  │                              └ answer ◀─ app ┘
//!     └──────── look again ◀─────────────┘
//! ```

use super::answer::{self, Answer, LARGEST_HEAD};
use super::body::{BadBody, Framing};
use super::clock::{self, Patience, Side, Waits};
use super::link::Link;
use super::page::{Fault, Taste};
use super::request::MOST_HEADERS;
use super::wire::{Cut, Reader, Source, Trouble, Writer, poll_read, pump};
use super::worker::Worker;
use crate::ingress::figures::Account;
use crate::ingress::routes::{Found, UnderWay};
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::mem::MaybeUninit;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;
use std::time::Duration;

/// The first pause before an app that took no connection is tried again; each is twice the last.
const FIRST_PAUSE: Duration = Duration::from_millis(4);
/// A container that comes back is to be seen soon.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);
/// More interim answers than this are a fault of the app's.
const MOST_INTERIM: u32 = 32;

/// A request under way.
#[derive(Debug)]
pub(super) struct Ticket {
    pub method: String,
    pub host: String,
    pub target: String,
    /// What the app is sent.
    pub head: Vec<u8>,
    pub framing: Framing,
    pub request_id: String,
    pub taste: Taste,
    pub expects: bool,
    pub upgrades: bool,
    /// Whether interim answers are understood.
    pub takes_interim: bool,
    /// Whose it is, once that was found.
    pub account: Option<Arc<Account>>,
    /// The status that was answered.
    pub status: u16,
}

impl Ticket {
    pub fn asks_head(&self) -> bool {
        self.method == "HEAD"
    }

    /// Whether sending it twice does no more than once (RFC 9110 section 9.2.2), and it can be sent twice.
    fn is_repeatable(&self) -> bool {
        self.framing == Framing::None
            && matches!(
                self.method.as_str(),
                "GET" | "HEAD" | "OPTIONS" | "PUT" | "DELETE"
            )
    }

    fn path(&self) -> &str {
        match self.target.as_str() {
            "*" => "/",
            target => target.split_once('?').map_or(target, |(path, _)| path),
        }
    }
}

/// How an exchange went.
#[derive(Debug)]
pub(super) enum Ended {
    /// The answer went out whole.
    Answered,
    /// Both ends speak another protocol from here on.
    Switched(Link, UnderWay),
}

/// Why one try came to nothing.
enum Failed {
    /// The app closed the connection without a byte; the request was written to it, or not.
    Unanswered {
        written: bool,
    },
    Fault(Fault),
}

impl From<Fault> for Failed {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// How a try went.
enum Got {
    /// The answer; and whether the connection can take a next request.
    Whole {
        reusable: bool,
    },
    Switched,
}

/// Passes the request on and the answer back.
pub(super) async fn exchange(
    worker: &Worker,
    waits: &Waits,
    ticket: &mut Ticket,
    source: &mut impl Source,
    answer: &mut impl Answer,
) -> Result<Ended, Fault> {
    let mut fresh = false;
    loop {
        let (mut link, under_way) = connect(worker, ticket, source, fresh).await?;
        let reused = link.reused;
        match attempt(worker, waits, ticket, &mut link, source, answer).await {
            Ok(Got::Whole { reusable }) => {
                if reusable {
                    worker.spares.keep_empty(&mut link.buffer);
                    worker.pool.keep(under_way.upstream().address(), link);
                }
                return Ok(Ended::Answered);
            }
            Ok(Got::Switched) => return Ok(Ended::Switched(link, under_way)),
            Err(Failed::Fault(fault)) => return Err(fault),
            // A kept connection that the app closed meanwhile is nobody's fault; once is enough to tell.
            Err(Failed::Unanswered { written })
                if reused && !fresh && (!written || ticket.is_repeatable()) =>
            {
                fresh = true;
                if let Some(account) = &ticket.account {
                    account.retries.fetch_add(1, Relaxed);
                }
            }
            Err(Failed::Unanswered { .. }) => return Err(Fault::BrokeOff),
        }
    }
}

/// A connection to whoever answers the request, counted in there.
async fn connect(
    worker: &Worker,
    ticket: &mut Ticket,
    source: &mut impl Source,
    fresh: bool,
) -> Result<(Link, UnderWay), Fault> {
    let under_way = find(worker, ticket)?;
    let address = under_way.upstream().address();
    if !fresh && let Some(link) = worker.pool.take(address, ticket.is_repeatable()) {
        return Ok((link, under_way));
    }
    let mut gone = pin!(poll_fn(|cx| source.poll_gone(cx)));
    let mut dialled = pin!(dial(worker, ticket, under_way));
    poll_fn(|cx| {
        if let Poll::Ready(result) = dialled.as_mut().poll(cx) {
            return Poll::Ready(result);
        }
        gone.as_mut().poll(cx).map(|()| Err(Fault::ClientGone))
    })
    .await
}

fn find(worker: &Worker, ticket: &mut Ticket) -> Result<UnderWay, Fault> {
    let found = worker.finder.borrow_mut().find(&ticket.host, ticket.path());
    match found {
        Found::Upstream(under_way, account) => {
            ticket.account = Some(account);
            Ok(under_way)
        }
        Found::Nobody(absence, account) => {
            ticket.account = Some(account);
            Err(Fault::Absent(absence))
        }
        Found::NoRoute => Err(Fault::NoRoute),
        Found::NoTable => Err(Fault::NoTable),
    }
}

/// Connects, and waits while nobody takes a connection. The route is looked up again each time: somebody else may have
/// taken over.
async fn dial(
    worker: &Worker,
    ticket: &mut Ticket,
    mut under_way: UnderWay,
) -> Result<(Link, UnderWay), Fault> {
    let began = clock::now();
    let mut pause = FIRST_PAUSE;
    let mut place = None;
    loop {
        let upstream = Arc::clone(under_way.upstream());
        let dialled = worker
            .pool
            .dial(upstream.address(), upstream.is_neighbour())
            .await;
        if let Ok(link) = dialled {
            return Ok((link, under_way));
        }
        // Who only waits must not hold up a drain.
        drop(under_way);
        if place.is_none() {
            place = Some(upstream.wait().ok_or(Fault::Crowded)?);
            if let Some(account) = &ticket.account {
                account.waits.fetch_add(1, Relaxed);
            }
        }
        if clock::now() + pause > began + worker.limits.wait_timeout {
            return Err(Fault::Unreachable);
        }
        tokio::time::sleep(pause).await;
        pause = LONGEST_PAUSE.min(2 * pause);
        under_way = find(worker, ticket)?;
    }
}

/// Sends the request and takes the answer, both at once: an app may answer before it has read everything, or while it
/// reads.
async fn attempt(
    worker: &Worker,
    waits: &Waits,
    ticket: &mut Ticket,
    link: &mut Link,
    source: &mut impl Source,
    answer: &mut impl Answer,
) -> Result<Got, Failed> {
    let limit = worker.limits.upstream_timeout;
    let mut out = worker.spares.list();
    out.extend_from_slice(&ticket.head);
    let stream = &link.stream;
    let mut request = Writer::new(
        stream,
        waits.for_side(Side::AppWrites, limit),
        out,
        ticket.framing,
    );
    let patience = waits.for_side(Side::AppReads, limit);
    let progress = Progress::default();
    let result = {
        let mut sending = pin!(async {
            match pump(source, &mut request).await {
                Ok(()) => progress.whole.set(true),
                // It takes no more; perhaps it has answered already.
                Err(Cut::Sink) => {}
                Err(Cut::Source(trouble)) => return client_fault(trouble),
            }
            progress.sent.set(true);
            patience.begin();
            poll_fn(|cx| source.poll_gone(cx)).await;
            Fault::ClientGone
        });
        let mut receiving = pin!(receive(
            worker,
            ticket,
            stream,
            &mut link.buffer,
            patience,
            &progress,
            answer
        ));
        poll_fn(|cx| {
            if let Poll::Ready(fault) = sending.as_mut().poll(cx) {
                return Poll::Ready(Err(Failed::Fault(fault)));
            }
            receiving.as_mut().poll(cx)
        })
        .await
    };
    let written = request.has_written;
    worker.spares.keep_list(std::mem::take(&mut request.out));
    result.map_err(|failed| match failed {
        Failed::Unanswered { .. } => Failed::Unanswered { written },
        fault @ Failed::Fault(_) => fault,
    })
}

/// How far the request has come.
#[derive(Default)]
struct Progress {
    /// Nothing more of it will be sent.
    sent: Cell<bool>,
    /// And all of it was.
    whole: Cell<bool>,
}

fn client_fault(trouble: Trouble) -> Fault {
    match trouble {
        Trouble::Bad(BadBody::CutShort) | Trouble::Lost => Fault::ClientGone,
        Trouble::Bad(bad) => Fault::Bad(bad.why()),
        Trouble::TooLarge => Fault::BodyTooLarge,
    }
}

async fn receive(
    worker: &Worker,
    ticket: &mut Ticket,
    stream: &tokio::net::TcpStream,
    buffer: &mut super::buffer::Buffer,
    patience: Patience<'_>,
    progress: &Progress,
    answer: &mut impl Answer,
) -> Result<Got, Failed> {
    let mut interim = 0;
    let (framing, keeps_alive) = loop {
        match step(ticket, buffer, answer)? {
            Step::More => {}
            Step::Interim(length) => {
                relay(ticket, buffer, answer).await?;
                buffer.take(length);
                interim += 1;
                if interim > MOST_INTERIM {
                    return Err(Fault::Nonsense("it is interim answers without end").into());
                }
                continue;
            }
            Step::Switched => {
                answer.flush().await.map_err(|_| Fault::ClientGone)?;
                return Ok(Got::Switched);
            }
            Step::Final {
                framing,
                keeps_alive,
            } => break (framing, keeps_alive),
        }
        worker.spares.provide(buffer);
        if buffer.is_full() {
            if buffer.size() >= LARGEST_HEAD {
                return Err(Fault::Nonsense("its head is too large").into());
            }
            buffer.grow(2 * buffer.size());
        }
        let count = poll_fn(|cx| {
            let poll = poll_read(stream, buffer, cx);
            // Before the request is whole nothing is expected of the app.
            if progress.sent.get() {
                patience.watch(poll)
            } else {
                poll
            }
        })
        .await;
        match count {
            Ok(1..) => {}
            Ok(0) | Err(_) if buffer.is_empty() && interim == 0 => {
                return Err(Failed::Unanswered { written: true });
            }
            Ok(0) | Err(_) => return Err(Fault::BrokeOff.into()),
        }
    };
    let mut body = Reader::new(stream, buffer, framing, patience, &worker.spares);
    pump(&mut body, answer).await.map_err(|cut| match cut {
        Cut::Sink => Fault::ClientGone,
        Cut::Source(Trouble::Bad(BadBody::CutShort) | Trouble::Lost | Trouble::TooLarge) => {
            Fault::BrokeOff
        }
        Cut::Source(Trouble::Bad(bad)) => Fault::Nonsense(bad.why()),
    })?;
    drop(body);
    let reusable =
        keeps_alive && framing != Framing::UntilClosed && progress.whole.get() && buffer.is_empty();
    Ok(Got::Whole { reusable })
}

/// What the app's bytes are, up to its answer's head.
enum Step {
    More,
    Interim(usize),
    Switched,
    Final { framing: Framing, keeps_alive: bool },
}

fn step(
    ticket: &mut Ticket,
    buffer: &mut super::buffer::Buffer,
    answer: &mut impl Answer,
) -> Result<Step, Fault> {
    if buffer.is_empty() {
        return Ok(Step::More);
    }
    let mut fields = [const { MaybeUninit::uninit() }; MOST_HEADERS];
    let Some((head, length)) = answer::read(buffer.filled(), &mut fields, ticket.asks_head())?
    else {
        return Ok(Step::More);
    };
    match head.status {
        101 if ticket.upgrades && head.upgrade().is_some() => {}
        101 => {
            return Err(Fault::Nonsense(
                "it switches to a protocol nobody asked for",
            ));
        }
        100..=199 => return Ok(Step::Interim(length)),
        200..=999 => {}
        _ => return Err(Fault::Nonsense("its status is none")),
    }
    answer
        .head(&head, &ticket.request_id)
        .map_err(|_| Fault::ClientGone)?;
    ticket.status = head.status;
    let (status, framing, keeps_alive) = (head.status, head.framing, head.keeps_alive);
    buffer.take(length);
    Ok(if status == 101 {
        Step::Switched
    } else {
        Step::Final {
            framing,
            keeps_alive,
        }
    })
}

/// Passes an interim answer on to who understands it; a `100` only to who waits for it.
async fn relay(
    ticket: &Ticket,
    buffer: &super::buffer::Buffer,
    answer: &mut impl Answer,
) -> Result<(), Fault> {
    let mut fields = [const { MaybeUninit::uninit() }; MOST_HEADERS];
    if let Some((head, _)) = answer::read(buffer.filled(), &mut fields, false)?
        && ticket.takes_interim
        && (head.status != 100 || ticket.expects)
    {
        answer.interim(&head).await.map_err(|_| Fault::ClientGone)?;
    }
    Ok(())
}

//! What time it is, how long something has been waited for, and what is done about it: one timer for each connection.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};
use tokio::time::{Instant, Sleep, sleep_until};

/// Of the monotonic clock.
#[expect(
    clippy::disallowed_methods,
    reason = "the data path's one way to the monotonic clock: the port's is behind a pointer and asked by the driver"
)]
pub(super) fn now() -> Instant {
    Instant::now()
}

/// Of the wall clock, for log lines and `Date`.
#[expect(
    clippy::disallowed_methods,
    reason = "the data path's one way to the wall clock: it decides nothing by it"
)]
pub(super) fn wall() -> Duration {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}

/// Whom a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// For bytes of the client's.
    ClientReads,
    /// For the client to take bytes.
    ClientWrites,
    /// For bytes of the app's.
    AppReads,
    /// For the app to take bytes.
    AppWrites,
}

const SIDES: [Side; 4] = [
    Side::ClientReads,
    Side::ClientWrites,
    Side::AppReads,
    Side::AppWrites,
];

/// Until when it waits for each.
#[derive(Debug, Default)]
pub(super) struct Waits([Cell<Option<Instant>>; SIDES.len()]);

impl Waits {
    fn slot(&self, side: Side) -> &Cell<Option<Instant>> {
        match side {
            Side::ClientReads => &self.0[0],
            Side::ClientWrites => &self.0[1],
            Side::AppReads => &self.0[2],
            Side::AppWrites => &self.0[3],
        }
    }

    pub fn for_side(&self, side: Side, limit: Duration) -> Patience<'_> {
        Patience {
            until: self.slot(side),
            limit,
        }
    }

    pub fn clear(&self) {
        for slot in &self.0 {
            slot.set(None);
        }
    }

    fn earliest(&self) -> Option<(Instant, Side)> {
        SIDES
            .iter()
            .filter_map(|side| self.slot(*side).get().map(|until| (until, *side)))
            .min_by_key(|(until, _)| *until)
    }
}

/// How long one side may keep us waiting.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience<'a> {
    until: &'a Cell<Option<Instant>>,
    limit: Duration,
}

impl Patience<'_> {
    /// Notes whether it is waited for now; the time counts from when the waiting began.
    pub fn watch<T>(&self, poll: Poll<T>) -> Poll<T> {
        if poll.is_ready() {
            self.until.set(None);
        } else if self.until.get().is_none() {
            self.begin();
        }
        poll
    }

    pub fn begin(&self) {
        self.until.set(Some(now() + self.limit));
    }

    pub fn end(&self) {
        self.until.set(None);
    }
}

/// A connection's timer. It rings at times that have nothing to do with a deadline and looks at the deadlines then:
/// to move one costs nothing, and they are moved several times in each request.
#[derive(Debug)]
pub(super) struct Alarm {
    sleep: Pin<Box<Sleep>>,
    /// The shortest wait there is, so that a new deadline is never before the next ring.
    every: Duration,
}

impl Alarm {
    pub fn new(every: Duration) -> Self {
        Self {
            sleep: Box::pin(sleep_until(now() + every)),
            every,
        }
    }

    /// Ready at the deadline.
    pub fn poll(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        if self.sleep.deadline() > deadline {
            self.sleep.as_mut().reset(deadline);
        }
        while self.sleep.as_mut().poll(cx).is_ready() {
            let now = now();
            if now >= deadline {
                return Poll::Ready(());
            }
            self.sleep.as_mut().reset(deadline.min(now + self.every));
        }
        Poll::Pending
    }

    /// What the future comes to, or whoever kept it waiting too long.
    pub async fn within<F: Future>(
        &mut self,
        waits: &Waits,
        mut future: Pin<&mut F>,
    ) -> Result<F::Output, Side> {
        let ended = poll_fn(|cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Ok(output));
            }
            match waits.earliest() {
                None => Poll::Pending,
                Some((deadline, side)) => self.poll(cx, deadline).map(|()| Err(side)),
            }
        })
        .await;
        waits.clear();
        ended
    }
}

//! What the connections of one thread share: all of it is used by that thread only, so nothing here is locked.

use super::buffer::Spares;
use super::clock;
use super::link::Pool;
use super::log::{Entry, LONGEST, Log};
use super::page::Fault;
use crate::core::ingress::ProxyLimits;
use crate::core::ports::Random;
use crate::ingress::figures::{Account, Figures};
use crate::ingress::routes::Finder;
use ipnet::IpNet;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::Waker;
use std::time::Duration;
use time::OffsetDateTime;
use tokio::time::Instant;

/// One thread's share of the data path.
pub(super) struct Worker {
    pub index: usize,
    pub finder: RefCell<Finder>,
    pub pool: Pool,
    pub spares: Spares,
    pub figures: Arc<Figures>,
    pub log: Log,
    pub limits: ProxyLimits,
    pub trusted: Vec<IpNet>,
    ids: RefCell<Ids>,
    date: RefCell<(u64, String)>,
    seats: RefCell<HashMap<u64, Rc<Seat>>>,
    next_seat: Cell<u64>,
    /// Connections of this worker, also those that are on their way to it.
    pub load: Arc<AtomicUsize>,
    /// How many it may have.
    pub room: usize,
    stopping: Cell<bool>,
    /// Connections that were upgraded.
    tunnels: Rc<Cell<usize>>,
}

/// An upgraded connection, as long as this value is.
pub(super) struct Tunnel(Rc<Cell<usize>>);

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// One connection, as the worker sees it.
#[derive(Debug, Default)]
pub(super) struct Seat {
    /// Since when it waits for a request; none: one is under way.
    pub idle_since: Cell<Option<Instant>>,
    /// It is to end as soon as no request is under way.
    leave: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Seat {
    pub fn must_leave(&self) -> bool {
        self.leave.get()
    }

    /// Wakes whoever asks so when it must leave.
    pub fn wake_by(&self, waker: &Waker) {
        let mut held = self.waker.borrow_mut();
        match &mut *held {
            Some(held) => held.clone_from(waker),
            None => *held = Some(waker.clone()),
        }
    }

    fn send_away(&self) {
        self.leave.set(true);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// Random bytes for ids, fetched many at a time.
struct Ids {
    random: Random,
    bytes: Vec<u8>,
    used: usize,
}

const ID: usize = 16;

impl Worker {
    #[expect(clippy::too_many_arguments, reason = "one caller, which has them all")]
    pub fn new(
        index: usize,
        finder: Finder,
        figures: Arc<Figures>,
        log: Log,
        limits: ProxyLimits,
        trusted: Vec<IpNet>,
        random: Random,
        load: Arc<AtomicUsize>,
        room: usize,
    ) -> Self {
        Self {
            index,
            finder: RefCell::new(finder),
            pool: Pool::new(Arc::clone(&figures)),
            spares: Spares::default(),
            figures,
            log,
            limits,
            trusted,
            ids: RefCell::new(Ids {
                random,
                bytes: vec![0; 128 * ID],
                used: 128 * ID,
            }),
            date: RefCell::default(),
            seats: RefCell::default(),
            next_seat: Cell::new(0),
            load,
            room,
            stopping: Cell::new(false),
            tunnels: Rc::default(),
        }
    }

    /// The shortest wait there is.
    pub fn shortest_limit(&self) -> Duration {
        let limits = &self.limits;
        [
            limits.head_timeout,
            limits.idle_timeout,
            limits.read_timeout,
            limits.write_timeout,
            limits.upstream_timeout,
        ]
        .into_iter()
        .min()
        .unwrap_or_default()
        .max(Duration::from_millis(1))
    }

    /// 128 random bits in hexadecimal.
    pub fn new_id(&self) -> String {
        let mut ids = self.ids.borrow_mut();
        if ids.used == ids.bytes.len() {
            let Ids { random, bytes, .. } = &mut *ids;
            random(bytes);
            ids.used = 0;
        }
        let mut id = String::with_capacity(2 * ID);
        for byte in &ids.bytes[ids.used..ids.used + ID] {
            for nibble in [byte >> 4, byte & 15] {
                id.push(char::from(b"0123456789abcdef"[usize::from(nibble)]));
            }
        }
        ids.used += ID;
        id
    }

    /// Writes the value of a `Date`.
    pub fn write_date(&self, out: &mut Vec<u8>) {
        let now = clock::wall().as_secs();
        let mut date = self.date.borrow_mut();
        if date.0 != now || date.1.is_empty() {
            *date = (now, http_date(now));
        }
        out.extend_from_slice(date.1.as_bytes());
    }

    /// A seat for a new connection. Where all are taken, whoever was idle longest goes.
    pub fn seat(&self) -> Option<(u64, Rc<Seat>)> {
        if self.seats.borrow().len() >= self.room && !self.make_room() {
            return None;
        }
        let number = self.next_seat.get();
        self.next_seat.set(number + 1);
        let seat = Rc::new(Seat::default());
        seat.idle_since.set(Some(clock::now()));
        if self.stopping.get() {
            seat.leave.set(true);
        }
        self.seats.borrow_mut().insert(number, Rc::clone(&seat));
        Some((number, seat))
    }

    /// The connection is over.
    pub fn leave_seat(&self, number: u64) {
        self.seats.borrow_mut().remove(&number);
        self.load.fetch_sub(1, Relaxed);
    }

    pub fn connections(&self) -> usize {
        self.seats.borrow().len()
    }

    /// Counts an upgraded connection.
    pub fn tunnel(&self) -> Tunnel {
        self.tunnels.set(self.tunnels.get() + 1);
        Tunnel(Rc::clone(&self.tunnels))
    }

    /// Connections that have a request under way or wait for one.
    pub fn requesting(&self) -> usize {
        self.connections().saturating_sub(self.tunnels.get())
    }

    /// Sends the longest idle one away; it leaves its seat when it is next polled, so that for a moment there is one more.
    fn make_room(&self) -> bool {
        let seats = self.seats.borrow();
        let longest = seats
            .values()
            .filter(|seat| !seat.leave.get())
            .filter_map(|seat| seat.idle_since.get().map(|since| (since, seat)))
            .min_by_key(|(since, _)| *since);
        if let Some((_, seat)) = longest {
            seat.send_away();
        }
        longest.is_some()
    }

    pub fn is_stopping(&self) -> bool {
        self.stopping.get()
    }

    /// No more requests: who is idle goes now, the others when they are done.
    pub fn stop(&self) {
        self.stopping.set(true);
        for seat in self.seats.borrow().values() {
            seat.send_away();
        }
    }

    /// Closes kept connections to addresses that no route leads to any more.
    pub fn routes_changed(&self) {
        let finder = self.finder.borrow();
        self.pool.leave(|address| finder.leads_to(address));
    }

    /// A request is over, one way or another.
    pub fn done(
        self: &Rc<Self>,
        account: Option<&Account>,
        entry: &Entry<'_>,
        fault: Option<Fault>,
    ) {
        let account = account.unwrap_or(&self.figures.strangers);
        account.answered(
            self.index,
            entry.status,
            entry.took,
            entry.received,
            entry.sent,
        );
        if let Some(fault) = fault {
            account.failed(fault.index());
        }
        if self.log.write(entry) {
            let worker = Rc::clone(self);
            tokio::task::spawn_local(async move {
                tokio::time::sleep(LONGEST).await;
                worker.log.hand_over();
            });
        }
    }
}

/// RFC 9110 section 5.6.7.
fn http_date(seconds: u64) -> String {
    let time = i64::try_from(seconds)
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let mut date = String::with_capacity(29);
    let day = time.weekday().to_string();
    let month = time.month().to_string();
    // Writing to a string cannot fail.
    let _ = write!(
        date,
        "{}, {:02} {} {} {:02}:{:02}:{:02} GMT",
        &day[..3],
        time.day(),
        &month[..3],
        time.year(),
        time.hour(),
        time.minute(),
        time.second()
    );
    date
}

#[cfg(test)]
mod tests {
    #[test]
    fn dates_are_those_of_the_rfc() {
        assert_eq!(
            super::http_date(784_111_777),
            "Sun, 06 Nov 1994 08:49:37 GMT"
        );
    }
}

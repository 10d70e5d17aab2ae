//! All connections there are, and which of them have waited longest for a request.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// How many may come in. Beyond that the one that has been idle longest makes room.
#[derive(Debug)]
pub(crate) struct Table {
    most: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    open: usize,
    /// Counts, so that the lowest number is the oldest.
    turn: u64,
    idle: BTreeMap<u64, Arc<Notify>>,
}

/// A connection's place in the table, for as long as it lasts.
#[derive(Debug)]
pub(crate) struct Place {
    table: Arc<Table>,
    close: Arc<Notify>,
    /// Its turn among the idle ones, and whether it has left the table.
    own: Mutex<Own>,
}

#[derive(Debug)]
enum Own {
    Idle(u64),
    Busy,
    /// Another one has its place.
    Closed,
}

impl Table {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            state: Mutex::default(),
        }
    }

    /// Room for one more, made by closing the oldest idle one if it must be. `None` if none is idle.
    pub(crate) fn enter(self: &Arc<Self>) -> Option<Place> {
        let mut state = self.state();
        if state.open >= self.most && !state.close_oldest() {
            return None;
        }
        state.open += 1;
        let close = Arc::new(Notify::new());
        let turn = state.wait(&close);
        drop(state);
        Some(Place {
            table: Arc::clone(self),
            close,
            own: Mutex::new(Own::Idle(turn)),
        })
    }

    /// Closes the connection that has been idle longest, if there is one.
    pub(crate) fn close_oldest(&self) -> bool {
        self.state().close_oldest()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change under the lock is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn close_oldest(&mut self) -> bool {
        let Some((_, close)) = self.idle.pop_first() else {
            return false;
        };
        self.open -= 1;
        close.notify_one();
        true
    }

    fn wait(&mut self, close: &Arc<Notify>) -> u64 {
        self.turn += 1;
        self.idle.insert(self.turn, Arc::clone(close));
        self.turn
    }
}

impl Place {
    /// Returns when another connection needs this one's place.
    pub(crate) async fn closed(&self) {
        self.close.notified().await;
    }

    /// A request begins: it is no longer closed to make room.
    pub(crate) fn busy(&self) {
        let mut own = self.own();
        if let Own::Idle(turn) = *own {
            let was_there = self.table.state().idle.remove(&turn).is_some();
            *own = if was_there { Own::Busy } else { Own::Closed };
        }
    }

    /// It waits for a request again.
    pub(crate) fn idle(&self) {
        let mut own = self.own();
        match *own {
            Own::Busy => *own = Own::Idle(self.table.state().wait(&self.close)),
            Own::Idle(_) | Own::Closed => {}
        }
    }

    fn own(&self) -> MutexGuard<'_, Own> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.busy();
        if matches!(*self.own(), Own::Busy) {
            self.table.state().open -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    #[test]
    fn the_oldest_idle_connection_makes_room_and_a_busy_one_never() {
        let table = Arc::new(Table::new(2));
        let first = table.enter().unwrap();
        let second = table.enter().unwrap();
        first.busy();
        let third = table.enter().expect("the second was idle");
        assert!(second.closed().now_or_never().is_some());
        assert!(first.closed().now_or_never().is_none());
        third.busy();
        assert!(table.enter().is_none(), "all are busy");
        drop(second);
        assert!(table.enter().is_none(), "its place was given away already");
        first.idle();
        assert!(table.enter().is_some());
        assert!(first.closed().now_or_never().is_some());
    }

    #[test]
    fn who_waits_again_waits_behind_the_others() {
        let table = Arc::new(Table::new(2));
        let first = table.enter().unwrap();
        let second = table.enter().unwrap();
        first.busy();
        first.idle();
        assert!(table.close_oldest());
        assert!(second.closed().now_or_never().is_some());
        drop(second);
        let _third = table.enter().expect("a place is free");
        assert!(first.closed().now_or_never().is_none());
    }
}

//! How many checkouts, builds and rollouts may be at work, with a number that can be changed while they are. Lowering
//! it ends nothing: what is at work goes on, and nothing new begins until it is below the number.

use std::sync::{Mutex, PoisonError};
use tokio::sync::{Semaphore, SemaphorePermit};

pub(super) struct Permits {
    semaphore: Semaphore,
    count: Mutex<Count>,
}

struct Count {
    limit: usize,
    /// How many of the permits that are out are not to come back.
    owed: usize,
}

/// The right to be at work.
pub(super) struct Permit<'a> {
    permits: &'a Permits,
    held: Option<SemaphorePermit<'a>>,
}

impl Permits {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            semaphore: Semaphore::new(limit),
            count: Mutex::new(Count { limit, owed: 0 }),
        }
    }

    /// Waits for one, in the order of asking.
    pub(super) async fn acquire(&self) -> Permit<'_> {
        // It is closed nowhere; if it were, who asked would work on rather than never.
        let held = self.semaphore.acquire().await.ok();
        Permit {
            permits: self,
            held,
        }
    }

    /// From now on so many.
    pub(super) fn set_limit(&self, limit: usize) {
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        if limit >= count.limit {
            let more = limit - count.limit;
            let forgiven = more.min(count.owed);
            count.owed -= forgiven;
            self.semaphore.add_permits(more - forgiven);
        } else {
            let fewer = count.limit - limit;
            count.owed += fewer - self.semaphore.forget_permits(fewer);
        }
        count.limit = limit;
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let count = &self.permits.count;
        let mut count = count.lock().unwrap_or_else(PoisonError::into_inner);
        let held = self.held.take();
        if count.owed > 0 {
            count.owed -= 1;
            if let Some(held) = held {
                held.forget();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    fn next(permits: &Permits) -> Option<Permit<'_>> {
        permits.acquire().now_or_never()
    }

    #[test]
    fn a_lower_number_waits_for_what_is_at_work_and_a_higher_one_holds_at_once() {
        let permits = Permits::new(3);
        let (one, two) = (next(&permits), next(&permits));
        permits.set_limit(1);
        assert!(next(&permits).is_none());
        drop(one);
        assert!(next(&permits).is_none(), "two is still at work");
        drop(two);
        let one = next(&permits);
        assert!(one.is_some() && next(&permits).is_none());
        permits.set_limit(2);
        let two = next(&permits);
        assert!(two.is_some() && next(&permits).is_none());
        // Lowered and raised again while both are at work: nothing is lost and nothing is won.
        permits.set_limit(1);
        permits.set_limit(2);
        drop(one);
        let one = next(&permits);
        assert!(one.is_some() && next(&permits).is_none());
    }
}

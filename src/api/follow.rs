//! Those who follow a log or the events for as long as they like. Each holds a connection and a page of what it reads,
//! so there is a limit to how many there are.

use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many may follow at once. A page of a log is 128 KiB: this many that do not read take 64 MiB.
pub(crate) const MAX_FOLLOWERS: usize = 512;

/// The places there are for followers.
#[derive(Clone, Debug)]
pub(crate) struct Followers(Arc<Semaphore>);

/// A follower's place; it is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Following(#[expect(dead_code, reason = "it is held")] OwnedSemaphorePermit);

impl Default for Followers {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_FOLLOWERS)))
    }
}

impl Followers {
    /// A place; `None` if there is none left.
    pub(crate) fn join(&self) -> Option<Following> {
        let place = self.0.clone().try_acquire_owned();
        place.ok().map(Following)
    }

    /// How many there are now.
    pub(crate) fn count(&self) -> usize {
        MAX_FOLLOWERS - self.0.available_permits()
    }
}

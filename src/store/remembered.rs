//! The tokens in use, kept in memory.

use crate::core::access::Caller;
use std::collections::HashMap;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex, PoisonError};

/// How many tokens in use are remembered: a few MiB at most. With more, all are looked up again.
const MAX_REMEMBERED: usize = 10_000;

/// The tokens in use, so that a request of theirs reads nothing. One that is not there is looked up; a revocation
/// empties it after its commit, and what was looked up before that is not put in after it.
#[derive(Default)]
pub(super) struct Remembered(Mutex<Tokens>);

#[derive(Default)]
struct Tokens {
    by_digest: HashMap<Digest, Arc<InUse>>,
    /// How often it was emptied.
    emptied: u64,
}

pub(super) struct InUse {
    pub(super) caller: Caller,
    /// The last use that is written down.
    pub(super) noted: AtomicI64,
}

pub(super) type Digest = [u8; 32];

impl Remembered {
    pub(super) fn find(&self, digest: &Digest) -> (Option<Arc<InUse>>, u64) {
        let tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (tokens.by_digest.get(digest).cloned(), tokens.emptied)
    }

    /// Puts in what was looked up after [`Remembered::find`] said `emptied`.
    pub(super) fn put(&self, digest: Digest, token: Arc<InUse>, emptied: u64) {
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if tokens.emptied != emptied {
            return;
        }
        if tokens.by_digest.len() >= MAX_REMEMBERED {
            tokens.by_digest.clear();
        }
        tokens.by_digest.insert(digest, token);
    }

    pub(super) fn empty(&self) {
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.emptied += 1;
        tokens.by_digest.clear();
    }
}

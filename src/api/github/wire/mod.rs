//! Answers as types: every documented key that means something here, always. The fields stand in the order of the
//! alphabet.

pub(super) mod about;
pub(super) mod commit;
pub(super) mod commit_status;
pub(super) mod deployment;
pub(super) mod environment;
pub(super) mod node;
pub(super) mod problem;
pub(super) mod repository;
pub(super) mod status;
pub(super) mod user;
pub(super) mod word;

use crate::core::time::Timestamp;
use serde::Serialize;

/// A moment in UTC, in whole seconds.
#[derive(Clone, Serialize)]
pub(super) struct Time(String);

impl From<Timestamp> for Time {
    fn from(at: Timestamp) -> Self {
        Self(at.to_seconds_string())
    }
}

/// What GitHub has and we never do: shown as `null`.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Nothing(Option<()>);

impl Nothing {
    pub(super) const HERE: Self = Self(None);
}

//! Answers as types: every documented key, always, and no other. The fields stand in the order of the alphabet.

pub(super) mod about;
pub(super) mod deployment;
pub(super) mod environment;
pub(super) mod job;
pub(super) mod problem;
pub(super) mod project;
pub(super) mod user;
pub(super) mod word;

use crate::core::time::Timestamp;
use serde::Serialize;

/// A moment in UTC with three fraction digits.
#[derive(Clone, Serialize)]
pub(super) struct Time(String);

impl From<Timestamp> for Time {
    fn from(at: Timestamp) -> Self {
        Self(at.to_millis_string())
    }
}

/// What GitLab has and we never do: shown as `null`.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Nothing(Option<()>);

impl Nothing {
    pub(super) const HERE: Self = Self(None);
}

//! Answers as types: every documented key, always, and no other. The fields stand in the order of the alphabet.

pub(super) mod application;
pub(super) mod deployment;
pub(super) mod key;
pub(super) mod log;
pub(super) mod page;
pub(super) mod problem;
pub(super) mod process;
pub(super) mod word;

use crate::core::time::Timestamp;
use serde::Serialize;

/// A moment in UTC with three fraction digits; ends in `Z`, which clients insist on.
#[derive(Serialize)]
pub(super) struct Time(String);

impl From<Timestamp> for Time {
    fn from(at: Timestamp) -> Self {
        Self(at.to_millis_string())
    }
}

/// What was done, in words: clients read every body as JSON and fail on an empty one.
#[derive(Serialize)]
pub(super) struct Message {
    pub(super) message: &'static str,
}

/// A deployment hook's address.
#[derive(Serialize)]
pub(super) struct HookUrl {
    pub(super) url: String,
}

//! Answers as types: every documented key that must be there, always, and no undocumented one. The fields stand in the
//! order of the alphabet. A key is left out where its document says what it holds and nothing is known; where it says that
//! it may be null it is null.

pub(super) mod environment;
pub(super) mod history;
pub(super) mod job;
pub(super) mod place;
pub(super) mod problem;
pub(super) mod status;
pub(super) mod word;

use crate::core::time::Timestamp;
use serde::Serialize;
use uuid::Uuid;

/// A moment in UTC with three fraction digits.
#[derive(Clone, Serialize)]
pub(super) struct Time(String);

impl From<Timestamp> for Time {
    fn from(at: Timestamp) -> Self {
        Self(at.to_millis_string())
    }
}

/// Something, by its id.
#[derive(Serialize)]
pub(super) struct Reference {
    pub(super) id: Uuid,
}

/// A whole list.
#[derive(Serialize)]
pub(super) struct Results<T> {
    pub(super) results: Vec<T>,
}

/// The beginning of a list.
#[derive(Serialize)]
pub(super) struct Page<T> {
    pub(super) page: u32,
    pub(super) page_size: u32,
    pub(super) results: Vec<T>,
}

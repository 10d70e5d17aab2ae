//! Answers and bodies as types: the OpenAPI description is made of the same structs that are sent, so it cannot say
//! otherwise. The fields of an answer stand in the order of the alphabet, which is the order clients have always seen.

pub(super) mod adopt;
pub(super) mod app;
pub(super) mod deployment;
pub(super) mod event;
pub(super) mod gc;
pub(super) mod hook;
pub(super) mod log;
pub(super) mod name;
pub(super) mod operation;
pub(super) mod plan;
pub(super) mod problem;
pub(super) mod process;
pub(super) mod reload;
pub(super) mod request;
pub(super) mod run;
pub(super) mod runtime;
pub(super) mod secret;
pub(super) mod takeover;
pub(super) mod token;
pub(super) mod word;

use crate::core::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// A moment in UTC, to the second.
#[derive(Serialize, ToSchema)]
#[schema(value_type = String, format = DateTime, examples("2025-03-14T10:32:00Z"))]
pub(super) struct Time(String);

impl From<Timestamp> for Time {
    fn from(at: Timestamp) -> Self {
        Self(at.to_seconds_string())
    }
}

/// Which part of everything that matches a page holds.
#[derive(Serialize, ToSchema)]
pub(super) struct PageMeta {
    /// How many it holds at most.
    pub(super) limit: u64,
    /// How many were skipped.
    pub(super) offset: u64,
    /// How many match in all.
    pub(super) total: u64,
}

//! Logs in answers.

use super::PageMeta;
use crate::core::log::Line;
use serde::Serialize;
use utoipa::ToSchema;

/// A page of a deployment's log.
#[derive(Serialize, ToSchema)]
pub(in crate::api::gitdev) struct LogLines {
    pub(in crate::api::gitdev) data: Vec<LogLine>,
    pub(in crate::api::gitdev) meta: PageMeta,
}

/// A line of a deployment's log.
#[derive(Serialize, ToSchema)]
pub(in crate::api::gitdev) struct LogLine {
    message: String,
    /// The step's word, or `-`.
    step: String,
    /// `agent` for longshore's own words, else `stdout` or `stderr`.
    stream: String,
    #[schema(format = DateTime)]
    timestamp: String,
}

impl From<Line<'_>> for LogLine {
    fn from(line: Line<'_>) -> Self {
        Self {
            message: line.text.to_owned(),
            step: line.step.to_owned(),
            stream: line.stream.to_owned(),
            timestamp: line.timestamp.to_owned(),
        }
    }
}

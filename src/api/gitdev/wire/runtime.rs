//! Runtime logs in answers.

use crate::core::runtime::{RuntimeLine as CoreLine, RuntimePage, Severity};
use serde::Serialize;
use utoipa::ToSchema;

/// A part of a runtime log.
#[derive(Serialize, ToSchema)]
pub(in crate::api::gitdev) struct RuntimeLog {
    /// The oldest first.
    data: Vec<RuntimeLine>,
    meta: RuntimeMeta,
}

#[derive(Serialize, ToSchema)]
struct RuntimeMeta {
    /// What `from` is to be next. Of a long log one answer may hold nothing and still go on.
    next: u64,
}

impl From<&RuntimePage> for RuntimeLog {
    fn from(page: &RuntimePage) -> Self {
        Self {
            data: page.lines.iter().map(RuntimeLine::from).collect(),
            meta: RuntimeMeta { next: page.next },
        }
    }
}

/// A line that a running container printed.
#[derive(Serialize, ToSchema)]
pub(in crate::api::gitdev) struct RuntimeLine {
    /// The container's name.
    container: String,
    /// The byte of the log at which it begins.
    id: u64,
    message: String,
    /// Which of the app's processes printed it.
    #[schema(examples("web"))]
    process: String,
    /// The number of the release that ran.
    release: i64,
    /// How severe the line says it is; null if it says nothing.
    #[schema(required)]
    severity: Option<SeverityWord>,
    /// `agent` for longshore's own words, else `stdout` or `stderr`.
    stream: &'static str,
    /// When the engine got it.
    #[schema(format = DateTime)]
    timestamp: String,
}

impl From<&CoreLine> for RuntimeLine {
    fn from(line: &CoreLine) -> Self {
        Self {
            container: line.container.clone(),
            id: line.offset,
            message: line.text.clone(),
            process: line.process.clone(),
            release: line.release,
            severity: line.severity.map(SeverityWord::from),
            stream: line.stream.as_str(),
            timestamp: line.at.to_millis_string(),
        }
    }
}

/// How severe a line is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::api::gitdev) enum SeverityWord {
    Debug,
    Info,
    Warn,
    Error,
}

impl From<Severity> for SeverityWord {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Debug => Self::Debug,
            Severity::Info => Self::Info,
            Severity::Warn => Self::Warn,
            Severity::Error => Self::Error,
        }
    }
}

//! Lines of logs in answers.

use crate::core::log::Line;
use crate::core::runtime::{RuntimeLine, Severity, severity_of};
use crate::core::time::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use uuid::Uuid;

/// What prints a deployment's log.
const APP_DEPLOYMENT: &str = "APP_DEPLOYMENT";
/// What prints a runtime log.
pub(in crate::api::sevalla) const APP_RUNTIME: &str = "APP_RUNTIME";

/// Names with their values, as a filter asks for them.
pub(in crate::api::sevalla) type Labels = BTreeMap<&'static str, String>;

/// A line of a log.
#[derive(Debug, Serialize)]
pub(in crate::api::sevalla) struct LogEntry {
    pub(in crate::api::sevalla) attributes: Labels,
    id: String,
    pub(in crate::api::sevalla) message: String,
    pub(in crate::api::sevalla) service: &'static str,
    pub(in crate::api::sevalla) severity: &'static str,
    pub(in crate::api::sevalla) tags: Labels,
    /// Not a date-time of the other objects' kind: the document has `2026-02-22 15:30:00.000` here.
    timestamp: String,
    /// In microseconds.
    unix_timestamp: i64,
}

impl LogEntry {
    /// A line of a deployment's log, which begins at that byte.
    pub(in crate::api::sevalla) fn of_deployment(
        (application, deployment): (Uuid, Uuid),
        offset: u64,
        at: Timestamp,
        line: &Line<'_>,
    ) -> Self {
        let mut tags = Labels::from([
            (ID_APP, application.to_string()),
            ("idDeployment", deployment.to_string()),
        ]);
        if line.step != "-" {
            tags.insert("step", line.step.to_owned());
        }
        Self {
            attributes: Labels::from([("stream", line.stream.to_owned())]),
            id: format!("{}-{offset}", deployment.simple()),
            message: line.text.to_owned(),
            service: APP_DEPLOYMENT,
            severity: severity(severity_of(line.text)),
            tags,
            timestamp: formatted(at),
            unix_timestamp: at.0.saturating_mul(1000),
        }
    }

    /// A line of an application's runtime log.
    pub(in crate::api::sevalla) fn of_runtime(application: Uuid, line: RuntimeLine) -> Self {
        Self {
            attributes: Labels::from([("stream", line.stream.as_str().to_owned())]),
            id: format!("{}-{}", application.simple(), line.offset),
            message: line.text,
            service: APP_RUNTIME,
            severity: severity(line.severity),
            tags: Labels::from([
                ("container", line.container),
                (ID_APP, application.to_string()),
                ("process", line.process),
                ("release", line.release.to_string()),
            ]),
            timestamp: formatted(line.at),
            unix_timestamp: line.at_micros,
        }
    }
}

/// The tag that names the application.
pub(in crate::api::sevalla) const ID_APP: &str = "idApp";

/// Of a line that says nothing, `INFO`: most are neither warnings nor errors.
fn severity(severity: Option<Severity>) -> &'static str {
    severity_word(severity.unwrap_or(Severity::Info))
}

pub(in crate::api::sevalla) fn severity_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Debug => "DEBUG",
        Severity::Info => "INFO",
        Severity::Warn => "WARN",
        Severity::Error => "ERROR",
    }
}

fn formatted(at: Timestamp) -> String {
    at.to_millis_string().replace('T', " ").replace('Z', "")
}

//! What control plane and ingress say to each other: HTTP/1.1 with JSON bodies over the ingress's unix socket. The two
//! may be of different versions for a while, so fields are only ever added.
//!
//! | | body | answer |
//! |---|---|---|
//! | `PUT /table`, `?takeover=true` | a [`Table`](crate::core::route::Table) | [`Holds`]: what holds now, on disk and in effect |
//! | `GET /table` | | [`Held`]: the whole table |
//! | `GET /generation` | | [`Standing`]: whose table, and which |
//! | `POST /drain` | [`Drain`] | [`Drained`], when nothing is under way any more or the time is up |
//! | `GET /metrics` | | Prometheus' text format |
//! | `GET /healthz` | | `{"status":"ok"}` |
//!
//! What is refused is answered with [`Refusal`].

use crate::core::route::Table;
use serde::{Deserialize, Serialize};
use std::net::SocketAddrV4;
use uuid::Uuid;

/// The paths.
pub(super) const TABLE: &str = "/table";
pub(super) const GENERATION: &str = "/generation";
pub(super) const DRAIN: &str = "/drain";
pub(super) const METRICS: &str = "/metrics";
pub(super) const HEALTH: &str = "/healthz";
/// The query that lets another instance's table be replaced.
pub(super) const TAKEOVER: &str = "takeover=true";

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Holds {
    pub(super) generation: i64,
}

#[derive(Debug, Deserialize)]
pub(super) struct Held {
    pub(super) table: Option<Table>,
}

/// [`Held`] as it is written.
#[derive(Debug, Serialize)]
pub(super) struct HeldBy<'a> {
    pub(super) table: Option<&'a Table>,
}

/// `None` for an ingress that was never told any routes.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Standing {
    pub(super) table: Option<Version>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Version {
    pub(super) instance: Uuid,
    pub(super) generation: i64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Drain {
    pub(super) address: SocketAddrV4,
    pub(super) limit_ms: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Drained {
    /// Requests and upgraded connections that still are under way.
    pub(super) under_way: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Refusal {
    pub(super) code: Code,
    pub(super) message: String,
    /// With [`Code::Foreign`]: whose table holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) instance: Option<Uuid>,
}

/// Why something was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Code {
    /// The table of another instance holds.
    Foreign,
    /// The body is no table, or none that this version understands.
    InvalidTable,
    /// The body does not say what to drain.
    InvalidDrain,
    /// More than an ingress takes.
    TooLarge,
    /// The body took too long.
    TooSlow,
    /// The table could not be written to disk; the one before it holds.
    NotKept,
    /// There is no such path.
    NotFound,
    /// Not with this method.
    MethodNotAllowed,
    /// A code of a later version.
    #[serde(other)]
    Other,
}

//! Environments' statuses: of all services together.

use super::Time;
use super::status::Status;
use super::word::{Freshness, Origin, State};
use serde::Serialize;
use uuid::Uuid;

/// How an environment stands.
#[derive(Serialize)]
pub(in crate::api::qovery) struct EnvironmentStatus {
    pub(in crate::api::qovery) deployment_request_id: Option<Uuid>,
    pub(in crate::api::qovery) deployment_status: Freshness,
    pub(in crate::api::qovery) id: Uuid,
    pub(in crate::api::qovery) last_deployment_date: Option<Time>,
    pub(in crate::api::qovery) last_deployment_id: Option<String>,
    pub(in crate::api::qovery) last_deployment_state: State,
    pub(in crate::api::qovery) origin: Option<Origin>,
    pub(in crate::api::qovery) state: State,
    pub(in crate::api::qovery) total_deployment_duration_in_seconds: Option<i64>,
    pub(in crate::api::qovery) triggered_by: Option<String>,
}

/// How it and each of its services stand. What is no job is built or runs an image; the other kinds are none of ours.
#[derive(Serialize)]
pub(in crate::api::qovery) struct EnvironmentStatuses {
    pub(in crate::api::qovery) applications: Vec<Status>,
    pub(in crate::api::qovery) containers: Vec<Status>,
    pub(in crate::api::qovery) databases: [Status; 0],
    pub(in crate::api::qovery) environment: EnvironmentStatus,
    pub(in crate::api::qovery) helms: [Status; 0],
    pub(in crate::api::qovery) jobs: Vec<Status>,
    pub(in crate::api::qovery) terraforms: [Status; 0],
}

//! What is around environments, for clients that walk down to a job by its name: one organization and one project, which
//! stand for the installation.

use super::{Reference, Time};
use serde::Serialize;
use uuid::Uuid;

/// What all installations are called here.
pub(in crate::api::qovery) const NAME: &str = "longshore";

/// The organization.
#[derive(Serialize)]
pub(in crate::api::qovery) struct Organization {
    pub(in crate::api::qovery) created_at: Time,
    pub(in crate::api::qovery) id: Uuid,
    pub(in crate::api::qovery) name: &'static str,
    pub(in crate::api::qovery) plan: Plan,
}

/// What is paid for it.
#[derive(Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(in crate::api::qovery) enum Plan {
    Free,
}

/// The project.
#[derive(Serialize)]
pub(in crate::api::qovery) struct Project {
    pub(in crate::api::qovery) associated_environments_count: usize,
    pub(in crate::api::qovery) created_at: Time,
    pub(in crate::api::qovery) id: Uuid,
    pub(in crate::api::qovery) name: &'static str,
    pub(in crate::api::qovery) organization: Reference,
}

/// An environment.
#[derive(Serialize)]
pub(in crate::api::qovery) struct Environment {
    pub(in crate::api::qovery) cloud_provider: CloudProvider,
    pub(in crate::api::qovery) cluster_id: Uuid,
    pub(in crate::api::qovery) cluster_name: &'static str,
    pub(in crate::api::qovery) created_at: Time,
    pub(in crate::api::qovery) id: Uuid,
    pub(in crate::api::qovery) mode: Mode,
    pub(in crate::api::qovery) name: String,
    pub(in crate::api::qovery) organization: Reference,
    pub(in crate::api::qovery) project: Reference,
}

/// Whose machine it is.
#[derive(Serialize)]
pub(in crate::api::qovery) struct CloudProvider {
    pub(in crate::api::qovery) cluster: &'static str,
    pub(in crate::api::qovery) provider: &'static str,
}

/// What it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(in crate::api::qovery) enum Mode {
    Development,
    Preview,
    Production,
    Staging,
}

//! Where the log of a deployment is: the one way in which every dialect that shows it writes the address.

use super::arrival::Base;
use super::id;
use uuid::Uuid;

/// The address at which the log of a deployment is read.
pub(super) fn address(base: &Base, deployment: Uuid) -> String {
    let id = id::deployment(deployment);
    format!("{}/v1/deployments/{id}/logs", base.api)
}

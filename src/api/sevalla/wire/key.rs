//! An API key in answers.

use super::Time;
use crate::core::action::Introduced;
use serde::Serialize;
use uuid::Uuid;

/// The key a request came with. Over the unix socket it is the user.
#[derive(Serialize)]
pub(in crate::api::sevalla) struct ApiKey {
    /// The installation is the company.
    company_id: Uuid,
    expires_at: Option<Time>,
    name: String,
    /// One that does not hold is not answered at all.
    status: &'static str,
}

impl From<Introduced> for ApiKey {
    fn from(caller: Introduced) -> Self {
        Self {
            company_id: caller.instance,
            expires_at: caller.expires_at.map(Time::from),
            name: caller.principal.name,
            status: "active",
        }
    }
}

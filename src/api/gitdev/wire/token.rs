//! Tokens in answers.

use super::word::Scope;
use crate::api::gitdev::id;
use crate::core::access::{Principal, Scope as CoreScope};
use crate::core::secret::Secret;
use serde::Serialize;
use utoipa::ToSchema;

/// A token that was made. Its secret is shown here and never again.
#[derive(Serialize, ToSchema)]
pub(in crate::api::gitdev) struct NewToken {
    #[schema(examples("user_3hab1r2m5v6co8emss3yap36"))]
    id: String,
    name: String,
    scope: Scope,
    /// What stands after `Bearer` in a request.
    token: String,
}

impl NewToken {
    pub(in crate::api::gitdev) fn new(
        principal: &Principal,
        scope: CoreScope,
        secret: &Secret,
    ) -> Self {
        Self {
            id: id::user(principal.id),
            name: principal.name.clone(),
            scope: scope.into(),
            token: secret.expose().to_owned(),
        }
    }
}

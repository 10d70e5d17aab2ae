//! What a takeover did.

use crate::core::route::TakenOver as CoreTakenOver;
use serde::Serialize;
use utoipa::ToSchema;

/// Whose routes the ingress holds now.
#[derive(Serialize, ToSchema)]
pub(in crate::api::gitdev) struct TakenOver {
    /// The generation of this daemon's routes that holds.
    generation: i64,
    /// The instance whose routes held before; none if no other's did.
    #[schema(required)]
    replaced: Option<String>,
}

impl From<CoreTakenOver> for TakenOver {
    fn from(taken: CoreTakenOver) -> Self {
        Self {
            generation: taken.generation,
            replaced: taken.replaced.map(|instance| instance.to_string()),
        }
    }
}

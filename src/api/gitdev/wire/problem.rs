//! Errors in answers.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// Why a request was not carried out.
#[derive(Clone, Serialize, ToSchema)]
pub(in crate::api::gitdev) struct Problem {
    pub(in crate::api::gitdev) error: ProblemCause,
}

#[derive(Clone, Serialize, ToSchema)]
pub(in crate::api::gitdev) struct ProblemCause {
    /// A stable word.
    #[schema(examples("missing_field"))]
    pub(in crate::api::gitdev) code: String,
    /// What it is about, by the code; empty if the code says all.
    #[schema(value_type = Object)]
    pub(in crate::api::gitdev) details: Value,
    /// One sentence for people.
    pub(in crate::api::gitdev) message: String,
}

//! Why a request was not carried out.

use serde::Serialize;

/// The body of every answer from 400 on.
#[derive(Clone, Debug, Serialize)]
pub(in crate::api::sevalla) struct Problem {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::api::sevalla) data: Option<Details>,
    pub(in crate::api::sevalla) message: String,
    pub(in crate::api::sevalla) status: u16,
}

/// What helps to find the cause.
#[derive(Clone, Debug, Serialize)]
pub(in crate::api::sevalla) struct Details {
    /// The request's id.
    pub(in crate::api::sevalla) code: String,
}

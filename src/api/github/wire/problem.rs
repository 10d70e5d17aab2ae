//! Why a request was not carried out.

use serde::Serialize;
use serde_json::Value;

/// The body of every answer from 400 on. The status is a text.
#[derive(Clone, Debug, Serialize)]
pub(in crate::api::github) struct Problem {
    pub(in crate::api::github) documentation_url: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in crate::api::github) errors: Vec<Value>,
    pub(in crate::api::github) message: String,
    pub(in crate::api::github) status: String,
}

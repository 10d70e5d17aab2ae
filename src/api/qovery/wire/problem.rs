//! Why a request was not carried out.

use serde::Serialize;

/// The body of every answer from 400 on.
#[derive(Clone, Debug, Serialize)]
pub(in crate::api::qovery) struct Problem {
    pub(in crate::api::qovery) detail: String,
    pub(in crate::api::qovery) status: u16,
    pub(in crate::api::qovery) title: &'static str,
}

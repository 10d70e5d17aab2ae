//! What no handler has to cope with, in Qovery's shape.

use super::error::Refusal;
use crate::api::bounds::{self, MAX_HEADER_LINES, MAX_HEADERS, MAX_URI, Panicked, Unfit};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;

/// Refuses a head that is too large, or that two programs could read differently.
pub(super) async fn head(request: Request, next: Next) -> Result<Response, Refusal> {
    bounds::head(&request)?;
    Ok(next.run(request).await)
}

/// A panic is our fault and ends one request, not the connection without a word.
pub(super) async fn panics(request: Request, next: Next) -> Result<Response, Refusal> {
    let answered = bounds::caught(request, next).await;
    answered.map_err(|Panicked| Refusal::internal("longshore failed in the middle of this request"))
}

/// These statuses are in no document of Qovery's; they are what HTTP has for it.
impl From<Unfit> for Refusal {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::LongUri => Self::new(
                StatusCode::URI_TOO_LONG,
                format!("the path with its query is longer than {MAX_URI} bytes"),
            ),
            Unfit::LargeHead => Self::new(
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                format!(
                    "the headers are more than {MAX_HEADER_LINES} lines or {MAX_HEADERS} bytes"
                ),
            ),
            Unfit::TwoLengths => {
                Self::bad("a request has either Content-Length or Transfer-Encoding")
            }
            Unfit::LargeBody(max) => Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("the body is larger than {max} bytes"),
            ),
            Unfit::LateBody => {
                Self::new(StatusCode::REQUEST_TIMEOUT, "the body did not come in time")
            }
            Unfit::BrokenBody => Self::bad("the body broke off, or is not what its headers say"),
        }
    }
}

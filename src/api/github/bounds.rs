//! What no handler has to cope with, in GitHub's shape.

use super::error::Refusal;
use crate::api::bounds::{self, MAX_HEADER_LINES, MAX_HEADERS, MAX_URI, Panicked, Unfit};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;

/// A panic is our fault and ends one request, not the connection without a word.
pub(super) async fn panics(request: Request, next: Next) -> Response {
    let answered = bounds::caught(request, next).await;
    answered.unwrap_or_else(|Panicked| Refusal::fault().into_answer(""))
}

/// These statuses are in no document of GitHub's; they are what HTTP has for it.
impl From<Unfit> for Refusal {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::LongUri => Self::with(
                StatusCode::URI_TOO_LONG,
                format!("The path with its query is longer than {MAX_URI} bytes"),
            ),
            Unfit::LargeHead => Self::with(
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                format!(
                    "The headers are more than {MAX_HEADER_LINES} lines or {MAX_HEADERS} bytes"
                ),
            ),
            Unfit::TwoLengths => {
                Self::bad_request("A request has either Content-Length or Transfer-Encoding")
            }
            Unfit::LargeBody(max) => Self::with(
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("The body is larger than {max} bytes"),
            ),
            Unfit::LateBody => {
                Self::with(StatusCode::REQUEST_TIMEOUT, "The body did not come in time")
            }
            Unfit::BrokenBody => {
                Self::bad_request("The body broke off, or is not what its headers say")
            }
        }
    }
}

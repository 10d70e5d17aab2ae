//! What no handler has to cope with, in GitLab's shape.

use super::error::Refusal;
use crate::api::bounds::{self, MAX_HEADER_LINES, MAX_HEADERS, MAX_URI, Panicked, Unfit};
use crate::api::parameters::Unread;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;

/// A panic is our fault and ends one request, not the connection without a word.
pub(super) async fn panics(request: Request, next: Next) -> Result<Response, Refusal> {
    let answered = bounds::caught(request, next).await;
    answered.map_err(|Panicked| Refusal::internal("longshore failed in the middle of this request"))
}

/// Grape's words, which GitLab's API is made with.
impl From<Unread> for Refusal {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::Unfit(unfit) => unfit.into(),
            Unread::Misdeclared => {
                Self::invalid("message body does not match declared format".to_owned())
            }
            Unread::UnknownType(kind) => Self::error(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                format!("The provided content-type '{kind}' is not supported."),
            ),
            Unread::TooMany => Self::invalid("there are too many parameters".to_owned()),
        }
    }
}

/// These statuses are in no document of GitLab's; they are what HTTP has for it.
impl From<Unfit> for Refusal {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::LongUri => Self::error(
                StatusCode::URI_TOO_LONG,
                format!("The path with its query is longer than {MAX_URI} bytes"),
            ),
            Unfit::LargeHead => Self::error(
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                format!(
                    "The headers are more than {MAX_HEADER_LINES} lines or {MAX_HEADERS} bytes"
                ),
            ),
            Unfit::TwoLengths => {
                Self::invalid("A request has either Content-Length or Transfer-Encoding".to_owned())
            }
            Unfit::LargeBody(max) => Self::error(
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("The body is larger than {max} bytes"),
            ),
            Unfit::LateBody => Self::error(
                StatusCode::REQUEST_TIMEOUT,
                "The body did not come in time".to_owned(),
            ),
            Unfit::BrokenBody => {
                Self::invalid("The body broke off, or is not what its headers say".to_owned())
            }
        }
    }
}

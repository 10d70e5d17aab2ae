//! What the dialects' answers have in common: JSON with its content type, what a refusal says in a header, and the
//! request's id in the answer of a fault of ours.

use super::RequestId;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use std::sync::Arc;

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// A JSON body with its content type.
pub(super) fn json(body: &impl Serialize) -> Response {
    json_as(JSON, body)
}

/// The same where a client takes only one spelling of the content type.
pub(super) fn json_as(kind: HeaderValue, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(text) => ([(header::CONTENT_TYPE, kind)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "an answer cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// What a header of a refusal says besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// How to say who is asking.
    Challenge,
    /// In how many seconds to ask again.
    RetryAfter(u64),
}

impl Said {
    /// Says it.
    pub(super) fn in_header_of(self, response: &mut Response) {
        let (name, value) = match self {
            Self::Challenge => (header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
            Self::RetryAfter(seconds) => (header::RETRY_AFTER, seconds.into()),
        };
        response.headers_mut().insert(name, value);
    }
}

/// How the body of a 500 is when it tells the request's id, by which its cause is found in the log.
#[derive(Clone)]
struct OurFault(Arc<dyn Fn(&str) -> Response + Send + Sync>);

/// Marks the answer of a fault of ours: `again` makes its body with the request's id.
pub(super) fn our_fault(
    response: &mut Response,
    again: impl Fn(&str) -> Response + Send + Sync + 'static,
) {
    response.extensions_mut().insert(OurFault(Arc::new(again)));
}

/// Puts the request's id into the answer of a fault of ours.
pub(super) fn with_request_id(mut response: Response, id: Option<RequestId>) -> Response {
    let fault = response.extensions_mut().remove::<OurFault>();
    match (fault, id) {
        (Some(OurFault(again)), Some(RequestId(id))) => {
            (response.status(), again(&id)).into_response()
        }
        (Some(_), None) | (None, _) => response,
    }
}

/// How long a text of an error is, in characters: ours, with something of the request in it.
const MAX_TEXT: usize = 1000;

/// As much of an error's text as is shown: whoever sends a long value does not get all of it back.
pub(super) fn shown(text: impl Into<String>) -> String {
    let mut text = text.into();
    if let Some((end, _)) = text.char_indices().nth(MAX_TEXT) {
        text.truncate(end);
        text.push('…');
    }
    text
}

//! What no handler has to cope with: heads and bodies beyond their limits, bodies that do not come, and its own panic.

use super::error::Refusal;
use axum::body::{Body, HttpBody as _};
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use futures_util::FutureExt as _;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde_json::json;
use std::error::Error;
use std::io;
use std::panic::AssertUnwindSafe;

/// The longest path with its query: names and ids are short, and no filter needs more.
const MAX_URI: usize = 8 * 1024;
/// All header lines together: a token, a few of a proxy and a tracing header are below 4 KiB.
const MAX_HEADERS: usize = 32 * 1024;
/// How many header lines there may be: browsers and proxies send about thirty.
const MAX_HEADER_LINES: usize = 64;

/// Refuses a head that is too large, or that two programs could read differently.
pub(super) async fn head(request: Request, next: Next) -> Result<Response, Refusal> {
    if request.uri().to_string().len() > MAX_URI {
        let message = format!("The path with its query is longer than {MAX_URI} bytes");
        let details = json!({ "max_bytes": MAX_URI });
        return Err(Refusal::new(
            StatusCode::URI_TOO_LONG,
            "uri_too_long",
            message,
            details,
        ));
    }
    let headers = request.headers();
    let bytes: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    if bytes > MAX_HEADERS || headers.len() > MAX_HEADER_LINES {
        let message =
            format!("The headers are more than {MAX_HEADER_LINES} lines or {MAX_HEADERS} bytes");
        let details = json!({ "max_bytes": MAX_HEADERS, "max_lines": MAX_HEADER_LINES });
        return Err(Refusal::new(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "headers_too_large",
            message,
            details,
        ));
    }
    if headers.contains_key(header::TRANSFER_ENCODING)
        && headers.contains_key(header::CONTENT_LENGTH)
    {
        return Err(Refusal::bad(
            "invalid_request",
            "A request has either Content-Length or Transfer-Encoding",
            json!({}),
        ));
    }
    Ok(next.run(request).await)
}

/// A panic is our fault and ends one request, not the connection without a word.
pub(super) async fn panics(request: Request, next: Next) -> Result<Response, Refusal> {
    let answered = AssertUnwindSafe(next.run(request)).catch_unwind();
    answered
        .await
        .map_err(|_| Refusal::internal("longshore failed in the middle of this request"))
}

/// The whole body. One that says beforehand that it is too large is not waited for.
pub(super) async fn whole(body: Body, max: usize) -> Result<Bytes, Refusal> {
    if body.size_hint().lower() > max as u64 {
        return Err(Refusal::too_large(max));
    }
    let read = Limited::new(body, max).collect().await;
    read.map(http_body_util::Collected::to_bytes)
        .map_err(|error| unread(error.as_ref(), max))
}

fn unread(error: &(dyn Error + 'static), max: usize) -> Refusal {
    let causes = || std::iter::successors(Some(error), |&error| error.source());
    let is_late = |error: &(dyn Error + 'static)| {
        let error = error.downcast_ref::<io::Error>();
        error.is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
    };
    if causes().any(|error| error.is::<LengthLimitError>()) {
        return Refusal::too_large(max);
    }
    if causes().any(is_late) {
        return Refusal::new(
            StatusCode::REQUEST_TIMEOUT,
            "request_timeout",
            "The body did not come in time",
            json!({}),
        );
    }
    Refusal::bad(
        "invalid_request",
        "The body broke off, or is not what its headers say",
        json!({}),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::RequestId;
    use crate::api::gitdev::error::with_request_id;
    use axum::Router;
    use axum::middleware::from_fn;
    use axum::routing::get;
    use tower::ServiceExt as _;

    #[tokio::test]
    async fn a_panic_is_answered_in_the_contracts_shape() {
        let broken = get(async || -> StatusCode { panic!("this is what the test is about") });
        let router: Router = Router::new()
            .fallback_service(broken)
            .layer(from_fn(panics));
        let asked = Request::get("/").body(Body::empty()).unwrap();
        let answer = router.oneshot(asked).await.unwrap();
        let answer = with_request_id(answer, Some(RequestId("7".into())));
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let body = axum::body::to_bytes(answer.into_body(), 1 << 20)
            .await
            .unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["error"]["code"], "internal_error");
        assert_eq!(body["error"]["details"]["request_id"], "7");
    }
}

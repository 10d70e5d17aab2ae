//! What no handler has to cope with, in git.dev's shape.

use super::error::Refusal;
use crate::api::bounds::{self, MAX_HEADER_LINES, MAX_HEADERS, MAX_URI, Panicked, Unfit};
use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use serde_json::json;

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

/// The whole body.
pub(super) async fn whole(body: Body, max: usize) -> Result<Bytes, Refusal> {
    Ok(bounds::whole(body, max).await?)
}

impl From<Unfit> for Refusal {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::LongUri => Self::new(
                StatusCode::URI_TOO_LONG,
                "uri_too_long",
                format!("The path with its query is longer than {MAX_URI} bytes"),
                json!({ "max_bytes": MAX_URI }),
            ),
            Unfit::LargeHead => Self::new(
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "headers_too_large",
                format!(
                    "The headers are more than {MAX_HEADER_LINES} lines or {MAX_HEADERS} bytes"
                ),
                json!({ "max_bytes": MAX_HEADERS, "max_lines": MAX_HEADER_LINES }),
            ),
            Unfit::TwoLengths => Self::bad(
                "invalid_request",
                "A request has either Content-Length or Transfer-Encoding",
                json!({}),
            ),
            Unfit::LargeBody(max) => Self::too_large(max),
            Unfit::LateBody => Self::new(
                StatusCode::REQUEST_TIMEOUT,
                "request_timeout",
                "The body did not come in time",
                json!({}),
            ),
            Unfit::BrokenBody => Self::bad(
                "invalid_request",
                "The body broke off, or is not what its headers say",
                json!({}),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::RequestId;
    use crate::api::answer::with_request_id;
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

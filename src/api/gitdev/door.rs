//! What every request goes through: how often its caller may ask, who that is, and what every answer says of it.

use super::error::{self, Refusal};
use crate::api::{Api, RequestId, auth, auth::Peer};
use crate::core::access::{Origin, TurnedAway};
use crate::core::plan::Allowance;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;
use std::panic::AssertUnwindSafe;

/// What everybody who asks for anything should know; an addition.
const WARNING: HeaderName = HeaderName::from_static("x-longshore-warning");

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// The limit comes first, then 401, then everything else. A user of the unix socket needs no token.
pub(super) async fn pass(
    State(api): State<Api>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    mut request: Request,
    next: Next,
) -> Response {
    let origin = match peer {
        Peer::Local(user) => Origin::Local(user),
        Peer::Remote(address) => Origin::Remote(address),
    };
    let token = auth::bearer(request.headers());
    let id = request.extensions().get::<RequestId>().cloned();
    let (allowance, caller) = api.agent.let_in(&origin, token.as_ref());
    let response = match caller {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            let mut response = carry_out(request, next).await;
            let warning = api.agent.warning();
            if let Some(warning) = warning.and_then(|text| HeaderValue::from_str(&text).ok()) {
                response.headers_mut().insert(WARNING, warning);
            }
            response
        }
        Err(turned_away) => refusal(turned_away).into_response(),
    };
    let mut response = error::with_request_id(response, id);
    tell(allowance, response.headers_mut());
    response
}

/// A panic is our fault and is said like any other, instead of a connection that ends without a word.
async fn carry_out(request: Request, next: Next) -> Response {
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        // What it was about is in our log: the panic's own message went there.
        Err(_) => Refusal::internal("longshore could not carry this out; its log has the cause")
            .into_response(),
    }
}

fn refusal(turned_away: TurnedAway) -> Refusal {
    match turned_away {
        TurnedAway::TooMany(exceeded) => Refusal::too_many(&exceeded),
        TurnedAway::NoToken => Refusal::missing_token(),
        TurnedAway::UnknownToken => Refusal::invalid_token(),
        TurnedAway::ExpiredToken => Refusal::expired_token(),
        TurnedAway::Failed(error) => error.into(),
    }
}

fn tell(allowance: Allowance, headers: &mut HeaderMap) {
    headers.insert(LIMIT, allowance.limit.into());
    headers.insert(REMAINING, allowance.remaining.into());
    headers.insert(RESET, allowance.full_at.into());
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::http::StatusCode;
    use axum::middleware::from_fn;
    use axum::routing::get;
    use axum::{Router, middleware};
    use tower::ServiceExt as _;

    #[tokio::test]
    async fn a_panic_is_answered_in_the_contracts_shape() {
        let layer: middleware::FromFnLayer<_, (), _> =
            from_fn(async |request, next| carry_out(request, next).await);
        let broken = get(async || -> StatusCode { panic!("this is what the test is about") });
        let router: Router = Router::new().route("/", broken).layer(layer);
        let asked = Request::get("/").body(Body::empty()).unwrap();
        let answer = router.oneshot(asked).await.unwrap();
        let answer = error::with_request_id(answer, Some(RequestId("7".into())));
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let body = axum::body::to_bytes(answer.into_body(), 1 << 20)
            .await
            .unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["error"]["code"], "internal_error");
        assert_eq!(body["error"]["details"]["request_id"], "7");
    }
}

//! What every request goes through: how often its caller may ask, who that is, and what every answer says of it.

use super::error::{self, Refusal};
use crate::api::{Api, RequestId, auth, auth::Peer};
use crate::core::access::TurnedAway;
use crate::core::rate::Allowance;
use crate::core::time::Timestamp;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

/// What everybody who asks for anything should know; an addition.
const WARNING: HeaderName = HeaderName::from_static("x-longshore-warning");

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// The limit comes first, so that a client that repeats what was answered with 429 repeats nothing that was done; then
/// 401, then everything else. A user of the unix socket needs no key.
pub(super) async fn pass(
    State(api): State<Api>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    mut request: Request,
    next: Next,
) -> Response {
    let token = auth::bearer(request.headers());
    let id = request.extensions().get::<RequestId>().cloned();
    let (allowance, caller) = api.agent.let_in(&peer.into(), token.as_ref());
    let told_at = api.agent.now();
    let mut response = match caller {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            let response = next.run(request).await;
            let mut response = error::with_request_id(response, id);
            let warning = api.agent.warning();
            if let Some(warning) = warning.and_then(|text| HeaderValue::from_str(&text).ok()) {
                response.headers_mut().insert(WARNING, warning);
            }
            response
        }
        Err(turned_away) => error::with_request_id(refusal(turned_away).into_response(), id),
    };
    tell(allowance, told_at, response.headers_mut());
    response
}

fn refusal(turned_away: TurnedAway) -> Refusal {
    match turned_away {
        TurnedAway::TooMany(exceeded) => Refusal::too_many(&exceeded),
        TurnedAway::NoToken => {
            Refusal::unauthorized("Unauthorized: an Authorization: Bearer API key is required")
        }
        TurnedAway::UnknownToken => {
            Refusal::unauthorized("Unauthorized: the API key is not known, or no longer holds")
        }
        TurnedAway::ExpiredToken => {
            Refusal::unauthorized("Unauthorized: the API key's time is over")
        }
        TurnedAway::Failed(error) => error.into(),
    }
}

/// The reset is the seconds that are left.
fn tell(allowance: Allowance, now: Timestamp, headers: &mut HeaderMap) {
    let left = allowance.full_at.saturating_sub(now.0.div_euclid(1000));
    headers.insert(LIMIT, allowance.limit.into());
    headers.insert(REMAINING, allowance.remaining.into());
    headers.insert(RESET, left.max(0).into());
}

//! What is Sevalla's at the door: the words for who is turned away, and the headers that tell the limit.

use super::error::Refusal;
use crate::api::auth;
use crate::api::door::Door;
use crate::core::access::TurnedAway;
use crate::core::rate::Allowance;
use crate::core::time::Timestamp;
use axum::http::{HeaderMap, HeaderName};
use axum::response::IntoResponse as _;

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

pub(super) const DOOR: Door = Door {
    token: |request| auth::bearer(request.headers()),
    refuse: |turned_away| refusal(turned_away).into_response(),
    tell,
};

fn refusal(turned_away: TurnedAway) -> Refusal {
    match turned_away {
        TurnedAway::TooMany(exceeded) => Refusal::too_many(&exceeded),
        TurnedAway::NoToken => {
            Refusal::unauthorized("Unauthorized: an Authorization: Bearer API key is required")
        }
        TurnedAway::UnknownToken | TurnedAway::RevokedToken => {
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

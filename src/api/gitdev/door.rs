//! What is git.dev's at the door: the words for who is turned away, and the headers that tell the limit.

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
        TurnedAway::NoToken => Refusal::missing_token(),
        TurnedAway::UnknownToken | TurnedAway::RevokedToken => Refusal::invalid_token(),
        TurnedAway::ExpiredToken => Refusal::expired_token(),
        TurnedAway::Failed(error) => error.into(),
    }
}

/// The reset is a Unix second.
fn tell(allowance: Allowance, _: Timestamp, headers: &mut HeaderMap) {
    headers.insert(LIMIT, allowance.limit.into());
    headers.insert(REMAINING, allowance.remaining.into());
    headers.insert(RESET, allowance.full_at.into());
}

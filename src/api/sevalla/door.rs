//! What is Sevalla's at the door: the words for who is turned away, and the headers that tell the limit.

use super::error::Refusal;
use crate::api::auth;
use crate::api::door::{Door, Entry, X_RATELIMIT, tell};
use crate::core::access::TurnedAway;
use axum::response::IntoResponse as _;

pub(super) const DOOR: Door = Door {
    token: |request| auth::bearer(request.headers()),
    entry: |_| Entry::Known,
    refuse: |turned_away| refusal(turned_away).into_response(),
    // The seconds that are left.
    tell: |allowance, now, headers| {
        let left = allowance.full_at.saturating_sub(now.0.div_euclid(1000));
        tell(X_RATELIMIT, allowance, left.max(0), headers);
    },
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

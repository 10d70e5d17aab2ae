//! What is git.dev's at the door: the words for who is turned away, and the headers that tell the limit.

use super::error::Refusal;
use crate::api::auth;
use crate::api::door::{Door, Entry, X_RATELIMIT, tell};
use crate::core::access::TurnedAway;
use axum::response::IntoResponse as _;

pub(super) const DOOR: Door = Door {
    token: |request| auth::bearer(request.headers()),
    entry: |_| Entry::Known,
    refuse: |turned_away| refusal(turned_away).into_response(),
    // A Unix second.
    tell: |allowance, _, headers| tell(X_RATELIMIT, allowance, allowance.full_at, headers),
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

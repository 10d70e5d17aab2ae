//! What is Qovery's at the door: the same token under either scheme, and the words for who is turned away.

use super::error::Refusal;
use crate::api::auth;
use crate::api::door::{Door, Entry, X_RATELIMIT, tell};
use crate::core::access::TurnedAway;
use axum::response::IntoResponse as _;

pub(super) const DOOR: Door = Door {
    // Which scheme a client uses, it guesses from the token: a token is a token under either.
    token: |request| {
        let headers = request.headers();
        auth::of_scheme(headers, "token").or_else(|| auth::bearer(headers))
    },
    entry: |_| Entry::Known,
    refuse: |turned_away| refusal(turned_away).into_response(),
    // A Unix second.
    tell: |allowance, _, headers| tell(X_RATELIMIT, allowance, allowance.full_at, headers),
};

fn refusal(turned_away: TurnedAway) -> Refusal {
    match turned_away {
        TurnedAway::TooMany(exceeded) => Refusal::too_many(&exceeded),
        TurnedAway::NoToken => Refusal::unauthorized(
            "a token is required: Authorization: Token …, or Authorization: Bearer …",
        ),
        TurnedAway::UnknownToken | TurnedAway::RevokedToken => {
            Refusal::unauthorized("the token is not known, or no longer holds")
        }
        TurnedAway::ExpiredToken => Refusal::unauthorized("the token's time is over"),
        TurnedAway::Failed(error) => error.into(),
    }
}

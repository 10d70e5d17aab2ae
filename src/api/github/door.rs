//! What is GitHub's at the door: the forms in which a token is given, what may be asked for without one, and the words for
//! who is turned away.

use super::error::Refusal;
use super::headers::tell_limit;
use super::place::{Found, Place};
use crate::api::auth;
use crate::api::door::{Door, Entry};
use crate::core::access::TurnedAway;
use axum::extract::Request;

pub(super) const DOOR: Door = Door {
    token: |request| auth::of_any_scheme(request.headers()),
    entry,
    refuse: |turned_away| refusal(turned_away).into_answer(""),
    tell: |allowance, _, headers| tell_limit(allowance, headers),
};

fn entry(request: &Request) -> Entry {
    match request
        .extensions()
        .get::<Found>()
        .map(|found| &found.place)
    {
        Some(Place::RateLimit) => Entry::Uncounted,
        Some(place) if place.is_open() => Entry::Anybody,
        Some(_) | None => Entry::Known,
    }
}

fn refusal(turned_away: TurnedAway) -> Refusal {
    match turned_away {
        TurnedAway::TooMany(exceeded) => Refusal::too_many(&exceeded),
        TurnedAway::NoToken => Refusal::requires_authentication(),
        TurnedAway::UnknownToken | TurnedAway::RevokedToken | TurnedAway::ExpiredToken => {
            Refusal::bad_credentials()
        }
        TurnedAway::Failed(error) => error.into(),
    }
}

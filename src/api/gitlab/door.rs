//! What is GitLab's at the door: where a token may be, the words for who is turned away, and the headers that tell the
//! limit.

use super::error::Refusal;
use crate::api::auth;
use crate::api::door::{Door, Entry, tell};
use crate::api::parameters::{Parameters, Unread};
use crate::core::access::TurnedAway;
use crate::core::secret::Secret;
use axum::extract::Request;
use axum::http::HeaderName;
use axum::response::IntoResponse as _;

pub(super) const DOOR: Door = Door {
    token,
    entry: |_| Entry::Known,
    refuse: |turned_away| refusal(turned_away).into_response(),
    // A Unix second.
    tell: |allowance, _, headers| tell(RATELIMIT, allowance, allowance.full_at, headers),
};

const RATELIMIT: [HeaderName; 3] = [
    HeaderName::from_static("ratelimit-limit"),
    HeaderName::from_static("ratelimit-remaining"),
    HeaderName::from_static("ratelimit-reset"),
];

fn token(request: &Request) -> Option<Secret> {
    let headers = request.headers();
    let given = request
        .extensions()
        .get::<Result<Parameters, Unread>>()
        .and_then(|read| read.as_ref().ok());
    auth::bare(headers)
        .or_else(|| auth::bearer(headers))
        .or_else(|| given.and_then(auth::of_parameters))
}

fn refusal(turned_away: TurnedAway) -> Refusal {
    match turned_away {
        TurnedAway::TooMany(exceeded) => Refusal::too_many(&exceeded),
        TurnedAway::NoToken | TurnedAway::UnknownToken => Refusal::unauthorized(),
        TurnedAway::RevokedToken => Refusal::revoked(),
        TurnedAway::ExpiredToken => Refusal::expired(),
        TurnedAway::Failed(error) => error.into(),
    }
}

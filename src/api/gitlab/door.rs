//! What is GitLab's at the door: where a token may be, the words for who is turned away, and the headers that tell the
//! limit.

use super::error::Refusal;
use crate::api::auth;
use crate::api::door::Door;
use crate::api::parameters::{Parameters, Unread};
use crate::core::access::TurnedAway;
use crate::core::rate::Allowance;
use crate::core::secret::Secret;
use crate::core::time::Timestamp;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName};
use axum::response::IntoResponse as _;

const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

pub(super) const DOOR: Door = Door {
    token,
    refuse: |turned_away| refusal(turned_away).into_response(),
    tell,
};

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

/// The reset is a Unix second.
fn tell(allowance: Allowance, _: Timestamp, headers: &mut HeaderMap) {
    headers.insert(LIMIT, allowance.limit.into());
    headers.insert(REMAINING, allowance.remaining.into());
    headers.insert(RESET, allowance.full_at.into());
}

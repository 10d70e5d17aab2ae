//! What every request of a dialect goes through: how often its caller may ask, who that is, and what every answer says
//! of it. How a token is given and how all this is worded is the dialect's.

use super::answer::with_request_id;
use super::auth::Peer;
use super::{Api, RequestId};
use crate::core::access::{Origin, TurnedAway};
use crate::core::rate::Allowance;
use crate::core::secret::Secret;
use crate::core::time::Timestamp;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;

/// What everybody who asks for anything should know; an addition.
const WARNING: HeaderName = HeaderName::from_static("x-longshore-warning");

/// What is a dialect's own at its door.
#[derive(Clone)]
pub(super) struct Door {
    /// The token that a request has.
    pub(super) token: fn(&Request) -> Option<Secret>,
    /// Who may come in for what it asks.
    pub(super) entry: fn(&Request) -> Entry,
    /// The answer to who is not let in.
    pub(super) refuse: fn(TurnedAway) -> Response,
    /// Says in headers how often one may ask, as of a time.
    pub(super) tell: fn(Allowance, Timestamp, &mut HeaderMap),
}

/// Who may come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// Who shows who they are.
    Known,
    /// Everybody; but whoever shows a token shows one that holds.
    Anybody,
    /// The same, and it is not counted.
    Uncounted,
}

/// The headers of the limit as most call them.
pub(super) const X_RATELIMIT: [HeaderName; 3] = [
    HeaderName::from_static("x-ratelimit-limit"),
    HeaderName::from_static("x-ratelimit-remaining"),
    HeaderName::from_static("x-ratelimit-reset"),
];

/// How many one may ask a minute, how many of them now, and when these are whole again, in headers of these names.
pub(super) fn tell(
    [limit, remaining, reset]: [HeaderName; 3],
    allowance: Allowance,
    whole: i64,
    headers: &mut HeaderMap,
) {
    headers.insert(limit, allowance.limit.into());
    headers.insert(remaining, allowance.remaining.into());
    headers.insert(reset, whole.into());
}

/// The limit comes first, so that a client that repeats what was answered with 429 repeats nothing that was done; then
/// 401, then everything else. A user of the unix socket needs no token. Who is told that nothing has changed has asked
/// for nothing.
pub(super) async fn pass(
    State((api, door)): State<(Api, Door)>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    mut request: Request,
    next: Next,
) -> Response {
    let (token, entry) = ((door.token)(&request), (door.entry)(&request));
    let id = request.extensions().get::<RequestId>().cloned();
    let origin = Origin::from(peer);
    let (mut allowance, caller) = match entry {
        Entry::Known | Entry::Anybody => api.agent.let_in(&origin, token.as_ref()),
        Entry::Uncounted => api.agent.let_look(&origin, token.as_ref()),
    };
    let told_at = api.agent.now();
    let caller = match (caller, entry) {
        (Ok(caller), _) => Ok(Some(caller)),
        (Err(TurnedAway::NoToken), Entry::Anybody | Entry::Uncounted) => Ok(None),
        (Err(turned_away), _) => Err(turned_away),
    };
    let mut response = match &caller {
        Ok(caller) => {
            request.extensions_mut().insert(allowance);
            if let Some(caller) = caller {
                request.extensions_mut().insert(caller.clone());
            }
            let mut response = with_request_id(next.run(request).await, id);
            let warning = caller.as_ref().and_then(|_| api.agent.warning());
            if let Some(warning) = warning.and_then(|text| HeaderValue::from_str(&text).ok()) {
                response.headers_mut().insert(WARNING, warning);
            }
            response
        }
        Err(turned_away) => with_request_id((door.refuse)(turned_away.clone()), id),
    };
    if let Ok(caller) = caller
        && entry != Entry::Uncounted
        && response.status() == StatusCode::NOT_MODIFIED
    {
        allowance = api.agent.uncount(&origin, caller.as_ref());
    }
    (door.tell)(allowance, told_at, response.headers_mut());
    response
}

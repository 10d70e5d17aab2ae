//! What every request of a dialect goes through: how often its caller may ask, who that is, and what every answer says
//! of it. How a token is given and how all this is worded is the dialect's.

use super::answer::with_request_id;
use super::auth::Peer;
use super::{Api, RequestId};
use crate::core::access::TurnedAway;
use crate::core::rate::Allowance;
use crate::core::secret::Secret;
use crate::core::time::Timestamp;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;

/// What everybody who asks for anything should know; an addition.
const WARNING: HeaderName = HeaderName::from_static("x-longshore-warning");

/// What is a dialect's own at its door.
#[derive(Clone, Copy)]
pub(super) struct Door {
    /// The token that a request has.
    pub(super) token: fn(&Request) -> Option<Secret>,
    /// The answer to who is not let in.
    pub(super) refuse: fn(TurnedAway) -> Response,
    /// Says in headers, as of a time, how much may still be asked.
    pub(super) tell: fn(Allowance, Timestamp, &mut HeaderMap),
}

/// The limit comes first, so that a client that repeats what was answered with 429 repeats nothing that was done; then
/// 401, then everything else. A user of the unix socket needs no token.
pub(super) async fn pass(
    State((api, door)): State<(Api, Door)>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    mut request: Request,
    next: Next,
) -> Response {
    let token = (door.token)(&request);
    let id = request.extensions().get::<RequestId>().cloned();
    let (allowance, caller) = api.agent.let_in(&peer.into(), token.as_ref());
    let told_at = api.agent.now();
    let mut response = match caller {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            let mut response = with_request_id(next.run(request).await, id);
            let warning = api.agent.warning();
            if let Some(warning) = warning.and_then(|text| HeaderValue::from_str(&text).ok()) {
                response.headers_mut().insert(WARNING, warning);
            }
            response
        }
        Err(turned_away) => with_request_id((door.refuse)(turned_away), id),
    };
    (door.tell)(allowance, told_at, response.headers_mut());
    response
}

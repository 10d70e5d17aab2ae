//! Who is on the other side of a connection, and the bearer token of a request.

use crate::core::access::Origin;
use crate::core::secret::Secret;
use axum::http::{HeaderMap, header};
use std::net::IpAddr;
use tokio::net::UnixStream;

/// The other side of a connection.
#[derive(Clone, Debug)]
pub enum Peer {
    /// A user of this host, on the unix socket, by name or number.
    Local(String),
    /// Anybody, over TCP, by address.
    Remote(IpAddr),
}

impl From<Peer> for Origin {
    fn from(peer: Peer) -> Self {
        match peer {
            Peer::Local(user) => Self::Local(user),
            Peer::Remote(address) => Self::Remote(address),
        }
    }
}

impl Peer {
    /// The user at the other end of a unix socket, as the kernel knows them.
    #[must_use]
    pub fn of_local(stream: &UnixStream) -> Self {
        let uid = stream.peer_cred().map(|credentials| credentials.uid());
        Self::Local(uid.map_or_else(|_| "unknown".to_owned(), user_name))
    }
}

fn user_name(uid: u32) -> String {
    match nix::unistd::User::from_uid(uid.into()) {
        Ok(Some(user)) => user.name,
        Ok(None) | Err(_) => uid.to_string(),
    }
}

/// The token of `Authorization: Bearer …`; the scheme's case does not matter.
pub(super) fn bearer(headers: &HeaderMap) -> Option<Secret> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then(|| Secret::new(token))
}

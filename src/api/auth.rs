//! Who is on the other side of a connection, and the bearer token of a request.

use crate::core::secret::Secret;
use axum::extract::connect_info::Connected;
use axum::http::{HeaderMap, header};
use axum::serve::IncomingStream;
use std::net::IpAddr;
use tokio::net::{TcpListener, UnixListener};

/// The other side of a connection.
#[derive(Clone, Debug)]
pub enum Peer {
    /// A user of this host, on the unix socket, by name or number.
    Local(String),
    /// Anybody, over TCP, from that address.
    Remote(IpAddr),
}

impl Connected<IncomingStream<'_, UnixListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        let uid = stream.io().peer_cred().map(|credentials| credentials.uid());
        Self::Local(uid.map_or_else(|_| "unknown".to_owned(), user_name))
    }
}

impl Connected<IncomingStream<'_, TcpListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, TcpListener>) -> Self {
        Self::Remote(stream.remote_addr().ip())
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

//! Who is on the other side of a connection, and the token of a request in each form that a dialect knows.

use super::parameters::Parameters;
use crate::core::access::{Origin, TOKEN_PARAMETERS};
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

/// Headers that carry nothing but a token.
const TOKEN_HEADERS: [&str; 2] = ["private-token", "job-token"];

/// The token of a header that carries nothing else: GitLab's `PRIVATE-TOKEN` and `JOB-TOKEN`.
pub(super) fn bare(headers: &HeaderMap) -> Option<Secret> {
    let values = TOKEN_HEADERS.iter().filter_map(|name| headers.get(*name));
    let mut tokens = values.filter_map(|value| Some(value.to_str().ok()?.trim()));
    tokens.find(|token| !token.is_empty()).map(Secret::new)
}

/// The token of a parameter that carries one.
pub(super) fn of_parameters(parameters: &Parameters) -> Option<Secret> {
    let values = TOKEN_PARAMETERS.iter();
    let mut tokens = values.filter_map(|name| parameters.text(name).ok()?);
    tokens.find(|token| !token.is_empty()).map(Secret::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue};

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        let value = HeaderValue::from_str(value).unwrap();
        HeaderMap::from_iter([(HeaderName::from_static(name), value)])
    }

    #[test]
    fn a_token_is_found_in_each_header_that_can_carry_one() {
        let token = Some(Secret::new("t0ken"));
        for name in ["private-token", "job-token"] {
            assert_eq!(bare(&headers(name, " t0ken ")), token, "{name}");
            assert_eq!(bare(&headers(name, "")), None, "{name}");
        }
        assert_eq!(bare(&headers("authorization", "Bearer t0ken")), None);
        for value in ["Bearer t0ken", "bearer  t0ken"] {
            assert_eq!(bearer(&headers("authorization", value)), token, "{value}");
        }
        for value in ["t0ken", "Basic t0ken", "Bearer ", "Bearer"] {
            assert_eq!(bearer(&headers("authorization", value)), None, "{value}");
        }
    }

    #[test]
    fn a_token_is_found_in_each_parameter_that_can_carry_one() {
        for name in TOKEN_PARAMETERS {
            let given = Parameters::of_query(&format!("a=b&{name}=t0ken"));
            assert_eq!(of_parameters(&given), Some(Secret::new("t0ken")), "{name}");
            let given = Parameters::of_query(&format!("{name}="));
            assert_eq!(of_parameters(&given), None, "{name}");
        }
    }
}

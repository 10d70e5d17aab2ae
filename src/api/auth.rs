//! Who is on the other side of a connection, and the token of a request in each form that a dialect knows.

use super::parameters::Parameters;
use crate::core::access::{Origin, TOKEN_PARAMETERS};
use crate::core::secret::Secret;
use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
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

/// The token of `Authorization: Bearer …`.
pub(super) fn bearer(headers: &HeaderMap) -> Option<Secret> {
    of_scheme(headers, "bearer")
}

/// The token of `Authorization` with this scheme before it; the scheme's case does not matter.
pub(super) fn of_scheme(headers: &HeaderMap, wanted: &str) -> Option<Secret> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case(wanted) && !token.is_empty()).then(|| Secret::new(token))
}

/// The token of `Authorization` in each form that GitHub takes: `token …`, `Bearer …`, and `Basic …` with the token as
/// the password, or as the user where there is no password or one that says so.
pub(super) fn of_any_scheme(headers: &HeaderMap) -> Option<Secret> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, given) = value.trim().split_once(' ')?;
    let given = given.trim();
    let is = |name: &str| scheme.eq_ignore_ascii_case(name);
    let token = if is("token") || is("bearer") {
        given.to_owned()
    } else if is("basic") {
        of_basic(given)?
    } else {
        return None;
    };
    (!token.is_empty()).then(|| Secret::new(token))
}

fn of_basic(given: &str) -> Option<String> {
    let decoded = String::from_utf8(STANDARD.decode(given).ok()?).ok()?;
    let (user, password) = decoded.split_once(':').unwrap_or((&decoded, ""));
    let token = match password {
        "" | "x-oauth-basic" => user,
        password => password,
    };
    Some(token.to_owned())
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
    fn every_scheme_of_githubs_carries_a_token() {
        for value in [
            "token t0ken",
            "Token  t0ken ",
            "Bearer t0ken",
            "bearer t0ken",
            "Basic dXNlcjp0MGtlbg==",
            "basic dDBrZW46eC1vYXV0aC1iYXNpYw==",
            "Basic dDBrZW46",
            "Basic dDBrZW4=",
        ] {
            let found = of_any_scheme(&headers("authorization", value));
            assert_eq!(found, Some(Secret::new("t0ken")), "{value}");
        }
        for value in [
            "",
            "t0ken",
            "token",
            "token ",
            "Digest t0ken",
            "Basic t0ken",
            "Basic Og==",
            "Basic /w==",
        ] {
            let found = of_any_scheme(&headers("authorization", value));
            assert_eq!(found, None, "{value}");
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

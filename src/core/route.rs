//! The route table: which host and path leads to which container. Plain values and one text form of a domain; finding a
//! request's route is the ingress's work.

use super::name::InvalidName;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{SocketAddr, SocketAddrV4};
use uuid::Uuid;

/// The longest name DNS has.
const LONGEST_HOST: usize = 253;
/// The longest label of it.
const LONGEST_LABEL: usize = 63;
/// Longer prefixes are a mistake: the ingress compares them at every request.
const LONGEST_PATH: usize = 255;

/// The routes that are to hold from now on. A function of the database as it was at the generation: two tables of one
/// instance and generation are the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Whose table it is.
    pub instance: Uuid,
    /// Grows with every change; the ingress acknowledges it.
    pub generation: i64,
    /// In no particular order; no two have the same domain.
    pub routes: Vec<Route>,
}

/// Where the requests for one domain go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Which requests.
    pub domain: Domain,
    /// Whose they are, for figures and logs.
    pub service: Service,
    /// Who answers them.
    pub target: Target,
}

/// Whose requests they are.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Service {
    /// The app's name; [`Service::API`] for longshore's own API, which no app can be called.
    pub app: String,
    /// The environment's name.
    pub environment: String,
}

impl Service {
    /// What longshore's own API is called where apps have their name.
    pub const API: &'static str = "_api";
}

/// Who answers the requests of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// The live container, at its own address and the port it listens on.
    Container(SocketAddrV4),
    /// longshore's own API over TCP, where it asks for a token.
    Api(SocketAddr),
    /// Nobody, on purpose.
    Nobody(Absence),
}

/// Why nobody answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Absence {
    /// Nothing was deployed yet.
    NotDeployed,
    /// The environment was stopped.
    Stopped,
    /// The environment was suspended.
    Suspended,
    /// What is live listens on no port.
    NoPort,
}

/// What an explicit takeover did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TakenOver {
    /// The generation of this instance's table that holds now.
    pub generation: i64,
    /// The instance whose table held before; `None` if it was this one's, or there was none.
    pub replaced: Option<Uuid>,
}

/// Which requests a route is for: a host and, if it says so, only the paths below a prefix.
///
/// Written `web.example.com`, `*.example.com` (any name below), `*` (any host), each with a path if wanted:
/// `example.com/docs`. The most specific host that has a route for the path wins (exact, then the longest wildcard, then
/// `*`), and of its routes the one with the longest path.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Domain {
    /// The host.
    pub host: Host,
    /// Begins with a slash and ends with one only if it is nothing else: `/` is every path, `/docs` that path and those
    /// below it. The app is asked for the whole path: nothing is cut off.
    pub path: String,
}

/// The hosts of a domain, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Host {
    /// Exactly this name or address.
    Exact(String),
    /// Every name that ends with a dot and this, by one label or more.
    Below(String),
    /// Any.
    Any,
}

impl Domain {
    /// Reads the text form.
    ///
    /// # Errors
    /// Says what is wrong, to be read after the name of the key or field.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let no = |why: &str| Err(InvalidName(format!("{why}, not {text:?}")));
        if text.contains("://") {
            return no(
                "must be a host without a scheme, like \"web.example.com\" or \"web.example.com/docs\"",
            );
        }
        let (host, path) = match text.find('/') {
            Some(slash) => text.split_at(slash),
            None => (text, "/"),
        };
        let host = host.to_ascii_lowercase();
        let parsed = match host.strip_prefix('*') {
            Some("") => Host::Any,
            Some(below) => match below.strip_prefix('.') {
                Some(name) if is_host(name) => Host::Below(name.to_owned()),
                Some(_) | None => {
                    return no(
                        "must have its \"*\" alone or before a dot and a host, like \"*.example.com\"",
                    );
                }
            },
            None if is_host(&host) => Host::Exact(host),
            None => {
                return no(
                    "must be a host name or an IPv4 address without a port, like \"web.example.com\" (names in other scripts in their xn-- form)",
                );
            }
        };
        let path = match path {
            "/" => "/",
            path => path.strip_suffix('/').unwrap_or(path),
        };
        if path.len() > LONGEST_PATH || !is_path(path) {
            return no(
                "must have a path of plain segments without \"//\", \"..\", \"?\", \"#\" or \"%\" after its host, like \"example.com/docs\"",
            );
        }
        Ok(Self {
            host: parsed,
            path: path.to_owned(),
        })
    }
}

/// Labels of letters, digits and inner dashes (an underscore is seen, too, and does no harm).
fn is_host(host: &str) -> bool {
    let is_label = |label: &str| {
        (1..=LONGEST_LABEL).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.len() <= LONGEST_HOST && host.split('.').all(is_label)
}

fn is_path(path: &str) -> bool {
    let is_segment = |segment: &str| {
        !segment.is_empty()
            && !matches!(segment, "." | "..")
            && segment
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&b))
    };
    path == "/"
        || path
            .strip_prefix('/')
            .is_some_and(|rest| rest.split('/').all(is_segment))
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(host) => f.write_str(host),
            Self::Below(host) => write!(f, "*.{host}"),
            Self::Any => f.write_str("*"),
        }
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "/" => write!(f, "{}", self.host),
            path => write!(f, "{}{path}", self.host),
        }
    }
}

impl From<Domain> for String {
    fn from(domain: Domain) -> Self {
        domain.to_string()
    }
}

impl TryFrom<String> for Domain {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        Self::parse(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_written_as_it_was_read() {
        for (text, written) in [
            ("web.example.com", "web.example.com"),
            ("Web.Example.COM", "web.example.com"),
            ("*.example.com", "*.example.com"),
            ("*", "*"),
            ("*/docs", "*/docs"),
            ("localhost", "localhost"),
            ("10.0.0.1", "10.0.0.1"),
            ("example.com/", "example.com"),
            ("example.com/docs/", "example.com/docs"),
            ("example.com/docs/v1.2", "example.com/docs/v1.2"),
        ] {
            assert_eq!(Domain::parse(text).unwrap().to_string(), written);
        }
        assert_eq!(
            Domain::parse("*.a.b").unwrap().host,
            Host::Below("a.b".into())
        );
    }

    #[test]
    fn what_is_no_domain_is_refused() {
        for text in [
            "",
            "/",
            "/docs",
            "https://a.b",
            "a.b:80",
            "a..b",
            "-a.b",
            "a b",
            "*a.b",
            "*.",
            "a.*.b",
            "a.b//c",
            "a.b/../c",
            "a.b/c?d",
            "a.b/c%20d",
            "bücher.example",
            "[::1]",
        ] {
            assert!(Domain::parse(text).is_err(), "{text:?}");
        }
    }
}

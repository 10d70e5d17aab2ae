//! Where the daemon is: a unix socket on this host, or a URL.

use hyper::Uri;
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

/// How long a TCP connection may take: two lost SYN packets (1 s, then 2 s) and some.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// Where the daemon is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Its unix socket.
    Socket(PathBuf),
    /// A remote one.
    Url {
        /// `host:port`, as it is sent in the Host header.
        authority: String,
        /// The host, without brackets.
        host: String,
        /// The port.
        port: u16,
        /// What comes before `/v1`; empty or beginning with `/`.
        prefix: String,
    },
}

/// Any stream of bytes both ways.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Place {
    /// Takes `http://host[:port][/prefix]`.
    pub fn parse_url(text: &str) -> Result<Self, String> {
        let uri: Uri = text
            .parse()
            .map_err(|error| format!("--url '{text}' is not a URL: {error}"))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => {
                return Err(
                    "--url with https is not supported yet; forward the daemon's port instead: \
                     `ssh -L 7470:127.0.0.1:7470 HOST`, then --url http://127.0.0.1:7470"
                        .to_owned(),
                );
            }
            Some(other) => return Err(format!("--url must begin with http://, not {other}://")),
            None => return Err(format!("--url '{text}' must look like http://host:port")),
        }
        let authority = uri
            .authority()
            .ok_or(format!("--url '{text}' names no host"))?;
        if authority.as_str().contains('@') {
            return Err(
                "--url may not hold a password; put the token into LONGSHORE_TOKEN".to_owned(),
            );
        }
        if uri.query().is_some() {
            return Err(format!("--url '{text}' must not have a query"));
        }
        Ok(Self::Url {
            authority: authority.as_str().to_owned(),
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: authority.port_u16().unwrap_or(80),
            prefix: uri.path().trim_end_matches('/').to_owned(),
        })
    }

    /// What goes into the Host header.
    pub fn authority(&self) -> &str {
        match self {
            Self::Socket(_) => "localhost",
            Self::Url { authority, .. } => authority,
        }
    }

    /// What comes before `/v1`.
    pub fn prefix(&self) -> &str {
        match self {
            Self::Socket(_) => "",
            Self::Url { prefix, .. } => prefix,
        }
    }

    /// Whether nobody between here and there can listen.
    pub fn is_on_this_host(&self) -> bool {
        match self {
            Self::Socket(_) => true,
            Self::Url { host, .. } => {
                let address = host.parse::<std::net::IpAddr>();
                host == "localhost" || address.is_ok_and(|address| address.is_loopback())
            }
        }
    }

    /// Connects.
    pub async fn connect(&self) -> io::Result<Box<dyn Stream>> {
        match self {
            Self::Socket(path) => Ok(Box::new(UnixStream::connect(path).await?)),
            Self::Url { host, port, .. } => {
                let connecting = TcpStream::connect((host.as_str(), *port));
                match tokio::time::timeout(CONNECT_LIMIT, connecting).await {
                    Ok(stream) => Ok(Box::new(stream?)),
                    Err(_) => Err(io::Error::new(
                        io::ErrorKind::TimedOut,
                        format!("no answer within {} s", CONNECT_LIMIT.as_secs()),
                    )),
                }
            }
        }
    }

    /// What to do when connecting failed with that.
    pub fn hint(&self, error: &io::Error) -> &'static str {
        match (self, error.kind()) {
            (Self::Socket(_), io::ErrorKind::PermissionDenied) => {
                "only root and the group longshore may use it: run `sudo usermod -aG longshore \"$USER\"` and log in again"
            }
            (Self::Socket(_), _) => {
                "is it running? start it with `longshore serve --config FILE`, or name its socket with --socket"
            }
            (Self::Url { .. }, _) => {
                "is it running there, and is [api] listen in its configuration this address?"
            }
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Socket(path) => write!(f, "{}", path.display()),
            Self::Url {
                authority, prefix, ..
            } => write!(f, "http://{authority}{prefix}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_private_only_on_the_way_to_this_host() {
        for (url, expected) in [
            ("http://localhost:7470", true),
            ("http://127.0.0.1:7470", true),
            ("http://[::1]:7470", true),
            ("http://localhost.example.com", false),
            ("http://10.0.0.5:7470", false),
        ] {
            assert_eq!(
                Place::parse_url(url).unwrap().is_on_this_host(),
                expected,
                "{url}"
            );
        }
    }

    #[test]
    fn a_socket_one_may_not_use_says_who_may() {
        let place = Place::Socket("/run/longshore/api.sock".into());
        let hint = |kind: io::ErrorKind| place.hint(&kind.into());
        assert!(hint(io::ErrorKind::PermissionDenied).contains("group longshore"));
        assert!(hint(io::ErrorKind::NotFound).contains("longshore serve --config FILE"));
        assert!(hint(io::ErrorKind::ConnectionRefused).contains("longshore serve --config FILE"));
    }

    #[test]
    fn a_url_is_taken_apart_and_what_cannot_work_is_refused_with_a_reason() {
        let url = |authority: &str, host: &str, port, prefix: &str| Place::Url {
            authority: authority.into(),
            host: host.into(),
            port,
            prefix: prefix.into(),
        };
        for (text, expected) in [
            ("http://box:7470", url("box:7470", "box", 7470, "")),
            ("http://box/", url("box", "box", 80, "")),
            (
                "http://[::1]:7470/api/",
                url("[::1]:7470", "::1", 7470, "/api"),
            ),
        ] {
            assert_eq!(Place::parse_url(text), Ok(expected), "{text}");
        }
        for (text, reason) in [
            ("https://box", "not supported yet"),
            ("ftp://box", "must begin with http://"),
            ("box:7470", "must look like http://host:port"),
            ("/run/api.sock", "must look like http://host:port"),
            ("http://user:pass@box", "LONGSHORE_TOKEN"),
            ("http://box/?a=b", "query"),
            ("http://", "not a URL"),
            ("", "not a URL"),
        ] {
            let refused = Place::parse_url(text).unwrap_err();
            assert!(refused.contains(reason), "{text}: {refused}");
        }
    }
}

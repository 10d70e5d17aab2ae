//! Where the daemon is: a unix socket on this host, or a URL.

use super::tls::{self, Tls};
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
        /// Whether it is spoken to with TLS.
        tls: bool,
        /// What comes before `/v1`; empty or beginning with `/`.
        prefix: String,
    },
}

/// Any stream of bytes both ways.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Place {
    /// Takes `https://host[:port][/prefix]`, or `http://…`.
    pub fn parse_url(text: &str) -> Result<Self, String> {
        let uri: Uri = text
            .parse()
            .map_err(|error| format!("the URL '{text}' is none: {error}"))?;
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            Some(other) => {
                return Err(format!(
                    "the URL must begin with https:// or http://, not {other}://"
                ));
            }
            None => {
                return Err(format!(
                    "the URL '{text}' must look like https://host or http://host:port"
                ));
            }
        };
        let authority = uri
            .authority()
            .ok_or(format!("the URL '{text}' names no host"))?;
        if authority.as_str().contains('@') {
            return Err(
                "the URL may not hold a password; put the token into LONGSHORE_TOKEN".to_owned(),
            );
        }
        if uri.query().is_some() {
            return Err(format!("the URL '{text}' must not have a query"));
        }
        Ok(Self::Url {
            authority: authority.as_str().to_owned(),
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: authority.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            tls,
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

    /// Whether it is spoken to with TLS.
    pub fn is_tls(&self) -> bool {
        match self {
            Self::Socket(_) => false,
            Self::Url { tls, .. } => *tls,
        }
    }

    /// Connects, with `tls` where the place wants it.
    pub async fn connect(&self, tls: Option<&Tls>) -> io::Result<Box<dyn Stream>> {
        match self {
            Self::Socket(path) => Ok(Box::new(UnixStream::connect(path).await?)),
            Self::Url {
                authority,
                host,
                port,
                ..
            } => {
                let connecting = async {
                    match tls {
                        Some(tls) => {
                            let to = format!("https://{authority}/").parse();
                            tls.connect(to.map_err(io::Error::other)?).await
                        }
                        None => {
                            let stream = TcpStream::connect((host.as_str(), *port)).await?;
                            Ok(Box::new(stream) as Box<dyn Stream>)
                        }
                    }
                };
                let connected = tokio::time::timeout(CONNECT_LIMIT, connecting).await;
                connected.unwrap_or_else(|_| {
                    Err(io::Error::new(
                        io::ErrorKind::TimedOut,
                        format!("no answer within {} s", CONNECT_LIMIT.as_secs()),
                    ))
                })
            }
        }
    }

    /// What happened when connecting failed with that, and what to do.
    pub fn told(&self, error: &io::Error) -> String {
        if let Self::Url { host, .. } = self
            && let Some(told) = tls::explained(error, host)
        {
            return told;
        }
        format!("{error} — {}", self.hint(error))
    }

    fn hint(&self, error: &io::Error) -> &'static str {
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
            } => {
                let scheme = if self.is_tls() { "https" } else { "http" };
                write!(f, "{scheme}://{authority}{prefix}")
            }
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
            tls: port == 443,
            prefix: prefix.into(),
        };
        for (text, expected) in [
            ("http://box:7470", url("box:7470", "box", 7470, "")),
            ("http://box/", url("box", "box", 80, "")),
            ("https://box/", url("box", "box", 443, "")),
            (
                "http://[::1]:7470/api/",
                url("[::1]:7470", "::1", 7470, "/api"),
            ),
        ] {
            assert_eq!(Place::parse_url(text), Ok(expected), "{text}");
        }
        for (text, reason) in [
            ("ftp://box", "must begin with https:// or http://"),
            ("box:7470", "must look like https://host"),
            ("/run/api.sock", "must look like https://host"),
            ("http://user:pass@box", "LONGSHORE_TOKEN"),
            ("http://box/?a=b", "query"),
            ("http://", "is none"),
            ("", "is none"),
        ] {
            let refused = Place::parse_url(text).unwrap_err();
            assert!(refused.contains(reason), "{text}: {refused}");
        }
    }
}

//! How a request arrived: who sent it to the proxies before us, and under which address its client knows us. A request
//! over the unix socket went through no proxy, whatever it says.

use super::Api;
use super::auth::Peer;
use crate::core::route::{Domain, Host};
use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, header};
use axum::middleware::Next;
use axum::response::Response;
use ipnet::IpNet;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Whose `X-Forwarded-*` is believed.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    /// At any time.
    pub trusted: Vec<IpNet>,
    /// While the API is served through the ingress: where that connects from, and the proxies that it believes itself.
    pub of_ingress: Vec<IpNet>,
}

impl Proxies {
    fn believe(&self, address: IpAddr, behind_ingress: bool) -> bool {
        let of_ingress = self.of_ingress.iter().filter(|_| behind_ingress);
        let mut all = self.trusted.iter().chain(of_ingress);
        all.any(|net| net.contains(&address))
    }
}

/// The scheme that the client used, as a proxy that is believed says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Scheme(&'static str);

/// Puts the client's address in the place of the proxy's.
pub(super) async fn look(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<Peer>>();
    if let Some(ConnectInfo(Peer::Remote(address))) = peer {
        let behind_ingress = !api.agent.api_domains().is_empty();
        let believe = |address| api.proxies.believe(address, behind_ingress);
        if believe(*address) {
            let client = client(*address, request.headers(), believe);
            let scheme = scheme(request.headers());
            let extensions = request.extensions_mut();
            extensions.insert(ConnectInfo(Peer::Remote(client)));
            if let Some(scheme) = scheme {
                extensions.insert(scheme);
            }
        }
    }
    next.run(request).await
}

/// The last address that no proxy of ours has: what stands before it anybody could have written.
fn client(peer: IpAddr, headers: &HeaderMap, believe: impl Fn(IpAddr) -> bool) -> IpAddr {
    let mut client = peer;
    let lines = headers.get_all(FORWARDED_FOR).iter().rev();
    let entries = lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
    for entry in entries {
        let Some(address) = address(entry.trim()) else {
            break;
        };
        client = address;
        if !believe(address) {
            break;
        }
    }
    client
}

/// An address, with a port where a proxy adds it.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .unwrap_or(text);
    let address = bare.parse().ok();
    let with_port = || text.parse().ok().map(|with: SocketAddr| with.ip());
    address
        .or_else(with_port)
        .map(|ip: IpAddr| ip.to_canonical())
}

fn scheme(headers: &HeaderMap) -> Option<Scheme> {
    let said = headers.get(FORWARDED_PROTO)?.to_str().ok()?;
    // The first is the client's own, where several proxies add one each.
    match said.split(',').next()?.trim() {
        word if word.eq_ignore_ascii_case("https") => Some(Scheme("https")),
        word if word.eq_ignore_ascii_case("http") => Some(Scheme("http")),
        _ => None,
    }
}

/// What absolute URLs in an answer begin with.
#[derive(Clone, Debug)]
pub(super) struct Base {
    /// The API's own, without a slash at the end.
    pub(super) api: String,
    /// The scheme of the apps' domains. Who encrypts stands before us and does it for all of them, as for the public URL.
    pub(super) apps_scheme: &'static str,
}

impl FromRequestParts<Api> for Base {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Infallible> {
        let is_local = matches!(
            parts.extensions.get::<ConnectInfo<Peer>>(),
            Some(ConnectInfo(Peer::Local(_)))
        );
        let host = parts
            .headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok())
            .or_else(|| parts.uri.authority().map(|authority| authority.as_str()));
        let scheme = parts.extensions.get::<Scheme>().copied();
        let public = api.public_url.as_deref();
        let is_encrypted = public.is_some_and(|url| url.starts_with("https://"));
        let host = host.filter(|_| !is_local);
        Ok(Self {
            api: base(
                host,
                scheme,
                public,
                &api.agent.api_domains(),
                api.agent.api_address(),
            ),
            apps_scheme: if is_encrypted { "https" } else { "http" },
        })
    }
}

/// The request's own host if it is one of ours, else the configured address, else whatever the client used.
fn base(
    host: Option<&str>,
    scheme: Option<Scheme>,
    public: Option<&str>,
    domains: &[Domain],
    listens: Option<SocketAddr>,
) -> String {
    // A Host that is no host would make the URL lie about where it leads.
    let is_host = |host: &&str| {
        let is_fine = |b: u8| b.is_ascii_alphanumeric() || b".-:[]_".contains(&b);
        !host.is_empty() && host.bytes().all(is_fine)
    };
    let host = host.filter(is_host);
    let at = |host: &str| format!("{}://{host}", scheme.map_or("http", |scheme| scheme.0));
    match (host, public) {
        // It may have a path of its own, and knows whether it is encrypted.
        (Some(host), Some(public)) if authority(public).eq_ignore_ascii_case(host) => {
            public.to_owned()
        }
        (Some(host), _) if is_ours(host, domains) => at(host),
        (_, Some(public)) => public.to_owned(),
        (Some(host), None) => at(host),
        // Over the socket: where a program of this host finds the API, if it listens at all.
        (None, None) => match listens {
            Some(address) => at(&address.to_string()),
            None => at("localhost"),
        },
    }
}

fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default()
}

/// One of the API's domains, or this host from itself.
fn is_ours(host: &str, domains: &[Domain]) -> bool {
    let name = match host.rsplit_once(':') {
        // The colons of a bare IPv6 address are inside its brackets.
        Some((name, _)) if !host.ends_with(']') => name,
        _ => host,
    };
    let name = name.to_ascii_lowercase();
    let is_this = |domain: &Domain| match &domain.host {
        Host::Exact(exact) => *exact == name,
        Host::Below(above) => {
            let below = name.strip_suffix(above.as_str());
            below.is_some_and(|below| below.len() > 1 && below.ends_with('.'))
        }
        Host::Any => true,
    };
    let is_loopback =
        || name == "localhost" || address(&name).is_some_and(|address| address.is_loopback());
    domains.iter().any(is_this) || is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn headers(name: HeaderName, lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(&name, HeaderValue::from_str(line).unwrap());
        }
        headers
    }

    #[test]
    fn the_client_is_the_last_address_that_is_no_proxy_of_ours() {
        let proxies = Proxies {
            trusted: vec!["10.0.0.0/8".parse().unwrap()],
            of_ingress: vec!["127.0.0.0/8".parse().unwrap()],
        };
        for (peer, lines, expected) in [
            // Nobody believes a stranger, nor loopback while nothing comes through the ingress.
            ("192.0.2.1", &["198.51.100.1"][..], ["192.0.2.1"; 2]),
            (
                "127.0.0.1",
                &["198.51.100.1"],
                ["127.0.0.1", "198.51.100.1"],
            ),
            ("10.0.0.1", &["198.51.100.1"], ["198.51.100.1"; 2]),
            ("10.0.0.1", &[], ["10.0.0.1"; 2]),
            // What a client wrote itself stands before its address.
            (
                "10.0.0.1",
                &["203.0.113.9, 198.51.100.1"],
                ["198.51.100.1"; 2],
            ),
            (
                "10.0.0.1",
                &["203.0.113.9", "198.51.100.1 ,10.9.9.9"],
                ["198.51.100.1"; 2],
            ),
            (
                "10.0.0.1",
                &["198.51.100.1, 127.0.0.1"],
                ["127.0.0.1", "198.51.100.1"],
            ),
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], ["10.0.0.3"; 2]),
            // What is no address ends it: the proxy that wrote it is who is known.
            ("10.0.0.1", &["198.51.100.1, unknown"], ["10.0.0.1"; 2]),
            (
                "10.0.0.1",
                &["198.51.100.1, nonsense, 10.0.0.2"],
                ["10.0.0.2"; 2],
            ),
            ("10.0.0.1", &["198.51.100.1:4711"], ["198.51.100.1"; 2]),
            ("10.0.0.1", &["[2001:db8::1]:4711"], ["2001:db8::1"; 2]),
            ("10.0.0.1", &["[2001:db8::1]"], ["2001:db8::1"; 2]),
            ("10.0.0.1", &["::ffff:198.51.100.1"], ["198.51.100.1"; 2]),
        ] {
            for (behind_ingress, expected) in [false, true].into_iter().zip(expected) {
                let believe = |address| proxies.believe(address, behind_ingress);
                let headers = headers(FORWARDED_FOR, lines);
                let found = match believe(ip(peer)) {
                    true => client(ip(peer), &headers, believe),
                    false => ip(peer),
                };
                assert_eq!(found, ip(expected), "{peer} {lines:?} {behind_ingress}");
            }
        }
    }

    #[test]
    fn a_scheme_is_one_of_two_words() {
        for (said, expected) in [
            ("https", Some(Scheme("https"))),
            ("HTTP", Some(Scheme("http"))),
            ("https, http", Some(Scheme("https"))),
            ("javascript", None),
            ("", None),
        ] {
            assert_eq!(
                scheme(&headers(FORWARDED_PROTO, &[said])),
                expected,
                "{said}"
            );
        }
        assert_eq!(scheme(&HeaderMap::new()), None);
    }

    #[test]
    fn a_url_begins_with_the_requests_own_host_only_if_that_is_ours() {
        let domains = ["deploy.example.com", "*.api.example.com"];
        let domains = domains.map(|text| Domain::parse(text).unwrap());
        let public = Some("https://public.example.com/base");
        for (host, public, expected) in [
            (
                Some("deploy.example.com"),
                public,
                "https://deploy.example.com",
            ),
            (
                Some("DEPLOY.example.com:8080"),
                None,
                "https://DEPLOY.example.com:8080",
            ),
            (
                Some("a.api.example.com"),
                public,
                "https://a.api.example.com",
            ),
            (
                Some("api.example.com"),
                public,
                "https://public.example.com/base",
            ),
            (
                Some(".api.example.com"),
                public,
                "https://public.example.com/base",
            ),
            (
                Some("xapi.example.com"),
                public,
                "https://public.example.com/base",
            ),
            (
                Some("Public.example.com"),
                public,
                "https://public.example.com/base",
            ),
            (Some("127.0.0.1:7470"), public, "https://127.0.0.1:7470"),
            (Some("[::1]:7470"), public, "https://[::1]:7470"),
            (Some("[::1]"), public, "https://[::1]"),
            (Some("localhost"), public, "https://localhost"),
            (
                Some("evil.example"),
                public,
                "https://public.example.com/base",
            ),
            (Some("evil.example/\"x"), None, "https://localhost"),
            (Some("evil.example"), None, "https://evil.example"),
            (Some(""), None, "https://localhost"),
            (None, None, "https://localhost"),
            (None, public, "https://public.example.com/base"),
        ] {
            let found = base(host, Some(Scheme("https")), public, &domains, None);
            assert_eq!(found, expected, "{host:?}");
        }
        let plain = base(Some("deploy.example.com"), None, public, &domains, None);
        assert_eq!(plain, "http://deploy.example.com");
        let listens = Some(SocketAddr::from(([127, 0, 0, 1], 7470)));
        let over_the_socket = base(None, None, None, &domains, listens);
        assert_eq!(over_the_socket, "http://127.0.0.1:7470");
    }
}

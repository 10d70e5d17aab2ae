//! What an app is told of a request besides what the client sent: who asked, how, under which name; and what of the
//! client's head is not passed on because it was meant for us.

use super::body::Framing;
use super::page::Taste;
use super::request::names;
use ipnet::IpNet;
use std::io::Write as _;
use std::net::IpAddr;

/// Who is at the other end of a client's connection.
#[derive(Debug)]
pub(super) struct Peer {
    /// Its address, an IPv4 one also where it came over an IPv6 socket.
    pub text: String,
    is_v6: bool,
    /// Whether it is a proxy whose word is believed.
    trusted: bool,
}

impl Peer {
    pub fn new(address: IpAddr, trusted: &[IpNet]) -> Self {
        let address = address.to_canonical();
        Self {
            text: address.to_string(),
            is_v6: address.is_ipv6(),
            trusted: trusted.iter().any(|net| net.contains(&address)),
        }
    }
}

/// What a header field is to a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Passed on, unless `Connection` names it.
    Plain,
    Accept,
    Cookie,
    /// Written anew from what was read in it.
    Host,
    ContentLength,
    /// For this connection only.
    Hop,
    Connection,
    Upgrade,
    Te,
    Expect,
    /// Those that say who asked, by their place in [`FORWARDED`].
    Forwarded(usize),
    /// Other fields of that family, and such as frameworks cannot tell from it.
    Suspect,
    RequestId,
}

const FORWARDED: [&[u8]; 5] = [
    b"x-forwarded-for",
    b"x-forwarded-proto",
    b"x-forwarded-host",
    b"x-forwarded-port",
    b"forwarded",
];
const FOR: usize = 0;
const PROTO: usize = 1;
const HOST: usize = 2;
const PORT: usize = 3;
const STANDARD: usize = 4;

/// CGI and its heirs make `_` of `-`: to an app behind them, the two names are one.
fn looks_like(name: &[u8], known: &[u8]) -> bool {
    name.len() == known.len()
        && name
            .iter()
            .zip(known)
            .all(|(b, known)| b.eq_ignore_ascii_case(known) || (*b == b'_' && *known == b'-'))
}

fn kind(name: &[u8]) -> Kind {
    let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
    match name.len() {
        2 if is(b"te") => Kind::Te,
        4 if is(b"host") => Kind::Host,
        6 if is(b"accept") => Kind::Accept,
        6 if is(b"cookie") => Kind::Cookie,
        6 if is(b"expect") => Kind::Expect,
        7 if is(b"upgrade") => Kind::Upgrade,
        10 if is(b"connection") => Kind::Connection,
        10 if is(b"keep-alive") => Kind::Hop,
        14 if is(b"content-length") => Kind::ContentLength,
        // HTTP2-Settings goes with an upgrade that is not done here.
        14 if is(b"http2-settings") => Kind::Hop,
        16 if is(b"proxy-connection") => Kind::Hop,
        17 if is(b"transfer-encoding") => Kind::Hop,
        18 if is(b"proxy-authenticate") => Kind::Hop,
        19 if is(b"proxy-authorization") => Kind::Hop,
        _ => family(name),
    }
}

fn family(name: &[u8]) -> Kind {
    match name.first() {
        Some(b'x' | b'X') => {
            if let Some(at) = FORWARDED.iter().position(|known| looks_like(name, known)) {
                return if name.contains(&b'_') {
                    Kind::Suspect
                } else {
                    Kind::Forwarded(at)
                };
            }
            if name.len() > 11 && looks_like(&name[..12], b"x-forwarded-") {
                return Kind::Suspect;
            }
            match name.len() {
                9 if looks_like(name, b"x-real-ip") => Kind::Suspect,
                12 if name.eq_ignore_ascii_case(b"x-request-id") => Kind::RequestId,
                12 if looks_like(name, b"x-request-id") => Kind::Suspect,
                _ => Kind::Plain,
            }
        }
        Some(b'f' | b'F') if name.eq_ignore_ascii_case(b"forwarded") => Kind::Forwarded(STANDARD),
        _ => Kind::Plain,
    }
}

/// What is composed for the app, beside the head itself.
#[derive(Debug)]
pub(super) struct Composed {
    pub request_id: String,
    pub taste: Taste,
    /// The client waits for a word before it sends the body.
    pub expects: bool,
    /// The client asks to speak another protocol on the connection.
    pub upgrades: bool,
}

/// What a request is, whichever way it came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub method: &'a str,
    pub target: &'a str,
    pub host: &'a str,
    pub framing: Framing,
    /// Whether it may be answered with 1xx and switched to another protocol.
    pub is_http_1_1: bool,
    pub is_http_2: bool,
}

/// Longer ids are not taken over.
const LONGEST_REQUEST_ID: usize = 128;

fn is_sane_id(id: &[u8]) -> bool {
    (1..=LONGEST_REQUEST_ID).contains(&id.len())
        && id
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.:/+=".contains(b))
}

/// Writes the head that the app gets.
pub(super) fn compose<'a, I: Iterator<Item = (&'a [u8], &'a [u8])>>(
    out: &mut Vec<u8>,
    asked: Asked<'_>,
    headers: impl Fn() -> I,
    peer: &Peer,
    new_id: impl FnOnce() -> String,
) -> Composed {
    let mut known = Known::default();
    for (name, value) in headers() {
        known.note(kind(name), value);
    }
    let id = known
        .request_id
        .filter(|id| peer.trusted && is_sane_id(id))
        .and_then(|id| std::str::from_utf8(id).ok());
    let request_id = id.map_or_else(new_id, str::to_owned);
    // Upgrading is a thing of HTTP/1.1, done on an empty request, and not to what is spoken without asking.
    let upgrade = known.upgrade.filter(|protocol| {
        asked.is_http_1_1
            && known.wants_upgrade
            && asked.framing == Framing::None
            && !names(protocol, b"h2c")
    });

    out.extend_from_slice(asked.method.as_bytes());
    out.push(b' ');
    out.extend_from_slice(asked.target.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\nHost: ");
    out.extend_from_slice(asked.host.as_bytes());
    out.extend_from_slice(b"\r\n");
    let expects = known.expects && asked.framing != Framing::None && !known.is_old(asked);
    for (name, value) in headers() {
        let passes = match kind(name) {
            Kind::Plain => !known.is_named_in_connection(name),
            Kind::Accept => true,
            // In HTTP/2 it may come in parts, which only it joins otherwise than by a comma.
            Kind::Cookie => !asked.is_http_2,
            Kind::Expect => expects,
            Kind::Suspect => peer.trusted && !name.contains(&b'_'),
            Kind::Host
            | Kind::ContentLength
            | Kind::Hop
            | Kind::Connection
            | Kind::Upgrade
            | Kind::Te
            | Kind::Forwarded(_)
            | Kind::RequestId => false,
        };
        if passes {
            line(out, name, value);
        }
    }
    if asked.is_http_2 {
        join_cookies(out, &known.cookies);
    }
    known.forwarded(out, asked, peer);
    line(out, b"X-Request-Id", request_id.as_bytes());
    match asked.framing {
        Framing::Length(length) => number(out, b"Content-Length: ", length),
        // A method that means a body says that there is none.
        Framing::None if matches!(asked.method, "POST" | "PUT" | "PATCH") => {
            number(out, b"Content-Length: ", 0);
        }
        Framing::None => {}
        Framing::Chunked | Framing::UntilClosed => {
            out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
        }
    }
    if let Some(protocol) = upgrade {
        line(out, b"Connection", b"Upgrade");
        line(out, b"Upgrade", protocol);
    } else if known.takes_trailers {
        out.extend_from_slice(b"Connection: TE\r\nTE: trailers\r\n");
    }
    out.extend_from_slice(b"\r\n");
    Composed {
        request_id,
        taste: known.accept.map_or(Taste::Text, Taste::of),
        expects,
        upgrades: upgrade.is_some(),
    }
}

/// What the client's head says to us.
#[derive(Default)]
struct Known<'a> {
    connection: Vec<&'a [u8]>,
    wants_upgrade: bool,
    upgrade: Option<&'a [u8]>,
    takes_trailers: bool,
    expects: bool,
    accept: Option<&'a [u8]>,
    request_id: Option<&'a [u8]>,
    cookies: Vec<&'a [u8]>,
    forwarded: [Vec<&'a [u8]>; FORWARDED.len()],
}

impl<'a> Known<'a> {
    fn note(&mut self, kind: Kind, value: &'a [u8]) {
        match kind {
            Kind::Connection => {
                self.wants_upgrade |= names(value, b"upgrade");
                // The two that every client sends name no field.
                if !value.eq_ignore_ascii_case(b"keep-alive")
                    && !value.eq_ignore_ascii_case(b"close")
                {
                    self.connection.push(value);
                }
            }
            Kind::Upgrade => self.upgrade = Some(value),
            Kind::Te => self.takes_trailers |= names(value, b"trailers"),
            Kind::Expect => self.expects |= value.eq_ignore_ascii_case(b"100-continue"),
            Kind::Accept => self.accept = Some(value),
            Kind::Cookie => self.cookies.push(value),
            Kind::RequestId => self.request_id = Some(value),
            Kind::Forwarded(at) => self.forwarded[at].push(value),
            Kind::Plain | Kind::Host | Kind::ContentLength | Kind::Hop | Kind::Suspect => {}
        }
    }

    fn is_old(&self, asked: Asked<'_>) -> bool {
        !asked.is_http_1_1 && !asked.is_http_2
    }

    fn is_named_in_connection(&self, name: &[u8]) -> bool {
        self.connection.iter().any(|list| names(list, name))
    }

    /// From a trusted proxy the story goes on; from anybody else it begins here.
    fn forwarded(&self, out: &mut Vec<u8>, asked: Asked<'_>, peer: &Peer) {
        let before = |at: usize| {
            let told: &[&[u8]] = if peer.trusted {
                &self.forwarded[at]
            } else {
                &[]
            };
            told
        };
        // Writing to a list of bytes cannot fail.
        let _ = list(out, b"X-Forwarded-For: ", before(FOR))
            .and_then(|()| write!(out, "{}\r\n", peer.text));
        let port = asked.host.rsplit_once(':').map_or("", |(_, port)| port);
        for (at, name, own) in [
            (PROTO, &b"X-Forwarded-Proto"[..], "http"),
            (HOST, b"X-Forwarded-Host", asked.host),
            // Where the client came to: what it says, not what is behind a port that was mapped.
            (
                PORT,
                b"X-Forwarded-Port",
                if is_port(port) { port } else { "80" },
            ),
        ] {
            match before(at).first() {
                Some(told) => line(out, name, told),
                None => line(out, name, own.as_bytes()),
            }
        }
        let _ = list(out, b"Forwarded: ", before(STANDARD)).and_then(|()| {
            if peer.is_v6 {
                write!(out, "for=\"[{}]\"", peer.text)?;
            } else {
                write!(out, "for={}", peer.text)?;
            }
            write!(out, ";host=\"{}\";proto=http\r\n", asked.host)
        });
    }
}

fn is_port(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// A field's name and what it said until now.
fn list(out: &mut Vec<u8>, name: &[u8], before: &[&[u8]]) -> std::io::Result<()> {
    out.write_all(name)?;
    for told in before.iter().filter(|told| !told.is_empty()) {
        out.write_all(told)?;
        out.write_all(b", ")?;
    }
    Ok(())
}

fn join_cookies(out: &mut Vec<u8>, cookies: &[&[u8]]) {
    for (at, cookie) in cookies.iter().enumerate() {
        out.extend_from_slice(if at == 0 { b"Cookie: " } else { b"; " });
        out.extend_from_slice(cookie);
    }
    if !cookies.is_empty() {
        out.extend_from_slice(b"\r\n");
    }
}

/// One field.
pub(super) fn line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// One field whose value is a number.
pub(super) fn number(out: &mut Vec<u8>, name: &[u8], value: u64) {
    out.extend_from_slice(name);
    // Writing to a list of bytes cannot fail.
    let _ = write!(out, "{value}\r\n");
}

/// Whether a field of an app's answer stays on the app's connection or is written anew by us. `named` are the values of
/// its `Connection`.
pub(super) fn is_ours_in_an_answer(name: &[u8], named: &[&[u8]]) -> bool {
    let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
    let ours = match name.len() {
        7 => is(b"upgrade"),
        10 => is(b"connection") || is(b"keep-alive"),
        12 => is(b"x-request-id"),
        14 => is(b"content-length"),
        16 => is(b"proxy-connection"),
        17 => is(b"transfer-encoding") || is(b"x-longshore-error"),
        _ => false,
    };
    ours || named.iter().any(|list| names(list, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: Asked<'static> = Asked {
        method: "GET",
        target: "/a?b",
        host: "web.example.com:8080",
        framing: Framing::None,
        is_http_1_1: true,
        is_http_2: false,
    };

    fn composed(asked: Asked<'_>, peer: &Peer, fields: &[(&str, &str)]) -> (String, Composed) {
        let mut out = Vec::new();
        let composed = compose(
            &mut out,
            asked,
            || {
                fields
                    .iter()
                    .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
            },
            peer,
            || "new".into(),
        );
        (String::from_utf8(out).unwrap(), composed)
    }

    fn peer(trusted: &str) -> Peer {
        let nets: Vec<IpNet> = trusted
            .split_whitespace()
            .map(|net| net.parse().unwrap())
            .collect();
        Peer::new("10.0.0.9".parse().unwrap(), &nets)
    }

    const TOLD: &[(&str, &str)] = &[
        ("X-Forwarded-For", "1.1.1.1"),
        ("x-forwarded-for", "2.2.2.2"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "other"),
        ("X-Forwarded-Port", "443"),
        ("X-Forwarded-Prefix", "/p"),
        ("X_Forwarded_For", "3.3.3.3"),
        ("X-Real-IP", "4.4.4.4"),
        ("Forwarded", "for=1.1.1.1"),
        ("X-Request-Id", "told-1"),
    ];

    #[test]
    fn what_a_stranger_says_of_itself_is_replaced() {
        let (head, composed) = composed(ASKED, &peer(""), TOLD);
        assert_eq!(
            head,
            "GET /a?b HTTP/1.1\r\nHost: web.example.com:8080\r\nX-Forwarded-For: 10.0.0.9\r\nX-Forwarded-Proto: http\r\n\
             X-Forwarded-Host: web.example.com:8080\r\nX-Forwarded-Port: 8080\r\n\
             Forwarded: for=10.0.0.9;host=\"web.example.com:8080\";proto=http\r\nX-Request-Id: new\r\n\r\n"
        );
        assert_eq!(composed.request_id, "new");
    }

    #[test]
    fn what_a_trusted_proxy_says_is_continued() {
        let (head, composed) = composed(ASKED, &peer("10.0.0.0/8"), TOLD);
        for line in [
            "X-Forwarded-For: 1.1.1.1, 2.2.2.2, 10.0.0.9\r\n",
            "X-Forwarded-Proto: https\r\n",
            "X-Forwarded-Host: other\r\n",
            "X-Forwarded-Port: 443\r\n",
            "X-Forwarded-Prefix: /p\r\n",
            "X-Real-IP: 4.4.4.4\r\n",
            "Forwarded: for=1.1.1.1, for=10.0.0.9;host=",
            "X-Request-Id: told-1\r\n",
        ] {
            assert!(head.contains(line), "{line} in {head}");
        }
        assert!(!head.contains("3.3.3.3"), "{head}");
        assert_eq!(composed.request_id, "told-1");
    }

    #[test]
    fn an_id_that_is_no_id_is_not_taken_over() {
        for id in ["", "a b", "a\"b", &"a".repeat(129)] {
            let (head, _) = composed(ASKED, &peer("10.0.0.0/8"), &[("X-Request-Id", id)]);
            assert!(head.contains("X-Request-Id: new\r\n"), "{head}");
        }
    }

    #[test]
    fn what_is_for_this_connection_stays_here() {
        let (head, _) = composed(
            ASKED,
            &peer(""),
            &[
                ("Connection", "close, X-Mine"),
                ("X-Mine", "1"),
                ("Keep-Alive", "5"),
                ("TE", "trailers, deflate"),
                ("Proxy-Connection", "x"),
                ("Proxy-Authorization", "x"),
                ("Transfer-Encoding", "chunked"),
                ("Upgrade", "h2c"),
                ("HTTP2-Settings", "x"),
                ("X-Kept", "1"),
            ],
        );
        assert!(
            head.ends_with("\r\nConnection: TE\r\nTE: trailers\r\n\r\n"),
            "{head}"
        );
        assert!(head.contains("X-Kept: 1\r\n"));
        for gone in [
            "close",
            "X-Mine",
            "Keep-Alive",
            "deflate",
            "Proxy",
            "chunked",
            "h2c",
            "HTTP2",
        ] {
            assert!(!head.contains(gone), "{gone} in {head}");
        }
    }

    #[test]
    fn connection_cannot_name_away_what_we_say() {
        let (head, _) = composed(
            ASKED,
            &peer(""),
            &[(
                "Connection",
                "host, x-forwarded-for, forwarded, x-request-id",
            )],
        );
        for kept in [
            "Host: web",
            "X-Forwarded-For: 10",
            "Forwarded: for=10",
            "X-Request-Id: new",
        ] {
            assert!(head.contains(kept), "{kept} in {head}");
        }
    }

    #[test]
    fn an_upgrade_is_passed_on_but_not_to_http_2_and_not_with_a_body() {
        let fields = [
            ("Connection", "keep-alive, Upgrade"),
            ("Upgrade", "websocket"),
        ];
        let (head, told) = composed(ASKED, &peer(""), &fields);
        assert!(told.upgrades);
        assert!(
            head.ends_with("Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"),
            "{head}"
        );
        let (head, told) = composed(
            Asked {
                framing: Framing::Length(3),
                ..ASKED
            },
            &peer(""),
            &fields,
        );
        assert!(!told.upgrades && !head.contains("Upgrade"), "{head}");
    }

    #[test]
    fn cookies_that_http_2_split_are_joined() {
        let asked = Asked {
            is_http_2: true,
            is_http_1_1: false,
            ..ASKED
        };
        let (head, _) = composed(asked, &peer(""), &[("cookie", "a=1"), ("cookie", "b=2")]);
        assert!(head.contains("Cookie: a=1; b=2\r\n"), "{head}");
    }
}

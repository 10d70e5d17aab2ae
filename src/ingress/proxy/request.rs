//! A request's head as it came over HTTP/1: read, and refused where somebody else could read it in another way.
//!
//! httparse splits the lines; what it lets pass and we do not is looked at here.

use super::body::{Framing, has_only_crlf};
use super::page::Fault;
use httparse::{Header, Status};
use std::mem::MaybeUninit;

/// As usual servers take; a head of so many is a mistake or worse.
pub(super) const MOST_HEADERS: usize = 128;

/// How far a head has come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum HeadEnd {
    /// It is so many bytes long.
    At(usize),
    /// Its end is not there yet.
    NotYet,
}

/// Where the head ends, the empty line included. One empty line may come before it (RFC 9112 section 2.2).
///
/// # Errors
/// When a line ends with a line feed alone, or it is too large.
pub(super) fn find_end(bytes: &[u8], largest: usize) -> Result<HeadEnd, Fault> {
    let mut line = 0;
    let mut lines = 0;
    for at in memchr::memchr_iter(b'\n', bytes) {
        if at > largest {
            break;
        }
        if at == line || bytes[at - 1] != b'\r' {
            return Err(Fault::Bad("a line does not end with CR LF"));
        }
        if at == line + 1 && line > 0 {
            return if lines == 0 {
                Err(Fault::Bad("empty lines where a request begins"))
            } else {
                Ok(HeadEnd::At(at + 1))
            };
        }
        if at > 1 {
            lines += 1;
        }
        line = at + 1;
    }
    if bytes.len() <= largest {
        Ok(HeadEnd::NotYet)
    } else if lines == 0 {
        Err(Fault::LineTooLong)
    } else {
        Err(Fault::HeadTooLarge)
    }
}

/// A request, as long as its head's bytes are there.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub method: &'a str,
    /// What the app is asked for: path and query, or `*`.
    pub target: &'a str,
    /// As the client wrote it; empty only in HTTP/1.0.
    pub host: &'a str,
    pub is_http_1_0: bool,
    pub framing: Framing,
    /// Whether the client lets the connection live.
    pub keeps_alive: bool,
    pub headers: &'a [Header<'a>],
}

/// Reads a whole head.
///
/// # Errors
/// What is wrong with it.
pub(super) fn read<'a>(
    bytes: &'a [u8],
    headers: &'a mut [MaybeUninit<Header<'a>>; MOST_HEADERS],
) -> Result<Request<'a>, Fault> {
    // The line that may be empty before it.
    let bytes = bytes.strip_prefix(b"\r\n").unwrap_or(bytes);
    debug_assert!(has_only_crlf(bytes), "find_end looked at it");
    let mut parsed = httparse::Request::new(&mut []);
    match parsed.parse_with_uninit_headers(bytes, headers) {
        Ok(Status::Complete(_)) => {}
        Ok(Status::Partial) => return Err(Fault::Bad("the head has no end")),
        Err(error) => return Err(refusal(error, bytes)),
    }
    let (Some(method), Some(target), Some(version)) = (parsed.method, parsed.path, parsed.version)
    else {
        return Err(Fault::Bad("the request line is not whole"));
    };
    let headers: &'a [Header<'a>] = parsed.headers;
    let is_http_1_0 = version == 0;
    if matches!(method, "CONNECT" | "TRACE") {
        return Err(Fault::Method);
    }
    let fields = Fields::read(headers, is_http_1_0)?;
    let host = match fields.host {
        Some(host) => {
            check_host(host)?;
            host
        }
        None if is_http_1_0 => "",
        None => return Err(Fault::Bad("no Host")),
    };
    let (target, host) = origin_form(target, host, method, is_http_1_0)?;
    Ok(Request {
        method,
        target,
        host,
        is_http_1_0,
        framing: fields.framing,
        keeps_alive: !is_http_1_0 && !fields.closes,
        headers,
    })
}

fn refusal(error: httparse::Error, bytes: &[u8]) -> Fault {
    match error {
        httparse::Error::TooManyHeaders => Fault::HeadTooLarge,
        httparse::Error::Version => {
            let line = bytes.split(|b| *b == b'\r').next().unwrap_or_default();
            let words: Vec<&[u8]> = line.split(|b| *b == b' ').collect();
            if matches!(words[..], [_, _, version] if version.starts_with(b"HTTP/")) {
                Fault::Version
            } else {
                Fault::Bad("the request line names no version of HTTP")
            }
        }
        httparse::Error::HeaderName => Fault::Bad("a header field's name is not well formed"),
        httparse::Error::HeaderValue => Fault::Bad("a header field's value is not well formed"),
        httparse::Error::NewLine => Fault::Bad("a line does not end with CR LF"),
        httparse::Error::Token | httparse::Error::Status => {
            Fault::Bad("the request line is not well formed")
        }
    }
}

/// What the head's fields say of the message itself.
struct Fields<'a> {
    host: Option<&'a str>,
    framing: Framing,
    closes: bool,
}

impl<'a> Fields<'a> {
    fn read(headers: &[Header<'a>], is_http_1_0: bool) -> Result<Self, Fault> {
        let mut host = None;
        let mut length = None;
        let mut chunked = false;
        let mut closes = false;
        for header in headers {
            let is = |name: &str| header.name.eq_ignore_ascii_case(name);
            // By length first: most fields are none of these.
            match header.name.len() {
                4 if is("host") => {
                    let value = std::str::from_utf8(header.value)
                        .map_err(|_| Fault::Bad("the Host has characters that no host has"))?;
                    if host.replace(value).is_some() {
                        return Err(Fault::Bad("more than one Host"));
                    }
                }
                10 if is("connection") => closes |= names(header.value, b"close"),
                14 if is("content-length") => {
                    let before = length.replace(read_length(header.value)?);
                    if before.is_some() {
                        return Err(Fault::Bad("more than one Content-Length"));
                    }
                }
                17 if is("transfer-encoding") => {
                    if is_http_1_0 {
                        return Err(Fault::Bad("Transfer-Encoding in HTTP/1.0"));
                    }
                    if chunked || !header.value.eq_ignore_ascii_case(b"chunked") {
                        return Err(Fault::Bad("a Transfer-Encoding other than chunked"));
                    }
                    chunked = true;
                }
                _ => {}
            }
        }
        let framing = match (chunked, length) {
            (true, Some(_)) => {
                return Err(Fault::Bad("both Content-Length and Transfer-Encoding"));
            }
            (true, None) => Framing::Chunked,
            (false, Some(0) | None) => Framing::None,
            (false, Some(length)) => Framing::Length(length),
        };
        Ok(Self {
            host,
            framing,
            closes,
        })
    }
}

/// Digits and nothing else: a sign, a space or a list is read differently by different readers.
pub(super) fn read_length(value: &[u8]) -> Result<u64, Fault> {
    let bad = Fault::Bad("a Content-Length that is not a number");
    // 18 digits do not overflow and are more than anybody sends.
    if value.is_empty() || value.len() > 18 || !value.iter().all(u8::is_ascii_digit) {
        return Err(bad);
    }
    Ok(value
        .iter()
        .fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')))
}

/// Whether a list of tokens names this one.
pub(super) fn names(list: &[u8], token: &[u8]) -> bool {
    list.split(|b| *b == b',')
        .any(|one| one.trim_ascii().eq_ignore_ascii_case(token))
}

/// A host name or address with a port or without.
///
/// # Errors
/// When it is neither: whatever else somebody may read in it.
pub(super) fn check_host(host: &str) -> Result<(), Fault> {
    let bad = Err(Fault::Bad("the Host has characters that no host has"));
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => {
            let Some((address, port)) = rest.split_once(']') else {
                return bad;
            };
            if address.parse::<std::net::Ipv6Addr>().is_err() {
                return bad;
            }
            (
                address,
                port.strip_prefix(':')
                    .or_else(|| port.is_empty().then_some("0")),
            )
        }
        None => match host.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (host, Some("0")),
        },
    };
    let is_name = host.starts_with('[')
        || name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b));
    let is_port = port.is_some_and(|port| {
        port.is_empty() || (port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok())
    });
    if name.is_empty() || name.len() > 255 || !is_name || !is_port {
        return bad;
    }
    Ok(())
}

/// The target as the app is asked for it, and the host it is asked under.
fn origin_form<'a>(
    target: &'a str,
    host: &'a str,
    method: &str,
    is_http_1_0: bool,
) -> Result<(&'a str, &'a str), Fault> {
    if target.contains('#') {
        return Err(Fault::Bad("a fragment in the request's target"));
    }
    if target.starts_with('/') {
        return Ok((target, host));
    }
    if target == "*" {
        return if method == "OPTIONS" {
            Ok((target, host))
        } else {
            Err(Fault::Bad("the request's target is not a path"))
        };
    }
    let rest = ["http://", "https://"].iter().find_map(|scheme| {
        let (start, rest) = target.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    });
    let Some(rest) = rest else {
        return Err(Fault::Bad("the request's target is not a path"));
    };
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    check_host(authority)?;
    // RFC 9112 lets the authority win; a client that means one host names it twice alike.
    if !(authority.eq_ignore_ascii_case(host) || (is_http_1_0 && host.is_empty())) {
        return Err(Fault::Bad(
            "the request's target and Host name different hosts",
        ));
    }
    match path {
        "" => Ok(("/", authority)),
        path if path.starts_with('/') => Ok((path, authority)),
        _ => Err(Fault::Bad("the request's target has no path")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(head: &str) -> Fault {
        match find_end(head.as_bytes(), 1000) {
            Ok(HeadEnd::At(end)) => {
                let mut headers = [const { MaybeUninit::uninit() }; MOST_HEADERS];
                match read(&head.as_bytes()[..end], &mut headers) {
                    Ok(request) => panic!("{head:?} was read as {request:?}"),
                    Err(fault) => fault,
                }
            }
            Ok(HeadEnd::NotYet) => panic!("{head:?} has no end"),
            Err(fault) => fault,
        }
    }

    #[test]
    fn a_plain_request_is_read() {
        let head = b"\r\nPOST /a?b HTTP/1.1\r\nHost: A.b:80\r\nContent-Length: 12\r\nConnection: x, close\r\n\r\nrest";
        let end = match find_end(head, 1000) {
            Ok(HeadEnd::At(end)) => end,
            other => panic!("{other:?}"),
        };
        assert_eq!(&head[end..], b"rest");
        let mut headers = [const { MaybeUninit::uninit() }; MOST_HEADERS];
        let request = read(&head[..end], &mut headers).unwrap();
        assert_eq!(
            (
                request.method,
                request.target,
                request.host,
                request.framing
            ),
            ("POST", "/a?b", "A.b:80", Framing::Length(12))
        );
        assert!(!request.keeps_alive);
    }

    #[test]
    fn an_absolute_target_becomes_a_path() {
        for (target, path) in [
            ("http://a.b/c?d", "/c?d"),
            ("HTTP://A.B", "/"),
            ("http://a.b/", "/"),
        ] {
            let head = format!("GET {target} HTTP/1.1\r\nHost: a.b\r\n\r\n");
            let mut headers = [const { MaybeUninit::uninit() }; MOST_HEADERS];
            let request = read(head.as_bytes(), &mut headers).unwrap();
            assert_eq!(request.target, path);
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        let host = "Host: a.b\r\n";
        for fields in [
            "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n",
            "Content-Length: 1\r\nContent-Length: 2\r\n",
            "Content-Length: 1\r\nContent-Length: 1\r\n",
            "Content-Length: +1\r\n",
            "Content-Length: -1\r\n",
            "Content-Length: 1, 1\r\n",
            "Content-Length: 1 1\r\n",
            "Content-Length: 0x1\r\n",
            "Content-Length:\r\n",
            "Content-Length: 99999999999999999999\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding: chunked, identity\r\n",
            "Transfer-Encoding: identity\r\n",
            "Transfer-Encoding: xchunked\r\n",
            "Transfer-Encoding: \"chunked\"\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding : chunked\r\n",
            "Transfer-Encoding:\u{b}chunked\r\n",
            "X: a\r\n b\r\n",
            "X: a\r\n\tb\r\n",
            "X : a\r\n",
            " X: a\r\n",
            "X\r\n",
            ": a\r\n",
            "X: a\rb\r\n",
            "X: a\nY: b\r\n",
            "X: a\0b\r\n",
            "X\0: a\r\n",
            "X: \u{1}\r\n",
            "Host: a.b\r\n",
            "hOST: c.d\r\n",
        ] {
            let head = format!("POST / HTTP/1.1\r\n{host}{fields}\r\n");
            assert!(matches!(refused(&head), Fault::Bad(_)), "{head:?}");
        }
        for line in [
            "GET  / HTTP/1.1",
            "GET / HTTP/1.1 ",
            "GET /a b HTTP/1.1",
            "GET /",
            "GET / http/1.1",
            "G@T / HTTP/1.1",
            " GET / HTTP/1.1",
            "GET a HTTP/1.1",
            "GET * HTTP/1.1",
            "GET /#a HTTP/1.1",
            "GET http://a.b@c.d/ HTTP/1.1",
            "GET http://c.d/ HTTP/1.1",
            "GET http://a.b:81/ HTTP/1.1",
            "GET http://a.b?x HTTP/1.1",
            "GET ftp://a.b/ HTTP/1.1",
            "GET //[ HTTP/1.1\0",
        ] {
            let head = format!("{line}\r\n{host}\r\n");
            assert!(matches!(refused(&head), Fault::Bad(_)), "{head:?}");
        }
        for host in [
            "", "a b", "a,b", "a@b", "a/b", "a:b", "a:99999", "a:80:80", "[::1", "[a]", "a\\b",
            "a%62", "bücher",
        ] {
            let head = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
            assert!(matches!(refused(&head), Fault::Bad(_)), "{head:?}");
        }
        assert!(matches!(refused("GET / HTTP/1.1\r\n\r\n"), Fault::Bad(_)));
        assert!(matches!(
            refused("GET / HTTP/1.1\nHost: a\n\n"),
            Fault::Bad(_)
        ));
        assert!(matches!(
            refused("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
            Fault::Bad(_)
        ));
        let old = "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert!(matches!(refused(old), Fault::Bad(_)));
    }

    #[test]
    fn other_refusals_have_their_own_status() {
        for (head, fault) in [
            ("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", Fault::Method),
            ("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", Fault::Method),
            ("GET / HTTP/3.0\r\nHost: a\r\n\r\n", Fault::Version),
        ] {
            assert_eq!(refused(head), fault, "{head:?}");
        }
        let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(2000));
        assert_eq!(refused(&long), Fault::LineTooLong);
        let large = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "a".repeat(2000));
        assert_eq!(refused(&large), Fault::HeadTooLarge);
        let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X:1\r\n".repeat(150));
        assert_eq!(refused(&many), Fault::HeadTooLarge);
    }
}

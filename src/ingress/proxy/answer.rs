//! An app's answer's head: read, and what of it reaches the client.

use super::body::Framing;
use super::forward::{is_ours_in_an_answer, line, number};
use super::page::{Fault, Taste, page};
use super::request::{MOST_HEADERS, names, read_length};
use super::wire::Sink;
use httparse::{Header, ParserConfig, Response, Status};
use std::io;
use std::mem::MaybeUninit;

/// Larger heads are a mistake of the app's; it is what a client may send by default.
pub(super) const LARGEST_HEAD: usize = 64 * 1024;

/// By this a client tells our answers from an app's; an app cannot set it.
pub(super) const ERROR_FIELD: &str = "X-Longshore-Error";

/// Where httparse puts the fields.
pub(super) type Fields<'a> = [MaybeUninit<Header<'a>>; MOST_HEADERS];

/// An answer's head, as long as its bytes are there.
#[derive(Debug)]
pub(super) struct Head<'a> {
    pub status: u16,
    pub reason: &'a str,
    pub headers: &'a [Header<'a>],
    pub framing: Framing,
    /// Whether the app lets the connection live.
    pub keeps_alive: bool,
    /// The values of `Connection`.
    pub named: Vec<&'a [u8]>,
    /// The code, if the answer is our own.
    pub error: Option<&'static str>,
}

/// Reads it; none: it is not whole yet.
///
/// # Errors
/// [`Fault::Nonsense`].
pub(super) fn read<'a>(
    bytes: &'a [u8],
    fields: &'a mut Fields<'a>,
    answers_head: bool,
) -> Result<Option<(Head<'a>, usize)>, Fault> {
    let mut parsed = Response::new(&mut []);
    let length = match ParserConfig::default().parse_response_with_uninit_headers(
        &mut parsed,
        bytes,
        fields,
    ) {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) => return Ok(None),
        Err(_) => return Err(Fault::Nonsense("its head is not well formed")),
    };
    let (Some(status), Some(version)) = (parsed.code, parsed.version) else {
        return Err(Fault::Nonsense("its head is not well formed"));
    };
    let headers: &'a [Header<'a>] = parsed.headers;
    let mut head = Head {
        status,
        reason: parsed.reason.unwrap_or(""),
        headers,
        framing: Framing::None,
        keeps_alive: version == 1,
        named: Vec::new(),
        error: None,
    };
    let (mut chunked, mut content_length) = (false, None);
    for header in headers {
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        match header.name.len() {
            10 if is("connection") => {
                head.keeps_alive &= !names(header.value, b"close");
                head.named.push(header.value);
            }
            14 if is("content-length") => {
                let length = read_length(header.value)
                    .map_err(|_| Fault::Nonsense("its Content-Length is not a number"))?;
                if content_length
                    .replace(length)
                    .is_some_and(|other| other != length)
                {
                    return Err(Fault::Nonsense("it has two lengths"));
                }
            }
            17 if is("transfer-encoding") => {
                if chunked || !header.value.eq_ignore_ascii_case(b"chunked") {
                    return Err(Fault::Nonsense("its Transfer-Encoding is not chunked"));
                }
                chunked = true;
            }
            _ => {}
        }
    }
    head.framing = match (chunked, content_length) {
        _ if answers_head || matches!(status, 100..=199 | 204 | 304) => Framing::None,
        (true, Some(_)) => {
            return Err(Fault::Nonsense(
                "it has both Content-Length and Transfer-Encoding",
            ));
        }
        (true, None) => Framing::Chunked,
        (false, Some(0)) => Framing::None,
        (false, Some(length)) => Framing::Length(length),
        (false, None) => Framing::UntilClosed,
    };
    Ok(Some((head, length)))
}

impl Head<'_> {
    /// What it says of its length, if that is to be said again: also where no body follows.
    pub fn told_length(&self) -> Option<u64> {
        if matches!(self.status, 100..=199 | 204) {
            return None;
        }
        self.headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case("content-length"))
            .and_then(|header| read_length(header.value).ok())
    }

    /// The fields that reach the client as they are.
    pub fn passed(&self) -> impl Iterator<Item = &Header<'_>> {
        self.headers
            .iter()
            .filter(|header| !is_ours_in_an_answer(header.name.as_bytes(), &self.named))
    }

    pub fn upgrade(&self) -> Option<&[u8]> {
        self.headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case("upgrade"))
            .map(|header| header.value)
    }

    pub fn has_date(&self) -> bool {
        self.headers
            .iter()
            .any(|header| header.name.eq_ignore_ascii_case("date"))
    }
}

/// Where an answer goes.
pub(super) trait Answer: Sink {
    /// Whether its head is on its way.
    fn has_begun(&self) -> bool;
    /// An interim answer (1xx).
    async fn interim(&mut self, head: &Head<'_>) -> io::Result<()>;
    /// The head; it may go out with what comes next.
    fn head(&mut self, head: &Head<'_>, request_id: &str) -> io::Result<()>;
    /// How much of the body was given to it.
    fn sent(&self) -> u64;
}

/// Writes a final answer's head for HTTP/1 and says how its body goes out.
pub(super) fn write_head(
    out: &mut Vec<u8>,
    head: &Head<'_>,
    request_id: &str,
    is_http_1_0: bool,
    closes: bool,
    date: impl FnOnce(&mut Vec<u8>),
) -> Framing {
    write_status(out, head);
    for header in head.passed() {
        line(out, header.name.as_bytes(), header.value);
    }
    if !head.has_date() {
        out.extend_from_slice(b"Date: ");
        date(out);
        out.extend_from_slice(b"\r\n");
    }
    if !request_id.is_empty() {
        line(out, b"X-Request-Id", request_id.as_bytes());
    }
    if let Some(code) = head.error {
        line(out, ERROR_FIELD.as_bytes(), code.as_bytes());
    }
    if let Some(length) = head.told_length() {
        number(out, b"Content-Length: ", length);
    }
    let framing = match head.framing {
        Framing::Chunked | Framing::UntilClosed if is_http_1_0 => Framing::UntilClosed,
        Framing::Chunked | Framing::UntilClosed => {
            out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
            Framing::Chunked
        }
        framing @ (Framing::None | Framing::Length(_)) => framing,
    };
    if head.status == 101 {
        out.extend_from_slice(b"Connection: Upgrade\r\n");
        if let Some(protocol) = head.upgrade() {
            line(out, b"Upgrade", protocol);
        }
    } else if closes {
        out.extend_from_slice(b"Connection: close\r\n");
    }
    out.extend_from_slice(b"\r\n");
    framing
}

/// Writes an interim answer.
pub(super) fn write_interim(out: &mut Vec<u8>, head: &Head<'_>) {
    write_status(out, head);
    for header in head.passed() {
        line(out, header.name.as_bytes(), header.value);
    }
    out.extend_from_slice(b"\r\n");
}

fn write_status(out: &mut Vec<u8>, head: &Head<'_>) {
    out.extend_from_slice(b"HTTP/1.1 ");
    let status = head.status;
    for digit in [status / 100 % 10, status / 10 % 10, status % 10] {
        // A status has three digits.
        out.push(b'0' + u8::try_from(digit).unwrap_or(0));
    }
    out.push(b' ');
    out.extend_from_slice(head.reason.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Answers with our own page.
pub(super) async fn refuse(
    answer: &mut impl Answer,
    fault: Fault,
    taste: Taste,
    request_id: &str,
    answers_head: bool,
) -> io::Result<()> {
    let body = page(fault, taste, request_id);
    let length = body.len().to_string();
    let retry = fault.retry_after().unwrap_or(0).to_string();
    let field = |name, value: &'static str| Header {
        name,
        value: value.as_bytes(),
    };
    let mut headers = vec![
        field("Content-Type", taste.content_type()),
        field("Cache-Control", "no-store"),
        Header {
            name: "Content-Length",
            value: length.as_bytes(),
        },
    ];
    if fault.retry_after().is_some() {
        headers.push(Header {
            name: "Retry-After",
            value: retry.as_bytes(),
        });
    }
    if fault == Fault::Method {
        headers.push(field(
            "Allow",
            "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
        ));
    }
    let head = Head {
        status: fault.status(),
        reason: fault.reason(),
        headers: &headers,
        framing: if answers_head {
            Framing::None
        } else {
            Framing::Length(body.len() as u64)
        },
        keeps_alive: true,
        named: Vec::new(),
        error: Some(fault.code()),
    };
    answer.head(&head, request_id)?;
    if !answers_head {
        answer.push(body.as_bytes()).await?;
    }
    answer.finish().await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framing(text: &str, answers_head: bool) -> Result<Framing, Fault> {
        let mut fields = [const { MaybeUninit::uninit() }; MOST_HEADERS];
        read(text.as_bytes(), &mut fields, answers_head).map(|head| head.unwrap().0.framing)
    }

    #[test]
    fn an_answers_end_is_where_the_rfc_says() {
        for (text, answers_head, expected) in [
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
                false,
                Framing::Length(5),
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
                true,
                Framing::None,
            ),
            (
                "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
                false,
                Framing::None,
            ),
            ("HTTP/1.1 304 Not Modified\r\n\r\n", false, Framing::None),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n",
                false,
                Framing::Chunked,
            ),
            ("HTTP/1.1 200\r\n\r\n", false, Framing::UntilClosed),
        ] {
            assert_eq!(framing(text, answers_head), Ok(expected), "{text:?}");
        }
        for text in [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\n",
            "SSH-2.0-OpenSSH\r\n\r\n",
        ] {
            assert!(
                matches!(framing(text, false), Err(Fault::Nonsense(_))),
                "{text:?}"
            );
        }
    }
}

//! Where a body ends (RFC 9112 section 6) and what is in it. Pure: it is shown bytes and says what they are.
//!
//! Strict: whoever reads the bytes after us must see the same end, so what could be read in two ways is refused.

/// How a message says where its body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// There is no body.
    None,
    /// After so many bytes.
    Length(u64),
    /// In chunks, each with its size before it.
    Chunked,
    /// With the connection; only an answer can.
    UntilClosed,
}

/// What is wrong with a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadBody {
    ChunkSize,
    ChunkEnd,
    ChunkExtension,
    Trailers,
    TrailersTooLarge,
    /// The peer closed before its end.
    CutShort,
}

impl BadBody {
    pub fn why(self) -> &'static str {
        match self {
            Self::ChunkSize => "a chunk's size is not a hexadecimal number of a chunk",
            Self::ChunkEnd => "a chunk does not end where its size says",
            Self::ChunkExtension => "a chunk's extension is too long or not well formed",
            Self::Trailers => "the trailers are not well formed",
            Self::TrailersTooLarge => "the trailers are too large",
            Self::CutShort => "the body ended before its end",
        }
    }
}

/// More than any real size with its extension has.
const LONGEST_SIZE_LINE: usize = 512;
/// What trailers are for (a checksum, a status) takes a few dozen bytes. It must fit the smallest buffer.
pub(super) const LONGEST_TRAILERS: usize = 8 * 1024;
/// As for a head, but fewer do.
const MOST_TRAILERS: usize = 32;

/// What the next bytes are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// After `skip` bytes of framing, so many of the body.
    Data { skip: usize, length: usize },
    /// So many bytes are the trailers' lines, without the empty one that ends them; the body is over.
    Trailers {
        skip: usize,
        length: usize,
        after: usize,
    },
    /// The body is over after so many more bytes of framing.
    Over { skip: usize },
    /// It takes more bytes; so many of those that were shown are framing and done with.
    More { skip: usize },
}

/// Finds a body's pieces.
#[derive(Debug)]
pub(super) struct Decoder(State);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Length(u64),
    Size,
    Chunk(u64),
    ChunkEnd,
    Trailers,
    UntilClosed,
    Over,
}

impl Decoder {
    pub fn new(framing: Framing) -> Self {
        Self(match framing {
            Framing::None | Framing::Length(0) => State::Over,
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::Size,
            Framing::UntilClosed => State::UntilClosed,
        })
    }

    pub fn is_over(&self) -> bool {
        self.0 == State::Over
    }

    /// How much is known to follow.
    pub fn ahead(&self) -> u64 {
        match self.0 {
            State::Length(left) | State::Chunk(left) => left,
            State::Size | State::ChunkEnd | State::Trailers | State::UntilClosed | State::Over => 0,
        }
    }

    /// The peer sends no more.
    pub fn closed(&mut self) -> Result<(), BadBody> {
        match self.0 {
            State::UntilClosed | State::Over => {
                self.0 = State::Over;
                Ok(())
            }
            State::Length(_)
            | State::Size
            | State::Chunk(_)
            | State::ChunkEnd
            | State::Trailers => Err(BadBody::CutShort),
        }
    }

    /// What the bytes are; those named are taken by the caller before the next step.
    pub fn step(&mut self, input: &[u8]) -> Result<Step, BadBody> {
        let mut skip = 0;
        loop {
            let rest = &input[skip..];
            match self.0 {
                State::Over => return Ok(Step::Over { skip }),
                _ if rest.is_empty() => return Ok(Step::More { skip }),
                State::UntilClosed => {
                    return Ok(Step::Data {
                        skip,
                        length: rest.len(),
                    });
                }
                State::Length(left) => {
                    let (length, left) = part(rest, left);
                    self.0 = if left == 0 {
                        State::Over
                    } else {
                        State::Length(left)
                    };
                    return Ok(Step::Data { skip, length });
                }
                State::Chunk(left) => {
                    let (length, left) = part(rest, left);
                    self.0 = if left == 0 {
                        State::ChunkEnd
                    } else {
                        State::Chunk(left)
                    };
                    return Ok(Step::Data { skip, length });
                }
                State::ChunkEnd => match rest {
                    [b'\r', b'\n', ..] => {
                        skip += 2;
                        self.0 = State::Size;
                    }
                    [b'\r'] => return Ok(Step::More { skip }),
                    _ => return Err(BadBody::ChunkEnd),
                },
                State::Size => match size_line(rest)? {
                    Some((size, taken)) => {
                        skip += taken;
                        self.0 = if size == 0 {
                            State::Trailers
                        } else {
                            State::Chunk(size)
                        };
                    }
                    None => return Ok(Step::More { skip }),
                },
                State::Trailers => {
                    let Some((length, after)) = trailers(rest)? else {
                        return Ok(Step::More { skip });
                    };
                    self.0 = State::Over;
                    return Ok(if length == 0 {
                        Step::Over { skip: skip + after }
                    } else {
                        Step::Trailers {
                            skip,
                            length,
                            after,
                        }
                    });
                }
            }
        }
    }
}

fn part(rest: &[u8], left: u64) -> (usize, u64) {
    let length = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
    (length, left - length as u64)
}

/// The size of the next chunk and how long its line is.
fn size_line(input: &[u8]) -> Result<Option<(u64, usize)>, BadBody> {
    let digits = input
        .iter()
        .position(|b| !b.is_ascii_hexdigit())
        .unwrap_or(input.len());
    // 15 digits are a petabyte and cannot overflow.
    if digits > 15 {
        return Err(BadBody::ChunkSize);
    }
    let Some(after) = input.get(digits) else {
        return Ok(None);
    };
    if digits == 0 || !matches!(after, b'\r' | b';') {
        return Err(BadBody::ChunkSize);
    }
    let mut size = 0;
    for digit in &input[..digits] {
        let value = char::from(*digit).to_digit(16).unwrap_or(0);
        size = size << 4 | u64::from(value);
    }
    let end = input[digits..]
        .iter()
        .position(|b| !(matches!(b, b' '..=b'~' | b'\t')));
    match end.map(|end| digits + end) {
        Some(end) if end > LONGEST_SIZE_LINE => Err(BadBody::ChunkExtension),
        Some(end) => match &input[end..] {
            [b'\r', b'\n', ..] => Ok(Some((size, end + 2))),
            [b'\r'] => Ok(None),
            _ => Err(BadBody::ChunkExtension),
        },
        None if input.len() > LONGEST_SIZE_LINE => Err(BadBody::ChunkExtension),
        None => Ok(None),
    }
}

/// How long the trailers' lines are, and with the empty one.
fn trailers(input: &[u8]) -> Result<Option<(usize, usize)>, BadBody> {
    let end = match input {
        [b'\r', b'\n', ..] => 0,
        [b'\r'] => return Ok(None),
        _ => match memchr::memmem::find(input, b"\r\n\r\n") {
            Some(end) => end + 2,
            None if input.len() > LONGEST_TRAILERS => return Err(BadBody::TrailersTooLarge),
            None => return Ok(None),
        },
    };
    if end > LONGEST_TRAILERS {
        return Err(BadBody::TrailersTooLarge);
    }
    if end > 0 && !has_only_crlf(&input[..end]) {
        return Err(BadBody::Trailers);
    }
    let mut headers = [httparse::EMPTY_HEADER; MOST_TRAILERS];
    match httparse::parse_headers(&input[..end + 2], &mut headers) {
        Ok(httparse::Status::Complete(_)) => Ok(Some((end, end + 2))),
        Ok(httparse::Status::Partial) | Err(_) => Err(BadBody::Trailers),
    }
}

/// Whether every line ends with both characters: alone, each is a line's end to some and not to others.
pub(super) fn has_only_crlf(lines: &[u8]) -> bool {
    memchr::memchr_iter(b'\n', lines).all(|at| at > 0 && lines[at - 1] == b'\r')
}

/// Fields that would change what a message means to whoever merges trailers into the head.
const NOT_IN_TRAILERS: &[&str] = &[
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "authorization",
    "cookie",
    "set-cookie",
    "x-request-id",
];

/// The trailers that may be passed on.
pub(super) fn passable_trailers(lines: &[u8], mut each: impl FnMut(&str, &[u8])) {
    let mut headers = [httparse::EMPTY_HEADER; MOST_TRAILERS];
    // It ends where the empty line would be; the lines were read once already.
    let mut whole = Vec::with_capacity(lines.len() + 2);
    whole.extend_from_slice(lines);
    whole.extend_from_slice(b"\r\n");
    if let Ok(httparse::Status::Complete((_, headers))) =
        httparse::parse_headers(&whole, &mut headers)
    {
        for header in headers {
            let forbidden = NOT_IN_TRAILERS
                .iter()
                .any(|name| name.eq_ignore_ascii_case(header.name))
                || header
                    .name
                    .get(..11)
                    .is_some_and(|name| name.eq_ignore_ascii_case("x-forwarded"));
            if !forbidden {
                each(header.name, header.value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Decoded = (Vec<u8>, Vec<u8>, Vec<u8>);

    /// The body of the bytes when they come in pieces of this size, its trailers, and what is left after it.
    fn decode(input: &[u8], piece: usize) -> Result<Decoded, BadBody> {
        let mut decoder = Decoder::new(Framing::Chunked);
        let (mut held, mut body, mut lines) = (Vec::new(), Vec::new(), Vec::new());
        let mut coming = input.chunks(piece);
        loop {
            match decoder.step(&held)? {
                Step::Data { skip, length } => {
                    body.extend_from_slice(&held[skip..skip + length]);
                    held.drain(..skip + length);
                }
                Step::Trailers {
                    skip,
                    length,
                    after,
                } => {
                    lines.extend_from_slice(&held[skip..skip + length]);
                    held.drain(..skip + after);
                }
                Step::Over { skip } => {
                    held.drain(..skip);
                    held.extend(coming.flatten());
                    return Ok((body, lines, held));
                }
                Step::More { skip } => {
                    held.drain(..skip);
                    match coming.next() {
                        Some(more) => held.extend_from_slice(more),
                        None => {
                            decoder.closed()?;
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn chunks_are_read_whatever_pieces_they_come_in() {
        let input = b"4\r\nWiki\r\n0A;name=\"a b\"\r\n0123456789\r\n0\r\nX-Sum: 1\r\n\r\nGET";
        for piece in 1..input.len() {
            let (body, lines, left) = decode(input, piece).unwrap();
            assert_eq!(body, b"Wiki0123456789");
            assert_eq!(lines, b"X-Sum: 1\r\n");
            assert_eq!(left, b"GET");
        }
    }

    #[test]
    fn chunks_that_could_be_read_in_two_ways_are_refused() {
        for (input, why) in [
            (&b"\r\n"[..], BadBody::ChunkSize),
            (b"x\r\n", BadBody::ChunkSize),
            (b"0x5\r\nhello\r\n0\r\n\r\n", BadBody::ChunkSize),
            (b"+5\r\nhello\r\n0\r\n\r\n", BadBody::ChunkSize),
            (b"-5\r\nhello\r\n0\r\n\r\n", BadBody::ChunkSize),
            (b" 5\r\nhello\r\n0\r\n\r\n", BadBody::ChunkSize),
            (b"5 \r\nhello\r\n0\r\n\r\n", BadBody::ChunkSize),
            (b"5\nhello\r\n0\r\n\r\n", BadBody::ChunkSize),
            (b"5\r\rhello\r\n0\r\n\r\n", BadBody::ChunkExtension),
            (b"5;a\nhello\r\n0\r\n\r\n", BadBody::ChunkExtension),
            (b"5;a\0\r\nhello\r\n0\r\n\r\n", BadBody::ChunkExtension),
            (b"5\r\nhello0\r\n\r\n", BadBody::ChunkEnd),
            (b"5\r\nhello\n0\r\n\r\n", BadBody::ChunkEnd),
            (b"5\r\nhello!!\r\n0\r\n\r\n", BadBody::ChunkEnd),
            (
                b"10000000000000005\r\nhello\r\n0\r\n\r\n",
                BadBody::ChunkSize,
            ),
            (
                b"ffffffffffffffff\r\nhello\r\n0\r\n\r\n",
                BadBody::ChunkSize,
            ),
            (b"0\r\nbad name: 1\r\n\r\n", BadBody::Trailers),
            (b"0\r\nX : 1\r\n\r\n", BadBody::Trailers),
            (b"0\r\nX: 1\n\r\n\r\n", BadBody::Trailers),
            (b"0\r\nX: 1\r\n folded\r\n\r\n", BadBody::Trailers),
            (b"5\r\nhel", BadBody::CutShort),
            (b"5\r\nhello\r\n", BadBody::CutShort),
            (b"0\r\n", BadBody::CutShort),
        ] {
            assert_eq!(
                decode(input, input.len()).unwrap_err(),
                why,
                "{:?}",
                String::from_utf8_lossy(input)
            );
        }
        let endless = [&b"5;"[..], &[b'a'; 2000]].concat();
        assert_eq!(decode(&endless, 100).unwrap_err(), BadBody::ChunkExtension);
    }

    #[test]
    fn trailers_that_would_change_the_message_are_not_passed_on() {
        let mut passed = Vec::new();
        passable_trailers(
            b"X-Sum: 1\r\nContent-Length: 3\r\nX-Forwarded-For: 1.2.3.4\r\n",
            |name, value| passed.push((name.to_owned(), value.to_vec())),
        );
        assert_eq!(passed, [("X-Sum".to_owned(), b"1".to_vec())]);
    }

    proptest! {
        #[test]
        fn what_was_put_in_chunks_comes_out(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..50), 0..10),
            piece in 1_usize..80,
            upper in any::<bool>(),
        ) {
            let mut input = Vec::new();
            for chunk in &chunks {
                let size = if upper { format!("{:X}", chunk.len()) } else { format!("00{:x}", chunk.len()) };
                input.extend_from_slice(format!("{size}\r\n").as_bytes());
                input.extend_from_slice(chunk);
                input.extend_from_slice(b"\r\n");
            }
            input.extend_from_slice(b"0\r\n\r\nnext");
            let (body, _, left) = decode(&input, piece).unwrap();
            prop_assert_eq!(body, chunks.concat());
            prop_assert_eq!(left, b"next");
        }

        #[test]
        fn no_bytes_make_it_panic_or_turn_for_ever(input in prop::collection::vec(any::<u8>(), 0..200), piece in 1_usize..9) {
            let _ = decode(&input, piece);
        }
    }
}

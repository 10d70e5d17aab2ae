//! What no handler has to cope with, in words that no dialect owns: heads and bodies beyond their limits, bodies that do
//! not come, and its own panic.

use axum::body::{Body, HttpBody as _};
use axum::extract::Request;
use axum::http::header;
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use futures_util::FutureExt as _;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use std::error::Error;
use std::io;
use std::panic::AssertUnwindSafe;

/// The longest path with its query: names and ids are short, and no filter needs more.
pub(super) const MAX_URI: usize = 8 * 1024;
/// All header lines together: a token, a few of a proxy and a tracing header are below 4 KiB.
pub(super) const MAX_HEADERS: usize = 32 * 1024;
/// How many header lines there may be: browsers and proxies send about thirty.
pub(super) const MAX_HEADER_LINES: usize = 64;

/// Why a request is not looked at any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// The path with its query is longer than [`MAX_URI`].
    LongUri,
    /// The headers are more than [`MAX_HEADER_LINES`] or [`MAX_HEADERS`].
    LargeHead,
    /// It says its length in two ways, which two programs could read differently.
    TwoLengths,
    /// The body is larger than this.
    LargeBody(usize),
    /// The body did not come in time.
    LateBody,
    /// The body broke off, or is not what the headers say.
    BrokenBody,
}

/// A panic is our fault and ends one request, not the connection without a word.
pub(super) struct Panicked;

/// Whether a head is within its limits.
pub(super) fn head(request: &Request) -> Result<(), Unfit> {
    if request.uri().to_string().len() > MAX_URI {
        return Err(Unfit::LongUri);
    }
    let headers = request.headers();
    let bytes: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    if bytes > MAX_HEADERS || headers.len() > MAX_HEADER_LINES {
        return Err(Unfit::LargeHead);
    }
    if headers.contains_key(header::TRANSFER_ENCODING)
        && headers.contains_key(header::CONTENT_LENGTH)
    {
        return Err(Unfit::TwoLengths);
    }
    Ok(())
}

/// The answer of what comes after.
pub(super) async fn caught(request: Request, next: Next) -> Result<Response, Panicked> {
    let answered = AssertUnwindSafe(next.run(request)).catch_unwind();
    answered.await.map_err(|_| Panicked)
}

/// The whole body. One that says beforehand that it is too large is not waited for.
pub(super) async fn whole(body: Body, max: usize) -> Result<Bytes, Unfit> {
    if body.size_hint().lower() > max as u64 {
        return Err(Unfit::LargeBody(max));
    }
    let read = Limited::new(body, max).collect().await;
    read.map(http_body_util::Collected::to_bytes)
        .map_err(|error| unread(error.as_ref(), max))
}

fn unread(error: &(dyn Error + 'static), max: usize) -> Unfit {
    let causes = || std::iter::successors(Some(error), |&error| error.source());
    let is_late = |error: &(dyn Error + 'static)| {
        let error = error.downcast_ref::<io::Error>();
        error.is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
    };
    if causes().any(|error| error.is::<LengthLimitError>()) {
        return Unfit::LargeBody(max);
    }
    if causes().any(is_late) {
        return Unfit::LateBody;
    }
    Unfit::BrokenBody
}

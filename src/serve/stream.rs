//! The bytes of a connection on their way between the socket and hyper: what they tell of the client's progress is noted,
//! a client that takes nothing is given up, and hyper's own bare refusals are kept back.

use super::connection::Progress;
use bytes::Bytes;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

pub(super) struct Watched<S> {
    stream: S,
    /// What was read already: to see that there is something, or with the request before.
    first: Bytes,
    stall: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
    progress: Arc<Progress>,
    /// The status hyper refused with before any request was handed over.
    refused: Option<u16>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Watched<S> {
    pub(super) fn new(stream: S, stall: Duration, progress: Arc<Progress>) -> Self {
        Self {
            stream,
            first: Bytes::new(),
            stall,
            stalled: None,
            progress,
            refused: None,
        }
    }

    /// Waits for the client to say anything: until then no buffers are needed. `false` if it closed.
    pub(super) async fn begins(&mut self) -> io::Result<bool> {
        if self.first.is_empty() {
            let mut byte = [0];
            let read = self.stream.read(&mut byte).await?;
            self.first = Bytes::copy_from_slice(&byte[..read]);
        }
        let begins = !self.first.is_empty();
        if begins {
            self.progress.reading();
        }
        Ok(begins)
    }

    /// Takes back what was read and not used.
    pub(super) fn give_back(&mut self, bytes: &[u8]) {
        // Copied, because it is a part of the buffer that is to be given up.
        self.first = Bytes::copy_from_slice(bytes);
    }

    /// The status hyper refused with. Right after a request nobody can tell its refusals from the end of an answer, and
    /// they go out as they are.
    pub(super) fn refused(&self) -> Option<u16> {
        self.refused
    }

    pub(super) fn get(&self) -> &S {
        &self.stream
    }

    pub(super) fn into_stream(self) -> S {
        self.stream
    }

    /// Keeps back what hyper writes without having handed over a request.
    fn keep_back(&mut self, bytes: &[u8]) -> bool {
        if self.progress.has_served() {
            return false;
        }
        if self.refused.is_none() {
            let digits = bytes
                .get(9..12)
                .and_then(|digits| std::str::from_utf8(digits).ok());
            self.refused = digits.and_then(|digits| digits.parse().ok()).or(Some(400));
        }
        true
    }

    fn in_time<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        self.progress.blocked(written.is_pending());
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let stall = self.stall;
        let timer = self
            .stalled
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(stall)));
        timer
            .as_mut()
            .poll(context)
            .map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.first.is_empty() {
            let length = self.first.len().min(buffer.remaining());
            buffer.put_slice(&self.first.split_to(length));
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.progress.reading();
        }
        read
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.keep_back(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.in_time(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Some(first) = slices.first()
            && self.keep_back(first)
        {
            return Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()));
        }
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.in_time(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Sockets have nothing to flush; whether bytes leave is seen where they are written.
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

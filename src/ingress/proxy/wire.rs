//! A body on its way: from whoever sends it, piece by piece, to whoever gets it. HTTP/1 on both sides is here; HTTP/2
//! has its own two ends.

use super::body::{BadBody, Decoder, Framing, Step, passable_trailers};
use super::buffer::{Buffer, SMALL, Spares};
use super::clock::Patience;
use super::forward::line;
use std::future::poll_fn;
use std::io::{self, IoSlice, Write as _};
use std::task::{Context, Poll, ready};
use tokio::io::Interest;
use tokio::net::TcpStream;

/// A piece of a body.
#[derive(Debug)]
pub(super) enum Piece<'a> {
    Data(&'a [u8]),
    /// Lines of fields; nothing follows them.
    Trailers(&'a [u8]),
    End,
}

/// Why a body comes no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    Bad(BadBody),
    TooLarge,
    /// The connection broke.
    Lost,
}

impl From<BadBody> for Trouble {
    fn from(bad: BadBody) -> Self {
        Self::Bad(bad)
    }
}

/// Where a body comes from.
pub(super) trait Source {
    /// The next piece of what is here already; none: wait for more.
    fn next(&mut self) -> Result<Option<Piece<'_>>, Trouble>;
    /// Waits for more.
    async fn fill(&mut self) -> Result<(), Trouble>;
    /// Whether all of it was taken.
    fn is_over(&self) -> bool;
    /// How much of it came.
    fn received(&self) -> u64;
    /// Ready when whoever sends it is gone; asked while nothing of the body is waited for.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}

/// Where a body goes.
pub(super) trait Sink {
    async fn push(&mut self, data: &[u8]) -> io::Result<()>;
    async fn trailers(&mut self, lines: &[u8]) -> io::Result<()>;
    async fn flush(&mut self) -> io::Result<()>;
    /// The body is whole.
    async fn finish(&mut self) -> io::Result<()>;
}

/// Why a body did not arrive whole.
#[derive(Debug)]
pub(super) enum Cut {
    Source(Trouble),
    Sink,
}

/// Moves a body. What is here goes out before more is waited for.
pub(super) async fn pump(source: &mut impl Source, sink: &mut impl Sink) -> Result<(), Cut> {
    loop {
        match source.next().map_err(Cut::Source)? {
            Some(Piece::Data(data)) => sink.push(data).await.map_err(|_| Cut::Sink)?,
            Some(Piece::Trailers(lines)) => sink.trailers(lines).await.map_err(|_| Cut::Sink)?,
            Some(Piece::End) => return sink.finish().await.map_err(|_| Cut::Sink),
            None => {
                sink.flush().await.map_err(|_| Cut::Sink)?;
                source.fill().await.map_err(Cut::Source)?;
            }
        }
    }
}

/// A body as it comes over HTTP/1.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    pub stream: &'a TcpStream,
    pub buffer: &'a mut Buffer,
    pub decoder: Decoder,
    pub patience: Patience<'a>,
    pub spares: &'a Spares,
    /// More than this is refused.
    pub most: Option<u64>,
    received: u64,
    /// Shown to the caller, and taken when it asks for more.
    shown: usize,
}

impl<'a> Reader<'a> {
    pub fn new(
        stream: &'a TcpStream,
        buffer: &'a mut Buffer,
        framing: Framing,
        patience: Patience<'a>,
        spares: &'a Spares,
    ) -> Self {
        Self {
            stream,
            buffer,
            decoder: Decoder::new(framing),
            patience,
            spares,
            most: None,
            received: 0,
            shown: 0,
        }
    }
}

/// Reads what there is into the buffer's room. Ready with 0 at the end, or when there is no room.
pub(super) fn poll_read(
    stream: &TcpStream,
    buffer: &mut Buffer,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    loop {
        ready!(stream.poll_read_ready(cx))?;
        let room = buffer.room();
        let space = room.len();
        match stream.try_read(room) {
            Ok(count) => {
                if (1..space).contains(&count) {
                    // The kernel has no more, and says so when it has: asking it would be one call more for each read.
                    let _ = stream.try_io(Interest::READABLE, || {
                        Err::<(), _>(io::ErrorKind::WouldBlock.into())
                    });
                }
                buffer.came(count);
                return Poll::Ready(Ok(count));
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Poll::Ready(Err(error)),
        }
    }
}

impl Source for Reader<'_> {
    fn next(&mut self) -> Result<Option<Piece<'_>>, Trouble> {
        self.buffer.take(std::mem::take(&mut self.shown));
        match self.decoder.step(self.buffer.filled())? {
            Step::Data { skip, length } => {
                self.received += length as u64;
                if self.most.is_some_and(|most| self.received > most) {
                    return Err(Trouble::TooLarge);
                }
                self.shown = skip + length;
                Ok(Some(Piece::Data(
                    &self.buffer.filled()[skip..skip + length],
                )))
            }
            Step::Trailers {
                skip,
                length,
                after,
            } => {
                self.shown = skip + after;
                Ok(Some(Piece::Trailers(
                    &self.buffer.filled()[skip..skip + length],
                )))
            }
            Step::Over { skip } => {
                self.buffer.take(skip);
                Ok(Some(Piece::End))
            }
            Step::More { skip } => {
                self.buffer.take(skip);
                Ok(None)
            }
        }
    }

    async fn fill(&mut self) -> Result<(), Trouble> {
        self.spares.provide(self.buffer);
        if self.buffer.is_empty() && self.decoder.ahead() > SMALL as u64 {
            self.spares.enlarge(self.buffer);
        }
        if self.buffer.is_full() {
            // Framing is never so long.
            return Err(Trouble::Bad(BadBody::TrailersTooLarge));
        }
        let count =
            poll_fn(|cx| self.patience.watch(poll_read(self.stream, self.buffer, cx))).await;
        match count {
            Ok(0) => Ok(self.decoder.closed()?),
            Ok(_) => Ok(()),
            Err(_) => Err(Trouble::Lost),
        }
    }

    fn is_over(&self) -> bool {
        self.decoder.is_over()
    }

    fn received(&self) -> u64 {
        self.received
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.spares.provide(self.buffer);
        loop {
            if self.buffer.is_full() {
                // A next request, or a body: it is there, and what comes behind it is not looked at.
                return Poll::Pending;
            }
            match ready!(poll_read(self.stream, self.buffer, cx)) {
                Ok(0) | Err(_) => return Poll::Ready(()),
                Ok(_) => {}
            }
        }
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        self.buffer.take(std::mem::take(&mut self.shown));
    }
}

/// Up to here a piece is copied behind what is to be written anyway, instead of being written on its own.
const COPIED: usize = 8 * 1024;

/// A body, and the head before it, as it goes out over HTTP/1.
#[derive(Debug)]
pub(super) struct Writer<'a> {
    pub stream: &'a TcpStream,
    pub patience: Patience<'a>,
    /// What goes out next.
    pub out: Vec<u8>,
    pub framing: Framing,
    pub sent: u64,
    /// Whether anything was handed to the kernel.
    pub has_written: bool,
}

impl<'a> Writer<'a> {
    pub fn new(
        stream: &'a TcpStream,
        patience: Patience<'a>,
        out: Vec<u8>,
        framing: Framing,
    ) -> Self {
        Self {
            stream,
            patience,
            out,
            framing,
            sent: 0,
            has_written: false,
        }
    }

    /// Writes what is to go out and the data behind it.
    async fn write(&mut self, data: &[u8]) -> io::Result<()> {
        let total = self.out.len() + data.len();
        let mut done = 0;
        let result = poll_fn(|cx| {
            while done < total {
                let first = &self.out[done.min(self.out.len())..];
                let second = &data[done.saturating_sub(self.out.len())..];
                let wrote = if first.is_empty() {
                    self.stream.try_write(second)
                } else if second.is_empty() {
                    self.stream.try_write(first)
                } else {
                    self.stream
                        .try_write_vectored(&[IoSlice::new(first), IoSlice::new(second)])
                };
                match wrote {
                    Ok(count) => {
                        done += count;
                        self.has_written = true;
                        self.patience.end();
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        ready!(self.patience.watch(self.stream.poll_write_ready(cx)))?;
                    }
                    Err(error) => return Poll::Ready(Err(error)),
                }
            }
            Poll::Ready(Ok(()))
        })
        .await;
        self.out.clear();
        result
    }
}

impl Sink for Writer<'_> {
    async fn push(&mut self, data: &[u8]) -> io::Result<()> {
        let chunked = match self.framing {
            Framing::Chunked => {
                // Writing to a list of bytes cannot fail.
                let _ = write!(self.out, "{:x}\r\n", data.len());
                true
            }
            Framing::None | Framing::Length(_) | Framing::UntilClosed => false,
        };
        self.sent += data.len() as u64;
        if self.out.len() + data.len() <= COPIED {
            self.out.extend_from_slice(data);
        } else {
            self.write(data).await?;
        }
        if chunked {
            self.out.extend_from_slice(b"\r\n");
        }
        Ok(())
    }

    async fn trailers(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.framing == Framing::Chunked {
            self.out.extend_from_slice(b"0\r\n");
            passable_trailers(lines, |name, value| {
                line(&mut self.out, name.as_bytes(), value);
            });
            self.out.extend_from_slice(b"\r\n");
            // What ends the body has been said.
            self.framing = Framing::None;
        }
        Ok(())
    }

    async fn flush(&mut self) -> io::Result<()> {
        if self.out.is_empty() {
            return Ok(());
        }
        self.write(&[]).await
    }

    async fn finish(&mut self) -> io::Result<()> {
        if self.framing == Framing::Chunked {
            self.out.extend_from_slice(b"0\r\n\r\n");
        }
        self.flush().await
    }
}

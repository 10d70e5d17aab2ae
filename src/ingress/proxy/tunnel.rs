//! Bytes both ways after an upgrade, until both ends have said that they are done. A tunnel has no idle limit: a quiet
//! WebSocket is a healthy one. A peer that is gone without a word is found by TCP's own keep-alive.

use super::buffer::{Buffer, Spares};
use super::link::watch_over;
use super::wire::poll_read;
use nix::sys::socket::{Shutdown, shutdown};
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io;
use std::os::fd::AsRawFd as _;
use std::pin::pin;
use std::task::{Poll, ready};
use tokio::net::TcpStream;

/// Bytes that went through.
#[derive(Debug, Default)]
pub(super) struct Moved {
    pub to_app: Cell<u64>,
    pub to_client: Cell<u64>,
}

/// Moves bytes until both directions are over or one broke.
pub(super) async fn tunnel(
    client: (&TcpStream, &mut Buffer),
    app: (&TcpStream, &mut Buffer),
    spares: &Spares,
    moved: &Moved,
) {
    watch_over(client.0);
    watch_over(app.0);
    let mut there = pin!(copy(client.0, client.1, app.0, spares, &moved.to_app));
    let mut back = pin!(copy(app.0, app.1, client.0, spares, &moved.to_client));
    let (mut there_ended, mut back_ended) = (false, false);
    poll_fn(|cx| {
        if !there_ended && let Poll::Ready(result) = there.as_mut().poll(cx) {
            there_ended = true;
            if result.is_err() {
                return Poll::Ready(());
            }
        }
        if !back_ended && let Poll::Ready(result) = back.as_mut().poll(cx) {
            back_ended = true;
            if result.is_err() {
                return Poll::Ready(());
            }
        }
        if there_ended && back_ended {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

async fn copy(
    from: &TcpStream,
    buffer: &mut Buffer,
    to: &TcpStream,
    spares: &Spares,
    moved: &Cell<u64>,
) -> io::Result<()> {
    loop {
        while !buffer.is_empty() {
            let count = poll_fn(|cx| {
                loop {
                    match to.try_write(buffer.filled()) {
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                            ready!(to.poll_write_ready(cx))?;
                        }
                        written => return Poll::Ready(written),
                    }
                }
            })
            .await?;
            moved.set(moved.get() + count as u64);
            buffer.take(count);
        }
        // A quiet tunnel holds no memory.
        spares.keep_empty(buffer);
        poll_fn(|cx| from.poll_read_ready(cx)).await?;
        spares.provide(buffer);
        if poll_fn(|cx| poll_read(from, buffer, cx)).await? == 0 {
            // The other direction may go on.
            return shutdown(to.as_raw_fd(), Shutdown::Write).map_err(io::Error::from);
        }
    }
}

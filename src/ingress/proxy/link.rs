//! A worker's connections to apps: made, kept for the next request, looked at before they are used again.

use super::buffer::Buffer;
use super::clock::now;
use crate::ingress::figures::{Figures, Open};
use nix::sys::socket::{setsockopt, sockopt};
use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, timeout};

/// So many are kept for each address by each worker: as many as were in use at once in a busy moment; who comes beside
/// them gets a new one. An idle connection costs the app more than us.
const KEPT: usize = 128;
/// Kept no longer than this: apps close theirs after 5 s (Node) to 75 s, and what nobody used for so long will not be
/// missed.
const KEPT_FOR: Duration = Duration::from_secs(30);
/// A request that must not be sent twice gets only a connection used so lately that no app has just closed it.
const SURE_FOR: Duration = Duration::from_secs(1);
/// A container is one hop away: what does not connect by then is not listening yet.
const CONNECT_LIMIT: Duration = Duration::from_millis(200);

/// A connection to an app.
#[derive(Debug)]
pub(super) struct Link {
    pub stream: TcpStream,
    pub buffer: Buffer,
    /// Whether an earlier request was answered on it.
    pub reused: bool,
    open: Open,
}

#[derive(Debug)]
struct Kept {
    stream: TcpStream,
    since: Instant,
    open: Open,
    /// Counts it as idle.
    _idle: Open,
}

/// The connections that wait for a next request, the one used last at the end of each list.
#[derive(Debug)]
pub(super) struct Pool {
    kept: RefCell<HashMap<SocketAddr, Vec<Kept>>>,
    figures: Arc<Figures>,
}

impl Pool {
    pub fn new(figures: Arc<Figures>) -> Self {
        Self {
            kept: RefCell::default(),
            figures,
        }
    }

    /// One that is open as far as one can see.
    pub fn take(&self, address: SocketAddr, repeatable: bool) -> Option<Link> {
        let mut kept = self.kept.borrow_mut();
        let list = kept.get_mut(&address)?;
        let longest = if repeatable { KEPT_FOR } else { SURE_FOR };
        while let Some(last) = list.pop() {
            if now().saturating_duration_since(last.since) > longest {
                // Those before it are older.
                list.push(last);
                return None;
            }
            if is_quiet(&last.stream) {
                return Some(Link {
                    stream: last.stream,
                    buffer: Buffer::default(),
                    reused: true,
                    open: last.open,
                });
            }
        }
        None
    }

    /// Keeps it for the next; nothing may be under way on it.
    pub fn keep(&self, address: SocketAddr, link: Link) {
        let mut kept = self.kept.borrow_mut();
        let list = kept.entry(address).or_default();
        if list.len() < KEPT {
            list.push(Kept {
                stream: link.stream,
                since: now(),
                open: link.open,
                _idle: Open::idle(&self.figures),
            });
        }
    }

    /// Closes those that were kept long enough and those that the app closed.
    pub fn tidy(&self) {
        let now = now();
        let mut kept = self.kept.borrow_mut();
        kept.retain(|_, list| {
            list.retain(|one| {
                now.saturating_duration_since(one.since) <= KEPT_FOR && is_quiet(&one.stream)
            });
            !list.is_empty()
        });
    }

    /// Closes those to addresses that no route leads to.
    pub fn leave(&self, leads_to: impl Fn(SocketAddr) -> bool) {
        self.kept
            .borrow_mut()
            .retain(|address, _| leads_to(*address));
    }

    /// Connects. A container is dialled as a neighbour only: while its bridge does not exist, a plain connect would
    /// leave by the default route and could reach a stranger.
    pub async fn dial(&self, address: SocketAddr, is_neighbour: bool) -> io::Result<Link> {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        if is_neighbour {
            setsockopt(&socket, sockopt::DontRoute, &true)?;
        }
        socket.set_nodelay(true)?;
        let stream = timeout(CONNECT_LIMIT, socket.connect(address)).await??;
        Ok(Link {
            stream,
            buffer: Buffer::default(),
            reused: false,
            open: Open::upstream(&self.figures),
        })
    }
}

/// Nothing came on it, not even its end. An app that says something unasked is not understood later, either.
fn is_quiet(stream: &TcpStream) -> bool {
    matches!(stream.try_read(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

/// How often [`Pool::tidy`] is worth its while.
pub(super) const TIDY_EVERY: Duration = Duration::from_secs(5);

/// For the time it takes the kernel to see a peer that is gone without a word.
pub(super) fn watch_over(stream: &TcpStream) {
    // Where it cannot be set, a tunnel to nowhere lives longer.
    let _ = setsockopt(stream, sockopt::KeepAlive, &true)
        .and_then(|()| setsockopt(stream, sockopt::TcpKeepIdle, &60))
        .and_then(|()| setsockopt(stream, sockopt::TcpKeepInterval, &15))
        .and_then(|()| setsockopt(stream, sockopt::TcpKeepCount, &4));
}

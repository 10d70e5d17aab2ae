//! How requests come in: listening sockets, connections and HTTP/1.1 over them, and the limits in time, size and number
//! that keep one client from taking the daemon away from the others. What a request means is the router's business.
//!
//! ```text
//!  accepted ─▶ Waiting ──first byte──▶ Head ──request──▶ Busy ──answer's end──▶ Waiting ─▶ …
//!                │ idle limit, evicted   │ head limit      │ body limit, write stall
//!                ▼                       ▼                 ▼
//!              closed                   408            408, closed
//! ```

mod body;
mod connection;
mod stream;
mod table;

use crate::api::Peer;
use axum::Router;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use table::Table;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Sleep;

/// How long and how much, how many. Tests use smaller ones.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// From the first byte of a request to the end of its headers.
    pub head: Duration,
    /// From the first wait for a request's body to its end.
    pub body: Duration,
    /// Between requests, and before the first.
    pub idle: Duration,
    /// How long after a request a connection keeps its buffers for the next.
    pub rest: Duration,
    /// Without the client taking a single byte of an answer.
    pub stall: Duration,
    /// How long what a client still sends is thrown away, so that it can read why nobody wants it.
    pub linger: Duration,
    /// The bytes of a request's head that hyper holds in memory.
    pub buffer: usize,
    /// Connections at once, over all sockets.
    pub connections: usize,
}

/// A head is one packet or a few; who needs longer is not on the way here.
const HEAD: Duration = Duration::from_secs(10);
/// The largest body is 1 MiB: 17 KiB a second, which every connection has that could deploy anything.
const BODY: Duration = Duration::from_secs(60);
/// Longer than the 50 s that usual clients and proxies keep a connection they may use again.
const IDLE: Duration = Duration::from_secs(75);
/// The requests of one command follow each other faster.
const REST: Duration = Duration::from_secs(1);
/// A log's reader may be a person's pager that stands still; it then goes on where it was by asking again.
const STALL: Duration = Duration::from_secs(60);
const LINGER: Duration = Duration::from_secs(5);
/// Twice what a head may be for the routes, so that too large a head is usually refused in the shape of its path.
const BUFFER: usize = 64 * 1024;
/// Ten thousand runners that keep a connection each, and room. One that waits costs about 2 KiB, one that asked a moment
/// ago about 18 KiB.
const CONNECTIONS: usize = 16_384;
/// Files that are not connections: the database, logs, git, Docker.
const OTHER_FILES: u64 = 1024;
/// Clients beyond the limit that are told so at once; further ones are closed without a word.
const TURNED_AWAY_AT_ONCE: usize = 64;
/// How long is waited when no connection can be accepted: files may be closed meanwhile.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Without a failure for so long, the next one is told again.
const QUIET: Duration = Duration::from_secs(10);

impl Limits {
    /// The daemon's, on a system that lets a process have this many files open.
    #[must_use]
    pub fn with_open_files(files: u64) -> Self {
        let room = files.saturating_sub(OTHER_FILES).max(files / 2);
        Self {
            head: HEAD,
            body: BODY,
            idle: IDLE,
            rest: REST,
            stall: STALL,
            linger: LINGER,
            buffer: BUFFER,
            connections: usize::try_from(room).map_or(CONNECTIONS, |room| room.min(CONNECTIONS)),
        }
    }
}

/// A listening socket.
#[derive(Debug)]
pub enum Socket {
    /// For the users of this host.
    Unix(UnixListener),
    /// For everybody who has a token.
    Tcp(TcpListener),
}

enum Accepted {
    Unix(UnixStream),
    Tcp(TcpStream, Peer),
}

impl Socket {
    async fn accept(&self) -> io::Result<Accepted> {
        match self {
            Self::Unix(listener) => Ok(Accepted::Unix(listener.accept().await?.0)),
            Self::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                // An answer is written whole; waiting for more to send with it would only delay it.
                stream.set_nodelay(true)?;
                Ok(Accepted::Tcp(
                    stream,
                    Peer::Remote(address.ip().to_canonical()),
                ))
            }
        }
    }
}

/// What every connection is served with.
#[derive(Clone)]
pub(crate) struct Serving {
    pub(crate) router: Router,
    pub(crate) limits: Limits,
    pub(crate) table: Arc<Table>,
    pub(crate) stopped: watch::Receiver<bool>,
}

/// Accepts and answers until `stopped` is true, then lets the requests under way end. Dropping it cuts them off.
pub async fn serve(
    sockets: Vec<Socket>,
    router: Router,
    limits: Limits,
    stopped: watch::Receiver<bool>,
) {
    let serving = Serving {
        router,
        limits,
        table: Arc::new(Table::new(limits.connections)),
        stopped,
    };
    let mut accepting = JoinSet::new();
    for socket in sockets {
        accepting.spawn(accept_all(socket, serving.clone()));
    }
    while accepting.join_next().await.is_some() {}
}

async fn accept_all(socket: Socket, serving: Serving) {
    let mut stopped = serving.stopped.clone();
    let mut connections = JoinSet::new();
    let too_many = Arc::new(Semaphore::new(TURNED_AWAY_AT_ONCE));
    let mut trouble = None;
    loop {
        let accepted = tokio::select! {
            biased;
            // A sender that is gone is a reason to stop, too.
            _ = stopped.wait_for(|stopped| *stopped) => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            () = Trouble::over(&mut trouble) => continue,
            accepted = socket.accept() => accepted,
        };
        match accepted {
            Ok(stream) => take_in(stream, &serving, &too_many, &mut connections),
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                serving.table.close_oldest();
                let pause = Trouble::again(&mut trouble, &error);
                tokio::time::sleep(pause).await;
            }
        }
    }
    drop(socket);
    while connections.join_next().await.is_some() {}
}

/// No connection could be accepted, not long ago.
struct Trouble {
    pause: Duration,
    quiet: Pin<Box<Sleep>>,
}

impl Trouble {
    /// Notes one more failure, tells of the first, and returns how long to wait.
    fn again(trouble: &mut Option<Self>, error: &io::Error) -> Duration {
        let pause = match trouble {
            Some(before) => (before.pause * 2).min(LONGEST_PAUSE),
            None => {
                tracing::error!(%error, "no connection can be accepted; the oldest idle ones are closed until one can");
                FIRST_PAUSE
            }
        };
        let quiet = Box::pin(tokio::time::sleep(QUIET));
        *trouble = Some(Self { pause, quiet });
        pause
    }

    /// Returns when there has been none for a while, which it tells.
    async fn over(trouble: &mut Option<Self>) {
        match trouble {
            Some(Self { quiet, .. }) => quiet.await,
            None => std::future::pending().await,
        }
        *trouble = None;
        tracing::info!("connections are accepted again");
    }
}

fn take_in(
    stream: Accepted,
    serving: &Serving,
    too_many: &Arc<Semaphore>,
    connections: &mut JoinSet<()>,
) {
    match (serving.table.enter(), stream) {
        (Some(place), Accepted::Unix(stream)) => {
            let peer = |stream: &UnixStream| Peer::of_local(stream);
            connections.spawn(connection::serve(stream, peer, serving.clone(), place));
        }
        (Some(place), Accepted::Tcp(stream, peer)) => {
            let peer = |_: &TcpStream| peer;
            connections.spawn(connection::serve(stream, peer, serving.clone(), place));
        }
        (None, stream) => {
            let Ok(permit) = Arc::clone(too_many).try_acquire_owned() else {
                return;
            };
            connections.spawn(async move {
                match stream {
                    Accepted::Unix(stream) => turn_away(stream).await,
                    Accepted::Tcp(stream, _) => turn_away(stream).await,
                }
                drop(permit);
            });
        }
    }
}

/// Every connection there may be has a request under way.
async fn turn_away<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(mut stream: S) {
    let answer = connection::refusal(
        503,
        "unavailable",
        "Too many requests are under way; ask again",
        "Retry-After: 1\r\n",
    );
    let told = async {
        stream.write_all(answer.as_bytes()).await?;
        connection::linger(&mut stream).await
    };
    // Whether it was heard is the client's business.
    let _ = tokio::time::timeout(FIRST_PAUSE, told).await;
}

/// The client hung up before it was accepted: nothing is the matter with the socket.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::NotConnected
            | io::ErrorKind::Interrupted
    )
}

//! The data path itself: takes connections and spreads them over one thread for each processor, where each is served by
//! a task of its own from its first byte to its last.
//!
//! HTTP/1.1 is spoken here on hyper's parser (httparse), HTTP/2 by hyper's h2. Between them hyper's own connection would
//! be in the way of what a proxy must do with a message: see "The proxy" in docs/decisions.md.

mod answer;
mod body;
mod buffer;
mod clock;
mod exchange;
mod forward;
mod http1;
mod http2;
mod link;
mod log;
mod page;
mod request;
mod tunnel;
mod wire;
mod worker;

pub(super) use page::CODES;

use super::figures::{Figures, Open};
use super::routes::{Finder, Routes};
use crate::core::ingress::IngressSettings;
use crate::core::ports::Random;
use log::{Log, Outlet};
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{LocalSet, spawn_local};
use worker::Worker;

/// A pause after an accept that failed for want of something that only time brings, file descriptors mostly.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// At a stop, an upgraded connection has this long to come to its end beside the requests under way. It has none of its
/// own, so it breaks in any case; new connections wait meanwhile.
const TUNNELS_LAST: Duration = Duration::from_secs(1);
/// How often it is looked whether a process that ends still has something under way.
const LOOK: Duration = Duration::from_millis(5);

/// Serves at these sockets until it is told to stop, then ends what is under way within the shutdown timeout. The access
/// log goes to standard output.
///
/// # Errors
/// When no thread can be started, or a socket cannot be used.
pub async fn serve(
    listeners: Vec<TcpListener>,
    routes: Arc<Routes>,
    settings: &IngressSettings,
    random: Random,
    stopped: watch::Receiver<bool>,
) -> io::Result<()> {
    serve_logging_to(
        Box::new(io::stdout()),
        listeners,
        routes,
        settings,
        random,
        stopped,
    )
    .await
}

/// As [`serve`], with the access log to somewhere else.
///
/// # Errors
/// As [`serve`].
pub async fn serve_logging_to(
    log: Box<dyn Write + Send>,
    listeners: Vec<TcpListener>,
    routes: Arc<Routes>,
    settings: &IngressSettings,
    random: Random,
    stopped: watch::Receiver<bool>,
) -> io::Result<()> {
    let (outlet, writer) = log::start(log, Arc::clone(&routes.figures().log_dropped))?;
    let most = settings.limits.connections.max(1);
    let count = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(most);
    let crew = Arc::new(Crew::new(count, most));
    let mut threads = Vec::new();
    let mut ended = Vec::new();
    let mut mailboxes = Vec::new();
    let (senders, receivers): (Vec<_>, Vec<_>) =
        (0..count).map(|_| mpsc::unbounded_channel()).unzip();
    mailboxes.extend(receivers);
    for (index, mailbox) in mailboxes.into_iter().enumerate() {
        // Each socket is accepted from by one thread, which hands over to the others: no herd wakes for one connection.
        let own = listeners
            .iter()
            .skip(index)
            .step_by(count)
            .map(|listener| {
                listener.set_nonblocking(true)?;
                listener.try_clone()
            })
            .collect::<io::Result<Vec<_>>>()?;
        let start = Start {
            index,
            crew: Arc::clone(&crew),
            senders: senders.clone(),
            mailbox,
            listeners: own,
            routes: Arc::clone(&routes),
            settings: settings.clone(),
            random: Arc::clone(&random),
            outlet: outlet.clone(),
            stopped: stopped.clone(),
        };
        let (tell, told) = oneshot::channel();
        ended.push(told);
        threads.push(
            std::thread::Builder::new()
                .name(format!("proxy-{index}"))
                .spawn(move || {
                    let result = run(start);
                    // Nobody asks when the caller was dropped.
                    let _ = tell.send(result);
                })?,
        );
    }
    drop((outlet, senders, listeners));
    for told in ended {
        told.await
            .unwrap_or_else(|_| Err(io::Error::other("a thread of the proxy panicked")))?;
    }
    // The lines are all with the writer; a standard output that nobody reads must not keep the process.
    let written = tokio::task::spawn_blocking(move || writer.join());
    let _ = tokio::time::timeout(Duration::from_secs(1), written).await;
    Ok(())
}

/// How many connections each worker has and may have.
#[derive(Debug)]
struct Crew {
    loads: Vec<Arc<AtomicUsize>>,
    rooms: Vec<usize>,
}

impl Crew {
    fn new(count: usize, most: usize) -> Self {
        Self {
            loads: (0..count).map(|_| Arc::default()).collect(),
            rooms: (0..count)
                .map(|index| most / count + usize::from(index < most % count))
                .collect(),
        }
    }

    /// Who takes the next connection: the one with the most room, the asking one if it is not worse off.
    fn choose(&self, own: usize) -> usize {
        let room = |index: usize| self.rooms[index].saturating_sub(self.loads[index].load(Relaxed));
        let (mut best, mut most) = (own, room(own));
        for index in 0..self.loads.len() {
            if room(index) > most {
                (best, most) = (index, room(index));
            }
        }
        self.loads[best].fetch_add(1, Relaxed);
        best
    }
}

type Arrived = (TcpStream, SocketAddr);

/// What a worker's thread begins with.
struct Start {
    index: usize,
    crew: Arc<Crew>,
    senders: Vec<mpsc::UnboundedSender<Arrived>>,
    mailbox: mpsc::UnboundedReceiver<Arrived>,
    listeners: Vec<TcpListener>,
    routes: Arc<Routes>,
    settings: IngressSettings,
    random: Random,
    outlet: Outlet,
    stopped: watch::Receiver<bool>,
}

fn run(start: Start) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // Between two looks at the sockets: fewer let one busy connection hold up the others.
        .event_interval(31)
        .build()?;
    let local = LocalSet::new();
    let result = runtime.block_on(local.run_until(work(start)));
    drop(local);
    result
}

async fn work(start: Start) -> io::Result<()> {
    let Start {
        index,
        crew,
        senders,
        mut mailbox,
        listeners,
        routes,
        settings,
        random,
        outlet,
        mut stopped,
    } = start;
    let mut changes = routes.changes();
    let figures = Arc::clone(routes.figures());
    let worker = Rc::new(Worker::new(
        index,
        Finder::new(routes),
        figures,
        Log::new(settings.access_log, outlet),
        settings.limits,
        settings.trusted_proxies,
        random,
        Arc::clone(&crew.loads[index]),
        crew.rooms[index],
    ));
    let mut accepting = Vec::new();
    for listener in listeners {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        accepting.push(spawn_local(accept(
            Rc::clone(&worker),
            listener,
            Arc::clone(&crew),
            senders.clone(),
        )));
    }
    drop(senders);
    let mut tidy = tokio::time::interval(link::TIDY_EVERY);
    loop {
        tokio::select! {
            arrived = mailbox.recv() => match arrived {
                Some((stream, address)) => arrive(&worker, stream, address),
                // No worker accepts any more: there are no listeners.
                None => break,
            },
            _ = changes.changed() => worker.routes_changed(),
            _ = tidy.tick() => worker.pool.tidy(),
            // Whoever could tell us to stop is gone: that is an end, too.
            _ = stopped.wait_for(|stopped| *stopped) => break,
        }
    }
    // Also without listeners it is there until it is told to stop.
    let _ = stopped.wait_for(|stopped| *stopped).await;
    for task in accepting {
        task.abort();
    }
    mailbox.close();
    while let Some((stream, address)) = mailbox.recv().await {
        arrive(&worker, stream, address);
    }
    worker.stop();
    let ended = async {
        let requests_end = async {
            while worker.requesting() > 0 {
                tokio::time::sleep(LOOK).await;
            }
        };
        let tunnels_end = tokio::time::timeout(TUNNELS_LAST, async {
            while worker.connections() > 0 {
                tokio::time::sleep(LOOK).await;
            }
        });
        // A tunnel may begin as the answer to one of the last requests: it has no second more.
        let _ = tokio::join!(requests_end, tunnels_end);
    };
    if tokio::time::timeout(worker.limits.shutdown_timeout, ended)
        .await
        .is_err()
    {
        tracing::warn!(
            connections = worker.requesting(),
            "connections were cut off: their requests did not end in time"
        );
    }
    worker.log.hand_over();
    Ok(())
}

/// Takes connections from a socket and gives each to the worker with the most room.
async fn accept(
    worker: Rc<Worker>,
    listener: tokio::net::TcpListener,
    crew: Arc<Crew>,
    senders: Vec<mpsc::UnboundedSender<Arrived>>,
) {
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                let chosen = crew.choose(worker.index);
                if chosen == worker.index {
                    attend(&worker, stream, address);
                    continue;
                }
                let Ok(stream) = stream.into_std() else {
                    crew.loads[chosen].fetch_sub(1, Relaxed);
                    continue;
                };
                if let Err(back) = senders[chosen].send((stream, address)) {
                    // That one stopped a moment before this one, which serves it in its place.
                    crew.loads[chosen].fetch_sub(1, Relaxed);
                    crew.loads[worker.index].fetch_add(1, Relaxed);
                    let (stream, address) = back.0;
                    arrive(&worker, stream, address);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Takes over a connection that another worker accepted.
fn arrive(worker: &Rc<Worker>, stream: TcpStream, address: SocketAddr) {
    match tokio::net::TcpStream::from_std(stream) {
        Ok(stream) => attend(worker, stream, address),
        Err(error) => {
            worker.load.fetch_sub(1, Relaxed);
            tracing::warn!(%error, "a connection could not be taken over");
        }
    }
}

/// Serves a connection, if there is a seat for it.
fn attend(worker: &Rc<Worker>, stream: tokio::net::TcpStream, address: SocketAddr) {
    // Where it cannot be set, small answers are a little later.
    let _ = stream.set_nodelay(true);
    let Some((number, seat)) = worker.seat() else {
        worker.load.fetch_sub(1, Relaxed);
        worker.figures.strangers.failed(page::Fault::Full.index());
        turn_away(&stream);
        return;
    };
    let worker = Rc::clone(worker);
    spawn_local(async move {
        let _left = Seated {
            worker: Rc::clone(&worker),
            number,
            _open: Open::client(&worker.figures),
        };
        http1::serve(worker, seat, stream, address).await;
    });
}

/// Leaves the seat when the connection's task ends, however it does.
struct Seated {
    worker: Rc<Worker>,
    number: u64,
    _open: Open,
}

impl Drop for Seated {
    fn drop(&mut self) {
        self.worker.leave_seat(self.number);
    }
}

/// Every seat is taken by a request under way. The client is told as far as that costs nothing.
fn turn_away(stream: &tokio::net::TcpStream) {
    let fault = page::Fault::Full;
    let page = page::page(fault, page::Taste::Text, "-");
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\
         X-Longshore-Error: {}\r\nRetry-After: 2\r\nConnection: close\r\n\r\n{page}",
        page.len(),
        fault.code()
    );
    // A new connection's first write is never held up; a client that is gone needs no answer.
    let _ = nix::sys::socket::send(
        std::os::fd::AsRawFd::as_raw_fd(stream),
        answer.as_bytes(),
        nix::sys::socket::MsgFlags::MSG_NOSIGNAL,
    );
}

/// What is counted, for who asks by HTTP.
#[must_use]
pub fn figures(routes: &Routes) -> String {
    let figures: &Arc<Figures> = routes.figures();
    figures.encode()
}

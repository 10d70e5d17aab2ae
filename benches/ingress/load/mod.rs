//! Load at a fixed rate, and what became of it. Requests are sent when they are due, whatever became of those before: a
//! server that stands still is asked on, and every answer's time counts from when its request was due. Nothing is asked
//! twice.

mod client;
mod plain;
mod report;
mod sockets;

pub(crate) use report::Report;

use report::{Kind, Outcome};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use tokio_util::task::TaskTracker;

/// So many requests are remembered at most; a run that would need more is refused.
const MOST: u64 = 5_000_000;

#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Options {
    /// The ingress: an address of the loopback device, nothing else is ever asked
    #[arg(long)]
    pub(crate) target: SocketAddr,
    /// The hosts that are asked for, in turn
    #[arg(long, value_delimiter = ',', required = true)]
    pub(crate) host: Vec<String>,
    /// Small requests a second, every second one on a connection of its own, the others on kept ones
    #[arg(long, default_value_t = 100)]
    pub(crate) rate: u32,
    /// Ends by itself after so many seconds
    #[arg(long, default_value_t = 30)]
    pub(crate) seconds: u32,
    /// Kept connections
    #[arg(long, default_value_t = 8)]
    pub(crate) connections: usize,
    /// Uploads a second, each over about a second
    #[arg(long, default_value_t = 2)]
    pub(crate) uploads: u32,
    /// Answers a second that come in pieces over about a second
    #[arg(long, default_value_t = 2)]
    pub(crate) slow: u32,
    /// WebSockets that are opened again whenever they end, with four messages a second each
    #[arg(long, default_value_t = 4)]
    pub(crate) sockets: u32,
    /// WebSockets opened a second that exchange some messages within a second and end by themselves
    #[arg(long, default_value_t = 1)]
    pub(crate) short_sockets: u32,
    /// An answer that takes longer than so many seconds is a failure
    #[arg(long, default_value_t = 10)]
    pub(crate) patience: u32,
    /// Where the report is written as JSON, else to standard output
    #[arg(long)]
    pub(crate) output: Option<PathBuf>,
}

#[expect(clippy::disallowed_methods, reason = "a bench looks at the real clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// What everything that asks shares.
struct Load {
    target: SocketAddr,
    hosts: Vec<String>,
    patience: Duration,
    outcomes: mpsc::UnboundedSender<Outcome>,
    /// Kept connections that the server ended between two requests, as it may.
    reopened: AtomicU64,
    pool: client::Pool,
    stopped: watch::Receiver<bool>,
    tasks: TaskTracker,
}

impl Load {
    fn host(&self, number: u64) -> &str {
        &self.hosts[usize::try_from(number).unwrap() % self.hosts.len()]
    }

    /// Waits for the moment; false if the load was stopped before it came.
    async fn until(&self, moment: Instant) -> bool {
        let mut stopped = self.stopped.clone();
        tokio::select! {
            biased;
            _ = stopped.wait_for(|stopped| *stopped) => false,
            () = tokio::time::sleep_until(moment.into()) => true,
        }
    }
}

/// Runs until the time is over, SIGTERM or SIGINT, then waits for the answers that are due.
pub(crate) async fn run(options: &Options) -> Report {
    use tokio::signal::unix::{SignalKind, signal};
    let (stop, stopped) = watch::channel(false);
    let mut terminated = signal(SignalKind::terminate()).unwrap();
    let mut interrupted = signal(SignalKind::interrupt()).unwrap();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
        }
        stop.send_replace(true);
        std::future::pending::<()>().await;
    });
    run_until(options, stopped).await
}

/// Runs until the time is over or `stopped` says so, then waits for the answers that are due.
pub(crate) async fn run_until(options: &Options, stopped: watch::Receiver<bool>) -> Report {
    assert!(
        options.target.ip().is_loopback(),
        "{} is not on the loopback device: nothing else is put under load",
        options.target
    );
    let each_second =
        options.rate + options.uploads + options.slow + options.short_sockets + 4 * options.sockets;
    let most = u64::from(options.seconds) * u64::from(each_second);
    assert!(most <= MOST, "{most} requests are more than {MOST}");
    let (outcomes, mut collected) = mpsc::unbounded_channel();
    let load = Arc::new(Load {
        target: options.target,
        hosts: options.host.clone(),
        patience: Duration::from_secs(options.patience.into()),
        outcomes,
        reopened: AtomicU64::new(0),
        pool: client::Pool::default(),
        stopped,
        tasks: TaskTracker::new(),
    });
    plain::fill_pool(&load, options.connections).await;
    let began = now();
    let until = began + Duration::from_secs(options.seconds.into());
    let paced = [
        (Kind::Plain, options.rate),
        (Kind::Upload, options.uploads),
        (Kind::Slow, options.slow),
        (Kind::ShortSocket, options.short_sockets),
    ];
    for (kind, rate) in paced {
        if rate > 0 {
            load.tasks
                .spawn(pace(Arc::clone(&load), kind, rate, began, until));
        }
    }
    for number in 0..options.sockets {
        let socket = sockets::keep_one(Arc::clone(&load), number.into(), began, until);
        load.tasks.spawn(socket);
    }
    load.tasks.close();
    load.tasks.wait().await;
    let ended = now();
    let reopened = load.reopened.load(Ordering::Relaxed);
    drop(load);
    let mut all = Vec::new();
    while let Some(outcome) = collected.recv().await {
        all.push(outcome);
    }
    Report::of(&all, reopened, began, ended)
}

/// Begins one of its kind whenever one is due.
async fn pace(load: Arc<Load>, kind: Kind, rate: u32, began: Instant, until: Instant) {
    let every = Duration::from_secs(1) / rate;
    for number in 0_u64.. {
        let due = began + every * u32::try_from(number).unwrap();
        if due >= until || !load.until(due).await {
            return;
        }
        let one = Arc::clone(&load);
        load.tasks.spawn(async move {
            let outcome = match kind {
                Kind::Plain | Kind::Kept | Kind::Fresh => plain::small(&one, number, due).await,
                Kind::Upload => plain::upload(&one, number, due).await,
                Kind::Slow => plain::slow(&one, number, due).await,
                Kind::ShortSocket | Kind::Socket => sockets::short(&one, number, due).await,
            };
            // The receiver lives as long as the load does.
            let _ = one.outcomes.send(outcome);
        });
    }
}

//! The composition root: opens, wires, serves, drives, and shuts down softly, then hard. Decides nothing.

mod bind;
mod ingress;
mod listen;
mod reread;
mod signals;
mod systemd;

pub use ingress::run as run_ingress;

use crate::api::{self, Api, Proxies};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::core::ports::{Clock as _, Random};
use crate::deploy::{Agent, Ports};
use crate::engine::pool::PoolError;
use crate::engine::{Docker, pool};
use crate::ingress::Client;
use crate::serve::{self, Limits, Socket};
use crate::source::Git;
use crate::store::{OpenWith, Store};
use anyhow::{Context as _, bail};
use axum::Router;
use ingress::Running;
use ipnet::{IpNet, Ipv4Net};
use listenfd::ListenFd;
use signals::Signals;
use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How long requests under way may take to end after a signal; a log that is being followed would take longer.
const SOFT_SHUTDOWN: Duration = Duration::from_secs(3);

/// Writes what the daemon tells of itself to standard error, where systemd's journal takes it.
///
/// # Errors
/// If the filter is not understood.
pub fn start_logging(filter: &str) -> anyhow::Result<()> {
    let filter = tracing_subscriber::EnvFilter::builder().parse(filter)?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .init();
    Ok(())
}

/// What the process was started with.
pub struct Surroundings {
    /// Where systemd puts the unit's credentials.
    pub credentials_directory: Option<PathBuf>,
    /// The environment's variables: git needs the path to its programs and the proxies.
    pub environment: Vec<(OsString, OsString)>,
    /// The sockets that came with the process.
    pub sockets: ListenFd,
}

/// Runs the daemon until it is told to stop.
///
/// # Errors
/// If it cannot begin: a faulty configuration, a data directory in use, an address taken. Says what to do.
pub async fn run(config_file: &Path, around: Surroundings) -> anyhow::Result<()> {
    // From here on a SIGHUP that comes early is a reload, not the end.
    let signals = Signals::new()?;
    let config = reread::read_config(config_file)?;
    systemd::opening();
    let clock = Arc::new(SystemClock::start());
    let random = random();
    let with = OpenWith {
        now: clock.now(),
        random: random.clone(),
        credentials_directory: around.credentials_directory,
        watch: None,
    };
    let store = Store::open(&config.data_dir, with)
        .with_context(|| format!("cannot use data_dir {}", config.data_dir.display()))?;
    let store = Arc::new(store);
    store.sync_apps(&reread::settings(&config).configured(), clock.now())?;

    let docker = Docker::new(&config.docker.host, store.instance())?;
    match pool::check_pool(&docker, config.docker.address_pool).await {
        Ok(()) => {}
        Err(conflict @ PoolError::Conflict { .. }) => bail!("{conflict}"),
        // An engine that starts later is waited for by what needs it, and refuses a network that overlaps.
        Err(PoolError::Engine(error)) => {
            tracing::warn!(
                "the engine could not be asked whether docker.address_pool is free: {error}"
            );
        }
    }
    let ports = Ports {
        engine: Arc::new(docker),
        source: Arc::new(Git::new(&config.data_dir).with_environment(around.environment)),
        ingress: Arc::new(Client::new(config.ingress.socket.clone())),
        clock,
        random: random.clone(),
    };
    let ingress_random = random.clone();
    let read = reread::read_again(config_file.to_owned(), config.clone());
    let agent = Agent::new(store, ports, reread::settings(&config)).with_configuration(read);
    let agent = Arc::new(agent);
    let routes = api::routes(Api {
        agent: agent.clone(),
        random,
        public_url: config.api.public_url.clone(),
        proxies: proxies(&config),
        gitlab_strict: config.api.gitlab_strict,
        resident_bytes: Some(Arc::new(resident_bytes)),
    });
    let open_files = bind::raise_open_files();
    let listening = listen::listen(&config, around.sockets).await?;
    // Socket files that are ours go with the process.
    let _made = listening.made;
    let mut at = format!("the API is at {}", listening.at);
    let mut embedded = None;
    if let Some(sockets) = listening.ingress {
        if let Some(traffic) = &sockets.at {
            at = format!("{at}, the ingress at {traffic}");
        }
        let settings = config.ingress.settings;
        let mut running = Running::start(sockets, settings, open_files, ingress_random);
        running.begun().await?;
        embedded = Some(running);
    }
    let serving = Serving {
        sockets: listening.api,
        limits: Limits::with_open_files(open_files),
        routes,
        ready: format!("ready: {at}"),
    };
    serve_and_drive(serving, embedded, &agent, signals).await
}

/// What the API is served with.
struct Serving {
    sockets: Vec<Socket>,
    limits: Limits,
    routes: Router,
    ready: String,
}

async fn serve_and_drive(
    api: Serving,
    mut embedded: Option<Running>,
    agent: &Arc<Agent>,
    mut signals: Signals,
) -> anyhow::Result<()> {
    let reload = || systemd::reload(agent);
    let (stop, stopped) = watch::channel(false);
    let mut beside = tokio::task::JoinSet::new();
    beside.spawn(systemd::attend(Arc::clone(agent), api.ready));
    let mut serving = tokio::task::JoinSet::new();
    serving.spawn(serve::serve(
        api.sockets,
        api.routes,
        api.limits,
        stopped.clone(),
    ));
    let mut keeping = tokio::task::JoinSet::new();
    let (keeper, ends) = (Arc::clone(agent), until(stopped.clone()));
    keeping.spawn(async move { keeper.keep_output(ends).await });
    let drive = agent.drive(until(stopped));
    tokio::pin!(drive);
    let driven = tokio::select! {
        driven = &mut drive => driven.context("the store failed"),
        // It ends only when it is told to: or it has panicked, which says why.
        Some(_) = keeping.join_next() => Err(anyhow::anyhow!("the containers' output is no longer kept")),
        ended = ended(&mut embedded) => match ended {
            Ok(()) => Err(anyhow::anyhow!("the ingress ended by itself")),
            Err(error) => Err(error),
        },
        () = signals.end(reload) => {
            tracing::info!("stopping; what is at work goes on at the next start");
            systemd::stopping("Stopping; what is at work goes on at the next start");
            stop.send_replace(true);
            agent.close();
            drive.await.context("the store failed")
        }
    };
    beside.abort_all();
    stop.send_replace(true);
    agent.close();
    if let Some(running) = &embedded {
        running.stop();
    }
    let soft = async {
        tokio::join!(api_ends(&mut serving), async {
            match &mut embedded {
                Some(running) => running.ended().await,
                None => Ok(()),
            }
        })
        .1
    };
    tokio::select! {
        ended = soft => driven.and(ended),
        () = signals.end(reload) => {
            tracing::info!("stopping at once");
            driven
        }
    }
}

/// Requests to the API end within [`SOFT_SHUTDOWN`]; the ingress has a time of its own for those of the apps.
async fn api_ends(serving: &mut tokio::task::JoinSet<()>) {
    let ended = tokio::time::timeout(SOFT_SHUTDOWN, serving.join_next()).await;
    if ended.is_err() {
        tracing::info!("requests under way are cut off");
        serving.abort_all();
    }
}

/// The end of an ingress in this process; one that is not there never ends.
async fn ended(embedded: &mut Option<Running>) -> anyhow::Result<()> {
    match embedded {
        Some(running) => running.ended().await,
        None => std::future::pending().await,
    }
}

/// Whose word of a client's address is taken: on its way to the API the ingress comes from this host, be it by the
/// address that it connects to, and tells what it was told by the proxies before itself.
fn proxies(config: &Config) -> Proxies {
    let home = [
        IpNet::from(Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8)),
        IpNet::from(IpAddr::V6(Ipv6Addr::LOCALHOST)),
    ];
    let own = config.api.listen.map(|address| IpNet::from(address.ip()));
    let before = &config.ingress.settings.trusted_proxies;
    Proxies {
        trusted: config.api.trusted_proxies.clone(),
        of_ingress: home
            .into_iter()
            .chain(own)
            .chain(before.iter().copied())
            .collect(),
    }
}

/// What the kernel says of this process' resident memory.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the one source of random bytes"
)]
fn random() -> Random {
    Arc::new(|bytes| getrandom::fill(bytes).expect("the kernel gives random bytes after boot"))
}

async fn until(mut stopped: watch::Receiver<bool>) {
    // A sender that is gone is a reason to stop, too.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

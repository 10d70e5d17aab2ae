//! The composition root: opens, wires, serves, drives, and shuts down softly, then hard. Decides nothing.

use crate::api::{self, Api, Peer};
use crate::clock::SystemClock;
use crate::config::{self, Config};
use crate::core::ports::{Clock as _, Random};
use crate::deploy::{Agent, Faulty, Ports, ReadConfiguration, Registry, Reread, Settings};
use crate::engine::pool::PoolError;
use crate::engine::{Docker, pool};
use crate::ingress::NoRoutes;
use crate::source::Git;
use crate::store::{OpenWith, Store};
use anyhow::{Context as _, bail};
use axum::Router;
use std::ffi::OsString;
use std::future::IntoFuture as _;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// How long requests under way may take to end after a signal; a log that is being followed would take longer.
const SOFT_SHUTDOWN: Duration = Duration::from_secs(3);

/// The group whose members may use the unix socket.
const GROUP: &str = "longshore";

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
#[derive(Debug)]
pub struct Surroundings {
    /// Where systemd puts the unit's credentials.
    pub credentials_directory: Option<PathBuf>,
    /// The environment's variables: git needs the path to its programs and the proxies.
    pub environment: Vec<(OsString, OsString)>,
}

/// Runs the daemon until it is told to stop.
///
/// # Errors
/// If it cannot begin: a faulty configuration, a data directory in use, an address taken. Says what to do.
pub async fn run(config_file: &Path, around: Surroundings) -> anyhow::Result<()> {
    // From here on a SIGHUP that comes early is a reload, not the end.
    let signals = Signals::new()?;
    let config = read_config(config_file)?;
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
    store.sync_apps(&config.apps, config.docker.address_pool, clock.now())?;

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
        ingress: Arc::new(NoRoutes),
        clock,
        random: random.clone(),
    };
    let read = read_again(config_file.to_owned(), config.clone());
    let agent = Agent::new(store, ports, settings(&config)).with_configuration(read);
    let agent = Arc::new(agent);
    let routes = api::routes(Api {
        agent: agent.clone(),
        random,
        public_url: config.api.public_url.clone(),
    });
    serve_and_drive(&config, &agent, routes, signals).await
}

async fn serve_and_drive(
    config: &Config,
    agent: &Agent,
    routes: Router,
    mut signals: Signals,
) -> anyhow::Result<()> {
    let (stop, stopped) = watch::channel(false);
    let unix = listen_unix(&config.api.socket).await?;
    let tcp = match config.api.listen {
        Some(address) => Some(
            TcpListener::bind(address)
                .await
                .with_context(|| format!("cannot listen on api.listen {address}"))?,
        ),
        None => None,
    };
    let shown = config
        .api
        .listen
        .map_or_else(String::new, |address| format!(" and http://{address}"));
    tracing::info!(
        "ready: the API is at {}{shown}",
        config.api.socket.display()
    );

    let mut servers = tokio::task::JoinSet::new();
    let service = routes.clone().into_make_service_with_connect_info::<Peer>();
    servers.spawn(
        axum::serve(unix, service)
            .with_graceful_shutdown(until(stopped.clone()))
            .into_future(),
    );
    if let Some(tcp) = tcp {
        let service = routes.into_make_service_with_connect_info::<Peer>();
        servers.spawn(
            axum::serve(tcp, service)
                .with_graceful_shutdown(until(stopped.clone()))
                .into_future(),
        );
    }
    let drive = agent.drive(until(stopped));
    tokio::pin!(drive);
    let driven = tokio::select! {
        driven = &mut drive => driven,
        () = signals.end(agent) => {
            tracing::info!("stopping; what is at work goes on at the next start");
            stop.send_replace(true);
            agent.close();
            drive.await
        }
    };
    stop.send_replace(true);
    agent.close();
    let drained = async { while servers.join_next().await.is_some() {} };
    tokio::select! {
        () = drained => {}
        () = tokio::time::sleep(SOFT_SHUTDOWN) => tracing::info!("requests under way are cut off"),
        () = signals.end(agent) => tracing::info!("stopping at once"),
    }
    remove_socket(&config.api.socket);
    driven.context("the store failed")
}

/// Reads the configuration; every fault is named with its line.
fn read_config(file: &Path) -> anyhow::Result<Config> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("cannot read the configuration {}", file.display()))?;
    config::parse(&file.display().to_string(), &text)
        .map_err(|faults| anyhow::anyhow!("the configuration has faults:\n{faults}"))
}

/// Reads the configuration again, beside the one this process began with.
fn read_again(file: PathBuf, running: Config) -> ReadConfiguration {
    let name = file.display().to_string();
    let faulty = move |faults| Faulty {
        file: name.clone(),
        faults,
    };
    Arc::new(move || {
        let name = file.display().to_string();
        let text = std::fs::read_to_string(&file)
            .map_err(|error| faulty(vec![format!("{name} cannot be read: {error}")]))?;
        let config = config::parse(&name, &text)
            .map_err(|faults| faulty(faults.to_string().lines().map(str::to_owned).collect()))?;
        Ok(Reread {
            file: name,
            settings: Settings {
                address_pool: running.docker.address_pool,
                ..settings(&config)
            },
            needs_restart: needs_restart(&running, &config),
        })
    })
}

/// The keys that were read once, when the process began.
fn needs_restart(running: &Config, config: &Config) -> Vec<&'static str> {
    let keys = [
        ("data_dir", running.data_dir != config.data_dir),
        ("api.listen", running.api.listen != config.api.listen),
        ("api.socket", running.api.socket != config.api.socket),
        (
            "api.public_url",
            running.api.public_url != config.api.public_url,
        ),
        ("docker.host", running.docker.host != config.docker.host),
        (
            "docker.address_pool",
            running.docker.address_pool != config.docker.address_pool,
        ),
    ];
    let changed = keys.into_iter().filter(|(_, changed)| *changed);
    changed.map(|(key, _)| key).collect()
}

fn settings(config: &Config) -> Settings {
    let registry = |registry: &config::Registry| Registry {
        host: registry.host.clone(),
        username: registry.username.clone(),
        password: registry.password.clone(),
    };
    Settings {
        apps: config.apps.clone(),
        address_pool: config.docker.address_pool,
        registries: config.docker.registries.iter().map(registry).collect(),
        max_concurrent: config.limits.max_concurrent,
        unavailable_timeout: config.docker.unavailable_timeout,
        retention: config.retention,
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the one source of random bytes"
)]
fn random() -> Random {
    Arc::new(|bytes| getrandom::fill(bytes).expect("the kernel gives random bytes after boot"))
}

/// Binds the unix socket, readable and writable for our group. A socket that nobody answers on any more is replaced.
async fn listen_unix(path: &Path) -> anyhow::Result<UnixListener> {
    if let Some(parent) = path.parent() {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(parent)
            .with_context(|| {
                format!("cannot make the directory of api.socket {}", path.display())
            })?;
    }
    if UnixStream::connect(path).await.is_ok() {
        bail!(
            "api.socket {} is answered by another program; stop it or choose another path",
            path.display()
        );
    }
    remove_socket(path);
    let listener = UnixListener::bind(path)
        .with_context(|| format!("cannot listen on api.socket {}", path.display()))?;
    if let Ok(Some(group)) = nix::unistd::Group::from_name(GROUP)
        && let Err(error) = nix::unistd::chown(path, None, Some(group.gid))
    {
        tracing::warn!(%error, "the socket could not be given to group {GROUP}: only this user can use it");
    }
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))
        .with_context(|| format!("cannot set the mode of {}", path.display()))?;
    Ok(listener)
}

fn remove_socket(path: &Path) {
    match std::fs::remove_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => tracing::warn!(%error, "{} cannot be removed", path.display()),
    }
}

async fn until(mut stopped: watch::Receiver<bool>) {
    // A sender that is gone is a reason to stop, too.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// The next signal that asks for the end; those that ask for a reload are heeded meanwhile.
    async fn end(&mut self, agent: &Agent) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hangup.recv() => {
                    // It tells the log what came of it, and there is nobody else to tell.
                    let _ = agent.reload();
                }
            }
        }
    }
}

//! The ingress as a process of its own, and as a part of the daemon's: the same code behind the same socket.

use super::bind::raise_open_files;
use super::listen::{IngressListening, listen_alone};
use super::reread::read_config;
use super::signals::Signals;
use super::systemd;
use crate::config;
use crate::core::ingress::IngressSettings;
use crate::core::ports::Random;
use crate::ingress::{self, Client, RunError};
use anyhow::bail;
use listenfd::ListenFd;
use std::path::Path;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Files that are not connections of clients or to apps: sockets, the table, the runtime's own; in the daemon, its API's.
const OTHER_FILES: u64 = 1024;

/// Runs the ingress alone until it is told to stop. Of the configuration it uses `[ingress]`; it opens no database, no
/// secret and no engine.
///
/// # Errors
/// If it cannot begin: a faulty configuration, a data directory in use, an address taken. Says what to do.
pub async fn run(config_file: &Path, given: ListenFd) -> anyhow::Result<()> {
    let mut signals = Signals::new()?;
    let config::Config { ingress, .. } = read_config(config_file)?;
    let open_files = raise_open_files();
    let (listening, _made) = listen_alone(&ingress, given).await?;
    let ready = format!(
        "ready: the ingress is at {} and is told its routes at {}",
        listening.at.as_deref().unwrap_or("no address"),
        listening.control.display()
    );
    let mut running = Running::start(listening, ingress.settings, open_files, super::random());
    let mut beside = JoinSet::new();
    beside.spawn(systemd::attend(running.client(), ready));
    tokio::select! {
        ended = running.ended() => return ended,
        () = signals.end(restart_to_apply) => {}
    }
    tracing::info!("stopping; requests under way may end first");
    systemd::stopping("Stopping; requests under way may end first");
    running.stop();
    tokio::select! {
        ended = running.ended() => ended,
        () = signals.end(restart_to_apply) => {
            tracing::info!("stopping at once");
            Ok(())
        }
    }
}

fn restart_to_apply() {
    tracing::warn!(
        "the ingress reads its configuration when it starts: restart it to apply a changed one; new connections wait meanwhile if its sockets are systemd's"
    );
}

/// An ingress at work in this process.
pub(super) struct Running {
    tasks: JoinSet<Result<(), RunError>>,
    stop: watch::Sender<bool>,
    client: std::sync::Arc<Client>,
}

impl Running {
    /// Starts it.
    pub(super) fn start(
        listening: IngressListening,
        mut settings: IngressSettings,
        open_files: u64,
        random: Random,
    ) -> Self {
        settings.limits.connections = connections(settings.limits.connections, open_files);
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        tasks.spawn(ingress::run(settings, listening.sockets, random, stopped));
        Self {
            tasks,
            stop,
            client: std::sync::Arc::new(Client::new(listening.control)),
        }
    }

    /// To ask it by its socket.
    pub(super) fn client(&self) -> std::sync::Arc<Client> {
        std::sync::Arc::clone(&self.client)
    }

    /// Returns when it answers.
    pub(super) async fn begun(&mut self) -> anyhow::Result<()> {
        let client = self.client();
        tokio::select! {
            ended = self.ended() => match ended {
                Ok(()) => bail!("the ingress ended as it began"),
                Err(error) => Err(error),
            },
            () = systemd::answers(&client) => Ok(()),
        }
    }

    /// Tells it to stop; [`Self::ended`] waits until it has.
    pub(super) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Its end.
    pub(super) async fn ended(&mut self) -> anyhow::Result<()> {
        match self.tasks.join_next().await {
            Some(Ok(ended)) => Ok(ended?),
            Some(Err(error)) => bail!("the ingress failed: {error}"),
            None => Ok(()),
        }
    }
}

/// A connection of a client has another to the app behind it.
fn connections(wanted: usize, open_files: u64) -> usize {
    let room = open_files.saturating_sub(OTHER_FILES).max(open_files / 2) / 2;
    let room = usize::try_from(room).unwrap_or(usize::MAX);
    if room < wanted {
        tracing::warn!(
            "the ingress takes {room} connections at once, not {wanted}: this process may open {open_files} files, and each connection takes two"
        );
    }
    wanted.min(room)
}

//! What systemd is told, where there is one: that the process is ready, reloads, stops, and that it is alive.
//!
//! Ready and alive mean the same. The daemon is when the driver has come by and the store has answered it; an ingress of
//! its own when it answers at its control socket. A timer of our own would go on ticking beside something that hangs.

use crate::deploy::Agent;
use crate::ingress::Client;
use async_trait::async_trait;
use sd_notify::NotifyState;
use std::sync::Arc;
use std::time::Duration;

/// How often the daemon looks at itself where systemd does not ask for more.
const LOOK: Duration = Duration::from_secs(15);

/// How soon an ingress that did not answer is asked again.
const AGAIN: Duration = Duration::from_millis(100);

/// What can be asked whether it is well.
#[async_trait]
pub(super) trait Alive: Send + Sync {
    /// What does not answer when this does not return.
    const WHAT: &'static str;
    /// Returns when it answers; an error if it never will again.
    async fn pulse(&self) -> anyhow::Result<()>;
    /// What is to be said instead of being ready.
    fn warning(&self) -> Option<String>;
}

#[async_trait]
impl Alive for Agent {
    const WHAT: &'static str = "the driver or the database";

    async fn pulse(&self) -> anyhow::Result<()> {
        Ok(Agent::pulse(self).await?)
    }

    fn warning(&self) -> Option<String> {
        Agent::warning(self)
    }
}

#[async_trait]
impl Alive for Client {
    const WHAT: &'static str = "the ingress";

    async fn pulse(&self) -> anyhow::Result<()> {
        answers(self).await;
        Ok(())
    }

    fn warning(&self) -> Option<String> {
        None
    }
}

/// Returns when an ingress answers.
pub(super) async fn answers(ingress: &Client) {
    while let Err(error) = ingress.health().await {
        tracing::debug!(%error, "the ingress does not answer yet");
        tokio::time::sleep(AGAIN).await;
    }
}

/// Tells that the process is ready as soon as it is, then feeds the watchdog for as long as it is alive.
pub(super) async fn attend<A: Alive>(alive: Arc<A>, ready: String) {
    if alive.pulse().await.is_err() {
        // It ended before it began, and says itself why.
        return;
    }
    tracing::info!("{ready}");
    let mut status = status(&*alive, &ready);
    tell(&[NotifyState::Ready, NotifyState::Status(&status)]);
    let watchdog = sd_notify::watchdog_enabled();
    // Twice in each half of the time, so that one late look is no reason to be killed.
    let pause = watchdog.map_or(LOOK, |watchdog| (watchdog / 4).min(LOOK));
    loop {
        tokio::time::sleep(pause).await;
        if !is_alive(&*alive, pause).await {
            return;
        }
        if watchdog.is_some() {
            tell(&[NotifyState::Watchdog]);
        }
        let now = self::status(&*alive, &ready);
        if now != status {
            tell(&[NotifyState::Status(&now)]);
            status = now;
        }
    }
}

/// Waits for its answer, complaining once if it is late. `false` if there will be none.
async fn is_alive<A: Alive>(alive: &A, patience: Duration) -> bool {
    let pulse = alive.pulse();
    tokio::pin!(pulse);
    let answer = match tokio::time::timeout(patience, &mut pulse).await {
        Ok(answer) => answer,
        Err(_) => {
            tracing::error!("{} does not answer: the watchdog is not fed", A::WHAT);
            let answer = pulse.await;
            tracing::info!("{} answers again", A::WHAT);
            answer
        }
    };
    if let Err(error) = answer {
        tracing::error!(%error, "the watchdog is not fed any more");
        return false;
    }
    true
}

fn status<A: Alive>(alive: &A, ready: &str) -> String {
    alive.warning().unwrap_or_else(|| ready.to_owned())
}

/// The daemon opens its data; a migration of a large database may take long.
pub(super) fn opening() {
    tell(&[NotifyState::Status("Opening the data directory")]);
}

/// Reads the configuration again, which systemd counts as not ready.
pub(super) fn reload(agent: &Agent) {
    let status = NotifyState::Status("Reading the configuration again");
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now, status]),
        Err(_) => tell(&[NotifyState::Reloading, status]),
    }
    // It tells the log what came of it.
    let status = match agent.reload() {
        Ok(_) => "Ready",
        Err(_) => "Ready; the last reload was refused, the log says why",
    };
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// The process ends.
pub(super) fn stopping(status: &str) {
    tell(&[NotifyState::Stopping, NotifyState::Status(status)]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "systemd cannot be told anything");
    }
}

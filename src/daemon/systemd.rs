//! What systemd is told, where there is one: that the daemon is ready, reloads, stops, and that it is alive.
//!
//! Ready and alive mean the same: the driver has come by and the store has answered it. A timer of our own would go on
//! ticking beside a driver that hangs.

use crate::deploy::Agent;
use sd_notify::NotifyState;
use std::sync::Arc;
use std::time::Duration;

/// How often the daemon looks at itself where systemd does not ask for more.
const LOOK: Duration = Duration::from_secs(15);

/// Tells that the daemon is ready as soon as it is, then feeds the watchdog for as long as it is alive.
pub(super) async fn attend(agent: Arc<Agent>, ready: String) {
    if agent.pulse().await.is_err() {
        // The driver ended before it began, and says itself why.
        return;
    }
    tracing::info!("{ready}");
    let mut status = status(&agent, &ready);
    tell(&[NotifyState::Ready, NotifyState::Status(&status)]);
    let watchdog = sd_notify::watchdog_enabled();
    // Twice in each half of the time, so that one late look is no reason to be killed.
    let pause = watchdog.map_or(LOOK, |watchdog| (watchdog / 4).min(LOOK));
    loop {
        tokio::time::sleep(pause).await;
        if !is_alive(&agent, pause).await {
            return;
        }
        if watchdog.is_some() {
            tell(&[NotifyState::Watchdog]);
        }
        let now = self::status(&agent, &ready);
        if now != status {
            tell(&[NotifyState::Status(&now)]);
            status = now;
        }
    }
}

/// Waits for the driver's answer, complaining once if it is late. `false` if there will be none.
async fn is_alive(agent: &Agent, patience: Duration) -> bool {
    let pulse = agent.pulse();
    tokio::pin!(pulse);
    let answer = match tokio::time::timeout(patience, &mut pulse).await {
        Ok(answer) => answer,
        Err(_) => {
            tracing::error!("the driver or the database does not answer: the watchdog is not fed");
            let answer = pulse.await;
            tracing::info!("the driver and the database answer again");
            answer
        }
    };
    if let Err(error) = answer {
        tracing::error!(%error, "the watchdog is not fed any more");
        return false;
    }
    true
}

fn status(agent: &Agent, ready: &str) -> String {
    agent.warning().unwrap_or_else(|| ready.to_owned())
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

/// The daemon ends.
pub(super) fn stopping() {
    tell(&[
        NotifyState::Stopping,
        NotifyState::Status("Stopping; what is at work goes on at the next start"),
    ]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "systemd cannot be told anything");
    }
}

//! What the process is asked by signals.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that are heeded. As long as this exists a SIGHUP is no end.
pub(super) struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// To end; a second one, at once.
    End,
    /// To read the configuration again.
    Reload,
}

impl Signals {
    pub(super) fn new() -> anyhow::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    pub(super) async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::End,
            _ = self.interrupt.recv() => Asked::End,
            _ = self.hangup.recv() => Asked::Reload,
        }
    }

    /// The next signal that asks for the end; those that ask for a reload are answered by `reload`.
    pub(super) async fn end(&mut self, reload: impl Fn()) {
        while self.next().await == Asked::Reload {
            reload();
        }
    }
}

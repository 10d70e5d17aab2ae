//! Waiting for an engine that is gone: calls are repeated, because each can be, until it answers or the patience is
//! used up.

use super::Agent;
use super::interrupt::{Interrupt, Stop};
use super::journal::Journal;
use crate::core::deployment::Step;
use crate::core::failure::{Failure, FailureCode};
use crate::core::ports::EngineError;
use std::time::Duration;

/// The first pause before a call is repeated; it doubles from there.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause: an engine's restart takes seconds.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A pause that doubles.
pub(super) struct Backoff {
    next: Duration,
    longest: Duration,
}

impl Backoff {
    pub(super) fn new(first: Duration, longest: Duration) -> Self {
        Self {
            next: first.min(longest),
            longest,
        }
    }

    pub(super) fn pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (self.next * 2).min(self.longest);
        pause
    }
}

/// What a step's calls to the engine need around them.
pub(super) struct Patience<'a> {
    pub(super) agent: &'a Agent,
    pub(super) interrupt: &'a Interrupt,
    pub(super) journal: &'a Journal,
    /// In which step of a deployment; none for a run that belongs to none.
    pub(super) step: Option<Step>,
}

impl Patience<'_> {
    /// Calls the engine until it answers; what it answers is for the caller.
    pub(super) async fn call<T>(
        &self,
        mut call: impl AsyncFnMut() -> Result<T, EngineError>,
    ) -> Result<Result<T, EngineError>, Stop> {
        let clock = &self.agent.ports.clock;
        // A command that may be at work all the while is not given up before its own time is over.
        let limit = self.step.map(|_| self.agent.settings().unavailable_timeout);
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        let mut gone_since = None;
        loop {
            self.interrupt.check()?;
            let printed = self.journal.printed();
            let message = match call().await {
                Err(EngineError::Unavailable(message)) => message,
                answer => {
                    if gone_since.is_some() {
                        self.journal
                            .agent(self.step, "The Docker engine answers again");
                    }
                    return Ok(answer);
                }
            };
            // A long call that got somewhere was lost anew: the engine was there in between.
            if self.journal.printed() != printed {
                gone_since = None;
                backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
            }
            self.agent.watch.lose();
            let since = *gone_since.get_or_insert_with(|| {
                let limit = match limit {
                    Some(limit) => format!("up to {}", humantime::format_duration(limit)),
                    None => "as long as the run has time".to_owned(),
                };
                self.journal.agent(
                    self.step,
                    &format!("The Docker engine cannot be reached ({message}); waiting {limit}"),
                );
                clock.monotonic()
            });
            if limit.is_some_and(|limit| clock.monotonic() - since >= limit) {
                return Err(unavailable(&message).into());
            }
            let waited = self.interrupt.race(clock.sleep(backoff.pause())).await;
            waited.map_err(|stop| match stop {
                // Its time ran out while the engine was gone: that is the cause to name.
                Stop::Failed(_) => unavailable(&message).into(),
                Stop::Moved | Stop::Store(_) => stop,
            })?;
        }
    }
}

pub(super) fn unavailable(message: &str) -> Failure {
    Failure {
        code: FailureCode::EngineUnavailable,
        message: format!("the Docker engine cannot be reached: {message}"),
        output: Vec::new(),
        next:
            "Start the engine (`systemctl start docker`) or correct docker.host, then deploy again."
                .into(),
    }
}

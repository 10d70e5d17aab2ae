//! How a step is ended from outside: somebody moved its deployment, or its time is up. A call to the engine that is
//! under way is let end first, so that what it made is there to be undone; waits and streams end at once.

use super::Agent;
use crate::core::deployment::{Deployment, Step};
use crate::core::failure::{Failure, FailureCode};
use crate::store::{StepRow, StoreError};
use std::time::Duration;
use tokio::sync::watch;

/// How often a step's consumed time is written down. A kill loses at most this much of the count; and a step that
/// was resumed and ran for this long did not take the agent down.
pub(super) const TICK: Duration = Duration::from_secs(5);

/// Why a step ended without a result.
#[derive(Debug)]
pub(super) enum Stop {
    /// The deployment's row left the phase: cancelled, most likely. Its outcome is already written.
    Moved,
    /// It failed.
    Failed(Box<Failure>),
    /// The store failed; the step is tried again later.
    Store(StoreError),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Moved(_) => Self::Moved,
            StoreError::AddressesExhausted(message) => Self::Failed(Box::new(Failure {
                code: FailureCode::AddressesExhausted,
                message,
                output: Vec::new(),
                next: "Look with `docker ps -a` for containers that cannot be removed, then deploy again.".into(),
            })),
            StoreError::DiskFull { data_dir, free } => {
                let failure = super::failures::disk_full(&data_dir, free, "", Vec::new());
                Self::Failed(Box::new(failure))
            }
            other => Self::Store(other),
        }
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(Box::new(failure))
    }
}

/// Why a step is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    Moved,
    OutOfTime(Step, Duration),
}

/// Tells a step that it is to end.
pub(super) struct Interrupt {
    raised: watch::Sender<Option<Reason>>,
}

impl Interrupt {
    fn new() -> Self {
        Self {
            raised: watch::Sender::new(None),
        }
    }

    /// Between two calls: is there a reason to go no further?
    pub(super) fn check(&self) -> Result<(), Stop> {
        match *self.raised.borrow() {
            Some(reason) => Err(stop(reason)),
            None => Ok(()),
        }
    }

    /// Waits for something that can be given up at any moment.
    pub(super) async fn race<T>(&self, wait: impl Future<Output = T>) -> Result<T, Stop> {
        let mut raised = self.raised.subscribe();
        tokio::select! {
            biased;
            value = wait => Ok(value),
            reason = async { raised.wait_for(Option::is_some).await.ok().and_then(|reason| *reason) } => match reason {
                Some(reason) => Err(stop(reason)),
                None => Err(Stop::Moved),
            },
        }
    }
}

fn stop(reason: Reason) -> Stop {
    match reason {
        Reason::Moved => Stop::Moved,
        Reason::OutOfTime(step, budget) => Stop::from(Failure {
            code: FailureCode::DeadlineExceeded,
            message: format!(
                "the {} took longer than its deadline of {}",
                step.as_str(),
                humantime::format_duration(budget)
            ),
            output: Vec::new(),
            next: format!(
                "Read the log for what it was doing, or raise deadlines.{} and deploy again.",
                step.as_str()
            ),
        }),
    }
}

impl Agent {
    /// Does a step's work under its budget and the watch over its row.
    pub(super) async fn guarded<T>(
        &self,
        deployment: &Deployment,
        step: Step,
        row: StepRow,
        work: impl AsyncFnOnce(&Interrupt) -> Result<T, Stop>,
    ) -> Result<T, Stop> {
        let interrupt = Interrupt::new();
        let watch = async {
            let reason = tokio::select! {
                left = self.left(deployment) => left.map(|()| Reason::Moved),
                over = self.consume(deployment, step, row) => over.map(|()| Reason::OutOfTime(step, row.budget)),
            };
            match reason {
                Ok(reason) => {
                    interrupt.raised.send_replace(Some(reason));
                    std::future::pending::<StoreError>().await
                }
                Err(error) => error,
            }
        };
        tokio::select! {
            biased;
            result = work(&interrupt) => result,
            error = watch => Err(Stop::from(error)),
        }
    }

    /// Returns when the deployment's row is no longer in the phase it is known to be in.
    pub(super) async fn left(&self, deployment: &Deployment) -> Result<(), StoreError> {
        let mut changes = self.store.changes();
        loop {
            changes.borrow_and_update();
            if self.store.deployment(deployment.serial)?.phase != deployment.phase {
                return Ok(());
            }
            if changes.changed().await.is_err() {
                return Ok(());
            }
        }
    }

    /// Counts the step's time, on the clock that never jumps, and returns when the budget is used up.
    async fn consume(
        &self,
        deployment: &Deployment,
        step: Step,
        row: StepRow,
    ) -> Result<(), StoreError> {
        let clock = &self.ports.clock;
        let began = clock.monotonic();
        loop {
            let consumed = row.consumed + (clock.monotonic() - began);
            let Some(left) = row
                .budget
                .checked_sub(consumed)
                .filter(|left| !left.is_zero())
            else {
                return Ok(());
            };
            clock.sleep(left.min(TICK)).await;
            let ticked = self.store.tick(
                deployment.serial,
                step,
                row.consumed + (clock.monotonic() - began),
            );
            match ticked {
                // The step may need no space at all; the count goes on in memory.
                Ok(()) | Err(StoreError::DiskFull { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

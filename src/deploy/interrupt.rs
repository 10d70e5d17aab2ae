//! How work is ended from outside: somebody moved its deployment or change, or its time is up. A call to the engine that is
//! under way is let end first, so that what it made is there to be undone; waits and streams end at once.

use super::Agent;
use crate::core::change::{Change, EnvironmentChange};
use crate::core::deployment::{Deployment, Step};
use crate::core::failure::{Failure, FailureCode};
use crate::core::id::{OperationSerial, RunSerial};
use crate::core::run::Run;
use crate::store::{StepRow, StoreError, Task};
use std::sync::PoisonError;
use std::time::Duration;
use tokio::sync::watch;

/// How often in a row resuming work may end with the agent before it is given up.
const STRIKES: u32 = 3;

/// How often a step's consumed time is written down. A kill loses at most this much of the count; and a step that
/// was resumed and ran for this long did not take the agent down.
pub(super) const TICK: Duration = Duration::from_secs(5);

/// Work under a budget and the watch over its row.
#[derive(Clone, Copy)]
pub(super) enum Work<'a> {
    /// A step of a deployment in that phase.
    Step(&'a Deployment, Step),
    /// A change in that phase.
    Change(&'a EnvironmentChange),
    /// A run in that phase.
    Run(&'a Run),
}

/// What an earlier process may have left at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Resumed {
    Operation(OperationSerial),
    /// One that stands alone.
    Run(RunSerial),
}

impl Work<'_> {
    /// What is counted.
    pub(super) fn task(self) -> Task {
        match self {
            Self::Step(deployment, step) => Task::Step(deployment.serial, step),
            Self::Change(change) => Task::Change(change.serial),
            Self::Run(run) => Task::Run(run.serial),
        }
    }

    fn kind(self) -> Kind {
        match self {
            Self::Step(_, step) => Kind::Step(step),
            Self::Change(change) => Kind::Change(change.change),
            Self::Run(_) => Kind::Run,
        }
    }
}

/// What kind of work took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Step(Step),
    Change(Change),
    Run,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Step(step) => step.as_str(),
            Self::Change(change) => change.as_str(),
            Self::Run => "run",
        }
    }
}

/// Why work ended without a result.
#[derive(Debug)]
pub(super) enum Stop {
    /// The row left the phase: cancelled, most likely. Its outcome is already written.
    Moved,
    /// It failed.
    Failed(Box<Failure>),
    /// The store failed; the work is tried again later.
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
                next: "If it is docker.address_pool that is full, choose a larger one, remove environments or take out connections; if it is the environment's own network, look with `docker ps -a` for containers that cannot be removed. Then deploy again.".into(),
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

/// Why work is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    Moved,
    OutOfTime(Kind, Duration),
}

/// Tells work that it is to end.
pub(super) struct Interrupt {
    raised: watch::Sender<Option<Reason>>,
}

impl Interrupt {
    fn new() -> Self {
        Self {
            raised: watch::Sender::new(None),
        }
    }

    /// One for a part of the work: it is raised with this one as long as [`Interrupt::hand_on`] is waited for, and by
    /// itself.
    pub(super) fn branch(&self) -> Self {
        Self {
            raised: watch::Sender::new(*self.raised.borrow()),
        }
    }

    /// Raises the branch when this one is raised. Never ends.
    pub(super) async fn hand_on<T>(&self, branch: &Self) -> T {
        let mut raised = self.raised.subscribe();
        if let Ok(reason) = raised.wait_for(Option::is_some).await {
            branch.raised.send_replace(*reason);
        }
        std::future::pending().await
    }

    /// The part of the work whose branch this is has become pointless.
    pub(super) fn end(&self) {
        self.raised.send_if_modified(|reason| {
            let is_first = reason.is_none();
            reason.get_or_insert(Reason::Moved);
            is_first
        });
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
        Reason::OutOfTime(kind, budget) => {
            let word = kind.as_str();
            let (limit, next) = match kind {
                Kind::Step(_) => (
                    "deadline",
                    format!(
                        "Read the log for what it was doing, or raise deadlines.{word} and deploy again."
                    ),
                ),
                Kind::Change(_) => (
                    "deadline",
                    "Look with `docker ps` whether the engine answers; what was asked for is made so as soon as it can be.".into(),
                ),
                Kind::Run => (
                    "max_duration",
                    "Read the log for what it was doing, or raise max_duration, which the next deployment takes up.".into(),
                ),
            };
            Stop::from(Failure {
                code: FailureCode::DeadlineExceeded,
                message: format!(
                    "the {word} took longer than its {limit} of {}",
                    humantime::format_duration(budget)
                ),
                output: Vec::new(),
                next,
            })
        }
    }
}

impl Agent {
    /// Does work under its budget and the watch over its row.
    pub(super) async fn guarded<T>(
        &self,
        guarded: Work<'_>,
        row: StepRow,
        work: impl AsyncFnOnce(&Interrupt) -> Result<T, Stop>,
    ) -> Result<T, Stop> {
        let interrupt = Interrupt::new();
        let watch = async {
            let reason = tokio::select! {
                biased;
                left = self.left(guarded) => left.map(|()| Reason::Moved),
                over = self.consume(guarded.task(), row) => over.map(|()| Reason::OutOfTime(guarded.kind(), row.budget)),
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

    /// Returns when the row is no longer in the phase it is known to be in.
    pub(super) async fn left(&self, work: Work<'_>) -> Result<(), StoreError> {
        let mut changes = self.store.changes();
        loop {
            changes.borrow_and_update();
            let still = match work {
                Work::Step(deployment, _) => {
                    self.store.deployment(deployment.serial)?.phase == deployment.phase
                }
                Work::Change(change) => self
                    .store
                    .change(change.serial)?
                    .is_some_and(|now| now.phase == change.phase),
                Work::Run(run) => self.store.run(run.serial)?.phase == run.phase,
            };
            if !still || changes.changed().await.is_err() {
                return Ok(());
            }
        }
    }

    /// Counts the time, on the clock that never jumps, and returns when the budget is used up.
    async fn consume(&self, task: Task, row: StepRow) -> Result<(), StoreError> {
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
            let ticked = self
                .store
                .tick(task, row.consumed + (clock.monotonic() - began));
            match ticked {
                // The work may need no space at all; the count goes on in memory.
                Ok(()) | Err(StoreError::DiskFull { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Counts the resumption of work that an earlier process left unfinished.
    ///
    /// # Errors
    /// [`Stop::Failed`] if it has taken the agent down too often.
    pub(super) fn resume(&self, which: Resumed, work: Work<'_>, row: StepRow) -> Result<(), Stop> {
        let was_interrupted = self
            .interrupted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&which);
        if !was_interrupted {
            return Ok(());
        }
        if row.strikes >= STRIKES {
            return Err(crash_loop(work.kind().as_str()).into());
        }
        Ok(self.store.strike(work.task())?)
    }
}

fn crash_loop(what: &str) -> Failure {
    Failure {
        code: FailureCode::CrashLoop,
        message: format!("the {what} took longshore down {STRIKES} times in a row, within seconds of being resumed"),
        output: Vec::new(),
        next: "Look into longshore's own log (`journalctl -u longshore`) for the cause before asking for it again.".into(),
    }
}

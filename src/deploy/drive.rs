//! The loop that drives everything: one walk at a time per environment, for its work or for its live container, and one for
//! each run that stands alone.

use super::Agent;
use super::interrupt::Resumed;
use crate::core::change::ChangePhase;
use crate::core::deployment::Phase;
use crate::core::id::{EnvironmentSerial, RunSerial};
use crate::core::operation::OperationKind;
use crate::core::run::RunPhase;
use crate::store::StoreError;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _, future::LocalBoxFuture};
use std::collections::HashSet;
use std::sync::PoisonError;
use std::time::Duration;

/// How long an environment rests after a walk that the store failed (a full disk, most likely).
pub(super) const REST: Duration = Duration::from_secs(5);
/// The pauses before an engine that was gone is asked again.
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(200);
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(10);

impl Agent {
    /// Drives until `stop`. What is at work then is left where it stands and goes on at the next start.
    ///
    /// # Errors
    /// If the store cannot be read at all.
    pub async fn drive(&self, stop: impl Future<Output = ()>) -> Result<(), StoreError> {
        let work = async {
            self.until_whole().await?;
            tokio::select! {
                biased;
                driven = self.turn() => driven,
                () = self.watch() => Ok(()),
                () = self.sweep() => Ok(()),
                () = self.keep_published() => Ok(()),
                () = self.tend() => Ok(()),
                () = self.keep_previews() => Ok(()),
                () = self.keep_schedules() => Ok(()),
            }
        };
        let driven = tokio::select! {
            biased;
            driven = work => driven,
            () = stop => Ok(()),
            () = self.answer_pulses() => Ok(()),
        };
        match self.store.forget_strikes() {
            Err(error @ StoreError::DiskFull { .. }) => {
                tracing::warn!(%error, "resumed steps will count as resumed after a crash");
            }
            forgotten => forgotten?,
        }
        driven
    }

    async fn turn(&self) -> Result<(), StoreError> {
        let mut changes = self.store.changes();
        let mut walks: FuturesUnordered<LocalBoxFuture<'_, EnvironmentSerial>> =
            FuturesUnordered::new();
        let mut busy = HashSet::new();
        let mut runs: FuturesUnordered<LocalBoxFuture<'_, RunSerial>> = FuturesUnordered::new();
        let mut running = HashSet::new();
        self.note_interrupted()?;
        loop {
            changes.borrow_and_update();
            for work in self.store.unfinished()? {
                if busy.insert(work.environment) {
                    walks.push(self.walk(work.environment).boxed_local());
                }
            }
            for run in self.store.unfinished_runs()? {
                if running.insert(run) {
                    runs.push(self.walk_run(run).boxed_local());
                }
            }
            for (environment, wait) in self.watch.take(&busy) {
                busy.insert(environment);
                walks.push(self.look_after(environment, wait).boxed_local());
            }
            tokio::select! {
                biased;
                Some(environment) = walks.next(), if !walks.is_empty() => {
                    busy.remove(&environment);
                }
                Some(run) = runs.next(), if !runs.is_empty() => {
                    running.remove(&run);
                }
                changed = changes.changed() => if changed.is_err() {
                    return Ok(());
                },
                () = self.watch.is_due() => {}
            }
        }
    }

    /// Which operations and runs an earlier process left at work: resuming them counts.
    fn note_interrupted(&self) -> Result<(), StoreError> {
        let mut interrupted = self
            .interrupted
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for work in self.store.unfinished()? {
            let Some(head) = self.store.queue_head(work.environment)? else {
                continue;
            };
            let at_work = match head.kind {
                OperationKind::Deploy(deployment) => {
                    matches!(self.store.deployment(deployment)?.phase, Phase::Running(_))
                }
                OperationKind::Change(_) => self
                    .store
                    .change(head.serial)?
                    .is_some_and(|change| change.phase == ChangePhase::Running),
            };
            if at_work {
                interrupted.insert(Resumed::Operation(head.serial));
            }
        }
        for run in self.store.unfinished_runs()? {
            if self.store.run(run)?.phase == RunPhase::Running {
                interrupted.insert(Resumed::Run(run));
            }
        }
        Ok(())
    }

    /// Walks an environment's queue to its end.
    async fn walk(&self, environment: EnvironmentSerial) -> EnvironmentSerial {
        if let Err(error) = self.walk_queue(environment).await {
            tracing::error!(%error, %environment, "an environment's work is interrupted and will be tried again");
            self.rest(&error).await;
        }
        environment
    }

    /// Waits before work is tried again. Without space it would fail again: then until there is some.
    pub(super) async fn rest(&self, error: &StoreError) {
        loop {
            self.ports.clock.sleep(REST).await;
            let is_full = matches!(error, StoreError::DiskFull { .. });
            if !is_full || self.store.room().is_ok() {
                return;
            }
        }
    }

    async fn walk_queue(&self, environment: EnvironmentSerial) -> Result<(), StoreError> {
        loop {
            // Each operation may change what the environment is meant to be doing.
            let place = self.store.place_of(environment)?;
            let Some(operation) = self.store.queue_head(environment)? else {
                return self.settle(&place).await;
            };
            let serial = match operation.kind {
                OperationKind::Deploy(serial) => serial,
                OperationKind::Change(_) => {
                    self.walk_change(&place, operation.serial).await?;
                    continue;
                }
            };
            let deployment = self.store.deployment(serial)?;
            match deployment.phase {
                // What it replaced is retired only once it is finished: settling comes after.
                Phase::Committed(_) => self.finish(&place, deployment).await?,
                Phase::Queued | Phase::Running(_) => {
                    self.settle(&place).await?;
                    if self.let_runs_end(&place, &deployment).await? {
                        self.deploy(&place, operation.serial, deployment).await?;
                    }
                }
                Phase::Succeeded { .. }
                | Phase::Failed { .. }
                | Phase::Cancelled { .. }
                | Phase::Superseded { .. } => {
                    self.settle(&place).await?;
                    self.store.note_lost_lines(self.ports.clock.now())?;
                    self.store
                        .finish_operation(operation.serial, self.ports.clock.now())?;
                    self.forget_runs(&place)?;
                }
            }
        }
    }
}

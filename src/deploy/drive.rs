//! The loop that drives everything: one walk per environment with work, and the chores of a start.

use super::Agent;
use super::patience::Backoff;
use super::uphold::NotYet;
use crate::core::change::ChangePhase;
use crate::core::deployment::Phase;
use crate::core::id::EnvironmentSerial;
use crate::core::operation::OperationKind;
use crate::store::{Place, StoreError};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _, future::LocalBoxFuture};
use std::collections::HashSet;
use std::sync::PoisonError;
use std::time::Duration;

/// How long an environment rests after a walk that the store failed (a full disk, most likely).
const REST: Duration = Duration::from_secs(5);
/// How often containers are looked for that appeared after they were removed: an engine that was killed in the
/// middle of making one may finish it later.
const SWEEP_INTERVAL: Duration = Duration::from_secs(600);
/// The pauses before an engine that was gone is asked again at a start.
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(200);
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(10);

impl Agent {
    /// Drives until `stop`. What is at work then is left where it stands and goes on at the next start.
    ///
    /// # Errors
    /// If the store cannot be read at all.
    pub async fn drive(&self, stop: impl Future<Output = ()>) -> Result<(), StoreError> {
        let driven = tokio::select! {
            biased;
            () = stop => Ok(()),
            driven = self.turn() => driven,
            () = self.sweep() => Ok(()),
            () = self.tend() => Ok(()),
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
        let mut walks: FuturesUnordered<LocalBoxFuture<'_, Walked>> = FuturesUnordered::new();
        let mut busy = HashSet::new();
        self.note_interrupted()?;
        let mut unseen = self.store.live_environments()?;
        loop {
            changes.borrow_and_update();
            for work in self.store.unfinished()? {
                if busy.insert(work.environment) {
                    walks.push(self.walk(work.environment).boxed_local());
                }
            }
            // Those with work have their turn when it is done: it may have ended without looking after what is live.
            unseen.retain(|environment| {
                let rests = busy.insert(*environment);
                if rests {
                    walks.push(self.revive(*environment).boxed_local());
                }
                !rests
            });
            tokio::select! {
                biased;
                Some(walked) = walks.next(), if !walks.is_empty() => {
                    busy.remove(&walked.environment);
                    unseen.extend((!walked.seen).then_some(walked.environment));
                }
                changed = changes.changed() => if changed.is_err() {
                    return Ok(());
                },
            }
        }
    }

    /// Which operations an earlier process left at work: resuming them counts.
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
                interrupted.insert(head.serial);
            }
        }
        Ok(())
    }

    /// Walks an environment's queue to its end.
    async fn walk(&self, environment: EnvironmentSerial) -> Walked {
        if let Err(error) = self.walk_queue(environment).await {
            tracing::error!(%error, %environment, "an environment's work is interrupted and will be tried again");
            self.rest(&error).await;
        }
        Walked {
            environment,
            seen: true,
        }
    }

    /// Waits before an environment's work is tried again. Without space it would fail again: then until there is some.
    async fn rest(&self, error: &StoreError) {
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
                    self.deploy(&place, operation.serial, deployment).await?;
                }
                Phase::Succeeded { .. }
                | Phase::Failed { .. }
                | Phase::Cancelled { .. }
                | Phase::Superseded { .. } => {
                    self.settle(&place).await?;
                    self.store.note_lost_lines(self.ports.clock.now())?;
                    self.store
                        .finish_operation(operation.serial, self.ports.clock.now())?;
                }
            }
        }
    }

    /// At a start: an environment without work is as it is meant to be. One with work is its walk's business, which may
    /// have stopped its container on purpose.
    async fn revive(&self, environment: EnvironmentSerial) -> Walked {
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        let walked = |seen| Walked { environment, seen };
        loop {
            match self.revive_once(environment).await {
                Ok(Revival::Done) => return walked(true),
                Ok(Revival::GaveWay) => return walked(false),
                Ok(Revival::Later(why)) => {
                    tracing::warn!(%environment, why, "the live container cannot be looked after yet");
                }
                Err(error) => {
                    tracing::error!(%environment, %error, "the live container cannot be looked after");
                    return walked(true);
                }
            }
            self.ports.clock.sleep(backoff.pause()).await;
        }
    }

    async fn revive_once(&self, environment: EnvironmentSerial) -> Result<Revival, StoreError> {
        if self
            .store
            .unfinished()?
            .iter()
            .any(|work| work.environment == environment)
        {
            return Ok(Revival::GaveWay);
        }
        let place: Place = self.store.place_of(environment)?;
        match self.uphold(&place).await {
            Ok(()) => Ok(Revival::Done),
            Err(NotYet::Store(error)) => Err(error),
            Err(why) => Ok(Revival::Later(why.to_string())),
        }
    }

    /// Removes what was removed and appeared again. Never ends.
    async fn sweep(&self) {
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        loop {
            let pause = match self.sweep_once().await {
                Ok(()) => {
                    backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
                    SWEEP_INTERVAL
                }
                Err(why) => {
                    tracing::debug!(why, "cannot look for leftovers yet");
                    backoff.pause()
                }
            };
            self.ports.clock.sleep(pause).await;
        }
    }

    async fn sweep_once(&self) -> Result<(), String> {
        let engine = &self.ports.engine;
        let present = engine.list().await.map_err(|error| error.to_string())?;
        for name in self
            .store
            .removed_names(&present)
            .map_err(|error| error.to_string())?
        {
            tracing::info!(
                name,
                "removing a container that appeared after it was removed"
            );
            engine
                .remove(&name)
                .await
                .map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}

/// What a walk leaves behind.
struct Walked {
    environment: EnvironmentSerial,
    /// Whether what is live needs no further look.
    seen: bool,
}

enum Revival {
    Done,
    /// There is work, which comes first.
    GaveWay,
    Later(String),
}

//! Following what the engine tells by itself: a live container that is missing or stays stopped is brought back, what
//! appears although it was removed is swept away. Events only say where to look; what is done follows from the look.

use super::Agent;
use super::drive::{FIRST_PAUSE, LONGEST_PAUSE};
use super::patience::Backoff;
use super::uphold::NotYet;
use crate::core::id::EnvironmentSerial;
use crate::core::ports::{EngineError, EngineEvent, HostImage};
use crate::core::release::is_candidate_tag;
use crate::store::StoreError;
use futures_util::StreamExt as _;
use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// How long a container that ended is left to the engine's restart policy before it is looked at.
const ENGINES_TURN: Duration = Duration::from_secs(2);
/// How often everything is looked at although nothing was told.
const ROUND: Duration = Duration::from_secs(600);

/// What is to be looked at, and how often the engine was lost.
#[derive(Default)]
pub(super) struct Watch {
    /// Environments whose live container is to be looked after, and how long that may wait.
    due: Mutex<BTreeMap<EnvironmentSerial, Duration>>,
    is_due: Notify,
    leftovers: Notify,
    losses: AtomicU64,
    following: AtomicBool,
}

impl Watch {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<EnvironmentSerial, Duration>> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, environment: EnvironmentSerial, wait: Duration) {
        let mut due = self.lock();
        let first = due.entry(environment).or_insert(wait);
        *first = wait.min(*first);
        self.is_due.notify_one();
    }

    /// Returns when there is something to look at; for the driver alone.
    pub(super) async fn is_due(&self) {
        self.is_due.notified().await;
    }

    /// Takes out what nobody is at work on; the rest stays until it is free.
    pub(super) fn take(
        &self,
        busy: &HashSet<EnvironmentSerial>,
    ) -> Vec<(EnvironmentSerial, Duration)> {
        self.lock()
            .extract_if(.., |environment, _| !busy.contains(environment))
            .collect()
    }

    /// The engine did not answer, or stopped telling.
    pub(super) fn lose(&self) {
        self.losses.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether the engine tells its events, as far as is known: one that hangs is noticed by its next answer.
    pub(super) fn is_following(&self) -> bool {
        self.following.load(Ordering::Relaxed)
    }

    /// How often the engine was lost: where two answers differ, what ended in between may have ended with it.
    pub(super) fn losses(&self) -> u64 {
        self.losses.load(Ordering::Relaxed)
    }
}

impl Agent {
    /// Follows the engine's events, through its restarts. Never ends.
    pub(super) async fn watch(&self) {
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        let mut said = String::new();
        loop {
            let began = self.ports.clock.monotonic();
            let why = tokio::select! {
                biased;
                why = self.follow_events() => why,
                why = self.make_rounds() => why,
            };
            self.watch.lose();
            self.watch.following.store(false, Ordering::Relaxed);
            let was_well = self.ports.clock.monotonic() - began > LONGEST_PAUSE;
            if was_well {
                backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
            }
            if was_well || why != said {
                tracing::warn!(why, "the engine's events are not followed; trying again");
                said = why;
            }
            self.ports.clock.sleep(backoff.pause()).await;
        }
    }

    /// Follows the events until the engine or the store fails, and says why.
    async fn follow_events(&self) -> String {
        let mut events = self.ports.engine.events();
        while let Some(event) = events.next().await {
            let heard = match event {
                Ok(EngineEvent::Listening) => {
                    self.watch.following.store(true, Ordering::Relaxed);
                    self.look_everywhere()
                }
                Ok(EngineEvent::Made) => {
                    self.watch.leftovers.notify_one();
                    Ok(())
                }
                Ok(EngineEvent::Ended(name)) => self.look_at(&name, ENGINES_TURN),
                Ok(EngineEvent::Removed(name)) => self.look_at(&name, Duration::ZERO),
                Err(error) => return error.to_string(),
            };
            if let Err(error) = heard {
                return error.to_string();
            }
        }
        "the engine stopped telling its events".to_owned()
    }

    /// Nothing rests on events alone. Returns only when the store fails.
    async fn make_rounds(&self) -> String {
        loop {
            self.ports.clock.sleep(ROUND).await;
            if let Err(error) = self.look_everywhere() {
                return error.to_string();
            }
        }
    }

    fn look_everywhere(&self) -> Result<(), StoreError> {
        self.watch.leftovers.notify_one();
        for environment in self.store.live_environments()? {
            self.watch.ask(environment, Duration::ZERO);
        }
        Ok(())
    }

    fn look_at(&self, container: &str, wait: Duration) -> Result<(), StoreError> {
        if let Some(environment) = self.store.live_in(container)? {
            self.watch.ask(environment, wait);
        }
        Ok(())
    }

    /// Looks after an environment until it is as it is meant to be. One with work is its walk's business,
    /// which may have stopped the container on purpose: then it is looked at again when that has ended.
    pub(super) async fn look_after(
        &self,
        environment: EnvironmentSerial,
        wait: Duration,
    ) -> EnvironmentSerial {
        if let Err(error) = self.bring_back(environment, wait).await {
            tracing::error!(%environment, %error, "the live container cannot be looked after");
        }
        environment
    }

    async fn bring_back(
        &self,
        environment: EnvironmentSerial,
        wait: Duration,
    ) -> Result<(), StoreError> {
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        let mut said = String::new();
        let mut pause = wait;
        loop {
            // Only a pause is cut short by work: what the engine is doing it does to its end before a walk begins.
            tokio::select! {
                biased;
                work = self.has_work(environment) => {
                    self.watch.ask(environment, Duration::ZERO);
                    return work;
                }
                () = self.ports.clock.sleep(pause) => {}
            }
            let place = self.store.place_of(environment)?;
            let why = match self.uphold(&place).await {
                Ok(()) => return Ok(()),
                Err(NotYet::Store(error)) => return Err(error),
                Err(why) => why.to_string(),
            };
            if why != said {
                tracing::warn!(%environment, why, "the live container cannot be looked after yet");
                said = why;
            }
            pause = backoff.pause();
        }
    }

    /// Returns when there is something else to do for the environment.
    async fn has_work(&self, environment: EnvironmentSerial) -> Result<(), StoreError> {
        let mut changes = self.store.changes();
        loop {
            changes.borrow_and_update();
            if self.store.has_work(environment)? || changes.changed().await.is_err() {
                return Ok(());
            }
        }
    }

    /// Removes what was removed and appeared again: an engine that hung or was killed in the middle of making
    /// something may finish it later. Never ends.
    pub(super) async fn sweep(&self) {
        loop {
            self.watch.leftovers.notified().await;
            let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
            while let Err(why) = self.sweep_once().await {
                tracing::debug!(%why, "cannot look for leftovers yet");
                self.ports.clock.sleep(backoff.pause()).await;
            }
        }
    }

    pub(super) async fn sweep_once(&self) -> Result<(), NotYet> {
        let engine = &self.ports.engine;
        let present = engine.list().await?.into_iter();
        let present: Vec<String> = present.map(|seen| seen.name).collect();
        self.store.forget_strays(&present)?;
        for name in self.store.removed_names(&present)? {
            // Most often it was removed since the list was made.
            if engine.inspect(&name).await?.is_none() {
                continue;
            }
            tracing::info!(
                name,
                "removing a container that appeared after it was removed"
            );
            engine.remove(&name).await?;
        }
        let built = |image: HostImage| image.deployment.map(|_| image.tags);
        let images = engine.images().await?.into_iter();
        let mut tags: Vec<_> = images.filter_map(built).flatten().collect();
        tags.retain(|tag| is_candidate_tag(tag));
        for tag in self.store.removed_tags(&tags)? {
            tracing::info!(tag, "removing an image that appeared after it was given up");
            match engine.untag(&tag).await {
                // A container of somebody's holds it; the next round asks again.
                Err(EngineError::Refused(why)) => tracing::info!(tag, why, "the image stays"),
                other => other?,
            }
        }
        Ok(())
    }
}

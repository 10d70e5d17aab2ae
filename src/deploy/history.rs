//! Before anything is done in a process' life: is the database older than the world? Nothing begins until the engine and
//! the ingress have been asked, and nothing while they know more than the database, until somebody adopts.

use super::Agent;
use super::drive::{FIRST_PAUSE, LONGEST_PAUSE};
use super::patience::{Backoff, unavailable};
use crate::core::deployment::{Deployment, Phase};
use crate::core::error::Error;
use crate::core::id::OperationSerial;
use crate::core::ports::{EngineError, Seen};
use crate::core::restored::{Restored, Verdict, judge};
use crate::store::StoreError;
use std::collections::BTreeMap;
use std::time::Duration;

/// What is known of the database's history.
#[derive(Clone, Debug)]
pub(super) enum History {
    /// Nothing yet: the world could not be asked.
    Unchecked,
    /// It is whole.
    Whole,
    /// It ends before the world's.
    Restored(Restored),
}

/// A look at the world beside the database.
pub(super) struct Look {
    pub(super) seen: Vec<Seen>,
    pub(super) verdict: Verdict,
}

/// Why there was none.
pub(super) enum Blind {
    Engine(String),
    Ingress(String),
    Store(StoreError),
}

impl Agent {
    /// Returns when operations may begin.
    pub(super) async fn until_whole(&self) -> Result<(), StoreError> {
        let mut history = self.history.subscribe();
        if matches!(*history.borrow(), History::Unchecked) {
            self.check_history().await?;
        }
        // A sender that is gone is the end of the process.
        let _ = history
            .wait_for(|history| matches!(history, History::Whole))
            .await;
        Ok(())
    }

    /// Asks until there is an answer. A failed look concludes nothing.
    async fn check_history(&self) -> Result<(), StoreError> {
        let clock = &self.ports.clock;
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        let mut waiting = BTreeMap::new();
        let mut said = false;
        let mut changes = self.store.changes();
        loop {
            changes.borrow_and_update();
            let why = match self.look().await {
                Ok(look) => {
                    self.conclude(look.verdict);
                    return Ok(());
                }
                Err(Blind::Store(error)) => return Err(error),
                Err(Blind::Engine(why)) => {
                    self.wait_for_engine(&mut waiting, &why)?;
                    format!("the Docker engine cannot be reached: {why}")
                }
                Err(Blind::Ingress(why)) => {
                    // The engine answered: nobody waits for it.
                    waiting.clear();
                    format!("the ingress cannot be asked: {why}")
                }
            };
            if !said {
                tracing::warn!(
                    "nothing begins before it is known what runs, and that cannot be asked yet: {why}"
                );
                said = true;
            }
            let limit = self.settings().unavailable_timeout;
            let now = clock.monotonic();
            let first_due = waiting.values().map(|since| *since + limit).min();
            let until_due = first_due.map_or(Duration::MAX, |due| due.saturating_sub(now));
            tokio::select! {
                biased;
                () = clock.sleep(backoff.pause().min(until_due)) => {}
                // A deployment that came in meanwhile is told, too, for what it waits.
                _ = changes.changed() => clock.sleep(FIRST_PAUSE).await,
            }
        }
    }

    fn conclude(&self, verdict: Verdict) {
        let history = match verdict {
            Verdict::Whole => History::Whole,
            Verdict::Restored(restored) => {
                tracing::error!("{restored}");
                for one in &restored.evidence {
                    tracing::error!("{one}");
                }
                tracing::error!(
                    "nothing is started, stopped, removed or published until that is decided: `longshore adopt` makes what runs live, `longshore adopt --discard` makes live what the database says"
                );
                History::Restored(restored)
            }
        };
        self.history.send_replace(history);
    }

    /// One look at everything.
    pub(super) async fn look(&self) -> Result<Look, Blind> {
        let seen = self
            .ports
            .engine
            .list()
            .await
            .map_err(|error| match error {
                EngineError::Unavailable(why) => Blind::Engine(why),
                other => Blind::Engine(other.to_string()),
            })?;
        let held = self.ports.ingress.held(self.store.instance()).await;
        let held = held.map_err(|error| Blind::Ingress(error.to_string()))?;
        let ledger = self.store.ledger(&seen).map_err(Blind::Store)?;
        let verdict = judge(&ledger, &seen, held);
        Ok(Look { seen, verdict })
    }

    /// Deployments wait for an engine that was never there as for one that went away: so long, and then they fail.
    fn wait_for_engine(
        &self,
        waiting: &mut BTreeMap<OperationSerial, Duration>,
        why: &str,
    ) -> Result<(), StoreError> {
        let limit = self.settings().unavailable_timeout;
        let now = self.ports.clock.monotonic();
        // What somebody ended in the meantime waits no more: its time would be over for ever.
        let before = std::mem::take(waiting);
        for (operation, deployment) in self.store.first_before_their_commit()? {
            if !self.has_its_turn(operation, &deployment)? {
                continue;
            }
            let place = self.store.place_of(deployment.environment)?;
            let since = before.get(&operation).copied().unwrap_or(now);
            if !before.contains_key(&operation) {
                let limit = humantime::format_duration(limit);
                self.journal(deployment.id, &[])?.agent(
                    deployment.phase.running_step(),
                    &format!("The Docker engine cannot be reached ({why}); waiting up to {limit}"),
                );
            }
            if now - since < limit {
                waiting.insert(operation, since);
            } else {
                self.give_up(&place, deployment, unavailable(why))?;
                if self
                    .store
                    .pending_settlements(place.environment)?
                    .is_empty()
                {
                    self.store
                        .finish_operation(operation, self.ports.clock.now())?;
                }
            }
        }
        Ok(())
    }

    /// Waiting in the queue has no deadline: only what is at its head, with nothing before it left to settle, waits for the
    /// engine.
    fn has_its_turn(
        &self,
        operation: OperationSerial,
        deployment: &Deployment,
    ) -> Result<bool, StoreError> {
        let head = self.store.queue_head(deployment.environment)?;
        let settled = self.store.pending_settlements(deployment.environment)?;
        let is_head = head.is_some_and(|head| head.serial == operation);
        Ok(is_head && (deployment.phase != Phase::Queued || settled.is_empty()))
    }

    /// Whether nobody could be asked yet what the world knows.
    pub(super) fn is_unchecked(&self) -> bool {
        matches!(*self.history.borrow(), History::Unchecked)
    }

    /// What is to be said to everybody who asks for anything; `None` if all is well.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        match &*self.history.borrow() {
            History::Unchecked | History::Whole => None,
            History::Restored(restored) => Some(format!(
                "{restored}; nothing is changed until `longshore adopt` (what runs becomes live) or `longshore adopt --discard` (what the database says becomes live)"
            )),
        }
    }

    /// Refuses whatever would change something while the database is older than the world.
    pub(super) fn must_be_whole(&self) -> Result<(), Error> {
        match self.warning() {
            None => Ok(()),
            Some(warning) => Err(Error::Unavailable(warning)),
        }
    }
}

//! Figures for whoever watches from outside. What happened is counted from the events that were written since the
//! process began, when somebody asks: the driver knows nothing of it.

use super::Agent;
use super::dispatch::internal;
use super::history::History;
use crate::core::access::{Caller, Reach, Scope};
use crate::core::error::Error;
use crate::core::event::DeploymentStage;
use crate::core::measure::{Measurements, Unready};
use crate::store::{Progressed, StoreError};
use std::sync::PoisonError;
use std::time::Duration;

/// How long the ingress may take to say what it counted: it only adds numbers up.
const FIGURES: Duration = Duration::from_secs(1);

/// What was counted, up to which event.
#[derive(Debug, Default)]
pub(super) struct Counted {
    /// `None` before this process has looked for the first time.
    after: Option<i64>,
    figures: Measurements,
}

impl Agent {
    /// From here on what happens is counted.
    pub(super) fn begin_counting(&self) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        counted.after = self.store.last_event().ok();
        #[expect(
            clippy::cast_precision_loss,
            reason = "milliseconds since 1970 are far below 2^52"
        )]
        let started_at = self.ports.clock.now().0 as f64 / 1000.0;
        counted.figures.started_at = started_at;
    }

    pub(super) async fn measure(&self, caller: &Caller) -> Result<Measurements, Error> {
        match caller.reach {
            Reach::All => {}
            Reach::App(_) | Reach::Environment(..) => return Err(Error::Forbidden(Scope::Read)),
        }
        let ingress = self.ingress_figures().await;
        let mut figures = self.own_figures()?;
        figures.ingress = ingress;
        Ok(figures)
    }

    /// What the ingress counted. Whoever scrapes waits for the daemon's own figures, not for an ingress that hangs.
    async fn ingress_figures(&self) -> Option<String> {
        tokio::select! {
            biased;
            figures = self.ports.ingress.figures() => figures.ok(),
            () = self.ports.clock.sleep(FIGURES) => None,
        }
    }

    fn own_figures(&self) -> Result<Measurements, Error> {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        counted.catch_up(self).map_err(internal)?;
        let mut figures = counted.figures.clone();
        drop(counted);
        figures.unfinished = self.store.unfinished_by_phase().map_err(internal)?;
        figures.table = self.table_held().map_err(internal)?;
        figures.engine_up = self.watch.is_following();
        figures.store_bytes = self.store.size();
        Ok(figures)
    }

    /// Why the work cannot be done now; empty if it can. Asks nothing outside this process, however often it is asked.
    #[must_use]
    pub fn unready(&self) -> Vec<Unready> {
        let mut reasons = Vec::new();
        if *self.closing.borrow() {
            reasons.push(Unready::Stopping);
        }
        if let Err(error) = self.store.last_event() {
            tracing::error!(%error, "the database cannot be read");
            reasons.push(Unready::Store);
        }
        match &*self.history.borrow() {
            // Nothing is followed until somebody has decided.
            History::Restored(_) => reasons.push(Unready::Restored),
            History::Unchecked => reasons.push(Unready::Engine),
            History::Whole => {
                if !self.watch.is_following() {
                    reasons.push(Unready::Engine);
                }
                reasons.extend(self.published.unready());
            }
        }
        if self.store.room().is_err() {
            reasons.push(Unready::Disk);
        }
        reasons
    }
}

impl Counted {
    fn catch_up(&mut self, agent: &Agent) -> Result<(), StoreError> {
        let Some(mut after) = self.after else {
            self.after = Some(agent.store.last_event()?);
            return Ok(());
        };
        loop {
            let progressed = agent.store.progress(after)?;
            let Some(last) = progressed.last() else {
                break;
            };
            after = last.serial;
            for one in progressed {
                self.count(one);
            }
            self.after = Some(after);
        }
        // What is removed is not shown for ever.
        let there = agent.store.apps(Reach::All)?;
        self.figures.outcomes.retain(|(app, environment, _), _| {
            let app = there.iter().filter(|view| view.name == *app);
            app.flat_map(|view| &view.environments)
                .any(|view| view.name == *environment)
        });
        Ok(())
    }

    fn count(&mut self, one: Progressed) {
        if let Some((DeploymentStage::Running(step), since)) = one.before {
            // A clock that was set back took no time.
            let took = u64::try_from(one.at.millis_since(since)).unwrap_or(0);
            let durations = self.figures.steps.entry(step).or_default();
            durations.add(Duration::from_millis(took));
        }
        if one.stage.is_end_here() {
            let key = (one.app, one.environment, one.stage);
            *self.figures.outcomes.entry(key).or_default() += 1;
        }
    }
}

//! Runs that stand alone, by a schedule or by hand: each is walked beside the environments' walks, from wherever it stands to
//! its end, and settles what it leaves.

use super::Agent;
use super::interrupt::{Resumed, Stop, Work};
use super::journal::Journal;
use super::run::Execution;
use crate::core::deployment::{Deployment, Phase};
use crate::core::failure::Failure;
use crate::core::id::RunSerial;
use crate::core::name::VariableName;
use crate::core::release::ReleaseContent;
use crate::core::run::{Run, RunPhase};
use crate::core::secret::Secret;
use crate::store::{Place, StoreError};
use std::collections::BTreeMap;

/// What a run runs: the release that its deployment made live.
pub(super) struct Runs {
    pub(super) of: Deployment,
    pub(super) content: ReleaseContent,
    pub(super) variables: BTreeMap<VariableName, Secret>,
}

impl Agent {
    /// Walks a run to its end.
    pub(super) async fn walk_run(&self, serial: RunSerial) -> RunSerial {
        if let Err(error) = self.carry_run(serial).await {
            tracing::error!(%error, run = %serial, "a run is interrupted and will be tried again");
            self.rest(&error).await;
        }
        serial
    }

    async fn carry_run(&self, serial: RunSerial) -> Result<(), StoreError> {
        loop {
            let run = self.store.run(serial)?;
            let place = self.store.place_of(run.environment)?;
            match run.phase {
                RunPhase::Queued => match self.begin_alone(&run).await {
                    Ok(()) | Err(StoreError::Moved(_)) => {}
                    // Also where the disk is full: the run waits until there is room.
                    Err(error) => return Err(error),
                },
                RunPhase::Running => self.run_alone(&place, &run).await?,
                RunPhase::Succeeded { .. }
                | RunPhase::Failed { .. }
                | RunPhase::Cancelled { .. }
                | RunPhase::Skipped { .. } => {
                    self.settle_run(&place, &run).await?;
                    self.store.note_lost_lines(self.ports.clock.now())?;
                    return self.forget_runs(&place);
                }
            }
        }
    }

    /// Queued → Running, when those before it have ended for which it waits.
    async fn begin_alone(&self, run: &Run) -> Result<(), StoreError> {
        let mut changes = self.store.changes();
        loop {
            changes.borrow_and_update();
            let now = self.ports.clock.now();
            if self.store.begin_run(run, now)?.is_some() {
                return Ok(());
            }
            // Nothing changes any more: the process ends.
            changes.changed().await.map_err(|_| StoreError::Closed)?;
        }
    }

    async fn run_alone(&self, place: &Place, run: &Run) -> Result<(), StoreError> {
        let runs = self.what_runs(run)?;
        let journal = self.journal(run.id, &[])?;
        let work = Work::Run(run);
        let Some(row) = self.store.task(work.task())? else {
            return Ok(());
        };
        let execution = Execution {
            agent: self,
            place,
            run,
            of: &runs.of,
            content: &runs.content,
            variables: &runs.variables,
            journal: &journal,
        };
        let ended = match self.resume(Resumed::Run(run.serial), work, row) {
            Ok(()) => execution.go(None).await,
            Err(stop) => Err(stop),
        };
        let now = self.ports.clock.now();
        let written = match ended {
            Ok(()) => {
                journal.agent(None, "Succeeded");
                self.store.end_run(run, &run.clone().succeed(now)?, now)
            }
            Err(Stop::Failed(failure)) => {
                let failure = told_failure(&journal, *failure);
                self.store.fail_run(run, &failure, now)
            }
            Err(Stop::Moved) => {
                journal.agent(None, "Ended from outside");
                Ok(())
            }
            Err(Stop::Store(error)) => return Err(error),
        };
        match written {
            Ok(()) | Err(StoreError::Moved(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The release that a run runs, and with which variables, as a container of it that is made again.
    pub(super) fn what_runs(&self, run: &Run) -> Result<Runs, StoreError> {
        let of = self.store.deployment(run.deployment)?;
        let release = match &of.phase {
            Phase::Committed(release) | Phase::Succeeded { release, .. } => *release,
            Phase::Queued
            | Phase::Running(_)
            | Phase::Failed { .. }
            | Phase::Cancelled { .. }
            | Phase::Superseded { .. } => {
                return Err(StoreError::Inconsistent {
                    table: "run",
                    id: run.serial.to_string(),
                    what: format!("runs deployment {}, which made nothing live", of.serial),
                });
            }
        };
        let release = self.store.release(release)?;
        let mut variables = self.store.deployment(release.deployment)?.request.variables;
        variables.extend(of.request.variables.clone());
        Ok(Runs {
            of,
            content: release.content,
            variables,
        })
    }

    /// Undoes what a run that stands alone has left. Returns only when it is done.
    pub(super) async fn settle_run(&self, place: &Place, run: &Run) -> Result<(), StoreError> {
        let pending = self.store.settlements_of_run(run.serial)?;
        self.settle_all(place, pending).await
    }

    /// The oldest runs that have ended go, with their logs, when there are more than are kept.
    pub(super) fn forget_runs(&self, place: &Place) -> Result<(), StoreError> {
        let configured = self.configured(place).and_then(|spec| spec.job);
        let job = match configured {
            Some(job) => Some(job),
            None => {
                let live = self.store.live(place.environment)?;
                live.and_then(|live| live.release.content.job)
            }
        };
        let Some(job) = job else { return Ok(()) };
        self.store.forget_runs(place.environment, job.keep_runs)
    }
}

/// Writes a failure into a run's log; gives it back as it may be shown.
pub(super) fn told_failure(journal: &Journal, failure: Failure) -> Failure {
    let failure = journal.redact(failure);
    journal.agent(
        None,
        &format!("Failed ({}): {}", failure.code.as_str(), failure.message),
    );
    journal.agent(None, &failure.next);
    failure
}

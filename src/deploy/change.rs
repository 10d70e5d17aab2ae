//! A stop, start, suspension, activation or removal, from its queue to its end. Its begin says what the environment is
//! meant to be; its work is to make it so, which can be repeated at any time.

use super::Agent;
use super::drive::{FIRST_PAUSE, LONGEST_PAUSE, REST};
use super::interrupt::{Interrupt, Resumed, Stop, Work};
use super::journal::Journal;
use super::patience::{Backoff, unavailable};
use super::run::Execution;
use super::runs::told_failure;
use super::uphold::NotYet;
use crate::core::admission::Desired;
use crate::core::change::{Change, ChangePhase, EnvironmentChange};
use crate::core::failure::{Failure, FailureCode};
use crate::core::id::OperationSerial;
use crate::core::ports::EngineError;
use crate::core::run::{Run, RunPhase};
use crate::store::{Place, StoreError};
use std::net::SocketAddrV4;

impl Agent {
    /// Takes a change one phase further.
    pub(super) async fn walk_change(
        &self,
        place: &Place,
        operation: OperationSerial,
    ) -> Result<(), StoreError> {
        let change = self
            .store
            .change(operation)?
            .ok_or_else(|| StoreError::Inconsistent {
                table: "operation",
                id: operation.to_string(),
                what: "is no change".into(),
            })?;
        match change.phase {
            ChangePhase::Queued => {
                self.settle(place).await?;
                self.begin_change(place, &change).await
            }
            ChangePhase::Running => self.carry_out(place, change).await,
            ChangePhase::Done | ChangePhase::Failed(_) | ChangePhase::Cancelled => {
                self.settle(place).await?;
                self.store
                    .finish_operation(operation, self.ports.clock.now())?;
                match change.change {
                    Change::Remove { .. } => {
                        self.give_networks_back();
                        Ok(())
                    }
                    Change::Stop | Change::Start | Change::Suspend | Change::Activate => {
                        self.forget_runs(place)
                    }
                }
            }
        }
    }

    /// Begins it, as soon as no run stands in its way.
    async fn begin_change(
        &self,
        place: &Place,
        change: &EnvironmentChange,
    ) -> Result<(), StoreError> {
        let mut changes = self.store.changes();
        loop {
            changes.borrow_and_update();
            let run = self.run_of_change(place, change)?;
            let now = self.ports.clock.now();
            let begun = self
                .store
                .begin_change(change, &place.slug(), run.as_ref(), now);
            match begun {
                Ok(true) | Err(StoreError::Moved(_)) => return Ok(()),
                Ok(false) => {}
                Err(error) => return Err(error),
            }
            tokio::select! {
                biased;
                left = self.left(Work::Change(change)) => return left,
                free = self.free_of_runs(place) => free?,
            }
        }
    }

    /// Makes it so, within its budget.
    async fn carry_out(&self, place: &Place, change: EnvironmentChange) -> Result<(), StoreError> {
        let work = Work::Change(&change);
        let Some(row) = self.store.task(work.task())? else {
            return Ok(());
        };
        let what = change.change.as_str();
        let worked = match self.resume(Resumed::Operation(change.serial), work, row) {
            Ok(()) => {
                self.guarded(work, row, async |interrupt| {
                    self.make_so(place, &change, interrupt).await
                })
                .await
            }
            Err(stop) => Err(stop),
        };
        let ended = match worked {
            Ok(()) => {
                tracing::info!(app = %place.app_name, environment = %place.environment_name, "{what} is done");
                change.clone().finish()?
            }
            Err(Stop::Failed(failure)) => {
                tracing::warn!(
                    app = %place.app_name, environment = %place.environment_name,
                    "{what} failed: {} ({})", failure.message, failure.code.as_str()
                );
                if let Change::Remove { volumes } = change.change {
                    return self
                        .remove_all_the_same(place, &change, &failure, volumes)
                        .await;
                }
                change.clone().fail(*failure)?
            }
            Err(Stop::Moved) => return Ok(()),
            Err(Stop::Store(error)) => return Err(error),
        };
        unless_moved(
            self.store
                .end_change(&change, &ended, self.ports.clock.now()),
        )
    }

    /// Accepted is gone: what hinders a removal ends at most what it runs. Where that is not in the way it rests, and is tried
    /// again: a full disk would hinder it at once.
    async fn remove_all_the_same(
        &self,
        place: &Place,
        change: &EnvironmentChange,
        failure: &Failure,
        volumes: bool,
    ) -> Result<(), StoreError> {
        let run = self.store.run_of_change(change.serial)?;
        let live = self.store.live(place.environment)?;
        let (Some(run), Some(_)) = (run, live) else {
            self.ports.clock.sleep(REST).await;
            return Ok(());
        };
        let now = self.ports.clock.now();
        self.store
            .end_removal_run(place, &run, Some(failure), volumes, now)
    }

    async fn make_so(
        &self,
        place: &Place,
        change: &EnvironmentChange,
        interrupt: &Interrupt,
    ) -> Result<(), Stop> {
        self.run_with_change(place, change, interrupt).await?;
        let clock = &self.ports.clock;
        let limit = self.settings().unavailable_timeout;
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        let mut gone_since = None;
        let mut said = String::new();
        loop {
            interrupt.check()?;
            let why = match self.take_effect(place, interrupt).await? {
                Ok(()) => return Ok(()),
                Err(NotYet::Store(error)) => return Err(error.into()),
                Err(why) => why,
            };
            let text = why.to_string();
            if text != said {
                tracing::warn!(app = %place.app_name, environment = %place.environment_name, "{} is not done yet: {text}", change.change.as_str());
            }
            let fails = match change.change {
                Change::Stop | Change::Start | Change::Suspend | Change::Activate => true,
                // Accepted is gone: what cannot be done yet is tried until it can.
                Change::Remove { .. } => false,
            };
            match why {
                NotYet::Engine(EngineError::Unavailable(message)) => {
                    let since = *gone_since.get_or_insert_with(|| clock.monotonic());
                    if fails && clock.monotonic() - since >= limit {
                        return Err(unavailable(&message).into());
                    }
                }
                NotYet::Engine(_) if fails => return Err(refused(change.change, &text).into()),
                NotYet::Secret(_) if fails => return Err(unreadable(&text).into()),
                NotYet::Engine(_)
                | NotYet::Secret(_)
                | NotYet::Ingress(_)
                | NotYet::OtherTable { .. }
                | NotYet::Store(_) => {
                    gone_since = None;
                }
            }
            said = text;
            interrupt.race(clock.sleep(backoff.pause())).await?;
        }
    }

    /// Runs what belongs to the change. What fails fails the change, but for a removal: that goes on.
    async fn run_with_change(
        &self,
        place: &Place,
        change: &EnvironmentChange,
        interrupt: &Interrupt,
    ) -> Result<(), Stop> {
        let Some(run) = self.store.run_of_change(change.serial)? else {
            return Ok(());
        };
        let journal = self.journal(run.id, &[])?;
        let ended = self.run_of_a_change(place, &run, &journal, interrupt).await;
        let failure = match ended {
            Ok(()) => None,
            Err(Stop::Failed(failure)) => Some(journal.redact(*failure)),
            Err(Stop::Moved) => {
                interrupt.check()?;
                // The run alone was ended.
                Some(cancelled(&run))
            }
            Err(Stop::Store(error)) => return Err(error.into()),
        };
        match &failure {
            None => journal.agent(None, "Succeeded"),
            Some(failure) => {
                told_failure(&journal, failure.clone());
            }
        }
        let now = self.ports.clock.now();
        let run = self.store.run(run.serial)?;
        match (change.change, failure) {
            (Change::Remove { volumes }, failure) => {
                if self.store.live(place.environment)?.is_some() {
                    let failure = failure.as_ref();
                    self.store
                        .end_removal_run(place, &run, failure, volumes, now)?;
                }
                Ok(())
            }
            (Change::Stop | Change::Start | Change::Suspend | Change::Activate, Some(failure)) => {
                Err(failure.into())
            }
            (Change::Stop | Change::Start | Change::Suspend | Change::Activate, None) => {
                match run.phase {
                    RunPhase::Running => {
                        let done = run.clone().succeed(now).map_err(StoreError::from)?;
                        Ok(self.store.end_run(&run, &done, now)?)
                    }
                    _ => Ok(()),
                }
            }
        }
    }

    async fn run_of_a_change(
        &self,
        place: &Place,
        run: &Run,
        journal: &Journal,
        interrupt: &Interrupt,
    ) -> Result<(), Stop> {
        let run = match &run.phase {
            RunPhase::Queued => self.begin_run(run.clone(), interrupt).await?,
            RunPhase::Running => run.clone(),
            RunPhase::Succeeded { .. } => return Ok(()),
            RunPhase::Failed { failure, .. } => return Err(failure.clone().into()),
            RunPhase::Cancelled { .. } | RunPhase::Skipped { .. } => return Err(Stop::Moved),
        };
        let runs = self.what_runs(&run)?;
        let execution = Execution {
            agent: self,
            place,
            run: &run,
            of: &runs.of,
            content: &runs.content,
            variables: &runs.variables,
            journal,
        };
        execution.go(Some(interrupt)).await
    }

    /// No request is sent to what is about to stop, and what is under way to it may end. One that comes before it runs again
    /// waits at the ingress.
    async fn take_effect(
        &self,
        place: &Place,
        interrupt: &Interrupt,
    ) -> Result<Result<(), NotYet>, Stop> {
        Ok(match place.desired {
            Desired::Running => match self.uphold(place).await {
                Ok(()) => self.publish_table().await,
                not_yet => not_yet,
            },
            Desired::Stopped | Desired::Suspended | Desired::Removed => {
                match self.publish_table().await {
                    Ok(()) => {
                        interrupt.race(self.drain_live(place)).await??;
                        self.uphold(place).await
                    }
                    not_yet => not_yet,
                }
            }
        })
    }

    /// What is under way to the live container may end before that is stopped.
    async fn drain_live(&self, place: &Place) -> Result<(), StoreError> {
        let Some(live) = self.store.live(place.environment)? else {
            return Ok(());
        };
        let (Some(container), Some(port)) = (live.serving(), live.release.content.run.port) else {
            return Ok(());
        };
        let limit = self.drain_timeout(container.deployment)?;
        let address = SocketAddrV4::new(container.address, port);
        self.drain((&container.name, address), limit, |told| {
            tracing::info!(app = %place.app_name, environment = %place.environment_name, "{told}");
        })
        .await;
        Ok(())
    }
}

/// A removal may have cancelled it in the meantime.
fn unless_moved(written: Result<(), StoreError>) -> Result<(), StoreError> {
    match written {
        Ok(()) | Err(StoreError::Moved(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

fn cancelled(run: &Run) -> Failure {
    Failure {
        code: FailureCode::JobFailed,
        message: format!("its run {} was cancelled", run.number),
        output: Vec::new(),
        next: "Ask for it again, if it is still wanted.".into(),
    }
}

fn refused(change: Change, why: &str) -> Failure {
    Failure {
        code: FailureCode::EngineRefused,
        message: format!("the Docker engine refused the {}: {why}", change.as_str()),
        output: Vec::new(),
        next: "Mend what it names, or deploy a version that runs.".into(),
    }
}

fn unreadable(why: &str) -> Failure {
    Failure {
        code: FailureCode::SecretUnreadable,
        message: why.to_owned(),
        output: Vec::new(),
        next: "Make it readable for longshore and ask again.".into(),
    }
}

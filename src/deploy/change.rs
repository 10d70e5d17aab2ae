//! A stop, start, suspension, activation or removal, from its queue to its end. Its begin says what the environment is
//! meant to be; its work is to make it so, which can be repeated at any time.

use super::Agent;
use super::drive::{FIRST_PAUSE, LONGEST_PAUSE};
use super::interrupt::{Interrupt, Stop, Work};
use super::patience::{Backoff, unavailable};
use super::uphold::NotYet;
use crate::core::admission::Desired;
use crate::core::change::{Change, ChangePhase, EnvironmentChange};
use crate::core::failure::{Failure, FailureCode};
use crate::core::id::OperationSerial;
use crate::core::ports::EngineError;
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
                let now = self.ports.clock.now();
                unless_moved(
                    self.store
                        .begin_change(&change, &place.slug(), now)
                        .map(drop),
                )
            }
            ChangePhase::Running => self.carry_out(place, change).await,
            ChangePhase::Done | ChangePhase::Failed(_) | ChangePhase::Cancelled => {
                self.settle(place).await?;
                self.store
                    .finish_operation(operation, self.ports.clock.now())?;
                if let Change::Remove { .. } = change.change {
                    self.give_networks_back();
                }
                Ok(())
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
        let worked = match self.resume(change.serial, work, row) {
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

    async fn make_so(
        &self,
        place: &Place,
        change: &EnvironmentChange,
        interrupt: &Interrupt,
    ) -> Result<(), Stop> {
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

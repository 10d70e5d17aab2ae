//! The route table on its way to the ingress. One place publishes, whoever needs it: one table at a time, the newest of
//! its moment, and nobody's twice. A loop keeps it held through restarts of the ingress and changes of the configuration.

use super::Agent;
use super::dispatch::internal;
use super::drive::{FIRST_PAUSE, LONGEST_PAUSE};
use super::patience::Backoff;
use super::uphold::NotYet;
use crate::core::access::{Caller, Reach, Scope};
use crate::core::error::Error;
use crate::core::measure::{TableHeld, Unready};
use crate::core::ports::{IngressError, Takeover};
use crate::core::route::TakenOver;
use crate::store::StoreError;
use std::net::SocketAddrV4;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often the ingress is asked what it holds although nothing was published: it may have been started anew without
/// its table. The question costs it nothing, and until then requests are refused.
const ROUND: Duration = Duration::from_secs(2);
/// The pauses before an ingress that did not answer is asked again how many requests are under way.
const FIRST_LOOK: Duration = Duration::from_millis(100);
const LAST_LOOK: Duration = Duration::from_secs(1);

/// What this process knows of the table that holds.
#[derive(Default)]
pub(super) struct Published {
    /// One at a time; whoever waits here most often finds its work done.
    turn: tokio::sync::Mutex<()>,
    held: Mutex<Held>,
}

/// The generation that holds.
#[derive(Clone, Copy, Default)]
enum Held {
    /// It was never asked, or did not answer, or holds no table of ours.
    #[default]
    Unknown,
    /// Another instance's table holds.
    Foreign,
    /// This one did when it was last asked, and that is to be asked again.
    Doubted(i64),
    /// This one.
    Known(i64),
}

impl Published {
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The generation that holds, as far as this process knows.
    pub(super) fn held(&self) -> Option<i64> {
        match *self.lock() {
            Held::Unknown | Held::Foreign => None,
            Held::Doubted(generation) | Held::Known(generation) => Some(generation),
        }
    }

    fn is_in_doubt(&self) -> bool {
        matches!(*self.lock(), Held::Doubted(_))
    }

    fn doubt(&self) {
        let mut held = self.lock();
        if let Held::Known(generation) = *held {
            *held = Held::Doubted(generation);
        }
    }

    fn note(&self, held: Option<i64>) {
        *self.lock() = held.map_or(Held::Unknown, Held::Known);
    }

    fn note_failure(&self, error: &IngressError) {
        *self.lock() = match error {
            IngressError::Foreign(_) => Held::Foreign,
            IngressError::Unavailable(_) | IngressError::Refused(_) => Held::Unknown,
        };
    }

    /// Why requests do not go where they are meant to; `None` if they do, as far as this process knows.
    pub(super) fn unready(&self) -> Option<Unready> {
        match *self.lock() {
            Held::Unknown => Some(Unready::Ingress),
            Held::Foreign => Some(Unready::ForeignIngress),
            Held::Doubted(_) | Held::Known(_) => None,
        }
    }
}

impl Agent {
    /// The routes of this moment hold.
    pub(super) async fn publish_table(&self) -> Result<(), NotYet> {
        let wanted = self.store.generation()?;
        self.publish_at_least(wanted).await
    }

    /// A table of that generation or a newer one holds.
    pub(super) async fn publish_at_least(&self, wanted: i64) -> Result<(), NotYet> {
        let _turn = self.published.turn.lock().await;
        if self.published.held().is_some_and(|held| held >= wanted) {
            return Ok(());
        }
        let table = self.store.table()?;
        match self.ports.ingress.publish(&table, Takeover::No).await {
            Ok(held) if held == table.generation => {
                self.published.note(Some(held));
                Ok(())
            }
            Ok(held) => {
                self.published.note(None);
                Err(NotYet::OtherTable {
                    held,
                    wanted: table.generation,
                })
            }
            Err(error) => {
                self.published.note_failure(&error);
                Err(error.into())
            }
        }
    }

    /// Keeps the table held. Never ends.
    pub(super) async fn keep_published(&self) {
        let mut changes = self.store.changes();
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        let mut said = String::new();
        loop {
            changes.borrow_and_update();
            let why = match self.hold().await {
                Ok(generation) => {
                    if !said.is_empty() {
                        tracing::info!(generation, "the ingress holds the route table");
                        said.clear();
                    }
                    backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
                    tokio::select! {
                        biased;
                        _ = changes.changed() => {}
                        () = self.ports.clock.sleep(ROUND) => self.published.doubt(),
                    }
                    continue;
                }
                Err(why) => why,
            };
            let text = why.to_string();
            if text != said {
                match why {
                    NotYet::Ingress(IngressError::Foreign(_)) => tracing::error!(
                        "{text}: no change of this instance reaches its clients, and nothing is stopped that an earlier table leads to"
                    ),
                    NotYet::Engine(_)
                    | NotYet::Secret(_)
                    | NotYet::Ingress(_)
                    | NotYet::OtherTable { .. }
                    | NotYet::Store(_) => tracing::warn!(
                        "the route table is not published: {text}; trying again until it is"
                    ),
                }
                said = text;
            }
            self.ports.clock.sleep(backoff.pause()).await;
        }
    }

    /// One look at what is held, if that is in doubt, and the table if it is not the newest.
    async fn hold(&self) -> Result<i64, NotYet> {
        if self.published.is_in_doubt() {
            let _turn = self.published.turn.lock().await;
            let held = self.ports.ingress.held(self.store.instance()).await;
            self.published.note(held.as_ref().ok().copied().flatten());
            held?;
        }
        let wanted = self.store.generation()?;
        self.publish_at_least(wanted).await?;
        Ok(wanted)
    }

    /// Makes the ingress hold this instance's table, whosever it holds.
    pub(super) async fn take_over(&self, caller: &Caller) -> Result<TakenOver, Error> {
        match caller.reach {
            Reach::All => {}
            Reach::App(_) | Reach::Environment(..) => return Err(Error::Forbidden(Scope::Admin)),
        }
        // A database that is older than the world must not push its routes, be it by somebody's word.
        self.must_be_whole()?;
        if self.is_unchecked() {
            return Err(Error::Unavailable(
                "it is not known yet whether the database is whole, as the Docker engine or the ingress could not be asked; ask again when they answer".into(),
            ));
        }
        let failed = |error: NotYet| match error {
            NotYet::Store(error) => internal(error),
            NotYet::Engine(_)
            | NotYet::Secret(_)
            | NotYet::Ingress(_)
            | NotYet::OtherTable { .. } => Error::Unavailable(error.to_string()),
        };
        // What this process believes to hold may be gone.
        self.published.note(None);
        let replaced = match self.publish_table().await {
            Ok(()) => {
                let generation = self.published.held().unwrap_or_default();
                return Ok(TakenOver {
                    generation,
                    replaced: None,
                });
            }
            Err(NotYet::Ingress(IngressError::Foreign(other))) => other,
            Err(error) => return Err(failed(error)),
        };
        let _turn = self.published.turn.lock().await;
        let table = self.store.table().map_err(internal)?;
        let published = self.ports.ingress.publish(&table, Takeover::Explicit).await;
        let generation = published.map_err(|error| failed(error.into()))?;
        self.published.note(Some(generation));
        tracing::warn!(
            by = caller.principal.name,
            "the ingress served instance {replaced}, and serves this one from now on (generation {generation})"
        );
        Ok(TakenOver {
            generation,
            replaced: Some(replaced),
        })
    }

    /// How the ingress stands to the table, as far as this process knows.
    pub(super) fn table_held(&self) -> Result<TableHeld, StoreError> {
        Ok(TableHeld {
            wanted: self.store.generation()?,
            held: self.published.held(),
        })
    }

    /// Waits until no request is under way to a container, at most so long, and tells of it where there is something to
    /// tell. An ingress that does not answer is asked again for as long.
    pub(super) async fn drain(
        &self,
        (name, address): (&str, SocketAddrV4),
        limit: Duration,
        tell: impl Fn(&str),
    ) {
        let clock = &self.ports.clock;
        let began = clock.monotonic();
        let written = humantime::format_duration(limit);
        let mut backoff = Backoff::new(FIRST_LOOK, LAST_LOOK);
        // The first look does not wait: mostly there is nothing to wait for, else it is said before the wait.
        let mut wait = Duration::ZERO;
        loop {
            let why = match self.ports.ingress.drain(address, wait).await {
                Ok(0) => return,
                Ok(under_way) if wait.is_zero() && !limit.is_zero() => {
                    let requests = many(under_way);
                    tell(&format!(
                        "{requests} under way to {name}; waiting up to {written} for the end"
                    ));
                    wait = limit.saturating_sub(clock.monotonic() - began);
                    continue;
                }
                Ok(under_way) => {
                    let requests = many(under_way);
                    return tell(&format!(
                        "{requests} still under way to {name} after {written}: cut off"
                    ));
                }
                Err(error) => error.to_string(),
            };
            let left = limit.saturating_sub(clock.monotonic() - began);
            if left.is_zero() {
                return tell(&format!(
                    "Whether requests are under way to {name} could not be asked for {written}: {why}"
                ));
            }
            clock.sleep(backoff.pause().min(left)).await;
            wait = wait.min(limit.saturating_sub(clock.monotonic() - began));
        }
    }
}

/// So many requests, as a sentence begins.
fn many(requests: u64) -> String {
    match requests {
        1 => "1 request is".to_owned(),
        many => format!("{many} requests are"),
    }
}

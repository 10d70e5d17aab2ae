//! Undoing what an outcome wrote down to be undone: retiring first, then restoring. Only here are containers removed,
//! and only after what they printed was read to its end.

use super::Agent;
use super::containers::{grace, spoken};
use super::journal::Journal;
use super::patience::Backoff;
use super::runtime::Unread;
use super::uphold::NotYet;
use crate::core::admission::Desired;
use crate::core::container::{ContainerRow, ONE_OFF, WEB};
use crate::core::deployment::{Phase, Step};
use crate::core::id::{ConnectionSerial, ContainerSerial, DeploymentSerial};
use crate::core::operation::{Settlement, Undo};
use crate::core::ports::{ContainerState, EngineError, IngressError, RestartPolicy, SourceError};
use crate::core::spec::DRAIN_TIMEOUT;
use crate::store::{Place, StoreError};
use futures_util::StreamExt as _;
use std::net::SocketAddrV4;
use std::time::Duration;

/// The first pause before something that could not be undone is tried again.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// The longest one.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// The longest grace of a command that is ended before its end: whoever cancels wants it gone in seconds.
const ONE_OFF_GRACE: Duration = Duration::from_secs(5);
/// The grace of a container whose deployment never kept a spec.
const DEFAULT_GRACE: Duration = Duration::from_secs(10);

/// Why something is not undone yet, or never will be.
enum Hindrance {
    /// Later perhaps.
    Later(String),
    /// The engine said no, and will again.
    Refused(String),
    Store(StoreError),
}

impl From<StoreError> for Hindrance {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<EngineError> for Hindrance {
    fn from(error: EngineError) -> Self {
        Self::Later(error.to_string())
    }
}

impl From<Unread> for Hindrance {
    fn from(error: Unread) -> Self {
        match error {
            Unread::Engine(error) => error.into(),
            Unread::Store(error) => Self::Store(error),
        }
    }
}

impl From<NotYet> for Hindrance {
    fn from(error: NotYet) -> Self {
        match error {
            NotYet::Store(error) => Self::Store(error),
            NotYet::Engine(_)
            | NotYet::Secret(_)
            | NotYet::Ingress(_)
            | NotYet::OtherTable { .. } => Self::Later(error.to_string()),
        }
    }
}

impl From<SourceError> for Hindrance {
    fn from(error: SourceError) -> Self {
        Self::Later(error.to_string())
    }
}

/// What the engine will not let go (somebody else uses it) is left, and said.
fn unless_refused(
    what: &str,
    name: &str,
    removed: Result<(), EngineError>,
) -> Result<(), Hindrance> {
    match removed {
        Err(EngineError::Refused(why)) => Err(Hindrance::Refused(format!("{what} {name}: {why}"))),
        other => Ok(other?),
    }
}

impl Agent {
    /// Undoes everything that is written down for an environment. Returns only when it is done.
    pub(super) async fn settle(&self, place: &Place) -> Result<(), StoreError> {
        let pending = self.store.pending_settlements(place.environment)?;
        self.settle_all(place, pending).await
    }

    pub(super) async fn settle_all(
        &self,
        place: &Place,
        pending: Vec<Settlement>,
    ) -> Result<(), StoreError> {
        for settlement in pending {
            let journal = self.journal_of(&settlement)?;
            let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
            let mut said = String::new();
            let began = self.ports.clock.monotonic();
            loop {
                match self.undo(place, &settlement, &journal, began).await {
                    Ok(()) => break self.store.settled(&settlement, self.ports.clock.now())?,
                    Err(Hindrance::Store(error)) => return Err(error),
                    Err(Hindrance::Refused(why)) => {
                        journal.agent(None, &format!("Could not be put back: {why}"));
                        break self.store.settlement_refused(
                            &settlement,
                            &why,
                            self.ports.clock.now(),
                        )?;
                    }
                    Err(Hindrance::Later(why)) => {
                        if why != said {
                            journal.agent(
                                None,
                                &format!("Not cleaned up yet: {why}; trying again until it is"),
                            );
                            tracing::warn!(app = %place.app_name, environment = %place.environment_name, why, "cannot be undone yet");
                            said = why;
                        }
                        self.ports.clock.sleep(backoff.pause()).await;
                    }
                }
            }
        }
        Ok(())
    }

    async fn undo(
        &self,
        place: &Place,
        settlement: &Settlement,
        journal: &Journal,
        began: Duration,
    ) -> Result<(), Hindrance> {
        match &settlement.undo {
            Undo::RetireContainer(container) => {
                self.retire(settlement, *container, journal, began).await
            }
            Undo::Restore(container) => self.restore(place, *container, journal).await,
            Undo::RetireImage(tag) => match self.ports.engine.untag(tag).await {
                Err(EngineError::Refused(why)) => {
                    Err(Hindrance::Refused(format!("the tag {tag}: {why}")))
                }
                other => Ok(other?),
            },
            Undo::RetireTree(tree) => Ok(self.ports.source.discard(*tree).await?),
            Undo::RetireConnection(connection) => self.disconnect(*connection, journal).await,
            Undo::RetireNetwork(name) => {
                // A container that was given up and appeared again would hold it.
                self.sweep_once().await?;
                unless_refused(
                    "the network",
                    name,
                    self.ports.engine.remove_network(name).await,
                )
            }
            Undo::RetireVolume(name) => unless_refused(
                "the volume",
                name,
                self.ports.engine.remove_volume(name).await,
            ),
        }
    }

    /// Ends a connection: nobody is in its network any more, and it is gone.
    async fn disconnect(
        &self,
        connection: ConnectionSerial,
        journal: &Journal,
    ) -> Result<(), Hindrance> {
        let connection = self.store.connection(connection)?;
        let text = format!("Ending the connection to {}", connection.alias);
        journal.agent(Step::SyncConnections, &text);
        // Another walk may be about to make the network for its containers: what it was told is out of date by now.
        let _turn = self.connecting.lock().await;
        let name = &connection.network;
        let dissolved = self.ports.engine.dissolve_network(name).await;
        unless_refused("the network", name, dissolved)
    }

    /// Where undoing is told of: in the log of the deployment whose outcome wrote it, else in that of the run or, for what a
    /// removal clears away, of the deployment a container was made for, else only in our own.
    fn journal_of(&self, settlement: &Settlement) -> Result<Journal, StoreError> {
        let log = match (settlement.deployment, &settlement.undo) {
            (Some(deployment), _) => Some(self.store.deployment(deployment)?.id),
            (None, Undo::RetireContainer(container) | Undo::Restore(container)) => {
                Some(self.store.log_of(*container)?)
            }
            (
                None,
                Undo::RetireImage(_)
                | Undo::RetireTree(_)
                | Undo::RetireNetwork(_)
                | Undo::RetireConnection(_)
                | Undo::RetireVolume(_),
            ) => None,
        };
        match log {
            Some(log) => self.journal(log, &[]),
            None => Ok(self.no_journal()),
        }
    }

    /// Stops a container when no request is under way to it, reads what it printed to the end, removes it.
    async fn retire(
        &self,
        settlement: &Settlement,
        container: ContainerSerial,
        journal: &Journal,
        began: Duration,
    ) -> Result<(), Hindrance> {
        let engine = &self.ports.engine;
        let row = self.store.container(container)?;
        if let Some(observed) = engine.inspect(&row.name).await? {
            if settlement.unrouted.is_some() || row.release.is_some() {
                // From here on an engine that restarts does not bring it back. What was never live does not come back.
                engine.set_restart(&row.name, RestartPolicy::No).await?;
            }
            let runs = matches!(observed.state, ContainerState::Running { .. });
            if let Some(unrouted) = settlement.unrouted.filter(|_| runs) {
                self.take_leave(settlement, &row, unrouted, journal, began)
                    .await?;
            }
            let grace = self.grace_of(&row)?;
            engine.stop(&row.name, grace).await?;
            self.read_to_the_end(&row).await?;
            journal.agent(None, &format!("Removing container {}", row.name));
        }
        Ok(engine.remove(&row.name).await?)
    }

    /// What a container was told to have; the release knows best, one that never was live goes by what its deployment
    /// was told.
    fn grace_of(&self, row: &ContainerRow) -> Result<Duration, StoreError> {
        let spec = self.store.spec(row.deployment)?;
        if row.process == ONE_OFF {
            let own = spec.map_or(DEFAULT_GRACE, |spec| spec.run.stop_grace);
            return Ok(own.min(ONE_OFF_GRACE));
        }
        Ok(spec.map_or(DEFAULT_GRACE, |spec| {
            let own = spec.processes.iter();
            let mut own = own.filter(|(name, _)| name.as_str() == row.process);
            own.next()
                .map_or(spec.run.stop_grace, |(_, process)| process.stop_grace)
        }))
    }

    /// No request is sent to the container any more, and those under way have had their time to end.
    async fn take_leave(
        &self,
        settlement: &Settlement,
        row: &ContainerRow,
        unrouted: i64,
        journal: &Journal,
        began: Duration,
    ) -> Result<(), Hindrance> {
        let limit = match settlement.deployment {
            Some(deployment) => self.drain_timeout(deployment)?,
            None => self.drain_timeout(row.deployment)?,
        };
        let used = self.ports.clock.monotonic() - began;
        match self.publish_at_least(unrouted).await {
            Ok(()) => {}
            // It held the table when the outcome was written, and keeps what it held: gone, it sends nobody anywhere.
            Err(NotYet::Ingress(IngressError::Unavailable(why)))
                if used >= limit && self.was_acknowledged(settlement)? =>
            {
                journal.agent(
                    None,
                    &format!(
                        "The ingress cannot be reached for {} ({why}): {} is stopped without asking whether requests are under way to it",
                        humantime::format_duration(limit),
                        row.name
                    ),
                );
                return Ok(());
            }
            Err(not_yet) => return Err(not_yet.into()),
        }
        if row.process != WEB {
            return Ok(());
        }
        let Some(port) = self.port_of(row)? else {
            return Ok(());
        };
        let left = limit.saturating_sub(used);
        let address = SocketAddrV4::new(row.address, port);
        self.drain((&row.name, address), left, |told| journal.agent(None, told))
            .await;
        Ok(())
    }

    /// Whether the outcome that wrote it came after the ingress had acknowledged the table that no longer leads there: a
    /// deployment succeeds, and a removal is done, only then.
    fn was_acknowledged(&self, settlement: &Settlement) -> Result<bool, StoreError> {
        let Some(deployment) = settlement.deployment else {
            return Ok(true);
        };
        Ok(matches!(
            self.store.deployment(deployment)?.phase,
            Phase::Succeeded { .. }
        ))
    }

    /// Where a container that was live listened; of one that only the lost history knew, where its app does.
    fn port_of(&self, row: &ContainerRow) -> Result<Option<u16>, StoreError> {
        if let Some(release) = row.release {
            return Ok(self.store.release(release)?.content.run.port);
        }
        let place = self.store.place_of(row.environment)?;
        let kept = self.store.spec(row.deployment)?;
        Ok(kept
            .or_else(|| self.configured(&place))
            .and_then(|spec| spec.run.port))
    }

    /// How long requests under way may take to end, by what a deployment was told.
    pub(super) fn drain_timeout(
        &self,
        deployment: DeploymentSerial,
    ) -> Result<Duration, StoreError> {
        let spec = self.store.spec(deployment)?;
        Ok(spec.map_or(DRAIN_TIMEOUT, |spec| spec.rollout.drain_timeout))
    }

    /// What a container still has to say goes into the runtime log if it was live, else into the log of the run or the
    /// deployment it was made for.
    async fn read_to_the_end(&self, row: &ContainerRow) -> Result<(), Hindrance> {
        if let Some(printing) = self.store.printing_of(row.serial)? {
            return Ok(self.keep_the_rest(&printing).await?);
        }
        let log = self.store.log_of(row.serial)?;
        let journal = self.journal(log, &self.store.hidden_values(row.serial)?)?;
        let mut lines = self
            .ports
            .engine
            .output(&row.name, row.read_until.clone(), false);
        let mut last = None;
        let mut broken = None;
        while let Some(line) = lines.next().await {
            let line = match line {
                Ok(line) => line,
                Err(EngineError::Unavailable(why)) => {
                    broken = Some(why);
                    break;
                }
                // What cannot be read back (a log driver without reading) is not there to be lost.
                Err(error) => {
                    journal.agent(
                        None,
                        &format!("The container's output cannot be read: {error}"),
                    );
                    break;
                }
            };
            journal.output(None, line.stream, line.text);
            last = Some(line.cursor);
        }
        // Also when it broke off: the next attempt goes on behind the last line, and no line is in the log twice.
        if let Some(cursor) = last {
            self.store.record_read(row.serial, &cursor)?;
        }
        broken.map_or(Ok(()), |why| Err(Hindrance::Later(why)))
    }

    /// Starts the container again that had to make room.
    async fn restore(
        &self,
        place: &Place,
        container: ContainerSerial,
        journal: &Journal,
    ) -> Result<(), Hindrance> {
        if place.desired != Desired::Running {
            return Ok(());
        }
        let live = self.store.live(place.environment)?;
        let found = live.as_ref().and_then(|live| {
            let mut all = live.containers.iter();
            Some((live, all.find(|own| own.serial == container)?))
        });
        let Some((live, row)) = found else {
            return Err(Hindrance::Refused(
                "it is no longer the environment's live container".into(),
            ));
        };
        // A stop that was under way when an earlier process ended goes on in the engine, and until its grace is over
        // the container looks as if it ran. Asked once more the engine answers when it is stopped.
        let grace = grace(&live.release.content, row);
        let stopped = self.ports.engine.stop(&row.name, grace).await;
        if let Err(EngineError::Unavailable(why)) = stopped {
            return Err(Hindrance::Later(why));
        }
        match self.ensure_one_running(place, live, row).await {
            Ok(()) => {
                journal.agent(
                    None,
                    &format!(
                        "{}Release {} is running again ({})",
                        spoken(&row.process),
                        live.release.number,
                        row.name
                    ),
                );
                Ok(())
            }
            Err(NotYet::Store(error)) => Err(Hindrance::Store(error)),
            Err(NotYet::Engine(EngineError::Unavailable(why))) => Err(Hindrance::Later(why)),
            Err(refused) => Err(Hindrance::Refused(format!(
                "release {} could not be started again: {refused}; deploy a version that runs",
                live.release.number
            ))),
        }
    }
}

//! Connections of environments, carried out: the network of each is there before a container of the consumer is started, and
//! the provider's live container is in it, never a candidate. Everything here can be repeated.
//!
//! Whichever of the two comes first: the consumer makes the network and brings in whatever is live then, and the provider
//! goes into the networks of all that are connected to it each time something has become live. Rows are written before
//! either looks at the other's, so one of them sees the other.

use super::Agent;
use super::failures;
use super::interrupt::{Interrupt, Stop};
use super::journal::Journal;
use super::uphold::NotYet;
use super::walk::Walk;
use crate::core::connection::Connection;
use crate::core::container::{ContainerRow, WEB};
use crate::core::deployment::Step;
use crate::core::id::EnvironmentSerial;
use crate::core::ports::{EngineError, Network};
use crate::core::release::ReleaseContent;
use crate::store::{Live, Place, Reached, StoreError};
use std::collections::BTreeSet;

impl Walk<'_> {
    /// What the release is connected to is written down, and its networks are there.
    pub(super) async fn connect(
        &self,
        interrupt: &Interrupt,
        content: &ReleaseContent,
    ) -> Result<(), Stop> {
        let wanted = &content.run.connect.to;
        if wanted.is_empty() {
            return Ok(());
        }
        let (agent, store) = (self.agent, &self.agent.store);
        let pool = agent.settings().address_pool;
        let now = agent.ports.clock.now();
        let by = Some(&self.deployment);
        for app in store.intend_connections(self.place, wanted, pool, by, now)? {
            let text = format!(
                "Not connected to {app}: there is no environment '{}' of that app any more",
                self.place.environment_name
            );
            self.journal.agent(Step::Rollout, &text);
        }
        let connections = store.connections_of(self.place.environment)?;
        for Reached {
            connection,
            serving,
        } in connections
        {
            let alias = &connection.alias;
            let text = match serving {
                Some(_) => format!("Connected to {alias}"),
                None => format!(
                    "Connected to {alias}, which has nothing live yet: it is reached as soon as it has"
                ),
            };
            self.journal.agent(Step::Rollout, &text);
        }
        let laid = self
            .patience(interrupt, Step::Rollout)
            .call(async || agent.lay(self.place).await)
            .await?;
        laid.map_err(|error| failures::engine("make the network of a connection", error))??;
        Ok(())
    }
}

impl Agent {
    /// The networks of what an environment is connected to are there, and in each is what its provider has live.
    pub(super) async fn lay(&self, place: &Place) -> Result<Result<(), StoreError>, EngineError> {
        match self.store.connections_of(place.environment) {
            Ok(none) if none.is_empty() => return Ok(Ok(())),
            Ok(_) => {}
            Err(error) => return Ok(Err(error)),
        }
        let _turn = self.connecting.lock().await;
        // Only now: one that has ended meanwhile is not to come back.
        let connections = match self.store.connections_of(place.environment) {
            Ok(connections) => connections,
            Err(error) => return Ok(Err(error)),
        };
        for Reached { connection, .. } in connections {
            let network = network(place, &connection);
            self.ports.engine.ensure_network(&network).await?;
            // Looked up now that the network is there: what becomes live from here on finds it by itself.
            let container = match self.serving(connection.provider) {
                Ok(Some(container)) => container,
                Ok(None) => continue,
                Err(error) => return Ok(Err(error)),
            };
            let joined = self.join(&connection, &container, connection.alias.as_str());
            unless_gone(joined.await)?;
        }
        Ok(Ok(()))
    }

    fn serving(&self, environment: EnvironmentSerial) -> Result<Option<String>, StoreError> {
        let live = self.store.live(environment)?;
        Ok(live.and_then(|live| Some(live.serving()?.name.clone())))
    }

    async fn join(
        &self,
        connection: &Connection,
        container: &str,
        alias: &str,
    ) -> Result<(), EngineError> {
        let engine = &self.ports.engine;
        engine.join(&connection.network, container, alias).await
    }

    /// What is live in an environment is connected to what its release says.
    pub(super) async fn connect_live(&self, place: &Place, live: &Live) -> Result<(), NotYet> {
        let wanted = &live.release.content.run.connect.to;
        if wanted.is_empty() {
            return Ok(());
        }
        let pool = self.settings().address_pool;
        let now = self.ports.clock.now();
        // Of an app that has no such environment any more nothing can be reached, and nothing else depends on that.
        self.store
            .intend_connections(place, wanted, pool, None, now)?;
        Ok(self.lay(place).await??)
    }

    /// Who reaches an environment that has become live, for its log.
    pub(super) fn say_connected(&self, place: &Place, journal: &Journal) -> Result<(), StoreError> {
        for connection in self.store.connections_to(place.environment)? {
            let consumer = self.store.place_of(connection.consumer)?;
            let text = format!("Reached by {} as {}", consumer.app_name, connection.alias);
            journal.agent(Step::SyncConnections, &text);
        }
        Ok(())
    }

    /// A live container that is there is in the networks it belongs in: those of what its release is connected to, and, if it
    /// is the one that serves, those of whoever is connected to it.
    pub(super) async fn join_all(
        &self,
        place: &Place,
        container: &ContainerRow,
    ) -> Result<(), NotYet> {
        let name = &container.name;
        let mut names = BTreeSet::new();
        for reached in self.store.connections_of(place.environment)? {
            // A second one by the same name is that of a deployment that is not live.
            if !names.insert(reached.connection.alias.clone()) {
                continue;
            }
            unless_gone(self.join(&reached.connection, name, name).await)?;
        }
        if container.process != WEB {
            return Ok(());
        }
        if self.store.connections_to(place.environment)?.is_empty() {
            return Ok(());
        }
        let _turn = self.connecting.lock().await;
        for connection in self.store.connections_to(place.environment)? {
            // A container that was in it when it was stopped cannot be started without it.
            let network = network(&self.store.place_of(connection.consumer)?, &connection);
            self.ports.engine.ensure_network(&network).await?;
            unless_gone(
                self.join(&connection, name, connection.alias.as_str())
                    .await,
            )?;
        }
        Ok(())
    }
}

/// The container or the network is not there: whoever makes it puts the one into the other.
fn unless_gone(joined: Result<(), EngineError>) -> Result<(), EngineError> {
    match joined {
        Err(EngineError::NotFound(_)) => Ok(()),
        joined => joined,
    }
}

/// A connection's network: internal, so that joining it moves nobody's way out and cuts nothing that is under way.
fn network(consumer: &Place, connection: &Connection) -> Network {
    Network {
        name: connection.network.clone(),
        subnet: connection.subnet,
        engine_half: connection.subnet,
        app: consumer.app_name.as_str().to_owned(),
        environment: consumer.environment_name.as_str().to_owned(),
        internal: true,
    }
}

//! After the commit: work that is repeated until it is done. Readiness is not asked again.

use super::Agent;
use super::journal::Journal;
use super::patience::Backoff;
use super::rollout::{container_spec, network};
use crate::core::deployment::Deployment;
use crate::core::ports::{ContainerState, EngineError, RestartPolicy, Table};
use crate::core::redact::Redactor;
use crate::core::release::release_tag;
use crate::store::{Live, Place, SecretError, StoreError};
use std::time::Duration;

/// The first pause before an unfinished commit is tried again.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// The longest one: what is missing is an engine or an ingress that somebody restarts.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Why a committed deployment is not done yet.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotYet {
    #[error("{0}")]
    Engine(#[from] EngineError),
    #[error("{0}")]
    Secret(#[from] SecretError),
    #[error("{0}")]
    Ingress(#[from] crate::core::ports::IngressError),
    #[error("the ingress holds generation {held} of the route table, not {wanted}")]
    OldTable { held: i64, wanted: i64 },
    #[error("{0}")]
    Store(#[from] StoreError),
}

impl Agent {
    /// Finishes a committed deployment. Says so loudly while it cannot, and never gives up.
    pub(super) async fn finish(
        &self,
        place: &Place,
        deployment: Deployment,
    ) -> Result<(), StoreError> {
        let live =
            self.store
                .live(deployment.environment)?
                .ok_or_else(|| StoreError::Inconsistent {
                    table: "environment",
                    id: deployment.environment.to_string(),
                    what: "has a committed deployment and nothing live".into(),
                })?;
        let journal = self.journal(
            deployment.id,
            &self.store.hidden_values(live.container.serial)?,
        )?;
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        let mut said = String::new();
        while let Err(why) = self.make_live(place, &live, &journal).await {
            if let NotYet::Store(error) = why {
                return Err(error);
            }
            let why = why.to_string();
            if why != said {
                journal.agent(
                    None,
                    &format!(
                        "The release is live but not finished: {why}; trying again until it is"
                    ),
                );
                tracing::warn!(deployment = %deployment.id, why, "a committed deployment cannot be finished yet");
                said = why;
            }
            self.ports.clock.sleep(backoff.pause()).await;
        }
        let now = self.ports.clock.now();
        let from = deployment.phase.clone();
        journal.agent(None, &format!("Release {} is live", live.release.number));
        self.store.succeed(&from, &deployment.succeed(now)?, now)
    }

    async fn make_live(&self, place: &Place, live: &Live, journal: &Journal) -> Result<(), NotYet> {
        let tag = release_tag(&place.slug(), live.release.number);
        match self
            .ports
            .engine
            .tag(&live.release.content.image.id, &tag)
            .await
        {
            // Somebody removed the image under a running container: the release runs, and only its return later is lost.
            Err(EngineError::NotFound(why)) => journal.agent(
                None,
                &format!("The image could not be kept as {tag}: {why}"),
            ),
            other => other?,
        }
        self.ensure_running(place, live).await?;
        let table = Table {
            instance: self.store.instance(),
            generation: self.store.generation()?,
        };
        let held = self.ports.ingress.publish(&table).await?;
        if held < table.generation {
            return Err(NotYet::OldTable {
                held,
                wanted: table.generation,
            });
        }
        Ok(())
    }

    /// The live container runs and comes back after a reboot; a missing one is made again from its release. Many
    /// people read why it does not: the engine may quote what it was given, so its words are cleaned here.
    pub(super) async fn ensure_running(&self, place: &Place, live: &Live) -> Result<(), NotYet> {
        match self.start_or_make(place, live).await {
            Err(NotYet::Engine(error)) => {
                let hidden = self.store.hidden_values(live.container.serial)?;
                let redactor = Redactor::new(&hidden);
                Err(error.map_text(|text| redactor.redact(text)).into())
            }
            other => other,
        }
    }

    async fn start_or_make(&self, place: &Place, live: &Live) -> Result<(), NotYet> {
        let engine = &self.ports.engine;
        let name = &live.container.name;
        match engine.inspect(name).await?.map(|observed| observed.state) {
            Some(ContainerState::Running { .. }) => {}
            Some(ContainerState::Created | ContainerState::Exited { .. }) => {
                engine.start(name).await?
            }
            None => {
                self.make_again(place, live).await?;
                engine.start(name).await?;
            }
        }
        engine
            .set_restart(name, RestartPolicy::UnlessStopped)
            .await?;
        Ok(())
    }

    async fn make_again(&self, place: &Place, live: &Live) -> Result<(), NotYet> {
        let deployment = self.store.deployment(live.container.deployment)?;
        let owner = self.store.deployment(live.release.deployment)?;
        let mut variables = owner.request.variables;
        variables.extend(deployment.request.variables.clone());
        let env = self
            .store
            .container_env(place, &live.release.content.run, &variables)?;
        self.store.hide_too(live.container.serial, &env.hidden)?;
        let labels = self.labels(place, &deployment, &live.container.process)?;
        if let Some(network) = network(place) {
            self.ports.engine.ensure_network(&network).await?;
        }
        let spec = container_spec(place, &live.release.content, env, &live.container, labels);
        self.ports.engine.create(&spec).await?;
        Ok(())
    }
}

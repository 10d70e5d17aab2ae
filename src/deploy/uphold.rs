//! Keeping an environment as it is meant to be: its live container runs, and comes back after a reboot; or, where it is
//! stopped or suspended, it does not. Every look and every call can be repeated.

use super::Agent;
use super::containers::{container_spec, grace, network};
use crate::core::admission::Desired;
use crate::core::container::ContainerRow;
use crate::core::name::ImageReference;
use crate::core::ports::{ContainerState, EngineError, Progress, RestartPolicy};
use crate::core::redact::Redactor;
use crate::core::release::Image;
use crate::store::{Live, Place, SecretError, StoreError};
use futures_util::StreamExt as _;
use futures_util::future::join_all;

/// Why it is not so yet.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotYet {
    #[error("{0}")]
    Engine(#[from] EngineError),
    #[error("{0}")]
    Secret(SecretError),
    #[error("{0}")]
    Ingress(#[from] crate::core::ports::IngressError),
    #[error("the ingress holds generation {held} of the route table, not {wanted}")]
    OtherTable { held: i64, wanted: i64 },
    #[error("{0}")]
    Store(#[from] StoreError),
}

impl From<SecretError> for NotYet {
    fn from(error: SecretError) -> Self {
        match error {
            SecretError::Store(error) => Self::Store(error),
            SecretError::Unreadable(_) | SecretError::NotSet { .. } => Self::Secret(error),
        }
    }
}

impl Agent {
    /// Makes the environment what it is meant to be.
    pub(super) async fn uphold(&self, place: &Place) -> Result<(), NotYet> {
        let Some(live) = self.store.live(place.environment)? else {
            return Ok(());
        };
        match place.desired {
            Desired::Running => self.ensure_running(place, &live).await,
            Desired::Stopped | Desired::Suspended => self.ensure_stopped(&live).await,
            Desired::Removed => Ok(()),
        }
    }

    /// The live containers run and come back after a reboot; a missing one is made again from the release.
    pub(super) async fn ensure_running(&self, place: &Place, live: &Live) -> Result<(), NotYet> {
        let connected = self.connect_live(place, live).await;
        // What is there runs, also where a network of a connection cannot be had.
        for container in &live.containers {
            self.ensure_one_running(place, live, container).await?;
        }
        connected
    }

    /// One of them does. Many people read why it does not: the engine may quote what it was given, so its words are
    /// cleaned here.
    pub(super) async fn ensure_one_running(
        &self,
        place: &Place,
        live: &Live,
        container: &ContainerRow,
    ) -> Result<(), NotYet> {
        match self.start_or_make(place, live, container).await {
            Err(NotYet::Engine(error)) => {
                let mut hidden = self.store.hidden_values(container.serial)?;
                let registries = self.registry_credentials().unwrap_or_default();
                hidden.extend(registries.into_iter().map(|registry| registry.password));
                let redactor = Redactor::new(&hidden);
                Err(error.map_text(|text| redactor.redact(text)).into())
            }
            other => other,
        }
    }

    async fn start_or_make(
        &self,
        place: &Place,
        live: &Live,
        container: &ContainerRow,
    ) -> Result<(), NotYet> {
        let engine = &self.ports.engine;
        let name = &container.name;
        let state = engine.inspect(name).await?.map(|observed| observed.state);
        if state.is_none() {
            self.make_again(place, live, container).await?;
        }
        self.join_all(place, container).await?;
        match state {
            Some(ContainerState::Running { .. }) => {}
            Some(ContainerState::Created | ContainerState::Exited { .. }) | None => {
                engine.start(name).await?;
            }
        }
        engine
            .set_restart(name, RestartPolicy::UnlessStopped)
            .await?;
        Ok(())
    }

    /// The live containers do not run, and do not come back by themselves. They are kept, with their addresses. The one that
    /// serves is not stopped while requests are sent to it.
    async fn ensure_stopped(&self, live: &Live) -> Result<(), NotYet> {
        let engine = &self.ports.engine;
        let Some(serving) = live.serving() else {
            return Ok(());
        };
        let state = engine
            .inspect(&serving.name)
            .await?
            .map(|observed| observed.state);
        if let Some(ContainerState::Running { .. }) = state {
            self.publish_table().await?;
        }
        // At the same time: each may take its whole grace.
        let stops = live.containers.iter().map(async |container| {
            // First the policy: an engine that restarts between the two calls must not bring it back.
            engine
                .set_restart(&container.name, RestartPolicy::No)
                .await?;
            engine
                .stop(&container.name, grace(&live.release.content, container))
                .await
        });
        let stopped: Result<(), EngineError> = join_all(stops).await.into_iter().collect();
        Ok(stopped?)
    }

    async fn make_again(
        &self,
        place: &Place,
        live: &Live,
        container: &ContainerRow,
    ) -> Result<(), NotYet> {
        let deployment = self.store.deployment(container.deployment)?;
        let owner = self.store.deployment(live.release.deployment)?;
        let mut variables = owner.request.variables;
        variables.extend(deployment.request.variables.clone());
        let content = &live.release.content;
        let env = self.store.container_env(place, &content.run, &variables)?;
        self.store.hide_too(container.serial, &env.hidden)?;
        let labels = self.labels(place, &deployment, &container.process)?;
        if let Some(network) = network(place) {
            self.ports.engine.ensure_network(&network).await?;
        }
        let image = &content.image;
        if self.ports.engine.find_image(&image.id).await?.is_none() {
            self.pull_again(image).await?;
        }
        let spec = container_spec(place, content, env, container, labels)?;
        self.ports.engine.create(&spec).await?;
        Ok(())
    }

    /// Pulls a release's image by its digest; one that was built is nowhere to be had.
    pub(super) async fn pull_again(&self, image: &Image) -> Result<(), NotYet> {
        let gone = || {
            EngineError::NotFound(format!(
                "the image {} ({}) is gone",
                image.reference, image.id
            ))
        };
        let digest = image.digest.as_deref().ok_or_else(gone)?;
        let reference = ImageReference::parse(digest).map_err(|_| gone())?;
        let registries = self.registry_credentials()?;
        let credential = registries
            .iter()
            .find(|registry| registry.host == reference.registry());
        let mut work = self.ports.engine.pull(&reference, credential);
        while let Some(progress) = work.next().await {
            match progress? {
                Progress::Line(..) => {}
                Progress::Done(_) => return Ok(()),
            }
        }
        Err(gone().into())
    }
}

//! After the commit: work that is repeated until it is done. Readiness is not asked again.

use super::Agent;
use super::journal::Journal;
use super::patience::Backoff;
use super::uphold::NotYet;
use crate::core::deployment::Deployment;
use crate::core::ports::EngineError;
use crate::core::release::release_tag;
use crate::store::{Live, Place, StoreError};
use std::time::Duration;

/// The first pause before an unfinished commit is tried again.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// The longest one: what is missing is an engine or an ingress that somebody restarts.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

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
        let hidden = match live.serving() {
            Some(serving) => self.store.hidden_values(serving.serial)?,
            None => Vec::new(),
        };
        let journal = self.journal(deployment.id, &hidden)?;
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
        self.say_connected(place, &journal)?;
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
        self.publish_table().await
    }
}

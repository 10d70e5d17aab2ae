//! The build step: the tree becomes an image with a tag of ours.

use super::failures;
use super::interrupt::{Interrupt, Stop};
use super::walk::Walk;
use crate::core::container::WEB;
use crate::core::deployment::Step;
use crate::core::ports::Build;
use crate::core::release::{Image, candidate_tag};
use crate::core::spec::SourceSpec;

impl Walk<'_> {
    /// Builds the image. A build can be begun again at any time: the engine keeps what it has built.
    pub(super) async fn build(&self, interrupt: &Interrupt) -> Result<Image, Stop> {
        let SourceSpec::Git(git) = &self.spec.source else {
            return Err(
                failures::internal("a deployment without a repository came to its build").into(),
            );
        };
        let checkout = self.checkout(interrupt, Step::Build).await?;
        let build = Build {
            tree: checkout.tree,
            spec: git.build.clone(),
            tag: candidate_tag(&self.place.slug(), self.deployment.serial),
            labels: self.labels(WEB)?,
            registries: self.secrets.registries.clone(),
        };
        self.journal.forget_last_lines();
        self.journal.agent(
            Step::Build,
            &format!(
                "Building {} from {}",
                git.build.dockerfile, git.build.context
            ),
        );
        let engine = &self.agent.ports.engine;
        let patience = self.patience(interrupt, Step::Build);
        let built = patience.call(async || {
            // An earlier try, cut off, may have got as far as its tag: taken over, the tag would leave that image
            // without a name, and nobody would ever remove it.
            engine.untag(&build.tag).await?;
            let work = self.journal.follow(Step::Build, engine.build(&build));
            match interrupt.race(work).await {
                Ok(result) => result.map(Ok),
                Err(stop) => Ok(Err(stop)),
            }
        });
        match built.await? {
            Ok(result) => {
                result?.ok_or_else(|| failures::internal("the build ended without an image").into())
            }
            Err(error) => Err(failures::build(error, self.journal.last_lines()).into()),
        }
    }
}

//! The rollout step: make a new container for each process, start them, wait until they are ready, commit. By the `swap`
//! strategy the old ones run all the while, by `recreate` they are stopped before the new ones are started. Each effect is written down
//! before it is caused, so that whatever ends it can be undone.

use super::containers::grace;
use super::failures;
use super::interrupt::{Interrupt, Stop};
use super::run::Execution;
use super::walk::Walk;
use crate::core::admission::Desired;
use crate::core::deployment::{Deployment, Step, Wanted};
use crate::core::failure::{Failure, FailureCode};
use crate::core::id::ReleaseSerial;
use crate::core::name::{ImageReference, ProcessName, VariableName};
use crate::core::planned::{Interruption, TakesOver};
use crate::core::release::{Image, ReleaseContent};
use crate::core::run::RunPhase;
use crate::core::secret::Secret;
use crate::core::spec::{PullPolicy, SourceSpec, Strategy};
use crate::store::{Committing, Live};
use futures_util::future::join_all;
use std::collections::BTreeMap;
use std::net::SocketAddrV4;

impl Walk<'_> {
    /// Brings the image to run and commits.
    pub(super) async fn rollout(&self, interrupt: &Interrupt) -> Result<Deployment, Stop> {
        let agent = self.agent;
        let (content, variables, again) = match self.deployment.request.wanted {
            Wanted::Release(serial) => {
                let release = agent.store.release(serial)?;
                self.keep_image(interrupt, &release.content).await?;
                let owner = agent.store.deployment(release.deployment)?;
                (release.content, owner.request.variables, Some(serial))
            }
            Wanted::Commit { .. } | Wanted::Image(_) | Wanted::Restart => (
                self.new_content(interrupt).await?,
                self.deployment.request.variables.clone(),
                None,
            ),
        };
        agent
            .store
            .retire_candidates(&self.deployment, agent.ports.clock.now())?;
        interrupt.race(agent.settle(self.place)).await??;
        self.connect(interrupt, &content).await?;
        if content.job.is_some() {
            return self
                .roll_out_job(interrupt, &content, &variables, again)
                .await;
        }
        let takes_over = TakesOver::of(self.spec.rollout.strategy, &self.spec.run, &content.run);
        let live = agent.store.live(self.deployment.environment)?;
        self.announce(takes_over, live.as_ref());
        self.announce_workers(takes_over, &content, live.as_ref());
        self.run_commands(interrupt, &content, &variables).await?;
        let candidates = self.create(interrupt, &content, &variables).await?;
        match (takes_over, &live) {
            (TakesOver::Recreate(_), Some(live)) => self.make_room(interrupt, live).await?,
            (TakesOver::Recreate(_), None) | (TakesOver::Swap, _) => {}
        }
        self.start(interrupt, &candidates).await?;
        self.wait_until_ready(interrupt, &candidates, &content)
            .await?;
        let what = again.map_or(Committing::New(&content), Committing::Again);
        let now = agent.ports.clock.now();
        Ok(agent
            .store
            .commit(&self.deployment, what, &candidates, &self.place.slug(), now)?)
    }

    /// A job's release is live when what belongs to its deployment has run; nothing of it runs on.
    async fn roll_out_job(
        &self,
        interrupt: &Interrupt,
        content: &ReleaseContent,
        variables: &BTreeMap<VariableName, Secret>,
        again: Option<ReleaseSerial>,
    ) -> Result<Deployment, Stop> {
        self.run_commands(interrupt, content, variables).await?;
        self.run_own(interrupt, content, variables).await?;
        let what = again.map_or(Committing::New(content), Committing::Again);
        let now = self.agent.ports.clock.now();
        Ok(self
            .agent
            .store
            .commit(&self.deployment, what, &[], &self.place.slug(), now)?)
    }

    /// Runs what belongs to the deployment.
    async fn run_own(
        &self,
        interrupt: &Interrupt,
        content: &ReleaseContent,
        variables: &BTreeMap<VariableName, Secret>,
    ) -> Result<(), Stop> {
        let store = &self.agent.store;
        let Some(run) = store.run_of_deployment(self.deployment.serial)? else {
            let text = "Nothing is run before the release is live";
            self.journal.agent(Step::Rollout, text);
            return Ok(());
        };
        let run = match run.phase {
            RunPhase::Queued => self.agent.begin_run(run, interrupt).await?,
            RunPhase::Running => run,
            RunPhase::Succeeded { .. }
            | RunPhase::Failed { .. }
            | RunPhase::Cancelled { .. }
            | RunPhase::Skipped { .. } => {
                return Err(failures::internal("its run ended before it").into());
            }
        };
        let execution = Execution {
            agent: self.agent,
            place: self.place,
            run: &run,
            of: &self.deployment,
            content,
            variables,
            journal: &self.journal,
        };
        // However long it takes, others may check out, build and roll out.
        self.permit.take();
        execution.go(Some(interrupt)).await
    }

    async fn new_content(&self, interrupt: &Interrupt) -> Result<ReleaseContent, Stop> {
        let brought = self.deployment.request.payload.clone();
        let (image, sha, payload) = match &self.deployment.request.wanted {
            Wanted::Image(reference) => (self.pulled(interrupt, reference).await?, None, brought),
            Wanted::Commit { sha, .. } => {
                let built = self.agent.store.result_image(self.deployment.serial)?;
                (
                    built.ok_or_else(|| failures::internal("the build left no image"))?,
                    Some(sha.clone()),
                    brought,
                )
            }
            Wanted::Restart => {
                let live = self.agent.store.live(self.deployment.environment)?;
                let live = live.ok_or_else(|| failures::internal("nothing is live"))?;
                self.keep_image(interrupt, &live.release.content).await?;
                let ReleaseContent {
                    image,
                    sha,
                    payload,
                    ..
                } = live.release.content;
                (image, sha, brought.or(payload))
            }
            Wanted::Release(_) => {
                return Err(failures::internal("a release has no new content").into());
            }
        };
        Ok(ReleaseContent {
            image,
            sha,
            run: self.spec.run.clone(),
            check: self.spec.rollout.health.check.clone(),
            processes: self.spec.processes.clone(),
            payload,
            job: self.spec.job.clone(),
        })
    }

    /// The image a resumed rollout has pulled already, or the one the policy allows.
    async fn pulled(
        &self,
        interrupt: &Interrupt,
        reference: &ImageReference,
    ) -> Result<Image, Stop> {
        if let Some(image) = self.agent.store.result_image(self.deployment.serial)? {
            return Ok(image);
        }
        let policy = match &self.spec.source {
            SourceSpec::Image(source) => source.pull,
            SourceSpec::Git(_) => PullPolicy::Always,
        };
        let engine = &self.agent.ports.engine;
        let patience = self.patience(interrupt, Step::Rollout);
        let look = match policy {
            PullPolicy::Always => reference.is_pinned(),
            PullPolicy::Missing | PullPolicy::Never => true,
        };
        let wanted = reference.with_tag();
        let known = if look {
            let found = patience
                .call(async || engine.find_image(&wanted).await)
                .await?;
            found.map_err(|error| failures::engine("look for the image", error))?
        } else {
            None
        };
        let image = match (known, policy) {
            (Some(image), _) => image,
            (None, PullPolicy::Never) => return Err(missing(&wanted).into()),
            (None, PullPolicy::Always | PullPolicy::Missing) => {
                self.pull(interrupt, reference).await?
            }
        };
        self.agent.store.record_image(&self.deployment, &image)?;
        Ok(image)
    }

    /// The image of an earlier release is on the host, or pulled again by its digest. One that was built cannot be.
    async fn keep_image(
        &self,
        interrupt: &Interrupt,
        content: &ReleaseContent,
    ) -> Result<(), Stop> {
        let engine = &self.agent.ports.engine;
        let image = &content.image;
        let found = self
            .patience(interrupt, Step::Rollout)
            .call(async || engine.find_image(&image.id).await)
            .await?;
        if found
            .map_err(|error| failures::engine("look for the image", error))?
            .is_some()
        {
            return Ok(());
        }
        let digest = image.digest.as_deref().map(ImageReference::parse);
        match digest {
            Some(Ok(reference)) => self.pull(interrupt, &reference).await.map(drop),
            Some(Err(_)) | None => Err(gone(content).into()),
        }
    }

    async fn pull(&self, interrupt: &Interrupt, reference: &ImageReference) -> Result<Image, Stop> {
        let engine = &self.agent.ports.engine;
        let credential = self
            .secrets
            .registries
            .iter()
            .find(|registry| registry.host == reference.registry());
        self.journal
            .agent(Step::Rollout, &format!("Pulling {reference}"));
        let patience = self.patience(interrupt, Step::Rollout);
        let pulled = patience.call(async || {
            let work = self
                .journal
                .follow(Step::Rollout, engine.pull(reference, credential));
            match interrupt.race(work).await {
                Ok(result) => result.map(Ok),
                Err(stop) => Ok(Err(stop)),
            }
        });
        match pulled.await? {
            Ok(result) => {
                result?.ok_or_else(|| failures::internal("the pull ended without an image").into())
            }
            Err(error) => {
                Err(failures::pull(error, reference.as_str(), self.journal.last_lines()).into())
            }
        }
    }

    /// Says beforehand how the release takes over, and what that means for those who are served now.
    fn announce(&self, takes_over: TakesOver, live: Option<&Live>) {
        let strategy = takes_over.strategy();
        let interruption = match self.place.desired {
            Desired::Running => Interruption::by(strategy, live.is_some()),
            Desired::Stopped | Desired::Suspended | Desired::Removed => Interruption::NotRunning,
        };
        let name = match strategy {
            Strategy::Swap => "swap",
            Strategy::Recreate => "recreate",
        };
        let instead = takes_over
            .instead()
            .map(|why| format!(" instead of \"swap\", because {why}"))
            .unwrap_or_default();
        let text = format!("Strategy \"{name}\"{instead}: {}", interruption.why());
        self.journal.agent(Step::Rollout, &text);
    }

    /// What runs beside the container that serves, and that by `swap` its old and new ones overlap, which not every worker
    /// bears.
    fn announce_workers(
        &self,
        takes_over: TakesOver,
        content: &ReleaseContent,
        live: Option<&Live>,
    ) {
        let names: Vec<&str> = content.processes.keys().map(ProcessName::as_str).collect();
        if names.is_empty() {
            return;
        }
        let overlap = live.is_some_and(|live| !live.workers().is_empty());
        let beside = match takes_over {
            TakesOver::Swap if overlap => {
                "; until the new release is live its processes run beside the old ones"
            }
            TakesOver::Swap | TakesOver::Recreate(_) => "",
        };
        let text = format!("Processes beside web: {}{beside}", names.join(", "));
        self.journal.agent(Step::Rollout, &text);
    }

    /// Stops the live containers; whatever goes wrong from here brings them back.
    async fn make_room(&self, interrupt: &Interrupt, live: &Live) -> Result<(), Stop> {
        let Some(serving) = live.serving() else {
            return Ok(());
        };
        let name = &serving.name;
        // Of a stopped environment nothing is to be started again if this fails. It may run all the same: a stop that
        // failed, or somebody who started it by hand.
        if self.place.desired == Desired::Running {
            interrupt.race(self.let_end(live)).await?;
            self.journal.agent(
                Step::Rollout,
                &format!("Stopping {name} (release {}): with strategy \"recreate\" nothing serves until the new one is ready", live.release.number),
            );
            self.agent.store.displace(&self.deployment, live)?;
        }
        // At the same time: each may take its whole grace, and nothing serves meanwhile.
        let stops = live.containers.iter().map(async |container| {
            let grace = grace(&live.release.content, container);
            let engine = &self.agent.ports.engine;
            let stopped = self
                .patience(interrupt, Step::Rollout)
                .call(async || engine.stop(&container.name, grace).await)
                .await?;
            stopped.map_err(|error| Stop::from(failures::engine("stop the old container", error)))
        });
        join_all(stops).await.into_iter().collect()
    }

    /// Waits for a moment in which no request is under way to what is about to be stopped. Until then it serves new
    /// ones, too: to refuse them for as long as the slowest takes would only make the gap longer.
    async fn let_end(&self, live: &Live) {
        let (Some(serving), Some(port)) = (live.serving(), live.release.content.run.port) else {
            return;
        };
        let limit = self.spec.rollout.drain_timeout;
        let address = SocketAddrV4::new(serving.address, port);
        self.agent
            .drain((&serving.name, address), limit, |told| {
                self.journal.agent(Step::Rollout, told);
            })
            .await;
    }
}

fn gone(content: &ReleaseContent) -> Failure {
    let next = match &content.sha {
        Some(sha) => format!("Build it again: deploy commit {sha}."),
        None => "Pull or load the image again, and deploy it.".to_owned(),
    };
    Failure {
        code: FailureCode::ImageGone,
        message: format!(
            "the image of that release ({}) is no longer on this host, and it was built here: no registry has it",
            content.image.id
        ),
        output: Vec::new(),
        next,
    }
}

fn missing(image: &str) -> Failure {
    Failure {
        code: FailureCode::ImageMissing,
        message: format!(
            "the image {image} is not on this host, and pull = \"never\" keeps longshore from asking its registry"
        ),
        output: Vec::new(),
        next:
            "Load or build the image under that name, or set pull = \"missing\", and deploy again."
                .into(),
    }
}

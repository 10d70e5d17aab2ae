//! The rollout step: make the new container, start it, wait until it is ready, commit. By the `swap` strategy the old one
//! serves all the while, by `recreate` it is stopped before the new one is started. Each effect is written down
//! before it is caused, so that whatever ends it can be undone.

use super::failures;
use super::interrupt::{Interrupt, Stop};
use super::secrets::unreadable;
use super::walk::Walk;
use crate::core::address::engine_half;
use crate::core::admission::Desired;
use crate::core::container::{ContainerRow, OutputCursor, WEB};
use crate::core::deployment::{Deployment, Step, Wanted};
use crate::core::failure::{Failure, FailureCode};
use crate::core::name::{ImageReference, VariableName};
use crate::core::planned::{Interruption, TakesOver};
use crate::core::ports::{ContainerSpec, EngineMount, Labels, Network};
use crate::core::release::{Image, ReleaseContent};
use crate::core::secret::Secret;
use crate::core::spec::{Check, Health, MountSource, PullPolicy, SourceSpec, Strategy};
use crate::store::{Committing, ContainerEnv, Live, Place};
use futures_util::StreamExt as _;
use std::collections::BTreeMap;
use std::net::SocketAddrV4;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How often an image's own HEALTHCHECK is asked while its container starts, where the engine can be told.
const HEALTH_START_INTERVAL: Duration = Duration::from_secs(1);

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
        let takes_over = TakesOver::of(self.spec.rollout.strategy, &self.spec.run, &content.run);
        let live = agent.store.live(self.deployment.environment)?;
        self.announce(takes_over, live.as_ref());
        let row = self.create(interrupt, &content, &variables).await?;
        match (takes_over, &live) {
            (TakesOver::Recreate(_), Some(live)) => self.make_room(interrupt, live).await?,
            (TakesOver::Recreate(_), None) | (TakesOver::Swap, _) => {}
        }
        self.start(interrupt, &row).await?;
        self.wait_until_ready(interrupt, &row, &content.check)
            .await?;
        let what = again.map_or(Committing::New(&content), Committing::Again);
        let now = agent.ports.clock.now();
        Ok(agent
            .store
            .commit(&self.deployment, what, &row, &self.place.slug(), now)?)
    }

    async fn new_content(&self, interrupt: &Interrupt) -> Result<ReleaseContent, Stop> {
        let (image, sha) = match &self.deployment.request.wanted {
            Wanted::Image(reference) => (self.pulled(interrupt, reference).await?, None),
            Wanted::Commit { sha, .. } => {
                let built = self.agent.store.result_image(self.deployment.serial)?;
                (
                    built.ok_or_else(|| failures::internal("the build left no image"))?,
                    Some(sha.clone()),
                )
            }
            Wanted::Restart => {
                let live = self.agent.store.live(self.deployment.environment)?;
                let live = live.ok_or_else(|| failures::internal("nothing is live"))?;
                self.keep_image(interrupt, &live.release.content).await?;
                (live.release.content.image, live.release.content.sha)
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

    /// Makes the candidate, ready to start; the old container still serves.
    async fn create(
        &self,
        interrupt: &Interrupt,
        content: &ReleaseContent,
        variables: &BTreeMap<VariableName, Secret>,
    ) -> Result<ContainerRow, Stop> {
        let agent = self.agent;
        let engine = &agent.ports.engine;
        let patience = self.patience(interrupt, Step::Rollout);
        let network = network(self.place)
            .ok_or_else(|| failures::internal("the environment's network is too small"))?;
        let made = patience
            .call(async || engine.ensure_network(&network).await)
            .await?;
        made.map_err(|error| failures::engine("make the environment's network", error))?;
        let env = agent
            .store
            .container_env(self.place, &content.run, variables);
        let env = env.map_err(unreadable)?;
        // They may have changed since the deployment began.
        self.journal.hide(&env.hidden);
        let now = agent.ports.clock.now();
        let row = agent.store.intend_candidate(
            &self.deployment,
            &self.place.slug(),
            WEB,
            &env.hidden,
            now,
        )?;
        let spec = container_spec(self.place, content, env, &row, self.labels(WEB)?);
        self.journal.agent(
            Step::Rollout,
            &format!("Creating container {} at {}", row.name, row.address),
        );
        let created = patience.call(async || engine.create(&spec).await).await?;
        created.map_err(|error| failures::engine("create the container", error))?;
        agent.store.record_made(&row, agent.ports.clock.now())?;
        Ok(row)
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

    /// Stops the live container; whatever goes wrong from here brings it back.
    async fn make_room(&self, interrupt: &Interrupt, live: &Live) -> Result<(), Stop> {
        let name = &live.container.name;
        // Of a stopped environment nothing is to be started again if this fails. It may run all the same: a stop that
        // failed, or somebody who started it by hand.
        if self.place.desired == Desired::Running {
            interrupt.race(self.let_end(live)).await?;
            self.journal.agent(
                Step::Rollout,
                &format!("Stopping {name} (release {}): with strategy \"recreate\" nothing serves until the new one is ready", live.release.number),
            );
            self.agent
                .store
                .displace(&self.deployment, &live.container)?;
        }
        let engine = &self.agent.ports.engine;
        let grace = live.release.content.run.stop_grace;
        let stopped = self
            .patience(interrupt, Step::Rollout)
            .call(async || engine.stop(name, grace).await)
            .await?;
        stopped.map_err(|error| failures::engine("stop the old container", error).into())
    }

    /// Waits for a moment in which no request is under way to what is about to be stopped. Until then it serves new
    /// ones, too: to refuse them for as long as the slowest takes would only make the gap longer.
    async fn let_end(&self, live: &Live) {
        let Some(port) = live.release.content.run.port else {
            return;
        };
        let limit = self.spec.rollout.drain_timeout;
        let address = SocketAddrV4::new(live.container.address, port);
        self.agent
            .drain((&live.container.name, address), limit, |told| {
                self.journal.agent(Step::Rollout, told);
            })
            .await;
    }

    async fn start(&self, interrupt: &Interrupt, row: &ContainerRow) -> Result<(), Stop> {
        let engine = &self.agent.ports.engine;
        self.journal.forget_last_lines();
        self.journal
            .agent(Step::Rollout, &format!("Starting {}", row.name));
        let started = self
            .patience(interrupt, Step::Rollout)
            .call(async || engine.start(&row.name).await)
            .await?;
        started.map_err(|error| failures::engine("start the container", error).into())
    }

    /// Waits for readiness while what the container prints goes into the log.
    async fn wait_until_ready(
        &self,
        interrupt: &Interrupt,
        row: &ContainerRow,
        check: &Check,
    ) -> Result<(), Stop> {
        let health = Health {
            check: check.clone(),
            ..self.spec.rollout.health.clone()
        };
        let read = Mutex::new(None);
        let outcome = tokio::select! {
            biased;
            outcome = self.until_ready(interrupt, row, &health) => outcome,
            never = async { self.listen(row, None, true, &read).await; std::future::pending().await } => never,
        };
        let so_far = read.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // Ready or failed: what it has printed until now belongs to the log; it may have been quicker than the listener.
        if matches!(outcome, Ok(()) | Err(Stop::Failed(_))) {
            self.listen(row, so_far, false, &read).await;
        }
        if let Some(cursor) = read.into_inner().unwrap_or_else(PoisonError::into_inner) {
            self.agent.store.record_read(row.serial, &cursor)?;
        }
        outcome.map_err(|stop| match stop {
            Stop::Failed(failure) if failure.code != FailureCode::EngineUnavailable => {
                Stop::from(Failure {
                    output: self.journal.last_lines(),
                    ..*failure
                })
            }
            Stop::Failed(_) | Stop::Moved | Stop::Store(_) => stop,
        })
    }

    /// The container's output goes into the log, until it ends, or the engine does.
    async fn listen(
        &self,
        row: &ContainerRow,
        after: Option<OutputCursor>,
        follow: bool,
        read: &Mutex<Option<OutputCursor>>,
    ) {
        let mut lines = self.agent.ports.engine.output(&row.name, after, follow);
        while let Some(Ok(line)) = lines.next().await {
            self.journal.output(Step::Rollout, line.stream, line.text);
            *read.lock().unwrap_or_else(PoisonError::into_inner) = Some(line.cursor);
        }
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

/// The environment's network.
pub(super) fn network(place: &Place) -> Option<Network> {
    Some(Network {
        name: place.slug(),
        subnet: place.subnet,
        engine_half: engine_half(place.subnet)?,
        app: place.app_name.as_str().to_owned(),
        environment: place.environment_name.as_str().to_owned(),
    })
}

/// What the engine is asked to make for a release.
pub(super) fn container_spec(
    place: &Place,
    content: &ReleaseContent,
    env: ContainerEnv,
    row: &ContainerRow,
    labels: Labels,
) -> ContainerSpec {
    let run = &content.run;
    let mount = |mount: &crate::core::spec::Mount| EngineMount {
        source: match &mount.source {
            MountSource::Volume(name) => MountSource::Volume(format!("{}-{name}", place.slug())),
            MountSource::External(name) => MountSource::External(name.clone()),
            MountSource::Host(path) => MountSource::Host(path.clone()),
        },
        target: mount.target.clone(),
        read_only: mount.read_only,
    };
    ContainerSpec {
        name: row.name.clone(),
        image: content.image.id.clone(),
        command: run.command.clone(),
        entrypoint: run.entrypoint.clone(),
        env: env.variables,
        labels,
        network: place.slug(),
        address: row.address,
        alias: place.app_name.as_str().to_owned(),
        publish: run.publish.clone(),
        mounts: run.volumes.iter().map(mount).collect(),
        memory: run.memory,
        millicpus: run.millicpus,
        logging: run.logging.clone(),
        stop_grace: run.stop_grace,
        health_start_interval: matches!(content.check, Check::Image)
            .then_some(HEALTH_START_INTERVAL),
    }
}

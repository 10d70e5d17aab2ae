//! Giving back what is no longer needed: once after a start, once a day, and when somebody asks. What is to go is
//! decided by `core::retention` and by the rows; what neither knows is shown and left alone.

use super::Agent;
use super::dispatch::internal;
use crate::core::access::{Caller, Reach, Scope};
use crate::core::action::Reply;
use crate::core::error::Error;
use crate::core::id::DeploymentSerial;
use crate::core::ports::{EngineError, HostImage, SourceError};
use crate::core::release::{candidate_tag, release_tag};
use crate::core::retention::{
    Collection, Fate, Finding, Kind, KnownRelease, Policy, Verdict, fates,
};
use crate::core::time::Timestamp;
use crate::store::{Holding, StoreError};
use bytesize::ByteSize;
use std::time::Duration;
use uuid::Uuid;

/// A start has more urgent things to do.
const FIRST: Duration = Duration::from_secs(60);
/// How often it is done without being asked for.
const INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);
/// How long it waits for a moment without deployments. It disturbs none of them; they only leave it less to find.
const PATIENCE: Duration = Duration::from_secs(60 * 60);

impl Agent {
    /// Carries out, or explains, a collection for somebody.
    pub(super) async fn collect_garbage(
        &self,
        caller: &Caller,
        explain: bool,
    ) -> Result<Reply, Error> {
        match caller.reach {
            Reach::All => {}
            Reach::App(_) | Reach::Environment(..) => return Err(Error::Forbidden(Scope::Admin)),
        }
        let collection = self.collect(explain).await.map_err(internal)?;
        Ok(Reply::Collection(collection))
    }

    /// Collects from time to time. Never ends.
    pub(super) async fn tend(&self) {
        self.ports.clock.sleep(FIRST).await;
        loop {
            tokio::select! {
                biased;
                () = self.until_idle() => {}
                () = self.ports.clock.sleep(PATIENCE) => {}
            }
            match self.collect(false).await {
                Ok(collection) => told(&collection),
                Err(error) => {
                    tracing::error!(%error, "what is no longer needed could not be collected");
                }
            }
            self.ports.clock.sleep(INTERVAL).await;
        }
    }

    async fn until_idle(&self) {
        let mut changes = self.store.changes();
        loop {
            changes.borrow_and_update();
            let is_idle = self.store.unfinished().is_ok_and(|work| work.is_empty());
            if is_idle || changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// One collection. Two at once would report each other's work as their own.
    async fn collect(&self, explain: bool) -> Result<Collection, StoreError> {
        let _alone = self.collecting.lock().await;
        let now = self.ports.clock.now();
        let mut round = Round {
            agent: self,
            policy: self.settings().retention,
            explain,
            now,
            findings: Vec::new(),
        };
        let engine_away = match self.ports.engine.images().await {
            Ok(images) => {
                let holdings = self.store.holdings()?;
                round.releases(&images, &holdings)?;
                round.tags(&images, &holdings).await?;
                round.untagged(&images).await?;
                round.build_cache().await;
                None
            }
            Err(error) => Some(error.to_string()),
        };
        round.trees().await?;
        round.logs()?;
        round.runtime_logs()?;
        round.mirrors().await?;
        self.store.note_lost_lines(now)?;
        if !explain {
            self.store.forget_keys(now)?;
        }
        Ok(Collection {
            explained: explain,
            findings: round.findings,
            engine_away,
        })
    }
}

fn told(collection: &Collection) {
    let count = |verdict| {
        collection
            .findings
            .iter()
            .filter(|finding| finding.verdict == verdict)
            .count()
    };
    tracing::info!(
        collected = count(Verdict::Collected),
        refused = count(Verdict::Refused),
        engine_away = collection.engine_away,
        "collected what is no longer needed"
    );
}

/// One collection at work.
struct Round<'a> {
    agent: &'a Agent,
    policy: Policy,
    explain: bool,
    now: Timestamp,
    findings: Vec<Finding>,
}

impl Round<'_> {
    fn found(
        &mut self,
        kind: Kind,
        object: impl Into<String>,
        bytes: Option<u64>,
        verdict: Verdict,
        reason: impl Into<String>,
    ) {
        self.findings.push(Finding {
            kind,
            object: object.into(),
            bytes,
            verdict,
            reason: reason.into(),
        });
    }

    fn keep(
        &mut self,
        kind: Kind,
        object: impl Into<String>,
        bytes: Option<u64>,
        reason: impl Into<String>,
    ) {
        self.found(kind, object, bytes, Verdict::Keep, reason);
    }

    /// What goes, unless this is only an explanation.
    async fn give_back(
        &mut self,
        kind: Kind,
        object: impl Into<String>,
        bytes: Option<u64>,
        reason: &str,
        effect: impl Future<Output = Result<(), String>>,
    ) {
        let (verdict, reason) = if self.explain {
            (Verdict::Collect, reason.to_owned())
        } else {
            match effect.await {
                Ok(()) => (Verdict::Collected, reason.to_owned()),
                Err(why) => (Verdict::Refused, why),
            }
        };
        self.found(kind, object, bytes, verdict, reason);
    }

    /// Releases: written down as given up here; their tags are taken off by the environments' own walks.
    fn releases(&mut self, images: &[HostImage], holdings: &[Holding]) -> Result<(), StoreError> {
        let keep = self.policy.keep_releases;
        for holding in holdings {
            let slug = holding.place.slug();
            let fates = fates(&holding.releases, holding.removed, keep);
            let some_go = fates.iter().any(|fate| fate.is_collected_now());
            let gone = if some_go && !self.explain {
                self.agent
                    .store
                    .collect_releases(&holding.place, keep, self.now)?
            } else {
                Vec::new()
            };
            for (release, fate) in holding.releases.iter().zip(fates) {
                let tag = release_tag(&slug, release.number);
                let image = images.iter().find(|image| image.tags.contains(&tag));
                let verdict = match fate {
                    Fate::Live | Fate::Target(_) | Fate::Runs | Fate::Recent => Verdict::Keep,
                    Fate::Old | Fate::EnvironmentRemoved if self.explain => Verdict::Collect,
                    Fate::Old | Fate::EnvironmentRemoved if gone.contains(&release.number) => {
                        Verdict::Collected
                    }
                    Fate::Old | Fate::EnvironmentRemoved => Verdict::Keep,
                };
                let mut reason = match verdict {
                    Verdict::Keep if fate.is_collected_now() => {
                        "it is needed since a moment ago".to_owned()
                    }
                    Verdict::Keep | Verdict::Collect | Verdict::Collected | Verdict::Refused => {
                        fate.reason(keep)
                    }
                };
                if image.is_none() {
                    reason.push_str("; its image is not on this host");
                }
                let bytes = image.map(|image| image.bytes);
                self.found(Kind::Release, tag, bytes, verdict, reason);
            }
        }
        Ok(())
    }

    /// Tags of our form that are no kept release's.
    async fn tags(&mut self, images: &[HostImage], holdings: &[Holding]) -> Result<(), StoreError> {
        for image in images {
            for tag in &image.tags {
                let Some((slug, name)) = tag
                    .strip_prefix("longshore/")
                    .and_then(|rest| rest.rsplit_once(':'))
                else {
                    continue;
                };
                let holding = holdings.iter().find(|holding| holding.place.slug() == slug);
                self.tag(image, tag, name, holding).await?;
            }
        }
        Ok(())
    }

    async fn tag(
        &mut self,
        image: &HostImage,
        tag: &str,
        name: &str,
        holding: Option<&Holding>,
    ) -> Result<(), StoreError> {
        let bytes = Some(image.bytes);
        let Some(holding) = holding else {
            let reason = "no environment of this database is called so: it is another instance's";
            self.keep(Kind::Image, tag, bytes, reason);
            return Ok(());
        };
        if holding.going.contains(tag) {
            self.keep(Kind::Image, tag, bytes, "it is being taken off already");
            return Ok(());
        }
        let (agent, slug) = (self.agent, holding.place.slug());
        let untag = async || agent.ports.engine.untag(tag).await.map_err(said);
        if let Some(candidate) = name.strip_prefix("candidate-") {
            let known = match candidate.parse() {
                // `candidate-07` is no tag that was ever made here.
                Ok(serial) if candidate_tag(&slug, DeploymentSerial(serial)) == tag => agent
                    .store
                    .known_candidate(holding.place.environment, serial)?,
                Ok(_) | Err(_) => None,
            };
            match known.map(|known| known.ended_at) {
                None => self.keep(Kind::Image, tag, bytes, UNKNOWN),
                Some(None) => self.keep(Kind::Image, tag, bytes, UNFINISHED),
                Some(Some(_)) => {
                    let reason = "its deployment has ended";
                    self.give_back(Kind::Image, tag, bytes, reason, untag())
                        .await;
                }
            }
            return Ok(());
        }
        let is_kept = |one: &KnownRelease| release_tag(&slug, one.number) == tag;
        if holding.releases.iter().any(is_kept) {
            // Said with the releases.
            return Ok(());
        }
        let was_given_up = match name.parse() {
            Ok(number) if release_tag(&slug, number) == tag => agent
                .store
                .was_given_up(holding.place.environment, number)?,
            Ok(_) | Err(_) => false,
        };
        if was_given_up {
            let reason = "its release was given up before, and the tag is still there";
            self.give_back(Kind::Image, tag, bytes, reason, untag())
                .await;
        } else {
            self.keep(Kind::Image, tag, bytes, UNKNOWN);
        }
        Ok(())
    }

    /// Images that were built for this instance and that no tag names any more.
    async fn untagged(&mut self, images: &[HostImage]) -> Result<(), StoreError> {
        let agent = self.agent;
        let needed = agent.store.needed_images()?;
        for image in images.iter().filter(|image| image.tags.is_empty()) {
            let (id, bytes) = (image.id.as_str(), Some(image.bytes));
            let known = match image.deployment {
                Some(deployment) => agent.store.known_deployment(deployment)?,
                None => None,
            };
            match known.map(|known| known.ended_at) {
                _ if needed.contains(id) => {
                    let reason = "a release or an unfinished deployment needs it";
                    self.keep(Kind::Image, id, bytes, reason);
                }
                None => self.keep(Kind::Image, id, bytes, UNKNOWN),
                Some(None) => self.keep(Kind::Image, id, bytes, UNFINISHED),
                Some(Some(_)) => {
                    let remove = async { agent.ports.engine.remove_image(id).await.map_err(said) };
                    let reason = "it has no tag, and its deployment has ended";
                    self.give_back(Kind::Image, id, bytes, reason, remove).await;
                }
            }
        }
        Ok(())
    }

    async fn build_cache(&mut self) {
        let engine = &self.agent.ports.engine;
        let object = "the engine's build cache";
        let bytes = match engine.build_cache().await {
            Ok(bytes) => bytes,
            Err(error) => {
                let reason = format!("its size cannot be found out: {error}");
                self.keep(Kind::BuildCache, object, None, reason);
                return;
            }
        };
        let Some(budget) = self.policy.build_cache else {
            let reason =
                "it is everybody's who builds on this engine; docker.prune_build_cache is false";
            self.keep(Kind::BuildCache, object, Some(bytes), reason);
            return;
        };
        let shown = ByteSize(budget);
        if bytes <= budget {
            let reason = format!("it is within docker.build_cache, {shown}");
            self.keep(Kind::BuildCache, object, Some(bytes), reason);
            return;
        }
        let prune = async {
            engine
                .prune_build_cache(budget)
                .await
                .map(|_| ())
                .map_err(said)
        };
        let reason = format!("it is larger than docker.build_cache, {shown}: the part beyond goes");
        let beyond = Some(bytes - budget);
        self.give_back(Kind::BuildCache, object, beyond, &reason, prune)
            .await;
    }

    async fn trees(&mut self) -> Result<(), StoreError> {
        let agent = self.agent;
        let trees = match agent.ports.source.trees().await {
            Ok(trees) => trees,
            Err(error) => {
                self.keep(Kind::Tree, "work", None, format!("cannot be read: {error}"));
                return Ok(());
            }
        };
        for (id, bytes) in trees {
            let (object, bytes) = (id.to_string(), Some(bytes));
            match agent.store.known_deployment(id)?.map(|one| one.ended_at) {
                None => self.keep(Kind::Tree, object, bytes, UNKNOWN),
                Some(None) => self.keep(Kind::Tree, object, bytes, UNFINISHED),
                Some(Some(_)) => {
                    let discard = async {
                        let discarded: Result<(), SourceError> =
                            agent.ports.source.discard(id).await;
                        discarded.map_err(|error| error.to_string())
                    };
                    let reason = "its deployment has ended";
                    self.give_back(Kind::Tree, object, bytes, reason, discard)
                        .await;
                }
            }
        }
        Ok(())
    }

    /// Logs are told of together: there are too many for a line each.
    fn logs(&mut self) -> Result<(), StoreError> {
        let (mut old, mut kept, mut unknown) = (Logs::default(), Logs::default(), Logs::default());
        for (id, bytes) in self.agent.store.logs()? {
            let store = &self.agent.store;
            let is_old = match store.known_deployment(id)? {
                Some(known) => Some(known.log_is_old(&self.policy, self.now)),
                None => store
                    .known_run(id)?
                    .map(|ended| ended.is_some_and(|ended| self.policy.is_past(ended, self.now))),
            };
            let group = match is_old {
                None => &mut unknown,
                Some(true) => &mut old,
                Some(false) => &mut kept,
            };
            group.ids.push(id);
            group.bytes += bytes;
        }
        let limit = shown(self.policy.logs);
        let verdict = if self.explain {
            Verdict::Collect
        } else {
            self.agent.store.remove_logs(&old.ids, self.now)?;
            Verdict::Collected
        };
        for (group, verdict, reason) in [
            (
                old,
                verdict,
                format!("their deployments and runs ended more than {limit} ago (retention.logs)"),
            ),
            (
                kept,
                Verdict::Keep,
                format!("of kept releases, of what is unfinished, or younger than {limit}"),
            ),
            (unknown, Verdict::Keep, UNKNOWN.to_owned()),
        ] {
            let object = match group.ids.len() {
                0 => continue,
                1 => "1 log".to_owned(),
                more => format!("{more} logs"),
            };
            self.found(Kind::Logs, object, Some(group.bytes), verdict, reason);
        }
        Ok(())
    }

    /// What the containers of removed environments printed is history like their deployments' logs, and goes as late. Of
    /// the others it is bounded by its size.
    fn runtime_logs(&mut self) -> Result<(), StoreError> {
        let store = &self.agent.store;
        let (mut old, mut kept, mut unknown) = (Logs::default(), Logs::default(), Logs::default());
        for (id, bytes) in store.runtime_logs()? {
            let group = match store.environment_removed_at(id)? {
                None => &mut unknown,
                Some(Some(removed)) if self.policy.is_past(removed, self.now) => &mut old,
                Some(_) => &mut kept,
            };
            group.ids.push(id);
            group.bytes += bytes;
        }
        let limit = shown(self.policy.logs);
        let mut verdict = Verdict::Collect;
        if !self.explain {
            for id in &old.ids {
                store.remove_runtime_log(*id)?;
            }
            verdict = Verdict::Collected;
        }
        let bound = ByteSize(self.policy.runtime_logs);
        for (group, verdict, reason) in [
            (
                old,
                verdict,
                format!("their environments were removed more than {limit} ago (retention.logs)"),
            ),
            (
                kept,
                Verdict::Keep,
                format!(
                    "each at most {bound} (retention.runtime_logs), of environments that are there or were removed less than {limit} ago"
                ),
            ),
            (unknown, Verdict::Keep, UNKNOWN.to_owned()),
        ] {
            let object = match group.ids.len() {
                0 => continue,
                1 => "1 runtime log".to_owned(),
                more => format!("{more} runtime logs"),
            };
            self.found(Kind::Logs, object, Some(group.bytes), verdict, reason);
        }
        Ok(())
    }

    async fn mirrors(&mut self) -> Result<(), StoreError> {
        let agent = self.agent;
        for project in agent.store.known_projects()? {
            let path = project.path.as_str();
            let bytes = match agent.ports.source.mirror_size(path).await {
                Ok(None) => continue,
                Ok(bytes) => bytes,
                Err(error) => {
                    self.keep(Kind::Mirror, path, None, format!("cannot be read: {error}"));
                    continue;
                }
            };
            if project.configured {
                let reason = "an app of the configuration is built from it";
                self.keep(Kind::Mirror, path, bytes, reason);
            } else if project.has_environments {
                let reason = "its app is not in the configuration, but was not removed either";
                self.keep(Kind::Mirror, path, bytes, reason);
            } else {
                let discard = async {
                    let discarded = agent.ports.source.discard_mirror(path).await;
                    discarded.map_err(|error| error.to_string())
                };
                let reason = "its app was removed";
                self.give_back(Kind::Mirror, path, bytes, reason, discard)
                    .await;
            }
        }
        Ok(())
    }
}

#[derive(Default)]
struct Logs {
    ids: Vec<Uuid>,
    bytes: u64,
}

const UNKNOWN: &str = "nothing in this database says whose it is: it is left alone";
const UNFINISHED: &str = "its deployment has not ended";

/// A duration as people write it in the configuration: months are nobody's unit for a retention.
fn shown(time: Duration) -> String {
    const DAY: u64 = 24 * 60 * 60;
    match time.as_secs() {
        seconds if seconds > 0 && seconds % DAY == 0 => format!("{}d", seconds / DAY),
        _ => humantime::format_duration(time).to_string(),
    }
}

fn said(error: EngineError) -> String {
    error.to_string()
}

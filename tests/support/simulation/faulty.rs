//! The ports of a bad day: each call may come late, get lost, be refused, or be carried out without an answer; streams
//! break in the middle; the wall clock jumps.

use super::notes::{InFlight, Reason, app_of};
use super::observer::Observer;
use super::sim::{Fate, Sim};
use crate::world::Fake;
use async_trait::async_trait;
use futures_util::{FutureExt as _, StreamExt as _, stream, stream::BoxStream};
use longshore::core::commit::CommitDetail;
use longshore::core::container::OutputCursor;
use longshore::core::log::Stream;
use longshore::core::name::{Branch, ImageReference, RefName, Sha};
use longshore::core::ports::*;
use longshore::core::reference::Reference;
use longshore::core::release::Image;
use longshore::core::route::Table;
use longshore::core::time::Timestamp;
use std::collections::BTreeMap;
use std::net::{SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use uuid::Uuid;

pub struct Faulty {
    pub inner: Fake,
    pub sim: Arc<Sim>,
}

impl Faulty {
    /// A call that an engine can refuse if `refusable`, and carry out after its caller gave up if it is `late`.
    async fn call<T>(
        &self,
        name: &str,
        about: &str,
        refusable: bool,
        late: Option<InFlight>,
        effect: impl Future<Output = Result<T, EngineError>> + Send,
    ) -> Result<T, EngineError> {
        let may_be_late = matches!(late, Some(InFlight::Create(_)));
        let (delay, fate) = self.sim.fate(about, refusable, may_be_late);
        let flight = late.clone().map(|call| self.take_off(call));
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let answer = match fate {
            Fate::Fine => effect.await,
            Fate::Lost => Err(EngineError::Unavailable("connection refused".into())),
            Fate::Answerless => {
                drop(effect.await);
                Err(EngineError::Unavailable("connection reset".into()))
            }
            Fate::Refused => Err(EngineError::Refused("not today".into())),
            Fate::Late(delay) => {
                if let (Some(call), false) = (late, self.sim.world.ended()) {
                    self.sim.later(delay, call);
                }
                Err(EngineError::Unavailable("no answer in time".into()))
            }
        };
        if let Some(flight) = flight {
            self.sim.notes().in_flight.remove(&flight);
        }
        let outcome = match &answer {
            Ok(_) => "ok".to_owned(),
            Err(error) => format!("{error} ({fate:?})"),
        };
        self.sim.trace(format!("engine.{name} {about}: {outcome}"));
        self.sim.look();
        answer
    }

    fn observer(&self) -> &Observer {
        self.sim.observer.get().unwrap()
    }

    fn take_off(&self, call: InFlight) -> u64 {
        let mut notes = self.sim.notes();
        notes.calls += 1;
        let flight = notes.calls;
        notes.in_flight.insert(flight, call);
        flight
    }

    /// Long work: it takes its time, may break in the middle, and its end may never be heard of.
    fn work<'a, T: Send + 'a, E: Clone + Send + Sync + 'a>(
        &'a self,
        about: String,
        length: Duration,
        broken: E,
        refused: E,
        work: impl FnOnce() -> Work<'a, T, E> + Send + 'a,
    ) -> Work<'a, T, E> {
        let sim = &self.sim;
        let (delay, fate) = sim.fate(&about, true, false);
        let begin = async move {
            let outages = sim.notes().outages;
            let fate_now = fate;
            sim.trace(format!("{about} begins ({fate_now:?}, takes {length:?})"));
            tokio::time::sleep(delay).await;
            match fate {
                Fate::Refused => return stream::iter([Err(refused)]).boxed(),
                Fate::Lost | Fate::Late(_) => {
                    tokio::time::sleep(length / 2).await;
                    let said = Ok(Progress::Line(Stream::Stdout, "half of it".into()));
                    return stream::iter([said, Err(broken)]).boxed();
                }
                Fate::Fine | Fate::Answerless => {}
            }
            if sim.world.state.lock().unwrap().engine_is_gone {
                return stream::iter([Err(broken)]).boxed();
            }
            tokio::time::sleep(length).await;
            let said = || Ok(Progress::Line(Stream::Stdout, "most of it".into()));
            if sim.notes().outages != outages {
                return stream::iter([said(), Err(broken)]).boxed();
            }
            let heard = move |progress: Result<Progress<T>, E>| match progress {
                Ok(Progress::Done(_)) if fate == Fate::Answerless => Err(broken.clone()),
                other => other,
            };
            stream::iter([said()]).chain(work().map(heard)).boxed()
        };
        begin.flatten_stream().boxed()
    }

    /// Makes the lines a container printed unique, so that each can be found in a log.
    fn sign(&self, name: &str) {
        let mut state = self.sim.world.state.lock().unwrap();
        let Some(made) = state.containers.get_mut(name) else {
            return;
        };
        for line in made.printed.iter_mut().filter(|line| !line.contains('#')) {
            let mut notes = self.sim.notes();
            notes.starts += 1;
            *line = format!("{line} of {name} #{}#", notes.starts);
        }
    }
}

/// A line's number among all lines is its time: a container made again goes on where the old one ended.
fn in_time(line: OutputLine) -> OutputLine {
    let number = line
        .text
        .split('#')
        .nth(1)
        .and_then(|number| number.parse::<u64>().ok());
    OutputLine {
        cursor: OutputCursor(format!("{:09}", number.unwrap_or_default())),
        ..line
    }
}

#[async_trait]
impl Clock for Faulty {
    fn now(&self) -> Timestamp {
        Timestamp(self.inner.now().0 + self.sim.clock_off.load(Ordering::Relaxed))
    }

    fn monotonic(&self) -> Duration {
        self.inner.monotonic()
    }

    async fn sleep(&self, time: Duration) {
        self.inner.sleep(time).await;
    }
}

#[async_trait]
impl Source for Faulty {
    async fn resolve(&self, remote: &Remote, revision: &Revision) -> Result<Sha, SourceError> {
        let (delay, fate) = self.sim.fate("", false, false);
        tokio::time::sleep(delay).await;
        match fate {
            Fate::Lost | Fate::Answerless => Err(SourceError::Unreachable("no route".into())),
            Fate::Fine | Fate::Refused | Fate::Late(_) => {
                self.inner.resolve(remote, revision).await
            }
        }
    }

    fn checkout<'a>(
        &'a self,
        remote: &'a Remote,
        reference: &'a Reference,
        sha: &'a Sha,
        tree: Uuid,
    ) -> Work<'a, Checkout, SourceError> {
        let broken = SourceError::Unreachable("connection reset".into());
        let length = Duration::from_millis(300);
        let app = app_of(&remote.url);
        let work = self.work(
            format!("source.checkout {}", remote.url),
            length,
            broken.clone(),
            broken,
            move || self.inner.checkout(remote, reference, sha, tree),
        );
        work.inspect(move |progress| {
            if progress.is_err() {
                self.sim.because(app, Reason::Source);
            }
        })
        .boxed()
    }

    async fn locate(&self, remote: &Remote, name: &RefName) -> Result<Located, SourceError> {
        let (delay, fate) = self.sim.fate("", false, false);
        tokio::time::sleep(delay).await;
        match fate {
            Fate::Lost | Fate::Answerless => Err(SourceError::Unreachable("no route".into())),
            Fate::Fine | Fate::Refused | Fate::Late(_) => self.inner.locate(remote, name).await,
        }
    }

    async fn commit(&self, remote: &Remote, sha: &Sha) -> Result<CommitDetail, SourceError> {
        self.inner.commit(remote, sha).await
    }

    async fn merge(&self, remote: &Remote, request: &MergeRequest) -> Result<Merge, SourceError> {
        self.inner.merge(remote, request).await
    }

    async fn branches(&self, remote: &Remote) -> Result<BTreeMap<Branch, Sha>, SourceError> {
        let (delay, fate) = self.sim.fate("", false, false);
        tokio::time::sleep(delay).await;
        match fate {
            Fate::Lost | Fate::Answerless => Err(SourceError::Unreachable("no route".into())),
            Fate::Fine | Fate::Refused | Fate::Late(_) => self.inner.branches(remote).await,
        }
    }

    async fn trees(&self) -> Result<Vec<(Uuid, u64)>, SourceError> {
        self.inner.trees().await
    }

    async fn mirror_size(&self, project: &str) -> Result<Option<u64>, SourceError> {
        self.inner.mirror_size(project).await
    }

    async fn discard_mirror(&self, project: &str) -> Result<(), SourceError> {
        self.inner.discard_mirror(project).await
    }

    async fn discard(&self, tree: Uuid) -> Result<(), SourceError> {
        let (delay, fate) = self.sim.fate("", false, false);
        tokio::time::sleep(delay).await;
        let broken = || Err(SourceError::Failed("the disk is busy".into()));
        match fate {
            Fate::Lost => broken(),
            Fate::Answerless => {
                self.inner.discard(tree).await?;
                broken()
            }
            Fate::Fine | Fate::Refused | Fate::Late(_) => self.inner.discard(tree).await,
        }
    }
}

#[async_trait]
impl Ingress for Faulty {
    async fn publish(&self, table: &Table, takeover: Takeover) -> Result<i64, IngressError> {
        let (delay, fate) = self.sim.fate("", false, false);
        tokio::time::sleep(delay).await;
        let broken = || Err(IngressError::Unavailable("connection reset".into()));
        let answer = match fate {
            Fate::Lost => broken(),
            Fate::Answerless => {
                drop(self.inner.publish(table, takeover).await);
                broken()
            }
            Fate::Fine | Fate::Refused | Fate::Late(_) => self.inner.publish(table, takeover).await,
        };
        self.sim
            .trace(format!("ingress.publish {}: {answer:?}", table.generation));
        answer
    }

    async fn held(&self, instance: Uuid) -> Result<Option<i64>, IngressError> {
        let (delay, fate) = self.sim.fate("", false, false);
        tokio::time::sleep(delay).await;
        match fate {
            Fate::Lost | Fate::Answerless => {
                Err(IngressError::Unavailable("connection reset".into()))
            }
            Fate::Fine | Fate::Refused | Fate::Late(_) => self.inner.held(instance).await,
        }
    }

    async fn drain(&self, address: SocketAddrV4, limit: Duration) -> Result<u64, IngressError> {
        let (delay, fate) = self.sim.fate("", false, false);
        tokio::time::sleep(delay).await;
        match fate {
            Fate::Lost | Fate::Answerless => {
                Err(IngressError::Unavailable("connection reset".into()))
            }
            Fate::Fine | Fate::Refused | Fate::Late(_) => self.inner.drain(address, limit).await,
        }
    }

    async fn figures(&self) -> Result<String, IngressError> {
        self.inner.figures().await
    }

    async fn probe(&self, probe: &Probe) -> ProbeAnswer {
        // A probe is a question to the app: what it answers is the app's doing, and only its time is ours.
        let (delay, _) = self.sim.fate("", false, false);
        tokio::time::sleep(delay).await;
        let address = match probe {
            Probe::Http { address, .. } | Probe::Tcp { address } => *address,
        };
        if self.is_slow(*address.ip()) {
            return ProbeAnswer::NotReady(format!("connection refused on {address}"));
        }
        self.inner.probe(probe).await
    }
}

impl Faulty {
    /// Whether the container of that address needs more time.
    fn is_slow(&self, address: std::net::Ipv4Addr) -> bool {
        let state = self.sim.world.state.lock().unwrap();
        let Some((name, made)) = state
            .containers
            .iter()
            .find(|(_, made)| made.spec.address == address)
        else {
            return false;
        };
        let (Some(slow), Some(started)) = (
            self.sim.script.slow.get(&made.spec.image),
            self.sim.notes().started.get(name).copied(),
        ) else {
            return false;
        };
        self.sim.now() < started + *slow
    }
}

#[async_trait]
impl Engine for Faulty {
    fn build<'a>(&'a self, build: &'a Build) -> Work<'a, Image, EngineError> {
        let image = crate::world::image_of(&build.tree.display().to_string());
        let length = self
            .sim
            .script
            .builds
            .get(&image)
            .copied()
            .unwrap_or_default();
        self.work(
            format!("engine.build {}", build.tag),
            length,
            EngineError::Unavailable("the stream broke".into()),
            EngineError::BuildFailed("not today".into()),
            || self.inner.build(build),
        )
    }

    fn pull<'a>(
        &'a self,
        image: &'a ImageReference,
        credential: Option<&'a RegistryCredential>,
    ) -> Work<'a, Image, EngineError> {
        self.work(
            format!("engine.pull {image}"),
            Duration::from_millis(1500),
            EngineError::Unavailable("the stream broke".into()),
            EngineError::Refused("too many requests".into()),
            move || self.inner.pull(image, credential),
        )
    }

    async fn find_image(&self, reference: &str) -> Result<Option<Image>, EngineError> {
        self.call(
            "find_image",
            reference,
            false,
            None,
            self.inner.find_image(reference),
        )
        .await
    }

    async fn tag(&self, image: &str, tag: &str) -> Result<(), EngineError> {
        self.call("tag", tag, true, None, self.inner.tag(image, tag))
            .await
    }

    async fn untag(&self, tag: &str) -> Result<(), EngineError> {
        self.call("untag", tag, false, None, self.inner.untag(tag))
            .await
    }

    async fn ensure_network(&self, network: &Network) -> Result<(), EngineError> {
        self.call(
            "ensure_network",
            &network.name,
            true,
            None,
            self.inner.ensure_network(network),
        )
        .await
    }

    async fn remove_network(&self, name: &str) -> Result<(), EngineError> {
        self.call(
            "remove_network",
            name,
            false,
            None,
            self.inner.remove_network(name),
        )
        .await
    }

    async fn join(&self, network: &str, container: &str, alias: &str) -> Result<(), EngineError> {
        self.call(
            "join",
            container,
            true,
            None,
            self.inner.join(network, container, alias),
        )
        .await
    }

    async fn dissolve_network(&self, name: &str) -> Result<(), EngineError> {
        self.call(
            "dissolve_network",
            name,
            false,
            None,
            self.inner.dissolve_network(name),
        )
        .await
    }

    async fn remove_volume(&self, name: &str) -> Result<(), EngineError> {
        self.call(
            "remove_volume",
            name,
            false,
            None,
            self.inner.remove_volume(name),
        )
        .await
    }

    async fn create(&self, container: &ContainerSpec) -> Result<(), EngineError> {
        let late = InFlight::Create(Box::new(container.clone()));
        let create = async {
            let made = self.inner.create(container).await;
            self.sign(&container.name);
            self.sim
                .world
                .state
                .lock()
                .unwrap()
                .removed_by_hand
                .remove(&container.name);
            self.sim.tell(EngineEvent::Made);
            made
        };
        self.call("create", &container.name, true, Some(late), create)
            .await
    }

    async fn start(&self, name: &str) -> Result<(), EngineError> {
        let start = async {
            let runs = |sim: &Sim| sim.world.running().iter().any(|running| running == name);
            let ran = runs(&self.sim);
            self.inner.start(name).await?;
            self.sign(name);
            self.sim.notes().stopped.remove(name);
            if !ran {
                let now = self.sim.now();
                self.sim.notes().started.insert(name.to_owned(), now);
            }
            Ok(())
        };
        self.call(
            "start",
            name,
            true,
            Some(InFlight::Start(name.to_owned())),
            start,
        )
        .await
    }

    async fn stop(&self, name: &str, grace: Duration) -> Result<(), EngineError> {
        let stop = async {
            self.observer().about_to_stop(name);
            self.inner.stop(name, grace).await?;
            self.sign(name);
            self.sim.notes().stopped.insert(name.to_owned());
            self.sim.tell(EngineEvent::Ended(name.to_owned()));
            Ok(())
        };
        self.call(
            "stop",
            name,
            true,
            Some(InFlight::Stop(name.to_owned())),
            stop,
        )
        .await
    }

    async fn set_restart(&self, name: &str, policy: RestartPolicy) -> Result<(), EngineError> {
        self.call(
            "set_restart",
            name,
            true,
            None,
            self.inner.set_restart(name, policy),
        )
        .await
    }

    async fn remove(&self, name: &str) -> Result<(), EngineError> {
        let remove = async {
            self.observer().about_to_remove(name);
            self.inner.remove(name).await?;
            self.sim.tell(EngineEvent::Removed(name.to_owned()));
            Ok(())
        };
        self.call("remove", name, true, None, remove).await
    }

    async fn inspect(&self, name: &str) -> Result<Option<Observed>, EngineError> {
        self.call("inspect", name, true, None, self.inner.inspect(name))
            .await
    }

    fn output<'a>(
        &'a self,
        name: &'a str,
        after: Option<OutputCursor>,
        follow: bool,
    ) -> BoxStream<'a, Result<OutputLine, EngineError>> {
        let (delay, fate) = self.sim.fate(name, true, false);
        let whole = self.sim.chance.below(4);
        let lines = async move {
            tokio::time::sleep(delay).await;
            let broken = || Err(EngineError::Unavailable("the stream broke".into()));
            // A process that ended in the middle of a start left an unsigned one.
            self.sign(name);
            let gone = self.sim.world.state.lock().unwrap().engine_is_gone;
            self.sim.trace(format!(
                "engine.output {name} after {after:?} ({follow}): {fate:?}"
            ));
            let lines = self
                .inner
                .output(name, None, follow)
                .map(|line| line.map(in_time));
            let unread = move |line: &Result<OutputLine, EngineError>| {
                line.as_ref()
                    .is_ok_and(|line| after.as_ref().is_none_or(|after| line.cursor > *after))
            };
            let lines = lines.filter(move |line| std::future::ready(unread(line)));
            match fate {
                _ if gone => stream::iter([broken()]).boxed(),
                Fate::Refused => {
                    self.sim.notes().unread.insert(name.to_owned());
                    stream::iter([Err(EngineError::Refused("no reading".into()))]).boxed()
                }
                Fate::Lost | Fate::Answerless => {
                    self.sim.trace(format!("engine.output {name}: breaks"));
                    let some = usize::try_from(whole).unwrap();
                    lines.take(some).chain(stream::iter([broken()])).boxed()
                }
                Fate::Fine | Fate::Late(_) => lines.boxed(),
            }
        };
        lines.flatten_stream().boxed()
    }

    async fn listening(&self, name: &str) -> Result<Vec<SocketAddr>, EngineError> {
        self.inner.listening(name).await
    }

    async fn images(&self) -> Result<Vec<HostImage>, EngineError> {
        self.call("images", "", false, None, self.inner.images())
            .await
    }

    async fn remove_image(&self, id: &str) -> Result<(), EngineError> {
        self.call("remove_image", id, true, None, self.inner.remove_image(id))
            .await
    }

    async fn build_cache(&self) -> Result<u64, EngineError> {
        self.inner.build_cache().await
    }

    async fn prune_build_cache(&self, keep: u64) -> Result<u64, EngineError> {
        self.inner.prune_build_cache(keep).await
    }

    fn events(&self) -> BoxStream<'_, Result<EngineEvent, EngineError>> {
        let (delay, fate) = self.sim.fate("", false, false);
        let some = usize::try_from(self.sim.chance.below(20)).unwrap();
        let events = async move {
            tokio::time::sleep(delay).await;
            // What was told while nobody listened is lost.
            self.sim.world.state.lock().unwrap().events.clear();
            let broken =
                || stream::iter([Err(EngineError::Unavailable("the stream broke".into()))]);
            let events = self.inner.events();
            match fate {
                Fate::Fine | Fate::Refused | Fate::Late(_) => events,
                Fate::Lost => broken().boxed(),
                Fate::Answerless => events.take(some).chain(broken()).boxed(),
            }
        };
        events.flatten_stream().boxed()
    }

    async fn list(&self) -> Result<Vec<Seen>, EngineError> {
        self.call("list", "", false, None, self.inner.list()).await
    }
}

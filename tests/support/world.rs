//! A world in memory for the driver: an engine, a source and an ingress with state, a clock that jumps to the next
//! timer, and a count of every store commit and every port call, at each of which the process can be made to end.

use async_trait::async_trait;
use futures_util::{FutureExt as _, StreamExt as _, stream, stream::BoxStream};
use longshore::core::access::Caller;
use longshore::core::action::{
    Action, AppRef, ChangeEnvironment, ChangeView, CreateDeployment, DeploymentView, Environments,
    Reply, Target,
};
use longshore::core::app::{App, derived_id};
use longshore::core::change::Change;
use longshore::core::command::Command;
use longshore::core::commit::{CommitDetail, Signature};
use longshore::core::container::OutputCursor;
use longshore::core::deployment::{CommitInfo, Trigger};
use longshore::core::error::Error;
use longshore::core::log::Stream;
use longshore::core::name::{
    AppName, Branch, EnvironmentName, ImageReference, ProcessName, ProjectPath, RefName, Sha,
    TaskName,
};
use longshore::core::particulars::{Conditions, Particulars};
use longshore::core::ports::*;
use longshore::core::process::ProcessSpec;
use longshore::core::reference::Reference;
use longshore::core::release::Image;
use longshore::core::retention::Policy;
use longshore::core::route::{self, Domain, Route, Table};
use longshore::core::spec::*;
use longshore::core::time::Timestamp;
use longshore::deploy::{Agent, Ports, Settings};
use longshore::store::{CommitWatch, Moment, OpenWith, Store, StoreError};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;
use uuid::Uuid;

/// What an image does when it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// Gets ready at once.
    Serves,
    /// Runs and never gets ready.
    NeverReady,
    /// Ends at once with this status.
    Exits(i64),
}

/// What becomes of pulls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pulls {
    #[default]
    Come,
    Hang,
    Fail,
}

#[derive(Clone, Debug)]
pub struct Made {
    pub spec: ContainerSpec,
    pub state: ContainerState,
    pub restart: RestartPolicy,
    pub printed: Vec<String>,
    /// When each of the lines was printed, as far as the engine has noted it.
    pub times: Vec<Timestamp>,
    /// The further networks it is in, with what it is called there.
    pub joined: BTreeMap<String, String>,
}

/// Everything outside the process.
#[derive(Default)]
pub struct State {
    pub containers: BTreeMap<String, Made>,
    pub tags: BTreeMap<String, String>,
    pub digests: BTreeMap<String, String>,
    pub networks: BTreeSet<String>,
    pub volumes: BTreeSet<String>,
    pub trees: BTreeSet<Uuid>,
    pub behaviours: BTreeMap<String, Behaviour>,
    /// The commands that were run once, as often as they were begun, each as a line.
    pub begun: Vec<String>,
    /// How many starts the engine will take, and carry out only when it is looked at the second time after that.
    pub starts_lag: u32,
    /// The engine refuses to start commands.
    pub refuses_tasks: bool,
    lagging: Option<(String, u32)>,
    /// Images without a tag, and the deployments they say they were built for.
    pub untagged: BTreeMap<String, Option<Uuid>>,
    pub build_cache: u64,
    pub mirrors: BTreeSet<String>,
    pub head: Option<Sha>,
    /// The branches the remote lists.
    pub branches: BTreeMap<Branch, Sha>,
    /// What merging comes to; absent, nothing is ever behind.
    pub merge: Option<Merge>,
    /// What was to be merged, in order.
    pub merges: Vec<MergeRequest>,
    /// The remote does not list them.
    pub remote_is_gone: bool,
    /// How often it was asked to.
    pub branch_calls: usize,
    /// By how many milliseconds somebody has set the clock of this host forward.
    pub clock_jump: i64,
    pub generation: i64,
    /// What the ingress holds.
    pub table: Option<Table>,
    /// What it held before that.
    pub older: Option<Table>,
    /// The highest generation it ever acknowledged.
    pub acknowledged: i64,
    /// The ingress does not answer.
    pub ingress_is_gone: bool,
    /// What it told last that it holds: only another answer is an event.
    told: Option<Option<i64>>,
    /// How many requests are under way to each address.
    pub under_way: BTreeMap<SocketAddrV4, u64>,
    /// Whoever looks wants every request to be served at every moment.
    pub serves_always: bool,
    /// What was against that.
    pub unserved: Vec<String>,
    /// The containers that were stopped while requests were under way to them.
    pub cut: Vec<String>,
    /// How often the ingress will still refuse a table.
    pub refused_tables: u32,
    pub engine_is_gone: bool,
    /// What was asked of the engine, in order.
    pub engine_calls: Vec<&'static str>,
    pub fault: Option<Fault>,
    /// What the engine will tell.
    pub events: VecDeque<EngineEvent>,
    pub refuses_starts_of: BTreeSet<String>,
    pub refuses_network_removals: BTreeSet<String>,
    /// Containers that somebody removed behind our back.
    pub removed_by_hand: BTreeSet<String>,
    /// Containers the engine is still stopping for a process that has ended: they look as if they ran.
    pub stopping: BTreeSet<String>,
    /// Images that lost their only tag to another one.
    pub nameless: usize,
    pub pulls: Pulls,
    pub builds_hang: bool,
    /// How many builds will lose the engine in the middle.
    pub builds_break: u32,
    /// How often reading an output will still break off at its end.
    pub outputs_break: u32,
    /// How often the engine will still refuse to read an output.
    pub outputs_are_refused: u32,
    pub build_prints: Vec<String>,
    pub most_builds_at_once: usize,
    pub builds_now: usize,
    began: Option<Instant>,
}

impl State {
    /// The ingress is started anew without its table.
    pub fn lose_table(&mut self) {
        self.generation = 0;
        self.table = None;
    }

    /// Where the ingress sends the requests for a domain.
    pub fn route(&self, domain: &str) -> Option<route::Target> {
        let table = self.table.as_ref()?;
        let mut routes = table.routes.iter();
        routes
            .find(|one| one.domain.to_string() == domain)
            .map(|one| one.target)
    }

    /// The container that has the address.
    pub fn at(&self, address: Ipv4Addr) -> Option<&Made> {
        let mut all = self.containers.values();
        all.find(|made| made.spec.address == address)
    }

    /// The images of the containers that a container reaches by a name, on any network they share.
    pub fn reaches(&self, from: &str, name: &str) -> BTreeSet<String> {
        let networks = |made: &Made| {
            let own = (made.spec.network.clone(), made.spec.alias.clone());
            let mut all = made.joined.clone();
            all.extend([own]);
            all
        };
        let from = networks(&self.containers[from]);
        let named = |made: &&Made| {
            let shares = |(network, alias): (&String, &String)| {
                from.contains_key(network) && (alias == name || made.spec.name == name)
            };
            matches!(made.state, ContainerState::Running { .. })
                && networks(made).iter().any(shares)
        };
        let reached = self.containers.values().filter(named);
        reached.map(|made| made.spec.image.clone()).collect()
    }

    /// The image whose container would answer a request for a domain now.
    pub fn answers(&self, domain: &str) -> Result<String, String> {
        match self.route(domain) {
            Some(route::Target::Container(address)) => match self.at(*address.ip()) {
                Some(made)
                    if matches!(made.state, ContainerState::Running { .. })
                        && behaviour(self, &made.spec.image) == Behaviour::Serves =>
                {
                    Ok(made.spec.image.clone())
                }
                Some(made) => Err(format!(
                    "{} does not serve: {:?}",
                    made.spec.name, made.state
                )),
                None => Err(format!("nothing is at {address}")),
            },
            other => Err(format!("{other:?}")),
        }
    }

    /// A request for a domain begins; it goes on until it is ended.
    pub fn begin_request(&mut self, domain: &str) -> SocketAddrV4 {
        match self.route(domain) {
            Some(route::Target::Container(address)) => {
                *self.under_way.entry(address).or_default() += 1;
                address
            }
            other => panic!("no request for {domain} can begin: {other:?}"),
        }
    }

    pub fn end_request(&mut self, address: SocketAddrV4) {
        *self.under_way.get_mut(&address).unwrap() -= 1;
    }

    fn look_at_routes(&mut self, when: &str) {
        let Some(table) = self.table.as_ref().filter(|_| self.serves_always) else {
            return;
        };
        let routed = table
            .routes
            .iter()
            .filter(|one| matches!(one.target, route::Target::Container(_)));
        let domains: Vec<String> = routed.map(|one| one.domain.to_string()).collect();
        let unserved = domains.iter().filter_map(|domain| {
            let why = self.answers(domain).err()?;
            Some(format!("{when}: {domain}: {why}"))
        });
        let unserved: Vec<String> = unserved.collect();
        self.unserved.extend(unserved);
    }

    /// A container is about to be stopped: is a request lost by that?
    fn look_at_stop(&mut self, name: &str) {
        let Some(made) = self.containers.get(name) else {
            return;
        };
        let address = made.spec.address;
        if !matches!(made.state, ContainerState::Running { .. }) {
            return;
        }
        let busy = |(to, count): (&SocketAddrV4, &u64)| *to.ip() == address && *count > 0;
        if self.under_way.iter().any(busy) {
            self.cut.push(name.to_owned());
        }
        let routed =
            |one: &Route| matches!(one.target, route::Target::Container(to) if *to.ip() == address);
        let leads = self
            .table
            .iter()
            .any(|table| table.routes.iter().any(routed));
        if leads && self.serves_always {
            self.unserved
                .push(format!("{name} was stopped while requests were sent to it"));
        }
    }
}

impl State {
    /// The program of a container begins; one that has ended begins anew, as with any engine.
    fn begin(&mut self, name: &str) -> Result<(), EngineError> {
        let made = self.containers.get(name);
        let made = made.ok_or_else(|| EngineError::NotFound(format!("no container {name}")))?;
        let gone = made
            .joined
            .keys()
            .find(|name| !self.networks.contains(*name));
        if let Some(gone) = gone {
            return Err(EngineError::NotFound(format!("network {gone} not found")));
        }
        let (spec, state) = (made.spec.clone(), made.state.clone());
        let is_task = runs_once(&spec);
        if is_task && matches!(state, ContainerState::Running { .. }) {
            return Ok(());
        }
        let behaviour = if is_task {
            let command = spec.command.join(" ");
            self.begun.push(command.clone());
            let own = self.behaviours.get(&command).copied();
            own.unwrap_or(Behaviour::Exits(0))
        } else {
            behaviour_of(self, &spec.image, &spec.labels.role)
        };
        let begun = match behaviour {
            Behaviour::Serves | Behaviour::NeverReady => ContainerState::Running { health: None },
            Behaviour::Exits(code) => ContainerState::Exited {
                code,
                out_of_memory: false,
                error: None,
            },
        };
        if let Some(made) = self.containers.get_mut(name) {
            made.state = begun;
            made.printed.push(format!("{} begins", spec.image));
        }
        Ok(())
    }

    /// The container that runs a command, if there is one.
    pub fn task(&self, command: &str) -> Option<&Made> {
        let mut all = self.containers.values();
        all.find(|made| runs_once(&made.spec) && made.spec.command.join(" ") == command)
    }

    /// The running command ends with that status.
    pub fn end_task(&mut self, command: &str, code: i64) {
        let name = self.task(command).unwrap().spec.name.clone();
        let made = self.containers.get_mut(&name).unwrap();
        made.printed.push(format!("{command} ends"));
        made.state = ContainerState::Exited {
            code,
            out_of_memory: false,
            error: None,
        };
    }

    /// What a container printed after a line, and when. The engine notes the time when somebody looks.
    fn printed(&mut self, name: &str, after: Option<&OutputCursor>) -> Vec<OutputLine> {
        let now = wall(self.began.unwrap_or_else(begin).elapsed());
        let Some(made) = self.containers.get_mut(name) else {
            return Vec::new();
        };
        made.times.resize(made.printed.len(), now);
        let lines = made.printed.iter().zip(&made.times).enumerate();
        lines
            .map(|(index, (text, at))| OutputLine {
                cursor: OutputCursor(format!(
                    "{}/{index:09}",
                    at.to_millis_string().replace('Z', "000000Z")
                )),
                stream: Stream::Stdout,
                text: text.clone(),
            })
            .filter(|line| after.is_none_or(|after| line.cursor > *after))
            .collect()
    }
}

/// Whether it runs a command to its end: of a deployment, or of a job's run.
fn runs_once(spec: &ContainerSpec) -> bool {
    matches!(spec.labels.role.as_str(), "task" | "run")
}

/// Calls that are not answered.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// The first, counted from 0 in `engine_calls`.
    pub first: usize,
    pub count: usize,
    /// Whether what was asked is done all the same.
    pub done: bool,
}

/// Where the process ends.
#[derive(Default)]
struct Crash {
    points: Vec<String>,
    at: Option<usize>,
    happened: bool,
}

/// What is to happen when how many points are still to be passed.
type Event = (usize, Box<dyn FnOnce() + Send>);

pub struct World {
    pub state: Mutex<State>,
    event: Mutex<Option<Event>>,
    crash: Mutex<Crash>,
    crashed: Notify,
    pub changed: Notify,
    started: Instant,
    random: AtomicU64,
}

impl World {
    pub fn new() -> Arc<Self> {
        let started = begin();
        let state = State {
            began: Some(started),
            ..State::default()
        };
        Arc::new(Self {
            state: Mutex::new(state),
            event: Mutex::default(),
            crash: Mutex::default(),
            crashed: Notify::new(),
            changed: Notify::new(),
            started,
            random: AtomicU64::new(1),
        })
    }

    /// Begins to count points; the process ends at the `at`th, counted from 0.
    pub fn count_from_here(&self, at: Option<usize>) {
        *self.crash.lock().unwrap() = Crash {
            points: Vec::new(),
            at,
            happened: false,
        };
    }

    /// The points passed since [`World::count_from_here`], and whether the process ended at the last.
    pub fn points(&self) -> (Vec<String>, bool) {
        let crash = self.crash.lock().unwrap();
        (crash.points.clone(), crash.happened)
    }

    /// Whether the process has ended at a point.
    pub fn ended(&self) -> bool {
        self.crash.lock().unwrap().happened
    }

    /// Does something at the `at`th point from here, counted from 0.
    pub fn at_point(&self, at: usize, event: impl FnOnce() + Send + 'static) {
        *self.event.lock().unwrap() = Some((at, Box::new(event)));
    }

    /// Whether nothing is to happen any more.
    pub fn has_happened(&self) -> bool {
        self.event.lock().unwrap().is_none()
    }

    fn happen(&self) {
        let mut event = self.event.lock().unwrap();
        match event.take() {
            Some((0, happen)) => happen(),
            Some((left, happen)) => *event = Some((left - 1, happen)),
            None => {}
        }
    }

    /// Passes a point; false when the process ends here, or has ended.
    fn pass(&self, name: String) -> bool {
        self.happen();
        let mut crash = self.crash.lock().unwrap();
        if crash.happened {
            return false;
        }
        crash.points.push(name);
        if crash.at.is_some_and(|at| crash.points.len() > at) {
            crash.happened = true;
            self.crashed.notify_waiters();
            return false;
        }
        true
    }

    /// A call to a port: ends for ever where the process does.
    async fn call<T>(&self, name: &str, effect: impl FnOnce(&mut State) -> T) -> T {
        if !self.pass(format!("before {name}")) {
            std::future::pending::<()>().await;
        }
        let value = {
            let mut state = self.state.lock().unwrap();
            let value = effect(&mut state);
            state.look_at_routes(name);
            value
        };
        self.changed.notify_waiters();
        if !self.pass(format!("after {name}")) {
            std::future::pending::<()>().await;
        }
        value
    }

    /// Changes what is outside, and whoever follows an output sees it.
    pub fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
        self.changed.notify_waiters();
    }

    async fn engine<T>(
        &self,
        name: &'static str,
        effect: impl FnOnce(&mut State) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        self.call(&format!("engine.{name}"), |state| {
            let nth = state.engine_calls.len();
            state.engine_calls.push(name);
            let no_answer = Err(EngineError::Unavailable("nobody answers".into()));
            match state.fault {
                _ if state.engine_is_gone => no_answer,
                Some(fault)
                    if (fault.first..fault.first.saturating_add(fault.count)).contains(&nth) =>
                {
                    if fault.done {
                        let _ = effect(state);
                    }
                    no_answer
                }
                Some(_) | None => effect(state),
            }
        })
        .await
    }

    /// Changes what is outside, and the engine tells of it.
    pub fn tell(&self, event: EngineEvent, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock().unwrap();
        change(&mut state);
        state.events.push_back(event);
        self.changed.notify_waiters();
    }

    fn next_event(&self) -> Option<Result<EngineEvent, EngineError>> {
        let mut state = self.state.lock().unwrap();
        if state.engine_is_gone {
            return Some(Err(EngineError::Unavailable("it went away".into())));
        }
        state.events.pop_front().map(Ok)
    }

    fn breaks_a_build(&self) -> bool {
        let mut state = self.state.lock().unwrap();
        let breaks = state.builds_break > 0;
        state.builds_break -= u32::from(breaks);
        breaks
    }

    /// What the engine was still stopping for a process that has ended is stopped now.
    pub fn let_the_grace_end(&self) {
        let mut state = self.state.lock().unwrap();
        for name in std::mem::take(&mut state.stopping) {
            if let Some(made) = state.containers.get_mut(&name) {
                made.state = ContainerState::Exited {
                    code: 137,
                    out_of_memory: false,
                    error: None,
                };
            }
        }
    }

    pub async fn until_crash(&self) {
        loop {
            let crashed = self.crashed.notified();
            if self.crash.lock().unwrap().happened {
                return;
            }
            crashed.await;
        }
    }

    pub fn running(&self) -> Vec<String> {
        let state = self.state.lock().unwrap();
        let runs = |made: &&Made| matches!(made.state, ContainerState::Running { .. });
        state
            .containers
            .values()
            .filter(runs)
            .map(|made| made.spec.name.clone())
            .collect()
    }
}

pub struct Fake(pub Arc<World>);

impl Fake {
    /// What a container prints after a line, as it comes, until the container ends or the engine goes away.
    fn more_output<'a>(
        &'a self,
        name: &'a str,
        after: Option<OutputCursor>,
    ) -> BoxStream<'a, Result<OutputLine, EngineError>> {
        let more = stream::unfold((after, false), move |(after, is_over)| async move {
            loop {
                let changed = self.0.changed.notified();
                if is_over {
                    return None;
                }
                let (lines, runs) = {
                    let mut state = self.0.state.lock().unwrap();
                    if state.engine_is_gone {
                        let gone = EngineError::Unavailable("it went away".into());
                        return Some((vec![Err(gone)], (after, true)));
                    }
                    let lines = state.printed(name, after.as_ref());
                    let made = state.containers.get(name);
                    let runs = made
                        .is_some_and(|made| matches!(made.state, ContainerState::Running { .. }));
                    (lines, runs)
                };
                if let Some(last) = lines.last() {
                    let last = Some(last.cursor.clone());
                    return Some((lines.into_iter().map(Ok).collect(), (last, false)));
                }
                if !runs {
                    return None;
                }
                changed.await;
            }
        });
        more.flat_map(stream::iter).boxed()
    }
}

#[async_trait]
impl Clock for Fake {
    fn now(&self) -> Timestamp {
        let Timestamp(now) = wall(self.monotonic());
        Timestamp(now + self.0.state.lock().unwrap().clock_jump)
    }

    fn monotonic(&self) -> Duration {
        self.0.started.elapsed()
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

#[async_trait]
impl Source for Fake {
    async fn resolve(&self, _: &Remote, revision: &Revision) -> Result<Sha, SourceError> {
        let head = self.0.state.lock().unwrap().head.clone();
        head.ok_or_else(|| SourceError::NoSuchBranch(revision.reference.to_string()))
    }

    fn checkout<'a>(
        &'a self,
        _: &'a Remote,
        _: &'a Reference,
        sha: &'a Sha,
        tree: Uuid,
    ) -> Work<'a, Checkout, SourceError> {
        let done = async move {
            self.0
                .call("source.checkout", |state| state.trees.insert(tree))
                .await;
            let commit = CommitInfo {
                message: format!("commit {sha}"),
                author: "Ann".into(),
                author_email: String::new(),
                committed_at: None,
            };
            Ok(Progress::Done(Checkout {
                tree: PathBuf::from(sha.as_str()),
                commit,
            }))
        };
        stream::once(done).boxed()
    }

    async fn locate(&self, _: &Remote, name: &RefName) -> Result<Located, SourceError> {
        let state = self.0.state.lock().unwrap();
        if let Ok(sha) = Sha::parse(name.as_str()) {
            let reference = Reference::Commit(sha.clone());
            return Ok(Located { reference, sha });
        }
        let missing = || SourceError::NoSuchRef(name.to_string());
        let reference = Reference::meant_by(name.as_str()).into_iter().next();
        let reference = reference.ok_or_else(missing)?;
        let known = match &reference {
            Reference::Branch(branch) => state.branches.get(branch),
            Reference::Tag(_) | Reference::Commit(_) | Reference::Other(_) => None,
        };
        let sha = known.or(state.head.as_ref()).cloned();
        let sha = sha.ok_or_else(missing)?;
        Ok(Located { reference, sha })
    }

    async fn commit(&self, _: &Remote, sha: &Sha) -> Result<CommitDetail, SourceError> {
        let somebody = Signature {
            name: "Ann".into(),
            email: "ann@example.com".into(),
            at: Timestamp(0),
        };
        Ok(CommitDetail {
            sha: sha.clone(),
            tree: sha.clone(),
            parents: Vec::new(),
            message: format!("commit {sha}"),
            author: somebody.clone(),
            committer: somebody,
        })
    }

    async fn merge(&self, _: &Remote, request: &MergeRequest) -> Result<Merge, SourceError> {
        let come_to = |state: &mut State| {
            state.merges.push(request.clone());
            let into = request.into.clone();
            state.merge.clone().unwrap_or(Merge::UpToDate(into))
        };
        Ok(self.0.call("source.merge", come_to).await)
    }

    async fn branches(&self, _: &Remote) -> Result<BTreeMap<Branch, Sha>, SourceError> {
        self.0
            .call("source.branches", |state| {
                state.branch_calls += 1;
                match state.remote_is_gone {
                    true => Err(SourceError::Unreachable("it is away".into())),
                    false => Ok(state.branches.clone()),
                }
            })
            .await
    }

    async fn discard(&self, tree: Uuid) -> Result<(), SourceError> {
        self.0
            .call("source.discard", |state| state.trees.remove(&tree))
            .await;
        Ok(())
    }

    async fn trees(&self) -> Result<Vec<(Uuid, u64)>, SourceError> {
        let trees = self
            .0
            .call("source.trees", |state| state.trees.clone())
            .await;
        Ok(trees.into_iter().map(|tree| (tree, 100)).collect())
    }

    async fn mirror_size(&self, project: &str) -> Result<Option<u64>, SourceError> {
        let there = self.0.call("source.mirror_size", |state| {
            state.mirrors.contains(project)
        });
        Ok(there.await.then_some(100))
    }

    async fn discard_mirror(&self, project: &str) -> Result<(), SourceError> {
        self.0
            .call("source.discard_mirror", |state| {
                state.mirrors.remove(project)
            })
            .await;
        Ok(())
    }
}

#[async_trait]
impl Ingress for Fake {
    async fn publish(&self, table: &Table, takeover: Takeover) -> Result<i64, IngressError> {
        self.0
            .call("ingress.publish", |state| {
                if state.ingress_is_gone {
                    return Err(IngressError::Unavailable("nobody answers".into()));
                }
                if state.refused_tables > 0 {
                    state.refused_tables -= 1;
                    return Err(IngressError::Unavailable("it is restarting".into()));
                }
                let held = state.table.as_ref().map(|held| held.instance);
                if let Some(other) = held.filter(|held| *held != table.instance) {
                    match takeover {
                        Takeover::No => return Err(IngressError::Foreign(other)),
                        Takeover::Explicit => state.lose_table(),
                    }
                }
                if table.generation >= state.generation {
                    state.generation = table.generation;
                    state.acknowledged = state.acknowledged.max(table.generation);
                    let before = state.table.replace(table.clone());
                    if before.as_ref() != Some(table) {
                        state.older = before;
                    }
                }
                Ok(state.generation)
            })
            .await
    }

    async fn held(&self, instance: Uuid) -> Result<Option<i64>, IngressError> {
        let look = move |state: &mut State| {
            if state.ingress_is_gone {
                return Err(IngressError::Unavailable("nobody answers".into()));
            }
            let known = Some(state.generation).filter(|held| *held > 0);
            let answer = match &state.table {
                Some(table) if table.instance != instance => None,
                Some(table) => Some(table.generation.max(state.generation)),
                None => known,
            };
            Ok((answer, state.told.replace(answer) == Some(answer)))
        };
        // It is asked all day long: only an answer that tells something new is a place to end at.
        if let Ok((answer, true)) = look(&mut self.0.state.lock().unwrap()) {
            return Ok(answer);
        }
        let told = self.0.call("ingress.held", look).await;
        told.map(|(answer, _)| answer)
    }

    async fn drain(&self, address: SocketAddrV4, limit: Duration) -> Result<u64, IngressError> {
        let until = tokio::time::sleep(limit);
        tokio::pin!(until);
        let mut waits = !limit.is_zero();
        loop {
            let changed = self.0.changed.notified();
            let (gone, under_way) = {
                let state = self.0.state.lock().unwrap();
                let under_way = state.under_way.get(&address).copied().unwrap_or_default();
                (state.ingress_is_gone, under_way)
            };
            if gone || under_way == 0 || !waits {
                break;
            }
            tokio::select! {
                biased;
                () = &mut until => waits = false,
                () = changed => {}
            }
        }
        self.0
            .call("ingress.drain", |state| match state.ingress_is_gone {
                true => Err(IngressError::Unavailable("nobody answers".into())),
                false => Ok(state.under_way.get(&address).copied().unwrap_or_default()),
            })
            .await
    }

    async fn figures(&self) -> Result<String, IngressError> {
        Ok(String::new())
    }

    async fn probe(&self, probe: &Probe) -> ProbeAnswer {
        let address = match probe {
            Probe::Http { address, .. } | Probe::Tcp { address } => *address,
        };
        self.0
            .call("ingress.probe", |state| {
                let serves = |made: &&Made| {
                    made.spec.address == *address.ip()
                        && matches!(made.state, ContainerState::Running { .. })
                        && behaviour(state, &made.spec.image) == Behaviour::Serves
                };
                match state.containers.values().find(serves) {
                    Some(_) => ProbeAnswer::Ready,
                    None => ProbeAnswer::NotReady(format!("nothing listens on {address}")),
                }
            })
            .await
    }
}

/// What the container of a process does: that of its image, unless something is said of `image process`.
fn behaviour_of(state: &State, image: &str, role: &str) -> Behaviour {
    let own = state.behaviours.get(&format!("{image} {role}")).copied();
    own.unwrap_or_else(|| behaviour(state, image))
}

/// The wall's time so long after a world began.
fn wall(since: Duration) -> Timestamp {
    Timestamp(1_741_948_320_000 + i64::try_from(since.as_millis()).unwrap())
}

fn behaviour(state: &State, image: &str) -> Behaviour {
    state
        .behaviours
        .get(image)
        .copied()
        .unwrap_or(Behaviour::Serves)
}

/// A number that stands for a text.
fn fold(text: &str) -> u128 {
    text.bytes().fold(1, |sum: u128, byte| {
        sum.wrapping_mul(257).wrapping_add(byte.into())
    })
}

pub fn image_of(sha: &str) -> String {
    format!("sha256:{sha}")
}

#[async_trait]
impl Engine for Fake {
    fn build<'a>(&'a self, build: &'a Build) -> Work<'a, Image, EngineError> {
        let sha = build.tree.display().to_string();
        let begin = async move {
            let (hangs, lines) = self
                .0
                .engine("build", |state| {
                    state.builds_now += 1;
                    state.most_builds_at_once = state.most_builds_at_once.max(state.builds_now);
                    Ok((state.builds_hang, state.build_prints.clone()))
                })
                .await?;
            let guard = Building(self.0.clone());
            let lines = lines
                .into_iter()
                .map(|line| Ok(Progress::Line(Stream::Stdout, line)));
            let image = Image {
                id: image_of(&sha),
                digest: None,
                reference: build.tag.clone(),
            };
            let end = async move {
                let _guard = guard;
                if hangs {
                    loop {
                        let changed = self.0.changed.notified();
                        if self.0.breaks_a_build() {
                            return Err(EngineError::Unavailable("it went away".into()));
                        }
                        changed.await;
                    }
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
                self.0
                    .engine("built", |state| {
                        // No two builds make the same image.
                        let earlier = state.tags.insert(image.reference.clone(), image.id.clone());
                        state.nameless += usize::from(earlier.is_some());
                        Ok(Progress::Done(image))
                    })
                    .await
            };
            Ok::<_, EngineError>(stream::iter(lines).chain(stream::once(end)))
        };
        begin
            .map(|begun| match begun {
                Ok(lines) => lines.boxed(),
                Err(error) => stream::iter([Err(error)]).boxed(),
            })
            .flatten_stream()
            .boxed()
    }

    fn pull<'a>(
        &'a self,
        image: &'a ImageReference,
        _: Option<&'a RegistryCredential>,
    ) -> Work<'a, Image, EngineError> {
        let pulled = async move {
            let reference = image.with_tag();
            let pulls = self.0.state.lock().unwrap().pulls;
            match pulls {
                Pulls::Come => {}
                Pulls::Hang => std::future::pending().await,
                Pulls::Fail => return Err(EngineError::Refused("manifest unknown".into())),
            }
            self.0
                .engine("pull", |state| {
                    // A digest names the same image for ever.
                    let known = state.digests.get(&reference).cloned();
                    let id = known.unwrap_or_else(|| format!("sha256:{reference}"));
                    let digest = format!("registry.example/image@sha256:{:064x}", fold(&id));
                    state.digests.insert(digest.clone(), id.clone());
                    state.tags.insert(reference.clone(), id.clone());
                    Ok(Progress::Done(Image {
                        id,
                        digest: Some(digest),
                        reference,
                    }))
                })
                .await
        };
        stream::once(pulled).boxed()
    }

    async fn find_image(&self, reference: &str) -> Result<Option<Image>, EngineError> {
        self.0
            .engine("find_image", |state| {
                let by_id = state.tags.values().find(|id| *id == reference);
                let found = state.tags.get(reference).or(by_id).cloned();
                Ok(found.map(|id| Image {
                    id,
                    digest: None,
                    reference: reference.to_owned(),
                }))
            })
            .await
    }

    async fn tag(&self, image: &str, tag: &str) -> Result<(), EngineError> {
        self.0
            .engine("tag", |state| {
                state.tags.insert(tag.to_owned(), image.to_owned());
                Ok(())
            })
            .await
    }

    async fn untag(&self, tag: &str) -> Result<(), EngineError> {
        self.0
            .engine("untag", |state| {
                state.tags.remove(tag);
                Ok(())
            })
            .await
    }

    async fn ensure_network(&self, network: &Network) -> Result<(), EngineError> {
        self.0
            .engine("ensure_network", |state| {
                state.networks.insert(network.name.clone());
                Ok(())
            })
            .await
    }

    async fn remove_network(&self, name: &str) -> Result<(), EngineError> {
        self.0
            .engine("remove_network", |state| {
                let used = state
                    .containers
                    .values()
                    .any(|made| made.spec.network == name);
                if used || state.refuses_network_removals.contains(name) {
                    return Err(EngineError::Refused("it has active endpoints".into()));
                }
                state.networks.remove(name);
                Ok(())
            })
            .await
    }

    async fn join(&self, network: &str, container: &str, alias: &str) -> Result<(), EngineError> {
        self.0
            .engine("join", |state| {
                let is_there = state.networks.contains(network);
                match state.containers.get_mut(container) {
                    Some(made) if is_there => {
                        let new = made.joined.entry(network.to_owned());
                        new.or_insert_with(|| alias.to_owned());
                        Ok(())
                    }
                    Some(_) | None => Err(EngineError::NotFound("one is missing".into())),
                }
            })
            .await
    }

    async fn dissolve_network(&self, name: &str) -> Result<(), EngineError> {
        self.0
            .engine("dissolve_network", |state| {
                if state.refuses_network_removals.contains(name) {
                    return Err(EngineError::Refused("it has active endpoints".into()));
                }
                for made in state.containers.values_mut() {
                    made.joined.remove(name);
                }
                state.networks.remove(name);
                Ok(())
            })
            .await
    }

    async fn remove_volume(&self, name: &str) -> Result<(), EngineError> {
        self.0
            .engine("remove_volume", |state| {
                state.volumes.remove(name);
                Ok(())
            })
            .await
    }

    async fn create(&self, spec: &ContainerSpec) -> Result<(), EngineError> {
        self.0
            .engine("create", |state| {
                let taken = state
                    .containers
                    .values()
                    .any(|made| made.spec.address == spec.address && made.spec.name != spec.name);
                assert!(!taken, "two containers have the address {}", spec.address);
                assert!(
                    state.networks.contains(&spec.network),
                    "no network {}",
                    spec.network
                );
                for name in &spec.connections {
                    if !state.networks.contains(name) {
                        return Err(EngineError::NotFound(format!("network {name} not found")));
                    }
                }
                let own = |name: &String| (name.clone(), spec.name.clone());
                let joined = spec.connections.iter().map(own).collect();
                state
                    .volumes
                    .extend(spec.mounts.iter().filter_map(|mount| match &mount.source {
                        MountSource::Volume(name) => Some(name.clone()),
                        MountSource::External(_) | MountSource::Host(_) => None,
                    }));
                state
                    .containers
                    .entry(spec.name.clone())
                    .or_insert_with(|| Made {
                        spec: spec.clone(),
                        state: ContainerState::Created,
                        restart: RestartPolicy::No,
                        printed: vec!["hello".into()],
                        times: Vec::new(),
                        joined,
                    });
                Ok(())
            })
            .await
    }

    async fn start(&self, name: &str) -> Result<(), EngineError> {
        self.0
            .engine("start", |state| {
                if state.refuses_starts_of.contains(name) {
                    return Err(EngineError::Refused("the device is gone".into()));
                }
                let is_task = |made: &Made| runs_once(&made.spec);
                if state.refuses_tasks && state.containers.get(name).is_some_and(is_task) {
                    return Err(EngineError::Refused("the device is gone".into()));
                }
                if state.starts_lag > 0 {
                    state.starts_lag -= 1;
                    state.lagging = Some((name.to_owned(), 2));
                    return Err(EngineError::Unavailable("no answer in time".into()));
                }
                state.begin(name)
            })
            .await
    }

    async fn stop(&self, name: &str, _: Duration) -> Result<(), EngineError> {
        let mut asked = Asked(Some((self.0.clone(), name.to_owned())));
        self.0
            .engine("stop", |state| {
                asked.0 = None;
                state.look_at_stop(name);
                state.stopping.remove(name);
                if let Some(made) = state.containers.get_mut(name)
                    && matches!(made.state, ContainerState::Running { .. })
                {
                    made.state = ContainerState::Exited {
                        code: 143,
                        out_of_memory: false,
                        error: None,
                    };
                    made.printed.push("last words".into());
                }
                Ok(())
            })
            .await
    }

    async fn set_restart(&self, name: &str, policy: RestartPolicy) -> Result<(), EngineError> {
        self.0
            .engine("set_restart", |state| {
                if let Some(made) = state.containers.get_mut(name) {
                    made.restart = policy;
                }
                Ok(())
            })
            .await
    }

    async fn remove(&self, name: &str) -> Result<(), EngineError> {
        self.0
            .engine("remove", |state| {
                state.stopping.remove(name);
                state.containers.remove(name);
                Ok(())
            })
            .await
    }

    async fn inspect(&self, name: &str) -> Result<Option<Observed>, EngineError> {
        self.0
            .engine("inspect", |state| {
                match state.lagging.take() {
                    Some((late, 0)) => state.begin(&late)?,
                    Some((late, looks)) => state.lagging = Some((late, looks - 1)),
                    None => {}
                }
                Ok(state.containers.get(name).map(|made| Observed {
                    name: name.to_owned(),
                    state: made.state.clone(),
                    run: String::new(),
                    restarts: false,
                }))
            })
            .await
    }

    fn output<'a>(
        &'a self,
        name: &'a str,
        after: Option<OutputCursor>,
        follow: bool,
    ) -> BoxStream<'a, Result<OutputLine, EngineError>> {
        let lines = async move {
            let asked = self
                .0
                .engine("output", |state| {
                    let breaks = state.outputs_break > 0;
                    state.outputs_break = state.outputs_break.saturating_sub(1);
                    if state.outputs_are_refused > 0 {
                        state.outputs_are_refused -= 1;
                        return Err(EngineError::Refused("no reading".into()));
                    }
                    Ok((state.printed(name, after.as_ref()), breaks))
                })
                .await;
            let (lines, breaks) = match asked {
                Ok(answer) => answer,
                Err(error) => return stream::iter([Err(error)]).boxed(),
            };
            let last = lines.last().map(|line| line.cursor.clone()).or(after);
            let more = if breaks {
                let broken = EngineError::Unavailable("the stream broke".into());
                stream::iter([Err(broken)]).boxed()
            } else if follow {
                self.more_output(name, last)
            } else {
                stream::empty().boxed()
            };
            stream::iter(lines.into_iter().map(Ok)).chain(more).boxed()
        };
        lines.flatten_stream().boxed()
    }

    async fn listening(&self, _: &str) -> Result<Vec<SocketAddr>, EngineError> {
        Ok(vec![SocketAddr::from((Ipv4Addr::UNSPECIFIED, 9090))])
    }

    async fn images(&self) -> Result<Vec<HostImage>, EngineError> {
        self.0
            .engine("images", |state| {
                let mut images: BTreeMap<String, HostImage> = BTreeMap::new();
                let mut image = |id: &str, deployment| {
                    let image = HostImage {
                        id: id.to_owned(),
                        tags: Vec::new(),
                        bytes: 1000,
                        deployment,
                    };
                    images.entry(id.to_owned()).or_insert(image);
                };
                for id in state.tags.values() {
                    image(id, Some(Uuid::nil()));
                }
                for (id, deployment) in &state.untagged {
                    image(id, *deployment);
                }
                for (tag, id) in &state.tags {
                    images.get_mut(id).unwrap().tags.push(tag.clone());
                }
                let ours = |image: &HostImage| {
                    image.tags.is_empty()
                        || image.tags.iter().any(|tag| tag.starts_with("longshore/"))
                };
                Ok(images.into_values().filter(ours).collect())
            })
            .await
    }

    async fn remove_image(&self, id: &str) -> Result<(), EngineError> {
        self.0
            .engine("remove_image", |state| {
                state.untagged.remove(id);
                Ok(())
            })
            .await
    }

    async fn build_cache(&self) -> Result<u64, EngineError> {
        self.0
            .engine("build_cache", |state| Ok(state.build_cache))
            .await
    }

    async fn prune_build_cache(&self, keep: u64) -> Result<u64, EngineError> {
        self.0
            .engine("prune_build_cache", |state| {
                let freed = state.build_cache.saturating_sub(keep);
                state.build_cache -= freed;
                Ok(freed)
            })
            .await
    }

    async fn list(&self) -> Result<Vec<Seen>, EngineError> {
        let seen = |(name, made): (&String, &Made)| Seen {
            name: name.clone(),
            labels: Some(made.spec.labels.clone()),
            state: made.state.clone(),
            image: made.spec.image.clone(),
            address: Some(made.spec.address),
            restart: made.restart,
        };
        self.0
            .engine("list", |state| {
                Ok(state.containers.iter().map(seen).collect())
            })
            .await
    }

    fn events(&self) -> BoxStream<'_, Result<EngineEvent, EngineError>> {
        let begin = self.0.engine("events", |_| Ok(EngineEvent::Listening));
        let rest = stream::unfold((), |()| async {
            loop {
                let changed = self.0.changed.notified();
                if let Some(event) = self.0.next_event() {
                    return Some((event, ()));
                }
                changed.await;
            }
        });
        stream::once(begin).chain(rest).boxed()
    }
}

/// A stop the engine was asked for. What ends the process does not end the stop: it is done when its grace is over.
struct Asked(Option<(Arc<World>, String)>);

impl Drop for Asked {
    fn drop(&mut self) {
        if let Some((world, name)) = self.0.take() {
            world.state.lock().unwrap().stopping.insert(name);
        }
    }
}

/// Counts a build for as long as its stream lives.
struct Building(Arc<World>);

impl Drop for Building {
    fn drop(&mut self) {
        self.0.state.lock().unwrap().builds_now -= 1;
    }
}

/// A directory in memory where there is one: what is tested is the order of writes, not the disk.
fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

/// One life of the daemon.
pub struct Process {
    pub agent: Agent,
    pub store: Arc<Store>,
    pub caller: Caller,
}

/// A data directory and the world around it.
pub struct Bench {
    pub dir: tempfile::TempDir,
    /// Where the daemon keeps its data; in `dir` unless a test says otherwise.
    pub data_dir: PathBuf,
    pub world: Arc<World>,
    pub apps: Vec<App>,
    pub max_concurrent: usize,
    pub address_pool: &'static str,
    pub retention: Policy,
}

impl Bench {
    pub fn new(apps: Vec<App>) -> Self {
        let dir = scratch();
        Self {
            data_dir: dir.path().to_owned(),
            dir,
            world: World::new(),
            apps,
            max_concurrent: 2,
            address_pool: "10.213.0.0/16",
            retention: Policy {
                keep_releases: 5,
                logs: Duration::from_secs(90 * 24 * 3600),
                runtime_logs: 1 << 26,
                build_cache: None,
            },
        }
    }

    /// Begins a life of the daemon.
    pub fn start(&self) -> Process {
        self.start_with(|ports| ports, |_| {}).unwrap()
    }

    /// Begins a life of the daemon behind other ports, with somebody who looks on after every commit. `None` if it
    /// ends while it begins.
    pub fn start_with(
        &self,
        wrap: impl FnOnce(Ports) -> Ports,
        look: impl Fn(&'static str) + Send + Sync + 'static,
    ) -> Option<Process> {
        let fake = Arc::new(Fake(self.world.clone()));
        self.world.state.lock().unwrap().told = None;
        let counter = self.world.clone();
        let random: Random = Arc::new(move |bytes: &mut [u8]| {
            for chunk in bytes.chunks_mut(8) {
                let next = counter
                    .random
                    .fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
                chunk.copy_from_slice(&next.to_be_bytes()[..chunk.len()]);
            }
        });
        let watched = self.world.clone();
        let watch: CommitWatch = Arc::new(move |moment, name| {
            let word = match moment {
                Moment::Before => "before",
                Moment::After => "after",
            };
            if moment == Moment::After {
                look(name);
            }
            watched.pass(format!("{word} store.{name}"))
        });
        let with = OpenWith {
            now: fake.now(),
            random: random.clone(),
            credentials_directory: None,
            watch: Some(watch),
        };
        let store = Arc::new(Store::open(&self.data_dir, with).unwrap());
        let settings = Settings {
            apps: self.apps.clone(),
            address_pool: self.address_pool.parse().unwrap(),
            api_domains: Vec::new(),
            api_address: None,
            registries: Vec::new(),
            max_concurrent: self.max_concurrent,
            preview_check: Duration::from_secs(60),
            unavailable_timeout: Duration::from_secs(120),
            retention: self.retention,
        };
        let synced = store.sync_apps(&settings.configured(), fake.now());
        if !self.world.ended() {
            synced.unwrap();
        }
        let ports = wrap(Ports {
            engine: fake.clone(),
            source: fake.clone(),
            ingress: fake.clone(),
            clock: fake,
            random,
        });
        let agent = Agent::new(store.clone(), ports, settings);
        let caller = agent.local_caller("ann");
        (!self.world.ended()).then(|| Process {
            agent,
            store,
            caller: caller.unwrap(),
        })
    }
}

impl Process {
    pub async fn ask(&self, action: Action) -> Result<Reply, Error> {
        self.agent.dispatch(&self.caller, action).await
    }

    pub async fn deploy(&self, app: &str) -> Result<DeploymentView, Error> {
        self.deploy_as(app, Trigger::Manual).await
    }

    pub async fn deploy_as(&self, app: &str, trigger: Trigger) -> Result<DeploymentView, Error> {
        self.create(create(app, trigger)).await
    }

    pub async fn create(&self, create: CreateDeployment) -> Result<DeploymentView, Error> {
        match self.ask(Action::CreateDeployment(create)).await? {
            Reply::Deployment(view) => Ok(*view),
            other => panic!("{other:?}"),
        }
    }

    pub async fn change(&self, app: &str, change: Change, now: bool) -> Result<ChangeView, Error> {
        let asked = ChangeEnvironment {
            app: AppRef::Name(AppName::parse(app).unwrap()),
            environments: Environments::Default,
            change,
            now,
            idle: false,
            key: None,
        };
        match self.ask(Action::Change(asked)).await? {
            Reply::Changes(mut views) => Ok(views.remove(0)),
            other => panic!("{other:?}"),
        }
    }

    /// How a change stands.
    pub async fn change_of(&self, view: &ChangeView) -> ChangeView {
        match self
            .ask(Action::GetChange(view.change.serial))
            .await
            .unwrap()
        {
            Reply::Changes(mut views) => views.remove(0),
            other => panic!("{other:?}"),
        }
    }

    pub async fn view(&self, id: Uuid) -> DeploymentView {
        match self.ask(Action::GetDeployment(id.into())).await.unwrap() {
            Reply::Deployment(view) => *view,
            other => panic!("{other:?}"),
        }
    }

    /// Drives until everything is done and settled.
    pub async fn drive(&self) {
        let done = async {
            let mut changes = self.store.changes();
            loop {
                changes.borrow_and_update();
                let runs = self.store.unfinished_runs().unwrap();
                if runs.is_empty() && self.store.unfinished().unwrap().is_empty() {
                    return;
                }
                changes.changed().await.unwrap();
            }
        };
        or_dead(self.agent.drive(done).await).await;
    }

    /// Drives until the world is as wanted.
    pub async fn drive_until(&self, world: &World, wanted: impl Fn(&State) -> bool) {
        let reached = async {
            loop {
                let changed = world.changed.notified();
                if wanted(&world.state.lock().unwrap()) {
                    return;
                }
                changed.await;
            }
        };
        or_dead(self.agent.drive(reached).await).await;
    }

    /// Drives for so long, whether there is something to do or not.
    pub async fn drive_for(&self, time: Duration) {
        or_dead(self.agent.drive(tokio::time::sleep(time)).await).await;
    }

    pub fn log(&self, id: Uuid) -> String {
        self.store.read_log(id, 0, 1 << 20).unwrap().text
    }
}

/// A process that has ended does nothing more.
async fn or_dead(driven: Result<(), StoreError>) {
    match driven {
        Ok(()) => {}
        Err(StoreError::Closed) => std::future::pending().await,
        Err(error) => panic!("{error}"),
    }
}

pub fn create(app: &str, trigger: Trigger) -> CreateDeployment {
    CreateDeployment {
        app: AppRef::Name(AppName::parse(app).unwrap()),
        environment: None,
        target: Target::Configured(None),
        variables: BTreeMap::new(),
        trigger,
        key: None,
        unless_unfinished: false,
        particulars: Particulars::default(),
        conditions: Conditions::default(),
        event: None,
    }
}

pub fn sha(digit: char) -> Sha {
    Sha::parse(&digit.to_string().repeat(40)).unwrap()
}

pub fn git_app(name: &str) -> App {
    let source = GitSource {
        repository: Repository {
            url: format!("https://git.example/acme/{name}.git"),
            credentials: None,
        },
        branch: Branch::parse("main").unwrap(),
        auto_merge: true,
        build: BuildSpec {
            context: ".".into(),
            dockerfile: "Dockerfile".into(),
            target: None,
            args: BTreeMap::new(),
        },
    };
    app(name, SourceSpec::Git(source))
}

pub fn image_app(name: &str, image: &str) -> App {
    let reference = ImageReference::parse(image).unwrap();
    app(
        name,
        SourceSpec::Image(ImageSource {
            reference,
            pull: PullPolicy::Always,
        }),
    )
}

/// The app with processes of these names beside it.
pub fn with_workers(mut app: App, names: &[&str]) -> App {
    for spec in app.environments.values_mut() {
        let worker = |name: &&str| {
            let process = ProcessSpec {
                command: vec![format!("./{name}")],
                entrypoint: vec![],
                memory: None,
                millicpus: None,
                stop_grace: Duration::from_secs(5),
                check: Check::StaysUp(Duration::from_secs(5)),
            };
            (ProcessName::parse(name).unwrap(), process)
        };
        spec.processes = names.iter().map(worker).collect();
    }
    app
}

/// The app, which reaches these others in all its environments.
pub fn connected(mut app: App, to: &[&str]) -> App {
    for spec in app.environments.values_mut() {
        let names = to.iter().map(|name| AppName::parse(name).unwrap());
        spec.run.connect.to = names.collect();
    }
    app
}

/// The app with these commands of `release`.
pub fn with_release(mut app: App, commands: &[&str]) -> App {
    for spec in app.environments.values_mut() {
        spec.release = commands.iter().map(|command| once(command)).collect();
    }
    app
}

/// A command that is not run again.
pub fn once(command: &str) -> Command {
    Command {
        words: command.split(' ').map(str::to_owned).collect(),
        retry: false,
    }
}

/// The app with a task of that name.
pub fn with_task(mut app: App, name: &str, command: &str) -> App {
    for spec in app.environments.values_mut() {
        spec.tasks
            .insert(TaskName::parse(name).unwrap(), once(command));
    }
    app
}

/// The app is rolled out by that strategy, and has a domain: its name before `.example`.
pub fn routed(mut app: App, strategy: Strategy) -> App {
    let domain = Domain::parse(&format!("{}.example", app.name)).unwrap();
    for spec in app.environments.values_mut() {
        spec.rollout.strategy = strategy;
        spec.domains = vec![domain.clone()];
    }
    app
}

fn app(name: &str, source: SourceSpec) -> App {
    let production = EnvironmentName::parse("production").unwrap();
    let name = AppName::parse(name).unwrap();
    App {
        id: derived_id(&name),
        project: ProjectPath::parse(&format!("acme/{name}")).unwrap(),
        default_environment: production.clone(),
        previews: None,
        environments: BTreeMap::from([(production, spec(source))]),
        name,
    }
}

fn spec(source: SourceSpec) -> Spec {
    Spec {
        source,
        run: RunSpec {
            command: vec![],
            entrypoint: vec![],
            port: Some(8080),
            publish: vec![],
            env: BTreeMap::new(),
            env_files: vec![],
            secrets: BTreeMap::new(),
            volumes: vec![],
            memory: None,
            millicpus: None,
            stop_grace: Duration::from_secs(10),
            logging: Logging {
                driver: "json-file".into(),
                options: BTreeMap::new(),
            },
            payload: None,
            connect: longshore::core::connection::Connect::default(),
        },
        processes: BTreeMap::new(),
        release: Vec::new(),
        tasks: BTreeMap::new(),
        job: None,
        rollout: RolloutSpec {
            strategy: Strategy::Recreate,
            health: Health {
                check: Check::Http {
                    port: 8080,
                    path: "/up".into(),
                },
                interval: Duration::from_secs(10),
                timeout: Duration::from_secs(20),
            },
            drain_timeout: Duration::from_secs(30),
        },
        deadlines: Deadlines {
            checkout: Duration::from_secs(600),
            build: Duration::from_secs(3600),
            rollout: Duration::from_secs(600),
        },
        domains: Vec::new(),
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the tests' clock")]
fn begin() -> Instant {
    Instant::now()
}

//! The lives of the daemon, one after the other: each drives while the script goes on, until it ends by itself, is told
//! to, or has nothing left to do.

use super::chance::Chance;
use super::faulty::Faulty;
use super::notes::{Reason, app_of};
use super::observer::Observer;
use super::script::{Asked, Back, Event, What, image_name};
use super::sim::{Sim, stopped};
use super::verdict;
use crate::world::{Bench, Fake, Process, create, sha};
use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use longshore::core::action::{
    Action, AppRef, ChangeEnvironment, Deletion, Environments, Reply, RequestKey, Target,
};
use longshore::core::deployment::Phase;
use longshore::core::error::Error;
use longshore::core::name::{AppName, ImageReference};
use longshore::core::ports::{ContainerState, EngineEvent, RestartPolicy};
use longshore::core::route::Domain;
use longshore::core::time::Timestamp;
use longshore::deploy::Ports;
use longshore::store::{Configured, StoreError};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How long everything that is left may take once nothing goes wrong any more.
const BOUND: Duration = Duration::from_secs(6 * 3600);
/// Longer than the driver's pause between two looks at everything.
const SWEPT: Duration = Duration::from_secs(700);

/// An absence of the engine that can use up a deployment's patience: a little less than the bench's 120 s, for the calls
/// that get lost around it.
const PATIENCE: Duration = Duration::from_secs(100);

/// How a life ended.
enum End {
    Crashed,
    Killed,
    Shutdown,
    ScriptOver,
}

/// Told to the life by its script.
enum Told {
    Kill,
    Shutdown,
    Over,
}

pub async fn live(seed: u64, sim: &Arc<Sim>, bench: &Bench) {
    let chance = Chance::new(seed, 3);
    let observer = Observer::new(sim, bench.dir.path());
    let _ = sim.observer.set(observer.clone());
    {
        let mut state = bench.world.state.lock().unwrap();
        state.head = Some(sha('1'));
        state.behaviours = sim.script.behaviours.clone();
    }
    let mut events: VecDeque<(Duration, Event)> = sim.script.events.iter().cloned().collect();
    let began = sim.now();
    loop {
        let at = sim
            .weather()
            .life
            .map(|life| usize::try_from(chance.between(1, life * 2)).unwrap());
        bench.world.count_from_here(at);
        let Some(process) = start(sim, bench, &observer) else {
            crashed(sim, bench);
            continue;
        };
        let end = one_life(sim, bench, &process, &mut events, began).await;
        drop(process);
        match end {
            End::Crashed => crashed(sim, bench),
            End::Killed => {
                sim.notes().crashes += 1;
                sim.trace("KILLED".into());
                sim.orphan_calls();
            }
            End::Shutdown => sim.trace("shut down".into()),
            End::ScriptOver => break,
        }
        tokio::time::sleep(chance.millis(0, 20_000)).await;
    }
    finish(sim, bench, &observer).await;
}

fn start(sim: &Arc<Sim>, bench: &Bench, observer: &Arc<Observer>) -> Option<Process> {
    sim.trace("a life begins".into());
    sim.notes().lives += 1;
    let wrap = |ports: Ports| {
        let faulty = Arc::new(Faulty {
            inner: Fake(bench.world.clone()),
            sim: sim.clone(),
        });
        Ports {
            engine: faulty.clone(),
            source: faulty.clone(),
            ingress: faulty.clone(),
            clock: faulty,
            ..ports
        }
    };
    let observer = observer.clone();
    bench.start_with(wrap, move |transaction| observer.look(transaction))
}

fn crashed(sim: &Arc<Sim>, bench: &Bench) {
    let (points, _) = bench.world.points();
    let point = points.last().cloned().unwrap_or_default();
    sim.trace(format!("CRASHED {point}"));
    let mut notes = sim.notes();
    notes.crashes += 1;
    notes.crash_points.insert(point);
    drop(notes);
    bench.world.count_from_here(None);
    sim.orphan_calls();
}

async fn one_life(
    sim: &Arc<Sim>,
    bench: &Bench,
    process: &Process,
    events: &mut VecDeque<(Duration, Event)>,
    began: Duration,
) -> End {
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let drive = async {
        match process.agent.drive(async { drop(stopped.await) }).await {
            Ok(()) => {}
            Err(StoreError::Closed) => std::future::pending().await,
            Err(error) => sim.against(format!("the driver ended: {error}")),
        }
    };
    let script = follow(sim, process, events, began);
    tokio::pin!(drive, script);
    let told = tokio::select! {
        biased;
        () = bench.world.until_crash() => return End::Crashed,
        () = &mut drive => return End::Shutdown,
        told = &mut script => told,
    };
    match told {
        Told::Kill => return End::Killed,
        Told::Shutdown | Told::Over => drop(stop.send(())),
    }
    tokio::select! {
        biased;
        () = bench.world.until_crash() => End::Crashed,
        () = &mut drive => match told {
            Told::Over => End::ScriptOver,
            Told::Kill | Told::Shutdown => End::Shutdown,
        },
    }
}

/// Goes on in the script until it says that the life is to end, or is over.
async fn follow(
    sim: &Arc<Sim>,
    process: &Process,
    events: &mut VecDeque<(Duration, Event)>,
    began: Duration,
) -> Told {
    let mut requests: FuturesUnordered<LocalBoxFuture<'_, ()>> = FuturesUnordered::new();
    loop {
        let due = events
            .front()
            .map(|(at, _)| (began + *at).saturating_sub(sim.now()));
        let Some(due) = due else {
            while requests.next().await.is_some() {}
            return Told::Over;
        };
        tokio::select! {
            biased;
            Some(()) = requests.next(), if !requests.is_empty() => continue,
            () = tokio::time::sleep(due) => {}
        }
        let Some((_, event)) = events.pop_front() else {
            continue;
        };
        match event {
            Event::Kill => return Told::Kill,
            Event::Shutdown => return Told::Shutdown,
            Event::Deploy(asked) => {
                sim.notes().attempt(asked.key);
                requests.push(deploy(sim, process, asked).boxed_local());
            }
            Event::Cancel(which) => requests.push(cancel(sim, process, which).boxed_local()),
            Event::Change { app, change, now } => {
                let asked = ChangeEnvironment {
                    app: AppRef::Name(AppName::parse(app).unwrap()),
                    environments: Environments::Default,
                    change,
                    now,
                    idle: false,
                    key: None,
                };
                requests.push(ask_change(sim, process, asked).boxed_local());
            }
            Event::Delete { which, force } => {
                requests.push(delete(sim, process, which, force).boxed_local());
            }
            Event::Domains { app, count } => domains(sim, process, app, count),
            Event::Collect => requests.push(collect(sim, process).boxed_local()),
            other => happen(sim, other),
        }
    }
}

async fn deploy(sim: &Arc<Sim>, process: &Process, asked: Asked) {
    let mut request = create(asked.app, asked.trigger);
    request.target = match asked.what {
        What::Configured => Target::Configured(None),
        What::Tag(tag) => {
            Target::Image(ImageReference::parse(&image_name(asked.app, tag)).unwrap())
        }
        What::Rollback(number) => Target::Release(number),
        What::Restart => Target::Restart,
    };
    request.key = asked.key.map(|key| RequestKey {
        key: format!("key {key}"),
        digest: vec![key],
    });
    sim.trace(format!("ask for {asked:?}"));
    match process.ask(Action::CreateDeployment(request)).await {
        Ok(Reply::Deployment(view)) => {
            let id = view.deployment.id;
            sim.trace(format!("accepted: deployment {}", view.deployment.serial));
            let mut notes = sim.notes();
            if !notes.accepted.contains(&id) {
                notes.accepted.push(id);
            }
            let first = asked.key.map(|key| *notes.keys.entry(key).or_insert(id));
            drop(notes);
            if first.is_some_and(|first| first != id) {
                sim.against(format!("key {:?} made two deployments", asked.key));
            }
        }
        Ok(other) => sim.trace(format!("answered: {other:?}")),
        Err(Error::KeyReused) => {
            sim.against("the same request under the same key was refused".into())
        }
        Err(error @ Error::Internal(_)) if !sim.world.ended() => {
            sim.against(format!("a request failed: {error}"));
        }
        Err(error) => sim.trace(format!("answered: {error}")),
    }
}

async fn cancel(sim: &Arc<Sim>, process: &Process, which: u64) {
    let known = sim.notes().accepted.clone();
    if known.is_empty() {
        return;
    }
    // The newest are cancelled more often: they are the ones that still go on.
    let back = usize::try_from(which % 4).unwrap().min(known.len() - 1);
    let id = known[known.len() - 1 - back];
    sim.trace(format!("cancel {id}"));
    match process.ask(Action::CancelDeployment(id.into())).await {
        Ok(Reply::Deployment(view)) => {
            sim.trace(format!("cancelled: deployment {}", view.deployment.serial));
            if !matches!(view.deployment.phase, Phase::Cancelled { .. }) {
                sim.against(format!(
                    "a cancelled deployment is {:?}",
                    view.deployment.phase
                ));
            }
            sim.notes().cancelled.insert(id);
        }
        Ok(other) => sim.against(format!("a cancel was answered with {other:?}")),
        Err(error) => sim.trace(format!("not cancelled: {error}")),
    }
}

async fn delete(sim: &Arc<Sim>, process: &Process, which: u64, force: bool) {
    let known = sim.notes().accepted.clone();
    if known.is_empty() {
        return;
    }
    let id = known[known.len() - 1 - usize::try_from(which % 4).unwrap().min(known.len() - 1)];
    sim.trace(format!("delete {id} force={force}"));
    sim.notes().forced |= force;
    match process
        .ask(Action::DeleteDeployment {
            which: id.into(),
            how: match force {
                true => Deletion::Force,
                false => Deletion::Ended,
            },
        })
        .await
    {
        Ok(Reply::Gone) => {
            sim.trace(format!("deleted: {id}"));
            sim.notes().deleted.insert(id);
            let again = process.ask(Action::GetDeployment(id.into())).await;
            if again.is_ok() {
                sim.against(format!("{id} was deleted and is shown"));
            }
        }
        Ok(other) => sim.against(format!("a deletion was answered with {other:?}")),
        Err(error) => sim.trace(format!("not deleted: {error}")),
    }
}

async fn ask_change(sim: &Arc<Sim>, process: &Process, asked: ChangeEnvironment) {
    sim.trace(format!(
        "{} {} now={}",
        asked.change.as_str(),
        asked.app,
        asked.now
    ));
    match process.ask(Action::Change(asked)).await {
        Ok(Reply::Changes(views)) => {
            let serials: Vec<i64> = views.iter().map(|view| view.change.serial.0).collect();
            sim.trace(format!("accepted: operations {serials:?}"));
            sim.notes().changes.extend(serials);
        }
        Ok(other) => sim.against(format!("a change was answered with {other:?}")),
        Err(error) => sim.trace(format!("refused: {error}")),
    }
}

async fn collect(sim: &Arc<Sim>, process: &Process) {
    sim.trace("collect what is no longer needed".into());
    match process.ask(Action::CollectGarbage { explain: false }).await {
        Ok(Reply::Collection(collection)) => {
            sim.trace(format!("collected: {} findings", collection.findings.len()));
        }
        Ok(other) => sim.against(format!("a collection was answered with {other:?}")),
        Err(error) => sim.trace(format!("not collected: {error}")),
    }
}

/// What happens to the world.
fn happen(sim: &Arc<Sim>, event: Event) {
    sim.trace(format!("{event:?}"));
    match event {
        Event::HeadMoves(digit) => sim.change(|state| state.head = Some(sha(digit))),
        Event::EngineGoes { length, kills } => engine_goes(sim, length, kills),
        Event::IngressGoes { length, back } => ingress_goes(sim, length, back),
        Event::Request { app, length } => request(sim, app, length),
        Event::TablesRefused(times) => sim.change(|state| state.refused_tables = times),
        Event::StartsRefused { app, length } => starts_refused(sim, app, length),
        Event::HandRemoves(which) => by_hand(sim, which, true),
        Event::HandStops(which) => by_hand(sim, which, false),
        Event::ClockJumps(seconds) => sim.clock_off.store(seconds * 1000, Ordering::Relaxed),
        Event::Deploy(_)
        | Event::Cancel(_)
        | Event::Delete { .. }
        | Event::Collect
        | Event::Domains { .. }
        | Event::Change { .. }
        | Event::Kill
        | Event::Shutdown => {}
    }
}

/// Somebody removes or stops a container behind our back.
fn by_hand(sim: &Sim, which: u64, removes: bool) {
    let names: Vec<String> = {
        let state = sim.world.state.lock().unwrap();
        state.containers.keys().cloned().collect()
    };
    let Some(name) = names.get(usize::try_from(which).unwrap() % names.len().max(1)) else {
        return;
    };
    sim.because(app_of(name), Reason::Touched);
    sim.trace(format!("by hand: {name}"));
    sim.notes().stopped.insert(name.clone());
    sim.change(|state| match (removes, state.containers.get_mut(name)) {
        (true, _) => {
            state.containers.remove(name);
            state.removed_by_hand.insert(name.clone());
        }
        (false, Some(made)) if matches!(made.state, ContainerState::Running { .. }) => {
            made.state = stopped();
        }
        (false, _) => {}
    });
    sim.tell(match removes {
        true => EngineEvent::Removed(name.clone()),
        false => EngineEvent::Ended(name.clone()),
    });
}

fn starts_refused(sim: &Arc<Sim>, app: &'static str, length: Duration) {
    let name = sim
        .world
        .running()
        .into_iter()
        .find(|name| app_of(name) == Some(app));
    let Some(name) = name else {
        return;
    };
    sim.because(Some(app), Reason::Refused);
    sim.change(|state| {
        state.refuses_starts_of.insert(name.clone());
    });
    let sim = sim.clone();
    tokio::spawn(async move {
        tokio::time::sleep(length).await;
        sim.because(Some(app), Reason::Refused);
        sim.change(|state| {
            state.refuses_starts_of.remove(&name);
        });
    });
}

fn engine_goes(sim: &Arc<Sim>, length: Duration, kills: bool) {
    let until = sim.now() + length;
    let away = {
        let mut notes = sim.notes();
        let now = sim.now();
        notes.outages += 1;
        if now >= notes.gone_until {
            notes.gone_since = now;
        }
        notes.gone_until = notes.gone_until.max(until);
        notes.gone_until - notes.gone_since
    };
    if away >= PATIENCE {
        sim.because(None, Reason::EngineAway);
    }
    if kills {
        sim.because(None, Reason::EngineKilled);
    }
    let mut down = Vec::new();
    sim.change(|state| {
        state.engine_is_gone = true;
        for (name, made) in state.containers.iter_mut().filter(|_| kills) {
            if matches!(made.state, ContainerState::Running { .. }) {
                made.state = ContainerState::Exited {
                    code: 255,
                    out_of_memory: false,
                    error: None,
                };
                down.push(name.clone());
            }
        }
    });
    sim.notes().downed.extend(down);
    let sim = sim.clone();
    tokio::spawn(async move {
        tokio::time::sleep(length).await;
        engine_returns(&sim);
    });
}

fn ingress_goes(sim: &Arc<Sim>, length: Duration, back: Back) {
    sim.because(None, Reason::IngressAway);
    sim.fault("ingress away");
    let until = sim.now() + length;
    let mut notes = sim.notes();
    notes.ingress_gone_until = notes.ingress_gone_until.max(until);
    drop(notes);
    sim.change(|state| {
        state.ingress_is_gone = true;
        match (back, state.older.take()) {
            (Back::Older, Some(older)) => {
                state.generation = older.generation;
                state.table = Some(older);
            }
            (Back::Empty, _) => state.lose_table(),
            (Back::Whole, older) => state.older = older,
            (Back::Older, None) => {}
        }
    });
    let sim = sim.clone();
    tokio::spawn(async move {
        tokio::time::sleep(length).await;
        ingress_returns(&sim);
    });
}

pub fn ingress_returns(sim: &Sim) {
    if sim.now() < sim.notes().ingress_gone_until {
        return;
    }
    sim.trace("the ingress is back".into());
    sim.change(|state| state.ingress_is_gone = false);
}

/// Somebody asks for something that takes a while.
fn request(sim: &Arc<Sim>, app: &'static str, length: Duration) {
    let domain = format!("{app}.example");
    let to = {
        let mut state = sim.world.state.lock().unwrap();
        match (state.ingress_is_gone, state.answers(&domain)) {
            (false, Ok(_)) => state.begin_request(&domain),
            (true, _) | (false, Err(_)) => return,
        }
    };
    let sim = sim.clone();
    tokio::spawn(async move {
        tokio::time::sleep(length).await;
        sim.change(|state| state.end_request(to));
    });
}

/// The configuration is read again, and says something else of an app's domains.
fn domains(sim: &Sim, process: &Process, app: &str, count: usize) {
    sim.trace(format!("{app} has {count} domains"));
    let mut apps = sim.script.apps.clone();
    let mut named = apps.iter_mut().filter(|named| named.name.as_str() == app);
    for spec in named
        .by_ref()
        .flat_map(|named| named.environments.values_mut())
    {
        let domain = |nth: usize| match nth {
            0 => Domain::parse(&format!("{app}.example")).unwrap(),
            nth => Domain::parse(&format!("{app}-{nth}.example")).unwrap(),
        };
        spec.domains = (0..count).map(domain).collect();
    }
    let configured = Configured {
        apps: &apps,
        pool: "10.213.0.0/16".parse().unwrap(),
        api_domains: &[],
        api_address: None,
    };
    let synced = process
        .store
        .sync_apps(&configured, Timestamp(1_741_948_320_000));
    if let Err(error) = synced
        && !sim.world.ended()
    {
        sim.against(format!("a reload failed: {error}"));
    }
}

pub fn engine_returns(sim: &Sim) {
    let now = sim.now();
    let mut notes = sim.notes();
    if now < notes.gone_until {
        return;
    }
    let downed = std::mem::take(&mut notes.downed);
    drop(notes);
    sim.trace("the engine is back".into());
    sim.change(|state| {
        state.engine_is_gone = false;
        for name in downed {
            if let Some(made) = state.containers.get_mut(&name)
                && made.restart == RestartPolicy::UnlessStopped
            {
                made.state = ContainerState::Running { health: None };
            }
        }
    });
}

/// Nothing goes wrong any more; the daemon is started once more and brings everything to its end.
async fn finish(sim: &Arc<Sim>, bench: &Bench, observer: &Arc<Observer>) {
    sim.over.store(true, Ordering::Relaxed);
    sim.notes().gone_until = sim.now();
    engine_returns(sim);
    sim.notes().ingress_gone_until = sim.now();
    ingress_returns(sim);
    sim.change(|state| {
        state.refused_tables = 0;
        state.refuses_starts_of.clear();
    });
    bench.world.count_from_here(None);
    let process = start(sim, bench, observer).unwrap();
    let quiet = async {
        let mut changes = process.store.changes();
        loop {
            changes.borrow_and_update();
            if process.store.unfinished().unwrap().is_empty() {
                tokio::time::sleep(SWEPT).await;
                if !process.store.unfinished().unwrap().is_empty() {
                    continue;
                }
                // What somebody does behind our back is mended without a restart.
                by_hand(sim, sim.chance.next(), true);
                by_hand(sim, sim.chance.next(), false);
                tokio::time::sleep(SWEPT).await;
                return;
            }
            changes.changed().await.unwrap();
        }
    };
    match tokio::time::timeout(BOUND, process.agent.drive(quiet)).await {
        Ok(Ok(())) => verdict::judge(sim, bench, &process),
        Ok(Err(error)) => sim.against(format!("the driver ended: {error}")),
        Err(_) => sim.against(format!(
            "not everything ends: {:?} is unfinished",
            process.store.unfinished().unwrap()
        )),
    }
}

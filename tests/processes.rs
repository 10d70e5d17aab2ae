//! Several containers of one release: they become live together, or none does, whatever ends in between.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "support/laws.rs"]
mod laws;
#[path = "support/world.rs"]
#[expect(dead_code, reason = "another test file uses the rest")]
mod world;

use longshore::core::action::{Action, AppRef, DeploymentView, Reply, Target};
use longshore::core::app::App;
use longshore::core::change::Change;
use longshore::core::deployment::{Phase, Trigger};
use longshore::core::failure::FailureCode;
use longshore::core::id::EnvironmentSerial;
use longshore::core::name::AppName;
use longshore::core::ports::ContainerState;
use longshore::core::process::{ProcessKind, ProcessView};
use longshore::core::spec::Strategy;
use std::time::Duration;
use world::{Behaviour, Bench, Process, create, git_app, image_of, routed, sha, with_workers};

const WEB: EnvironmentSerial = EnvironmentSerial(1);

fn app(strategy: Strategy, workers: &[&str]) -> App {
    with_workers(routed(git_app("web"), strategy), workers)
}

fn bench(strategy: Strategy, workers: &[&str]) -> Bench {
    let bench = Bench::new(vec![app(strategy, workers)]);
    bench.world.state.lock().unwrap().head = Some(sha('1'));
    bench
}

/// Deploys a commit and drives until that has ended.
async fn deploy(bench: &Bench, process: &Process, commit: char) -> DeploymentView {
    bench.world.state.lock().unwrap().head = Some(sha(commit));
    let made = process.deploy("web").await.unwrap();
    process.drive().await;
    process.view(made.deployment.id).await
}

async fn roll_back(process: &Process, number: i64) -> DeploymentView {
    let mut asked = create("web", Trigger::Manual);
    asked.target = Target::Release(Some(number));
    let made = process.create(asked).await.unwrap();
    process.drive().await;
    process.view(made.deployment.id).await
}

/// What runs, as process and image.
fn runs(bench: &Bench) -> Vec<(String, String)> {
    let state = bench.world.state.lock().unwrap();
    let running = state
        .containers
        .values()
        .filter(|made| matches!(made.state, ContainerState::Running { .. }));
    let mut names: Vec<_> = running
        .map(|made| (made.spec.labels.role.clone(), made.spec.image.clone()))
        .collect();
    names.sort_unstable();
    names
}

fn all_of(commit: char, processes: &[&str]) -> Vec<(String, String)> {
    let image = image_of(sha(commit).as_str());
    let mut all: Vec<_> = processes
        .iter()
        .map(|name| ((*name).to_owned(), image.clone()))
        .collect();
    all.sort_unstable();
    all
}

fn behaves(bench: &Bench, commit: char, process: &str, behaviour: Behaviour) {
    let image = image_of(sha(commit).as_str());
    let mut state = bench.world.state.lock().unwrap();
    state
        .behaviours
        .insert(format!("{image} {process}"), behaviour);
}

async fn list(process: &Process) -> Vec<ProcessView> {
    let web = AppRef::Name(AppName::parse("web").unwrap());
    match process.ask(Action::ListProcesses(web, None)).await.unwrap() {
        Reply::Processes(views) => views,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn all_processes_become_live_together_and_only_the_serving_one_has_the_apps_name_and_port() {
    for strategy in [Strategy::Swap, Strategy::Recreate] {
        let bench = bench(strategy, &["mail", "worker"]);
        let process = bench.start();
        assert!(deploy(&bench, &process, '1').await.live);
        assert_eq!(runs(&bench), all_of('1', &["mail", "web", "worker"]));
        assert!(deploy(&bench, &process, '2').await.live);
        assert_eq!(runs(&bench), all_of('2', &["mail", "web", "worker"]));
        laws::hold(&bench, &process, "after two");
        let state = bench.world.state.lock().unwrap();
        for made in state.containers.values() {
            let role = made.spec.labels.role.as_str();
            let (alias, command, grace) = match role {
                "web" => ("web".to_owned(), vec![], 10),
                worker => (format!("web-{worker}"), vec![format!("./{worker}")], 5),
            };
            assert_eq!(made.spec.alias, alias);
            assert_eq!(made.spec.command, command);
            assert_eq!(made.spec.stop_grace, Duration::from_secs(grace));
        }
        let live = process.store.live(WEB).unwrap().unwrap();
        let table = state.table.clone().unwrap();
        assert_eq!(table.routes.len(), 1);
        assert!(
            format!("{:?}", table.routes[0].target)
                .contains(&live.containers[0].address.to_string()),
            "{table:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_fails_fails_the_rollout_and_leaves_everything_as_it_was() {
    for strategy in [Strategy::Swap, Strategy::Recreate] {
        for (behaviour, code) in [
            (Behaviour::Exits(3), FailureCode::ContainerExited),
            (Behaviour::Exits(0), FailureCode::ContainerExited),
        ] {
            let bench = bench(strategy, &["worker"]);
            let process = bench.start();
            deploy(&bench, &process, '1').await;
            let before = process.store.live(WEB).unwrap();
            behaves(&bench, '2', "worker", behaviour);
            let view = deploy(&bench, &process, '2').await;
            let Phase::Failed { failure, .. } = view.deployment.phase else {
                panic!("{:?}", view.deployment.phase);
            };
            assert_eq!(failure.code, code);
            assert!(
                failure.message.starts_with("process worker: "),
                "{}",
                failure.message
            );
            assert!(
                failure
                    .output
                    .iter()
                    .all(|line| line.starts_with("worker: "))
                    && !failure.output.is_empty(),
                "{:?}",
                failure.output
            );
            assert_eq!(process.store.live(WEB).unwrap(), before);
            assert_eq!(runs(&bench), all_of('1', &["web", "worker"]));
            laws::hold(&bench, &process, "after the failure");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_was_ready_early_and_ends_while_another_is_waited_for_is_noticed() {
    let bench = bench(Strategy::Swap, &["worker"]);
    let process = bench.start();
    deploy(&bench, &process, '1').await;
    bench.world.state.lock().unwrap().head = Some(sha('2'));
    let made = process.deploy("web").await.unwrap();
    let second = format!("-{}-", made.deployment.serial);
    let started = |state: &world::State, role: &str| {
        let is_it = |(name, made): (&String, &world::Made)| {
            name.contains(&second)
                && made.spec.labels.role == role
                && matches!(made.state, ContainerState::Running { .. })
        };
        let found = state.containers.iter().find(|one| is_it(*one));
        found.map(|(name, _)| name.clone())
    };
    let end_it = async {
        loop {
            let changed = bench.world.changed.notified();
            {
                let mut state = bench.world.state.lock().unwrap();
                let both = (started(&state, "web"), started(&state, "worker"));
                if let (Some(web), Some(_)) = both {
                    state.containers.get_mut(&web).unwrap().state = ContainerState::Exited {
                        code: 9,
                        out_of_memory: false,
                        error: None,
                    };
                    return;
                }
            }
            changed.await;
        }
    };
    tokio::join!(process.drive(), async {
        end_it.await;
    });
    let view = process.view(made.deployment.id).await;
    assert!(
        matches!(view.deployment.phase, Phase::Failed { .. }),
        "{:?}",
        view.deployment.phase
    );
    assert_eq!(runs(&bench), all_of('1', &["web", "worker"]));
    laws::hold(&bench, &process, "after it ended");
}

#[tokio::test(start_paused = true)]
async fn a_rollback_brings_back_the_processes_its_release_had() {
    let mut bench = bench(Strategy::Swap, &["worker"]);
    let process = bench.start();
    deploy(&bench, &process, '1').await;
    drop(process);
    bench.apps = vec![app(Strategy::Swap, &["mail"])];
    let process = bench.start();
    deploy(&bench, &process, '2').await;
    assert_eq!(runs(&bench), all_of('2', &["mail", "web"]));
    assert!(roll_back(&process, 1).await.live);
    assert_eq!(runs(&bench), all_of('1', &["web", "worker"]));
    laws::hold(&bench, &process, "after the rollback");
}

#[tokio::test(start_paused = true)]
async fn a_stop_a_start_a_suspension_and_a_removal_are_of_all_processes() {
    let bench = bench(Strategy::Swap, &["mail", "worker"]);
    let process = bench.start();
    deploy(&bench, &process, '1').await;
    for (down, up) in [
        (Change::Stop, Change::Start),
        (Change::Suspend, Change::Activate),
    ] {
        process.change("web", down, false).await.unwrap();
        process.drive().await;
        assert_eq!(runs(&bench), []);
        laws::hold(&bench, &process, "down");
        process.change("web", up, false).await.unwrap();
        process.drive().await;
        assert_eq!(runs(&bench), all_of('1', &["mail", "web", "worker"]));
        laws::hold(&bench, &process, "up");
    }
    let removal = Change::Remove { volumes: false };
    process.change("web", removal, false).await.unwrap();
    process.drive().await;
    assert_eq!(bench.world.state.lock().unwrap().containers.len(), 0);
    laws::hold(&bench, &process, "removed");
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_vanishes_is_made_again_as_it_was() {
    let bench = bench(Strategy::Swap, &["worker"]);
    let process = bench.start();
    deploy(&bench, &process, '1').await;
    let live = process.store.live(WEB).unwrap().unwrap();
    let name = live.workers()[0].name.clone();
    let lost = {
        let mut state = bench.world.state.lock().unwrap();
        state.containers.remove(&name).unwrap()
    };
    drop(process);
    let process = bench.start();
    process
        .drive_until(&bench.world, |state| {
            let made = state.containers.get(&name);
            made.is_some_and(|made| matches!(made.state, ContainerState::Running { .. }))
        })
        .await;
    process.drive_for(Duration::from_secs(30)).await;
    let state = bench.world.state.lock().unwrap();
    assert_eq!(state.containers[&name].spec.command, lost.spec.command);
    assert_eq!(state.containers[&name].spec.alias, "web-worker");
    drop(state);
    laws::hold(&bench, &process, "made again");
}

#[tokio::test(start_paused = true)]
async fn the_list_tells_how_each_process_stands_and_what_would_run_before_the_first_deployment() {
    let bench = bench(Strategy::Swap, &["mail", "worker"]);
    let process = bench.start();
    let shown = |views: &[ProcessView]| -> Vec<_> {
        views
            .iter()
            .map(|view| {
                (
                    view.name.clone(),
                    view.kind,
                    view.release,
                    view.state.is_some(),
                )
            })
            .collect()
    };
    let rows = |release: Option<i64>| {
        [
            (
                "web".to_owned(),
                ProcessKind::Web,
                release,
                release.is_some(),
            ),
            (
                "mail".to_owned(),
                ProcessKind::Worker,
                release,
                release.is_some(),
            ),
            (
                "worker".to_owned(),
                ProcessKind::Worker,
                release,
                release.is_some(),
            ),
        ]
    };
    let before = list(&process).await;
    assert_eq!(shown(&before), rows(None));
    deploy(&bench, &process, '1').await;
    let after = list(&process).await;
    assert_eq!(shown(&after), rows(Some(1)));
    let ids = |views: &[ProcessView]| views.iter().map(|view| view.id).collect::<Vec<_>>();
    assert_eq!(ids(&before), ids(&after), "an id is for ever");
    assert_eq!((after[0].port, after[1].port), (Some(8080), None));
    assert_eq!(after[1].command, ["./mail"]);
    bench.world.state.lock().unwrap().engine_is_gone = true;
    let without = list(&process).await;
    assert!(
        without
            .iter()
            .all(|view| view.state.is_none() && view.container.is_some())
    );
}

/// What happens to an app with a worker, the second deployment of it being under way where the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Story {
    Second(Strategy),
    WorkerFails(Strategy),
    Rollback,
    StopThenStart,
}

async fn tell(story: Story, process: &Process) {
    let begun = match story {
        Story::Second(_) | Story::WorkerFails(_) => process.deploy("web").await.is_ok(),
        Story::Rollback => {
            let mut asked = create("web", Trigger::Manual);
            asked.target = Target::Release(Some(1));
            process.create(asked).await.is_ok()
        }
        Story::StopThenStart => {
            let stop = process.change("web", Change::Stop, false).await;
            stop.is_ok() && process.change("web", Change::Start, false).await.is_ok()
        }
    };
    if begun {
        process.drive().await;
    }
}

async fn before(story: Story) -> (Bench, Process) {
    let strategy = match story {
        Story::Second(strategy) | Story::WorkerFails(strategy) => strategy,
        Story::Rollback | Story::StopThenStart => Strategy::Swap,
    };
    let bench = bench(strategy, &["worker"]);
    let process = bench.start();
    deploy(&bench, &process, '1').await;
    match story {
        Story::WorkerFails(_) => behaves(&bench, '2', "worker", Behaviour::Exits(1)),
        Story::Rollback => {
            deploy(&bench, &process, '2').await;
        }
        Story::Second(_) | Story::StopThenStart => {}
    }
    bench.world.state.lock().unwrap().head = Some(sha('2'));
    (bench, process)
}

/// The process ends at that point; the next one goes to the end. Says how many points there were.
fn run(story: Story, crash: Option<usize>) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let (bench, process) = before(story).await;
        bench.world.count_from_here(crash);
        tokio::select! {
            () = tell(story, &process) => {}
            () = bench.world.until_crash() => {}
        }
        let (points, crashed) = bench.world.points();
        assert_eq!(
            crashed,
            crash.is_some(),
            "{story:?}: {crash:?} was never hit"
        );
        drop(process);
        bench.world.count_from_here(None);
        let process = bench.start();
        let driven = tokio::time::timeout(Duration::from_secs(7200), process.drive());
        driven.await.expect("it ends");
        bench.world.let_the_grace_end();
        let at = format!("{story:?} ended at {crash:?} ({:?})", points.last());
        laws::hold(&bench, &process, &at);
        let running = runs(&bench);
        let is_one = ['1', '2']
            .iter()
            .any(|commit| running == all_of(*commit, &["web", "worker"]));
        let may_be_down = story == Story::StopThenStart && running.is_empty();
        assert!(is_one || may_be_down, "{at}: {running:?}");
        if let Story::WorkerFails(_) = story {
            assert_eq!(running, all_of('1', &["web", "worker"]), "{at}");
        }
        points.len()
    })
}

fn enumerate(story: Story) {
    let points = run(story, None);
    for point in 0..points {
        run(story, Some(point));
    }
    println!("{story:?}: {points} crash points, each hit");
    assert!(points > 20, "{story:?} counts too few points: {points}");
}

#[test]
fn a_swap_with_a_worker_survives_an_end_at_every_point() {
    enumerate(Story::Second(Strategy::Swap));
}

#[test]
fn a_recreation_with_a_worker_survives_an_end_at_every_point() {
    enumerate(Story::Second(Strategy::Recreate));
}

#[test]
fn a_worker_that_fails_beside_what_serves_leaves_the_old_release_whatever_ends() {
    enumerate(Story::WorkerFails(Strategy::Swap));
}

#[test]
fn a_worker_that_fails_after_a_stop_brings_the_old_release_back_whatever_ends() {
    enumerate(Story::WorkerFails(Strategy::Recreate));
}

#[test]
fn a_rollback_with_a_worker_survives_an_end_at_every_point() {
    enumerate(Story::Rollback);
}

#[test]
fn a_stop_and_a_start_with_a_worker_survive_an_end_at_every_point() {
    enumerate(Story::StopThenStart);
}

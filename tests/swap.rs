//! Releases change and no request fails: the strategy `swap`, on a real store, with an engine, an ingress and requests in
//! memory. Whatever ends the process, at every moment each routed domain leads to a container that serves.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "support/world.rs"]
#[expect(dead_code, reason = "another test file uses the rest")]
mod world;

use longshore::core::action::{Action, Reply, Target};
use longshore::core::change::{Change, ChangePhase};
use longshore::core::deployment::{Phase, Trigger};
use longshore::core::failure::FailureCode;
use longshore::core::id::{DeploymentSerial, EnvironmentSerial};
use longshore::core::ports::RestartPolicy;
use longshore::core::route::{self, Absence, Domain};
use longshore::core::spec::Strategy;
use std::time::Duration;
use uuid::Uuid;
use world::{Behaviour, Bench, Process, create, git_app, image_of, routed, sha};

const DOMAIN: &str = "web.example";

/// A bench with a version 1 that serves, and the head at version 2.
async fn with_version_one(strategy: Strategy) -> (Bench, Process) {
    let bench = Bench::new(vec![routed(git_app("web"), strategy)]);
    let process = bench.start();
    bench.world.state.lock().unwrap().head = Some(sha('1'));
    process.deploy("web").await.unwrap();
    process.drive().await;
    let mut state = bench.world.state.lock().unwrap();
    state.head = Some(sha('2'));
    state.serves_always = strategy == Strategy::Swap;
    drop(state);
    (bench, process)
}

fn served(bench: &Bench) -> Result<String, String> {
    bench.world.state.lock().unwrap().answers(DOMAIN)
}

fn version(digit: char) -> Result<String, String> {
    Ok(image_of(sha(digit).as_str()))
}

#[track_caller]
fn nobody_was_refused(bench: &Bench, at: &str) {
    let state = bench.world.state.lock().unwrap();
    assert!(state.unserved.is_empty(), "{at}: {:#?}", state.unserved);
    assert!(state.cut.is_empty(), "{at}: cut off: {:?}", state.cut);
}

#[tokio::test(start_paused = true)]
async fn a_swap_never_stops_what_serves_and_a_request_under_way_ends_before_the_old_one_does() {
    let (bench, process) = with_version_one(Strategy::Swap).await;
    let old = bench.world.running().pop().unwrap();
    let request = bench.world.state.lock().unwrap().begin_request(DOMAIN);
    let created = process.deploy("web").await.unwrap();
    process
        .drive_until(&bench.world, |state| state.answers(DOMAIN) == version('2'))
        .await;
    process
        .agent
        .drive(tokio::time::sleep(Duration::from_secs(20)))
        .await
        .unwrap();
    let phase = process.view(created.deployment.id).await.deployment.phase;
    assert!(matches!(phase, Phase::Succeeded { .. }), "{phase:?}");
    assert!(bench.world.running().contains(&old), "it still answers");
    let policy = bench.world.state.lock().unwrap().containers[&old].restart;
    assert_eq!(policy, RestartPolicy::No, "it does not come back");
    bench.world.state.lock().unwrap().end_request(request);
    bench.world.changed.notify_waiters();
    process.drive().await;
    assert!(!bench.world.running().contains(&old));
    nobody_was_refused(&bench, "after the swap");
    let log = process.log(created.deployment.id);
    assert!(log.contains("Strategy \"swap\""), "{log}");
    assert!(log.contains("1 request is under way to"), "{log}");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_does_not_end_holds_the_old_container_for_drain_timeout_and_no_longer() {
    let (bench, process) = with_version_one(Strategy::Swap).await;
    bench.world.state.lock().unwrap().begin_request(DOMAIN);
    let old = bench.world.running().pop().unwrap();
    let created = process.deploy("web").await.unwrap();
    process
        .drive_until(&bench.world, |state| state.answers(DOMAIN) == version('2'))
        .await;
    let began = tokio_now();
    process.drive().await;
    let took = began.elapsed();
    assert!(
        took >= Duration::from_secs(29) && took < Duration::from_secs(35),
        "{took:?}"
    );
    assert_eq!(bench.world.state.lock().unwrap().cut, [old]);
    let log = process.log(created.deployment.id);
    assert!(log.contains("still under way"), "{log}");
}

#[expect(clippy::disallowed_methods, reason = "this is the tests' clock")]
fn tokio_now() -> tokio::time::Instant {
    tokio::time::Instant::now()
}

#[tokio::test(start_paused = true)]
async fn an_ingress_that_never_acknowledges_keeps_both_running_and_the_deployment_committed() {
    let (bench, process) = with_version_one(Strategy::Swap).await;
    let old = bench.world.running().pop().unwrap();
    let created = process.deploy("web").await.unwrap();
    bench.world.state.lock().unwrap().ingress_is_gone = true;
    process
        .agent
        .drive(tokio::time::sleep(Duration::from_secs(7200)))
        .await
        .unwrap();
    let phase = process.view(created.deployment.id).await.deployment.phase;
    assert!(matches!(phase, Phase::Committed(_)), "{phase:?}");
    assert!(bench.world.running().contains(&old));
    assert_eq!(served(&bench), version('1'));
    assert_eq!(bench.world.running().len(), 2);
    let log = process.log(created.deployment.id);
    assert!(
        log.contains("not finished: the ingress cannot be reached"),
        "{log}"
    );
    bench.world.state.lock().unwrap().ingress_is_gone = false;
    process.drive().await;
    assert_eq!(served(&bench), version('2'));
    assert_eq!(bench.world.running().len(), 1);
    nobody_was_refused(&bench, "after it came back");
}

#[tokio::test(start_paused = true)]
async fn an_ingress_that_goes_after_it_acknowledged_does_not_hold_the_old_container_for_ever() {
    let (bench, process) = with_version_one(Strategy::Swap).await;
    bench.world.state.lock().unwrap().begin_request(DOMAIN);
    let created = process.deploy("web").await.unwrap();
    process
        .drive_until(&bench.world, |state| state.answers(DOMAIN) == version('2'))
        .await;
    bench.world.state.lock().unwrap().ingress_is_gone = true;
    bench.world.changed.notify_waiters();
    let began = tokio_now();
    process.drive().await;
    assert!(
        began.elapsed() < Duration::from_secs(60),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(bench.world.running().len(), 1);
    let log = process.log(created.deployment.id);
    assert!(
        log.contains("could not be asked") || log.contains("without asking"),
        "{log}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_ingress_that_is_started_without_its_table_has_it_again_within_seconds() {
    let (bench, process) = with_version_one(Strategy::Swap).await;
    bench.world.state.lock().unwrap().serves_always = false;
    let older = bench.world.state.lock().unwrap().table.clone().unwrap();
    for lost in [
        None,
        Some(longshore::core::route::Table {
            generation: 0,
            routes: vec![],
            ..older.clone()
        }),
    ] {
        {
            let mut state = bench.world.state.lock().unwrap();
            state.lose_table();
            state.table = lost;
        }
        process
            .agent
            .drive(tokio::time::sleep(Duration::from_secs(5)))
            .await
            .unwrap();
        assert_eq!(served(&bench), version('1'));
    }
}

#[tokio::test(start_paused = true)]
async fn another_instances_table_is_replaced_only_by_a_takeover() {
    let (bench, process) = with_version_one(Strategy::Swap).await;
    let foreign = route::Table {
        instance: Uuid::from_u128(7),
        generation: 99,
        routes: Vec::new(),
    };
    {
        let mut state = bench.world.state.lock().unwrap();
        state.serves_always = false;
        state.generation = 99;
        state.table = Some(foreign.clone());
    }
    let created = process.deploy("web").await.unwrap();
    let hour = tokio::time::sleep(Duration::from_secs(3600));
    process.agent.drive(hour).await.unwrap();
    let phase = process.view(created.deployment.id).await.deployment.phase;
    assert!(matches!(phase, Phase::Committed(_)), "{phase:?}");
    assert_eq!(
        bench.world.state.lock().unwrap().table,
        Some(foreign.clone())
    );
    assert_eq!(bench.world.running().len(), 2, "the old one is not stopped");
    let log = process.log(created.deployment.id);
    assert!(log.contains("longshore takeover"), "{log}");

    match process.ask(Action::Takeover).await.unwrap() {
        Reply::TakenOver(taken) => {
            assert_eq!(taken.replaced, Some(foreign.instance));
            assert_eq!(taken.generation, process.store.generation().unwrap());
        }
        other => panic!("{other:?}"),
    }
    process.drive().await;
    assert_eq!(served(&bench), version('2'));
    assert_eq!(bench.world.running().len(), 1);
    match process.ask(Action::Takeover).await.unwrap() {
        Reply::TakenOver(taken) => assert_eq!(taken.replaced, None, "it is ours already"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_tells_the_ingress_first_and_waits_for_what_is_under_way() {
    for strategy in [Strategy::Swap, Strategy::Recreate] {
        let (bench, process) = with_version_one(strategy).await;
        bench.world.state.lock().unwrap().serves_always = true;
        let request = bench.world.state.lock().unwrap().begin_request(DOMAIN);
        let stop = process.change("web", Change::Stop, false).await.unwrap();
        let some = tokio::time::sleep(Duration::from_secs(10));
        process.agent.drive(some).await.unwrap();
        assert_eq!(
            bench.world.state.lock().unwrap().route(DOMAIN),
            Some(route::Target::Nobody(Absence::Stopped))
        );
        assert_eq!(bench.world.running().len(), 1, "the request is under way");
        bench.world.state.lock().unwrap().end_request(request);
        bench.world.changed.notify_waiters();
        process.drive().await;
        assert_eq!(
            process.change_of(&stop).await.change.phase,
            ChangePhase::Done
        );
        assert_eq!(bench.world.running().len(), 0);
        nobody_was_refused(&bench, "at the stop");
        bench.world.state.lock().unwrap().serves_always = false;
        process.change("web", Change::Start, false).await.unwrap();
        process.drive().await;
        assert_eq!(served(&bench), version('1'));
    }
}

#[tokio::test(start_paused = true)]
async fn a_removal_takes_the_route_away_at_once_and_waits_for_what_is_under_way() {
    let (bench, process) = with_version_one(Strategy::Swap).await;
    let request = bench.world.state.lock().unwrap().begin_request(DOMAIN);
    let before = process.store.table().unwrap();
    let gone = Change::Remove { volumes: true };
    process.change("web", gone, false).await.unwrap();
    let after = process.store.table().unwrap();
    assert!(after.routes.is_empty() && after.generation > before.generation);
    let some = tokio::time::sleep(Duration::from_secs(10));
    process.agent.drive(some).await.unwrap();
    assert_eq!(bench.world.state.lock().unwrap().route(DOMAIN), None);
    assert_eq!(bench.world.running().len(), 1, "the request is under way");
    bench.world.state.lock().unwrap().end_request(request);
    bench.world.changed.notify_waiters();
    process.drive().await;
    assert_eq!(bench.world.running().len(), 0);
    nobody_was_refused(&bench, "at the removal");
}

#[tokio::test(start_paused = true)]
async fn a_recreation_waits_for_a_moment_without_requests_before_it_stops_what_serves() {
    let (bench, process) = with_version_one(Strategy::Recreate).await;
    let request = bench.world.state.lock().unwrap().begin_request(DOMAIN);
    let created = process.deploy("web").await.unwrap();
    let some = tokio::time::sleep(Duration::from_secs(10));
    process.agent.drive(some).await.unwrap();
    assert_eq!(served(&bench), version('1'), "it serves until then");
    bench.world.state.lock().unwrap().end_request(request);
    bench.world.changed.notify_waiters();
    process.drive().await;
    assert_eq!(served(&bench), version('2'));
    nobody_was_refused(&bench, "at the recreation");
    let log = process.log(created.deployment.id);
    assert!(
        log.contains("Strategy \"recreate\": with strategy"),
        "{log}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_rollback_to_a_release_without_a_port_is_no_swap_and_says_why() {
    let mut app = routed(git_app("web"), Strategy::Swap);
    for spec in app.environments.values_mut() {
        spec.run.port = None;
    }
    let mut bench = Bench::new(vec![app]);
    let process = bench.start();
    bench.world.state.lock().unwrap().head = Some(sha('1'));
    process.deploy("web").await.unwrap();
    process.drive().await;
    assert_eq!(
        bench.world.state.lock().unwrap().route(DOMAIN),
        Some(route::Target::Nobody(Absence::NoPort))
    );
    drop(process);
    bench.apps = vec![routed(git_app("web"), Strategy::Swap)];
    let process = bench.start();
    bench.world.state.lock().unwrap().head = Some(sha('2'));
    process.deploy("web").await.unwrap();
    process.drive().await;
    assert_eq!(served(&bench), version('2'));
    let mut back = create("web", Trigger::Manual);
    back.target = Target::Release(Some(1));
    match process
        .ask(Action::PlanDeployment(back.clone()))
        .await
        .unwrap()
    {
        Reply::Plan(plan) => {
            assert_eq!(plan.strategy, Strategy::Recreate);
            assert_eq!(plan.instead, Some("the release has no port"));
            assert!(plan.interruption.is_downtime());
        }
        other => panic!("{other:?}"),
    }
    let back = process.create(back).await.unwrap();
    process.drive().await;
    let log = process.log(back.deployment.id);
    assert!(
        log.contains("Strategy \"recreate\" instead of \"swap\", because the release has no port"),
        "{log}"
    );
    assert_eq!(bench.world.running().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_app_that_is_gone_from_the_file_keeps_its_domain_until_another_is_given_it() {
    let (mut bench, process) = with_version_one(Strategy::Swap).await;
    bench.world.state.lock().unwrap().serves_always = false;
    drop(process);
    bench.apps = Vec::new();
    let process = bench.start();
    assert_eq!(
        process.store.table().unwrap().routes.len(),
        1,
        "it keeps serving"
    );
    drop(process);
    let mut heir = routed(git_app("heir"), Strategy::Swap);
    for spec in heir.environments.values_mut() {
        spec.domains = vec![Domain::parse(DOMAIN).unwrap()];
    }
    bench.apps = vec![heir];
    let process = bench.start();
    let table = process.store.table().unwrap();
    assert_eq!(table.routes.len(), 1, "one domain, one route");
    assert_eq!(table.routes[0].service.app, "heir");
    assert_eq!(
        table.routes[0].target,
        route::Target::Nobody(Absence::NotDeployed)
    );
}

/// What happens, and how it must end however often the process did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Story {
    Second,
    Rollback,
    NeverReady,
    ExitsAtOnce,
    CancelledBeforeCommit,
    StopWithRequest,
    IngressDownAtCommit,
    IngressWithoutTable,
}

/// The world before the story: version 1 serves; where there is something to go back to, version 2 does.
async fn before(story: Story) -> (Bench, Process) {
    let (bench, process) = with_version_one(Strategy::Swap).await;
    if story == Story::Rollback {
        process.deploy("web").await.unwrap();
        process.drive().await;
        assert_eq!(served(&bench), version('2'));
    }
    let behaviour = match story {
        Story::Second
        | Story::Rollback
        | Story::StopWithRequest
        | Story::IngressDownAtCommit
        | Story::IngressWithoutTable => Behaviour::Serves,
        Story::NeverReady | Story::CancelledBeforeCommit => Behaviour::NeverReady,
        Story::ExitsAtOnce => Behaviour::Exits(1),
    };
    let second = image_of(sha('2').as_str());
    let mut state = bench.world.state.lock().unwrap();
    state.behaviours.insert(second, behaviour);
    drop(state);
    (bench, process)
}

/// The story itself, as far as the process gets.
async fn tell(story: Story, bench: &Bench, process: &Process) {
    let world = &bench.world;
    match story {
        Story::StopWithRequest => {
            let request = world.state.lock().unwrap().begin_request(DOMAIN);
            let later = world.clone();
            // Whoever asked goes on, whatever ends here.
            let some = tokio::spawn(async move {
                tokio::time::sleep(Duration::from_secs(5)).await;
                later.state.lock().unwrap().end_request(request);
                later.changed.notify_waiters();
            });
            if process.change("web", Change::Stop, false).await.is_err() {
                return;
            }
            process.drive().await;
            some.await.unwrap();
            return;
        }
        Story::Rollback => {
            let mut back = create("web", Trigger::Manual);
            back.target = Target::Release(None);
            if process.create(back).await.is_err() {
                return;
            }
        }
        Story::Second
        | Story::NeverReady
        | Story::ExitsAtOnce
        | Story::CancelledBeforeCommit
        | Story::IngressDownAtCommit
        | Story::IngressWithoutTable => {
            let Ok(created) = process.deploy("web").await else {
                return;
            };
            if story == Story::CancelledBeforeCommit {
                let second = format!("-{}-", created.deployment.serial);
                process
                    .drive_until(world, |state| {
                        let mut runs = state.containers.iter();
                        runs.any(|(name, made)| name.contains(&second) && made.printed.len() > 1)
                    })
                    .await;
                let cancel = Action::CancelDeployment(created.deployment.id.into());
                let _ = process.ask(cancel).await;
            }
            if story == Story::IngressDownAtCommit {
                world.state.lock().unwrap().refused_tables = 4;
            }
        }
    }
    if story == Story::IngressWithoutTable {
        // It dies with its table just as the new one was told to it: no request is served until it is told again.
        process
            .drive_until(world, |state| state.answers(DOMAIN) == version('2'))
            .await;
        world.state.lock().unwrap().lose_table();
    }
    process.drive().await;
}

struct Passed {
    first: usize,
    second: usize,
}

/// One run: the first life ends at the point `crash`, the second at `again`, the third goes to the end.
fn run(story: Story, crash: Option<usize>, again: Option<usize>) -> Passed {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let (bench, mut process) = before(story).await;
        bench.world.count_from_here(crash);
        tokio::select! {
            () = tell(story, &bench, &process) => {}
            () = bench.world.until_crash() => {}
        }
        let (first, crashed) = bench.world.points();
        assert_eq!(
            crashed,
            crash.is_some(),
            "{story:?}: point {crash:?} was never hit"
        );
        process = next_life(&bench, process, again).await;
        let (second, crashed_again) = bench.world.points();
        if crashed_again {
            process = next_life(&bench, process, None).await;
        }
        let point = first.last().cloned().unwrap_or_default();
        let at = format!(
            "{story:?} ended at {crash:?} ({point}), then at {again:?} ({:?})",
            second.last()
        );
        check(story, &bench, &process, &at);
        Passed {
            first: first.len(),
            second: second.len(),
        }
    })
}

async fn next_life(bench: &Bench, last: Process, crash: Option<usize>) -> Process {
    drop(last);
    bench.world.count_from_here(None);
    let process = bench.start();
    bench.world.count_from_here(crash);
    // What is told last is published even where nothing is left to do.
    let rest = async {
        process.drive().await;
        process.drive_for(Duration::from_secs(20)).await;
    };
    tokio::select! {
        driven = tokio::time::timeout(Duration::from_secs(7200), rest) => driven.expect("it ends"),
        () = bench.world.until_crash() => {}
    }
    bench.world.let_the_grace_end();
    process
}

fn check(story: Story, bench: &Bench, process: &Process, at: &str) {
    nobody_was_refused(bench, at);
    assert!(process.store.unfinished().unwrap().is_empty(), "{at}");
    let state = bench.world.state.lock().unwrap();
    assert_eq!(
        state.table.as_ref(),
        Some(&process.store.table().unwrap()),
        "{at}: what the ingress holds is the store's table"
    );
    let live = process.store.live(EnvironmentSerial(1)).unwrap().unwrap();
    let names: Vec<&String> = state.containers.keys().collect();
    assert_eq!(names, [&live.containers[0].name], "{at}");
    if story == Story::StopWithRequest {
        return;
    }
    let made = &state.containers[&live.containers[0].name];
    assert_eq!(made.restart, RestartPolicy::UnlessStopped, "{at}");
    let serial = if story == Story::Rollback { 3 } else { 2 };
    let created = process.store.deployment(DeploymentSerial(serial));
    let phase = created.map(|created| created.phase);
    let expected = match (story, &phase) {
        (Story::Rollback, Err(_)) => version('2'),
        (Story::Rollback, Ok(Phase::Succeeded { .. })) => version('1'),
        (_, Err(_)) => version('1'),
        (Story::NeverReady | Story::CancelledBeforeCommit, Ok(Phase::Failed { failure, .. })) => {
            assert_eq!(failure.code, FailureCode::NotReady, "{at}");
            version('1')
        }
        (Story::ExitsAtOnce, Ok(Phase::Failed { failure, .. })) => {
            assert_eq!(failure.code, FailureCode::ContainerExited, "{at}");
            version('1')
        }
        (Story::CancelledBeforeCommit, Ok(Phase::Cancelled { .. })) => version('1'),
        (
            Story::Second | Story::IngressDownAtCommit | Story::IngressWithoutTable,
            Ok(Phase::Succeeded { .. }),
        ) => version('2'),
        (_, Ok(other)) => panic!("{at}: it is {other:?}"),
    };
    assert_eq!(state.answers(DOMAIN), expected, "{at}");
}

/// Ends the process at every point once, and at every sixth one again in the recovery, at every fifth of its points.
fn enumerate(story: Story) {
    let points = run(story, None, None).first;
    let mut recoveries = 0;
    for point in 0..points {
        let second = run(story, Some(point), None).second;
        if point % 6 == 0 {
            for again in (point % 5..second).step_by(5) {
                run(story, Some(point), Some(again));
                recoveries += 1;
            }
        }
    }
    println!("{story:?}: {points} crash points, each hit; {recoveries} more in recoveries");
    assert!(points > 10, "{story:?} counts too few points: {points}");
}

#[test]
fn a_swap_serves_whatever_ends() {
    enumerate(Story::Second);
}

#[test]
fn a_rollback_by_swap_serves_whatever_ends() {
    enumerate(Story::Rollback);
}

#[test]
fn a_swap_that_never_gets_ready_serves_the_old_version_whatever_ends() {
    enumerate(Story::NeverReady);
}

#[test]
fn a_swap_whose_container_exits_serves_the_old_version_whatever_ends() {
    enumerate(Story::ExitsAtOnce);
}

#[test]
fn a_swap_that_is_cancelled_before_its_commit_serves_the_old_version_whatever_ends() {
    enumerate(Story::CancelledBeforeCommit);
}

#[test]
fn a_stop_lets_its_requests_end_whatever_ends() {
    enumerate(Story::StopWithRequest);
}

#[test]
fn a_swap_with_the_ingress_down_at_its_commit_serves_whatever_ends() {
    enumerate(Story::IngressDownAtCommit);
}

#[test]
fn a_swap_whose_ingress_loses_its_table_serves_whatever_ends() {
    enumerate(Story::IngressWithoutTable);
}

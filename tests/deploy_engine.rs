//! An engine that goes away, comes back, forgets to answer or stops telling, on a real store, a world in memory and a
//! clock that jumps: deployments wait and go on, live containers come back, and a failed look concludes nothing.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "support/world.rs"]
#[expect(dead_code, reason = "another test file uses the rest")]
mod world;

use longshore::core::action::Action;
use longshore::core::deployment::Phase;
use longshore::core::failure::FailureCode;
use longshore::core::id::EnvironmentSerial;
use longshore::core::ports::{Clock as _, ContainerState, EngineEvent, RestartPolicy};
use std::time::Duration;
use uuid::Uuid;
use world::{Behaviour, Bench, Fake, Fault, Process, State, git_app, image_of, sha};

/// A bench with a version 1 that serves, and the head at version 2.
async fn with_version_one() -> (Bench, Process) {
    let bench = Bench::new(vec![git_app("web")]);
    let process = bench.start();
    bench.world.state.lock().unwrap().head = Some(sha('1'));
    process.deploy("web").await.unwrap();
    process.drive().await;
    bench.world.state.lock().unwrap().head = Some(sha('2'));
    (bench, process)
}

fn live(process: &Process) -> String {
    let live = process.store.live(EnvironmentSerial(1)).unwrap();
    live.expect("something is live").containers[0].name.clone()
}

fn runs(state: &State, name: &str) -> bool {
    state
        .containers
        .get(name)
        .is_some_and(|made| matches!(made.state, ContainerState::Running { .. }))
}

fn exited() -> ContainerState {
    ContainerState::Exited {
        code: 137,
        out_of_memory: false,
        error: None,
    }
}

async fn phase(process: &Process, id: Uuid) -> Phase {
    process.view(id).await.deployment.phase
}

/// Exactly the live container is there and runs, and nothing is left over.
fn only_the_live_one(bench: &Bench, process: &Process, release: i64, at: &str) {
    let live = process.store.live(EnvironmentSerial(1)).unwrap().unwrap();
    assert_eq!(live.release.number, release, "{at}");
    let state = bench.world.state.lock().unwrap();
    let names: Vec<_> = state.containers.keys().collect();
    assert_eq!(names, [&live.containers[0].name], "{at}");
    let made = &state.containers[&live.containers[0].name];
    assert!(runs(&state, &live.containers[0].name), "{at}: {made:?}");
    assert_eq!(made.restart, RestartPolicy::UnlessStopped, "{at}");
    assert_eq!(made.spec.image, live.release.content.image.id, "{at}");
    let candidate = state.tags.keys().find(|tag| tag.contains("candidate"));
    assert_eq!(candidate, None, "{at}");
    assert!(state.trees.is_empty(), "{at}");
}

#[tokio::test(start_paused = true)]
async fn a_live_container_that_somebody_removed_comes_back_by_itself() {
    let (bench, process) = with_version_one().await;
    let name = live(&process);
    for _ in 0..2 {
        bench.world.state.lock().unwrap().engine_calls.clear();
        let removed = async {
            // What is looked at because the engine listens is over.
            until(&bench, |state| state.engine_calls.contains(&"set_restart")).await;
            let event = EngineEvent::Removed(name.clone());
            bench.world.tell(event, |state| state.containers.clear());
            until(&bench, |state| runs(state, &name)).await;
        };
        let began = Fake(bench.world.clone()).monotonic();
        process.agent.drive(removed).await.unwrap();
        let took = Fake(bench.world.clone()).monotonic() - began;
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
    assert_eq!(bench.world.running(), [name]);
}

#[tokio::test(start_paused = true)]
async fn a_container_that_ended_is_left_to_the_engine_at_first_and_started_when_it_stays_stopped() {
    let (bench, process) = with_version_one().await;
    let name = live(&process);
    let clock = Fake(bench.world.clone());
    let began = clock.monotonic();
    let ended = async {
        clock.sleep(Duration::from_secs(1)).await;
        let event = EngineEvent::Ended(name.clone());
        bench.world.tell(event, |state| {
            state.containers.get_mut(&name).unwrap().state = exited();
        });
        until(&bench, |state| runs(state, &name)).await;
    };
    process.agent.drive(ended).await.unwrap();
    let took = clock.monotonic() - began;
    assert!(
        took >= Duration::from_secs(3),
        "the engine had no time to restart it: {took:?}"
    );
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_of_events_only_delays_what_is_looked_at() {
    let (bench, process) = with_version_one().await;
    let name = live(&process);
    let silent = async {
        Fake(bench.world.clone())
            .sleep(Duration::from_secs(60))
            .await;
        bench.world.state.lock().unwrap().containers.clear();
        until(&bench, |state| runs(state, &name)).await;
    };
    let patience = Duration::from_secs(3600);
    let driven = tokio::time::timeout(patience, process.agent.drive(silent)).await;
    driven.expect("it is looked at in time").unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_was_away_is_asked_for_everything_when_it_is_back() {
    let (bench, process) = with_version_one().await;
    let name = live(&process);
    let clock = Fake(bench.world.clone());
    let away = async {
        clock.sleep(Duration::from_secs(60)).await;
        bench
            .world
            .tell(EngineEvent::Made, |state| state.engine_is_gone = true);
        clock.sleep(Duration::from_secs(300)).await;
        // While nobody answers nothing is known, and nothing follows from it.
        bench.world.state.lock().unwrap().containers.clear();
        bench.world.state.lock().unwrap().events.clear();
        bench.world.state.lock().unwrap().engine_is_gone = false;
        until(&bench, |state| runs(state, &name)).await;
    };
    let began = clock.monotonic();
    process.agent.drive(away).await.unwrap();
    let took = clock.monotonic() - began;
    assert!(took < Duration::from_secs(375), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn an_environment_with_work_is_looked_after_only_when_its_work_has_ended() {
    let (bench, process) = with_version_one().await;
    let name = live(&process);
    let created = process.deploy("web").await.unwrap();
    bench.world.state.lock().unwrap().builds_hang = true;
    let clock = Fake(bench.world.clone());
    let story = async {
        until(&bench, |state| state.builds_now > 0).await;
        let event = EngineEvent::Removed(name.clone());
        bench.world.tell(event, |state| state.containers.clear());
        clock.sleep(Duration::from_secs(60)).await;
        assert!(
            bench.world.running().is_empty(),
            "it is its walk's business"
        );
        let cancel = Action::CancelDeployment(created.deployment.id.into());
        process.ask(cancel).await.unwrap();
        until(&bench, |state| runs(state, &name)).await;
    };
    process.agent.drive(story).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_image_that_appears_after_it_was_given_up_is_removed_and_other_tags_stay() {
    let (bench, process) = with_version_one().await;
    let live = process.store.live(EnvironmentSerial(1)).unwrap().unwrap();
    let slug = process.store.place_of(EnvironmentSerial(1)).unwrap().slug();
    let late = format!("longshore/{slug}:candidate-1");
    let unknown = format!("longshore/{slug}:candidate-77");
    let kept = format!("longshore/{slug}:1");
    let appears = async {
        until(&bench, |state| state.engine_calls.ends_with(&["images"])).await;
        bench.world.tell(EngineEvent::Made, |state| {
            for tag in [&late, &unknown] {
                let image = live.release.content.image.id.clone();
                state.tags.insert(tag.clone(), image);
            }
        });
        until(&bench, |state| !state.tags.contains_key(&late)).await;
    };
    bench.world.state.lock().unwrap().engine_calls.clear();
    process.agent.drive(appears).await.unwrap();
    let state = bench.world.state.lock().unwrap();
    assert!(
        state.tags.contains_key(&unknown),
        "a tag that no row names was removed"
    );
    assert!(
        state.tags.contains_key(&kept),
        "the live release's tag was removed"
    );
}

#[tokio::test(start_paused = true)]
async fn a_candidate_that_an_engine_ended_by_starting_is_started_again() {
    let (bench, process) = with_version_one().await;
    let image = image_of(sha('2').as_str());
    let never = Behaviour::NeverReady;
    bench
        .world
        .state
        .lock()
        .unwrap()
        .behaviours
        .insert(image.clone(), never);
    let created = process.deploy("web").await.unwrap();
    let clock = Fake(bench.world.clone());
    let restarted = async {
        until(&bench, |state| {
            candidate(state).is_some_and(|name| runs(state, &name))
        })
        .await;
        bench
            .world
            .tell(EngineEvent::Made, |state| state.engine_is_gone = true);
        clock.sleep(Duration::from_secs(5)).await;
        let mut state = bench.world.state.lock().unwrap();
        let name = candidate(&state).unwrap();
        state.containers.get_mut(&name).unwrap().state = exited();
        state.behaviours.insert(image, Behaviour::Serves);
        state.engine_is_gone = false;
    };
    tokio::join!(process.drive(), restarted);
    let phase = phase(&process, created.deployment.id).await;
    assert!(matches!(phase, Phase::Succeeded { .. }), "{phase:?}");
    only_the_live_one(&bench, &process, 2, "after the engine's restart");
    let log = process.log(created.deployment.id);
    assert!(
        log.contains("ended with the engine: starting it again"),
        "{log}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_build_that_loses_its_engine_again_and_again_but_goes_on_in_between_is_not_given_up() {
    let (bench, process) = with_version_one().await;
    bench.world.state.lock().unwrap().build_prints = vec!["compiling".into()];
    let created = process.deploy("web").await.unwrap();
    bench.world.state.lock().unwrap().builds_hang = true;
    let clock = Fake(bench.world.clone());
    bench.world.state.lock().unwrap().engine_calls.clear();
    let builds = |state: &State| {
        state
            .engine_calls
            .iter()
            .filter(|call| **call == "build")
            .count()
    };
    let flapping = async {
        for nth in 1..=4 {
            until(&bench, |state| builds(state) == nth).await;
            clock.sleep(Duration::from_secs(100)).await;
            let mut state = bench.world.state.lock().unwrap();
            state.builds_hang = nth < 4;
            state.builds_break += 1;
            bench.world.changed.notify_waiters();
        }
    };
    tokio::join!(process.drive(), flapping);
    let phase = phase(&process, created.deployment.id).await;
    assert!(matches!(phase, Phase::Succeeded { .. }), "{phase:?}");
}

/// The candidate of the second deployment.
fn candidate(state: &State) -> Option<String> {
    state
        .containers
        .keys()
        .find(|name| name.contains("-2-"))
        .cloned()
}

/// Waits until the world is as wanted.
async fn until(bench: &Bench, wanted: impl Fn(&State) -> bool) {
    loop {
        let changed = bench.world.changed.notified();
        if wanted(&bench.world.state.lock().unwrap()) {
            return;
        }
        changed.await;
    }
}

/// One deployment whose calls `first` to `first + count` get no answer; returns how many calls there were, and how it
/// ended.
fn with_fault(fault: Option<Fault>) -> (Vec<&'static str>, Phase) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let (bench, process) = with_version_one().await;
        let at = format!("{fault:?}");
        let created = process.deploy("web").await.unwrap();
        {
            let mut state = bench.world.state.lock().unwrap();
            state.engine_calls.clear();
            state.fault = fault;
        }
        let ends_for_ever = fault.is_some_and(|fault| fault.count == usize::MAX);
        if ends_for_ever {
            // It is away for as long as anybody waits for it before a commit.
            let clock = Fake(bench.world.clone());
            let long = clock.sleep(Duration::from_secs(700));
            process.agent.drive(long).await.unwrap();
            bench.world.state.lock().unwrap().fault = None;
            bench.world.changed.notify_waiters();
        }
        process.drive().await;
        let ended = phase(&process, created.deployment.id).await;
        let release = match &ended {
            Phase::Succeeded { .. } => 2,
            Phase::Failed { failure, .. } => {
                assert!(ends_for_ever, "{at}: {failure:?}");
                assert_eq!(failure.code, FailureCode::EngineUnavailable, "{at}");
                1
            }
            other => panic!("{at}: {other:?}"),
        };
        only_the_live_one(&bench, &process, release, &at);
        let calls = bench.world.state.lock().unwrap().engine_calls.clone();
        (calls, ended)
    })
}

#[test]
fn a_deployment_survives_an_engine_that_does_not_answer_any_one_of_its_calls() {
    let (calls, _) = with_fault(None);
    println!("{} calls: {}", calls.len(), calls.join(" "));
    for first in 0..calls.len() {
        for (count, done) in [(1, false), (1, true), (4, false), (4, true)] {
            let fault = Fault { first, count, done };
            let (_, ended) = with_fault(Some(fault));
            assert!(
                matches!(ended, Phase::Succeeded { .. }),
                "{fault:?}: {ended:?}"
            );
        }
    }
    assert!(calls.len() > 12, "too few calls: {calls:?}");
}

#[test]
fn an_engine_that_stays_away_from_any_call_on_fails_the_deployment_and_leaves_the_old_version() {
    let (calls, _) = with_fault(None);
    let mut failed = 0;
    for first in 0..calls.len() {
        for done in [false, true] {
            let count = usize::MAX;
            if matches!(
                with_fault(Some(Fault { first, count, done })).1,
                Phase::Failed { .. }
            ) {
                failed += 1;
            }
        }
    }
    println!(
        "{failed} of {} failed, the others had committed",
        calls.len() * 2
    );
    assert!(failed > 10, "{failed}");
}

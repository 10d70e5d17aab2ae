//! What the simulation (`tests/simulation.rs`) once found, each as a story of its own.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "support/world.rs"]
#[expect(dead_code, reason = "another test file uses the rest")]
mod world;

use longshore::core::action::{Action, AppRef, Reply};
use longshore::core::change::{Change, ChangePhase};
use longshore::core::deployment::{Deployment, Phase};
use longshore::core::id::DeploymentSerial;
use longshore::core::name::AppName;
use longshore::core::ports::ContainerState;
use longshore::core::runtime::{ReadRuntimeLog, RuntimeFilter, RuntimeRange};
use std::time::Duration;
use world::{Behaviour, Bench, Process, State, git_app, image_of, sha};

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

fn deployment(process: &Process, serial: i64) -> Deployment {
    process.store.deployment(DeploymentSerial(serial)).unwrap()
}

fn runs(state: &State, name: &str) -> bool {
    let made = state.containers.get(name);
    made.is_some_and(|made| matches!(made.state, ContainerState::Running { .. }))
}

#[tokio::test(start_paused = true)]
async fn output_whose_reading_broke_off_is_in_the_log_once() {
    let (bench, process) = with_version_one().await;
    process.deploy("web").await.unwrap();
    // Two of them are of the new version's output while it starts.
    bench.world.state.lock().unwrap().outputs_break = 5;
    process.drive().await;
    assert_eq!(bench.world.state.lock().unwrap().outputs_break, 0);
    let read = ReadRuntimeLog {
        app: AppRef::Name(AppName::parse("web").unwrap()),
        environment: None,
        filter: RuntimeFilter::default(),
        range: RuntimeRange::Last,
        limit: 100,
    };
    let Reply::RuntimeLog(page) = process.ask(Action::ReadRuntimeLog(read)).await.unwrap() else {
        panic!("a runtime log was asked for");
    };
    let last = page.lines.iter().filter(|line| line.text == "last words");
    assert_eq!(last.count(), 1, "{page:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_container_that_got_ready_while_the_engine_was_gone_is_asked_again_before_it_is_given_up()
{
    let (bench, process) = with_version_one().await;
    let image = image_of(sha('2').as_str());
    let behave = |behaviour| {
        let mut state = bench.world.state.lock().unwrap();
        state.behaviours.insert(image.clone(), behaviour);
    };
    behave(Behaviour::NeverReady);
    process.deploy("web").await.unwrap();
    let outage = async {
        loop {
            let changed = bench.world.changed.notified();
            if bench
                .world
                .running()
                .iter()
                .any(|name| name.contains("-2-"))
            {
                break;
            }
            changed.await;
        }
        tokio::time::sleep(Duration::from_secs(6)).await;
        bench.world.state.lock().unwrap().engine_is_gone = true;
        tokio::time::sleep(Duration::from_secs(60)).await;
        behave(Behaviour::Serves);
        bench.world.state.lock().unwrap().engine_is_gone = false;
    };
    tokio::join!(process.drive(), outage);
    let phase = deployment(&process, 2).phase;
    assert!(matches!(phase, Phase::Succeeded { .. }), "{phase:?}");
}

#[tokio::test(start_paused = true)]
async fn a_missing_live_container_is_made_again_after_a_start_with_other_work() {
    let (bench, process) = with_version_one().await;
    let live = bench.world.running().concat();
    let created = process.deploy("web").await.unwrap().deployment;
    process
        .drive_until(&bench.world, |state| state.builds_now > 0)
        .await;
    process
        .ask(Action::CancelDeployment(created.id.into()))
        .await
        .unwrap();
    drop(process);
    bench.world.state.lock().unwrap().containers.clear();
    let process = bench.start();
    let back = process.drive_until(&bench.world, |state| runs(state, &live));
    tokio::time::timeout(Duration::from_secs(60), back)
        .await
        .expect("it comes back");
}

#[tokio::test(start_paused = true)]
async fn a_deployment_after_a_stop_that_failed_runs_alone() {
    let (bench, process) = with_version_one().await;
    bench.world.state.lock().unwrap().engine_is_gone = true;
    let stop = process.change("web", Change::Stop, false).await.unwrap();
    process.drive().await;
    let phase = process.change_of(&stop).await.change.phase;
    assert!(matches!(phase, ChangePhase::Failed(_)), "{phase:?}");
    bench.world.state.lock().unwrap().engine_is_gone = false;
    assert_eq!(bench.world.running().len(), 1);
    let image = image_of(sha('2').as_str());
    {
        let mut state = bench.world.state.lock().unwrap();
        state.behaviours.insert(image, Behaviour::NeverReady);
    }
    process.deploy("web").await.unwrap();
    process
        .drive_until(&bench.world, |state| {
            let new = |name: &String| name.contains("-2-") && runs(state, name);
            state.containers.keys().any(new)
        })
        .await;
    let names = bench.world.running();
    assert!(
        names.concat().contains("-2-") && names.len() == 1,
        "{names:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_cancel_while_the_engine_is_waited_for_leaves_nobody_asking_without_a_pause() {
    let (bench, process) = with_version_one().await;
    let created = process.deploy("web").await.unwrap().deployment;
    drop(process);
    bench.world.state.lock().unwrap().engine_is_gone = true;
    let process = bench.start();
    let cancel = async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        process
            .ask(Action::CancelDeployment(created.id.into()))
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_secs(140)).await;
    };
    let asked = process.drive_until(&bench.world, |state| state.engine_calls.len() > 1000);
    tokio::select! {
        () = cancel => {}
        () = asked => panic!("the engine is asked again and again"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_container_that_appeared_after_it_was_removed_does_not_hold_a_removed_environments_network()
 {
    let (bench, process) = with_version_one().await;
    let old = bench.world.running().concat();
    let ghost = bench.world.state.lock().unwrap().containers[&old].clone();
    process.deploy("web").await.unwrap();
    process.drive().await;
    {
        let mut state = bench.world.state.lock().unwrap();
        state.containers.insert(old, ghost);
    }
    let removal = Change::Remove { volumes: false };
    process.change("web", removal, false).await.unwrap();
    process.drive().await;
    let state = bench.world.state.lock().unwrap();
    assert!(
        state.networks.is_empty() && state.containers.is_empty(),
        "{:?} {:?}",
        state.networks,
        state.containers.keys()
    );
}

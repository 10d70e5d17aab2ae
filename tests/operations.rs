//! Stopping, starting, suspending, activating, removing, restarting and rolling back, on a real store, a world in
//! memory and a clock that jumps.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "support/laws.rs"]
mod laws;
#[path = "support/world.rs"]
#[expect(dead_code, reason = "another test file uses the rest")]
mod world;

use longshore::core::access::{Caller, Reach, Scope};
use longshore::core::action::{
    Action, CreateDeployment, DeploymentView, Reply, RequestKey, Target,
};
use longshore::core::admission::{Desired, IgnoredReason};
use longshore::core::change::{Change, ChangePhase};
use longshore::core::deployment::{Phase, Trigger};
use longshore::core::error::Error;
use longshore::core::failure::FailureCode;
use longshore::core::id::EnvironmentSerial;
use longshore::core::name::VariableName;
use longshore::core::ports::{Clock as _, ContainerState, RestartPolicy};
use longshore::core::secret::Secret;
use longshore::core::spec::{Mount, MountSource};
use std::time::Duration;
use world::{Behaviour, Bench, Fake, Process, create, git_app, image_app, image_of, sha};

const REMOVE: Change = Change::Remove { volumes: false };

/// A bench whose app was deployed once from each of these heads.
async fn with_versions(heads: &[char]) -> (Bench, Process) {
    let bench = Bench::new(vec![git_app("web")]);
    let process = bench.start();
    for head in heads {
        bench.world.state.lock().unwrap().head = Some(sha(*head));
        process.deploy("web").await.unwrap();
        process.drive().await;
    }
    (bench, process)
}

fn again(target: Target) -> CreateDeployment {
    CreateDeployment {
        target,
        ..create("web", Trigger::Manual)
    }
}

async fn roll_back(process: &Process, to: Option<i64>) -> Result<DeploymentView, Error> {
    process.create(again(Target::Release(to))).await
}

fn live_number(process: &Process) -> i64 {
    let live = process.store.live(EnvironmentSerial(1)).unwrap().unwrap();
    live.release.number
}

fn desired(process: &Process) -> Desired {
    process
        .store
        .place_of(EnvironmentSerial(1))
        .unwrap()
        .desired
}

#[tokio::test(start_paused = true)]
async fn a_stop_keeps_the_container_and_a_start_brings_the_same_one_back() {
    let (bench, process) = with_versions(&['1']).await;
    let before = bench.world.running();
    for _ in 0..2 {
        let stop = process.change("web", Change::Stop, false).await.unwrap();
        process.drive().await;
        assert_eq!(
            process.change_of(&stop).await.change.phase,
            ChangePhase::Done
        );
        assert!(process.change_of(&stop).await.done_at.is_some());
        assert_eq!(bench.world.running(), Vec::<String>::new());
        laws::hold(&bench, &process, "stopped");
    }
    process.change("web", Change::Start, false).await.unwrap();
    process.drive().await;
    assert_eq!(bench.world.running(), before);
    laws::hold(&bench, &process, "started");
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_what_runs_and_with_now_cancels_it() {
    for now in [false, true] {
        let (bench, process) = with_versions(&['1']).await;
        bench.world.state.lock().unwrap().head = Some(sha('2'));
        let running = process.deploy("web").await.unwrap().deployment.id;
        let waiting = process.deploy("web").await.unwrap().deployment.id;
        process
            .drive_until(&bench.world, |state| state.builds_now > 0)
            .await;
        process.change("web", Change::Stop, now).await.unwrap();
        process.drive().await;
        for id in [running, waiting] {
            let phase = process.view(id).await.deployment.phase;
            match now {
                true => assert!(matches!(phase, Phase::Cancelled { .. }), "{phase:?}"),
                false => assert!(matches!(phase, Phase::Succeeded { .. }), "{phase:?}"),
            }
        }
        assert_eq!(live_number(&process), if now { 1 } else { 3 });
        assert!(bench.world.running().is_empty());
        laws::hold(&bench, &process, "stopped");
    }
}

#[tokio::test(start_paused = true)]
async fn a_manual_deployment_starts_what_was_stopped_and_one_that_fails_leaves_it_stopped() {
    let (bench, process) = with_versions(&['1']).await;
    process.change("web", Change::Stop, false).await.unwrap();
    process.drive().await;
    bench.world.state.lock().unwrap().head = Some(sha('2'));
    bench
        .world
        .state
        .lock()
        .unwrap()
        .behaviours
        .insert(image_of(sha('2').as_str()), Behaviour::NeverReady);
    let failing = process.deploy("web").await.unwrap();
    process.drive().await;
    let view = process.view(failing.deployment.id).await;
    assert!(matches!(view.deployment.phase, Phase::Failed { .. }));
    assert_eq!(desired(&process), Desired::Stopped);
    laws::hold(&bench, &process, "still stopped");
    bench.world.state.lock().unwrap().head = Some(sha('3'));
    process.deploy("web").await.unwrap();
    process.drive().await;
    assert_eq!(
        (desired(&process), live_number(&process)),
        (Desired::Running, 2)
    );
    laws::hold(&bench, &process, "started by a deployment");
}

#[tokio::test(start_paused = true)]
async fn an_event_does_not_start_a_stopped_environment_and_its_head_is_noted() {
    let (bench, process) = with_versions(&['1']).await;
    let automatic = || process.ask(Action::CreateDeployment(create("web", Trigger::Automatic)));
    process.change("web", Change::Stop, false).await.unwrap();
    bench.world.state.lock().unwrap().head = Some(sha('2'));
    // The stop still waits: the state the queue will leave counts.
    assert!(matches!(
        automatic().await,
        Ok(Reply::Ignored(IgnoredReason::Stopped))
    ));
    process.drive().await;
    process.change("web", Change::Start, false).await.unwrap();
    process.drive().await;
    // The same push again, late: it was looked at.
    assert!(matches!(
        automatic().await,
        Ok(Reply::Ignored(IgnoredReason::Seen))
    ));
    bench.world.state.lock().unwrap().head = Some(sha('3'));
    assert!(matches!(automatic().await, Ok(Reply::Deployment(_))));
    process.drive().await;
    assert_eq!(live_number(&process), 2);
}

#[tokio::test(start_paused = true)]
async fn an_automatic_deployment_whose_turn_comes_in_a_stopped_environment_says_so() {
    let (bench, process) = with_versions(&['1']).await;
    process.change("web", Change::Stop, false).await.unwrap();
    process.drive().await;
    bench.world.state.lock().unwrap().head = Some(sha('2'));
    bench
        .world
        .state
        .lock()
        .unwrap()
        .behaviours
        .insert(image_of(sha('2').as_str()), Behaviour::Exits(1));
    // The manual one would start the environment, so the automatic one behind it is taken in; but the first fails.
    process.deploy("web").await.unwrap();
    bench.world.state.lock().unwrap().head = Some(sha('3'));
    let automatic = process.deploy_as("web", Trigger::Automatic).await.unwrap();
    process.drive().await;
    match process.view(automatic.deployment.id).await.deployment.phase {
        Phase::Failed { failure, .. } => assert_eq!(failure.code, FailureCode::EnvironmentStopped),
        other => panic!("{other:?}"),
    }
    laws::hold(&bench, &process, "still stopped");
}

#[tokio::test(start_paused = true)]
async fn a_suspended_environment_takes_nothing_until_it_is_activated() {
    let (bench, process) = with_versions(&['1']).await;
    process.change("web", Change::Suspend, false).await.unwrap();
    let refused = |error: Error| match error {
        Error::Refused(text) => assert!(text.contains("suspended"), "{text}"),
        other => panic!("{other:?}"),
    };
    // Before it has begun, and after.
    for _ in 0..2 {
        refused(process.deploy("web").await.unwrap_err());
        refused(
            process
                .change("web", Change::Start, false)
                .await
                .unwrap_err(),
        );
        refused(
            process
                .change("web", Change::Stop, false)
                .await
                .unwrap_err(),
        );
        refused(roll_back(&process, Some(1)).await.unwrap_err());
        process.drive().await;
        laws::hold(&bench, &process, "suspended");
    }
    process
        .change("web", Change::Activate, false)
        .await
        .unwrap();
    process.drive().await;
    laws::hold(&bench, &process, "activated");
    assert_eq!(bench.world.running().len(), 1);
    let error = process.deploy("web").await;
    assert!(error.is_ok(), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_removed_environment_is_gone_at_once_and_its_name_begins_anew() {
    for volumes in [false, true] {
        let mut app = git_app("web");
        for spec in app.environments.values_mut() {
            spec.run.volumes.push(Mount {
                source: MountSource::Volume("data".into()),
                target: "/data".into(),
                read_only: false,
            });
        }
        let bench = Bench::new(vec![app]);
        let process = bench.start();
        bench.world.state.lock().unwrap().head = Some(sha('1'));
        process.deploy("web").await.unwrap();
        process.drive().await;
        let old = process.store.place_of(EnvironmentSerial(1)).unwrap();
        bench.world.state.lock().unwrap().head = Some(sha('2'));
        let running = process.deploy("web").await.unwrap().deployment.id;
        let waiting = process.deploy("web").await.unwrap().deployment.id;
        process.change("web", Change::Stop, false).await.unwrap();
        process
            .drive_until(&bench.world, |state| state.builds_now > 0)
            .await;
        let removal = process
            .change("web", Change::Remove { volumes }, false)
            .await
            .unwrap();
        assert!(
            process.store.apps(Reach::All).unwrap().is_empty(),
            "it is gone at once"
        );
        assert!(process.change("web", Change::Stop, false).await.is_err());
        for id in [running, waiting] {
            let phase = process.view(id).await.deployment.phase;
            assert!(matches!(phase, Phase::Cancelled { .. }), "{phase:?}");
        }
        // While the old one is being cleared away, its name begins anew, with a network of its own.
        let anew = process.deploy("web").await.unwrap();
        process.drive().await;
        assert_eq!(
            process.change_of(&removal).await.change.phase,
            ChangePhase::Done
        );
        let new = process.store.place_of(EnvironmentSerial(2)).unwrap();
        assert_ne!(
            (old.environment_id, old.subnet),
            (new.environment_id, new.subnet)
        );
        assert!(matches!(
            process.view(anew.deployment.id).await.deployment.phase,
            Phase::Succeeded { .. }
        ));
        laws::hold(&bench, &process, "removed and anew");
        let kept = bench
            .world
            .state
            .lock()
            .unwrap()
            .volumes
            .contains(&format!("{}-data", old.slug()));
        assert_eq!(kept, !volumes);
        // The history is kept.
        assert_eq!(
            process.view(running).await.environment.as_str(),
            "production"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_removed_environment_is_begun_anew_only_by_who_can_see_its_app() {
    let bench = Bench::new(vec![git_app("web"), git_app("other")]);
    let process = bench.start();
    bench.world.state.lock().unwrap().head = Some(sha('1'));
    let web = process.deploy("web").await.unwrap().deployment;
    let other = process.deploy("other").await.unwrap().deployment;
    process.drive().await;
    process.change("web", REMOVE, false).await.unwrap();
    process.drive().await;
    for (reach, may) in [
        (Reach::App(other.app), false),
        (Reach::Environment(web.app, web.environment), false),
        (Reach::App(web.app), true),
    ] {
        let caller = Caller {
            scope: Scope::Write,
            reach,
            ..process.caller.clone()
        };
        let asked = Action::CreateDeployment(create("web", Trigger::Manual));
        let answer = process.agent.dispatch(&caller, asked).await;
        let begun = process.store.apps(Reach::All).unwrap().len() == 2;
        assert_eq!((answer.is_ok(), begun), (may, may), "{reach:?}: {answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_removal_waits_for_an_engine_that_is_gone_and_never_fails() {
    let (bench, process) = with_versions(&['1']).await;
    process.change("web", REMOVE, false).await.unwrap();
    bench.world.state.lock().unwrap().engine_is_gone = true;
    let clock = Fake(bench.world.clone());
    process
        .agent
        .drive(clock.sleep(Duration::from_secs(3600)))
        .await
        .unwrap();
    bench.world.state.lock().unwrap().engine_is_gone = false;
    process.drive().await;
    laws::hold(&bench, &process, "removed");
    assert!(bench.world.state.lock().unwrap().networks.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_rollback_makes_the_release_before_live_again_with_its_number_and_a_second_one_goes_further()
 {
    let (bench, process) = with_versions(&['1', '2', '3', '4']).await;
    let rolled = roll_back(&process, None).await.unwrap();
    assert_eq!(rolled.rollback_to, Some(3));
    process.drive().await;
    assert_eq!(live_number(&process), 3);
    laws::hold(&bench, &process, "rolled back");
    let view = process.view(rolled.deployment.id).await;
    assert_eq!((view.release, view.live), (Some(3), true));
    roll_back(&process, None).await.unwrap();
    process.drive().await;
    assert_eq!(live_number(&process), 2);
    // A new release, and back from it: 3 and 4 were left, 2 was not.
    bench.world.state.lock().unwrap().head = Some(sha('5'));
    process.deploy("web").await.unwrap();
    process.drive().await;
    assert_eq!(live_number(&process), 5);
    roll_back(&process, None).await.unwrap();
    process.drive().await;
    assert_eq!(live_number(&process), 2);
    // By number it can go forward again, and is then a target like any other.
    roll_back(&process, Some(4)).await.unwrap();
    process.drive().await;
    assert_eq!(live_number(&process), 4);
    laws::hold(&bench, &process, "rolled to and fro");
}

#[tokio::test(start_paused = true)]
async fn a_request_repeated_with_its_key_gets_its_answer_when_it_could_not_be_asked_for_any_more() {
    let (bench, process) = with_versions(&['1', '2']).await;
    let keyed = |target: Target, key: &str| {
        let mut asked = again(target);
        asked.key = Some(RequestKey {
            key: key.to_owned(),
            digest: b"the same".to_vec(),
        });
        asked
    };
    let rollback = || process.create(keyed(Target::Release(None), "back"));
    let rolled = rollback().await.unwrap().deployment.id;
    process.drive().await;
    // Below release 1 there is nothing to go back to.
    assert_eq!(rollback().await.unwrap().deployment.id, rolled);
    let deploy = || process.create(keyed(Target::Configured(None), "deploy"));
    let deployed = deploy().await.unwrap().deployment.id;
    process.drive().await;
    bench.world.state.lock().unwrap().head = None;
    assert_eq!(deploy().await.unwrap().deployment.id, deployed);
    process.change("web", REMOVE, true).await.unwrap();
    process.drive().await;
    assert_eq!(deploy().await.unwrap().deployment.id, deployed);
    assert_eq!(rollback().await.unwrap().deployment.id, rolled);
    let anew = process.store.place_of(EnvironmentSerial(2));
    assert!(anew.is_err(), "a repetition made the environment anew");
}

#[tokio::test(start_paused = true)]
async fn a_rollback_to_nothing_says_what_there_is() {
    let (_bench, process) = with_versions(&['1']).await;
    let Err(Error::Refused(text)) = roll_back(&process, None).await else {
        panic!("it was taken in");
    };
    assert!(
        text.contains("no earlier release") && text.contains("release 1 is live"),
        "{text}"
    );
    let Err(Error::Invalid { field, message }) = roll_back(&process, Some(7)).await else {
        panic!("it was taken in");
    };
    assert_eq!(field, "release");
    assert!(message.contains("it has only 1"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn a_rollback_supersedes_waiting_events_and_holds_until_a_new_commit() {
    let (bench, process) = with_versions(&['1', '2']).await;
    bench.world.state.lock().unwrap().head = Some(sha('3'));
    let event = process.deploy_as("web", Trigger::Automatic).await.unwrap();
    let rolled = roll_back(&process, None).await.unwrap();
    match process.view(event.deployment.id).await.deployment.phase {
        Phase::Superseded { by, .. } => assert_eq!(by, rolled.deployment.serial),
        other => panic!("{other:?}"),
    }
    process.drive().await;
    assert_eq!(live_number(&process), 1);
    let late = process
        .ask(Action::CreateDeployment(create("web", Trigger::Automatic)))
        .await;
    assert!(
        matches!(late, Ok(Reply::Ignored(IgnoredReason::Seen))),
        "{late:?}"
    );
    bench.world.state.lock().unwrap().head = Some(sha('4'));
    process.deploy_as("web", Trigger::Automatic).await.unwrap();
    process.drive().await;
    assert_eq!(live_number(&process), 3);
}

#[tokio::test(start_paused = true)]
async fn a_rolled_back_image_app_is_held_against_timers_until_somebody_deploys() {
    let bench = Bench::new(vec![image_app("web", "nginx:1")]);
    let process = bench.start();
    for _ in 0..2 {
        process.deploy("web").await.unwrap();
        process.drive().await;
    }
    roll_back(&process, None).await.unwrap();
    let timer = || process.ask(Action::CreateDeployment(create("web", Trigger::Automatic)));
    assert!(
        matches!(timer().await, Ok(Reply::Ignored(IgnoredReason::Pinned))),
        "while it waits"
    );
    process.drive().await;
    assert!(
        matches!(timer().await, Ok(Reply::Ignored(IgnoredReason::Pinned))),
        "after it"
    );
    process.deploy("web").await.unwrap();
    process.drive().await;
    assert!(matches!(timer().await, Ok(Reply::Deployment(_))));
}

#[tokio::test(start_paused = true)]
async fn a_release_whose_built_image_is_gone_cannot_come_back_and_a_pulled_one_is_pulled_again() {
    let (bench, process) = with_versions(&['1', '2']).await;
    let first = image_of(sha('1').as_str());
    bench
        .world
        .state
        .lock()
        .unwrap()
        .tags
        .retain(|_, id| *id != first);
    let rolled = roll_back(&process, None).await.unwrap();
    process.drive().await;
    match process.view(rolled.deployment.id).await.deployment.phase {
        Phase::Failed { failure, .. } => {
            assert_eq!(failure.code, FailureCode::ImageGone);
            assert!(failure.next.contains(sha('1').as_str()), "{}", failure.next);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(live_number(&process), 2);
    laws::hold(&bench, &process, "image gone");

    let bench = Bench::new(vec![image_app("web", "nginx:1")]);
    let process = bench.start();
    process.deploy("web").await.unwrap();
    process.drive().await;
    process.deploy("web").await.unwrap();
    process.drive().await;
    bench.world.state.lock().unwrap().tags.clear();
    roll_back(&process, None).await.unwrap();
    process.drive().await;
    assert_eq!(live_number(&process), 1);
}

#[tokio::test(start_paused = true)]
async fn a_restart_runs_the_live_image_with_todays_configuration_and_the_variables_of_its_deployment()
 {
    let (mut bench, process) = with_versions(&['1']).await;
    bench.world.state.lock().unwrap().head = Some(sha('2'));
    let mut with_variable = create("web", Trigger::Manual);
    let one_off = VariableName::parse("ONE_OFF").unwrap();
    with_variable
        .variables
        .insert(one_off.clone(), Secret::new("kept"));
    process.create(with_variable).await.unwrap();
    process.drive().await;
    drop(process);
    for spec in bench.apps[0].environments.values_mut() {
        spec.run
            .env
            .insert(VariableName::parse("LOG").unwrap(), "debug".into());
    }
    bench.world.state.lock().unwrap().head = Some(sha('3'));
    let process = bench.start();
    process.create(again(Target::Restart)).await.unwrap();
    process.drive().await;
    assert_eq!(live_number(&process), 3);
    let env = |name: &str| {
        let state = bench.world.state.lock().unwrap();
        let made = state.containers.values().next().unwrap();
        let found = made
            .spec
            .env
            .iter()
            .find(|(known, _)| known.as_str() == name);
        found.map(|(_, value)| value.expose().to_owned())
    };
    let image = bench
        .world
        .state
        .lock()
        .unwrap()
        .containers
        .values()
        .next()
        .unwrap()
        .spec
        .image
        .clone();
    assert_eq!(image, image_of(sha('2').as_str()), "nothing was built");
    assert_eq!(env("LOG").as_deref(), Some("debug"));
    assert_eq!(env("ONE_OFF").as_deref(), Some("kept"));
    laws::hold(&bench, &process, "restarted");
    // … and a rollback brings back what the release had, not what is configured today.
    roll_back(&process, None).await.unwrap();
    process.drive().await;
    assert_eq!(
        (env("LOG"), env("ONE_OFF").as_deref()),
        (None, Some("kept"))
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_stopped_stays_stopped_when_longshore_starts_and_what_runs_against_its_will_is_stopped()
 {
    let (bench, process) = with_versions(&['1']).await;
    let name = bench.world.running().pop().unwrap();
    process.change("web", Change::Stop, false).await.unwrap();
    process.drive().await;
    drop(process);
    bench
        .world
        .state
        .lock()
        .unwrap()
        .containers
        .entry(name.clone())
        .and_modify(|made| {
            made.state = ContainerState::Running { health: None };
            made.restart = RestartPolicy::UnlessStopped;
        });
    let process = bench.start();
    process
        .drive_until(&bench.world, |state| {
            !matches!(
                state.containers[&name].state,
                ContainerState::Running { .. }
            )
        })
        .await;
    laws::hold(&bench, &process, "after a start");
}

#[tokio::test(start_paused = true)]
async fn a_stop_without_an_engine_fails_in_time_and_is_made_so_when_there_is_one() {
    let (bench, process) = with_versions(&['1']).await;
    let stop = process.change("web", Change::Stop, false).await.unwrap();
    bench.world.state.lock().unwrap().engine_is_gone = true;
    process.drive().await;
    match process.change_of(&stop).await.change.phase {
        ChangePhase::Failed(failure) => assert_eq!(failure.code, FailureCode::EngineUnavailable),
        other => panic!("{other:?}"),
    }
    assert_eq!(desired(&process), Desired::Stopped);
    drop(process);
    bench.world.state.lock().unwrap().engine_is_gone = false;
    let process = bench.start();
    process
        .drive_until(&bench.world, |state| {
            state
                .containers
                .values()
                .all(|made| made.restart == RestartPolicy::No)
                && state
                    .containers
                    .values()
                    .all(|made| !matches!(made.state, ContainerState::Running { .. }))
        })
        .await;
    laws::hold(&bench, &process, "stopped after all");
}

//! The laws of a deployment's life, on a real store, a world in memory and a clock that jumps.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "support/world.rs"]
#[expect(dead_code, reason = "another test file uses the rest")]
mod world;

use longshore::core::action::{Action, CreateDeployment, ReadLog, Reply, RequestKey, Target};
use longshore::core::deployment::{Phase, Step, Trigger, Wanted};
use longshore::core::error::{Ended, Error};
use longshore::core::failure::{Failure, FailureCode};
use longshore::core::name::VariableName;
use longshore::core::ports::{Clock as _, ContainerState, RestartPolicy};
use longshore::core::reference::Reference;
use longshore::core::runtime::RuntimeFilter;
use longshore::core::secret::Secret;
use std::time::Duration;
use world::{Behaviour, Bench, Fake, Process, create, git_app, image_app, image_of, sha};

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

fn failure(phase: &Phase) -> &Failure {
    match phase {
        Phase::Failed { failure, .. } => failure,
        other => panic!("it did not fail: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn the_old_container_stays_until_the_ingress_has_acknowledged_the_new_table() {
    let (bench, process) = with_version_one().await;
    let old = bench.world.running().pop().unwrap();
    let created = process.deploy("web").await.unwrap();
    bench.world.state.lock().unwrap().refused_tables = 1000;
    let second = format!("-{}-", created.deployment.serial);
    process
        .drive_until(&bench.world, |state| {
            let mut containers = state.containers.iter();
            containers.any(|(name, made)| {
                name.contains(&second) && made.restart == RestartPolicy::UnlessStopped
            })
        })
        .await;
    process
        .agent
        .drive(tokio::time::sleep(Duration::from_secs(3600)))
        .await
        .unwrap();
    assert!(matches!(
        process.view(created.deployment.id).await.deployment.phase,
        Phase::Committed(_)
    ));
    assert!(
        bench
            .world
            .state
            .lock()
            .unwrap()
            .containers
            .contains_key(&old),
        "the old one was removed too early"
    );
    let refused = process
        .ask(Action::CancelDeployment(created.deployment.id.into()))
        .await
        .unwrap_err();
    assert_eq!(refused, Error::NotCancellable(Ended::Committed));
    bench.world.state.lock().unwrap().refused_tables = 0;
    process.drive().await;
    assert!(matches!(
        process.view(created.deployment.id).await.deployment.phase,
        Phase::Succeeded { .. }
    ));
    assert!(
        !bench
            .world
            .state
            .lock()
            .unwrap()
            .containers
            .contains_key(&old)
    );
    assert!(
        process
            .log(created.deployment.id)
            .contains("it is restarting; trying again until it is")
    );
}

#[tokio::test(start_paused = true)]
async fn a_step_that_hangs_fails_when_its_budget_is_used_up_and_a_restart_does_not_give_it_a_new_one()
 {
    let (bench, process) = with_version_one().await;
    let created = process.deploy("web").await.unwrap();
    bench.world.state.lock().unwrap().builds_hang = true;
    let clock = Fake(bench.world.clone());
    process
        .agent
        .drive(clock.sleep(Duration::from_secs(3000)))
        .await
        .unwrap();
    drop(process);
    let process = bench.start();
    let began = clock.monotonic();
    process.drive().await;
    let view = process.view(created.deployment.id).await;
    assert_eq!(
        failure(&view.deployment.phase).code,
        FailureCode::DeadlineExceeded
    );
    let left = clock.monotonic() - began;
    assert!(
        left < Duration::from_secs(620),
        "the restart gave it {left:?} more"
    );
    assert_eq!(bench.world.running().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_stays_away_fails_the_deployment_and_one_that_comes_back_does_not() {
    let (bench, process) = with_version_one().await;
    for comes_back in [false, true] {
        let created = process.deploy("web").await.unwrap();
        bench.world.state.lock().unwrap().engine_is_gone = true;
        let clock = Fake(bench.world.clone());
        process
            .agent
            .drive(clock.sleep(Duration::from_secs(if comes_back { 60 } else { 200 })))
            .await
            .unwrap();
        bench.world.state.lock().unwrap().engine_is_gone = false;
        process.drive().await;
        let view = process.view(created.deployment.id).await;
        if comes_back {
            assert!(
                matches!(view.deployment.phase, Phase::Succeeded { .. }),
                "{:?}",
                view.deployment.phase
            );
        } else {
            assert_eq!(
                failure(&view.deployment.phase).code,
                FailureCode::EngineUnavailable
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_that_takes_the_agent_down_three_times_is_given_up() {
    let (bench, mut process) = with_version_one().await;
    let created = process.deploy("web").await.unwrap();
    bench.world.state.lock().unwrap().builds_hang = true;
    for _ in 0..4 {
        process
            .drive_until(&bench.world, |state| state.builds_now > 0)
            .await;
        drop(process);
        process = bench.start();
    }
    // Those were clean ends, which forget the strikes: nothing was given up.
    assert!(matches!(
        process.view(created.deployment.id).await.deployment.phase,
        Phase::Running(Step::Build)
    ));
    for _ in 0..4 {
        // A drive that is dropped is a process that is killed: nothing more is written, not even that it ended.
        tokio::select! {
            () = process.drive_until(&bench.world, |_| false) => {}
            () = async {
                while bench.world.state.lock().unwrap().builds_now == 0
                    && !matches!(process.view(created.deployment.id).await.deployment.phase, Phase::Failed { .. })
                {
                    tokio::task::yield_now().await;
                }
            } => {}
        }
        drop(process);
        process = bench.start();
    }
    let view = process.view(created.deployment.id).await;
    assert_eq!(failure(&view.deployment.phase).code, FailureCode::CrashLoop);
}

#[tokio::test(start_paused = true)]
async fn one_environment_works_on_one_deployment_at_a_time_and_newer_automatic_ones_take_the_place_of_older()
 {
    let (bench, process) = with_version_one().await;
    let mut ids = Vec::new();
    for (trigger, head) in [
        (Trigger::Manual, '2'),
        (Trigger::Automatic, '3'),
        (Trigger::Manual, '3'),
        (Trigger::Automatic, '4'),
    ] {
        bench.world.state.lock().unwrap().head = Some(sha(head));
        ids.push(process.deploy_as("web", trigger).await.unwrap().deployment);
    }
    process.drive().await;
    let mut phases = Vec::new();
    for deployment in &ids {
        phases.push(process.view(deployment.id).await.deployment.phase);
    }
    assert!(
        matches!(phases[1], Phase::Superseded { by, .. } if by == ids[3].serial),
        "{phases:?}"
    );
    let ended = |phase: &Phase| match phase {
        Phase::Succeeded { at, .. } => *at,
        other => panic!("{other:?}"),
    };
    assert!(ended(&phases[0]) < ended(&phases[2]) && ended(&phases[2]) < ended(&phases[3]));
}

#[tokio::test(start_paused = true)]
async fn a_tag_is_deployed_and_run_again_as_a_tag_and_is_never_the_seen_head_of_a_branch_of_its_name()
 {
    let (bench, process) = with_version_one().await;
    // Of the name that the configured branch has.
    let tag = Reference::parse("main", true).unwrap();
    let tagged = CreateDeployment {
        target: Target::Reference(tag.clone(), None),
        ..create("web", Trigger::Manual)
    };
    let created = process.create(tagged).await.unwrap();
    process.drive().await;
    let expected = Wanted::Commit {
        reference: tag.clone(),
        sha: sha('2'),
        asked: None,
    };
    let view = process.view(created.deployment.id).await;
    assert_eq!(view.deployment.request.wanted, expected);
    assert!(matches!(view.deployment.phase, Phase::Succeeded { .. }));

    let again = CreateDeployment {
        target: Target::Restart,
        ..create("web", Trigger::Manual)
    };
    let again = process.create(again).await.unwrap();
    process.drive().await;
    let view = process.view(again.deployment.id).await;
    assert_eq!(view.origin.reference, Some(tag));

    // The branch was not looked at: its head is news.
    let automatic = process.deploy_as("web", Trigger::Automatic).await.unwrap();
    assert_eq!(automatic.deployment.request.trigger, Trigger::Automatic);
    drop(bench);
}

#[tokio::test(start_paused = true)]
async fn no_more_builds_run_at_once_than_allowed() {
    let apps = ["a", "b", "c", "d"];
    let bench = Bench::new(apps.map(git_app).to_vec());
    bench.world.state.lock().unwrap().head = Some(sha('1'));
    let process = bench.start();
    for app in apps {
        process.deploy(app).await.unwrap();
    }
    process.drive().await;
    assert_eq!(bench.world.state.lock().unwrap().most_builds_at_once, 2);
    assert_eq!(bench.world.running().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_restore_the_engine_refuses_is_recorded_and_the_mending_deployment_runs() {
    let (bench, process) = with_version_one().await;
    let old = bench.world.running().pop().unwrap();
    let image = image_of(sha('2').as_str());
    bench
        .world
        .state
        .lock()
        .unwrap()
        .behaviours
        .insert(image.clone(), Behaviour::NeverReady);
    bench
        .world
        .state
        .lock()
        .unwrap()
        .refuses_starts_of
        .insert(old);
    let created = process.deploy("web").await.unwrap();
    process.drive().await;
    let view = process.view(created.deployment.id).await;
    assert_eq!(failure(&view.deployment.phase).code, FailureCode::NotReady);
    assert!(
        view.restore_failed[0].contains("the device is gone"),
        "{:?}",
        view.restore_failed
    );
    bench
        .world
        .state
        .lock()
        .unwrap()
        .behaviours
        .insert(image, Behaviour::Serves);
    let mended = process.deploy("web").await.unwrap();
    process.drive().await;
    assert!(matches!(
        process.view(mended.deployment.id).await.deployment.phase,
        Phase::Succeeded { .. }
    ));
    assert_eq!(bench.world.state.lock().unwrap().containers.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_live_container_that_is_missing_at_a_start_is_made_again_from_its_release() {
    let (bench, process) = with_version_one().await;
    let live = bench.world.running();
    drop(process);
    bench.world.state.lock().unwrap().containers.clear();
    let process = bench.start();
    process
        .drive_until(&bench.world, |state| {
            !state.containers.is_empty()
                && state
                    .containers
                    .values()
                    .all(|made| matches!(made.state, ContainerState::Running { .. }))
        })
        .await;
    assert_eq!(bench.world.running(), live);
    assert_eq!(
        bench.world.state.lock().unwrap().containers[&live[0]]
            .spec
            .image,
        image_of(sha('1').as_str())
    );
}

#[tokio::test(start_paused = true)]
async fn a_container_that_appears_after_it_was_removed_is_removed_and_a_strangers_is_not() {
    let (bench, process) = with_version_one().await;
    let old = bench.world.running().pop().unwrap();
    let ghost = bench.world.state.lock().unwrap().containers[&old].clone();
    process.deploy("web").await.unwrap();
    process.drive().await;
    bench
        .world
        .state
        .lock()
        .unwrap()
        .containers
        .extend([(old.clone(), ghost.clone()), ("strangers".into(), ghost)]);
    process
        .drive_until(&bench.world, |state| !state.containers.contains_key(&old))
        .await;
    assert!(
        bench
            .world
            .state
            .lock()
            .unwrap()
            .containers
            .contains_key("strangers")
    );
}

#[tokio::test(start_paused = true)]
async fn what_a_live_container_printed_last_is_in_the_runtime_log_after_it_is_gone() {
    let (bench, process) = with_version_one().await;
    let first = process
        .store
        .deployment(longshore::core::id::DeploymentSerial(1))
        .unwrap();
    process.deploy("web").await.unwrap();
    process.drive().await;
    // What it said until it was live is in its deployment's log, too.
    let log = process.log(first.id);
    assert_eq!(log.matches("stdout hello").count(), 1, "{log}");
    assert!(!log.contains("last words"), "{log}");
    let place = process.store.place_of(first.environment).unwrap();
    let all = RuntimeFilter::default();
    let kept = process
        .store
        .printed_from(place.environment_id, 0, &all, 100)
        .unwrap();
    let texts: Vec<&str> = kept.lines.iter().map(|line| line.text.as_str()).collect();
    assert_eq!((texts[0], texts[2]), ("hello", "last words"), "{texts:?}");
    assert_eq!(texts.len(), 3, "no line is there twice: {texts:?}");
    assert_eq!(bench.world.running().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_deployments_own_variables_reach_the_container_and_no_log() {
    let (bench, process) = with_version_one().await;
    let canary = "canary-7f3a91";
    bench.world.state.lock().unwrap().build_prints = vec![format!("the token is {canary}!")];
    let mut asked = create("web", Trigger::Manual);
    asked.variables.insert(
        VariableName::parse("API_TOKEN").unwrap(),
        Secret::new(canary),
    );
    let created = process.create(asked).await.unwrap();
    process.drive().await;
    let log = process.log(created.deployment.id);
    assert!(
        !log.contains(canary) && log.contains("the token is [redacted]!"),
        "{log}"
    );
    let state = bench.world.state.lock().unwrap();
    let made = state.containers.values().next().unwrap();
    assert!(
        made.spec
            .env
            .iter()
            .any(|(name, value)| name.as_str() == "API_TOKEN" && value.expose() == canary)
    );
    drop(state);
    for name in ["longshore.db", "longshore.db-wal"] {
        let bytes = std::fs::read(bench.dir.path().join(name)).unwrap_or_default();
        let found = bytes
            .windows(canary.len())
            .any(|window| window == canary.as_bytes());
        assert!(!found, "the value is in {name}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_key_gives_the_first_answer_and_another_request_under_it_is_refused() {
    let bench = Bench::new(vec![image_app("web", "nginx:1")]);
    let process = bench.start();
    let keyed = |digest: &[u8]| {
        let mut asked = create("web", Trigger::Manual);
        asked.key = Some(RequestKey {
            key: "k1".into(),
            digest: digest.to_vec(),
        });
        asked
    };
    let first = process.create(keyed(b"one")).await.unwrap();
    let again = process.create(keyed(b"one")).await.unwrap();
    assert_eq!(first.deployment.id, again.deployment.id);
    assert_eq!(
        process.create(keyed(b"two")).await.unwrap_err(),
        Error::KeyReused
    );
}

#[tokio::test(start_paused = true)]
async fn a_log_that_is_waited_for_comes_with_its_first_line_and_says_when_it_is_complete() {
    let bench = Bench::new(vec![image_app("web", "nginx:1")]);
    let process = bench.start();
    let id = process.deploy("web").await.unwrap().deployment.id;
    let read = async {
        let (mut from, mut text) = (0, String::new());
        loop {
            let read = Action::ReadLog(ReadLog {
                deployment: id,
                from,
                limit: 0,
                wait: true,
            });
            let Reply::Log(page) = process.ask(read).await.unwrap() else {
                panic!("not a log")
            };
            from = page.next;
            text.push_str(&page.text);
            if page.complete {
                return text;
            }
        }
    };
    let (text, ()) = tokio::join!(read, process.drive());
    assert_eq!(text, process.log(id));
    assert!(text.contains("Release 1 is live"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn an_environment_the_configuration_no_longer_has_fails_a_waiting_deployment_clearly() {
    let (mut bench, process) = with_version_one().await;
    let created = process.deploy("web").await.unwrap();
    drop(process);
    bench.apps.clear();
    let process = bench.start();
    process.drive().await;
    let view = process.view(created.deployment.id).await;
    assert_eq!(
        failure(&view.deployment.phase).code,
        FailureCode::ConfigChanged
    );
    assert_eq!(
        bench.world.running().len(),
        1,
        "what was live keeps serving"
    );
}

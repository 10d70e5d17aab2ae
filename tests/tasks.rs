//! Commands that run once before a release takes over: in order, each to its end, never twice, whatever ends in between.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "support/laws.rs"]
mod laws;
#[path = "support/world.rs"]
#[expect(dead_code, reason = "another test file uses the rest")]
mod world;

use longshore::core::action::{Action, CreateDeployment, DeploymentView, Target};
use longshore::core::app::App;
use longshore::core::change::Change;
use longshore::core::command::{LONGEST_IN_VARIABLE, PayloadPlace};
use longshore::core::deployment::{Phase, Trigger};
use longshore::core::error::Error;
use longshore::core::failure::{Failure, FailureCode};
use longshore::core::name::{TaskName, VariableName};
use longshore::core::ports::{ContainerSpec, ContainerState, EngineEvent, FileInside};
use longshore::core::secret::{SecretRef, SecretSource};
use longshore::core::spec::{Mount, MountSource, Strategy};
use std::time::Duration;
use world::{
    Behaviour, Bench, Process, create, git_app, image_of, routed, sha, with_release, with_task,
};

const MIGRATE: &str = "./migrate --all";
const SEED: &str = "./seed";

fn app(strategy: Strategy) -> App {
    let app = with_release(routed(git_app("web"), strategy), &[MIGRATE, "./warm"]);
    with_task(app, "deploy:seed", SEED)
}

fn bench_of(app: App) -> Bench {
    let bench = Bench::new(vec![app]);
    bench.world.state.lock().unwrap().head = Some(sha('1'));
    bench
}

fn bench(strategy: Strategy) -> Bench {
    bench_of(app(strategy))
}

fn with_that_task(mut asked: CreateDeployment, name: &str) -> CreateDeployment {
    asked.particulars.task = Some(TaskName::parse(name).unwrap());
    asked
}

/// Deploys a commit and drives until that has ended.
async fn deploy(bench: &Bench, process: &Process, commit: char) -> DeploymentView {
    deploy_as(bench, process, commit, create("web", Trigger::Manual)).await
}

async fn deploy_as(
    bench: &Bench,
    process: &Process,
    commit: char,
    asked: CreateDeployment,
) -> DeploymentView {
    bench.world.state.lock().unwrap().head = Some(sha(commit));
    let made = process.create(asked).await.unwrap();
    process.drive().await;
    process.view(made.deployment.id).await
}

/// A release 1 that serves, and what was begun for it forgotten.
async fn served(bench: &Bench, process: &Process) {
    assert!(deploy(bench, process, '1').await.live);
    bench.world.state.lock().unwrap().begun.clear();
}

fn begun(bench: &Bench) -> Vec<String> {
    bench.world.state.lock().unwrap().begun.clone()
}

fn behaves(bench: &Bench, command: &str, behaviour: Behaviour) {
    let mut state = bench.world.state.lock().unwrap();
    state.behaviours.insert(command.to_owned(), behaviour);
}

/// Deploys commit 2 until that command runs, which does not end by itself.
async fn until_runs(bench: &Bench, process: &Process, command: &str) -> DeploymentView {
    behaves(bench, command, Behaviour::NeverReady);
    bench.world.state.lock().unwrap().head = Some(sha('2'));
    let made = process.deploy("web").await.unwrap();
    let runs = |state: &world::State| {
        let task = state.task(command);
        task.is_some_and(|made| matches!(made.state, ContainerState::Running { .. }))
    };
    process.drive_until(&bench.world, runs).await;
    made
}

fn failure(view: &DeploymentView) -> Failure {
    match &view.deployment.phase {
        Phase::Failed { failure, .. } => failure.clone(),
        other => panic!("{other:?}"),
    }
}

/// Only release 1 is there, and serves.
fn only_the_first_serves(bench: &Bench) {
    let state = bench.world.state.lock().unwrap();
    let first = image_of(sha('1').as_str());
    assert_eq!(state.answers("web.example"), Ok(first.clone()));
    let images: Vec<&String> = state
        .containers
        .values()
        .map(|made| &made.spec.image)
        .collect();
    assert_eq!(images, [&first]);
}

#[tokio::test(start_paused = true)]
async fn commands_run_in_order_before_anything_of_the_release_is_made() {
    for strategy in [Strategy::Swap, Strategy::Recreate] {
        let bench = bench(strategy);
        let process = bench.start();
        served(&bench, &process).await;
        bench.world.state.lock().unwrap().engine_calls.clear();
        let asked = with_that_task(create("web", Trigger::Manual), "deploy:seed");
        let view = deploy_as(&bench, &process, '2', asked).await;
        assert!(view.live, "{view:?}");
        assert_eq!(begun(&bench), [MIGRATE, "./warm", SEED]);
        laws::hold(&bench, &process, "at the end");
        let log = process.log(view.deployment.id);
        let place = |text: &str| {
            log.find(text)
                .unwrap_or_else(|| panic!("no {text:?} in {log}"))
        };
        let order = [
            "Running release command (1 of 3): ./migrate --all",
            "Running release command (2 of 3): ./warm",
            "Running task deploy:seed (3 of 3): ./seed",
            "Creating container",
        ];
        assert!(order.map(place).is_sorted(), "{log}");
        assert_eq!(log.matches("hello").count(), 4, "each output once: {log}");
        let state = bench.world.state.lock().unwrap();
        assert!(
            state
                .containers
                .values()
                .all(|made| made.spec.labels.role == "web")
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_command_has_what_the_release_has_but_no_way_in() {
    let mut app = app(Strategy::Recreate);
    for spec in app.environments.values_mut() {
        let log = VariableName::parse("LOG").unwrap();
        spec.run.env.insert(log, "info".into());
        spec.run.entrypoint = vec!["/init".into()];
        spec.run.memory = Some(1 << 28);
        spec.run.volumes = vec![Mount {
            source: MountSource::Volume("data".into()),
            target: "/data".into(),
            read_only: false,
        }];
    }
    let bench = bench_of(app);
    let process = bench.start();
    until_runs(&bench, &process, MIGRATE).await;
    let state = bench.world.state.lock().unwrap();
    let spec = &state.task(MIGRATE).unwrap().spec;
    assert_eq!(spec.command, ["./migrate", "--all"]);
    assert_eq!(spec.entrypoint, ["/init"]);
    assert_eq!(spec.image, image_of(sha('2').as_str()));
    assert_eq!(spec.memory, Some(1 << 28));
    assert_eq!(spec.mounts.len(), 1);
    assert_eq!(spec.env[0].0.as_str(), "LOG");
    assert_eq!((spec.publish.len(), spec.labels.role.as_str()), (0, "task"));
    assert_ne!(spec.alias, "web");
    assert!(state.networks.contains(&spec.network));
}

#[tokio::test(start_paused = true)]
async fn a_command_that_fails_leaves_the_old_version_and_says_what_it_printed_last() {
    for (status, command, task) in [(3, MIGRATE, None), (1, SEED, Some("deploy:seed"))] {
        let bench = bench(Strategy::Recreate);
        let process = bench.start();
        served(&bench, &process).await;
        behaves(&bench, command, Behaviour::Exits(status));
        let mut asked = create("web", Trigger::Manual);
        if let Some(task) = task {
            asked = with_that_task(asked, task);
        }
        let view = deploy_as(&bench, &process, '2', asked).await;
        let failure = failure(&view);
        let (code, called) = match task {
            None => (FailureCode::ReleaseFailed, "release command"),
            Some(_) => (FailureCode::TaskFailed, "task deploy:seed"),
        };
        assert_eq!(failure.code, code);
        assert_eq!(
            failure.message,
            format!(
                "{called} `{command}` ended with status {status}; nothing was switched, and what it already did is not undone"
            )
        );
        assert!(failure.output.contains(&"hello".to_owned()), "{failure:?}");
        assert!(!failure.next.is_empty());
        assert_eq!(
            begun(&bench).last().unwrap(),
            command,
            "the next one was not run"
        );
        only_the_first_serves(&bench);
        laws::hold(&bench, &process, "after the failure");
        // Mended, all run again.
        bench.world.state.lock().unwrap().begun.clear();
        behaves(&bench, command, Behaviour::Exits(0));
        assert!(deploy(&bench, &process, '3').await.live);
        assert_eq!(begun(&bench), [MIGRATE, "./warm"]);
    }
}

#[tokio::test(start_paused = true)]
async fn the_old_version_serves_while_commands_run_whatever_the_strategy() {
    for strategy in [Strategy::Swap, Strategy::Recreate] {
        let bench = bench(strategy);
        let process = bench.start();
        served(&bench, &process).await;
        until_runs(&bench, &process, "./warm").await;
        let first = image_of(sha('1').as_str());
        process.drive_for(Duration::from_secs(60)).await;
        {
            let mut state = bench.world.state.lock().unwrap();
            assert_eq!(state.answers("web.example"), Ok(first));
            assert_eq!(state.containers.len(), 2, "nothing of the new one is there");
            state.end_task("./warm", 0);
        }
        bench.world.changed.notify_waiters();
        process.drive().await;
        assert_eq!(begun(&bench), [MIGRATE, "./warm"]);
        let second = image_of(sha('2').as_str());
        assert_eq!(
            bench.world.state.lock().unwrap().answers("web.example"),
            Ok(second)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancel_ends_the_command_in_seconds_and_says_that_nothing_is_undone() {
    let bench = bench(Strategy::Recreate);
    let process = bench.start();
    served(&bench, &process).await;
    let made = until_runs(&bench, &process, MIGRATE).await;
    let cancel = Action::CancelDeployment(made.deployment.id.into());
    let (cancelled, ()) = tokio::join!(process.ask(cancel), async {
        let driven = tokio::time::timeout(Duration::from_secs(5), process.drive());
        driven.await.unwrap();
    });
    cancelled.unwrap();
    only_the_first_serves(&bench);
    assert_eq!(begun(&bench), [MIGRATE]);
    let log = process.log(made.deployment.id);
    assert!(log.contains("last words"), "read to the end: {log}");
    laws::hold(&bench, &process, "after the cancel");
}

#[tokio::test(start_paused = true)]
async fn a_cancel_in_the_same_life_tells_which_command_it_ended() {
    let bench = bench(Strategy::Recreate);
    let process = bench.start();
    behaves(&bench, MIGRATE, Behaviour::NeverReady);
    let made = process.deploy("web").await.unwrap();
    let cancel = async {
        loop {
            let changed = bench.world.changed.notified();
            if !begun(&bench).is_empty() {
                break;
            }
            changed.await;
        }
        let cancel = Action::CancelDeployment(made.deployment.id.into());
        process.ask(cancel).await.unwrap();
    };
    tokio::join!(cancel, process.drive());
    let log = process.log(made.deployment.id);
    let told = "Ending release command `./migrate --all`; what it already did is not undone";
    assert!(log.contains(told), "{log}");
    assert!(bench.world.state.lock().unwrap().containers.is_empty());
}

#[tokio::test(start_paused = true)]
async fn commands_have_the_time_of_the_rollout() {
    let bench = bench(Strategy::Recreate);
    let process = bench.start();
    served(&bench, &process).await;
    let made = until_runs(&bench, &process, MIGRATE).await;
    process.drive().await;
    let failure = failure(&process.view(made.deployment.id).await);
    assert_eq!(failure.code, FailureCode::DeadlineExceeded);
    assert!(
        failure
            .message
            .contains("release command `./migrate --all` was at work: it is ended"),
        "{failure:?}"
    );
    assert!(failure.output.contains(&"hello".to_owned()), "{failure:?}");
    only_the_first_serves(&bench);
    laws::hold(&bench, &process, "after the deadline");
}

#[tokio::test(start_paused = true)]
async fn a_command_that_runs_through_a_restart_is_followed_to_its_end() {
    for status in [0, 4] {
        let bench = bench(Strategy::Swap);
        let process = bench.start();
        served(&bench, &process).await;
        let made = until_runs(&bench, &process, MIGRATE).await;
        drop(process);
        let process = bench.start();
        process.drive_for(Duration::from_secs(20)).await;
        bench.world.change(|state| state.end_task(MIGRATE, status));
        process.drive().await;
        let view = process.view(made.deployment.id).await;
        let log = process.log(made.deployment.id);
        assert_eq!(log.matches("./migrate --all ends").count(), 1, "{log}");
        if status == 0 {
            assert!(view.live);
            assert_eq!(begun(&bench), [MIGRATE, "./warm"]);
        } else {
            let failure = failure(&view);
            assert_eq!(failure.code, FailureCode::ReleaseFailed);
            assert_eq!(failure.output[0], "hello", "also what an earlier life read");
            assert_eq!(failure.output.last().unwrap(), "./migrate --all ends");
            assert_eq!(begun(&bench), [MIGRATE]);
            only_the_first_serves(&bench);
        }
        laws::hold(&bench, &process, "at the end");
    }
}

/// What became of a command while nobody looked, and whether that is its end or only that it was cut off.
#[tokio::test(start_paused = true)]
async fn what_became_of_a_command_while_nobody_looked_is_found_out() {
    for (status, code) in [
        (Some(0), None),
        (Some(3), Some(FailureCode::ReleaseFailed)),
        (Some(255), Some(FailureCode::Interrupted)),
        (Some(137), Some(FailureCode::Interrupted)),
        (None, Some(FailureCode::Interrupted)),
    ] {
        let bench = bench(Strategy::Swap);
        let process = bench.start();
        let made = until_runs(&bench, &process, MIGRATE).await;
        drop(process);
        {
            let mut state = bench.world.state.lock().unwrap();
            match status {
                Some(status) => state.end_task(MIGRATE, status),
                None => {
                    let name = state.task(MIGRATE).unwrap().spec.name.clone();
                    state.containers.remove(&name);
                }
            }
        }
        let process = bench.start();
        process.drive().await;
        let view = process.view(made.deployment.id).await;
        match code {
            None => assert!(view.live, "{status:?}: {view:?}"),
            Some(code) => assert_eq!(failure(&view).code, code, "{status:?}"),
        }
        assert_eq!(
            begun(&bench).iter().filter(|one| *one == MIGRATE).count(),
            1
        );
        laws::hold(&bench, &process, "at the end");
    }
}

#[tokio::test(start_paused = true)]
async fn a_status_that_is_the_commands_own_is_no_interruption() {
    let bench = bench(Strategy::Swap);
    let process = bench.start();
    behaves(&bench, MIGRATE, Behaviour::NeverReady);
    let made = process.deploy("web").await.unwrap();
    let end = async {
        loop {
            let changed = bench.world.changed.notified();
            if !begun(&bench).is_empty() {
                break;
            }
            changed.await;
        }
        // Whoever followed it sees it run first.
        tokio::time::sleep(Duration::from_secs(1)).await;
        bench.world.change(|state| state.end_task(MIGRATE, 255));
    };
    tokio::join!(end, process.drive());
    let failure = failure(&process.view(made.deployment.id).await);
    assert_eq!(failure.code, FailureCode::ReleaseFailed);
    assert!(failure.message.contains("status 255"), "{failure:?}");
}

#[tokio::test(start_paused = true)]
async fn a_command_that_may_be_run_again_is_when_it_was_cut_off_and_only_then() {
    let mut app = app(Strategy::Swap);
    for spec in app.environments.values_mut() {
        spec.release[0].retry = true;
    }
    let bench = bench_of(app);
    let mut process = bench.start();
    let made = until_runs(&bench, &process, MIGRATE).await;
    for life in 1..=3 {
        drop(process);
        bench.world.change(|state| {
            let name = state.task(MIGRATE).unwrap().spec.name.clone();
            state.containers.remove(&name);
        });
        process = bench.start();
        let again = |state: &world::State| state.begun.len() > life;
        if life < 3 {
            process.drive_until(&bench.world, again).await;
        } else {
            process.drive().await;
        }
    }
    assert_eq!(begun(&bench), [MIGRATE, MIGRATE, MIGRATE]);
    let view = process.view(made.deployment.id).await;
    assert_eq!(failure(&view).code, FailureCode::Interrupted);
    laws::hold(&bench, &process, "at the end");

    bench.world.state.lock().unwrap().begun.clear();
    behaves(&bench, MIGRATE, Behaviour::Exits(2));
    let view = deploy(&bench, &process, '3').await;
    assert_eq!(failure(&view).code, FailureCode::ReleaseFailed);
    assert_eq!(begun(&bench), [MIGRATE], "it was not cut off: it failed");
}

#[tokio::test(start_paused = true)]
async fn a_start_that_is_carried_out_late_does_not_begin_the_command_twice() {
    let bench = bench(Strategy::Swap);
    let process = bench.start();
    bench.world.state.lock().unwrap().starts_lag = 1;
    let view = deploy(&bench, &process, '1').await;
    assert!(view.live, "{view:?}");
    assert_eq!(begun(&bench), [MIGRATE, "./warm"]);
}

#[tokio::test(start_paused = true)]
async fn whatever_call_the_engine_leaves_unanswered_each_command_begins_once() {
    let rehearsal = bench(Strategy::Swap);
    let process = rehearsal.start();
    served(&rehearsal, &process).await;
    rehearsal.world.state.lock().unwrap().engine_calls.clear();
    assert!(deploy(&rehearsal, &process, '2').await.live);
    let calls = rehearsal.world.state.lock().unwrap().engine_calls.len();
    for first in 0..calls {
        for done in [false, true] {
            let bench = bench(Strategy::Swap);
            let process = bench.start();
            served(&bench, &process).await;
            {
                let mut state = bench.world.state.lock().unwrap();
                state.engine_calls.clear();
                state.fault = Some(world::Fault {
                    first,
                    count: 1,
                    done,
                });
            }
            let view = deploy(&bench, &process, '2').await;
            assert!(view.live, "{first} {done}: {view:?}");
            assert_eq!(begun(&bench), [MIGRATE, "./warm"], "{first} {done}");
            laws::hold(&bench, &process, "at the end");
        }
    }
    println!("{calls} calls, each left unanswered, undone and done");
    assert!(calls > 20, "{calls}");
}

#[tokio::test(start_paused = true)]
async fn a_command_that_cannot_be_started_fails_with_the_engines_words() {
    let bench = bench(Strategy::Swap);
    let process = bench.start();
    served(&bench, &process).await;
    bench.world.state.lock().unwrap().refuses_tasks = true;
    let view = deploy(&bench, &process, '2').await;
    let failure = failure(&view);
    assert_eq!(failure.code, FailureCode::ReleaseFailed);
    assert_eq!(
        failure.message,
        "release command `./migrate --all` could not be started: the device is gone; nothing was switched"
    );
    only_the_first_serves(&bench);
}

#[tokio::test(start_paused = true)]
async fn what_brings_a_release_back_or_starts_it_anew_runs_no_release_commands() {
    let bench = bench(Strategy::Swap);
    let process = bench.start();
    served(&bench, &process).await;
    assert!(deploy(&bench, &process, '2').await.live);
    for target in [Target::Release(Some(1)), Target::Restart] {
        bench.world.state.lock().unwrap().begun.clear();
        let mut asked = create("web", Trigger::Manual);
        asked.target = target;
        assert!(deploy_as(&bench, &process, '2', asked).await.live);
        assert!(begun(&bench).is_empty(), "{:?}", begun(&bench));
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_is_not_there_is_refused_and_the_known_ones_are_named() {
    let bench = bench(Strategy::Swap);
    let process = bench.start();
    let asked = with_that_task(create("web", Trigger::Manual), "deploy:migrations");
    let refused = process.create(asked.clone()).await.map(drop);
    let expected = Error::UnknownTask {
        task: "deploy:migrations".into(),
        known: vec!["deploy".into(), "deploy:seed".into()],
    };
    assert_eq!(refused, Err(expected.clone()));
    let plan = process.ask(Action::PlanDeployment(asked)).await.map(drop);
    assert_eq!(plan, Err(expected));
    assert!(process.store.unfinished().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_removed_environment_takes_the_command_that_runs_with_it() {
    let bench = bench(Strategy::Swap);
    let process = bench.start();
    served(&bench, &process).await;
    until_runs(&bench, &process, MIGRATE).await;
    let change = process.change("web", Change::Remove { volumes: false }, false);
    change.await.unwrap();
    process.drive().await;
    assert!(bench.world.state.lock().unwrap().containers.is_empty());
    assert_eq!(begun(&bench), [MIGRATE]);
}

// ---------------------------------------------------------------------------------------------------------------
// The payload.

fn with_payload(place: PayloadPlace) -> Bench {
    let mut app = world::with_workers(app(Strategy::Swap), &["worker"]);
    for spec in app.environments.values_mut() {
        spec.run.payload = Some(place.clone());
    }
    bench_of(app)
}

fn bringing(payload: &str) -> CreateDeployment {
    let mut asked = create("web", Trigger::Manual);
    asked.particulars.payload = Some(payload.to_owned());
    asked
}

/// What a container finds.
fn found(spec: &ContainerSpec, place: &PayloadPlace) -> Option<String> {
    match place {
        PayloadPlace::Env(name) => {
            let mut own = spec.env.iter().filter(|(own, _)| own == name);
            let value = own.next().map(|(_, value)| value.expose().to_owned());
            assert!(own.next().is_none() && spec.files.is_empty());
            value
        }
        PayloadPlace::File(path) => {
            let expected = |file: &FileInside| file.path == *path;
            spec.files
                .iter()
                .find(|file| expected(file))
                .map(|file| file.content.clone())
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_payload_is_in_every_container_of_its_release_also_when_that_comes_back() {
    let file = PayloadPlace::File("/run/deploy/payload.json".into());
    for place in [
        PayloadPlace::Env(VariableName::parse("PAYLOAD").unwrap()),
        file,
    ] {
        let bench = with_payload(place.clone());
        let process = bench.start();
        let all = |what: &str, payload: &str| {
            let state = bench.world.state.lock().unwrap();
            assert!(!state.containers.is_empty());
            for made in state.containers.values() {
                let role = &made.spec.labels.role;
                assert_eq!(
                    found(&made.spec, &place).as_deref(),
                    Some(payload),
                    "{what}: {role}"
                );
            }
        };
        let first = r#"{"user":"ann"}"#;
        deploy_as(&bench, &process, '1', bringing(first)).await;
        all("deployed", first);
        deploy(&bench, &process, '2').await;
        all("brought nothing", "{}");
        let mut back = create("web", Trigger::Manual);
        back.target = Target::Release(Some(1));
        deploy_as(&bench, &process, '2', back).await;
        all("brought back", first);
        let mut again = create("web", Trigger::Manual);
        again.target = Target::Restart;
        assert!(deploy_as(&bench, &process, '2', again).await.live);
        all("restarted", first);
        // Somebody removes one: it is made again as it was.
        let name = bench.world.running()[0].clone();
        bench
            .world
            .tell(EngineEvent::Removed(name.clone()), |state| {
                state.containers.remove(&name);
            });
        process.drive_for(Duration::from_secs(60)).await;
        assert_eq!(bench.world.running().len(), 2);
        all("made again", first);
        // Commands have it, too.
        behaves(&bench, MIGRATE, Behaviour::NeverReady);
        process.create(bringing("[1]")).await.unwrap();
        process
            .drive_until(&bench.world, |state| state.task(MIGRATE).is_some())
            .await;
        let state = bench.world.state.lock().unwrap();
        let spec = &state.task(MIGRATE).unwrap().spec;
        assert_eq!(found(spec, &place).as_deref(), Some("[1]"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_payload_that_does_not_fit_into_a_variable_is_refused() {
    let longest = format!("\"{}\"", "x".repeat(LONGEST_IN_VARIABLE - 2));
    let bench = with_payload(PayloadPlace::Env(VariableName::parse("PAYLOAD").unwrap()));
    let process = bench.start();
    assert!(process.create(bringing(&longest)).await.is_ok());
    let refused = process.create(bringing(&format!("{longest} "))).await;
    match refused.map(drop) {
        Err(Error::Invalid {
            field: "payload",
            message,
        }) => {
            assert!(
                message.contains("PAYLOAD") && message.contains("file"),
                "{message}"
            );
        }
        other => panic!("{other:?}"),
    }
    let bench = with_payload(PayloadPlace::File("/payload.json".into()));
    let process = bench.start();
    assert!(
        process
            .create(bringing(&format!("{longest} ")))
            .await
            .is_ok()
    );
}

#[tokio::test(start_paused = true)]
async fn what_a_command_was_given_stays_hidden_when_a_later_process_reads_what_it_prints() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("password");
    std::fs::write(&file, "hunter22hunter22").unwrap();
    let mut app = app(Strategy::Swap);
    for spec in app.environments.values_mut() {
        let name = VariableName::parse("PASSWORD").unwrap();
        let source = SecretSource::Host(SecretRef::File(file.clone()));
        spec.run.secrets.insert(name, source);
    }
    let bench = bench_of(app);
    let process = bench.start();
    served(&bench, &process).await;
    let made = until_runs(&bench, &process, MIGRATE).await;
    drop(process);
    std::fs::write(&file, "another-password").unwrap();
    let process = bench.start();
    bench.world.change(|state| {
        let mut all = state.containers.values_mut();
        let task = all.find(|made| made.spec.command.join(" ") == MIGRATE);
        let line = "cannot log in with hunter22hunter22".to_owned();
        task.unwrap().printed.push(line);
        state.end_task(MIGRATE, 4);
    });
    process.drive().await;
    let log = process.log(made.deployment.id);
    let failure = failure(&process.view(made.deployment.id).await);
    assert!(
        log.contains("cannot log in with") && !log.contains("hunter22"),
        "{log}"
    );
    let said = format!("{} {:?}", failure.message, failure.output);
    assert!(
        said.contains("cannot log in with") && !said.contains("hunter22"),
        "{said}"
    );
}

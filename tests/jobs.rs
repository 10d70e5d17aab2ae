//! Jobs: what runs with deployments and changes of their environments, and by itself; never twice unless it may be, whatever
//! ends in between.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "support/laws.rs"]
mod laws;
#[path = "support/world.rs"]
#[expect(dead_code, reason = "another test file uses the rest")]
mod world;

use longshore::core::action::{
    Action, AppRef, ChangeView, CreateDeployment, Deletion, DeploymentView, ListRuns, ReadLog,
    Reply, RunJob, RunView, Target,
};
use longshore::core::app::App;
use longshore::core::change::{Change, ChangePhase};
use longshore::core::deployment::{Phase, Trigger};
use longshore::core::error::Error;
use longshore::core::failure::FailureCode;
use longshore::core::id::{EnvironmentSerial, RunSerial};
use longshore::core::job::{JobCommand, JobEvent, JobSpec, Missed, Occasion, Overlap, Schedule};
use longshore::core::name::AppName;
use longshore::core::ports::ContainerState;
use longshore::core::run::{Cancellation, Cause, RunPhase};
use longshore::core::schedule::{Cron, Zone};
use longshore::core::time::Timestamp;
use longshore::store::{NewRun, RunTaken};
use std::collections::BTreeMap;
use std::time::Duration;
use uuid::Uuid;
use world::{Behaviour, Bench, Process, State, create, git_app, image_app, sha};

const START: &str = "./seed --once";
const STOP: &str = "./drain";
const DELETE: &str = "./archive";
const CRON: &str = "./nightly";

fn with(occasion: Occasion, change: impl FnOnce(&mut JobSpec)) -> App {
    let mut app = image_app("job", "tool:1");
    let mut job = JobSpec {
        occasion,
        overlap: Overlap::Forbid,
        max_duration: Duration::from_secs(3600),
        retries: 0,
        keep_runs: 100,
    };
    change(&mut job);
    for spec in app.environments.values_mut() {
        spec.run.port = None;
        spec.run.command = CRON.split(' ').map(str::to_owned).collect();
        spec.job = Some(job.clone());
    }
    app
}

fn lifecycle(events: &[(JobEvent, &str)]) -> Occasion {
    let command = |words: &str| JobCommand {
        entrypoint: vec![],
        command: words.split(' ').map(str::to_owned).collect(),
    };
    Occasion::Lifecycle(
        events
            .iter()
            .map(|(event, words)| (*event, command(words)))
            .collect::<BTreeMap<_, _>>(),
    )
}

fn whole_life() -> Occasion {
    lifecycle(&[
        (JobEvent::Start, START),
        (JobEvent::Stop, STOP),
        (JobEvent::Delete, DELETE),
    ])
}

fn scheduled() -> Occasion {
    Occasion::Scheduled(Schedule {
        cron: Cron::parse("0 3 * * *").unwrap(),
        time_zone: Zone::utc(),
        missed: Missed::Skip,
    })
}

fn bench(occasion: Occasion, change: impl FnOnce(&mut JobSpec)) -> Bench {
    Bench::new(vec![with(occasion, change)])
}

fn behaves(bench: &Bench, command: &str, behaviour: Behaviour) {
    let mut state = bench.world.state.lock().unwrap();
    state.behaviours.insert(command.to_owned(), behaviour);
}

fn begun(bench: &Bench) -> Vec<String> {
    bench.world.state.lock().unwrap().begun.clone()
}

fn at_work(command: &str) -> impl Fn(&State) -> bool + use<'_> {
    move |state| {
        let task = state.task(command);
        task.is_some_and(|made| matches!(made.state, ContainerState::Running { .. }))
    }
}

fn app() -> AppRef {
    AppRef::Name(AppName::parse("job").unwrap())
}

async fn deploy(process: &Process) -> DeploymentView {
    deploy_as(process, create("job", Trigger::Manual)).await
}

async fn deploy_as(process: &Process, asked: CreateDeployment) -> DeploymentView {
    let made = process.create(asked).await.unwrap();
    process.drive().await;
    process.view(made.deployment.id).await
}

/// A release that is live, and what was begun for it forgotten.
async fn live(bench: &Bench, process: &Process) {
    let view = deploy(process).await;
    assert!(view.live, "{view:?}");
    bench.world.state.lock().unwrap().begun.clear();
}

async fn by_hand(process: &Process, event: Option<JobEvent>) -> Result<RunView, Error> {
    let asked = RunJob {
        app: app(),
        environment: None,
        event,
        key: None,
    };
    match process.ask(Action::RunJob(asked)).await? {
        Reply::Run(view) => Ok(*view),
        other => panic!("{other:?}"),
    }
}

/// The runs, the newest first.
async fn runs(process: &Process) -> Vec<RunView> {
    let list = ListRuns {
        app: app(),
        environment: None,
        limit: 100,
        offset: 0,
    };
    match process.ask(Action::ListRuns(list)).await.unwrap() {
        Reply::Runs { items, total } => {
            assert_eq!(items.len() as u64, total);
            items
        }
        other => panic!("{other:?}"),
    }
}

async fn run(process: &Process, id: Uuid) -> RunView {
    match process.ask(Action::GetRun(id)).await.unwrap() {
        Reply::Run(view) => *view,
        other => panic!("{other:?}"),
    }
}

async fn log(process: &Process, id: Uuid) -> (String, bool) {
    let read = ReadLog {
        deployment: id,
        from: 0,
        limit: 1 << 20,
        wait: false,
    };
    let page = match process.ask(Action::ReadLog(read.clone())).await.unwrap() {
        Reply::Log(page) => page,
        other => panic!("{other:?}"),
    };
    let end = ReadLog {
        from: page.next,
        ..read
    };
    match process.ask(Action::ReadLog(end)).await.unwrap() {
        Reply::Log(rest) => (page.text, rest.complete),
        other => panic!("{other:?}"),
    }
}

/// What a run failed with.
fn failed(view: &RunView) -> (FailureCode, Option<i64>) {
    match &view.run.phase {
        RunPhase::Failed {
            failure, status, ..
        } => (failure.code, *status),
        other => panic!("{other:?}"),
    }
}

fn words(views: &[RunView]) -> Vec<(&'static str, &'static str)> {
    views
        .iter()
        .map(|view| (view.run.event.as_str(), view.run.phase.as_str()))
        .collect()
}

// ---------------------------------------------------------------------------------------------------------------
// With deployments.

#[tokio::test(start_paused = true)]
async fn a_deployment_runs_on_start_once_and_then_its_release_is_live_without_a_container() {
    let bench = bench(whole_life(), |_| {});
    let process = bench.start();
    let view = deploy(&process).await;
    assert!(view.live, "{view:?}");
    assert_eq!(begun(&bench), [START]);
    laws::hold(&bench, &process, "after the deployment");
    let all = runs(&process).await;
    assert_eq!(words(&all), [("start", "succeeded")]);
    let own = &all[0];
    assert_eq!(own.run.cause, Cause::Deployment(view.deployment.serial));
    assert_eq!((own.attempts, own.log), (1, view.deployment.id));
    assert_eq!(own.run.phase.exit_status(), Some(0));
    // Its log is the deployment's, under either id.
    let (text, complete) = log(&process, own.run.id).await;
    assert!(complete && text.contains("hello"), "{text}");
    assert!(text.contains("Running on_start `./seed --once`"), "{text}");
    assert_eq!(text, log(&process, view.deployment.id).await.0);
    assert!(bench.world.state.lock().unwrap().containers.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_deployment_whose_on_start_fails_leaves_the_earlier_release_live() {
    let bench = bench(whole_life(), |_| {});
    let process = bench.start();
    live(&bench, &process).await;
    behaves(&bench, START, Behaviour::Exits(3));
    let view = deploy(&process).await;
    let Phase::Failed { failure, .. } = &view.deployment.phase else {
        panic!("{view:?}");
    };
    assert_eq!(failure.code, FailureCode::JobFailed);
    assert_eq!(
        failure.message,
        "on_start `./seed --once` ended with status 3"
    );
    assert!(failure.output.contains(&"hello".to_owned()), "{failure:?}");
    let all = runs(&process).await;
    assert_eq!(words(&all), [("start", "failed"), ("start", "succeeded")]);
    assert_eq!(failed(&all[0]), (FailureCode::JobFailed, Some(3)));
    let live = process.store.live(EnvironmentSerial(1)).unwrap().unwrap();
    assert_eq!(live.release.number, 1);
    laws::hold(&bench, &process, "after the failure");
}

#[tokio::test(start_paused = true)]
async fn a_rollback_and_a_restart_run_on_start_too() {
    let bench = bench(whole_life(), |_| {});
    let process = bench.start();
    live(&bench, &process).await;
    deploy(&process).await;
    for target in [Target::Release(Some(1)), Target::Restart] {
        bench.world.state.lock().unwrap().begun.clear();
        let mut asked = create("job", Trigger::Manual);
        asked.target = target;
        assert!(deploy_as(&process, asked).await.live);
        assert_eq!(begun(&bench), [START]);
    }
    laws::hold(&bench, &process, "at the end");
}

#[tokio::test(start_paused = true)]
async fn a_deployment_of_a_scheduled_job_runs_nothing_unless_it_is_asked_for() {
    let bench = bench(scheduled(), |_| {});
    let process = bench.start();
    live(&bench, &process).await;
    assert!(runs(&process).await.is_empty());
    let mut asked = create("job", Trigger::Manual);
    asked.event = Some(JobEvent::Cron);
    assert!(deploy_as(&process, asked).await.live);
    assert_eq!(begun(&bench), [CRON]);
    assert_eq!(words(&runs(&process).await), [("cron", "succeeded")]);
    // One that the job does not have is refused, and nothing is made.
    let mut asked = create("job", Trigger::Manual);
    asked.event = Some(JobEvent::Stop);
    let refused = process.create(asked).await.map(drop);
    assert_eq!(
        refused,
        Err(Error::NoSuchEvent {
            app: "job".into(),
            event: "stop".into(),
            known: "cron".into()
        })
    );
    assert!(process.store.unfinished().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_forced_event_is_run_instead_of_on_start() {
    let bench = bench(whole_life(), |_| {});
    let process = bench.start();
    let mut asked = create("job", Trigger::Manual);
    asked.event = Some(JobEvent::Delete);
    assert!(deploy_as(&process, asked).await.live);
    assert_eq!(begun(&bench), [DELETE]);
    assert_eq!(words(&runs(&process).await), [("delete", "succeeded")]);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_deployment_ends_its_run_in_seconds() {
    for of_the_run in [false, true] {
        let bench = bench(whole_life(), |_| {});
        let process = bench.start();
        behaves(&bench, START, Behaviour::NeverReady);
        let made = process.deploy("job").await.unwrap();
        process.drive_until(&bench.world, at_work(START)).await;
        let run = runs(&process).await.remove(0);
        let cancel = match of_the_run {
            false => Action::CancelDeployment(made.deployment.id.into()),
            true => Action::CancelRun(run.run.id),
        };
        process.ask(cancel).await.unwrap();
        let driven = tokio::time::timeout(Duration::from_secs(10), process.drive());
        driven.await.unwrap();
        let view = process.view(made.deployment.id).await;
        assert!(matches!(view.deployment.phase, Phase::Cancelled { .. }));
        let all = runs(&process).await;
        match &all[0].run.phase {
            RunPhase::Cancelled { why, .. } => assert_eq!(*why, Cancellation::WithDeployment),
            other => panic!("{other:?}"),
        }
        laws::hold(&bench, &process, "after the cancel");
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_has_its_own_time_beside_the_rollouts_and_is_killed_when_it_is_over() {
    let bench = bench(whole_life(), |job| {
        job.retries = 3;
        job.max_duration = Duration::from_secs(1800);
    });
    let process = bench.start();
    behaves(&bench, START, Behaviour::NeverReady);
    let made = process.deploy("job").await.unwrap();
    // The rollout has ten minutes.
    process.drive_for(Duration::from_secs(1700)).await;
    assert!(at_work(START)(&bench.world.state.lock().unwrap()));
    process.drive_for(Duration::from_secs(200)).await;
    let view = process.view(made.deployment.id).await;
    let Phase::Failed { failure, .. } = &view.deployment.phase else {
        panic!("{view:?}");
    };
    assert_eq!(failure.code, FailureCode::DeadlineExceeded);
    assert!(
        failure
            .message
            .contains("longer than its max_duration of 30m"),
        "{failure:?}"
    );
    assert_eq!(begun(&bench), [START], "there is no retry");
    assert_eq!(
        failed(&runs(&process).await[0]),
        (FailureCode::DeadlineExceeded, None)
    );
    laws::hold(&bench, &process, "after the deadline");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_takes_long_keeps_no_other_app_from_deploying() {
    let mut bench = bench(whole_life(), |_| {});
    bench.apps.push(image_app("web", "nginx:1"));
    bench.max_concurrent = 1;
    let process = bench.start();
    behaves(&bench, START, Behaviour::NeverReady);
    process.deploy("job").await.unwrap();
    process.drive_until(&bench.world, at_work(START)).await;
    for _ in 0..2 {
        let web = process.deploy("web").await.unwrap();
        process.drive_for(Duration::from_secs(60)).await;
        assert!(process.view(web.deployment.id).await.live);
    }
    bench.world.change(|state| state.end_task(START, 0));
    process.drive().await;
    assert_eq!(begun(&bench), [START]);
    laws::hold(&bench, &process, "at the end");
}

// ---------------------------------------------------------------------------------------------------------------
// By itself.

#[tokio::test(start_paused = true)]
async fn a_run_by_hand_runs_what_is_live_and_has_a_log_of_its_own() {
    for (occasion, event, command) in [
        (scheduled(), JobEvent::Cron, CRON),
        (whole_life(), JobEvent::Start, START),
    ] {
        let bench = bench(occasion, |_| {});
        let process = bench.start();
        live(&bench, &process).await;
        let made = by_hand(&process, None).await.unwrap();
        assert_eq!((made.run.event, made.run.cause), (event, Cause::Hand));
        assert_eq!(made.run.phase, RunPhase::Queued);
        process.drive().await;
        let view = run(&process, made.run.id).await;
        assert_eq!(view.run.phase.exit_status(), Some(0));
        assert_eq!((view.attempts, view.log), (1, made.run.id));
        assert!(view.began_at.is_some());
        assert_eq!(begun(&bench), [command]);
        let (text, complete) = log(&process, made.run.id).await;
        assert!(complete && text.contains("hello"), "{text}");
        assert_eq!(text.matches("hello").count(), 1, "{text}");
        assert!(text.contains("Removing container"), "{text}");
        let (deployments, _) = log(&process, deployment(&process).await).await;
        let own = usize::from(event == JobEvent::Start);
        let removals = deployments.matches("Removing container").count();
        assert_eq!(removals, own, "{deployments}");
        laws::hold(&bench, &process, "after the run");
    }
}

/// The id of the newest deployment.
async fn deployment(process: &Process) -> Uuid {
    let live = process.store.live(EnvironmentSerial(1)).unwrap().unwrap();
    process.store.deployment(live.deployment).unwrap().id
}

#[tokio::test(start_paused = true)]
async fn a_run_that_fails_shows_its_status_and_is_tried_again_as_often_as_it_may() {
    for (retries, attempts) in [(0, 1), (2, 3)] {
        let bench = bench(scheduled(), |job| job.retries = retries);
        let process = bench.start();
        live(&bench, &process).await;
        behaves(&bench, CRON, Behaviour::Exits(4));
        let made = by_hand(&process, None).await.unwrap();
        process.drive().await;
        let view = run(&process, made.run.id).await;
        assert_eq!(failed(&view), (FailureCode::JobFailed, Some(4)));
        assert_eq!(view.attempts, attempts);
        assert_eq!(begun(&bench).len(), attempts as usize);
        let (text, _) = log(&process, made.run.id).await;
        assert!(
            text.contains("status 4") && text.contains("job_failed"),
            "{text}"
        );
        laws::hold(&bench, &process, "after the run");
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_goes_well_makes_the_run_a_success() {
    let bench = bench(scheduled(), |job| job.retries = 1);
    let process = bench.start();
    live(&bench, &process).await;
    behaves(&bench, CRON, Behaviour::NeverReady);
    let made = by_hand(&process, None).await.unwrap();
    process.drive_until(&bench.world, at_work(CRON)).await;
    bench.world.change(|state| {
        state.end_task(CRON, 1);
        state.behaviours.insert(CRON.into(), Behaviour::Exits(0));
    });
    process.drive().await;
    let view = run(&process, made.run.id).await;
    assert_eq!((view.run.phase.as_str(), view.attempts), ("succeeded", 2));
    laws::hold(&bench, &process, "at the end");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_takes_too_long_is_killed_with_no_retry_and_a_restart_does_not_give_it_more_time()
 {
    let bench = bench(scheduled(), |job| {
        job.retries = 5;
        job.max_duration = Duration::from_secs(600);
    });
    let process = bench.start();
    live(&bench, &process).await;
    behaves(&bench, CRON, Behaviour::NeverReady);
    let made = by_hand(&process, None).await.unwrap();
    process.drive_for(Duration::from_secs(400)).await;
    drop(process);
    let process = bench.start();
    process.drive_for(Duration::from_secs(150)).await;
    assert!(at_work(CRON)(&bench.world.state.lock().unwrap()));
    process.drive_for(Duration::from_secs(70)).await;
    let view = run(&process, made.run.id).await;
    assert_eq!(failed(&view), (FailureCode::DeadlineExceeded, None));
    assert_eq!(begun(&bench), [CRON]);
    let (text, complete) = log(&process, made.run.id).await;
    assert!(complete && text.contains("last words"), "{text}");
    laws::hold(&bench, &process, "after the kill");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_was_cut_off_runs_again_only_if_it_may() {
    for retries in [0, 1] {
        let bench = bench(scheduled(), |job| job.retries = retries);
        let process = bench.start();
        live(&bench, &process).await;
        behaves(&bench, CRON, Behaviour::NeverReady);
        let made = by_hand(&process, None).await.unwrap();
        process.drive_until(&bench.world, at_work(CRON)).await;
        drop(process);
        bench.world.change(|state| {
            let name = state.task(CRON).unwrap().spec.name.clone();
            state.containers.remove(&name);
            state.behaviours.insert(CRON.into(), Behaviour::Exits(0));
        });
        let process = bench.start();
        process.drive().await;
        let view = run(&process, made.run.id).await;
        match retries {
            0 => {
                assert_eq!(failed(&view), (FailureCode::Interrupted, None));
                assert_eq!(begun(&bench), [CRON]);
            }
            _ => {
                assert_eq!(view.run.phase.exit_status(), Some(0));
                assert_eq!(begun(&bench), [CRON, CRON]);
            }
        }
        laws::hold(&bench, &process, "at the end");
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_goes_on_through_a_restart_and_its_end_is_read_also_where_nobody_looked() {
    for status in [0, 7] {
        for meanwhile in [false, true] {
            let bench = bench(scheduled(), |_| {});
            let process = bench.start();
            live(&bench, &process).await;
            behaves(&bench, CRON, Behaviour::NeverReady);
            let made = by_hand(&process, None).await.unwrap();
            process.drive_until(&bench.world, at_work(CRON)).await;
            drop(process);
            if meanwhile {
                bench.world.change(|state| state.end_task(CRON, status));
            }
            let process = bench.start();
            if !meanwhile {
                process.drive_for(Duration::from_secs(20)).await;
                bench.world.change(|state| state.end_task(CRON, status));
            }
            process.drive().await;
            let view = run(&process, made.run.id).await;
            assert_eq!(view.run.phase.exit_status(), Some(status));
            assert_eq!(begun(&bench), [CRON]);
            let (text, _) = log(&process, made.run.id).await;
            assert_eq!(text.matches("./nightly ends").count(), 1, "{text}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_run_is_gone_in_seconds() {
    let bench = bench(scheduled(), |_| {});
    let process = bench.start();
    live(&bench, &process).await;
    behaves(&bench, CRON, Behaviour::NeverReady);
    let made = by_hand(&process, None).await.unwrap();
    process.drive_until(&bench.world, at_work(CRON)).await;
    let cancel = Action::CancelRun(made.run.id);
    let (cancelled, ()) = tokio::join!(process.ask(cancel.clone()), async {
        let driven = tokio::time::timeout(Duration::from_secs(10), process.drive());
        driven.await.unwrap();
    });
    cancelled.unwrap();
    let view = run(&process, made.run.id).await;
    let by = process.caller.principal.serial;
    match view.run.phase {
        RunPhase::Cancelled { why, .. } => assert_eq!(why, Cancellation::By(by)),
        other => panic!("{other:?}"),
    }
    laws::hold(&bench, &process, "after the cancel");
    // Again it is the same; one that ended otherwise is refused.
    assert!(process.ask(cancel).await.is_ok());
    behaves(&bench, CRON, Behaviour::Exits(0));
    let made = by_hand(&process, None).await.unwrap();
    process.drive().await;
    let refused = process.ask(Action::CancelRun(made.run.id)).await.map(drop);
    assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_run_is_refused_and_nothing_is_written() {
    let bench = bench(whole_life(), |_| {});
    let process = bench.start();
    let nothing = by_hand(&process, None).await.map(drop);
    assert!(matches!(nothing, Err(Error::Refused(_))), "{nothing:?}");
    live(&bench, &process).await;
    let unknown = by_hand(&process, Some(JobEvent::Cron)).await.map(drop);
    assert_eq!(
        unknown,
        Err(Error::NoSuchEvent {
            app: "job".into(),
            event: "cron".into(),
            known: "start, stop, delete".into()
        })
    );
    process.change("job", Change::Stop, false).await.unwrap();
    let stopping = by_hand(&process, None).await.map(drop);
    assert!(matches!(stopping, Err(Error::Refused(_))), "{stopping:?}");
    process.drive().await;
    let stopped = by_hand(&process, None).await.map(drop);
    assert!(matches!(stopped, Err(Error::Refused(_))), "{stopped:?}");
    assert_eq!(
        words(&runs(&process).await),
        [("stop", "succeeded"), ("start", "succeeded")]
    );
    let service = Bench::new(vec![image_app("job", "nginx:1")]);
    let process = service.start();
    deploy(&process).await;
    let refused = by_hand(&process, None).await.map(drop);
    assert_eq!(refused, Err(Error::NotAJob { app: "job".into() }));
}

#[tokio::test(start_paused = true)]
async fn the_same_request_with_its_key_makes_one_run() {
    use longshore::core::action::RequestKey;
    let bench = bench(scheduled(), |_| {});
    let process = bench.start();
    live(&bench, &process).await;
    let asked = |digest| RunJob {
        app: app(),
        environment: None,
        event: None,
        key: Some(RequestKey {
            key: "k".into(),
            digest: vec![digest],
        }),
    };
    let mut ids = Vec::new();
    for _ in 0..2 {
        match process.ask(Action::RunJob(asked(1))).await.unwrap() {
            Reply::Run(view) => ids.push(view.run.id),
            other => panic!("{other:?}"),
        }
        process.drive().await;
    }
    assert_eq!(ids[0], ids[1]);
    assert_eq!(begun(&bench), [CRON]);
    let other = process.ask(Action::RunJob(asked(2))).await.map(drop);
    assert_eq!(other, Err(Error::KeyReused));
}

// ---------------------------------------------------------------------------------------------------------------
// While another is at work.

/// What the scheduler asks for.
fn due(process: &Process, at: i64, overlap: Overlap) -> RunTaken {
    let new = NewRun {
        id: Uuid::from_u128(u128::try_from(at).unwrap()),
        environment: EnvironmentSerial(1),
        event: Some(JobEvent::Cron),
        cause: Cause::Schedule(Timestamp(at)),
        by: process.caller.principal.serial,
        overlap,
        key: None,
    };
    let now = process.agent.now();
    process
        .store
        .intend_run(&new, Some(Timestamp(at)), now)
        .unwrap()
}

/// A run that is at work and does not end by itself.
async fn one_at_work(bench: &Bench, process: &Process) -> RunView {
    live(bench, process).await;
    behaves(bench, CRON, Behaviour::NeverReady);
    let made = by_hand(process, None).await.unwrap();
    process.drive_until(&bench.world, at_work(CRON)).await;
    made
}

#[tokio::test(start_paused = true)]
async fn where_overlap_is_forbidden_a_run_by_hand_is_refused_and_one_by_schedule_is_skipped() {
    let bench = bench(scheduled(), |_| {});
    let process = bench.start();
    let first = one_at_work(&bench, &process).await;
    let refused = by_hand(&process, None).await.map(drop);
    let number = first.run.number;
    assert_eq!(refused, Err(Error::RunAtWork { number }));
    let RunTaken::Skipped(skipped) = due(&process, 5000, Overlap::Forbid) else {
        panic!("not skipped");
    };
    assert_eq!(skipped.phase.as_str(), "skipped");
    // Once for one time.
    assert_eq!(
        due(&process, 5000, Overlap::Forbid),
        RunTaken::Known(skipped)
    );
    let seen = process.store.schedule_seen(EnvironmentSerial(1)).unwrap();
    assert_eq!(seen, Some(Timestamp(5000)));
    bench.world.change(|state| state.end_task(CRON, 0));
    process.drive().await;
    assert_eq!(
        words(&runs(&process).await),
        [("cron", "skipped"), ("cron", "succeeded")]
    );
    assert_eq!(begun(&bench), [CRON]);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_replaces_another_begins_when_that_is_gone() {
    let bench = bench(scheduled(), |job| job.overlap = Overlap::Replace);
    let process = bench.start();
    let first = one_at_work(&bench, &process).await;
    let second = by_hand(&process, None).await.unwrap();
    // Never are two there.
    let gone = async |process: &Process| {
        let two = |state: &State| {
            let tasks = state.containers.values();
            tasks.filter(|made| made.spec.labels.role == "run").count() > 1
        };
        tokio::select! {
            () = process.drive_until(&bench.world, two) => panic!("two at once"),
            () = tokio::time::sleep(Duration::from_secs(60)) => {}
        }
    };
    gone(&process).await;
    bench.world.change(|state| state.end_task(CRON, 0));
    process.drive().await;
    assert_eq!(begun(&bench), [CRON, CRON]);
    match run(&process, first.run.id).await.run.phase {
        RunPhase::Cancelled { why, .. } => {
            assert_eq!(why, Cancellation::ReplacedBy(second.run.serial));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(
        run(&process, second.run.id).await.run.phase.exit_status(),
        Some(0)
    );
    laws::hold(&bench, &process, "at the end");
}

#[tokio::test(start_paused = true)]
async fn runs_that_may_overlap_run_beside_each_other() {
    let bench = bench(scheduled(), |job| job.overlap = Overlap::Allow);
    let process = bench.start();
    one_at_work(&bench, &process).await;
    by_hand(&process, None).await.unwrap();
    process
        .drive_until(&bench.world, |state| state.begun.len() == 2)
        .await;
    assert_eq!(bench.world.running().len(), 2);
    for _ in 0..2 {
        bench.world.change(|state| {
            let runs =
                |made: &&mut world::Made| matches!(made.state, ContainerState::Running { .. });
            let made = state.containers.values_mut().find(runs).unwrap();
            made.state = ContainerState::Exited {
                code: 0,
                out_of_memory: false,
                error: None,
            };
        });
    }
    process.drive().await;
    assert_eq!(
        words(&runs(&process).await),
        [("cron", "succeeded"), ("cron", "succeeded")]
    );
}

/// A lifecycle job with a run by hand that does not end by itself, and a deployment after it.
async fn deployed_beside(bench: &Bench, process: &Process) -> (RunView, DeploymentView) {
    live(bench, process).await;
    behaves(bench, STOP, Behaviour::NeverReady);
    let first = by_hand(process, Some(JobEvent::Stop)).await.unwrap();
    process.drive_until(&bench.world, at_work(STOP)).await;
    let made = process.deploy("job").await.unwrap();
    process.drive_for(Duration::from_secs(60)).await;
    (first, process.view(made.deployment.id).await)
}

#[tokio::test(start_paused = true)]
async fn a_deployment_with_a_run_of_its_own_waits_in_the_queue_for_runs_that_stand_alone() {
    let bench = bench(whole_life(), |_| {});
    let process = bench.start();
    let (_, waiting) = deployed_beside(&bench, &process).await;
    assert_eq!(waiting.deployment.phase, Phase::Queued);
    // It can be cancelled meanwhile, and another waits.
    let cancel = Action::CancelDeployment(waiting.deployment.id.into());
    process.ask(cancel).await.unwrap();
    let second = process.deploy("job").await.unwrap();
    process.drive_for(Duration::from_secs(5)).await;
    bench.world.change(|state| state.end_task(STOP, 0));
    process.drive().await;
    assert!(process.view(second.deployment.id).await.live);
    assert_eq!(begun(&bench), [STOP, START]);
    laws::hold(&bench, &process, "at the end");
}

#[tokio::test(start_paused = true)]
async fn a_deployment_replaces_runs_that_stand_alone_or_goes_on_beside_them() {
    let bench_of = |overlap| bench(whole_life(), |job| job.overlap = overlap);
    let bench = bench_of(Overlap::Replace);
    let process = bench.start();
    let (first, view) = deployed_beside(&bench, &process).await;
    assert!(view.live, "{view:?}");
    let first = run(&process, first.run.id).await;
    assert_eq!(first.run.phase.as_str(), "cancelled");
    assert_eq!(begun(&bench), [STOP, START]);
    laws::hold(&bench, &process, "replaced");

    let bench = bench_of(Overlap::Allow);
    let process = bench.start();
    let (first, view) = deployed_beside(&bench, &process).await;
    assert!(view.live, "{view:?}");
    bench.world.change(|state| state.end_task(STOP, 0));
    process.drive().await;
    let first = run(&process, first.run.id).await;
    assert_eq!(first.run.phase.as_str(), "succeeded");
    laws::hold(&bench, &process, "beside each other");
}

#[tokio::test(start_paused = true)]
async fn a_deployment_that_still_builds_ends_nobodys_run() {
    let mut app = with(whole_life(), |job| job.overlap = Overlap::Replace);
    let git = git_app("job").environments.into_values().next().unwrap();
    for spec in app.environments.values_mut() {
        spec.source = git.source.clone();
    }
    let bench = Bench::new(vec![app]);
    bench.world.state.lock().unwrap().head = Some(sha('1'));
    let process = bench.start();
    live(&bench, &process).await;
    behaves(&bench, STOP, Behaviour::NeverReady);
    let alone = by_hand(&process, Some(JobEvent::Stop)).await.unwrap();
    process.drive_until(&bench.world, at_work(STOP)).await;
    bench.world.change(|state| {
        state.head = Some(sha('2'));
        state.builds_hang = true;
    });
    let made = process.deploy("job").await.unwrap();
    process.drive_for(Duration::from_secs(60)).await;
    assert_eq!(bench.world.state.lock().unwrap().builds_now, 0);
    let of = |view: RunView| view.run.phase;
    assert_eq!(of(run(&process, alone.run.id).await), RunPhase::Running);
    assert_eq!(of(runs(&process).await.remove(0)), RunPhase::Queued);
    let cancel = Action::CancelDeployment(made.deployment.id.into());
    process.ask(cancel).await.unwrap();
    bench.world.change(|state| state.end_task(STOP, 0));
    process.drive().await;
    assert_eq!(
        words(&runs(&process).await),
        [
            ("start", "cancelled"),
            ("stop", "succeeded"),
            ("start", "succeeded")
        ]
    );
    assert_eq!(begun(&bench), [STOP]);
    laws::hold(&bench, &process, "at the end");
}

#[tokio::test(start_paused = true)]
async fn a_run_by_schedule_is_skipped_while_a_deployments_run_is_at_work() {
    let bench = bench(scheduled(), |_| {});
    let process = bench.start();
    live(&bench, &process).await;
    behaves(&bench, CRON, Behaviour::NeverReady);
    let mut asked = create("job", Trigger::Manual);
    asked.event = Some(JobEvent::Cron);
    process.create(asked).await.unwrap();
    process.drive_until(&bench.world, at_work(CRON)).await;
    assert!(matches!(
        due(&process, 9000, Overlap::Forbid),
        RunTaken::Skipped(_)
    ));
    // One that would replace it waits for its end instead.
    let RunTaken::New(waiting) = due(&process, 9001, Overlap::Replace) else {
        panic!("not made");
    };
    process.drive_for(Duration::from_secs(30)).await;
    assert_eq!(run(&process, waiting.id).await.run.phase, RunPhase::Queued);
    bench.world.change(|state| {
        state.end_task(CRON, 0);
        state.behaviours.insert(CRON.into(), Behaviour::Exits(0));
    });
    process.drive().await;
    assert_eq!(
        run(&process, waiting.id).await.run.phase.exit_status(),
        Some(0)
    );
    assert_eq!(begun(&bench), [CRON, CRON]);
}

// ---------------------------------------------------------------------------------------------------------------
// With changes.

async fn changed(process: &Process, change: Change) -> ChangeView {
    let made = process.change("job", change, false).await.unwrap();
    process.drive().await;
    process.change_of(&made).await
}

#[tokio::test(start_paused = true)]
async fn a_stop_a_start_a_suspension_and_an_activation_run_their_commands() {
    let bench = bench(whole_life(), |_| {});
    let process = bench.start();
    live(&bench, &process).await;
    for (change, command) in [
        (Change::Stop, STOP),
        (Change::Start, START),
        (Change::Suspend, STOP),
        (Change::Activate, START),
    ] {
        bench.world.state.lock().unwrap().begun.clear();
        let view = changed(&process, change).await;
        assert_eq!(view.change.phase, ChangePhase::Done, "{change:?}");
        assert_eq!(begun(&bench), [command]);
        let own = runs(&process).await.remove(0);
        assert_eq!(own.run.cause, Cause::Change(view.change.serial));
        assert_eq!(own.run.phase.exit_status(), Some(0));
        let (text, complete) = log(&process, own.log).await;
        assert!(complete && text.contains("hello"), "{text}");
        laws::hold(&bench, &process, "after a change");
    }
}

#[tokio::test(start_paused = true)]
async fn an_on_stop_that_fails_fails_the_stop_and_the_environment_is_stopped_all_the_same() {
    let bench = bench(whole_life(), |_| {});
    let process = bench.start();
    live(&bench, &process).await;
    behaves(&bench, STOP, Behaviour::Exits(9));
    let view = changed(&process, Change::Stop).await;
    match &view.change.phase {
        ChangePhase::Failed(failure) => {
            assert_eq!(failure.code, FailureCode::JobFailed);
            assert_eq!(failure.message, "on_stop `./drain` ended with status 9");
        }
        other => panic!("{other:?}"),
    }
    let own = runs(&process).await.remove(0);
    assert_eq!(failed(&own), (FailureCode::JobFailed, Some(9)));
    let place = process.store.place_of(EnvironmentSerial(1)).unwrap();
    assert_eq!(place.desired.as_str(), "stopped");
    laws::hold(&bench, &process, "after the failure");
}

#[tokio::test(start_paused = true)]
async fn an_on_stop_that_is_cancelled_ends_the_stop() {
    let bench = bench(whole_life(), |_| {});
    let process = bench.start();
    live(&bench, &process).await;
    behaves(&bench, STOP, Behaviour::NeverReady);
    let made = process.change("job", Change::Stop, false).await.unwrap();
    process.drive_until(&bench.world, at_work(STOP)).await;
    let own = runs(&process).await.remove(0);
    process.ask(Action::CancelRun(own.run.id)).await.unwrap();
    process.drive().await;
    let view = process.change_of(&made).await;
    assert!(
        matches!(view.change.phase, ChangePhase::Failed(_)),
        "{view:?}"
    );
    laws::hold(&bench, &process, "after the cancel");
}

#[tokio::test(start_paused = true)]
async fn an_on_stop_has_its_own_time_beside_the_stops() {
    let bench = bench(whole_life(), |job| {
        job.max_duration = Duration::from_secs(7200);
    });
    let process = bench.start();
    live(&bench, &process).await;
    behaves(&bench, STOP, Behaviour::NeverReady);
    let made = process.change("job", Change::Stop, false).await.unwrap();
    process.drive_for(Duration::from_secs(7000)).await;
    assert!(at_work(STOP)(&bench.world.state.lock().unwrap()));
    process.drive().await;
    let view = process.change_of(&made).await;
    match &view.change.phase {
        ChangePhase::Failed(failure) => {
            assert_eq!(failure.code, FailureCode::DeadlineExceeded);
        }
        other => panic!("{other:?}"),
    }
    laws::hold(&bench, &process, "after the deadline");
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_runs_that_stand_alone_and_with_now_it_cancels_them() {
    for now in [false, true] {
        let bench = bench(scheduled(), |job| job.overlap = Overlap::Allow);
        let process = bench.start();
        let first = one_at_work(&bench, &process).await;
        let made = process.change("job", Change::Stop, now).await.unwrap();
        process.drive_for(Duration::from_secs(60)).await;
        let view = process.change_of(&made).await;
        let run_now = run(&process, first.run.id).await.run.phase;
        if now {
            assert_eq!(view.change.phase, ChangePhase::Done);
            assert!(
                matches!(
                    run_now,
                    RunPhase::Cancelled {
                        why: Cancellation::WithEnvironment,
                        ..
                    }
                ),
                "{run_now:?}"
            );
        } else {
            assert_eq!(view.change.phase, ChangePhase::Queued);
            assert_eq!(run_now, RunPhase::Running);
            bench.world.change(|state| state.end_task(CRON, 0));
            process.drive().await;
            let view = process.change_of(&made).await;
            assert_eq!(view.change.phase, ChangePhase::Done);
        }
        laws::hold(&bench, &process, "after the stop");
    }
}

#[tokio::test(start_paused = true)]
async fn a_removal_runs_on_delete_once_and_then_clears_everything_away() {
    for status in [0, 5] {
        let bench = bench(whole_life(), |_| {});
        let process = bench.start();
        live(&bench, &process).await;
        behaves(&bench, DELETE, Behaviour::Exits(status));
        let made = process
            .change("job", Change::Remove { volumes: true }, false)
            .await
            .unwrap();
        process.drive().await;
        assert_eq!(begun(&bench), [DELETE]);
        let run = process.store.run_of_change(made.change.serial).unwrap();
        let run = run.unwrap();
        assert_eq!(run.phase.exit_status(), Some(status));
        let state = bench.world.state.lock().unwrap();
        assert!(state.containers.is_empty() && state.networks.is_empty());
        assert!(!state.tags.keys().any(|tag| tag.starts_with("longshore/")));
        drop(state);
        assert!(process.store.live(EnvironmentSerial(1)).unwrap().is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn a_removal_ends_runs_of_every_kind() {
    let bench = bench(whole_life(), |_| {});
    let process = bench.start();
    live(&bench, &process).await;
    behaves(&bench, STOP, Behaviour::NeverReady);
    let alone = by_hand(&process, Some(JobEvent::Stop)).await.unwrap();
    process.drive_until(&bench.world, at_work(STOP)).await;
    let removal = Change::Remove { volumes: false };
    process.change("job", removal, false).await.unwrap();
    process.drive().await;
    assert_eq!(begun(&bench), [STOP, DELETE]);
    let alone = process.store.run(alone.run.serial).unwrap();
    assert_eq!(alone.phase.as_str(), "cancelled");
    assert!(bench.world.state.lock().unwrap().containers.is_empty());

    // … one of a stop among them.
    let bench = self::bench(whole_life(), |_| {});
    let process = bench.start();
    live(&bench, &process).await;
    behaves(&bench, STOP, Behaviour::NeverReady);
    let stop = process.change("job", Change::Stop, false).await.unwrap();
    process.drive_until(&bench.world, at_work(STOP)).await;
    process.change("job", removal, false).await.unwrap();
    process.drive().await;
    let run = process.store.run_of_change(stop.change.serial).unwrap();
    assert_eq!(run.unwrap().phase.as_str(), "cancelled");
    assert_eq!(begun(&bench), [STOP, DELETE]);
    assert!(bench.world.state.lock().unwrap().containers.is_empty());
}

// ---------------------------------------------------------------------------------------------------------------
// History.

#[tokio::test(start_paused = true)]
async fn the_oldest_runs_go_with_their_logs_when_there_are_more_than_are_kept() {
    let bench = bench(scheduled(), |job| job.keep_runs = 3);
    let process = bench.start();
    live(&bench, &process).await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(by_hand(&process, None).await.unwrap().run.id);
        process.drive().await;
    }
    let kept: Vec<Uuid> = runs(&process).await.iter().map(|one| one.run.id).collect();
    assert_eq!(kept, [ids[4], ids[3], ids[2]]);
    assert_eq!(runs(&process).await[0].run.number, 5);
    for (place, id) in ids.iter().enumerate() {
        let path = bench.dir.path().join("logs").join(format!("{id}.log"));
        assert_eq!(path.exists(), place >= 2, "{place}");
    }
    let gone = process.ask(Action::GetRun(ids[0])).await.map(drop);
    assert_eq!(gone, Err(Error::RunNotFound));
}

#[tokio::test(start_paused = true)]
async fn a_run_with_a_key_is_kept_as_long_as_that_holds() {
    use longshore::core::action::RequestKey;
    let bench = bench(scheduled(), |job| job.keep_runs = 1);
    let process = bench.start();
    live(&bench, &process).await;
    let asked = RunJob {
        app: app(),
        environment: None,
        event: None,
        key: Some(RequestKey {
            key: "nightly".into(),
            digest: vec![1],
        }),
    };
    let first = process.ask(Action::RunJob(asked.clone())).await.unwrap();
    process.drive().await;
    for _ in 0..3 {
        by_hand(&process, None).await.unwrap();
        process.drive().await;
    }
    let again = process.ask(Action::RunJob(asked)).await.unwrap();
    let (Reply::Run(first), Reply::Run(again)) = (first, again) else {
        panic!("runs");
    };
    assert_eq!(first.run.id, again.run.id);
    process.drive().await;
    assert_eq!(begun(&bench).len(), 4);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_shown_of_the_run_of_a_deployment_that_was_deleted() {
    let bench = bench(whole_life(), |_| {});
    let process = bench.start();
    live(&bench, &process).await;
    behaves(&bench, START, Behaviour::Exits(3));
    let failed = deploy(&process).await.deployment.id;
    let of_it = runs(&process).await[0].run.id;
    let before = runs(&process).await.len();
    let delete = Action::DeleteDeployment {
        which: failed.into(),
        how: Deletion::Ended,
    };
    process.ask(delete).await.unwrap();
    assert_eq!(runs(&process).await.len(), before - 1);
    let gone = process.ask(Action::GetRun(of_it)).await.map(drop);
    assert_eq!(gone, Err(Error::RunNotFound));
    let read = ReadLog {
        deployment: of_it,
        from: 0,
        limit: 1 << 20,
        wait: false,
    };
    let gone = process.ask(Action::ReadLog(read)).await.map(drop);
    assert_eq!(gone, Err(Error::DeploymentNotFound));
}

#[tokio::test(start_paused = true)]
async fn a_runs_log_goes_when_its_time_is_over_and_says_so() {
    let mut bench = bench(scheduled(), |_| {});
    bench.retention.logs = Duration::from_secs(3600);
    let process = bench.start();
    live(&bench, &process).await;
    let made = by_hand(&process, None).await.unwrap();
    process.drive().await;
    for (time, gone) in [(10, false), (7200, true)] {
        tokio::time::advance(Duration::from_secs(time)).await;
        let collect = Action::CollectGarbage { explain: false };
        process.ask(collect).await.unwrap();
        let (text, _) = log(&process, made.run.id).await;
        assert_eq!(text.contains("This log was removed"), gone, "{text}");
    }
    assert_eq!(runs(&process).await.len(), 1, "its row stays");
}

#[tokio::test(start_paused = true)]
async fn what_happens_to_a_run_is_among_the_events() {
    use longshore::core::action::ListEvents;
    use longshore::core::event::{After, Happened, RunStage};
    let bench = bench(scheduled(), |_| {});
    let process = bench.start();
    live(&bench, &process).await;
    let made = by_hand(&process, None).await.unwrap();
    process.drive().await;
    let events = ListEvents {
        after: After::Serial(0),
        limit: 100,
        app: None,
        environment: None,
        deployment: None,
        wait: false,
    };
    let Reply::Events(page) = process.ask(Action::ListEvents(events)).await.unwrap() else {
        panic!("no events");
    };
    let of_runs: Vec<RunStage> = page
        .events
        .iter()
        .filter_map(|event| match event.what {
            Happened::Run {
                id, number, stage, ..
            } => {
                assert_eq!((id, number), (made.run.id, 1));
                Some(stage)
            }
            Happened::Deployment { .. } | Happened::Change { .. } => None,
        })
        .collect();
    assert_eq!(
        of_runs,
        [RunStage::Queued, RunStage::Running, RunStage::Succeeded]
    );
}

#[tokio::test(start_paused = true)]
async fn a_run_that_takes_longshore_down_three_times_is_given_up() {
    let bench = bench(scheduled(), |_| {});
    let mut process = bench.start();
    live(&bench, &process).await;
    behaves(&bench, CRON, Behaviour::NeverReady);
    let made = by_hand(&process, None).await.unwrap();
    for life in 0..4 {
        // Killed a second after it began to look at it.
        bench.world.count_from_here(None);
        tokio::select! {
            () = process.drive_for(Duration::from_secs(3600)) => panic!("it was to be killed"),
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
        drop(process);
        process = bench.start();
        let phase = process.store.run(made.run.serial).unwrap().phase;
        assert_eq!(phase, RunPhase::Running, "{life}");
    }
    process.drive().await;
    let view = run(&process, made.run.id).await;
    assert_eq!(failed(&view), (FailureCode::CrashLoop, None));
    assert_eq!(begun(&bench), [CRON]);
    laws::hold(&bench, &process, "at the end");
}

#[tokio::test(start_paused = true)]
async fn a_removal_that_takes_longshore_down_three_times_leaves_out_its_run_and_goes_on() {
    let bench = bench(whole_life(), |_| {});
    let mut process = bench.start();
    live(&bench, &process).await;
    behaves(&bench, DELETE, Behaviour::NeverReady);
    let remove = Change::Remove { volumes: true };
    let made = process.change("job", remove, false).await.unwrap();
    for _ in 0..4 {
        // Killed a second after it began to look at it.
        bench.world.count_from_here(None);
        tokio::select! {
            () = process.drive_for(Duration::from_secs(3600)) => panic!("it was to be killed"),
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
        drop(process);
        process = bench.start();
    }
    process.drive().await;
    let run = process.store.run_of_change(made.change.serial).unwrap();
    let RunPhase::Failed { failure, .. } = run.unwrap().phase else {
        panic!("it was given up");
    };
    assert_eq!(failure.code, FailureCode::CrashLoop);
    let change = process.store.change(made.change.serial).unwrap().unwrap();
    assert_eq!(change.phase, ChangePhase::Done);
    assert_eq!(begun(&bench), [DELETE]);
    let state = bench.world.state.lock().unwrap();
    assert!(state.containers.is_empty() && state.networks.is_empty());
}

// ---------------------------------------------------------------------------------------------------------------
// A database that was restored from a backup.

#[tokio::test(start_paused = true)]
async fn a_run_that_a_restored_database_does_not_know_is_noticed_and_not_started_again() {
    for discard in [false, true] {
        let bench = bench(scheduled(), |_| {});
        let process = bench.start();
        live(&bench, &process).await;
        drop(process);
        let backup = tempfile::tempdir().unwrap();
        copy(bench.dir.path(), backup.path());
        let process = bench.start();
        behaves(&bench, CRON, Behaviour::NeverReady);
        by_hand(&process, None).await.unwrap();
        process.drive_until(&bench.world, at_work(CRON)).await;
        drop(process);
        copy(backup.path(), bench.dir.path());
        let process = bench.start();
        process.drive_for(Duration::from_secs(30)).await;
        let warning = process.agent.warning();
        assert!(warning.is_some(), "it is noticed");
        process.ask(Action::Adopt { discard }).await.unwrap();
        process.drive_for(Duration::from_secs(60)).await;
        assert_eq!(begun(&bench), [CRON], "it is not started again");
        assert!(runs(&process).await.is_empty());
        let left = bench.world.state.lock().unwrap().containers.len();
        assert_eq!(left, usize::from(!discard), "left alone, or removed");
        let live = process.store.live(EnvironmentSerial(1)).unwrap().unwrap();
        assert!(live.containers.is_empty());
        // What is run from now on has a name of its own.
        behaves(&bench, CRON, Behaviour::Exits(0));
        by_hand(&process, None).await.unwrap();
        process.drive().await;
        assert_eq!(words(&runs(&process).await), [("cron", "succeeded")]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_was_unfinished_in_a_backup_is_given_up_when_that_is_adopted() {
    let bench = bench(scheduled(), |_| {});
    let process = bench.start();
    live(&bench, &process).await;
    let made = by_hand(&process, None).await.unwrap();
    drop(process);
    let backup = tempfile::tempdir().unwrap();
    copy(bench.dir.path(), backup.path());
    let process = bench.start();
    process.drive().await;
    // Something that tells that the database was restored.
    behaves(&bench, CRON, Behaviour::NeverReady);
    by_hand(&process, None).await.unwrap();
    process.drive_until(&bench.world, at_work(CRON)).await;
    drop(process);
    copy(backup.path(), bench.dir.path());
    let process = bench.start();
    process.drive_for(Duration::from_secs(10)).await;
    process.ask(Action::Adopt { discard: true }).await.unwrap();
    process.drive().await;
    let view = run(&process, made.run.id).await;
    assert_eq!(failed(&view), (FailureCode::Restored, None));
    assert_eq!(begun(&bench), [CRON, CRON], "not a third time");
}

/// The data directory's files, in place of those that are there.
fn copy(from: &std::path::Path, to: &std::path::Path) {
    for name in [
        "longshore.db",
        "longshore.db-wal",
        "longshore.db-shm",
        "key",
        "instance",
    ] {
        let target = to.join(name);
        match from.join(name).exists() {
            true => drop(std::fs::copy(from.join(name), target).unwrap()),
            false if target.exists() => std::fs::remove_file(target).unwrap(),
            false => {}
        }
    }
}

// ---------------------------------------------------------------------------------------------------------------
// Whatever ends in between.

/// What happens, and how it must end however often the process did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Story {
    Deployed,
    ByHand,
    Stopped,
    Removed,
}

impl Story {
    fn command(self) -> &'static str {
        match self {
            Self::Deployed => START,
            Self::ByHand => CRON,
            Self::Stopped => STOP,
            Self::Removed => DELETE,
        }
    }

    /// A job that runs nothing but what the story is about.
    fn occasion(self) -> Occasion {
        match self {
            Self::Deployed => lifecycle(&[(JobEvent::Start, START)]),
            Self::ByHand => scheduled(),
            Self::Stopped => lifecycle(&[(JobEvent::Stop, STOP)]),
            Self::Removed => lifecycle(&[(JobEvent::Delete, DELETE)]),
        }
    }
}

async fn tell(story: Story, process: &Process) {
    let told = match story {
        Story::Deployed => process.deploy("job").await.map(drop),
        Story::ByHand => by_hand(process, None).await.map(drop),
        Story::Stopped => process.change("job", Change::Stop, false).await.map(drop),
        Story::Removed => {
            let removal = Change::Remove { volumes: true };
            process.change("job", removal, false).await.map(drop)
        }
    };
    if told.is_ok() {
        process.drive().await;
    }
}

/// One life that ends at a point, another that ends at `again`, and one that goes to the end. Returns how many points the
/// first and the second passed.
fn live_through(
    story: Story,
    retries: u32,
    crash: Option<usize>,
    again: Option<usize>,
) -> (usize, usize) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let bench = bench(story.occasion(), |job| job.retries = retries);
        let mut process = bench.start();
        if story != Story::Deployed {
            live(&bench, &process).await;
        }
        bench.world.count_from_here(crash);
        tokio::select! {
            () = tell(story, &process) => {}
            () = bench.world.until_crash() => {}
        }
        let (points, crashed) = bench.world.points();
        assert_eq!(crashed, crash.is_some(), "{story:?}: {crash:?} never hit");
        let mut second = 0;
        for at in again.map(Some).into_iter().chain([None]) {
            drop(process);
            bench.world.count_from_here(None);
            process = bench.start();
            bench.world.count_from_here(at);
            let driven = tokio::time::timeout(Duration::from_secs(7200), process.drive());
            tokio::select! {
                driven = driven => driven.expect("it ends"),
                () = bench.world.until_crash() => {}
            }
            second = second.max(bench.world.points().0.len());
            bench.world.let_the_grace_end();
        }
        let at = format!(
            "{story:?} ended at {crash:?} ({:?}), then at {again:?}",
            points.last()
        );
        check(story, retries, &bench, &process, &at);
        (points.len(), second)
    })
}

fn check(story: Story, retries: u32, bench: &Bench, process: &Process, at: &str) {
    assert!(process.store.unfinished_runs().unwrap().is_empty(), "{at}");
    let begun = begun(bench);
    assert!(
        begun.iter().all(|one| one == story.command()),
        "{at}: {begun:?}"
    );
    assert!(begun.len() <= 1 + retries as usize, "{at}: {begun:?}");
    let told = process.store.run(RunSerial(1)).ok();
    match &told {
        // The row of what it belongs to was not on disk, or that was not begun: nobody ran anything.
        None => assert!(begun.is_empty(), "{at}"),
        Some(run) => {
            assert_eq!(run.phase.as_str(), "succeeded", "{at}: {run:?}");
            assert!(!begun.is_empty(), "{at}");
            let (deployment, view) = (run.deployment, process.store.run_view(run.serial).unwrap());
            let text = process.log(view.log);
            assert!(text.contains("hello"), "{at}: of {deployment}: {text}");
        }
    }
    if story == Story::Removed && told.is_some() {
        let state = bench.world.state.lock().unwrap();
        assert!(state.containers.is_empty(), "{at}");
        assert!(state.networks.is_empty(), "{at}: {:?}", state.networks);
        let ours = |tag: &&String| tag.starts_with("longshore/");
        assert_eq!(state.tags.keys().find(ours), None, "{at}");
    } else {
        laws::hold(bench, process, at);
    }
}

/// Ends the process at every point once, and at some of them once more in the recovery.
fn enumerate(story: Story) {
    let (points, _) = live_through(story, 0, None, None);
    let mut recoveries = 0;
    for point in 0..points {
        let (_, second) = live_through(story, 0, Some(point), None);
        if point % 11 == 0 {
            for again in (point % 7..second).step_by(17) {
                live_through(story, 1, Some(point), Some(again));
                recoveries += 1;
            }
        }
    }
    println!("{story:?}: {points} crash points, each hit; {recoveries} more in recoveries");
    assert!(points > 20, "{story:?} counts too few points: {points}");
}

#[test]
fn a_deployments_run_is_run_once_whatever_ends() {
    enumerate(Story::Deployed);
}

#[test]
fn a_run_by_hand_is_run_once_whatever_ends() {
    enumerate(Story::ByHand);
}

#[test]
fn a_stops_run_is_run_once_whatever_ends() {
    enumerate(Story::Stopped);
}

#[test]
fn a_removals_run_is_run_once_and_everything_is_cleared_away_whatever_ends() {
    enumerate(Story::Removed);
}

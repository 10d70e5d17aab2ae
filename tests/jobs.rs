//! Jobs: what runs with deployments and changes of their environments, and by itself; never twice unless it may be, whatever
//! ends in between.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "support/laws.rs"]
mod laws;
#[path = "support/world.rs"]
#[expect(dead_code, reason = "another test file uses the rest")]
mod world;

use longshore::core::action::{
    Action, AppRef, ChangeView, CreateDeployment, DeploymentView, ListRuns, ReadLog, Reply, RunJob,
    RunView, Target,
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
use world::{Behaviour, Bench, Process, State, create, image_app};

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

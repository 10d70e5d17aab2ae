//! Scheduled jobs, and a clock that is set.

use crate::world::{Behaviour, Bench, Process, create, image_app};
use longshore::core::action::{Action, AppRef, AppView, ListRuns, Reply, RunView};
use longshore::core::app::App;
use longshore::core::deployment::Trigger;
use longshore::core::job::{JobSpec, Missed, Occasion, Overlap, Schedule};
use longshore::core::name::AppName;
use longshore::core::run::{Cause, RunPhase};
use longshore::core::schedule::{Cron, Zone};
use longshore::core::time::Timestamp;
use std::time::Duration;

/// What every job of these tests runs.
pub const COMMAND: &str = "./report";

pub fn schedule(cron: &str, zone: &str, missed: Missed) -> Occasion {
    Occasion::Scheduled(Schedule {
        cron: Cron::parse(cron).unwrap(),
        time_zone: Zone::parse(zone).unwrap(),
        missed,
    })
}

/// A job by a schedule, which leaves out what it missed.
pub fn job(name: &str, cron: &str, zone: &str) -> App {
    with_occasion(name, schedule(cron, zone, Missed::Skip))
}

pub fn with_occasion(name: &str, occasion: Occasion) -> App {
    let mut app = image_app(name, "report:1");
    for spec in app.environments.values_mut() {
        spec.run.port = None;
        spec.run.command = vec![COMMAND.to_owned()];
        spec.job = Some(JobSpec {
            occasion: occasion.clone(),
            overlap: Overlap::Forbid,
            max_duration: Duration::from_secs(3600),
            retries: 0,
            keep_runs: 100_000,
        });
    }
    app
}

/// `2026-` and `05-01T10:30`, with seconds or without.
pub fn at(text: &str) -> Timestamp {
    let seconds = if text.len() > 11 { "" } else { ":00" };
    Timestamp::parse(&format!("2026-{text}{seconds}Z")).unwrap()
}

/// The clock of the host is set.
pub fn set_clock(bench: &Bench, process: &Process, to: Timestamp) {
    let by = to.millis_since(process.agent.now());
    bench.world.state.lock().unwrap().clock_jump += by;
}

/// A bench whose clock shows this when its first process begins.
pub fn bench(apps: Vec<App>, now: Timestamp) -> (Bench, Process) {
    let bench = Bench::new(apps);
    let process = bench.start();
    set_clock(&bench, &process, now);
    (bench, process)
}

/// All jobs are deployed, which runs nothing.
pub async fn deploy(bench: &Bench, process: &Process) {
    for app in &bench.apps {
        let made = process.create(create(app.name.as_str(), Trigger::Manual));
        let id = made.await.unwrap().deployment.id;
        process.drive().await;
        assert!(process.view(id).await.live, "{}", app.name);
    }
    assert_eq!(
        bench.world.state.lock().unwrap().begun,
        Vec::<String>::new()
    );
}

/// The same where there is one, called `report`.
pub async fn installed(cron: &str, missed: Missed, now: &str) -> (Bench, Process) {
    let app = with_occasion("report", schedule(cron, "UTC", missed));
    let (bench, process) = bench(vec![app], at(now));
    deploy(&bench, &process).await;
    (bench, process)
}

/// The clock goes on to that time; what is due on the way is run.
pub async fn until(process: &Process, to: &str) {
    let left = at(to).millis_since(process.agent.now());
    let left = u64::try_from(left).expect("it is yet to come");
    process.drive_for(Duration::from_millis(left)).await;
}

/// The runs of a job, the oldest first.
pub async fn runs(process: &Process, app: &str) -> Vec<RunView> {
    let mut all = Vec::new();
    loop {
        let list = ListRuns {
            app: AppRef::Name(AppName::parse(app).unwrap()),
            environment: None,
            limit: 1000,
            offset: all.len() as u64,
        };
        let (items, total) = match process.ask(Action::ListRuns(list)).await.unwrap() {
            Reply::Runs { items, total } => (items, total),
            other => panic!("{other:?}"),
        };
        all.extend(items);
        if all.len() as u64 >= total {
            all.reverse();
            return all;
        }
    }
}

/// The times that runs of a schedule were made for, each with how it ended if that is not well.
pub async fn times(process: &Process, app: &str) -> Vec<String> {
    let told = |view: RunView| {
        let Cause::Schedule(due) = view.run.cause else {
            panic!("{view:?}");
        };
        let time = due.to_seconds_string()[5..16].to_owned();
        match view.run.phase {
            RunPhase::Succeeded { .. } => time,
            other => format!("{time} {}", other.as_str()),
        }
    };
    runs(process, app).await.into_iter().map(told).collect()
}

pub async fn app(process: &Process) -> AppView {
    match process.ask(Action::ListApps).await.unwrap() {
        Reply::Apps(mut apps) => apps.remove(0),
        other => panic!("{other:?}"),
    }
}

/// When the only job comes next, as readers are told.
pub async fn next_run(process: &Process) -> Option<String> {
    let app = app(process).await;
    assert!(app.environments[0].job);
    let next = app.environments[0].next_run?;
    Some(next.to_seconds_string()[5..16].to_owned())
}

/// The jobs' command does that from now on.
pub fn behaves(bench: &Bench, behaviour: Behaviour) {
    let mut state = bench.world.state.lock().unwrap();
    state.behaviours.insert(COMMAND.to_owned(), behaviour);
}

/// A process ends, and another begins when the clock shows that time.
pub fn restarted(bench: &Bench, process: Process, at: Timestamp) -> Process {
    set_clock(bench, &process, at);
    drop(process);
    bench.start()
}

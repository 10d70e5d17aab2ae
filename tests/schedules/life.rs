//! A schedule's life: it begins when it is installed, rests while its environment does, and is what the configuration says.

use crate::stage::*;
use crate::world::{Behaviour, Bench, Process, create, image_app};
use longshore::core::action::{Action, EnvironmentRef, Reply};
use longshore::core::app::App;
use longshore::core::change::Change;
use longshore::core::deployment::Trigger;
use longshore::core::job::{Missed, Occasion, Overlap};
use longshore::core::run::Cause;
use longshore::deploy::{Reread, Settings};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A process that can read its configuration anew, and where that is said.
fn rereading(bench: &Bench, process: Process) -> (Process, Arc<Mutex<Vec<App>>>) {
    let apps = Arc::new(Mutex::new(bench.apps.clone()));
    let (read, retention) = (apps.clone(), bench.retention);
    let Process {
        agent,
        store,
        caller,
    } = process;
    let agent = agent.with_configuration(Arc::new(move || {
        Ok(Reread {
            file: "config.toml".into(),
            settings: Settings {
                apps: read.lock().unwrap().clone(),
                address_pool: "10.213.0.0/16".parse().unwrap(),
                api_domains: Vec::new(),
                api_address: None,
                registries: Vec::new(),
                max_concurrent: 2,
                preview_check: Duration::from_secs(60),
                unavailable_timeout: Duration::from_secs(120),
                retention,
            },
            needs_restart: Vec::new(),
        })
    }));
    let process = Process {
        agent,
        store,
        caller,
    };
    (process, apps)
}

#[tokio::test(start_paused = true)]
async fn nothing_from_before_it_was_installed_is_due() {
    let (bench, process) = installed("30 10 * * *", Missed::Once, "05-01T10:30:20").await;
    until(&process, "05-01T10:45").await;
    assert_eq!(times(&process, "report").await, Vec::<String>::new());
    assert_eq!(next_run(&process).await.as_deref(), Some("05-02T10:30"));
    // Nor does a deployment of the same lose a time: this one is at work when it comes.
    set_clock(&bench, &process, at("05-02T10:29:59"));
    process.deploy("report").await.unwrap();
    until(&process, "05-02T10:31").await;
    assert_eq!(times(&process, "report").await, ["05-02T10:30"]);
}

#[tokio::test(start_paused = true)]
async fn a_run_is_of_what_is_live_and_by_the_schedule() {
    let (bench, process) = installed("0 * * * *", Missed::Skip, "05-01T10:30").await;
    until(&process, "05-01T11:01").await;
    let [run] = &runs(&process, "report").await[..] else {
        panic!("there is one");
    };
    assert_eq!(run.run.cause, Cause::Schedule(at("05-01T11:00")));
    assert_eq!(run.by.name, "schedule");
    assert_eq!(run.run.number, 1);
    assert_eq!(bench.world.state.lock().unwrap().begun, [COMMAND]);
    assert!(
        process.log(run.log).contains("Succeeded"),
        "{}",
        process.log(run.log)
    );
}

#[tokio::test(start_paused = true)]
async fn a_time_that_comes_while_a_run_is_at_work_is_skipped() {
    let (bench, process) = installed("0,40 * * * *", Missed::Once, "05-01T10:55").await;
    behaves(&bench, Behaviour::Serves);
    until(&process, "05-01T11:41").await;
    let at_work = ["05-01T11:00 running", "05-01T11:40 skipped"];
    assert_eq!(times(&process, "report").await, at_work);
    assert_eq!(bench.world.state.lock().unwrap().begun, [COMMAND]);
    // It has an hour; what comes after that finds nothing at work.
    behaves(&bench, Behaviour::Exits(3));
    until(&process, "05-01T12:45").await;
    let all = times(&process, "report").await;
    assert_eq!(all[..2], ["05-01T11:00 failed", "05-01T11:40 skipped"]);
    assert_eq!(all.last().unwrap(), "05-01T12:40 failed");
}

#[tokio::test(start_paused = true)]
async fn while_its_environment_is_stopped_or_suspended_nothing_is_due() {
    for (down, up) in [
        (Change::Stop, Change::Start),
        (Change::Suspend, Change::Activate),
    ] {
        let (_bench, process) = installed("0 * * * *", Missed::Once, "05-01T10:30").await;
        until(&process, "05-01T11:30").await;
        process.change("report", down, false).await.unwrap();
        process.drive().await;
        assert_eq!(next_run(&process).await, None);
        until(&process, "05-01T14:30").await;
        process.change("report", up, false).await.unwrap();
        process.drive().await;
        assert_eq!(next_run(&process).await.as_deref(), Some("05-01T15:00"));
        until(&process, "05-01T15:30").await;
        assert_eq!(
            times(&process, "report").await,
            ["05-01T11:00", "05-01T15:00"]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_deployment_by_hand_of_what_was_stopped_begins_anew() {
    let (_bench, process) = installed("0 * * * *", Missed::Once, "05-01T10:30").await;
    process.change("report", Change::Stop, false).await.unwrap();
    process.drive().await;
    until(&process, "05-01T12:30").await;
    process.deploy("report").await.unwrap();
    process.drive().await;
    until(&process, "05-01T13:30").await;
    assert_eq!(times(&process, "report").await, ["05-01T13:00"]);
}

#[tokio::test(start_paused = true)]
async fn a_reload_that_says_another_schedule_holds_at_once_and_begins_then() {
    let (bench, process) = installed("0 * * * *", Missed::Once, "05-01T10:30").await;
    let (process, apps) = rereading(&bench, process);
    until(&process, "05-01T11:30").await;
    let anew = async {
        tokio::time::sleep(Duration::from_secs(5 * 60)).await;
        let said = schedule("*/10 10,11 * * *", "UTC", Missed::Once);
        *apps.lock().unwrap() = vec![with_occasion("report", said)];
        let reloaded = process.agent.reload().unwrap();
        assert!(format!("{:?}", reloaded.apps.changed).contains("\"schedule\""));
        tokio::time::sleep(Duration::from_secs(10 * 60)).await;
    };
    process.agent.drive(anew).await.unwrap();
    assert_eq!(
        times(&process, "report").await,
        ["05-01T11:00", "05-01T11:40"]
    );
    assert_eq!(next_run(&process).await.as_deref(), Some("05-01T11:50"));
    assert_eq!(
        app(&process).await.environments[0].drift,
        Vec::<String>::new()
    );
    // Only what becomes of missed times is said otherwise: it is the same schedule, and they count.
    drop(process);
    let mut bench = bench;
    bench.apps = vec![job("report", "*/10 10,11 * * *", "UTC")];
    let process = bench.start();
    set_clock(&bench, &process, at("05-01T11:55"));
    until(&process, "05-01T11:57").await;
    assert_eq!(times(&process, "report").await.len(), 2);
    assert_eq!(next_run(&process).await.as_deref(), Some("05-02T10:00"));
}

#[tokio::test(start_paused = true)]
async fn what_is_live_has_a_schedule_only_once_it_is_deployed_with_one() {
    let own = Occasion::Lifecycle(BTreeMap::new());
    let (mut bench, process) = bench(vec![with_occasion("report", own)], at("05-01T10:30"));
    deploy(&bench, &process).await;
    drop(process);
    bench.apps = vec![job("report", "0 * * * *", "UTC")];
    let process = bench.start();
    until(&process, "05-01T11:30").await;
    assert_eq!(times(&process, "report").await, Vec::<String>::new());
    assert_eq!(next_run(&process).await, None);
    assert_eq!(app(&process).await.environments[0].drift, ["schedule"]);
    process.deploy("report").await.unwrap();
    process.drive().await;
    until(&process, "05-01T12:30").await;
    assert_eq!(times(&process, "report").await, ["05-01T12:00"]);
}

#[tokio::test(start_paused = true)]
async fn whoever_looks_at_an_environment_is_told_when_its_schedule_comes_next() {
    let apps = vec![
        job("report", "0 3 * * *", "Europe/Berlin"),
        image_app("web", "web:1"),
    ];
    let (bench, process) = bench(apps, at("05-01T10:30"));
    let next = async |serial| {
        let which = EnvironmentRef::Serial(longshore::core::id::EnvironmentSerial(serial));
        match process.ask(Action::GetEnvironment(which)).await.unwrap() {
            Reply::Environment(found) => found.next_run,
            other => panic!("{other:?}"),
        }
    };
    // Nothing is live yet.
    assert_eq!(next(1).await, None);
    assert_eq!(next_run(&process).await, None);
    for app in &bench.apps {
        let made = process.create(create(app.name.as_str(), Trigger::Manual));
        made.await.unwrap();
        process.drive().await;
    }
    assert_eq!(next(1).await, Some(at("05-02T01:00")));
    assert_eq!(next(2).await, None);
    assert_eq!(next_run(&process).await.as_deref(), Some("05-02T01:00"));
    process
        .change("report", Change::Remove { volumes: false }, true)
        .await
        .unwrap();
    process.drive().await;
    let apps = match process.ask(Action::ListApps).await.unwrap() {
        Reply::Apps(apps) => apps,
        other => panic!("{other:?}"),
    };
    let next: Vec<_> = apps
        .iter()
        .flat_map(|app| &app.environments)
        .map(|one| one.next_run)
        .collect();
    assert!(next.iter().all(Option::is_none), "{next:?}");
}

#[tokio::test(start_paused = true)]
async fn a_schedule_that_was_taken_out_and_comes_back_missed_nothing_meanwhile() {
    let hourly = || schedule("0 * * * *", "UTC", Missed::Once);
    let none = || Occasion::Lifecycle(BTreeMap::new());
    for deployed in [false, true] {
        let (mut bench, mut process) = installed("0 * * * *", Missed::Once, "05-01T10:30").await;
        for (occasion, later) in [(none(), "05-01T10:40"), (hourly(), "05-01T14:30")] {
            drop(process);
            bench.apps = vec![with_occasion("report", occasion)];
            process = bench.start();
            if deployed {
                process.deploy("report").await.unwrap();
            }
            until(&process, later).await;
            set_clock(&bench, &process, at("05-01T14:20"));
        }
        until(&process, "05-01T15:10").await;
        assert_eq!(times(&process, "report").await, ["05-01T15:00"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_with_a_start_behind_it_gets_its_turn_though_runs_overlap() {
    let mut app = with_occasion("report", schedule("* * * * *", "UTC", Missed::Skip));
    for spec in app.environments.values_mut() {
        let job = spec.job.as_mut().unwrap();
        job.overlap = Overlap::Allow;
        job.max_duration = Duration::from_secs(150);
    }
    let (bench, process) = bench(vec![app], at("05-01T10:30:30"));
    deploy(&bench, &process).await;
    behaves(&bench, Behaviour::Serves);
    until(&process, "05-01T10:32:30").await;
    process.change("report", Change::Stop, false).await.unwrap();
    process
        .change("report", Change::Start, false)
        .await
        .unwrap();
    // The last run that is at work is ended by its limit; until the start none is made.
    until(&process, "05-01T10:34:45").await;
    let made = times(&process, "report").await;
    assert_eq!(made, ["05-01T10:31 failed", "05-01T10:32 failed"]);
    until(&process, "05-01T10:36:30").await;
    assert!(times(&process, "report").await.len() > 2, "it goes on");
}

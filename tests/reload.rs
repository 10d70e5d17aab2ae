//! Reading the configuration again: what is at work goes on as it began, a broken file changes nothing, what is gone
//! from the file keeps serving. First the driver in a world in memory, then the real program.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "reload/program.rs"]
mod program;
#[path = "support/world.rs"]
#[expect(dead_code, reason = "another test file uses the rest")]
mod world;

use longshore::core::access::{Reach, Scope};
use longshore::core::action::{Action, AppView, Reply};
use longshore::core::app::App;
use longshore::core::deployment::Phase;
use longshore::core::error::Error;
use longshore::core::failure::FailureCode;
use longshore::core::id::{AppSerial, EnvironmentSerial};
use longshore::core::name::{AppName, EnvironmentName, VariableName};
use longshore::core::reload::Reloaded;
use longshore::core::spec::{Mount, MountSource, Spec};
use longshore::deploy::{Faulty, Reread, Settings};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use world::{Bench, Process, State, World, git_app, sha};

/// What the file says: the apps and how many may be at work, or its faults.
type File = Arc<Mutex<Result<(Vec<App>, usize), Vec<String>>>>;

/// A process that has a file to read again.
fn start(bench: &Bench) -> (Process, File) {
    let file: File = Arc::new(Mutex::new(Ok((bench.apps.clone(), bench.max_concurrent))));
    let (read, retention) = (file.clone(), bench.retention);
    let Process {
        agent,
        store,
        caller,
    } = bench.start();
    let agent = agent.with_configuration(Arc::new(move || match &*read.lock().unwrap() {
        Err(faults) => Err(Faulty {
            file: "config.toml".into(),
            faults: faults.clone(),
        }),
        Ok((apps, max_concurrent)) => Ok(Reread {
            file: "config.toml".into(),
            settings: Settings {
                apps: apps.clone(),
                address_pool: "10.213.0.0/16".parse().unwrap(),
                api_domains: Vec::new(),
                api_address: None,
                registries: Vec::new(),
                max_concurrent: *max_concurrent,
                preview_check: Duration::from_secs(60),
                unavailable_timeout: Duration::from_secs(120),
                retention,
            },
            needs_restart: Vec::new(),
        }),
    }));
    let process = Process {
        agent,
        store,
        caller,
    };
    (process, file)
}

fn production(app: &mut App) -> &mut Spec {
    let name = EnvironmentName::parse("production").unwrap();
    app.environments.get_mut(&name).unwrap()
}

fn set_log(apps: &mut [App], level: &str) {
    let name = VariableName::parse("LOG").unwrap();
    let run = &mut production(&mut apps[0]).run;
    run.env.insert(name, level.into());
}

async fn reload(process: &Process) -> Result<Reloaded, Error> {
    match process.ask(Action::Reload).await? {
        Reply::Reloaded(reloaded) => Ok(reloaded),
        other => panic!("{other:?}"),
    }
}

async fn apps(process: &Process) -> Vec<AppView> {
    match process.ask(Action::ListApps).await.unwrap() {
        Reply::Apps(apps) => apps,
        other => panic!("{other:?}"),
    }
}

/// What the only container gets as `LOG`.
fn log_of_the_only_container(bench: &Bench) -> Option<String> {
    let state = bench.world.state.lock().unwrap();
    let [only] = state.containers.values().collect::<Vec<_>>()[..] else {
        panic!("{:?}", state.containers.keys());
    };
    let mut env = only.spec.env.iter();
    let found = env.find(|(name, _)| name.as_str() == "LOG");
    found.map(|(_, value)| value.expose().to_owned())
}

async fn until(world: &World, wanted: impl Fn(&State) -> bool) {
    loop {
        let changed = world.changed.notified();
        if wanted(&world.state.lock().unwrap()) {
            return;
        }
        changed.await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_reload_in_the_middle_changes_nothing_for_what_is_at_work_and_the_next_deployment_takes_it()
 {
    let mut web = [git_app("web")];
    set_log(&mut web, "info");
    let bench = Bench::new(web.to_vec());
    let (process, file) = start(&bench);
    bench.world.state.lock().unwrap().head = Some(sha('1'));
    bench.world.state.lock().unwrap().builds_hang = true;
    process.deploy("web").await.unwrap();
    process
        .drive_until(&bench.world, |state| state.builds_now > 0)
        .await;

    set_log(&mut web, "debug");
    production(&mut web[0]).run.memory = Some(1 << 26);
    *file.lock().unwrap() = Ok((web.to_vec(), 2));
    let reloaded = reload(&process).await.unwrap();
    assert_eq!(reloaded.apps.changed.len(), 1, "{reloaded:?}");
    bench.world.state.lock().unwrap().builds_hang = false;
    process.drive().await;
    assert_eq!(log_of_the_only_container(&bench).unwrap(), "info");
    let drift = |apps: Vec<AppView>| apps[0].environments[0].drift.clone();
    assert_eq!(drift(apps(&process).await), ["env.LOG", "memory"]);

    process.deploy("web").await.unwrap();
    process.drive().await;
    assert_eq!(log_of_the_only_container(&bench).unwrap(), "debug");
    assert!(drift(apps(&process).await).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_deployment_that_waited_takes_the_configuration_of_the_moment_it_starts() {
    let mut web = [git_app("web")];
    set_log(&mut web, "info");
    let bench = Bench::new(web.to_vec());
    let (process, file) = start(&bench);
    bench.world.state.lock().unwrap().head = Some(sha('1'));
    process.deploy("web").await.unwrap();
    set_log(&mut web, "debug");
    *file.lock().unwrap() = Ok((web.to_vec(), 2));
    reload(&process).await.unwrap();
    process.drive().await;
    assert_eq!(log_of_the_only_container(&bench).unwrap(), "debug");
}

#[tokio::test(start_paused = true)]
async fn a_broken_file_is_refused_with_its_faults_and_the_configuration_before_it_goes_on() {
    let bench = Bench::new(vec![git_app("web")]);
    let (process, file) = start(&bench);
    bench.world.state.lock().unwrap().head = Some(sha('1'));
    let fault = "config.toml:3:1: app \"web\": port must be a number".to_owned();
    *file.lock().unwrap() = Err(vec![fault.clone()]);
    let Err(Error::ConfigRefused { faults, .. }) = reload(&process).await else {
        panic!("it was taken");
    };
    assert_eq!(faults, [fault]);
    assert!(apps(&process).await[0].configured);
    process.deploy("web").await.unwrap();
    process.drive().await;
    assert_eq!(bench.world.running().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_app_that_is_gone_from_the_file_keeps_serving_and_is_flagged_while_its_queue_drains() {
    let bench = Bench::new(vec![git_app("web")]);
    let (process, file) = start(&bench);
    bench.world.state.lock().unwrap().head = Some(sha('1'));
    process.deploy("web").await.unwrap();
    process.drive().await;
    let at_work = process.deploy("web").await.unwrap().deployment;
    let waits = process.deploy("web").await.unwrap().deployment;
    bench.world.state.lock().unwrap().builds_hang = true;
    process
        .drive_until(&bench.world, |state| state.builds_now > 0)
        .await;

    *file.lock().unwrap() = Ok((Vec::new(), 2));
    let reloaded = reload(&process).await.unwrap();
    assert_eq!(reloaded.apps.removed, [AppName::parse("web").unwrap()]);
    let refused = process.deploy("web").await.unwrap_err();
    assert!(
        matches!(&refused, Error::Refused(why) if why.contains("no longer names environment 'production'") && why.contains("longshore app rm web")),
        "{refused:?}"
    );

    bench.world.state.lock().unwrap().builds_hang = false;
    process.drive().await;
    let view = process.view(at_work.id).await;
    assert!(matches!(view.deployment.phase, Phase::Succeeded { .. }));
    let view = process.view(waits.id).await;
    assert!(
        matches!(&view.deployment.phase, Phase::Failed { failure, .. } if failure.code == FailureCode::ConfigChanged),
        "{:?}",
        view.deployment.phase
    );
    let serving = bench.world.running();
    assert_eq!(serving.len(), 1);
    let view = apps(&process).await.remove(0);
    assert!(!view.configured && !view.environments[0].configured);
    assert_eq!(view.environments[0].live_deployment, Some(at_work.id));

    // It comes back after a restart of the daemon, too, and again into the file after that.
    drop(process);
    let mut bench = bench;
    let web = std::mem::take(&mut bench.apps);
    let (process, file) = start(&bench);
    bench.world.state.lock().unwrap().containers.clear();
    let engine = |state: &State| !state.containers.is_empty();
    process.drive_until(&bench.world, engine).await;
    assert_eq!(bench.world.running(), serving);
    *file.lock().unwrap() = Ok((web, 2));
    reload(&process).await.unwrap();
    assert!(apps(&process).await[0].configured);
    process.deploy("web").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn how_many_are_at_work_at_once_can_be_raised_and_lowered_while_they_are() {
    let names = ["a", "b", "c", "d", "e", "f"];
    let mut bench = Bench::new(names.map(git_app).to_vec());
    bench.max_concurrent = 1;
    bench.world.state.lock().unwrap().head = Some(sha('1'));
    let (process, file) = start(&bench);
    for name in names {
        process.deploy(name).await.unwrap();
    }
    let set = async |max| {
        *file.lock().unwrap() = Ok((bench.apps.clone(), max));
        let reloaded = reload(&process).await.unwrap();
        assert_eq!(reloaded.settings, ["limits.max_concurrent"]);
    };
    let changes = async {
        until(&bench.world, |state| state.builds_now == 1).await;
        set(3).await;
        until(&bench.world, |state| state.builds_now == 3).await;
        set(1).await;
        until(&bench.world, |state| state.builds_now <= 1).await;
        bench.world.state.lock().unwrap().most_builds_at_once = 0;
    };
    tokio::join!(process.drive(), changes);
    assert_eq!(bench.world.state.lock().unwrap().most_builds_at_once, 1);
    assert_eq!(bench.world.running().len(), names.len());
}

#[tokio::test(start_paused = true)]
async fn an_app_renamed_with_its_id_keeps_its_volume_and_its_history_and_without_it_is_another() {
    let mut web = git_app("web");
    production(&mut web).run.volumes = vec![Mount {
        source: MountSource::Volume("data".into()),
        target: "/data".into(),
        read_only: false,
    }];
    let bench = Bench::new(vec![web.clone()]);
    bench.world.state.lock().unwrap().head = Some(sha('1'));
    let (process, file) = start(&bench);
    process.deploy("web").await.unwrap();
    process.drive().await;
    let made = |bench: &Bench| {
        let state = bench.world.state.lock().unwrap();
        let mut all = state.containers.values();
        all.next().unwrap().spec.clone()
    };
    let before = made(&bench);

    let mut shop = web.clone();
    shop.name = AppName::parse("shop").unwrap();
    *file.lock().unwrap() = Ok((vec![shop], 2));
    let reloaded = reload(&process).await.unwrap();
    assert_eq!(reloaded.apps.renamed.len(), 1, "{reloaded:?}");
    process.deploy("shop").await.unwrap();
    process.drive().await;
    let after = made(&bench);
    assert_ne!(after.name, before.name);
    assert_eq!(after.mounts, before.mounts, "its data is where it was");
    assert_eq!(after.network, before.network);
    assert_eq!(apps(&process).await.len(), 1);

    let mut other = git_app("other");
    other.environments = web.environments.clone();
    *file.lock().unwrap() = Ok((vec![other], 2));
    let reloaded = reload(&process).await.unwrap();
    let [note] = reloaded.apps.notes.as_slice() else {
        panic!("{reloaded:?}");
    };
    assert!(note.contains(&format!("id = \"{}\"", web.id)), "{note}");
    assert_eq!(apps(&process).await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn only_who_may_everything_everywhere_reloads() {
    let bench = Bench::new(vec![git_app("web")]);
    let (process, _file) = start(&bench);
    for (scope, reach) in [
        (Scope::Write, Reach::All),
        (Scope::Admin, Reach::App(AppSerial(1))),
        (
            Scope::Admin,
            Reach::Environment(AppSerial(1), EnvironmentSerial(1)),
        ),
    ] {
        let mut caller = process.caller.clone();
        (caller.scope, caller.reach) = (scope, reach);
        let refused = process.agent.dispatch(&caller, Action::Reload).await;
        assert_eq!(refused.unwrap_err(), Error::Forbidden(Scope::Admin));
    }
}

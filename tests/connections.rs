//! Connections of environments: who reaches whom by which name, from when on, and until when, whatever ends in between.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "support/world.rs"]
#[expect(dead_code, reason = "another test file uses the rest")]
mod world;

#[path = "support/laws.rs"]
mod laws;

#[path = "connections/crashes.rs"]
mod crashes;
#[path = "connections/scene.rs"]
mod scene;

use longshore::core::action::{Action, Target};
use longshore::core::app::App;
use longshore::core::change::Change;
use longshore::core::deployment::{Phase, Step, Trigger};
use longshore::core::failure::FailureCode;
use longshore::core::ports::{ContainerState, EngineEvent};
use longshore::core::spec::Strategy;
use scene::*;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use world::{
    Behaviour, Bench, Process, connected, create, git_app, image_app, image_of, routed, sha,
    with_release, with_workers,
};

#[tokio::test(start_paused = true)]
async fn a_consumer_reaches_its_provider_by_name_and_nobody_else_does() {
    let bench = Bench::new(vec![
        image_app("db", "db:1"),
        connected(image_app("web", "web:1"), &["db"]),
        connected(image_app("api", "api:1"), &["db"]),
        image_app("other", "other:1"),
    ]);
    let process = bench.start();
    for app in ["db", "web", "api", "other"] {
        up(&process, app).await;
    }
    for app in ["web", "api"] {
        assert_eq!(reached(&bench, &process, app, "db"), ["db:1"], "{app}");
    }
    for (from, to) in [
        ("other", "db"),
        ("web", "api"),
        ("api", "web"),
        ("web", "other"),
        ("db", "web"),
        ("db", "other"),
    ] {
        assert!(
            reached(&bench, &process, from, to).is_empty(),
            "{from} → {to}"
        );
    }
    hold(&bench, &process, "at the end");
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_comes_first_reaches_its_provider_as_soon_as_that_is_live() {
    let bench = two();
    let process = bench.start();
    let first = up(&process, "web").await;
    let log = process.log(first.deployment.id);
    assert!(
        log.contains("Connected to db, which has nothing live yet"),
        "{log}"
    );
    assert!(reached(&bench, &process, "web", "db").is_empty());
    hold(&bench, &process, "before");
    let second = up(&process, "db").await;
    assert_eq!(reached(&bench, &process, "web", "db"), ["db:1"]);
    let log = process.log(second.deployment.id);
    assert!(log.contains("Reached by web as db"), "{log}");
    hold(&bench, &process, "after");
}

#[tokio::test(start_paused = true)]
async fn two_that_are_connected_to_each_other_come_up_in_any_order() {
    let bench = Bench::new(vec![
        connected(image_app("a", "a:1"), &["b"]),
        connected(image_app("b", "b:1"), &["a"]),
    ]);
    let process = bench.start();
    for app in ["a", "b"] {
        process.deploy(app).await.unwrap();
    }
    process.drive().await;
    assert_eq!(reached(&bench, &process, "a", "b"), ["b:1"]);
    assert_eq!(reached(&bench, &process, "b", "a"), ["a:1"]);
    hold(&bench, &process, "both");
}

/// At every commit of the store: what `web` reaches as `db`, in turn, without repetitions.
fn seen_by_web(bench: &Bench) -> (Process, Arc<Mutex<Vec<Vec<String>>>>) {
    let seen: Arc<Mutex<Vec<Vec<String>>>> = Arc::default();
    let (world, notes) = (bench.world.clone(), seen.clone());
    let look = move |_: &'static str| {
        let state = world.state.lock().unwrap();
        let mut web = state.containers.values();
        let runs = |made: &&world::Made| {
            made.spec.labels.app == "web" && matches!(made.state, ContainerState::Running { .. })
        };
        if let Some(web) = web.rfind(runs) {
            let now: Vec<String> = state.reaches(&web.spec.name, "db").into_iter().collect();
            let mut notes = notes.lock().unwrap();
            if notes.last() != Some(&now) {
                notes.push(now);
            }
        }
    };
    (bench.start_with(|ports| ports, look).unwrap(), seen)
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_is_swapped_is_reached_all_the_while_and_never_before_its_commit() {
    let bench = Bench::new(vec![
        routed(git_app("db"), Strategy::Swap),
        connected(image_app("web", "web:1"), &["db"]),
    ]);
    bench.world.change(|state| state.head = Some(sha('1')));
    let (process, seen) = seen_by_web(&bench);
    up(&process, "db").await;
    up(&process, "web").await;
    bench.world.change(|state| state.head = Some(sha('2')));
    up(&process, "db").await;
    let (old, new) = (image_of(sha('1').as_str()), image_of(sha('2').as_str()));
    let both = vec![old.clone(), new.clone()];
    assert_eq!(*seen.lock().unwrap(), [vec![old], both, vec![new]]);
    hold(&bench, &process, "swapped");
}

#[tokio::test(start_paused = true)]
async fn a_candidate_of_a_provider_that_never_gets_ready_is_reached_by_nobody() {
    for strategy in [Strategy::Swap, Strategy::Recreate] {
        let bench = Bench::new(vec![
            routed(git_app("db"), strategy),
            connected(image_app("web", "web:1"), &["db"]),
        ]);
        bench.world.change(|state| {
            state.head = Some(sha('1'));
            let bad = image_of(sha('2').as_str());
            state.behaviours.insert(bad, Behaviour::NeverReady);
        });
        let (process, seen) = seen_by_web(&bench);
        up(&process, "db").await;
        up(&process, "web").await;
        bench.world.change(|state| state.head = Some(sha('2')));
        let failed = process.deploy("db").await.unwrap();
        process.drive().await;
        let phase = process.view(failed.deployment.id).await.deployment.phase;
        assert!(matches!(phase, Phase::Failed { .. }), "{phase:?}");
        let old = image_of(sha('1').as_str());
        let expected = match strategy {
            Strategy::Swap => vec![vec![old]],
            Strategy::Recreate => vec![vec![old.clone()], vec![], vec![old]],
        };
        assert_eq!(*seen.lock().unwrap(), expected, "{strategy:?}");
        hold(&bench, &process, "failed");
    }
}

#[tokio::test(start_paused = true)]
async fn commands_and_workers_of_a_consumer_reach_its_provider() {
    let web = with_workers(image_app("web", "web:1"), &["mailer"]);
    let web = connected(with_release(web, &["./migrate"]), &["db"]);
    let bench = Bench::new(vec![image_app("db", "db:1"), web]);
    bench.world.change(|state| {
        let goes_on = Behaviour::NeverReady;
        state.behaviours.insert("./migrate".into(), goes_on);
    });
    let process = bench.start();
    up(&process, "db").await;
    process.deploy("web").await.unwrap();
    process
        .drive_until(&bench.world, |state| {
            let task = state.task("./migrate");
            task.is_some_and(|made| matches!(made.state, ContainerState::Running { .. }))
        })
        .await;
    bench.world.change(|state| {
        let task = state.task("./migrate").unwrap().spec.name.clone();
        assert!(state.reaches(&task, "db").contains("sha256:db:1"));
        state.end_task("./migrate", 0);
    });
    process.drive().await;
    hold(&bench, &process, "web and its mailer");
    let live = live(&process, "web");
    let state = bench.world.state.lock().unwrap();
    assert_eq!(live.containers.len(), 2);
    for row in &live.containers {
        assert!(
            state.reaches(&row.name, "db").contains("sha256:db:1"),
            "{}",
            row.name
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_no_longer_configured_ends_with_the_next_deployment() {
    let mut bench = two();
    let process = bench.start();
    up(&process, "db").await;
    up(&process, "web").await;
    drop(process);
    bench.apps = vec![image_app("db", "db:1"), image_app("web", "web:1")];
    let process = bench.start();
    process.drive_for(Duration::from_secs(1)).await;
    assert_eq!(reached(&bench, &process, "web", "db"), ["db:1"], "not yet");
    let last = up(&process, "web").await;
    assert!(reached(&bench, &process, "web", "db").is_empty());
    assert!(networks(&bench).is_empty(), "{:?}", networks(&bench));
    let log = process.log(last.deployment.id);
    assert!(log.contains("Ending the connection to db"), "{log}");
    let steps = steps(&process, &last).await;
    assert_eq!(steps, [Step::Rollout, Step::SyncConnections], "to prune");
    let steps = steps_of_next(&process, "web").await;
    assert_eq!(steps, [Step::Rollout], "nothing to do");
    hold(&bench, &process, "pruned");
}

#[tokio::test(start_paused = true)]
async fn a_rollback_is_connected_to_what_its_release_was_connected_to() {
    let mut bench = two();
    let process = bench.start();
    up(&process, "db").await;
    up(&process, "web").await;
    drop(process);
    bench.apps = vec![image_app("db", "db:1"), image_app("web", "web:2")];
    let process = bench.start();
    up(&process, "web").await;
    assert!(networks(&bench).is_empty());
    let mut back = create("web", Trigger::Manual);
    back.target = Target::Release(None);
    process.create(back).await.unwrap();
    process.drive().await;
    assert_eq!(reached(&bench, &process, "web", "db"), ["db:1"]);
    hold(&bench, &process, "back");
}

#[tokio::test(start_paused = true)]
async fn a_deployment_that_fails_leaves_no_connection_that_only_it_had() {
    let mut bench = Bench::new(vec![image_app("db", "db:1"), image_app("web", "web:1")]);
    let process = bench.start();
    up(&process, "db").await;
    up(&process, "web").await;
    drop(process);
    bench.apps = vec![
        image_app("db", "db:1"),
        connected(image_app("web", "web:2"), &["db"]),
    ];
    bench.world.change(|state| {
        let bad = "sha256:web:2".to_owned();
        state.behaviours.insert(bad, Behaviour::Exits(1));
    });
    let process = bench.start();
    let failed = process.deploy("web").await.unwrap();
    process.drive().await;
    let phase = process.view(failed.deployment.id).await.deployment.phase;
    assert!(matches!(phase, Phase::Failed { .. }), "{phase:?}");
    assert!(networks(&bench).is_empty(), "{:?}", networks(&bench));
    hold(&bench, &process, "failed");
    bench.world.change(|state| state.behaviours.clear());
    up(&process, "web").await;
    assert_eq!(reached(&bench, &process, "web", "db"), ["db:1"]);
    hold(&bench, &process, "mended");
}

#[tokio::test(start_paused = true)]
async fn an_environment_that_is_removed_takes_its_connections_with_it_to_either_side() {
    for removed in ["web", "db"] {
        let bench = Bench::new(vec![
            connected(image_app("db", "db:1"), &["cache"]),
            connected(image_app("web", "web:1"), &["db"]),
            image_app("cache", "cache:1"),
        ]);
        let process = bench.start();
        for app in ["cache", "db", "web"] {
            up(&process, app).await;
        }
        assert_eq!(networks(&bench).len(), 2);
        let remove = Change::Remove { volumes: false };
        process.change(removed, remove, false).await.unwrap();
        process.drive().await;
        let left = networks(&bench);
        assert_eq!(left.len(), usize::from(removed == "web"), "{left:?}");
        process.drive_for(Duration::from_secs(1300)).await;
        assert_eq!(networks(&bench), left, "nothing comes back");
        hold(&bench, &process, removed);
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_is_removed_and_comes_again_is_reached_again() {
    let bench = two();
    let process = bench.start();
    up(&process, "db").await;
    up(&process, "web").await;
    let remove = Change::Remove { volumes: false };
    process.change("db", remove, false).await.unwrap();
    process.drive().await;
    assert!(networks(&bench).is_empty());
    drop(process);
    let process = bench.start();
    process.drive_for(Duration::from_secs(1)).await;
    up(&process, "db").await;
    assert_eq!(reached(&bench, &process, "web", "db"), ["db:1"]);
    hold(&bench, &process, "again");
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_is_renamed_is_called_as_before_until_its_consumer_is_deployed() {
    let mut bench = two();
    let process = bench.start();
    up(&process, "db").await;
    up(&process, "web").await;
    drop(process);
    let id = bench.apps[0].id;
    bench.apps = vec![
        App {
            id,
            ..image_app("store", "db:2")
        },
        connected(image_app("web", "web:1"), &["store"]),
    ];
    let process = bench.start();
    process.drive_for(Duration::from_secs(1)).await;
    up(&process, "store").await;
    assert_eq!(reached(&bench, &process, "web", "db"), ["db:2"]);
    up(&process, "web").await;
    assert_eq!(reached(&bench, &process, "web", "store"), ["db:2"]);
    assert!(reached(&bench, &process, "web", "db").is_empty());
    hold(&bench, &process, "renamed");
}

#[tokio::test(start_paused = true)]
async fn a_container_that_is_made_again_is_in_its_networks_before_it_starts() {
    for app in ["web", "db"] {
        let bench = two();
        let process = bench.start();
        up(&process, "db").await;
        up(&process, "web").await;
        let name = live(&process, app).containers[0].name.clone();
        bench
            .world
            .tell(EngineEvent::Removed(name.clone()), |state| {
                state.containers.remove(&name);
            });
        process.drive_for(Duration::from_secs(5)).await;
        assert_eq!(reached(&bench, &process, "web", "db"), ["db:1"], "{app}");
        hold(&bench, &process, app);
    }
}

#[tokio::test(start_paused = true)]
async fn networks_that_somebody_took_away_while_nothing_ran_are_made_again() {
    let bench = two();
    let process = bench.start();
    up(&process, "db").await;
    up(&process, "web").await;
    for app in ["web", "db"] {
        process.change(app, Change::Stop, false).await.unwrap();
    }
    process.drive().await;
    bench
        .world
        .change(|state| state.networks.retain(|name| !name.contains('.')));
    for app in ["db", "web"] {
        process.change(app, Change::Start, false).await.unwrap();
    }
    process.drive().await;
    assert_eq!(reached(&bench, &process, "web", "db"), ["db:1"]);
    hold(&bench, &process, "started");
}

#[tokio::test(start_paused = true)]
async fn a_small_pool_lasts_for_any_number_of_connections_one_after_another() {
    let mut bench = two();
    bench.address_pool = "10.0.0.0/24";
    let connects: Vec<App> = bench.apps.clone();
    let apart = vec![image_app("db", "db:1"), image_app("web", "web:1")];
    for round in 0..12 {
        bench.apps = match round % 2 {
            0 => connects.clone(),
            _ => apart.clone(),
        };
        let process = bench.start();
        up(&process, "db").await;
        up(&process, "web").await;
        hold(&bench, &process, &format!("round {round}"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_is_full_fails_the_deployment_and_says_so() {
    let apps = |connected_to: &[&str]| {
        let mut apps: Vec<App> = ["a", "b", "c"]
            .iter()
            .map(|name| image_app(name, &format!("{name}:1")))
            .collect();
        apps.push(connected(image_app("web", "web:1"), connected_to));
        apps
    };
    let mut bench = Bench::new(apps(&["a"]));
    bench.address_pool = "10.0.0.0/24";
    let process = bench.start();
    let failed = process.deploy("web").await.unwrap();
    process.drive().await;
    match process.view(failed.deployment.id).await.deployment.phase {
        Phase::Failed { failure, .. } => {
            assert!(failure.message.contains("no network left"), "{failure:?}");
            assert_eq!(failure.code, FailureCode::AddressesExhausted);
        }
        other => panic!("{other:?}"),
    }
    drop(process);
    bench.apps = apps(&[]);
    let process = bench.start();
    up(&process, "web").await;
    hold(&bench, &process, "without");
}

#[tokio::test(start_paused = true)]
async fn a_network_that_the_engine_does_not_let_go_is_left_and_its_addresses_with_it() {
    let mut bench = two();
    let process = bench.start();
    up(&process, "db").await;
    up(&process, "web").await;
    let network = networks(&bench).pop().unwrap();
    bench.world.change(|state| {
        state.refuses_network_removals.insert(network.clone());
    });
    drop(process);
    let connects = std::mem::replace(
        &mut bench.apps,
        vec![image_app("db", "db:1"), image_app("web", "web:1")],
    );
    let process = bench.start();
    let last = up(&process, "web").await;
    let log = process.log(last.deployment.id);
    assert!(log.contains("Could not be put back: the network"), "{log}");
    assert!(process.store.unfinished().unwrap().is_empty());
    // It is the same one when it is wanted again.
    drop(process);
    bench.apps = connects;
    let process = bench.start();
    up(&process, "web").await;
    assert_eq!(networks(&bench), [network]);
    assert_eq!(reached(&bench, &process, "web", "db"), ["db:1"]);
    hold(&bench, &process, "again");
}

#[tokio::test(start_paused = true)]
async fn where_a_secret_is_in_what_a_consumer_is_told_nobody_else_is_told() {
    use longshore::core::connection::{ConnectValue, Piece};
    use longshore::core::name::VariableName;
    use longshore::core::secret::{Secret, SecretRef, SecretSource};
    let name = |text: &str| VariableName::parse(text).unwrap();
    let mut bench = two();
    let password = bench.dir.path().join("password");
    std::fs::write(&password, "pa55-word\n").unwrap();
    for app in &mut bench.apps {
        for spec in app
            .environments
            .values_mut()
            .filter(|_| app.name.as_str() == "web")
        {
            let source = SecretSource::Host(SecretRef::File(password.clone()));
            spec.run.secrets.insert(name("PASSWORD"), source);
            spec.run.env.insert(name("PLAIN"), "wins".into());
            let url = vec![
                Piece::Text("postgres://app:".into()),
                Piece::Secret(name("PASSWORD")),
                Piece::Text("@db:5432/app".into()),
            ];
            spec.run
                .connect
                .env
                .insert(name("DATABASE_URL"), ConnectValue(url));
            let shadowed = ConnectValue(vec![Piece::Text("db".into())]);
            spec.run.connect.env.insert(name("PLAIN"), shadowed);
        }
    }
    let process = bench.start();
    up(&process, "web").await;
    let row = live(&process, "web").containers.remove(0);
    let state = bench.world.state.lock().unwrap();
    let env = &state.containers[&row.name].spec.env;
    let told = |wanted: &str| {
        let mut all = env.iter();
        let found = all.find(|(name, _)| name.as_str() == wanted);
        found.map(|(_, value)| value.expose().to_owned())
    };
    let url = "postgres://app:pa55-word@db:5432/app";
    assert_eq!(told("DATABASE_URL").as_deref(), Some(url));
    assert_eq!(told("PLAIN").as_deref(), Some("wins"));
    let hidden = process.store.hidden_values(row.serial).unwrap();
    assert!(
        hidden.contains(&Secret::new(url)),
        "it is no line of any log"
    );
    assert!(!hidden.contains(&Secret::new("wins")));
}

#[tokio::test(start_paused = true)]
async fn a_deployment_plans_the_step_only_where_there_is_something_to_connect() {
    let bench = two();
    let process = bench.start();
    let steps_first = steps_of_next(&process, "db").await;
    assert_eq!(
        steps_first,
        [Step::Rollout],
        "nobody is connected to it yet"
    );
    let both = [Step::Rollout, Step::SyncConnections];
    assert_eq!(steps_of_next(&process, "web").await, both);
    let queued = process.deploy("db").await.unwrap();
    assert_eq!(steps(&process, &queued).await, both, "also while it waits");
    process.drive().await;
    let view = process.view(queued.deployment.id).await;
    let step = view.steps.last().unwrap();
    assert!(
        step.started_at.is_some() && step.ended_at.is_some(),
        "{step:?}"
    );
    let plan = process
        .ask(Action::PlanDeployment(create("web", Trigger::Manual)))
        .await
        .unwrap();
    match plan {
        longshore::core::action::Reply::Plan(plan) => assert_eq!(plan.steps, both),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_reaches_its_provider_while_it_runs_and_needs_none_to_be_live() {
    use longshore::core::job::*;
    let mut job = connected(image_app("job", "job:1"), &["db"]);
    let work = JobCommand {
        entrypoint: vec![],
        command: vec!["./work".into()],
    };
    for spec in job.environments.values_mut() {
        spec.run.port = None;
        spec.job = Some(JobSpec {
            occasion: Occasion::Lifecycle([(JobEvent::Start, work.clone())].into()),
            overlap: Overlap::Forbid,
            max_duration: Duration::from_secs(600),
            retries: 0,
            keep_runs: 5,
        });
    }
    let bench = Bench::new(vec![image_app("db", "db:1"), job]);
    let goes_on = Behaviour::NeverReady;
    bench.world.change(|state| {
        state.behaviours.insert("./work".into(), goes_on);
    });
    let process = bench.start();
    process.deploy("job").await.unwrap();
    process.drive_until(&bench.world, runs_work).await;
    let reaches = |state: &world::State| {
        let work = state.task("./work").unwrap().spec.name.clone();
        state.reaches(&work, "db").contains("sha256:db:1")
    };
    assert!(
        !reaches(&bench.world.state.lock().unwrap()),
        "nothing is live"
    );
    // It becomes live while the job runs.
    process.deploy("db").await.unwrap();
    process.drive_until(&bench.world, reaches).await;
    bench.world.change(|state| state.end_task("./work", 0));
    process.drive().await;
    assert_eq!(networks(&bench).len(), 1, "the job's release is live");
}

fn runs_work(state: &world::State) -> bool {
    let task = state.task("./work");
    task.is_some_and(|made| matches!(made.state, ContainerState::Running { .. }))
}

#[tokio::test(start_paused = true)]
async fn a_name_that_goes_to_another_app_leads_there_only_once_its_consumer_is_deployed() {
    let mut bench = two();
    let process = bench.start();
    up(&process, "db").await;
    up(&process, "web").await;
    drop(process);
    let id = bench.apps[0].id;
    let old = App {
        id,
        ..image_app("db-old", "db:1")
    };
    bench.apps = vec![
        old,
        App {
            id: uuid::Uuid::from_u128(77),
            ..image_app("db", "new:1")
        },
        connected(image_app("web", "web:1"), &["db"]),
    ];
    let process = bench.start();
    process.drive_for(Duration::from_secs(1200)).await;
    up(&process, "db").await;
    assert_eq!(reached(&bench, &process, "web", "db"), ["db:1"]);
    hold(&bench, &process, "another has the name");
    // A deployment that fails leaves it so.
    bench.world.change(|state| {
        state
            .behaviours
            .insert("sha256:web:2".into(), Behaviour::Exits(3));
    });
    let mut asked = create("web", Trigger::Manual);
    asked.target = Target::Image(longshore::core::name::ImageReference::parse("web:2").unwrap());
    let failed = process.create(asked).await.unwrap().deployment.id;
    process.drive().await;
    let phase = process.view(failed).await.deployment.phase;
    assert!(matches!(phase, Phase::Failed { .. }), "{phase:?}");
    assert_eq!(reached(&bench, &process, "web", "db"), ["db:1"]);
    hold(&bench, &process, "failed");
    up(&process, "web").await;
    assert_eq!(reached(&bench, &process, "web", "db"), ["new:1"]);
    hold(&bench, &process, "deployed");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_at_work_keeps_its_connection_until_its_end_whatever_is_deployed() {
    use longshore::core::job::*;
    use longshore::core::schedule::{Cron, Zone};
    let job = |app: App| {
        let mut app = app;
        for spec in app.environments.values_mut() {
            spec.run.port = None;
            spec.run.command = vec!["./work".into()];
            spec.job = Some(JobSpec {
                occasion: Occasion::Scheduled(Schedule {
                    cron: Cron::parse("0 0 1 1 *").unwrap(),
                    time_zone: Zone::utc(),
                    missed: Missed::Skip,
                }),
                overlap: Overlap::Forbid,
                max_duration: Duration::from_secs(3600),
                retries: 0,
                keep_runs: 5,
            });
        }
        app
    };
    let mut bench = Bench::new(vec![
        image_app("db", "db:1"),
        job(connected(image_app("job", "job:1"), &["db"])),
    ]);
    bench.world.change(|state| {
        state
            .behaviours
            .insert("./work".into(), Behaviour::NeverReady);
    });
    let process = bench.start();
    up(&process, "db").await;
    up(&process, "job").await;
    let asked = longshore::core::action::RunJob {
        app: longshore::core::action::AppRef::Name(
            longshore::core::name::AppName::parse("job").unwrap(),
        ),
        environment: None,
        event: None,
        key: None,
    };
    process.ask(Action::RunJob(asked)).await.unwrap();
    process.drive_until(&bench.world, runs_work).await;
    drop(process);
    bench.apps = vec![image_app("db", "db:1"), job(image_app("job", "job:1"))];
    let process = bench.start();
    let next = process.deploy("job").await.unwrap().deployment.id;
    process.drive_for(Duration::from_secs(60)).await;
    let phase = process.view(next).await.deployment.phase;
    assert!(matches!(phase, Phase::Succeeded { .. }), "{phase:?}");
    let work = {
        let state = bench.world.state.lock().unwrap();
        state.task("./work").unwrap().spec.name.clone()
    };
    let reaches = bench.world.state.lock().unwrap().reaches(&work, "db");
    assert!(reaches.contains("sha256:db:1"), "{reaches:?}");
    bench.world.change(|state| state.end_task("./work", 0));
    process.drive().await;
    assert!(networks(&bench).is_empty());
}

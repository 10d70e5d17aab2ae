//! A disk that fills up: a real one, small and mounted for the test. Whatever it fills during, the history stays whole,
//! what runs goes on running, the error says what to do, and everything goes on when there is space again.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "support/tmpfs.rs"]
#[expect(dead_code, reason = "another test file uses the rest")]
mod tmpfs;
#[path = "support/world.rs"]
#[expect(dead_code, reason = "another test file uses the rest")]
mod world;

use longshore::core::action::{Action, AppRef, Reply, RunJob, RunView};
use longshore::core::app::App;
use longshore::core::deployment::{Phase, Trigger};
use longshore::core::error::Error;
use longshore::core::failure::FailureCode;
use longshore::core::id::{DeploymentSerial, EnvironmentSerial};
use longshore::core::job::{JobCommand, JobEvent, JobSpec, Occasion, Overlap};
use longshore::core::log::Stream;
use longshore::core::name::AppName;
use longshore::core::ports::ContainerState;
use longshore::core::run::RunPhase;
use longshore::core::time::Timestamp;
use longshore::store::StoreError;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use tmpfs::{Tmpfs, assert_sound};
use uuid::Uuid;
use world::{Behaviour, Bench, Process, create, git_app, image_app, image_of, sha};

/// The reserve's whole size.
const RESERVE: u64 = 4 * 1024 * 1024;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
}

fn bench_on(disk: &Tmpfs) -> Bench {
    let mut bench = Bench::new(vec![git_app("web")]);
    bench.data_dir = disk.path().to_owned();
    bench
}

/// A daemon whose version 1 is live.
async fn with_one_live(bench: &Bench) -> Process {
    let process = bench.start();
    bench.world.state.lock().unwrap().head = Some(sha('1'));
    process.deploy("web").await.unwrap();
    process.drive().await;
    process
}

fn reserve(data_dir: &Path) -> u64 {
    data_dir.join("reserve").metadata().unwrap().len()
}

/// Exactly one container runs, of this version.
fn assert_runs(bench: &Bench, digit: char, at: &str) {
    let state = bench.world.state.lock().unwrap();
    let containers: Vec<_> = state.containers.values().collect();
    assert_eq!(containers.len(), 1, "{at}: {containers:?}");
    assert!(
        matches!(containers[0].state, ContainerState::Running { .. }),
        "{at}"
    );
    assert_eq!(
        containers[0].spec.image,
        image_of(sha(digit).as_str()),
        "{at}"
    );
}

/// How a deployment ended during which the disk filled at the `at`th point; none if it has fewer.
fn fill_at(at: usize, behaviour: Behaviour) -> Option<&'static str> {
    runtime().block_on(async {
        let disk = Tmpfs::mount("12m");
        let bench = bench_on(&disk);
        let process = with_one_live(&bench).await;
        {
            let mut state = bench.world.state.lock().unwrap();
            state.head = Some(sha('2'));
            state
                .behaviours
                .insert(image_of(sha('2').as_str()), behaviour);
            state.build_prints = (0..50)
                .map(|line| format!("line {line} {}", "x".repeat(1000)))
                .collect();
        }

        let ballast = disk.ballast();
        bench.world.at_point(at, move || ballast.fill());
        let created = process.deploy("web").await;
        let ended = match &created {
            Err(Error::DiskFull(said)) => {
                assert!(said.contains(disk.path().to_str().unwrap()), "{said}");
                assert!(said.contains("Free space"), "{said}");
                "refused"
            }
            Err(other) => panic!("{at}: {other:?}"),
            Ok(created) => {
                let hour = Duration::from_secs(3600);
                let driven = tokio::time::timeout(hour, process.drive()).await;
                if !bench.world.has_happened() {
                    return None;
                }
                let deployment = process.store.deployment(created.deployment.serial).unwrap();
                match deployment.phase {
                    // It could not even begin; it waits for space.
                    Phase::Queued => "queued",
                    _ if driven.is_err() => panic!("{at}: it hangs"),
                    Phase::Succeeded { .. } => "succeeded",
                    Phase::Failed { failure, .. } if failure.code == FailureCode::DiskFull => {
                        assert!(
                            failure.message.contains("the disk of data_dir"),
                            "{failure:?}"
                        );
                        assert!(failure.message.contains("free"), "{failure:?}");
                        assert!(failure.next.contains("Free space"), "{failure:?}");
                        "disk_full"
                    }
                    Phase::Failed { failure, .. } => {
                        assert_ne!(behaviour, Behaviour::Serves, "{at}: {failure:?}");
                        "failed"
                    }
                    other => panic!("{at}: {other:?}"),
                }
            }
        };
        let lives = match ended {
            "succeeded" => '2',
            _ => '1',
        };
        assert_runs(&bench, lives, &format!("{at} {ended}"));

        // A daemon that begins on the full disk drives as the one before did.
        drop(process);
        let process = bench.start();
        let space = disk.ballast();
        let back = async {
            tokio::time::sleep(Duration::from_secs(60)).await;
            space.remove();
        };
        tokio::join!(process.drive(), back);
        let now_lives = if ended == "queued" && behaviour == Behaviour::Serves {
            '2'
        } else {
            lives
        };
        assert_runs(&bench, now_lives, &format!("{at} {ended}, after that"));

        bench.world.state.lock().unwrap().head = Some(sha('3'));
        let third = process.deploy("web").await.unwrap().deployment.id;
        process.drive().await;
        let third = process.view(third).await.deployment.phase;
        assert!(matches!(third, Phase::Succeeded { .. }), "{at}: {third:?}");
        assert_runs(&bench, '3', &format!("{at}, the third"));
        assert!(bench.world.state.lock().unwrap().trees.is_empty(), "{at}");
        assert_eq!(reserve(disk.path()), RESERVE, "{at}");
        assert!(process.store.unfinished().unwrap().is_empty());
        drop(process);
        assert_sound(disk.path(), if created.is_ok() { 3 } else { 2 });
        Some(ended)
    })
}

/// Fills the disk at every point of a deployment in turn.
fn fill_everywhere(behaviour: Behaviour) -> BTreeMap<&'static str, usize> {
    let mut ends = BTreeMap::new();
    let mut points = 0;
    while let Some(end) = fill_at(points, behaviour) {
        *ends.entry(end).or_default() += 1;
        points += 1;
    }
    println!("the disk filled at each of {points} points: {ends:?}");
    assert!(points > 30, "{points}");
    ends
}

#[test]
fn a_disk_that_fills_at_any_point_of_a_good_deployment_costs_at_most_that_deployment() {
    let ends = fill_everywhere(Behaviour::Serves);
    assert!(ends.contains_key("disk_full"), "{ends:?}");
}

#[test]
fn a_disk_that_fills_at_any_point_of_a_bad_deployment_keeps_its_failure() {
    fill_everywhere(Behaviour::Exits(1));
}

#[test]
fn a_full_disk_refuses_new_deployments_and_still_takes_a_cancel() {
    runtime().block_on(async {
        let disk = Tmpfs::mount("12m");
        let bench = bench_on(&disk);
        let process = with_one_live(&bench).await;
        let queued = process.deploy("web").await.unwrap().deployment.id;
        disk.ballast().fill();
        for trigger in [Trigger::Manual, Trigger::Automatic] {
            let refused = process.create(create("web", trigger)).await;
            assert!(matches!(refused, Err(Error::DiskFull(_))), "{refused:?}");
        }
        let cancel = longshore::core::action::Action::CancelDeployment(queued.into());
        process.ask(cancel).await.unwrap();
        let phase = process.view(queued).await.deployment.phase;
        assert!(matches!(phase, Phase::Cancelled { .. }), "{phase:?}");
        process.drive().await;
        drop(process);
        assert_sound(disk.path(), 2);
    });
}

/// A job whose runs replace each other.
fn job() -> App {
    let mut app = image_app("job", "tool:1");
    for spec in app.environments.values_mut() {
        spec.run.port = None;
        spec.run.command = vec!["./backup".into()];
        spec.job = Some(JobSpec {
            occasion: Occasion::Lifecycle([(JobEvent::Start, JobCommand::default())].into()),
            overlap: Overlap::Replace,
            max_duration: Duration::from_secs(3600),
            retries: 0,
            keep_runs: 100,
        });
    }
    app
}

/// A run of the job, by hand.
async fn run_job(process: &Process) -> RunView {
    let asked = RunJob {
        app: AppRef::Name(AppName::parse("job").unwrap()),
        environment: None,
        event: None,
        key: None,
    };
    match process.ask(Action::RunJob(asked)).await.unwrap() {
        Reply::Run(view) => *view,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_run_that_fills_the_disk_and_ends_well_has_succeeded_and_one_that_waits_keeps_nothing_busy() {
    runtime().block_on(async {
        let disk = Tmpfs::mount("12m");
        let mut bench = bench_on(&disk);
        bench.apps = vec![job()];
        let process = bench.start();
        process.deploy("job").await.unwrap();
        process.drive().await;
        let behave = |behaviour| {
            let mut state = bench.world.state.lock().unwrap();
            state.behaviours.insert("./backup".into(), behaviour);
        };
        behave(Behaviour::NeverReady);
        let first = run_job(&process).await;
        let runs = |state: &world::State| state.begun.len() == 2;
        process.drive_until(&bench.world, runs).await;
        disk.ballast().fill();
        bench.world.change(|state| state.end_task("./backup", 0));
        process.drive_for(Duration::from_secs(60)).await;
        let phase = process.store.run(first.run.serial).unwrap().phase;
        assert!(matches!(phase, RunPhase::Succeeded { .. }), "{phase:?}");

        // One waits for the end of another when the disk fills.
        disk.ballast().remove();
        behave(Behaviour::NeverReady);
        run_job(&process).await;
        let runs = |state: &world::State| state.begun.len() == 3;
        process.drive_until(&bench.world, runs).await;
        let waits = run_job(&process).await;
        behave(Behaviour::Exits(0));
        disk.ballast().fill();
        // It is waited for, and not asked about again and again: this comes back.
        process.drive_for(Duration::from_secs(600)).await;
        disk.ballast().remove();
        process.drive().await;
        match process.store.run(waits.run.serial).unwrap().phase {
            RunPhase::Succeeded { .. } => {}
            // There was room to begin, and none to go on.
            RunPhase::Failed { failure, .. } => assert_eq!(failure.code, FailureCode::DiskFull),
            phase => panic!("{phase:?}"),
        }
    });
}

#[test]
fn a_daemon_without_space_for_its_database_says_so() {
    let disk = Tmpfs::mount("64k");
    disk.ballast().fill();
    let random: longshore::core::ports::Random = std::sync::Arc::new(|bytes| bytes.fill(5));
    let with = longshore::store::OpenWith {
        now: Timestamp(0),
        random,
        credentials_directory: None,
        watch: None,
    };
    let said = match longshore::store::Store::open(disk.path(), with) {
        Ok(_) => panic!("it was opened"),
        Err(error @ StoreError::DiskFull { .. }) => error.to_string(),
        Err(error) => panic!("{error:?}"),
    };
    let path = disk.path().display();
    assert_eq!(
        said,
        format!("the disk of data_dir {path} is full (0 B free)")
    );
}

#[test]
fn a_log_says_where_lines_are_missing_once_it_can_be_written_again() {
    runtime().block_on(async {
        let disk = Tmpfs::mount("12m");
        let bench = bench_on(&disk);
        let process = bench.start();
        let deployment = Uuid::from_u128(7);
        let at = Timestamp(1_741_948_320_000);
        let long = "x".repeat(5000);
        let log = process.store.open_log(deployment).unwrap();
        log.append(at, None, Stream::Stdout, &format!("before {long}"))
            .unwrap();
        disk.ballast().fill();
        let first = log.append(at, None, Stream::Stdout, &long);
        assert!(matches!(first, Err(StoreError::File { .. })), "{first:?}");
        log.append(at, None, Stream::Stdout, &long).unwrap();
        let other = Uuid::from_u128(8);
        let new = process.store.open_log(other).unwrap();
        assert!(new.append(at, None, Stream::Stdout, &long).is_err());
        disk.ballast().remove();
        log.append(at, None, Stream::Stdout, "after").unwrap();
        process.store.note_lost_lines(at).unwrap();
        let texts = |id| {
            let log = process.log(id);
            let text = |line: &str| line.split(' ').skip(3).collect::<Vec<_>>().join(" ");
            log.lines()
                .map(|line| text(line).replace(&long, ""))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            texts(deployment),
            [
                "before ",
                "2 lines are missing here: the disk of data_dir was full",
                "after"
            ]
        );
        assert_eq!(
            texts(other),
            ["1 line is missing here: the disk of data_dir was full"]
        );
    });
}

#[test]
fn the_write_ahead_log_stays_small() {
    runtime().block_on(async {
        let disk = Tmpfs::mount("64m");
        let bench = bench_on(&disk);
        let process = with_one_live(&bench).await;
        let live = process.store.live(EnvironmentSerial(1)).unwrap().unwrap();
        let cursor = |n| longshore::core::container::OutputCursor(format!("{n:0>9}"));
        let mut largest = 0;
        for n in 0..5000 {
            process
                .store
                .record_read(live.containers[0].serial, &cursor(n))
                .unwrap();
            let wal = disk.path().join("longshore.db-wal");
            largest = largest.max(wal.metadata().unwrap().len());
        }
        assert!(largest < 6 * 1024 * 1024, "{largest}");
        assert!(process.store.deployment(DeploymentSerial(1)).is_ok());
    });
}

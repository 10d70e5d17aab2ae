//! Giving back what is no longer needed: what goes, what stays, and that an end of the process at any point leaves
//! nothing half done.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "support/world.rs"]
#[expect(dead_code, reason = "another test file uses the rest")]
mod world;

use longshore::core::access::{Caller, Reach, Scope};
use longshore::core::action::{
    Action, AppRef, ChangeEnvironment, CreateDeployment, Environments, Reply, Target,
};
use longshore::core::change::Change;
use longshore::core::deployment::{Phase, Trigger};
use longshore::core::error::Error;
use longshore::core::id::{AppSerial, EnvironmentSerial};
use longshore::core::retention::{Collection, Finding, Kind, Verdict};
use std::collections::BTreeSet;
use std::time::Duration;
use uuid::Uuid;
use world::{Behaviour, Bench, Process, State, create, git_app, image_of, sha};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
}

fn bench(keep_releases: usize) -> Bench {
    let mut bench = Bench::new(vec![git_app("web")]);
    bench.retention.keep_releases = keep_releases;
    bench
}

async fn deploy(bench: &Bench, process: &Process, digits: &str) {
    for digit in digits.chars() {
        bench.world.state.lock().unwrap().head = Some(sha(digit));
        process.deploy("web").await.unwrap();
        process.drive().await;
    }
}

async fn collect(process: &Process, explain: bool) -> Collection {
    match process.ask(Action::CollectGarbage { explain }).await {
        Ok(Reply::Collection(collection)) => collection,
        other => panic!("{other:?}"),
    }
}

fn rollback(number: i64) -> CreateDeployment {
    CreateDeployment {
        target: Target::Release(Some(number)),
        ..create("web", Trigger::Manual)
    }
}

/// The numbers of the releases whose tags are on the host.
fn tagged(state: &State) -> String {
    let mut numbers: Vec<&str> = state
        .tags
        .keys()
        .filter(|tag| tag.starts_with("longshore/web-production"))
        .filter_map(|tag| tag.rsplit(':').next())
        .collect();
    numbers.sort_unstable();
    numbers.join(" ")
}

fn verdicts(collection: &Collection, kind: Kind) -> Vec<(&str, Verdict, &str)> {
    let of_kind = |finding: &&Finding| finding.kind == kind;
    let found = collection.findings.iter().filter(of_kind);
    found
        .map(|one| (one.object.as_str(), one.verdict, one.reason.as_str()))
        .collect()
}

#[test]
fn releases_beyond_the_last_are_given_up_and_the_others_can_be_rolled_back_to() {
    runtime().block_on(async {
        let bench = bench(2);
        let process = bench.start();
        deploy(&bench, &process, "1234567").await;
        let before = tagged(&bench.world.state.lock().unwrap());
        assert_eq!(before, "1 2 3 4 5 6 7");

        let explained = collect(&process, true).await;
        assert!(explained.explained && explained.engine_away.is_none());
        let of_releases = verdicts(&explained, Kind::Release);
        let words: Vec<Verdict> = of_releases.iter().map(|(_, verdict, _)| *verdict).collect();
        use Verdict::{Collect, Keep};
        assert_eq!(
            words,
            [Collect, Collect, Collect, Collect, Collect, Keep, Keep],
            "{of_releases:?}"
        );
        assert!(of_releases[0].2.contains("older than the last 2"));
        assert!(of_releases[6].2.contains("live"));
        process.drive().await;
        assert_eq!(tagged(&bench.world.state.lock().unwrap()), before);

        let collected = collect(&process, false).await;
        let went = collected
            .findings
            .iter()
            .filter(|one| one.verdict == Verdict::Collected && one.kind == Kind::Release);
        assert_eq!(went.count(), 5, "{collected:?}");
        process.drive().await;
        assert_eq!(tagged(&bench.world.state.lock().unwrap()), "6 7");

        let refused = process.create(rollback(5)).await;
        assert!(
            matches!(&refused, Err(error) if error.to_string().contains("given up")),
            "{refused:?}"
        );
        let back = process.create(rollback(6)).await.unwrap();
        process.drive().await;
        let phase = process.view(back.deployment.id).await.deployment.phase;
        assert!(matches!(phase, Phase::Succeeded { .. }), "{phase:?}");
        // 6 is live, 7 is one of the last.
        collect(&process, false).await;
        process.drive().await;
        assert_eq!(tagged(&bench.world.state.lock().unwrap()), "6 7");
    });
}

#[test]
fn a_release_that_a_rollback_waits_for_stays() {
    runtime().block_on(async {
        let bench = bench(1);
        let process = bench.start();
        deploy(&bench, &process, "123").await;
        let waits = process.create(rollback(1)).await.unwrap();
        let collected = collect(&process, false).await;
        let of_releases = verdicts(&collected, Kind::Release);
        assert_eq!(of_releases[0].1, Verdict::Keep, "{of_releases:?}");
        assert!(of_releases[0].2.contains("goes back to it"));
        assert_eq!(of_releases[1].1, Verdict::Collected, "{of_releases:?}");
        process.drive().await;
        let phase = process.view(waits.deployment.id).await.deployment.phase;
        assert!(matches!(phase, Phase::Succeeded { .. }), "{phase:?}");
        assert_eq!(tagged(&bench.world.state.lock().unwrap()), "1 3");
    });
}

#[test]
fn what_nobody_knows_is_shown_and_left_alone() {
    runtime().block_on(async {
        let bench = bench(5);
        let process = bench.start();
        deploy(&bench, &process, "1").await;
        let known = process
            .store
            .deployment(longshore::core::id::DeploymentSerial(1));
        let known = known.unwrap().id;
        let (stranger, slug) = (
            Uuid::from_u128(99),
            process.store.place_of(EnvironmentSerial(1)),
        );
        let slug = slug.unwrap().slug();
        let tags = [
            "longshore/web-production-ffffffff:3".to_owned(),
            format!("longshore/{slug}:99"),
            format!("longshore/{slug}:candidate-99"),
            format!("longshore/{slug}:latest"),
            format!("longshore/{slug}:01"),
            format!("longshore/{slug}:candidate-01"),
        ];
        {
            let mut state = bench.world.state.lock().unwrap();
            for tag in &tags {
                state.tags.insert(tag.clone(), "sha256:other".into());
            }
            state.tags.insert(
                format!("longshore/{slug}:candidate-1"),
                "sha256:left".into(),
            );
            state.untagged.insert("sha256:a".into(), None);
            state.untagged.insert("sha256:b".into(), Some(stranger));
            state.untagged.insert("sha256:c".into(), Some(known));
            state.trees = BTreeSet::from([stranger, known]);
            state.mirrors = BTreeSet::from(["acme/web".into(), "acme/other".into()]);
            state.build_cache = 1 << 40;
        }
        std::fs::write(bench.data_dir.join(format!("logs/{stranger}.log")), "x\n").unwrap();
        std::fs::write(bench.data_dir.join("logs/notes.txt"), "x\n").unwrap();

        let collected = collect(&process, false).await;
        for tag in &tags {
            let all = verdicts(&collected, Kind::Image);
            assert!(
                all.iter()
                    .any(|(object, verdict, _)| object == tag && *verdict == Verdict::Keep),
                "{tag}: {all:?}"
            );
        }
        let went: Vec<&str> = collected
            .findings
            .iter()
            .filter(|one| one.verdict == Verdict::Collected)
            .map(|one| one.object.as_str())
            .collect();
        let known = known.to_string();
        assert_eq!(
            went,
            [
                format!("longshore/{slug}:candidate-1").as_str(),
                "sha256:c",
                &known
            ]
        );
        let state = bench.world.state.lock().unwrap();
        assert!(tags.iter().all(|tag| state.tags.contains_key(tag)));
        assert_eq!(state.untagged.len(), 2);
        assert_eq!(state.trees, BTreeSet::from([stranger]));
        assert_eq!((state.mirrors.len(), state.build_cache), (2, 1 << 40));
        assert!(bench.data_dir.join("logs/notes.txt").exists());
        assert!(bench.data_dir.join(format!("logs/{stranger}.log")).exists());
    });
}

#[test]
fn the_build_cache_is_cut_to_its_budget_only_where_the_configuration_allows_it() {
    runtime().block_on(async {
        let mut bench = bench(5);
        bench.world.state.lock().unwrap().build_cache = 1000;
        let process = bench.start();
        let kept = collect(&process, false).await;
        assert!(
            verdicts(&kept, Kind::BuildCache)[0]
                .2
                .contains("prune_build_cache is false")
        );
        drop(process);
        bench.retention.build_cache = Some(400);
        let process = bench.start();
        let explained = collect(&process, true).await;
        assert_eq!(explained.findings[0].bytes, Some(600), "{explained:?}");
        assert_eq!(bench.world.state.lock().unwrap().build_cache, 1000);
        collect(&process, false).await;
        assert_eq!(bench.world.state.lock().unwrap().build_cache, 400);
        let within = collect(&process, false).await;
        assert!(verdicts(&within, Kind::BuildCache)[0].2.contains("within"));
    });
}

#[test]
fn old_logs_go_and_say_so_where_they_were() {
    runtime().block_on(async {
        let bench = bench(1);
        let process = bench.start();
        deploy(&bench, &process, "12").await;
        bench
            .world
            .state
            .lock()
            .unwrap()
            .behaviours
            .insert(image_of(sha('3').as_str()), Behaviour::Exits(1));
        deploy(&bench, &process, "3").await;
        tokio::time::sleep(DAY * 89).await;
        let young = collect(&process, true).await;
        assert_eq!(
            verdicts(&young, Kind::Logs)[0].1,
            Verdict::Keep,
            "{young:?}"
        );
        tokio::time::sleep(DAY * 2).await;
        // The first gives up release 1, whose log is then no kept release's.
        collect(&process, false).await;
        process.drive().await;
        collect(&process, false).await;
        let log = |serial| {
            let serial = longshore::core::id::DeploymentSerial(serial);
            process.log(process.store.deployment(serial).unwrap().id)
        };
        for serial in [1, 3] {
            let text = log(serial);
            assert_eq!(text.lines().count(), 1, "{text}");
            assert!(text.contains("This log was removed"), "{text}");
        }
        assert!(log(2).contains("Release 2 is live"), "{}", log(2));

        let id = process
            .store
            .deployment(longshore::core::id::DeploymentSerial(3));
        let read = longshore::core::action::ReadLog {
            deployment: id.unwrap().id,
            from: log(3).len() as u64,
            limit: 0,
            wait: true,
        };
        match process.ask(Action::ReadLog(read)).await.unwrap() {
            Reply::Log(page) => assert!(page.complete && page.text.is_empty(), "{page:?}"),
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn of_an_app_that_was_removed_nothing_stays() {
    runtime().block_on(async {
        let mut bench = bench(5);
        let process = bench.start();
        deploy(&bench, &process, "12").await;
        bench.world.state.lock().unwrap().mirrors = BTreeSet::from(["acme/web".into()]);
        drop(process);

        let apps = std::mem::take(&mut bench.apps);
        let process = bench.start();
        let collected = collect(&process, false).await;
        let mirrors = verdicts(&collected, Kind::Mirror);
        assert_eq!(mirrors[0].1, Verdict::Keep, "{mirrors:?}");
        assert!(mirrors[0].2.contains("was not removed"), "{mirrors:?}");

        let remove = Action::Change(ChangeEnvironment {
            app: AppRef::Id(apps[0].id),
            environments: Environments::All,
            change: Change::Remove { volumes: false },
            now: true,
            idle: false,
            key: None,
        });
        let kept = |collected: &Collection| -> Vec<(String, Verdict)> {
            let logs = verdicts(collected, Kind::Logs).into_iter();
            logs.filter(|(object, ..)| object.contains("runtime log"))
                .map(|(object, verdict, _)| (object.to_owned(), verdict))
                .collect()
        };
        process.ask(remove).await.unwrap();
        // While it is being removed nothing is taken from under it.
        let collected = collect(&process, false).await;
        assert_eq!(verdicts(&collected, Kind::Mirror)[0].1, Verdict::Keep);
        assert_eq!(verdicts(&collected, Kind::Release)[0].1, Verdict::Keep);
        process.drive().await;
        tokio::time::sleep(DAY * 89).await;
        let collected = collect(&process, false).await;
        assert_eq!(kept(&collected), [("1 runtime log".into(), Verdict::Keep)]);
        tokio::time::sleep(DAY * 2).await;
        let explained = collect(&process, true).await;
        assert_eq!(
            kept(&explained),
            [("1 runtime log".into(), Verdict::Collect)]
        );
        let collected = collect(&process, false).await;
        assert_eq!(
            kept(&collected),
            [("1 runtime log".into(), Verdict::Collected)]
        );
        process.drive().await;
        collect(&process, false).await;
        let runtime = std::fs::read_dir(bench.data_dir.join("runtime")).unwrap();
        assert_eq!(runtime.count(), 0);
        let state = bench.world.state.lock().unwrap();
        assert!(state.mirrors.is_empty() && state.containers.is_empty());
        assert_eq!(tagged(&state), "");
        let logs = std::fs::read_dir(bench.data_dir.join("logs")).unwrap();
        assert_eq!(logs.count(), 0);
    });
}

#[test]
fn without_an_engine_nothing_is_concluded_of_images() {
    runtime().block_on(async {
        let bench = bench(1);
        let process = bench.start();
        deploy(&bench, &process, "12").await;
        bench.world.state.lock().unwrap().engine_is_gone = true;
        for explain in [true, false] {
            let collected = collect(&process, explain).await;
            assert!(collected.engine_away.is_some());
            assert_eq!(verdicts(&collected, Kind::Release), []);
        }
        bench.world.state.lock().unwrap().engine_is_gone = false;
        process.create(rollback(1)).await.unwrap();
        process.drive().await;
        assert_eq!(tagged(&bench.world.state.lock().unwrap()), "1 2");
    });
}

#[test]
fn the_daemon_collects_by_itself_after_its_start_and_every_day() {
    runtime().block_on(async {
        let bench = bench(1);
        let process = bench.start();
        deploy(&bench, &process, "12").await;
        process
            .drive_until(&bench.world, |state| tagged(state) == "2")
            .await;
        process.deploy("web").await.unwrap();
        let known = bench.world.state.lock().unwrap().generation;
        process
            .drive_until(&bench.world, |state| {
                state.generation > known && tagged(state) == "3"
            })
            .await;
    });
}

#[test]
fn only_who_may_administer_everything_may_collect() {
    runtime().block_on(async {
        let bench = bench(1);
        let process = bench.start();
        let ask = async |scope, reach| {
            let caller = Caller {
                scope,
                reach,
                ..process.caller.clone()
            };
            let action = Action::CollectGarbage { explain: true };
            process.agent.dispatch(&caller, action).await
        };
        for (scope, reach) in [
            (Scope::Write, Reach::All),
            (Scope::Admin, Reach::App(AppSerial(1))),
        ] {
            let refused = ask(scope, reach).await;
            assert!(matches!(refused, Err(Error::Forbidden(Scope::Admin))));
        }
        ask(Scope::Admin, Reach::All).await.unwrap();
    });
}

/// A collection with something of every kind to collect; the process ends at the point `crash`.
fn run(crash: Option<usize>) -> usize {
    runtime().block_on(async {
        let mut bench = bench(1);
        bench.retention.logs = Duration::from_secs(1);
        bench.retention.build_cache = Some(10);
        let process = bench.start();
        deploy(&bench, &process, "123").await;
        let known = process
            .store
            .deployment(longshore::core::id::DeploymentSerial(1));
        let known = known.unwrap().id;
        {
            let mut state = bench.world.state.lock().unwrap();
            state.untagged.insert("sha256:c".into(), Some(known));
            state.trees.insert(known);
            state.build_cache = 100;
        }
        tokio::time::sleep(DAY).await;
        bench.world.count_from_here(crash);
        tokio::select! {
            () = async {
                let _ = process.ask(Action::CollectGarbage { explain: false }).await;
                process.drive().await;
            } => {}
            () = bench.world.until_crash() => {}
        }
        let (points, crashed) = bench.world.points();
        assert_eq!(crashed, crash.is_some(), "point {crash:?} was never hit");
        let at = format!("{crash:?} ({:?})", points.last());
        drop(process);
        bench.world.count_from_here(None);
        let process = bench.start();
        process.drive().await;
        collect(&process, false).await;
        process.drive().await;
        // The logs of releases that only now are given up.
        collect(&process, false).await;
        let state = bench.world.state.lock().unwrap();
        assert_eq!(tagged(&state), "3", "{at}");
        assert_eq!(state.tags.len(), 1, "{at}: {:?}", state.tags);
        assert!(state.untagged.is_empty() && state.trees.is_empty(), "{at}");
        assert_eq!(state.build_cache, 10, "{at}");
        assert_eq!(state.containers.len(), 1, "{at}");
        let logs = std::fs::read_dir(bench.data_dir.join("logs")).unwrap();
        assert_eq!(logs.count(), 1, "{at}");
        for serial in 1..=2 {
            let one = process
                .store
                .deployment(longshore::core::id::DeploymentSerial(serial));
            let log = process.log(one.unwrap().id);
            assert!(log.contains("This log was removed"), "{at}: {log}");
        }
        assert!(process.store.unfinished().unwrap().is_empty(), "{at}");
        points.len()
    })
}

#[test]
fn a_collection_that_ends_at_any_point_is_finished_later() {
    let points = run(None);
    for point in 0..points {
        run(Some(point));
    }
    println!("a collection: {points} crash points, each hit");
    assert!(points > 25, "{points}");
}

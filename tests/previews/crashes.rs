//! The process is made to end before and after every store commit and every port call in the life of a preview, from the
//! request that makes it to the giving back of its network; a new process must bring it to the same end.

use crate::stage::*;
use crate::world::{Bench, Process};
use longshore::core::change::Change;
use longshore::core::id::{EnvironmentSerial, OperationSerial};
use std::time::Duration;

/// The whole life, as far as the process gets.
async fn live(bench: &Bench, process: &Process) {
    if process.create(preview("a")).await.is_err() {
        return;
    }
    process.drive().await;
    end(bench, process).await;
}

async fn end(bench: &Bench, process: &Process) {
    bench.world.state.lock().unwrap().branches = heads(&[]);
    process.drive_for(2 * CHECK + Duration::from_secs(30)).await;
}

/// One run: the first life ends at a point, the second one at another of its own, the third goes to the end. Returns the
/// points of the first and how many the second passed.
fn run(crash: Option<usize>, again: Option<usize>) -> (Vec<String>, usize) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let (bench, process) = bench(taking(3), &["a"]);
        bench.world.count_from_here(crash);
        tokio::select! {
            () = live(&bench, &process) => {}
            () = bench.world.until_crash() => {}
        }
        let (first, crashed) = bench.world.points();
        assert_eq!(crashed, crash.is_some(), "point {crash:?} was never hit");
        let process = next_life(&bench, process, again).await;
        let (second, crashed_again) = bench.world.points();
        let process = match crashed_again {
            true => next_life(&bench, process, None).await,
            false => process,
        };
        let at = format!(
            "ended at {crash:?} ({:?}), then at {again:?} ({:?})",
            first.last(),
            second.last()
        );
        check(&bench, &process, &at).await;
        (first, second.len())
    })
}

async fn next_life(bench: &Bench, last: Process, crash: Option<usize>) -> Process {
    drop(last);
    bench.world.count_from_here(None);
    bench.world.let_the_grace_end();
    let process = bench.start();
    // What is there was asked for: no preview without its deployment.
    for preview in process.store.previews().unwrap() {
        assert_eq!(preview.place.environment_name.as_str(), "a");
    }
    let there = names(&process).await.len() - 1;
    assert_eq!(there, process.store.previews().unwrap().len());
    bench.world.count_from_here(crash);
    tokio::select! {
        () = async {
            process.drive().await;
            end(bench, &process).await;
        } => {}
        () = bench.world.until_crash() => {}
    }
    process
}

async fn check(bench: &Bench, process: &Process, at: &str) {
    assert_eq!(names(process).await, ["production"], "{at}");
    is_all_gone(bench, process, "a", at);
    let all = (1..=9).filter_map(|serial| process.store.change(OperationSerial(serial)).unwrap());
    let removals = all
        .filter(|one| matches!(one.change, Change::Remove { .. }))
        .count();
    let was_made = process.store.place_of(EnvironmentSerial(2)).is_ok();
    assert_eq!(
        removals,
        usize::from(was_made),
        "{at}: one end for each preview"
    );
}

#[test]
fn the_life_of_a_preview_survives_an_end_at_every_point() {
    let (points, _) = run(None, None);
    for wanted in [
        "store.create_deployment",
        "source.branches",
        "store.end_preview",
        "store.give_networks_back",
    ] {
        let hit = |moment: &str| points.contains(&format!("{moment} {wanted}"));
        assert!(
            hit("before") && hit("after"),
            "{wanted} is not among {points:?}"
        );
    }
    let mut recoveries = 0;
    for point in 0..points.len() {
        let second = run(Some(point), None).1;
        if point % 9 == 0 {
            for again in (point % 8..second).step_by(8) {
                run(Some(point), Some(again));
                recoveries += 1;
            }
        }
    }
    println!(
        "{} crash points, each hit; {recoveries} more in recoveries",
        points.len()
    );
}

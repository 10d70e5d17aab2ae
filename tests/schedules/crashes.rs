//! The process is made to end before and after every commit of the scheduler; the next one makes no second run for a time,
//! and leaves none out.

use crate::stage::*;
use crate::world::{Bench, Process};
use longshore::core::job::Missed;
use std::time::Duration;

/// What the scheduler writes.
const OWN: [&str; 4] = [
    "store.commit",
    "store.schedule_principal",
    "store.intend_run",
    "store.note_schedule",
];

/// A job is installed, has a time, misses three, and has another; the process ends at a point if that is said. Returns the
/// points.
fn run(crash: Option<usize>, missed: Missed) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let app = with_occasion("report", schedule("*/10 * * * *", "UTC", missed));
        let (bench, process) = bench(vec![app], at("05-01T10:05"));
        bench.world.count_from_here(crash);
        let mut now = Some(process);
        tokio::select! {
            () = live(&bench, &mut now) => {}
            () = bench.world.until_crash() => {}
        }
        let (points, crashed) = bench.world.points();
        assert_eq!(crashed, crash.is_some(), "point {crash:?} was never hit");
        let process = match crashed {
            false => now.unwrap(),
            true => {
                drop(now);
                bench.world.count_from_here(None);
                bench.world.let_the_grace_end();
                let process = bench.start();
                // Whatever it was in the middle of, it goes on.
                process.drive().await;
                let mut now = Some(process);
                live(&bench, &mut now).await;
                now.unwrap()
            }
        };
        let found = times(&process, "report").await;
        let expected: &[&str] = match missed {
            Missed::Skip => &["05-01T10:10", "05-01T10:50"],
            Missed::Once => &["05-01T10:10", "05-01T10:40", "05-01T10:50"],
        };
        assert_eq!(found, expected, "ended at {crash:?} ({:?})", points.last());
        points
    })
}

/// As far as the life has come, it goes on from there: each part is done once, by what the clock shows.
async fn live(bench: &Bench, now: &mut Option<Process>) {
    let process = now.take().unwrap();
    let is_installed = app(&process).await.environments[0].live_release.is_some();
    if !is_installed && process.store.unfinished().unwrap().is_empty() {
        let made = process.deploy("report").await;
        // The process has ended with the answer.
        if made.is_err() {
            return std::future::pending().await;
        }
    }
    process.drive().await;
    if process.agent.now() < at("05-01T10:11") {
        until(&process, "05-01T10:11").await;
    }
    let process = match process.agent.now() < at("05-01T10:45") {
        true => restarted(bench, process, at("05-01T10:45")),
        false => process,
    };
    let left = at("05-01T10:51").millis_since(process.agent.now());
    let left = u64::try_from(left).unwrap_or(0).max(60_000);
    process.drive_for(Duration::from_millis(left)).await;
    *now = Some(process);
}

#[test]
fn an_end_at_any_commit_of_the_scheduler_makes_no_time_run_twice_or_never() {
    let mut ended = 0;
    for missed in [Missed::Skip, Missed::Once] {
        let points = run(None, missed);
        let wanted = OWN.iter().filter(|name| {
            // Each policy writes a missed time in its own way.
            **name != "store.note_schedule" || missed == Missed::Skip
        });
        for name in wanted {
            let hit = |moment: &str| points.contains(&format!("{moment} {name}"));
            assert!(
                hit("before") && hit("after"),
                "{name} is not among {points:?}"
            );
        }
        let own = points
            .iter()
            .enumerate()
            .filter(|(_, point)| OWN.iter().any(|name| point.ends_with(name)));
        for (point, _) in own {
            run(Some(point), missed);
            ended += 1;
        }
    }
    println!("ended at {ended} commits of the scheduler");
}

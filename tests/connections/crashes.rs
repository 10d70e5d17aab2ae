//! The process is made to end at the points of a deployment that connects, is connected to, or ends a connection.

use crate::scene::*;
use crate::world::{Behaviour, Bench, Process, connected, image_app, routed};
use longshore::core::app::App;
use longshore::core::change::Change;
use longshore::core::spec::Strategy;
use std::time::Duration;

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Story {
    /// The consumer is connected for the first time.
    Connects,
    /// The provider is replaced, both side by side.
    ProviderSwapped,
    /// The consumer is no longer connected.
    Ends,
    /// The consumer would be connected, and does not get ready.
    Fails,
    /// The provider is removed.
    ProviderRemoved,
}

fn apps(connects: bool, version: &str) -> Vec<App> {
    let to: &[&str] = if connects { &["db"] } else { &[] };
    vec![
        routed(image_app("db", &format!("db:{version}")), Strategy::Swap),
        connected(image_app("web", &format!("web:{version}")), to),
    ]
}

async fn before(story: Story) -> (Bench, Process) {
    let connects = match story {
        Story::Connects | Story::Fails => false,
        Story::ProviderSwapped | Story::Ends | Story::ProviderRemoved => true,
    };
    let mut bench = Bench::new(apps(connects, "1"));
    let process = bench.start();
    up(&process, "db").await;
    up(&process, "web").await;
    drop(process);
    bench.apps = apps(story != Story::Ends, "2");
    if story == Story::Fails {
        bench.world.change(|state| {
            let bad = "sha256:web:2".to_owned();
            state.behaviours.insert(bad, Behaviour::Exits(1));
        });
    }
    let process = bench.start();
    process.drive_for(Duration::from_secs(1)).await;
    (bench, process)
}

async fn tell(story: Story, process: &Process) {
    match story {
        Story::Connects | Story::Ends | Story::Fails => {
            if process.deploy("web").await.is_ok() {
                process.drive().await;
            }
        }
        Story::ProviderSwapped => {
            if process.deploy("db").await.is_ok() {
                process.drive().await;
            }
        }
        Story::ProviderRemoved => {
            let remove = Change::Remove { volumes: false };
            if process.change("db", remove, false).await.is_ok() {
                process.drive().await;
            }
        }
    }
}

/// One run: the process ends at that point, the next one goes to the end.
fn run(story: Story, crash: Option<usize>) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let (bench, process) = before(story).await;
        bench.world.count_from_here(crash);
        tokio::select! {
            () = tell(story, &process) => {}
            () = bench.world.until_crash() => {}
        }
        let (points, crashed) = bench.world.points();
        assert_eq!(crashed, crash.is_some(), "{story:?}: {crash:?} was not hit");
        drop(process);
        bench.world.count_from_here(None);
        let process = bench.start();
        let driven = process.drive();
        tokio::time::timeout(Duration::from_secs(7200), driven)
            .await
            .expect("it ends");
        bench.world.let_the_grace_end();
        // Everything is looked at when it begins.
        process.drive_for(Duration::from_secs(30)).await;
        let at = format!("{story:?} ended at {crash:?} ({:?})", points.last());
        hold(&bench, &process, &at);
        if story == Story::ProviderSwapped {
            assert_eq!(reached(&bench, &process, "web", "db").len(), 1, "{at}");
        }
        points.len()
    })
}

/// Ends the process at every `step`th point.
fn enumerate(story: Story, step: usize) {
    let points = run(story, None);
    let mut hit = 0;
    for point in (0..points).step_by(step) {
        run(story, Some(point));
        hit += 1;
    }
    println!("{story:?}: {points} crash points, {hit} of them hit");
    assert!(points > 20, "{story:?} counts too few points: {points}");
}

#[test]
fn a_first_connection_survives_an_end_at_its_points() {
    enumerate(Story::Connects, 2);
}

#[test]
fn a_provider_that_is_swapped_stays_connected_whatever_ends() {
    enumerate(Story::ProviderSwapped, 2);
}

#[test]
fn a_connection_that_ends_is_gone_whatever_ends() {
    enumerate(Story::Ends, 3);
}

#[test]
fn a_deployment_that_fails_leaves_no_connection_whatever_ends() {
    enumerate(Story::Fails, 3);
}

#[test]
fn a_provider_that_is_removed_leaves_no_network_whatever_ends() {
    enumerate(Story::ProviderRemoved, 2);
}

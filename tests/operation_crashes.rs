//! The process is made to end before and after every store commit and every port call of every operation, once each; a
//! new one must bring the world to where the first would have.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "support/laws.rs"]
mod laws;
#[path = "support/world.rs"]
#[expect(dead_code, reason = "another test file uses the rest")]
mod world;

use longshore::core::action::{Action, CreateDeployment, Reply, Target};
use longshore::core::admission::Desired;
use longshore::core::change::{Change, ChangePhase};
use longshore::core::deployment::{Phase, Trigger};
use longshore::core::id::{DeploymentSerial, EnvironmentSerial, OperationSerial};
use longshore::core::spec::{Mount, MountSource};
use std::time::Duration;
use world::{Bench, Process, create, git_app, sha};

/// What happens to an environment whose releases 1 and 2 were live, the second of them now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Story {
    Stop,
    StopNowInRollout,
    StartAfterStop,
    SuspendThenActivate,
    Remove,
    RemoveInRollout,
    Rollback,
    Restart,
    DeployToStopped,
    DeleteLive,
}

/// How it must end once the request was accepted.
struct End {
    desired: Desired,
    live: Option<i64>,
}

impl Story {
    fn end(self) -> End {
        let (desired, live) = match self {
            Self::Stop | Self::StopNowInRollout | Self::DeleteLive => (Desired::Stopped, Some(2)),
            Self::StartAfterStop | Self::SuspendThenActivate => (Desired::Running, Some(2)),
            Self::Remove | Self::RemoveInRollout => (Desired::Removed, None),
            Self::Rollback => (Desired::Running, Some(1)),
            Self::Restart | Self::DeployToStopped => (Desired::Running, Some(3)),
        };
        End { desired, live }
    }
}

async fn before(story: Story) -> (Bench, Process) {
    let mut app = git_app("web");
    for spec in app.environments.values_mut() {
        spec.run.volumes.push(Mount {
            source: MountSource::Volume("data".into()),
            target: "/data".into(),
            read_only: false,
        });
    }
    let bench = Bench::new(vec![app]);
    let process = bench.start();
    for head in ['1', '2'] {
        bench.world.state.lock().unwrap().head = Some(sha(head));
        process.deploy("web").await.unwrap();
        process.drive().await;
    }
    let earlier = match story {
        Story::StartAfterStop | Story::DeployToStopped => Some(Change::Stop),
        Story::SuspendThenActivate => Some(Change::Suspend),
        Story::Stop
        | Story::StopNowInRollout
        | Story::Remove
        | Story::RemoveInRollout
        | Story::Rollback
        | Story::Restart
        | Story::DeleteLive => None,
    };
    if let Some(change) = earlier {
        process.change("web", change, false).await.unwrap();
        process.drive().await;
    }
    bench.world.state.lock().unwrap().head = Some(sha('3'));
    (bench, process)
}

fn again(target: Target) -> CreateDeployment {
    CreateDeployment {
        target,
        ..create("web", Trigger::Manual)
    }
}

/// Whether the deployment that is live was deleted, with force, while work is done.
async fn delete_live(process: &Process) -> bool {
    let id = process.store.deployment(DeploymentSerial(2)).unwrap().id;
    let mut deleted = false;
    let ask = async {
        let action = Action::DeleteDeployment {
            which: id.into(),
            how: longshore::core::action::Deletion::Force,
        };
        deleted = matches!(process.ask(action).await, Ok(Reply::Gone));
    };
    let driven = process.agent.drive(ask).await;
    driven.is_ok() && deleted
}

/// A deletion that was cut off left a deployment that can be deleted, and none that was deleted while it ran.
async fn check_deleted(bench: &Bench, process: &Process, at: &str) {
    let seen = || {
        let id = process.store.deployment(DeploymentSerial(2)).unwrap().id;
        process.store.find_deployment(id.into()).unwrap().is_some()
    };
    if !seen() {
        assert!(
            bench.world.running().is_empty(),
            "{at}: it is gone and runs"
        );
        return;
    }
    assert!(delete_live(process).await, "{at}");
    assert!(!seen() && bench.world.running().is_empty(), "{at}");
    let history = process.store.deployment(DeploymentSerial(2)).unwrap();
    assert!(
        matches!(history.phase, Phase::Succeeded { .. }),
        "{at}: the row stays"
    );
}

/// The story itself, as far as the process gets; whether its request was accepted.
async fn tell(story: Story, bench: &Bench, process: &Process) -> bool {
    let change = async |change| process.change("web", change, true).await.is_ok();
    let accepted = match story {
        Story::Stop => change(Change::Stop).await,
        Story::StartAfterStop => change(Change::Start).await,
        Story::SuspendThenActivate => change(Change::Activate).await,
        Story::Remove => change(Change::Remove { volumes: true }).await,
        Story::Rollback => process.create(again(Target::Release(None))).await.is_ok(),
        Story::Restart => process.create(again(Target::Restart)).await.is_ok(),
        Story::DeployToStopped => process.deploy("web").await.is_ok(),
        Story::DeleteLive => delete_live(process).await,
        Story::StopNowInRollout | Story::RemoveInRollout => {
            if process.deploy("web").await.is_err() {
                return false;
            }
            process
                .drive_until(&bench.world, |state| {
                    state.containers.keys().any(|name| name.contains("-3-"))
                })
                .await;
            match story {
                Story::RemoveInRollout => change(Change::Remove { volumes: true }).await,
                _ => change(Change::Stop).await,
            }
        }
    };
    if accepted {
        process.drive().await;
    }
    accepted
}

/// One run: the first life ends at the point `crash`, the second at `again`, the third goes to the end. Returns how
/// many points the first two passed.
fn run(story: Story, crash: Option<usize>, again: Option<usize>) -> (usize, usize) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let (bench, mut process) = before(story).await;
        let operations = if process.store.change(OperationSerial(3)).unwrap().is_some() {
            3
        } else {
            2
        };
        bench.world.count_from_here(crash);
        tokio::select! {
            _ = tell(story, &bench, &process) => {}
            () = bench.world.until_crash() => {}
        }
        let (first, crashed) = bench.world.points();
        assert_eq!(
            crashed,
            crash.is_some(),
            "{story:?}: point {crash:?} was never hit"
        );
        process = next_life(&bench, process, again).await;
        let (second, crashed_again) = bench.world.points();
        if crashed_again {
            process = next_life(&bench, process, None).await;
        }
        let point = first.last().cloned().unwrap_or_default();
        let at = format!(
            "{story:?} ended at {crash:?} ({point}), then at {again:?} ({:?})",
            second.last()
        );
        check(story, &bench, &process, operations, &at);
        if story == Story::DeleteLive {
            check_deleted(&bench, &process, &at).await;
        }
        (first.len(), second.len())
    })
}

async fn next_life(bench: &Bench, last: Process, crash: Option<usize>) -> Process {
    drop(last);
    bench.world.count_from_here(None);
    let process = bench.start();
    bench.world.count_from_here(crash);
    tokio::select! {
        driven = tokio::time::timeout(Duration::from_secs(7200), process.drive()) => driven.expect("it ends"),
        () = bench.world.until_crash() => {}
    }
    bench.world.let_the_grace_end();
    process
}

/// What was accepted is done, what was not changed nothing, and the laws hold.
fn check(story: Story, bench: &Bench, process: &Process, before: i64, at: &str) {
    laws::hold(bench, process, at);
    let last = (before + 1..).map(OperationSerial);
    let changes: Vec<ChangePhase> = last
        .take(2)
        .filter_map(|serial| process.store.change(serial).unwrap())
        .map(|change| change.phase)
        .collect();
    assert!(
        changes.iter().all(|phase| *phase == ChangePhase::Done),
        "{at}: {changes:?}"
    );
    let deployed = process.store.deployment(DeploymentSerial(3)).ok();
    let place = process.store.place_of(EnvironmentSerial(1)).unwrap();
    let live = process.store.live(EnvironmentSerial(1)).unwrap();
    let live = live.map(|live| live.release.number);
    let accepted = match story {
        Story::Rollback | Story::Restart | Story::DeployToStopped => deployed.is_some(),
        Story::Stop
        | Story::StopNowInRollout
        | Story::StartAfterStop
        | Story::SuspendThenActivate
        | Story::Remove
        | Story::RemoveInRollout
        | Story::DeleteLive => !changes.is_empty(),
    };
    if accepted {
        let end = story.end();
        assert_eq!(place.desired, end.desired, "{at}");
        // A deployment that was quicker than the stop is the live one.
        let quicker = story == Story::StopNowInRollout && live == Some(3);
        assert!(live == end.live || quicker, "{at}: {live:?} is live");
    } else if let Some(deployed) = deployed {
        assert!(
            matches!(deployed.phase, Phase::Succeeded { .. }),
            "{at}: {:?}",
            deployed.phase
        );
        assert_eq!(live, Some(3), "{at}");
    } else {
        assert_eq!(live, Some(2), "{at}: nothing was accepted");
    }
    if place.desired == Desired::Removed {
        let state = bench.world.state.lock().unwrap();
        let left = (&state.networks, &state.volumes, &state.tags);
        assert!(
            state.networks.is_empty() && state.volumes.is_empty() && state.tags.is_empty(),
            "{at}: {left:?}"
        );
    }
}

/// Ends the process at every point once, and at every fifth one again in the recovery, at every sixth of its points.
fn enumerate(story: Story) {
    let points = run(story, None, None).0;
    let mut recoveries = 0;
    for point in 0..points {
        let second = run(story, Some(point), None).1;
        if point % 5 == 0 {
            for again in (point % 6..second).step_by(6) {
                run(story, Some(point), Some(again));
                recoveries += 1;
            }
        }
    }
    println!("{story:?}: {points} crash points, each hit; {recoveries} more in recoveries");
    assert!(points >= 15, "{story:?} counts too few points: {points}");
}

#[test]
fn a_stop_survives_an_end_at_every_point() {
    enumerate(Story::Stop);
}

#[test]
fn a_stop_that_cancels_a_rollout_survives_an_end_at_every_point() {
    enumerate(Story::StopNowInRollout);
}

#[test]
fn a_start_survives_an_end_at_every_point() {
    enumerate(Story::StartAfterStop);
}

#[test]
fn an_activation_survives_an_end_at_every_point() {
    enumerate(Story::SuspendThenActivate);
}

#[test]
fn a_removal_survives_an_end_at_every_point() {
    enumerate(Story::Remove);
}

#[test]
fn a_removal_in_a_rollout_survives_an_end_at_every_point() {
    enumerate(Story::RemoveInRollout);
}

#[test]
fn a_rollback_survives_an_end_at_every_point() {
    enumerate(Story::Rollback);
}

#[test]
fn a_restart_survives_an_end_at_every_point() {
    enumerate(Story::Restart);
}

#[test]
fn a_deployment_to_a_stopped_environment_survives_an_end_at_every_point() {
    enumerate(Story::DeployToStopped);
}

#[test]
fn the_deletion_of_what_is_live_survives_an_end_at_every_point() {
    enumerate(Story::DeleteLive);
}

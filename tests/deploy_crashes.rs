//! The process is made to end before and after every store commit and every port call of a deployment, once each; a new
//! one must bring the world to where the first would have, with nothing lost and nothing left over.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "support/world.rs"]
#[expect(dead_code, reason = "another test file uses the rest")]
mod world;

use longshore::core::action::Action;
use longshore::core::deployment::{Phase, Step, Trigger};
use longshore::core::name::TaskName;
use longshore::core::ports::{ContainerState, RestartPolicy};
use std::time::Duration;
use world::{
    Behaviour, Bench, Process, create, git_app, image_app, image_of, sha, with_release, with_task,
};

/// What happens, and how it must end however often the process did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Story {
    FirstFromImage,
    SecondFromGit,
    NeverReady,
    ExitsAtOnce,
    CancelledInRollout,
    CancelledInBuild,
    /// Two release commands and a task before the switch.
    WithCommands,
    /// The second release command fails.
    CommandFails,
    /// A cancel while a release command runs.
    CancelledInCommand,
}

const COMMANDS: [&str; 2] = ["./migrate", "./warm"];
const TASK: &str = "./seed";

fn bench(story: Story) -> Bench {
    match story {
        Story::FirstFromImage => Bench::new(vec![image_app("web", "nginx:1")]),
        Story::SecondFromGit
        | Story::NeverReady
        | Story::ExitsAtOnce
        | Story::CancelledInRollout
        | Story::CancelledInBuild => Bench::new(vec![git_app("web")]),
        Story::WithCommands | Story::CommandFails | Story::CancelledInCommand => {
            let app = with_release(image_app("web", "nginx:1"), &COMMANDS);
            let mut app = with_task(app, "deploy:seed", TASK);
            // Where the cancel is lost, the command ends with this: each look at it until then is a point.
            for spec in app.environments.values_mut() {
                spec.deadlines.rollout = Duration::from_secs(20);
            }
            Bench::new(vec![app])
        }
    }
}

/// The world before the story: a version 1 that serves, where there is one.
async fn before(story: Story, bench: &Bench) -> Process {
    let process = bench.start();
    if story != Story::FirstFromImage {
        bench.world.state.lock().unwrap().head = Some(sha('1'));
        process.deploy("web").await.unwrap();
        process.drive().await;
    }
    let mut state = bench.world.state.lock().unwrap();
    state.begun.clear();
    state.head = Some(sha('2'));
    let of_the_command = match story {
        Story::CommandFails => Behaviour::Exits(3),
        Story::CancelledInCommand => Behaviour::NeverReady,
        _ => Behaviour::Exits(0),
    };
    state.behaviours.insert(COMMANDS[1].into(), of_the_command);
    let behaviour = match story {
        Story::FirstFromImage
        | Story::SecondFromGit
        | Story::CancelledInBuild
        | Story::WithCommands
        | Story::CommandFails
        | Story::CancelledInCommand => Behaviour::Serves,
        Story::NeverReady | Story::CancelledInRollout => Behaviour::NeverReady,
        Story::ExitsAtOnce => Behaviour::Exits(1),
    };
    state
        .behaviours
        .insert(image_of(sha('2').as_str()), behaviour);
    drop(state);
    process
}

/// The story itself, as far as the process gets.
async fn tell(story: Story, bench: &Bench, process: &Process) {
    let mut asked = create("web", Trigger::Manual);
    if story == Story::WithCommands {
        asked.particulars.task = Some(TaskName::parse("deploy:seed").unwrap());
    }
    let Ok(created) = process.create(asked).await else {
        return;
    };
    match story {
        Story::CancelledInRollout => {
            let second = format!("-{}-", created.deployment.serial);
            process
                .drive_until(&bench.world, |state| {
                    let runs = |(name, made): (&String, &world::Made)| {
                        name.contains(&second)
                            && matches!(made.state, ContainerState::Running { .. })
                    };
                    state.containers.iter().any(runs)
                })
                .await;
            let _ = process
                .ask(Action::CancelDeployment(created.deployment.id.into()))
                .await;
        }
        Story::CancelledInBuild => {
            process
                .drive_until(&bench.world, |state| state.builds_now > 0)
                .await;
            let _ = process
                .ask(Action::CancelDeployment(created.deployment.id.into()))
                .await;
        }
        Story::CancelledInCommand => {
            process
                .drive_until(&bench.world, |state| {
                    let task = state.task(COMMANDS[1]);
                    task.is_some_and(|made| matches!(made.state, ContainerState::Running { .. }))
                })
                .await;
            let _ = process
                .ask(Action::CancelDeployment(created.deployment.id.into()))
                .await;
        }
        Story::FirstFromImage
        | Story::SecondFromGit
        | Story::NeverReady
        | Story::ExitsAtOnce
        | Story::WithCommands
        | Story::CommandFails => {}
    }
    process.drive().await;
}

/// How many points the first life and the second one passed.
struct Passed {
    first: usize,
    second: usize,
}

/// One run: the first life ends at the point `crash`, the second at `again`, the third goes to the end.
fn run(story: Story, crash: Option<usize>, again: Option<usize>) -> Passed {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let bench = bench(story);
        let mut process = before(story, &bench).await;
        bench.world.count_from_here(crash);
        tokio::select! {
            () = tell(story, &bench, &process) => {}
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
        check(story, &bench, &process, &at).await;
        Passed {
            first: first.len(),
            second: second.len(),
        }
    })
}

/// The daemon is started again, and drives until everything is done or it ends again.
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

/// The laws: the deployment is at an end that fits the story, exactly the live release runs, nothing is left over.
async fn check(story: Story, bench: &Bench, process: &Process, at: &str) {
    let created = process
        .store
        .deployment(longshore::core::id::DeploymentSerial(
            if story == Story::FirstFromImage { 1 } else { 2 },
        ));
    let live = process
        .store
        .live(longshore::core::id::EnvironmentSerial(1))
        .unwrap();
    let second_is_live = match created.map(|deployment| deployment.phase) {
        // The process ended before the row was on disk: nobody was told that it was accepted.
        Err(_) => false,
        Ok(Phase::Succeeded { .. }) => {
            assert!(
                !matches!(
                    story,
                    Story::NeverReady | Story::ExitsAtOnce | Story::CommandFails
                ),
                "{at}"
            );
            true
        }
        Ok(Phase::Failed { step, failure, .. }) => {
            assert!(
                matches!(
                    story,
                    Story::NeverReady
                        | Story::ExitsAtOnce
                        | Story::CancelledInRollout
                        | Story::CommandFails
                        | Story::CancelledInCommand
                ),
                "{at}: {failure:?}"
            );
            assert_eq!(step, Step::Rollout, "{at}");
            assert!(
                !failure.output.is_empty() && !failure.next.is_empty(),
                "{at}: {failure:?}"
            );
            false
        }
        Ok(Phase::Cancelled { .. }) => {
            assert!(
                matches!(
                    story,
                    Story::CancelledInRollout | Story::CancelledInBuild | Story::CancelledInCommand
                ),
                "{at}"
            );
            false
        }
        Ok(
            other @ (Phase::Queued
            | Phase::Running(_)
            | Phase::Committed(_)
            | Phase::Superseded { .. }),
        ) => {
            panic!("{at}: it is still {other:?}")
        }
    };
    let state = bench.world.state.lock().unwrap();
    // Whatever ended, no command was begun twice, none out of its turn, and none is missing in what became live.
    let all = [COMMANDS[0], COMMANDS[1], TASK];
    assert!(
        all.starts_with(&state.begun.iter().map(String::as_str).collect::<Vec<_>>()),
        "{at}: {:?}",
        state.begun
    );
    if story == Story::WithCommands && second_is_live {
        assert_eq!(state.begun, all, "{at}");
    }
    let names: Vec<&String> = state.containers.keys().collect();
    match &live {
        None => assert!(names.is_empty(), "{at}: {names:?}"),
        Some(live) => {
            assert_eq!(
                names,
                [&live.containers[0].name],
                "{at}: exactly the live container exists"
            );
            let made = &state.containers[&live.containers[0].name];
            assert!(
                matches!(made.state, ContainerState::Running { .. }),
                "{at}: {:?}",
                made.state
            );
            assert_eq!(made.restart, RestartPolicy::UnlessStopped, "{at}");
            assert_eq!(made.spec.image, live.release.content.image.id, "{at}");
            assert_eq!(made.spec.address, live.containers[0].address, "{at}");
        }
    }
    let number = live.map(|live| live.release.number);
    let expected = match (story, second_is_live) {
        (Story::FirstFromImage, true) => Some(1),
        (Story::FirstFromImage, false) => None,
        (_, true) => Some(2),
        (_, false) => Some(1),
    };
    assert_eq!(number, expected, "{at}");
    let candidates: Vec<&String> = state
        .tags
        .keys()
        .filter(|tag| tag.contains("candidate"))
        .collect();
    assert!(
        candidates.is_empty() && state.trees.is_empty(),
        "{at}: {candidates:?} {:?}",
        state.trees
    );
    assert_eq!(state.nameless, 0, "{at}: images without a name");
    assert!(process.store.unfinished().unwrap().is_empty(), "{at}");
}

/// Ends the process at every point once, and at every fifth one again in the recovery, at every seventh of its points; less
/// often where commands make many more of them.
fn enumerate(story: Story) {
    let (every, step) = match story {
        Story::WithCommands
        | Story::CommandFails
        | Story::CancelledInCommand
        | Story::NeverReady => (9, 9),
        Story::FirstFromImage
        | Story::SecondFromGit
        | Story::ExitsAtOnce
        | Story::CancelledInRollout
        | Story::CancelledInBuild => (5, 7),
    };
    let points = run(story, None, None).first;
    let mut recoveries = 0;
    for point in 0..points {
        let second = run(story, Some(point), None).second;
        if point % every == 0 {
            for again in (point % step..second).step_by(step) {
                run(story, Some(point), Some(again));
                recoveries += 1;
            }
        }
    }
    println!("{story:?}: {points} crash points, each hit; {recoveries} more in recoveries");
    assert!(points > 20, "{story:?} counts too few points: {points}");
}

#[test]
fn a_first_image_deployment_survives_an_end_at_every_point() {
    enumerate(Story::FirstFromImage);
}

#[test]
fn a_second_deployment_from_git_survives_an_end_at_every_point() {
    enumerate(Story::SecondFromGit);
}

#[test]
fn a_deployment_that_never_gets_ready_leaves_the_old_version_whatever_ends() {
    enumerate(Story::NeverReady);
}

#[test]
fn a_deployment_whose_container_exits_leaves_the_old_version_whatever_ends() {
    enumerate(Story::ExitsAtOnce);
}

#[test]
fn a_cancel_in_the_rollout_leaves_the_old_version_whatever_ends() {
    enumerate(Story::CancelledInRollout);
}

#[test]
fn a_cancel_in_the_build_leaves_the_old_version_whatever_ends() {
    enumerate(Story::CancelledInBuild);
}

#[test]
fn commands_run_once_and_before_the_switch_whatever_ends() {
    enumerate(Story::WithCommands);
}

#[test]
fn a_command_that_fails_leaves_the_old_version_whatever_ends() {
    enumerate(Story::CommandFails);
}

#[test]
fn a_cancel_while_a_command_runs_leaves_the_old_version_whatever_ends() {
    enumerate(Story::CancelledInCommand);
}

#[test]
fn a_stop_that_outlives_its_process_does_not_take_down_the_version_that_is_put_back() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let story = Story::CancelledInRollout;
        let rehearsal = bench(story);
        let process = before(story, &rehearsal).await;
        rehearsal.world.count_from_here(None);
        tell(story, &rehearsal, &process).await;
        let (points, _) = rehearsal.world.points();
        let stop = points
            .iter()
            .position(|point| point == "before engine.stop");

        let bench = bench(story);
        let process = before(story, &bench).await;
        bench.world.count_from_here(Some(stop.unwrap()));
        let created = process.deploy("web").await.unwrap();
        tokio::select! {
            () = process.drive() => {}
            () = bench.world.until_crash() => {}
        }
        drop(process);
        bench.world.count_from_here(None);
        let process = bench.start();
        let cancel = Action::CancelDeployment(created.deployment.id.into());
        process.ask(cancel).await.unwrap();
        process.drive().await;
        bench.world.let_the_grace_end();
        check(
            story,
            &bench,
            &process,
            "cancelled while the old version stopped",
        )
        .await;
    });
}

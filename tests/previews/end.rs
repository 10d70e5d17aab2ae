//! How previews end, and when they do not.

use crate::laws;
use crate::stage::*;
use crate::world::{Behaviour, image_of, sha};
use longshore::core::action::{Action, CreateDeployment, Reply};
use longshore::core::change::{Change, ChangePhase};
use longshore::core::deployment::Phase;
use longshore::core::error::Error;
use longshore::core::id::OperationSerial;
use longshore::core::name::EnvironmentName;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

/// The removals that were ever asked for.
fn removals(process: &crate::world::Process) -> Vec<longshore::core::action::ChangeView> {
    let all =
        (1..=50).filter_map(|serial| process.store.change_view(OperationSerial(serial)).unwrap());
    all.filter(|view| matches!(view.change.change, Change::Remove { .. }))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn by_hand_a_preview_goes_completely_and_its_history_stays() {
    let (bench, process) = bench(taking(3), &["pr-1"]);
    let view = up(&process, "pr-1").await;
    let before = environment(&process, "pr-1").await.unwrap();
    take_down(&process, &process.caller, "pr-1").await.unwrap();
    assert!(environment(&process, "pr-1").await.is_none());
    process.drive().await;
    is_all_gone(&bench, &process, "pr-1", "taken down");
    let after = process.view(view.deployment.id).await;
    assert!(matches!(after.deployment.phase, Phase::Succeeded { .. }));
    // The name begins anew.
    up(&process, "pr-1").await;
    let anew = environment(&process, "pr-1").await.unwrap();
    assert_ne!((anew.id, anew.serial), (before.id, before.serial));
    assert_eq!(anew.domain, before.domain);
    laws::hold(&bench, &process, "made anew");
}

#[tokio::test(start_paused = true)]
async fn when_its_branch_is_gone_a_preview_goes_once_and_the_others_stay() {
    let (bench, process) = bench(taking(5), &["a", "b"]);
    up(&process, "a").await;
    up(&process, "b").await;
    process.create(tagged("of-a-tag")).await.unwrap();
    process.drive().await;
    process.drive_for(3 * CHECK).await;
    let calls = bench.world.state.lock().unwrap().branch_calls;
    assert!(
        (2..=4).contains(&calls),
        "one call a turn for both: {calls}"
    );
    assert_eq!(removals(&process).len(), 0);
    bench.world.state.lock().unwrap().branches = heads(&["b"]);
    process.drive_for(3 * CHECK).await;
    assert_eq!(names(&process).await, ["production", "b", "of-a-tag"]);
    let removals = removals(&process);
    assert_eq!(removals.len(), 1);
    assert_eq!(removals[0].change.phase, ChangePhase::Done);
    assert_eq!(removals[0].by.name, "schedule");
    bench.world.state.lock().unwrap().branches = heads(&[]);
    process.drive_for(3 * CHECK).await;
    take_down(&process, &process.caller, "of-a-tag")
        .await
        .unwrap();
    process.drive().await;
    is_all_gone(&bench, &process, "a and b", "their branches are gone");
}

#[tokio::test(start_paused = true)]
async fn a_remote_that_is_down_or_says_nothing_takes_no_preview_down() {
    let (bench, process) = bench(taking(3), &["a"]);
    up(&process, "a").await;
    bench.world.state.lock().unwrap().remote_is_gone = true;
    process.drive_for(10 * CHECK).await;
    {
        let mut state = bench.world.state.lock().unwrap();
        state.remote_is_gone = false;
        state.branches.clear();
    }
    process.drive_for(10 * CHECK).await;
    assert_eq!(names(&process).await, ["production", "a"]);
    assert!(bench.world.state.lock().unwrap().branch_calls >= 18);
    bench.world.state.lock().unwrap().branches = heads(&[]);
    process.drive_for(2 * CHECK).await;
    is_all_gone(&bench, &process, "a", "the remote answers again");
}

#[tokio::test(start_paused = true)]
async fn a_branch_that_goes_ends_a_deployment_that_is_at_work() {
    let (bench, process) = bench(taking(3), &["a"]);
    bench.world.state.lock().unwrap().builds_hang = true;
    let view = process.create(preview("a")).await.unwrap();
    process
        .drive_until(&bench.world, |state| state.builds_now > 0)
        .await;
    bench.world.state.lock().unwrap().branches = heads(&[]);
    process.drive_for(2 * CHECK).await;
    let view = process.view(view.deployment.id).await;
    assert!(
        matches!(view.deployment.phase, Phase::Cancelled { .. }),
        "{:?}",
        view.deployment.phase
    );
    is_all_gone(&bench, &process, "a", "its branch went while it was built");
}

#[tokio::test(start_paused = true)]
async fn the_branch_of_the_last_deployment_counts() {
    let (bench, process) = bench(taking(3), &["a", "b"]);
    up(&process, "a").await;
    let of_b = CreateDeployment {
        environment: Some(name("a")),
        ..preview("b")
    };
    process.create(of_b).await.unwrap();
    process.drive().await;
    bench.world.state.lock().unwrap().branches = heads(&["b"]);
    process.drive_for(3 * CHECK).await;
    assert_eq!(names(&process).await, ["production", "a"]);
    bench.world.state.lock().unwrap().branches = heads(&["a"]);
    process.drive_for(3 * CHECK).await;
    is_all_gone(
        &bench,
        &process,
        "a",
        "the branch of its last deployment is gone",
    );
}

#[tokio::test(start_paused = true)]
async fn when_its_time_is_over_a_preview_goes_and_every_deployment_begins_it_anew() {
    let (bench, process) = bench(taking(3), &["a"]);
    up(&process, "a").await;
    process.drive_for(TTL - HOUR).await;
    assert_eq!(names(&process).await, ["production", "a"]);
    // One that fails counts, too.
    bench.world.change(|state| {
        state.head = Some(sha('2'));
        state
            .behaviours
            .insert(image_of(sha('2').as_str()), Behaviour::Exits(1));
    });
    let failed = process.create(preview("a")).await.unwrap();
    process.drive().await;
    let failed = process.view(failed.deployment.id).await;
    assert!(matches!(failed.deployment.phase, Phase::Failed { .. }));
    process.drive_for(TTL - HOUR).await;
    assert_eq!(names(&process).await, ["production", "a"]);
    process.drive_for(HOUR + 2 * CHECK).await;
    is_all_gone(&bench, &process, "a", "its time is over");
}

#[tokio::test(start_paused = true)]
async fn one_that_never_worked_goes_with_its_time_too() {
    let (bench, process) = bench(taking(3), &["a"]);
    bench.world.change(|state| {
        state
            .behaviours
            .insert(image_of(sha('1').as_str()), Behaviour::Exits(1));
    });
    process.create(preview("a")).await.unwrap();
    process.drive().await;
    assert_eq!(names(&process).await, ["production", "a"]);
    process.drive_for(TTL + 2 * CHECK).await;
    is_all_gone(&bench, &process, "a", "its time is over");
}

#[tokio::test(start_paused = true)]
async fn the_time_goes_on_over_a_restart_and_the_deployment_counts_not_the_start() {
    let (bench, process) = bench(taking(3), &["a"]);
    up(&process, "a").await;
    process.drive_for(TTL - 2 * HOUR).await;
    drop(process);
    tokio::time::sleep(HOUR).await;
    let process = bench.start();
    process.drive_for(HOUR - 3 * CHECK).await;
    assert_eq!(names(&process).await, ["production", "a"]);
    process.drive_for(6 * CHECK).await;
    is_all_gone(&bench, &process, "a", "its time is over");
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_ends_no_preview_and_keeps_none() {
    let far = i64::try_from((400 * 24 * HOUR).as_millis()).unwrap();
    for millis in [far, -far] {
        let (bench, process) = bench(taking(3), &["a", "b"]);
        up(&process, "a").await;
        process.drive_for(3 * CHECK).await;
        // Between two looks, with a deployment right before it.
        up(&process, "b").await;
        bench.world.change(|state| state.clock_jump = millis);
        process.drive_for(TTL - HOUR).await;
        assert_eq!(names(&process).await, ["production", "a", "b"], "{millis}");
        process.drive_for(HOUR + 3 * CHECK).await;
        let at = format!("their time is over, {millis}");
        is_all_gone(&bench, &process, "a and b", &at);
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_is_at_work_is_not_past_its_time() {
    let mut app = taking(3);
    app.previews.as_mut().unwrap().ttl = Duration::from_secs(120);
    let (bench, process) = bench(app, &["a"]);
    bench.world.state.lock().unwrap().builds_hang = true;
    let view = process.create(preview("a")).await.unwrap();
    process.drive_for(Duration::from_secs(600)).await;
    let phase = process.view(view.deployment.id).await.deployment.phase;
    assert!(matches!(phase, Phase::Running(_)), "{phase:?}");
    bench.world.change(|state| state.builds_hang = false);
    process
        .ask(Action::CancelDeployment(view.deployment.id.into()))
        .await
        .unwrap();
    process.drive_for(3 * CHECK).await;
    is_all_gone(
        &bench,
        &process,
        "a",
        "its time is over and nothing is at work",
    );
}

#[tokio::test(start_paused = true)]
async fn what_was_deployed_to_since_it_was_looked_at_does_not_end() {
    let (_bench, process) = bench(taking(3), &["a"]);
    up(&process, "a").await;
    let seen = process.store.previews().unwrap().remove(0);
    up(&process, "a").await;
    let now = longshore::core::time::Timestamp(0);
    let ended = process.store.end_preview(&seen, false, now).unwrap();
    assert_eq!(ended, longshore::store::Ending::Moved);
    assert_eq!(names(&process).await, ["production", "a"]);
}

#[tokio::test(start_paused = true)]
async fn previews_that_are_no_longer_taken_go_on_flagged_until_their_time_is_over() {
    let (mut bench, process) = bench(taking(3), &["a"]);
    up(&process, "a").await;
    drop(process);
    bench.apps[0].previews = None;
    let process = bench.start();
    let Reply::Apps(apps) = process.ask(Action::ListApps).await.unwrap() else {
        panic!("apps are listed");
    };
    let shown = &apps[0].environments[0];
    assert!(shown.preview && !shown.configured);
    let domain = shown.domains[0].to_string();
    assert!(bench.world.state.lock().unwrap().answers(&domain).is_ok());
    let refused = process.create(preview("a")).await.unwrap_err();
    assert!(
        matches!(&refused, Error::Refused(why) if why.contains("takes no previews any more")),
        "{refused}"
    );
    // Nobody says where its branch would be looked for.
    bench.world.state.lock().unwrap().branches = heads(&[]);
    process.drive_for(10 * CHECK).await;
    assert_eq!(names(&process).await, ["production", "a"]);
    process.drive_for(TTL).await;
    is_all_gone(&bench, &process, "a", "its time is over");
}

#[tokio::test(start_paused = true)]
async fn previews_of_an_app_that_is_gone_from_the_file_go_on_until_their_time_is_over() {
    let (mut bench, process) = bench(taking(3), &["a"]);
    up(&process, "a").await;
    drop(process);
    bench.apps.clear();
    let process = bench.start();
    process.drive_for(10 * CHECK).await;
    assert_eq!(names(&process).await, ["production", "a"]);
    process.drive_for(TTL).await;
    is_all_gone(&bench, &process, "a", "its time is over");
}

#[tokio::test(start_paused = true)]
async fn one_that_the_configuration_names_from_now_on_is_no_preview_any_more() {
    let (mut bench, process) = bench(taking(3), &["a"]);
    up(&process, "a").await;
    let before = environment(&process, "a").await.unwrap();
    drop(process);
    let spec = bench.apps[0].environments.values().next().unwrap().clone();
    let name = EnvironmentName::parse("a").unwrap();
    let mut spec = spec;
    spec.domains.clear();
    bench.apps[0].environments.insert(name, spec);
    let process = bench.start();
    let now = environment(&process, "a").await.unwrap();
    assert_eq!(now.id, before.id);
    assert!(!now.preview);
    bench.world.state.lock().unwrap().branches = heads(&[]);
    process.drive_for(TTL + 10 * CHECK).await;
    assert_eq!(names(&process).await, ["production", "a"]);
    laws::hold(&bench, &process, "it stays");
}

#[tokio::test(start_paused = true)]
async fn a_new_domain_and_a_new_time_hold_for_previews_that_are_there() {
    let (mut bench, process) = bench(taking(3), &["a"]);
    up(&process, "a").await;
    drop(process);
    let previews = bench.apps[0].previews.as_mut().unwrap();
    previews.ttl = HOUR / 2;
    previews.domain =
        longshore::core::preview::PreviewDomain::parse("pr-{environment}.web.example").ok();
    let process = bench.start();
    process.drive_for(CHECK / 2).await;
    {
        let state = bench.world.state.lock().unwrap();
        assert!(
            state.answers("pr-a.web.example").is_ok() && state.route("a.web.example").is_none()
        );
    }
    process.drive_for(HOUR + 2 * CHECK).await;
    is_all_gone(&bench, &process, "a", "its time is over");
}

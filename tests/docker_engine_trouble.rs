//! longshore and a real engine of the test's own that is stopped, killed and rebooted under it: deployments wait and go
//! on or say that there is no engine, and exactly the live releases run afterwards.
#![expect(
    clippy::unwrap_used,
    reason = "in what the tests share, a panic is a failed test too"
)]

#[expect(dead_code, reason = "shared with tests that need more of it")]
#[path = "support/docker.rs"]
mod docker;
#[path = "support/git_server.rs"]
mod git_server;
#[path = "support/own_engine.rs"]
mod own_engine;

use nix::sys::signal::Signal;
use own_engine::{Host, SERVE, SERVE_SLOWLY};

/// Said in a deployment's log when the engine does not answer.
const GONE: &str = "The Docker engine cannot be reached";

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_hangs_during_a_build_and_wakes_up_ends_it_in_success() {
    let host = Host::with_web("", "").await;
    host.commit("one", "RUN echo begun && sleep 3", SERVE);
    host.deploy().await;
    host.logged("stdout begun", 1).await;
    host.signal_engine(Signal::SIGSTOP);
    host.logged(GONE, 1).await;
    host.signal_engine(Signal::SIGCONT);
    host.ended("success").await;
    host.only_one("-1-1").await;
    host.no_leftovers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_hangs_during_a_rollout_and_wakes_up_ends_it_in_success() {
    let host = Host::with_web("", "").await;
    host.commit("one", "", SERVE);
    host.deploy_to_the_end().await;
    host.commit("two", "", SERVE_SLOWLY);
    host.deploy().await;
    host.logged("warming up", 1).await;
    host.signal_engine(Signal::SIGSTOP);
    host.logged(GONE, 1).await;
    host.signal_engine(Signal::SIGCONT);
    host.ended("success").await;
    host.only_one("-2-1").await;
    host.no_leftovers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_hangs_for_good_fails_the_deployment_and_the_old_version_is_back_when_it_wakes()
 {
    let host = Host::with_web("unavailable_timeout = \"1s\"", "").await;
    host.commit("one", "", SERVE);
    host.deploy_to_the_end().await;
    let old = host.containers().await;
    host.commit("two", "", SERVE_SLOWLY);
    host.deploy().await;
    host.logged("warming up", 1).await;
    host.signal_engine(Signal::SIGSTOP);
    host.ended("failed").await;
    host.logged("Failed (engine_unavailable)", 1).await;
    host.signal_engine(Signal::SIGCONT);
    host.only(&[old[0].0.clone()]).await;
    host.no_leftovers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_killed_during_a_build_is_waited_for_and_the_build_begun_again() {
    let mut host = Host::with_web("", "").await;
    host.commit("one", "RUN echo begun && sleep 3", SERVE);
    host.deploy().await;
    host.logged("stdout begun", 1).await;
    host.kill_engine();
    host.logged(GONE, 1).await;
    host.start_engine().await;
    host.ended("success").await;
    host.only_one("-1-1").await;
    host.no_leftovers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_killed_during_a_rollout_is_waited_for_and_the_candidate_started_again() {
    let mut host = Host::with_web("", "").await;
    host.commit("one", "", SERVE);
    host.deploy_to_the_end().await;
    host.commit("two", "", SERVE_SLOWLY);
    host.deploy().await;
    host.logged("warming up", 1).await;
    host.kill_engine();
    host.start_engine().await;
    host.ended("success").await;
    host.only_one("-2-1").await;
    host.no_leftovers().await;
}

/// An app beside `web` whose image is there.
const STEADY: &str = "[[app]]\nname = \"steady\"\nimage = \"base:1\"\npull = \"never\"\n\
    command = [\"sleep\", \"100000\"]\nhealth = { stays_up = \"10ms\" }\nstop_grace = \"1s\"\n";

/// A host where `steady` is live and so is version 1 of `web`, which is connected to it; returns their containers' names.
async fn with_two_live() -> (Host, Vec<String>) {
    let host = Host::with_web("", &format!("connections = [\"steady\"]\n{STEADY}")).await;
    host.ask(&["deploy", "steady", "--no-wait"]).await;
    host.ended("success").await;
    host.commit("one", "", SERVE);
    host.deploy_to_the_end().await;
    let live = host.containers().await;
    assert!(matches!(live[..], [(_, true), (_, true)]), "{live:?}");
    (host, live.into_iter().map(|(name, _)| name).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_reboot_exactly_the_live_releases_run_whether_longshore_or_the_engine_comes_first()
{
    let (mut host, live) = with_two_live().await;
    host.power_cycle();
    host.start_engine().await;
    host.only(&live).await;
    host.start_longshore().await;
    host.only(&live).await;
    host.are_connected(&live).await;

    host.power_cycle();
    host.start_longshore().await;
    host.start_engine().await;
    host.only(&live).await;
    host.are_connected(&live).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_does_not_come_back_with_a_reboot_and_its_deployment_goes_on() {
    let (mut host, live) = with_two_live().await;
    host.commit("two", "", SERVE_SLOWLY);
    host.deploy().await;
    host.logged("warming up", 1).await;
    let with_candidate = host.containers().await;
    assert_eq!(with_candidate.len(), 3, "{with_candidate:?}");
    host.power_cycle();
    host.start_engine().await;
    let running = host.running().await;
    let candidate = running.iter().find(|name| !live.contains(name));
    assert_eq!(candidate, None, "a candidate was started by the engine");
    host.start_longshore().await;
    host.ended("success").await;
    // The second attempt's, and the other app's as it was.
    let now: Vec<_> = live
        .iter()
        .map(|name| name.replace("-2-1", "-3-2"))
        .collect();
    assert_ne!(now, live);
    host.only(&now).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_container_that_somebody_removes_or_stops_is_back_in_seconds() {
    let (host, live) = with_two_live().await;
    host.remove(&live[0]).await;
    host.only(&live).await;
    host.stop(&live[1]).await;
    host.only(&live).await;
}

/// Prints numbered lines, serves for a while, and dies in the middle of a line; the engine brings it back.
const CRASHES: &str = "r=$(cat /r 2>/dev/null || echo 0); r=$((r+1)); echo $r >/r; for n in 1 2 3 4 5 6 7 8; do echo \\\"$HOSTNAME $r.$n\\\"; done; httpd -p 8080 -h /www; sleep 2; printf \\\"$HOSTNAME $r.end\\\"; exit 1";

/// Every line of a container that crashes in a loop is kept once: over the death of longshore, over that of the engine,
/// and after the container was removed.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_crashing_container_printed_is_kept_once_whatever_dies_and_after_it_was_removed() {
    let mut host = Host::with_web("", "").await;
    host.commit("one", "", CRASHES);
    host.deploy_to_the_end().await;
    let name = host.containers().await[0].0.clone();
    let printed = host.printed(&name).await;
    let first = printed[0].split(' ').next().unwrap().to_owned();
    host.until_kept(&format!("{first} 2.8")).await;
    // It goes on without longshore, which then catches up.
    host.kill_longshore();
    host.until_printed(&name, &format!("{first} 4.1")).await;
    host.start_longshore().await;
    host.until_kept(&format!("{first} 4.1")).await;
    host.kill_engine();
    host.start_engine().await;
    host.until_printed(&name, &format!("{first} 6.1")).await;
    let printed = host.printed(&name).await;
    host.until_kept(printed.last().unwrap()).await;
    host.remove(&name).await;
    // It is made again, under its name.
    host.only_one("-1-1").await;
    let again = host.printed(&name).await;
    let second = again[0].split(' ').next().unwrap().to_owned();
    assert_ne!(first, second);
    host.until_kept(&format!("{second} 1.8")).await;
    let kept: Vec<String> = host
        .kept()
        .await
        .into_iter()
        .map(|(_, line)| line)
        .collect();
    let of = |host: &str| -> Vec<&String> {
        kept.iter().filter(|line| line.starts_with(host)).collect()
    };
    let of_first = of(&first);
    let expected: Vec<&String> = printed.iter().collect();
    assert_eq!(of_first[..expected.len()], expected, "{kept:#?}");
    let different: std::collections::BTreeSet<_> = kept.iter().collect();
    assert_eq!(
        different.len(),
        kept.len(),
        "a line is there twice: {kept:#?}"
    );
    assert_eq!(of_first.len() + of(&second).len(), kept.len(), "{kept:#?}");
    println!(
        "{} lines of the first, {} of the second",
        of_first.len(),
        of(&second).len()
    );
}

//! Stopping, starting, suspending, removing, rolling back and restarting, with the real program on a real engine.
#![expect(
    clippy::unwrap_used,
    reason = "in what the tests share, a panic is a failed test too"
)]

#[path = "support/daemon.rs"]
#[expect(dead_code, reason = "shared with other tests, which need more of it")]
mod daemon;
#[expect(dead_code, reason = "shared with other tests, which need more of it")]
#[path = "support/docker.rs"]
mod docker;
#[path = "support/git_server.rs"]
mod git_server;

use bollard::models::{ContainerInspectResponse, RestartPolicyNameEnum};
use daemon::World;
use serde_json::Value;

/// A web server that is up at once and ends at once.
const SERVE: &str = "trap 'exit 0' TERM; httpd -f -p 8080 -h /www & wait";
/// One that is deaf to the stop signal: its stop takes the whole grace.
const DEAF: &str = "trap '' TERM; httpd -f -p 8080 -h /www & while true; do sleep 1; done";

fn state(container: &ContainerInspectResponse) -> (bool, Option<RestartPolicyNameEnum>) {
    let running = container.state.as_ref().and_then(|state| state.running);
    let host = container.host_config.as_ref();
    let policy = host.and_then(|host| host.restart_policy.as_ref());
    (
        running.unwrap_or(false),
        policy.and_then(|policy| policy.name),
    )
}

const UP: (bool, Option<RestartPolicyNameEnum>) =
    (true, Some(RestartPolicyNameEnum::UNLESS_STOPPED));
const DOWN: (bool, Option<RestartPolicyNameEnum>) = (false, Some(RestartPolicyNameEnum::NO));

#[tokio::test(flavor = "multi_thread")]
async fn each_operation_does_to_a_real_engine_what_it_says() {
    let world = World::with_web("volumes = [\"data:/data\"]").await;
    for version in ["one", "two"] {
        world.commit(version, "", SERVE);
        world.run(&["deploy", "web"]).await.ok();
    }
    world.serves("/", "two").await;

    let rolled = world
        .run(&["rollback", "web", "--json"])
        .await
        .ok()
        .document();
    assert_eq!(
        (&rolled["release"], &rolled["live"]),
        (&Value::from(1), &Value::from(true))
    );
    world.serves("/", "one").await;
    let restarted = world
        .run(&["restart", "web", "--json"])
        .await
        .ok()
        .document();
    assert_eq!(restarted["release"], 3);
    world.serves("/", "one").await;
    let container = world.only_container().await;
    assert_eq!(state(&container), UP);

    world.run(&["stop", "web"]).await.ok();
    let stopped = world.containers(1).await.remove(0);
    assert_eq!(
        (stopped.id.as_ref(), state(&stopped)),
        (container.id.as_ref(), DOWN)
    );
    world.run(&["start", "web"]).await.ok();
    let started = world.only_container().await;
    assert_eq!(
        (started.id.as_ref(), state(&started)),
        (container.id.as_ref(), UP)
    );
    world.serves("/", "one").await;

    world.run(&["suspend", "web"]).await.ok();
    world
        .run(&["deploy", "web"])
        .await
        .ended(5)
        .says(&["suspended; activate it first"]);
    assert_eq!(state(&world.containers(1).await[0]), DOWN);
    world.run(&["activate", "web"]).await.ok();
    world.serves("/", "one").await;

    world
        .run(&["app", "rm", "web"])
        .await
        .ended(2)
        .says(&["give --yes"]);
    world
        .run(&["app", "rm", "web", "--volumes", "--yes"])
        .await
        .ok();
    world.containers(0).await;
    world.nothing_is_left().await;
    world.run(&["deploy", "web"]).await.ok();
    world.serves("/", "two").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_killed_in_the_middle_of_a_stop_goes_on_with_it() {
    let mut world = World::with_web("").await;
    world.commit("one", "", DEAF);
    world.run(&["deploy", "web"]).await.ok();
    world.run(&["stop", "web", "--no-wait"]).await.ok();
    world.kill();
    world.start().await;
    world.run(&["stop", "web"]).await.ok();
    assert_eq!(state(&world.containers(1).await[0]), DOWN);
    // … and a daemon that starts leaves it so.
    world.kill();
    world.start().await;
    world.run(&["start", "web"]).await.ok();
    world.serves("/", "one").await;
    assert_eq!(state(&world.only_container().await), UP);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_killed_in_the_middle_of_a_removal_leaves_nothing_of_it() {
    let mut world = World::with_web("volumes = [\"data:/data\"]").await;
    world.commit("one", "", DEAF);
    world.run(&["deploy", "web"]).await.ok();
    world.commit("two", "RUN sleep 5", DEAF);
    let mut watched = world.watch(&["web"]);
    watched.until("sleep 5").await;
    let removal = ["app", "rm", "web", "--volumes", "--yes", "--no-wait"];
    world.run(&removal).await.ok();
    world.kill();
    world.start().await;
    let ran = watched.end(&world).await.ended(3);
    assert_eq!(ran.document()["status"], "cancelled");
    world.containers(0).await;
    world.nothing_is_left().await;
    let apps = world.run(&["apps", "--json"]).await.ok().document();
    assert_eq!(
        apps["data"][0]["environments"][0]["live_release"],
        Value::Null
    );
}

/// Reaches the one that serves by its name on the network, says so and works; of the page "bad" it cannot.
const WORKER: &str = r#"
[app.processes.worker]
command = ["/bin/sh", "-c", "trap 'exit 0' TERM; grep -q bad /www/index.html && echo cannot work && exit 3; for i in 1 2 3 4 5 6 7 8 9 10; do wget -q -O /dev/null http://web:8080/ && echo reached web && break; sleep 0.3; done; while true; do sleep 0.2; done"]
health = { stays_up = "4s" }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_is_deployed_rolled_back_and_stopped_with_the_one_that_serves() {
    let world = World::with_web(WORKER).await;
    let ps = async || {
        let listed = world.run(&["ps", "web", "--json"]).await.ok().document();
        let of = |process: &Value| {
            let text = |key: &str| process[key].as_str().unwrap_or("none").to_owned();
            format!("{} {} {}", text("name"), text("state"), process["release"])
        };
        let all = listed["data"].as_array().unwrap().iter().map(of);
        all.collect::<Vec<_>>().join(", ")
    };
    assert_eq!(ps().await, "web none null, worker none null");
    for (release, version) in ["one", "two"].into_iter().enumerate() {
        world.commit(version, "", SERVE);
        world.run(&["deploy", "web"]).await.ok();
        world.serves("/", version).await;
        let number = release + 1;
        let expected = format!("web running {number}, worker running {number}");
        assert_eq!(ps().await, expected);
    }
    let log = world.run(&["logs", "web", "--deployment"]).await.ok();
    assert!(log.stdout.contains("worker: reached web"), "{}", log.stdout);
    assert!(world.containers(2).await.iter().all(|one| state(one) == UP));
    let table = world.run(&["ps", "web"]).await.ok();
    println!("{}", table.stdout);
    assert!(
        table.stdout.starts_with("PROCESS  STATUS"),
        "{}",
        table.stdout
    );

    world.commit("bad", "", SERVE);
    let failed = world.run(&["deploy", "web"]).await.ended(1);
    failed.says(&[
        "process worker: the container ended with status 3",
        "worker: cannot work",
    ]);
    world.serves("/", "two").await;
    assert_eq!(ps().await, "web running 2, worker running 2");
    world.containers(2).await;

    world.run(&["rollback", "web"]).await.ok();
    world.serves("/", "one").await;
    assert_eq!(ps().await, "web running 1, worker running 1");
    world.run(&["stop", "web"]).await.ok();
    assert!(
        world
            .containers(2)
            .await
            .iter()
            .all(|one| state(one) == DOWN)
    );
    assert_eq!(ps().await, "web exited 1, worker exited 1");
    world.run(&["start", "web"]).await.ok();
    assert!(world.containers(2).await.iter().all(|one| state(one) == UP));
    let remove = ["app", "rm", "web", "--volumes", "--yes"];
    world.run(&remove).await.ok();
    world.containers(0).await;
    world.nothing_is_left().await;
}

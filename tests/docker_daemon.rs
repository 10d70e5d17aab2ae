//! longshore as its users meet it: the real program with a real engine and real repositories, killed, stopped, and
//! fed what cannot work.
#![expect(
    clippy::unwrap_used,
    reason = "in what the tests share, a panic is a failed test too"
)]

#[path = "support/daemon.rs"]
#[expect(dead_code, reason = "shared with other tests, which need more of it")]
mod daemon;
#[expect(
    dead_code,
    reason = "shared with the engine's own tests, which need more of it"
)]
#[path = "support/docker.rs"]
mod docker;
#[path = "support/git_server.rs"]
mod git_server;

use daemon::{Ran, World, within};
use serde_json::Value;
use std::time::Duration;

/// A web server that is up at once.
const SERVE: &str = "exec httpd -f -p 8080 -h /www";

/// A web server that takes its time, and says so when it begins.
const SERVE_SLOWLY: &str = "echo warming up; sleep 3; exec httpd -f -p 8080 -h /www";

#[track_caller]
fn assert_success(ran: &Ran) {
    let document = ran.document();
    assert_eq!(document["status"], "success", "{document:#}");
    assert_eq!(document["live"], true, "{document:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_killed_during_a_build_goes_on_with_it_at_its_next_start() {
    let mut world = World::with_web("").await;
    // Its random word keeps the step from being taken out of the engine's build cache.
    let slow = format!("RUN echo begun {} && sleep 5", world.base.run);
    world.commit("one", &slow, SERVE);

    let mut watched = world.watch(&["web"]);
    watched.until("sleep 5").await;
    world.kill();
    world.start().await;

    let ran = watched.end(&world).await.ok();
    assert_success(&ran);
    world.serves("/", "one").await;
    world.only_container().await;
    let list = world.run(&["ls", "--json"]).await.ok().document();
    assert_eq!(list["data"].as_array().map(Vec::len), Some(1), "{list:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_killed_during_a_rollout_goes_on_with_it_at_its_next_start() {
    let mut world = World::with_web("").await;
    world.commit("one", "", SERVE_SLOWLY);

    let mut watched = world.watch(&["web"]);
    watched.until("warming up").await;
    world.kill();
    world.start().await;

    assert_success(&watched.end(&world).await.ok());
    world.serves("/", "one").await;
    world.only_container().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_killed_while_it_replaces_a_version_leaves_exactly_the_new_one() {
    let mut world = World::with_web("").await;
    world.commit("one", "", SERVE);
    world.run(&["deploy", "web"]).await.ok();
    world.serves("/", "one").await;
    let old = world.only_container().await.id;
    world.commit("two", "", SERVE_SLOWLY);

    let mut watched = world.watch(&["web"]);
    watched.until("warming up").await;
    world.kill();
    world.start().await;

    let ran = watched.end(&world).await.ok();
    assert_success(&ran);
    assert_eq!(ran.document()["release"], 2);
    world.serves("/", "two").await;
    assert_ne!(world.only_container().await.id, old);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_killed_again_and_again_still_ends_the_deployment() {
    let mut world = World::with_web("").await;
    let slow = format!("RUN echo begun {} && sleep 2", world.base.run);
    world.commit("one", &slow, SERVE_SLOWLY);

    let mut watched = world.watch(&["web"]);
    for text in ["sleep 2", "warming up"] {
        watched.until(text).await;
        world.kill();
        world.start().await;
    }
    assert_success(&watched.end(&world).await.ok());
    world.serves("/", "one").await;
    world.only_container().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_never_gets_ready_leaves_the_old_one_serving() {
    let world = World::with_web("health = { tcp = true, timeout = \"2s\" }").await;
    world.commit("one", "", SERVE);
    world.run(&["deploy", "web"]).await.ok();
    let old = world.only_container().await.id;
    world.commit("two", "", "echo going nowhere; exec sleep 600");

    let ran = world.run(&["deploy", "web"]).await.ended(1);
    ran.says(&["failed: production of web", "(not_ready)", "going nowhere"]);
    world.serves("/", "one").await;
    assert_eq!(world.only_container().await.id, old);
    assert_eq!(world.newest().await["status"], "failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_that_does_not_exist_is_refused_before_anything_is_written() {
    let world = World::with_web("").await;
    world.commit("one", "", SERVE);
    let ran = world.run(&["deploy", "web", "--branch", "nope"]).await;
    ran.ended(5)
        .says(&["Branch 'nope' does not exist", "(invalid_branch)"]);
    let list = world.run(&["ls", "--json"]).await.ok().document();
    assert_eq!(list["data"], Value::Array(Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_dockerfile_is_named() {
    let world = World::with_web("").await;
    let files = [("index.html", "one")];
    world.repository.commit("main", &files, "No Dockerfile");
    let ran = world.run(&["deploy", "web"]).await.ended(1);
    ran.says(&[
        "(dockerfile_missing)",
        "Dockerfile",
        "next: Commit a Dockerfile there",
        "whole log: longshore logs dep_",
    ]);
    world.containers(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_build_step_is_shown_with_its_last_lines() {
    let world = World::with_web("").await;
    let fails = "RUN echo compiling && echo 'no rule to make target' >&2 && exit 3";
    world.commit("one", fails, SERVE);
    let ran = world.run(&["deploy", "web"]).await.ended(1);
    ran.says(&[
        "(build_failed)",
        "| compiling",
        "| no rule to make target",
        "3",
        "next: Mend the failing instruction",
    ]);
    world.no_image_and_no_tree().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_exits_at_once_is_shown_with_its_status_and_last_lines() {
    let world = World::with_web("").await;
    world.commit(
        "one",
        "",
        "echo starting; echo DATABASE_URL is not set >&2; exit 7",
    );
    let ran = world.run(&["deploy", "web"]).await.ended(1);
    ran.says(&[
        "(container_exited)",
        "7",
        "| starting",
        "| DATABASE_URL is not set",
        "next: ",
    ]);
    world.containers(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_listens_on_another_port_is_told_which() {
    let world = World::with_web("health = { tcp = true, timeout = \"2s\" }").await;
    world.commit("one", "", "exec httpd -f -p 9090 -h /www");
    let ran = world.run(&["deploy", "web"]).await.ended(1);
    ran.says(&[
        "(not_ready)",
        "not ready after 2s",
        "9090",
        "not on port 8080",
        "next: Make the app listen on port 8080, or set the app's `port`",
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_engine_a_deployment_fails_and_says_how_to_start_one() {
    let mut world = World::new().await;
    world.commit("one", "", SERVE);
    let engine = format!(
        "host = \"unix://{}\"\nunavailable_timeout = \"1s\"",
        world.path("no.sock").display()
    );
    world.configure_engine(&engine, &world.web(""));
    world.start().await;
    let ran = world.run(&["deploy", "web"]).await.ended(1);
    ran.says(&[
        "(engine_unavailable)",
        "no.sock",
        "next: Start the engine (`systemctl start docker`) or correct docker.host",
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_is_cancelled_ends_in_seconds_and_leaves_nothing() {
    let world = World::with_web("").await;
    let slow = format!("RUN echo begun {} && sleep 300", world.base.run);
    world.commit("one", &slow, SERVE);

    let mut watched = world.watch(&["web"]);
    watched.until("sleep 300").await;
    let id = world.newest().await["id"].as_str().unwrap().to_owned();
    let ran = within(Duration::from_secs(20), "the cancellation", async {
        world.run(&["cancel", &id]).await.ok();
        watched.end(&world).await
    })
    .await;
    assert_eq!(ran.ended(3).document()["status"], "cancelled");
    world.containers(0).await;
    world.no_image_and_no_tree().await;

    // The environment is free for the next one.
    world.commit("two", "", SERVE);
    world.run(&["deploy", "web"]).await.ok();
    world.serves("/", "two").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_gets_its_volume_limit_environment_and_secrets_and_the_log_hides_them() {
    let mut world = World::new().await;
    let secret = world.path("key");
    std::fs::write(&secret, "from-a-file-5c1f\n").unwrap();
    let app = format!(
        r#"[[app]]
name = "web"
image = "{}"
pull = "never"
port = 8080
stop_grace = "1s"
memory = "64MiB"
env = {{ GREETING = "hello" }}
secrets = {{ KEY = "file:{}" }}
volumes = ["data:/data"]
command = ["/bin/sh", "-c", "echo key $KEY, token $TOKEN, greeting $GREETING; echo $GREETING >> /data/starts; sleep 3; exec httpd -f -p 8080 -h /data"]
"#,
        world.base.image,
        secret.display()
    );
    world.configure(&app);
    world.start().await;

    let token = "only-for-this-time-8d2e";
    let variable = format!("TOKEN={token}");
    let ran = world.run(&["deploy", "web", "--env", &variable]).await.ok();
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(said.contains("greeting hello"), "{said}");
    world.serves("/starts", "hello").await;
    let only = world.only_container().await;
    let env = only.config.unwrap().env.unwrap();
    for expected in [
        "GREETING=hello",
        "KEY=from-a-file-5c1f",
        "TOKEN=only-for-this-time-8d2e",
    ] {
        assert!(env.iter().any(|one| one == expected), "{env:?}");
    }
    assert_eq!(only.host_config.unwrap().memory, Some(64 * 1024 * 1024));

    world.run(&["deploy", "web"]).await.ok();
    world.serves("/starts", "hello\nhello").await;
    let only = world.only_container().await;
    let env = only.config.unwrap().env.unwrap();
    assert!(!env.iter().any(|one| one.starts_with("TOKEN=")), "{env:?}");

    let logs = std::fs::read_dir(world.data_dir().join("logs")).unwrap();
    let mut texts: Vec<String> = logs
        .map(|log| std::fs::read_to_string(log.unwrap().path()).unwrap())
        .collect();
    texts.push(said);
    texts.push(world.told());
    assert_eq!(texts.len(), 4);
    for text in texts {
        for hidden in ["from-a-file-5c1f", token] {
            assert!(!text.contains(hidden), "{hidden} is in {text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_told_to_stop_during_a_build_ends_in_seconds_and_goes_on_at_its_next_start() {
    let mut world = World::with_web("").await;
    let slow = format!("RUN echo begun {} && sleep 5", world.base.run);
    world.commit("one", &slow, SERVE);

    let mut watched = world.watch(&["web"]);
    watched.until("sleep 5").await;
    let status = world.terminate(Duration::from_secs(10)).await;
    assert!(status.success(), "{status}\n{}", world.told());
    world.start().await;

    assert_success(&watched.end(&world).await.ok());
    world.serves("/", "one").await;
    world.only_container().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_daemon_on_the_same_data_refuses_and_the_first_goes_on() {
    let world = World::with_web("").await;
    let mut second = world.serve();
    let waited = tokio::task::spawn_blocking(move || second.wait().unwrap());
    let status = within(Duration::from_secs(60), "the second daemon's end", waited).await;
    let told = world.told();
    println!("{told}");
    assert_eq!(status.unwrap().code(), Some(1), "{told}");
    assert!(told.contains("is in use by another longshore"), "{told}");
    world.run(&["apps"]).await.ok();
}

fn copy_all(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_all(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_was_put_back_is_noticed_and_nothing_is_done_until_it_is_adopted() {
    const LIMIT: Duration = Duration::from_secs(20);
    let mut world = World::with_web("").await;
    world.commit("one", "", SERVE);
    world.run(&["deploy", "web"]).await.ok();
    world.terminate(LIMIT).await;
    let backup = world.path("backup");
    copy_all(&world.data_dir(), &backup);

    for discard in [false, true] {
        world.start().await;
        world.commit(&format!("new {discard}"), "", SERVE);
        world.run(&["deploy", "web"]).await.ok();
        let running = world.only_container().await.id;
        world.terminate(LIMIT).await;
        std::fs::remove_dir_all(world.data_dir()).unwrap();
        copy_all(&backup, &world.data_dir());

        world.start().await;
        within(Duration::from_secs(60), "the daemon's warning", async {
            let warning = "warning: the database was restored from a backup";
            while !world.run(&["apps"]).await.ok().stderr.contains(warning) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await;
        assert!(world.told().contains("was made for deployment"));
        let ran = world.run(&["deploy", "web"]).await.ended(4);
        ran.says(&["restored from a backup", "`longshore adopt`"]);
        let ran = world.run(&["adopt"]).await.ended(2);
        ran.says(&["give --yes"]);
        assert_eq!(world.only_container().await.id, running);

        let mode: &[&str] = if discard {
            &["adopt", "--discard", "--yes"]
        } else {
            &["adopt", "--yes"]
        };
        let ran = world.run(mode).await.ok();
        println!("{}", ran.stdout);
        if discard {
            // The second backup was taken when that was live.
            world.serves("/", "after false").await;
            assert_ne!(world.only_container().await.id, running);
        } else {
            assert!(
                ran.stdout.contains("what runs is adopted"),
                "{}",
                ran.stdout
            );
            world.serves("/", "new false").await;
            assert_eq!(world.only_container().await.id, running);
        }
        let ran = world.run(&["apps"]).await.ok();
        assert!(!ran.stderr.contains("restored"), "{}", ran.stderr);
        world.commit(&format!("after {discard}"), "", SERVE);
        world.run(&["deploy", "web"]).await.ok();
        world.serves("/", &format!("after {discard}")).await;
        world.only_container().await;
        world.terminate(LIMIT).await;
        if !discard {
            std::fs::remove_dir_all(&backup).unwrap();
            copy_all(&world.data_dir(), &backup);
        }
    }
}

//! Release commands, tasks and payloads, with the real program on a real engine.
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

use daemon::World;

/// A web server of what is in the volume.
const SERVE: &str = "exec httpd -f -p 8080 -h /data";

const KEYS: &str = r#"
volumes = ["data:/data"]
release = [["/bin/sh", "/release.sh"]]
payload = { env = "DEPLOY_PAYLOAD" }
[app.tasks."deploy:seed"]
command = ["/bin/sh", "-c", "echo seeded >> /data/log"]
"#;

/// What makes the release command of an image.
fn release(lines: &[&str]) -> String {
    let words: Vec<String> = lines.iter().map(|line| format!("echo '{line}'")).collect();
    format!("RUN ({}) > /release.sh", words.join("; "))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_command_prepares_what_the_release_serves_and_one_that_fails_changes_nothing() {
    let world = World::with_web(KEYS).await;
    world.commit("one", &release(&["echo migrated >> /data/log"]), SERVE);
    let ran = world.run(&["deploy", "web"]).await.ok();
    let begins = "Running release command (1 of 1): /bin/sh /release.sh";
    assert!(ran.stdout.contains(begins), "{}", ran.stdout);
    world.serves("/log", "migrated").await;
    let first = world.only_container().await;

    let fails = ["echo the table is locked", "exit 3"];
    world.commit("two", &release(&fails), SERVE);
    let ran = world.run(&["deploy", "web"]).await.ended(1);
    ran.says(&[
        "(release_failed)",
        "status 3",
        "the table is locked",
        "not undone",
    ]);
    assert_eq!(world.only_container().await.id, first.id);
    world.serves("/log", "migrated").await;

    let missing = ["/no/such/program"];
    world.commit("three", &release(&missing), SERVE);
    let ran = world.run(&["deploy", "web"]).await.ended(1);
    ran.says(&["(release_failed)", "status 127", "/no/such/program"]);

    world.commit("four", &release(&["echo again >> /data/log"]), SERVE);
    let planned = world.run(&["deploy", "web", "--task", "deploy:seed", "--plan"]);
    let planned = planned.await.ok().stdout;
    for shown in ["/bin/sh /release.sh", "(task deploy:seed)"] {
        assert!(planned.contains(shown), "{planned}");
    }
    world
        .run(&["deploy", "web", "--task", "deploy:seed"])
        .await
        .ok();
    world.serves("/log", "migrated\nagain\nseeded").await;
    let refused = world
        .run(&["deploy", "web", "--task", "seed"])
        .await
        .ended(5);
    refused.says(&["deploy:seed"]);
    world.only_container().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_command_goes_on_while_the_daemon_is_killed_and_is_not_run_twice() {
    let mut world = World::with_web(KEYS).await;
    let slow = [
        "echo begun >> /data/log",
        "echo at work",
        "sleep 4",
        "echo done >> /data/log",
    ];
    world.commit("one", &release(&slow), SERVE);
    let mut watched = world.watch(&["web"]);
    watched.until("at work").await;
    world.kill();
    world.start().await;
    let ran = watched.end(&world).await.ok();
    assert_eq!(ran.document()["live"], true);
    world.serves("/log", "begun\ndone").await;

    // … also when it ends while no daemon is there.
    let mut watched = world.watch(&["web"]);
    watched.until("at work").await;
    world.kill();
    tokio::time::sleep(std::time::Duration::from_secs(6)).await;
    world.start().await;
    watched.end(&world).await.ok();
    world.serves("/log", "begun\ndone\nbegun\ndone").await;
    world.only_container().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_ends_a_release_command_in_seconds() {
    let world = World::with_web(KEYS).await;
    world.commit(
        "one",
        &release(&["trap : TERM", "echo at work", "sleep 600"]),
        SERVE,
    );
    let mut watched = world.watch(&["web"]);
    watched.until("at work").await;
    let id = world.newest().await["id"].as_str().unwrap().to_owned();
    world.run(&["cancel", &id]).await.ok();
    watched.end(&world).await.ended(3);
    daemon::within(
        std::time::Duration::from_secs(15),
        "the command to be gone",
        world.containers(0),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_payload_is_there_as_a_variable_and_as_a_file_for_its_user_alone() {
    let mut world = World::with_web(KEYS).await;
    let brought = r#"{"ref":"main","user":"ann"}"#;
    let write = ["echo \"$DEPLOY_PAYLOAD\" > /data/payload"];
    world.commit("one", &release(&write), SERVE);
    world
        .run(&["deploy", "web", "--payload", brought])
        .await
        .ok();
    world.serves("/payload", brought).await;

    let file = KEYS.replace(
        "{ env = \"DEPLOY_PAYLOAD\" }",
        "{ file = \"/run/deploy/payload.json\" }",
    );
    world.kill();
    world.configure(&world.web(&file.replace("data:/data", "other:/data")));
    world.start().await;
    // The volume is owned as its place in the image is.
    let user = "RUN mkdir -p /etc /data && echo app:x:1234:1234::/:/bin/sh >> /etc/passwd && chown 1234 /data\nUSER app";
    let show = ["stat -c \"%a %u\" /run/deploy/payload.json", "id -u"];
    let lines = format!("{}\n{user}", release(&show));
    let serve = "cat /run/deploy/payload.json > /data/payload; exec httpd -f -p 8080 -h /data";
    world.commit("two", &lines, serve);
    let ran = world
        .run(&["deploy", "web", "--payload", brought])
        .await
        .ok();
    assert!(ran.stdout.contains("400 1234"), "{}", ran.stdout);
    world.serves("/payload", brought).await;

    // A rollback's is that of its release, and a container that is made again has it, too.
    world.run(&["deploy", "web"]).await.ok();
    world.serves("/payload", "{}").await;
    world.run(&["rollback", "web"]).await.ok();
    world.serves("/payload", brought).await;
    let name = world.only_container().await.name.unwrap();
    let force = bollard::query_parameters::RemoveContainerOptions {
        force: true,
        ..Default::default()
    };
    let name = name.trim_start_matches('/');
    world
        .base
        .client
        .remove_container(name, Some(force))
        .await
        .unwrap();
    world.serves("/payload", brought).await;
    world.only_container().await;
}

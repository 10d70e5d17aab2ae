//! A small data_dir that fills up under the real program, with real git and a real engine.
#![expect(
    clippy::unwrap_used,
    reason = "in what the tests share, a panic is a failed test too"
)]

#[path = "support/daemon.rs"]
#[expect(dead_code, reason = "another test file uses the rest")]
mod daemon;
#[expect(
    dead_code,
    reason = "shared with the engine's own tests, which need more of it"
)]
#[path = "support/docker.rs"]
mod docker;
#[path = "support/git_server.rs"]
mod git_server;
#[path = "support/tmpfs.rs"]
mod tmpfs;

use daemon::World;
use std::fmt::Write as _;
use tmpfs::{Tmpfs, assert_sound};

/// A web server that is up at once.
const SERVE: &str = "exec httpd -f -p 8080 -h /www";

/// Text that git cannot make smaller.
fn noise(bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 64);
    while text.len() < bytes {
        writeln!(text, "{}", docker::random().simple()).unwrap();
    }
    text
}

/// A daemon on that disk, whose version one is live.
async fn serving(disk: &Tmpfs) -> World {
    let mut world = World::new().await;
    std::os::unix::fs::symlink(disk.path(), world.data_dir()).unwrap();
    world.configure(&world.web(""));
    world.start().await;
    world.commit("one", "", SERVE);
    world.run(&["deploy", "web"]).await.ok();
    world.serves("/", "one").await;
    world
}

/// With space again, everything is as ever.
async fn recovers(mut world: World, disk: &Tmpfs, deployments: i64) {
    disk.ballast().remove();
    world.commit("last", "", SERVE);
    world.run(&["deploy", "web"]).await.ok();
    world.serves("/", "last").await;
    world.only_container().await;
    let reserve = disk.path().join("reserve").metadata().unwrap().len();
    assert_eq!(reserve, 4 * 1024 * 1024);
    world.kill();
    assert_sound(disk.path(), deployments);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fills_in_the_checkout_fails_that_deployment_and_nothing_else() {
    let disk = Tmpfs::mount("32m");
    let mut world = serving(&disk).await;
    let old = world.only_container().await.id;

    let dockerfile = world.dockerfile("", SERVE);
    let large = noise(12 * 1024 * 1024);
    let files = [
        ("Dockerfile", dockerfile.as_str()),
        ("index.html", "two"),
        ("large", large.as_str()),
    ];
    world.repository.commit("main", &files, "Large");
    disk.ballast().fill_but(3 * 1024 * 1024);
    let ran = world.run(&["deploy", "web"]).await.ended(1);
    ran.says(&[
        "(disk_full)",
        "the disk of data_dir",
        "free",
        "o space left on device",
        "next: Free space on the disk of",
        "longshore gc --explain",
    ]);
    world.serves("/", "one").await;
    assert_eq!(world.only_container().await.id, old);
    // What git had written so far is gone again.
    assert!(disk.free() > 2 * 1024 * 1024, "{}", disk.free());
    let left = std::fs::read_dir(disk.path().join("work")).unwrap().count();
    assert_eq!(left, 0);

    // Nothing at all is free: no new deployment, but everything else, also after a restart.
    disk.ballast().fill();
    let refused = world.run(&["deploy", "web"]).await;
    assert_ne!(refused.status, 0);
    refused.says(&["the disk of data_dir", "(disk_full)"]);
    world.kill();
    world.start().await;
    let list = world.run(&["ls", "--json"]).await.ok().document();
    assert_eq!(list["data"].as_array().map(Vec::len), Some(2), "{list:#}");
    world.serves("/", "one").await;
    assert_eq!(world.only_container().await.id, old);
    recovers(world, &disk, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fills_in_the_build_loses_lines_and_no_history() {
    let disk = Tmpfs::mount("24m");
    let world = serving(&disk).await;
    let talks = format!(
        "RUN echo begun {} && sleep 2 && seq 1 20000 && echo all is said",
        world.base.run
    );
    world.commit("two", &talks, SERVE);
    let mut watched = world.watch(&["web"]);
    watched.until("sleep 2").await;
    disk.ballast().fill();
    let ran = watched.end(&world).await;
    let document = ran.document();
    let page = match document["status"].as_str() {
        Some("success") => "two",
        Some("failed") => {
            assert_eq!(document["error"]["code"], "disk_full", "{document:#}");
            "one"
        }
        other => panic!("{other:?}: {document:#}"),
    };
    println!("the build's deployment ended as {}", document["status"]);
    world.serves("/", page).await;
    world.only_container().await;
    let id = document["id"].as_str().unwrap().to_owned();
    disk.ballast().remove();
    world.commit("three", "", SERVE);
    world.run(&["deploy", "web"]).await.ok();
    let log = world.run(&["logs", &id]).await.ok().stdout;
    let lines = log.lines().count();
    assert!(lines < 20000, "the log had no space: {lines} lines");
    disk.ballast().fill_but(8 * 1024 * 1024);
    recovers(world, &disk, 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fills_in_the_rollout_leaves_one_version_serving() {
    let disk = Tmpfs::mount("24m");
    let world = serving(&disk).await;
    world.commit(
        "two",
        "",
        "echo warming up; sleep 3; exec httpd -f -p 8080 -h /www",
    );
    let mut watched = world.watch(&["web"]);
    watched.until("warming up").await;
    disk.ballast().fill();
    let ran = watched.end(&world).await;
    // The reserve is there for exactly this: the outcome is recorded, and this one is good.
    assert_eq!(ran.document()["status"], "success", "{}", ran.stderr);
    world.serves("/", "two").await;
    world.only_container().await;
    recovers(world, &disk, 3).await;
}

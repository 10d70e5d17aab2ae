//! Releases change under load on a real engine, and no request fails; where they should, they do. The long form of this
//! with figures is `benches/swap.sh`; app and load are the same.
#![expect(
    clippy::unwrap_used,
    reason = "in what the tests share, a panic is a failed test too"
)]

#[path = "../benches/ingress/app.rs"]
mod app;
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
#[expect(dead_code, reason = "shared with the bench, which needs more of it")]
#[path = "../benches/ingress/load/mod.rs"]
mod load;

use bollard::query_parameters::CreateImageOptionsBuilder;
use daemon::World;
use futures_util::StreamExt as _;
use load::Report;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use tokio::sync::watch;

const HOST: &str = "web.localhost";

/// The app, when a container runs this program: see [`image`].
#[test]
#[ignore = "it serves until it is stopped; the other tests run it in containers"]
#[expect(
    clippy::disallowed_methods,
    reason = "a container is told by its environment"
)]
fn the_app_of_the_other_tests() {
    let Ok(version) = std::env::var("APP_VERSION") else {
        return;
    };
    let options = app::Options {
        listen: (Ipv4Addr::UNSPECIFIED, 8080).into(),
        version,
        ready_after: std::env::var("APP_READY_AFTER").map_or(0, |text| text.parse().unwrap()),
        never_ready: std::env::var_os("APP_NEVER_READY").is_some(),
        deaf: std::env::var_os("APP_DEAF").is_some(),
    };
    tokio::runtime::Runtime::new()
        .unwrap()
        .block_on(app::serve(options));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_fails_while_releases_change_by_swap() {
    let (world, target) = world("strategy = \"swap\"").await;
    let load = begin(target);
    for version in ["v2", "v3"] {
        deploy(&world, &[&format!("APP_VERSION={version}")])
            .await
            .ok();
        assert_eq!(served(target).await, version);
    }
    world.run(&["rollback", "web"]).await.ok();
    assert_eq!(served(target).await, "v2");
    let report = load.end().await;
    assert_eq!(report.failed, 0, "{report:#?}\n{}", world.told());
    assert!(report.sent > 100, "{report:#?}");
    for version in ["v1", "v2", "v3"] {
        assert!(report.versions.contains_key(version), "{report:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_fails_while_a_version_does_not_get_ready() {
    let (world, target) = world_with_patience("3s", "strategy = \"swap\"").await;
    let load = begin(target);
    let ran = deploy(&world, &["APP_VERSION=v2", "APP_NEVER_READY=yes"]).await;
    ran.ended(1).says(&["(not_ready)"]);
    let report = load.end().await;
    assert_eq!(report.failed, 0, "{report:#?}\n{}", world.told());
    assert!(!report.versions.contains_key("v2"), "{report:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_fails_while_an_app_that_is_deaf_to_its_stop_is_replaced() {
    let (world, target) = world("strategy = \"swap\"").await;
    let env = ["APP_VERSION=v2", "APP_DEAF=yes"];
    deploy(&world, &env).await.ok();
    // A WebSocket that lives longer than drain_timeout cannot end in good order with an app that is killed.
    let load = begin_with(target, 0);
    deploy(&world, &["APP_VERSION=v3"]).await.ok();
    let report = load.end().await;
    assert_eq!(report.failed, 0, "{report:#?}\n{}", world.told());
    for version in ["v2", "v3"] {
        assert!(report.versions.contains_key(version), "{report:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_load_sees_the_gap_of_a_recreation() {
    let (world, target) = world("strategy = \"recreate\"").await;
    let load = begin(target);
    // Longer than requests wait for an app that is coming back.
    let env = ["APP_VERSION=v2", "APP_READY_AFTER=4000"];
    deploy(&world, &env).await.ok();
    let report = load.end().await;
    assert!(report.failed > 0, "{report:#?}");
    assert!(report.versions.contains_key("v2"), "{report:#?}");
}

/// A daemon whose ingress is at this address, with version v1 of the app serving.
async fn world(keys: &str) -> (World, SocketAddr) {
    world_with_patience("20s", keys).await
}

/// The same with a limit on how long a version may take to get ready.
async fn world_with_patience(timeout: &str, keys: &str) -> (World, SocketAddr) {
    let mut world = World::new().await;
    let image = image(&world).await;
    world.configure(&format!(
        "[[app]]\nname = \"web\"\nimage = \"{image}\"\npull = \"never\"\nport = 8080\ndomains = [\"{HOST}\"]\n\
         command = [\"/app\", \"--ignored\", \"--exact\", \"the_app_of_the_other_tests\", \"--nocapture\"]\n\
         health = {{ path = \"/up\", interval = \"100ms\", timeout = \"{timeout}\" }}\ndrain_timeout = \"3s\"\nstop_grace = \"2s\"\n{keys}\n"
    ));
    let target = free_address();
    let config = world.path("config.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let listens = text.replace(
        "[ingress]\nlisten = []",
        &format!("[ingress]\nlisten = [\"{target}\"]"),
    );
    assert_ne!(text, listens);
    std::fs::write(&config, listens).unwrap();
    world.start().await;
    deploy(&world, &["APP_VERSION=v1"]).await.ok();
    assert_eq!(served(target).await, "v1");
    (world, target)
}

async fn deploy(world: &World, env: &[&str]) -> daemon::Ran {
    let mut arguments = vec!["deploy", "web"];
    for one in env {
        arguments.extend(["--env", one]);
    }
    world.run(&arguments).await
}

/// Nobody listens there; whoever else takes it in the meantime fails the test, not somebody's service.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap()
}

/// The version that answers.
async fn served(target: SocketAddr) -> String {
    let answer = daemon::get_from(&target.to_string(), HOST, "/small")
        .await
        .unwrap();
    let version = answer.lines().next().unwrap_or_default();
    version.trim_start_matches("version ").to_owned()
}

/// Load that goes on until its end is asked for.
struct Load {
    stop: watch::Sender<bool>,
    run: tokio::task::JoinHandle<Report>,
}

fn begin(target: SocketAddr) -> Load {
    begin_with(target, 3)
}

fn begin_with(target: SocketAddr, sockets: u32) -> Load {
    let options = load::Options {
        target,
        host: vec![HOST.to_owned()],
        rate: 40,
        // An upper limit; the tests end it.
        seconds: 600,
        connections: 6,
        uploads: 2,
        slow: 2,
        sockets,
        short_sockets: 2,
        // The machine may be busy with other tests.
        patience: 60,
        output: None,
    };
    let (stop, stopped) = watch::channel(false);
    let run = tokio::spawn(async move { load::run_until(&options, stopped).await });
    Load { stop, run }
}

impl Load {
    async fn end(self) -> Report {
        self.stop.send_replace(true);
        self.run.await.unwrap()
    }
}

/// An image that holds this program and the libraries it needs, which its container runs as the app.
async fn image(world: &World) -> String {
    let mut tar = tar::Builder::new(Vec::new());
    // The engine's own way with tars knows no holes.
    tar.sparse(false);
    let program = std::env::current_exe().unwrap();
    tar.append_path_with_name(&program, "app").unwrap();
    for library in libraries(&program) {
        // Links are followed: the name is what the loader looks for.
        let name = library.trim_start_matches('/');
        tar.append_path_with_name(&library, name).unwrap();
    }
    let repository = format!("longshore-test/app-{}", world.base.run);
    let options = CreateImageOptionsBuilder::new()
        .from_src("-")
        .repo(&repository)
        .tag("1")
        .build();
    let body = bollard::body_full(tar.into_inner().unwrap().into());
    let mut stream = world
        .base
        .client
        .create_image(Some(options), Some(body), None);
    while let Some(item) = stream.next().await {
        item.unwrap();
    }
    format!("{repository}:1")
}

/// The paths that `ldd` names: "name => /path (address)", and the loader as "/path (address)".
#[expect(clippy::disallowed_methods, reason = "these tests run programs")]
fn libraries(program: &Path) -> Vec<String> {
    let output = std::process::Command::new("ldd")
        .arg(program)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let words = said.split_whitespace().filter(|word| word.starts_with('/'));
    words.map(str::to_owned).collect()
}

//! A preview with the real program on a real engine, a real git remote and the real ingress: from the request that makes it
//! to the deletion of its branch, after which nothing of it is left.
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

use bollard::models::ContainerInspectResponse;
use bollard::query_parameters::ListNetworksOptionsBuilder;
use daemon::{World, get_from, within};
use longshore::core::preview::PreviewDomain;
use std::collections::HashMap;
use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

const SERVE: &str = "trap 'exit 0' TERM; httpd -f -p 8080 -h /www & wait";
const BRANCH: &str = "feature/login";
const DOMAINS: &str = "{environment}.preview.localhost";
const LIMIT: Duration = Duration::from_secs(120);

fn free_addresses<const MANY: usize>() -> [String; MANY] {
    // All are held until each has its own: the host may give a free one out again at once.
    let held = [(); MANY].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
    held.map(|listener| listener.local_addr().unwrap().to_string())
}

fn commit(world: &World, branch: &str, page: &str) {
    let dockerfile = world.dockerfile("", SERVE);
    let files = [("Dockerfile", dockerfile.as_str()), ("index.html", page)];
    world.repository.commit(branch, &files, page);
}

/// A daemon with an ingress at the address, and an app with everything that no preview inherits.
async fn world() -> (World, String) {
    let [published, ingress] = free_addresses();
    let mut world = World::new().await;
    for secret in ["named", "unnamed"] {
        std::fs::write(world.path(secret), secret).unwrap();
    }
    std::fs::write(world.path("files.env"), "FROM_FILE=yes\n").unwrap();
    let keys = format!(
        "domains = [\"web.localhost\"]\npublish = [\"{}:8080\"]\nvolumes = [\"data:/data\"]\nenv_file = [\"{}\"]\n\
         secrets = {{ NAMED = \"file:{}\", UNNAMED = \"file:{}\" }}\n\
         previews = {{ domain = \"{DOMAINS}\", secrets = [\"NAMED\"], max = 1 }}\n[limits]\npreview_check = \"5s\"",
        published,
        world.path("files.env").display(),
        world.path("named").display(),
        world.path("unnamed").display(),
    );
    world.configure(&world.web(&keys));
    let config = world.path("config.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let listens = text.replace(
        "[ingress]\nlisten = []",
        &format!("[ingress]\nlisten = [\"{ingress}\"]"),
    );
    assert_ne!(text, listens);
    std::fs::write(&config, listens).unwrap();
    world.start().await;
    (world, ingress)
}

async fn serves(world: &World, (ingress, host): (&str, &str), expected: &str) {
    let mut last = String::new();
    let served = tokio::time::timeout(LIMIT, async {
        loop {
            match get_from(ingress, host, "/").await {
                Ok(text) if text == expected => return,
                Ok(text) => last = text,
                Err(error) => last = error.to_string(),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    assert!(
        served.await.is_ok(),
        "{host} never answered '{expected}', last: {last}\n{}",
        world.told()
    );
}

async fn networks(world: &World) -> Vec<String> {
    let label = format!("dev.longshore.instance={}", world.instance());
    let filters = HashMap::from([("label", vec![label])]);
    let options = ListNetworksOptionsBuilder::new().filters(&filters).build();
    let all = world
        .base
        .client
        .list_networks(Some(options))
        .await
        .unwrap();
    all.into_iter().filter_map(|network| network.name).collect()
}

fn is_of(container: &ContainerInspectResponse, environment: &str) -> bool {
    let labels = container
        .config
        .as_ref()
        .and_then(|config| config.labels.as_ref());
    labels
        .and_then(|labels| labels.get("dev.longshore.environment"))
        .is_some_and(|name| name == environment)
}

/// What only one environment can have, and what nobody named, is not there.
fn inherits_nothing_it_must_not(container: &ContainerInspectResponse) {
    let config = container.config.as_ref().unwrap();
    let env = config.env.as_ref().unwrap();
    let has = |name: &str| env.iter().any(|one| one.starts_with(name));
    assert!(
        has("NAMED=named") && !has("UNNAMED=") && !has("FROM_FILE="),
        "{env:?}"
    );
    let host = container.host_config.as_ref().unwrap();
    let bound = host
        .port_bindings
        .as_ref()
        .is_some_and(|ports| !ports.is_empty());
    assert!(!bound, "{:?}", host.port_bindings);
    assert!(
        container.mounts.as_ref().is_none_or(Vec::is_empty),
        "{:?}",
        container.mounts
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_is_served_until_its_branch_is_gone_and_then_nothing_of_it_is_left() {
    let (world, ingress) = world().await;
    commit(&world, "main", "one");
    world.run(&["deploy", "web"]).await.ok();
    serves(&world, (&ingress, "web.localhost"), "one").await;
    let production = networks(&world).await;
    assert_eq!(production.len(), 1, "{production:?}");

    commit(&world, BRANCH, "two");
    let deploy = ["deploy", "web", "--environment", BRANCH, "--branch", BRANCH];
    world
        .run(&deploy)
        .await
        .ended(5)
        .says(&["no environment", BRANCH]);
    let made = world
        .run(&[&deploy[..], &["--preview", "--json"]].concat())
        .await
        .ok()
        .document();
    assert_eq!(made["environment"], BRANCH);
    let host = PreviewDomain::parse(DOMAINS)
        .unwrap()
        .of(BRANCH)
        .to_string();
    serves(&world, (&ingress, &host), "two").await;
    serves(&world, (&ingress, "web.localhost"), "one").await;
    let containers = world.containers(2).await;
    let preview = containers
        .iter()
        .find(|container| is_of(container, BRANCH))
        .unwrap();
    inherits_nothing_it_must_not(preview);
    assert_eq!(networks(&world).await.len(), 2);
    let shown = world.run(&["apps"]).await.ok();
    assert!(
        shown.stdout.contains("feature/login (preview)"),
        "{}",
        shown.stdout
    );
    let shown = world.run(&["app", "show", "web"]).await.ok();
    assert!(shown.stdout.contains(&host), "{}", shown.stdout);

    // There is room for one, and a later deployment goes to the one that is there.
    world
        .run(&[
            "deploy",
            "web",
            "--environment",
            "another",
            "--branch",
            BRANCH,
            "--preview",
        ])
        .await
        .ended(5)
        .says(&["1 previews already"]);
    commit(&world, BRANCH, "three");
    world.run(&deploy).await.ok();
    serves(&world, (&ingress, &host), "three").await;

    world
        .repository
        .git(&["update-ref", "-d", &format!("refs/heads/{BRANCH}")], "");
    let left = world.containers(1).await.remove(0);
    assert!(is_of(&left, "production"), "{left:?}");
    within(LIMIT, "the network of the preview to go", async {
        while networks(&world).await != production {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
    let answer = get_from(&ingress, &host, "/").await.unwrap();
    assert!(
        !answer.contains("three") && !answer.contains("one"),
        "{answer}"
    );
    serves(&world, (&ingress, "web.localhost"), "one").await;
    let shown = world.run(&["apps"]).await.ok();
    assert!(!shown.stdout.contains(BRANCH), "{}", shown.stdout);
    let told = world.told();
    assert!(told.contains("branch 'feature/login' is gone"), "{told}");
    // What was is still to be read.
    let history = world.run(&["ls", "--app", "web", "--json"]).await.ok();
    assert!(history.stdout.contains(BRANCH), "{}", history.stdout);

    // By hand, in the middle of its life.
    commit(&world, BRANCH, "four");
    world
        .run(&[&deploy[..], &["--preview"]].concat())
        .await
        .ok();
    serves(&world, (&ingress, &host), "four").await;
    world
        .run(&["app", "rm", "web", "--environment", BRANCH, "--yes"])
        .await
        .ok();
    world.containers(1).await;
    world
        .run(&["app", "rm", "web", "--volumes", "--yes"])
        .await
        .ok();
    world.containers(0).await;
    world.nothing_is_left().await;
}

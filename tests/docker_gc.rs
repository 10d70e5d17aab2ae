//! Garbage collection on a real engine, by the real program.
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

use bollard::query_parameters::{ListImagesOptionsBuilder, TagImageOptions};
use daemon::{World, within};
use futures_util::StreamExt as _;
use longshore::core::ports::{Engine as _, EngineError, Progress};
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

/// A web server that is up at once.
const SERVE: &str = "exec httpd -f -p 8080 -h /www";

/// One that keeps two releases, with this page live after so many deployments.
async fn with_releases(pages: &[&str]) -> World {
    let mut world = World::new().await;
    let apps = format!("[retention]\nkeep_releases = 2\n{}", world.web(""));
    world.configure(&apps);
    world.start().await;
    for page in pages {
        world.commit(page, "", SERVE);
        world.run(&["deploy", "web"]).await.ok();
    }
    world
}

fn instance(world: &World) -> String {
    let text = std::fs::read_to_string(world.data_dir().join("instance")).unwrap();
    text.trim().to_owned()
}

/// The tags of the images that were built for a daemon.
async fn tags(world: &World) -> BTreeSet<String> {
    let label = format!("dev.longshore.instance={}", instance(world));
    let filters = HashMap::from([("label", vec![label])]);
    let options = ListImagesOptionsBuilder::new().filters(&filters).build();
    let images = world.base.client.list_images(Some(options)).await.unwrap();
    images
        .into_iter()
        .flat_map(|image| {
            if image.repo_tags.is_empty() {
                vec![image.id]
            } else {
                image.repo_tags
            }
        })
        .collect()
}

async fn until_tags(world: &World, count: usize) -> BTreeSet<String> {
    let what = format!("{count} images of the instance");
    within(Duration::from_secs(60), &what, async {
        loop {
            let tags = tags(world).await;
            if tags.len() == count {
                return tags;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
}

/// An image whose tag a later build took.
async fn untagged(world: &docker::World) -> String {
    let tree = tempfile::tempdir().unwrap();
    let build = world.build(tree.path());
    let mut ids = Vec::new();
    for nth in ["first", "second"] {
        let text = format!("FROM {}\nENV WHICH={nth}-{}\n", world.image, world.run);
        std::fs::write(tree.path().join("Dockerfile"), text).unwrap();
        let mut work = world.docker.build(&build);
        while let Some(progress) = work.next().await {
            match progress.unwrap() {
                Progress::Line(..) => {}
                Progress::Done(image) => ids.push(image.id),
            }
        }
    }
    assert_ne!(ids[0], ids[1]);
    ids.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn seven_releases_become_the_two_that_are_kept_and_another_instances_stay() {
    let pages = ["one", "two", "three", "four", "five", "six", "seven"];
    let world = with_releases(&pages).await;
    let other = with_releases(&["elsewhere 1", "elsewhere 2", "elsewhere 3"]).await;
    until_tags(&world, 7).await;
    let others = until_tags(&other, 3).await;

    let explained = world.run(&["gc", "--explain"]).await.ok();
    println!("{}\n{}", explained.stdout, explained.stderr);
    for part in [
        "OBJECT",
        "older than the last 2 (retention.keep_releases)",
        "it is live",
        "it is one of the last 2",
        "it is another instance's",
        "docker.prune_build_cache is false",
        "an app of the configuration is built from it",
    ] {
        assert!(explained.stdout.contains(part), "{part}");
    }
    explained.says(&["5 objects would go", "`longshore gc` does it"]);
    until_tags(&world, 7).await;

    let collected = world.run(&["gc", "--json"]).await.ok().document();
    let went = collected["data"].as_array().unwrap().iter();
    let went = went.filter(|one| one["verdict"] == "collected").count();
    assert_eq!(went, 5, "{collected:#}");
    let left = until_tags(&world, 2).await;
    let numbers: Vec<&str> = left
        .iter()
        .map(|tag| tag.rsplit_once(':').unwrap().1)
        .collect();
    assert_eq!(numbers, ["6", "7"]);
    assert_eq!(tags(&other).await, others);
    world.serves("/", "seven").await;
    other.serves("/", "elsewhere 3").await;

    let again = world.run(&["gc"]).await.ok();
    again.says(&["nothing to collect"]);
    // It goes on as ever.
    world.commit("eight", "", SERVE);
    world.run(&["deploy", "web"]).await.ok();
    world.serves("/", "eight").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_engine_the_explanation_says_so() {
    let mut world = World::new().await;
    let engine = format!("host = \"unix://{}\"", world.path("no.sock").display());
    world.configure_engine(&engine, &world.web(""));
    world.start().await;
    let ran = world.run(&["gc", "--explain"]).await.ok();
    ran.says(&["the engine was not asked", "no.sock", "nothing to collect"]);
}

#[tokio::test]
async fn only_an_image_of_this_instance_without_a_tag_is_removed() {
    let world = docker::World::new().await;
    let id = untagged(&world).await;
    let listed = |images: Vec<longshore::core::ports::HostImage>| {
        images.into_iter().find(|image| image.id == id)
    };
    let image = listed(world.docker.images().await.unwrap()).unwrap();
    assert_eq!(image.deployment, Some(world.deployment));
    assert!(image.tags.is_empty() && image.bytes > 0, "{image:?}");

    let stranger = longshore::engine::Docker::new(docker::HOST, docker::random()).unwrap();
    let refused = stranger.remove_image(&id).await;
    assert!(
        matches!(refused, Err(EngineError::Refused(_))),
        "{refused:?}"
    );
    assert!(listed(stranger.images().await.unwrap()).is_none());

    let options = TagImageOptions {
        repo: Some("longshore-test/kept".to_owned()),
        tag: Some(world.run.clone()),
    };
    let client = &world.client;
    client.tag_image(&id, Some(options)).await.unwrap();
    let refused = world.docker.remove_image(&id).await;
    assert!(
        matches!(refused, Err(EngineError::Refused(_))),
        "{refused:?}"
    );
    let tag = format!("longshore-test/kept:{}", world.run);
    world.docker.untag(&tag).await.unwrap();
    world.docker.remove_image(&id).await.unwrap();
    assert!(listed(world.docker.images().await.unwrap()).is_none());
}

#[tokio::test]
async fn the_build_caches_size_is_known_and_a_budget_it_is_within_prunes_nothing() {
    let world = docker::World::new().await;
    untagged(&world).await;
    let before = world.docker.build_cache().await.unwrap();
    assert!(before > 0);
    // Other tests build meanwhile: nothing of theirs may go.
    let freed = world.docker.prune_build_cache(1 << 50).await.unwrap();
    assert_eq!(freed, 0, "of {before}");
}

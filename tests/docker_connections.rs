//! Connections with the real program on a real engine: who reaches whom is found out by containers that try, and PostgreSQL
//! is what they reach.
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

use bollard::exec::{CreateExecOptions, StartExecResults};
use bollard::models::ContainerInspectResponse;
use bollard::query_parameters::{CreateImageOptionsBuilder, RemoveContainerOptions};
use daemon::{World, within};
use docker::client;
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use std::path::Path;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(60);

/// The app's only container that runs.
async fn container(world: &World, app: &str) -> ContainerInspectResponse {
    let label = |of: &ContainerInspectResponse, name: &str| {
        let labels = of.config.as_ref().and_then(|config| config.labels.clone());
        labels.and_then(|labels| labels.get(name).cloned())
    };
    let runs = |of: &ContainerInspectResponse| {
        let state = of.state.as_ref().and_then(|state| state.running);
        state == Some(true) && label(of, "dev.longshore.app").as_deref() == Some(app)
    };
    within(SOON, &format!("one container of {app}"), async {
        loop {
            let all = world.all_containers().await;
            let mut own: Vec<_> = all.into_iter().filter(runs).collect();
            if own.len() == 1 {
                return own.remove(0);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await
}

/// All its addresses.
fn addresses(of: &ContainerInspectResponse) -> Vec<String> {
    let networks = of.network_settings.as_ref().unwrap().networks.clone();
    let all = networks.unwrap().into_values();
    all.filter_map(|endpoint| endpoint.ip_address.filter(|address| !address.is_empty()))
        .collect()
}

/// Runs a script in a running container; what it printed.
async fn inside(of: &ContainerInspectResponse, script: &str) -> String {
    let client = client();
    let words = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
    let options = CreateExecOptions {
        cmd: Some(words),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        ..CreateExecOptions::default()
    };
    let id = of.id.as_deref().unwrap();
    let exec = client.create_exec(id, options).await.unwrap().id;
    match client.start_exec(&exec, None).await.unwrap() {
        StartExecResults::Attached { mut output, .. } => {
            let mut text = String::new();
            while let Some(Ok(line)) = output.next().await {
                text.push_str(&line.to_string());
            }
            text
        }
        StartExecResults::Detached => String::new(),
    }
}

/// Whether a container gets an answer there.
async fn gets(from: &ContainerInspectResponse, host: &str) -> bool {
    let asks = format!("printf 'GET /text HTTP/1.0\r\n\r\n' | nc -w 3 {host} 8080");
    inside(from, &asks).await.contains("HTTP/1")
}

/// Whether it gets one each time. The engine keeps its networks apart by one rule for all, which it takes out and puts back
/// each time somebody makes a network (seen with 20.10): other tests on this host do, and for some milliseconds every container
/// reaches every other.
async fn always_gets(from: &ContainerInspectResponse, host: &str) -> bool {
    for _ in 0..4 {
        if !gets(from, host).await {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    true
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_connected_is_reached_by_name_and_nobody_else_is_in_any_way() {
    let mut world = World::with_pool(20).await;
    let app = |name: &str, keys: &str| {
        format!(
            "[[app]]\nname = \"{name}\"\nimage = \"{}\"\npull = \"never\"\nport = 8080\nstop_grace = \"1s\"\ncommand = [\"/bin/sh\", \"-c\", \"exec httpd -f -p 8080 -h /\"]\n{keys}\n",
            world.base.image
        )
    };
    let apps = [
        app("db", ""),
        app("web", "connections = [\"db\"]"),
        app("api", "connections = [\"db\"]"),
        app("other", ""),
    ];
    let apart = apps.concat().replace("connections = [\"db\"]", "");
    world.configure(&apps.concat());
    world.start().await;
    // The consumer comes first: it is connected when its provider becomes live.
    for app in ["web", "db", "api", "other"] {
        world.run(&["deploy", app]).await.ok();
    }
    let (db, web) = (
        container(&world, "db").await,
        container(&world, "web").await,
    );
    let (api, other) = (
        container(&world, "api").await,
        container(&world, "other").await,
    );
    for consumer in [&web, &api] {
        assert!(gets(consumer, "db").await, "{:?}", consumer.name);
    }
    assert_eq!(addresses(&db).len(), 3, "its own network and one with each");
    let strangers = [
        (&other, &db, "db"),
        (&db, &other, "other"),
        (&web, &api, "api"),
        (&api, &web, "web"),
        (&web, &other, "other"),
        (&other, &web, "web"),
    ];
    let tries = strangers.iter().flat_map(|(from, to, name)| {
        let hosts = addresses(to).into_iter().chain([(*name).to_owned()]);
        hosts.map(|host| (*from, host)).collect::<Vec<_>>()
    });
    let tries: Vec<_> = tries.collect();
    let answers = tries
        .iter()
        .map(async |(from, host)| (always_gets(from, host).await, from, host));
    for (answered, from, host) in join_all(answers).await {
        assert!(!answered, "{:?} reaches {host}", from.name);
    }
    println!("{} tries to reach a stranger, none answered", tries.len());

    // The container goes away behind our back, and is stopped and started: it is in its networks again.
    let options = RemoveContainerOptions {
        force: true,
        ..RemoveContainerOptions::default()
    };
    let id = db.id.as_deref().unwrap();
    client().remove_container(id, Some(options)).await.unwrap();
    let again = container(&world, "db").await;
    assert_eq!(addresses(&again).len(), 3);
    assert!(gets(&web, "db").await);
    world.run(&["stop", "db"]).await.ok();
    assert!(!gets(&web, "db").await);
    world.run(&["start", "db"]).await.ok();
    assert!(gets(&web, "db").await && gets(&api, "db").await);

    // What is no longer configured ends with the next deployment, for the one that is deployed.
    world.configure(&apart);
    world.run(&["reload"]).await.ok();
    world.run(&["deploy", "web"]).await.ok();
    let web = container(&world, "web").await;
    assert!(!gets(&web, "db").await && gets(&api, "db").await);
    within(SOON, "the network to be gone", async {
        while addresses(&container(&world, "db").await).len() != 2 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
}

/// Runs a program of the host to its good end.
#[expect(
    clippy::disallowed_methods,
    reason = "tests bring their own world, and programs are part of it"
)]
async fn ran(name: &Path, arguments: &[&str]) {
    let mut command = tokio::process::Command::new(name);
    let output = command.args(arguments).output().await.unwrap();
    assert!(
        output.status.success(),
        "{}: {}{}",
        name.display(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// An image with PostgreSQL, under the run's word.
async fn postgres(world: &World) -> String {
    let tar = Path::new(env!("CARGO_TARGET_TMPDIR")).join("postgres-root.tar");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/postgres-root");
    ran(&script, &[tar.to_str().unwrap()]).await;
    let tag = world.base.run.clone();
    let options = CreateImageOptionsBuilder::new()
        .from_src("-")
        .repo("longshore-test/postgres")
        .tag(&tag)
        .changes(vec!["USER 999".to_owned()])
        .build();
    let file = tokio::fs::File::open(&tar).await.unwrap();
    let chunks = tokio_util::io::ReaderStream::with_capacity(file, 1 << 20);
    let body = bollard::body_try_stream(chunks);
    let client = client();
    let mut import = client.create_image(Some(options), Some(body), None);
    while let Some(item) = import.next().await {
        item.unwrap();
    }
    format!("longshore-test/postgres:{tag}")
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_a_connected_postgres_are_still_there_after_its_redeploy() {
    const PASSWORD: &str = "n0t-in-any-log";
    const QUERY: &str = "psql \"$DATABASE_URL\" -tA -v ON_ERROR_STOP=1 -c";
    let mut world = World::with_pool(20).await;
    let image = postgres(&world).await;
    let password = world.path("password");
    std::fs::write(&password, format!("{PASSWORD}\n")).unwrap();
    let password = password.display();
    let consumer = |name: &str| {
        format!(
            r#"
[[app]]
name = "{name}"
image = "{image}"
pull = "never"
command = ["/bin/sh", "-c", "exec httpd -f -p 8080 -h /tmp"]
port = 8080
stop_grace = "1s"
connections = ["db"]
secrets = {{ DB_PASSWORD = "file:{password}" }}
connect_env = {{ DATABASE_URL = "postgres://app:{{secrets.DB_PASSWORD}}@{{db.host}}:{{db.port}}/app" }}
release = [["/bin/sh", "-c", "echo \"preparing $DATABASE_URL\"; exec psql \"$DATABASE_URL\" -c 'CREATE TABLE IF NOT EXISTS kept (word text)'"]]
"#
        )
    };
    world.configure(&format!(
        r#"
[[app]]
name = "db"
image = "{image}"
pull = "never"
command = ["/serve"]
port = 5432
stop_grace = "5s"
volumes = ["data:/var/lib/postgresql/data"]
secrets = {{ POSTGRES_PASSWORD = "file:{password}" }}
{}{}"#,
        consumer("web"),
        consumer("api")
    ));
    world.start().await;
    world.run(&["deploy", "db"]).await.ok();
    let ran = world.run(&["deploy", "web"]).await.ok();
    assert!(ran.stdout.contains("CREATE TABLE"), "{}", ran.stdout);
    assert!(ran.stdout.contains("preparing"), "{}", ran.stdout);
    assert!(!ran.stdout.contains(PASSWORD), "{}", ran.stdout);
    let web = container(&world, "web").await;
    let wrote = inside(
        &web,
        &format!("{QUERY} \"INSERT INTO kept VALUES ('here')\""),
    )
    .await;
    assert_eq!(wrote.trim(), "INSERT 0 1");
    let select = format!("{QUERY} 'SELECT word FROM kept'");
    assert_eq!(inside(&web, &select).await.trim(), "here");

    // A query is under way while another consumer is connected: the provider's container joins a network meanwhile.
    let slow = format!("{QUERY} \"SELECT 'held' FROM pg_sleep(5)\"");
    let (held, deployed) = tokio::join!(inside(&web, &slow), world.run(&["deploy", "api"]));
    deployed.ok();
    assert_eq!(held.trim(), "held");
    let api = container(&world, "api").await;
    assert_eq!(inside(&api, &select).await.trim(), "here");

    let before = container(&world, "db").await.id;
    let ran = world.run(&["deploy", "db"]).await.ok();
    assert!(
        ran.stdout.contains("Reached by web as db"),
        "{}",
        ran.stdout
    );
    assert_ne!(container(&world, "db").await.id, before);
    for consumer in [&web, &api] {
        assert_eq!(inside(consumer, &select).await.trim(), "here");
    }
    assert_eq!(
        container(&world, "web").await.id,
        web.id,
        "it was not touched"
    );
}

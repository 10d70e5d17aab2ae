//! The engine port against a real Docker engine.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "support/docker.rs"]
mod docker;

use bollard::models::{
    ContainerCreateBody, NetworkConnectRequest, NetworkCreateRequest, NetworkDisconnectRequest,
    VolumeCreateRequest,
};
use bollard::query_parameters::{CreateContainerOptions, InspectContainerOptions};
use docker::{HOST, World, random};
use futures_util::{StreamExt, TryStreamExt};
use longshore::core::container::OutputCursor;
use longshore::core::log::Stream;
use longshore::core::name::ImageReference;
use longshore::core::ports::{
    Build, ContainerState, Engine, EngineError, EngineMount, HealthState, OutputLine, Progress,
    RegistryCredential, RestartPolicy,
};
use longshore::core::release::Image;
use longshore::core::secret::Secret;
use longshore::core::spec::{MountSource, Protocol, Publish};
use longshore::engine::Docker;
use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

const RUNNING: ContainerState = ContainerState::Running { health: None };
const GRACE: Duration = Duration::from_secs(10);

async fn state(world: &World, name: &str) -> ContainerState {
    world
        .docker
        .inspect(name)
        .await
        .unwrap()
        .expect("it exists")
        .state
}

async fn output(
    docker: &Docker,
    name: &str,
    after: Option<OutputCursor>,
    follow: bool,
) -> Vec<OutputLine> {
    docker
        .output(name, after, follow)
        .try_collect()
        .await
        .unwrap()
}

fn texts(lines: &[OutputLine]) -> Vec<&str> {
    lines.iter().map(|line| line.text.as_str()).collect()
}

/// A container of somebody else's, as `docker create` makes it.
async fn foreign(world: &World, name: &str, labels: HashMap<String, String>) {
    let options = CreateContainerOptions {
        name: Some(name.to_owned()),
        ..CreateContainerOptions::default()
    };
    let body = ContainerCreateBody {
        image: Some(world.image.clone()),
        cmd: Some(vec!["/bin/sleep".to_owned(), "1000".to_owned()]),
        labels: Some(labels),
        ..ContainerCreateBody::default()
    };
    world
        .client
        .create_container(Some(options), body)
        .await
        .unwrap();
    world.client.start_container(name, None).await.unwrap();
}

/// The names of the instance's containers.
async fn names(docker: &Docker) -> Vec<String> {
    let seen = docker.list().await.unwrap();
    seen.into_iter().map(|seen| seen.name).collect()
}

#[tokio::test]
async fn what_is_listed_tells_where_a_container_comes_from_and_whether_it_was_committed() {
    let world = World::new().await;
    let network = world.network().await;
    let mut spec = world.container(
        "web",
        &network,
        "trap 'exit 0' TERM; while true; do sleep 0.1; done",
    );
    spec.name = format!("{}-3-1", network.name);
    let (docker, name) = (&world.docker, spec.name.as_str());
    let only = async || {
        let mut seen = docker.list().await.unwrap();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen.remove(0)
    };
    docker.create(&spec).await.unwrap();
    let made = only().await;
    assert_eq!(
        (made.name.as_str(), &made.state),
        (name, &ContainerState::Created)
    );
    assert_eq!(made.labels.as_ref(), Some(&spec.labels));
    assert_eq!(made.address, Some(spec.address));
    assert_eq!(made.restart, RestartPolicy::No);
    docker.start(name).await.unwrap();
    docker
        .set_restart(name, RestartPolicy::UnlessStopped)
        .await
        .unwrap();
    let live = only().await;
    assert_eq!(live.state, RUNNING);
    assert_eq!(live.address, Some(spec.address));
    assert_eq!(live.restart, RestartPolicy::UnlessStopped);
    let image = docker.find_image(&world.image).await.unwrap().unwrap();
    assert_eq!(live.image, image.id);
    docker.stop(name, GRACE).await.unwrap();
    assert_eq!(only().await.address, Some(spec.address));
    docker.remove(name).await.unwrap();
}

#[tokio::test]
async fn a_container_lives_from_create_to_remove_and_every_call_can_be_repeated() {
    let world = World::new().await;
    let network = world.network().await;
    let spec = world.container(
        "web",
        &network,
        "trap 'exit 3' TERM; echo up; while true; do sleep 0.1; done",
    );
    let (docker, name) = (&world.docker, spec.name.as_str());
    assert_eq!(docker.inspect(name).await.unwrap(), None);
    for _ in 0..2 {
        docker.create(&spec).await.unwrap();
        assert_eq!(state(&world, name).await, ContainerState::Created);
    }
    assert_eq!(names(docker).await, [name]);
    for _ in 0..2 {
        docker.start(name).await.unwrap();
        assert_eq!(state(&world, name).await, RUNNING);
    }
    docker.create(&spec).await.unwrap();
    assert_eq!(state(&world, name).await, RUNNING);
    let up: Vec<_> = docker
        .output(name, None, true)
        .take(1)
        .try_collect()
        .await
        .unwrap();
    assert_eq!(texts(&up), ["up"]);
    for _ in 0..2 {
        docker
            .set_restart(name, RestartPolicy::UnlessStopped)
            .await
            .unwrap();
    }
    let found = world
        .client
        .inspect_container(name, None::<InspectContainerOptions>)
        .await
        .unwrap();
    let policy = found.host_config.unwrap().restart_policy.unwrap().name;
    assert_eq!(
        policy,
        Some(bollard::models::RestartPolicyNameEnum::UNLESS_STOPPED)
    );
    docker.set_restart(name, RestartPolicy::No).await.unwrap();
    for _ in 0..2 {
        docker.stop(name, GRACE).await.unwrap();
        let ended = ContainerState::Exited {
            code: 3,
            out_of_memory: false,
            error: None,
        };
        assert_eq!(state(&world, name).await, ended);
    }
    for _ in 0..2 {
        docker.remove(name).await.unwrap();
        assert_eq!(docker.inspect(name).await.unwrap(), None);
    }
    docker.stop(name, GRACE).await.unwrap();
    docker.set_restart(name, RestartPolicy::No).await.unwrap();
    assert!(matches!(
        docker.start(name).await,
        Err(EngineError::NotFound(_))
    ));
    assert_eq!(names(docker).await, [""; 0]);
}

#[tokio::test]
async fn a_container_that_runs_is_removed_with_its_anonymous_volumes_also_by_two_at_once() {
    let world = World::new().await;
    let network = world.network().await;
    let tree = tempfile::tempdir().unwrap();
    let dockerfile = format!("FROM {}\nVOLUME /scratch\n", world.image);
    std::fs::write(tree.path().join("Dockerfile"), dockerfile).unwrap();
    let (_, image) = build(&world.docker, &world.build(tree.path()))
        .await
        .unwrap();
    let mut spec = world.container(
        "web",
        &network,
        "trap 'exit 0' TERM; while true; do sleep 0.1; done",
    );
    spec.image = image.id;
    world.run(&spec).await;
    let found = world
        .client
        .inspect_container(&spec.name, None::<InspectContainerOptions>)
        .await
        .unwrap();
    let volume = found.mounts.unwrap()[0].name.clone().unwrap();
    let (one, other) = tokio::join!(
        world.docker.remove(&spec.name),
        world.docker.remove(&spec.name)
    );
    assert_eq!((one, other), (Ok(()), Ok(())));
    assert_eq!(world.docker.inspect(&spec.name).await.unwrap(), None);
    assert!(world.client.inspect_volume(&volume).await.is_err());
}

#[tokio::test]
async fn nothing_of_another_instance_or_of_nobody_is_touched() {
    let world = World::new().await;
    let network = world.network().await;
    let other = HashMap::from([("dev.longshore.instance".to_owned(), random().to_string())]);
    for (what, labels) in [("nobodys", HashMap::new()), ("others", other)] {
        let spec = world.container(what, &network, "true");
        let name = spec.name.as_str();
        foreign(&world, name, labels).await;
        let docker = &world.docker;
        for result in [
            docker.create(&spec).await,
            docker.start(name).await,
            docker.stop(name, Duration::ZERO).await,
            docker.set_restart(name, RestartPolicy::UnlessStopped).await,
            docker.remove(name).await,
            docker.inspect(name).await.map(|_| ()),
        ] {
            let error = result.unwrap_err();
            assert!(
                matches!(&error, EngineError::Refused(text) if text.contains(name)),
                "{error:?}"
            );
        }
        let found = world
            .client
            .inspect_container(name, None::<InspectContainerOptions>)
            .await
            .unwrap();
        assert_eq!(found.state.unwrap().running, Some(true));
    }
    assert_eq!(names(&world.docker).await, [""; 0]);
}

#[tokio::test]
async fn a_name_taken_by_another_deployment_of_ours_is_refused() {
    let world = World::new().await;
    let network = world.network().await;
    let mut spec = world.container("web", &network, "true");
    world.docker.create(&spec).await.unwrap();
    spec.labels.deployment = random();
    let error = world.docker.create(&spec).await.unwrap_err();
    let told = error.to_string();
    assert!(
        told.contains(&spec.name) && told.contains(&world.deployment.to_string()),
        "{told}"
    );
}

#[tokio::test]
async fn a_container_is_made_with_everything_it_was_given() {
    let world = World::new().await;
    let network = world.network().await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host_port = free.local_addr().unwrap().port();
    let mut spec = world.container(
        "web",
        &network,
        "echo $GREETING; exec httpd -f -p 8080 -h /data",
    );
    spec.memory = Some(64 * 1024 * 1024);
    spec.millicpus = Some(500);
    spec.publish = vec![Publish {
        address: "127.0.0.1".parse().unwrap(),
        host_port,
        container_port: 8080,
        protocol: Protocol::Tcp,
    }];
    spec.logging
        .options
        .insert("max-size".to_owned(), "1m".to_owned());
    drop(free);
    world.run(&spec).await;
    let found = world
        .client
        .inspect_container(&spec.name, None::<InspectContainerOptions>)
        .await
        .unwrap();
    let host = found.host_config.unwrap();
    assert_eq!(
        (host.memory, host.memory_swap),
        (Some(64 << 20), Some(64 << 20))
    );
    assert_eq!(host.nano_cpus, Some(500_000_000));
    assert_eq!(host.log_config.unwrap().config.unwrap()["max-size"], "1m");
    let endpoint = found
        .network_settings
        .unwrap()
        .networks
        .unwrap()
        .remove(&network.name)
        .unwrap();
    assert_eq!(endpoint.ip_address, Some(spec.address.to_string()));
    assert!(endpoint.aliases.unwrap().contains(&"web".to_owned()));
    let config = found.config.unwrap();
    assert_eq!(config.stop_timeout, Some(1));
    let labels = config.labels.unwrap();
    for (label, value) in [
        ("instance", world.instance.to_string()),
        ("app", "web".to_owned()),
        ("environment", "production".to_owned()),
        ("deployment", world.deployment.to_string()),
        ("serial", "7".to_owned()),
        ("generation", "3".to_owned()),
        ("role", "web".to_owned()),
    ] {
        assert_eq!(labels[&format!("dev.longshore.{label}")], value);
    }
    let said: Vec<_> = world
        .docker
        .output(&spec.name, None, true)
        .take(1)
        .try_collect()
        .await
        .unwrap();
    assert_eq!(texts(&said), ["hello"]);
    wait_for("the published port", async || {
        tokio::net::TcpStream::connect(("127.0.0.1", host_port))
            .await
            .is_ok()
    })
    .await;
}

/// Asks again until it is so; a test fails if it never is.
async fn wait_for(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let asked = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), asked)
        .await
        .unwrap_or_else(|_| panic!("{what} never came"));
}

#[tokio::test]
async fn how_a_container_ended_is_told() {
    let world = World::new().await;
    let network = world.network().await;
    let exit = world.container("exit", &network, "exit 7");
    world.run(&exit).await;
    world.ended(&exit.name).await;
    let code = |code, out_of_memory| ContainerState::Exited {
        code,
        out_of_memory,
        error: None,
    };
    assert_eq!(state(&world, &exit.name).await, code(7, false));

    let mut hungry = world.container("hungry", &network, "exec tail /dev/zero");
    hungry.memory = Some(16 * 1024 * 1024);
    world.run(&hungry).await;
    world.ended(&hungry.name).await;
    assert_eq!(state(&world, &hungry.name).await, code(137, true));

    let deaf = world.container(
        "deaf",
        &network,
        "trap '' TERM; while true; do sleep 1; done",
    );
    world.run(&deaf).await;
    world
        .docker
        .stop(&deaf.name, Duration::from_millis(10))
        .await
        .unwrap();
    assert_eq!(state(&world, &deaf.name).await, code(137, false));
}

#[tokio::test]
async fn a_container_that_cannot_be_started_says_why() {
    let world = World::new().await;
    let network = world.network().await;
    let mut spec = world.container("web", &network, "true");
    spec.command = vec!["/no/such/program".to_owned()];
    world.docker.create(&spec).await.unwrap();
    let error = world.docker.start(&spec.name).await.unwrap_err();
    assert!(
        matches!(&error, EngineError::Refused(said) if said.contains("/no/such/program")),
        "{error:?}"
    );
    let ContainerState::Exited {
        code: 127,
        error: Some(said),
        ..
    } = state(&world, &spec.name).await
    else {
        panic!("a failed start is an end");
    };
    assert!(said.contains("/no/such/program"), "{said}");

    let mut spec = world.container("imageless", &network, "true");
    spec.image = format!("sha256:{}", "0".repeat(64));
    let error = world.docker.create(&spec).await.unwrap_err();
    assert!(matches!(error, EngineError::NotFound(_)), "{error:?}");
}

#[tokio::test]
async fn output_can_be_read_on_from_any_line_without_gaps_or_doubles() {
    let world = World::new().await;
    let network = world.network().await;
    let script = "i=0; while [ $i -lt 150 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done; sleep 1.2; \
                  seq 1000 1100; head -c 40000 /dev/zero | tr '\\0' x; echo; printf end";
    let spec = world.container("web", &network, script);
    world.run(&spec).await;
    let followed = output(&world.docker, &spec.name, None, true).await;
    let whole = output(&world.docker, &spec.name, None, false).await;
    let differ = followed
        .iter()
        .zip(&whole)
        .position(|(one, other)| one != other);
    assert_eq!((followed.len(), differ), (whole.len(), None));
    assert!(whole.is_sorted_by_key(|line| line.cursor.clone()));
    let of = |stream| {
        whole
            .iter()
            .filter(move |line| line.stream == stream)
            .map(|line| line.text.as_str())
    };
    let expected: Vec<String> = (0..150).map(|n| format!("err {n}")).collect();
    assert_eq!(of(Stream::Stderr).collect::<Vec<_>>(), expected);
    let out: Vec<&str> = of(Stream::Stdout).collect();
    assert_eq!(
        (out[0], out[149], out[150], out.last()),
        ("out 0", "out 149", "1000", Some(&"end"))
    );
    assert_eq!(
        out.iter()
            .filter(|text| text.starts_with('x'))
            .map(|text| text.len())
            .sum::<usize>(),
        40000
    );
    for at in [0, 1, 77, 299, 300, 340, whole.len() - 2, whole.len() - 1] {
        let rest = output(
            &world.docker,
            &spec.name,
            Some(whole[at].cursor.clone()),
            at % 2 == 0,
        )
        .await;
        assert_eq!(rest, whole[at + 1..], "after line {at}");
    }
    let error = world
        .docker
        .output("no-such-container", None, true)
        .next()
        .await
        .unwrap();
    assert!(matches!(error, Err(EngineError::NotFound(_))), "{error:?}");
}

#[tokio::test]
async fn output_of_a_container_with_a_terminal_is_read_too() {
    let world = World::new().await;
    let name = world.name("tty");
    let options = CreateContainerOptions {
        name: Some(name.clone()),
        ..CreateContainerOptions::default()
    };
    let script = "echo one; printf '\\033[31mtwo\\033[0m\\n'; printf three".to_owned();
    let body = ContainerCreateBody {
        image: Some(world.image.clone()),
        cmd: Some(vec!["/bin/sh".to_owned(), "-c".to_owned(), script]),
        tty: Some(true),
        ..ContainerCreateBody::default()
    };
    world
        .client
        .create_container(Some(options), body)
        .await
        .unwrap();
    world.client.start_container(&name, None).await.unwrap();
    let lines = output(&world.docker, &name, None, true).await;
    assert_eq!(texts(&lines), ["one", "two", "three"]);
    let rest = output(&world.docker, &name, Some(lines[0].cursor.clone()), false).await;
    assert_eq!(texts(&rest), ["two", "three"]);
}

#[tokio::test]
async fn the_ports_a_container_listens_on_are_seen() {
    let world = World::new().await;
    let network = world.network().await;
    let wide = world.container("wide", &network, "exec httpd -f -p 0.0.0.0:8081 -h /data");
    let narrow = world.container(
        "narrow",
        &network,
        "exec httpd -f -p 127.0.0.1:8082 -h /data",
    );
    let silent = world.container("silent", &network, "sleep 1000");
    let mut taken = Vec::new();
    for mut spec in [wide.clone(), narrow.clone(), silent.clone()] {
        while taken.contains(&spec.address) {
            spec.address = world.container("x", &network, "").address;
        }
        taken.push(spec.address);
        world.run(&spec).await;
    }
    for (spec, address) in [(&wide, "0.0.0.0:8081"), (&narrow, "127.0.0.1:8082")] {
        let expected = [address.parse().unwrap()];
        wait_for(address, async || {
            world.docker.listening(&spec.name).await.unwrap() == expected
        })
        .await;
    }
    assert_eq!(world.docker.listening(&silent.name).await.unwrap(), []);
    world
        .docker
        .stop(&silent.name, Duration::ZERO)
        .await
        .unwrap();
    assert_eq!(world.docker.listening(&silent.name).await.unwrap(), []);
    let missing = world.docker.listening("no-such-container").await;
    assert!(matches!(missing, Err(EngineError::NotFound(_))));
}

#[tokio::test]
async fn what_the_images_own_health_check_says_is_seen() {
    let world = World::new().await;
    let network = world.network().await;
    let tree = tempfile::tempdir().unwrap();
    let dockerfile = format!(
        "FROM {}\nHEALTHCHECK --interval=300ms --timeout=5s --retries=1 CMD test -e /tmp/good\n",
        world.image
    );
    std::fs::write(tree.path().join("Dockerfile"), dockerfile).unwrap();
    let (_, image) = build(&world.docker, &world.build(tree.path()))
        .await
        .unwrap();
    let script = "trap 'touch /tmp/good' USR1; while true; do sleep 0.05; done";
    let mut spec = world.container("web", &network, script);
    spec.image = image.id;
    spec.health_start_interval = Some(Duration::from_millis(100));
    world.run(&spec).await;
    let health = async |wanted| {
        let wanted = ContainerState::Running {
            health: Some(wanted),
        };
        state(&world, &spec.name).await == wanted
    };
    assert!(health(HealthState::Starting).await);
    wait_for("unhealthy", async || health(HealthState::Unhealthy).await).await;
    let kill = bollard::query_parameters::KillContainerOptions {
        signal: "USR1".to_owned(),
    };
    world
        .client
        .kill_container(&spec.name, Some(kill))
        .await
        .unwrap();
    wait_for("healthy", async || health(HealthState::Healthy).await).await;
}

#[tokio::test]
async fn a_network_is_kept_if_it_is_ours_and_fits_and_refused_by_name_if_not() {
    let world = World::new().await;
    let network = world.network().await;
    world.docker.ensure_network(&network).await.unwrap();
    let found = world
        .client
        .inspect_network(&network.name, None)
        .await
        .unwrap();
    let config = found.ipam.unwrap().config.unwrap().remove(0);
    assert_eq!(
        config.gateway,
        Some(network.subnet.hosts().next().unwrap().to_string())
    );
    assert_eq!(config.ip_range, Some(network.engine_half.to_string()));

    let refused = async |network| match world.docker.ensure_network(network).await {
        Err(EngineError::Refused(said)) => said,
        other => panic!("{other:?}"),
    };
    let other_subnet = world.network_value(&network.name, world.free_subnet().await);
    let said = refused(&other_subnet).await;
    assert!(
        said.contains(&network.name) && said.contains(&network.subnet.to_string()),
        "{said}"
    );

    let other_name = world.network_value(&world.name("second"), network.subnet);
    let said = refused(&other_name).await;
    assert!(
        said.contains(&network.subnet.to_string()) && said.contains("docker.address_pool"),
        "{said}"
    );
    assert!(said.contains(&format!("'{}'", network.name)), "{said}");

    let foreign = NetworkCreateRequest {
        name: world.name("foreign"),
        ..NetworkCreateRequest::default()
    };
    world.client.create_network(foreign).await.unwrap();
    let taken = world.network_value(&world.name("foreign"), world.free_subnet().await);
    let said = refused(&taken).await;
    assert!(said.contains("was not made by longshore"), "{said}");

    let (free, at_once) = (world.free_subnet().await, world.name("at-once"));
    let wanted = world.network_value(&at_once, free);
    let made = tokio::join!(
        world.docker.ensure_network(&wanted),
        world.docker.ensure_network(&wanted)
    );
    assert_eq!(made, (Ok(()), Ok(())));
}

/// The networks a container is in, with what it is called there.
async fn joined(world: &World, name: &str) -> Vec<(String, Vec<String>)> {
    let options = None::<InspectContainerOptions>;
    let found = world.client.inspect_container(name, options).await.unwrap();
    let networks = found.network_settings.and_then(|it| it.networks);
    let mut all: Vec<_> = networks
        .unwrap_or_default()
        .into_iter()
        .map(|(network, endpoint)| (network, endpoint.aliases.unwrap_or_default()))
        .collect();
    all.sort();
    all
}

#[tokio::test]
async fn a_network_is_joined_by_what_runs_and_what_does_not_and_dissolved_under_both() {
    let world = World::new().await;
    let network = world.network().await;
    let mut second = world.network_value(&world.name("zz.second"), world.free_subnet().await);
    second.internal = true;
    second.engine_half = second.subnet;
    world.docker.ensure_network(&second).await.unwrap();
    let found = world.client.inspect_network(&second.name, None).await;
    assert_eq!(found.unwrap().internal, Some(true));

    // In the network before it starts, also where an earlier try was cut off before it was put there.
    let mut made = world.container("made", &network, "exec sleep 1000");
    world.docker.create(&made).await.unwrap();
    assert_eq!(joined(&world, &made.name).await.len(), 1);
    made.connections = vec![second.name.clone()];
    for _ in 0..2 {
        world.docker.create(&made).await.unwrap();
    }
    world.docker.start(&made.name).await.unwrap();
    let names: Vec<String> = joined(&world, &made.name)
        .await
        .into_iter()
        .map(|(network, _)| network)
        .collect();
    assert_eq!(names, [network.name.clone(), second.name.clone()]);

    let runs = world.container("runs", &network, "exec sleep 1000");
    let stands = world.container("stands", &network, "exec sleep 1000");
    world.run(&runs).await;
    world.docker.create(&stands).await.unwrap();
    for container in [&runs, &stands] {
        for _ in 0..2 {
            let joins = world.docker.join(&second.name, &container.name, "db");
            joins.await.unwrap();
        }
        let (_, aliases) = joined(&world, &container.name).await.remove(1);
        assert!(aliases.contains(&"db".to_owned()), "{aliases:?}");
    }
    for (network, container) in [
        (&world.name("no"), &runs.name),
        (&second.name, &world.name("no")),
    ] {
        let missing = world.docker.join(network, container, "db").await;
        assert!(
            matches!(missing, Err(EngineError::NotFound(_))),
            "{missing:?}"
        );
    }

    // Somebody else's container stays where it is, and so does the network.
    let stranger = world.name("stranger");
    foreign(&world, &stranger, HashMap::new()).await;
    let request = NetworkConnectRequest {
        container: stranger.clone(),
        endpoint_config: None,
    };
    let client = &world.client;
    client.connect_network(&second.name, request).await.unwrap();
    let refused = world.docker.dissolve_network(&second.name).await;
    assert!(
        matches!(refused, Err(EngineError::Refused(_))),
        "{refused:?}"
    );
    let request = NetworkDisconnectRequest {
        container: stranger,
        force: None,
    };
    client
        .disconnect_network(&second.name, request)
        .await
        .unwrap();
    for _ in 0..2 {
        world.docker.dissolve_network(&second.name).await.unwrap();
    }
    // What did not run does not ask for it when it is started.
    world.docker.start(&stands.name).await.unwrap();
    assert_eq!(joined(&world, &stands.name).await.len(), 1);
}

#[tokio::test]
async fn the_pool_is_checked_against_networks_that_are_not_ours() {
    use longshore::engine::pool::check_pool;
    let world = World::new().await;
    let network = world.network().await;
    assert_eq!(check_pool(&world.docker, network.subnet).await, Ok(()));
    let stranger = Docker::new(HOST, random()).unwrap();
    let said = check_pool(&stranger, network.subnet)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        said.contains(&network.name) && said.contains("is free on this host"),
        "{said}"
    );
}

#[tokio::test]
async fn volumes_are_made_with_our_labels_and_nobody_elses_are_used() {
    let world = World::new().await;
    let network = world.network().await;
    let mount = |source| EngineMount {
        source,
        target: "/mnt".to_owned(),
        read_only: false,
    };
    let mut writer = world.container("writer", &network, "echo kept > /mnt/file");
    let volume = world.name("volume");
    writer.mounts = vec![mount(MountSource::Volume(volume.clone()))];
    world.run(&writer).await;
    world.ended(&writer.name).await;
    world.docker.remove(&writer.name).await.unwrap();
    let labels = world.client.inspect_volume(&volume).await.unwrap().labels;
    assert_eq!(labels["dev.longshore.instance"], world.instance.to_string());

    let mut reader = world.container("reader", &network, "cat /mnt/file; touch /mnt/other");
    reader.mounts = vec![mount(MountSource::Volume(volume))];
    reader.mounts[0].read_only = true;
    world.run(&reader).await;
    let lines = output(&world.docker, &reader.name, None, true).await;
    let said = |text: &str| lines.iter().any(|line| line.text.contains(text));
    assert!(said("kept") && said("Read-only"), "{lines:?}");

    let external = world.name("external");
    let mut spec = world.container("external", &network, "true");
    spec.mounts = vec![mount(MountSource::External(external.clone()))];
    let said = world.docker.create(&spec).await.unwrap_err().to_string();
    assert!(
        said.contains(&external) && said.contains("docker volume create"),
        "{said}"
    );
    let request = VolumeCreateRequest {
        name: Some(external.clone()),
        ..VolumeCreateRequest::default()
    };
    world.client.create_volume(request).await.unwrap();
    world.docker.create(&spec).await.unwrap();

    let mut spec = world.container("thief", &network, "true");
    spec.mounts = vec![mount(MountSource::Volume(external.clone()))];
    let said = world.docker.create(&spec).await.unwrap_err().to_string();
    assert!(
        said.contains(&external) && said.contains("was not made by longshore"),
        "{said}"
    );
    spec.mounts = vec![mount(MountSource::Host("/no/such/path".into()))];
    let said = world.docker.create(&spec).await.unwrap_err().to_string();
    assert!(said.contains("/no/such/path"), "{said}");
}

/// Builds to the end and gives the lines and the image.
async fn build(docker: &Docker, build: &Build) -> Result<(Vec<String>, Image), EngineError> {
    work(docker.build(build)).await
}

async fn work(
    work: longshore::core::ports::Work<'_, Image, EngineError>,
) -> Result<(Vec<String>, Image), EngineError> {
    let mut lines = Vec::new();
    let mut items = work;
    while let Some(item) = items.try_next().await? {
        match item {
            Progress::Line(_, line) => lines.push(line),
            Progress::Done(image) => {
                assert_eq!(items.next().await, None, "nothing follows the result");
                return Ok((lines, image));
            }
        }
    }
    panic!("the work ended without a result")
}

fn write(tree: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = tree.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

#[tokio::test]
async fn a_build_tells_its_steps_once_and_the_second_one_is_cached() {
    let world = World::new().await;
    let tree = tempfile::tempdir().unwrap();
    let dockerfile = format!(
        "FROM {}\nCOPY word /word\nRUN cat /word; echo loud >&2; printf unfinished\n",
        world.image
    );
    write(
        tree.path(),
        &[
            ("Dockerfile", &dockerfile),
            ("word", &format!("{}\n", world.run)),
        ],
    );
    let request = world.build(tree.path());
    let (lines, image) = build(&world.docker, &request).await.unwrap();
    let count =
        |lines: &[String], text: &str| lines.iter().filter(|line| line.contains(text)).count();
    assert_eq!(count(&lines, "] RUN cat"), 1, "{lines:#?}");
    for text in [world.run.as_str(), "loud", "unfinished"] {
        assert_eq!(
            lines.iter().filter(|line| *line == text).count(),
            1,
            "{lines:#?}"
        );
    }
    assert!(image.id.starts_with("sha256:"));
    assert_eq!(
        (image.digest.as_ref(), &image.reference),
        (None, &request.tag)
    );
    let found = world.client.inspect_image(&request.tag).await.unwrap();
    assert_eq!(found.id.as_ref(), Some(&image.id));
    let labels = found.config.unwrap().labels.unwrap();
    assert_eq!(labels["dev.longshore.instance"], world.instance.to_string());
    assert_eq!(
        labels["dev.longshore.deployment"],
        world.deployment.to_string()
    );
    assert_eq!(
        world
            .docker
            .find_image(&image.id)
            .await
            .unwrap()
            .unwrap()
            .id,
        image.id
    );
    let (lines, again) = build(&world.docker, &request).await.unwrap();
    assert_eq!(again.id, image.id);
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("CACHED") && line.contains("RUN cat")),
        "{lines:#?}"
    );
}

#[tokio::test]
async fn a_build_that_fails_says_what_failed() {
    let world = World::new().await;
    let tree = tempfile::tempdir().unwrap();
    let base = &world.image;
    for (dockerfile, word) in [
        (format!("FROM {base}\nRUN echo before; exit 42\n"), "42"),
        (format!("FROM {base}\nFETCH x\n"), "FETCH"),
        (format!("FROM {base}\nCOPY missing /\n"), "missing"),
    ] {
        write(tree.path(), &[("Dockerfile", &dockerfile)]);
        let error = build(&world.docker, &world.build(tree.path()))
            .await
            .unwrap_err();
        assert!(
            matches!(&error, EngineError::BuildFailed(said) if said.contains(word)),
            "{error:?}"
        );
    }
    let mut request = world.build(tree.path());
    request.spec.target = Some("nowhere".to_owned());
    write(tree.path(), &[("Dockerfile", &format!("FROM {base}\n"))]);
    let error = build(&world.docker, &request).await.unwrap_err();
    assert!(
        matches!(&error, EngineError::BuildFailed(said) if said.contains("nowhere")),
        "{error:?}"
    );
    assert_eq!(world.docker.find_image(&request.tag).await.unwrap(), None);
}

#[tokio::test]
async fn a_target_arguments_and_a_dockerfile_beside_the_context_are_used() {
    let world = World::new().await;
    let network = world.network().await;
    let tree = tempfile::tempdir().unwrap();
    let dockerfile = format!(
        "FROM {0} AS one\nARG WORD=none\nRUN echo $WORD > /word\nCMD cat /word\nFROM {0}\nRUN false\n",
        world.image
    );
    write(
        tree.path(),
        &[("docker/Dockerfile", &dockerfile), ("app/file", "")],
    );
    let mut request = world.build(tree.path());
    request.spec.context = "app".to_owned();
    request.spec.dockerfile = "../docker/Dockerfile".to_owned();
    request.spec.target = Some("one".to_owned());
    request
        .spec
        .args
        .insert("WORD".to_owned(), "a b&c=d".to_owned());
    let (_, image) = build(&world.docker, &request).await.unwrap();
    let mut spec = world.container("web", &network, "");
    spec.image = image.id;
    spec.command = Vec::new();
    world.run(&spec).await;
    assert_eq!(
        texts(&output(&world.docker, &spec.name, None, true).await),
        ["a b&c=d"]
    );
}

#[tokio::test]
async fn what_is_not_in_the_repository_is_known_before_the_engine_is_asked() {
    let tree = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    write(tree.path(), &[("docker/Dockerfile", "FROM scratch")]);
    write(outside.path(), &[("Dockerfile", "FROM scratch")]);
    std::os::unix::fs::symlink(outside.path(), tree.path().join("escape")).unwrap();
    let docker = Docker::new("unix:///nonexistent/docker.sock", random()).unwrap();
    let world = World::new().await;
    let mut request = world.build(tree.path());
    let expected = EngineError::NoDockerfile {
        path: "Dockerfile".to_owned(),
        similar: vec!["docker/Dockerfile".to_owned()],
    };
    assert_eq!(build(&docker, &request).await.unwrap_err(), expected);
    request.spec.context = "escape".to_owned();
    assert_eq!(
        build(&docker, &request).await.unwrap_err(),
        EngineError::NoContext("escape".to_owned())
    );
    request.spec.context = ".".to_owned();
    request.spec.dockerfile = "escape/Dockerfile".to_owned();
    let error = build(&docker, &request).await.unwrap_err();
    assert!(
        matches!(&error, EngineError::Refused(said) if said.contains("escape/Dockerfile")),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_dockerignore_leaves_out_what_the_docker_program_leaves_out() {
    let world = World::new().await;
    let tree = tempfile::tempdir().unwrap();
    let files = [
        "a/b/c.txt",
        "a/b/d.md",
        "a/temp",
        "a/x y",
        "b/node_modules/x",
        "b/src/node_modules/y",
        "build/keep/me",
        "build/out.o",
        "README.md",
        "README-secret.md",
        "temp",
        "tempa",
        "[x].txt",
        "a+b.txt",
        "é.txt",
        "lib.go",
        "lib_test.go",
        ".env",
        ".git/config",
    ];
    write(tree.path(), &files.map(|file| (file, "x")));
    std::os::unix::fs::symlink("/etc/hostname", tree.path().join("link")).unwrap();
    write(
        tree.path(),
        &[(
            "Dockerfile",
            &format!("FROM {}\nCOPY . /context/\n", world.image),
        )],
    );
    for patterns in [
        "",
        "*\n!a\n!lib.go",
        "*/temp*\n**/node_modules\n.git",
        "**/*.md\n!README*.md\nREADME-secret.md",
        "build\n!build/keep\n?env\n.e?v",
        "/a/b/\n./temp\n# lib.go\n  lib.go  ",
        "*.go\n!lib*.go\n*_test.go",
        "**/x\n\\[x].txt\na+b.txt\né*",
        "a/**\n!a/b/*.md\nlink",
        "[a-l]*\n![^b]",
    ] {
        write(tree.path(), &[(".dockerignore", patterns)]);
        let tag = format!("longshore-test/cli:{}", world.run);
        docker::docker_build(&world, &tag, tree.path()).await;
        let (_, image) = build(&world.docker, &world.build(tree.path()))
            .await
            .unwrap();
        let ours = listing(&world, &image.id).await;
        let theirs = listing(&world, &tag).await;
        assert_eq!(ours, theirs, "with the patterns {patterns:?}");
    }
}

/// What the image has under `/context`, but for the two files that we always send: the classic builder takes them
/// away again if they are left out.
async fn listing(world: &World, image: &str) -> Vec<String> {
    let files = docker::files(world, image).await;
    let always = ["context/Dockerfile", "context/.dockerignore"];
    files
        .into_iter()
        .filter(|path| path.starts_with("context/") && !always.contains(&path.as_str()))
        .collect()
}

#[tokio::test]
async fn a_build_leaves_no_connection_behind() {
    let world = World::new().await;
    let tree = tempfile::tempdir().unwrap();
    write(
        tree.path(),
        &[("Dockerfile", &format!("FROM {}\n", world.image))],
    );
    let request = world.build(tree.path());
    build(&world.docker, &request).await.unwrap();
    let sockets = || {
        let files = std::fs::read_dir("/proc/self/fd")
            .unwrap()
            .filter_map(Result::ok);
        let targets = files.filter_map(|file| std::fs::read_link(file.path()).ok());
        targets
            .filter(|target| target.to_string_lossy().starts_with("socket:"))
            .count()
    };
    let before = sockets();
    for _ in 0..5 {
        build(&world.docker, &request).await.unwrap();
    }
    wait_for("the end of the connections", async || sockets() <= before).await;
}

#[tokio::test]
async fn a_context_of_200_mb_is_never_whole_in_memory() {
    // Of a length of its own, by which the build cache's records of it are found again.
    let size = 200 * 1024 * 1024 + u64::from(random().as_fields().0) % (64 * 1024 * 1024);
    let world = World::new().await;
    let tree = tempfile::tempdir().unwrap();
    // A sparse file is read as zeros: as many bytes to send, none on the disk.
    let big = std::fs::File::create(tree.path().join("big")).unwrap();
    big.set_len(size).unwrap();
    let dockerfile = format!("FROM {}\nRUN echo {}\n", world.image, world.run);
    write(tree.path(), &[("Dockerfile", &dockerfile)]);
    let before = peak_memory();
    build(&world.docker, &world.build(tree.path()))
        .await
        .unwrap();
    let grown = peak_memory() - before;
    assert!(grown < 64 * 1024, "memory grew by {grown} KiB");
    docker::forget_context(&world, size).await;
}

/// The most memory this process ever had, in KiB.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test]
async fn a_build_that_nobody_waits_for_any_more_stops() {
    let world = World::new().await;
    let tree = tempfile::tempdir().unwrap();
    let word = format!("{}", 1_000_000 + u64::from(random().as_fields().0));
    let dockerfile = format!("FROM {}\nRUN echo begun; sleep {word}\n", world.image);
    write(tree.path(), &[("Dockerfile", &dockerfile)]);
    let request = world.build(tree.path());
    let mut items = world.docker.build(&request);
    while items.try_next().await.unwrap().unwrap()
        != Progress::Line(Stream::Stdout, "begun".to_owned())
    {}
    let sleeps = || {
        std::fs::read_dir("/proc")
            .unwrap()
            .filter_map(Result::ok)
            .any(|process| {
                let command = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
                command == format!("sleep\0{word}\0").into_bytes()
            })
    };
    wait_for("the step's process", async || sleeps()).await;
    drop(items);
    wait_for("the end of the step's process", async || !sleeps()).await;
    assert_eq!(world.docker.find_image(&request.tag).await.unwrap(), None);
}

#[tokio::test]
async fn a_context_that_cannot_be_read_to_the_end_fails_the_build() {
    let world = World::new().await;
    let tree = tempfile::tempdir().unwrap();
    write(
        tree.path(),
        &[
            ("Dockerfile", &format!("FROM {}\nCOPY . /\n", world.image)),
            ("a", "text"),
        ],
    );
    // Sparse, and too long to be sent before it is cut short.
    let big = std::fs::File::create(tree.path().join("big")).unwrap();
    big.set_len(8 << 30).unwrap();
    let path = tree.path().join("big").canonicalize().unwrap();
    drop(big);
    let shorten = async {
        let is_open = || {
            let files = std::fs::read_dir("/proc/self/fd")
                .unwrap()
                .filter_map(Result::ok);
            files
                .filter_map(|file| std::fs::read_link(file.path()).ok())
                .any(|target| target == path)
        };
        wait_for("the reading of the context", async || is_open()).await;
        std::fs::File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(0)
            .unwrap();
    };
    let request = world.build(tree.path());
    let (result, ()) = tokio::join!(build(&world.docker, &request), shorten);
    match result {
        Err(EngineError::Refused(said)) => assert!(
            said.contains("build context") && said.contains("big"),
            "{said}"
        ),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn tags_are_put_on_and_taken_off() {
    let world = World::new().await;
    let docker = &world.docker;
    let image = docker.find_image(&world.image).await.unwrap().unwrap();
    let tag = format!("longshore-test/kept:{}", world.run);
    assert_eq!(docker.find_image(&tag).await.unwrap(), None);
    docker.untag(&tag).await.unwrap();
    for _ in 0..2 {
        docker.tag(&image.id, &tag).await.unwrap();
        assert_eq!(docker.find_image(&tag).await.unwrap().unwrap().id, image.id);
    }
    docker.untag(&tag).await.unwrap();
    assert_eq!(docker.find_image(&tag).await.unwrap(), None);
    assert!(docker.find_image(&world.image).await.unwrap().is_some());
    docker.untag(&world.image).await.unwrap();
    assert_eq!(docker.find_image(&image.id).await.unwrap(), None);
    let missing = docker.tag(&image.id, &tag).await;
    assert!(
        matches!(missing, Err(EngineError::NotFound(_))),
        "{missing:?}"
    );
}

#[tokio::test]
async fn the_last_tag_of_an_image_in_use_is_taken_off_and_the_image_stays_while_it_runs() {
    let world = World::new().await;
    let network = world.network().await;
    let docker = &world.docker;
    let image = docker.find_image(&world.image).await.unwrap().unwrap();
    let spec = world.container("web", &network, "sleep 1000");
    world.run(&spec).await;
    docker.untag(&world.image).await.unwrap();
    assert_eq!(docker.find_image(&world.image).await.unwrap(), None);
    assert!(docker.find_image(&image.id).await.unwrap().is_some());
    assert_eq!(state(&world, &spec.name).await, RUNNING);
    docker.tag(&image.id, &world.image).await.unwrap();
    docker.stop(&spec.name, Duration::ZERO).await.unwrap();
    let refused = docker.untag(&world.image).await;
    assert!(
        matches!(refused, Err(EngineError::Refused(_))),
        "{refused:?}"
    );
    assert!(docker.find_image(&world.image).await.unwrap().is_some());
}

#[tokio::test]
async fn an_image_is_pulled_by_tag_and_by_digest_with_few_lines() {
    let world = World::new().await;
    let registry = docker::Registry::open().await;
    let reference = registry.push(&world, None).await;
    let image = ImageReference::parse(&reference).unwrap();
    let (lines, pulled) = work(world.docker.pull(&image, None)).await.unwrap();
    assert!(lines.len() < 10, "{lines:#?}");
    for text in [
        "Downloading",
        "Pull complete",
        "Digest: sha256:",
        "Status: Downloaded",
    ] {
        assert_eq!(
            lines.iter().filter(|line| line.contains(text)).count(),
            1,
            "{lines:#?}"
        );
    }
    let digest = pulled.digest.clone().unwrap();
    assert!(
        digest.starts_with(reference.rsplit_once(':').unwrap().0),
        "{digest}"
    );
    assert_eq!(pulled.reference, reference);
    assert_eq!(
        world.docker.find_image(&reference).await.unwrap(),
        Some(pulled.clone())
    );
    let (_, again) = work(world.docker.pull(&image, None)).await.unwrap();
    assert_eq!(again, pulled);

    world.docker.untag(&reference).await.unwrap();
    let by_digest = ImageReference::parse(&digest).unwrap();
    let (_, pinned) = work(world.docker.pull(&by_digest, None)).await.unwrap();
    assert_eq!((&pinned.id, pinned.digest), (&pulled.id, pulled.digest));
    let kept = format!("longshore-test/kept:{}", world.run);
    world.docker.tag(&pinned.id, &kept).await.unwrap();
    assert_eq!(
        world
            .docker
            .find_image(&kept)
            .await
            .unwrap()
            .unwrap()
            .digest,
        Some(digest.clone())
    );
    docker::remove_image(&world.client, &digest).await;
}

#[tokio::test]
async fn an_image_that_is_not_there_or_not_for_us_is_denied() {
    let world = World::new().await;
    let registry = docker::Registry::open().await;
    let reference = registry.push(&world, None).await;
    let missing = [
        format!("{}/nothing:1", registry.host),
        reference.replace(":1", ":2"),
    ];
    for reference in missing {
        let image = ImageReference::parse(&reference).unwrap();
        let denied = work(world.docker.pull(&image, None)).await;
        assert!(
            matches!(denied, Err(EngineError::PullDenied(_))),
            "{denied:?}"
        );
    }
    let nobody = ImageReference::parse("127.0.0.1:1/nothing:1").unwrap();
    let refused = work(world.docker.pull(&nobody, None)).await;
    assert!(
        matches!(&refused, Err(EngineError::Refused(said)) if said.contains("refused")),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_private_registry_is_pulled_and_built_from_with_the_right_password_only() {
    let world = World::new().await;
    let registry = docker::Registry::private("ann", "s3cret").await;
    let credential = |password: &str| RegistryCredential {
        host: registry.host.clone(),
        username: "ann".to_owned(),
        password: Secret::new(password),
    };
    let reference = registry.push(&world, Some(&credential("s3cret"))).await;
    let image = ImageReference::parse(&reference).unwrap();
    for given in [None, Some(credential("wrong"))] {
        let denied = work(world.docker.pull(&image, given.as_ref())).await;
        assert!(
            matches!(&denied, Err(EngineError::PullDenied(said)) if !said.contains("wrong")),
            "{denied:?}"
        );
    }
    let tree = tempfile::tempdir().unwrap();
    write(
        tree.path(),
        &[("Dockerfile", &format!("FROM {reference}\nRUN true\n"))],
    );
    let mut request = world.build(tree.path());
    let denied = build(&world.docker, &request).await;
    assert!(
        matches!(&denied, Err(EngineError::BuildFailed(_))),
        "{denied:?}"
    );
    request.registries = vec![credential("s3cret")];
    build(&world.docker, &request).await.unwrap();
    let right = credential("s3cret");
    let (_, pulled) = work(world.docker.pull(&image, Some(&right))).await.unwrap();
    docker::remove_image(&world.client, &pulled.reference).await;
}

#[tokio::test]
async fn an_engine_that_is_not_there_is_unavailable_and_is_found_when_it_comes() {
    let world = World::new().await;
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("docker.sock");
    let host = format!("unix://{}", socket.display());
    let docker = Docker::new(&host, world.instance).unwrap();
    let told = |error: EngineError| match error {
        EngineError::Unavailable(said) => said,
        other => panic!("{other:?}"),
    };
    let said = told(docker.list().await.unwrap_err());
    assert!(
        said.contains(&host) && said.contains("start Docker") && said.contains("docker.host"),
        "{said}"
    );
    let image = ImageReference::parse("nothing").unwrap();
    told(work(docker.pull(&image, None)).await.unwrap_err());
    told(
        docker
            .output("x", None, true)
            .next()
            .await
            .unwrap()
            .unwrap_err(),
    );

    let network = world.network().await;
    let spec = world.container("web", &network, "echo up; sleep 1000");
    world.run(&spec).await;
    let engine = docker::Relay::open(&socket);
    assert_eq!(names(&docker).await, [spec.name.as_str()]);
    let mut lines = docker.output(&spec.name, None, true);
    assert_eq!(lines.next().await.unwrap().unwrap().text, "up");
    let tree = tempfile::tempdir().unwrap();
    let dockerfile = format!(
        "FROM {}\nRUN echo begun {}; sleep 1000\n",
        world.image, world.run
    );
    write(tree.path(), &[("Dockerfile", &dockerfile)]);
    let request = world.build(tree.path());
    let mut items = docker.build(&request);
    let begun = Progress::Line(Stream::Stdout, format!("begun {}", world.run));
    while items.try_next().await.unwrap().unwrap() != begun {}
    engine.close().await;
    told(lines.next().await.unwrap().unwrap_err());
    assert!(lines.next().await.is_none());
    told(items.next().await.unwrap().unwrap_err());
    let said = told(docker.list().await.unwrap_err());
    assert!(said.contains("nobody listens"), "{said}");

    let tcp = Docker::new("tcp://127.0.0.1:1", world.instance).unwrap();
    let said = told(tcp.list().await.unwrap_err());
    assert!(said.contains("tcp://127.0.0.1:1"), "{said}");
}

#[tokio::test]
async fn a_socket_that_may_not_be_used_names_the_group_to_join() {
    if docker::as_nobody("a_socket_that_may_not_be_used_names_the_group_to_join") {
        return;
    }
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("docker.sock");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let docker = Docker::new(socket.to_str().unwrap(), random()).unwrap();
    for (path, mode) in [(socket.as_path(), 0o000), (directory.path(), 0o600)] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        let error = docker.list().await.unwrap_err();
        assert!(
            matches!(&error, EngineError::Unavailable(said) if said.contains("group docker")),
            "{error:?}"
        );
    }
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
}

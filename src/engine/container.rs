//! A container as the engine is asked to make it.

use super::connection::{Docker, HEAVY, UNARY};
use super::{files, labels, network, observe};
use crate::core::ports::{ContainerSpec, ContainerState, EngineError, EngineMount};
use crate::core::spec::{MountSource, Protocol, Publish};
use bollard::models::{
    ContainerCreateBody, HealthConfig, HostConfig, HostConfigLogConfig, Mount, MountType,
    MountVolumeOptions, NetworkingConfig, PortBinding, RestartPolicy, RestartPolicyNameEnum,
};
use bollard::query_parameters::CreateContainerOptions;
use std::collections::HashMap;
use std::time::Duration;
use uuid::Uuid;

/// Makes the container; one of ours by that name and of that deployment is kept. It is put into its further networks, as the
/// engine takes only one when it makes it, and its files are put into it; also after a try that was cut off in between, but
/// not once it was started: it is complete then, and its files are its own.
pub async fn create(docker: &Docker, container: &ContainerSpec) -> Result<(), EngineError> {
    make(docker, container).await?;
    if container.files.is_empty() && container.connections.is_empty() {
        return Ok(());
    }
    match observe::inspect(docker, &container.name).await? {
        Some(observed) if observed.state == ContainerState::Created => {}
        Some(_) | None => return Ok(()),
    }
    for name in &container.connections {
        network::join(docker, name, &container.name, None).await?;
    }
    if container.files.is_empty() {
        return Ok(());
    }
    files::put(docker, &container.name, &container.files).await
}

async fn make(docker: &Docker, container: &ContainerSpec) -> Result<(), EngineError> {
    if let Some(found) = observe::look(docker, &container.name).await? {
        return must_be_the_same(docker, container, &found);
    }
    for mount in &container.mounts {
        check_volume(docker, mount).await?;
    }
    // An older engine does not know the field; it would pass over it, but that is not promised.
    let start_interval = match container.health_start_interval {
        Some(interval) if docker.speaks(1, 44).await? => Some(interval),
        Some(_) | None => None,
    };
    let options = CreateContainerOptions {
        name: Some(container.name.clone()),
        ..CreateContainerOptions::default()
    };
    let body = body(docker.instance(), container, start_interval);
    let made = docker
        .call(HEAVY, |client| async move {
            client.create_container(Some(options), body).await
        })
        .await;
    match made {
        Ok(_) => Ok(()),
        Err(EngineError::Refused(said)) if said.contains("already in use") => {
            match observe::look(docker, &container.name).await? {
                Some(found) => must_be_the_same(docker, container, &found),
                None => Err(EngineError::Refused(said)),
            }
        }
        Err(error) => Err(error),
    }
}

/// A name is used once: what has it is the work of an earlier try of the same deployment, or a stranger.
fn must_be_the_same(
    docker: &Docker,
    wanted: &ContainerSpec,
    found: &bollard::models::ContainerInspectResponse,
) -> Result<(), EngineError> {
    let has = found
        .config
        .as_ref()
        .and_then(|config| config.labels.as_ref());
    let what = format!("container '{}'", wanted.name);
    labels::must_be_ours(docker.instance(), has, &what)?;
    let deployment = has.and_then(|labels| labels.get(labels::DEPLOYMENT));
    if deployment == Some(&wanted.labels.deployment.to_string()) {
        return Ok(());
    }
    Err(EngineError::Refused(format!(
        "{what} already exists and was made for deployment {}",
        deployment.map_or("(none)", String::as_str)
    )))
}

/// The engine makes any volume it does not find: what must exist is looked for before.
async fn check_volume(docker: &Docker, mount: &EngineMount) -> Result<(), EngineError> {
    let (name, external) = match &mount.source {
        MountSource::Volume(name) => (name, false),
        MountSource::External(name) => (name, true),
        // Of a path that does not exist the engine says so itself; longshore may not be allowed to look.
        MountSource::Host(_) => return Ok(()),
    };
    let found = docker
        .call(
            UNARY,
            |client| async move { client.inspect_volume(name).await },
        )
        .await;
    match (found, external) {
        (Ok(_), true) => Ok(()),
        (Ok(found), false) => {
            let what = format!("volume '{name}'");
            labels::must_be_ours(docker.instance(), Some(&found.labels), &what)
        }
        (Err(EngineError::NotFound(_)), true) => Err(EngineError::Refused(format!(
            "the external volume '{name}' does not exist; make it with `docker volume create {name}`"
        ))),
        (Err(EngineError::NotFound(_)), false) => Ok(()),
        (Err(error), _) => Err(error),
    }
}

fn body(
    instance: Uuid,
    container: &ContainerSpec,
    start_interval: Option<Duration>,
) -> ContainerCreateBody {
    let some = |words: &[String]| (!words.is_empty()).then(|| words.to_vec());
    let env =
        |(name, value): &(_, crate::core::secret::Secret)| format!("{name}={}", value.expose());
    ContainerCreateBody {
        image: Some(container.image.clone()),
        cmd: some(&container.command),
        entrypoint: some(&container.entrypoint),
        env: Some(container.env.iter().map(env).collect()),
        labels: Some(labels::of_deployment(instance, &container.labels)),
        stop_timeout: Some(whole_seconds(container.stop_grace)),
        exposed_ports: Some(container.publish.iter().map(port_key).collect()),
        healthcheck: start_interval.map(|interval| HealthConfig {
            start_interval: Some(nanoseconds(interval)),
            ..HealthConfig::default()
        }),
        host_config: Some(host_config(instance, container)),
        networking_config: Some(NetworkingConfig {
            endpoints_config: Some(network::endpoints(
                &container.network,
                container.address,
                &container.alias,
            )),
        }),
        ..ContainerCreateBody::default()
    }
}

/// `init` is left to the engine's own default: a process 1 of the engine's would reap orphans for an app that does
/// not, but images with an init of their own refuse to run beside it, and the host may not have the program.
fn host_config(instance: Uuid, container: &ContainerSpec) -> HostConfig {
    let memory = container
        .memory
        .map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
    HostConfig {
        memory,
        // Alone, `memory` gives as much swap again.
        memory_swap: memory,
        nano_cpus: container
            .millicpus
            .map(|thousandths| i64::from(thousandths) * 1_000_000),
        restart_policy: Some(RestartPolicy {
            name: Some(RestartPolicyNameEnum::NO),
            maximum_retry_count: None,
        }),
        log_config: Some(HostConfigLogConfig {
            typ: Some(container.logging.driver.clone()),
            config: Some(container.logging.options.clone().into_iter().collect()),
        }),
        network_mode: Some(container.network.clone()),
        port_bindings: Some(port_bindings(&container.publish)),
        mounts: Some(
            container
                .mounts
                .iter()
                .map(|mount| engine_mount(instance, container, mount))
                .collect(),
        ),
        ..HostConfig::default()
    }
}

fn engine_mount(instance: Uuid, container: &ContainerSpec, mount: &EngineMount) -> Mount {
    let (typ, source, volume_options) = match &mount.source {
        MountSource::Volume(name) => {
            let of = &container.labels;
            let labels = labels::of_environment(instance, &of.app, &of.environment);
            let options = MountVolumeOptions {
                labels: Some(labels),
                ..MountVolumeOptions::default()
            };
            (MountType::VOLUME, name.clone(), Some(options))
        }
        MountSource::External(name) => (MountType::VOLUME, name.clone(), None),
        MountSource::Host(path) => (MountType::BIND, path.to_string_lossy().into_owned(), None),
    };
    Mount {
        typ: Some(typ),
        source: Some(source),
        target: Some(mount.target.clone()),
        read_only: Some(mount.read_only),
        volume_options,
        ..Mount::default()
    }
}

fn port_key(publish: &Publish) -> String {
    let protocol = match publish.protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
    };
    format!("{}/{protocol}", publish.container_port)
}

fn port_bindings(published: &[Publish]) -> HashMap<String, Option<Vec<PortBinding>>> {
    let mut bindings: HashMap<String, Option<Vec<PortBinding>>> = HashMap::new();
    for publish in published {
        let of_port = bindings.entry(port_key(publish)).or_default();
        of_port.get_or_insert_default().push(PortBinding {
            host_ip: Some(publish.address.to_string()),
            host_port: Some(publish.host_port.to_string()),
        });
    }
    bindings
}

/// The engine counts a stop's grace in whole seconds; none is cut short.
pub fn whole_seconds(time: Duration) -> i64 {
    let up = u64::from(time.subsec_nanos() > 0);
    i64::try_from(time.as_secs().saturating_add(up)).unwrap_or(i64::MAX)
}

fn nanoseconds(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_container_port_can_be_published_on_many_host_ports() {
        let publish = |host_port, protocol| Publish {
            address: "127.0.0.1".parse().unwrap(),
            host_port,
            container_port: 53,
            protocol,
        };
        let bindings = port_bindings(&[
            publish(1, Protocol::Tcp),
            publish(2, Protocol::Tcp),
            publish(1, Protocol::Udp),
        ]);
        let count = |key| bindings.get(key).and_then(|b| b.as_ref()).map(Vec::len);
        assert_eq!((count("53/tcp"), count("53/udp")), (Some(2), Some(1)));
    }

    #[test]
    fn a_grace_is_never_cut_short() {
        assert_eq!(whole_seconds(Duration::from_millis(1)), 1);
        assert_eq!(whole_seconds(Duration::from_secs(10)), 10);
        assert_eq!(whole_seconds(Duration::MAX), i64::MAX);
    }
}

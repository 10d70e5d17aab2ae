//! Looking at containers.

use super::connection::{Docker, UNARY};
use super::labels;
use crate::core::ports::{ContainerState, EngineError, HealthState, Observed, RestartPolicy, Seen};
use bollard::models::{
    ContainerInspectResponse, ContainerState as EngineState, ContainerStateStatusEnum as Status,
    EndpointSettings, HealthStatusEnum, RestartPolicyNameEnum,
};
use bollard::query_parameters::ListContainersOptionsBuilder;
use std::collections::HashMap;
use std::net::Ipv4Addr;

/// All the engine says of the container of that very name, whoever's it is; the engine also finds one whose id
/// begins with the text.
pub async fn look(
    docker: &Docker,
    name: &str,
) -> Result<Option<ContainerInspectResponse>, EngineError> {
    let found = docker
        .call(UNARY, |client| async move {
            client.inspect_container(name, None).await
        })
        .await;
    match found {
        Ok(found) => Ok(Some(found).filter(|found| plain_name(found.name.as_deref()) == name)),
        Err(EngineError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

fn plain_name(name: Option<&str>) -> &str {
    name.unwrap_or_default().trim_start_matches('/')
}

/// Looks at a container of ours; `None` if it does not exist.
pub async fn inspect(docker: &Docker, name: &str) -> Result<Option<Observed>, EngineError> {
    let Some(found) = look(docker, name).await? else {
        return Ok(None);
    };
    let has = found
        .config
        .as_ref()
        .and_then(|config| config.labels.as_ref());
    labels::must_be_ours(docker.instance(), has, &format!("container '{name}'"))?;
    let found = found.state.unwrap_or_default();
    Ok(Some(Observed {
        name: name.to_owned(),
        run: found.started_at.clone().unwrap_or_default(),
        restarts: found.status == Some(Status::RESTARTING),
        state: state(found),
    }))
}

/// What the engine's many states are to us.
fn state(state: EngineState) -> ContainerState {
    let error = state.error.filter(|error| !error.is_empty());
    match state.status.unwrap_or(Status::EMPTY) {
        // A container that could not be started stays "created", and says why.
        Status::CREATED if error.is_none() => ContainerState::Created,
        Status::RUNNING | Status::PAUSED | Status::RESTARTING | Status::STOPPING => {
            ContainerState::Running {
                health: state
                    .health
                    .and_then(|health| health.status)
                    .and_then(health),
            }
        }
        Status::CREATED | Status::EXITED | Status::DEAD | Status::REMOVING | Status::EMPTY => {
            ContainerState::Exited {
                code: state.exit_code.unwrap_or_default(),
                out_of_memory: state.oom_killed.unwrap_or_default(),
                error,
            }
        }
    }
}

fn health(status: HealthStatusEnum) -> Option<HealthState> {
    match status {
        HealthStatusEnum::EMPTY | HealthStatusEnum::NONE => None,
        HealthStatusEnum::STARTING => Some(HealthState::Starting),
        HealthStatusEnum::HEALTHY => Some(HealthState::Healthy),
        HealthStatusEnum::UNHEALTHY => Some(HealthState::Unhealthy),
    }
}

/// All containers of this instance, running or not. One that goes away while they are looked at is left out.
pub async fn list(docker: &Docker) -> Result<Vec<Seen>, EngineError> {
    let label = format!("{}={}", labels::INSTANCE, docker.instance());
    let filters = HashMap::from([("label", vec![label])]);
    let options = ListContainersOptionsBuilder::new()
        .all(true)
        .filters(&filters)
        .build();
    let found = docker
        .call(UNARY, |client| async move {
            client.list_containers(Some(options)).await
        })
        .await?;
    let names = found.into_iter().filter_map(|one| own_name(one.names?));
    let mut all = Vec::new();
    for name in names {
        // The list does not tell the restart policy, and of a stopped container no address.
        if let Some(found) = look(docker, &name).await? {
            all.push(seen(name, found));
        }
    }
    Ok(all)
}

fn seen(name: String, found: ContainerInspectResponse) -> Seen {
    let carried = found.config.and_then(|config| config.labels);
    let policy = found
        .host_config
        .and_then(|config| config.restart_policy?.name);
    let networks = found
        .network_settings
        .and_then(|settings| settings.networks);
    // It may be on others, too: its environment's has the beginning of its name.
    let own = networks
        .unwrap_or_default()
        .into_iter()
        .min_by_key(|(network, _)| (!name.starts_with(network), network.clone()));
    Seen {
        labels: carried.as_ref().and_then(labels::read),
        state: state(found.state.unwrap_or_default()),
        image: found.image.unwrap_or_default(),
        address: own.and_then(|(_, endpoint)| address(endpoint)),
        restart: match policy {
            Some(RestartPolicyNameEnum::UNLESS_STOPPED | RestartPolicyNameEnum::ALWAYS) => {
                RestartPolicy::UnlessStopped
            }
            Some(
                RestartPolicyNameEnum::EMPTY
                | RestartPolicyNameEnum::NO
                | RestartPolicyNameEnum::ON_FAILURE,
            )
            | None => RestartPolicy::No,
        },
        name,
    }
}

/// The address it has, or, while it does not run, the one it will ask for.
fn address(endpoint: EndpointSettings) -> Option<Ipv4Addr> {
    let has = endpoint.ip_address.and_then(|text| text.parse().ok());
    let asks = || endpoint.ipam_config?.ipv4_address?.parse().ok();
    has.or_else(asks)
}

/// The container's own name: a link from another container is a name with a slash inside.
fn own_name(names: Vec<String>) -> Option<String> {
    names
        .iter()
        .map(|name| plain_name(Some(name)))
        .find(|name| !name.contains('/'))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engine(status: Status, error: &str) -> EngineState {
        EngineState {
            status: Some(status),
            exit_code: Some(127),
            error: Some(error.to_owned()),
            ..EngineState::default()
        }
    }

    #[test]
    fn a_container_that_could_not_be_started_has_ended() {
        assert_eq!(state(engine(Status::CREATED, "")), ContainerState::Created);
        assert_eq!(
            state(engine(Status::CREATED, "no such file")),
            ContainerState::Exited {
                code: 127,
                out_of_memory: false,
                error: Some("no such file".to_owned())
            }
        );
    }

    #[test]
    fn paused_and_restarting_count_as_running() {
        for status in [Status::RUNNING, Status::PAUSED, Status::RESTARTING] {
            assert_eq!(
                state(engine(status, "")),
                ContainerState::Running { health: None }
            );
        }
    }
}

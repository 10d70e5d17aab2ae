//! Looking at containers.

use super::connection::{Docker, UNARY};
use super::labels;
use crate::core::ports::{ContainerState, EngineError, HealthState, Observed};
use bollard::models::{
    ContainerInspectResponse, ContainerState as EngineState, ContainerStateStatusEnum as Status,
    HealthStatusEnum,
};
use bollard::query_parameters::ListContainersOptionsBuilder;
use std::collections::HashMap;

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
    Ok(Some(Observed {
        name: name.to_owned(),
        state: state(found.state.unwrap_or_default()),
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

/// The names of all containers of this instance, running or not.
pub async fn list(docker: &Docker) -> Result<Vec<String>, EngineError> {
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
    Ok(found
        .into_iter()
        .filter_map(|container| own_name(container.names?))
        .collect())
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

//! What is done to a container of ours after it was made. Each call looks whose it is first.

use super::connection::{Docker, HEAVY, UNARY};
use super::container::whole_seconds;
use super::{labels, observe};
use crate::core::ports::{EngineError, RestartPolicy};
use bollard::models::{ContainerUpdateBody, RestartPolicyNameEnum};
use bollard::query_parameters::{RemoveContainerOptions, StopContainerOptions};
use std::time::Duration;

/// What the engine says of a container that ends while it is changed.
const ENDING: &str = "cannot update a stopped container";

/// How often it is looked whether a removal or an end that somebody else began is over.
const POLL: Duration = Duration::from_millis(100);

/// Starts it; fine if it runs.
pub async fn start(docker: &Docker, name: &str) -> Result<(), EngineError> {
    if !is_there(docker, name).await? {
        return Err(EngineError::NotFound(format!(
            "there is no container '{name}'"
        )));
    }
    docker
        .call(UNARY, |client| async move {
            client.start_container(name, None).await
        })
        .await
}

/// Stops it; fine if it does not run or does not exist.
pub async fn stop(docker: &Docker, name: &str, grace: Duration) -> Result<(), EngineError> {
    if !is_there(docker, name).await? {
        return Ok(());
    }
    let options = StopContainerOptions {
        signal: None,
        t: Some(i32::try_from(whole_seconds(grace)).unwrap_or(i32::MAX)),
    };
    let limit = grace.saturating_add(HEAVY);
    let stopped = docker
        .call(limit, |client| async move {
            client.stop_container(name, Some(options)).await
        })
        .await;
    fine_if_gone(stopped)
}

/// Sets what happens when it ends by itself; fine if it does not exist. One that is just ending is waited for.
pub async fn set_restart(
    docker: &Docker,
    name: &str,
    policy: RestartPolicy,
) -> Result<(), EngineError> {
    if !is_there(docker, name).await? {
        return Ok(());
    }
    let policy = match policy {
        RestartPolicy::No => RestartPolicyNameEnum::NO,
        RestartPolicy::UnlessStopped => RestartPolicyNameEnum::UNLESS_STOPPED,
    };
    let change = ContainerUpdateBody {
        restart_policy: Some(bollard::models::RestartPolicy {
            name: Some(policy),
            maximum_retry_count: None,
        }),
        ..ContainerUpdateBody::default()
    };
    let update = || {
        let change = change.clone();
        docker.call(UNARY, |client| async move {
            client.update_container(name, change).await
        })
    };
    let mut changed = update().await;
    // To the engine it still runs, to its runtime it has ended: a stop that was cut off before its answer goes on.
    let polls = UNARY.as_millis() / POLL.as_millis();
    for _ in 0..polls {
        match &changed {
            Err(EngineError::Refused(said)) if said.contains(ENDING) => {}
            _ => break,
        }
        tokio::time::sleep(POLL).await;
        changed = update().await;
    }
    fine_if_gone(changed)
}

/// Kills it if it runs and removes it with its anonymous volumes; fine if it does not exist.
pub async fn remove(docker: &Docker, name: &str) -> Result<(), EngineError> {
    if !is_there(docker, name).await? {
        return Ok(());
    }
    let options = RemoveContainerOptions {
        v: true,
        force: true,
        link: false,
    };
    let removed = docker
        .call(HEAVY, |client| async move {
            client.remove_container(name, Some(options)).await
        })
        .await;
    match removed {
        Err(EngineError::Refused(said)) if said.contains("already in progress") => {
            wait_until_gone(docker, name, said).await
        }
        removed => fine_if_gone(removed),
    }
}

/// Waits for a removal that is under way: a call that was cut off before its answer goes on in the engine.
async fn wait_until_gone(docker: &Docker, name: &str, said: String) -> Result<(), EngineError> {
    let polls = UNARY.as_millis() / POLL.as_millis();
    for _ in 0..polls {
        if observe::look(docker, name).await?.is_none() {
            return Ok(());
        }
        tokio::time::sleep(POLL).await;
    }
    Err(EngineError::Refused(said))
}

/// Whether there is such a container; refuses one that is not ours.
async fn is_there(docker: &Docker, name: &str) -> Result<bool, EngineError> {
    let Some(found) = observe::look(docker, name).await? else {
        return Ok(false);
    };
    let has = found
        .config
        .as_ref()
        .and_then(|config| config.labels.as_ref());
    labels::must_be_ours(docker.instance(), has, &format!("container '{name}'"))?;
    Ok(true)
}

fn fine_if_gone(result: Result<(), EngineError>) -> Result<(), EngineError> {
    match result {
        Err(EngineError::NotFound(_)) => Ok(()),
        result => result,
    }
}

//! Volumes of environments. The engine makes them with a container; only their removal is a call of its own.

use super::connection::{Docker, HEAVY, UNARY};
use super::labels;
use crate::core::ports::EngineError;
use bollard::query_parameters::RemoveVolumeOptions;

/// Removes it with what is in it; fine if it does not exist.
pub async fn remove(docker: &Docker, name: &str) -> Result<(), EngineError> {
    let found = docker
        .call(
            UNARY,
            |client| async move { client.inspect_volume(name).await },
        )
        .await;
    let labels = match found {
        Ok(found) => found.labels,
        Err(EngineError::NotFound(_)) => return Ok(()),
        Err(error) => return Err(error),
    };
    labels::must_be_ours(
        docker.instance(),
        Some(&labels),
        &format!("volume '{name}'"),
    )?;
    let removed = docker
        .call(HEAVY, |client| async move {
            client
                .remove_volume(name, None::<RemoveVolumeOptions>)
                .await
        })
        .await;
    match removed {
        Err(EngineError::NotFound(_)) => Ok(()),
        removed => removed,
    }
}

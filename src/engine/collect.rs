//! What can be given back: images built for this instance, and the build cache.

use super::connection::{Docker, HEAVY, UNARY};
use super::{labels, raw};
use crate::core::ports::{EngineError, HostImage};
use bollard::query_parameters::{ListImagesOptionsBuilder, RemoveImageOptions};
use serde_json::Value;

/// What tags of ours begin with.
const TAG: &str = "longshore/";

/// The images that are this instance's by label, or somebody's of ours by tag.
pub async fn images(docker: &Docker) -> Result<Vec<HostImage>, EngineError> {
    let options = ListImagesOptionsBuilder::new().build();
    let all = docker
        .call(HEAVY, |client| async move {
            client.list_images(Some(options)).await
        })
        .await?;
    let ours = all.into_iter().filter_map(|found| {
        let is_ours = labels::is_ours(docker.instance(), Some(&found.labels));
        let deployment = found.labels.get(labels::DEPLOYMENT).filter(|_| is_ours);
        // An engine lists an image without a tag as `<none>:<none>`, or with no tag at all.
        let tags: Vec<String> = found
            .repo_tags
            .into_iter()
            .filter(|tag| tag != "<none>:<none>")
            .collect();
        let tagged = tags.iter().any(|tag| tag.starts_with(TAG));
        (is_ours || tagged).then(|| HostImage {
            id: found.id,
            tags,
            bytes: u64::try_from(found.size).unwrap_or(0),
            deployment: deployment.and_then(|id| id.parse().ok()),
        })
    });
    Ok(ours.collect())
}

/// Removes an image of this instance that no tag names.
pub async fn remove(docker: &Docker, id: &str) -> Result<(), EngineError> {
    let found = docker
        .call(
            UNARY,
            |client| async move { client.inspect_image(id).await },
        )
        .await;
    let found = match found {
        Ok(found) => found,
        Err(EngineError::NotFound(_)) => return Ok(()),
        Err(error) => return Err(error),
    };
    let its_labels = found.config.and_then(|config| config.labels);
    labels::must_be_ours(
        docker.instance(),
        its_labels.as_ref(),
        &format!("image {id}"),
    )?;
    let tags = found.repo_tags.unwrap_or_default();
    if let Some(tag) = tags.first() {
        return Err(EngineError::Refused(format!("it is tagged {tag}")));
    }
    let options = RemoveImageOptions {
        force: false,
        noprune: false,
        platforms: None,
    };
    let removed = docker
        .call(HEAVY, |client| async move {
            client.remove_image(id, Some(options), None).await
        })
        .await;
    match removed {
        Ok(_) | Err(EngineError::NotFound(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// How large the build cache is.
pub async fn build_cache(docker: &Docker) -> Result<u64, EngineError> {
    let usage = raw::ask(docker, "GET", "/system/df?type=build-cache").await?;
    // Engines before API 1.52 list the entries beside everything else, later ones below a key of their own. What an
    // entry shares with another is in the other's size.
    let entries = usage
        .pointer("/BuildCacheUsage/Items")
        .or_else(|| usage.get("BuildCache"))
        .and_then(Value::as_array);
    let total = usage
        .pointer("/BuildCacheUsage/TotalSize")
        .and_then(Value::as_u64);
    let own = |entry: &Value| match entry.get("Shared").and_then(Value::as_bool) {
        Some(true) => 0,
        Some(false) | None => entry.get("Size").and_then(Value::as_u64).unwrap_or(0),
    };
    Ok(total.unwrap_or_else(|| entries.map_or(0, |entries| entries.iter().map(own).sum())))
}

/// Prunes the build cache down to so many bytes.
///
/// `keep-storage` is the one name of the budget that every engine knows; bollard sends only the later names, and an
/// older engine, which ignores them, would prune everything.
pub async fn prune_build_cache(docker: &Docker, keep: u64) -> Result<u64, EngineError> {
    // Zero would mean no budget.
    let path = format!("/build/prune?all=true&keep-storage={}", keep.max(1));
    let answer = raw::ask(docker, "POST", &path).await?;
    Ok(answer
        .get("SpaceReclaimed")
        .and_then(Value::as_u64)
        .unwrap_or(0))
}

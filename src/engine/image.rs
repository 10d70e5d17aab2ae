//! Images on the host: found, and kept by tags of ours.

use super::connection::{Docker, HEAVY, UNARY};
use crate::core::ports::EngineError;
use crate::core::release::Image;
use bollard::models::ImageInspect;
use bollard::query_parameters::{
    ListContainersOptionsBuilder, RemoveImageOptions, TagImageOptions,
};
use std::collections::HashMap;

/// The image of that name, tag or id.
pub async fn find(docker: &Docker, reference: &str) -> Result<Option<Image>, EngineError> {
    let found = docker
        .call(UNARY, |client| async move {
            client.inspect_image(reference).await
        })
        .await;
    match found {
        Ok(found) => describe(found, reference, None).map(Some),
        Err(EngineError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The image as we keep it. Of several digests the one that is `pulled`, else one of the reference's own repository,
/// is taken: an image that came from two registries has two.
pub fn describe(
    found: ImageInspect,
    reference: &str,
    pulled: Option<&str>,
) -> Result<Image, EngineError> {
    let id = found.id.ok_or_else(|| {
        EngineError::Refused(format!("the engine gave no id for image '{reference}'"))
    })?;
    let repository = repository(reference);
    let digests = found.repo_digests.unwrap_or_default();
    let of_repository = |digest: &&String| {
        digest
            .split_once('@')
            .is_some_and(|(name, _)| same_repository(name, repository))
    };
    let is_pulled = |digest: &&String| {
        pulled.is_none_or(|pulled| digest.split_once('@').is_some_and(|(_, d)| d == pulled))
    };
    let digest = digests
        .iter()
        .find(|digest| of_repository(digest) && is_pulled(digest))
        .or_else(|| digests.iter().find(is_pulled))
        .cloned();
    Ok(Image {
        id,
        digest,
        reference: reference.to_owned(),
    })
}

/// The reference without tag and digest.
fn repository(reference: &str) -> &str {
    let name = reference
        .split_once('@')
        .map_or(reference, |(name, _)| name);
    split_tag(name).0
}

/// The engine shortens `docker.io/library/x` to `x` and `docker.io/a/x` to `a/x`.
fn same_repository(one: &str, other: &str) -> bool {
    fn short(name: &str) -> &str {
        let name = name.strip_prefix("docker.io/").unwrap_or(name);
        name.strip_prefix("library/").unwrap_or(name)
    }
    short(one) == short(other)
}

/// `name:tag` taken apart; a colon before the last slash is a port's.
pub fn split_tag(name: &str) -> (&str, Option<&str>) {
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag)),
        Some(_) | None => (name, None),
    }
}

/// Gives an image a further tag.
pub async fn tag(docker: &Docker, image: &str, tag: &str) -> Result<(), EngineError> {
    let (repository, name) = split_tag(tag);
    let options = TagImageOptions {
        repo: Some(repository.to_owned()),
        tag: name.map(str::to_owned),
    };
    docker
        .call(UNARY, |client| async move {
            client.tag_image(image, Some(options)).await
        })
        .await
}

/// Takes a tag off, and the image away if that was its last one.
///
/// The engine refuses to take the last tag off an image that a container uses. For one that runs, force takes only
/// the tag; for one that is stopped it would take the image too, so there the engine's no stands.
pub async fn untag(docker: &Docker, tag: &str) -> Result<(), EngineError> {
    match remove_tag(docker, tag, false).await {
        Ok(()) | Err(EngineError::NotFound(_)) => Ok(()),
        Err(EngineError::Refused(said))
            if said.contains("must force") || said.contains("being used") =>
        {
            if !runs_somewhere(docker, tag).await? {
                return Err(EngineError::Refused(said));
            }
            match remove_tag(docker, tag, true).await {
                Err(EngineError::NotFound(_)) => Ok(()),
                result => result,
            }
        }
        Err(error) => Err(error),
    }
}

async fn remove_tag(docker: &Docker, tag: &str, force: bool) -> Result<(), EngineError> {
    let options = RemoveImageOptions {
        force,
        noprune: false,
        platforms: None,
    };
    docker
        .call(HEAVY, |client| async move {
            client
                .remove_image(tag, Some(options), None)
                .await
                .map(|_| ())
        })
        .await
}

/// Whether a container of anybody's runs from the image.
async fn runs_somewhere(docker: &Docker, image: &str) -> Result<bool, EngineError> {
    let filters = HashMap::from([("ancestor", vec![image])]);
    let options = ListContainersOptionsBuilder::new()
        .filters(&filters)
        .build();
    let running = docker
        .call(UNARY, |client| async move {
            client.list_containers(Some(options)).await
        })
        .await?;
    Ok(!running.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_of_the_references_own_repository_is_taken() {
        let image = || ImageInspect {
            id: Some("sha256:1".to_owned()),
            repo_digests: Some(vec![
                "a.example/x@sha256:2".to_owned(),
                "nginx@sha256:3".to_owned(),
            ]),
            ..ImageInspect::default()
        };
        for (reference, pulled, digest) in [
            ("docker.io/library/nginx:1.27", None, "nginx@sha256:3"),
            ("nginx@sha256:3", None, "nginx@sha256:3"),
            ("a.example/x:1", Some("sha256:2"), "a.example/x@sha256:2"),
            ("b.example/y", Some("sha256:3"), "nginx@sha256:3"),
            ("sha256:1", None, "a.example/x@sha256:2"),
        ] {
            let found = describe(image(), reference, pulled).unwrap();
            assert_eq!(found.digest.as_deref(), Some(digest), "{reference}");
        }
        assert_eq!(
            describe(image(), "nginx", Some("sha256:9")).unwrap().digest,
            None
        );
    }

    #[test]
    fn a_registrys_port_is_not_a_tag() {
        assert_eq!(
            split_tag("127.0.0.1:5000/web"),
            ("127.0.0.1:5000/web", None)
        );
        assert_eq!(
            split_tag("127.0.0.1:5000/web:1"),
            ("127.0.0.1:5000/web", Some("1"))
        );
        assert_eq!(repository("r:1/web:1@sha256:2"), "r:1/web");
    }
}

//! Where a job's image comes from, in Qovery's words.

use crate::core::name::{ImageReference, ProjectPath};
use serde::Serialize;

/// Whose registry it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum RegistryKind {
    Ecr,
    ScalewayCr,
    DockerHub,
    GithubCr,
    GitlabCr,
    PublicEcr,
    Docr,
    GenericCr,
    GcpArtifactRegistry,
    AzureCr,
}

impl RegistryKind {
    /// By its host.
    pub(super) fn of(host: &str) -> Self {
        let host = host.to_ascii_lowercase();
        let is_below = |domain: &str| {
            let above = host.strip_suffix(domain);
            above.is_some_and(|above| above.ends_with('.'))
        };
        match host.as_str() {
            "docker.io" => Self::DockerHub,
            "ghcr.io" => Self::GithubCr,
            "registry.gitlab.com" => Self::GitlabCr,
            "public.ecr.aws" => Self::PublicEcr,
            "registry.digitalocean.com" => Self::Docr,
            "gcr.io" => Self::GcpArtifactRegistry,
            _ if is_below("amazonaws.com") && host.contains(".dkr.ecr.") => Self::Ecr,
            _ if is_below("scw.cloud") => Self::ScalewayCr,
            _ if is_below("pkg.dev") || is_below("gcr.io") => Self::GcpArtifactRegistry,
            _ if is_below("azurecr.io") => Self::AzureCr,
            _ => Self::GenericCr,
        }
    }
}

/// An image's name within its registry, and its tag; where only a digest says which it is, that stands in the tag's place.
pub(super) fn name_and_tag(image: &str) -> (String, String) {
    let (path, digest) = match image.split_once('@') {
        Some((path, digest)) => (path, Some(digest)),
        None => (image, None),
    };
    let (path, tag) = match path.rsplit_once(':') {
        // What stands before a slash is a port.
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        Some(_) | None => (path, None),
    };
    let registry = ImageReference::parse(image).map(|image| image.registry().to_owned());
    let name = match registry {
        Ok(host) => path.strip_prefix(&format!("{host}/")).unwrap_or(path),
        Err(_) => path,
    };
    let tag = tag.or(digest).unwrap_or("latest");
    (name.to_owned(), tag.to_owned())
}

/// The same image with another tag.
pub(super) fn with_tag(image: &ImageReference, tag: &str) -> String {
    let text = image.as_str();
    let text = text.split_once('@').map_or(text, |(path, _)| path);
    let name = match text.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        Some(_) | None => text,
    };
    format!("{name}:{tag}")
}

/// Who hosts a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum GitProvider {
    Bitbucket,
    Github,
    Gitlab,
}

/// A repository as an address tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Repository {
    pub(super) provider: GitProvider,
    pub(super) owner: String,
    pub(super) name: String,
    pub(super) url: String,
}

impl Repository {
    /// `https://host/owner/name.git`, `ssh://…`, `user@host:owner/name`, or a path of this host, whose owner and name are the
    /// project's.
    pub(super) fn of(address: &str, project: &ProjectPath) -> Self {
        let (url, host, path) = match address.split_once("://") {
            Some((_, rest)) => {
                let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
                (address.to_owned(), host_of(authority), path)
            }
            None if address.starts_with('/') => (format!("file://{address}"), "", ""),
            None => match address.split_once(':') {
                Some((authority, path)) => {
                    let url = format!("ssh://{authority}/{}", path.trim_start_matches('/'));
                    (url, host_of(authority), path)
                }
                None => (address.to_owned(), "", ""),
            },
        };
        let path = path.trim_matches('/');
        let path = path.strip_suffix(".git").unwrap_or(path);
        let whole = match path.contains('/') && !host.is_empty() {
            true => path,
            false => project.as_str(),
        };
        let (owner, name) = whole.rsplit_once('/').unwrap_or((whole, whole));
        Self {
            provider: provider(host),
            owner: owner.to_owned(),
            name: name.to_owned(),
            url,
        }
    }
}

fn host_of(authority: &str) -> &str {
    let host = authority.rsplit('@').next().unwrap_or_default();
    host.split(':').next().unwrap_or_default()
}

/// There are three words. Who hosts repositories themselves mostly does it with GitLab or what is like it.
fn provider(host: &str) -> GitProvider {
    match host.to_ascii_lowercase().as_str() {
        "github.com" => GitProvider::Github,
        "bitbucket.org" => GitProvider::Bitbucket,
        _ => GitProvider::Gitlab,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_a_name_in_a_registry_and_a_tag() {
        let digest = format!("sha256:{}", "0".repeat(64));
        for (image, name, tag) in [
            ("nginx", "nginx", "latest"),
            ("nginx:1.27", "nginx", "1.27"),
            ("acme/job:v1", "acme/job", "v1"),
            ("ghcr.io/acme/job:v1", "acme/job", "v1"),
            ("localhost:5000/acme/job", "acme/job", "latest"),
            ("localhost:5000/job:v2", "job", "v2"),
        ] {
            assert_eq!(name_and_tag(image), (name.into(), tag.into()), "{image}");
            let pinned = format!("{image}@{digest}");
            let tag = match image.rsplit('/').next().unwrap().contains(':') {
                true => tag,
                false => &digest,
            };
            assert_eq!(name_and_tag(&pinned), (name.into(), tag.into()), "{pinned}");
            let (base, _) = image
                .rsplit_once(':')
                .filter(|(_, tag)| !tag.contains('/'))
                .unwrap_or((image, ""));
            for image in [image, &pinned] {
                let image = ImageReference::parse(image).unwrap();
                assert_eq!(with_tag(&image, "9"), format!("{base}:9"), "{image}");
            }
        }
    }

    #[test]
    fn a_registrys_host_says_whose_it_is() {
        for (host, kind) in [
            ("docker.io", RegistryKind::DockerHub),
            ("GHCR.io", RegistryKind::GithubCr),
            ("1.dkr.ecr.eu-west-3.amazonaws.com", RegistryKind::Ecr),
            ("rg.fr-par.scw.cloud", RegistryKind::ScalewayCr),
            ("europe-docker.pkg.dev", RegistryKind::GcpArtifactRegistry),
            ("eu.gcr.io", RegistryKind::GcpArtifactRegistry),
            ("acme.azurecr.io", RegistryKind::AzureCr),
            ("evilazurecr.io", RegistryKind::GenericCr),
            ("localhost:5000", RegistryKind::GenericCr),
        ] {
            assert_eq!(RegistryKind::of(host), kind, "{host}");
        }
    }

    #[test]
    fn a_repositorys_address_says_who_hosts_it_and_what_it_is_called() {
        let project = ProjectPath::parse("acme/web").unwrap();
        for (address, provider, owner, name, url) in [
            (
                "https://github.com/octo/cat.git",
                GitProvider::Github,
                "octo",
                "cat",
                None,
            ),
            (
                "git@bitbucket.org:octo/cat.git",
                GitProvider::Bitbucket,
                "octo",
                "cat",
                Some("ssh://git@bitbucket.org/octo/cat.git"),
            ),
            (
                "ssh://git@git.example:22/a/b/c",
                GitProvider::Gitlab,
                "a/b",
                "c",
                None,
            ),
            (
                "https://git.example/one",
                GitProvider::Gitlab,
                "acme",
                "web",
                None,
            ),
            (
                "/srv/git/octo/cat",
                GitProvider::Gitlab,
                "acme",
                "web",
                Some("file:///srv/git/octo/cat"),
            ),
            (
                "file:///srv/git/cat",
                GitProvider::Gitlab,
                "acme",
                "web",
                None,
            ),
        ] {
            let expected = Repository {
                provider,
                owner: owner.into(),
                name: name.into(),
                url: url.unwrap_or(address).into(),
            };
            assert_eq!(Repository::of(address, &project), expected, "{address}");
        }
    }
}

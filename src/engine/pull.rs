//! Pulling an image: the engine's thousands of progress messages as the few lines a person wants.

use super::connection::{Docker, UNARY};
use super::image;
use super::work::Out;
use crate::core::log::{Stream, clean};
use crate::core::name::ImageReference;
use crate::core::ports::{EngineError, Progress, RegistryCredential};
use crate::core::release::Image;
use bollard::auth::DockerCredentials;
use bollard::models::CreateImageInfo;
use bollard::query_parameters::CreateImageOptionsBuilder;
use std::collections::HashSet;

/// Pulls the image and says what it is on this host.
pub async fn run(
    docker: &Docker,
    wanted: &ImageReference,
    credential: Option<&RegistryCredential>,
    out: Out<Progress<Image>>,
) -> Result<(), EngineError> {
    let reference = wanted.with_tag();
    let options = CreateImageOptionsBuilder::new()
        .from_image(&reference)
        .build();
    let client = docker.client().await?;
    let mut stream = client.create_image(Some(options), None, credential.map(credentials));
    let mut lines = Lines::default();
    let mut digest = None;
    while let Some(item) = docker.next(&mut stream).await? {
        let info = item.map_err(|error| docker.explain_pull(&error))?;
        let status = info.status.as_deref().unwrap_or_default();
        if let Some(found) = status.strip_prefix("Digest: ") {
            digest = Some(found.to_owned());
        }
        if let Some(line) = lines.take(&info) {
            out.say(Progress::Line(Stream::Stdout, line)).await;
        }
    }
    let image = pulled(docker, wanted, &reference, digest.as_deref()).await?;
    out.say(Progress::Done(image)).await;
    Ok(())
}

/// The image that was pulled, by its content if the reference names it: then it got no tag.
async fn pulled(
    docker: &Docker,
    wanted: &ImageReference,
    reference: &str,
    digest: Option<&str>,
) -> Result<Image, EngineError> {
    let name = if wanted.is_pinned() {
        without_tag(reference)
    } else {
        reference.to_owned()
    };
    let found = docker
        .call(
            UNARY,
            |client| async move { client.inspect_image(&name).await },
        )
        .await?;
    let digest = digest.or_else(|| reference.split_once('@').map(|(_, digest)| digest));
    image::describe(found, reference, digest)
}

/// `name:tag@digest` as `name@digest`.
fn without_tag(reference: &str) -> String {
    match reference.split_once('@') {
        Some((name, digest)) => format!("{}@{digest}", image::split_tag(name).0),
        None => reference.to_owned(),
    }
}

/// The form in which bollard takes a credential.
pub fn credentials(credential: &RegistryCredential) -> DockerCredentials {
    DockerCredentials {
        username: Some(credential.username.clone()),
        password: Some(credential.password.expose().to_owned()),
        serveraddress: Some(credential.host.clone()),
        ..DockerCredentials::default()
    }
}

/// Which messages become lines: what is said of the whole, and of a layer that its download began and that it is
/// there.
#[derive(Debug, Default)]
struct Lines {
    downloading: HashSet<String>,
}

impl Lines {
    fn take(&mut self, info: &CreateImageInfo) -> Option<String> {
        let status = clean(info.status.as_deref()?.as_bytes());
        let Some(id) = info
            .id
            .as_deref()
            .map(|id| clean(id.as_bytes()))
            .filter(|id| !id.is_empty())
        else {
            return Some(status);
        };
        match status.as_str() {
            "Downloading" => {
                let total = info
                    .progress_detail
                    .as_ref()
                    .and_then(|progress| progress.total);
                let size = total
                    .and_then(|total| u64::try_from(total).ok())
                    .filter(|total| *total > 0);
                let line = match size {
                    Some(size) => format!("{id}: Downloading {}", bytesize::ByteSize(size)),
                    None => format!("{id}: Downloading"),
                };
                self.downloading.insert(id).then_some(line)
            }
            "Pulling fs layer" | "Waiting" | "Verifying Checksum" | "Download complete"
            | "Extracting" => None,
            _ => Some(format!("{id}: {status}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bollard::models::ProgressDetail;

    fn info(id: &str, status: &str, total: Option<i64>) -> CreateImageInfo {
        CreateImageInfo {
            id: Some(id.to_owned()),
            status: Some(status.to_owned()),
            progress_detail: total.map(|total| ProgressDetail {
                current: Some(1),
                total: Some(total),
            }),
            ..CreateImageInfo::default()
        }
    }

    #[test]
    fn a_layer_gives_two_lines_however_often_it_reports() {
        let mut lines = Lines::default();
        let mut all = Vec::new();
        all.extend(lines.take(&info("1.27", "Pulling from library/nginx", None)));
        all.extend(lines.take(&info("a1", "Pulling fs layer", None)));
        for _ in 0..50 {
            all.extend(lines.take(&info("a1", "Downloading", Some(2 * 1024 * 1024))));
        }
        all.extend(lines.take(&info("a1", "Extracting", Some(100))));
        all.extend(lines.take(&info("a1", "Pull complete", None)));
        all.extend(lines.take(&info("", "Digest: sha256:ab", None)));
        assert_eq!(
            all,
            [
                "1.27: Pulling from library/nginx",
                "a1: Downloading 2.0 MiB",
                "a1: Pull complete",
                "Digest: sha256:ab"
            ]
        );
    }

    #[test]
    fn a_reference_by_content_is_looked_up_by_its_content() {
        assert_eq!(without_tag("r:5000/a:1@sha256:2"), "r:5000/a@sha256:2");
    }
}

//! Building an image with BuildKit: the tree streamed as a tar, its progress as lines.

mod apart;
mod context;
mod ignore;
mod lines;
mod place;

use super::connection::{Docker, UNARY};
use super::work::Out;
use super::{labels, pull};
use crate::core::log::{Stream, clean};
use crate::core::ports::{Build, EngineError, Progress, RegistryCredential};
use crate::core::release::Image;
use apart::Apart;
use bollard::auth::DockerCredentials;
use bollard::errors::Error;
use bollard::models::{BuildInfo, BuildInfoAux};
use bollard::query_parameters::{BuildImageOptions, BuildImageOptionsBuilder, BuilderVersion};
use place::Place;
use std::collections::HashMap;

/// Builds the image and says its id.
pub async fn run(
    docker: &Docker,
    build: &Build,
    out: Out<Progress<Image>>,
) -> Result<(), EngineError> {
    let wanted = build.clone();
    let place = tokio::task::spawn_blocking(move || place::find(&wanted))
        .await
        .map_err(|panicked| EngineError::Refused(panicked.to_string()))??;
    let options = options(docker, build, &place);
    let (tar, fault) = context::stream(place);
    let client = docker.client().await?;
    let body = bollard::body_try_stream(tar);
    let stream = client.build_image(options, Some(credentials(&build.registries)), Some(body));
    let mut stream = Apart::new(stream)
        .map_err(|err| EngineError::Refused(format!("no thread for the build: {err}")))?;
    let mut lines = lines::Lines::default();
    let mut id = None;
    let result = loop {
        match docker.next(&mut stream).await {
            Ok(None) => break Ok(()),
            Ok(Some(Ok(info))) => {
                for (from, line) in take(info, &mut lines, &mut id) {
                    out.say(Progress::Line(from, line)).await;
                }
            }
            Ok(Some(Err(error))) => break Err(explain(docker, &error)),
            Err(error) => break Err(error),
        }
    };
    for (from, line) in lines.finish() {
        out.say(Progress::Line(from, line)).await;
    }
    if let Some(fault) = fault.get().filter(|_| result.is_err()) {
        return Err(EngineError::Refused(format!(
            "the build context could not be read: {fault}"
        )));
    }
    result?;
    let id = match id {
        Some(id) => id,
        None => id_of(docker, build).await?,
    };
    out.say(Progress::Done(Image {
        id,
        digest: None,
        reference: build.tag.clone(),
    }))
    .await;
    Ok(())
}

fn options(docker: &Docker, build: &Build, place: &Place) -> BuildImageOptions {
    let labels = labels::of_image(docker.instance(), &build.labels);
    let args: HashMap<&str, &str> = build
        .spec
        .args
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    BuildImageOptionsBuilder::new()
        .version(BuilderVersion::BuilderBuildKit)
        .session(&docker.session(build.labels.deployment))
        .dockerfile(place.dockerfile.name())
        .target(build.spec.target.as_deref().unwrap_or_default())
        .buildargs(&args)
        .labels(&labels)
        .t(&build.tag)
        .rm(true)
        .forcerm(true)
        .build()
}

/// The credentials by the names under which BuildKit asks for them.
fn credentials(registries: &[RegistryCredential]) -> HashMap<String, DockerCredentials> {
    registries
        .iter()
        .flat_map(|registry| {
            let hosts: &[&str] = match registry.host.as_str() {
                "docker.io" => &["registry-1.docker.io", "https://index.docker.io/v1/"],
                host => &[host],
            };
            hosts
                .iter()
                .map(|host| ((*host).to_owned(), pull::credentials(registry)))
                .collect::<Vec<_>>()
        })
        .collect()
}

/// The lines of a message; it may hold the image's id as well.
fn take(info: BuildInfo, lines: &mut lines::Lines, id: &mut Option<String>) -> Vec<lines::Line> {
    match info.aux {
        Some(BuildInfoAux::BuildKit(status)) => return lines.take(status),
        Some(BuildInfoAux::Default(image)) if info.id.as_deref() == Some("moby.image.id") => {
            *id = image.id;
        }
        Some(BuildInfoAux::Default(_)) | None => {}
    }
    let said = info.stream.or(info.status).unwrap_or_default();
    said.lines()
        .map(|line| (Stream::Stdout, clean(line.as_bytes())))
        .filter(|(_, line)| !line.is_empty())
        .collect()
}

/// An error inside the stream is the build's own, unless the engine gave up.
fn explain(docker: &Docker, error: &Error) -> EngineError {
    match (docker.explain(error), error) {
        (EngineError::Refused(said), Error::DockerStreamError { .. }) => {
            EngineError::BuildFailed(clean(said.replace('\n', " ").as_bytes()))
        }
        (error, _) => error,
    }
}

/// The id behind the build's tag, for an engine that did not say it. An engine that is going down may end its answer
/// as if all were said: then the tag, if there is one, is on the image of another build.
async fn id_of(docker: &Docker, build: &Build) -> Result<String, EngineError> {
    let found = docker
        .call(UNARY, |client| async move {
            client.inspect_image(&build.tag).await
        })
        .await;
    let no_result = || EngineError::Unavailable("it ended the build without a result".to_owned());
    let found = match found {
        Ok(found) => found,
        Err(EngineError::NotFound(_)) => return Err(no_result()),
        Err(error) => return Err(error),
    };
    let labels = found
        .config
        .and_then(|config| config.labels)
        .unwrap_or_default();
    let is_this = labels.get(labels::DEPLOYMENT) == Some(&build.labels.deployment.to_string());
    found.id.filter(|_| is_this).ok_or_else(no_result)
}

//! Applications in answers.

use super::Time;
use super::word::{ApplicationStatus, GitType, Source, git};
use crate::core::action::EnvironmentDetail;
use crate::core::admission::Desired;
use crate::core::name::ProjectPath;
use crate::core::preview::label;
use crate::core::spec::{BuildSpec, SourceSpec};
use serde::Serialize;
use uuid::Uuid;

/// How long a system name may be.
const MAX_NAME: usize = 64;

/// An application in a list.
#[derive(Serialize)]
pub(in crate::api::sevalla) struct ListedApplication {
    created_at: Time,
    display_name: String,
    id: Uuid,
    is_suspended: bool,
    name: String,
    source: Source,
    status: Option<ApplicationStatus>,
    #[serde(rename = "type")]
    kind: &'static str,
    updated_at: Time,
}

impl From<&EnvironmentDetail> for ListedApplication {
    fn from(environment: &EnvironmentDetail) -> Self {
        Self {
            created_at: environment.created_at.into(),
            display_name: display_name(environment),
            id: environment.id,
            is_suspended: is_suspended(environment.desired),
            name: name(environment),
            source: source(environment).into(),
            status: environment.last.as_ref().map(ApplicationStatus::from),
            kind: kind(environment),
            updated_at: environment.updated_at.into(),
        }
    }
}

/// Everything of one application. What there is no such thing as here is null, empty or false.
#[derive(Serialize)]
pub(in crate::api::sevalla) struct Application {
    allow_deploy_paths: [&'static str; 0],
    auto_deploy: bool,
    build_cache_enabled: bool,
    build_path: Option<String>,
    build_type: &'static str,
    buildpacks: [&'static str; 0],
    cluster_id: Option<String>,
    company_id: Uuid,
    created_at: Time,
    created_by: Option<String>,
    default_branch: Option<String>,
    display_name: String,
    docker_context: Option<String>,
    docker_image: Option<String>,
    docker_registry_credential_id: Option<String>,
    dockerfile_path: Option<String>,
    git_type: Option<GitType>,
    hibernate_after_seconds: Option<u64>,
    hibernation_enabled: bool,
    id: Uuid,
    ignore_deploy_paths: [&'static str; 0],
    is_suspended: bool,
    name: String,
    namespace: Option<String>,
    nixpacks_version: Option<String>,
    pack_builder: Option<String>,
    project_id: Uuid,
    repo_url: Option<String>,
    source: Source,
    status: Option<ApplicationStatus>,
    #[serde(rename = "type")]
    kind: &'static str,
    updated_at: Time,
}

const APP: &str = "app";
const PREVIEW: &str = "previewApp";

impl From<&EnvironmentDetail> for Application {
    fn from(environment: &EnvironmentDetail) -> Self {
        let source = source(environment);
        let git = git(source);
        let url = git.map(|git| git.repository.url.clone());
        Self {
            allow_deploy_paths: [],
            auto_deploy: false,
            // The engine keeps the layers of earlier builds.
            build_cache_enabled: git.is_some(),
            build_path: None,
            build_type: "dockerfile",
            buildpacks: [],
            cluster_id: None,
            company_id: environment.instance,
            created_at: environment.created_at.into(),
            created_by: None,
            default_branch: git.map(|git| git.branch.to_string()),
            display_name: display_name(environment),
            docker_context: git.map(|git| git.build.context.clone()),
            docker_image: match source {
                Some(SourceSpec::Image(image)) => Some(image.reference.to_string()),
                Some(SourceSpec::Git(_)) | None => None,
            },
            docker_registry_credential_id: None,
            dockerfile_path: git.map(|git| dockerfile(&git.build)),
            git_type: url.as_deref().and_then(GitType::of),
            hibernate_after_seconds: None,
            hibernation_enabled: false,
            id: environment.id,
            ignore_deploy_paths: [],
            is_suspended: is_suspended(environment.desired),
            name: name(environment),
            namespace: None,
            nixpacks_version: None,
            pack_builder: None,
            project_id: project_id(&environment.project),
            repo_url: url,
            source: source.into(),
            status: environment.last.as_ref().map(ApplicationStatus::from),
            kind: kind(environment),
            updated_at: environment.updated_at.into(),
        }
    }
}

fn source(environment: &EnvironmentDetail) -> Option<&SourceSpec> {
    environment.spec.as_ref().map(|spec| &spec.source)
}

/// Relative to the repository's root; ours is relative to the context.
fn dockerfile(build: &BuildSpec) -> String {
    match build.context.trim_matches('/') {
        "" | "." => build.dockerfile.clone(),
        context => format!("{context}/{}", build.dockerfile),
    }
}

/// A system name: the app's, with the environment's unless that is the default one.
fn name(environment: &EnvironmentDetail) -> String {
    let mut name = match environment.is_default {
        true => environment.app.to_string(),
        false => {
            let app = environment.app.as_str();
            // A preview's name may be anything; this one is a part of hosts' names in the vendor's world.
            let environment = match environment.preview {
                true => label(environment.name.as_str(), MAX_NAME - app.len() - 1),
                false => environment.name.to_string(),
            };
            format!("{app}-{environment}")
        }
    };
    // Names of apps and configured environments are ASCII, and so are labels.
    name.truncate(MAX_NAME);
    name
}

fn kind(environment: &EnvironmentDetail) -> &'static str {
    match environment.preview {
        true => PREVIEW,
        false => APP,
    }
}

/// The name for people.
fn display_name(environment: &EnvironmentDetail) -> String {
    match environment.is_default {
        true => environment.app.to_string(),
        false => format!("{} ({})", environment.app, environment.name),
    }
}

/// Sevalla has one word for all that keeps an application from running.
pub(in crate::api::sevalla) fn is_suspended(desired: Desired) -> bool {
    match desired {
        Desired::Running => false,
        Desired::Suspended | Desired::Stopped | Desired::Removed => true,
    }
}

/// Derived from the project's path, so that it is the same to every client for ever.
fn project_id(project: &ProjectPath) -> Uuid {
    Uuid::new_v5(
        &Uuid::NAMESPACE_URL,
        format!("https://longshore.dev/project/{project}").as_bytes(),
    )
}

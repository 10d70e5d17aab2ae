//! Deployments in answers.

use super::Time;
use super::word::{DeploymentStatus, GitType, Initiated, Initiator, Step, git};
use crate::core::action::{DeploymentView, EnvironmentDetail, Listed, Version};
use crate::core::deployment::Wanted;
use crate::core::name::Sha;
use crate::core::recorded::RecordedView;
use crate::core::time::Timestamp;
use serde::Serialize;
use uuid::Uuid;

/// A deployment; the same object whoever shows it.
#[derive(Serialize)]
pub(in crate::api::sevalla) struct Deployment {
    app_id: Uuid,
    /// A picture and a login are the hosting provider's; git knows only what an author calls themselves.
    author_img: Option<String>,
    author_login: Option<String>,
    branch: Option<String>,
    commit_message: Option<String>,
    commit_sha: Option<String>,
    created_at: Time,
    docker_image_url: Option<String>,
    finished_at: Option<Time>,
    git_type: Option<GitType>,
    id: Uuid,
    repo_url: Option<String>,
    started_at: Option<Time>,
    status: DeploymentStatus,
    steps: Vec<Step>,
    trigger: Initiator,
    #[serde(rename = "type")]
    kind: Initiated,
    updated_at: Time,
}

impl Deployment {
    pub(in crate::api::sevalla) fn listed(
        listed: &Listed,
        environment: &EnvironmentDetail,
    ) -> Self {
        match listed {
            Listed::Executed(view) => Self::new(view, environment),
            Listed::Recorded(view) => Self::recorded(view),
        }
    }

    /// One that somebody else executed: what was told of it. It took no steps here.
    fn recorded(view: &RecordedView) -> Self {
        let recorded = &view.recorded;
        Self {
            app_id: view.environment_id,
            author_img: None,
            author_login: None,
            branch: Some(recorded.reference.to_string()),
            commit_message: None,
            commit_sha: Sha::parse(recorded.sha.as_str())
                .ok()
                .map(|sha| sha.to_string())
                .filter(|sha| sha.len() == 40),
            created_at: recorded.created_at.into(),
            docker_image_url: None,
            finished_at: recorded.ended_at().map(Time::from),
            git_type: None,
            id: recorded.id,
            repo_url: None,
            started_at: None,
            status: DeploymentStatus::from(recorded.state),
            steps: Vec::new(),
            trigger: Initiator::ManualDeploy,
            kind: Initiated::Manual,
            updated_at: recorded.updated_at.into(),
        }
    }

    /// `environment` is the deployment's own: what it is built from before its turn comes.
    pub(in crate::api::sevalla) fn new(
        view: &DeploymentView,
        environment: &EnvironmentDetail,
    ) -> Self {
        let deployment = &view.deployment;
        let wanted = &deployment.request.wanted;
        let repo_url = repository(view, environment);
        let commit = deployment.commit.as_ref().or(view.origin.commit.as_ref());
        Self {
            app_id: view.environment_id,
            author_img: None,
            author_login: None,
            branch: branch(view),
            commit_message: commit.map(|commit| commit.message.clone()),
            commit_sha: commit_sha(view),
            created_at: deployment.created_at.into(),
            docker_image_url: image(view),
            finished_at: deployment.phase.ended_at().map(Time::from),
            git_type: repo_url.as_deref().and_then(GitType::of),
            id: deployment.id,
            repo_url,
            started_at: started_at(view).map(Time::from),
            status: DeploymentStatus::from(&deployment.phase),
            steps: view.steps.iter().map(|step| step.step.into()).collect(),
            trigger: Initiator::of(wanted, deployment.request.trigger),
            kind: deployment.request.trigger.into(),
            updated_at: updated_at(view).into(),
        }
    }
}

fn repository(view: &DeploymentView, environment: &EnvironmentDetail) -> Option<String> {
    if matches!(view.deployment.request.wanted, Wanted::Image(_)) {
        return None;
    }
    let configured = git(environment.spec.as_ref().map(|spec| &spec.source));
    let configured = configured.map(|git| git.repository.url.clone());
    view.origin.repository.clone().or(configured)
}

fn branch(view: &DeploymentView) -> Option<String> {
    match &view.deployment.request.wanted {
        Wanted::Commit { reference, .. } => reference.found_on(),
        Wanted::Image(_) => None,
        Wanted::Release(_) | Wanted::Restart => view.origin.reference.as_ref()?.found_on(),
    }
}

fn commit_sha(view: &DeploymentView) -> Option<String> {
    match (&view.deployment.request.wanted, &view.version) {
        (Wanted::Commit { sha, .. }, _)
        | (Wanted::Release(_) | Wanted::Restart, Some(Version::Commit(sha))) => {
            Some(sha.as_str().to_owned())
        }
        (Wanted::Image(_), _)
        | (Wanted::Release(_) | Wanted::Restart, Some(Version::Image(_)) | None) => None,
    }
}

/// What it is called on the host; before it is there, what was asked for.
fn image(view: &DeploymentView) -> Option<String> {
    let asked = match &view.deployment.request.wanted {
        Wanted::Image(reference) => Some(reference.with_tag()),
        Wanted::Commit { .. } | Wanted::Release(_) | Wanted::Restart => None,
    };
    view.origin.image.clone().or(asked)
}

fn started_at(view: &DeploymentView) -> Option<Timestamp> {
    view.steps.iter().filter_map(|step| step.started_at).min()
}

/// When something of it was written down last, as far as that has a time.
fn updated_at(view: &DeploymentView) -> Timestamp {
    let steps = view.steps.iter();
    let steps = steps.flat_map(|step| [step.started_at, step.ended_at]);
    let times = steps.chain([view.deployment.phase.ended_at()]).flatten();
    times.fold(view.deployment.created_at, Timestamp::max)
}

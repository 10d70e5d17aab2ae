//! Deployments in answers.

use super::word::{Status, Step, Trigger};
use super::{PageMeta, Time};
use crate::api::arrival::Base;
use crate::api::gitdev::id;
use crate::core::action::{DeploymentView, Listed, Version};
use crate::core::deployment::{Phase, Step as CoreStep, Wanted};
use crate::core::failure::Failure as CoreFailure;
use crate::core::recorded::{Recorded, RecordedView, ReportedState};
use crate::core::reference::Reference;
use crate::core::route::Domain;
use serde::Serialize;
use utoipa::ToSchema;

/// A deployment that was accepted.
#[derive(Serialize, ToSchema)]
pub(in crate::api::gitdev) struct Created {
    app: String,
    #[schema(required)]
    branch: Option<String>,
    /// In the caller's spelling if they gave one, else all 40 digits.
    #[schema(required)]
    commit_sha: Option<String>,
    created_at: Time,
    environment: String,
    #[schema(examples("dep_3hab1r2m5v6co8emss3yap36"))]
    pub(in crate::api::gitdev) id: String,
    #[schema(required)]
    image: Option<String>,
    /// The app's id.
    project_id: String,
    status: Status,
    /// Where what it deploys is reached: its environment's first domain; without one, where it can be looked at.
    url: String,
}

impl Created {
    pub(in crate::api::gitdev) fn new(view: &DeploymentView, base: &Base) -> Self {
        let id = id::deployment(view.deployment.id);
        let source = Source::of(view);
        Self {
            app: view.app.to_string(),
            branch: source.branch,
            commit_sha: source.commit,
            created_at: view.deployment.created_at.into(),
            environment: view.environment.to_string(),
            url: reached(view.domain.as_ref(), base, &id),
            id,
            image: source.image,
            project_id: id::project(view.app_id),
            status: Status::Queued,
        }
    }
}

/// Everything of one deployment.
#[derive(Serialize, ToSchema)]
pub(in crate::api::gitdev) struct Deployment {
    app: String,
    #[schema(required)]
    branch: Option<String>,
    /// From the start of building to its end, in seconds.
    #[schema(required, examples("14.2s"))]
    build_duration: Option<String>,
    #[schema(required)]
    cancelled_at: Option<Time>,
    /// The id of who cancelled it.
    #[schema(required)]
    cancelled_by: Option<String>,
    #[schema(required)]
    cancelled_by_name: Option<String>,
    #[schema(required)]
    commit: Option<Commit>,
    #[schema(required)]
    commit_sha: Option<String>,
    /// When it ended.
    #[schema(required)]
    completed_at: Option<Time>,
    created_at: Time,
    /// The name of who asked for it.
    created_by: String,
    /// Where it is reached, once it has succeeded: its environment's first domain, or else its own address here.
    #[schema(required)]
    deploy_url: Option<String>,
    environment: String,
    #[schema(required)]
    error: Option<FailureInStep>,
    id: String,
    #[schema(required)]
    image: Option<String>,
    /// Whether its release is the environment's live one.
    live: bool,
    logs_url: String,
    /// The app's id.
    project_id: String,
    /// Whether somebody else executed it and only told of it: it has no steps, no log and no release.
    recorded: bool,
    /// The number of the release it made or made live again.
    #[schema(required)]
    release: Option<i64>,
    /// Whether it runs again what was live.
    restart: bool,
    /// What could not be put back after it failed or was cancelled.
    restore_failed: Vec<String>,
    #[schema(required)]
    rollback: Option<Rollback>,
    status: Status,
    steps: Vec<StepTimes>,
    /// Whether a newer one took its place while it waited.
    superseded: bool,
    /// Whether what `branch` names is a tag.
    tag: bool,
    /// The task that was asked for besides.
    #[schema(required)]
    task: Option<String>,
    trigger: Trigger,
}

/// What git says of a commit.
#[derive(Serialize, ToSchema)]
struct Commit {
    author: String,
    message: String,
}

/// Which release a rollback goes back to.
#[derive(Serialize, ToSchema)]
struct Rollback {
    /// Whether that release is live.
    active: bool,
    /// The release's number.
    of: i64,
}

/// A step, and when it was taken.
#[derive(Serialize, ToSchema)]
struct StepTimes {
    #[schema(required)]
    ended_at: Option<Time>,
    name: Step,
    #[schema(required)]
    started_at: Option<Time>,
}

/// Why it failed.
#[derive(Serialize, ToSchema)]
pub(in crate::api::gitdev) struct Failure {
    /// A stable word.
    #[schema(examples("not_ready"))]
    code: String,
    /// What happened.
    message: String,
    /// What to do next.
    next: String,
    /// The last lines that the build or the container printed.
    output: Vec<String>,
}

impl From<&CoreFailure> for Failure {
    fn from(failure: &CoreFailure) -> Self {
        Self {
            code: failure.code.as_str().to_owned(),
            message: failure.message.clone(),
            next: failure.next.clone(),
            output: failure.output.clone(),
        }
    }
}

/// Why a deployment failed, and in which step.
#[derive(Serialize, ToSchema)]
struct FailureInStep {
    #[serde(flatten)]
    failure: Failure,
    step: Step,
}

impl Deployment {
    pub(in crate::api::gitdev) fn new(view: &DeploymentView, base: &Base) -> Self {
        let deployment = &view.deployment;
        let id = id::deployment(deployment.id);
        let url = address(base, &id);
        let source = Source::of(view);
        let cancelled = view.cancelled_by.as_ref();
        let ended_at = deployment.phase.ended_at();
        let steps = view.steps.iter().map(|step| StepTimes {
            ended_at: step.ended_at.map(Time::from),
            name: step.step.into(),
            started_at: step.started_at.map(Time::from),
        });
        let commit = deployment.commit.as_ref().map(|commit| Commit {
            author: commit.author.clone(),
            message: commit.message.clone(),
        });
        Self {
            app: view.app.to_string(),
            branch: source.branch,
            build_duration: build_duration(view),
            cancelled_at: cancelled.and(ended_at).map(Time::from),
            cancelled_by: cancelled.map(|by| id::user(by.id)),
            cancelled_by_name: cancelled.map(|by| by.name.clone()),
            commit,
            commit_sha: source.commit,
            completed_at: ended_at.map(Time::from),
            created_at: deployment.created_at.into(),
            created_by: view.by.name.clone(),
            deploy_url: matches!(deployment.phase, Phase::Succeeded { .. })
                .then(|| reached(view.domain.as_ref(), base, &id)),
            environment: view.environment.to_string(),
            error: failure(&deployment.phase),
            id,
            image: source.image,
            live: view.live,
            logs_url: format!("{url}/logs"),
            project_id: id::project(view.app_id),
            recorded: false,
            release: view.release,
            restart: deployment.request.wanted == Wanted::Restart,
            restore_failed: view.restore_failed.clone(),
            rollback: view.rollback_to.map(|of| Rollback {
                active: view.live,
                of,
            }),
            status: Status::from(&deployment.phase),
            steps: steps.collect(),
            superseded: matches!(deployment.phase, Phase::Superseded { .. }),
            tag: source.tag,
            task: view.noted.task.as_ref().map(ToString::to_string),
            trigger: deployment.request.trigger.into(),
        }
    }

    /// One that somebody else executed: what was told of it.
    pub(in crate::api::gitdev) fn recorded(view: &RecordedView, base: &Base) -> Self {
        let recorded = &view.recorded;
        let id = id::deployment(recorded.id);
        let was_cancelled = recorded.state == ReportedState::Canceled;
        let ended_at = recorded.ended_at();
        Self {
            app: view.app.to_string(),
            branch: Some(recorded.reference.to_string()),
            build_duration: None,
            cancelled_at: ended_at.filter(|_| was_cancelled).map(Time::from),
            // Who reported that is not who did it.
            cancelled_by: None,
            cancelled_by_name: None,
            commit: None,
            commit_sha: told_commit(recorded),
            completed_at: ended_at.map(Time::from),
            created_at: recorded.created_at.into(),
            created_by: view.by.name.clone(),
            deploy_url: (recorded.state == ReportedState::Success)
                .then(|| reached(view.domain.as_ref(), base, &id)),
            environment: view.environment.to_string(),
            error: None,
            image: None,
            live: false,
            logs_url: format!("{}/logs", address(base, &id)),
            id,
            project_id: id::project(view.app_id),
            recorded: true,
            release: None,
            restart: false,
            restore_failed: Vec::new(),
            rollback: None,
            status: Status::from(recorded.state),
            steps: Vec::new(),
            superseded: false,
            tag: recorded.tag,
            task: view.noted.task.as_ref().map(ToString::to_string),
            trigger: Trigger::Manual,
        }
    }
}

/// A page of deployments, newest first.
#[derive(Serialize, ToSchema)]
pub(in crate::api::gitdev) struct DeploymentPage {
    data: Vec<ListedDeployment>,
    meta: PageMeta,
}

/// A deployment as a list shows it.
#[derive(Serialize, ToSchema)]
struct ListedDeployment {
    app: String,
    #[schema(required)]
    branch: Option<String>,
    #[schema(required)]
    commit_sha: Option<String>,
    #[schema(required)]
    completed_at: Option<Time>,
    created_at: Time,
    environment: String,
    id: String,
    #[schema(required)]
    image: Option<String>,
    live: bool,
    project_id: String,
    /// Whether somebody else executed it and only told of it.
    recorded: bool,
    #[schema(required)]
    release: Option<i64>,
    status: Status,
    /// Whether what `branch` names is a tag.
    tag: bool,
    url: String,
}

impl DeploymentPage {
    pub(in crate::api::gitdev) fn new(items: &[Listed], meta: PageMeta, base: &Base) -> Self {
        let item = |listed: &Listed| match listed {
            Listed::Executed(view) => ListedDeployment::executed(view, base),
            Listed::Recorded(view) => ListedDeployment::recorded(view, base),
        };
        Self {
            data: items.iter().map(item).collect(),
            meta,
        }
    }
}

impl ListedDeployment {
    fn executed(view: &DeploymentView, base: &Base) -> Self {
        let id = id::deployment(view.deployment.id);
        let source = Source::of(view);
        Self {
            app: view.app.to_string(),
            branch: source.branch,
            commit_sha: source.commit,
            completed_at: view.deployment.phase.ended_at().map(Time::from),
            created_at: view.deployment.created_at.into(),
            environment: view.environment.to_string(),
            url: reached(view.domain.as_ref(), base, &id),
            id,
            image: source.image,
            live: view.live,
            project_id: id::project(view.app_id),
            recorded: false,
            release: view.release,
            status: Status::from(&view.deployment.phase),
            tag: source.tag,
        }
    }

    fn recorded(view: &RecordedView, base: &Base) -> Self {
        let recorded = &view.recorded;
        let id = id::deployment(recorded.id);
        Self {
            app: view.app.to_string(),
            branch: Some(recorded.reference.to_string()),
            commit_sha: told_commit(recorded),
            completed_at: recorded.ended_at().map(Time::from),
            created_at: recorded.created_at.into(),
            environment: view.environment.to_string(),
            url: reached(view.domain.as_ref(), base, &id),
            id,
            image: None,
            live: false,
            project_id: id::project(view.app_id),
            recorded: true,
            release: None,
            status: Status::from(recorded.state),
            tag: recorded.tag,
        }
    }
}

/// A deployment that is cancelled.
#[derive(Serialize, ToSchema)]
pub(in crate::api::gitdev) struct Cancelled {
    #[schema(required)]
    cancelled_at: Option<Time>,
    /// The id of who cancelled it first.
    #[schema(required)]
    cancelled_by: Option<String>,
    id: String,
    status: Status,
}

impl From<&DeploymentView> for Cancelled {
    fn from(view: &DeploymentView) -> Self {
        Self {
            cancelled_at: view.deployment.phase.ended_at().map(Time::from),
            cancelled_by: view.cancelled_by.as_ref().map(|by| id::user(by.id)),
            id: id::deployment(view.deployment.id),
            status: Status::from(&view.deployment.phase),
        }
    }
}

/// The deployment itself, in this API.
pub(in crate::api::gitdev) fn address(base: &Base, id: &str) -> String {
    format!("{}/v1/deployments/{id}", base.api)
}

/// Where what it deploys is reached: at its environment's domain, or else where it can be looked at.
fn reached(domain: Option<&Domain>, base: &Base, id: &str) -> String {
    match domain {
        Some(domain) => format!("{}://{domain}", base.apps_scheme),
        None => address(base, id),
    }
}

/// What a deployment is made from: the commit in the caller's spelling if they gave one.
struct Source {
    branch: Option<String>,
    commit: Option<String>,
    image: Option<String>,
    /// Whether the branch is a tag.
    tag: bool,
}

impl Source {
    fn of(view: &DeploymentView) -> Self {
        let commit = |reference: Option<&Reference>, commit: &str| Self {
            branch: reference.and_then(Reference::found_on),
            commit: Some(commit.to_owned()),
            image: None,
            tag: reference.is_some_and(Reference::is_tag),
        };
        let image = |image: &str| Self {
            branch: None,
            commit: None,
            image: Some(image.to_owned()),
            tag: false,
        };
        match &view.deployment.request.wanted {
            Wanted::Commit {
                reference,
                sha,
                asked,
            } => commit(Some(reference), asked.as_deref().unwrap_or(sha.as_str())),
            Wanted::Image(reference) => image(reference.as_str()),
            Wanted::Release(_) | Wanted::Restart => match &view.version {
                Some(Version::Commit(sha)) => commit(None, sha.as_str()),
                Some(Version::Image(reference)) => image(reference),
                None => Self {
                    branch: None,
                    commit: None,
                    image: None,
                    tag: false,
                },
            },
        }
    }
}

/// What was told of a commit, where it reads like the id of one: what has no copy of the repository takes any text.
fn told_commit(recorded: &Recorded) -> Option<String> {
    let sha = recorded.sha.as_str();
    let is_digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    let is_id = (7..=40).contains(&sha.len()) && sha.bytes().all(is_digit);
    is_id.then(|| sha.to_owned())
}

/// From the start of building (the checkout is part of it) to its end, in seconds with one decimal.
fn build_duration(view: &DeploymentView) -> Option<String> {
    let find = |wanted: CoreStep| view.steps.iter().find(|step| step.step == wanted);
    let began = find(CoreStep::Checkout)?.started_at?;
    let built = find(CoreStep::Build)?.ended_at;
    let stopped = || {
        view.deployment
            .phase
            .ended_at()
            .and(find(CoreStep::Checkout)?.ended_at)
    };
    let ended = built.or_else(stopped)?;
    let tenths = (ended.millis_since(began).max(0) + 50) / 100;
    Some(format!("{}.{}s", tenths / 10, tenths % 10))
}

fn failure(phase: &Phase) -> Option<FailureInStep> {
    match phase {
        Phase::Failed { step, failure, .. } => Some(FailureInStep {
            failure: failure.into(),
            step: (*step).into(),
        }),
        Phase::Queued
        | Phase::Running(_)
        | Phase::Committed(_)
        | Phase::Succeeded { .. }
        | Phase::Cancelled { .. }
        | Phase::Superseded { .. } => None,
    }
}

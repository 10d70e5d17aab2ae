//! What executes a deployment: our own run of it, shown as the job of a pipeline.

use super::deployment::sha;
use super::user::{User, encoded};
use super::word::Status;
use super::{Nothing, Time};
use crate::api::arrival::Base;
use crate::core::action::DeploymentView;
use crate::core::deployment::CommitInfo;
use crate::core::time::Timestamp;
use serde::Serialize;

/// GitLab's `Job`. What is `Nothing` here, GitLab may leave out, too.
#[derive(Serialize)]
pub(in crate::api::gitlab) struct Job {
    allow_failure: bool,
    archived: bool,
    artifacts: [(); 0],
    artifacts_expire_at: Nothing,
    commit: Option<Commit>,
    coverage: Nothing,
    created_at: Time,
    duration: Option<f64>,
    erased_at: Nothing,
    finished_at: Option<Time>,
    id: i64,
    name: &'static str,
    pipeline: Pipeline,
    project: JobProject,
    queued_duration: Option<f64>,
    #[serde(rename = "ref")]
    reference: String,
    runner: Nothing,
    runner_manager: Nothing,
    stage: &'static str,
    started_at: Option<Time>,
    status: Status,
    tag: bool,
    tag_list: [(); 0],
    user: User,
    web_url: String,
}

#[derive(Serialize)]
struct JobProject {
    ci_job_token_scope_enabled: bool,
}

/// What git tells of the commit, once it was checked out.
#[derive(Serialize)]
struct Commit {
    author_email: String,
    author_name: String,
    created_at: Time,
    id: String,
    message: String,
    short_id: String,
    title: String,
}

/// One run has one job: its number is the deployment's.
#[derive(Serialize)]
struct Pipeline {
    created_at: Time,
    id: i64,
    #[serde(rename = "ref")]
    reference: String,
    sha: String,
    status: Status,
    updated_at: Time,
    web_url: String,
}

impl Job {
    pub(super) fn new(view: &DeploymentView, base: &Base) -> Self {
        let deployment = &view.deployment;
        let created_at = deployment.created_at;
        let started_at = view.steps.iter().filter_map(|step| step.started_at).min();
        let finished_at = deployment.phase.ended_at();
        let status = Status::from(&deployment.phase);
        let web_url = address(view, base);
        let commit = deployment.commit.as_ref().or(view.origin.commit.as_ref());
        Self {
            allow_failure: false,
            archived: false,
            artifacts: [],
            artifacts_expire_at: Nothing::HERE,
            commit: commit.map(|commit| Commit::new(sha(view), commit, created_at)),
            coverage: Nothing::HERE,
            created_at: created_at.into(),
            duration: seconds(started_at, finished_at),
            erased_at: Nothing::HERE,
            finished_at: finished_at.map(Time::from),
            id: deployment.serial.0,
            name: "deploy",
            pipeline: Pipeline {
                created_at: created_at.into(),
                id: deployment.serial.0,
                reference: view.reference.clone(),
                sha: sha(view).to_owned(),
                status,
                updated_at: view.updated_at.into(),
                web_url: web_url.clone(),
            },
            project: JobProject {
                ci_job_token_scope_enabled: false,
            },
            queued_duration: seconds(Some(created_at), started_at),
            reference: view.reference.clone(),
            runner: Nothing::HERE,
            runner_manager: Nothing::HERE,
            stage: "deploy",
            started_at: started_at.map(Time::from),
            status,
            tag: view.tag,
            tag_list: [],
            user: User::new(&view.by, base),
            web_url,
        }
    }
}

/// Where it is in this API: there is no page of it.
fn address(view: &DeploymentView, base: &Base) -> String {
    let project = encoded(view.project.as_str());
    let (prefix, number) = (crate::api::gitlab::PREFIX, view.deployment.serial);
    format!(
        "{}{prefix}/projects/{project}/deployments/{number}",
        base.api
    )
}

fn seconds(from: Option<Timestamp>, to: Option<Timestamp>) -> Option<f64> {
    let millis = to?.millis_since(from?).max(0);
    // Exact: a run takes less than 2^53 milliseconds.
    Some(std::time::Duration::from_millis(millis.unsigned_abs()).as_secs_f64())
}

impl Commit {
    /// `created_at` stands for the time of a commit that was kept before that was asked.
    fn new(sha: &str, commit: &CommitInfo, created_at: Timestamp) -> Self {
        Self {
            author_email: commit.author_email.clone(),
            author_name: commit.author.clone(),
            created_at: commit.committed_at.unwrap_or(created_at).into(),
            id: sha.to_owned(),
            message: commit.message.clone(),
            short_id: sha.chars().take(8).collect(),
            title: commit.message.lines().next().unwrap_or_default().to_owned(),
        }
    }
}

//! A deployment, executed or recorded. It has no state: that is what its newest status says.

use super::user::User;
use super::{Nothing, Time, node};
use crate::api::github::urls::Urls;
use crate::core::access::Principal;
use crate::core::action::{DeploymentView, Listed, Version};
use crate::core::deployment::Wanted;
use crate::core::name::{EnvironmentName, ProjectPath};
use crate::core::particulars::Noted;
use crate::core::recorded::RecordedView;
use crate::core::time::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

/// What every deployment's task is unless it names another.
pub(in crate::api::github) const TASK: &str = "deploy";

/// What stands for the commit of what has none.
const NO_COMMIT: &str = "0000000000000000000000000000000000000000";

/// GitHub's `deployment`.
#[derive(Serialize)]
pub(in crate::api::github) struct Deployment {
    created_at: Time,
    creator: User,
    description: Option<String>,
    environment: String,
    id: i64,
    node_id: String,
    original_environment: String,
    payload: Box<RawValue>,
    performed_via_github_app: Nothing,
    production_environment: bool,
    #[serde(rename = "ref")]
    reference: String,
    repository_url: String,
    sha: String,
    statuses_url: String,
    task: String,
    transient_environment: bool,
    updated_at: Time,
    url: String,
}

/// What both kinds have.
struct Common<'a> {
    serial: i64,
    project: &'a ProjectPath,
    environment: &'a EnvironmentName,
    noted: &'a Noted,
    by: &'a Principal,
    created_at: Timestamp,
    reference: &'a str,
    sha: &'a str,
}

impl Deployment {
    pub(in crate::api::github) fn of(listed: &Listed, urls: &Urls) -> Self {
        match listed {
            Listed::Executed(view) => Self::executed(view, urls),
            Listed::Recorded(view) => Self::recorded(view, urls),
        }
    }

    pub(in crate::api::github) fn executed(view: &DeploymentView, urls: &Urls) -> Self {
        let common = Common {
            serial: view.deployment.serial.0,
            project: &view.project,
            environment: &view.environment,
            noted: &view.noted,
            by: &view.by,
            created_at: view.deployment.created_at,
            reference: &view.reference,
            sha: sha(view),
        };
        Self::new(&common, urls)
    }

    pub(in crate::api::github) fn recorded(view: &RecordedView, urls: &Urls) -> Self {
        let common = Common {
            serial: view.recorded.serial.0,
            project: &view.project,
            environment: &view.environment,
            noted: &view.noted,
            by: &view.by,
            created_at: view.recorded.created_at,
            reference: view.recorded.reference.as_str(),
            sha: view.recorded.sha.as_str(),
        };
        Self::new(&common, urls)
    }

    fn new(common: &Common<'_>, urls: &Urls) -> Self {
        let noted = common.noted;
        let url = urls.deployment(common.project, common.serial);
        let shown = noted.shown_environment.as_ref();
        let task = noted.task.as_ref().map(ToString::to_string);
        Self {
            created_at: common.created_at.into(),
            creator: User::new(common.by, urls),
            description: noted.description.clone(),
            environment: shown.unwrap_or(common.environment).to_string(),
            id: common.serial,
            node_id: node::id("Deployment", common.serial),
            original_environment: common.environment.to_string(),
            payload: payload(noted.payload.as_deref()),
            performed_via_github_app: Nothing::HERE,
            production_environment: noted.production,
            reference: noted
                .written
                .clone()
                .unwrap_or_else(|| common.reference.to_owned()),
            repository_url: urls.repository(common.project),
            sha: common.sha.to_owned(),
            statuses_url: format!("{url}/statuses"),
            task: task.unwrap_or_else(|| TASK.to_owned()),
            transient_environment: noted.transient,
            updated_at: noted.status_at.unwrap_or(common.created_at).into(),
            url,
        }
    }
}

/// As it was given, to the order of its keys.
fn payload(given: Option<&str>) -> Box<RawValue> {
    let given = given.and_then(|text| RawValue::from_string(text.to_owned()).ok());
    given.unwrap_or_else(|| RawValue::from_string("{}".to_owned()).unwrap_or_default())
}

/// The commit; an image has none, or the one that the caller named with it.
fn sha(view: &DeploymentView) -> &str {
    let beside = view.noted.sha.as_ref().map(|sha| sha.as_str());
    match (&view.deployment.request.wanted, &view.version) {
        (Wanted::Commit { sha, .. }, _)
        | (Wanted::Release(_) | Wanted::Restart, Some(Version::Commit(sha))) => sha.as_str(),
        (Wanted::Image(_), _)
        | (Wanted::Release(_) | Wanted::Restart, Some(Version::Image(_)) | None) => {
            beside.unwrap_or(NO_COMMIT)
        }
    }
}

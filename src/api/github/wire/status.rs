//! A status of a deployment. What is not set is an empty text here, never `null`.

use super::user::User;
use super::{Nothing, Time, node, word};
use crate::api::github::urls::Urls;
use crate::api::log;
use crate::core::name::ProjectPath;
use crate::core::status::{Reached, StatusLog, StatusView};
use serde::Serialize;

/// GitHub's `deployment-status`.
#[derive(Serialize)]
pub(in crate::api::github) struct Status {
    created_at: Time,
    creator: User,
    deployment_url: String,
    description: String,
    environment: String,
    environment_url: String,
    id: i64,
    log_url: String,
    node_id: String,
    performed_via_github_app: Nothing,
    repository_url: String,
    state: &'static str,
    target_url: String,
    updated_at: Time,
    url: String,
}

impl Status {
    pub(in crate::api::github) fn new(view: &StatusView, path: &ProjectPath, urls: &Urls) -> Self {
        let deployment_url = urls.deployment(path, view.deployment.0);
        let log_url = match &view.log {
            StatusLog::Given(url) => url.clone(),
            StatusLog::Own(deployment) => log::address(urls.base(), *deployment),
        };
        let environment_url = match &view.reached {
            Reached::Given(url) => url.clone(),
            Reached::Domain(domain) => format!("{}://{domain}", urls.base().apps_scheme),
        };
        let by = view.by.as_ref();
        Self {
            created_at: view.at.into(),
            creator: by.map_or_else(|| User::longshore(urls), |by| User::new(by, urls)),
            description: view.description.clone(),
            environment: view.environment.to_string(),
            environment_url,
            id: view.serial.0,
            log_url: log_url.clone(),
            node_id: node::id("DeploymentStatus", view.serial),
            performed_via_github_app: Nothing::HERE,
            repository_url: urls.repository(path),
            state: word::of_status(view.state),
            target_url: log_url,
            updated_at: view.at.into(),
            url: url(view, path, urls),
            deployment_url,
        }
    }
}

/// Where a status is.
pub(in crate::api::github) fn url(view: &StatusView, path: &ProjectPath, urls: &Urls) -> String {
    let deployment = urls.deployment(path, view.deployment.0);
    format!("{deployment}/statuses/{}", view.serial)
}

//! An environment, and a page of them.

use super::{Nothing, Time, node};
use crate::api::github::urls::{Urls, encoded};
use crate::core::action::EnvironmentDetail;
use serde::Serialize;

/// GitHub's `environment`. Nothing here waits for an approval, so it has no rules.
#[derive(Serialize)]
pub(in crate::api::github) struct Environment {
    created_at: Time,
    deployment_branch_policy: Nothing,
    html_url: String,
    id: i64,
    name: String,
    node_id: String,
    protection_rules: [Nothing; 0],
    updated_at: Time,
    url: String,
}

impl Environment {
    pub(in crate::api::github) fn new(detail: &EnvironmentDetail, urls: &Urls) -> Self {
        let (path, name) = (&detail.project, &detail.name);
        Self {
            created_at: detail.created_at.into(),
            deployment_branch_policy: Nothing::HERE,
            html_url: format!(
                "{}/deployments/activity_log?environments_filter={}",
                urls.web_repository(path),
                encoded(name.as_str())
            ),
            id: detail.serial.0,
            name: name.to_string(),
            node_id: node::id("Environment", detail.serial),
            protection_rules: [],
            updated_at: detail.noted_at.max(detail.created_at).into(),
            url: urls.environment(path, name),
        }
    }
}

/// A page of them.
#[derive(Serialize)]
pub(in crate::api::github) struct Environments {
    pub(in crate::api::github) environments: Vec<Environment>,
    pub(in crate::api::github) total_count: u64,
}

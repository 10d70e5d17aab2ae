//! An environment, within a deployment and by itself.

use super::deployment::Deployment;
use super::project::Project;
use super::word::standing;
use super::{Nothing, Time};
use crate::api::arrival::Base;
use crate::api::gitlab::slug::slug;
use crate::core::action::EnvironmentDetail;
use crate::core::environment::Brief;
use crate::core::id::EnvironmentSerial;
use crate::core::name::EnvironmentName;
use crate::core::route::Domain;
use serde::Serialize;

/// What an environment can be for.
pub(in crate::api::gitlab) const TIERS: [&str; 5] =
    ["production", "staging", "testing", "development", "other"];

/// GitLab's `EnvironmentBasic`.
#[derive(Clone, Serialize)]
pub(in crate::api::gitlab) struct EnvironmentBasic {
    created_at: Time,
    external_url: Option<String>,
    id: i64,
    name: String,
    slug: String,
    updated_at: Time,
}

impl EnvironmentBasic {
    pub(super) fn new(
        (serial, name): (EnvironmentSerial, &EnvironmentName),
        brief: &Brief,
        domain: Option<&Domain>,
        base: &Base,
    ) -> Self {
        Self {
            created_at: brief.created_at.into(),
            external_url: external_url(brief.external_url.as_ref(), domain, base),
            id: serial.0,
            name: name.to_string(),
            slug: slug(name.as_str()),
            updated_at: brief.updated_at.into(),
        }
    }
}

/// What was written down, else the environment's domain.
fn external_url(noted: Option<&String>, domain: Option<&Domain>, base: &Base) -> Option<String> {
    let of_domain = || domain.map(|domain| format!("{}://{domain}", base.apps_scheme));
    noted.cloned().or_else(of_domain)
}

/// GitLab's `Environment`: a list has its project, a single one its last deployment.
#[derive(Serialize)]
pub(in crate::api::gitlab) struct Environment {
    auto_stop_at: Nothing,
    auto_stop_setting: &'static str,
    cluster_agent: Nothing,
    created_at: Time,
    description: Option<String>,
    external_url: Option<String>,
    flux_resource_path: Nothing,
    id: i64,
    kubernetes_namespace: Nothing,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_deployment: Option<Option<Deployment>>,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    project: Option<Project>,
    slug: String,
    state: &'static str,
    tier: String,
    updated_at: Time,
}

impl Environment {
    pub(in crate::api::gitlab) fn new(detail: &EnvironmentDetail, base: &Base) -> Self {
        let notes = &detail.notes;
        let name = detail.name.as_str();
        Self {
            auto_stop_at: Nothing::HERE,
            auto_stop_setting: "always",
            cluster_agent: Nothing::HERE,
            created_at: detail.created_at.into(),
            description: notes.description.clone(),
            external_url: external_url(notes.external_url.as_ref(), detail.domain.as_ref(), base),
            flux_resource_path: Nothing::HERE,
            id: detail.serial.0,
            kubernetes_namespace: Nothing::HERE,
            last_deployment: None,
            name: name.to_owned(),
            project: None,
            slug: slug(name),
            state: standing(detail.standing),
            tier: notes.tier.clone().unwrap_or_else(|| {
                // What GitLab calls a review app.
                let of_name = || tier(name);
                let tier = if detail.preview {
                    "development"
                } else {
                    of_name()
                };
                tier.to_owned()
            }),
            updated_at: detail.noted_at.into(),
        }
    }

    pub(in crate::api::gitlab) fn listed(
        detail: &EnvironmentDetail,
        project: Project,
        base: &Base,
    ) -> Self {
        Self {
            project: Some(project),
            ..Self::new(detail, base)
        }
    }

    pub(in crate::api::gitlab) fn with_last(
        detail: &EnvironmentDetail,
        last: Option<Deployment>,
        base: &Base,
    ) -> Self {
        Self {
            last_deployment: Some(last),
            ..Self::new(detail, base)
        }
    }
}

/// What an environment is for, as far as its name tells (GitLab's rule).
fn tier(name: &str) -> &'static str {
    let name = name.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
    if has(&["dev", "review", "trunk"]) {
        "development"
    } else if has(&[
        "test",
        "tst",
        "int",
        "acceptance",
        "qa",
        "quality",
        "control",
    ]) {
        "testing"
    } else if has(&["stag", "stg", "mod", "pre", "demo", "non"]) {
        "staging"
    } else if has(&["prod", "live"]) {
        "production"
    } else {
        "other"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_environment_is_for_is_told_by_its_name() {
        for (name, expected) in [
            ("production", "production"),
            ("Production/eu", "production"),
            ("live", "production"),
            ("staging", "staging"),
            ("pre-prod", "staging"),
            ("review/feature", "development"),
            ("qa", "testing"),
            ("customer-1", "other"),
        ] {
            assert_eq!(tier(name), expected, "{name}");
            assert!(TIERS.contains(&expected));
        }
    }
}

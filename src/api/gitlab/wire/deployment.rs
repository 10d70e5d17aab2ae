//! A deployment, executed or recorded.

use super::Time;
use super::environment::EnvironmentBasic;
use super::job::Job;
use super::user::User;
use super::word::Status;
use crate::api::arrival::Base;
use crate::api::gitlab::create::NO_COMMIT;
use crate::core::action::{DeploymentView, Listed, Version};
use crate::core::deployment::Wanted;
use crate::core::recorded::RecordedView;
use serde::Serialize;

/// GitLab's `Deployment`. Only what is executed here has a `deployable`.
#[derive(Serialize)]
pub(in crate::api::gitlab) struct Deployment {
    created_at: Time,
    deployable: Option<Job>,
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<EnvironmentBasic>,
    id: i64,
    iid: i64,
    #[serde(rename = "ref")]
    reference: String,
    sha: String,
    status: Status,
    updated_at: Time,
    user: User,
}

impl Deployment {
    pub(in crate::api::gitlab) fn of(listed: &Listed, base: &Base) -> Self {
        match listed {
            Listed::Executed(view) => Self::executed(view, base),
            Listed::Recorded(view) => Self::recorded(view, base),
        }
    }

    pub(in crate::api::gitlab) fn executed(view: &DeploymentView, base: &Base) -> Self {
        let deployment = &view.deployment;
        let place = (deployment.environment, &view.environment);
        Self {
            created_at: deployment.created_at.into(),
            deployable: Some(Job::new(view, base)),
            environment: Some(EnvironmentBasic::new(
                place,
                &view.brief,
                view.domain.as_ref(),
                base,
            )),
            id: deployment.serial.0,
            iid: deployment.iid,
            reference: view.reference.clone(),
            sha: sha(view).to_owned(),
            status: Status::from(&deployment.phase),
            updated_at: view.updated_at.into(),
            user: User::new(&view.by, base),
        }
    }

    pub(in crate::api::gitlab) fn recorded(view: &RecordedView, base: &Base) -> Self {
        let recorded = &view.recorded;
        let place = (recorded.environment, &view.environment);
        Self {
            created_at: recorded.created_at.into(),
            deployable: None,
            environment: Some(EnvironmentBasic::new(
                place,
                &view.brief,
                view.domain.as_ref(),
                base,
            )),
            id: recorded.serial.0,
            iid: recorded.iid,
            reference: recorded.reference.to_string(),
            sha: recorded.sha.to_string(),
            status: recorded.state.into(),
            updated_at: recorded.updated_at.into(),
            user: User::new(&view.by, base),
        }
    }

    /// As a part of its environment.
    pub(in crate::api::gitlab) fn without_environment(self) -> Self {
        Self {
            environment: None,
            ..self
        }
    }
}

/// The commit; an image has none.
pub(super) fn sha(view: &DeploymentView) -> &str {
    match (&view.deployment.request.wanted, &view.version) {
        (Wanted::Commit { sha, .. }, _)
        | (Wanted::Release(_) | Wanted::Restart, Some(Version::Commit(sha))) => sha.as_str(),
        (Wanted::Image(_), _)
        | (Wanted::Release(_) | Wanted::Restart, Some(Version::Image(_)) | None) => NO_COMMIT,
    }
}

//! Deployment hooks in answers.

use super::Time;
use crate::core::hook::HookView;
use serde::Serialize;
use utoipa::ToSchema;

/// A deployment hook.
#[derive(Serialize, ToSchema)]
pub(in crate::api::gitdev) struct Hook {
    app: String,
    environment: String,
    /// When the address was made.
    since: Time,
    /// POST to it deploys the environment. It is a secret: no token is asked for.
    url: String,
}

impl Hook {
    pub(in crate::api::gitdev) fn new(view: &HookView, url: String) -> Self {
        Self {
            app: view.app.to_string(),
            environment: view.environment.to_string(),
            since: view.since.into(),
            url,
        }
    }
}

//! Bodies of requests, as they are described. They are read by hand in `parse`, because the contract says in which
//! order faults are told and in which words.

use super::name::{EnvironmentName, VariableName};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A deployment to be made: of a branch, of an image, or of what the configuration says.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what is read by hand")]
pub(in crate::api::gitdev) struct NewDeployment {
    /// The app's id or name.
    #[schema(min_length = 1)]
    project_id: String,
    /// A branch of the app's repository; an app that is built needs it, unless `from_config` is given.
    #[schema(min_length = 1, max_length = 255)]
    branch: Option<String>,
    /// A commit of the branch; its head if absent.
    #[schema(pattern = "^[0-9a-fA-F]{7,40}$")]
    commit_sha: Option<String>,
    /// At most 100 variables of this one deployment, over the configured ones. They are never shown again.
    env_vars: Option<BTreeMap<VariableName, String>>,
    /// The token's own, else the app's default, if absent.
    environment: Option<EnvironmentName>,
    /// An image to run, for an app that is not built.
    #[schema(min_length = 1)]
    image: Option<String>,
    /// Takes the configured branch where none is named.
    from_config: Option<bool>,
    /// Makes the environment a preview, if it is none of the configuration's and not there.
    preview: Option<bool>,
    /// A task of the app that is run before the release takes over, after its release commands.
    #[schema(min_length = 1, max_length = 100)]
    task: Option<String>,
    /// Anything; it reaches the containers where the app's `payload` says.
    payload: Option<serde_json::Value>,
}

/// A deployment that might be made, or a release that might be live again.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what is read by hand")]
pub(in crate::api::gitdev) struct PlanRequest {
    /// A branch of the app's repository; an app that is built needs it, unless `from_config` or `release` is given.
    #[schema(min_length = 1, max_length = 255)]
    branch: Option<String>,
    /// A commit of the branch; its head if absent.
    #[schema(pattern = "^[0-9a-fA-F]{7,40}$")]
    commit_sha: Option<String>,
    env_vars: Option<BTreeMap<VariableName, String>>,
    /// The token's own, else the app's default, if absent.
    environment: Option<EnvironmentName>,
    /// An image to run, for an app that is not built.
    #[schema(min_length = 1)]
    image: Option<String>,
    /// Takes the configured branch where none is named.
    from_config: Option<bool>,
    /// Makes the environment a preview, if it is none of the configuration's and not there.
    preview: Option<bool>,
    /// The number of the release to go back to, instead of all of these.
    #[schema(minimum = 1)]
    release: Option<i64>,
    /// A task of the app.
    #[schema(min_length = 1, max_length = 100)]
    task: Option<String>,
    payload: Option<serde_json::Value>,
}

/// Which environment a change is about.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what is read by hand")]
pub(in crate::api::gitdev) struct ChangeRequest {
    /// The token's own, else the app's default, if absent.
    environment: Option<EnvironmentName>,
    /// Whether deployments that run or wait are cancelled instead of being waited for.
    now: Option<bool>,
}

/// Which environment's live image is to run again.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what is read by hand")]
pub(in crate::api::gitdev) struct RestartRequest {
    /// The token's own, else the app's default, if absent.
    environment: Option<EnvironmentName>,
}

/// Which release is to be live again.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what is read by hand")]
pub(in crate::api::gitdev) struct RollbackRequest {
    /// The token's own, else the app's default, if absent.
    environment: Option<EnvironmentName>,
    /// Its number; the one before the live one if absent.
    #[schema(minimum = 1)]
    release: Option<i64>,
}

/// A secret's value.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what is read by hand")]
pub(in crate::api::gitdev) struct SecretValue {
    #[schema(min_length = 1, write_only)]
    value: String,
}

/// What is to be live after the database was put back.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what is read by hand")]
pub(in crate::api::gitdev) struct AdoptRequest {
    /// What the database says instead of what runs.
    discard: Option<bool>,
}

/// A token to be made.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what is read by hand")]
pub(in crate::api::gitdev) struct TokenRequest {
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    #[schema(value_type = super::word::Scope)]
    scope: String,
    /// The id or name of the only app it is for.
    #[schema(min_length = 1)]
    app: Option<String>,
    /// The only environment it is for; needs an app.
    environment: Option<EnvironmentName>,
    /// How often it may ask; `pro` if absent, or what the token that makes it has where that is less.
    #[schema(value_type = Option<super::word::RatePlan>)]
    plan: Option<String>,
    /// Instead of a plan: how many requests a minute. Needs `burst`.
    #[schema(minimum = 1, maximum = 1_000_000)]
    rate: Option<u32>,
    /// Instead of a plan: how many requests at once. Needs `rate`.
    #[schema(minimum = 1, maximum = 1_000_000)]
    burst: Option<u32>,
    /// When it ends; at the end of the token that makes it if absent.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
}

//! Deployment hooks: a secret address whose call deploys an environment.

use super::action::AppRef;
use super::name::{AppName, EnvironmentName};
use super::secret::Secret;
use super::time::Timestamp;
use uuid::Uuid;

/// A request about an environment's deployment hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookRequest {
    /// Of which app.
    pub app: AppRef,
    /// Of which environment; the token's own, else the app's default, if absent.
    pub environment: Option<EnvironmentName>,
    /// What is asked.
    pub change: HookChange,
}

/// What can be asked of a deployment hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookChange {
    /// Its address.
    Show,
    /// That there is one; one that there is stays as it is.
    Enable,
    /// A new one, there or not; the earlier address leads nowhere from then on.
    Renew,
    /// That there is none; fine if there was none.
    Disable,
}

/// A deployment hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookView {
    /// The app's name.
    pub app: AppName,
    /// The environment's name.
    pub environment: EnvironmentName,
    /// The environment's id, a part of the address.
    pub id: Uuid,
    /// The secret part of the address.
    pub secret: Secret,
    /// When it was enabled or renewed.
    pub since: Timestamp,
    /// Whether this request made it.
    pub made: bool,
}

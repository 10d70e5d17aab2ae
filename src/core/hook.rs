//! Deployment hooks: a secret address whose call deploys an environment.

use super::action::AppRef;
use super::name::{AppName, EnvironmentName};
use super::rate::{Rate, RatePlan};
use super::secret::Secret;
use super::time::Timestamp;
use std::borrow::Cow;
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

/// How often a hook may be called: as the vendor's own document says of deployments, ten a minute, all at once if need be.
pub const RATE: RatePlan = RatePlan::Custom(Rate::fixed(10, 10));

/// What every hook's path begins with.
pub const PREFIX: &str = "/hooks/";

/// The path of a hook's address.
#[must_use]
pub fn path(environment: Uuid, secret: &Secret) -> String {
    format!("{PREFIX}apps/{environment}/deploy/{}", secret.expose())
}

/// A path as logs may show it: of a hook's only what is no secret.
#[must_use]
pub fn shown(path: &str) -> Cow<'_, str> {
    // Whoever mistypes the front part of an address has its secret in the rest all the same.
    let is_hooks = path
        .get(..PREFIX.len())
        .is_some_and(|front| front.eq_ignore_ascii_case(PREFIX));
    if is_hooks {
        Cow::Owned(format!("{PREFIX}***"))
    } else {
        Cow::Borrowed(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_log_shows_the_secret_of_an_address() {
        let secret = Secret::new("abcdefgh");
        let path = path(Uuid::nil(), &secret);
        assert_eq!(
            path,
            "/hooks/apps/00000000-0000-0000-0000-000000000000/deploy/abcdefgh"
        );
        for asked in [
            path.clone(),
            format!("{path}/"),
            format!("{path}?x=1"),
            path.replace("/hooks", "/Hooks"),
            path.replace("deploy", "depoly"),
        ] {
            assert_eq!(shown(&asked), "/hooks/***");
        }
        for other in ["/", "/v1/apps/web/hook", "/hook", "/höoks/x", "*"] {
            assert_eq!(shown(other), other);
        }
    }
}

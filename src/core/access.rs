//! Who asks, and what they may do.

use super::error::Error;
use super::id::{AppSerial, EnvironmentSerial, PrincipalSerial};
use super::rate::{Exceeded, RatePlan};
use super::time::Timestamp;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// What a caller may do; each includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Scope {
    /// Look.
    #[serde(rename = "deploy:read")]
    Read,
    /// Create and cancel.
    #[serde(rename = "deploy:write")]
    Write,
    /// Everything, tokens included.
    #[serde(rename = "deploy:admin")]
    Admin,
}

impl Scope {
    /// The word in tokens, answers and the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "deploy:read",
            Self::Write => "deploy:write",
            Self::Admin => "deploy:admin",
        }
    }

    /// Reads the word back.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Read, Self::Write, Self::Admin]
            .into_iter()
            .find(|scope| scope.as_str() == text)
    }
}

/// Somebody who can ask for things.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The row's serial.
    pub serial: PrincipalSerial,
    /// The id clients see.
    pub id: uuid::Uuid,
    /// The name people see: a token's name, or a local user's.
    pub name: String,
}

/// A principal with the rights they came with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Who it is.
    pub principal: Principal,
    /// What they may do.
    pub scope: Scope,
    /// Where they may do it.
    pub reach: Reach,
    /// How often they may ask.
    pub plan: RatePlan,
    /// Until when; `None`: for ever.
    pub expires_at: Option<Timestamp>,
}

/// Parameters of a query or a form that carry a token, in GitLab's dialect. They are in no answer and no log.
pub const TOKEN_PARAMETERS: [&str; 3] = ["private_token", "access_token", "job_token"];

/// A path with its query as it may be logged: the values of [`TOKEN_PARAMETERS`] are masked.
#[must_use]
pub fn shown(target: &str) -> Cow<'_, str> {
    let Some((path, query)) = target.split_once('?') else {
        return Cow::Borrowed(target);
    };
    let is_token = |pair: &str| {
        // Any character of a name may be written as a code.
        let name = pair.split('=').next().unwrap_or_default();
        let name = percent_decode_str(name).decode_utf8_lossy();
        TOKEN_PARAMETERS.contains(&&*name)
    };
    if !query.split('&').any(is_token) {
        return Cow::Borrowed(target);
    }
    let masked = |pair: &str| match pair.split_once('=') {
        Some((name, _)) if is_token(pair) => format!("{name}=***"),
        Some(_) | None => pair.to_owned(),
    };
    let pairs: Vec<String> = query.split('&').map(masked).collect();
    Cow::Owned(format!("{path}?{}", pairs.join("&")))
}

/// Where a request came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A user of this host, on the unix socket, by name or number.
    Local(String),
    /// That address.
    Remote(std::net::IpAddr),
}

/// Why a request is not even looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TurnedAway {
    /// It is one too many.
    TooMany(Exceeded),
    /// It came without a token, and not from this host.
    NoToken,
    /// Its token is none of ours.
    UnknownToken,
    /// Its token was revoked.
    RevokedToken,
    /// Its token's time is over.
    ExpiredToken,
    /// It could not be found out whose it is.
    Failed(Error),
}

/// Which part of the installation a caller can see. What lies outside does not exist for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Everything.
    All,
    /// One app.
    App(AppSerial),
    /// One environment of one app.
    Environment(AppSerial, EnvironmentSerial),
}

impl Reach {
    /// Whether an environment of an app can be seen.
    #[must_use]
    pub fn includes(self, app: AppSerial, environment: EnvironmentSerial) -> bool {
        match self {
            Self::All => true,
            Self::App(only) => only == app,
            Self::Environment(only, there) => only == app && there == environment,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_of_a_parameter_that_carries_a_token_is_masked() {
        for (target, expected) in [
            (
                "/api/v4/user?private_token=t0ken",
                "/api/v4/user?private_token=***",
            ),
            (
                "/a?x=1&access_token=t0ken&job_token=t0ken&y",
                "/a?x=1&access_token=***&job_token=***&y",
            ),
            ("/a?private%5Ftoken=t0ken", "/a?private%5Ftoken=***"),
            ("/a?private_token=a=t0ken", "/a?private_token=***"),
            (
                "/a?private_token=?&private_token=t0ken",
                "/a?private_token=***&private_token=***",
            ),
            ("/a?private_token&token=b", "/a?private_token&token=b"),
            ("/private_token=b", "/private_token=b"),
            ("/a?status=success", "/a?status=success"),
        ] {
            assert_eq!(shown(target), expected);
        }
    }
}

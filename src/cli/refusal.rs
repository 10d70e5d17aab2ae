//! Why there is no answer that can be used, and what to do about it.

use super::place::Place;
use crate::core::explain;
use hyper::StatusCode;
use std::io;

/// Why there is no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No connection.
    #[error("cannot reach the daemon at {place}: {}", .place.told(.cause))]
    Unreachable {
        /// Where.
        place: Place,
        /// Why.
        cause: io::Error,
    },
    /// The connection ended, or time did, before the answer was whole.
    #[error("the daemon at {place} went away before it had answered: {cause}")]
    Lost {
        /// Where.
        place: Place,
        /// How.
        cause: String,
    },
    /// It said no.
    #[error("{0}")]
    Refused(Refusal),
    /// It said that it cannot now.
    #[error("the daemon cannot answer: {0}")]
    Failing(Refusal),
    /// Somebody answered who is not longshore.
    #[error("what answers at {place} is not longshore, or of another version: {what}")]
    Foreign {
        /// Where.
        place: Place,
        /// What was odd.
        what: String,
    },
}

/// What to do about a refusal, where the daemon's sentence alone does not tell a person at a terminal.
fn next_step(code: &str) -> Option<&'static str> {
    match code {
        "invalid_branch" => {
            Some("push the branch to the app's repository, or name another with --branch")
        }
        "invalid_commit" => Some(
            "push the commit, or give more of its digits, and the branch it is on with --branch",
        ),
        "project_not_found" => Some("`longshore apps` lists the apps there are"),
        "secret_not_found" => Some("`longshore secret ls APP` lists the secrets there are"),
        "deployment_not_found" => Some("`longshore ls` lists the deployments there are"),
        "token_not_found" => Some("`longshore token ls` lists the tokens there are"),
        "insufficient_scope" => {
            Some("use a token with that scope: `longshore token create NAME --scope …`")
        }
        "deployment_not_cancellable" => Some("`longshore show` tells how it stands"),
        "missing_token" => Some(
            "put a token of `longshore token create` into LONGSHORE_TOKEN, or name its file with --token-file",
        ),
        "invalid_token" => Some(
            "it may have expired, been revoked, or be another daemon's: `longshore token ls --all` on that host tells; \
             make a new one with `longshore token create` and put it into LONGSHORE_TOKEN",
        ),
        _ => None,
    }
}

/// These say everything in their sentence.
const PLAIN: &[&str] = &["missing_field", "invalid_field", "invalid_parameter"];

/// An error the daemon answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: StatusCode,
    /// The stable word.
    pub code: String,
    /// One sentence.
    pub message: String,
    /// What belongs to it; null if there is nothing.
    pub details: serde_json::Value,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let clean = |text: &str| crate::core::log::clean(text.as_bytes());
        write!(f, "{} ({})", clean(&self.message), clean(&self.code))?;
        if self.status == StatusCode::TOO_MANY_REQUESTS
            && let Some(seconds) = self.details["retry_after"].as_u64()
        {
            write!(
                f,
                "\nnext: ask again in {seconds} s, or wait longer with --patience; `longshore explain {}` says more",
                clean(&self.code)
            )?;
        } else if let Some(next) = next_step(&self.code) {
            write!(f, "\nnext: {next}")?;
        } else if !PLAIN.contains(&self.code.as_str()) && explain::find(&self.code).is_some() {
            write!(f, "\nnext: `longshore explain {}` says more", self.code)?;
        }
        Ok(())
    }
}

impl ClientError {
    /// Whether the same question may get an answer in a moment: the daemon is restarting, or busy.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Lost { .. } | Self::Failing(_) => true,
            // Too many requests have been waited for already.
            Self::Refused(_) | Self::Foreign { .. } => false,
        }
    }

    /// Whether the daemon says that there is no such thing.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.status == StatusCode::NOT_FOUND)
    }
}

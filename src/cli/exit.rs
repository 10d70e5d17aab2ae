//! How a command ends: its exit status, and what is said when it did not get its result.

use super::client::{ClientError, Refusal};
use std::process::ExitCode;

/// The exit statuses, as `longshore deploy --help` documents them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It worked; the deployment succeeded.
    Success,
    /// It did not work; the deployment failed.
    Failed,
    /// The arguments make no sense.
    Usage,
    /// The deployment was cancelled, or a newer one took its place.
    Cancelled,
    /// The daemon cannot be reached, went away and did not come back, or cannot answer.
    Unreachable,
    /// The daemon said no.
    Refused,
    /// The user stopped watching; the deployment goes on.
    Interrupted,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Success => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Cancelled => 3,
            Exit::Unreachable => 4,
            Exit::Refused => 5,
            // 128 + SIGINT, what a shell reports for it.
            Exit::Interrupted => 130,
        })
    }
}

/// Why a command ended without its result.
#[derive(Debug, PartialEq, Eq)]
pub enum Error {
    /// Nobody reads standard output any more, which is no fault.
    PipeClosed,
    /// The daemon said no.
    Refused(Box<Refusal>),
    /// Anything else.
    Ended {
        /// The exit status.
        exit: Exit,
        /// The cause and the next step.
        message: String,
    },
}

impl Error {
    /// A fault on this side.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::Ended {
            exit: Exit::Failed,
            message: message.into(),
        }
    }

    /// Arguments that make no sense.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::Ended {
            exit: Exit::Usage,
            message: message.into(),
        }
    }

    /// The same, with a hint added.
    pub fn with(self, hint: Option<&str>) -> Self {
        let (exit, message) = match (self, hint) {
            (Self::Refused(refusal), Some(_)) => (Exit::Refused, refusal.to_string()),
            (Self::Ended { exit, message }, Some(_)) => (exit, message),
            (other, _) => return other,
        };
        let hint = hint.unwrap_or_default();
        // The better next step goes first.
        let message = match message.split_once("\nnext: ") {
            Some((said, next)) => format!("{said}\nnext: {hint} {next}"),
            None => format!("{message}\nnext: {hint}"),
        };
        Self::Ended { exit, message }
    }

    /// What was asked for does not exist.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::Ended {
            exit: Exit::Refused,
            message: message.into(),
        }
    }
}

impl From<ClientError> for Error {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Refused(refusal) => Self::Refused(Box::new(refusal)),
            ClientError::Unreachable { .. }
            | ClientError::Lost { .. }
            | ClientError::Failing { .. }
            | ClientError::Foreign { .. } => Self::Ended {
                exit: Exit::Unreachable,
                message: error.to_string(),
            },
        }
    }
}

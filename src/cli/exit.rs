//! How a command ends: its exit status, and what is said when it did not get its result.

use super::client::ClientError;
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
        let exit = match &error {
            ClientError::Refused(_) => Exit::Refused,
            ClientError::Unreachable { .. }
            | ClientError::Lost { .. }
            | ClientError::Failing { .. }
            | ClientError::Foreign { .. } => Exit::Unreachable,
        };
        Self::Ended {
            exit,
            message: error.to_string(),
        }
    }
}

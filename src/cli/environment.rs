//! The environment variables the command line listens to, read once.

use crate::core::secret::Secret;
use std::ffi::OsString;
use std::path::PathBuf;

/// Where the daemon listens unless told otherwise.
pub const DEFAULT_SOCKET: &str = "/run/longshore/api.sock";

/// What the environment says.
pub struct Environment {
    /// `LONGSHORE_SOCKET`, or the default.
    pub socket: PathBuf,
    /// `LONGSHORE_TOKEN`.
    pub token: Option<Secret>,
    /// Whether colours are not wanted (`NO_COLOR`, see no-color.org).
    pub no_color: bool,
    /// Whether the terminal cannot move its cursor (`TERM=dumb`).
    pub dumb: bool,
}

impl Environment {
    /// Reads it.
    pub fn read() -> Self {
        Self {
            socket: variable("LONGSHORE_SOCKET")
                .unwrap_or_else(|| DEFAULT_SOCKET.into())
                .into(),
            token: variable("LONGSHORE_TOKEN")
                .map(|token| Secret::new(token.to_string_lossy().trim().to_owned())),
            no_color: variable("NO_COLOR").is_some(),
            dumb: variable("TERM").is_some_and(|term| term == "dumb"),
        }
    }
}

/// An empty variable counts as an absent one.
#[expect(
    clippy::disallowed_methods,
    reason = "the command line is where the environment is read"
)]
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

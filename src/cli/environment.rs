//! The environment variables the command line listens to, read once.

use crate::core::secret::Secret;
use std::ffi::OsString;
use std::path::PathBuf;

/// Where the daemon listens unless told otherwise.
pub const DEFAULT_SOCKET: &str = "/run/longshore/api.sock";

/// What the environment says.
pub struct Environment {
    /// `LONGSHORE_SOCKET`.
    pub socket: Option<PathBuf>,
    /// `LONGSHORE_URL`.
    pub url: Option<String>,
    /// `LONGSHORE_TOKEN`.
    pub token: Option<Secret>,
    /// `LONGSHORE_TOKEN_FILE`.
    pub token_file: Option<PathBuf>,
    /// `LONGSHORE_CA`.
    pub ca: Option<PathBuf>,
    /// What it says of colours.
    pub colors: Colors,
    /// Whether the terminal cannot move its cursor (`TERM=dumb`).
    pub dumb: bool,
}

/// What the environment says of colours.
#[derive(Clone, Copy, Debug, Default)]
pub struct Colors {
    /// `NO_COLOR`: never (see no-color.org).
    pub never: bool,
    /// `CLICOLOR_FORCE`: also where nobody looks.
    pub always: bool,
    /// `CLICOLOR=0`: not even at a terminal.
    pub off: bool,
}

impl Environment {
    /// Reads it.
    pub fn read() -> Self {
        let is = |name: &str, value: &str| variable(name).is_some_and(|found| found == value);
        Self {
            socket: variable("LONGSHORE_SOCKET").map(PathBuf::from),
            url: variable("LONGSHORE_URL").map(|url| url.to_string_lossy().into_owned()),
            token: variable("LONGSHORE_TOKEN")
                .map(|token| Secret::new(token.to_string_lossy().trim().to_owned())),
            token_file: variable("LONGSHORE_TOKEN_FILE").map(PathBuf::from),
            ca: variable("LONGSHORE_CA").map(PathBuf::from),
            colors: Colors {
                never: variable("NO_COLOR").is_some(),
                always: variable("CLICOLOR_FORCE").is_some_and(|value| value != "0"),
                off: is("CLICOLOR", "0"),
            },
            dumb: is("TERM", "dumb"),
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

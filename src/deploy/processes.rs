//! The processes of an environment, as they are now.

use super::Agent;
use crate::core::access::Caller;
use crate::core::action::{AppRef, Reply};
use crate::core::error::Error;
use crate::core::name::EnvironmentName;

impl Agent {
    /// What the live release runs, and how each of it stands; without one, what the configuration would run.
    pub(super) async fn list_processes(
        &self,
        _caller: &Caller,
        _app: &AppRef,
        _environment: Option<&EnvironmentName>,
    ) -> Result<Reply, Error> {
        Err(Error::Unsupported("the list of processes".into()))
    }
}

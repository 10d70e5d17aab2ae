//! Deployment hooks: made, shown, renewed, taken away, and called.

use super::Agent;
use crate::core::access::Caller;
use crate::core::action::Reply;
use crate::core::error::Error;
use crate::core::hook::HookRequest;

impl Agent {
    /// Looks at or changes an environment's hook.
    pub(super) fn hook(&self, _caller: &Caller, _request: &HookRequest) -> Result<Reply, Error> {
        Err(Error::Unsupported("a deployment hook".into()))
    }
}

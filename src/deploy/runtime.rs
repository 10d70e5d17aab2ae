//! What running containers print: it is read as it comes and kept beyond their lives.

use super::Agent;
use crate::core::access::Caller;
use crate::core::action::Reply;
use crate::core::error::Error;
use crate::core::runtime::ReadRuntimeLog;

impl Agent {
    /// Lines of an environment's runtime log.
    pub(super) async fn read_runtime_log(
        &self,
        _caller: &Caller,
        _read: ReadRuntimeLog,
    ) -> Result<Reply, Error> {
        Err(Error::Unsupported("the runtime log".into()))
    }
}

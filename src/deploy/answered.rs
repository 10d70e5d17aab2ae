//! Requests that were asked before with the same key: they get the first answer again.

use super::Agent;
use super::dispatch::internal;
use crate::core::access::Caller;
use crate::core::action::{Reply, RequestKey};
use crate::core::error::Error;
use crate::store::Answered;

/// What a request asks to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Deployment,
    Changes,
    Token,
    Run,
}

impl Agent {
    /// The answer to a request that was asked before with the same key. It comes before everything that is looked up:
    /// by now the branch may be gone, the environment removed, nothing left to go back to.
    pub(super) fn answered(
        &self,
        caller: &Caller,
        key: Option<&RequestKey>,
        kind: Kind,
    ) -> Result<Option<Reply>, Error> {
        let Some(key) = key else { return Ok(None) };
        let now = self.ports.clock.now();
        let known = self.store.answered(caller.principal.serial, key, now);
        let Some(known) = known.map_err(internal)? else {
            return Ok(None);
        };
        match known {
            Answered::Deployment(serial) if kind == Kind::Deployment => {
                let view = self.store.view(serial).map_err(internal)?;
                Ok(Some(Reply::Deployment(Box::new(view))))
            }
            Answered::Changes(serials) if kind == Kind::Changes => {
                Ok(Some(self.change_views(serials)?))
            }
            Answered::Token(serial, secret) if kind == Kind::Token => {
                let found = self.store.token(serial).map_err(internal)?;
                let token =
                    found.ok_or_else(|| Error::Internal(format!("token {serial} has no row")))?;
                Ok(Some(Reply::Token(Box::new(token), secret)))
            }
            Answered::Run(serial) if kind == Kind::Run => {
                let view = self.store.run_view(serial).map_err(internal)?;
                Ok(Some(Reply::Run(Box::new(view))))
            }
            Answered::Deployment(_)
            | Answered::Changes(_)
            | Answered::Run(_)
            | Answered::Token(..)
            | Answered::Another => Err(Error::KeyReused),
        }
    }
}

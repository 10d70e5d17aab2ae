//! Environments by themselves, for readers to whom an environment is what is deployed, and who such a reader is.

use super::Agent;
use crate::core::access::Caller;
use crate::core::action::{Introduced, Reply};
use crate::core::error::Error;
use uuid::Uuid;

impl Agent {
    /// One environment that the caller can see.
    pub(super) fn show_environment(&self, _caller: &Caller, _id: Uuid) -> Result<Reply, Error> {
        Err(Error::Unsupported("an environment by its id".into()))
    }

    /// A page of those the caller can see, newest first.
    pub(super) fn list_environments(
        &self,
        _caller: &Caller,
        _limit: u32,
        _offset: u64,
    ) -> Result<Reply, Error> {
        Err(Error::Unsupported("a list of environments".into()))
    }

    /// Who the caller is.
    pub(super) fn introduce(&self, caller: &Caller) -> Reply {
        Reply::Introduced(Introduced {
            principal: caller.principal.clone(),
            scope: caller.scope,
            expires_at: caller.expires_at,
            instance: self.store.instance(),
        })
    }
}

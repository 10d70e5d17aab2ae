//! Who is asking: the bearer of a token, or a user of this host.

use super::Agent;
use super::dispatch::internal;
use crate::core::access::{Caller, Reach, Scope};
use crate::core::error::Error;
use crate::core::secret::Secret;

impl Agent {
    /// The caller a token makes; `None` if it is none of ours, or no longer holds.
    ///
    /// # Errors
    /// If the store fails.
    pub fn token_caller(&self, token: &Secret) -> Result<Option<Caller>, Error> {
        self.store
            .token_caller(token, self.ports.clock.now())
            .map_err(internal)
    }

    /// A user who may open the unix socket may do everything.
    ///
    /// # Errors
    /// If the store fails.
    pub fn local_caller(&self, user: &str) -> Result<Caller, Error> {
        let principal = self
            .store
            .local_principal(user, self.ports.clock.now())
            .map_err(internal)?;
        Ok(Caller {
            principal,
            scope: Scope::Admin,
            reach: Reach::All,
        })
    }
}

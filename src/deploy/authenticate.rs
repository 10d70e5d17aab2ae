//! Who is asking, the bearer of a token or a user of this host, and whether they ask too often. Both are settled
//! before anything is done for them.

use super::Agent;
use super::dispatch::internal;
use crate::core::access::{Caller, Origin, Reach, Scope, TurnedAway};
use crate::core::error::Error;
use crate::core::rate::{Allowance, RatePlan};
use crate::core::secret::Secret;
use crate::store::Token;

impl Agent {
    /// Takes a request in: counts it, and says whose it is. What comes without a good token is counted by where it
    /// comes from.
    pub fn let_in(
        &self,
        origin: &Origin,
        token: Option<&Secret>,
    ) -> (Allowance, Result<Caller, TurnedAway>) {
        let caller = self.caller(origin, token);
        let (allowance, exceeded) = match (&caller, origin) {
            (Ok(caller), _) => self.limits.take(caller.principal.serial, caller.plan),
            (Err(_), Origin::Remote(address)) => self.limits.take_of_stranger(*address),
            (Err(_), Origin::Local(_)) => (self.limits.unlimited(), None),
        };
        match exceeded {
            Some(exceeded) => (allowance, Err(TurnedAway::TooMany(exceeded))),
            None => (allowance, caller),
        }
    }

    /// Takes in a request for which nothing is counted. One with a token that does not hold is counted all the same: it
    /// may be a guess.
    pub fn let_look(
        &self,
        origin: &Origin,
        token: Option<&Secret>,
    ) -> (Allowance, Result<Caller, TurnedAway>) {
        let caller = self.caller(origin, token);
        match caller {
            Ok(caller) => (self.allowance(origin, Some(&caller)), Ok(caller)),
            Err(TurnedAway::NoToken) => (self.allowance(origin, None), Err(TurnedAway::NoToken)),
            Err(_) => self.let_in(origin, token),
        }
    }

    /// Whose request it is.
    fn caller(&self, origin: &Origin, token: Option<&Secret>) -> Result<Caller, TurnedAway> {
        match (origin, token) {
            (_, Some(token)) => self.token_caller(token),
            (Origin::Local(user), None) => self.local_caller(user).map_err(TurnedAway::Failed),
            (Origin::Remote(_), None) => Err(TurnedAway::NoToken),
        }
    }

    /// What somebody may still ask.
    fn allowance(&self, origin: &Origin, caller: Option<&Caller>) -> Allowance {
        match (caller, origin) {
            (Some(caller), _) => self.limits.look(caller.principal.serial, caller.plan),
            (None, Origin::Remote(address)) => self.limits.look_of_stranger(*address),
            (None, Origin::Local(_)) => self.limits.unlimited(),
        }
    }

    /// Takes back that a request was counted, and says what its caller, or who comes from there, may still ask.
    pub fn uncount(&self, origin: &Origin, caller: Option<&Caller>) -> Allowance {
        match (caller, origin) {
            (Some(caller), _) => self.limits.put_back(caller.principal.serial, caller.plan),
            (None, Origin::Remote(address)) => self.limits.put_back_of_stranger(*address),
            (None, Origin::Local(_)) => self.limits.unlimited(),
        }
    }

    /// The caller a token makes; counts nothing.
    ///
    /// # Errors
    /// If it does not hold.
    pub fn token_caller(&self, token: &Secret) -> Result<Caller, TurnedAway> {
        match self.store.token_caller(token, self.ports.clock.now()) {
            Ok(Token::Holds(caller)) => Ok(caller),
            Ok(Token::Expired) => Err(TurnedAway::ExpiredToken),
            Ok(Token::Revoked) => Err(TurnedAway::RevokedToken),
            Ok(Token::Unknown) => Err(TurnedAway::UnknownToken),
            Err(error) => Err(TurnedAway::Failed(internal(error))),
        }
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
            plan: RatePlan::Enterprise,
            expires_at: None,
        })
    }
}

//! Tokens: made, listed and revoked within what the caller can see, and never for more than the caller may.

use super::Agent;
use super::answered::Kind;
use super::dispatch::internal;
use crate::core::access::{Caller, Reach, Scope};
use crate::core::action::{CreateToken, Reply};
use crate::core::error::Error;
use crate::core::rate::RatePlan;
use crate::core::time::Timestamp;
use crate::store::{NewToken, TokenMade};
use uuid::Uuid;

/// The longest name of a token.
const MAX_TOKEN_NAME: usize = 100;

impl Agent {
    pub(super) fn create_token(
        &self,
        caller: &Caller,
        create: CreateToken,
    ) -> Result<Reply, Error> {
        if let Some(reply) = self.answered(caller, create.key.as_ref(), Kind::Token)? {
            return Ok(reply);
        }
        let now = self.ports.clock.now();
        // What it is for comes before how it is written: where nothing can be seen, nothing else is said.
        let reach = self.reach_of_token(caller, &create)?;
        let new = NewToken {
            name: name(&create.name)?.to_owned(),
            scope: within_scope(caller, create.scope)?,
            reach,
            plan: plan(caller, create.plan)?,
            expires_at: expiry(caller, create.expires_at, now)?,
            by: caller.principal.serial,
            key: create.key,
        };
        match self.store.create_token(&new, now).map_err(internal)? {
            TokenMade::Made(token, secret) => Ok(Reply::Token(token, secret)),
            TokenMade::KeyReused => Err(Error::KeyReused),
        }
    }

    pub(super) fn list_tokens(&self, caller: &Caller, all: bool) -> Result<Reply, Error> {
        let now = self.ports.clock.now();
        let tokens = self.store.tokens(caller.reach, all, now);
        Ok(Reply::Tokens(tokens.map_err(internal)?))
    }

    pub(super) fn revoke_token(&self, caller: &Caller, id: Uuid) -> Result<Reply, Error> {
        let (by, now) = (caller.principal.serial, self.ports.clock.now());
        let revoked = self.store.revoke_token(id, caller.reach, by, now);
        match revoked.map_err(internal)? {
            true => Ok(Reply::Gone),
            false => Err(Error::TokenNotFound),
        }
    }

    fn reach_of_token(&self, caller: &Caller, create: &CreateToken) -> Result<Reach, Error> {
        match (&create.app, &create.environment) {
            (None, None) if caller.reach == Reach::All => Ok(Reach::All),
            (None, None) => Err(Error::Forbidden(Scope::Admin)),
            (None, Some(_)) => Err(Error::Invalid {
                field: "environment",
                message: "needs an app".into(),
            }),
            (Some(app), Some(_)) => {
                let place = self.place(caller, app, create.environment.as_ref())?;
                Ok(Reach::Environment(place.app, place.environment))
            }
            (Some(app), None) => match caller.reach {
                Reach::Environment(..) => Err(Error::Forbidden(Scope::Admin)),
                Reach::All | Reach::App(_) => Ok(Reach::App(self.visible_app(caller, app)?)),
            },
        }
    }
}

fn name(text: &str) -> Result<&str, Error> {
    let name = text.trim();
    if name.is_empty() || name.len() > MAX_TOKEN_NAME || name.chars().any(char::is_control) {
        return Err(Error::Invalid {
            field: "name",
            message: format!("must be 1 to {MAX_TOKEN_NAME} printable characters"),
        });
    }
    Ok(name)
}

fn within_scope(caller: &Caller, asked: Scope) -> Result<Scope, Error> {
    if asked > caller.scope {
        return Err(Error::Forbidden(asked));
    }
    Ok(asked)
}

fn plan(caller: &Caller, asked: Option<RatePlan>) -> Result<RatePlan, Error> {
    match asked {
        None if caller.plan.covers(RatePlan::Pro) => Ok(RatePlan::Pro),
        None => Ok(caller.plan),
        Some(asked) if caller.plan.covers(asked) => Ok(asked),
        Some(_) => Err(Error::Invalid {
            field: "plan",
            message: "would allow more requests than the token that makes it has".into(),
        }),
    }
}

fn expiry(
    caller: &Caller,
    asked: Option<Timestamp>,
    now: Timestamp,
) -> Result<Option<Timestamp>, Error> {
    let Some(asked) = asked else {
        return Ok(caller.expires_at);
    };
    let refuse = |message: &str| Error::Invalid {
        field: "expires_at",
        message: message.into(),
    };
    if asked <= now {
        return Err(refuse("must lie in the future"));
    }
    if caller.expires_at.is_some_and(|own| asked > own) {
        return Err(refuse("must not lie after that of the token that makes it"));
    }
    Ok(Some(asked))
}

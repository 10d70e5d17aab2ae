//! Keys of requests: who sends a request again with its key gets the first answer again, for as long as the key holds.
//! A key is written in the transaction that carries its request out, so of two at once the second finds the first's.

use super::rows::{from_json, inconsistent, json};
use super::{Store, StoreError};
use crate::core::action::RequestKey;
use crate::core::id::{DeploymentSerial, OperationSerial, PrincipalSerial, RunSerial};
use crate::core::secret::Secret;
use crate::core::time::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};

/// How long a request's key is remembered (git.dev's contract: 24 hours).
const KEY_LIFE_MS: i64 = 24 * 60 * 60 * 1000;

/// How many keys that no longer hold a request forgets: it takes no time worth speaking of, and is more than it adds.
const FORGOTTEN_AT_ONCE: i64 = 100;

/// What a key's first request made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answered {
    /// A deployment.
    Deployment(DeploymentSerial),
    /// Changes of environments.
    Changes(Vec<OperationSerial>),
    /// A token.
    Token(PrincipalSerial, Secret),
    /// A run.
    Run(RunSerial),
    /// It was another request.
    Another,
}

impl Store {
    /// What a request's key made when it was used before; `None` if it was not.
    ///
    /// # Errors
    /// If the database fails.
    pub fn answered(
        &self,
        by: PrincipalSerial,
        key: &RequestKey,
        now: Timestamp,
    ) -> Result<Option<Answered>, StoreError> {
        self.read(|tx| self.answered_in(tx, by, Some(key), now))
    }

    pub(super) fn answered_in(
        &self,
        tx: &Connection,
        by: PrincipalSerial,
        key: Option<&RequestKey>,
        now: Timestamp,
    ) -> Result<Option<Answered>, StoreError> {
        let Some(key) = key else { return Ok(None) };
        tx.prepare_cached(
            "SELECT digest, deployment, operations, token, secret, run FROM idempotency
             WHERE principal = ?1 AND key = ?2 AND created_at > ?3",
        )?
        .query_row(params![by.0, key.key, now.0 - KEY_LIFE_MS], |row| {
            Ok(self.answer(row, by, key))
        })
        .optional()?
        .transpose()
    }

    fn answer(
        &self,
        row: &Row<'_>,
        by: PrincipalSerial,
        key: &RequestKey,
    ) -> Result<Answered, StoreError> {
        if row.get::<_, Vec<u8>>(0)? != key.digest {
            return Ok(Answered::Another);
        }
        let deployment: Option<i64> = row.get(1)?;
        let operations: Option<String> = row.get(2)?;
        let token: Option<i64> = row.get(3)?;
        let secret: Option<Vec<u8>> = row.get(4)?;
        let run: Option<i64> = row.get(5)?;
        match (deployment, operations, token, secret) {
            (None, None, None, None) if let Some(run) = run => Ok(Answered::Run(RunSerial(run))),
            (Some(deployment), None, None, None) => {
                Ok(Answered::Deployment(DeploymentSerial(deployment)))
            }
            (None, Some(operations), None, None) => Ok(Answered::Changes(from_json(
                "idempotency",
                by.0,
                &operations,
            )?)),
            (None, None, Some(token), Some(sealed)) => {
                let token = PrincipalSerial(token);
                let opened = self.seal.open_value(&sealed_for(token), &sealed)?;
                let secret = String::from_utf8(opened).map_err(|_| unfit(by))?;
                Ok(Answered::Token(token, Secret::new(secret)))
            }
            _ => Err(unfit(by)),
        }
    }

    /// Remembers what a request made, and forgets some keys that no longer hold.
    pub(super) fn remember(
        &self,
        tx: &Transaction<'_>,
        by: PrincipalSerial,
        key: Option<&RequestKey>,
        made: &Answered,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let Some(key) = key else { return Ok(()) };
        let (deployment, operations, token, secret) = match made {
            Answered::Deployment(deployment) => (Some(deployment.0), None, None, None),
            Answered::Changes(operations) => {
                (None, Some(json("idempotency", operations)?), None, None)
            }
            Answered::Run(_) => (None, None, None, None),
            Answered::Token(token, secret) => {
                let place = sealed_for(*token);
                let sealed = self.seal.seal(&place, secret.expose().as_bytes())?;
                (None, None, Some(token.0), Some(sealed))
            }
            Answered::Another => return Err(unfit(by)),
        };
        let run = match made {
            Answered::Run(run) => Some(run.0),
            Answered::Deployment(_)
            | Answered::Changes(_)
            | Answered::Token(..)
            | Answered::Another => None,
        };
        forget(tx, now, FORGOTTEN_AT_ONCE)?;
        // One that no longer holds may still be there: all of it goes.
        tx.execute(
            "INSERT OR REPLACE INTO idempotency (principal, key, digest, deployment, operations, token, secret, created_at, run)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            params![by.0, key.key, key.digest, deployment, operations, token, secret, now.0, run],
        )?;
        Ok(())
    }

    /// Forgets every key that no longer holds, and with it the secrets of tokens.
    ///
    /// # Errors
    /// If the database fails.
    pub fn forget_keys(&self, now: Timestamp) -> Result<(), StoreError> {
        let old = self.read(|tx| {
            let found = tx.query_row(
                "SELECT EXISTS (SELECT 1 FROM idempotency WHERE created_at <= ?1)",
                [now.0 - KEY_LIFE_MS],
                |row| row.get(0),
            );
            Ok(found?)
        })?;
        match old {
            true => self.write("forget_keys", |tx| forget(tx, now, i64::MAX)),
            false => Ok(()),
        }
    }
}

fn forget(tx: &Transaction<'_>, now: Timestamp, at_most: i64) -> Result<(), StoreError> {
    tx.prepare_cached(
        "DELETE FROM idempotency WHERE (principal, key) IN
         (SELECT principal, key FROM idempotency WHERE created_at <= ?1 ORDER BY created_at LIMIT ?2)",
    )?
    .execute(params![now.0 - KEY_LIFE_MS, at_most])?;
    Ok(())
}

/// A token's secret opens only as that token's.
fn sealed_for(token: PrincipalSerial) -> String {
    format!("token {token}")
}

fn unfit(by: PrincipalSerial) -> StoreError {
    inconsistent("idempotency", by, "its columns do not fit")
}

//! Deployment hooks: the secret part of each address, sealed to be shown again and as a digest to be found by.

use super::rows::{PRINCIPAL, inconsistent, principal, uuid};
use super::tokens::token_digest;
use super::{Place, Store, StoreError};
use crate::core::access::{Caller, Reach, Scope};
use crate::core::hook::RATE;
use crate::core::id::{AppSerial, EnvironmentSerial, PrincipalSerial};
use crate::core::secret::Secret;
use crate::core::time::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};
use uuid::Uuid;

/// A hook as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptHook {
    /// The secret part of its address.
    pub secret: Secret,
    /// When that was made.
    pub since: Timestamp,
}

/// What becomes of a hook that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfThere {
    /// It stays as it is.
    Keep,
    /// It gets another secret.
    Renew,
}

/// Who calls a hook, and for which app.
#[derive(Clone, Debug)]
pub struct HookCaller {
    /// May deploy to that environment and do nothing else.
    pub caller: Caller,
    /// The app's id.
    pub app: Uuid,
}

impl Store {
    /// An environment's hook; `None` if it has none.
    ///
    /// # Errors
    /// If the database fails, or the secret cannot be opened.
    pub fn hook(&self, environment: EnvironmentSerial) -> Result<Option<KeptHook>, StoreError> {
        self.read(|tx| self.hook_in(tx, environment))
    }

    /// Sees to it that an environment has a hook; says whether it was made now.
    ///
    /// # Errors
    /// [`StoreError::Moved`] if the environment was removed meanwhile.
    pub fn set_hook(
        &self,
        place: &Place,
        if_there: IfThere,
        by: PrincipalSerial,
        now: Timestamp,
    ) -> Result<(KeptHook, bool), StoreError> {
        let secret = Secret::new(self.random_characters());
        let id = self.random_uuid();
        let environment = place.environment;
        self.write_sparing("set_hook", |tx| {
            let is_there = tx
                .prepare_cached("SELECT 1 FROM environment WHERE serial = ?1 AND removed_at IS NULL")?
                .exists([environment.0])?;
            if !is_there {
                return Err(StoreError::Moved("the environment was removed".into()));
            }
            let known = self.hook_in(tx, environment)?;
            if let (Some(known), IfThere::Keep) = (&known, if_there) {
                return Ok((known.clone(), false));
            }
            let sealed = self
                .seal
                .seal(&sealed_place(environment), secret.expose().as_bytes())?;
            let digest = token_digest(&secret);
            match known {
                // Whoever called it before stays the one its deployments are by.
                Some(_) => tx.execute(
                    "UPDATE hook SET digest = ?2, secret = ?3, set_by = ?4, set_at = ?5 WHERE environment = ?1",
                    params![environment.0, digest, sealed, by.0, now.0],
                )?,
                None => {
                    tx.execute(
                        "INSERT INTO principal (uuid, kind, name, created_at) VALUES (?1, 'webhook', 'deployment hook', ?2)",
                        params![id.to_string(), now.0],
                    )?;
                    tx.execute(
                        "INSERT INTO hook (environment, principal, digest, secret, set_by, set_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                        params![environment.0, tx.last_insert_rowid(), digest, sealed, by.0, now.0],
                    )?
                }
            };
            let made = KeptHook { secret: secret.clone(), since: now };
            Ok((made, known.is_none()))
        })
    }

    /// Takes a hook away; fine if there is none.
    ///
    /// # Errors
    /// If the database fails.
    pub fn remove_hook(&self, environment: EnvironmentSerial) -> Result<(), StoreError> {
        self.write("remove_hook", |tx| {
            tx.execute("DELETE FROM hook WHERE environment = ?1", [environment.0])?;
            Ok(())
        })
    }

    /// Who calls an environment's hook with this secret; `None` if it leads nowhere. Found by its digest, so that no
    /// comparison's time tells how much of a guess was right.
    ///
    /// # Errors
    /// If the database fails.
    pub fn hook_caller(
        &self,
        environment: Uuid,
        secret: &Secret,
    ) -> Result<Option<HookCaller>, StoreError> {
        self.read(|tx| {
            let sql = format!(
                "SELECT {PRINCIPAL}, e.serial, a.serial, a.uuid FROM hook h JOIN principal p ON p.serial = h.principal
                 JOIN environment e ON e.serial = h.environment JOIN app a ON a.serial = e.app
                 WHERE e.uuid = ?1 AND h.digest = ?2 AND e.removed_at IS NULL"
            );
            let mut statement = tx.prepare_cached(&sql)?;
            let mut rows = statement.query(params![environment.to_string(), token_digest(secret)])?;
            let Some(row) = rows.next()? else {
                return Ok(None);
            };
            let (environment, app) = (EnvironmentSerial(row.get(3)?), AppSerial(row.get(4)?));
            Ok(Some(HookCaller {
                caller: Caller {
                    principal: principal(row, 0)?,
                    scope: Scope::Write,
                    reach: Reach::Environment(app, environment),
                    plan: RATE,
                    expires_at: None,
                },
                app: uuid("app", app.0, &row.get::<_, String>(5)?)?,
            }))
        })
    }

    fn hook_in(
        &self,
        tx: &Connection,
        environment: EnvironmentSerial,
    ) -> Result<Option<KeptHook>, StoreError> {
        let found: Option<(Vec<u8>, i64)> = tx
            .prepare_cached("SELECT secret, set_at FROM hook WHERE environment = ?1")?
            .query_row([environment.0], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((sealed, since)) = found else {
            return Ok(None);
        };
        let opened = self.seal.open_value(&sealed_place(environment), &sealed)?;
        let secret = String::from_utf8(opened)
            .map_err(|_| inconsistent("hook", environment, "its secret is no text"))?;
        Ok(Some(KeptHook {
            secret: Secret::new(secret),
            since: Timestamp(since),
        }))
    }
}

fn sealed_place(environment: EnvironmentSerial) -> String {
    format!("hook of environment {environment}")
}

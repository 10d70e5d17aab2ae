//! Secrets that are kept here, for an environment: sealed, each for its environment and name, so that a value opens
//! nowhere else.

use super::rows::{PRINCIPAL, inconsistent, principal};
use super::{Place, Store, StoreError};
use crate::core::action::LastSet;
use crate::core::id::{EnvironmentSerial, PrincipalSerial};
use crate::core::name::VariableName;
use crate::core::secret::Secret;
use crate::core::time::Timestamp;
use rusqlite::{OptionalExtension as _, params};
use std::collections::BTreeMap;

impl Store {
    /// Keeps a secret of an environment, in place of an earlier value.
    ///
    /// # Errors
    /// If the database fails.
    pub fn set_secret(
        &self,
        place: &Place,
        name: &VariableName,
        value: &Secret,
        by: PrincipalSerial,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let sealed = self.seal.seal(
            &sealed_for(&place.environment_id.to_string(), name),
            value.expose().as_bytes(),
        )?;
        self.write_sparing("set_secret", |tx| {
            tx.execute(
                "INSERT INTO secret (environment, name, value, principal, set_at) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (environment, name) DO UPDATE
                 SET value = excluded.value, principal = excluded.principal, set_at = excluded.set_at",
                params![place.environment.0, name.as_str(), sealed, by.0, now.0],
            )?;
            Ok(())
        })
    }

    /// Forgets a secret of an environment; false if there is none of that name.
    ///
    /// # Errors
    /// If the database fails.
    pub fn remove_secret(
        &self,
        environment: EnvironmentSerial,
        name: &VariableName,
    ) -> Result<bool, StoreError> {
        self.write("remove_secret", |tx| {
            let removed = tx.execute(
                "DELETE FROM secret WHERE environment = ?1 AND name = ?2",
                params![environment.0, name.as_str()],
            )?;
            Ok(removed == 1)
        })
    }

    /// Which secrets of an environment were set, by whom and when.
    ///
    /// # Errors
    /// If the database fails.
    pub fn kept_secrets(
        &self,
        environment: EnvironmentSerial,
    ) -> Result<BTreeMap<VariableName, LastSet>, StoreError> {
        self.read(|tx| {
            let sql = format!(
                "SELECT s.name, s.set_at, {PRINCIPAL} FROM secret s JOIN principal p ON p.serial = s.principal
                 WHERE s.environment = ?1"
            );
            let mut statement = tx.prepare_cached(&sql)?;
            let mut rows = statement.query([environment.0])?;
            let mut kept = BTreeMap::new();
            while let Some(row) = rows.next()? {
                let name: String = row.get(0)?;
                let name = VariableName::parse(&name)
                    .map_err(|error| inconsistent("secret", environment, error.0))?;
                let at = Timestamp(row.get(1)?);
                let by = principal(row, 2)?;
                kept.insert(name, LastSet { by, at });
            }
            Ok(kept)
        })
    }

    /// The value of a secret of an environment; of a preview, where it has none of its own, that of the app's default
    /// environment. `None` if it was not set.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub(super) fn kept_secret(
        &self,
        place: &Place,
        name: &VariableName,
    ) -> Result<Option<Secret>, StoreError> {
        let sealed: Option<(Vec<u8>, String)> = self.read(|tx| {
            Ok(tx
                .prepare_cached(
                    "SELECT s.value, o.uuid FROM secret s JOIN environment o ON o.serial = s.environment
                     WHERE s.name = ?2 AND (o.serial = ?1 OR o.serial = (
                         SELECT secrets_from FROM environment WHERE serial = ?1 AND preview))
                     ORDER BY o.serial = ?1 DESC LIMIT 1",
                )?
                .query_row(params![place.environment.0, name.as_str()], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })
                .optional()?)
        })?;
        let Some((sealed, owner)) = sealed else {
            return Ok(None);
        };
        let opened = self.seal.open_value(&sealed_for(&owner, name), &sealed)?;
        match String::from_utf8(opened) {
            Ok(value) => Ok(Some(Secret::new(value))),
            Err(_) => Err(inconsistent(
                "secret",
                name,
                "its value is not what was sealed",
            )),
        }
    }
}

fn sealed_for(environment_id: &str, name: &VariableName) -> String {
    format!("secret {environment_id} {name}")
}

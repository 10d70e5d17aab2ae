//! Who asks.

use super::rows::{PRINCIPAL, inconsistent, principal};
use super::{Store, StoreError};
use crate::core::access::Principal;
use crate::core::id::PrincipalSerial;
use crate::core::time::Timestamp;
use rusqlite::{OptionalExtension as _, Transaction, params};

impl Store {
    /// The principal of somebody on the unix socket; made at the first request.
    ///
    /// # Errors
    /// If the database fails.
    pub fn local_principal(&self, name: &str, now: Timestamp) -> Result<Principal, StoreError> {
        let sql =
            format!("SELECT {PRINCIPAL} FROM principal p WHERE p.kind = 'local' AND p.name = ?1");
        let known = self.read(|tx| {
            let mut statement = tx.prepare_cached(&sql)?;
            let mut rows = statement.query([name])?;
            rows.next()?.map(|row| principal(row, 0)).transpose()
        })?;
        match known {
            Some(known) => Ok(known),
            None => self.write("local_principal", |tx| {
                tx.execute(
                    "INSERT INTO principal (uuid, kind, name, created_at) VALUES (?1, 'local', ?2, ?3) ON CONFLICT DO NOTHING",
                    params![self.random_uuid().to_string(), name, now.0],
                )?;
                let mut statement = tx.prepare_cached(&sql)?;
                let mut rows = statement.query([name])?;
                match rows.next()? {
                    Some(row) => principal(row, 0),
                    None => Err(inconsistent("principal", name, "vanished")),
                }
            }),
        }
    }

    /// Who asks for what nobody asks for: what is due by itself.
    pub(super) fn schedule(
        &self,
        tx: &Transaction<'_>,
        now: Timestamp,
    ) -> Result<PrincipalSerial, StoreError> {
        tx.execute(
            "INSERT INTO principal (uuid, kind, name, created_at) VALUES (?1, 'schedule', 'schedule', ?2) ON CONFLICT DO NOTHING",
            params![self.random_uuid().to_string(), now.0],
        )?;
        let serial = tx
            .prepare_cached("SELECT serial FROM principal WHERE kind = 'schedule'")?
            .query_row([], |row| row.get(0))?;
        Ok(PrincipalSerial(serial))
    }

    /// The same for those who ask from outside of a transaction.
    ///
    /// # Errors
    /// If the database fails.
    pub fn schedule_principal(&self, now: Timestamp) -> Result<PrincipalSerial, StoreError> {
        let known = self.read(|tx| {
            let mut statement =
                tx.prepare_cached("SELECT serial FROM principal WHERE kind = 'schedule'")?;
            Ok(statement.query_row([], |row| row.get(0)).optional()?)
        })?;
        match known {
            Some(serial) => Ok(PrincipalSerial(serial)),
            None => self.write("schedule_principal", |tx| self.schedule(tx, now)),
        }
    }

    /// A principal.
    ///
    /// # Errors
    /// If there is none of that serial.
    pub fn principal(&self, serial: PrincipalSerial) -> Result<Principal, StoreError> {
        self.read(|tx| {
            let sql = format!("SELECT {PRINCIPAL} FROM principal p WHERE p.serial = ?1");
            let found = tx
                .prepare_cached(&sql)?
                .query_row([serial.0], |row| Ok(principal(row, 0)))
                .optional()?;
            found.unwrap_or_else(|| Err(inconsistent("principal", serial, "is missing")))
        })
    }
}

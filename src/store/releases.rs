//! Releases as rows: made at a commit, found again for a rollback.

use super::rows::{RELEASE, inconsistent, json, release};
use super::{Store, StoreError};
use crate::core::deployment::Deployment;
use crate::core::id::{EnvironmentSerial, ReleaseSerial};
use crate::core::release::{Release, ReleaseContent};
use crate::core::time::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

/// Why there is nothing to roll back to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoTarget {
    /// Nothing was ever live.
    #[error(
        "nothing was ever live in this environment: there is nothing to go back to; deploy first"
    )]
    NeverLive,
    /// There is none below the live one that no rollback has left and whose image is kept.
    #[error(
        "there is no earlier release to go back to: release {live} is live, and no rollback target is below it; name a release by its number, or deploy the commit you want"
    )]
    NoEarlier {
        /// The live one's number.
        live: i64,
    },
    /// No release has that number.
    #[error("must be the number of a release of this environment; it has {known}")]
    Unknown {
        /// The numbers there are.
        known: String,
    },
    /// Its image was given up.
    #[error("names a release whose image was given up; deploy its commit again")]
    Collected,
}

impl Store {
    /// A release.
    ///
    /// # Errors
    /// If there is none of that serial.
    pub fn release(&self, serial: ReleaseSerial) -> Result<Release, StoreError> {
        self.read(|tx| release_in(tx, serial))
    }

    /// The release a rollback goes to: the one of that number, else the highest below the live one that no rollback
    /// has left.
    ///
    /// # Errors
    /// If the database fails.
    pub fn rollback_target(
        &self,
        environment: EnvironmentSerial,
        number: Option<i64>,
    ) -> Result<Result<ReleaseSerial, NoTarget>, StoreError> {
        self.read(|tx| {
            let live: Option<i64> = tx.query_row(
                "SELECT r.number FROM environment e LEFT JOIN release r ON r.serial = e.live_release WHERE e.serial = ?1",
                [environment.0],
                |row| row.get(0),
            )?;
            let Some(live) = live else {
                return Ok(Err(NoTarget::NeverLive));
            };
            match number {
                None => {
                    let found: Option<i64> = tx
                        .prepare_cached(
                            "SELECT serial FROM release WHERE environment = ?1 AND number < ?2 AND left_by IS NULL
                             AND collected_at IS NULL ORDER BY number DESC LIMIT 1",
                        )?
                        .query_row(params![environment.0, live], |row| row.get(0))
                        .optional()?;
                    Ok(found.map(ReleaseSerial).ok_or(NoTarget::NoEarlier { live }))
                }
                Some(number) => {
                    let found: Option<(i64, bool)> = tx
                        .prepare_cached(
                            "SELECT serial, collected_at IS NOT NULL FROM release WHERE environment = ?1 AND number = ?2",
                        )?
                        .query_row(params![environment.0, number], |row| Ok((row.get(0)?, row.get(1)?)))
                        .optional()?;
                    match found {
                        Some((serial, false)) => Ok(Ok(ReleaseSerial(serial))),
                        Some((_, true)) => Ok(Err(NoTarget::Collected)),
                        None => Ok(Err(NoTarget::Unknown { known: known(tx, environment)? })),
                    }
                }
            }
        })
    }
}

/// The numbers there are, from the first to the last: none is ever left out.
fn known(tx: &Connection, environment: EnvironmentSerial) -> Result<String, StoreError> {
    let last: i64 = tx.query_row(
        "SELECT coalesce(max(number), 0) FROM release WHERE environment = ?1",
        [environment.0],
        |row| row.get(0),
    )?;
    Ok(match last {
        1 => "only 1".to_owned(),
        last => format!("1 to {last}"),
    })
}

pub(super) fn is_collected(tx: &Connection, release: ReleaseSerial) -> Result<bool, StoreError> {
    Ok(tx.query_row(
        "SELECT collected_at IS NOT NULL FROM release WHERE serial = ?1",
        [release.0],
        |row| row.get(0),
    )?)
}

pub(super) fn insert_release(
    tx: &Transaction<'_>,
    deployment: &Deployment,
    content: &ReleaseContent,
    now: Timestamp,
) -> Result<ReleaseSerial, StoreError> {
    tx.execute(
        "INSERT INTO release (environment, number, deployment, content, created_at)
         VALUES (?1, (SELECT coalesce(max(number), 0) + 1 FROM release WHERE environment = ?1), ?2, ?3, ?4)",
        params![deployment.environment.0, deployment.serial.0, json("release", content)?, now.0],
    )?;
    Ok(ReleaseSerial(tx.last_insert_rowid()))
}

/// A release is live again: it is a rollback target like any other, and the one it replaces, if that is newer, was
/// left for its sake and is none until it is live again itself.
pub(super) fn mark_left(
    tx: &Transaction<'_>,
    deployment: &Deployment,
    again: ReleaseSerial,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE release SET left_by = NULL WHERE serial = ?1",
        [again.0],
    )?;
    tx.execute(
        "UPDATE release SET left_by = ?2
         WHERE serial = (SELECT live_release FROM environment WHERE serial = ?1)
           AND number > (SELECT number FROM release WHERE serial = ?3)",
        params![deployment.environment.0, deployment.serial.0, again.0],
    )?;
    Ok(())
}

pub(super) fn release_in(tx: &Connection, serial: ReleaseSerial) -> Result<Release, StoreError> {
    let sql = format!("SELECT {RELEASE} FROM release r WHERE r.serial = ?1");
    let found = tx
        .prepare_cached(&sql)?
        .query_row([serial.0], |row| Ok(release(row)))
        .optional()?;
    found.unwrap_or_else(|| Err(inconsistent("release", serial, "is missing")))
}

//! Deleting deployments: their rows stay, and nobody who asks sees them any more.

use super::{Store, StoreError};
use crate::core::admission::Desired;
use crate::core::deployment::Phase;
use crate::core::id::{DeploymentSerial, PrincipalSerial};
use crate::core::time::Timestamp;
use rusqlite::params;

/// What became of hiding a deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hidden {
    /// Nobody sees it any more.
    Done,
    /// Nobody saw it any more before.
    Already,
    /// It has not ended.
    Unfinished(Phase),
    /// Somebody reported that it runs, and has not said that it ended.
    Reported,
    /// It is live.
    Live,
    /// Its newest status is a success, and its environment has others.
    Active,
}

impl Store {
    /// Hides a deployment that has ended from everybody who asks. The one that is live is hidden only where `stopped`
    /// says so, and the environment is still meant to be.
    ///
    /// # Errors
    /// If the database fails.
    pub fn hide_deployment(
        &self,
        serial: DeploymentSerial,
        stopped: bool,
        by: PrincipalSerial,
        now: Timestamp,
    ) -> Result<Hidden, StoreError> {
        self.write("hide_deployment", |tx| {
            let (is_hidden, is_live, desired): (bool, bool, String) = tx.query_row(
                "SELECT d.hidden_at IS NOT NULL, e.live_deployment IS d.serial, e.desired FROM deployment d
                 JOIN environment e ON e.serial = d.environment WHERE d.serial = ?1",
                [serial.0],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )?;
            if is_hidden {
                return Ok(Hidden::Already);
            }
            let phase = self.deployment_in(tx, serial)?.phase;
            if phase.ended_at().is_none() {
                return Ok(Hidden::Unfinished(phase));
            }
            if is_live && !(stopped && desired == Desired::Stopped.as_str()) {
                return Ok(Hidden::Live);
            }
            tx.execute(
                "UPDATE deployment SET hidden_at = ?2, hidden_by = ?3 WHERE serial = ?1",
                params![serial.0, now.0, by.0],
            )?;
            Ok(Hidden::Done)
        })
    }

    /// Hides a deployment by GitHub's rule: whoever executed it, and whether or not it is live, unless it has not ended here,
    /// or its newest status is a success and its environment has others.
    ///
    /// # Errors
    /// If the database fails.
    pub fn hide_record(
        &self,
        serial: DeploymentSerial,
        by: PrincipalSerial,
        now: Timestamp,
    ) -> Result<Hidden, StoreError> {
        self.write("hide_record", |tx| {
            let (is_hidden, is_ours, is_active): (bool, bool, bool) = tx.query_row(
                "SELECT d.hidden_at IS NOT NULL, d.wanted <> 'recorded', d.status IS 'success' AND EXISTS (
                     SELECT 1 FROM deployment o JOIN environment x ON x.serial = o.environment
                     WHERE o.project = d.project AND o.serial <> d.serial AND o.hidden_at IS NULL
                       AND (o.environment = d.environment OR o.shown_environment IS NOT NULL OR x.name <> e.name)
                       AND lower(coalesce(o.shown_environment, x.name)) = lower(coalesce(d.shown_environment, e.name)))
                 FROM deployment d JOIN environment e ON e.serial = d.environment WHERE d.serial = ?1",
                [serial.0],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )?;
            if is_hidden {
                return Ok(Hidden::Already);
            }
            if is_ours {
                let phase = self.deployment_in(tx, serial)?.phase;
                if phase.ended_at().is_none() {
                    return Ok(Hidden::Unfinished(phase));
                }
            }
            if is_active {
                return Ok(Hidden::Active);
            }
            tx.execute(
                "UPDATE deployment SET hidden_at = ?2, hidden_by = ?3 WHERE serial = ?1",
                params![serial.0, now.0, by.0],
            )?;
            Ok(Hidden::Done)
        })
    }
}

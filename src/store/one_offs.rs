//! Tries of commands that are run once, each before what it speaks of is done.

use super::operations::write_settlements;
use super::phases::still;
use super::rollouts::insert_container;
use super::rows::{CONTAINER, container, inconsistent};
use super::{Store, StoreError};
use crate::core::command::Purpose;
use crate::core::container::{ContainerRole, ONE_OFF};
use crate::core::deployment::Deployment;
use crate::core::id::DeploymentSerial;
use crate::core::one_off::{Attempt, Stage};
use crate::core::operation::Undo;
use crate::core::secret::Secret;
use crate::core::time::Timestamp;
use rusqlite::{Row, params};

impl Store {
    /// The tries of a deployment's commands, in order.
    ///
    /// # Errors
    /// If the database fails.
    pub fn attempts(&self, deployment: DeploymentSerial) -> Result<Vec<Attempt>, StoreError> {
        self.read(|tx| {
            let sql = format!(
                "SELECT {CONTAINER}, o.purpose, o.number, c.made_at IS NOT NULL, o.starting_at IS NOT NULL, o.ended_at IS NOT NULL, o.status
                 FROM one_off o JOIN container c ON c.serial = o.container WHERE o.deployment = ?1 ORDER BY o.container"
            );
            let mut statement = tx.prepare_cached(&sql)?;
            let mut rows = statement.query([deployment.0])?;
            let mut attempts = Vec::new();
            while let Some(row) = rows.next()? {
                attempts.push(attempt(row)?);
            }
            Ok(attempts)
        })
    }

    /// Writes down that a container is about to be made for a try of a command.
    ///
    /// # Errors
    /// [`StoreError::Moved`] if the deployment left its rollout, [`StoreError::AddressesExhausted`].
    pub fn intend_attempt(
        &self,
        deployment: &Deployment,
        slug: &str,
        (purpose, number): (&Purpose, u32),
        hidden: &[Secret],
        now: Timestamp,
    ) -> Result<Attempt, StoreError> {
        self.write_sparing("intend_attempt", |tx| {
            still(tx, deployment)?;
            let role = ContainerRole::Task;
            let container =
                insert_container(self, tx, deployment, (slug, ONE_OFF, role), hidden, now)?;
            tx.execute(
                "INSERT INTO one_off (container, deployment, purpose, number) VALUES (?1, ?2, ?3, ?4)",
                params![container.serial.0, deployment.serial.0, purpose.to_text(), number],
            )?;
            Ok(Attempt {
                container,
                purpose: purpose.clone(),
                number,
                stage: Stage::Intended,
            })
        })
    }

    /// The engine is about to be asked to start it: from here on it may have begun.
    ///
    /// # Errors
    /// [`StoreError::Moved`] if the deployment left its rollout: then it must not begin.
    pub fn record_starting(
        &self,
        deployment: &Deployment,
        attempt: &Attempt,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write_sparing("record_starting", |tx| {
            still(tx, deployment)?;
            tx.execute(
                "UPDATE one_off SET starting_at = ?2 WHERE container = ?1",
                params![attempt.container.serial.0, now.0],
            )?;
            Ok(())
        })
    }

    /// It is over, with that exit status or cut off, and its deployment goes on: what it ran in is to be removed.
    ///
    /// # Errors
    /// [`StoreError::Moved`] if the deployment left its rollout: then it is to be removed already.
    pub fn end_attempt(
        &self,
        deployment: &Deployment,
        attempt: &Attempt,
        status: Option<i64>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write_sparing("end_attempt", |tx| {
            still(tx, deployment)?;
            let container = attempt.container.serial;
            tx.execute(
                "UPDATE one_off SET ended_at = ?2, status = ?3 WHERE container = ?1",
                params![container.0, now.0, status],
            )?;
            let undo = [Undo::RetireContainer(container)];
            let owner = Some(deployment.serial);
            write_settlements(tx, deployment.environment, owner, &undo, None, now)
        })
    }
}

fn attempt(row: &Row<'_>) -> Result<Attempt, StoreError> {
    let container = container(row)?;
    let serial = container.serial;
    let purpose: String = row.get(9)?;
    let (made, starting, ended): (bool, bool, bool) = (row.get(11)?, row.get(12)?, row.get(13)?);
    let stage = match (ended, starting, made) {
        (true, _, _) => Stage::Ended(row.get(14)?),
        (false, true, _) => Stage::Starting,
        (false, false, true) => Stage::Made,
        (false, false, false) => Stage::Intended,
    };
    Ok(Attempt {
        purpose: Purpose::parse(&purpose)
            .ok_or_else(|| inconsistent("one_off", serial, format!("purpose '{purpose}'")))?,
        number: row.get(10)?,
        container,
        stage,
    })
}

//! Tries of commands that are run once, each before what it speaks of is done.

use super::operations::write_settlements;
use super::phases::still;
use super::rollouts::insert_container;
use super::rows::{CONTAINER, container, inconsistent};
use super::runs::{retire, still_run};
use super::{Store, StoreError};
use crate::core::command::Purpose;
use crate::core::container::{ContainerRole, ONE_OFF};
use crate::core::deployment::Deployment;
use crate::core::id::{DeploymentSerial, EnvironmentSerial, RunSerial};
use crate::core::one_off::{Attempt, Stage};
use crate::core::operation::Undo;
use crate::core::run::{Cause, Run};
use crate::core::secret::Secret;
use crate::core::time::Timestamp;
use rusqlite::{Row, Transaction, params};

/// For whom a command is run. Where that has ended, nothing of it may begin.
#[derive(Clone, Copy, Debug)]
pub enum Owner<'a> {
    /// A deployment, before its commit.
    Deployment(&'a Deployment),
    /// A run.
    Run(&'a Run),
}

impl Owner<'_> {
    fn still(self, tx: &Transaction<'_>) -> Result<(), StoreError> {
        match self {
            Self::Deployment(deployment) => still(tx, deployment),
            Self::Run(run) => still_run(tx, run),
        }
    }

    fn environment(self) -> EnvironmentSerial {
        match self {
            Self::Deployment(deployment) => deployment.environment,
            Self::Run(run) => run.environment,
        }
    }

    fn deployment(self) -> DeploymentSerial {
        match self {
            Self::Deployment(deployment) => deployment.serial,
            Self::Run(run) => run.deployment,
        }
    }

    fn run(self) -> Option<i64> {
        match self {
            Self::Deployment(_) => None,
            Self::Run(run) => Some(run.serial.0),
        }
    }

    fn role(self) -> ContainerRole {
        match self {
            Self::Deployment(_) => ContainerRole::Task,
            Self::Run(run) => match run.cause {
                Cause::Deployment(_) => ContainerRole::Task,
                Cause::Change(_) | Cause::Schedule(_) | Cause::Hand => ContainerRole::Run,
            },
        }
    }
}

impl Store {
    /// The tries of a deployment's commands, in order; those of its run are not among them.
    ///
    /// # Errors
    /// If the database fails.
    pub fn attempts(&self, deployment: DeploymentSerial) -> Result<Vec<Attempt>, StoreError> {
        self.attempts_where("o.deployment = ?1 AND o.run IS NULL", deployment.0)
    }

    /// The tries of a run's command, in order.
    ///
    /// # Errors
    /// If the database fails.
    pub fn attempts_of_run(&self, run: RunSerial) -> Result<Vec<Attempt>, StoreError> {
        self.attempts_where("o.run = ?1", run.0)
    }

    fn attempts_where(&self, condition: &str, value: i64) -> Result<Vec<Attempt>, StoreError> {
        self.read(|tx| {
            let sql = format!(
                "SELECT {CONTAINER}, o.purpose, o.number, c.made_at IS NOT NULL, o.starting_at IS NOT NULL, o.ended_at IS NOT NULL, o.status
                 FROM one_off o JOIN container c ON c.serial = o.container WHERE {condition} ORDER BY o.container"
            );
            let mut statement = tx.prepare_cached(&sql)?;
            let mut rows = statement.query([value])?;
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
    /// [`StoreError::Moved`] if its owner has ended, [`StoreError::AddressesExhausted`].
    pub fn intend_attempt(
        &self,
        owner: Owner<'_>,
        slug: &str,
        (purpose, number): (&Purpose, u32),
        hidden: &[Secret],
        now: Timestamp,
    ) -> Result<Attempt, StoreError> {
        self.write_sparing("intend_attempt", |tx| {
            owner.still(tx)?;
            let of = (owner.environment(), owner.deployment());
            let called = (slug, ONE_OFF, owner.role());
            let container = insert_container(self, tx, of, called, hidden, now)?;
            tx.execute(
                "INSERT INTO one_off (container, deployment, purpose, number, run) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![container.serial.0, of.1.0, purpose.to_text(), number, owner.run()],
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
    /// [`StoreError::Moved`] if its owner has ended: then it must not begin.
    pub fn record_starting(
        &self,
        owner: Owner<'_>,
        attempt: &Attempt,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write_sparing("record_starting", |tx| {
            owner.still(tx)?;
            tx.execute(
                "UPDATE one_off SET starting_at = ?2 WHERE container = ?1",
                params![attempt.container.serial.0, now.0],
            )?;
            Ok(())
        })
    }

    /// With which status it ended, where that is about to be the end of its owner, too.
    ///
    /// # Errors
    /// [`StoreError::Moved`] if its owner has ended otherwise.
    pub fn record_status(
        &self,
        owner: Owner<'_>,
        attempt: &Attempt,
        status: Option<i64>,
    ) -> Result<(), StoreError> {
        self.write("record_status", |tx| {
            owner.still(tx)?;
            tx.execute(
                "UPDATE one_off SET status = ?2 WHERE container = ?1",
                params![attempt.container.serial.0, status],
            )?;
            Ok(())
        })
    }

    /// It is over, with that exit status or cut off, and its owner goes on: what it ran in is to be removed.
    ///
    /// # Errors
    /// [`StoreError::Moved`] if its owner has ended: then it is to be removed already.
    pub fn end_attempt(
        &self,
        owner: Owner<'_>,
        attempt: &Attempt,
        status: Option<i64>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        // Of the reserve, where the disk is full: what ended well would otherwise be told as failed.
        self.write("end_attempt", |tx| {
            owner.still(tx)?;
            let container = attempt.container.serial;
            tx.execute(
                "UPDATE one_off SET ended_at = ?2, status = ?3 WHERE container = ?1",
                params![container.0, now.0, status],
            )?;
            match owner {
                Owner::Run(run) => retire(tx, run, container, now),
                Owner::Deployment(deployment) => {
                    let undo = [Undo::RetireContainer(container)];
                    let owner = Some(deployment.serial);
                    write_settlements(tx, deployment.environment, owner, &undo, None, now)
                }
            }
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

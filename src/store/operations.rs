//! The queues, the steps' budgets, and what is still to be undone.

use super::rows::inconsistent;
use super::{Store, StoreError};
use crate::core::change::Change;
use crate::core::deployment::Step;
use crate::core::event::{ChangeStage, DeploymentStage};
use crate::core::id::{
    AppSerial, ConnectionSerial, ContainerSerial, DeploymentSerial, EnvironmentSerial,
    OperationSerial, RunSerial, SettlementSerial,
};
use crate::core::name::EnvironmentName;
use crate::core::operation::{Operation, OperationKind, Settlement, Undo};
use crate::core::time::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};
use std::collections::BTreeMap;
use std::time::Duration;

/// An environment with work: unfinished operations or something to settle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// The environment.
    pub environment: EnvironmentSerial,
    /// The operation at its queue's head; `None` if there is only something to settle.
    pub head: Option<OperationSerial>,
}

/// What has a budget and is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// A step of a deployment.
    Step(DeploymentSerial, Step),
    /// The work of a change.
    Change(OperationSerial),
    /// A run with all its attempts.
    Run(RunSerial),
}

/// How far a task's budget is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepRow {
    /// The budget.
    pub budget: Duration,
    /// What is consumed of it.
    pub consumed: Duration,
    /// How often in a row resuming it ended with the agent within seconds.
    pub strikes: u32,
}

/// Asked at every commit: it steps from one environment with work to the next, however long the queues are and however many
/// environments were removed.
const UNFINISHED: &str = "WITH RECURSIVE
    queued (environment) AS (
        SELECT min(environment) FROM operation WHERE done_at IS NULL
        UNION ALL
        SELECT (SELECT min(o.environment) FROM operation o WHERE o.done_at IS NULL AND o.environment > queued.environment)
        FROM queued WHERE environment IS NOT NULL),
    undone (environment) AS (
        SELECT min(environment) FROM settlement WHERE settled_at IS NULL AND run IS NULL
        UNION ALL
        SELECT (SELECT min(s.environment) FROM settlement s
                WHERE s.settled_at IS NULL AND s.run IS NULL AND s.environment > undone.environment)
        FROM undone WHERE environment IS NOT NULL)
    SELECT environment, (SELECT min(o.serial) FROM operation o WHERE o.environment = work.environment AND o.done_at IS NULL) AS head
    FROM (SELECT environment FROM queued UNION SELECT environment FROM undone) work
    WHERE environment IS NOT NULL ORDER BY head";

impl Store {
    /// Every environment with work, in the order of the queues' heads.
    ///
    /// # Errors
    /// If the database fails.
    pub fn unfinished(&self) -> Result<Vec<Unfinished>, StoreError> {
        self.read(|tx| {
            let mut statement = tx.prepare_cached(UNFINISHED)?;
            let rows = statement.query_map([], |row| {
                Ok(Unfinished {
                    environment: EnvironmentSerial(row.get(0)?),
                    head: row.get::<_, Option<i64>>(1)?.map(OperationSerial),
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// How many operations are unfinished, by the word for where they are: a stage before the end, or `settling` for
    /// those that have ended and left something to be undone.
    ///
    /// # Errors
    /// If the database fails.
    pub fn unfinished_by_phase(&self) -> Result<BTreeMap<&'static str, u64>, StoreError> {
        self.read(|tx| {
            let mut statement = tx.prepare_cached(
                "SELECT o.serial, d.phase, o.phase FROM operation o LEFT JOIN deployment d ON d.serial = o.deployment
                 WHERE o.done_at IS NULL",
            )?;
            let mut rows = statement.query([])?;
            let mut counts = BTreeMap::new();
            while let Some(row) = rows.next()? {
                let serial: i64 = row.get(0)?;
                let deployment: Option<String> = row.get(1)?;
                let word = match deployment {
                    Some(phase) => DeploymentStage::parse(&phase).map(DeploymentStage::unfinished),
                    None => ChangeStage::parse(&row.get::<_, String>(2)?).map(ChangeStage::unfinished),
                };
                let word = word.ok_or_else(|| inconsistent("operation", serial, "its phase"))?;
                *counts.entry(word.unwrap_or("settling")).or_default() += 1;
            }
            Ok(counts)
        })
    }

    /// Whether an environment has work.
    ///
    /// # Errors
    /// If the database fails.
    pub fn has_work(&self, environment: EnvironmentSerial) -> Result<bool, StoreError> {
        self.read(|tx| {
            let mut statement = tx.prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM operation WHERE environment = ?1 AND done_at IS NULL)
                     OR EXISTS (SELECT 1 FROM settlement WHERE environment = ?1 AND settled_at IS NULL AND run IS NULL)",
            )?;
            Ok(statement.query_row([environment.0], |row| row.get(0))?)
        })
    }

    /// The first unfinished operation of an environment.
    ///
    /// # Errors
    /// If the database fails.
    pub fn queue_head(
        &self,
        environment: EnvironmentSerial,
    ) -> Result<Option<Operation>, StoreError> {
        self.read(|tx| {
            let mut statement = tx.prepare_cached(
                "SELECT serial, environment, kind, deployment, created_at, volumes FROM operation
                 WHERE environment = ?1 AND done_at IS NULL ORDER BY serial LIMIT 1",
            )?;
            let mut rows = statement.query([environment.0])?;
            rows.next()?.map(operation).transpose()
        })
    }

    /// Takes an operation out of its queue: its work has ended and everything it left is settled.
    ///
    /// # Errors
    /// If the database fails.
    pub fn finish_operation(
        &self,
        operation: OperationSerial,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write("finish_operation", |tx| {
            tx.execute(
                "UPDATE operation SET done_at = ?2 WHERE serial = ?1 AND done_at IS NULL",
                params![operation.0, now.0],
            )?;
            Ok(())
        })
    }

    /// What an environment still has to undo: retiring first, then restoring, each in the order it was written. What runs
    /// leave that stand alone is not among it.
    ///
    /// # Errors
    /// If the database fails.
    pub fn pending_settlements(
        &self,
        environment: EnvironmentSerial,
    ) -> Result<Vec<Settlement>, StoreError> {
        self.pending("environment = ?1 AND run IS NULL", environment.0)
    }

    /// What a run that stands alone still has to undo.
    ///
    /// # Errors
    /// If the database fails.
    pub fn settlements_of_run(&self, run: RunSerial) -> Result<Vec<Settlement>, StoreError> {
        self.pending("run = ?1", run.0)
    }

    fn pending(&self, whose: &str, value: i64) -> Result<Vec<Settlement>, StoreError> {
        self.read(|tx| {
            let sql = format!(
                "SELECT serial, environment, deployment, kind, container, object, unrouted FROM settlement
                 WHERE {whose} AND settled_at IS NULL
                 ORDER BY kind <> 'retire_container', kind <> 'restore', serial"
            );
            let mut statement = tx.prepare_cached(&sql)?;
            let mut rows = statement.query([value])?;
            let mut settlements = Vec::new();
            while let Some(row) = rows.next()? {
                settlements.push(settlement(row)?);
            }
            Ok(settlements)
        })
    }

    /// Something is undone.
    ///
    /// # Errors
    /// If the database fails.
    pub fn settled(&self, settlement: &Settlement, now: Timestamp) -> Result<(), StoreError> {
        self.write("settled", |tx| {
            close_settlement(tx, settlement.serial, None, now)?;
            let gone = match &settlement.undo {
                Undo::RetireContainer(container) => ("container", container.0),
                Undo::RetireConnection(connection) => ("connection", connection.0),
                Undo::RetireImage(_)
                | Undo::RetireTree(_)
                | Undo::Restore(_)
                | Undo::RetireNetwork(_)
                | Undo::RetireVolume(_) => return Ok(()),
            };
            let (table, serial) = gone;
            tx.execute(
                &format!("UPDATE {table} SET removed_at = ?2 WHERE serial = ?1"),
                params![serial, now.0],
            )?;
            Ok(())
        })
    }

    /// The engine refused to undo something: a container that cannot be started again, most likely. That is recorded
    /// and counts as settled, so that the deployment that mends it can run.
    ///
    /// # Errors
    /// If the database fails.
    pub fn settlement_refused(
        &self,
        settlement: &Settlement,
        why: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write("settlement_refused", |tx| {
            close_settlement(tx, settlement.serial, Some(why), now)
        })
    }

    /// Whether a deployment's operation has left its queue: nothing more will be done for it.
    ///
    /// # Errors
    /// If the database fails.
    pub fn is_settled(&self, deployment: DeploymentSerial) -> Result<bool, StoreError> {
        self.read(|tx| {
            let done: Option<Option<i64>> = tx
                .prepare_cached("SELECT done_at FROM operation WHERE deployment = ?1")?
                .query_row([deployment.0], |row| row.get(0))
                .optional()?;
            Ok(done.flatten().is_some())
        })
    }

    /// How a task stands; `None` if it has not begun.
    ///
    /// # Errors
    /// If the database fails.
    pub fn task(&self, task: Task) -> Result<Option<StepRow>, StoreError> {
        self.read(|tx| {
            let read = |row: &Row<'_>| {
                Ok(StepRow {
                    budget: millis(row.get(0)?),
                    consumed: millis(row.get(1)?),
                    strikes: row.get(2)?,
                })
            };
            let row = match task {
                Task::Step(deployment, step) => tx
                    .prepare_cached("SELECT budget_ms, consumed_ms, strikes FROM step WHERE deployment = ?1 AND name = ?2")?
                    .query_row(params![deployment.0, step.as_str()], read),
                Task::Change(operation) => tx
                    .prepare_cached("SELECT budget_ms, consumed_ms, strikes FROM operation WHERE serial = ?1")?
                    .query_row([operation.0], read),
                Task::Run(run) => tx
                    .prepare_cached("SELECT budget_ms, consumed_ms, strikes FROM run WHERE serial = ?1")?
                    .query_row([run.0], read),
            };
            Ok(row.optional()?)
        })
    }

    /// A task is being resumed; forgotten again by [`Store::tick`] once it has run for a while.
    ///
    /// # Errors
    /// If the database fails.
    pub fn strike(&self, task: Task) -> Result<(), StoreError> {
        self.write("strike", |tx| {
            match task {
                Task::Step(deployment, step) => tx.execute(
                    "UPDATE step SET strikes = strikes + 1 WHERE deployment = ?1 AND name = ?2",
                    params![deployment.0, step.as_str()],
                )?,
                Task::Change(operation) => tx.execute(
                    "UPDATE operation SET strikes = strikes + 1 WHERE serial = ?1",
                    [operation.0],
                )?,
                Task::Run(run) => tx.execute(
                    "UPDATE run SET strikes = strikes + 1 WHERE serial = ?1",
                    [run.0],
                )?,
            };
            Ok(())
        })
    }

    /// A task has consumed so much of its budget in all, and the agent lives.
    ///
    /// # Errors
    /// If the database fails.
    pub fn tick(&self, task: Task, consumed: Duration) -> Result<(), StoreError> {
        let consumed = millis_of(consumed);
        self.write_sparing("tick", |tx| {
            match task {
                Task::Step(deployment, step) => tx.execute(
                    "UPDATE step SET consumed_ms = ?3, strikes = 0 WHERE deployment = ?1 AND name = ?2",
                    params![deployment.0, step.as_str(), consumed],
                )?,
                Task::Change(operation) => tx.execute(
                    "UPDATE operation SET consumed_ms = ?2, strikes = 0 WHERE serial = ?1",
                    params![operation.0, consumed],
                )?,
                Task::Run(run) => tx.execute(
                    "UPDATE run SET consumed_ms = ?2, strikes = 0 WHERE serial = ?1",
                    params![run.0, consumed],
                )?,
            };
            Ok(())
        })
    }

    /// The agent ends by itself: what it was doing did not take it down.
    ///
    /// # Errors
    /// If the database fails.
    pub fn forget_strikes(&self) -> Result<(), StoreError> {
        self.write("forget_strikes", |tx| {
            tx.execute(
                "UPDATE step SET strikes = 0 WHERE ended_at IS NULL AND strikes > 0
                 AND deployment IN (SELECT deployment FROM operation WHERE done_at IS NULL)",
                [],
            )?;
            tx.execute(
                "UPDATE operation SET strikes = 0 WHERE done_at IS NULL AND strikes > 0",
                [],
            )?;
            tx.execute(
                "UPDATE run SET strikes = 0 WHERE ended_at IS NULL AND strikes > 0",
                [],
            )?;
            Ok(())
        })
    }
}

/// The environment of an app and a name that was removed and is still being cleared away.
pub(super) fn removal_at_work(
    tx: &Connection,
    app: AppSerial,
    name: &EnvironmentName,
) -> Result<Option<EnvironmentSerial>, StoreError> {
    let found: Option<i64> = tx
        .prepare_cached(
            "SELECT e.serial FROM environment e CROSS JOIN operation o ON o.environment = e.serial
             WHERE e.app = ?1 AND e.name = ?2 AND o.done_at IS NULL AND o.kind = 'remove' LIMIT 1",
        )?
        .query_row(params![app.0, name.as_str()], |row| row.get(0))
        .optional()?;
    Ok(found.map(EnvironmentSerial))
}

/// Writes down what is to be undone, in the transaction that decides it. Containers among it to which requests may have
/// been sent wait for the table `unrouted` to hold.
pub(super) fn write_settlements(
    tx: &Transaction<'_>,
    environment: EnvironmentSerial,
    deployment: Option<DeploymentSerial>,
    undo: &[Undo],
    unrouted: Option<i64>,
    now: Timestamp,
) -> Result<(), StoreError> {
    for undo in undo {
        let (kind, container, object) = match undo {
            Undo::RetireContainer(container) => ("retire_container", Some(container.0), None),
            Undo::Restore(container) => ("restore", Some(container.0), None),
            Undo::RetireImage(tag) => ("retire_image", None, Some(tag.clone())),
            Undo::RetireTree(tree) => ("retire_tree", None, Some(tree.to_string())),
            Undo::RetireNetwork(name) => ("retire_network", None, Some(name.clone())),
            Undo::RetireConnection(connection) => {
                ("retire_connection", None, Some(connection.to_string()))
            }
            Undo::RetireVolume(name) => ("retire_volume", None, Some(name.clone())),
        };
        if let Undo::RetireContainer(container) = undo {
            tx.execute(
                "UPDATE container SET role = 'retired' WHERE serial = ?1",
                [container.0],
            )?;
        }
        tx.execute(
            "INSERT INTO settlement (environment, deployment, kind, container, object, created_at, unrouted)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                environment.0, deployment.map(|deployment| deployment.0), kind, container, object, now.0,
                unrouted.filter(|_| container.is_some())
            ],
        )?;
    }
    Ok(())
}

fn close_settlement(
    tx: &Transaction<'_>,
    serial: SettlementSerial,
    refused: Option<&str>,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE settlement SET settled_at = ?2, refused = ?3 WHERE serial = ?1",
        params![serial.0, now.0, refused],
    )?;
    Ok(())
}

fn operation(row: &Row<'_>) -> Result<Operation, StoreError> {
    let serial: i64 = row.get(0)?;
    let kind: String = row.get(2)?;
    let deployment: Option<i64> = row.get(3)?;
    let volumes: bool = row.get(5)?;
    let kind = match (kind.as_str(), deployment) {
        ("deploy", Some(deployment)) => OperationKind::Deploy(DeploymentSerial(deployment)),
        (kind, None) if let Some(change) = Change::parse(kind, volumes) => {
            OperationKind::Change(change)
        }
        _ => return Err(inconsistent("operation", serial, format!("kind '{kind}'"))),
    };
    Ok(Operation {
        serial: OperationSerial(serial),
        environment: EnvironmentSerial(row.get(1)?),
        kind,
        created_at: Timestamp(row.get(4)?),
    })
}

fn settlement(row: &Row<'_>) -> Result<Settlement, StoreError> {
    let serial: i64 = row.get(0)?;
    let kind: String = row.get(3)?;
    let container = row.get::<_, Option<i64>>(4)?.map(ContainerSerial);
    let object: Option<String> = row.get(5)?;
    let undo = match (kind.as_str(), container, object) {
        ("retire_container", Some(container), None) => Undo::RetireContainer(container),
        ("restore", Some(container), None) => Undo::Restore(container),
        ("retire_image", None, Some(tag)) => Undo::RetireImage(tag),
        ("retire_network", None, Some(name)) => Undo::RetireNetwork(name),
        ("retire_volume", None, Some(name)) => Undo::RetireVolume(name),
        ("retire_connection", None, Some(connection))
            if let Ok(connection) = connection.parse() =>
        {
            Undo::RetireConnection(ConnectionSerial(connection))
        }
        ("retire_tree", None, Some(tree)) => {
            Undo::RetireTree(super::rows::uuid("settlement", serial, &tree)?)
        }
        _ => {
            return Err(inconsistent(
                "settlement",
                serial,
                format!("kind '{kind}' and its columns do not fit"),
            ));
        }
    };
    Ok(Settlement {
        serial: SettlementSerial(serial),
        environment: EnvironmentSerial(row.get(1)?),
        deployment: row.get::<_, Option<i64>>(2)?.map(DeploymentSerial),
        undo,
        unrouted: row.get(6)?,
    })
}

fn millis(value: i64) -> Duration {
    Duration::from_millis(u64::try_from(value).unwrap_or(0))
}

pub(super) fn millis_of(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

//! What the database knows of what was seen of the world: one side of the question whether it was restored.

use super::apps::{PLACE, PLACE_COLUMNS, PLACE_FROM, place};
use super::rows::{inconsistent, uuid};
use super::{Place, Store, StoreError};
use crate::core::container::ContainerRole;
use crate::core::deployment::Deployment;
use crate::core::id::{DeploymentSerial, OperationSerial};
use crate::core::ports::Seen;
use crate::core::restored::{Highest, Ledger};
use rusqlite::{Connection, OptionalExtension as _};

/// An environment that an adoption may concern.
#[derive(Clone, Debug)]
pub struct Home {
    /// The environment.
    pub place: Place,
    /// Whether nothing was ever deployed to it.
    pub is_blank: bool,
    /// The name of its live container.
    pub live: Option<String>,
}

impl Store {
    /// What the database knows of these containers, and how far it came.
    ///
    /// # Errors
    /// If the database fails.
    pub fn ledger(&self, seen: &[Seen]) -> Result<Ledger, StoreError> {
        self.read(|tx| {
            let mut ledger = Ledger {
                highest: highest(tx)?,
                ..Ledger::default()
            };
            let mut role =
                tx.prepare_cached("SELECT serial, role FROM container WHERE name = ?1")?;
            let mut stray = tx.prepare_cached("SELECT 1 FROM stray WHERE name = ?1")?;
            let mut before_its_commit = tx.prepare_cached(
                "SELECT 1 FROM deployment WHERE serial = ?1 AND phase IN ('queued', 'checkout', 'build', 'rollout')",
            )?;
            let mut id = tx.prepare_cached("SELECT uuid FROM deployment WHERE serial = ?1")?;
            for one in seen {
                let known: Option<(i64, String)> = role
                    .query_row([&one.name], |row| Ok((row.get(0)?, row.get(1)?)))
                    .optional()?;
                if let Some((serial, word)) = known {
                    let role = ContainerRole::parse(&word)
                        .ok_or_else(|| inconsistent("container", serial, format!("role '{word}'")))?;
                    ledger.containers.insert(one.name.clone(), role);
                }
                if stray.exists([&one.name])? {
                    ledger.strays.insert(one.name.clone());
                }
                let Some(serial) = one.labels.as_ref().map(|labels| labels.serial) else {
                    continue;
                };
                if before_its_commit.exists([serial])? {
                    ledger.uncommitted.insert(serial);
                }
                let id: Option<String> = id.query_row([serial], |row| row.get(0)).optional()?;
                if let Some(id) = id {
                    let id = uuid("deployment", serial, &id)?;
                    ledger.deployments.insert(serial, id);
                }
            }
            Ok(ledger)
        })
    }

    /// Every environment that is not removed.
    ///
    /// # Errors
    /// If the database fails.
    pub fn homes(&self) -> Result<Vec<Home>, StoreError> {
        self.read(|tx| {
            let sql = format!(
                "SELECT {PLACE}, NOT EXISTS (SELECT 1 FROM deployment d WHERE d.environment = e.serial AND d.hidden_at IS NULL)
                     AND NOT EXISTS (SELECT 1 FROM deployment d WHERE d.environment = e.serial AND d.hidden_at IS NOT NULL), c.name
                 FROM {PLACE_FROM} LEFT JOIN container c ON c.environment = e.serial AND c.role = 'live' AND c.process = 'web'
                 WHERE e.runs AND e.removed_at IS NULL ORDER BY e.serial"
            );
            let mut statement = tx.prepare_cached(&sql)?;
            let mut rows = statement.query([])?;
            let mut homes = Vec::new();
            while let Some(row) = rows.next()? {
                homes.push(Home {
                    place: place(row)?,
                    is_blank: row.get(PLACE_COLUMNS)?,
                    live: row.get(PLACE_COLUMNS + 1)?,
                });
            }
            Ok(homes)
        })
    }

    /// The deployments before their commit at the heads of their queues, each with its operation, in the queues' order.
    ///
    /// # Errors
    /// If the database fails.
    pub fn first_before_their_commit(
        &self,
    ) -> Result<Vec<(OperationSerial, Deployment)>, StoreError> {
        self.read(|tx| {
            let found: Vec<(i64, i64)> = tx
                .prepare_cached(
                    "SELECT o.serial, d.serial FROM environment e CROSS JOIN operation o CROSS JOIN deployment d ON d.serial = o.deployment
                     WHERE o.serial = (SELECT min(serial) FROM operation WHERE environment = e.serial AND done_at IS NULL)
                       AND d.phase IN ('queued', 'checkout', 'build', 'rollout') ORDER BY o.serial",
                )?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<Result<_, _>>()?;
            found
                .into_iter()
                .map(|(operation, serial)| {
                    let deployment = self.deployment_in(tx, DeploymentSerial(serial))?;
                    Ok((OperationSerial(operation), deployment))
                })
                .collect()
        })
    }

    /// Forgets the strays that are no longer among the containers there are.
    ///
    /// # Errors
    /// If the database fails.
    pub fn forget_strays(&self, present: &[String]) -> Result<(), StoreError> {
        let known: Vec<String> = self.read(|tx| {
            let mut statement = tx.prepare_cached("SELECT name FROM stray")?;
            let names = statement.query_map([], |row| row.get(0))?;
            Ok(names.collect::<Result<_, _>>()?)
        })?;
        let gone: Vec<String> = known
            .into_iter()
            .filter(|name| !present.contains(name))
            .collect();
        if gone.is_empty() {
            return Ok(());
        }
        self.write("forget_strays", |tx| {
            for name in &gone {
                tx.execute("DELETE FROM stray WHERE name = ?1", [name])?;
            }
            Ok(())
        })
    }
}

/// How far the database came: the last serial it gave to a deployment, and the table's generation.
pub(super) fn highest(tx: &Connection) -> Result<Highest, StoreError> {
    let deployment: Option<i64> = tx
        .query_row(
            "SELECT seq FROM sqlite_sequence WHERE name = 'deployment'",
            [],
            |row| row.get(0),
        )
        .optional()?;
    Ok(Highest {
        deployment: deployment.unwrap_or(0),
        generation: tx.query_row("SELECT generation FROM instance", [], |row| row.get(0))?,
    })
}

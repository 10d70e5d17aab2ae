//! What admission looks at: an environment and its queue as they are in this transaction.

use super::rows::{inconsistent, trigger};
use super::{Store, StoreError};
use crate::core::admission::{Desired, Entry, Standing};
use crate::core::change::Change;
use crate::core::id::{DeploymentSerial, EnvironmentSerial};
use crate::core::name::{EnvironmentName, Sha};
use rusqlite::{Connection, Row, Transaction, params};
use uuid::Uuid;

impl Store {
    /// What admission would look at now.
    ///
    /// # Errors
    /// If the database fails.
    pub fn standing(&self, environment: EnvironmentSerial) -> Result<Standing, StoreError> {
        self.read(|tx| standing(tx, environment))
    }
}

pub(super) fn standing(
    tx: &Connection,
    environment: EnvironmentSerial,
) -> Result<Standing, StoreError> {
    let (desired, head, pinned, removed): (String, Option<String>, bool, bool) = tx
        .prepare_cached(
            "SELECT desired, seen_head, pinned, removed_at IS NOT NULL FROM environment WHERE serial = ?1",
        )?
        .query_row([environment.0], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })?;
    let bad = |what: String| inconsistent("environment", environment, what);
    let desired = match removed {
        // From the moment its removal was accepted, whether that has begun or not.
        true => Desired::Removed,
        false => Desired::parse(&desired).ok_or_else(|| bad(format!("desired '{desired}'")))?,
    };
    let mut statement = tx.prepare_cached(
        "SELECT o.serial, o.kind, o.volumes, d.serial, d.initiated, d.wanted, d.phase, o.phase
         FROM operation o LEFT JOIN deployment d ON d.serial = o.deployment
         WHERE o.environment = ?1 AND o.done_at IS NULL ORDER BY o.serial",
    )?;
    let mut rows = statement.query([environment.0])?;
    let mut queue = Vec::new();
    while let Some(row) = rows.next()? {
        queue.extend(entry(row)?);
    }
    Ok(Standing {
        desired,
        queue,
        seen_head: head
            .map(|head| Sha::parse(&head).map_err(|error| bad(error.0)))
            .transpose()?,
        pinned,
    })
}

/// An operation that has not ended; one that has and is only being cleared up decides nothing any more.
fn entry(row: &Row<'_>) -> Result<Option<Entry>, StoreError> {
    let serial: i64 = row.get(0)?;
    let Some(deployment) = row.get::<_, Option<i64>>(3)? else {
        let kind: String = row.get(1)?;
        let change = Change::parse(&kind, row.get(2)?)
            .ok_or_else(|| inconsistent("operation", serial, format!("kind '{kind}'")))?;
        let phase: String = row.get(7)?;
        // What has begun is in `desired` already.
        return Ok((phase == "queued").then_some(Entry::Change(change)));
    };
    let wanted: String = row.get(5)?;
    let phase: String = row.get(6)?;
    if !matches!(phase.as_str(), "queued" | "checkout" | "build" | "rollout") {
        return Ok(None);
    }
    Ok(Some(Entry::Deployment {
        serial: DeploymentSerial(deployment),
        trigger: trigger(deployment, &row.get::<_, String>(4)?)?,
        rollback: wanted == "release",
        begun: phase != "queued",
    }))
}

/// Whether something is at work or waiting in an environment: what has failed or succeeded and is only being cleared up is
/// neither, what was cancelled is, until it is. One that had its name and was removed counts until nothing of it is left.
pub(super) fn is_busy(tx: &Connection, environment: EnvironmentSerial) -> Result<bool, StoreError> {
    let found = tx
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM operation o LEFT JOIN deployment d ON d.serial = o.deployment
             WHERE o.environment = ?1 AND o.done_at IS NULL
               AND coalesce(o.phase, d.phase) NOT IN ('succeeded', 'failed', 'superseded', 'done'))
             OR EXISTS (SELECT 1 FROM environment e CROSS JOIN environment f ON f.app = e.app AND f.name = e.name
             CROSS JOIN operation o ON o.environment = f.serial
             WHERE e.serial = ?1 AND o.done_at IS NULL AND o.kind = 'remove')",
        )?
        .query_row([environment.0], |row| row.get(0))?;
    Ok(found)
}

impl Store {
    /// Notes a commit as looked at in these environments of apps (by the app's id), for it came from us: what tells of it is no
    /// news. Those that are not there are left out.
    ///
    /// # Errors
    /// If the database fails.
    pub fn note_push(
        &self,
        environments: &[(Uuid, &EnvironmentName)],
        (before, head): (&Sha, &Sha),
    ) -> Result<(), StoreError> {
        self.write_sparing("note_push", |tx| {
            for (app, name) in environments {
                tx.execute(
                    "UPDATE environment SET seen_head = ?3 WHERE name = ?2 AND removed_at IS NULL
                       AND app = (SELECT serial FROM app WHERE uuid = ?1) AND coalesce(seen_head, ?4) = ?4",
                    params![app.to_string(), name.as_str(), head.as_str(), before.as_str()],
                )?;
            }
            Ok(())
        })
    }
}

/// Notes the commit that was looked at last.
pub(super) fn note_head(
    tx: &Transaction<'_>,
    environment: EnvironmentSerial,
    head: &Sha,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE environment SET seen_head = ?2 WHERE serial = ?1",
        params![environment.0, head.as_str()],
    )?;
    Ok(())
}

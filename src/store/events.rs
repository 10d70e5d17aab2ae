//! Everything that happened, as it was written with what it tells of: nothing is missing, and nothing comes late,
//! because there is one writer.

use super::rows::{inconsistent, uuid};
use super::{Store, StoreError};
use crate::core::access::Reach;
use crate::core::change::{Change, ChangePhase};
use crate::core::event::{
    ChangeStage, DeploymentStage, Event, EventPage, Happened, Narrow, RunStage,
};
use crate::core::id::OperationSerial;
use crate::core::job::JobEvent;
use crate::core::name::{AppName, EnvironmentName, InvalidName};
use crate::core::time::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params, params_from_iter};

/// How many events are looked at in one read, fitting or not: nobody waits long for a reader of a long history.
const BLOCK: i64 = 4096;

impl Store {
    /// The serial of the newest event; 0 if nothing ever happened.
    ///
    /// # Errors
    /// If the database fails.
    pub fn last_event(&self) -> Result<i64, StoreError> {
        self.read(last)
    }

    /// The events after a serial that somebody can see and that are meant, at most so many. Of a long history only a
    /// block is looked at: where `next` is below [`Store::last_event`], there may be more.
    ///
    /// # Errors
    /// If the database fails.
    pub fn events(
        &self,
        reach: Reach,
        narrow: &Narrow,
        after: i64,
        limit: u32,
    ) -> Result<EventPage, StoreError> {
        self.read(|tx| {
            let newest = last(tx)?;
            // One deployment's are found by an index.
            let until = match narrow.deployment {
                Some(_) => newest,
                None => newest.min(after.saturating_add(BLOCK)),
            };
            let (condition, mut values) = condition(reach, narrow);
            let sql = format!("{EVENTS} WHERE v.serial > ? AND v.serial <= ? {condition} ORDER BY v.serial LIMIT ?");
            values.splice(0..0, [Value::Integer(after), Value::Integer(until)]);
            values.push(Value::Integer(limit.into()));
            let mut statement = tx.prepare_cached(&sql)?;
            let mut rows = statement.query(params_from_iter(&values))?;
            let mut events = Vec::new();
            while let Some(row) = rows.next()? {
                events.push(event(row)?);
            }
            let is_full = events.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
            let next = match events.last() {
                Some(last) if is_full => last.serial,
                Some(_) | None => until.max(after),
            };
            Ok(EventPage { events, next })
        })
    }

    /// The deployments' events after a serial, each with what was before it in the same deployment's life and when.
    ///
    /// # Errors
    /// If the database fails.
    pub fn progress(&self, after: i64) -> Result<Vec<Progressed>, StoreError> {
        self.read(|tx| {
            let mut statement = tx.prepare_cached(
                "SELECT v.serial, v.phase, v.at, a.name, e.name, b.phase, b.at
                 FROM status_event v JOIN deployment d ON d.serial = v.deployment
                 JOIN environment e ON e.serial = d.environment JOIN app a ON a.serial = e.app
                 LEFT JOIN status_event b ON b.serial =
                    (SELECT max(p.serial) FROM status_event p WHERE p.deployment = v.deployment AND p.serial < v.serial)
                 WHERE v.serial > ?1 ORDER BY v.serial LIMIT ?2",
            )?;
            let mut rows = statement.query(params![after, BLOCK])?;
            let mut progressed = Vec::new();
            while let Some(row) = rows.next()? {
                let serial: i64 = row.get(0)?;
                let bad = |error: InvalidName| inconsistent("status_event", serial, error.0);
                let before: Option<String> = row.get(5)?;
                let before = before.map(|word| stage(serial, &word)).transpose()?;
                progressed.push(Progressed {
                    serial,
                    stage: stage(serial, &row.get::<_, String>(1)?)?,
                    at: Timestamp(row.get(2)?),
                    app: AppName::parse(&row.get::<_, String>(3)?).map_err(bad)?,
                    environment: EnvironmentName::any(&row.get::<_, String>(4)?).map_err(bad)?,
                    before: before.zip(row.get::<_, Option<i64>>(6)?.map(Timestamp)),
                });
            }
            Ok(progressed)
        })
    }
}

/// A deployment's event with what was before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progressed {
    /// The event's serial.
    pub serial: i64,
    /// Where the deployment came to.
    pub stage: DeploymentStage,
    /// When.
    pub at: Timestamp,
    /// Its app.
    pub app: AppName,
    /// Its environment.
    pub environment: EnvironmentName,
    /// Where it was before, and since when.
    pub before: Option<(DeploymentStage, Timestamp)>,
}

/// Writes down that a change came to a phase, in the transaction that brings it there.
pub(super) fn change_event(
    tx: &Transaction<'_>,
    operation: OperationSerial,
    phase: &ChangePhase,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.prepare_cached("INSERT INTO status_event (operation, phase, at) VALUES (?1, ?2, ?3)")?
        .execute(params![operation.0, phase.as_str(), now.0])?;
    Ok(())
}

const EVENTS: &str = "SELECT v.serial, v.phase, v.at, d.uuid, v.operation, o.kind, o.volumes, a.name, e.name, r.uuid, r.number, r.event
     FROM status_event v LEFT JOIN deployment d ON d.serial = v.deployment LEFT JOIN operation o ON o.serial = v.operation
     LEFT JOIN run r ON r.serial = v.run LEFT JOIN deployment rd ON rd.serial = r.deployment AND r.cause = 'deployment'
     JOIN environment e ON e.serial = coalesce(d.environment, o.environment, r.environment) JOIN app a ON a.serial = e.app";

fn last(tx: &Connection) -> Result<i64, StoreError> {
    let last = tx
        .prepare_cached("SELECT serial FROM status_event ORDER BY serial DESC LIMIT 1")?
        .query_row([], |row| row.get(0))
        .optional()?;
    Ok(last.unwrap_or(0))
}

/// What is to be shown: nothing of a deleted deployment.
fn condition(reach: Reach, narrow: &Narrow) -> (String, Vec<Value>) {
    let mut conditions = "AND d.hidden_at IS NULL AND rd.hidden_at IS NULL".to_owned();
    let mut values = Vec::new();
    let mut equals = |column: &str, value: Value| {
        conditions += &format!(" AND {column} = ?");
        values.push(value);
    };
    match reach {
        Reach::All => {}
        Reach::App(app) => equals("a.serial", Value::Integer(app.0)),
        Reach::Environment(_, only) => equals("e.serial", Value::Integer(only.0)),
    }
    let Narrow {
        app,
        environment,
        deployment,
    } = narrow;
    if let Some(app) = app {
        equals("a.serial", Value::Integer(app.0));
    }
    if let Some(name) = environment {
        equals("e.name", Value::Text(name.to_string()));
    }
    if let Some(deployment) = deployment {
        equals("d.uuid", Value::Text(deployment.to_string()));
    }
    (conditions, values)
}

fn stage(serial: i64, word: &str) -> Result<DeploymentStage, StoreError> {
    DeploymentStage::parse(word)
        .ok_or_else(|| inconsistent("status_event", serial, format!("phase '{word}'")))
}

fn event(row: &Row<'_>) -> Result<Event, StoreError> {
    let serial: i64 = row.get(0)?;
    let phase: String = row.get(1)?;
    let bad = |what: String| inconsistent("status_event", serial, what);
    let deployment: Option<String> = row.get(3)?;
    let operation: Option<i64> = row.get(4)?;
    let run: Option<String> = row.get(9)?;
    let what = match (deployment, operation, run) {
        (None, None, Some(id)) => {
            let event: String = row.get(11)?;
            Happened::Run {
                id: uuid("run", serial, &id)?,
                number: row.get(10)?,
                event: JobEvent::parse(&event).ok_or_else(|| bad(format!("event '{event}'")))?,
                stage: RunStage::parse(&phase).ok_or_else(|| bad(format!("phase '{phase}'")))?,
            }
        }
        (Some(id), None, None) => Happened::Deployment {
            id: uuid("deployment", serial, &id)?,
            stage: stage(serial, &phase)?,
        },
        (None, Some(operation), None) => {
            let kind: String = row.get(5)?;
            Happened::Change {
                operation: OperationSerial(operation),
                change: Change::parse(&kind, row.get(6)?)
                    .ok_or_else(|| bad(format!("kind '{kind}'")))?,
                stage: ChangeStage::parse(&phase).ok_or_else(|| bad(format!("phase '{phase}'")))?,
            }
        }
        (Some(_), Some(_), _)
        | (Some(_), _, Some(_))
        | (_, Some(_), Some(_))
        | (None, None, None) => {
            return Err(bad("it is of no deployment, no operation and no run".into()));
        }
    };
    Ok(Event {
        serial,
        at: Timestamp(row.get(2)?),
        app: AppName::parse(&row.get::<_, String>(7)?).map_err(|error| bad(error.0))?,
        environment: EnvironmentName::any(&row.get::<_, String>(8)?)
            .map_err(|error| bad(error.0))?,
        what,
    })
}

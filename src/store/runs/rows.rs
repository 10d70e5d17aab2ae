//! Runs as rows, and with what is around them.

use super::super::StoreError;
use super::super::rows::{PRINCIPAL, from_json, inconsistent, principal, uuid};
use crate::core::id::{
    DeploymentSerial, EnvironmentSerial, OperationSerial, PrincipalSerial, RunSerial,
};
use crate::core::job::JobEvent;
use crate::core::name::{AppName, EnvironmentName};
use crate::core::run::{Cancellation, Cause, Run, RunPhase, RunView};
use crate::core::time::Timestamp;
use rusqlite::{Connection, Row, params};

/// The columns of [`run`], in its order.
const RUN: &str = "r.serial, r.uuid, r.number, r.environment, r.deployment, r.event, r.cause, r.operation, r.due_at, \
    r.principal, r.phase, r.status, r.failure, r.why, r.cancelled_by, r.replaced_by, r.created_at, r.ended_at";
/// Nothing is shown of the run of a deployment that was deleted.
pub(super) const SHOWN: &str = "(r.cause <> 'deployment' OR EXISTS (
    SELECT 1 FROM deployment h WHERE h.serial = r.deployment AND h.hidden_at IS NULL))";
/// How many they are.
const RUN_COLUMNS: usize = 18;

pub(super) fn run_in(tx: &Connection, serial: RunSerial) -> Result<Run, StoreError> {
    one(tx, "r.serial = ?1", serial.0)?.ok_or_else(|| inconsistent("run", serial, "is missing"))
}

pub(super) fn of_deployment(
    tx: &Connection,
    deployment: DeploymentSerial,
) -> Result<Option<Run>, StoreError> {
    let sql = "r.deployment = ?1 AND r.cause = 'deployment' ORDER BY r.serial DESC LIMIT 1";
    one(tx, sql, deployment.0)
}

pub(super) fn of_change(
    tx: &Connection,
    change: OperationSerial,
) -> Result<Option<Run>, StoreError> {
    one(tx, "r.operation = ?1", change.0)
}

pub(super) fn due_then(
    tx: &Connection,
    environment: EnvironmentSerial,
    due: Timestamp,
) -> Result<Option<Run>, StoreError> {
    let sql = format!(
        "SELECT {RUN} FROM run r WHERE r.environment = ?1 AND r.due_at = ?2
         AND r.due_by_wrong_clock = 0"
    );
    let mut statement = tx.prepare_cached(&sql)?;
    let mut rows = statement.query(params![environment.0, due.0])?;
    rows.next()?.map(run).transpose()
}

pub(super) fn one(
    tx: &Connection,
    condition: &str,
    value: impl rusqlite::ToSql,
) -> Result<Option<Run>, StoreError> {
    let sql = format!("SELECT {RUN} FROM run r WHERE {condition}");
    let mut statement = tx.prepare_cached(&sql)?;
    let mut rows = statement.query([value])?;
    rows.next()?.map(run).transpose()
}

pub(in crate::store) fn views(
    tx: &Connection,
    condition: &str,
    (value, limit, offset): (i64, i64, i64),
) -> Result<Vec<RunView>, StoreError> {
    let sql = format!(
        "SELECT {RUN}, a.name, a.uuid, e.name, e.uuid, r.began_at,
                (SELECT count(*) FROM one_off o WHERE o.run = r.serial),
                CASE r.cause WHEN 'deployment' THEN d.uuid ELSE r.uuid END, {PRINCIPAL}
         FROM run r JOIN environment e ON e.serial = r.environment JOIN app a ON a.serial = e.app
         JOIN deployment d ON d.serial = r.deployment JOIN principal p ON p.serial = r.principal
         WHERE {condition} ORDER BY r.number DESC LIMIT ?2 OFFSET ?3"
    );
    let mut statement = tx.prepare_cached(&sql)?;
    let mut rows = statement.query(params![value, limit, offset])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.push(view(row)?);
    }
    Ok(all)
}

fn view(row: &Row<'_>) -> Result<RunView, StoreError> {
    let run = run(row)?;
    let serial = run.serial.0;
    let bad = |error: crate::core::name::InvalidName| inconsistent("run", serial, error.0);
    let text = |column: usize| row.get::<_, String>(RUN_COLUMNS + column);
    Ok(RunView {
        app: AppName::parse(&text(0)?).map_err(bad)?,
        app_id: uuid("app", serial, &text(1)?)?,
        environment: EnvironmentName::any(&text(2)?).map_err(bad)?,
        environment_id: uuid("environment", serial, &text(3)?)?,
        began_at: row.get::<_, Option<i64>>(RUN_COLUMNS + 4)?.map(Timestamp),
        attempts: row.get(RUN_COLUMNS + 5)?,
        log: uuid("run", serial, &text(6)?)?,
        by: principal(row, RUN_COLUMNS + 7)?,
        run,
    })
}

fn run(row: &Row<'_>) -> Result<Run, StoreError> {
    let serial: i64 = row.get(0)?;
    let bad =
        |what: &str| inconsistent("run", serial, format!("{what} and its columns do not fit"));
    let event: String = row.get(5)?;
    let deployment = DeploymentSerial(row.get(4)?);
    let cause: String = row.get(6)?;
    let cause = match (
        cause.as_str(),
        row.get::<_, Option<i64>>(7)?,
        row.get::<_, Option<i64>>(8)?,
    ) {
        ("deployment", None, None) => Cause::Deployment(deployment),
        ("change", Some(operation), None) => Cause::Change(OperationSerial(operation)),
        ("schedule", None, Some(due)) => Cause::Schedule(Timestamp(due)),
        ("hand", None, None) => Cause::Hand,
        (other, _, _) => return Err(bad(&format!("cause is '{other}'"))),
    };
    Ok(Run {
        serial: RunSerial(serial),
        id: uuid("run", serial, &row.get::<_, String>(1)?)?,
        number: row.get(2)?,
        environment: EnvironmentSerial(row.get(3)?),
        deployment,
        event: JobEvent::parse(&event).ok_or_else(|| bad(&format!("event is '{event}'")))?,
        cause,
        by: PrincipalSerial(row.get(9)?),
        phase: phase(serial, row)?,
        created_at: Timestamp(row.get(16)?),
    })
}

fn phase(serial: i64, row: &Row<'_>) -> Result<RunPhase, StoreError> {
    let word: String = row.get(10)?;
    let status: Option<i64> = row.get(11)?;
    let failure: Option<String> = row.get(12)?;
    let why: Option<String> = row.get(13)?;
    let by = row.get::<_, Option<i64>>(14)?.map(PrincipalSerial);
    let replaced = row.get::<_, Option<i64>>(15)?.map(RunSerial);
    let at = row.get::<_, Option<i64>>(17)?.map(Timestamp);
    let cancelled = match (why.as_deref(), by, replaced) {
        (Some("by"), Some(by), None) => Some(Cancellation::By(by)),
        (Some("replaced"), None, Some(run)) => Some(Cancellation::ReplacedBy(run)),
        (Some("deployment"), None, None) => Some(Cancellation::WithDeployment),
        (Some("environment"), None, None) => Some(Cancellation::WithEnvironment),
        _ => None,
    };
    match (word.as_str(), at, failure, cancelled) {
        ("queued", None, None, None) => Ok(RunPhase::Queued),
        ("running", None, None, None) => Ok(RunPhase::Running),
        ("succeeded", Some(at), None, None) => Ok(RunPhase::Succeeded { at }),
        ("skipped", Some(at), None, None) => Ok(RunPhase::Skipped { at }),
        ("failed", Some(at), Some(failure), None) => Ok(RunPhase::Failed {
            at,
            status,
            failure: from_json("run", serial, &failure)?,
        }),
        ("cancelled", Some(at), None, Some(why)) => Ok(RunPhase::Cancelled { at, why }),
        _ => Err(inconsistent(
            "run",
            serial,
            format!("phase is '{word}' and its columns do not fit"),
        )),
    }
}

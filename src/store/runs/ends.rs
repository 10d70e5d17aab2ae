//! How runs move from phase to phase and end, by themselves or in the transaction that ends what they belong to.

use super::super::StoreError;
use super::super::operations::write_settlements;
use super::super::rows::json;
use super::rows::{of_change, of_deployment, run_in};
use super::{is_unended, run_event};
use crate::core::deployment::{Deployment, Phase};
use crate::core::failure::Failure;
use crate::core::id::{ContainerSerial, OperationSerial, RunSerial};
use crate::core::operation::Undo;
use crate::core::run::{Cancellation, Cause, Run, RunPhase};
use crate::core::time::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

/// Writes a run's new phase, if its row still is in the one the transition came from.
pub(super) fn move_run(
    tx: &Transaction<'_>,
    from: &Run,
    to: &Run,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (mut status, mut failure, mut why, mut by, mut replaced) = (None, None, None, None, None);
    match &to.phase {
        RunPhase::Queued
        | RunPhase::Running
        | RunPhase::Succeeded { .. }
        | RunPhase::Skipped { .. } => {}
        RunPhase::Failed {
            status: ended,
            failure: said,
            ..
        } => {
            status = *ended;
            failure = Some(json("run", said)?);
        }
        RunPhase::Cancelled { why: cause, .. } => match cause {
            Cancellation::By(principal) => (why, by) = (Some("by"), Some(principal.0)),
            Cancellation::ReplacedBy(run) => (why, replaced) = (Some("replaced"), Some(run.0)),
            Cancellation::WithDeployment => why = Some("deployment"),
            Cancellation::WithEnvironment => why = Some("environment"),
        },
    }
    let changed = tx
        .prepare_cached(
            "UPDATE run SET phase = ?3, status = ?4, failure = ?5, why = ?6, cancelled_by = ?7, replaced_by = ?8, ended_at = ?9
             WHERE serial = ?1 AND phase = ?2",
        )?
        .execute(params![
            to.serial.0,
            from.phase.as_str(),
            to.phase.as_str(),
            status,
            failure,
            why,
            by,
            replaced,
            to.phase.ended_at().map(|at| at.0)
        ])?;
    match changed {
        1 => run_event(tx, to.serial, to.phase.as_str(), now),
        _ => Err(moved(to.serial)),
    }
}

/// Refuses when the run's row has left the phase the caller saw.
pub(in crate::store) fn still_run(tx: &Connection, run: &Run) -> Result<(), StoreError> {
    let word: String = tx
        .prepare_cached("SELECT phase FROM run WHERE serial = ?1")?
        .query_row([run.serial.0], |row| row.get(0))?;
    match word == run.phase.as_str() {
        true => Ok(()),
        false => Err(moved(run.serial)),
    }
}

pub(super) fn moved(run: RunSerial) -> StoreError {
    StoreError::Moved(format!("run {run}"))
}

/// Writes a run's end, and that what it ran in is to be removed.
pub(super) fn end_run_in(
    tx: &Transaction<'_>,
    from: &Run,
    ended: &Run,
    now: Timestamp,
) -> Result<(), StoreError> {
    move_run(tx, from, ended, now)?;
    let left: Vec<ContainerSerial> = tx
        .prepare_cached(
            "SELECT c.serial FROM one_off o JOIN container c ON c.serial = o.container
             WHERE o.run = ?1 AND c.role <> 'retired' ORDER BY c.serial",
        )?
        .query_map([from.serial.0], |row| row.get(0).map(ContainerSerial))?
        .collect::<Result<_, _>>()?;
    for container in left {
        retire(tx, from, container, now)?;
    }
    Ok(())
}

pub(super) fn fail_run_in(
    tx: &Transaction<'_>,
    from: &Run,
    failure: &Failure,
    now: Timestamp,
) -> Result<(), StoreError> {
    let status: Option<Option<i64>> = tx
        .prepare_cached(
            "SELECT status FROM one_off WHERE run = ?1 ORDER BY container DESC LIMIT 1",
        )?
        .query_row([from.serial.0], |row| row.get(0))
        .optional()?;
    let failed = from.clone().fail(failure.clone(), status.flatten(), now)?;
    end_run_in(tx, from, &failed, now)
}

/// Writes down that what a run's command ran in is to be removed: by the run's own walk where it stands alone, otherwise by
/// the environment's.
pub(in crate::store) fn retire(
    tx: &Transaction<'_>,
    run: &Run,
    container: ContainerSerial,
    now: Timestamp,
) -> Result<(), StoreError> {
    let owner = match run.cause {
        Cause::Deployment(deployment) => Some(deployment),
        Cause::Change(_) | Cause::Schedule(_) | Cause::Hand => None,
    };
    let undo = [Undo::RetireContainer(container)];
    write_settlements(tx, run.environment, owner, &undo, None, now)?;
    if run.stands_alone() {
        let written = tx.last_insert_rowid();
        tx.prepare_cached("UPDATE settlement SET run = ?2 WHERE serial = ?1")?
            .execute(params![written, run.serial.0])?;
    }
    Ok(())
}

/// Every run fails that has not ended, but for those of deployments: they end with these.
pub(in crate::store) fn give_up_runs(
    tx: &Transaction<'_>,
    failure: &Failure,
    now: Timestamp,
) -> Result<(), StoreError> {
    let serials: Vec<i64> = tx
        .prepare_cached(
            "SELECT serial FROM run WHERE ended_at IS NULL AND cause <> 'deployment' ORDER BY serial",
        )?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for serial in serials {
        let run = run_in(tx, RunSerial(serial))?;
        fail_run_in(tx, &run, failure, now)?;
    }
    Ok(())
}

/// The run of a deployment ends as that does.
pub(in crate::store) fn end_with_deployment(
    tx: &Transaction<'_>,
    ended: &Deployment,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Some(run) = of_deployment(tx, ended.serial)?.filter(is_unended) else {
        return Ok(());
    };
    match (&ended.phase, &run.phase) {
        (Phase::Committed(_), RunPhase::Running) => {
            end_run_in(tx, &run, &run.clone().succeed(now)?, now)
        }
        (Phase::Failed { failure, .. }, RunPhase::Running) => fail_run_in(tx, &run, failure, now),
        // It failed before its run began, or somebody ended it.
        _ => {
            let cancelled = run.clone().cancel(Cancellation::WithDeployment, now)?;
            end_run_in(tx, &run, &cancelled, now)
        }
    }
}

/// The run of a change that failed, or was ended by a removal, ends with it.
pub(in crate::store) fn end_with_change(
    tx: &Transaction<'_>,
    change: OperationSerial,
    failure: Option<&Failure>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Some(run) = of_change(tx, change)?.filter(is_unended) else {
        return Ok(());
    };
    match failure {
        Some(failure) => fail_run_in(tx, &run, failure, now),
        None => {
            let cancelled = run.clone().cancel(Cancellation::WithEnvironment, now)?;
            end_run_in(tx, &run, &cancelled, now)
        }
    }
}

/// Ends a run at work with or without a failure, if it has not ended.
pub(in crate::store) fn end_if_unended(
    tx: &Transaction<'_>,
    run: &Run,
    failure: Option<&Failure>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let run = run_in(tx, run.serial)?;
    match failure {
        _ if !is_unended(&run) => Ok(()),
        Some(failure) => fail_run_in(tx, &run, failure, now),
        None => end_run_in(tx, &run, &run.clone().succeed(now)?, now),
    }
}

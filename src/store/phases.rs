//! Moving a deployment's row from phase to phase, and its steps with it.

use super::StoreError;
use super::rows::{json, phase_word};
use super::statuses::own_status;
use crate::core::deployment::{CommitInfo, Deployment, Phase, Step};
use crate::core::id::DeploymentSerial;
use crate::core::release::Image;
use crate::core::spec::Spec;
use crate::core::status;
use crate::core::time::Timestamp;
use rusqlite::{OptionalExtension as _, Transaction, params};
use std::time::Duration;

/// What a step found, to be kept with the transition it ends in.
#[derive(Clone, Copy, Debug)]
pub enum StepResult<'a> {
    /// What git says of the commit.
    Commit(&'a CommitInfo),
    /// The image that was built or pulled.
    Image(&'a Image),
}

impl StepResult<'_> {
    pub(super) fn write(
        self,
        tx: &Transaction<'_>,
        deployment: DeploymentSerial,
    ) -> Result<(), StoreError> {
        let (column, value) = match self {
            Self::Commit(commit) => ("commit_info", json("deployment", commit)?),
            Self::Image(image) => ("result", json("deployment", image)?),
        };
        tx.execute(
            &format!("UPDATE deployment SET {column} = ?2 WHERE serial = ?1"),
            params![deployment.0, value],
        )?;
        Ok(())
    }
}

/// Writes a deployment's new phase, if its row still is in the phase the transition came from.
pub(super) fn transition(
    tx: &Transaction<'_>,
    from: &Phase,
    to: &Deployment,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (
        mut failed_step,
        mut failure,
        mut release,
        mut cancelled_by,
        mut was_waiting,
        mut superseded_by,
    ) = (None, None, None, None, None, None);
    match &to.phase {
        Phase::Queued | Phase::Running(_) => {}
        Phase::Committed(serial)
        | Phase::Succeeded {
            release: serial, ..
        } => release = Some(serial.0),
        Phase::Failed {
            step, failure: why, ..
        } => {
            failed_step = Some(step.as_str());
            failure = Some(json("deployment", why)?);
        }
        Phase::Cancelled {
            by,
            was_waiting: waited,
            ..
        } => {
            cancelled_by = Some(by.0);
            was_waiting = Some(*waited);
        }
        Phase::Superseded { by, .. } => superseded_by = Some(by.0),
    }
    let changed = tx
        .prepare_cached(
            "UPDATE deployment SET phase = ?3, failed_step = ?4, failure = ?5, release = ?6, cancelled_by = ?7, was_waiting = ?8,
                                   superseded_by = ?9, ended_at = ?10, updated_at = coalesce(?10, ?11)
             WHERE serial = ?1 AND phase = ?2",
        )?
        .execute(params![
            to.serial.0, phase_word(from), phase_word(&to.phase), failed_step, failure, release, cancelled_by, was_waiting,
            superseded_by, to.phase.ended_at().map(|at| at.0), now.0
        ])?;
    if changed != 1 {
        return Err(moved(to.serial));
    }
    status_event(tx, to.serial, &to.phase, now)?;
    match status::of_phase(&to.phase, *from == Phase::Queued) {
        Some((state, said)) => own_status(tx, to.serial, (state, &said), now),
        None => Ok(()),
    }
}

/// Refuses when the deployment's row has left the phase the caller saw.
pub(super) fn still(tx: &Transaction<'_>, deployment: &Deployment) -> Result<(), StoreError> {
    let word: String = tx
        .prepare_cached("SELECT phase FROM deployment WHERE serial = ?1")?
        .query_row([deployment.serial.0], |row| row.get(0))?;
    if word == phase_word(&deployment.phase) {
        Ok(())
    } else {
        Err(moved(deployment.serial))
    }
}

pub(super) fn status_event(
    tx: &Transaction<'_>,
    deployment: DeploymentSerial,
    phase: &Phase,
    now: Timestamp,
) -> Result<(), StoreError> {
    status_word(tx, deployment, phase_word(phase), now)
}

/// Writes down that a deployment came to a phase, by the phase's word.
pub(super) fn status_word(
    tx: &Transaction<'_>,
    deployment: DeploymentSerial,
    word: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.prepare_cached("INSERT INTO status_event (deployment, phase, at) VALUES (?1, ?2, ?3)")?
        .execute(params![deployment.0, word, now.0])?;
    Ok(())
}

pub(super) fn begin_step(
    tx: &Transaction<'_>,
    deployment: &Deployment,
    spec: Option<&Spec>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Some(step) = deployment.phase.running_step() else {
        return Ok(());
    };
    let budget = spec.map_or(Duration::ZERO, |spec| match step {
        Step::Checkout => spec.deadlines.checkout,
        Step::Build => spec.deadlines.build,
        Step::Rollout => spec.deadlines.rollout,
        // It follows the commit, and after that nothing has a deadline.
        Step::SyncConnections => Duration::ZERO,
    });
    let run: Option<i64> = match step {
        Step::Checkout | Step::Build | Step::SyncConnections => None,
        // Its run has its own time besides.
        Step::Rollout => tx
            .prepare_cached(
                "SELECT budget_ms FROM run WHERE deployment = ?1 AND cause = 'deployment'",
            )?
            .query_row([deployment.serial.0], |row| row.get(0))
            .optional()?,
    };
    tx.execute(
        "INSERT INTO step (deployment, name, budget_ms, started_at) VALUES (?1, ?2, ?3, ?4)",
        params![
            deployment.serial.0,
            step.as_str(),
            i64::try_from(budget.as_millis())
                .unwrap_or(i64::MAX)
                .saturating_add(run.unwrap_or(0)),
            now.0
        ],
    )?;
    Ok(())
}

pub(super) fn end_step(
    tx: &Transaction<'_>,
    deployment: DeploymentSerial,
    from: &Phase,
    now: Timestamp,
) -> Result<(), StoreError> {
    if let Some(step) = from.running_step() {
        tx.execute(
            "UPDATE step SET ended_at = ?3 WHERE deployment = ?1 AND name = ?2",
            params![deployment.0, step.as_str(), now.0],
        )?;
    }
    Ok(())
}

fn moved(serial: DeploymentSerial) -> StoreError {
    StoreError::Moved(format!("deployment {serial}"))
}

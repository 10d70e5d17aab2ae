//! Changes of environments: taking them in, and moving them from phase to phase.

use super::apps::Place;
use super::connections;
use super::deployments::end_in;
use super::events::change_event;
use super::keys::Answered;
use super::operations::{millis_of, write_settlements};
use super::routes::grow;
use super::rows::{PRINCIPAL, from_json, inconsistent, json, principal};
use super::runs::{
    OwnRun, begin_with_run, cancel_runs, end_if_unended, end_with_change, standing_alone,
};
use super::standing::{is_busy, standing};
use super::{Store, StoreError, schedules};
use crate::core::action::{ChangeView, RequestKey};
use crate::core::admission::{DeniedReason, Desired, Entry, admit_change};
use crate::core::change::{Change, ChangePhase, EnvironmentChange};
use crate::core::deployment::Phase;
use crate::core::failure::Failure;
use crate::core::id::{
    AppSerial, ContainerSerial, DeploymentSerial, EnvironmentSerial, OperationSerial,
    PrincipalSerial,
};
use crate::core::name::{AppName, EnvironmentName};
use crate::core::operation::cleared_away;
use crate::core::release::release_tag;
use crate::core::run::{Cancellation, Cause, Run};
use crate::core::spec::{MountSource, Spec};
use crate::core::time::Timestamp;
use rusqlite::{Connection, Row, Transaction, params};
use std::collections::BTreeSet;

/// What became of a request for changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeAccepted {
    /// Each is in its environment's queue; or was put there by the same request before.
    Accepted(Vec<OperationSerial>),
    /// The key was used before for another request.
    KeyReused,
    /// One may not, and so none of them is.
    Denied(EnvironmentName, DeniedReason),
    /// Something is at work or waiting in one, and so none of them is.
    Busy(EnvironmentName),
}

const CHANGE: &str =
    "o.serial, o.environment, o.principal, o.kind, o.volumes, o.phase, o.failure, o.created_at";

impl Store {
    /// Decides over a change of one or more environments and writes it for all of them or for none. With `cancels`
    /// the deployments that run before their commit, and those that wait, are cancelled with it; a removal always does
    /// that, cancels other changes too, and from here on the environment is gone for everybody who asks. With `idle` it is
    /// refused where something is at work or waiting.
    ///
    /// # Errors
    /// If the database fails.
    pub fn accept_change(
        &self,
        places: &[Place],
        change: Change,
        by: PrincipalSerial,
        (cancels, idle): (bool, bool),
        key: Option<&RequestKey>,
        now: Timestamp,
    ) -> Result<ChangeAccepted, StoreError> {
        let removes = matches!(change, Change::Remove { .. });
        let cancels = cancels || removes;
        self.write("accept_change", |tx| {
            match self.answered_in(tx, by, key, now)? {
                None => {}
                Some(Answered::Changes(known)) => return Ok(ChangeAccepted::Accepted(known)),
                Some(
                    Answered::Deployment(_)
                    | Answered::Token(..)
                    | Answered::Run(_)
                    | Answered::Another,
                ) => {
                    return Ok(ChangeAccepted::KeyReused);
                }
            }
            for place in places {
                if idle && is_busy(tx, place.environment)? {
                    return Ok(ChangeAccepted::Busy(place.environment_name.clone()));
                }
                let mut standing = standing(tx, place.environment)?;
                if cancels {
                    standing
                        .queue
                        .retain(|entry| matches!(entry, Entry::Change(_)));
                }
                if let Err(reason) = admit_change(&standing, change) {
                    return Ok(ChangeAccepted::Denied(
                        place.environment_name.clone(),
                        reason,
                    ));
                }
            }
            let mut accepted = Vec::new();
            for place in places {
                accepted.push(write_change(self, tx, place, (change, cancels), by, now)?);
            }
            self.remember(tx, by, key, &Answered::Changes(accepted.clone()), now)?;
            Ok(ChangeAccepted::Accepted(accepted))
        })
    }

    fn cancel_deployments(
        &self,
        tx: &Transaction<'_>,
        place: &Place,
        by: PrincipalSerial,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let unfinished: Vec<i64> = tx
            .prepare_cached(
                "SELECT deployment FROM operation WHERE environment = ?1 AND done_at IS NULL AND deployment IS NOT NULL",
            )?
            .query_map([place.environment.0], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        for serial in unfinished {
            let deployment = self.deployment_in(tx, DeploymentSerial(serial))?;
            let from = deployment.phase.clone();
            match from {
                Phase::Queued | Phase::Running(_) => {
                    let cancelled = deployment.cancel(by, now)?;
                    end_in(tx, &from, &cancelled, &place.slug(), now)?;
                }
                // Past its commit it goes on to its end; the change waits for it.
                Phase::Committed(_)
                | Phase::Succeeded { .. }
                | Phase::Failed { .. }
                | Phase::Cancelled { .. }
                | Phase::Superseded { .. } => {}
            }
        }
        Ok(())
    }

    /// A change by its operation's serial; `None` if there is none, or the operation is a deployment.
    ///
    /// # Errors
    /// If the database fails.
    pub fn change(&self, serial: OperationSerial) -> Result<Option<EnvironmentChange>, StoreError> {
        self.read(|tx| {
            let sql = format!(
                "SELECT {CHANGE} FROM operation o WHERE o.serial = ?1 AND o.phase IS NOT NULL"
            );
            let mut statement = tx.prepare_cached(&sql)?;
            let mut rows = statement.query([serial.0])?;
            rows.next()?.map(change).transpose()
        })
    }

    /// A change with the names around it; `None` if there is none.
    ///
    /// # Errors
    /// If the database fails.
    pub fn change_view(&self, serial: OperationSerial) -> Result<Option<ChangeView>, StoreError> {
        self.read(|tx| self.change_view_in(tx, serial))
    }

    pub(super) fn change_view_in(
        &self,
        tx: &Connection,
        serial: OperationSerial,
    ) -> Result<Option<ChangeView>, StoreError> {
        let sql = format!(
            "SELECT {CHANGE}, a.serial, a.name, e.name, o.done_at, {PRINCIPAL} FROM operation o
             JOIN environment e ON e.serial = o.environment JOIN app a ON a.serial = e.app
             JOIN principal p ON p.serial = o.principal
             WHERE o.serial = ?1 AND o.phase IS NOT NULL"
        );
        let mut statement = tx.prepare_cached(&sql)?;
        let mut rows = statement.query([serial.0])?;
        let Some(row) = rows.next()? else {
            return Ok(None);
        };
        let bad =
            |error: crate::core::name::InvalidName| inconsistent("operation", serial, error.0);
        Ok(Some(ChangeView {
            change: change(row)?,
            app_serial: AppSerial(row.get(8)?),
            app: AppName::parse(&row.get::<_, String>(9)?).map_err(bad)?,
            environment: EnvironmentName::any(&row.get::<_, String>(10)?).map_err(bad)?,
            done_at: row.get::<_, Option<i64>>(11)?.map(Timestamp),
            by: principal(row, 12)?,
        }))
    }

    /// Queued → Running: from here on the environment is meant to be what was asked. A removal writes down everything
    /// that is to be cleared away, unless it has a run: then that is done at its end. False: nothing is written, because it
    /// waits for the end of runs that stand alone.
    ///
    /// # Errors
    /// [`StoreError::Moved`] if it is no longer queued.
    pub fn begin_change(
        &self,
        change: &EnvironmentChange,
        slug: &str,
        run: Option<&OwnRun>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write("begin_change", |tx| {
            let environment = change.environment;
            let waits = match change.change {
                Change::Stop | Change::Suspend | Change::Remove { .. } => {
                    !standing_alone(tx, environment)?.is_empty()
                }
                Change::Start | Change::Activate => false,
            };
            if waits {
                return Ok(false);
            }
            if let Some(run) = run {
                let of = (Cause::Change(change.serial), change.by);
                if !begin_with_run(tx, environment, run, of, now)? {
                    return Ok(false);
                }
                // It has its own time besides.
                tx.execute(
                    "UPDATE operation SET budget_ms = min(budget_ms, ?2) + (?3 - ?2) WHERE serial = ?1",
                    params![
                        change.serial.0,
                        i64::MAX - millis_of(run.max_duration),
                        i64::MAX
                    ],
                )?;
            }
            let begun = change.clone().begin()?;
            move_change(tx, change, &begun, now)?;
            tx.execute(
                "UPDATE operation SET began_at = ?2 WHERE serial = ?1",
                params![change.serial.0, now.0],
            )?;
            if change.change.desired() == Desired::Running {
                schedules::restart(tx, change.environment, now)?;
            }
            tx.execute(
                "UPDATE environment SET desired = ?2, updated_at = ?3 WHERE serial = ?1",
                params![
                    change.environment.0,
                    change.change.desired().as_str(),
                    now.0
                ],
            )?;
            let generation = grow(tx)?;
            if let (Change::Remove { volumes }, None) = (change.change, run) {
                clear_away(tx, environment, slug, (volumes, generation), now)?;
            }
            Ok(true)
        })
    }

    /// The run of a removal is over, however it ended, and everything there is of the environment is to be cleared away.
    ///
    /// # Errors
    /// [`StoreError::Moved`] if the run ended otherwise meanwhile.
    pub fn end_removal_run(
        &self,
        place: &Place,
        run: &Run,
        failure: Option<&Failure>,
        volumes: bool,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write("end_removal_run", |tx| {
            end_if_unended(tx, run, failure, now)?;
            let generation = grow(tx)?;
            let of = (volumes, generation);
            clear_away(tx, place.environment, &place.slug, of, now)
        })
    }

    /// Running → Done or Failed.
    ///
    /// # Errors
    /// [`StoreError::Moved`] if it is no longer running.
    pub fn end_change(
        &self,
        from: &EnvironmentChange,
        ended: &EnvironmentChange,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write("end_change", |tx| {
            move_change(tx, from, ended, now)?;
            match &ended.phase {
                ChangePhase::Failed(failure) => {
                    end_with_change(tx, from.serial, Some(failure), now)
                }
                ChangePhase::Queued
                | ChangePhase::Running
                | ChangePhase::Done
                | ChangePhase::Cancelled => Ok(()),
            }
        })
    }
}

/// Puts a change into its environment's queue. One that `cancels` ends the deployments that are not committed; a removal ends
/// other changes, too, and from here on the environment is gone for everybody who asks.
pub(super) fn write_change(
    store: &Store,
    tx: &Transaction<'_>,
    place: &Place,
    (change, cancels): (Change, bool),
    by: PrincipalSerial,
    now: Timestamp,
) -> Result<OperationSerial, StoreError> {
    if cancels {
        store.cancel_deployments(tx, place, by, now)?;
        cancel_runs(tx, place.environment, Cancellation::WithEnvironment, now)?;
    }
    if let Change::Remove { .. } = change {
        cancel_changes(tx, place.environment, now)?;
        tx.execute(
            "UPDATE environment SET removed_at = ?2 WHERE serial = ?1",
            params![place.environment.0, now.0],
        )?;
        grow(tx)?;
    }
    let volumes = matches!(change, Change::Remove { volumes: true });
    tx.execute(
        "INSERT INTO operation (environment, kind, principal, phase, volumes, budget_ms, created_at)
         VALUES (?1, ?2, ?3, 'queued', ?4, ?5, ?6)",
        params![
            place.environment.0,
            change.as_str(),
            by.0,
            volumes,
            millis_of(change.budget()),
            now.0
        ],
    )?;
    let serial = OperationSerial(tx.last_insert_rowid());
    change_event(tx, serial, &ChangePhase::Queued, now)?;
    Ok(serial)
}

/// Writes a change's new phase, if its row still is in the one the transition came from.
fn move_change(
    tx: &Transaction<'_>,
    from: &EnvironmentChange,
    to: &EnvironmentChange,
    now: Timestamp,
) -> Result<(), StoreError> {
    let failure = match &to.phase {
        ChangePhase::Failed(failure) => Some(json("operation", failure)?),
        ChangePhase::Queued | ChangePhase::Running | ChangePhase::Done | ChangePhase::Cancelled => {
            None
        }
    };
    let changed = tx.execute(
        "UPDATE operation SET phase = ?3, failure = ?4 WHERE serial = ?1 AND phase = ?2",
        params![to.serial.0, from.phase.as_str(), to.phase.as_str(), failure],
    )?;
    match changed {
        1 => change_event(tx, to.serial, &to.phase, now),
        _ => Err(StoreError::Moved(format!("operation {}", to.serial))),
    }
}

pub(super) fn cancel_changes(
    tx: &Transaction<'_>,
    environment: EnvironmentSerial,
    now: Timestamp,
) -> Result<(), StoreError> {
    let sql = format!(
        "SELECT {CHANGE} FROM operation o WHERE o.environment = ?1 AND o.done_at IS NULL AND o.phase IN ('queued', 'running')"
    );
    let mut statement = tx.prepare_cached(&sql)?;
    let mut rows = statement.query([environment.0])?;
    while let Some(row) = rows.next()? {
        let found = change(row)?;
        move_change(tx, &found, &found.clone().cancel()?, now)?;
        end_with_change(tx, found.serial, None, now)?;
    }
    Ok(())
}

/// Everything there is of an environment: its secrets, its containers, the tags that keep its releases' images, its network,
/// and its volumes if they are to go.
fn clear_away(
    tx: &Transaction<'_>,
    environment: EnvironmentSerial,
    slug: &str,
    (volumes, generation): (bool, i64),
    now: Timestamp,
) -> Result<(), StoreError> {
    for table in ["secret", "hook"] {
        let sql = format!("DELETE FROM {table} WHERE environment = ?1");
        tx.execute(&sql, [environment.0])?;
    }
    let containers: Vec<ContainerSerial> = tx
        .prepare_cached(
            "SELECT serial FROM container WHERE environment = ?1 AND removed_at IS NULL AND role <> 'retired' ORDER BY serial",
        )?
        .query_map([environment.0], |row| row.get(0).map(ContainerSerial))?
        .collect::<Result<_, _>>()?;
    let tags: Vec<String> = tx
        .prepare_cached(
            "SELECT number FROM release WHERE environment = ?1 AND collected_at IS NULL ORDER BY number",
        )?
        .query_map([environment.0], |row| row.get(0).map(|number| release_tag(slug, number)))?
        .collect::<Result<_, _>>()?;
    let volumes = match volumes {
        true => volumes_of(tx, environment, slug)?,
        false => BTreeSet::new(),
    };
    tx.execute(
        "UPDATE environment SET live_release = NULL, live_deployment = NULL WHERE serial = ?1",
        [environment.0],
    )?;
    let undo = cleared_away(slug, &containers, tags, volumes);
    write_settlements(tx, environment, None, &undo, Some(generation), now)?;
    connections::removed(tx, environment, now)
}

/// The full names of the volumes that any deployment of the environment may have made.
fn volumes_of(
    tx: &Transaction<'_>,
    environment: EnvironmentSerial,
    slug: &str,
) -> Result<BTreeSet<String>, StoreError> {
    let specs: Vec<String> = tx
        .prepare_cached(
            "SELECT spec FROM deployment WHERE environment = ?1 AND hidden_at IS NULL AND spec IS NOT NULL
             UNION SELECT spec FROM deployment WHERE environment = ?1 AND hidden_at IS NOT NULL AND spec IS NOT NULL",
        )?
        .query_map([environment.0], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut names = BTreeSet::new();
    for text in specs {
        let spec: Spec = from_json("deployment", environment.0, &text)?;
        names.extend(
            spec.run
                .volumes
                .into_iter()
                .filter_map(|mount| match mount.source {
                    MountSource::Volume(name) => Some(format!("{slug}-{name}")),
                    MountSource::External(_) | MountSource::Host(_) => None,
                }),
        );
    }
    Ok(names)
}

fn change(row: &Row<'_>) -> Result<EnvironmentChange, StoreError> {
    let serial: i64 = row.get(0)?;
    let (kind, phase): (String, String) = (row.get(3)?, row.get(5)?);
    let failure: Option<String> = row.get(6)?;
    let phase = match (phase.as_str(), failure) {
        ("queued", None) => ChangePhase::Queued,
        ("running", None) => ChangePhase::Running,
        ("done", None) => ChangePhase::Done,
        ("cancelled", None) => ChangePhase::Cancelled,
        ("failed", Some(failure)) => ChangePhase::Failed(from_json("operation", serial, &failure)?),
        _ => {
            return Err(inconsistent(
                "operation",
                serial,
                format!("phase is '{phase}' and its columns do not fit"),
            ));
        }
    };
    Ok(EnvironmentChange {
        serial: OperationSerial(serial),
        environment: EnvironmentSerial(row.get(1)?),
        by: PrincipalSerial(row.get(2)?),
        change: Change::parse(&kind, row.get(4)?)
            .ok_or_else(|| inconsistent("operation", serial, format!("kind '{kind}'")))?,
        phase,
        created_at: Timestamp(row.get(7)?),
    })
}

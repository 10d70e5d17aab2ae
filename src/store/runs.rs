//! Runs of jobs: taken in, moved from phase to phase, shown. One that belongs to a deployment or a change ends in the
//! transaction in which that ends.

mod ends;
mod rows;

use super::keys::Answered;
use super::operations::millis_of;
use super::releases::release_in;
use super::rows::{inconsistent, uuid};
use super::standing::standing;
use super::{Store, StoreError};
use crate::core::action::RequestKey;
use crate::core::admission::Desired;
use crate::core::failure::Failure;
use crate::core::id::{
    ContainerSerial, DeploymentSerial, EnvironmentSerial, OperationSerial, PrincipalSerial,
    ReleaseSerial, RunSerial,
};
use crate::core::job::{JobEvent, Overlap};
use crate::core::run::{Cancellation, Cause, Run, RunView};
use crate::core::time::Timestamp;
pub(super) use ends::{
    end_if_unended, end_with_change, end_with_deployment, give_up_runs, retire, still_run,
};
use ends::{end_run_in, fail_run_in, move_run};
pub(super) use rows::views;
use rows::{SHOWN, due_then, of_change, of_deployment, one, run_in};
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use std::time::Duration;
use uuid::Uuid;

/// A run that is asked for and stands alone.
#[derive(Clone, Debug)]
pub struct NewRun {
    /// The id it will have.
    pub id: Uuid,
    /// Its environment.
    pub environment: EnvironmentSerial,
    /// What to run; `None`: what a schedule would, else what a start would.
    pub event: Option<JobEvent>,
    /// By whom it was made: a schedule, or by hand.
    pub cause: Cause,
    /// Who asked.
    pub by: PrincipalSerial,
    /// What happens where another is at work.
    pub overlap: Overlap,
    /// Recognises a repetition.
    pub key: Option<RequestKey>,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq)]
pub enum RunTaken {
    /// It is in the history, and begins as soon as it may.
    New(Run),
    /// The same was asked for before, or there is one for that time already: this one.
    Known(Run),
    /// Another is at work, so it is in the history as skipped.
    Skipped(Run),
    /// The one of this number is at work; nothing was written of it.
    AtWork(i64),
    /// The key was used before for another request.
    KeyReused,
    /// Nothing was ever deployed.
    NothingLive,
    /// What is live is not a job.
    NotAJob,
    /// The job has only these events.
    NoSuchEvent {
        /// What was asked for.
        event: JobEvent,
        /// Those there are.
        known: Vec<JobEvent>,
    },
    /// The environment is not meant to run, or will not be when its queue is empty.
    NotRunning(Desired),
}

/// A run that belongs to a deployment or a change.
#[derive(Clone, Debug)]
pub struct OwnRun {
    /// The id it will have.
    pub id: Uuid,
    /// The deployment whose image and commands it runs.
    pub deployment: DeploymentSerial,
    /// What it runs.
    pub event: JobEvent,
    /// Its budget.
    pub max_duration: Duration,
    /// How often its command is run again.
    pub retries: u32,
    /// What happens to runs that stand alone.
    pub overlap: Overlap,
}

/// The runs of an environment that may have something running, the oldest first: those that have not ended, and those whose
/// command did not end by itself and whose container is not removed yet.
const AT_WORK: &str = "SELECT serial, number, cause, 0 AS ended FROM run WHERE environment = ?1 AND serial < ?2 AND ended_at IS NULL
    UNION SELECT r.serial, r.number, r.cause, 1 FROM settlement s JOIN one_off o ON o.container = s.container
        JOIN run r ON r.serial = o.run
        WHERE s.environment = ?1 AND s.settled_at IS NULL AND s.kind = 'retire_container' AND r.serial < ?2
          AND (r.phase = 'cancelled' OR r.phase = 'failed' AND r.status IS NULL)
    ORDER BY 1";

impl Store {
    /// Decides over a run of what is live and writes it, all at once: as made, as skipped, or in place of those at work.
    /// With `schedule_seen` the environment's schedule was looked at up to then, whatever becomes of the run.
    ///
    /// # Errors
    /// If the database fails.
    pub fn intend_run(
        &self,
        new: &NewRun,
        schedule_seen: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<RunTaken, StoreError> {
        self.write_sparing("intend_run", |tx| {
            match self.answered_in(tx, new.by, new.key.as_ref(), now)? {
                None => {}
                Some(Answered::Run(known)) => return Ok(RunTaken::Known(run_in(tx, known)?)),
                Some(
                    Answered::Deployment(_)
                    | Answered::Changes(_)
                    | Answered::Token(..)
                    | Answered::Another,
                ) => return Ok(RunTaken::KeyReused),
            }
            self.disk.room()?;
            if let Some(seen) = schedule_seen {
                note_schedule(tx, new.environment, seen)?;
            }
            take_in(self, tx, new, now)
        })
    }

    /// Up to when an environment's schedule was looked at; `None`: never.
    ///
    /// # Errors
    /// If the database fails.
    pub fn schedule_seen(
        &self,
        environment: EnvironmentSerial,
    ) -> Result<Option<Timestamp>, StoreError> {
        self.read(|tx| {
            let seen: Option<i64> = tx.query_row(
                "SELECT schedule_seen FROM environment WHERE serial = ?1",
                [environment.0],
                |row| row.get(0),
            )?;
            Ok(seen.map(Timestamp))
        })
    }

    /// An environment's schedule was looked at up to then, and nothing was due.
    ///
    /// # Errors
    /// If the database fails.
    pub fn note_schedule(
        &self,
        environment: EnvironmentSerial,
        seen: Timestamp,
    ) -> Result<(), StoreError> {
        self.write_sparing("note_schedule", |tx| note_schedule(tx, environment, seen))
    }

    /// A run.
    ///
    /// # Errors
    /// If there is none of that serial.
    pub fn run(&self, serial: RunSerial) -> Result<Run, StoreError> {
        self.read(|tx| run_in(tx, serial))
    }

    /// A run by the id clients hold.
    ///
    /// # Errors
    /// If the database fails.
    pub fn find_run(&self, id: Uuid) -> Result<Option<Run>, StoreError> {
        let condition = format!("r.uuid = ?1 AND {SHOWN}");
        self.read(|tx| one(tx, &condition, id.to_string()))
    }

    /// The run that belongs to a deployment.
    ///
    /// # Errors
    /// If the database fails.
    pub fn run_of_deployment(
        &self,
        deployment: DeploymentSerial,
    ) -> Result<Option<Run>, StoreError> {
        self.read(|tx| of_deployment(tx, deployment))
    }

    /// The run that belongs to a change.
    ///
    /// # Errors
    /// If the database fails.
    pub fn run_of_change(&self, change: OperationSerial) -> Result<Option<Run>, StoreError> {
        self.read(|tx| of_change(tx, change))
    }

    /// How often a run's command is run again.
    ///
    /// # Errors
    /// If there is no such run.
    pub fn retries(&self, run: RunSerial) -> Result<u32, StoreError> {
        self.read(|tx| {
            let sql = "SELECT retries FROM run WHERE serial = ?1";
            Ok(tx.query_row(sql, [run.0], |row| row.get(0))?)
        })
    }

    /// Every run that stands alone and has not ended, or left something to be undone.
    ///
    /// # Errors
    /// If the database fails.
    pub fn unfinished_runs(&self) -> Result<Vec<RunSerial>, StoreError> {
        self.read(|tx| {
            let mut statement = tx.prepare_cached(
                "SELECT serial FROM run WHERE ended_at IS NULL AND cause IN ('schedule', 'hand')
                 UNION SELECT run FROM settlement WHERE run IS NOT NULL AND settled_at IS NULL ORDER BY 1",
            )?;
            let rows = statement.query_map([], |row| row.get(0).map(RunSerial))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Queued → Running; `None` while those before it, for whose end it waits, are at work. One that belongs to a deployment or
    /// a change ends those that stand alone.
    ///
    /// # Errors
    /// [`StoreError::Moved`] if it is no longer queued.
    pub fn begin_run(&self, run: &Run, now: Timestamp) -> Result<Option<Run>, StoreError> {
        // Asked at every commit while it waits: that needs no transaction of its own.
        let must_wait = self.read(|tx| {
            still_run(tx, run)?;
            let before = waited_for(tx, run)?;
            let ends = |one: &AtWork| !run.stands_alone() && one.stands_alone && !one.ended;
            Ok(!before.is_empty() && !before.iter().any(ends))
        })?;
        if must_wait {
            return Ok(None);
        }
        self.write_sparing("begin_run", |tx| {
            still_run(tx, run)?;
            let before = waited_for(tx, run)?;
            if !run.stands_alone() {
                let why = Cancellation::ReplacedBy(run.serial);
                let alone = before.iter().filter(|one| one.stands_alone);
                cancel(tx, alone.map(|one| one.serial), why, now)?;
            }
            if !before.is_empty() {
                return Ok(None);
            }
            let begun = run.clone().begin()?;
            move_run(tx, run, &begun, now)?;
            tx.execute(
                "UPDATE run SET began_at = ?2 WHERE serial = ?1",
                params![run.serial.0, now.0],
            )?;
            Ok(Some(begun))
        })
    }

    /// The end of a run that stands alone, or of one whose change goes on; what it ran in is to be removed.
    ///
    /// # Errors
    /// [`StoreError::Moved`] if it is no longer in the phase it was.
    pub fn end_run(&self, from: &Run, ended: &Run, now: Timestamp) -> Result<(), StoreError> {
        self.write("end_run", |tx| end_run_in(tx, from, ended, now))
    }

    /// A run fails, with the exit status that is written down of its last attempt.
    ///
    /// # Errors
    /// [`StoreError::Moved`] if it is no longer in the phase it was.
    pub fn fail_run(
        &self,
        from: &Run,
        failure: &Failure,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write("fail_run", |tx| fail_run_in(tx, from, failure, now))
    }

    /// Whether a run that stands alone is at work in the environment.
    ///
    /// # Errors
    /// If the database fails.
    pub fn has_runs(&self, environment: EnvironmentSerial) -> Result<bool, StoreError> {
        self.read(|tx| Ok(!standing_alone(tx, environment)?.is_empty()))
    }

    /// A run with what is around it.
    ///
    /// # Errors
    /// If there is none of that serial.
    pub fn run_view(&self, serial: RunSerial) -> Result<RunView, StoreError> {
        self.read(|tx| {
            let mut views = views(tx, "r.serial = ?1", (serial.0, 1, 0))?;
            views
                .pop()
                .ok_or_else(|| inconsistent("run", serial, "is missing"))
        })
    }

    /// An environment's runs, the newest first, and how many there are.
    ///
    /// # Errors
    /// If the database fails.
    pub fn runs(
        &self,
        environment: EnvironmentSerial,
        limit: u32,
        offset: u64,
    ) -> Result<(Vec<RunView>, u64), StoreError> {
        let offset = i64::try_from(offset).unwrap_or(i64::MAX);
        self.read(|tx| {
            let condition = format!("r.environment = ?1 AND {SHOWN}");
            let items = views(tx, &condition, (environment.0, limit.into(), offset))?;
            let sql = format!("SELECT count(*) FROM run r WHERE {condition}");
            let total: i64 = tx
                .prepare_cached(&sql)?
                .query_row([environment.0], |row| row.get(0))?;
            Ok((items, u64::try_from(total).unwrap_or(0)))
        })
    }

    /// The newest run of an environment.
    ///
    /// # Errors
    /// If the database fails.
    pub fn newest_run(&self, environment: EnvironmentSerial) -> Result<Option<Run>, StoreError> {
        self.read(|tx| {
            let latest = "r.environment = ?1 ORDER BY r.number DESC LIMIT 1";
            one(tx, latest, environment.0)
        })
    }

    /// Whether a run has ended and what it ran in is removed: nothing more will be done for it.
    ///
    /// # Errors
    /// If the database fails.
    pub fn is_run_settled(&self, run: RunSerial) -> Result<bool, StoreError> {
        self.read(|tx| {
            let mut statement = tx.prepare_cached(
                "SELECT ended_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM one_off o JOIN container c ON c.serial = o.container
                                                             WHERE o.run = run.serial AND c.removed_at IS NULL)
                 FROM run WHERE serial = ?1",
            )?;
            let settled = statement.query_row([run.0], |row| row.get(0)).optional()?;
            // One that was forgotten.
            Ok(settled.unwrap_or(true))
        })
    }

    /// The oldest runs of an environment that have ended go, with their logs, where there are more than `keep` of them. What
    /// is still waited for is kept, and so is whatever is newer than that.
    ///
    /// # Errors
    /// If the database or the file system fails.
    pub fn forget_runs(&self, environment: EnvironmentSerial, keep: u32) -> Result<(), StoreError> {
        let old = self.read(|tx| old_runs(tx, environment, keep))?;
        if old.is_empty() {
            return Ok(());
        }
        // The files first: where that is cut short, the rows are found again.
        for (_, id) in &old {
            self.remove_log(*id)?;
        }
        self.write("forget_runs", |tx| {
            for (serial, _) in &old {
                for sql in [
                    "DELETE FROM status_event WHERE run = ?1",
                    "UPDATE settlement SET run = NULL WHERE run = ?1",
                    "DELETE FROM one_off WHERE run = ?1",
                    "DELETE FROM run WHERE serial = ?1",
                ] {
                    tx.prepare_cached(sql)?.execute([serial])?;
                }
            }
            Ok(())
        })
    }

    /// Whose log has what a container printed that was never live: its run's own, else its deployment's.
    ///
    /// # Errors
    /// If the database fails.
    pub fn log_of(&self, container: ContainerSerial) -> Result<Uuid, StoreError> {
        self.read(|tx| {
            let id: String = tx
                .prepare_cached(
                    "SELECT CASE WHEN r.cause <> 'deployment' THEN r.uuid ELSE d.uuid END
                     FROM container c JOIN deployment d ON d.serial = c.deployment
                     LEFT JOIN one_off o ON o.container = c.serial LEFT JOIN run r ON r.serial = o.run
                     WHERE c.serial = ?1",
                )?
                .query_row([container.0], |row| row.get(0))?;
            uuid("container", container.0, &id)
        })
    }
}

fn note_schedule(
    tx: &Transaction<'_>,
    environment: EnvironmentSerial,
    seen: Timestamp,
) -> Result<(), StoreError> {
    tx.prepare_cached("UPDATE environment SET schedule_seen = ?2 WHERE serial = ?1")?
        .execute(params![environment.0, seen.0])?;
    Ok(())
}

fn take_in(
    store: &Store,
    tx: &Transaction<'_>,
    new: &NewRun,
    now: Timestamp,
) -> Result<RunTaken, StoreError> {
    let environment = new.environment;
    if let Cause::Schedule(due) = new.cause
        && let Some(known) = due_then(tx, environment, due)?
    {
        return Ok(RunTaken::Known(known));
    }
    let standing = standing(tx, environment)?;
    // Not only by what it will be in the end: what stops in between would wait for the end of ever new runs.
    for desired in standing.desired_meanwhile() {
        match desired {
            Desired::Running => {}
            Desired::Suspended | Desired::Stopped | Desired::Removed => {
                return Ok(RunTaken::NotRunning(desired));
            }
        }
    }
    let (release, deployment): (Option<i64>, Option<i64>) = tx
        .prepare_cached("SELECT live_release, live_deployment FROM environment WHERE serial = ?1")?
        .query_row([environment.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let (Some(release), Some(deployment)) = (release, deployment) else {
        return Ok(RunTaken::NothingLive);
    };
    let Some(job) = release_in(tx, ReleaseSerial(release))?.content.job else {
        return Ok(RunTaken::NotAJob);
    };
    let event = new.event.unwrap_or_else(|| job.by_hand());
    if job.command(event).is_none() {
        let known = job.events();
        return Ok(RunTaken::NoSuchEvent { event, known });
    }
    let mut row = NewRow {
        id: new.id,
        environment,
        deployment: DeploymentSerial(deployment),
        event,
        cause: new.cause,
        by: new.by,
        budget: job.max_duration,
        retries: job.retries,
        waits: false,
        skipped: false,
    };
    let others = at_work(tx, environment, None)?;
    let taken = match (new.overlap, others.first(), new.cause) {
        (Overlap::Forbid, Some(other), Cause::Hand) => return Ok(RunTaken::AtWork(other.number)),
        (
            Overlap::Forbid,
            Some(_),
            Cause::Schedule(_) | Cause::Deployment(_) | Cause::Change(_),
        ) => {
            row.skipped = true;
            RunTaken::Skipped(insert_run(tx, &row, now)?)
        }
        (Overlap::Replace, Some(_), _) => {
            row.waits = true;
            let made = insert_run(tx, &row, now)?;
            cancel_runs(tx, environment, Cancellation::ReplacedBy(made.serial), now)?;
            RunTaken::New(made)
        }
        (Overlap::Allow, Some(_), _) | (_, None, _) => RunTaken::New(insert_run(tx, &row, now)?),
    };
    if let RunTaken::New(run) = &taken {
        let answer = Answered::Run(run.serial);
        store.remember(tx, new.by, new.key.as_ref(), &answer, now)?;
    }
    Ok(taken)
}

/// The row of a new run.
struct NewRow {
    id: Uuid,
    environment: EnvironmentSerial,
    deployment: DeploymentSerial,
    event: JobEvent,
    cause: Cause,
    by: PrincipalSerial,
    budget: Duration,
    retries: u32,
    waits: bool,
    skipped: bool,
}

fn insert_run(tx: &Transaction<'_>, new: &NewRow, now: Timestamp) -> Result<Run, StoreError> {
    let (cause, operation, due) = match new.cause {
        Cause::Deployment(_) => ("deployment", None, None),
        Cause::Change(operation) => ("change", Some(operation.0), None),
        Cause::Schedule(due) => ("schedule", None, Some(due.0)),
        Cause::Hand => ("hand", None, None),
    };
    let (phase, ended) = match new.skipped {
        true => ("skipped", Some(now.0)),
        false => ("queued", None),
    };
    tx.prepare_cached(
        "INSERT INTO run (uuid, environment, number, deployment, event, cause, operation, due_at, principal, phase, budget_ms,
                          retries, waits, created_at, ended_at)
         VALUES (?1, ?2, (SELECT coalesce(max(number), 0) + 1 FROM run WHERE environment = ?2), ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10,
                 ?11, ?12, ?13, ?14)",
    )?
    .execute(params![
        new.id.to_string(),
        new.environment.0,
        new.deployment.0,
        new.event.as_str(),
        cause,
        operation,
        due,
        new.by.0,
        phase,
        millis_of(new.budget),
        new.retries,
        new.waits,
        now.0,
        ended
    ])?;
    let serial = RunSerial(tx.last_insert_rowid());
    run_event(tx, serial, phase, now)?;
    run_in(tx, serial)
}

/// Writes the run of a deployment or a change that begins, if those that stand alone let it; false: it waits for their end.
pub(super) fn begin_with_run(
    tx: &Transaction<'_>,
    environment: EnvironmentSerial,
    own: &OwnRun,
    (cause, by): (Cause, PrincipalSerial),
    now: Timestamp,
) -> Result<bool, StoreError> {
    if own.overlap == Overlap::Forbid && !standing_alone(tx, environment)?.is_empty() {
        return Ok(false);
    }
    let row = NewRow {
        id: own.id,
        environment,
        deployment: own.deployment,
        event: own.event,
        cause,
        by,
        budget: own.max_duration,
        retries: own.retries,
        waits: own.overlap == Overlap::Replace,
        skipped: false,
    };
    insert_run(tx, &row, now)?;
    Ok(true)
}

/// A run that may have something running.
struct AtWork {
    serial: RunSerial,
    number: i64,
    stands_alone: bool,
    /// Only what it ran in is still to be removed.
    ended: bool,
}

fn at_work(
    tx: &Connection,
    environment: EnvironmentSerial,
    before: Option<RunSerial>,
) -> Result<Vec<AtWork>, StoreError> {
    let mut statement = tx.prepare_cached(AT_WORK)?;
    let before = before.map_or(i64::MAX, |run| run.0);
    let rows = statement.query_map(params![environment.0, before], |row| {
        let cause: String = row.get(2)?;
        Ok(AtWork {
            serial: RunSerial(row.get(0)?),
            number: row.get(1)?,
            stands_alone: matches!(cause.as_str(), "schedule" | "hand"),
            ended: row.get(3)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn standing_alone(
    tx: &Connection,
    environment: EnvironmentSerial,
) -> Result<Vec<RunSerial>, StoreError> {
    let all = at_work(tx, environment, None)?.into_iter();
    Ok(all
        .filter(|one| one.stands_alone)
        .map(|one| one.serial)
        .collect())
}

/// Those before a run for whose end it waits.
fn waited_for(tx: &Connection, run: &Run) -> Result<Vec<AtWork>, StoreError> {
    let waits: bool = tx
        .prepare_cached("SELECT waits FROM run WHERE serial = ?1")?
        .query_row([run.serial.0], |row| row.get(0))?;
    match waits {
        true => at_work(tx, run.environment, Some(run.serial)),
        false => Ok(Vec::new()),
    }
}

/// Ends every run of the environment that stands alone and has not ended, but the one that takes their place.
pub(super) fn cancel_runs(
    tx: &Transaction<'_>,
    environment: EnvironmentSerial,
    why: Cancellation,
    now: Timestamp,
) -> Result<(), StoreError> {
    let all = standing_alone(tx, environment)?.into_iter();
    let others = all.filter(|serial| why != Cancellation::ReplacedBy(*serial));
    cancel(tx, others, why, now)
}

fn cancel(
    tx: &Transaction<'_>,
    runs: impl Iterator<Item = RunSerial>,
    why: Cancellation,
    now: Timestamp,
) -> Result<(), StoreError> {
    for serial in runs {
        let run = run_in(tx, serial)?;
        if is_unended(&run) {
            end_run_in(tx, &run, &run.clone().cancel(why, now)?, now)?;
        }
    }
    Ok(())
}

/// How many runs are forgotten at once: the write lock is held for a few milliseconds.
const FORGOTTEN_AT_ONCE: i64 = 200;

/// The oldest first, so that none is gone before one that it took the place of.
fn old_runs(
    tx: &Connection,
    environment: EnvironmentSerial,
    keep: u32,
) -> Result<Vec<(i64, Uuid)>, StoreError> {
    let mut statement = tx.prepare_cached(
        "SELECT serial, uuid FROM run WHERE environment = ?1
           AND number <= (SELECT number FROM run k WHERE k.environment = ?1 AND k.ended_at IS NOT NULL
                          ORDER BY k.number DESC LIMIT 1 OFFSET ?2)
           AND serial < coalesce((SELECT min(u.serial) FROM run u WHERE u.environment = ?1 AND u.ended_at IS NULL), 9223372036854775807)
           AND serial < coalesce((SELECT min(o.run) FROM settlement s JOIN one_off o ON o.container = s.container
                                  WHERE s.environment = ?1 AND s.settled_at IS NULL), 9223372036854775807)
           AND NOT EXISTS (SELECT 1 FROM idempotency i WHERE i.run = run.serial)
         ORDER BY number LIMIT ?3",
    )?;
    // One is kept at least, whose number the next one's follows.
    let mut rows = statement.query(params![environment.0, keep.max(1), FORGOTTEN_AT_ONCE])?;
    let mut old = Vec::new();
    while let Some(row) = rows.next()? {
        let serial: i64 = row.get(0)?;
        old.push((serial, uuid("run", serial, &row.get::<_, String>(1)?)?));
    }
    Ok(old)
}

fn is_unended(run: &Run) -> bool {
    run.phase.ended_at().is_none()
}

/// Writes down that a run came to a phase.
fn run_event(
    tx: &Transaction<'_>,
    run: RunSerial,
    word: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.prepare_cached("INSERT INTO status_event (run, phase, at) VALUES (?1, ?2, ?3)")?
        .execute(params![run.0, word, now.0])?;
    Ok(())
}

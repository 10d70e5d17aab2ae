//! Schedules: which environments have something live that is meant to run, and up to when the schedule of each was looked
//! at. What is live is installed with its schedule in one transaction, so that no time that comes after it is lost; a
//! schedule that is said otherwise since is another one.

use super::rows::{inconsistent, uuid};
use super::{Store, StoreError};
use crate::core::id::EnvironmentSerial;
use crate::core::job::{JobSpec, Schedule};
use crate::core::name::{AppName, EnvironmentName, InvalidName};
use crate::core::time::Timestamp;
use rusqlite::{Transaction, params};
use uuid::Uuid;

/// An environment whose live release is a scheduled job and meant to run.
#[derive(Clone, Debug, PartialEq)]
pub struct Installed {
    /// Its serial.
    pub environment: EnvironmentSerial,
    /// Its name.
    pub environment_name: EnvironmentName,
    /// Its app's id.
    pub app_id: Uuid,
    /// Its app's name.
    pub app_name: AppName,
    /// What was written down of its schedule.
    pub seen: Seen,
}

/// What was written down of a schedule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Of which one.
    of: Option<String>,
    /// Its times up to this one are done with.
    up_to: Option<Timestamp>,
}

impl Seen {
    pub(super) fn new(of: Option<String>, up_to: Option<i64>) -> Self {
        Self {
            of,
            up_to: up_to.map(Timestamp),
        }
    }

    /// Whether any was looked at.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.up_to.is_some()
    }

    /// Up to when this schedule was looked at; `None` where it was another, or never.
    #[must_use]
    pub fn of(&self, schedule: &Schedule) -> Option<Timestamp> {
        let is_same = self.of.as_deref() == Some(&*written(schedule));
        self.up_to.filter(|_| is_same)
    }
}

/// Whether the environment `e` is to run by a schedule: what is live in it has one.
pub(super) const IS_INSTALLED: &str =
    "e.schedule IS NOT NULL AND e.removed_at IS NULL AND e.desired = 'running'";

/// What makes a schedule another one. What becomes of missed times does not.
fn written(schedule: &Schedule) -> String {
    format!("{} {}", schedule.cron, schedule.time_zone)
}

impl Store {
    /// All environments whose live release is a scheduled job and meant to run.
    ///
    /// # Errors
    /// If the database fails.
    pub fn installed(&self) -> Result<Vec<Installed>, StoreError> {
        self.read(|tx| {
            let sql = format!(
                "SELECT e.serial, e.name, a.uuid, a.name, e.schedule, e.schedule_seen
                 FROM environment e INDEXED BY environment_scheduled CROSS JOIN app a ON a.serial = e.app
                 WHERE {IS_INSTALLED} ORDER BY e.serial"
            );
            let mut statement = tx.prepare_cached(&sql)?;
            let mut rows = statement.query([])?;
            let mut installed = Vec::new();
            while let Some(row) = rows.next()? {
                let serial: i64 = row.get(0)?;
                let bad = |error: InvalidName| inconsistent("environment", serial, error.0);
                installed.push(Installed {
                    environment: EnvironmentSerial(serial),
                    environment_name: EnvironmentName::any(&row.get::<_, String>(1)?)
                        .map_err(bad)?,
                    app_id: uuid("environment", serial, &row.get::<_, String>(2)?)?,
                    app_name: AppName::parse(&row.get::<_, String>(3)?).map_err(bad)?,
                    seen: Seen::new(row.get(4)?, row.get(5)?),
                });
            }
            Ok(installed)
        })
    }

    /// A schedule begins now: it was not looked at before, or the clock was set back so far that what was written down is of
    /// a time that has not come.
    ///
    /// # Errors
    /// If the database fails.
    pub fn begin_schedule(
        &self,
        environment: EnvironmentSerial,
        schedule: &Schedule,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write_sparing("begin_schedule", |tx| {
            begin(tx, environment, schedule, now)?;
            // Such a time comes again, and is another then.
            tx.prepare_cached(
                "UPDATE run SET due_by_wrong_clock = 1 WHERE environment = ?1 AND due_at > ?2",
            )?
            .execute(params![environment.0, now.0])?;
            Ok(())
        })
    }

    /// The configuration says no schedule of an environment: if it says one again, no time before that is due.
    ///
    /// # Errors
    /// If the database fails.
    pub fn forget_schedule(&self, environment: EnvironmentSerial) -> Result<(), StoreError> {
        self.write_sparing("forget_schedule", |tx| {
            tx.execute(
                "UPDATE environment SET schedule_seen = NULL WHERE serial = ?1",
                [environment.0],
            )?;
            Ok(())
        })
    }
}

/// What is live now has this schedule, or none. That of what was live before goes on if it is the same.
pub(super) fn install(
    tx: &Transaction<'_>,
    environment: EnvironmentSerial,
    job: Option<&JobSpec>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Some(schedule) = job.and_then(JobSpec::schedule) else {
        // If there is one again some day, nothing was missed until then.
        tx.prepare_cached(
            "UPDATE environment SET schedule = NULL, schedule_seen = NULL WHERE serial = ?1 AND schedule IS NOT NULL",
        )?
        .execute([environment.0])?;
        return Ok(());
    };
    let goes_on: bool = tx
        .prepare_cached(
            "SELECT live_release IS NOT NULL AND desired = 'running' AND schedule IS NOT NULL AND schedule_seen IS NOT NULL
             FROM environment WHERE serial = ?1",
        )?
        .query_row([environment.0], |row| row.get(0))?;
    match goes_on {
        true => Ok(()),
        false => begin(tx, environment, schedule, now),
    }
}

/// An environment that begins to run has no time before now.
pub(super) fn restart(
    tx: &Transaction<'_>,
    environment: EnvironmentSerial,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.prepare_cached(
        "UPDATE environment SET schedule_seen = ?2 WHERE serial = ?1 AND desired <> 'running'",
    )?
    .execute(params![environment.0, now.0])?;
    Ok(())
}

/// What is known of the times of all schedules is not to be relied on.
pub(super) fn forget(tx: &Transaction<'_>) -> Result<(), StoreError> {
    tx.execute("UPDATE environment SET schedule_seen = NULL", [])?;
    Ok(())
}

fn begin(
    tx: &Transaction<'_>,
    environment: EnvironmentSerial,
    schedule: &Schedule,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.prepare_cached(
        "UPDATE environment SET schedule = ?2, schedule_seen = ?3 WHERE serial = ?1",
    )?
    .execute(params![environment.0, written(schedule), now.0])?;
    Ok(())
}

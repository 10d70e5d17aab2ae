//! Deployments that somebody else executed: written down, moved by reports, and hidden.

use super::environments::{Owner, reported_environment};
use super::pages::{ListFilter, page};
use super::phases::status_word;
use super::rows::{inconsistent, uuid};
use super::statuses::report_status;
use super::{Hidden, Store, StoreError};
use crate::core::access::Reach;
use crate::core::action::{DeploymentRef, StateFilter};
use crate::core::id::{
    AppSerial, DeploymentSerial, EnvironmentSerial, PrincipalSerial, ProjectSerial,
};
use crate::core::listing::Order;
use crate::core::name::{InvalidName, Reported, TaskName};
use crate::core::recorded::{Record, Recorded, ReportedState};
use crate::core::time::Timestamp;
use rusqlite::{Connection, Row, Transaction, params};
use uuid::Uuid;

/// What `wanted` says of them.
pub(super) const RECORDED: &str = "recorded";

/// What became of writing one down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrote {
    /// It is new.
    New(DeploymentSerial),
    /// The newest success of its environment is the same; it may have been executed here.
    Known(DeploymentSerial),
    /// There is no such project.
    NoProject,
    /// It would be for an environment that the caller does not reach.
    OutOfReach,
}

impl Store {
    /// Writes down a deployment that somebody else executes; makes its environment if the project has none of the name.
    ///
    /// # Errors
    /// If the database fails.
    pub fn record(
        &self,
        record: &Record,
        id: Uuid,
        (by, reach): (PrincipalSerial, Reach),
        now: Timestamp,
    ) -> Result<Wrote, StoreError> {
        self.write_sparing("record", |tx| {
            self.disk.room()?;
            let place = (record.project, &record.environment);
            let (app, environment) = match reported_environment(self, tx, place, reach, now)? {
                Owner::Of(app, environment) => (app, environment),
                Owner::NoProject => return Ok(Wrote::NoProject),
                Owner::OutOfReach => return Ok(Wrote::OutOfReach),
            };
            if record.state == ReportedState::Success
                && let Some(same) = same_success(tx, (app, environment), record)?
            {
                return Ok(Wrote::Known(same));
            }
            let iid = next_iid(tx, record.project)?;
            let ended_at = record.state.is_end().then_some(now.0);
            let besides = &record.particulars;
            tx.execute(
                "INSERT INTO deployment (uuid, project, iid, app, environment, principal, initiated, wanted, sha, ref, tag, phase,
                                         created_at, updated_at, ended_at, written, task, payload, description, transient, production)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'manual', 'recorded', ?7, ?8, ?9, ?10, ?11, ?11, ?12, nullif(?13, ?8), ?14, ?15, ?16, ?17, ?18)",
                params![
                    id.to_string(), record.project.0, iid, app.0, environment.0, by.0, record.sha.as_str(),
                    record.reference.as_str(), record.tag, record.state.as_str(), now.0, ended_at, besides.written,
                    besides.task.as_ref().map(TaskName::as_str), besides.payload, besides.description, besides.transient,
                    besides.production.unwrap_or(record.environment.as_str() == "production")
                ],
            )?;
            let serial = DeploymentSerial(tx.last_insert_rowid());
            status_word(tx, serial, record.state.as_str(), now)?;
            report_status(tx, serial, record.state, by, now)?;
            bring_back(tx, environment, record.state, now)?;
            Ok(Wrote::New(serial))
        })
    }

    /// Writes down what became of one, if it still stands where the report came from.
    ///
    /// # Errors
    /// [`StoreError::Moved`] if somebody else reported in between.
    pub fn report(
        &self,
        from: ReportedState,
        to: &Recorded,
        by: PrincipalSerial,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write_sparing("report", |tx| {
            let changed = tx
                .prepare_cached(
                    "UPDATE deployment SET phase = ?3, updated_at = ?4, ended_at = ?5
                     WHERE serial = ?1 AND phase = ?2 AND hidden_at IS NULL",
                )?
                .execute(params![
                    to.serial.0,
                    from.as_str(),
                    to.state.as_str(),
                    to.updated_at.0,
                    to.ended_at().map(|at| at.0)
                ])?;
            if changed != 1 {
                return Err(StoreError::Moved(format!("deployment {}", to.serial)));
            }
            status_word(tx, to.serial, to.state.as_str(), now)?;
            report_status(tx, to.serial, to.state, by, now)?;
            bring_back(tx, to.environment, to.state, now)
        })
    }

    /// A recorded deployment, unless it was deleted.
    ///
    /// # Errors
    /// If the database fails.
    pub fn find_recorded(&self, which: DeploymentRef) -> Result<Option<Recorded>, StoreError> {
        let (column, value) = which_row(which);
        let sql = format!(
            "SELECT * FROM deployment WHERE {column} = ?1 AND wanted = 'recorded' AND hidden_at IS NULL"
        );
        self.read(|tx| {
            let mut statement = tx.prepare_cached(&sql)?;
            let mut rows = statement.query([&value])?;
            rows.next()?.map(recorded).transpose()
        })
    }

    /// Hides one from everybody who asks; not one that runs, and not the newest success of its environment.
    ///
    /// # Errors
    /// If the database fails.
    pub fn hide_recorded(
        &self,
        serial: DeploymentSerial,
        by: PrincipalSerial,
        now: Timestamp,
    ) -> Result<Hidden, StoreError> {
        self.write("hide_recorded", |tx| {
            let sql = "SELECT * FROM deployment WHERE serial = ?1 AND hidden_at IS NULL";
            let mut statement = tx.prepare_cached(sql)?;
            let mut rows = statement.query([serial.0])?;
            let Some(found) = rows.next()?.map(recorded).transpose()? else {
                return Ok(Hidden::Already);
            };
            match found.state {
                ReportedState::Running => return Ok(Hidden::Reported),
                ReportedState::Success
                    if newest_success(tx, (found.app, found.environment))? == Some(serial) =>
                {
                    return Ok(Hidden::Live);
                }
                ReportedState::Created
                | ReportedState::Success
                | ReportedState::Failed
                | ReportedState::Canceled => {}
            }
            tx.execute(
                "UPDATE deployment SET hidden_at = ?2, hidden_by = ?3 WHERE serial = ?1",
                params![serial.0, now.0, by.0],
            )?;
            Ok(Hidden::Done)
        })
    }
}

/// The column and the value by which a row is found.
pub(super) fn which_row(which: DeploymentRef) -> (&'static str, rusqlite::types::Value) {
    match which {
        DeploymentRef::Id(id) => ("uuid", id.to_string().into()),
        DeploymentRef::Serial(serial) => ("serial", serial.0.into()),
    }
}

/// The next serial within a project.
pub(super) fn next_iid(tx: &Transaction<'_>, project: ProjectSerial) -> Result<i64, StoreError> {
    let iid = tx.query_row(
        "UPDATE project SET last_iid = last_iid + 1 WHERE serial = ?1 RETURNING last_iid",
        [project.0],
        |row| row.get(0),
    )?;
    Ok(iid)
}

/// A deployment that ended well, or runs, brings a stopped environment back; one of ours does so when its turn comes.
pub(super) fn bring_back(
    tx: &Transaction<'_>,
    environment: EnvironmentSerial,
    state: ReportedState,
    now: Timestamp,
) -> Result<(), StoreError> {
    match state {
        ReportedState::Running | ReportedState::Success => {}
        ReportedState::Created | ReportedState::Failed | ReportedState::Canceled => return Ok(()),
    }
    tx.prepare_cached(
        "UPDATE environment SET desired = 'running', updated_at = ?2
         WHERE serial = ?1 AND runs = 0 AND desired <> 'running'",
    )?
    .execute(params![environment.0, now.0])?;
    Ok(())
}

/// The deployment that ended well last in an environment, executed here or reported.
fn newest_success(
    tx: &Connection,
    (app, environment): (AppSerial, EnvironmentSerial),
) -> Result<Option<DeploymentSerial>, StoreError> {
    let newest = ListFilter {
        states: vec![StateFilter::Succeeded],
        order: Order::Updated,
        limit: 1,
        ..ListFilter::new(Reach::Environment(app, environment))
    };
    let (found, _) = page(tx, &newest)?;
    Ok(found.first().copied().map(DeploymentSerial))
}

/// The newest success, if it is of the same commit.
fn same_success(
    tx: &Connection,
    place: (AppSerial, EnvironmentSerial),
    record: &Record,
) -> Result<Option<DeploymentSerial>, StoreError> {
    let Some(newest) = newest_success(tx, place)? else {
        return Ok(None);
    };
    let is_same: bool = tx
        .prepare_cached(
            "SELECT ref = ?2 AND tag = ?3 AND sha IS ?4 FROM deployment WHERE serial = ?1",
        )?
        .query_row(
            params![
                newest.0,
                record.reference.as_str(),
                record.tag,
                record.sha.as_str()
            ],
            |row| row.get(0),
        )?;
    Ok(is_same.then_some(newest))
}

/// Reads a row that has the columns of the table by their names.
pub(super) fn recorded(row: &Row<'_>) -> Result<Recorded, StoreError> {
    let serial: i64 = row.get("serial")?;
    let phase: String = row.get("phase")?;
    let bad = |error: InvalidName| inconsistent("deployment", serial, error.0);
    Ok(Recorded {
        serial: DeploymentSerial(serial),
        id: uuid("deployment", serial, &row.get::<_, String>("uuid")?)?,
        iid: row.get("iid")?,
        app: AppSerial(row.get("app")?),
        environment: EnvironmentSerial(row.get("environment")?),
        by: PrincipalSerial(row.get("principal")?),
        reference: Reported::parse(&row.get::<_, String>("ref")?).map_err(bad)?,
        tag: row.get("tag")?,
        sha: Reported::parse(&row.get::<_, String>("sha")?).map_err(bad)?,
        state: ReportedState::parse(&phase)
            .ok_or_else(|| inconsistent("deployment", serial, format!("phase '{phase}'")))?,
        created_at: Timestamp(row.get("created_at")?),
        updated_at: Timestamp(row.get("updated_at")?),
    })
}

//! Environments as readers see them to whom an environment is what is deployed: one, or a page of many; and those for
//! which deployments are only reported.

use super::rows::{DEPLOYMENT, inconsistent, uuid};
use super::schedules::{IS_INSTALLED, Seen};
use super::{Store, StoreError};
use crate::core::access::Reach;
use crate::core::action::{EnvironmentRef, ListEnvironments};
use crate::core::admission::Desired;
use crate::core::deployment::Phase;
use crate::core::environment::{Notes, Standing};
use crate::core::id::{AppSerial, EnvironmentSerial, ProjectSerial};
use crate::core::name::{AppName, EnvironmentName, InvalidName, ProjectPath};
use crate::core::route::Domain;
use crate::core::time::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params, params_from_iter};
use std::sync::LazyLock;
use uuid::Uuid;

/// An environment with what happened to it.
#[derive(Clone, Debug)]
pub struct StandingPlace {
    /// Its serial.
    pub environment: EnvironmentSerial,
    /// Its id.
    pub environment_id: Uuid,
    /// Its name.
    pub environment_name: EnvironmentName,
    /// Its app's serial.
    pub app: AppSerial,
    /// Its app's name.
    pub app_name: AppName,
    /// Its app's id.
    pub app_id: Uuid,
    /// Its project.
    pub project: ProjectPath,
    /// Its project's serial.
    pub project_serial: ProjectSerial,
    /// Whether deployments for it were only reported.
    pub reported_only: bool,
    /// Whether it is a preview.
    pub preview: bool,
    /// What it is meant to be doing.
    pub desired: Desired,
    /// Whether it serves.
    pub standing: Standing,
    /// What was written down about it.
    pub notes: Notes,
    /// When that, or what it is meant to be doing, changed last.
    pub noted_at: Timestamp,
    /// Its first domain that is one host.
    pub domain: Option<Domain>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When something happened to it last.
    pub updated_at: Timestamp,
    /// The phase of its newest deployment that was executed here; `None` if it has none to be seen.
    pub last: Option<Phase>,
    /// What was written down of its schedule, where what is live has one and is meant to run.
    pub seen: Option<Seen>,
}

/// Whose an environment is.
pub(super) enum Owner {
    /// It is of this app.
    Of(AppSerial, EnvironmentSerial),
    /// There is no such project.
    NoProject,
    /// It lies outside of what the caller reaches.
    OutOfReach,
}

/// What became of making an environment.
#[derive(Clone, Debug)]
pub enum Made {
    /// It is there.
    New(EnvironmentSerial),
    /// The project has one of this name.
    Taken,
    /// There is no such project.
    NoProject,
    /// The caller does not reach it.
    OutOfReach,
}

/// What became of a removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// It is gone.
    Done,
    /// It is not stopped.
    NotStopped,
    /// It is not there any more.
    Missing,
}

impl Store {
    /// An environment, unless it was removed.
    ///
    /// # Errors
    /// If the database fails.
    pub fn find_environment(
        &self,
        which: EnvironmentRef,
    ) -> Result<Option<StandingPlace>, StoreError> {
        let (column, value) = match which {
            EnvironmentRef::Id(id) => ("uuid", Value::Text(id.to_string())),
            EnvironmentRef::Serial(serial) => ("serial", Value::Integer(serial.0)),
        };
        let sql = format!("{} WHERE e.{column} = ?1 AND e.removed_at IS NULL", *SELECT);
        self.read(|tx| {
            let mut statement = tx.prepare_cached(&sql)?;
            let mut rows = statement.query([value])?;
            let found = rows.next()?.map(|row| self.standing_place(tx, row));
            found.transpose()
        })
    }

    /// A page of those that can be seen from there, and how many match in all.
    ///
    /// # Errors
    /// If the database fails.
    pub fn environments(
        &self,
        reach: Reach,
        list: &ListEnvironments,
    ) -> Result<(Vec<StandingPlace>, u64), StoreError> {
        let (conditions, values) = conditions(reach, list);
        self.read(|tx| {
            let sql = format!("SELECT count(*) FROM {FROM} WHERE {conditions}");
            let total: i64 = tx
                .prepare_cached(&sql)?
                .query_row(params_from_iter(&values), |row| row.get(0))?;
            let order = if list.ascending { "ASC" } else { "DESC" };
            let sql = format!(
                "{} WHERE {conditions} ORDER BY e.serial {order} LIMIT ? OFFSET ?",
                *SELECT
            );
            let offset = i64::try_from(list.offset).unwrap_or(i64::MAX);
            let ends = [Value::Integer(list.limit.into()), Value::Integer(offset)];
            let mut statement = tx.prepare_cached(&sql)?;
            let mut rows = statement.query(params_from_iter(values.iter().chain(&ends)))?;
            let mut page = Vec::new();
            while let Some(row) = rows.next()? {
                page.push(self.standing_place(tx, row)?);
            }
            Ok((page, u64::try_from(total).unwrap_or(0)))
        })
    }

    /// An environment, whether it was removed or not.
    pub(super) fn any_place(
        &self,
        tx: &Connection,
        environment: EnvironmentSerial,
    ) -> Result<StandingPlace, StoreError> {
        let sql = format!("{} WHERE e.serial = ?1", *SELECT);
        let mut statement = tx.prepare_cached(&sql)?;
        let mut rows = statement.query([environment.0])?;
        match rows.next()? {
            Some(row) => self.standing_place(tx, row),
            None => Err(inconsistent("environment", environment, "is missing")),
        }
    }

    fn standing_place(&self, tx: &Connection, row: &Row<'_>) -> Result<StandingPlace, StoreError> {
        let mut found = standing_place(row)?;
        let changed: Option<i64> = tx
            .prepare_cached(LAST_CHANGE)?
            .query_row([found.environment.0], |row| row.get(0))?;
        let sql = format!("SELECT {DEPLOYMENT}, {STEPPED} {NEWEST}");
        let mut statement = tx.prepare_cached(&sql)?;
        let mut rows = statement.query([found.environment.0])?;
        let mut times = vec![Some(found.created_at), changed.map(Timestamp)];
        if let Some(row) = rows.next()? {
            let deployment = self.deployment_row(row)?;
            let stepped = row.get::<_, Option<i64>>("stepped")?;
            times.push(Some(deployment.created_at));
            times.push(stepped.map(Timestamp));
            times.push(deployment.phase.ended_at());
            found.last = Some(deployment.phase);
        }
        found.updated_at = times
            .into_iter()
            .flatten()
            .max()
            .unwrap_or(found.created_at);
        Ok(found)
    }

    /// Makes an environment for which deployments can be reported.
    ///
    /// # Errors
    /// If the database fails.
    pub fn create_environment(
        &self,
        (project, name): (ProjectSerial, &EnvironmentName),
        notes: &Notes,
        reach: Reach,
        now: Timestamp,
    ) -> Result<Made, StoreError> {
        self.write_sparing("create_environment", |tx| {
            self.disk.room()?;
            if named(tx, project, name)?.is_some() {
                return Ok(Made::Taken);
            }
            match reported_environment(self, tx, (project, name), reach, now)? {
                Owner::NoProject => Ok(Made::NoProject),
                Owner::OutOfReach => Ok(Made::OutOfReach),
                Owner::Of(_, environment) => {
                    write_notes(tx, environment, notes, now)?;
                    Ok(Made::New(environment))
                }
            }
        })
    }

    /// Writes down what is to be known of an environment, in place of what was there.
    ///
    /// # Errors
    /// If the database fails.
    pub fn note_environment(
        &self,
        environment: EnvironmentSerial,
        notes: &Notes,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write_sparing("note_environment", |tx| {
            write_notes(tx, environment, notes, now)
        })
    }

    /// Marks an environment as stopped of which nothing runs here.
    ///
    /// # Errors
    /// If the database fails.
    pub fn stop_reported(
        &self,
        environment: EnvironmentSerial,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write("stop_reported", |tx| {
            tx.execute(
                "UPDATE environment SET desired = 'stopped', updated_at = ?2
                 WHERE serial = ?1 AND runs = 0 AND desired <> 'stopped'",
                params![environment.0, now.0],
            )?;
            Ok(())
        })
    }

    /// Removes a stopped environment of which nothing runs here, or `whatever` it is said to be; its history stays.
    ///
    /// # Errors
    /// If the database fails.
    pub fn drop_reported(
        &self,
        environment: EnvironmentSerial,
        whatever: bool,
        now: Timestamp,
    ) -> Result<Dropped, StoreError> {
        self.write("drop_reported", |tx| {
            let desired: Option<String> = tx
                .query_row(
                    "SELECT desired FROM environment WHERE serial = ?1 AND runs = 0 AND removed_at IS NULL",
                    [environment.0],
                    |row| row.get(0),
                )
                .optional()?;
            match desired.as_deref().map(Desired::parse) {
                None => Ok(Dropped::Missing),
                Some(Some(desired)) if whatever || desired == Desired::Stopped => {
                    tx.execute(
                        "UPDATE environment SET removed_at = ?2 WHERE serial = ?1",
                        params![environment.0, now.0],
                    )?;
                    Ok(Dropped::Done)
                }
                Some(_) => Ok(Dropped::NotStopped),
            }
        })
    }
}

/// The environment of a project's name; it is made, of the project's first app, if there is none.
pub(super) fn reported_environment(
    store: &Store,
    tx: &Transaction<'_>,
    (project, name): (ProjectSerial, &EnvironmentName),
    reach: Reach,
    now: Timestamp,
) -> Result<Owner, StoreError> {
    if let Some((app, environment)) = named(tx, project, name)? {
        return Ok(match reach.includes(app, environment) {
            true => Owner::Of(app, environment),
            false => Owner::OutOfReach,
        });
    }
    let apps: Vec<i64> = tx
        .prepare_cached(
            "SELECT serial FROM app WHERE project = ?1 ORDER BY configured DESC, serial",
        )?
        .query_map([project.0], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let Some(first) = apps.first() else {
        return Ok(Owner::NoProject);
    };
    let app = match reach {
        Reach::All => *first,
        Reach::App(only) if apps.contains(&only.0) => only.0,
        Reach::App(_) | Reach::Environment(..) => return Ok(Owner::OutOfReach),
    };
    let id = store.random_uuid();
    tx.execute(
        "INSERT INTO environment (uuid, app, name, desired, configured, runs, subnet, slug, created_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, 0, 0, ?1, '', ?5, ?5)",
        params![id.to_string(), app, name.as_str(), Desired::Running.as_str(), now.0],
    )?;
    let environment = EnvironmentSerial(tx.last_insert_rowid());
    Ok(Owner::Of(AppSerial(app), environment))
}

/// The environment of a name in a project. Of several, the configured one: an app that left the project may have had its
/// own.
fn named(
    tx: &Connection,
    project: ProjectSerial,
    name: &EnvironmentName,
) -> Result<Option<(AppSerial, EnvironmentSerial)>, StoreError> {
    let found = tx
        .prepare_cached(
            "SELECT e.app, e.serial FROM environment e JOIN app a ON a.serial = e.app
             WHERE e.name = ?2 AND a.project = ?1 AND e.removed_at IS NULL ORDER BY e.configured DESC, e.preview, e.serial LIMIT 1",
        )?
        .query_row(params![project.0, name.as_str()], |row| {
            Ok((AppSerial(row.get(0)?), EnvironmentSerial(row.get(1)?)))
        })
        .optional()?;
    Ok(found)
}

fn write_notes(
    tx: &Transaction<'_>,
    environment: EnvironmentSerial,
    notes: &Notes,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE environment SET external_url = ?2, tier = ?3, description = ?4, updated_at = ?5 WHERE serial = ?1",
        params![environment.0, notes.external_url, notes.tier, notes.description, now.0],
    )?;
    Ok(())
}

/// What a list is asked for, and the values in the order of the question marks.
fn conditions(reach: Reach, list: &ListEnvironments) -> (String, Vec<Value>) {
    let mut conditions = "e.removed_at IS NULL".to_owned();
    let mut values = Vec::new();
    let mut and = |condition: &str, value: Value| {
        conditions += " AND ";
        conditions += condition;
        values.push(value);
    };
    match reach {
        Reach::All => {}
        Reach::App(app) => and("e.app = ?", app.0.into()),
        Reach::Environment(_, environment) => and("e.serial = ?", environment.0.into()),
    }
    if let Some(project) = list.project {
        and("a.project = ?", project.0.into());
    }
    if let Some(name) = &list.name {
        let is_named = match list.any_case {
            true => "e.name = ? COLLATE NOCASE",
            false => "e.name = ?",
        };
        and(is_named, name.as_str().to_owned().into());
    }
    if let Some(text) = &list.search {
        and("instr(lower(e.name), lower(?)) > 0", text.clone().into());
    }
    if let Some(standing) = list.standing {
        let is_so = format!("{STANDING} = ?");
        and(&is_so, standing.as_str().to_owned().into());
    }
    if list.project.is_none() {
        conditions += " AND e.runs";
    }
    (conditions, values)
}

const FROM: &str =
    "environment e JOIN app a ON a.serial = e.app JOIN project p ON p.serial = a.project";

/// A stop that waits counts; what has begun is in `desired`, and goes on until it is done.
const STANDING: &str = "CASE
    WHEN EXISTS (SELECT 1 FROM operation o WHERE o.environment = e.serial AND o.done_at IS NULL AND o.deployment IS NULL
                 AND o.kind IN ('stop', 'suspend') AND o.phase IN ('queued', 'running')) THEN 'stopping'
    WHEN e.desired = 'running' THEN 'available' ELSE 'stopped' END";

static SELECT: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT e.serial, e.uuid, e.name, a.serial, a.name, a.uuid, p.path, p.serial, NOT e.runs, e.desired, {STANDING},
                e.external_url, e.tier, e.description, e.updated_at, e.created_at,
                (SELECT value FROM json_each(e.domains) WHERE value NOT LIKE '*%' ORDER BY key LIMIT 1), e.preview,
                e.schedule, e.schedule_seen, {IS_INSTALLED}
         FROM {FROM}"
    )
});

fn standing_place(row: &Row<'_>) -> Result<StandingPlace, StoreError> {
    let (environment, app): (i64, i64) = (row.get(0)?, row.get(3)?);
    let bad = |error: InvalidName| inconsistent("environment", environment, error.0);
    let (desired, standing): (String, String) = (row.get(9)?, row.get(10)?);
    let strange = |what: String| inconsistent("environment", environment, what);
    let created_at = Timestamp(row.get(15)?);
    let domain: Option<String> = row.get(16)?;
    Ok(StandingPlace {
        environment: EnvironmentSerial(environment),
        environment_id: uuid("environment", environment, &row.get::<_, String>(1)?)?,
        environment_name: EnvironmentName::any(&row.get::<_, String>(2)?).map_err(bad)?,
        app: AppSerial(app),
        app_name: AppName::parse(&row.get::<_, String>(4)?).map_err(bad)?,
        app_id: uuid("app", app, &row.get::<_, String>(5)?)?,
        project: ProjectPath::parse(&row.get::<_, String>(6)?).map_err(bad)?,
        project_serial: ProjectSerial(row.get(7)?),
        reported_only: row.get(8)?,
        preview: row.get(17)?,
        desired: Desired::parse(&desired).ok_or_else(|| strange(format!("desired '{desired}'")))?,
        standing: Standing::parse(&standing)
            .ok_or_else(|| strange(format!("standing '{standing}'")))?,
        notes: Notes {
            external_url: row.get(11)?,
            tier: row.get(12)?,
            description: row.get(13)?,
        },
        noted_at: Timestamp(row.get(14)?),
        domain: domain
            .map(|text| Domain::parse(&text))
            .transpose()
            .map_err(bad)?,
        created_at,
        updated_at: created_at,
        last: None,
        seen: match row.get(20)? {
            true => Some(Seen::new(row.get(18)?, row.get(19)?)),
            false => None,
        },
    })
}

/// When the newest change that is no deployment was asked for, began or ended.
const LAST_CHANGE: &str = "SELECT max(max(created_at, coalesce(began_at, 0), coalesce(done_at, 0))) FROM (
    SELECT created_at, began_at, done_at FROM operation WHERE environment = ?1 AND deployment IS NULL
    ORDER BY serial DESC LIMIT 1)";

/// When a step of a deployment began or ended last.
const STEPPED: &str = "(SELECT max(max(s.started_at, coalesce(s.ended_at, 0))) FROM step s WHERE s.deployment = d.serial) AS stepped";

/// An environment's newest deployment that was executed here and is to be seen. It is looked for phase by phase, so that
/// however many were recorded after it, they are not walked over.
pub(super) const NEWEST: &str = "FROM deployment d WHERE d.serial = (
    SELECT max((SELECT n.serial FROM deployment n WHERE n.environment = t.environment AND n.phase = t.phase
                AND n.hidden_at IS NULL ORDER BY n.serial DESC LIMIT 1))
    FROM total t WHERE t.environment = ?1 AND t.deployments > 0 AND t.phase NOT LIKE 'recorded%')";

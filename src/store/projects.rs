//! Projects: what the configuration has brought here, by their serials and paths.

use super::rows::inconsistent;
use super::{Store, StoreError};
use crate::core::access::Reach;
use crate::core::action::AppRef;
use crate::core::id::{AppSerial, ProjectSerial};
use crate::core::name::ProjectPath;
use crate::core::project::{ListProjects, ProjectOrder, ProjectRef};
use crate::core::time::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Row, params_from_iter};
use uuid::Uuid;

/// A project as its rows know it.
#[derive(Clone, Debug)]
pub struct KnownPath {
    /// Its serial.
    pub serial: ProjectSerial,
    /// Its path.
    pub path: ProjectPath,
    /// When its first app was made.
    pub created_at: Timestamp,
    /// When something was last asked to be deployed there, or it was made.
    pub last_activity_at: Timestamp,
    /// Its apps that the caller can see, by their ids.
    pub apps: Vec<AppRef>,
}

impl Store {
    /// A project with an app that can be seen from there.
    ///
    /// # Errors
    /// If the database fails.
    pub fn find_project(
        &self,
        which: &ProjectRef,
        reach: Reach,
    ) -> Result<Option<KnownPath>, StoreError> {
        let (column, value) = match which {
            ProjectRef::Serial(serial) => ("j.serial = ?", Value::Integer(serial.0)),
            // Paths are compared as the vendors do: without regard to case.
            ProjectRef::Path(path) => ("j.path = ? COLLATE NOCASE", Value::Text(path.to_string())),
        };
        let (seen, mut values) = seen(reach);
        let sql = format!(
            "{SELECT} WHERE {seen} AND {column} GROUP BY j.serial ORDER BY j.path = ? DESC, j.serial LIMIT 1"
        );
        values.extend([value.clone(), value]);
        self.read(|tx| {
            let mut statement = tx.prepare_cached(&sql)?;
            let mut rows = statement.query(params_from_iter(&values))?;
            rows.next()?.map(known).transpose()
        })
    }

    /// The project of an app.
    ///
    /// # Errors
    /// If there is no such app.
    pub fn project_of(&self, app: AppSerial) -> Result<ProjectSerial, StoreError> {
        self.read(|tx| {
            let found = tx
                .prepare_cached("SELECT project FROM app WHERE serial = ?1")?
                .query_row([app.0], |row| row.get(0))?;
            Ok(ProjectSerial(found))
        })
    }

    /// A page of those with an app that can be seen from there, and how many match in all.
    ///
    /// # Errors
    /// If the database fails.
    pub fn projects(
        &self,
        reach: Reach,
        list: &ListProjects,
    ) -> Result<(Vec<KnownPath>, u64), StoreError> {
        let (mut seen, mut values) = seen(reach);
        if let Some(text) = &list.search {
            seen += " AND instr(lower(j.path), lower(?)) > 0";
            values.push(Value::Text(text.clone()));
        }
        self.read(|tx| {
            let sql = format!(
                "SELECT count(DISTINCT j.serial) FROM project j JOIN app a ON a.project = j.serial WHERE {seen}"
            );
            let total: i64 = tx
                .prepare_cached(&sql)?
                .query_row(params_from_iter(&values), |row| row.get(0))?;
            let direction = if list.ascending { "ASC" } else { "DESC" };
            let key = match list.order {
                ProjectOrder::Serial => "j.serial",
                ProjectOrder::Path => "lower(j.path)",
                ProjectOrder::Activity => "coalesce(last_asked, j.created_at)",
            };
            let sql = format!(
                "{SELECT} WHERE {seen} GROUP BY j.serial ORDER BY {key} {direction}, j.serial {direction} LIMIT ? OFFSET ?"
            );
            let offset = i64::try_from(list.offset).unwrap_or(i64::MAX);
            let ends = [Value::Integer(list.limit.into()), Value::Integer(offset)];
            let mut statement = tx.prepare_cached(&sql)?;
            let mut rows = statement.query(params_from_iter(values.iter().chain(&ends)))?;
            let mut page = Vec::new();
            while let Some(row) = rows.next()? {
                page.push(known(row)?);
            }
            Ok((page, u64::try_from(total).unwrap_or(0)))
        })
    }
}

/// A project is there for whoever can see an app of it; one that no app belongs to any more is nobody's.
fn seen(reach: Reach) -> (String, Vec<Value>) {
    match reach {
        Reach::All => ("1".to_owned(), Vec::new()),
        Reach::App(app) | Reach::Environment(app, _) => {
            ("a.serial = ?".to_owned(), vec![Value::Integer(app.0)])
        }
    }
}

const SELECT: &str = "SELECT j.serial, j.path, j.created_at, max((SELECT d.created_at FROM deployment d
        WHERE d.app = a.serial AND d.hidden_at IS NULL ORDER BY d.serial DESC LIMIT 1)) AS last_asked, json_group_array(a.uuid)
    FROM project j JOIN app a ON a.project = j.serial";

fn known(row: &Row<'_>) -> Result<KnownPath, StoreError> {
    let serial: i64 = row.get(0)?;
    let created_at: i64 = row.get(2)?;
    let last: Option<i64> = row.get(3)?;
    let apps: Vec<Uuid> = super::rows::from_json("project", serial, &row.get::<_, String>(4)?)?;
    Ok(KnownPath {
        serial: ProjectSerial(serial),
        path: ProjectPath::parse(&row.get::<_, String>(1)?)
            .map_err(|error| inconsistent("project", serial, error.0))?,
        created_at: Timestamp(created_at),
        last_activity_at: Timestamp(last.unwrap_or(created_at).max(created_at)),
        apps: apps.into_iter().map(AppRef::Id).collect(),
    })
}

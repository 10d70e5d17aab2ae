//! Previews: made with their first deployment, kept apart from what the configuration names, and found when they are to end.

use super::apps::{PLACE, PLACE_COLUMNS, PLACE_FROM, Place, place, reported_before};
use super::changes::write_change;
use super::networks::take_subnet;
use super::operations::millis_of;
use super::routes::{grow, routes};
use super::rows::{inconsistent, json};
use super::{Store, StoreError};
use crate::core::action::AppRef;
use crate::core::admission::Desired;
use crate::core::app::preview_slug;
use crate::core::change::Change;
use crate::core::deployment::{Deployment, Wanted};
use crate::core::id::{AppSerial, DeploymentSerial, EnvironmentSerial, OperationSerial};
use crate::core::name::{AppName, Branch, EnvironmentName, ProjectPath};
use crate::core::preview::Previews;
use crate::core::reference::Reference;
use crate::core::time::Timestamp;
use ipnet::Ipv4Net;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use std::time::Duration;
use uuid::Uuid;

/// A preview that is made with its first deployment, unless it is there by then.
#[derive(Clone, Debug)]
pub struct NewPreview {
    /// Its name.
    pub name: EnvironmentName,
    /// What its app says of previews.
    pub previews: Previews,
    /// Whose secrets it gets: the app's default environment.
    pub default_environment: EnvironmentName,
    /// What its network is cut from.
    pub pool: Ipv4Net,
}

/// Why it is not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoPreview {
    /// There are as many as there may be.
    TooMany,
    /// Another app of the project has an environment of its name.
    NameTaken(AppName),
    /// Its domain leads elsewhere.
    DomainTaken(String),
}

/// A preview that is there, as far as its end depends on it.
#[derive(Clone, Debug)]
pub struct Preview {
    /// Where it is.
    pub place: Place,
    /// Its last deployment.
    pub last: DeploymentSerial,
    /// When that was asked for.
    pub asked_at: Timestamp,
    /// How long it has from then on.
    pub ttl: Duration,
    /// Whether something is at work there, or waits.
    pub busy: bool,
    /// The branch that was of.
    pub branch: Option<Branch>,
    /// Whether its app takes previews now.
    pub configured: bool,
}

/// What became of its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It is gone for everybody who asks; its removal is in the queue.
    Accepted(OperationSerial),
    /// It is not as it was when that was decided.
    Moved,
}

impl Store {
    /// Where a preview of an app will be once its first deployment is taken in. It has no row yet, and its serial is none's;
    /// `None` if the configuration has no such app.
    ///
    /// # Errors
    /// If the database fails.
    pub fn preview_to_be(
        &self,
        app: &AppRef,
        name: &EnvironmentName,
    ) -> Result<Option<Place>, StoreError> {
        let (by, value) = match app {
            AppRef::Id(id) => ("uuid", id.to_string()),
            AppRef::Name(name) => ("name", name.as_str().to_owned()),
        };
        let sql = format!(
            "SELECT a.serial, a.name, a.uuid, p.path FROM app a JOIN project p ON p.serial = a.project
             WHERE a.{by} = ?1 AND a.configured LIMIT 1"
        );
        self.read(|tx| {
            let found: Option<(i64, String, String, String)> = tx
                .prepare_cached(&sql)?
                .query_row([value], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
                })
                .optional()?;
            let Some((serial, app, id, project)) = found else {
                return Ok(None);
            };
            let bad = |error: crate::core::name::InvalidName| inconsistent("app", serial, error.0);
            Ok(Some(Place {
                app: AppSerial(serial),
                app_name: AppName::parse(&app).map_err(bad)?,
                app_id: super::rows::uuid("app", serial, &id)?,
                // No row has it.
                environment: EnvironmentSerial(0),
                environment_name: name.clone(),
                environment_id: Uuid::nil(),
                project: ProjectPath::parse(&project).map_err(bad)?,
                desired: Desired::Running,
                subnet: None,
                preview: true,
                slug: String::new(),
            }))
        })
    }

    /// The previews that are there.
    ///
    /// # Errors
    /// If the database fails.
    pub fn previews(&self) -> Result<Vec<Preview>, StoreError> {
        self.read(|tx| {
            let sql = format!(
                "SELECT {PLACE}, d.serial, d.created_at, e.preview_ttl_ms, e.preview_branch, e.configured,
                        EXISTS (SELECT 1 FROM operation o WHERE o.environment = e.serial AND o.done_at IS NULL)
                 FROM {PLACE_FROM} JOIN deployment d ON d.serial = e.preview_last
                 WHERE e.preview AND e.removed_at IS NULL ORDER BY e.serial"
            );
            let mut statement = tx.prepare_cached(&sql)?;
            let mut rows = statement.query([])?;
            let mut previews = Vec::new();
            while let Some(row) = rows.next()? {
                let place = place(row)?;
                let serial = place.environment;
                let bad = |error: crate::core::name::InvalidName| {
                    inconsistent("environment", serial, error.0)
                };
                let branch: Option<String> = row.get(PLACE_COLUMNS + 3)?;
                previews.push(Preview {
                    place,
                    last: DeploymentSerial(row.get(PLACE_COLUMNS)?),
                    asked_at: Timestamp(row.get(PLACE_COLUMNS + 1)?),
                    ttl: Duration::from_millis(
                        u64::try_from(row.get::<_, i64>(PLACE_COLUMNS + 2)?).unwrap_or(0),
                    ),
                    branch: branch
                        .map(|branch| Branch::parse(&branch))
                        .transpose()
                        .map_err(bad)?,
                    configured: row.get(PLACE_COLUMNS + 4)?,
                    busy: row.get(PLACE_COLUMNS + 5)?,
                });
            }
            Ok(previews)
        })
    }

    /// Accepts the removal of a preview in the schedule's name, if it still is what was looked at: no deployment was asked
    /// for since and, `if_idle`, none is at work.
    ///
    /// # Errors
    /// If the database fails.
    pub fn end_preview(
        &self,
        preview: &Preview,
        if_idle: bool,
        now: Timestamp,
    ) -> Result<Ending, StoreError> {
        let environment = preview.place.environment;
        self.write("end_preview", |tx| {
            let still: bool = tx.query_row(
                "SELECT EXISTS (SELECT 1 FROM environment e WHERE e.serial = ?1 AND e.preview AND e.removed_at IS NULL
                    AND e.preview_last = ?2 AND NOT (?3 AND EXISTS (
                        SELECT 1 FROM operation o WHERE o.environment = e.serial AND o.done_at IS NULL)))",
                params![environment.0, preview.last.0, if_idle],
                |row| row.get(0),
            )?;
            if !still {
                return Ok(Ending::Moved);
            }
            let by = self.schedule(tx, now)?;
            let change = Change::Remove { volumes: false };
            let serial = write_change(self, tx, &preview.place, (change, true), by, now)?;
            Ok(Ending::Accepted(serial))
        })
    }
}

/// The preview of a name, made now if it is not there; with it whether it was.
pub(super) fn preview_in(
    store: &Store,
    tx: &Transaction<'_>,
    app: AppSerial,
    new: &NewPreview,
    now: Timestamp,
) -> Result<Result<(EnvironmentSerial, bool), NoPreview>, StoreError> {
    let name = new.name.as_str();
    if let Some(there) = environment_named(tx, app, name)? {
        return Ok(Ok((there, false)));
    }
    let (app_name, project): (String, String) = tx.query_row(
        "SELECT a.name, p.path FROM app a JOIN project p ON p.serial = a.project WHERE a.serial = ?1",
        [app.0],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let bad = |error: crate::core::name::InvalidName| inconsistent("app", app, error.0);
    let (app_name, project) = (
        AppName::parse(&app_name).map_err(bad)?,
        ProjectPath::parse(&project).map_err(bad)?,
    );
    let other: Option<String> = tx
        .prepare_cached(
            "SELECT a.name FROM environment e JOIN app a ON a.serial = e.app JOIN project p ON p.serial = a.project
             WHERE p.path = ?1 AND e.name = ?2 AND e.runs AND e.removed_at IS NULL LIMIT 1",
        )?
        .query_row([project.as_str(), name], |row| row.get(0))
        .optional()?;
    if let Some(other) = other {
        return Ok(Err(NoPreview::NameTaken(
            AppName::parse(&other).map_err(bad)?,
        )));
    }
    let there: u32 = tx
        .prepare_cached(
            "SELECT count(*) FROM environment WHERE app = ?1 AND preview AND removed_at IS NULL",
        )?
        .query_row([app.0], |row| row.get(0))?;
    if there >= new.previews.max {
        return Ok(Err(NoPreview::TooMany));
    }
    let domains = new.previews.domains_of(&new.name);
    let before = routes(tx)?;
    if let Some(taken) = before.iter().find(|route| domains.contains(&route.domain)) {
        return Ok(Err(NoPreview::DomainTaken(taken.domain.to_string())));
    }
    let subnet = take_subnet(tx, new.pool)?.to_string();
    let (id, environment) = match reported_before(tx, &project, &new.name)? {
        Some((reported, id)) => {
            tx.execute(
                "UPDATE deployment SET app = ?2 WHERE environment = ?1 AND app <> ?2",
                params![reported, app.0],
            )?;
            (id, reported)
        }
        None => {
            let id = store.random_uuid();
            tx.execute(
                "INSERT INTO environment (uuid, app, name, desired, configured, subnet, created_at)
                 VALUES (?1, ?2, ?3, 'running', 1, ?1, ?4)",
                params![id.to_string(), app.0, name, now.0],
            )?;
            (id, tx.last_insert_rowid())
        }
    };
    tx.execute(
        "UPDATE environment SET app = ?2, configured = 1, runs = 1, preview = 1, desired = 'running', subnet = ?3, slug = ?4,
                                domains = ?5, preview_ttl_ms = ?6, secrets_from = ?7, updated_at = ?8
         WHERE serial = ?1",
        params![
            environment,
            app.0,
            subnet,
            preview_slug(&app_name, &new.name, id),
            json("environment", &domains)?,
            millis_of(new.previews.ttl),
            environment_named(tx, app, new.default_environment.as_str())?.map(|one| one.0),
            now.0
        ],
    )?;
    if routes(tx)? != before {
        grow(tx)?;
    }
    Ok(Ok((EnvironmentSerial(environment), true)))
}

fn environment_named(
    tx: &Connection,
    app: AppSerial,
    name: &str,
) -> Result<Option<EnvironmentSerial>, StoreError> {
    let found = tx
        .prepare_cached("SELECT serial FROM environment WHERE app = ?1 AND name = ?2 AND runs AND removed_at IS NULL")?
        .query_row(params![app.0, name], |row| row.get(0))
        .optional()?;
    Ok(found.map(EnvironmentSerial))
}

/// A deployment was taken in: if it is a preview's, that one's time begins anew, and its branch is this one's.
pub(super) fn note_last(tx: &Transaction<'_>, deployment: &Deployment) -> Result<(), StoreError> {
    let environment = deployment.environment.0;
    tx.execute(
        "UPDATE environment SET preview_last = ?2 WHERE serial = ?1 AND preview",
        params![environment, deployment.serial.0],
    )?;
    let branch = match &deployment.request.wanted {
        Wanted::Commit {
            reference: Reference::Branch(branch),
            ..
        } => Some(branch.as_str()),
        Wanted::Commit { .. } | Wanted::Image(_) => None,
        // What runs again is of the branch it was of.
        Wanted::Release(_) | Wanted::Restart => return Ok(()),
    };
    tx.execute(
        "UPDATE environment SET preview_branch = ?2 WHERE serial = ?1 AND preview",
        params![environment, branch],
    )?;
    Ok(())
}

/// Makes the rows of an app's previews say what the configuration says.
pub(super) fn sync_previews(
    tx: &Transaction<'_>,
    (app, default): (i64, &EnvironmentName),
    previews: &Previews,
) -> Result<(), StoreError> {
    let app = AppSerial(app);
    let there: Vec<(i64, String)> = tx
        .prepare_cached(
            "SELECT serial, name FROM environment WHERE app = ?1 AND preview AND removed_at IS NULL",
        )?
        .query_map([app.0], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let default = environment_named(tx, app, default.as_str())?;
    for (serial, name) in there {
        let name = EnvironmentName::any(&name)
            .map_err(|error| inconsistent("environment", serial, error.0))?;
        tx.execute(
            "UPDATE environment SET configured = 1, domains = ?2, preview_ttl_ms = ?3, secrets_from = ?4 WHERE serial = ?1",
            params![
                serial,
                json("environment", &previews.domains_of(&name))?,
                millis_of(previews.ttl),
                default.map(|one| one.0)
            ],
        )?;
    }
    Ok(())
}

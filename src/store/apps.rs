//! Projects, apps and environments: what the configuration names, as rows with serials.

use super::networks::take_subnet;
use super::previews::sync_previews;
use super::routes::{grow, routes};
use super::rows::{from_json, inconsistent, json, uuid};
use super::{Store, StoreError};
use crate::core::access::Reach;
use crate::core::action::{AppRef, AppView, EnvironmentView};
use crate::core::address;
use crate::core::admission::Desired;
use crate::core::app::{App, slug};
use crate::core::id::{AppSerial, EnvironmentSerial};
use crate::core::name::{AppName, EnvironmentName, ProjectPath};
use crate::core::route::Domain;
use crate::core::time::Timestamp;
use ipnet::Ipv4Net;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};
use std::net::{Ipv4Addr, SocketAddr};
use uuid::Uuid;

/// An environment with the names around it: where a deployment takes place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The app's serial.
    pub app: AppSerial,
    /// The app's name.
    pub app_name: AppName,
    /// The app's id.
    pub app_id: Uuid,
    /// The environment's serial.
    pub environment: EnvironmentSerial,
    /// The environment's name.
    pub environment_name: EnvironmentName,
    /// The environment's id.
    pub environment_id: Uuid,
    /// The project.
    pub project: ProjectPath,
    /// What it is meant to be doing.
    pub desired: Desired,
    /// Its network; `None` once it was given back, as nothing of the environment is left, or before it has one.
    pub subnet: Option<Ipv4Net>,
    /// Whether it is a preview.
    pub preview: bool,
    /// What its network, volumes and containers are named after, from the day it was made: an app that is renamed
    /// keeps them.
    pub(super) slug: String,
}

impl Place {
    /// What its network, volumes and containers are named after.
    #[must_use]
    pub fn slug(&self) -> String {
        self.slug.clone()
    }
}

/// What the configuration says, as far as rows are made of it.
#[derive(Clone, Copy, Debug)]
pub struct Configured<'a> {
    /// All apps.
    pub apps: &'a [App],
    /// What the networks of new environments are cut from.
    pub pool: Ipv4Net,
    /// Where the API is served through the ingress.
    pub api_domains: &'a [Domain],
    /// Where the API listens; none if not over TCP.
    pub api_address: Option<SocketAddr>,
}

/// Why there is no such place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlaceError {
    /// No such app.
    App,
    /// The app has no such environment; these it has.
    Environment(Vec<String>),
}

pub(super) const PLACE: &str = "a.serial, a.name, a.uuid, e.serial, e.name, e.uuid, p.path, e.desired, e.subnet, e.slug, e.preview";
/// How many they are: what is asked for beside them comes after.
pub(super) const PLACE_COLUMNS: usize = 11;
pub(super) const PLACE_FROM: &str =
    "environment e JOIN app a ON a.serial = e.app JOIN project p ON p.serial = a.project";

pub(super) fn place(row: &Row<'_>) -> Result<Place, StoreError> {
    let (app, environment): (i64, i64) = (row.get(0)?, row.get(3)?);
    let bad =
        |error: crate::core::name::InvalidName| inconsistent("environment", environment, error.0);
    let (desired, subnet): (String, String) = (row.get(7)?, row.get(8)?);
    let id: String = row.get(5)?;
    Ok(Place {
        app: AppSerial(app),
        app_name: AppName::parse(&row.get::<_, String>(1)?).map_err(bad)?,
        app_id: uuid("app", app, &row.get::<_, String>(2)?)?,
        environment: EnvironmentSerial(environment),
        environment_name: EnvironmentName::any(&row.get::<_, String>(4)?).map_err(bad)?,
        environment_id: uuid("environment", environment, &id)?,
        project: ProjectPath::parse(&row.get::<_, String>(6)?).map_err(bad)?,
        desired: Desired::parse(&desired).ok_or_else(|| {
            inconsistent("environment", environment, format!("desired '{desired}'"))
        })?,
        subnet: match subnet == id {
            true => None,
            false => Some(subnet.parse().map_err(|_| {
                inconsistent("environment", environment, format!("subnet '{subnet}'"))
            })?),
        },
        slug: row.get(9)?,
        preview: row.get(10)?,
    })
}

impl Store {
    /// Makes the rows say what the configuration says. What it no longer names stays, marked, with the domains it had; so do
    /// the previews of an app that takes none any more.
    ///
    /// # Errors
    /// If the address pool has no network left for a new environment.
    pub fn sync_apps(&self, configured: &Configured<'_>, now: Timestamp) -> Result<(), StoreError> {
        let (apps, pool) = (configured.apps, configured.pool);
        self.write("sync_apps", |tx| {
            let before = routes(tx)?;
            tx.execute("UPDATE app SET configured = 0", [])?;
            tx.execute("UPDATE environment SET configured = 0", [])?;
            for app in apps {
                let serial = upsert_app(tx, app, now)?;
                for (name, spec) in &app.environments {
                    self.upsert_environment(tx, (serial, app), name, pool, now)?;
                    tx.execute(
                        "UPDATE environment SET domains = ?3 WHERE app = ?1 AND name = ?2 AND removed_at IS NULL",
                        params![serial, name.as_str(), json("environment", &spec.domains)?],
                    )?;
                }
                if let Some(previews) = &app.previews {
                    sync_previews(tx, (serial, &app.default_environment), previews)?;
                }
            }
            tx.execute(
                "UPDATE instance SET api_domains = ?1, api_address = ?2",
                params![
                    json("instance", &configured.api_domains)?,
                    configured.api_address.map(|address| address.to_string())
                ],
            )?;
            if routes(tx)? != before {
                grow(tx)?;
            }
            Ok(())
        })
    }

    fn upsert_environment(
        &self,
        tx: &Transaction<'_>,
        (serial, app): (i64, &App),
        name: &EnvironmentName,
        pool: Ipv4Net,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let changed = tx.execute(
            "UPDATE environment SET configured = 1, preview = 0, preview_branch = NULL, preview_last = NULL, preview_ttl_ms = NULL,
                                    secrets_from = NULL
             WHERE app = ?1 AND name = ?2 AND runs AND removed_at IS NULL",
            params![serial, name.as_str()],
        )?;
        if changed == 1 {
            return Ok(());
        }
        let subnet = take_subnet(tx, pool)?.to_string();
        if let Some((reported, id)) = reported_before(tx, &app.project, name)? {
            let slug = slug(&app.name, name, id);
            tx.execute(
                "UPDATE environment SET configured = 1, runs = 1, desired = 'running', app = ?2, subnet = ?3, slug = ?4, updated_at = ?5
                 WHERE serial = ?1",
                params![reported, serial, subnet, slug, now.0],
            )?;
            tx.execute(
                "UPDATE deployment SET app = ?2 WHERE environment = ?1 AND app <> ?2",
                [reported, serial],
            )?;
            return Ok(());
        }
        let id = self.random_uuid();
        tx.execute(
            "INSERT INTO environment (uuid, app, name, desired, configured, subnet, slug, created_at, updated_at)
             VALUES (?1, ?2, ?3, ?4, 1, ?5, ?6, ?7, ?7)",
            params![
                id.to_string(),
                serial,
                name.as_str(),
                Desired::Running.as_str(),
                subnet,
                slug(&app.name, name, id),
                now.0
            ],
        )?;
        Ok(())
    }

    /// Finds an app's environment, by the name given; `default` says which one if none is. An app that the configuration
    /// no longer names has no default: its only environment is meant.
    ///
    /// # Errors
    /// If the database fails.
    pub fn place(
        &self,
        app: &AppRef,
        environment: Option<&EnvironmentName>,
        default: impl FnOnce(&AppName) -> Option<EnvironmentName>,
    ) -> Result<Result<Place, PlaceError>, StoreError> {
        self.read(|tx| {
            let Some((serial, name)) = find_app(tx, app)? else { return Ok(Err(PlaceError::App)) };
            let names: Vec<String> = tx
                .prepare_cached("SELECT name FROM environment WHERE app = ?1 AND runs AND removed_at IS NULL ORDER BY name")?
                .query_map([serial.0], |row| row.get(0))?
                .collect::<Result<_, _>>()?;
            let wanted = environment.cloned().or_else(|| default(&name));
            let wanted = match (&wanted, names.as_slice()) {
                (Some(wanted), _) => Some(wanted.as_str()),
                (None, [only]) => Some(only.as_str()),
                (None, _) => None,
            };
            let sql = format!("SELECT {PLACE} FROM {PLACE_FROM} WHERE e.app = ?1 AND e.name = ?2 AND e.runs AND e.removed_at IS NULL");
            let mut statement = tx.prepare_cached(&sql)?;
            let mut rows = statement.query(params![serial.0, wanted])?;
            if let Some(row) = rows.next()? {
                return place(row).map(Ok);
            }
            Ok(Err(PlaceError::Environment(names)))
        })
    }

    /// The place of an environment.
    ///
    /// # Errors
    /// If there is none of that serial.
    pub fn place_of(&self, environment: EnvironmentSerial) -> Result<Place, StoreError> {
        self.read(|tx| {
            let sql = format!("SELECT {PLACE} FROM {PLACE_FROM} WHERE e.serial = ?1");
            let mut statement = tx.prepare_cached(&sql)?;
            let mut rows = statement.query([environment.0])?;
            match rows.next()? {
                Some(row) => place(row),
                None => Err(inconsistent("environment", environment, "is missing")),
            }
        })
    }

    /// The places of an app's environments.
    ///
    /// # Errors
    /// If the database fails.
    pub fn places(&self, app: AppSerial) -> Result<Vec<Place>, StoreError> {
        self.read(|tx| {
            let sql = format!(
                "SELECT {PLACE} FROM {PLACE_FROM} WHERE e.app = ?1 AND e.runs AND e.removed_at IS NULL ORDER BY e.name"
            );
            let mut statement = tx.prepare_cached(&sql)?;
            let mut rows = statement.query([app.0])?;
            let mut places = Vec::new();
            while let Some(row) = rows.next()? {
                places.push(place(row)?);
            }
            Ok(places)
        })
    }

    /// An app's serial and name.
    ///
    /// # Errors
    /// If the database fails.
    pub fn app(&self, app: &AppRef) -> Result<Option<(AppSerial, AppName)>, StoreError> {
        self.read(|tx| find_app(tx, app))
    }

    /// Every app and environment that can be seen from there.
    ///
    /// # Errors
    /// If the database fails.
    pub fn apps(&self, reach: Reach) -> Result<Vec<AppView>, StoreError> {
        self.read(|tx| {
            let sql = format!(
                "SELECT {PLACE}, a.configured, r.number, d.uuid, c.address, r.content, e.configured, e.domains FROM {PLACE_FROM}
                 LEFT JOIN release r ON r.serial = e.live_release
                 LEFT JOIN deployment d ON d.serial = e.live_deployment AND d.hidden_at IS NULL
                 LEFT JOIN container c ON c.environment = e.serial AND c.role = 'live' AND c.process = 'web' AND c.removed_at IS NULL
                 WHERE e.runs AND e.removed_at IS NULL ORDER BY a.name, a.serial, e.name"
            );
            let mut statement = tx.prepare_cached(&sql)?;
            let mut rows = statement.query([])?;
            let mut apps: Vec<AppView> = Vec::new();
            while let Some(row) = rows.next()? {
                let place = place(row)?;
                if !reach.includes(place.app, place.environment) {
                    continue;
                }
                let environment = environment_view(&place, row)?;
                match apps.last_mut() {
                    Some(app) if app.id == place.app_id => app.environments.push(environment),
                    Some(_) | None => apps.push(AppView {
                        name: place.app_name,
                        id: place.app_id,
                        project: place.project,
                        configured: row.get(PLACE_COLUMNS)?,
                        environments: vec![environment],
                    }),
                }
            }
            Ok(apps)
        })
    }
}

fn environment_view(place: &Place, row: &Row<'_>) -> Result<EnvironmentView, StoreError> {
    let serial = place.environment.0;
    let deployment: Option<String> = row.get(PLACE_COLUMNS + 2)?;
    let address: Option<String> = row.get(PLACE_COLUMNS + 3)?;
    let content: Option<String> = row.get(PLACE_COLUMNS + 4)?;
    let content: Option<crate::core::release::ReleaseContent> = content
        .map(|text| from_json("release", serial, &text))
        .transpose()?;
    let port = content.as_ref().and_then(|content| content.run.port);
    Ok(EnvironmentView {
        name: place.environment_name.clone(),
        desired: place.desired,
        preview: place.preview,
        job: content
            .as_ref()
            .is_some_and(|content| content.job.is_some()),
        next_run: None,
        configured: row.get(PLACE_COLUMNS + 5)?,
        domains: from_json(
            "environment",
            serial,
            &row.get::<_, String>(PLACE_COLUMNS + 6)?,
        )?,
        strategy: None,
        drift: Vec::new(),
        live_release: row.get(PLACE_COLUMNS + 1)?,
        live_deployment: deployment
            .map(|text| uuid("deployment", serial, &text))
            .transpose()?,
        address: address.map(|address| match port {
            Some(port) => format!("{address}:{port}"),
            None => address,
        }),
        live_version: content.map(|content| match content.sha {
            Some(sha) => sha.as_str().to_owned(),
            None => content.image.digest.unwrap_or(content.image.reference),
        }),
    })
}

/// The environment of the app's project for which deployments of this name were reported: from now on it is the app's,
/// with its history.
pub(super) fn reported_before(
    tx: &Transaction<'_>,
    project: &ProjectPath,
    name: &EnvironmentName,
) -> Result<Option<(i64, Uuid)>, StoreError> {
    let found: Option<(i64, String)> = tx
        .prepare_cached(
            "SELECT e.serial, e.uuid FROM environment e JOIN app a ON a.serial = e.app JOIN project j ON j.serial = a.project
             WHERE j.path = ?1 AND e.name = ?2 AND e.runs = 0 AND e.removed_at IS NULL",
        )?
        .query_row([project.as_str(), name.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let found = found.map(|(serial, id)| Ok((serial, uuid("environment", serial, &id)?)));
    found.transpose()
}

fn upsert_app(tx: &Transaction<'_>, app: &App, now: Timestamp) -> Result<i64, StoreError> {
    tx.execute(
        "INSERT INTO project (path, created_at) VALUES (?1, ?2) ON CONFLICT (path) DO NOTHING",
        params![app.project.as_str(), now.0],
    )?;
    let serial = tx.query_row(
        "INSERT INTO app (uuid, name, project, configured, created_at)
         VALUES (?1, ?2, (SELECT serial FROM project WHERE path = ?3), 1, ?4)
         ON CONFLICT (uuid) DO UPDATE SET name = excluded.name, project = excluded.project, configured = 1
         RETURNING serial",
        params![app.id.to_string(), app.name.as_str(), app.project.as_str(), now.0],
        |row| row.get(0),
    )?;
    Ok(serial)
}

pub(super) fn find_app(
    tx: &Connection,
    app: &AppRef,
) -> Result<Option<(AppSerial, AppName)>, StoreError> {
    let (by, value) = match app {
        AppRef::Id(id) => ("uuid", id.to_string()),
        AppRef::Name(name) => ("name", name.as_str().to_owned()),
    };
    // A renamed app may have left its name to another: the one the configuration names now is meant.
    let sql = format!(
        "SELECT serial, name FROM app WHERE {by} = ?1 ORDER BY configured DESC, serial DESC LIMIT 1"
    );
    let found: Option<(i64, String)> = tx
        .prepare_cached(&sql)?
        .query_row([value], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    found
        .map(|(serial, name)| {
            let name =
                AppName::parse(&name).map_err(|error| inconsistent("app", serial, error.0))?;
            Ok((AppSerial(serial), name))
        })
        .transpose()
}

/// Gives out the environment's next address.
pub(super) fn next_address(
    tx: &Transaction<'_>,
    environment: EnvironmentSerial,
) -> Result<Ipv4Addr, StoreError> {
    let (subnet, last): (String, Option<String>) = tx.query_row(
        "SELECT subnet, last_address FROM environment WHERE serial = ?1",
        [environment.0],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let subnet: Ipv4Net = subnet
        .parse()
        .map_err(|_| inconsistent("environment", environment, format!("subnet '{subnet}'")))?;
    let taken: Vec<String> = tx
        .prepare_cached(
            "SELECT address FROM container WHERE environment = ?1 AND removed_at IS NULL
             UNION SELECT address FROM stray WHERE address IS NOT NULL",
        )?
        .query_map([environment.0], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let taken: Vec<Ipv4Addr> = taken
        .iter()
        .filter_map(|address| address.parse().ok())
        .collect();
    let last = last.and_then(|address| address.parse().ok());
    let address = address::free_address(subnet, &taken, last).ok_or_else(|| {
        StoreError::AddressesExhausted(format!(
            "every address of {subnet} is named by a container of this environment that is not removed yet"
        ))
    })?;
    tx.execute(
        "UPDATE environment SET last_address = ?2 WHERE serial = ?1",
        params![environment.0, address.to_string()],
    )?;
    Ok(address)
}

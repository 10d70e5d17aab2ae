//! Environments as somebody follows them who asked for something to be done there. Each is read in one transaction: what
//! was asked for last, and how it stands, are of the same moment.

use super::apps::find_app;
use super::environments::{NEWEST, StandingPlace};
use super::operations::removal_at_work;
use super::pages::{ListFilter, page};
use super::rows::{from_json, inconsistent};
use super::runs;
use super::{Store, StoreError};
use crate::core::access::Reach;
use crate::core::action::{AppRef, ChangeView, DeploymentView, EnvironmentRef, Listed, RunView};
use crate::core::deployment::Phase;
use crate::core::id::{AppSerial, DeploymentSerial, EnvironmentSerial, OperationSerial};
use crate::core::name::{EnvironmentName, InvalidName};
use crate::core::release::ReleaseContent;
use crate::core::service::{Asked, JobThen, LiveVersion, Past, PastKind, newest_deployment};
use crate::core::spec::Spec;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, params};
use std::cmp::Reverse;

/// An environment, what is live and what was asked for.
#[derive(Clone, Debug)]
pub struct ServiceRow {
    /// The environment.
    pub place: StandingPlace,
    /// Whether it was removed.
    pub removed: bool,
    /// What is live.
    pub live: Option<LiveVersion>,
    /// What that was made with; not known of a release that was adopted.
    pub made_with: Option<Spec>,
    /// Its newest deployment that was executed here.
    pub deployment: Option<Asked<DeploymentView>>,
    /// What the configuration said of it when that began.
    pub begun_with: Option<Spec>,
    /// Its newest change.
    pub change: Option<Asked<ChangeView>>,
    /// How many operations wait in its queue.
    pub waiting: u64,
}

/// Of the environments that had an app and a name one after another the newest for which anything was asked, else the
/// newest of all. What others only told of was not asked for.
const STANDS_FOR: &str = "coalesce(max(CASE WHEN EXISTS (SELECT 1 FROM operation o WHERE o.environment = e.serial AND o.deployment IS NULL)
                           OR EXISTS (SELECT 1 FROM total t WHERE t.environment = e.serial AND t.deployments > 0 AND t.phase NOT LIKE 'recorded%') THEN e.serial END), max(e.serial))";

impl Store {
    /// The environment that this one stands for, if either can be seen from there. What was only reported is none.
    ///
    /// # Errors
    /// If the database fails.
    pub fn service(
        &self,
        which: EnvironmentRef,
        reach: Reach,
    ) -> Result<Option<ServiceRow>, StoreError> {
        self.read(|tx| {
            let Some(found) = meant(tx, which, reach)? else {
                return Ok(None);
            };
            self.service_row(tx, found).map(Some)
        })
    }

    /// Every environment that can be seen from there, of each app and name the one that stands for them, by their serials.
    /// Previews that were removed are left out.
    ///
    /// # Errors
    /// If the database fails.
    pub fn services(
        &self,
        reach: Reach,
        name: Option<&EnvironmentName>,
    ) -> Result<Vec<ServiceRow>, StoreError> {
        let (seen, value) = seen(reach);
        let sql = format!(
            "SELECT {STANDS_FOR} AS newest FROM environment e
             WHERE {LISTED} AND (?2 IS NULL OR e.name = ?2) AND {seen} GROUP BY e.app, e.name ORDER BY newest"
        );
        self.read(|tx| {
            let mut statement = tx.prepare_cached(&sql)?;
            let name = name.map(EnvironmentName::as_str);
            let serials = statement.query_map(params![value, name], |row| row.get(0))?;
            let serials: Vec<i64> = serials.collect::<Result<_, _>>()?;
            let serials = serials.into_iter().map(EnvironmentSerial);
            serials.map(|serial| self.service_row(tx, serial)).collect()
        })
    }

    /// The names that these environments have.
    ///
    /// # Errors
    /// If the database fails.
    pub fn service_names(&self, reach: Reach) -> Result<Vec<EnvironmentName>, StoreError> {
        let (seen, value) = seen(reach);
        let sql = format!("SELECT DISTINCT e.name FROM environment e WHERE {LISTED} AND {seen}");
        self.read(|tx| {
            let mut statement = tx.prepare_cached(&sql)?;
            let names = statement.query_map([value], |row| row.get(0))?;
            let names: Vec<String> = names.collect::<Result<_, _>>()?;
            let bad = |error: InvalidName| inconsistent("environment", "name", error.0);
            let names = names.iter();
            names
                .map(|name| EnvironmentName::any(name).map_err(bad))
                .collect()
        })
    }

    /// Whether an environment of this app and name that can be seen from there was removed and is still being cleared away.
    ///
    /// # Errors
    /// If the database fails.
    pub fn is_being_removed(
        &self,
        app: &AppRef,
        name: &EnvironmentName,
        reach: Reach,
    ) -> Result<bool, StoreError> {
        self.read(|tx| {
            let Some((app, _)) = find_app(tx, app)? else {
                return Ok(false);
            };
            let found = removal_at_work(tx, app, name)?;
            Ok(found.is_some_and(|environment| reach.includes(app, environment)))
        })
    }

    fn service_row(
        &self,
        tx: &Connection,
        environment: EnvironmentSerial,
    ) -> Result<ServiceRow, StoreError> {
        let place = self.any_place(tx, environment)?;
        let (removed, waiting): (bool, i64) = tx
            .prepare_cached(
                "SELECT e.removed_at IS NOT NULL,
                        (SELECT count(*) FROM operation o LEFT JOIN deployment d ON d.serial = o.deployment
                         WHERE o.environment = e.serial AND o.done_at IS NULL AND coalesce(o.phase, d.phase) = 'queued')
                 FROM environment e WHERE e.serial = ?1",
            )?
            .query_row([environment.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let (live, made_with) = live(tx, environment)?.unzip();
        let change = self.newest_change(tx, environment)?;
        let newest = self.deployment_of(tx, NEWEST, environment)?;
        let begun = match newest.as_ref().map(|newest| &newest.view.deployment.phase) {
            Some(Phase::Cancelled { .. } | Phase::Superseded { .. }) => {
                self.deployment_of(tx, NEWEST_BEGUN, environment)?
            }
            Some(
                Phase::Queued
                | Phase::Running(_)
                | Phase::Committed(_)
                | Phase::Succeeded { .. }
                | Phase::Failed { .. },
            )
            | None => None,
        };
        let deployment = newest_deployment(newest, begun, change.as_ref());
        let serial = deployment
            .as_ref()
            .map(|asked| asked.view.deployment.serial);
        let begun_with = serial.map(|serial| spec_of(tx, serial)).transpose()?;
        Ok(ServiceRow {
            place,
            removed,
            live,
            made_with: made_with.flatten(),
            deployment,
            begun_with: begun_with.flatten(),
            change,
            waiting: u64::try_from(waiting).unwrap_or(0),
        })
    }

    fn deployment_of(
        &self,
        tx: &Connection,
        which: &str,
        environment: EnvironmentSerial,
    ) -> Result<Option<Asked<DeploymentView>>, StoreError> {
        let sql = format!(
            "SELECT d.serial, o.serial, o.done_at IS NOT NULL FROM (SELECT d.serial {which}) d JOIN operation o ON o.deployment = d.serial"
        );
        let found: Option<(i64, i64, bool)> = tx
            .prepare_cached(&sql)?
            .query_row([environment.0], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .optional()?;
        let Some((serial, operation, settled)) = found else {
            return Ok(None);
        };
        let (asked, told) = events_of(tx, "deployment", serial)?;
        Ok(Some(Asked {
            operation: OperationSerial(operation),
            asked,
            told,
            view: self.view_in(tx, DeploymentSerial(serial))?,
            run: run_of_deployment(tx, DeploymentSerial(serial))?,
            settled,
        }))
    }

    fn newest_change(
        &self,
        tx: &Connection,
        environment: EnvironmentSerial,
    ) -> Result<Option<Asked<ChangeView>>, StoreError> {
        let newest: Option<i64> = tx
            .prepare_cached(
                "SELECT max(serial) FROM operation WHERE environment = ?1 AND deployment IS NULL",
            )?
            .query_row([environment.0], |row| row.get(0))?;
        let Some(operation) = newest.map(OperationSerial) else {
            return Ok(None);
        };
        let view = self.change_view_in(tx, operation)?;
        let view = view.ok_or_else(|| inconsistent("operation", operation, "is no change"))?;
        let (asked, told) = events_of(tx, "operation", operation.0)?;
        Ok(Some(Asked {
            operation,
            asked,
            told,
            settled: view.done_at.is_some(),
            run: run_of_change(tx, operation)?,
            view,
        }))
    }

    /// What was done in the environment that this one stands for, and in those that had its name before, the newest first.
    ///
    /// # Errors
    /// If the database fails.
    pub fn service_history(
        &self,
        which: EnvironmentRef,
        reach: Reach,
        limit: u32,
    ) -> Result<Option<Vec<Past>>, StoreError> {
        self.read(|tx| {
            let Some(found) = meant(tx, which, reach)? else {
                return Ok(None);
            };
            let place = self.any_place(tx, found)?;
            let filter = ListFilter {
                app: Some(place.app),
                environment: Some(place.environment_name.clone()),
                // Not what others did.
                executed: true,
                limit,
                ..ListFilter::new(reach)
            };
            let (serials, _) = page(tx, &filter)?;
            let mut past = Vec::new();
            for listed in self.views(tx, &serials, true)? {
                let view = match listed {
                    Listed::Executed(view) => Box::new(view),
                    Listed::Recorded(_) => continue,
                };
                let serial = view.deployment.serial;
                let run = run_of_deployment(tx, serial)?.map(Box::new);
                let job = job_of(tx, serial)?;
                let what = PastKind::Deployment(view, run);
                let (asked, _) = events_of(tx, "deployment", serial.0)?;
                past.push((asked, Past { what, job }));
            }
            for view in other_runs(tx, &place, reach, limit)? {
                let deployment = view.run.deployment;
                let job = job_of(tx, deployment)?;
                let (asked, _) = events_of(tx, "run", view.run.serial.0)?;
                let of = Box::new(self.view_in(tx, deployment)?);
                let what = PastKind::Run(Box::new(view), of);
                past.push((asked, Past { what, job }));
            }
            past.sort_by_key(|(event, _)| Reverse(*event));
            past.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
            Ok(Some(past.into_iter().map(|(_, past)| past).collect()))
        })
    }
}

/// As [`NEWEST`], but for those that were taken back while they waited.
const NEWEST_BEGUN: &str = "FROM deployment d WHERE d.serial = (
    SELECT max((SELECT n.serial FROM deployment n WHERE n.environment = t.environment AND n.phase = t.phase
                AND n.hidden_at IS NULL AND coalesce(n.was_waiting, 0) = 0 ORDER BY n.serial DESC LIMIT 1))
    FROM total t WHERE t.environment = ?1 AND t.deployments > 0 AND t.phase NOT LIKE 'recorded%' AND t.phase <> 'superseded')";

/// Those that are listed: of previews that were removed there is only history.
const LISTED: &str = "e.runs AND (e.removed_at IS NULL OR NOT e.preview)";

/// What can be seen from there, as a condition on `?1`.
fn seen(reach: Reach) -> (&'static str, Value) {
    match reach {
        Reach::All => ("?1 IS NULL", Value::Null),
        Reach::App(app) => ("e.app = ?1", Value::Integer(app.0)),
        Reach::Environment(_, environment) => ("e.serial = ?1", Value::Integer(environment.0)),
    }
}

/// The environment that one stands for; where that cannot be seen, the one itself, if it can.
fn meant(
    tx: &Connection,
    which: EnvironmentRef,
    reach: Reach,
) -> Result<Option<EnvironmentSerial>, StoreError> {
    let (column, value) = match which {
        EnvironmentRef::Id(id) => ("uuid", Value::Text(id.to_string())),
        EnvironmentRef::Serial(serial) => ("serial", Value::Integer(serial.0)),
    };
    let sql = format!(
        "SELECT i.app, i.serial, (SELECT {STANDS_FOR} FROM environment e WHERE e.app = i.app AND e.name = i.name AND e.runs)
         FROM environment i WHERE i.{column} = ?1 AND i.runs"
    );
    let found: Option<(i64, i64, i64)> = tx
        .prepare_cached(&sql)?
        .query_row([value], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    Ok(found.and_then(|(app, asked, newest)| {
        let mut both = [newest, asked].into_iter().map(EnvironmentSerial);
        both.find(|environment| reach.includes(AppSerial(app), *environment))
    }))
}

/// What is live with what it was made with.
fn live(
    tx: &Connection,
    environment: EnvironmentSerial,
) -> Result<Option<(LiveVersion, Option<Spec>)>, StoreError> {
    let found: Option<(i64, String, Option<String>)> = tx
        .prepare_cached(
            "SELECT r.number, r.content, d.spec FROM environment e JOIN release r ON r.serial = e.live_release
             JOIN deployment d ON d.serial = r.deployment WHERE e.serial = ?1",
        )?
        .query_row([environment.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((release, content, spec)) = found else {
        return Ok(None);
    };
    let content: ReleaseContent = from_json("release", environment.0, &content)?;
    let spec = spec.map(|text| from_json("deployment", environment.0, &text));
    Ok(Some((LiveVersion { release, content }, spec.transpose()?)))
}

/// When something was asked for, and when something was written down of it last, by the order of everything that happened:
/// clocks can be set back.
fn events_of(tx: &Connection, column: &'static str, serial: i64) -> Result<(i64, i64), StoreError> {
    let sql = format!(
        "SELECT coalesce(min(serial), 0), coalesce(max(serial), 0) FROM status_event WHERE {column} = ?1"
    );
    let found = tx
        .prepare_cached(&sql)?
        .query_row([serial], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(found)
}

/// What the configuration said when a deployment began; `None` before that.
fn spec_of(tx: &Connection, deployment: DeploymentSerial) -> Result<Option<Spec>, StoreError> {
    let text: Option<String> = tx
        .prepare_cached("SELECT spec FROM deployment WHERE serial = ?1")?
        .query_row([deployment.0], |row| row.get(0))?;
    let read = text.map(|text| from_json("deployment", deployment.0, &text));
    read.transpose()
}

/// What a job was for a deployment: as it made it live or was to make it live again, else as the configuration said when it
/// began; `None` before that.
fn job_of(tx: &Connection, deployment: DeploymentSerial) -> Result<Option<JobThen>, StoreError> {
    let content: Option<String> = tx
        .prepare_cached(
            "SELECT coalesce(r.content, t.content) FROM deployment d LEFT JOIN release r ON r.serial = d.release
             LEFT JOIN release t ON t.serial = d.target_release WHERE d.serial = ?1",
        )?
        .query_row([deployment.0], |row| row.get(0))?;
    let (job, run) = match content {
        Some(text) => {
            let content: ReleaseContent = from_json("deployment", deployment.0, &text)?;
            (content.job, content.run)
        }
        None => match spec_of(tx, deployment)? {
            Some(spec) => (spec.job, spec.run),
            None => return Ok(None),
        },
    };
    Ok(job.map(|job| JobThen { job, run }))
}

/// The run that belongs to a deployment.
fn run_of_deployment(
    tx: &Connection,
    deployment: DeploymentSerial,
) -> Result<Option<RunView>, StoreError> {
    let condition = "r.deployment = ?1 AND r.cause = 'deployment'";
    Ok(runs::views(tx, condition, (deployment.0, 1, 0))?.pop())
}

/// The run that belongs to a change.
fn run_of_change(tx: &Connection, change: OperationSerial) -> Result<Option<RunView>, StoreError> {
    Ok(runs::views(tx, "r.operation = ?1", (change.0, 1, 0))?.pop())
}

/// The newest runs that belong to no deployment, of an environment and of those that had its name before, as far as they can
/// be seen.
fn other_runs(
    tx: &Connection,
    place: &StandingPlace,
    reach: Reach,
    limit: u32,
) -> Result<Vec<RunView>, StoreError> {
    let environments: Vec<i64> = tx
        .prepare_cached(
            "SELECT serial FROM environment WHERE app = ?1 AND name = ?2 AND runs ORDER BY serial DESC",
        )?
        .query_map(params![place.app.0, place.environment_name.as_str()], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut found = Vec::new();
    let sees = |serial: &i64| reach.includes(place.app, EnvironmentSerial(*serial));
    for environment in environments.into_iter().filter(sees) {
        let condition = "r.environment = ?1 AND r.cause <> 'deployment'";
        found.extend(runs::views(tx, condition, (environment, limit.into(), 0))?);
        // What ran before in one that was removed is older.
        if found.len() >= most {
            break;
        }
    }
    Ok(found)
}

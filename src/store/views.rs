//! Deployments as readers see them: with the names, steps and people around them, one or a page.

use super::pages::{ListFilter, json_array, page};
use super::recorded::{RECORDED, recorded};
use super::rows::{
    DEPLOYMENT, DEPLOYMENT_COLUMNS, PRINCIPAL, PRINCIPAL_COLUMNS, from_json, inconsistent,
    principal, task,
};
use super::{Store, StoreError};
use crate::core::action::{DeploymentRef, DeploymentView, Listed, Origin, StepView, Version};
use crate::core::deployment::{Deployment, Phase, Step};
use crate::core::environment::Brief;
use crate::core::id::DeploymentSerial;
use crate::core::name::{AppName, EnvironmentName, InvalidName, ProjectPath, Sha};
use crate::core::particulars::Noted;
use crate::core::recorded::RecordedView;
use crate::core::reference::Reference;
use crate::core::release::{ReleaseContent, release_tag};
use crate::core::route::Domain;
use crate::core::time::Timestamp;
use rusqlite::{Connection, Row, ToSql};
use std::collections::HashMap;
use std::sync::LazyLock;

impl Store {
    /// A deployment with the names and steps around it.
    ///
    /// # Errors
    /// If there is none of that serial.
    pub fn view(&self, serial: DeploymentSerial) -> Result<DeploymentView, StoreError> {
        self.read(|tx| self.view_in(tx, serial))
    }

    pub(super) fn view_in(
        &self,
        tx: &Connection,
        serial: DeploymentSerial,
    ) -> Result<DeploymentView, StoreError> {
        match self.one(tx, &VIEW, serial.0)? {
            Some(Listed::Executed(view)) => Ok(view),
            Some(Listed::Recorded(_)) => Err(inconsistent("deployment", serial, "was recorded")),
            None => Err(inconsistent("deployment", serial, "is missing")),
        }
    }

    /// A recorded deployment with the names around it.
    ///
    /// # Errors
    /// If there is none of that serial.
    pub fn recorded_view(&self, serial: DeploymentSerial) -> Result<RecordedView, StoreError> {
        match self.read(|tx| self.one(tx, &VIEW, serial.0))? {
            Some(Listed::Recorded(view)) => Ok(view),
            Some(Listed::Executed(_)) => Err(inconsistent("deployment", serial, "was executed")),
            None => Err(inconsistent("deployment", serial, "is missing")),
        }
    }

    /// A deployment, unless it was deleted, with the names and steps around it.
    ///
    /// # Errors
    /// If the database fails.
    pub fn find_view(&self, which: DeploymentRef) -> Result<Option<Listed>, StoreError> {
        self.read(|tx| match which {
            DeploymentRef::Id(id) => self.one(tx, &VIEW_BY_ID, id.to_string()),
            DeploymentRef::Serial(serial) => self.one(tx, &VIEW_BY_SERIAL, serial.0),
        })
    }

    /// A page of deployments, in the order that the filter says, and how many match in all.
    ///
    /// # Errors
    /// If the database fails.
    pub fn list(&self, filter: &ListFilter) -> Result<(Vec<Listed>, u64), StoreError> {
        self.read(|tx| {
            let (serials, total) = page(tx, filter)?;
            Ok((self.views(tx, &serials, filter.steps)?, total))
        })
    }

    fn one(
        &self,
        tx: &Connection,
        sql: &str,
        which: impl ToSql,
    ) -> Result<Option<Listed>, StoreError> {
        let mut statement = tx.prepare_cached(sql)?;
        let mut rows = statement.query([which])?;
        let Some(row) = rows.next()? else {
            return Ok(None);
        };
        if is_recorded(row)? {
            return recorded_view(row).map(|view| Some(Listed::Recorded(view)));
        }
        let deployment = self.deployment_row(row)?;
        let serial = deployment.serial.0;
        let steps = around(tx, STEPS_OF, serial, step)?.remove(&serial);
        let refusals = around(tx, REFUSALS_OF, serial, |row| row.get(1))?.remove(&serial);
        let (steps, refusals) = (steps.unwrap_or_default(), refusals.unwrap_or_default());
        let found = around(tx, ORIGIN_OF, serial, origin)?.remove(&serial);
        let origin = found.and_then(|mut found| found.pop());
        let origin = read_origin(serial, origin)?;
        let view = view(row, deployment, &steps, refusals)?;
        Ok(Some(Listed::Executed(DeploymentView { origin, ..view })))
    }

    /// These deployments, in the order they are given. What is around them is asked for all of them at once.
    pub(super) fn views(
        &self,
        tx: &Connection,
        serials: &[i64],
        with_steps: bool,
    ) -> Result<Vec<Listed>, StoreError> {
        if serials.is_empty() {
            return Ok(Vec::new());
        }
        let which = json_array(serials);
        let (mut steps, mut refusals, mut origins) = match with_steps {
            true => (
                around(tx, STEPS, &which, step)?,
                around(tx, REFUSALS, &which, |row| row.get(1))?,
                around(tx, ORIGINS, &which, origin)?,
            ),
            false => Default::default(),
        };
        let mut statement = tx.prepare_cached(&VIEWS)?;
        let mut rows = statement.query([&which])?;
        let mut views = HashMap::with_capacity(serials.len());
        while let Some(row) = rows.next()? {
            if is_recorded(row)? {
                views.insert(row.get(0)?, Listed::Recorded(recorded_view(row)?));
                continue;
            }
            let deployment = self.deployment_row(row)?;
            let serial = deployment.serial.0;
            let steps = steps.remove(&serial).unwrap_or_default();
            let refusals = refusals.remove(&serial).unwrap_or_default();
            let origin = origins.remove(&serial).and_then(|mut found| found.pop());
            let origin = read_origin(serial, origin)?;
            let view = view(row, deployment, &steps, refusals)?;
            let view = match with_steps {
                true => DeploymentView { origin, ..view },
                false => DeploymentView {
                    steps: Vec::new(),
                    ..view
                },
            };
            views.insert(serial, Listed::Executed(view));
        }
        let page = serials.iter().filter_map(|serial| views.remove(serial));
        Ok(page.collect())
    }
}

fn is_recorded(row: &Row<'_>) -> rusqlite::Result<bool> {
    Ok(row.get_ref("wanted")?.as_str() == Ok(RECORDED))
}

fn brief(row: &Row<'_>) -> rusqlite::Result<Brief> {
    Ok(Brief {
        created_at: Timestamp(row.get("environment_made_at")?),
        updated_at: Timestamp(row.get("environment_noted_at")?),
        external_url: row.get("external_url")?,
    })
}

fn recorded_view(row: &Row<'_>) -> Result<RecordedView, StoreError> {
    let recorded = recorded(row)?;
    let serial = recorded.serial;
    let bad = |error: crate::core::name::InvalidName| inconsistent("deployment", serial, error.0);
    Ok(RecordedView {
        app: AppName::parse(&row.get::<_, String>("app_name")?).map_err(bad)?,
        app_id: super::rows::uuid("app", recorded.app.0, &row.get::<_, String>("app_uuid")?)?,
        project: ProjectPath::parse(&row.get::<_, String>("path")?).map_err(bad)?,
        environment: EnvironmentName::any(&row.get::<_, String>("environment_name")?)
            .map_err(bad)?,
        environment_id: super::rows::uuid(
            "environment",
            recorded.environment.0,
            &row.get::<_, String>("environment_uuid")?,
        )?,
        domain: domain(row, serial)?,
        brief: brief(row)?,
        by: principal(row, PRINCIPAL_AT)?,
        noted: noted(row, serial)?,
        recorded,
    })
}

fn noted(row: &Row<'_>, serial: DeploymentSerial) -> Result<Noted, StoreError> {
    let bad = |error: InvalidName| inconsistent("deployment", serial, error.0);
    let sha: Option<String> = row.get("shown_sha")?;
    let shown: Option<String> = row.get("shown_environment")?;
    Ok(Noted {
        written: row.get("written")?,
        // What was reported may be anything.
        sha: sha.and_then(|sha| Sha::parse(&sha).ok()),
        task: task(serial.0, row.get("named_task")?)?,
        payload: row.get("given_payload")?,
        description: row.get("said")?,
        transient: row.get("transient")?,
        production: row.get("production")?,
        shown_environment: shown
            .map(|name| EnvironmentName::any(&name))
            .transpose()
            .map_err(bad)?,
        status_at: row.get::<_, Option<i64>>("status_at")?.map(Timestamp),
    })
}

fn domain(row: &Row<'_>, serial: DeploymentSerial) -> Result<Option<Domain>, StoreError> {
    let text: Option<String> = row.get("domain")?;
    let domain = text.map(|text| Domain::parse(&text)).transpose();
    domain.map_err(|error| inconsistent("deployment", serial, error.0))
}

fn view(
    row: &Row<'_>,
    deployment: Deployment,
    steps: &[StepTimes],
    restore_failed: Vec<String>,
) -> Result<DeploymentView, StoreError> {
    let serial = deployment.serial;
    let bad = |error: crate::core::name::InvalidName| inconsistent("deployment", serial, error.0);
    let cancelled_by = match deployment.phase {
        Phase::Cancelled { .. } => Some(principal(row, CANCELLED_BY)?),
        Phase::Queued
        | Phase::Running(_)
        | Phase::Committed(_)
        | Phase::Succeeded { .. }
        | Phase::Failed { .. }
        | Phase::Superseded { .. } => None,
    };
    let sync = row
        .get::<_, bool>("connects")?
        .then_some(Step::SyncConnections);
    let planned = deployment
        .request
        .wanted
        .steps()
        .iter()
        .copied()
        .chain(sync);
    let steps = planned.map(|step| {
        let times = steps.iter().find(|times| times.name == step.as_str());
        StepView {
            step,
            started_at: times.map(|times| times.started_at),
            ended_at: times.and_then(|times| times.ended_at),
        }
    });
    Ok(DeploymentView {
        app: AppName::parse(&row.get::<_, String>("app_name")?).map_err(bad)?,
        app_id: super::rows::uuid("app", deployment.app.0, &row.get::<_, String>("app_uuid")?)?,
        environment: EnvironmentName::any(&row.get::<_, String>("environment_name")?)
            .map_err(bad)?,
        environment_id: super::rows::uuid(
            "environment",
            deployment.environment.0,
            &row.get::<_, String>("environment_uuid")?,
        )?,
        brief: brief(row)?,
        reference: row.get("ref")?,
        tag: row.get("tag")?,
        updated_at: Timestamp(row.get("updated_at")?),
        domain: domain(row, serial)?,
        project: ProjectPath::parse(&row.get::<_, String>("path")?).map_err(bad)?,
        release: row.get("release_number")?,
        live: row.get("live")?,
        rollback_to: row.get("target_number")?,
        version: version(&deployment, row)?,
        origin: Origin::default(),
        by: principal(row, PRINCIPAL_AT)?,
        cancelled_by,
        steps: steps.collect(),
        restore_failed,
        noted: noted(row, serial)?,
        deployment,
    })
}

/// The columns of a [`DeploymentView`] and a [`RecordedView`]. People come first, where they stand is counted; the others
/// are asked for by their names. The joins are CROSS so that they are made in this order: what is asked for comes first.
fn views_sql(from: &str, condition: &str) -> String {
    format!(
        "SELECT {DEPLOYMENT}, {PRINCIPAL}, c.serial, c.uuid, c.name, d.wanted AS wanted, d.ref AS ref, d.tag AS tag,
                d.updated_at AS updated_at, a.name AS app_name, a.uuid AS app_uuid, e.name AS environment_name,
                e.uuid AS environment_uuid, j.path AS path, r.number AS release_number, e.live_deployment IS d.serial AS live,
                t.number AS target_number,
                CASE WHEN d.wanted IN ('release', 'restart') THEN coalesce(r.content, t.content) END AS content,
                CASE WHEN e.removed_at IS NULL THEN
                    (SELECT value FROM json_each(e.domains) WHERE value NOT LIKE '*%' ORDER BY key LIMIT 1) END AS domain,
                d.written AS written, d.sha AS shown_sha, d.description AS said, d.transient AS transient, d.production AS production,
                d.task AS named_task, d.payload AS given_payload, d.shown_environment AS shown_environment,
                CASE WHEN d.status IS NOT NULL THEN
                    (SELECT s.at FROM deployment_status s WHERE s.deployment = d.serial ORDER BY s.serial DESC LIMIT 1) END AS status_at,
                d.connects AS connects, e.created_at AS environment_made_at, e.updated_at AS environment_noted_at, e.external_url AS external_url
         FROM {from} CROSS JOIN app a ON a.serial = d.app CROSS JOIN environment e ON e.serial = d.environment
         CROSS JOIN project j ON j.serial = d.project CROSS JOIN principal p ON p.serial = d.principal
         LEFT JOIN principal c ON c.serial = d.cancelled_by LEFT JOIN release r ON r.serial = d.release
         LEFT JOIN release t ON t.serial = d.target_release WHERE {condition}"
    )
}
/// Where in them the one who asked begins.
const PRINCIPAL_AT: usize = DEPLOYMENT_COLUMNS;
/// Where the one who cancelled begins.
const CANCELLED_BY: usize = PRINCIPAL_AT + PRINCIPAL_COLUMNS;

static VIEW: LazyLock<String> = LazyLock::new(|| views_sql("deployment d", "d.serial = ?1"));
static VIEW_BY_SERIAL: LazyLock<String> =
    LazyLock::new(|| views_sql("deployment d", "d.serial = ?1 AND d.hidden_at IS NULL"));
static VIEW_BY_ID: LazyLock<String> =
    LazyLock::new(|| views_sql("deployment d", "d.uuid = ?1 AND d.hidden_at IS NULL"));
/// Of those whose serials are in a JSON array.
pub(super) static VIEWS: LazyLock<String> = LazyLock::new(|| {
    let page = "json_each(?1) s CROSS JOIN deployment d ON d.serial = s.value";
    views_sql(page, "d.serial = s.value")
});

/// What a rollback or a restart runs, as far as it is known.
fn version(deployment: &Deployment, row: &Row<'_>) -> Result<Option<Version>, StoreError> {
    let Some(text) = row.get::<_, Option<String>>("content")? else {
        return Ok(None);
    };
    let content: ReleaseContent = from_json("release", deployment.serial.0, &text)?;
    Ok(Some(match content.sha {
        Some(sha) => Version::Commit(sha),
        None => Version::Image(content.image.reference),
    }))
}

/// When a step began and ended.
struct StepTimes {
    name: String,
    started_at: Timestamp,
    ended_at: Option<Timestamp>,
}

macro_rules! steps {
    ($which:literal) => {
        concat!(
            "SELECT deployment, name, started_at, ended_at FROM step WHERE ",
            $which
        )
    };
}
macro_rules! refusals {
    ($which:literal) => {
        concat!(
            "SELECT deployment, refused FROM settlement WHERE kind = 'restore' AND refused IS NOT NULL AND ",
            $which,
            " ORDER BY serial"
        )
    };
}

/// What is known of the steps of a deployment, or of those whose serials are in a JSON array.
const STEPS_OF: &str = steps!("deployment = ?1");
pub(super) const STEPS: &str = steps!("deployment IN (SELECT value FROM json_each(?1))");
/// Why what they had stopped could not be started again.
const REFUSALS_OF: &str = refusals!("deployment = ?1");
pub(super) const REFUSALS: &str = refusals!("deployment IN (SELECT value FROM json_each(?1))");

macro_rules! origins {
    ($which:literal) => {
        concat!(
            "SELECT d.serial, json_extract(d.result, '$.reference'), coalesce(r.content, t.content), coalesce(r.number, t.number),
                    e.slug, json_extract(d.spec, '$.source.git.repository.url'),
                    CASE WHEN m.ref_kind IS NOT NULL THEN '' WHEN m.tag THEN 'refs/tags/' ELSE 'refs/heads/' END || m.branch,
                    m.commit_info
             FROM deployment d JOIN environment e ON e.serial = d.environment
             LEFT JOIN release r ON r.serial = d.release LEFT JOIN release t ON t.serial = d.target_release
             LEFT JOIN deployment m ON m.serial = CASE WHEN d.wanted IN ('release', 'restart') THEN (
                 SELECT b.serial FROM release x CROSS JOIN deployment b ON b.serial = x.deployment
                 WHERE x.environment = d.environment AND x.number <= coalesce(r.number, t.number) AND b.wanted = 'commit'
                   AND b.sha = json_extract(coalesce(r.content, t.content), '$.sha')
                 ORDER BY x.number DESC LIMIT 1) END
             WHERE ",
            $which
        )
    };
}
/// Where what they run comes from. A release that a rollback or a restart runs was built by the newest deployment at or
/// below it that had its commit: a restart's release names only itself.
const ORIGIN_OF: &str = origins!("d.serial = ?1");
pub(super) const ORIGINS: &str = origins!("d.serial IN (SELECT value FROM json_each(?1))");

/// The columns of an [`Origin`], as they are.
struct OriginRow {
    result: Option<String>,
    release: Option<(String, i64)>,
    slug: String,
    repository: Option<String>,
    reference: Option<String>,
    commit: Option<String>,
}

fn origin(row: &Row<'_>) -> rusqlite::Result<OriginRow> {
    let content: Option<String> = row.get(2)?;
    let number: Option<i64> = row.get(3)?;
    Ok(OriginRow {
        result: row.get(1)?,
        release: content.zip(number),
        slug: row.get(4)?,
        repository: row.get(5)?,
        reference: row.get(6)?,
        commit: row.get(7)?,
    })
}

fn read_origin(serial: i64, row: Option<OriginRow>) -> Result<Origin, StoreError> {
    let Some(row) = row else {
        return Ok(Origin::default());
    };
    let reference = row.reference.map(|full| Reference::parse_full(&full));
    let reference = reference.transpose();
    let commit = row
        .commit
        .map(|text| from_json("deployment", serial, &text));
    let image = match row.release {
        Some((content, number)) => {
            let content: ReleaseContent = from_json("release", serial, &content)?;
            Some(match content.sha {
                // What was built is kept by this tag; the one it was built with is taken off.
                Some(_) => release_tag(&row.slug, number),
                None => content.image.reference,
            })
        }
        None => row.result,
    };
    Ok(Origin {
        image,
        repository: row.repository,
        reference: reference.map_err(|error| inconsistent("deployment", serial, error.0))?,
        commit: commit.transpose()?,
    })
}

fn step(row: &Row<'_>) -> rusqlite::Result<StepTimes> {
    Ok(StepTimes {
        name: row.get(1)?,
        started_at: Timestamp(row.get(2)?),
        ended_at: row.get::<_, Option<i64>>(3)?.map(Timestamp),
    })
}

/// Rows that belong to deployments, by those.
fn around<T>(
    tx: &Connection,
    sql: &str,
    which: impl ToSql,
    read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<HashMap<i64, Vec<T>>, StoreError> {
    let mut statement = tx.prepare_cached(sql)?;
    let mut rows = statement.query([which])?;
    let mut all: HashMap<i64, Vec<T>> = HashMap::new();
    while let Some(row) = rows.next()? {
        all.entry(row.get(0)?).or_default().push(read(row)?);
    }
    Ok(all)
}

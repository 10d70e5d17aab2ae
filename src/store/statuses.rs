//! Statuses of deployments: what longshore writes as a deployment walks, and what others add.

use super::phases::status_word;
use super::recorded::bring_back;
use super::rows::{PRINCIPAL, inconsistent, principal, uuid};
use super::{Store, StoreError};
use crate::core::access::Reach;
use crate::core::id::{DeploymentSerial, EnvironmentSerial, PrincipalSerial, StatusSerial};
use crate::core::name::{EnvironmentName, InvalidName};
use crate::core::recorded::ReportedState;
use crate::core::route::Domain;
use crate::core::status::{
    MAX_STATUSES, PostStatus, Reached, StatusLog, StatusState, StatusView, of_report,
};
use crate::core::time::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};

/// What became of a status that somebody posted.
#[derive(Clone, Debug)]
pub enum Posted {
    /// It is kept.
    Kept(Box<StatusView>),
    /// The deployment is not to be seen any more.
    Missing,
    /// Others wrote as many as are kept already.
    Full,
}

impl Store {
    /// A page of a deployment's statuses, the newest first, and how many there are.
    ///
    /// # Errors
    /// If the database fails.
    pub fn statuses(
        &self,
        deployment: DeploymentSerial,
        limit: u32,
        offset: u64,
    ) -> Result<(Vec<StatusView>, u64), StoreError> {
        self.read(|tx| {
            let total: i64 = tx
                .prepare_cached("SELECT count(*) FROM deployment_status WHERE deployment = ?1")?
                .query_row([deployment.0], |row| row.get(0))?;
            let sql = format!(
                "{} WHERE s.deployment = ?1 ORDER BY s.serial DESC LIMIT ?2 OFFSET ?3",
                *SELECT
            );
            let offset = i64::try_from(offset).unwrap_or(i64::MAX);
            let mut statement = tx.prepare_cached(&sql)?;
            let mut rows = statement.query(params![deployment.0, limit, offset])?;
            let mut page = Vec::new();
            while let Some(row) = rows.next()? {
                page.push(view(row)?);
            }
            Ok((page, u64::try_from(total).unwrap_or(0)))
        })
    }

    /// One status of a deployment.
    ///
    /// # Errors
    /// If the database fails.
    pub fn status(
        &self,
        deployment: DeploymentSerial,
        serial: StatusSerial,
    ) -> Result<Option<StatusView>, StoreError> {
        self.read(|tx| one(tx, deployment, serial))
    }

    /// Writes a status of somebody down. One of a deployment that somebody else executes also reports how that stands; it
    /// moves nothing else.
    ///
    /// # Errors
    /// If the database fails.
    pub fn post_status(
        &self,
        deployment: DeploymentSerial,
        post: &PostStatus,
        (by, reach): (PrincipalSerial, Reach),
        now: Timestamp,
    ) -> Result<Posted, StoreError> {
        self.write_sparing("post_status", |tx| {
            self.disk.room()?;
            let is_there: bool = tx.query_row(
                "SELECT count(*) FROM deployment WHERE serial = ?1 AND hidden_at IS NULL",
                [deployment.0],
                |row| row.get(0),
            )?;
            if !is_there {
                return Ok(Posted::Missing);
            }
            let known: i64 = tx
                .prepare_cached("SELECT count(*) FROM deployment_status WHERE deployment = ?1 AND principal IS NOT NULL")?
                .query_row([deployment.0], |row| row.get(0))?;
            if u64::try_from(known).unwrap_or(0) >= MAX_STATUSES {
                return Ok(Posted::Full);
            }
            if let Some(name) = &post.environment {
                show_as(tx, deployment, name)?;
            }
            let log = Some(post.log_url.as_str());
            let serial = insert(
                tx,
                deployment,
                post.state,
                &Written {
                    description: &post.description,
                    environment_url: &post.environment_url,
                    domain: None,
                    log_url: log,
                    by: Some(by),
                },
                now,
            )?;
            if post.state == StatusState::Success && post.auto_inactive {
                make_inactive(tx, deployment, (Some(by), reach), now)?;
            }
            if let Some(state) = post.state.reports() {
                report(tx, deployment, state, now)?;
            }
            let kept = one(tx, deployment, serial)?
                .ok_or_else(|| inconsistent("deployment_status", serial, "is missing"))?;
            Ok(Posted::Kept(Box::new(kept)))
        })
    }
}

/// What longshore writes of a deployment it executes, in the transaction that brings it there. A success makes older ones
/// inactive by GitHub's rule.
pub(super) fn own_status(
    tx: &Transaction<'_>,
    deployment: DeploymentSerial,
    (state, description): (StatusState, &str),
    now: Timestamp,
) -> Result<(), StoreError> {
    let domain = match state {
        StatusState::Success => first_domain(tx, deployment)?,
        StatusState::Error
        | StatusState::Failure
        | StatusState::Inactive
        | StatusState::InProgress
        | StatusState::Queued
        | StatusState::Pending => None,
    };
    let written = Written {
        description,
        environment_url: "",
        domain: domain.as_deref(),
        log_url: None,
        by: None,
    };
    insert_with_its_rule(tx, deployment, state, &written, now)
}

/// What is written when somebody reported of a deployment that they execute, in another dialect's words.
pub(super) fn report_status(
    tx: &Transaction<'_>,
    deployment: DeploymentSerial,
    state: ReportedState,
    by: PrincipalSerial,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Some(state) = of_report(state) else {
        return Ok(());
    };
    let written = Written {
        description: "",
        environment_url: "",
        domain: None,
        log_url: Some(""),
        by: Some(by),
    };
    insert_with_its_rule(tx, deployment, state, &written, now)
}

/// A success makes older ones inactive.
fn insert_with_its_rule(
    tx: &Transaction<'_>,
    deployment: DeploymentSerial,
    state: StatusState,
    written: &Written<'_>,
    now: Timestamp,
) -> Result<(), StoreError> {
    insert(tx, deployment, state, written, now)?;
    match state {
        StatusState::Success => make_inactive(tx, deployment, (written.by, Reach::All), now),
        StatusState::Error
        | StatusState::Failure
        | StatusState::Inactive
        | StatusState::InProgress
        | StatusState::Queued
        | StatusState::Pending => Ok(()),
    }
}

struct Written<'a> {
    description: &'a str,
    environment_url: &'a str,
    domain: Option<&'a str>,
    log_url: Option<&'a str>,
    by: Option<PrincipalSerial>,
}

fn insert(
    tx: &Transaction<'_>,
    deployment: DeploymentSerial,
    state: StatusState,
    written: &Written<'_>,
    now: Timestamp,
) -> Result<StatusSerial, StoreError> {
    tx.prepare_cached(
        "INSERT INTO deployment_status (deployment, state, description, environment, environment_url, domain, log_url, principal, at)
         SELECT d.serial, ?2, ?3, coalesce(d.shown_environment, e.name), ?4, ?5, ?6, ?7, ?8
         FROM deployment d JOIN environment e ON e.serial = d.environment WHERE d.serial = ?1",
    )?
    .execute(params![
        deployment.0,
        state.as_str(),
        written.description,
        written.environment_url,
        written.domain,
        written.log_url,
        written.by.map(|by| by.0),
        now.0
    ])?;
    let serial = StatusSerial(tx.last_insert_rowid());
    tx.prepare_cached("UPDATE deployment SET status = ?2 WHERE serial = ?1")?
        .execute(params![deployment.0, state.as_str()])?;
    Ok(serial)
}

/// The environment is called so from now on, where this deployment is shown.
fn show_as(
    tx: &Transaction<'_>,
    deployment: DeploymentSerial,
    name: &EnvironmentName,
) -> Result<(), StoreError> {
    tx.prepare_cached(
        "UPDATE deployment SET shown_environment = nullif(?2, (SELECT name FROM environment WHERE serial = deployment.environment))
         WHERE serial = ?1",
    )?
    .execute(params![deployment.0, name.as_str()])?;
    Ok(())
}

/// GitHub's rule: a success makes those before it inactive that are of the same repository and environment, are a success
/// themselves, and are neither transient nor production; of those that the one who says so reaches.
fn make_inactive(
    tx: &Transaction<'_>,
    deployment: DeploymentSerial,
    (by, reach): (Option<PrincipalSerial>, Reach),
    now: Timestamp,
) -> Result<(), StoreError> {
    let (app, environment) = match reach {
        Reach::All => (None, None),
        Reach::App(app) => (Some(app.0), None),
        Reach::Environment(app, environment) => (Some(app.0), Some(environment.0)),
    };
    let older: Vec<(i64, Option<String>)> = tx
        .prepare_cached(
            "SELECT d.serial, (SELECT s.log_url FROM deployment_status s WHERE s.deployment = d.serial ORDER BY s.serial DESC LIMIT 1)
             FROM (SELECT n.project, lower(coalesce(n.shown_environment, x.name)) AS place FROM deployment n
                   JOIN environment x ON x.serial = n.environment WHERE n.serial = ?1) new
             CROSS JOIN deployment d INDEXED BY deployment_active JOIN environment e ON e.serial = d.environment
             WHERE d.hidden_at IS NULL AND d.status = 'success' AND d.transient = 0 AND d.production = 0
               AND d.project = new.project AND d.serial < ?1 AND lower(coalesce(d.shown_environment, e.name)) = new.place
               AND d.app = coalesce(?2, d.app) AND d.environment = coalesce(?3, d.environment)
             ORDER BY d.serial",
        )?
        .query_map(params![deployment.0, app, environment], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?
        .collect::<Result<_, _>>()?;
    for (serial, log_url) in older {
        let written = Written {
            description: "",
            environment_url: "",
            domain: None,
            log_url: log_url.as_deref(),
            by,
        };
        insert(
            tx,
            DeploymentSerial(serial),
            StatusState::Inactive,
            &written,
            now,
        )?;
    }
    Ok(())
}

/// A status says how a deployment stands that somebody else executes; by GitHub's rules any state may follow any other.
fn report(
    tx: &Transaction<'_>,
    deployment: DeploymentSerial,
    state: ReportedState,
    now: Timestamp,
) -> Result<(), StoreError> {
    let ended_at = state.is_end().then_some(now.0);
    let environment: Option<i64> = tx
        .prepare_cached(
            "UPDATE deployment SET phase = ?2, updated_at = ?3, ended_at = ?4
             WHERE serial = ?1 AND wanted = 'recorded' AND phase <> ?2 RETURNING environment",
        )?
        .query_row(
            params![deployment.0, state.as_str(), now.0, ended_at],
            |row| row.get(0),
        )
        .optional()?;
    let Some(environment) = environment else {
        return Ok(());
    };
    status_word(tx, deployment, state.as_str(), now)?;
    bring_back(tx, EnvironmentSerial(environment), state, now)
}

/// Where a deployment's environment is reached.
fn first_domain(
    tx: &Transaction<'_>,
    deployment: DeploymentSerial,
) -> Result<Option<String>, StoreError> {
    let found = tx
        .prepare_cached(
            "SELECT (SELECT value FROM json_each(e.domains) WHERE value NOT LIKE '*%' ORDER BY key LIMIT 1)
             FROM deployment d JOIN environment e ON e.serial = d.environment WHERE d.serial = ?1",
        )?
        .query_row([deployment.0], |row| row.get(0))?;
    Ok(found)
}

const SELECT_COLUMNS: usize = 10;
static SELECT: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
    format!(
        "SELECT s.serial, s.deployment, s.state, s.description, s.environment, s.environment_url, s.domain, s.log_url, s.at, d.uuid,
                {PRINCIPAL}
         FROM deployment_status s JOIN deployment d ON d.serial = s.deployment LEFT JOIN principal p ON p.serial = s.principal"
    )
});

fn one(
    tx: &Connection,
    deployment: DeploymentSerial,
    serial: StatusSerial,
) -> Result<Option<StatusView>, StoreError> {
    let sql = format!("{} WHERE s.deployment = ?1 AND s.serial = ?2", *SELECT);
    let mut statement = tx.prepare_cached(&sql)?;
    let mut rows = statement.query([deployment.0, serial.0])?;
    rows.next()?.map(view).transpose()
}

fn view(row: &Row<'_>) -> Result<StatusView, StoreError> {
    let serial: i64 = row.get(0)?;
    let bad = |error: InvalidName| inconsistent("deployment_status", serial, error.0);
    let deployment: i64 = row.get(1)?;
    let state: String = row.get(2)?;
    let domain: Option<String> = row.get(6)?;
    let log: Option<String> = row.get(7)?;
    let by: Option<i64> = row.get(SELECT_COLUMNS)?;
    Ok(StatusView {
        serial: StatusSerial(serial),
        deployment: DeploymentSerial(deployment),
        state: StatusState::parse(&state)
            .ok_or_else(|| inconsistent("deployment_status", serial, format!("state '{state}'")))?,
        description: row.get(3)?,
        environment: EnvironmentName::any(&row.get::<_, String>(4)?).map_err(bad)?,
        reached: match domain {
            Some(domain) => Reached::Domain(Domain::parse(&domain).map_err(bad)?),
            None => Reached::Given(row.get(5)?),
        },
        log: match log {
            Some(url) => StatusLog::Given(url),
            None => StatusLog::Own(uuid("deployment", deployment, &row.get::<_, String>(9)?)?),
        },
        by: by.map(|_| principal(row, SELECT_COLUMNS)).transpose()?,
        at: Timestamp(row.get(8)?),
    })
}

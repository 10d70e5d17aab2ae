//! Deployments as readers see them: with the names, steps and people around them, one or a page.

use super::rows::{DEPLOYMENT, PRINCIPAL, from_json, inconsistent, principal};
use super::{Store, StoreError};
use crate::core::access::{Principal, Reach};
use crate::core::action::{DeploymentView, StateFilter, StepView, Version};
use crate::core::deployment::{Deployment, Phase};
use crate::core::id::{AppSerial, DeploymentSerial, PrincipalSerial};
use crate::core::name::{AppName, EnvironmentName, ProjectPath};
use crate::core::release::ReleaseContent;
use crate::core::time::Timestamp;
use rusqlite::{OptionalExtension as _, Row, Transaction, params, params_from_iter, types::Value};

impl Store {
    /// A deployment with the names and steps around it.
    ///
    /// # Errors
    /// If there is none of that serial.
    pub fn view(&self, serial: DeploymentSerial) -> Result<DeploymentView, StoreError> {
        self.read(|tx| {
            let sql = format!(
                "SELECT {} FROM {VIEW_FROM} WHERE d.serial = ?1",
                view_columns()
            );
            let mut statement = tx.prepare_cached(&sql)?;
            let mut rows = statement.query([serial.0])?;
            match rows.next()? {
                Some(row) => self.view_row(tx, row),
                None => Err(inconsistent("deployment", serial, "is missing")),
            }
        })
    }

    /// A page of deployments, newest first, and how many match in all.
    ///
    /// # Errors
    /// If the database fails.
    pub fn list(&self, filter: &ListFilter) -> Result<(Vec<DeploymentView>, u64), StoreError> {
        self.read(|tx| {
            let (condition, mut values) = filter.condition();
            let total: i64 = tx
                .prepare_cached(&format!("SELECT count(*) FROM deployment d WHERE {condition}"))?
                .query_row(params_from_iter(&values), |row| row.get(0))?;
            values.push(Value::Integer(i64::from(filter.limit)));
            values.push(Value::Integer(i64::try_from(filter.offset).unwrap_or(i64::MAX)));
            let sql = format!(
                "SELECT {} FROM {VIEW_FROM} WHERE {condition} ORDER BY d.serial DESC LIMIT ? OFFSET ?",
                view_columns()
            );
            let mut statement = tx.prepare_cached(&sql)?;
            let mut rows = statement.query(params_from_iter(&values))?;
            let mut views = Vec::new();
            while let Some(row) = rows.next()? {
                views.push(self.view_row(tx, row)?);
            }
            Ok((views, u64::try_from(total).unwrap_or(0)))
        })
    }

    fn view_row(&self, tx: &Transaction<'_>, row: &Row<'_>) -> Result<DeploymentView, StoreError> {
        let deployment = self.deployment_row(row)?;
        let serial = deployment.serial;
        let bad =
            |error: crate::core::name::InvalidName| inconsistent("deployment", serial, error.0);
        let cancelled_by = match deployment.phase {
            Phase::Cancelled { by, .. } => Some(principal_in(tx, by)?),
            Phase::Queued
            | Phase::Running(_)
            | Phase::Committed(_)
            | Phase::Succeeded { .. }
            | Phase::Failed { .. }
            | Phase::Superseded { .. } => None,
        };
        Ok(DeploymentView {
            app: AppName::parse(&row.get::<_, String>(24)?).map_err(bad)?,
            app_id: super::rows::uuid("app", deployment.app.0, &row.get::<_, String>(25)?)?,
            environment: EnvironmentName::parse(&row.get::<_, String>(26)?).map_err(bad)?,
            project: ProjectPath::parse(&row.get::<_, String>(27)?).map_err(bad)?,
            release: row.get(28)?,
            live: row.get(29)?,
            rollback_to: row.get(30)?,
            version: version(&deployment, row)?,
            by: principal(row, 32)?,
            cancelled_by,
            steps: steps(tx, &deployment)?,
            restore_failed: tx
                .prepare_cached("SELECT refused FROM settlement WHERE deployment = ?1 AND kind = 'restore' AND refused IS NOT NULL ORDER BY serial")?
                .query_map([serial.0], |row| row.get(0))?
                .collect::<Result<_, _>>()?,
            deployment,
        })
    }
}

/// Which deployments to list, with everything resolved to serials.
#[derive(Clone, Debug)]
pub struct ListFilter {
    /// What the caller can see.
    pub reach: Reach,
    /// Only this app's.
    pub app: Option<AppSerial>,
    /// Only those of environments of this name.
    pub environment: Option<EnvironmentName>,
    /// Only those in one of these states; empty: all.
    pub states: Vec<StateFilter>,
    /// How many at most.
    pub limit: u32,
    /// How many to skip.
    pub offset: u64,
}

impl ListFilter {
    fn condition(&self) -> (String, Vec<Value>) {
        let mut conditions = vec!["d.hidden_at IS NULL".to_owned()];
        let mut values = Vec::new();
        let mut equals = |column: &str, value: i64| {
            conditions.push(format!("d.{column} = ?"));
            values.push(Value::Integer(value));
        };
        match self.reach {
            Reach::All => {}
            Reach::App(app) => equals("app", app.0),
            Reach::Environment(_, environment) => equals("environment", environment.0),
        }
        if let Some(app) = self.app {
            equals("app", app.0);
        }
        if let Some(name) = &self.environment {
            conditions.push(
                "d.environment IN (SELECT serial FROM environment WHERE name = ?)".to_owned(),
            );
            values.push(Value::Text(name.as_str().to_owned()));
        }
        let words: Vec<&str> = self
            .states
            .iter()
            .flat_map(|state| phase_words(*state))
            .copied()
            .collect();
        if !words.is_empty() {
            conditions.push(format!(
                "d.phase IN ({})",
                vec!["?"; words.len()].join(", ")
            ));
            values.extend(words.into_iter().map(|word| Value::Text(word.to_owned())));
        }
        (conditions.join(" AND "), values)
    }
}

fn phase_words(state: StateFilter) -> &'static [&'static str] {
    match state {
        StateFilter::Queued => &["queued"],
        StateFilter::Building => &["checkout", "build"],
        StateFilter::Deploying => &["rollout", "committed"],
        StateFilter::Succeeded => &["succeeded"],
        StateFilter::Failed => &["failed"],
        StateFilter::Cancelled => &["cancelled"],
        StateFilter::Superseded => &["superseded"],
    }
}

/// The columns of a [`DeploymentView`], in its order.
fn view_columns() -> String {
    format!(
        "{DEPLOYMENT}, a.name, a.uuid, e.name, j.path, r.number, e.live_deployment IS d.serial, t.number,
         CASE WHEN d.wanted IN ('release', 'restart') THEN coalesce(r.content, t.content) END, {PRINCIPAL}"
    )
}

const VIEW_FROM: &str = "deployment d JOIN app a ON a.serial = d.app JOIN environment e ON e.serial = d.environment \
    JOIN project j ON j.serial = d.project JOIN principal p ON p.serial = d.principal LEFT JOIN release r ON r.serial = d.release \
    LEFT JOIN release t ON t.serial = d.target_release";

/// What a rollback or a restart runs, as far as it is known.
fn version(deployment: &Deployment, row: &Row<'_>) -> Result<Option<Version>, StoreError> {
    let Some(text) = row.get::<_, Option<String>>(31)? else {
        return Ok(None);
    };
    let content: ReleaseContent = from_json("release", deployment.serial.0, &text)?;
    Ok(Some(match content.sha {
        Some(sha) => Version::Commit(sha),
        None => Version::Image(content.image.reference),
    }))
}

fn principal_in(tx: &Transaction<'_>, serial: PrincipalSerial) -> Result<Principal, StoreError> {
    let mut statement = tx.prepare_cached(&format!(
        "SELECT {PRINCIPAL} FROM principal p WHERE p.serial = ?1"
    ))?;
    let mut rows = statement.query([serial.0])?;
    match rows.next()? {
        Some(row) => principal(row, 0),
        None => Err(inconsistent("principal", serial, "is missing")),
    }
}

/// The planned steps with what is known of each.
fn steps(tx: &Transaction<'_>, deployment: &Deployment) -> Result<Vec<StepView>, StoreError> {
    let mut statement = tx.prepare_cached(
        "SELECT started_at, ended_at FROM step WHERE deployment = ?1 AND name = ?2",
    )?;
    let planned = deployment.request.wanted.steps().iter();
    planned
        .map(|step| {
            let times: Option<(i64, Option<i64>)> = statement
                .query_row(params![deployment.serial.0, step.as_str()], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })
                .optional()?;
            let (started, ended) =
                times.map_or((None, None), |(started, ended)| (Some(started), ended));
            Ok(StepView {
                step: *step,
                started_at: started.map(Timestamp),
                ended_at: ended.map(Timestamp),
            })
        })
        .collect()
}

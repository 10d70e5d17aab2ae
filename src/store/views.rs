//! Deployments as readers see them: with the names, steps and people around them, one or a page.

use super::pages::{ListFilter, json_array, page};
use super::rows::{DEPLOYMENT, PRINCIPAL, from_json, inconsistent, principal};
use super::{Store, StoreError};
use crate::core::action::{DeploymentView, StepView, Version};
use crate::core::deployment::{Deployment, Phase};
use crate::core::id::DeploymentSerial;
use crate::core::name::{AppName, EnvironmentName, ProjectPath};
use crate::core::release::ReleaseContent;
use crate::core::time::Timestamp;
use rusqlite::{OptionalExtension as _, Row, Transaction};
use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::LazyLock;
use uuid::Uuid;

impl Store {
    /// A deployment with the names and steps around it.
    ///
    /// # Errors
    /// If there is none of that serial.
    pub fn view(&self, serial: DeploymentSerial) -> Result<DeploymentView, StoreError> {
        self.read(|tx| {
            let found = self.views(tx, &[serial.0])?.into_iter().next();
            found.ok_or_else(|| inconsistent("deployment", serial, "is missing"))
        })
    }

    /// A deployment by its id, unless it was deleted, with the names and steps around it.
    ///
    /// # Errors
    /// If the database fails.
    pub fn find_view(&self, id: Uuid) -> Result<Option<DeploymentView>, StoreError> {
        self.read(|tx| {
            let serial: Option<i64> = tx
                .prepare_cached(
                    "SELECT serial FROM deployment WHERE uuid = ?1 AND hidden_at IS NULL",
                )?
                .query_row([id.to_string()], |row| row.get(0))
                .optional()?;
            match serial {
                Some(serial) => Ok(self.views(tx, &[serial])?.into_iter().next()),
                None => Ok(None),
            }
        })
    }

    /// A page of deployments, newest first, and how many match in all.
    ///
    /// # Errors
    /// If the database fails.
    pub fn list(&self, filter: &ListFilter) -> Result<(Vec<DeploymentView>, u64), StoreError> {
        self.read(|tx| {
            let (serials, total) = page(tx, filter)?;
            Ok((self.views(tx, &serials)?, total))
        })
    }

    /// These deployments, newest first. What is around them is asked for all of them at once.
    fn views(
        &self,
        tx: &Transaction<'_>,
        serials: &[i64],
    ) -> Result<Vec<DeploymentView>, StoreError> {
        if serials.is_empty() {
            return Ok(Vec::new());
        }
        let which = json_array(serials);
        let mut steps = steps(tx, &which)?;
        let mut refusals = refusals(tx, &which)?;
        let mut statement = tx.prepare_cached(&VIEWS)?;
        let mut rows = statement.query([&which])?;
        let mut views = Vec::with_capacity(serials.len());
        while let Some(row) = rows.next()? {
            let deployment = self.deployment_row(row)?;
            let serial = deployment.serial.0;
            let steps = steps.remove(&serial).unwrap_or_default();
            let refusals = refusals.remove(&serial).unwrap_or_default();
            views.push(view(row, deployment, &steps, refusals)?);
        }
        views.sort_unstable_by_key(|view| Reverse(view.deployment.serial.0));
        Ok(views)
    }
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
    let planned = deployment.request.wanted.steps().iter();
    let steps = planned.map(|step| {
        let times = steps.iter().find(|times| times.name == step.as_str());
        StepView {
            step: *step,
            started_at: times.map(|times| times.started_at),
            ended_at: times.and_then(|times| times.ended_at),
        }
    });
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
        steps: steps.collect(),
        restore_failed,
        deployment,
    })
}

/// The columns of a [`DeploymentView`], in its order, of the deployments whose serials are in a JSON array. The joins
/// are CROSS so that they are made in this order: what is asked for comes first.
pub(super) static VIEWS: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {DEPLOYMENT}, a.name, a.uuid, e.name, j.path, r.number, e.live_deployment IS d.serial, t.number,
                CASE WHEN d.wanted IN ('release', 'restart') THEN coalesce(r.content, t.content) END, {PRINCIPAL},
                c.serial, c.uuid, c.name
         FROM json_each(?1) s CROSS JOIN deployment d ON d.serial = s.value CROSS JOIN app a ON a.serial = d.app
         CROSS JOIN environment e ON e.serial = d.environment CROSS JOIN project j ON j.serial = d.project
         CROSS JOIN principal p ON p.serial = d.principal LEFT JOIN principal c ON c.serial = d.cancelled_by
         LEFT JOIN release r ON r.serial = d.release LEFT JOIN release t ON t.serial = d.target_release"
    )
});
/// Where in them the one who cancelled begins.
const CANCELLED_BY: usize = 35;

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

/// When a step began and ended.
struct StepTimes {
    name: String,
    started_at: Timestamp,
    ended_at: Option<Timestamp>,
}

pub(super) const STEPS: &str = "SELECT deployment, name, started_at, ended_at FROM step WHERE deployment IN (SELECT value FROM json_each(?1))";

/// What is known of the steps of these deployments.
fn steps(tx: &Transaction<'_>, which: &str) -> Result<HashMap<i64, Vec<StepTimes>>, StoreError> {
    let mut statement = tx.prepare_cached(STEPS)?;
    let mut rows = statement.query([which])?;
    let mut all: HashMap<i64, Vec<StepTimes>> = HashMap::new();
    while let Some(row) = rows.next()? {
        all.entry(row.get(0)?).or_default().push(StepTimes {
            name: row.get(1)?,
            started_at: Timestamp(row.get(2)?),
            ended_at: row.get::<_, Option<i64>>(3)?.map(Timestamp),
        });
    }
    Ok(all)
}

pub(super) const REFUSALS: &str = "SELECT deployment, refused FROM settlement
    WHERE kind = 'restore' AND refused IS NOT NULL AND deployment IN (SELECT value FROM json_each(?1)) ORDER BY serial";

/// Why what these deployments had stopped could not be started again.
fn refusals(tx: &Transaction<'_>, which: &str) -> Result<HashMap<i64, Vec<String>>, StoreError> {
    let mut statement = tx.prepare_cached(REFUSALS)?;
    let mut rows = statement.query([which])?;
    let mut all: HashMap<i64, Vec<String>> = HashMap::new();
    while let Some(row) = rows.next()? {
        all.entry(row.get(0)?).or_default().push(row.get(1)?);
    }
    Ok(all)
}

//! Deployments: creating, looking, and moving them from phase to phase.

use super::operations::write_settlements;
use super::rows::{
    DEPLOYMENT, from_json, inconsistent, json, phase_word, trigger, trigger_word, variables_place,
};
use super::{Store, StoreError};
use crate::core::action::RequestKey;
use crate::core::admission::{self, DeniedReason, Desired, IgnoredReason, Verdict, Waiting};
use crate::core::deployment::{CommitInfo, Deployment, Phase, Request, Step, Wanted};
use crate::core::id::{AppSerial, ContainerSerial, DeploymentSerial, EnvironmentSerial};
use crate::core::operation::leftovers;
use crate::core::release::Image;
use crate::core::spec::Spec;
use crate::core::time::Timestamp;
use rusqlite::{OptionalExtension as _, Transaction, params};
use serde::de::DeserializeOwned;
use std::time::Duration;
use uuid::Uuid;

/// How long a request's key is remembered (git.dev's contract: 24 hours).
const KEY_LIFE_MS: i64 = 24 * 60 * 60 * 1000;

/// A deployment that is asked for.
#[derive(Clone, Debug)]
pub struct NewDeployment {
    /// The id it will have.
    pub id: Uuid,
    /// Its app.
    pub app: AppSerial,
    /// Its environment.
    pub environment: EnvironmentSerial,
    /// What is asked.
    pub request: Request,
    /// Recognises a repetition.
    pub key: Option<RequestKey>,
}

/// What became of it.
#[derive(Clone, Debug)]
pub enum Created {
    /// It is in its queue.
    New(Deployment),
    /// The key was used before for the same request; this is what it made.
    Known(Deployment),
    /// The key was used before for another request.
    KeyReused,
    /// There is nothing to do.
    Ignored(IgnoredReason),
    /// It may not.
    Denied(DeniedReason),
}

impl Store {
    /// Decides over a deployment and writes it, its operation and what it supersedes, all at once.
    ///
    /// # Errors
    /// If the database fails.
    pub fn create_deployment(
        &self,
        new: &NewDeployment,
        now: Timestamp,
    ) -> Result<Created, StoreError> {
        self.write_sparing("create_deployment", |tx| {
            if let Some(key) = &new.key
                && let Some(known) = self.known_key(tx, new, key, now)?
            {
                return Ok(known);
            }
            self.disk.room()?;
            let desired = desired(tx, new.environment)?;
            let waiting = waiting(tx, new.environment)?;
            let supersedes = match admission::admit(desired, &waiting, new.request.trigger) {
                Verdict::Accepted { supersedes } => supersedes,
                Verdict::Ignored(reason) => return Ok(Created::Ignored(reason)),
                Verdict::Denied(reason) => return Ok(Created::Denied(reason)),
            };
            let created = self.insert(tx, new, now)?;
            for older in supersedes {
                let older = self.deployment_in(tx, older)?;
                let from = older.phase.clone();
                let superseded = older.supersede(created.serial, now).map_err(|e| inconsistent("deployment", created.serial, e.to_string()))?;
                transition(tx, &from, &superseded, now)?;
            }
            if let Some(key) = &new.key {
                tx.execute(
                    "INSERT INTO idempotency (principal, key, digest, deployment, created_at) VALUES (?1, ?2, ?3, ?4, ?5)
                     ON CONFLICT (principal, key) DO UPDATE SET digest = excluded.digest, deployment = excluded.deployment, created_at = excluded.created_at",
                    params![new.request.by.0, key.key, key.digest, created.serial.0, now.0],
                )?;
            }
            Ok(Created::New(created))
        })
    }

    fn known_key(
        &self,
        tx: &Transaction<'_>,
        new: &NewDeployment,
        key: &RequestKey,
        now: Timestamp,
    ) -> Result<Option<Created>, StoreError> {
        let known: Option<(Vec<u8>, i64)> = tx
            .prepare_cached("SELECT digest, deployment FROM idempotency WHERE principal = ?1 AND key = ?2 AND created_at > ?3")?
            .query_row(params![new.request.by.0, key.key, now.0 - KEY_LIFE_MS], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        match known {
            Some((digest, deployment)) if digest == key.digest => Ok(Some(Created::Known(
                self.deployment_in(tx, DeploymentSerial(deployment))?,
            ))),
            Some(_) => Ok(Some(Created::KeyReused)),
            None => Ok(None),
        }
    }

    fn insert(
        &self,
        tx: &Transaction<'_>,
        new: &NewDeployment,
        now: Timestamp,
    ) -> Result<Deployment, StoreError> {
        let (project, iid): (i64, i64) = tx.query_row(
            "UPDATE project SET last_iid = last_iid + 1 WHERE serial = (SELECT project FROM app WHERE serial = ?1) RETURNING serial, last_iid",
            [new.app.0],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let request = &new.request;
        let variables = if request.variables.is_empty() {
            None
        } else {
            let plain = json("deployment", &request.variables)?;
            Some(self.seal.seal(&variables_place(new.id), plain.as_bytes())?)
        };
        let (word, branch, sha, asked, image, release) = match &request.wanted {
            Wanted::Commit { branch, sha, asked } => (
                "commit",
                Some(branch.as_str()),
                Some(sha.as_str()),
                asked.as_deref(),
                None,
                None,
            ),
            Wanted::Image(image) => ("image", None, None, None, Some(image.as_str()), None),
            Wanted::Release(release) => ("release", None, None, None, None, Some(release.0)),
        };
        tx.execute(
            "INSERT INTO deployment (uuid, project, iid, app, environment, principal, initiated, wanted, branch, sha, asked, image,
                                     target_release, variables, phase, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, 'queued', ?15)",
            params![
                new.id.to_string(), project, iid, new.app.0, new.environment.0, request.by.0, trigger_word(request.trigger), word,
                branch, sha, asked, image, release, variables, now.0
            ],
        )?;
        let serial = DeploymentSerial(tx.last_insert_rowid());
        tx.execute(
            "INSERT INTO operation (environment, kind, deployment, created_at) VALUES (?1, 'deploy', ?2, ?3)",
            params![new.environment.0, serial.0, now.0],
        )?;
        status_event(tx, serial, &Phase::Queued, now)?;
        self.deployment_in(tx, serial)
    }

    /// A deployment by its serial.
    ///
    /// # Errors
    /// If there is none.
    pub fn deployment(&self, serial: DeploymentSerial) -> Result<Deployment, StoreError> {
        self.read(|tx| self.deployment_in(tx, serial))
    }

    /// A deployment by its id, unless it was deleted.
    ///
    /// # Errors
    /// If the database fails.
    pub fn find_deployment(&self, id: Uuid) -> Result<Option<Deployment>, StoreError> {
        self.read(|tx| {
            let sql = format!(
                "SELECT {DEPLOYMENT} FROM deployment d WHERE d.uuid = ?1 AND d.hidden_at IS NULL"
            );
            let mut statement = tx.prepare_cached(&sql)?;
            let mut rows = statement.query([id.to_string()])?;
            rows.next()?.map(|row| self.deployment_row(row)).transpose()
        })
    }

    fn deployment_in(
        &self,
        tx: &Transaction<'_>,
        serial: DeploymentSerial,
    ) -> Result<Deployment, StoreError> {
        let sql = format!("SELECT {DEPLOYMENT} FROM deployment d WHERE d.serial = ?1");
        let mut statement = tx.prepare_cached(&sql)?;
        let mut rows = statement.query([serial.0])?;
        match rows.next()? {
            Some(row) => self.deployment_row(row),
            None => Err(inconsistent("deployment", serial, "is missing")),
        }
    }

    /// Queued → Running: with the spec it will run with, and its first step's budget. Without a spec (the
    /// configuration no longer names the environment) it can only fail.
    ///
    /// # Errors
    /// [`StoreError::Moved`] if it is no longer queued.
    pub fn start_deployment(
        &self,
        from: &Phase,
        started: &Deployment,
        spec: Option<&Spec>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write_sparing("start_deployment", |tx| {
            transition(tx, from, started, now)?;
            let text = spec.map(|spec| json("deployment", spec)).transpose()?;
            tx.execute(
                "UPDATE deployment SET spec = ?2 WHERE serial = ?1",
                params![started.serial.0, text],
            )?;
            begin_step(tx, started, spec, now)
        })
    }

    /// A step is done and the next begins; what the step found is kept with it.
    ///
    /// # Errors
    /// [`StoreError::Moved`] if it is no longer in that step.
    pub fn advance(
        &self,
        from: &Phase,
        advanced: &Deployment,
        result: StepResult<'_>,
        spec: &Spec,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write_sparing("advance", |tx| {
            transition(tx, from, advanced, now)?;
            result.write(tx, advanced.serial)?;
            end_step(tx, advanced.serial, from, now)?;
            begin_step(tx, advanced, Some(spec), now)
        })
    }

    /// The image a rollout pulled, so that a resumed one does not ask again.
    ///
    /// # Errors
    /// [`StoreError::Moved`] if it is no longer in its rollout.
    pub fn record_image(&self, deployment: &Deployment, image: &Image) -> Result<(), StoreError> {
        self.write_sparing("record_image", |tx| {
            still(tx, deployment)?;
            StepResult::Image(image).write(tx, deployment.serial)
        })
    }

    /// The spec a deployment started with; `None` if it never started, or the configuration had none for it.
    ///
    /// # Errors
    /// If the database fails.
    pub fn spec(&self, deployment: DeploymentSerial) -> Result<Option<Spec>, StoreError> {
        self.kept(deployment, "spec")
    }

    /// The image a deployment built or pulled.
    ///
    /// # Errors
    /// If the database fails.
    pub fn result_image(&self, deployment: DeploymentSerial) -> Result<Option<Image>, StoreError> {
        self.kept(deployment, "result")
    }

    /// What a column of JSON keeps of a deployment.
    fn kept<T: DeserializeOwned>(
        &self,
        deployment: DeploymentSerial,
        column: &'static str,
    ) -> Result<Option<T>, StoreError> {
        let sql = format!("SELECT {column} FROM deployment WHERE serial = ?1");
        let text: Option<String> =
            self.read(|tx| Ok(tx.query_row(&sql, [deployment.0], |row| row.get(0))?))?;
        text.map(|text| from_json("deployment", deployment.0, &text))
            .transpose()
    }

    /// Committed → Succeeded.
    ///
    /// # Errors
    /// [`StoreError::Moved`] if it is not committed.
    pub fn succeed(
        &self,
        from: &Phase,
        succeeded: &Deployment,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write("succeed", |tx| transition(tx, from, succeeded, now))
    }

    /// Failed or Cancelled: the outcome, and with it what remains to be undone.
    ///
    /// # Errors
    /// [`StoreError::Moved`] if somebody else was first.
    pub fn end(
        &self,
        from: &Phase,
        ended: &Deployment,
        slug: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write("end", |tx| {
            transition(tx, from, ended, now)?;
            end_step(tx, ended.serial, from, now)?;
            if matches!(from, Phase::Queued) {
                return Ok(());
            }
            let candidates = serials(
                tx,
                "SELECT serial FROM container WHERE deployment = ?1 AND role = 'candidate'",
                ended.serial,
            )?;
            let displaced = serials(
                tx,
                "SELECT serial FROM container WHERE displaced_by = ?1 AND role = 'live'",
                ended.serial,
            )?;
            tx.execute(
                "UPDATE container SET displaced_by = NULL WHERE displaced_by = ?1",
                [ended.serial.0],
            )?;
            write_settlements(
                tx,
                ended.environment,
                ended.serial,
                &leftovers(ended, slug, &candidates, &displaced),
                now,
            )
        })
    }
}

/// What a step found, to be kept with the transition it ends in.
#[derive(Clone, Copy, Debug)]
pub enum StepResult<'a> {
    /// What git says of the commit.
    Commit(&'a CommitInfo),
    /// The image that was built or pulled.
    Image(&'a Image),
}

impl StepResult<'_> {
    fn write(self, tx: &Transaction<'_>, deployment: DeploymentSerial) -> Result<(), StoreError> {
        let (column, value) = match self {
            Self::Commit(commit) => ("commit_info", json("deployment", commit)?),
            Self::Image(image) => ("result", json("deployment", image)?),
        };
        tx.execute(
            &format!("UPDATE deployment SET {column} = ?2 WHERE serial = ?1"),
            params![deployment.0, value],
        )?;
        Ok(())
    }
}

/// Writes a deployment's new phase, if its row still is in the phase the transition came from.
pub(super) fn transition(
    tx: &Transaction<'_>,
    from: &Phase,
    to: &Deployment,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (
        mut failed_step,
        mut failure,
        mut release,
        mut cancelled_by,
        mut was_waiting,
        mut superseded_by,
    ) = (None, None, None, None, None, None);
    match &to.phase {
        Phase::Queued | Phase::Running(_) => {}
        Phase::Committed(serial)
        | Phase::Succeeded {
            release: serial, ..
        } => release = Some(serial.0),
        Phase::Failed {
            step, failure: why, ..
        } => {
            failed_step = Some(step.as_str());
            failure = Some(json("deployment", why)?);
        }
        Phase::Cancelled {
            by,
            was_waiting: waited,
            ..
        } => {
            cancelled_by = Some(by.0);
            was_waiting = Some(*waited);
        }
        Phase::Superseded { by, .. } => superseded_by = Some(by.0),
    }
    let changed = tx
        .prepare_cached(
            "UPDATE deployment SET phase = ?3, failed_step = ?4, failure = ?5, release = ?6, cancelled_by = ?7, was_waiting = ?8,
                                   superseded_by = ?9, ended_at = ?10
             WHERE serial = ?1 AND phase = ?2",
        )?
        .execute(params![
            to.serial.0, phase_word(from), phase_word(&to.phase), failed_step, failure, release, cancelled_by, was_waiting,
            superseded_by, to.phase.ended_at().map(|at| at.0)
        ])?;
    if changed != 1 {
        return Err(StoreError::Moved(to.serial));
    }
    status_event(tx, to.serial, &to.phase, now)
}

/// Refuses when the deployment's row has left the phase the caller saw.
pub(super) fn still(tx: &Transaction<'_>, deployment: &Deployment) -> Result<(), StoreError> {
    let word: String = tx
        .prepare_cached("SELECT phase FROM deployment WHERE serial = ?1")?
        .query_row([deployment.serial.0], |row| row.get(0))?;
    if word == phase_word(&deployment.phase) {
        Ok(())
    } else {
        Err(StoreError::Moved(deployment.serial))
    }
}

fn status_event(
    tx: &Transaction<'_>,
    deployment: DeploymentSerial,
    phase: &Phase,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.prepare_cached("INSERT INTO status_event (deployment, phase, at) VALUES (?1, ?2, ?3)")?
        .execute(params![deployment.0, phase_word(phase), now.0])?;
    Ok(())
}

fn begin_step(
    tx: &Transaction<'_>,
    deployment: &Deployment,
    spec: Option<&Spec>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Some(step) = deployment.phase.running_step() else {
        return Ok(());
    };
    let budget = spec.map_or(Duration::ZERO, |spec| match step {
        Step::Checkout => spec.deadlines.checkout,
        Step::Build => spec.deadlines.build,
        Step::Rollout => spec.deadlines.rollout,
    });
    tx.execute(
        "INSERT INTO step (deployment, name, budget_ms, started_at) VALUES (?1, ?2, ?3, ?4)",
        params![
            deployment.serial.0,
            step.as_str(),
            i64::try_from(budget.as_millis()).unwrap_or(i64::MAX),
            now.0
        ],
    )?;
    Ok(())
}

pub(super) fn end_step(
    tx: &Transaction<'_>,
    deployment: DeploymentSerial,
    from: &Phase,
    now: Timestamp,
) -> Result<(), StoreError> {
    if let Some(step) = from.running_step() {
        tx.execute(
            "UPDATE step SET ended_at = ?3 WHERE deployment = ?1 AND name = ?2",
            params![deployment.0, step.as_str(), now.0],
        )?;
    }
    Ok(())
}

fn desired(tx: &Transaction<'_>, environment: EnvironmentSerial) -> Result<Desired, StoreError> {
    let word: String = tx.query_row(
        "SELECT desired FROM environment WHERE serial = ?1",
        [environment.0],
        |row| row.get(0),
    )?;
    Desired::parse(&word)
        .ok_or_else(|| inconsistent("environment", environment, format!("desired '{word}'")))
}

fn waiting(
    tx: &Transaction<'_>,
    environment: EnvironmentSerial,
) -> Result<Vec<Waiting>, StoreError> {
    let mut statement = tx.prepare_cached(
        "SELECT serial, initiated FROM deployment WHERE environment = ?1 AND phase = 'queued' AND hidden_at IS NULL ORDER BY serial",
    )?;
    let mut rows = statement.query([environment.0])?;
    let mut waiting = Vec::new();
    while let Some(row) = rows.next()? {
        let serial: i64 = row.get(0)?;
        waiting.push(Waiting {
            deployment: DeploymentSerial(serial),
            trigger: trigger(serial, &row.get::<_, String>(1)?)?,
        });
    }
    Ok(waiting)
}

fn serials(
    tx: &Transaction<'_>,
    sql: &str,
    deployment: DeploymentSerial,
) -> Result<Vec<ContainerSerial>, StoreError> {
    let mut statement = tx.prepare_cached(sql)?;
    let rows = statement.query_map([deployment.0], |row| row.get(0).map(ContainerSerial))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

//! Rows to values. A combination of columns that is no state of ours is an error that names table and row.

use super::{Store, StoreError};
use crate::core::access::Principal;
use crate::core::container::{ContainerRole, ContainerRow, OutputCursor};
use crate::core::deployment::{Deployment, Phase, Request, Step, Trigger, Wanted};
use crate::core::id::{
    AppSerial, ContainerSerial, DeploymentSerial, EnvironmentSerial, PrincipalSerial, ReleaseSerial,
};
use crate::core::job::JobEvent;
use crate::core::name::{ImageReference, InvalidName, Sha, TaskName};
use crate::core::reference::Reference;
use crate::core::release::Release;
use crate::core::time::Timestamp;
use rusqlite::Row;
use serde::de::DeserializeOwned;
use uuid::Uuid;

pub(super) fn inconsistent(
    table: &'static str,
    id: impl ToString,
    what: impl Into<String>,
) -> StoreError {
    StoreError::Inconsistent {
        table,
        id: id.to_string(),
        what: what.into(),
    }
}

pub(super) fn json<T: serde::Serialize>(
    table: &'static str,
    value: &T,
) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| inconsistent(table, "new", error.to_string()))
}

pub(super) fn from_json<T: DeserializeOwned>(
    table: &'static str,
    id: i64,
    text: &str,
) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| inconsistent(table, id, error.to_string()))
}

pub(super) fn uuid(table: &'static str, id: i64, text: &str) -> Result<Uuid, StoreError> {
    text.parse()
        .map_err(|_| inconsistent(table, id, format!("'{text}' is not a UUID")))
}

/// The columns of [`deployment`], in its order.
pub(super) const DEPLOYMENT: &str = "d.serial, d.uuid, d.iid, d.app, d.environment, d.principal, d.initiated, d.wanted, \
    CASE WHEN d.ref_kind IS NOT NULL THEN '' WHEN d.tag THEN 'refs/tags/' ELSE 'refs/heads/' END || d.branch, d.sha, d.asked, d.image, d.target_release, \
    d.variables, d.commit_info, d.phase, d.failed_step, d.failure, d.release, d.cancelled_by, d.was_waiting, \
    d.superseded_by, d.created_at, d.ended_at, d.task, d.payload, d.job_event";
/// How many they are: what is asked for beside them comes after.
pub(super) const DEPLOYMENT_COLUMNS: usize = 27;

impl Store {
    pub(super) fn deployment_row(&self, row: &Row<'_>) -> Result<Deployment, StoreError> {
        let serial: i64 = row.get(0)?;
        let id = uuid("deployment", serial, &row.get::<_, String>(1)?)?;
        let variables = match row.get::<_, Option<Vec<u8>>>(13)? {
            Some(sealed) => {
                let opened = self.seal.open_value(&variables_place(id), &sealed)?;
                serde_json::from_slice(&opened).map_err(|_| {
                    inconsistent(
                        "deployment",
                        serial,
                        "its variables are not what was sealed",
                    )
                })?
            }
            None => Default::default(),
        };
        let commit = row.get::<_, Option<String>>(14)?;
        Ok(Deployment {
            serial: DeploymentSerial(serial),
            id,
            iid: row.get(2)?,
            app: AppSerial(row.get(3)?),
            environment: EnvironmentSerial(row.get(4)?),
            request: Request {
                by: PrincipalSerial(row.get(5)?),
                trigger: trigger(serial, &row.get::<_, String>(6)?)?,
                wanted: wanted(serial, row)?,
                variables,
                task: task(serial, row.get(24)?)?,
                payload: row.get(25)?,
                event: event(serial, row.get(26)?)?,
            },
            commit: commit
                .map(|text| from_json("deployment", serial, &text))
                .transpose()?,
            phase: phase(serial, row)?,
            created_at: Timestamp(row.get(22)?),
        })
    }
}

/// The name of a task; it was checked before it was written.
pub(super) fn task(serial: i64, name: Option<String>) -> Result<Option<TaskName>, StoreError> {
    let task = name.map(|name| TaskName::parse(&name)).transpose();
    task.map_err(|error| inconsistent("deployment", serial, error.0))
}

/// What a deployment of a job runs once.
fn event(serial: i64, word: Option<String>) -> Result<Option<JobEvent>, StoreError> {
    let Some(word) = word else { return Ok(None) };
    match JobEvent::parse(&word) {
        Some(event) => Ok(Some(event)),
        None => Err(inconsistent(
            "deployment",
            serial,
            format!("job_event '{word}'"),
        )),
    }
}

/// Where a deployment's variables are sealed for.
pub(super) fn variables_place(id: Uuid) -> String {
    format!("deployment {id} variables")
}

/// The word of a phase in the store: a running deployment's is its step's.
pub(super) fn phase_word(phase: &Phase) -> &'static str {
    match phase {
        Phase::Running(step) => step.as_str(),
        Phase::Queued
        | Phase::Committed(_)
        | Phase::Succeeded { .. }
        | Phase::Failed { .. }
        | Phase::Cancelled { .. }
        | Phase::Superseded { .. } => phase.as_str(),
    }
}

pub(super) fn trigger_word(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::Manual => "manual",
        Trigger::Automatic => "automatic",
    }
}

pub(super) fn trigger(serial: i64, word: &str) -> Result<Trigger, StoreError> {
    match word {
        "manual" => Ok(Trigger::Manual),
        "automatic" => Ok(Trigger::Automatic),
        other => Err(inconsistent(
            "deployment",
            serial,
            format!("initiated is '{other}'"),
        )),
    }
}

fn wanted(serial: i64, row: &Row<'_>) -> Result<Wanted, StoreError> {
    let word: String = row.get(7)?;
    let reference: Option<String> = row.get(8)?;
    let sha: Option<String> = row.get(9)?;
    let image: Option<String> = row.get(11)?;
    let release: Option<i64> = row.get(12)?;
    let bad = |error: InvalidName| inconsistent("deployment", serial, error.0);
    match (word.as_str(), reference, sha, image, release) {
        ("commit", Some(reference), Some(sha), None, None) => Ok(Wanted::Commit {
            reference: Reference::parse_full(&reference).map_err(bad)?,
            sha: Sha::parse(&sha).map_err(bad)?,
            asked: row.get(10)?,
        }),
        // The commit that others than built ones have is only shown.
        ("image", None, _, Some(image), None) => {
            Ok(Wanted::Image(ImageReference::parse(&image).map_err(bad)?))
        }
        ("release", None, _, None, Some(release)) => Ok(Wanted::Release(ReleaseSerial(release))),
        ("restart", None, _, None, None) => Ok(Wanted::Restart),
        _ => Err(inconsistent(
            "deployment",
            serial,
            format!("wanted is '{word}' and its columns do not fit"),
        )),
    }
}

fn phase(serial: i64, row: &Row<'_>) -> Result<Phase, StoreError> {
    let word: String = row.get(15)?;
    let failed_step: Option<String> = row.get(16)?;
    let failure: Option<String> = row.get(17)?;
    let release: Option<i64> = row.get(18)?;
    let cancelled_by: Option<i64> = row.get(19)?;
    let was_waiting: Option<bool> = row.get(20)?;
    let superseded_by: Option<i64> = row.get(21)?;
    let ended: Option<i64> = row.get(23)?;
    let ended = ended.map(Timestamp);
    match (
        word.as_str(),
        failed_step,
        failure,
        release,
        (cancelled_by, was_waiting),
        superseded_by,
        ended,
    ) {
        ("queued", None, None, None, (None, None), None, None) => Ok(Phase::Queued),
        ("committed", None, None, Some(release), (None, None), None, None) => {
            Ok(Phase::Committed(ReleaseSerial(release)))
        }
        ("succeeded", None, None, Some(release), (None, None), None, Some(at)) => {
            Ok(Phase::Succeeded {
                release: ReleaseSerial(release),
                at,
            })
        }
        ("failed", Some(step), Some(failure), None, (None, None), None, Some(at)) => {
            Ok(Phase::Failed {
                step: Step::parse(&step)
                    .ok_or_else(|| inconsistent("deployment", serial, format!("step '{step}'")))?,
                failure: from_json("deployment", serial, &failure)?,
                at,
            })
        }
        ("cancelled", None, None, None, (Some(by), Some(was_waiting)), None, Some(at)) => {
            Ok(Phase::Cancelled {
                by: PrincipalSerial(by),
                was_waiting,
                at,
            })
        }
        ("superseded", None, None, None, (None, None), Some(by), Some(at)) => {
            Ok(Phase::Superseded {
                by: DeploymentSerial(by),
                at,
            })
        }
        (step, None, None, None, (None, None), None, None) => Step::parse(step)
            .map(Phase::Running)
            .ok_or_else(|| inconsistent("deployment", serial, format!("phase '{step}'"))),
        _ => Err(inconsistent(
            "deployment",
            serial,
            format!("phase is '{word}' and its columns do not fit"),
        )),
    }
}

/// The columns of [`container`], in its order.
pub(super) const CONTAINER: &str = "c.serial, c.environment, c.deployment, c.release, c.process, c.name, c.address, c.role, c.read_until";

pub(super) fn container(row: &Row<'_>) -> Result<ContainerRow, StoreError> {
    let serial: i64 = row.get(0)?;
    let address: String = row.get(6)?;
    let role: String = row.get(7)?;
    Ok(ContainerRow {
        serial: ContainerSerial(serial),
        environment: EnvironmentSerial(row.get(1)?),
        deployment: DeploymentSerial(row.get(2)?),
        release: row.get::<_, Option<i64>>(3)?.map(ReleaseSerial),
        process: row.get(4)?,
        name: row.get(5)?,
        address: address
            .parse()
            .map_err(|_| inconsistent("container", serial, format!("address '{address}'")))?,
        role: ContainerRole::parse(&role)
            .ok_or_else(|| inconsistent("container", serial, format!("role '{role}'")))?,
        read_until: row.get::<_, Option<String>>(8)?.map(OutputCursor),
    })
}

/// The columns of [`release`], in its order.
pub(super) const RELEASE: &str =
    "r.serial, r.environment, r.number, r.deployment, r.content, r.created_at";

pub(super) fn release(row: &Row<'_>) -> Result<Release, StoreError> {
    let serial: i64 = row.get(0)?;
    Ok(Release {
        serial: ReleaseSerial(serial),
        environment: EnvironmentSerial(row.get(1)?),
        number: row.get(2)?,
        deployment: DeploymentSerial(row.get(3)?),
        content: from_json("release", serial, &row.get::<_, String>(4)?)?,
        created_at: Timestamp(row.get(5)?),
    })
}

/// The columns of [`principal`], in its order.
pub(super) const PRINCIPAL: &str = "p.serial, p.uuid, p.name";
/// How many they are.
pub(super) const PRINCIPAL_COLUMNS: usize = 3;

pub(super) fn principal(row: &Row<'_>, first: usize) -> Result<Principal, StoreError> {
    let serial: i64 = row.get(first)?;
    Ok(Principal {
        serial: PrincipalSerial(serial),
        id: uuid("principal", serial, &row.get::<_, String>(first + 1)?)?,
        name: row.get(first + 2)?,
    })
}

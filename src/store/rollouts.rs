//! Containers as rows, releases, and the commit that makes one live.

use super::apps::next_address;
use super::connections;
use super::operations::write_settlements;
use super::phases::{end_step, still, transition};
use super::releases::{insert_release, mark_left, release_in};
use super::routes::grow;
use super::rows::{CONTAINER, container, inconsistent, json};
use super::runs::end_with_deployment;
use super::{Store, StoreError, schedules};
use crate::core::container::{ContainerRole, ContainerRow, OutputCursor, WEB};
use crate::core::deployment::{Deployment, Wanted};
use crate::core::id::{ContainerSerial, DeploymentSerial, EnvironmentSerial, ReleaseSerial};
use crate::core::operation::{Undo, scaffolding};
use crate::core::release::{Release, ReleaseContent};
use crate::core::secret::Secret;
use crate::core::time::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

/// What an environment serves.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// Its release.
    pub release: Release,
    /// The deployment that made it live.
    pub deployment: DeploymentSerial,
    /// The rows of its containers, the one that serves first, the others by their processes' names. A job has none.
    pub containers: Vec<ContainerRow>,
}

impl Live {
    /// The one that serves.
    #[must_use]
    pub fn serving(&self) -> Option<&ContainerRow> {
        self.containers.first()
    }

    /// Those of the processes beside it.
    #[must_use]
    pub fn workers(&self) -> &[ContainerRow] {
        self.containers.get(1..).unwrap_or_default()
    }
}

/// What becomes live at a commit.
#[derive(Clone, Copy, Debug)]
pub enum Committing<'a> {
    /// A new release.
    New(&'a ReleaseContent),
    /// An earlier one again; it keeps its number.
    Again(ReleaseSerial),
}

impl Store {
    /// Writes down that a container is about to be made, with a name that was never used and an address that no row
    /// names.
    ///
    /// # Errors
    /// [`StoreError::Moved`] if the deployment left its rollout, [`StoreError::AddressesExhausted`].
    pub fn intend_candidate(
        &self,
        deployment: &Deployment,
        slug: &str,
        process: &str,
        hidden: &[Secret],
        now: Timestamp,
    ) -> Result<ContainerRow, StoreError> {
        self.write_sparing("intend_candidate", |tx| {
            still(tx, deployment)?;
            let role = ContainerRole::Candidate;
            let owner = (deployment.environment, deployment.serial);
            insert_container(self, tx, owner, (slug, process, role), hidden, now)
        })
    }

    /// The engine has made it.
    ///
    /// # Errors
    /// If the database fails.
    pub fn record_made(&self, row: &ContainerRow, now: Timestamp) -> Result<(), StoreError> {
        self.write_sparing("record_made", |tx| {
            tx.execute(
                "UPDATE container SET made_at = ?2 WHERE serial = ?1",
                params![row.serial.0, now.0],
            )?;
            Ok(())
        })
    }

    /// A resumed rollout gives up the candidates of its earlier attempts and makes a new one.
    ///
    /// # Errors
    /// [`StoreError::Moved`] if the deployment left its rollout.
    pub fn retire_candidates(
        &self,
        deployment: &Deployment,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let candidates = self.candidates(deployment.serial)?;
        if candidates.is_empty() {
            return Ok(());
        }
        self.write_sparing("retire_candidates", |tx| {
            still(tx, deployment)?;
            let undo: Vec<Undo> = candidates
                .iter()
                .map(|row| Undo::RetireContainer(row.serial))
                .collect();
            write_settlements(
                tx,
                deployment.environment,
                Some(deployment.serial),
                &undo,
                None,
                now,
            )
        })
    }

    fn candidates(&self, deployment: DeploymentSerial) -> Result<Vec<ContainerRow>, StoreError> {
        self.containers("c.deployment = ?1 AND c.role = 'candidate'", deployment.0)
    }

    /// Writes down that the live containers are about to be stopped to make room. Whatever ends the deployment before
    /// its commit will bring it back.
    ///
    /// # Errors
    /// [`StoreError::Moved`] if the deployment left its rollout.
    pub fn displace(&self, deployment: &Deployment, live: &Live) -> Result<(), StoreError> {
        self.write_sparing("displace", |tx| {
            still(tx, deployment)?;
            for container in &live.containers {
                tx.execute(
                    "UPDATE container SET displaced_by = ?2 WHERE serial = ?1",
                    params![container.serial.0, deployment.serial.0],
                )?;
            }
            Ok(())
        })
    }

    /// How far a container's output was read.
    ///
    /// # Errors
    /// If the database fails.
    pub fn record_read(
        &self,
        container: ContainerSerial,
        cursor: &OutputCursor,
    ) -> Result<(), StoreError> {
        self.write("record_read", |tx| {
            tx.execute(
                "UPDATE container SET read_until = ?2 WHERE serial = ?1",
                params![container.0, cursor.0],
            )?;
            Ok(())
        })
    }

    /// The point of no return, in one transaction: the release is live, the phase is Committed, what it replaces is to
    /// be retired, and the route table has a new generation.
    ///
    /// # Errors
    /// [`StoreError::Moved`] if the deployment left its rollout: cancelled or failed in the meantime.
    pub fn commit(
        &self,
        deployment: &Deployment,
        what: Committing<'_>,
        candidates: &[ContainerRow],
        slug: &str,
        now: Timestamp,
    ) -> Result<Deployment, StoreError> {
        self.write("commit", |tx| {
            let environment = deployment.environment;
            let release = match what {
                Committing::Again(release) => {
                    mark_left(tx, deployment, release)?;
                    release
                }
                Committing::New(content) => insert_release(tx, deployment, content, now)?,
            };
            let committed = deployment.clone().commit(release)?;
            transition(tx, &deployment.phase, &committed, now)?;
            end_step(tx, deployment.serial, &deployment.phase, now)?;
            end_with_deployment(tx, &committed, now)?;
            // The one that serves last: it may have requests to end, and its workers' overlap shall not be as long.
            let old: Vec<Undo> = tx
                .prepare_cached(
                    "SELECT serial FROM container WHERE environment = ?1 AND role = 'live' ORDER BY process = 'web', serial",
                )?
                .query_map([environment.0], |row| {
                    row.get(0)
                        .map(|serial| Undo::RetireContainer(ContainerSerial(serial)))
                })?
                .collect::<Result<_, _>>()?;
            tx.execute(
                "UPDATE container SET displaced_by = NULL WHERE environment = ?1 AND displaced_by IS NOT NULL",
                [environment.0],
            )?;
            for candidate in candidates {
                tx.execute(
                    "UPDATE container SET role = 'live', release = ?2 WHERE serial = ?1",
                    params![candidate.serial.0, release.0],
                )?;
            }
            let content = match what {
                Committing::Again(release) => &release_in(tx, release)?.content,
                Committing::New(content) => content,
            };
            schedules::install(tx, environment, content.job.as_ref(), now)?;
            // A manual deployment starts what was stopped. A rollback holds until a new commit or a manual deployment;
            // a restart is neither.
            let pinned = match deployment.request.wanted {
                Wanted::Release(_) => Some(true),
                Wanted::Commit { .. } | Wanted::Image(_) => Some(false),
                Wanted::Restart => None,
            };
            tx.execute(
                "UPDATE environment SET live_release = ?2, live_deployment = ?3, pinned = coalesce(?4, pinned),
                                        updated_at = CASE desired WHEN 'running' THEN updated_at ELSE ?5 END, desired = 'running'
                 WHERE serial = ?1",
                params![environment.0, release.0, deployment.serial.0, pinned, now.0],
            )?;
            let generation = grow(tx)?;
            let undo: Vec<Undo> = old
                .into_iter()
                .chain(scaffolding(deployment, slug))
                .collect();
            write_settlements(tx, environment, Some(deployment.serial), &undo, Some(generation), now)?;
            let content = match what {
                Committing::New(content) => content.clone(),
                Committing::Again(release) => release_in(tx, release)?.content,
            };
            connections::committed(tx, deployment, &content.run.connect.to, now)?;
            Ok(committed)
        })
    }

    /// What an environment serves; `None` if nothing was ever deployed to it.
    ///
    /// # Errors
    /// If its rows contradict each other.
    pub fn live(&self, environment: EnvironmentSerial) -> Result<Option<Live>, StoreError> {
        self.read(|tx| {
            let (live_release, deployment): (Option<i64>, Option<i64>) = tx.query_row(
                "SELECT live_release, live_deployment FROM environment WHERE serial = ?1",
                [environment.0],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?;
            let (Some(live_release), Some(deployment)) = (live_release, deployment) else {
                return Ok(None);
            };
            let sql = format!(
                "SELECT {CONTAINER} FROM container c WHERE c.environment = ?1 AND c.role = 'live'
                 ORDER BY c.process <> '{WEB}', c.process"
            );
            let mut statement = tx.prepare_cached(&sql)?;
            let mut rows = statement.query([environment.0])?;
            let mut containers = Vec::new();
            while let Some(row) = rows.next()? {
                containers.push(container(row)?);
            }
            let release = release_in(tx, ReleaseSerial(live_release))?;
            if containers.is_empty() && release.content.job.is_none() {
                let what = "is live without a container";
                return Err(inconsistent("environment", environment, what));
            }
            Ok(Some(Live {
                release,
                deployment: DeploymentSerial(deployment),
                containers,
            }))
        })
    }

    /// Every environment that has a live release, whether that is meant to run or not.
    ///
    /// # Errors
    /// If the database fails.
    pub fn live_environments(&self) -> Result<Vec<EnvironmentSerial>, StoreError> {
        self.read(|tx| {
            let mut statement = tx.prepare_cached(
                "SELECT serial FROM environment WHERE live_release IS NOT NULL AND removed_at IS NULL ORDER BY serial",
            )?;
            let rows = statement.query_map([], |row| row.get(0).map(EnvironmentSerial))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// A container's row.
    ///
    /// # Errors
    /// If there is none of that serial.
    pub fn container(&self, serial: ContainerSerial) -> Result<ContainerRow, StoreError> {
        self.read(|tx| container_in(tx, serial))
    }

    /// The values a container got that its output must not show, as they were when it was made.
    ///
    /// # Errors
    /// If they cannot be opened.
    pub fn hidden_values(&self, serial: ContainerSerial) -> Result<Vec<Secret>, StoreError> {
        let sealed: Option<Vec<u8>> = self.read(|tx| {
            Ok(tx.query_row(
                "SELECT hidden FROM container WHERE serial = ?1",
                [serial.0],
                |row| row.get(0),
            )?)
        })?;
        let Some(sealed) = sealed else {
            return Ok(Vec::new());
        };
        let opened = self.seal.open_value(&hidden_place(serial), &sealed)?;
        serde_json::from_slice(&opened).map_err(|_| {
            inconsistent(
                "container",
                serial,
                "its hidden values are not what was sealed",
            )
        })
    }

    /// A container that is made again gets the secrets of that moment: what its output must not show grows by them.
    ///
    /// # Errors
    /// If the database fails, or the earlier ones cannot be opened.
    pub fn hide_too(&self, serial: ContainerSerial, values: &[Secret]) -> Result<(), StoreError> {
        let mut hidden = self.hidden_values(serial)?;
        let before = hidden.len();
        for value in values {
            if !hidden.contains(value) {
                hidden.push(value.clone());
            }
        }
        if hidden.len() == before {
            return Ok(());
        }
        let text = json("container", &hidden)?;
        let sealed = self.seal.seal(&hidden_place(serial), text.as_bytes())?;
        self.write("hide_too", |tx| {
            tx.execute(
                "UPDATE container SET hidden = ?2 WHERE serial = ?1",
                params![serial.0, sealed],
            )?;
            Ok(())
        })
    }

    /// The names of containers that are retired and were removed: none of them may exist.
    ///
    /// # Errors
    /// If the database fails.
    pub fn removed_names(&self, among: &[String]) -> Result<Vec<String>, StoreError> {
        self.read(|tx| {
            let mut statement =
                tx.prepare_cached("SELECT 1 FROM container WHERE name = ?1 AND role = 'retired' AND removed_at IS NOT NULL")?;
            let mut removed = Vec::new();
            for name in among {
                if statement.exists([name])? {
                    removed.push(name.clone());
                }
            }
            Ok(removed)
        })
    }

    /// Of these tags, those that were taken off because nobody needs them any more.
    ///
    /// # Errors
    /// If the database fails.
    pub fn removed_tags(&self, among: &[String]) -> Result<Vec<String>, StoreError> {
        self.read(|tx| {
            let mut statement = tx.prepare_cached(
                "SELECT 1 FROM settlement WHERE kind = 'retire_image' AND object = ?1 AND settled_at IS NOT NULL",
            )?;
            let mut removed = Vec::new();
            for tag in among {
                if statement.exists([tag])? {
                    removed.push(tag.clone());
                }
            }
            Ok(removed)
        })
    }

    /// The environment whose live container has this name.
    ///
    /// # Errors
    /// If the database fails.
    pub fn live_in(&self, container: &str) -> Result<Option<EnvironmentSerial>, StoreError> {
        self.read(|tx| {
            let mut statement = tx.prepare_cached(
                "SELECT environment FROM container WHERE name = ?1 AND role = 'live'",
            )?;
            let found = statement.query_row([container], |row| row.get(0).map(EnvironmentSerial));
            Ok(found.optional()?)
        })
    }

    fn containers(&self, condition: &str, value: i64) -> Result<Vec<ContainerRow>, StoreError> {
        self.read(|tx| {
            let sql =
                format!("SELECT {CONTAINER} FROM container c WHERE {condition} ORDER BY c.serial");
            let mut statement = tx.prepare_cached(&sql)?;
            let mut rows = statement.query([value])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.push(container(row)?);
            }
            Ok(found)
        })
    }
}

pub(super) fn hidden_place(serial: ContainerSerial) -> String {
    format!("container {serial} hidden")
}

/// The row of a container that is about to be made for a deployment, with a name that was never used and an address that no
/// row names.
pub(super) fn insert_container(
    store: &Store,
    tx: &Transaction<'_>,
    (environment, deployment): (EnvironmentSerial, DeploymentSerial),
    (slug, process, role): (&str, &str, ContainerRole),
    hidden: &[Secret],
    now: Timestamp,
) -> Result<ContainerRow, StoreError> {
    let address = next_address(tx, environment)?;
    let attempt = match role {
        ContainerRole::Candidate
        | ContainerRole::Task
        | ContainerRole::Live
        | ContainerRole::Retired => "SELECT count(*) + 1 FROM container WHERE deployment = ?1",
        // There may be very many of a release, and the oldest are forgotten. No number below is another's: those were
        // counted before the release was live.
        ContainerRole::Run => {
            "SELECT coalesce(max(seq), 0) + 1 FROM sqlite_sequence WHERE name = 'container' AND ?1 IS NOT NULL"
        }
    };
    let attempt: i64 = tx
        .prepare_cached(attempt)?
        .query_row([deployment.0], |row| row.get(0))?;
    let name = format!("{slug}-{deployment}-{attempt}");
    tx.execute(
        "INSERT INTO container (environment, deployment, process, name, address, role, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            environment.0,
            deployment.0,
            process,
            name,
            address.to_string(),
            role.as_str(),
            now.0
        ],
    )?;
    let serial = ContainerSerial(tx.last_insert_rowid());
    if !hidden.is_empty() {
        let sealed = store.seal.seal(
            &hidden_place(serial),
            json("container", &hidden)?.as_bytes(),
        )?;
        tx.execute(
            "UPDATE container SET hidden = ?2 WHERE serial = ?1",
            params![serial.0, sealed],
        )?;
    }
    container_in(tx, serial)
}

fn container_in(tx: &Connection, serial: ContainerSerial) -> Result<ContainerRow, StoreError> {
    let sql = format!("SELECT {CONTAINER} FROM container c WHERE c.serial = ?1");
    let found = tx
        .prepare_cached(&sql)?
        .query_row([serial.0], |row| Ok(container(row)))
        .optional()?;
    found.unwrap_or_else(|| Err(inconsistent("container", serial, "is missing")))
}

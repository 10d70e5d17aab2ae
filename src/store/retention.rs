//! What the rows say of things that may go, and the transactions that give them up. Giving up a release is written
//! before its tag is taken off, so that no rollback can choose it meanwhile; the same holds for logs.

use super::apps::{PLACE, PLACE_COLUMNS, PLACE_FROM, Place, place};
use super::operations::write_settlements;
use super::rows::{from_json, inconsistent, uuid};
use super::{Store, StoreError, files};
use crate::core::id::{EnvironmentSerial, ReleaseSerial};
use crate::core::operation::Undo;
use crate::core::release::{Image, ReleaseContent, release_tag};
use crate::core::retention::{KnownDeployment, KnownRelease, fates};
use crate::core::time::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use std::collections::BTreeSet;
use std::io::ErrorKind;
use uuid::Uuid;

/// An environment and its releases.
#[derive(Clone, Debug)]
pub struct Holding {
    /// Which one.
    pub place: Place,
    /// Whether it was removed and nothing is left to be done for it.
    pub removed: bool,
    /// Its releases whose images were not given up, the oldest first.
    pub releases: Vec<KnownRelease>,
    /// Tags that are being taken off.
    pub going: BTreeSet<String>,
}

/// A project as far as its mirror's fate depends on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownProject {
    /// Its path.
    pub path: String,
    /// Whether an app of it is in the configuration.
    pub configured: bool,
    /// Whether an environment of it is not removed.
    pub has_environments: bool,
}

/// Whether an environment is gone for good: its removal, and whatever else was in its queue, is done.
const REMOVED: &str = "(e.removed_at IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM operation q WHERE q.environment = e.serial AND q.done_at IS NULL))";

/// How many logs are given up in one transaction: the write lock is held for a few milliseconds.
const LOGS_AT_ONCE: usize = 500;

impl Store {
    /// All environments, removed ones too, with their releases.
    ///
    /// # Errors
    /// If the database fails.
    pub fn holdings(&self) -> Result<Vec<Holding>, StoreError> {
        self.read(|tx| {
            let sql = format!(
                "SELECT {PLACE}, {REMOVED} FROM {PLACE_FROM} WHERE e.runs ORDER BY a.name, e.name, e.serial"
            );
            let mut statement = tx.prepare_cached(&sql)?;
            let mut rows = statement.query([])?;
            let mut all = Vec::new();
            while let Some(row) = rows.next()? {
                let place = place(row)?;
                all.push(Holding {
                    removed: row.get(PLACE_COLUMNS)?,
                    releases: releases(tx, place.environment)?,
                    going: going(tx, place.environment)?,
                    place,
                });
            }
            Ok(all)
        })
    }

    /// Gives up the releases of an environment that are not to be kept, as things are in this transaction, and
    /// writes down that their tags are to be taken off. Returns their numbers.
    ///
    /// # Errors
    /// If the database fails.
    pub fn collect_releases(
        &self,
        of: &Place,
        keep: usize,
        now: Timestamp,
    ) -> Result<Vec<i64>, StoreError> {
        self.write("collect_releases", |tx| {
            let removed: bool = tx.query_row(
                &format!("SELECT {REMOVED} FROM environment e WHERE e.serial = ?1"),
                [of.environment.0],
                |row| row.get(0),
            )?;
            let known = releases(tx, of.environment)?;
            let slug = of.slug();
            let mut given_up = Vec::new();
            for (release, fate) in known.iter().zip(fates(&known, removed, keep)) {
                if fate.is_collected_now() {
                    tx.execute(
                        "UPDATE release SET collected_at = ?2 WHERE serial = ?1",
                        params![release.serial.0, now.0],
                    )?;
                    given_up.push(release.number);
                }
            }
            let undo: Vec<Undo> = given_up
                .iter()
                .map(|number| Undo::RetireImage(release_tag(&slug, *number)))
                .collect();
            write_settlements(tx, of.environment, None, &undo, None, now)?;
            Ok(given_up)
        })
    }

    /// Whether the image of an environment's release was given up; false if there is no release of that number.
    ///
    /// # Errors
    /// If the database fails.
    pub fn was_given_up(
        &self,
        environment: EnvironmentSerial,
        number: i64,
    ) -> Result<bool, StoreError> {
        self.read(|tx| {
            let mut statement = tx.prepare_cached(
                "SELECT 1 FROM release WHERE environment = ?1 AND number = ?2 AND collected_at IS NOT NULL",
            )?;
            Ok(statement.exists(params![environment.0, number])?)
        })
    }

    /// The ids of images that rows need: of releases that are kept, and of unfinished deployments.
    ///
    /// # Errors
    /// If the database fails.
    pub fn needed_images(&self) -> Result<BTreeSet<String>, StoreError> {
        self.read(|tx| {
            let mut needed = BTreeSet::new();
            let mut statement = tx.prepare_cached(
                "SELECT serial, content FROM release WHERE collected_at IS NULL",
            )?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let content: ReleaseContent =
                    from_json("release", row.get(0)?, &row.get::<_, String>(1)?)?;
                needed.insert(content.image.id);
            }
            let mut statement = tx.prepare_cached(
                "SELECT d.serial, d.result FROM deployment d JOIN operation o ON o.deployment = d.serial
                 WHERE o.done_at IS NULL AND d.result IS NOT NULL",
            )?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let image: Image = from_json("deployment", row.get(0)?, &row.get::<_, String>(1)?)?;
                needed.insert(image.id);
            }
            Ok(needed)
        })
    }

    /// What is known of a deployment, hidden ones too; one that still has something to settle has not ended.
    ///
    /// # Errors
    /// If the database fails.
    pub fn known_deployment(&self, id: Uuid) -> Result<Option<KnownDeployment>, StoreError> {
        self.read(|tx| known_deployment(tx, id))
    }

    /// The deployment of an environment by its serial, as a candidate's tag names it.
    ///
    /// # Errors
    /// If the database fails.
    pub fn known_candidate(
        &self,
        environment: EnvironmentSerial,
        serial: i64,
    ) -> Result<Option<KnownDeployment>, StoreError> {
        self.read(|tx| {
            let id: Option<String> = tx
                .prepare_cached(
                    "SELECT uuid FROM deployment WHERE serial = ?1 AND environment = ?2",
                )?
                .query_row([serial, environment.0], |row| row.get(0))
                .optional()?;
            match id {
                Some(id) => known_deployment(tx, uuid("deployment", serial, &id)?),
                None => Ok(None),
            }
        })
    }

    /// When a run ended whose log is its own; within: nothing if it has not, or still has something to settle.
    ///
    /// # Errors
    /// If the database fails.
    pub fn known_run(&self, id: Uuid) -> Result<Option<Option<Timestamp>>, StoreError> {
        let Some(run) = self.find_run(id)? else {
            return Ok(None);
        };
        let settled = self.is_run_settled(run.serial)?;
        Ok(Some(run.phase.ended_at().filter(|_| settled)))
    }

    /// Every project a deployment may have been mirrored for.
    ///
    /// # Errors
    /// If the database fails.
    pub fn known_projects(&self) -> Result<Vec<KnownProject>, StoreError> {
        self.read(|tx| {
            let mut statement = tx.prepare_cached(
                "SELECT j.path, coalesce(max(a.configured), 0),
                        count(e.serial) FILTER (WHERE e.removed_at IS NULL OR o.serial IS NOT NULL) > 0
                 FROM project j LEFT JOIN app a ON a.project = j.serial LEFT JOIN environment e ON e.app = a.serial
                 LEFT JOIN operation o ON o.environment = e.serial AND o.done_at IS NULL
                 GROUP BY j.serial ORDER BY j.path",
            )?;
            let rows = statement.query_map([], |row| {
                Ok(KnownProject {
                    path: row.get(0)?,
                    configured: row.get(1)?,
                    has_environments: row.get(2)?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// The logs there are, by their deployments, with their sizes. What has another name is none of ours.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub fn logs(&self) -> Result<Vec<(Uuid, u64)>, StoreError> {
        let dir = self.data_dir.join("logs");
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&dir).map_err(files::fault(&dir))? {
            let entry = entry.map_err(files::fault(&dir))?;
            let name = entry.file_name();
            let id = name.to_str().and_then(|name| name.strip_suffix(".log"));
            let Some(id) = id.and_then(|id| Uuid::try_parse(id).ok()) else {
                continue;
            };
            let size = entry.metadata().map_or(0, |found| found.len());
            found.push((id, size));
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Gives up logs: first it is written down that they were, then the files go. Where that was cut short, the next
    /// time finds the files again.
    ///
    /// # Errors
    /// If the database or the file system fails.
    pub fn remove_logs(&self, whose: &[Uuid], now: Timestamp) -> Result<(), StoreError> {
        for some in whose.chunks(LOGS_AT_ONCE) {
            self.write("remove_logs", |tx| {
                for table in ["deployment", "run"] {
                    let mut statement = tx.prepare_cached(&format!(
                        "UPDATE {table} SET log_removed_at = ?2 WHERE uuid = ?1 AND log_removed_at IS NULL"
                    ))?;
                    for id in some {
                        statement.execute(params![id.to_string(), now.0])?;
                    }
                }
                Ok(())
            })?;
            for id in some {
                self.remove_log(*id)?;
            }
        }
        Ok(())
    }

    /// Removes the file of a log, if it is there.
    pub(super) fn remove_log(&self, id: Uuid) -> Result<(), StoreError> {
        let path = self.log_path(id);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(files::fault(&path)(error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// When a deployment's or a run's log was given up.
    pub(super) fn log_removed_at(&self, id: Uuid) -> Result<Option<Timestamp>, StoreError> {
        self.read(|tx| {
            let at: Option<Option<i64>> = tx
                .prepare_cached(
                    "SELECT log_removed_at FROM deployment WHERE uuid = ?1
                     UNION ALL SELECT log_removed_at FROM run WHERE uuid = ?1",
                )?
                .query_row([id.to_string()], |row| row.get(0))
                .optional()?;
            Ok(at.flatten().map(Timestamp))
        })
    }
}

fn releases(
    tx: &Connection,
    environment: EnvironmentSerial,
) -> Result<Vec<KnownRelease>, StoreError> {
    // Until a deployment's operation is done, its walk may still need the release it is to make live.
    let mut statement = tx.prepare_cached(
        "SELECT r.serial, r.number, e.live_release IS r.serial,
                (SELECT d.uuid FROM deployment d JOIN operation o ON o.deployment = d.serial
                 WHERE o.environment = r.environment AND o.done_at IS NULL AND d.target_release = r.serial LIMIT 1),
                EXISTS (SELECT 1 FROM run u JOIN deployment d ON d.serial = u.deployment
                        WHERE u.environment = r.environment AND u.ended_at IS NULL AND d.release = r.serial)
         FROM release r JOIN environment e ON e.serial = r.environment
         WHERE r.environment = ?1 AND r.collected_at IS NULL ORDER BY r.number",
    )?;
    let mut rows = statement.query([environment.0])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.push(known_release(row)?);
    }
    Ok(all)
}

fn known_release(row: &Row<'_>) -> Result<KnownRelease, StoreError> {
    let serial: i64 = row.get(0)?;
    let target: Option<String> = row.get(3)?;
    Ok(KnownRelease {
        serial: ReleaseSerial(serial),
        number: row.get(1)?,
        live: row.get(2)?,
        target_of: target
            .map(|id| uuid("deployment", serial, &id))
            .transpose()?,
        runs: row.get(4)?,
    })
}

fn going(tx: &Connection, environment: EnvironmentSerial) -> Result<BTreeSet<String>, StoreError> {
    let mut statement = tx.prepare_cached(
        "SELECT object FROM settlement WHERE environment = ?1 AND settled_at IS NULL AND kind = 'retire_image'",
    )?;
    let rows = statement.query_map([environment.0], |row| row.get::<_, Option<String>>(0))?;
    let mut tags = BTreeSet::new();
    for tag in rows {
        tags.insert(tag?.ok_or_else(|| {
            inconsistent("settlement", environment, "an image to retire has no tag")
        })?);
    }
    Ok(tags)
}

fn known_deployment(tx: &Connection, id: Uuid) -> Result<Option<KnownDeployment>, StoreError> {
    let mut statement = tx.prepare_cached(
        "SELECT CASE WHEN o.done_at IS NULL THEN NULL ELSE d.ended_at END,
                e.removed_at IS NULL AND (e.live_deployment IS d.serial OR EXISTS
                    (SELECT 1 FROM release r WHERE r.deployment = d.serial AND r.environment = e.serial AND r.collected_at IS NULL))
         FROM deployment d JOIN environment e ON e.serial = d.environment JOIN operation o ON o.deployment = d.serial
         WHERE d.uuid = ?1",
    )?;
    let known = statement.query_row([id.to_string()], |row| {
        Ok(KnownDeployment {
            ended_at: row.get::<_, Option<i64>>(0)?.map(Timestamp),
            of_kept_release: row.get(1)?,
        })
    });
    Ok(known.optional()?)
}

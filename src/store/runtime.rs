//! What running containers print, kept beyond their lives: text files of each environment, readable with `less`.
//!
//! `runtime/<environment>/<byte>.log`, each named after the byte of the whole log at which it begins, so that a place in
//! the log is the same for ever. A line says whose it is and where in its container's output it stands: a line that is
//! there and how far its container was read are one and the same, and a process that ends at any moment has neither lost
//! nor doubled one. The oldest file goes when the log would grow beyond its bound.

mod kept;
mod pieces;
mod segments;

pub use pieces::Piece;

use super::{Store, StoreError, files};
use crate::core::container::OutputCursor;
use crate::core::id::{ContainerSerial, EnvironmentSerial};
use crate::core::log::Stream;
use crate::core::ports::OutputLine;
use crate::core::runtime::{RuntimeFilter, Written};
use crate::core::time::Timestamp;
use kept::RuntimeLog;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use uuid::Uuid;

/// A container whose output is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Printing {
    /// Its row.
    pub serial: ContainerSerial,
    /// Its environment.
    pub environment: Uuid,
    /// Its name.
    pub container: String,
    /// Which of the app's processes it is.
    pub process: String,
    /// The number of the release it runs.
    pub release: i64,
}

/// The runtime logs that were looked at in this process.
#[derive(Default)]
pub(super) struct RuntimeLogs(Mutex<BTreeMap<Uuid, Arc<RuntimeLog>>>);

impl Store {
    /// The containers whose output is to be kept: those that run live releases, or would.
    ///
    /// # Errors
    /// If the database fails.
    pub fn printing(&self) -> Result<Vec<Printing>, StoreError> {
        self.read(|tx| {
            let mut statement = tx.prepare_cached(
                "SELECT c.serial, e.uuid, c.name, c.process, r.number
                 FROM container c JOIN environment e ON e.serial = c.environment JOIN release r ON r.serial = c.release
                 WHERE c.role = 'live' ORDER BY c.serial",
            )?;
            let mut rows = statement.query([])?;
            let mut all = Vec::new();
            while let Some(row) = rows.next()? {
                let serial: i64 = row.get(0)?;
                all.push(Printing {
                    serial: ContainerSerial(serial),
                    environment: super::rows::uuid("environment", serial, &row.get::<_, String>(1)?)?,
                    container: row.get(2)?,
                    process: row.get(3)?,
                    release: row.get(4)?,
                });
            }
            Ok(all)
        })
    }

    /// Whether a container is one of them.
    ///
    /// # Errors
    /// If the database fails.
    pub fn is_printing(&self, serial: ContainerSerial) -> Result<bool, StoreError> {
        self.read(|tx| {
            let mut statement =
                tx.prepare_cached("SELECT 1 FROM container WHERE serial = ?1 AND role = 'live'")?;
            Ok(statement.exists([serial.0])?)
        })
    }

    /// How far a container was read into the runtime log; `None`: not at all.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn printed_until(&self, of: &Printing) -> Result<Option<OutputCursor>, StoreError> {
        let log = self.runtime_log(of.environment)?;
        let kept = log.kept();
        let reached = kept.reached.get(&of.container);
        Ok(reached.map(|reached| OutputCursor(reached.cursor.clone())))
    }

    /// Keeps what a container printed. Lines that were kept before, by whomever, are left out. The log stays within
    /// `bound` bytes.
    ///
    /// # Errors
    /// If they cannot be written (a full disk, most likely): then those that are not can be given again.
    pub fn keep_printed(
        &self,
        of: &Printing,
        lines: &[OutputLine],
        bound: u64,
    ) -> Result<(), StoreError> {
        let log = self.runtime_log(of.environment)?;
        let mut kept = log.kept();
        let before = kept.segments.end();
        let written = kept.write(self, of, lines, bound);
        let end = kept.segments.end();
        drop(kept);
        if end > before {
            log.lines.send_replace(end);
        }
        written
    }

    /// Lines that could not be kept never will be: a line will say how many.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn lose_printed(&self, of: &Printing, lines: &[OutputLine]) -> Result<(), StoreError> {
        let log = self.runtime_log(of.environment)?;
        let mut kept = log.kept();
        for line in lines {
            if kept.is_new(&of.container, &line.cursor.0) {
                kept.reach(of, &line.cursor.0).lost += 1;
            }
        }
        Ok(())
    }

    /// A line of our own about a container's output.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn say_of_printed(
        &self,
        of: &Printing,
        at: Timestamp,
        text: &str,
    ) -> Result<(), StoreError> {
        let log = self.runtime_log(of.environment)?;
        let mut kept = log.kept();
        let cursor = at.to_millis_string().replace('Z', "000000Z") + "/000000000";
        let mut line = String::new();
        ours(of, &cursor, text).write(&mut line);
        kept.segments.append(&line)?;
        let end = kept.segments.end();
        drop(kept);
        log.lines.send_replace(end);
        Ok(())
    }

    /// Tells of new lines of an environment's runtime log.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn printed_lines(&self, environment: Uuid) -> Result<watch::Receiver<u64>, StoreError> {
        Ok(self.runtime_log(environment)?.lines.subscribe())
    }

    /// The end of an environment's runtime log.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn printed_end(&self, environment: Uuid) -> Result<u64, StoreError> {
        Ok(self.runtime_log(environment)?.kept().segments.end())
    }

    /// Some lines from a byte on, in order.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn printed_from(
        &self,
        environment: Uuid,
        from: u64,
        filter: &RuntimeFilter,
        limit: usize,
    ) -> Result<Piece, StoreError> {
        let log = self.runtime_log(environment)?;
        pieces::forward(&log, from, filter, limit)
    }

    /// Some lines before a byte, the newest first.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn printed_before(
        &self,
        environment: Uuid,
        before: u64,
        filter: &RuntimeFilter,
        limit: usize,
    ) -> Result<Piece, StoreError> {
        let log = self.runtime_log(environment)?;
        pieces::backward(&log, before, filter, limit)
    }

    /// The runtime logs there are, by their environments, with their sizes. What has another name is none of ours.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub fn runtime_logs(&self) -> Result<Vec<(Uuid, u64)>, StoreError> {
        let directory = self.data_dir.join("runtime");
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&directory).map_err(files::fault(&directory))? {
            let entry = entry.map_err(files::fault(&directory))?;
            let name = entry.file_name();
            let Some(id) = name.to_str().and_then(|name| Uuid::try_parse(name).ok()) else {
                continue;
            };
            let inside = std::fs::read_dir(entry.path()).map_err(files::fault(&directory))?;
            let sizes = inside.filter_map(|file| Some(file.ok()?.metadata().ok()?.len()));
            found.push((id, sizes.sum()));
        }
        found.sort_unstable();
        Ok(found)
    }

    /// When an environment was removed for good: nothing is left to be done for it. The outer `None`: there is no such
    /// environment.
    ///
    /// # Errors
    /// If the database fails.
    pub fn environment_removed_at(
        &self,
        id: Uuid,
    ) -> Result<Option<Option<Timestamp>>, StoreError> {
        use rusqlite::OptionalExtension as _;
        self.read(|tx| {
            let mut statement = tx.prepare_cached(
                "SELECT CASE WHEN EXISTS (SELECT 1 FROM operation q WHERE q.environment = e.serial AND q.done_at IS NULL)
                        THEN NULL ELSE e.removed_at END
                 FROM environment e WHERE e.uuid = ?1",
            )?;
            let found = statement.query_row([id.to_string()], |row| row.get::<_, Option<i64>>(0));
            Ok(found.optional()?.map(|at| at.map(Timestamp)))
        })
    }

    /// Gives up a removed environment's runtime log.
    ///
    /// # Errors
    /// If its files cannot be removed.
    pub fn remove_runtime_log(&self, environment: Uuid) -> Result<(), StoreError> {
        let directory = self.runtime_directory(environment);
        let mut logs = self.runtime.lock();
        logs.remove(&environment);
        match std::fs::remove_dir_all(&directory) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(files::fault(&directory)(error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// A container's row as one that prints; `None` if it never was live.
    ///
    /// # Errors
    /// If its rows cannot be read.
    pub fn printing_of(&self, serial: ContainerSerial) -> Result<Option<Printing>, StoreError> {
        let row = self.container(serial)?;
        let Some(release) = row.release else {
            return Ok(None);
        };
        let environment: EnvironmentSerial = row.environment;
        Ok(Some(Printing {
            serial,
            environment: self.place_of(environment)?.environment_id,
            container: row.name,
            process: row.process,
            release: self.release(release)?.number,
        }))
    }

    fn runtime_directory(&self, environment: Uuid) -> PathBuf {
        self.data_dir.join("runtime").join(environment.to_string())
    }

    fn runtime_log(&self, environment: Uuid) -> Result<Arc<RuntimeLog>, StoreError> {
        let mut logs = self.runtime.lock();
        if let Some(log) = logs.get(&environment) {
            return Ok(log.clone());
        }
        let log = Arc::new(RuntimeLog::open(&self.runtime_directory(environment))?);
        logs.insert(environment, log.clone());
        Ok(log)
    }
}

impl RuntimeLogs {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Uuid, Arc<RuntimeLog>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A line of our own.
fn ours<'a>(of: &'a Printing, cursor: &'a str, text: &'a str) -> Written<'a> {
    Written {
        cursor,
        micros: 0,
        release: of.release,
        process: &of.process,
        container: &of.container,
        stream: Stream::Agent,
        text,
    }
}

//! Everything that must survive: the history in SQLite, the deployments' logs, the encryption key. Calls block for
//! the time of a local write (about 0.1 ms); every write is one named transaction, on disk before it returns.

mod adopt;
mod apps;
mod changes;
mod commit_statuses;
mod connections;
mod deployments;
mod disk;
mod environments;
mod events;
mod files;
mod hiding;
mod hooks;
mod kept;
mod key;
mod keys;
mod ledger;
mod logs;
mod networks;
mod one_offs;
mod operations;
mod pages;
mod phases;
mod previews;
mod principals;
mod projects;
mod recorded;
mod releases;
mod remembered;
mod retention;
mod rollouts;
mod routes;
mod rows;
mod running;
mod runs;
mod runtime;
mod schedules;
mod schema;
mod seal;
mod secrets;
mod services;
mod standing;
mod statuses;
mod tokens;
mod views;

pub use adopt::{Adoptee, Adopting, Discarded, Fellow, GivenUp, Mode};
pub use apps::{Configured, Place, PlaceError};
pub use changes::ChangeAccepted;
pub use connections::Reached;
pub use deployments::{Created, NewDeployment};
pub use environments::{Dropped, Made, StandingPlace};
pub use events::Progressed;
pub use hiding::Hidden;
pub use hooks::{HookCaller, IfThere, KeptHook};
pub use keys::Answered;
pub use ledger::Home;
pub use logs::DeploymentLog;
pub use one_offs::Owner;
pub use operations::{StepRow, Task, Unfinished};
pub use pages::ListFilter;
pub use phases::StepResult;
pub use previews::{Ending, NewPreview, NoPreview, Preview};
pub use projects::KnownPath;
pub use recorded::Wrote;
pub use releases::NoTarget;
pub use retention::{Holding, KnownProject};
pub use rollouts::{Committing, Live};
pub use running::Running;
pub use runs::{NewRun, OwnRun, RunTaken};
pub use runtime::{Piece, Printing};
pub use schedules::{Installed, Seen};
pub use secrets::{ContainerEnv, SecretError};
pub use services::ServiceRow;
pub use statuses::Posted;
pub use tokens::{NewToken, Token, TokenMade};

use crate::core::deployment::InvalidTransition;
use crate::core::ports::Random;
use crate::core::time::Timestamp;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;
use uuid::Uuid;

/// How many connections read side by side with the one that writes: requests are short, and more would only queue
/// at the processor of a small machine.
const READERS: usize = 4;

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The row is no longer in the phase the transition came from: somebody else was first.
    #[error("{0} is no longer in the phase it was")]
    Moved(String),
    /// A row that no state of ours could have written.
    #[error("the database is inconsistent: {table} {id}: {what}")]
    Inconsistent {
        /// The table.
        table: &'static str,
        /// The row's key.
        id: String,
        /// What does not fit.
        what: String,
    },
    /// There is no free network or address.
    #[error("{0}")]
    AddressesExhausted(String),
    /// A sealed value could not be opened, or the key is not the database's.
    #[error("{0}")]
    Key(String),
    /// SQLite said no.
    #[error("the database failed: {0}")]
    Database(#[from] rusqlite::Error),
    /// The file system said no.
    #[error("{path}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// Its error.
        error: std::io::Error,
    },
    /// There is no space left.
    #[error("the disk of data_dir {} is full ({} free)", .data_dir.display(), bytesize::ByteSize(*.free))]
    DiskFull {
        /// The data directory.
        data_dir: PathBuf,
        /// How many bytes are free.
        free: u64,
    },
    /// The data directory cannot be used.
    #[error("{0}")]
    Unusable(String),
    /// The process is ending; nothing more is written.
    #[error("the store is closed")]
    Closed,
}

/// Whoever asks for a transition looked at the phase in the same breath: one that does not exist is a fault of ours.
impl From<InvalidTransition> for StoreError {
    fn from(error: InvalidTransition) -> Self {
        Self::Inconsistent {
            table: "operation",
            id: "at work".into(),
            what: error.to_string(),
        }
    }
}

/// A moment around a commit, for those who watch them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Everything is written, nothing is committed.
    Before,
    /// It is on disk; the caller does not know yet.
    After,
}

/// Is asked around every commit with the transaction's name; `false` refuses it before and hides the result after,
/// as the end of the process at that moment would.
pub type CommitWatch = Arc<dyn Fn(Moment, &'static str) -> bool + Send + Sync>;

/// What opening needs from outside.
pub struct OpenWith {
    /// The present time.
    pub now: Timestamp,
    /// For the instance's id and the key.
    pub random: Random,
    /// Where systemd puts credentials, if it does.
    pub credentials_directory: Option<PathBuf>,
    /// Watches commits.
    pub watch: Option<CommitWatch>,
}

/// The open data directory. One process at a time.
pub struct Store {
    writer: Mutex<Connection>,
    readers: Mutex<Vec<Connection>>,
    changed: watch::Sender<u64>,
    lines: watch::Sender<u64>,
    commit_watch: Option<CommitWatch>,
    seal: seal::Seal,
    random: Random,
    instance: Uuid,
    data_dir: PathBuf,
    disk: disk::Disk,
    lost: Arc<logs::Lost>,
    runtime: runtime::RuntimeLogs,
    tokens: remembered::Remembered,
    credentials_directory: Option<PathBuf>,
    /// Held for as long as the store is open; the kernel lets go of it when the process ends, however it ends.
    _lock: std::fs::File,
}

impl Store {
    /// Opens the data directory, making what is missing, and brings the schema up to date.
    ///
    /// # Errors
    /// If another process has it open, it cannot be written, or the key does not fit the database.
    pub fn open(data_dir: &Path, with: OpenWith) -> Result<Self, StoreError> {
        files::make_private_dir(data_dir)?;
        let lock = files::lock(data_dir)?;
        let disk = disk::Disk::of(data_dir);
        let opened = disk.with_reserve(|| open_database(data_dir, &with))?;
        if !disk.keep() {
            tracing::warn!(
                "there is no room for the reserve in data_dir: {}",
                disk.full()
            );
        }
        let Opened {
            writer,
            readers,
            seal,
            instance,
        } = opened;
        Ok(Self {
            writer: Mutex::new(writer),
            readers: Mutex::new(readers),
            changed: watch::Sender::new(0),
            lines: watch::Sender::new(0),
            commit_watch: with.watch,
            seal,
            random: with.random,
            instance,
            data_dir: data_dir.to_owned(),
            disk,
            lost: Arc::default(),
            runtime: runtime::RuntimeLogs::default(),
            tokens: remembered::Remembered::default(),
            credentials_directory: with.credentials_directory,
            _lock: lock,
        })
    }

    /// The id all objects of this database carry.
    #[must_use]
    pub fn instance(&self) -> Uuid {
        self.instance
    }

    /// How many bytes the database takes on the disk, with its write-ahead log.
    #[must_use]
    pub fn size(&self) -> u64 {
        let size = |name| std::fs::metadata(self.data_dir.join(name)).map_or(0, |file| file.len());
        size("longshore.db") + size("longshore.db-wal")
    }

    /// Where everything is kept.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Tells of every commit. A reader that takes this before it looks misses nothing.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Tells of every line of a log.
    #[must_use]
    pub fn lines(&self) -> watch::Receiver<u64> {
        self.lines.subscribe()
    }

    /// One named transaction, committed and synced before it returns. It records what happened, so where the disk is
    /// full it takes of the reserve.
    fn write<T>(
        &self,
        name: &'static str,
        mut work: impl FnMut(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let value = match self.attempt(name, &mut work) {
            Err(error) if self.disk.is_full(&error) => {
                self.reuse_wal();
                self.disk.with_reserve(|| self.attempt(name, &mut work))?
            }
            done => done?,
        };
        self.disk.keep();
        Ok(value)
    }

    /// As [`Store::write`], for what begins something new or can be done again later: it leaves the reserve alone.
    fn write_sparing<T>(
        &self,
        name: &'static str,
        mut work: impl FnMut(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match self.attempt(name, &mut work) {
            Err(error) if self.disk.is_full(&error) => {
                self.reuse_wal();
                match self.attempt(name, &mut work) {
                    Err(error) if self.disk.is_full(&error) => Err(self.disk.full()),
                    done => done,
                }
            }
            done => done,
        }
    }

    fn attempt<T>(
        &self,
        name: &'static str,
        work: &mut impl FnMut(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let value = work(&transaction)?;
        self.pass(Moment::Before, name)?;
        transaction.commit()?;
        drop(writer);
        tell(&self.changed);
        self.pass(Moment::After, name)?;
        Ok(value)
    }

    /// Moves what is in the write-ahead log into the database, so that the log's own blocks are written again
    /// instead of new ones. That it fails changes nothing.
    fn reuse_wal(&self) {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let moved = writer.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        if let Err(error) = moved {
            tracing::debug!(%error, "the write-ahead log cannot be moved into the database");
        }
    }

    /// Whether there is room to begin something new; makes the reserve whole again where there is.
    ///
    /// # Errors
    /// [`StoreError::DiskFull`] if there is not.
    pub fn room(&self) -> Result<(), StoreError> {
        self.disk.room()
    }

    /// Whether the database answers: the connection that writes is to be had, and both it and one that reads reach the disk's file.
    ///
    /// # Errors
    /// If SQLite says no.
    pub fn answers(&self) -> Result<(), StoreError> {
        let look = "SELECT count(*) FROM instance";
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer.query_row(look, [], |_| Ok(()))?;
        drop(writer);
        self.read(|transaction| Ok(transaction.query_row(look, [], |_| Ok(()))?))
    }

    /// One look at the database as it was at one moment.
    fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let pooled = self
            .readers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let connection = match pooled {
            Some(connection) => connection,
            None => schema::connect(&self.data_dir.join("longshore.db"))?,
        };
        // Prepared once: rusqlite's own transactions have theirs parsed anew each time, which is felt in short reads.
        connection.prepare_cached("BEGIN DEFERRED")?.execute([])?;
        let value = work(&connection);
        // One whose transaction is stuck is not used again.
        connection.prepare_cached("COMMIT")?.execute([])?;
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if readers.len() < READERS {
            readers.push(connection);
        }
        value
    }

    fn pass(&self, moment: Moment, name: &'static str) -> Result<(), StoreError> {
        match &self.commit_watch {
            Some(watch) if !watch(moment, name) => Err(StoreError::Closed),
            Some(_) | None => Ok(()),
        }
    }

    fn random_uuid(&self) -> Uuid {
        let mut bytes = [0; 16];
        (self.random)(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }
}

/// What opening the database gives.
struct Opened {
    writer: Connection,
    readers: Vec<Connection>,
    seal: seal::Seal,
    instance: Uuid,
}

fn open_database(data_dir: &Path, with: &OpenWith) -> Result<Opened, StoreError> {
    let database = data_dir.join("longshore.db");
    let known = database.exists();
    let credentials = with.credentials_directory.as_deref();
    let key = key::Key::find(data_dir, credentials, known, &with.random)?;
    let seal = seal::Seal::new(&key, &with.random)?;
    files::make_private_file(&database)?;
    let mut writer = schema::connect(&database)?;
    schema::migrate(&mut writer)?;
    let instance =
        schema::instance(&mut writer, &seal, with)?.ok_or_else(|| key.wrong(&database))?;
    files::keep_text(&data_dir.join("instance"), &format!("{instance}\n"))?;
    for name in ["logs", "runtime", "git", "work"] {
        files::make_private_dir(&data_dir.join(name))?;
    }
    let readers = (0..READERS)
        .map(|_| schema::connect(&database))
        .collect::<Result<_, _>>()?;
    Ok(Opened {
        writer,
        readers,
        seal,
        instance,
    })
}

fn tell(channel: &watch::Sender<u64>) {
    channel.send_modify(|count| *count = count.wrapping_add(1));
}

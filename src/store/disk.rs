//! The disk of the data directory: how much of it is free, and a reserve that lets what happened be recorded when
//! nothing is.
//!
//! The reserve is a file whose blocks are really allocated. What records an outcome takes it piece by piece; it is
//! made whole again as soon as there is room. What begins something new, or can be begun again, never takes of it.

use super::{StoreError, files};
use nix::fcntl::posix_fallocate;
use nix::sys::statvfs::statvfs;
use rusqlite::ErrorCode;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// How large the reserve is: an outcome with what it leaves to be undone is a dozen pages of 4 KiB; this is enough
/// for every environment of a large host.
const RESERVE: u64 = 4 * 1024 * 1024;
/// How much of it is given at once. Whoever fills the disk may be quicker than we to take what becomes free; with
/// several pieces there are several tries.
const PIECE: u64 = 512 * 1024;
/// What must be free beside the reserve before something new is begun: its own rows and log need as much.
const ROOM: u64 = 1024 * 1024;
/// Errors that can have many causes are a full disk's where less than this is free.
const NOTHING: u64 = 128 * 1024;

/// The disk and the reserve on it.
pub(super) struct Disk {
    data_dir: PathBuf,
    /// Held while the reserve's size changes.
    resizing: Mutex<()>,
    short: AtomicBool,
}

impl Disk {
    pub(super) fn of(data_dir: &Path) -> Self {
        Self {
            data_dir: data_dir.to_owned(),
            resizing: Mutex::new(()),
            short: AtomicBool::new(true),
        }
    }

    /// Bytes that are free for this process; none where that cannot be found out.
    pub(super) fn free(&self) -> u64 {
        statvfs(&self.data_dir).map_or(0, |found| found.blocks_available() * found.fragment_size())
    }

    /// The error that says so.
    pub(super) fn full(&self) -> StoreError {
        StoreError::DiskFull {
            data_dir: self.data_dir.clone(),
            free: self.free(),
        }
    }

    /// Whether an error comes from a disk without space.
    pub(super) fn is_full(&self, error: &StoreError) -> bool {
        match error {
            StoreError::DiskFull { .. } => true,
            StoreError::Database(error) => match error.sqlite_error_code() {
                Some(ErrorCode::DiskFull) => true,
                // The index of the WAL, or a file beside the database, could not be made.
                Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) => self.free() < NOTHING,
                Some(_) | None => false,
            },
            StoreError::File { error, .. } => is_full(error),
            StoreError::Moved(_)
            | StoreError::Inconsistent { .. }
            | StoreError::AddressesExhausted(_)
            | StoreError::Key(_)
            | StoreError::Unusable(_)
            | StoreError::Closed => false,
        }
    }

    /// Does something that must not fail for want of space, with the reserve if need be.
    pub(super) fn with_reserve<T>(
        &self,
        mut work: impl FnMut() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        loop {
            match work() {
                Err(error) if self.is_full(&error) => {
                    if !self.give()? {
                        return Err(self.full());
                    }
                }
                done => return done,
            }
        }
    }

    /// Whether there is room to begin something new.
    pub(super) fn room(&self) -> Result<(), StoreError> {
        if self.keep() && self.free() >= ROOM {
            Ok(())
        } else {
            Err(self.full())
        }
    }

    /// Makes the reserve whole where there is room for it and more; says whether it is whole. Cheap while it is.
    pub(super) fn keep(&self) -> bool {
        if !self.short.load(Ordering::Relaxed) {
            return true;
        }
        let _alone = self.resizing.lock().unwrap_or_else(PoisonError::into_inner);
        let made = self.make();
        if let Err(error) = &made {
            tracing::debug!(%error, "the reserve in data_dir cannot be made");
        }
        let whole = made.unwrap_or(false);
        self.short.store(!whole, Ordering::Relaxed);
        whole
    }

    fn make(&self) -> io::Result<bool> {
        let file = self.open()?;
        let there = file.metadata()?.len();
        if there == RESERVE {
            return Ok(true);
        }
        if self.free() < (RESERVE - there.min(RESERVE)) + ROOM {
            return Ok(false);
        }
        let length = i64::try_from(RESERVE).map_err(io::Error::other)?;
        if let Err(error) = posix_fallocate(&file, 0, length) {
            // Blocks it has got are given back, or they would be lost for what the reserve is for.
            file.set_len(there)?;
            return Err(error.into());
        }
        file.set_len(RESERVE)?;
        file.sync_all()?;
        Ok(true)
    }

    /// Gives a piece of the reserve to the disk; false if there is none left.
    fn give(&self) -> Result<bool, StoreError> {
        let _alone = self.resizing.lock().unwrap_or_else(PoisonError::into_inner);
        self.short.store(true, Ordering::Relaxed);
        let give = || -> io::Result<bool> {
            let file = match OpenOptions::new().write(true).open(self.path()) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
                opened => opened?,
            };
            let there = file.metadata()?.len();
            file.set_len(there.saturating_sub(PIECE))?;
            Ok(there > 0)
        };
        let given = give().map_err(files::fault(&self.path()))?;
        if given {
            tracing::warn!(
                "the disk of data_dir is full: a piece of the reserve is used to record what happened"
            );
        }
        Ok(given)
    }

    fn open(&self) -> io::Result<File> {
        OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(self.path())
    }

    fn path(&self) -> PathBuf {
        self.data_dir.join("reserve")
    }
}

/// Whether a file system's error says that there is no space.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

//! The data directory on disk: private directories, whole writes, the lock.

use super::StoreError;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

pub(super) fn fault(path: &Path) -> impl FnOnce(std::io::Error) -> StoreError + '_ {
    move |error| StoreError::File {
        path: path.to_owned(),
        error,
    }
}

/// Makes a directory that only this user can enter; one that exists is left as it is.
pub(super) fn make_private_dir(path: &Path) -> Result<(), StoreError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(fault(path))
}

/// Makes an empty file that only this user can read; SQLite gives the files beside a database the database's mode.
pub(super) fn make_private_file(path: &Path) -> Result<(), StoreError> {
    let opened = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path);
    opened.map(drop).map_err(fault(path))
}

/// Takes the data directory for this process. Two daemons on one database would each believe to be the only driver.
pub(super) fn lock(data_dir: &Path) -> Result<File, StoreError> {
    let path = data_dir.join("lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(fault(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Unusable(format!(
            "{} is in use by another longshore; stop that one or give this one a data_dir of its own",
            data_dir.display()
        ))),
        Err(TryLockError::Error(error)) => Err(fault(&path)(error)),
    }
}

/// Writes a small file whole or not at all: temporary file, sync, rename, sync of the directory.
pub(super) fn write_private(path: &Path, content: &[u8]) -> Result<(), StoreError> {
    write_with_mode(path, content, 0o600)
}

/// As [`write_private`], for what everybody who may enter the directory may read; a file that says so already is
/// left as it is, which needs no space.
pub(super) fn keep_text(path: &Path, content: &str) -> Result<(), StoreError> {
    if std::fs::read(path).is_ok_and(|found| found == content.as_bytes()) {
        return Ok(());
    }
    write_with_mode(path, content.as_bytes(), 0o644)
}

fn write_with_mode(path: &Path, content: &[u8], mode: u32) -> Result<(), StoreError> {
    let temporary = path.with_extension("new");
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(mode)
            .open(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)?;
        match path.parent() {
            Some(parent) => File::open(parent)?.sync_all(),
            None => Ok(()),
        }
    };
    write().map_err(fault(path))
}

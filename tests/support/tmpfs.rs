//! A small disk of a test's own: a tmpfs that is mounted for it, filled and emptied by it, and unmounted at its end.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// One at a time in a process: a program that is just being started by another test holds, for a moment, every file
/// this process has open, and with it the lock of a data directory that is to be opened again.
static ALONE: Mutex<()> = Mutex::new(());

/// A mounted tmpfs.
pub struct Tmpfs {
    dir: tempfile::TempDir,
    _alone: MutexGuard<'static, ()>,
}

impl Tmpfs {
    /// Mounts one of this size (`16m`).
    pub fn mount(size: &str) -> Self {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let dir = tempfile::tempdir().unwrap();
        let options = format!("size={size},mode=0700");
        let output = run(
            "mount",
            &["-t", "tmpfs", "-o", &options, "longshore-test"],
            dir.path(),
        );
        assert!(
            output.status.success(),
            "a tmpfs cannot be mounted: {}these tests fill a real disk and must be run as root, where mounting is allowed",
            String::from_utf8_lossy(&output.stderr)
        );
        Self { dir, _alone: alone }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// How it is filled, for somebody who outlives this borrow.
    pub fn ballast(&self) -> Ballast {
        Ballast(self.path().join("ballast"))
    }

    /// How many bytes are free.
    pub fn free(&self) -> u64 {
        let found = nix::sys::statvfs::statvfs(self.path()).unwrap();
        found.blocks_available() * found.fragment_size()
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // Lazily: a program that is just being ended may still hold a file.
        let output = run("umount", &["-l"], self.path());
        if !std::thread::panicking() {
            assert!(output.status.success(), "{output:?}");
        }
    }
}

/// A file that takes space.
#[derive(Clone)]
pub struct Ballast(PathBuf);

impl Ballast {
    /// Takes all the space there is.
    pub fn fill(&self) {
        let mut file = File::options()
            .create(true)
            .append(true)
            .open(&self.0)
            .unwrap();
        for piece in [vec![0; 64 * 1024], vec![0; 4096]] {
            loop {
                match file.write_all(&piece) {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }

    /// Takes all but about this much.
    pub fn fill_but(&self, bytes: u64) {
        self.fill();
        let file = File::options().write(true).open(&self.0).unwrap();
        let length = file.metadata().unwrap().len();
        file.set_len(length.saturating_sub(bytes)).unwrap();
    }

    /// Gives the space back.
    pub fn remove(&self) {
        std::fs::remove_file(&self.0).unwrap();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "mounting is a program's business"
)]
fn run(program: &str, arguments: &[&str], place: &Path) -> std::process::Output {
    Command::new(program)
        .args(arguments)
        .arg(place)
        .output()
        .unwrap()
}

/// The database on that disk is whole, and holds so many deployments.
#[expect(
    clippy::disallowed_methods,
    reason = "the test looks at what the program left"
)]
pub fn assert_sound(data_dir: &Path, deployments: i64) {
    let connection = rusqlite::Connection::open(data_dir.join("longshore.db")).unwrap();
    let said: String = connection
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(said, "ok");
    let count: i64 = connection
        .query_row("SELECT count(*) FROM deployment", [], |row| row.get(0))
        .unwrap();
    assert_eq!(count, deployments);
}

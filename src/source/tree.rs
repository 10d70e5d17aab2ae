//! A checked-out tree on disk: the proof that it is whole, and its removal.

use super::place::Place;
use crate::core::deployment::CommitInfo;
use crate::core::name::Sha;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// The proof, kept outside the tree and written last. It names the boot it was written in: what a running system
/// wrote it reads back, but after a power loss the proof may have reached the disk and the tree not.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Marker {
    boot: String,
    sha: Sha,
    commit: CommitInfo,
}

/// What is known of the tree's commit, if the tree is whole and of that commit.
pub(super) fn proven(place: &Place, id: Uuid, sha: &Sha) -> Option<CommitInfo> {
    let text = std::fs::read(place.marker(id)).ok()?;
    let marker: Marker = serde_json::from_slice(&text).ok()?;
    let is_dir = place.tree(id).symlink_metadata().ok()?.is_dir();
    (is_dir && marker.sha == *sha && marker.boot == boot().ok()?).then_some(marker.commit)
}

/// Writes the proof: whole under its name, or not at all.
pub(super) fn prove(place: &Place, id: Uuid, sha: &Sha, commit: &CommitInfo) -> io::Result<()> {
    let marker = Marker {
        boot: boot()?,
        sha: sha.clone(),
        commit: commit.clone(),
    };
    let path = place.marker(id);
    let new = path.with_extension("whole.new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(&serde_json::to_vec(&marker)?)?;
    file.sync_all()?;
    std::fs::rename(&new, &path)?;
    File::open(place.work())?.sync_all()
}

/// The proof goes first, so that no half-removed tree is taken for whole.
pub(super) async fn discard(place: &Place, id: Uuid) -> io::Result<()> {
    match std::fs::remove_file(place.marker(id)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    // Out of the way at once: a git that is just being killed, or an earlier removal still at work, may write
    // there for a moment.
    place.set_aside(&place.tree(id))?;
    let prefix = id.to_string();
    let entries = match std::fs::read_dir(place.work()) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        if entry
            .file_name()
            .as_encoded_bytes()
            .starts_with(prefix.as_bytes())
        {
            remove_all(entry.path()).await?;
        }
    }
    Ok(())
}

/// Removes whatever it is, never through a symlink; fine if it is gone.
pub(super) async fn remove_all(path: PathBuf) -> io::Result<()> {
    tokio::task::spawn_blocking(move || remove_now(&path))
        .await
        .map_err(io::Error::other)?
}

fn remove_now(path: &Path) -> io::Result<()> {
    /// A process that was killed may add a file while we remove; a second time is enough, more is certain.
    const TRIES: usize = 5;
    let mut last = Ok(());
    for _ in 0..TRIES {
        last = match path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
            Ok(found) if found.is_dir() => std::fs::remove_dir_all(path),
            Ok(_) => std::fs::remove_file(path),
        };
        match &last {
            Ok(()) => return Ok(()),
            Err(_) => make_removable(path),
        }
    }
    last.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

/// Gives us back the right to change directories that somebody made read-only. Each is opened up before it is
/// read; what cannot be is told by the removal.
fn make_removable(path: &Path) {
    let mut dirs = vec![path.to_owned()];
    while let Some(dir) = dirs.pop() {
        let is_dir = dir.symlink_metadata().is_ok_and(|found| found.is_dir());
        if !is_dir || std::fs::set_permissions(&dir, Permissions::from_mode(0o700)).is_err() {
            continue;
        }
        let Ok(entries) = std::fs::read_dir(&dir) else {
            continue;
        };
        dirs.extend(
            entries
                .filter_map(Result::ok)
                .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
                .map(|entry| entry.path()),
        );
    }
}

fn boot() -> io::Result<String> {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    Ok(id.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_only_directories_are_opened_up_and_symlinks_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (outside, tree) = (dir.path().join("outside"), dir.path().join("tree"));
        std::fs::create_dir_all(outside.join("kept")).unwrap();
        std::fs::create_dir_all(tree.join("a/b")).unwrap();
        std::os::unix::fs::symlink(&outside, tree.join("a/link")).unwrap();
        for closed in [tree.join("a/b"), tree.join("a"), outside.clone()] {
            std::fs::set_permissions(closed, Permissions::from_mode(0o500)).unwrap();
        }
        make_removable(&tree);
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&tree.join("a/b")), mode(&outside)), (0o700, 0o500));
        remove_now(&tree).unwrap();
        remove_now(&tree).unwrap();
        assert!(!tree.exists() && outside.join("kept").exists());
        std::fs::set_permissions(&outside, Permissions::from_mode(0o700)).unwrap();
    }
}

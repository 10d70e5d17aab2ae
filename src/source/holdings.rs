//! What trees and mirrors take of the disk.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// The trees with everything that belongs to each. What has another name is none of ours and is not looked at.
pub(super) fn trees(work: &Path) -> io::Result<Vec<(Uuid, u64)>> {
    let entries = match std::fs::read_dir(work) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found: BTreeMap<Uuid, u64> = BTreeMap::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let id = name.split('.').next().unwrap_or_default();
        if let Ok(id) = Uuid::try_parse(id) {
            *found.entry(id).or_default() += size(&entry.path());
        }
    }
    Ok(found.into_iter().collect())
}

/// How much these directories take together; `None` if none of them is there.
pub(super) fn size_of(dirs: &[PathBuf]) -> io::Result<Option<u64>> {
    let there: Vec<u64> = dirs
        .iter()
        .filter(|dir| dir.symlink_metadata().is_ok())
        .map(|dir| size(dir))
        .collect();
    Ok((!there.is_empty()).then(|| there.iter().sum()))
}

/// The blocks of what is there; what vanishes while we look is not counted.
fn size(path: &Path) -> u64 {
    walkdir::WalkDir::new(path)
        .into_iter()
        .filter_map(Result::ok)
        .filter_map(|entry| entry.metadata().ok())
        .map(|found| found.blocks() * 512)
        .sum()
}

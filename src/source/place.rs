//! Where things are kept under the data directory, and the making of directories nobody else can enter.
//!
//! ```text
//! <data_dir>/known_hosts             ssh's host keys, each taken when the host was first seen
//! <data_dir>/git/home                git's HOME, empty
//! <data_dir>/git/keys/<pid>-<n>/key  a private key while a call needs it
//! <data_dir>/git/<project>.git       bare mirror
//! <data_dir>/git/<project>.git/merging/  what a merge makes, until it is pushed
//! <data_dir>/git/<project>.modules/  bare mirrors of the project's submodules
//! <data_dir>/work/<id>               tree
//! <data_dir>/work/<id>.whole         proof that the tree is whole
//! <data_dir>/work/<id>.index         git's index while the tree is written
//! ```

use crate::core::reference::Reference;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use uuid::Uuid;

/// What a file name keeps of a project's path.
const KEPT: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');

/// The longest file name made of a project's path; with the endings it stays under the file system's 255.
const LONGEST_NAME: usize = 180;

/// The directories of the source.
#[derive(Debug)]
pub(super) struct Place {
    data_dir: PathBuf,
    /// Makes names unique within the process.
    number: AtomicU64,
}

impl Place {
    pub(super) fn new(data_dir: PathBuf) -> Self {
        Self {
            data_dir,
            number: AtomicU64::new(0),
        }
    }

    pub(super) fn known_hosts(&self) -> PathBuf {
        self.data_dir.join("known_hosts")
    }

    pub(super) fn home(&self) -> PathBuf {
        self.git().join("home")
    }

    pub(super) fn keys(&self) -> PathBuf {
        self.git().join("keys")
    }

    pub(super) fn mirror(&self, project: &str) -> PathBuf {
        self.git().join(format!("{}.git", file_name(project)))
    }

    /// The mirror of a submodule. It is the project's own: another project may not have the right to read it.
    pub(super) fn module_mirror(&self, project: &str, address: &str) -> PathBuf {
        let modules = self.git().join(format!("{}.modules", file_name(project)));
        modules.join(format!("{}.git", digest(address)))
    }

    /// Everything that is mirrored for a project.
    pub(super) fn mirrors_of(&self, project: &str) -> [PathBuf; 2] {
        let modules = self.git().join(format!("{}.modules", file_name(project)));
        [self.mirror(project), modules]
    }

    pub(super) fn work(&self) -> PathBuf {
        self.data_dir.join("work")
    }

    pub(super) fn tree(&self, id: Uuid) -> PathBuf {
        self.work().join(id.to_string())
    }

    pub(super) fn marker(&self, id: Uuid) -> PathBuf {
        self.work().join(format!("{id}.whole"))
    }

    pub(super) fn index(&self, id: Uuid) -> PathBuf {
        self.work().join(format!("{id}.index"))
    }

    /// Makes the directories that are always needed.
    pub(super) fn prepare(&self) -> io::Result<()> {
        for dir in [self.git(), self.home(), self.keys(), self.work()] {
            private_dir(&dir)?;
        }
        Ok(())
    }

    /// How many bytes are free on the disk.
    pub(super) fn free(&self) -> u64 {
        nix::sys::statvfs::statvfs(&self.data_dir)
            .map_or(0, |found| found.blocks_available() * found.fragment_size())
    }

    /// A number no other call in this process has.
    pub(super) fn next_number(&self) -> u64 {
        self.number.fetch_add(1, Ordering::Relaxed)
    }

    /// Takes what is there out of the way at once, under a name that begins with the old one, and returns that
    /// name: whoever still writes in it or removes it cannot touch what is made anew. `None` if nothing is there.
    pub(super) fn set_aside(&self, path: &Path) -> io::Result<Option<PathBuf>> {
        loop {
            let mut name = path.as_os_str().to_owned();
            name.push(format!(".gone-{}", self.next_number()));
            let aside = PathBuf::from(name);
            if aside.symlink_metadata().is_ok() {
                continue;
            }
            return match std::fs::rename(path, &aside) {
                Ok(()) => Ok(Some(aside)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            };
        }
    }

    fn git(&self) -> PathBuf {
        self.data_dir.join("git")
    }
}

/// The ref in a mirror that holds a branch's head, or what a tag named, as it was last seen. A digest, because the names of branches
/// that were there at different times may exclude each other (`a` and `a/b`).
pub(super) fn reference_ref(reference: &Reference) -> String {
    let kind = reference.kind();
    format!("refs/longshore/{kind}/{}", digest(reference.as_str()))
}

/// Makes a directory that only we can enter, or makes sure that it is one.
pub(super) fn private_dir(path: &Path) -> io::Result<()> {
    match path.symlink_metadata() {
        Ok(found) if found.is_dir() && found.permissions().mode() & 0o777 == 0o700 => Ok(()),
        Ok(found) if found.is_dir() => {
            std::fs::set_permissions(path, Permissions::from_mode(0o700))
        }
        Ok(_) => Err(io::Error::new(
            io::ErrorKind::NotADirectory,
            "longshore keeps its files in a directory of its own, and here is something else; move it away",
        )),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            DirBuilder::new().recursive(true).mode(0o700).create(path)
        }
        Err(error) => Err(error),
    }
    .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

fn file_name(project: &str) -> String {
    let name = utf8_percent_encode(project, &KEPT).to_string();
    let name = match name.strip_prefix('.') {
        Some(rest) => format!("%2E{rest}"),
        None => name,
    };
    if name.len() <= LONGEST_NAME {
        return name;
    }
    format!("{}%{}", &name[..LONGEST_NAME - 64], digest(project))
}

fn digest(text: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn projects_are_one_directory_each() {
        assert_eq!(file_name("acme/web"), "acme%2Fweb");
        assert_eq!(file_name("../../etc"), "%2E.%2F..%2Fetc");
        assert_eq!(file_name(""), "");
        assert_ne!(file_name(&"a/".repeat(99)), file_name(&"a/".repeat(98)));
    }

    proptest! {
        #[test]
        fn no_project_leaves_the_directory(a in any::<String>(), b in any::<String>()) {
            let name = file_name(&a);
            prop_assert!(name.len() < 200 && !name.contains('/') && !name.starts_with('.') && !name.contains('\0'));
            prop_assert_eq!(name == file_name(&b), a == b);
        }
    }
}

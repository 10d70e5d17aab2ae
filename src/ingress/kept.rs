//! The route table on disk, so that the ingress serves from its first moment. It is written whole or not at all, and
//! belongs to one process at a time.

use crate::core::route::Table;
use serde::{Deserialize, Serialize};
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// What the file looks like. A version that means something else by the same words counts it up.
const FORMAT: u32 = 1;
/// Files that could not be read and were kept for somebody to look at; the last place is used again and again.
const MOST_SET_ASIDE: usize = 9;

/// Why the table cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum KeptError {
    /// Two that write one file would each undo what the other acknowledged.
    #[error(
        "{} is in use by another ingress; stop that one or give this one an ingress.data_dir of its own",
        .0.display()
    )]
    InUse(PathBuf),
    /// The file system said no.
    #[error("{}: {error}", path.display())]
    File {
        /// What was to be read or written.
        path: PathBuf,
        /// What it said.
        error: io::Error,
    },
}

#[derive(Serialize)]
struct Written<'a> {
    format: u32,
    table: &'a Table,
}

/// All that is sure about a file of any format.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

#[derive(Deserialize)]
struct Found {
    table: Table,
}

/// The directory of the table, held by this process until it ends.
#[derive(Debug)]
pub(super) struct Kept {
    directory: PathBuf,
    _lock: File,
}

impl Kept {
    /// Takes the directory, making it if need be, and reads what was kept there. What cannot be read is told and set
    /// aside: the ingress then begins without routes, as it would at its very first start.
    pub(super) fn open(directory: &Path) -> Result<(Self, Option<Table>), KeptError> {
        make_directory(directory)?;
        let kept = Self {
            directory: directory.to_owned(),
            _lock: lock(directory)?,
        };
        let path = kept.path();
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((kept, None)),
            Err(error) => return Err(fault(&path)(error)),
        };
        match understand(&text) {
            Ok(table) => Ok((kept, Some(table))),
            Err(why) => {
                let aside = kept.set_aside()?;
                tracing::error!(
                    "the kept route table {} cannot be used: {why}. It is now {}; nothing is routed until the control plane tells the routes",
                    path.display(),
                    aside.display()
                );
                Ok((kept, None))
            }
        }
    }

    /// Puts this table in place of the one before. When it returns, a power cut does not undo it; when it fails, one of
    /// the two is there, whole.
    pub(super) fn write(&mut self, table: &Table) -> Result<(), KeptError> {
        let path = self.path();
        let temporary = self.directory.join("table.json.new");
        let text = serde_json::to_vec(&Written {
            format: FORMAT,
            table,
        })
        .map_err(|error| fault(&path)(error.into()))?;
        let written = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&temporary)
            .and_then(|mut file| {
                file.write_all(&text)?;
                file.sync_all()
            });
        if let Err(error) = written {
            // Half a file on a full disk would only keep it full.
            let _ = std::fs::remove_file(&temporary);
            return Err(fault(&temporary)(error));
        }
        std::fs::rename(&temporary, &path).map_err(fault(&path))?;
        sync_directory(&self.directory)
    }

    fn path(&self) -> PathBuf {
        self.directory.join("table.json")
    }

    fn set_aside(&self) -> Result<PathBuf, KeptError> {
        let place = |number| self.directory.join(format!("table.json.unusable-{number}"));
        let free = (1..MOST_SET_ASIDE)
            .map(place)
            .find(|path| !path.exists())
            .unwrap_or_else(|| place(MOST_SET_ASIDE));
        std::fs::rename(self.path(), &free).map_err(fault(&free))?;
        sync_directory(&self.directory)?;
        Ok(free)
    }
}

/// Reads the file's text, or says why it cannot be read.
fn understand(text: &[u8]) -> Result<Table, String> {
    let damaged = |error: serde_json::Error| format!("it is damaged ({error})");
    let Format { format } = serde_json::from_slice(text).map_err(damaged)?;
    if format != FORMAT {
        return Err(format!(
            "it has format {format}, and this version reads {FORMAT}: another version of longshore wrote it"
        ));
    }
    let Found { table } = serde_json::from_slice(text).map_err(damaged)?;
    Ok(table)
}

fn make_directory(directory: &Path) -> Result<(), KeptError> {
    if directory.is_dir() {
        return Ok(());
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(fault(directory))?;
    match directory.parent() {
        Some(parent) => sync_directory(parent),
        None => Ok(()),
    }
}

fn lock(directory: &Path) -> Result<File, KeptError> {
    let path = directory.join("lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(fault(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(KeptError::InUse(directory.to_owned())),
        Err(TryLockError::Error(error)) => Err(fault(&path)(error)),
    }
}

fn sync_directory(directory: &Path) -> Result<(), KeptError> {
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(fault(directory))
}

fn fault(path: &Path) -> impl FnOnce(io::Error) -> KeptError + '_ {
    move |error| KeptError::File {
        path: path.to_owned(),
        error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::route::{Absence, Domain, Route, Service, Target};
    use std::os::unix::fs::PermissionsExt as _;
    use uuid::Uuid;

    fn table(generation: i64) -> Table {
        let route = |domain: &str, target| Route {
            domain: Domain::parse(domain).unwrap(),
            service: Service {
                app: "web".into(),
                environment: "production".into(),
            },
            target,
        };
        Table {
            instance: Uuid::from_u128(7),
            generation,
            routes: vec![
                route(
                    "*.example.com/docs",
                    Target::Container("10.0.0.2:80".parse().unwrap()),
                ),
                route(
                    "api.example.com",
                    Target::Api("[::1]:7470".parse().unwrap()),
                ),
                route("*", Target::Nobody(Absence::NotDeployed)),
            ],
        }
    }

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn what_was_written_is_read_by_the_next_process_and_by_nobody_else() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("ingress");
        let (mut kept, found) = Kept::open(&place).unwrap();
        assert_eq!(found, None);
        for generation in [1, 2] {
            kept.write(&table(generation)).unwrap();
        }
        drop(kept);
        let (_, found) = Kept::open(&place).unwrap();
        assert_eq!(found, Some(table(2)));
        assert_eq!(mode(&place), 0o700);
        assert_eq!(mode(&place.join("table.json")), 0o600);
        assert!(!place.join("table.json.new").exists());
    }

    #[test]
    fn the_form_on_disk_is_what_earlier_versions_wrote() {
        let directory = tempfile::tempdir().unwrap();
        let text = r#"{"format":1,"table":{"instance":"00000000-0000-0000-0000-000000000007","generation":3,"routes":[
            {"domain":"*.example.com/docs","service":{"app":"web","environment":"production"},"target":{"container":"10.0.0.2:80"}},
            {"domain":"api.example.com","service":{"app":"web","environment":"production"},"target":{"api":"[::1]:7470"}},
            {"domain":"*","service":{"app":"web","environment":"production"},"target":{"nobody":"not_deployed"}}]}}"#;
        std::fs::write(directory.path().join("table.json"), text).unwrap();
        let (_, found) = Kept::open(directory.path()).unwrap();
        assert_eq!(found, Some(table(3)));
    }

    #[test]
    fn two_processes_cannot_keep_one_table() {
        let directory = tempfile::tempdir().unwrap();
        let (first, _) = Kept::open(directory.path()).unwrap();
        let refused = Kept::open(directory.path()).unwrap_err().to_string();
        assert!(refused.contains("in use by another ingress"), "{refused}");
        drop(first);
        Kept::open(directory.path()).unwrap();
    }

    #[test]
    fn what_cannot_be_read_is_set_aside_and_never_lost() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("table.json");
        let mut whole = Vec::new();
        let (mut kept, _) = Kept::open(directory.path()).unwrap();
        kept.write(&table(1)).unwrap();
        drop(kept);
        whole.extend(std::fs::read(&path).unwrap());
        let newer = br#"{"format":2,"routes":"in some other way"}"#.to_vec();
        let unusable = [whole[..whole.len() / 2].to_vec(), Vec::new(), newer];
        for (before, text) in unusable.iter().enumerate() {
            std::fs::write(&path, text).unwrap();
            let (_, found) = Kept::open(directory.path()).unwrap();
            assert_eq!(found, None);
            assert!(!path.exists());
            let aside = directory
                .path()
                .join(format!("table.json.unusable-{}", before + 1));
            assert_eq!(&std::fs::read(aside).unwrap(), text);
        }
        assert!(
            understand(&unusable[2])
                .unwrap_err()
                .contains("has format 2")
        );
        // However often it happens, the directory does not fill up.
        for _ in 0..2 * MOST_SET_ASIDE {
            std::fs::write(&path, "damaged").unwrap();
            Kept::open(directory.path()).unwrap();
        }
        let files = std::fs::read_dir(directory.path()).unwrap().count();
        assert_eq!(files, MOST_SET_ASIDE + 1, "and the lock");
    }

    #[test]
    fn a_write_that_fails_leaves_the_table_before_it() {
        let directory = tempfile::tempdir().unwrap();
        let (mut kept, _) = Kept::open(directory.path()).unwrap();
        kept.write(&table(1)).unwrap();
        let in_the_way = directory.path().join("table.json.new");
        std::fs::create_dir(&in_the_way).unwrap();
        let error = kept.write(&table(2)).unwrap_err().to_string();
        assert!(error.contains("table.json.new"), "{error}");
        std::fs::remove_dir(&in_the_way).unwrap();
        drop(kept);
        let (mut kept, found) = Kept::open(directory.path()).unwrap();
        assert_eq!(found, Some(table(1)));
        kept.write(&table(2)).unwrap();
    }
}

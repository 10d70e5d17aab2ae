//! Where the encryption key is: a file beside the database, or a systemd credential in its place. A key that is not
//! there, or that others can read, is never replaced or mended silently: what it sealed would be lost, or was seen.

use super::{StoreError, files};
use crate::core::ports::Random;
use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// The systemd credential that takes the file's place.
const CREDENTIAL: &str = "longshore-key";

/// ChaCha20-Poly1305's.
pub(super) const KEY_LENGTH: usize = 32;

/// A key and where it was found.
pub(super) struct Key {
    pub(super) bytes: [u8; KEY_LENGTH],
    origin: Origin,
}

enum Origin {
    File(PathBuf),
    /// The credential, and the file that would be read without it.
    Credential(PathBuf, PathBuf),
}

impl Key {
    /// Reads the key; makes one only where there is no database yet that another key may have sealed.
    pub(super) fn find(
        data_dir: &Path,
        credentials_directory: Option<&Path>,
        database_exists: bool,
        random: &Random,
    ) -> Result<Self, StoreError> {
        let file = data_dir.join("key");
        if let Some(directory) = credentials_directory {
            let credential = directory.join(CREDENTIAL);
            match File::open(&credential) {
                Ok(opened) => {
                    return Ok(Self {
                        bytes: read(opened, &credential)?,
                        origin: Origin::Credential(credential, file),
                    });
                }
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(files::fault(&credential)(error)),
            }
        }
        let bytes = match File::open(&file) {
            Ok(opened) => {
                let mode = opened
                    .metadata()
                    .map_err(files::fault(&file))?
                    .permissions();
                check_mode(&file, mode.mode())?;
                read(opened, &file)?
            }
            Err(error) if error.kind() == ErrorKind::NotFound && !database_exists => {
                let mut bytes = [0; KEY_LENGTH];
                random(&mut bytes);
                files::write_private(&file, &bytes)?;
                bytes
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(StoreError::Key(format!(
                    "the encryption key {} is missing, and the database holds values sealed with it; put it back from your backup, or give it to the unit as the credential {CREDENTIAL}",
                    file.display()
                )));
            }
            Err(error) => return Err(files::fault(&file)(error)),
        };
        Ok(Self {
            bytes,
            origin: Origin::File(file),
        })
    }

    /// Why the database does not open with it, and what to do.
    pub(super) fn wrong(&self, database: &Path) -> StoreError {
        let database = database.display();
        StoreError::Key(match &self.origin {
            Origin::File(file) => format!(
                "the encryption key {} is not the one that {database} was sealed with; put the right one back from your backup",
                file.display()
            ),
            Origin::Credential(credential, file) if file.exists() => format!(
                "the encryption key of the credential {CREDENTIAL} ({}) is not the one that {database} was sealed with; give the unit the right one, or take LoadCredential={CREDENTIAL} out of it if {} is the right one",
                credential.display(),
                file.display()
            ),
            Origin::Credential(credential, _) => format!(
                "the encryption key of the credential {CREDENTIAL} ({}) is not the one that {database} was sealed with; give the unit the right one",
                credential.display()
            ),
        })
    }
}

fn read(file: File, path: &Path) -> Result<[u8; KEY_LENGTH], StoreError> {
    let mut bytes = Vec::with_capacity(KEY_LENGTH);
    // One byte more tells a longer file.
    file.take(KEY_LENGTH as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(files::fault(path))?;
    <[u8; KEY_LENGTH]>::try_from(bytes).map_err(|_| {
        StoreError::Key(format!(
            "the encryption key {} is damaged: it must hold exactly {KEY_LENGTH} bytes; put it back from your backup",
            path.display()
        ))
    })
}

/// Refused rather than corrected: somebody may have read it already, and only people can judge that.
fn check_mode(path: &Path, mode: u32) -> Result<(), StoreError> {
    if mode & 0o077 == 0 {
        return Ok(());
    }
    Err(StoreError::Key(format!(
        "the encryption key {0} can be read by others (mode {1:04o}); run `chmod 600 {0}`, and if somebody else may have had both it and the database, change the secrets that were kept here",
        path.display(),
        mode & 0o7777
    )))
}

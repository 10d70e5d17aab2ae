//! Mounts: `name:/path[:ro]`, `/host/path:/path[:ro]`, `external:name:/path[:ro]`.

use super::path;
use crate::core::spec::{Mount, MountSource};
use std::path::PathBuf;

const FORM: &str = "write \"name:/path\", \"/host/path:/path\" or \"external:name:/path\", with \":ro\" after it to only read";

/// Reads one.
pub(super) fn parse(text: &str) -> Result<Mount, String> {
    let parts: Vec<&str> = text.split(':').collect();
    let (external, parts) = match parts.as_slice() {
        ["external", parts @ ..] => (true, parts),
        parts => (false, parts),
    };
    let (source, target, read_only) = match parts {
        [source, target] => (*source, *target, false),
        [source, target, "ro"] => (*source, *target, true),
        [_, _, option] => {
            return Err(format!(
                "has the option {option:?}; the only one there is is \"ro\""
            ));
        }
        _ => return Err(format!("is {text:?}, which is not a mount: {FORM}")),
    };
    Ok(Mount {
        source: read_source(source, external)?,
        target: path::target(target)?,
        read_only,
    })
}

fn read_source(text: &str, external: bool) -> Result<MountSource, String> {
    match (external, text.contains('/') || text.starts_with('.')) {
        (true, _) => Ok(MountSource::External(volume_name(text, 255)?)),
        // The full name has the environment's slug before it.
        (false, false) => Ok(MountSource::Volume(volume_name(text, 64)?)),
        (false, true) => path::absolute(text)
            .map(MountSource::Host)
            .map_err(|fault| format!("has a host path that {fault}")),
    }
}

fn volume_name(text: &str, longest: usize) -> Result<String, String> {
    let is_fine = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    let begins_well = text
        .bytes()
        .next()
        .is_some_and(|b| b.is_ascii_alphanumeric());
    if !begins_well || !text.bytes().all(is_fine) || text.len() > longest {
        return Err(format!(
            "names the volume {text:?}; a name is made of letters, digits, '_', '.' and '-', begins with a letter or digit and has at most {longest} characters: {FORM}"
        ));
    }
    Ok(text.to_owned())
}

/// What other environments see of a mount too.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Shared {
    External(String),
    Host(PathBuf),
}

impl Shared {
    /// `None` for a volume of the environment's own.
    pub fn of(mount: &Mount) -> Option<Self> {
        match &mount.source {
            MountSource::Volume(_) => None,
            MountSource::External(name) => Some(Self::External(name.clone())),
            MountSource::Host(path) => Some(Self::Host(path.clone())),
        }
    }

    /// Whether what is written to one can be seen in the other: a directory holds what lies below it.
    pub fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::External(one), Self::External(other)) => one == other,
            (Self::Host(one), Self::Host(other)) => {
                one.starts_with(other) || other.starts_with(one)
            }
            (Self::External(_), Self::Host(_)) | (Self::Host(_), Self::External(_)) => false,
        }
    }
}

impl std::fmt::Display for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::External(name) => write!(f, "the external volume {name:?}"),
            Self::Host(path) => write!(f, "the host's {path:?}"),
        }
    }
}

//! Reads secret values from where the configuration says they are kept.

use super::Store;
use crate::core::name::VariableName;
use crate::core::secret::{Secret, SecretRef};
use crate::core::{env_file, spec::RunSpec};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The largest secret or environment file: a bundle of keys fits, a mistaken path to a disk image does not.
const MAX_FILE: u64 = 1024 * 1024;

/// Why a secret could not be read; the text names the file and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SecretError(pub String);

impl Store {
    /// The value of a secret as it is now.
    ///
    /// # Errors
    /// If its file is missing, unreadable, too large or not text.
    pub fn secret(&self, reference: &SecretRef) -> Result<Secret, SecretError> {
        let path = match reference {
            SecretRef::File(path) => path.clone(),
            SecretRef::Credential(name) => self.credential(name)?,
        };
        let text = read(&path)?;
        let value = text.strip_suffix('\n').unwrap_or(&text);
        Ok(Secret::new(value.strip_suffix('\r').unwrap_or(value)))
    }

    /// The environment of a container: files, plain values, secrets, and the deployment's own variables, each
    /// winning over the ones before. The second part tells which values must not be shown.
    ///
    /// # Errors
    /// If a file or secret cannot be read.
    pub fn container_env(
        &self,
        run: &RunSpec,
        variables: &BTreeMap<VariableName, Secret>,
    ) -> Result<ContainerEnv, SecretError> {
        let mut secret = BTreeMap::new();
        for path in &run.env_files {
            let parsed = env_file::parse(&read(path)?)
                .map_err(|fault| SecretError(format!("{}: {fault}", path.display())))?;
            secret.extend(parsed);
        }
        let mut all = secret.clone();
        all.extend(
            run.env
                .iter()
                .map(|(name, value)| (name.clone(), Secret::new(value.as_str()))),
        );
        for (name, reference) in &run.secrets {
            let value = self.secret(reference)?;
            secret.insert(name.clone(), value.clone());
            all.insert(name.clone(), value);
        }
        all.extend(
            variables
                .iter()
                .map(|(name, value)| (name.clone(), value.clone())),
        );
        let hidden = secret
            .into_values()
            .chain(variables.values().cloned())
            .collect();
        Ok(ContainerEnv {
            variables: all.into_iter().collect(),
            hidden,
        })
    }

    fn credential(&self, name: &str) -> Result<PathBuf, SecretError> {
        let directory = self.credentials_directory.as_ref().ok_or_else(|| {
            SecretError(format!(
                "credential:{name} needs a systemd unit with LoadCredential={name}:…; CREDENTIALS_DIRECTORY is not set"
            ))
        })?;
        Ok(directory.join(name))
    }
}

/// A container's environment.
#[derive(Clone, Debug)]
pub struct ContainerEnv {
    /// What it gets.
    pub variables: Vec<(VariableName, Secret)>,
    /// The values that must not appear anywhere.
    pub hidden: Vec<Secret>,
}

fn read(path: &Path) -> Result<String, SecretError> {
    let fault = |error: std::io::Error| {
        SecretError(format!(
            "{} cannot be read: {error}; check that it exists and that longshore may read it",
            path.display()
        ))
    };
    let size = std::fs::metadata(path).map_err(fault)?.len();
    if size > MAX_FILE {
        return Err(SecretError(format!(
            "{} is larger than 1 MiB: not a secret",
            path.display()
        )));
    }
    std::fs::read_to_string(path).map_err(fault)
}

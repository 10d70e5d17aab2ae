//! Reads secret values from where the configuration says they are kept.

use super::{Place, Store, StoreError};
use crate::core::name::{AppName, EnvironmentName, VariableName};
use crate::core::secret::{MAX_SECRET, Secret, SecretRef, SecretSource, without_line_end};
use crate::core::{env_file, spec::RunSpec};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Why a secret could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// A file or a credential; the text names it and what to do.
    #[error("{0}")]
    Unreadable(String),
    /// The configuration says that it is kept here, and nobody has set it.
    #[error("the secret {name} of {environment} of {app} is not set")]
    NotSet {
        /// The app.
        app: AppName,
        /// Its environment.
        environment: EnvironmentName,
        /// The variable.
        name: VariableName,
    },
    /// The database failed.
    #[error("{0}")]
    Store(#[from] StoreError),
}

fn unreadable(text: String) -> SecretError {
    SecretError::Unreadable(text)
}

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
        Ok(Secret::new(without_line_end(&text)))
    }

    fn variable_secret(
        &self,
        place: &Place,
        name: &VariableName,
        source: &SecretSource,
    ) -> Result<Secret, SecretError> {
        match source {
            SecretSource::Host(reference) => self.secret(reference),
            SecretSource::Store => {
                self.kept_secret(place, name)?
                    .ok_or_else(|| SecretError::NotSet {
                        app: place.app_name.clone(),
                        environment: place.environment_name.clone(),
                        name: name.clone(),
                    })
            }
        }
    }

    /// The environment of a container: files, what tells of connections, plain values, secrets, and the deployment's own
    /// variables, each winning over the ones before. The second part tells which values must not be shown, the third in
    /// which networks the container is besides its environment's.
    ///
    /// # Errors
    /// If a file or secret cannot be read.
    pub fn container_env(
        &self,
        place: &Place,
        run: &RunSpec,
        variables: &BTreeMap<VariableName, Secret>,
    ) -> Result<ContainerEnv, SecretError> {
        let (mut secret, mut of_connections) = (BTreeMap::new(), Vec::new());
        for path in &run.env_files {
            let parsed = env_file::parse(&read(path)?)
                .map_err(|fault| unreadable(format!("{}: {fault}", path.display())))?;
            secret.extend(parsed);
        }
        let mut all = secret.clone();
        // Under `env`: what is said plainly wins.
        let mut secrets = BTreeMap::new();
        for (name, source) in &run.secrets {
            secrets.insert(name.clone(), self.variable_secret(place, name, source)?);
        }
        for (name, value) in &run.connect.env {
            let rendered = value.render(&secrets);
            if value.is_secret() {
                of_connections.push(rendered.clone());
            }
            all.insert(name.clone(), rendered);
        }
        all.extend(
            run.env
                .iter()
                .map(|(name, value)| (name.clone(), Secret::new(value.as_str()))),
        );
        secret.extend(secrets.clone());
        all.extend(secrets);
        all.extend(
            variables
                .iter()
                .map(|(name, value)| (name.clone(), value.clone())),
        );
        let hidden = secret
            .into_values()
            .chain(variables.values().cloned())
            .chain(of_connections)
            .collect();
        Ok(ContainerEnv {
            variables: all.into_iter().collect(),
            hidden,
            networks: self.networks_of(place.environment, &run.connect.to)?,
        })
    }

    fn credential(&self, name: &str) -> Result<PathBuf, SecretError> {
        let directory = self.credentials_directory.as_ref().ok_or_else(|| {
            unreadable(format!(
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
    /// The networks of what its release is connected to, by their names.
    pub networks: Vec<String>,
}

fn read(path: &Path) -> Result<String, SecretError> {
    let fault = |error: std::io::Error| {
        unreadable(format!(
            "{} cannot be read: {error}; check that it exists and that longshore may read it",
            path.display()
        ))
    };
    let size = std::fs::metadata(path).map_err(fault)?.len();
    if size > MAX_SECRET as u64 {
        return Err(unreadable(format!(
            "{} is larger than 1 MiB: not a secret",
            path.display()
        )));
    }
    let text = std::fs::read_to_string(path).map_err(fault)?;
    if text.contains('\0') {
        return Err(unreadable(format!(
            "{} holds a NUL character, which no environment variable can",
            path.display()
        )));
    }
    Ok(text)
}

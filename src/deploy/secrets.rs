//! The secrets that are kept here: setting, listing and forgetting them, and what a deployment says that cannot read
//! one.

use super::Agent;
use super::dispatch::internal;
use super::interrupt::Stop;
use crate::core::access::Caller;
use crate::core::action::{AppRef, LastSet, Reply, SecretRequest, SecretView, SecretsView};
use crate::core::error::Error;
use crate::core::failure::{Failure, FailureCode};
use crate::core::name::{EnvironmentName, VariableName};
use crate::core::secret::{Secret, SecretSource, check_value};
use crate::store::{Place, SecretError};
use std::collections::BTreeSet;

impl Agent {
    pub(super) fn set_secret(
        &self,
        caller: &Caller,
        which: &SecretRequest,
        value: &Secret,
    ) -> Result<Reply, Error> {
        let place = self.place(caller, &which.app, which.environment.as_ref())?;
        check_value(value.expose()).map_err(|fault| Error::Invalid {
            field: "value",
            message: fault.to_owned(),
        })?;
        let at = self.ports.clock.now();
        let by = caller.principal.clone();
        self.store
            .set_secret(&place, &which.name, value, by.serial, at)
            .map_err(internal)?;
        Ok(self.one_secret(&place, &which.name, Some(LastSet { by, at })))
    }

    pub(super) fn remove_secret(
        &self,
        caller: &Caller,
        which: &SecretRequest,
    ) -> Result<Reply, Error> {
        let place = self.place(caller, &which.app, which.environment.as_ref())?;
        let removed = self
            .store
            .remove_secret(place.environment, &which.name)
            .map_err(internal)?;
        if removed {
            Ok(self.one_secret(&place, &which.name, None))
        } else {
            Err(Error::SecretNotFound {
                app: place.app_name.to_string(),
                environment: place.environment_name.to_string(),
                name: which.name.to_string(),
            })
        }
    }

    /// Those that are set, and those that the configuration wants and that are not.
    pub(super) fn list_secrets(
        &self,
        caller: &Caller,
        app: &AppRef,
        environment: Option<&EnvironmentName>,
    ) -> Result<Reply, Error> {
        let place = self.place(caller, app, environment)?;
        let mut kept = self
            .store
            .kept_secrets(place.environment)
            .map_err(internal)?;
        let used = self.used_secrets(&place);
        let mut names: BTreeSet<VariableName> = kept.keys().cloned().collect();
        names.extend(used.iter().cloned());
        let secrets = names
            .into_iter()
            .map(|name| SecretView {
                set: kept.remove(&name),
                used: used.contains(&name),
                name,
            })
            .collect();
        Ok(Reply::Secrets(SecretsView {
            app: place.app_name,
            environment: place.environment_name,
            secrets,
        }))
    }

    fn one_secret(&self, place: &Place, name: &VariableName, set: Option<LastSet>) -> Reply {
        let secret = SecretView {
            name: name.clone(),
            set,
            used: self.used_secrets(place).contains(name),
        };
        Reply::Secrets(SecretsView {
            app: place.app_name.clone(),
            environment: place.environment_name.clone(),
            secrets: vec![secret],
        })
    }

    /// What the configuration takes from here.
    fn used_secrets(&self, place: &Place) -> BTreeSet<VariableName> {
        let spec = self.configured(place);
        let secrets = spec.map(|spec| spec.run.secrets).unwrap_or_default();
        secrets
            .into_iter()
            .filter(|(_, source)| *source == SecretSource::Store)
            .map(|(name, _)| name)
            .collect()
    }
}

/// A secret that cannot be read, as the end of a deployment; a database that fails is tried again instead.
pub(super) fn unreadable(error: SecretError) -> Stop {
    let message = error.to_string();
    let next = match error {
        SecretError::Store(error) => return error.into(),
        SecretError::Unreadable(_) => {
            "Put the file in place, readable by the user longshore runs as, and deploy again."
                .to_owned()
        }
        SecretError::NotSet {
            app,
            environment,
            name,
        } => format!(
            "Set it with `longshore secret set {app} {name} --environment {environment}` and deploy again."
        ),
    };
    Stop::from(Failure {
        code: FailureCode::SecretUnreadable,
        message,
        output: Vec::new(),
        next,
    })
}

//! Reading the configuration again while deployments are at work. What is at work keeps the spec it began with; the
//! next deployment takes the new one, and until then the difference is shown as drift.

use super::dispatch::internal;
use super::{Agent, Settings};
use crate::core::access::{Caller, Reach, Scope};
use crate::core::action::AppView;
use crate::core::drift::drift;
use crate::core::error::Error;
use crate::core::reload::{Reloaded, app_changes};
use crate::store::StoreError;
use std::sync::{Arc, PoisonError};

/// A configuration that was read again and is sound.
#[derive(Clone, Debug)]
pub struct Reread {
    /// The file.
    pub file: String,
    /// What holds from now on; the address pool is the one in use.
    pub settings: Settings,
    /// Keys of the file that hold only after a restart.
    pub needs_restart: Vec<&'static str>,
}

/// A configuration that was read again and cannot be taken.
#[derive(Clone, Debug)]
pub struct Faulty {
    /// The file.
    pub file: String,
    /// Every fault, with its place.
    pub faults: Vec<String>,
}

/// Reads the configuration.
pub type ReadConfiguration = Arc<dyn Fn() -> Result<Reread, Faulty> + Send + Sync>;

impl Agent {
    /// Gives the way to read the configuration again.
    #[must_use]
    pub fn with_configuration(mut self, read: ReadConfiguration) -> Self {
        self.read_configuration = Some(read);
        self
    }

    pub(super) fn reload_for(&self, caller: &Caller) -> Result<Reloaded, Error> {
        match caller.reach {
            Reach::All => self.reload(),
            Reach::App(_) | Reach::Environment(..) => Err(Error::Forbidden(Scope::Admin)),
        }
    }

    /// Reads the configuration again. A sound file holds from here on; of a faulty one nothing does.
    ///
    /// # Errors
    /// Names every fault.
    pub fn reload(&self) -> Result<Reloaded, Error> {
        let result = self.read_again();
        match &result {
            Ok(reloaded) => tell(reloaded),
            Err(Error::ConfigRefused { file, faults }) => {
                for fault in faults {
                    tracing::error!("{fault}");
                }
                tracing::error!("{file} was not taken; the configuration before it goes on");
            }
            Err(error) => tracing::error!(%error, "the configuration was not read again"),
        }
        result
    }

    fn read_again(&self) -> Result<Reloaded, Error> {
        self.must_be_whole()?;
        let read = self
            .read_configuration
            .as_ref()
            .ok_or_else(|| Error::Unsupported("reloading the configuration".into()))?;
        // One at a time, so that the rows and the settings are of the same file.
        let mut settings = self
            .settings
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let refused = |faulty: Faulty| Error::ConfigRefused {
            file: faulty.file,
            faults: faulty.faults,
        };
        let reread = read().map_err(refused)?;
        let new = reread.settings;
        let synced = self
            .store
            .sync_apps(&new.configured(), self.ports.clock.now());
        synced.map_err(|error| match error {
            StoreError::AddressesExhausted(message) => Error::ConfigRefused {
                file: reread.file.clone(),
                faults: vec![message],
            },
            other => internal(other),
        })?;
        let reloaded = Reloaded {
            file: reread.file,
            apps: app_changes(&settings.apps, &new.apps),
            settings: changed_settings(&settings, &new),
            needs_restart: reread.needs_restart,
        };
        self.permits.set_limit(new.max_concurrent);
        *settings = Arc::new(new);
        Ok(reloaded)
    }

    fn tell_next_runs(&self, settings: &Settings, apps: &mut [AppView]) -> Result<(), Error> {
        let mut environments = apps.iter_mut().flat_map(|app| app.environments.iter_mut());
        if !environments.any(|environment| environment.job) {
            return Ok(());
        }
        for installed in self.store.installed().map_err(internal)? {
            let app = settings.apps.iter().find(|app| app.id == installed.app_id);
            let spec = app.and_then(|app| app.environments.get(&installed.environment_name));
            let view = apps.iter_mut().find(|view| view.id == installed.app_id);
            let view = view.and_then(|app| {
                let mut environments = app.environments.iter_mut();
                environments.find(|one| one.name == installed.environment_name)
            });
            if let (Some(view), Some(spec)) = (view, spec) {
                view.next_run = self.next_run(spec.job.as_ref(), &installed.seen);
            }
        }
        Ok(())
    }

    /// The apps with what the configuration says of each environment now, and what a deployment would change there.
    pub(super) fn with_drift(&self, mut apps: Vec<AppView>) -> Result<Vec<AppView>, Error> {
        let settings = self.settings();
        for app in &mut apps {
            let configured = settings
                .apps
                .iter()
                .find(|configured| configured.id == app.id);
            for environment in &mut app.environments {
                let spec =
                    configured.and_then(|app| app.spec_of(&environment.name, environment.preview));
                environment.job = spec
                    .as_ref()
                    .map_or(environment.job, |spec| spec.job.is_some());
                environment.strategy = spec.map(|spec| spec.rollout.strategy);
            }
        }
        self.tell_next_runs(&settings, &mut apps)?;
        for running in self.store.running().map_err(internal)? {
            let view = apps.iter_mut().find(|app| app.id == running.app);
            let view = view.and_then(|app| {
                let mut environments = app.environments.iter_mut();
                environments.find(|environment| environment.name == running.environment)
            });
            let app = settings.apps.iter().find(|app| app.id == running.app);
            let (Some(view), Some(app)) = (view, app) else {
                continue;
            };
            if let Some(spec) = app.spec_of(&running.environment, view.preview) {
                let keys = drift(&running.content, running.made_with.as_ref(), &spec);
                view.drift = keys.into_iter().collect();
            }
        }
        Ok(apps)
    }
}

/// The keys that hold from now on, of what is not about apps.
fn changed_settings(old: &Settings, new: &Settings) -> Vec<&'static str> {
    let Settings {
        apps: _,
        address_pool: _,
        api_domains,
        api_address: _,
        registries,
        max_concurrent,
        preview_check,
        unavailable_timeout,
        retention,
    } = new;
    let before = old.retention;
    let keys = [
        ("api.domains", *api_domains != old.api_domains),
        ("docker.registries", *registries != old.registries),
        (
            "limits.max_concurrent",
            *max_concurrent != old.max_concurrent,
        ),
        ("limits.preview_check", *preview_check != old.preview_check),
        (
            "docker.unavailable_timeout",
            *unavailable_timeout != old.unavailable_timeout,
        ),
        (
            "docker.build_cache",
            retention.build_cache != before.build_cache,
        ),
        (
            "retention.keep_releases",
            retention.keep_releases != before.keep_releases,
        ),
        ("retention.logs", retention.logs != before.logs),
    ];
    let changed = keys.into_iter().filter(|(_, changed)| *changed);
    changed.map(|(key, _)| key).collect()
}

fn tell(reloaded: &Reloaded) {
    let file = &reloaded.file;
    if reloaded.is_empty() {
        tracing::info!("{file} was read again: nothing has changed");
        return;
    }
    tracing::info!("{file} was read again and is in force");
    for name in &reloaded.apps.removed {
        tracing::warn!(
            "app '{name}' is no longer in the configuration; what runs of it goes on until it is removed"
        );
    }
    for note in &reloaded.apps.notes {
        tracing::warn!("{note}");
    }
    if !reloaded.needs_restart.is_empty() {
        let keys = reloaded.needs_restart.join(", ");
        tracing::warn!("{keys}: changed in the file, and in force only after a restart");
    }
}

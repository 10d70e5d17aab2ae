//! Previews: where a deployment to one goes before it is there, and its end, when its branch is gone or its time is over.
//! Both are looked for from time to time; the end itself is a removal like any other, asked for by the schedule.

use super::Agent;
use super::dispatch::internal;
use crate::core::access::{Caller, Reach};
use crate::core::action::AppRef;
use crate::core::app::App;
use crate::core::error::Error;
use crate::core::id::{DeploymentSerial, EnvironmentSerial};
use crate::core::name::{Branch, EnvironmentName};
use crate::core::preview::{Age, Previews};
use crate::core::spec::{Repository, SourceSpec};
use crate::core::time::Timestamp;
use crate::store::{Ending, NewPreview, NoPreview, Place, Preview, StoreError};
use futures_util::future::join_all;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;
use std::time::Duration;

impl Agent {
    /// The preview that a deployment would make, for somebody who may make it.
    pub(super) fn preview_to_be(
        &self,
        caller: &Caller,
        app: &AppRef,
        name: &EnvironmentName,
        missing: Error,
    ) -> Result<(Place, NewPreview), Error> {
        let may_make = match caller.reach {
            Reach::All => true,
            Reach::App(_) => self.visible_app(caller, app).is_ok(),
            Reach::Environment(..) => false,
        };
        let settings = self.settings();
        let Some(configured) = named(&settings.apps, app).filter(|_| may_make) else {
            return Err(missing);
        };
        let Some(previews) = &configured.previews else {
            let seen: Vec<&App> = match caller.reach {
                Reach::All => settings.apps.iter().collect(),
                Reach::App(_) | Reach::Environment(..) => vec![configured],
            };
            return Err(previews_off(&seen, configured, name));
        };
        let of_another = settings.apps.iter().find(|other| {
            other.id != configured.id
                && other.project == configured.project
                && other.environments.contains_key(name)
        });
        if let Some(other) = of_another {
            return Err(no_preview(
                configured,
                name,
                NoPreview::NameTaken(other.name.clone()),
                previews,
            ));
        }
        let place = self.store.preview_to_be(app, name).map_err(internal)?;
        let place = place.ok_or(missing)?;
        // The transaction that makes it decides; known before, nothing is merged for a deployment that is not taken in.
        let there = self.store.previews().map_err(internal)?.into_iter();
        let there = there.filter(|one| one.place.app == place.app).count();
        if u32::try_from(there).is_ok_and(|there| there >= previews.max) {
            return Err(no_preview(configured, name, NoPreview::TooMany, previews));
        }
        let new = NewPreview {
            name: name.clone(),
            previews: previews.clone(),
            default_environment: configured.default_environment.clone(),
            pool: settings.address_pool,
        };
        Ok((place, new))
    }

    /// Why a preview was not made, to the caller.
    pub(super) fn not_made(&self, place: &Place, new: &NewPreview, why: NoPreview) -> Error {
        let settings = self.settings();
        match settings.apps.iter().find(|app| app.id == place.app_id) {
            Some(app) => no_preview(app, &new.name, why, &new.previews),
            None => Error::AppNotFound(place.app_name.to_string()),
        }
    }

    /// Ends previews whose time it is, and gives back the networks of what was removed. Never ends.
    pub(super) async fn keep_previews(&self) {
        tokio::select! {
            biased;
            () = self.end_by_age() => {}
            () = self.end_by_branch() => {}
        }
    }

    async fn end_by_age(&self) {
        loop {
            self.ports.clock.sleep(self.settings().preview_check).await;
            self.give_networks_back();
            if let Err(error) = self.end_old() {
                tracing::error!(%error, "it cannot be seen whether previews are past their time");
            }
        }
    }

    fn end_old(&self) -> Result<(), StoreError> {
        let clock = &self.ports.clock;
        let previews = self.store.previews()?;
        let ages = {
            let mut ages = self.ages.lock().unwrap_or_else(PoisonError::into_inner);
            ages.look(&previews, clock.now(), clock.monotonic())
        };
        for (preview, age) in previews.iter().zip(ages) {
            if age.is_past(preview.ttl) && !preview.busy {
                let ttl = humantime::format_duration(preview.ttl);
                self.end_preview(preview, true, &format!("its time of {ttl} is over"))?;
            }
        }
        Ok(())
    }

    async fn end_by_branch(&self) {
        let mut said = BTreeMap::new();
        loop {
            self.ports.clock.sleep(self.settings().preview_check).await;
            match self.store.previews() {
                Ok(previews) => self.end_branchless(&previews, &mut said).await,
                Err(error) => {
                    tracing::error!(%error, "it cannot be seen whether the branches of previews are gone");
                }
            }
        }
    }

    /// Asks each repository once for its branches. Only an answer that has branches says that another is gone.
    async fn end_branchless(&self, previews: &[Preview], said: &mut BTreeMap<String, String>) {
        let settings = self.settings();
        let mut repositories: Vec<(Repository, Vec<(&Preview, &Branch)>)> = Vec::new();
        for preview in previews {
            let app = settings
                .apps
                .iter()
                .find(|app| app.id == preview.place.app_id);
            let source = app.and_then(|app| Some(&app.previews.as_ref()?.spec.source));
            let (Some(SourceSpec::Git(git)), Some(branch)) = (source, &preview.branch) else {
                continue;
            };
            let known = repositories
                .iter_mut()
                .find(|(repository, _)| *repository == git.repository);
            match known {
                Some((_, of_it)) => of_it.push((preview, branch)),
                None => repositories.push((git.repository.clone(), vec![(preview, branch)])),
            }
        }
        let asked = repositories.iter().map(async |(repository, of_it)| {
            let remote = self.remote(&of_it[0].0.place.project, repository);
            let remote = remote.map_err(|error| error.to_string())?;
            let branches = self.ports.source.branches(&remote).await;
            branches.map_err(|error| error.to_string())
        });
        let answers = join_all(asked).await;
        for ((repository, of_it), answer) in repositories.iter().zip(answers) {
            let branches = match answer {
                Ok(branches) => branches,
                Err(why) => {
                    if said.get(&repository.url) != Some(&why) {
                        tracing::warn!(
                            repository = repository.url,
                            why,
                            "it cannot be seen whether the branches of previews are gone; they stay"
                        );
                        said.insert(repository.url.clone(), why);
                    }
                    continue;
                }
            };
            said.remove(&repository.url);
            let gone = of_it
                .iter()
                .filter(|(_, branch)| !branches.is_empty() && !branches.contains_key(*branch));
            for (preview, branch) in gone {
                let why = format!("branch '{branch}' is gone from {}", repository.url);
                if let Err(error) = self.end_preview(preview, false, &why) {
                    tracing::error!(%error, "a preview whose branch is gone is not taken down yet");
                }
            }
        }
    }

    fn end_preview(&self, preview: &Preview, if_idle: bool, why: &str) -> Result<(), StoreError> {
        let now = self.ports.clock.now();
        match self.store.end_preview(preview, if_idle, now)? {
            Ending::Accepted(operation) => {
                let place = &preview.place;
                tracing::info!(app = %place.app_name, environment = %place.environment_name, %operation, "a preview is taken down: {why}");
            }
            // Somebody deployed to it or removed it in the meantime.
            Ending::Moved => {}
        }
        Ok(())
    }

    /// Gives back the networks of removed environments of which nothing is left, if it is known which table holds.
    pub(super) fn give_networks_back(&self) {
        let Some(held) = self.published.held() else {
            return;
        };
        match self.store.give_networks_back(held) {
            Ok(0) => {}
            Ok(networks) => {
                tracing::debug!(networks, "networks of removed environments are free again")
            }
            Err(error) => {
                tracing::warn!(%error, "networks of removed environments are not given back yet");
            }
        }
    }
}

/// The app that is meant, as the configuration has it.
pub(super) fn named<'a>(apps: &'a [App], app: &AppRef) -> Option<&'a App> {
    apps.iter().find(|known| match app {
        AppRef::Id(id) => known.id == *id,
        AppRef::Name(name) => known.name == *name,
    })
}

/// Of the apps that the caller sees, the environments are named.
fn previews_off(apps: &[&App], app: &App, name: &EnvironmentName) -> Error {
    let of_it = apps.iter().filter(|other| other.project == app.project);
    let known: BTreeSet<&str> = of_it
        .flat_map(|app| app.environments.keys().map(EnvironmentName::as_str))
        .collect();
    let known: Vec<&str> = known.into_iter().collect();
    Error::PreviewsOff {
        project: app.project.to_string(),
        environment: name.to_string(),
        known: known.join(", "),
    }
}

fn no_preview(app: &App, name: &EnvironmentName, why: NoPreview, previews: &Previews) -> Error {
    match why {
        NoPreview::TooMany => Error::TooManyPreviews {
            app: app.name.to_string(),
            max: previews.max,
        },
        NoPreview::NameTaken(other) => Error::Refused(format!(
            "environment '{name}' of project '{}' is app '{other}'s: deploy that app, or name the preview otherwise",
            app.project
        )),
        NoPreview::DomainTaken(domain) => Error::Refused(format!(
            "the domain of preview '{name}', {domain}, leads elsewhere already: name the preview otherwise, or change previews.domain of app '{}'",
            app.name
        )),
    }
}

/// How old the last deployments of previews are. The clock of this host is asked once for each: it may jump later, as it
/// does when a host that was off finds out the time.
pub(super) struct Ages {
    /// Those that there were when this process began.
    inherited: BTreeSet<DeploymentSerial>,
    seen: BTreeMap<EnvironmentSerial, Seen>,
    /// The last look, on the clock that only goes forward.
    looked: Duration,
}

#[derive(Clone, Copy)]
struct Seen {
    last: DeploymentSerial,
    /// How old it was then.
    at_first: Duration,
    /// On the clock that only goes forward.
    when: Duration,
}

impl Ages {
    /// A process begins with these.
    pub(super) fn new(previews: &[Preview], now: Duration) -> Self {
        Self {
            inherited: previews.iter().map(|preview| preview.last).collect(),
            seen: BTreeMap::new(),
            looked: now,
        }
    }

    /// The ages of these, in their order; what is not among them is forgotten.
    fn look(&mut self, previews: &[Preview], wall: Timestamp, now: Duration) -> Vec<Age> {
        let since_last = now.saturating_sub(self.looked);
        self.looked = now;
        let mut seen = BTreeMap::new();
        let mut ages = Vec::new();
        for preview in previews {
            let environment = preview.place.environment;
            let known = self.seen.get(&environment).copied();
            let known = known.filter(|known| known.last == preview.last);
            let one = known.unwrap_or_else(|| {
                let age = wall.millis_since(preview.asked_at);
                let age = Duration::from_millis(u64::try_from(age).unwrap_or(0));
                let at_first = match self.inherited.contains(&preview.last) {
                    true => age,
                    // It was not there at the last look.
                    false => age.min(since_last),
                };
                Seen {
                    last: preview.last,
                    at_first,
                    when: now,
                }
            });
            seen.insert(environment, one);
            ages.push(Age {
                at_first: one.at_first,
                since: now.saturating_sub(one.when),
            });
        }
        self.seen = seen;
        ages
    }
}

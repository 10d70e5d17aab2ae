//! Projects: what the rows know of them beside what the configuration says of their apps.

use super::dispatch::internal;
use super::{Agent, Settings};
use crate::core::access::{Caller, Reach};
use crate::core::action::{AppRef, Reply};
use crate::core::app::App;
use crate::core::error::Error;
use crate::core::project::{Bound, ListProjects, ProjectRef, ProjectView};
use crate::core::spec::{GitSource, SourceSpec};
use crate::store::KnownPath;
use std::collections::BTreeMap;

impl Agent {
    /// A project that the caller can see.
    pub(super) fn show_project(&self, caller: &Caller, which: &ProjectRef) -> Result<Reply, Error> {
        let found = self.store.find_project(which, caller.reach);
        let found = found.map_err(internal)?;
        let found = found.ok_or_else(|| Error::ProjectNotFound(which.to_string()))?;
        let view = self.project_view(caller, found)?;
        Ok(Reply::Project(Box::new(view)))
    }

    /// A page of those the caller can see.
    pub(super) fn list_projects(
        &self,
        caller: &Caller,
        list: &ListProjects,
    ) -> Result<Reply, Error> {
        let found = self.store.projects(caller.reach, list);
        let (page, total) = found.map_err(internal)?;
        let items = page.into_iter();
        let items = items.map(|found| self.project_view(caller, found));
        Ok(Reply::Projects {
            items: items.collect::<Result<_, _>>()?,
            total,
        })
    }

    fn project_view(&self, caller: &Caller, found: KnownPath) -> Result<ProjectView, Error> {
        let settings = self.settings();
        let only = match caller.reach {
            Reach::All | Reach::App(_) => None,
            Reach::Environment(_, environment) => {
                let place = self.store.place_of(environment).map_err(internal)?;
                Some(place.environment_name)
            }
        };
        let apps: Vec<&App> = apps_of(&settings, &found).collect();
        let named = apps.iter().flat_map(|app| {
            let all = app.environments.iter();
            all.map(|(name, spec)| (name.clone(), app.id, spec))
        });
        let bound = named
            .filter(|(name, ..)| only.as_ref().is_none_or(|only| only == name))
            .map(|(name, app, spec)| {
                let runs_image = matches!(spec.source, SourceSpec::Image(_));
                (name, Bound { app, runs_image })
            });
        let mut bound: BTreeMap<_, _> = bound.collect();
        for preview in self.store.previews().map_err(internal)? {
            let place = preview.place;
            let app = apps.iter().find(|app| app.id == place.app_id);
            let spec = app.and_then(|app| app.spec_of(&place.environment_name, true));
            let is_seen = caller.reach.includes(place.app, place.environment);
            if let (Some(spec), true) = (spec, is_seen) {
                let runs_image = matches!(spec.source, SourceSpec::Image(_));
                let app = place.app_id;
                let its = Bound { app, runs_image };
                bound.entry(place.environment_name).or_insert(its);
            }
        }
        let git = apps.iter().find_map(|app| git(app));
        Ok(ProjectView {
            bound,
            previews: apps.iter().find_map(|app| {
                let previews = app.previews.as_ref().filter(|_| only.is_none())?;
                let runs_image = matches!(previews.spec.source, SourceSpec::Image(_));
                let app = app.id;
                Some(Bound { app, runs_image })
            }),
            has_source: apps.iter().any(|app| !app.environments.is_empty()),
            repository: git.map(|git| git.repository.url.clone()),
            branch: git.map(|git| git.branch.clone()),
            serial: found.serial,
            path: found.path,
            created_at: found.created_at,
            last_activity_at: found.last_activity_at,
        })
    }
}

/// What the configuration says of a project's apps, of those that can be seen.
fn apps_of<'a>(settings: &'a Settings, found: &'a KnownPath) -> impl Iterator<Item = &'a App> {
    let is_of_it = |app: &&App| found.apps.contains(&AppRef::Id(app.id));
    settings.apps.iter().filter(is_of_it)
}

/// What an app is built from, in its default environment if that is built from anything.
pub(super) fn git(app: &App) -> Option<&GitSource> {
    let default = app.environments.get(&app.default_environment);
    let mut specs = default.into_iter().chain(app.environments.values());
    specs.find_map(|spec| match &spec.source {
        SourceSpec::Git(git) => Some(git),
        SourceSpec::Image(_) => None,
    })
}

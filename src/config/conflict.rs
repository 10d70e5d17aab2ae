//! What apps and environments cannot both have: names, ids, a project's environment or previews, domains, writable volumes. What
//! they and longshore cannot both listen on is in [`listening`](super::listening).

use super::agent::ApiKeys;
use super::app::Declared;
use super::fault::{Place, Report};
use super::ingress::IngressKeys;
use super::layer::Layer;
use super::listening;
use super::reader::At;
use super::volume::Shared;
use crate::core::name::{EnvironmentName, ProjectPath};
use crate::core::preview::PreviewDomain;
use crate::core::route::Domain;
use crate::core::spec::Mount;
use std::collections::HashMap;
use std::hash::Hash;

/// Reports every conflict at the one that comes later in the file.
pub(super) fn find(apps: &[Declared], api: &ApiKeys, ingress: &IngressKeys, report: &Report) {
    names(apps, report);
    ids(apps, report);
    projects(apps, report);
    listening::find(apps, api, ingress, report);
    domains(apps, api, report);
    volumes(apps, report);
    previews(apps, report);
}

/// Who had each thing first.
struct First<K, V>(HashMap<K, V>);

impl<K: Eq + Hash, V> First<K, V> {
    fn new() -> Self {
        Self(HashMap::new())
    }

    /// Whoever had it before; if nobody did, it is this one's from now on.
    fn claim(&mut self, key: K, by: V) -> Option<&V> {
        match self.0.entry(key) {
            std::collections::hash_map::Entry::Occupied(first) => Some(first.into_mut()),
            std::collections::hash_map::Entry::Vacant(free) => {
                free.insert(by);
                None
            }
        }
    }
}

fn names(apps: &[Declared], report: &Report) {
    let mut first = First::new();
    for app in apps {
        if let Some(name) = app.name.given()
            && first.claim(&name.value, ()).is_some()
        {
            report.add(
                &name.place,
                format!(
                    "is {:?} a second time; each app needs a name of its own",
                    name.value.as_str()
                ),
            );
        }
    }
}

fn ids(apps: &[Declared], report: &Report) {
    let mut first: First<_, &Declared> = First::new();
    for app in apps {
        let Some(id) = app.id() else { continue };
        let Some(other) = first.claim(id, app) else {
            continue;
        };
        match (app.id.given(), other.id.given()) {
            (Some(given), _) => report.add(
                &given.place,
                format!(
                    "is the id of {} too; each app needs an id of its own",
                    other.place.path
                ),
            ),
            (None, Some(given)) => report.add(
                &given.place,
                format!(
                    "is the id that {} gets from its name; give one of them another",
                    app.place.path
                ),
            ),
            // Two apps of one name: that is the fault.
            (None, None) => {}
        }
    }
}

fn projects(apps: &[Declared], report: &Report) {
    let mut first: First<(ProjectPath, EnvironmentName), &Declared> = First::new();
    for app in apps {
        let Some(project) = app.project() else {
            continue;
        };
        for environment in app.environments.keys() {
            let Some(other) = first.claim((project.clone(), environment.clone()), app) else {
                continue;
            };
            if app.name.value() == other.name.value() {
                continue;
            }
            let place = app.project.given().map_or(&app.place, |given| &given.place);
            let message = format!(
                "has environment \"{environment}\" of project \"{project}\", as {} has; give one of them another environment or another project",
                other.place.path
            );
            let path = app.place.path.clone();
            report.add(
                &Place {
                    path,
                    ..place.clone()
                },
                message,
            );
        }
    }
}

/// An environment's use of something that all environments of the host share.
pub(super) struct Use<'a, T> {
    environment: (usize, &'a EnvironmentName),
    pub entry: &'a At<T>,
}

/// Every environment's entries of one list, in the file's order. What several inherit is there for each of them.
pub(super) fn uses<'a, T>(
    apps: &'a [Declared],
    list: impl Fn(&'a Layer) -> Option<&'a Vec<At<T>>>,
) -> Vec<Use<'a, T>> {
    let mut uses = Vec::new();
    for (index, app) in apps.iter().enumerate() {
        for (name, layer) in &app.environments {
            let environment = (index, name);
            let entries = list(layer).into_iter().flatten();
            uses.extend(entries.map(|entry| Use { environment, entry }));
        }
    }
    uses.sort_by_key(|one| one.entry.place.offset);
    uses
}

fn domains(apps: &[Declared], api: &ApiKeys, report: &Report) {
    let of_apps = uses(apps, |layer| layer.domains.value());
    let mut all: Vec<&At<Domain>> = of_apps.into_iter().map(|one| one.entry).collect();
    all.extend(api.domains.value().into_iter().flatten());
    all.sort_by_key(|entry| entry.place.offset);
    let mut first: First<&Domain, &At<Domain>> = First::new();
    for entry in all {
        let Some(other) = first.claim(&entry.value, entry) else {
            continue;
        };
        let domain = &entry.value;
        if other.place.offset == entry.place.offset {
            report.add(
                &entry.place,
                format!("would lead \"{domain}\" to more than one environment, as they inherit it; write domains = [] for the others"),
            );
        } else {
            report.add(
                &entry.place,
                format!("is \"{domain}\", as {} is already", other.place.path),
            );
        }
    }
}

/// A name that the configuration does not have says nothing of which app is meant, and a domain nothing of which app's
/// preview of that name.
fn previews(apps: &[Declared], report: &Report) {
    let mut takers: First<ProjectPath, &Declared> = First::new();
    let mut domains: First<&PreviewDomain, &At<PreviewDomain>> = First::new();
    for app in apps {
        let Some(previews) = app.previews.given() else {
            continue;
        };
        if let Some(project) = app.project()
            && let Some(other) = takers.claim(project.clone(), app)
        {
            report.add(
                &previews.place,
                format!(
                    "takes the previews of project \"{project}\", as {} does; only one app of a project can",
                    other.place.path
                ),
            );
        }
        if let Some(domain) = previews.value.domain.given()
            && let Some(other) = domains.claim(&domain.value, domain)
        {
            report.add(
                &domain.place,
                format!(
                    "is \"{}\", as {} is already",
                    domain.value, other.place.path
                ),
            );
        }
    }
}

fn volumes(apps: &[Declared], report: &Report) {
    let mut taken: Vec<(Shared, Use<'_, Mount>)> = Vec::new();
    for one in uses(apps, |layer| layer.volumes.value()) {
        let Use { environment, entry } = one;
        let Some(shared) = Shared::of(&entry.value).filter(|_| entry.value.is_writable()) else {
            continue;
        };
        let is_here =
            |other: &&(Shared, Use<'_, Mount>)| other.1.entry.place.offset == entry.place.offset;
        if taken.last().as_ref().is_some_and(is_here) {
            report.add(
                &entry.place,
                format!("makes {shared} writable in more than one environment, as they inherit it; add \":ro\", or write volumes for the others"),
            );
        }
        let other = taken.iter().find(|other| {
            !is_here(other) && other.1.environment != environment && other.0.overlaps(&shared)
        });
        if let Some((what, other)) = other {
            let place = &other.entry.place.path;
            let clash = if *what == shared {
                format!("which {place} does for another environment")
            } else {
                format!("which overlaps {what}, writable by {place} in another environment")
            };
            report.add(
                &entry.place,
                format!("makes {shared} writable, {clash}; only one may write to it: add \":ro\" to one of them"),
            );
        }
        taken.push((shared, one));
    }
}

//! What apps and environments cannot both have: names, ids, a project's environment, host ports, writable volumes.

use super::app::Declared;
use super::fault::{Place, Report};
use super::publish::{clash, show};
use super::reader::At;
use super::volume::Shared;
use crate::core::name::{EnvironmentName, ProjectPath};
use crate::core::spec::{Mount, Protocol, Publish};
use std::collections::HashMap;
use std::hash::Hash;
use std::net::SocketAddr;

/// Reports every conflict at the one that comes later in the file.
pub(super) fn find(apps: &[Declared], listen: Option<SocketAddr>, report: &Report) {
    names(apps, report);
    ids(apps, report);
    projects(apps, report);
    ports(apps, listen, report);
    volumes(apps, report);
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

/// Every environment's entries of one list, with the environment they belong to.
fn entries<'a, T>(
    apps: &'a [Declared],
    list: impl Fn(&'a super::layer::Layer) -> Option<&'a Vec<At<T>>>,
) -> Vec<(String, &'a At<T>)> {
    let mut all = Vec::new();
    for app in apps {
        for (environment, layer) in &app.environments {
            let label = app.environment_label(environment);
            all.extend(
                list(layer)
                    .into_iter()
                    .flatten()
                    .map(|entry| (label.clone(), entry)),
            );
        }
    }
    // In the file's order; what is inherited is at one place, and the sort keeps its order.
    all.sort_by_key(|(_, entry)| entry.place.offset);
    all
}

fn ports(apps: &[Declared], listen: Option<SocketAddr>, report: &Report) {
    let api = listen
        .filter(|listen| listen.port() > 0)
        .map(|listen| Publish {
            address: listen.ip(),
            host_port: listen.port(),
            container_port: listen.port(),
            protocol: Protocol::Tcp,
        });
    let mut taken: HashMap<u16, Vec<(String, &Publish)>> = HashMap::new();
    for (label, entry) in entries(apps, |layer| layer.publish.value()) {
        let Place { path, .. } = &entry.place;
        let port = show(&entry.value);
        if api.as_ref().is_some_and(|api| clash(api, &entry.value)) {
            report.add(
                &entry.place,
                format!("takes {port}, where longshore's own API listens (api.listen)"),
            );
        }
        let taken = taken.entry(entry.value.host_port).or_default();
        if let Some((other, at)) = taken.iter().find(|(_, at)| clash(at, &entry.value)) {
            let at = show(at);
            report.add(
                &entry.place,
                if *other == label {
                    format!("takes {port}, which this environment publishes already, as {at}")
                } else if path.starts_with(&label) {
                    format!("takes {port}, which {other}, has already, as {at}")
                } else {
                    format!("gives {port} to {other}, and to {label}; a port of the host can be published once (publish = [] in the other environment takes it away)")
                },
            );
        }
        taken.push((label, &entry.value));
    }
}

fn volumes(apps: &[Declared], report: &Report) {
    let mut first: First<Shared, String> = First::new();
    for (label, entry) in entries(apps, |layer| layer.volumes.value()) {
        let mount: &Mount = &entry.value;
        let Some(shared) = Shared::of(mount).filter(|_| mount.is_writable()) else {
            continue;
        };
        let what = shared.to_string();
        let Some(other) = first.claim(shared, label.clone()) else {
            continue;
        };
        if *other != label {
            report.add(
                &entry.place,
                format!("makes {what} writable for {other}, and for {label}; only one environment may write to it, add \":ro\" in the other"),
            );
        }
    }
}

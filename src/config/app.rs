//! Apps: what each `[[app]]` says of itself, and its environments with the app's keys under their own.

use super::fault::{Place, Report};
use super::job::{self, Kind};
use super::layer::Layer;
use super::previews::{self, PreviewKeys};
use super::reader::{Reading, Table, Value};
use super::{connection, keys, repository, spec};
use crate::core::app::{App, derived_id};
use crate::core::name::{AppName, EnvironmentName, ProjectPath};
use std::collections::BTreeMap;
use uuid::Uuid;

/// An app as it was read, with places, before its keys are judged together.
pub(super) struct Declared {
    /// `app "web"`, and where its table begins.
    pub place: Place,
    pub name: Reading<AppName>,
    pub id: Reading<Uuid>,
    pub project: Reading<ProjectPath>,
    kind: Reading<Kind>,
    pub default_environment: EnvironmentName,
    /// Each environment's keys over the app's.
    pub environments: BTreeMap<EnvironmentName, Layer>,
    pub previews: Reading<PreviewKeys>,
    /// The app's keys alone: what a preview is made of.
    own: Layer,
}

/// Reads every `[[app]]`.
pub(super) fn read(top: &Table<'_>) -> Vec<Declared> {
    let Some(value) = top.get("app") else {
        return Vec::new();
    };
    if value.is_table() {
        let _: Option<()> = value.fault(
            "is a table; each app begins with [[app]] in double brackets, as there can be several",
        );
        return Vec::new();
    }
    let entries = value.list("tables").unwrap_or_default();
    entries
        .iter()
        .enumerate()
        .filter_map(|(index, entry)| Declared::read(index, entry))
        .collect()
}

impl Declared {
    fn read(index: usize, entry: &Value<'_>) -> Option<Self> {
        let label = match entry.peek("name") {
            Some(name) => format!("app {name:?}"),
            None => format!("app number {}", index + 1),
        };
        let table = entry.scope(keys::APP, label.clone(), format!("{label}: "))?;
        let name = table.text("name", AppName::parse);
        if name.is_absent() {
            table.missing("a name, like name = \"web\"");
        }
        let kind = table.text("kind", job::kind);
        let own = Layer::read(&table);
        let default_environment = table
            .text("environment", EnvironmentName::parse)
            .unwrap_or_else(|| EnvironmentName::parse("production").expect("it is a valid name"));
        let mut environments = environments(&table, &label, &own);
        // What has a project and nothing to deploy is there to be told of deployments elsewhere.
        if entry.peek("project").is_none() || !entry.holds_only(keys::RECORDER) {
            environments
                .entry(default_environment.clone())
                .or_insert_with(|| own.clone());
        }
        Some(Self {
            name,
            id: table.text("id", id),
            project: table.text("project", ProjectPath::parse),
            kind,
            default_environment,
            environments,
            previews: table.read("previews", previews::read),
            own,
            place: table.place,
        })
    }

    /// What the app is, unless that has a fault.
    pub fn kind(&self) -> Option<Kind> {
        match &self.kind {
            Reading::Given(kind) => Some(kind.value),
            Reading::Absent => Some(Kind::Service),
            Reading::Faulty => None,
        }
    }

    /// The app's id, unless that or the name it is derived from has a fault.
    pub fn id(&self) -> Option<Uuid> {
        match &self.id {
            Reading::Given(id) => Some(id.value),
            Reading::Faulty => None,
            Reading::Absent => self.name.value().map(derived_id),
        }
    }

    /// The app's project, unless a fault leaves it open.
    pub fn project(&self) -> Option<ProjectPath> {
        match &self.project {
            Reading::Given(project) => return Some(project.value.clone()),
            Reading::Faulty => return None,
            Reading::Absent => {}
        }
        let source = self.environments.get(&self.default_environment)?;
        let name = self.name.value()?;
        match (&source.repository, &source.image) {
            (Reading::Given(remote), _) => repository::project(&remote.value)
                .or_else(|| ProjectPath::parse(&format!("local/{name}")).ok()),
            (Reading::Absent, Reading::Given(_)) => {
                ProjectPath::parse(&format!("images/{name}")).ok()
            }
            _ => None,
        }
    }

    /// The app with every environment's spec; reports what the keys of one environment do not fit together. `None` after
    /// faults.
    pub fn build(&self, apps: &[Self], report: &Report) -> Option<App> {
        let kind = self.kind();
        let specs: Vec<_> = self
            .environments
            .iter()
            .map(|(name, layer)| {
                let connect = connection::build(self, name, layer, apps, report);
                let spec = spec::build(kind, layer, &self.place, report).map(|mut spec| {
                    spec.run.connect = connect;
                    spec
                });
                (name.clone(), spec)
            })
            .collect();
        let previews = self.previews.given();
        let previews = previews.map(|keys| match kind {
            Some(Kind::Job) => {
                spec::without_effect(&[Some(&keys.place)], "a job", report);
                None
            }
            Some(Kind::Service) | None => previews::build(kind, keys, &self.own, report),
        });
        let environments: Option<BTreeMap<_, _>> = specs
            .into_iter()
            .map(|(name, spec)| Some((name, spec?)))
            .collect();
        Some(App {
            name: self.name.value()?.clone(),
            id: self.id()?,
            project: self.project()?,
            default_environment: self.default_environment.clone(),
            environments: environments?,
            previews: match previews {
                None => None,
                Some(previews) => Some(previews?),
            },
        })
    }
}

/// The listed environments' layers, over the app's.
fn environments(table: &Table<'_>, label: &str, own: &Layer) -> BTreeMap<EnvironmentName, Layer> {
    let mut environments = BTreeMap::new();
    let entries = table.get("environments").and_then(|value| value.entries());
    for (name, value) in entries.unwrap_or_default() {
        let label = format!("{label}, environment {:?}", name.value);
        let layer = value
            .scope(keys::ENVIRONMENT, label.clone(), format!("{label}: "))
            .map(|table| Layer::read(&table));
        match EnvironmentName::parse(name.value) {
            Ok(name) => {
                environments.insert(
                    name,
                    layer.map_or_else(|| own.clone(), |layer| layer.over(own)),
                );
            }
            Err(fault) => {
                let place = Place {
                    path: label,
                    ..name.place
                };
                value
                    .report()
                    .add(&place, format!("has a name that {fault}"));
            }
        }
    }
    environments
}

fn id(text: &str) -> Result<Uuid, String> {
    match Uuid::try_parse(text) {
        Ok(id) if !id.is_nil() && !id.is_max() => Ok(id),
        _ => Err(format!(
            "must be a UUID, like \"0d6c8b3e-5f0a-4f5e-9a57-3c1f0e9b7a21\", not {text:?}"
        )),
    }
}

//! What a configuration that is read again says otherwise than the one in force.

use super::app::App;
use super::drift::differences;
use super::name::{AppName, EnvironmentName, VariableName};
use super::preview::Previews;
use std::collections::BTreeSet;

/// The difference between two configurations' apps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppChanges {
    /// Apps that were not there before.
    pub added: Vec<AppName>,
    /// Apps that are no longer there; what runs of them goes on.
    pub removed: Vec<AppName>,
    /// Apps that have the same id and another name: before and now.
    pub renamed: Vec<(AppName, AppName)>,
    /// What is said otherwise of apps that stay.
    pub changed: Vec<AppChange>,
    /// What somebody may have meant otherwise than it was written.
    pub notes: Vec<String>,
}

/// What is said otherwise of an app or of one of its environments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppChange {
    /// The app, by its name now.
    pub app: AppName,
    /// The environment; none for what the whole app says.
    pub environment: Option<EnvironmentName>,
    /// What it is.
    pub what: Difference,
}

/// One kind of change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// The environment is new.
    Added,
    /// The environment is no longer there; what runs of it goes on.
    Removed,
    /// These keys are said otherwise.
    Keys(BTreeSet<String>),
}

/// Compares two configurations' apps; an app is the same if its id is.
#[must_use]
pub fn app_changes(old: &[App], new: &[App]) -> AppChanges {
    let mut changes = AppChanges::default();
    for app in new {
        match old.iter().find(|known| known.id == app.id) {
            None => changes.added.push(app.name.clone()),
            Some(known) => compare(known, app, &mut changes),
        }
    }
    for gone in old
        .iter()
        .filter(|known| !new.iter().any(|app| app.id == known.id))
    {
        changes.removed.push(gone.name.clone());
        changes.notes.extend(perhaps_renamed(gone, old, new));
    }
    changes
}

fn compare(known: &App, app: &App, changes: &mut AppChanges) {
    if known.name != app.name {
        let names = (known.name.clone(), app.name.clone());
        changes.renamed.push(names);
    }
    let mut note = |environment: Option<&EnvironmentName>, what: Difference| {
        changes.changed.push(AppChange {
            app: app.name.clone(),
            environment: environment.cloned(),
            what,
        });
    };
    let mut keys = BTreeSet::new();
    if known.project != app.project {
        keys.insert("project".to_owned());
    }
    if known.default_environment != app.default_environment {
        keys.insert("environment".to_owned());
    }
    keys.extend(preview_keys(known.previews.as_ref(), app.previews.as_ref()));
    if !keys.is_empty() {
        note(None, Difference::Keys(keys));
    }
    for (name, spec) in &app.environments {
        match known.environments.get(name) {
            None => note(Some(name), Difference::Added),
            Some(before) => {
                let keys = differences(before, spec);
                if !keys.is_empty() {
                    note(Some(name), Difference::Keys(keys));
                }
            }
        }
    }
    for name in known.environments.keys() {
        if !app.environments.contains_key(name) {
            note(Some(name), Difference::Removed);
        }
    }
}

/// What is said otherwise of previews; what the app itself says otherwise is said of its environments.
fn preview_keys(before: Option<&Previews>, now: Option<&Previews>) -> Vec<String> {
    let (before, now) = match (before, now) {
        (Some(before), Some(now)) => (before, now),
        (None, None) => return Vec::new(),
        (None, Some(_)) | (Some(_), None) => return vec!["previews".to_owned()],
    };
    let names = |previews: &Previews| -> BTreeSet<VariableName> {
        previews.spec.run.secrets.keys().cloned().collect()
    };
    let keys = [
        ("previews.domain", before.domain == now.domain),
        ("previews.max", before.max == now.max),
        ("previews.ttl", before.ttl == now.ttl),
        ("previews.secrets", names(before) == names(now)),
    ];
    let changed = keys.into_iter().filter(|(_, is_same)| !is_same);
    changed.map(|(key, _)| key.to_owned()).collect()
}

/// A new app of the same project beside one that is gone looks like a renaming that forgot the id.
fn perhaps_renamed(gone: &App, old: &[App], new: &[App]) -> Option<String> {
    let is_new = |app: &&App| !old.iter().any(|known| known.id == app.id);
    let mut heirs = new
        .iter()
        .filter(is_new)
        .filter(|app| has_same_source(gone, app));
    match (heirs.next(), heirs.next()) {
        (Some(heir), None) => Some(format!(
            "app '{}' is gone and '{}' is new, with the same source: if it was renamed, give '{}' the key id = \"{}\", so that it stays the same app; as it stands the old one goes on beside it",
            gone.name, heir.name, heir.name, gone.id
        )),
        (None, _) | (Some(_), Some(_)) => None,
    }
}

fn has_same_source(one: &App, other: &App) -> bool {
    use super::spec::SourceSpec::{Git, Image};
    let default = |app: &App| {
        let spec = app.environments.get(&app.default_environment)?;
        Some(match &spec.source {
            Git(git) => git.repository.url.clone(),
            Image(image) => image.reference.to_string(),
        })
    };
    default(one).is_some() && default(one) == default(other)
}

/// What a reload did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reloaded {
    /// The file that was read.
    pub file: String,
    /// What it says otherwise of apps; in force from the next deployment of each.
    pub apps: AppChanges,
    /// Keys of the agent's own tables that hold from now on.
    pub settings: Vec<&'static str>,
    /// Keys that hold only after the daemon was started again.
    pub needs_restart: Vec<&'static str>,
}

impl Reloaded {
    /// Whether the file says nothing new.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self {
            file: _,
            apps,
            settings,
            needs_restart,
        } = self;
        *apps == AppChanges::default() && settings.is_empty() && needs_restart.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::app::derived_id;
    use crate::core::name::{ImageReference, ProjectPath};
    use crate::core::preview::PreviewDomain;
    use crate::core::spec::*;
    use std::collections::BTreeMap;
    use std::time::Duration;

    fn app(name: &str, image: &str, environments: &[(&str, u64)]) -> App {
        let name = AppName::parse(name).unwrap();
        let environments = environments
            .iter()
            .map(|(environment, memory)| (environment_name(environment), spec(image, *memory)));
        App {
            id: derived_id(&name),
            project: ProjectPath::parse("acme/web").unwrap(),
            default_environment: environment_name("production"),
            environments: environments.collect(),
            previews: None,
            name,
        }
    }

    fn environment_name(name: &str) -> EnvironmentName {
        EnvironmentName::parse(name).unwrap()
    }

    fn spec(image: &str, memory: u64) -> Spec {
        Spec {
            source: SourceSpec::Image(ImageSource {
                reference: ImageReference::parse(image).unwrap(),
                pull: PullPolicy::Always,
            }),
            run: RunSpec {
                command: vec![],
                entrypoint: vec![],
                port: None,
                publish: vec![],
                env: BTreeMap::new(),
                env_files: vec![],
                secrets: BTreeMap::new(),
                volumes: vec![],
                memory: Some(memory),
                millicpus: None,
                stop_grace: Duration::ZERO,
                logging: Logging {
                    driver: "local".into(),
                    options: BTreeMap::new(),
                },
                payload: None,
                connect: crate::core::connection::Connect::default(),
            },
            processes: BTreeMap::new(),
            release: Vec::new(),
            tasks: BTreeMap::new(),
            job: None,
            rollout: RolloutSpec {
                strategy: Strategy::Recreate,
                health: Health {
                    check: Check::Image,
                    interval: Duration::ZERO,
                    timeout: Duration::ZERO,
                },
                drain_timeout: Duration::from_secs(30),
            },
            deadlines: Deadlines {
                checkout: Duration::ZERO,
                build: Duration::ZERO,
                rollout: Duration::ZERO,
            },
            domains: Vec::new(),
        }
    }

    #[test]
    fn what_came_what_went_and_what_changed_is_told_apart() {
        let old = [
            app("web", "a", &[("production", 1), ("staging", 1)]),
            app("db", "b", &[("production", 1)]),
        ];
        let new = [
            app("web", "a", &[("production", 2), ("test", 1)]),
            app("cache", "c", &[("production", 1)]),
        ];
        let changes = app_changes(&old, &new);
        let name = |name: &str| AppName::parse(name).unwrap();
        assert_eq!(changes.added, [name("cache")]);
        assert_eq!(changes.removed, [name("db")]);
        let change = |environment: &str, what| AppChange {
            app: name("web"),
            environment: Some(environment_name(environment)),
            what,
        };
        let memory = BTreeSet::from(["memory".to_owned()]);
        assert_eq!(
            changes.changed,
            [
                change("production", Difference::Keys(memory)),
                change("test", Difference::Added),
                change("staging", Difference::Removed),
            ]
        );
        assert!(changes.notes.is_empty(), "{:?}", changes.notes);
        assert_eq!(app_changes(&old, &old), AppChanges::default());
    }

    #[test]
    fn what_is_said_otherwise_of_previews_is_named_key_by_key() {
        let old = app("web", "a", &[("production", 1)]);
        let mut taking = old.clone();
        let previews = Previews {
            spec: spec("a", 1),
            domain: None,
            max: 10,
            ttl: Duration::from_secs(60),
        };
        taking.previews = Some(previews.clone());
        let mut fewer = old.clone();
        fewer.previews = Some(Previews {
            max: 9,
            domain: PreviewDomain::parse("{environment}.example.com").ok(),
            ..previews
        });
        let keys = |old: &App, new: &App| {
            let changes = app_changes(std::slice::from_ref(old), std::slice::from_ref(new));
            match changes.changed.as_slice() {
                [
                    AppChange {
                        environment: None,
                        what: Difference::Keys(keys),
                        ..
                    },
                ] => keys.iter().cloned().collect::<Vec<_>>().join(" "),
                other => format!("{other:?}"),
            }
        };
        assert_eq!(keys(&old, &taking), "previews");
        assert_eq!(keys(&taking, &fewer), "previews.domain previews.max");
        assert_eq!(keys(&fewer, &old), "previews");
    }

    #[test]
    fn a_renaming_with_the_id_is_one_and_without_it_is_asked_about() {
        let old = [app("web", "a", &[("production", 1)])];
        let mut renamed = app("shop", "a", &[("production", 1)]);
        let changes = app_changes(&old, std::slice::from_ref(&renamed));
        assert_eq!((changes.added.len(), changes.removed.len()), (1, 1));
        let [note] = changes.notes.as_slice() else {
            panic!("{:?}", changes.notes);
        };
        assert!(note.contains(&format!("id = \"{}\"", old[0].id)), "{note}");

        renamed.id = old[0].id;
        let changes = app_changes(&old, std::slice::from_ref(&renamed));
        let pair = (old[0].name.clone(), renamed.name.clone());
        assert_eq!(changes.renamed, [pair]);
        assert!(changes.added.is_empty() && changes.removed.is_empty());
    }
}

//! What a configuration that was read again says otherwise.

use crate::core::reload::{AppChange as CoreChange, Difference as CoreDifference, Reloaded};
use serde::Serialize;
use utoipa::ToSchema;

/// What the file says otherwise than before. Apps take it with their next deployment, `domains` at once.
#[derive(Serialize, ToSchema)]
pub(in crate::api::gitdev) struct Reload {
    /// New apps.
    added: Vec<String>,
    changed: Vec<AppChange>,
    /// The file that was read.
    file: String,
    /// Keys that hold only after a restart.
    needs_restart: Vec<String>,
    /// What somebody may have meant otherwise than it was written.
    notes: Vec<String>,
    /// Apps that are no longer named; what runs of them goes on.
    removed: Vec<String>,
    renamed: Vec<Renamed>,
    /// Keys of the agent's own tables that hold from now on.
    settings: Vec<String>,
}

/// An app with the same id and another name.
#[derive(Serialize, ToSchema)]
struct Renamed {
    from: String,
    to: String,
}

/// What is said otherwise of an app, or of one of its environments.
#[derive(Serialize, ToSchema)]
struct AppChange {
    app: String,
    #[schema(required)]
    environment: Option<String>,
    /// The keys that changed, where it is still there.
    #[schema(required)]
    keys: Option<Vec<String>>,
    what: Difference,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Difference {
    Added,
    Removed,
    Changed,
}

impl From<&CoreChange> for AppChange {
    fn from(change: &CoreChange) -> Self {
        let (what, keys) = match &change.what {
            CoreDifference::Added => (Difference::Added, None),
            CoreDifference::Removed => (Difference::Removed, None),
            CoreDifference::Keys(keys) => {
                (Difference::Changed, Some(keys.iter().cloned().collect()))
            }
        };
        Self {
            app: change.app.to_string(),
            environment: change.environment.as_ref().map(ToString::to_string),
            keys,
            what,
        }
    }
}

impl From<&Reloaded> for Reload {
    fn from(reloaded: &Reloaded) -> Self {
        let Reloaded {
            file,
            apps,
            settings,
            needs_restart,
        } = reloaded;
        let owned = |keys: &[&'static str]| keys.iter().map(|key| (*key).to_owned()).collect();
        let renamed = apps.renamed.iter().map(|(from, to)| Renamed {
            from: from.to_string(),
            to: to.to_string(),
        });
        Self {
            added: apps.added.iter().map(ToString::to_string).collect(),
            changed: apps.changed.iter().map(AppChange::from).collect(),
            file: file.clone(),
            needs_restart: owned(needs_restart),
            notes: apps.notes.clone(),
            removed: apps.removed.iter().map(ToString::to_string).collect(),
            renamed: renamed.collect(),
            settings: owned(settings),
        }
    }
}

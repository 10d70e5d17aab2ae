//! Figures of the daemon as a whole, for whoever watches it from outside.

use super::deployment::Step;
use super::event::DeploymentStage;
use super::name::{AppName, EnvironmentName};
use std::collections::BTreeMap;
use std::time::Duration;

/// The upper bounds of the classes that steps' durations are counted in, in seconds: from a checkout of what is there
/// already to a build that takes half an hour.
pub const STEP_BOUNDS: [f64; 11] = [
    0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 1800.0,
];

/// Everything that is measured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measurements {
    /// When this process began, in seconds since 1970.
    pub started_at: f64,
    /// How many deployments ended how, by environment, since then.
    pub outcomes: BTreeMap<(AppName, EnvironmentName, DeploymentStage), u64>,
    /// How long steps took that ended since then.
    pub steps: BTreeMap<Step, Durations>,
    /// How many operations are unfinished, by the word for where they are.
    pub unfinished: BTreeMap<&'static str, u64>,
    /// Whether the engine's events are followed.
    pub engine_up: bool,
    /// How the ingress stands to the route table.
    pub table: TableHeld,
    /// What the ingress counted, in Prometheus' text format; `None` if it did not answer in time.
    pub ingress: Option<String>,
    /// How large the database is with its log, in bytes.
    pub store_bytes: u64,
}

/// How the ingress stands to the route table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableHeld {
    /// The generation that is to hold.
    pub wanted: i64,
    /// The one the ingress was last known to hold; `None` if it cannot be reached, holds none, or another instance's.
    pub held: Option<i64>,
}

/// Durations, counted by class.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Durations {
    /// How many there were up to each of [`STEP_BOUNDS`] and above the bound before, and how many above all.
    pub classes: [u64; STEP_BOUNDS.len() + 1],
    /// All of them together.
    pub sum: Duration,
}

impl Durations {
    /// Counts one more.
    pub fn add(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        let class = STEP_BOUNDS.iter().position(|bound| seconds <= *bound);
        self.classes[class.unwrap_or(STEP_BOUNDS.len())] += 1;
        self.sum += took;
    }

    /// How many there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.classes.iter().sum()
    }
}

/// Why longshore cannot do its work now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unready {
    /// The database cannot be read.
    Store,
    /// The engine cannot be reached.
    Engine,
    /// The database was put back from a backup and nobody has adopted yet.
    Restored,
    /// The ingress cannot be reached, or did not take the route table.
    Ingress,
    /// The ingress serves another instance.
    ForeignIngress,
    /// The disk of data_dir is full.
    Disk,
    /// It is ending.
    Stopping,
}

impl Unready {
    /// The stable word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Store => "store_failed",
            Self::Engine => "engine_unavailable",
            Self::Restored => "database_restored",
            Self::Ingress => "ingress_unavailable",
            Self::ForeignIngress => "ingress_foreign",
            Self::Disk => "disk_full",
            Self::Stopping => "shutting_down",
        }
    }

    /// One sentence for people; it names no path, because it is for everybody.
    #[must_use]
    pub fn message(self) -> &'static str {
        match self {
            Self::Store => "The database cannot be read; the daemon's log has the cause",
            Self::Engine => "The Docker engine cannot be reached; deployments wait for it",
            Self::Restored => {
                "The database was put back from a backup; nothing is changed until `longshore adopt`"
            }
            Self::Ingress => {
                "The ingress cannot be reached or did not take the routes; it is asked again until it does, and nothing old is stopped before"
            }
            Self::ForeignIngress => {
                "The ingress serves another longshore's apps; `longshore takeover` makes it serve this one's"
            }
            Self::Disk => "The disk is full; nothing new is begun until there is space",
            Self::Stopping => "The daemon is stopping",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_counted_in_the_class_it_ends_in() {
        let mut durations = Durations::default();
        for seconds in [0.5, 0.6, 1800.0, 1801.0] {
            durations.add(Duration::from_secs_f64(seconds));
        }
        assert_eq!(durations.classes[0], 1);
        assert_eq!(durations.classes[1], 1);
        assert_eq!(durations.classes[STEP_BOUNDS.len() - 1], 1);
        assert_eq!(durations.classes[STEP_BOUNDS.len()], 1);
        assert_eq!(durations.count(), 4);
        assert_eq!(durations.sum, Duration::from_secs_f64(3602.1));
    }
}

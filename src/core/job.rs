//! Jobs: apps that run to their end, at what happens to their environment or by a schedule.

use super::schedule::{Cron, Zone};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// What a job runs, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobSpec {
    /// When it runs, and what it runs then.
    pub occasion: Occasion,
    /// What happens to a run while another is at work.
    pub overlap: Overlap,
    /// How long a run may take with all its attempts, in consumed time; then it is killed and has failed.
    pub max_duration: Duration,
    /// How often the command of a run is run again after it failed or was cut off; 0: never.
    pub retries: u32,
    /// How many runs that have ended are kept in the history.
    pub keep_runs: u32,
}

/// When a job runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Occasion {
    /// At what happens to its environment: never [`JobEvent::Cron`].
    Lifecycle(BTreeMap<JobEvent, JobCommand>),
    /// By a schedule, with the app's own command.
    Scheduled(Schedule),
}

/// What a run is started by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobEvent {
    /// Its environment starts: a deployment, a start, an activation.
    Start,
    /// Its environment stops or is suspended.
    Stop,
    /// Its environment is removed.
    Delete,
    /// Its schedule.
    Cron,
}

impl JobEvent {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Start, Self::Stop, Self::Delete, Self::Cron];

    /// The word that is stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Delete => "delete",
            Self::Cron => "cron",
        }
    }

    /// Reads the word back.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.as_str() == text)
    }
}

impl std::fmt::Display for JobEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What an event runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobCommand {
    /// Overrides the app's entrypoint; empty: the app's own.
    pub entrypoint: Vec<String>,
    /// Overrides the app's command; empty: the app's own.
    pub command: Vec<String>,
}

/// When a scheduled job runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Its five fields.
    pub cron: Cron,
    /// The time zone whose wall clock they are read on.
    pub time_zone: Zone,
    /// What becomes of runs that were due while nothing could run them.
    pub missed: Missed,
}

/// What becomes of runs that were due while longshore, or its host, was not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missed {
    /// They are left out.
    Skip,
    /// One run is made for all of them.
    Once,
}

/// What happens to a run while another of the same environment is at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// It is not made.
    Forbid,
    /// The one at work is ended, then it begins.
    Replace,
    /// Both run.
    Allow,
}

impl JobSpec {
    /// What an event of the job runs; `None` if the job has no such event.
    #[must_use]
    pub fn command(&self, event: JobEvent) -> Option<JobCommand> {
        match (&self.occasion, event) {
            (Occasion::Lifecycle(events), event) => events.get(&event).cloned(),
            (Occasion::Scheduled(_), JobEvent::Cron) => Some(JobCommand::default()),
            (Occasion::Scheduled(_), JobEvent::Start | JobEvent::Stop | JobEvent::Delete) => None,
        }
    }

    /// The events it has.
    #[must_use]
    pub fn events(&self) -> Vec<JobEvent> {
        match &self.occasion {
            Occasion::Lifecycle(events) => events.keys().copied().collect(),
            Occasion::Scheduled(_) => vec![JobEvent::Cron],
        }
    }

    /// What a deployment runs that asks for no event; `None`: nothing.
    #[must_use]
    pub fn at_deployment(&self) -> Option<JobEvent> {
        match &self.occasion {
            Occasion::Lifecycle(events) => events
                .contains_key(&JobEvent::Start)
                .then_some(JobEvent::Start),
            Occasion::Scheduled(_) => None,
        }
    }

    /// What is run by hand if nothing is said.
    #[must_use]
    pub fn by_hand(&self) -> JobEvent {
        match &self.occasion {
            Occasion::Lifecycle(_) => JobEvent::Start,
            Occasion::Scheduled(_) => JobEvent::Cron,
        }
    }

    /// Its schedule, if it has one.
    #[must_use]
    pub fn schedule(&self) -> Option<&Schedule> {
        match &self.occasion {
            Occasion::Lifecycle(_) => None,
            Occasion::Scheduled(schedule) => Some(schedule),
        }
    }
}

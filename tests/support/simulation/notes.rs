//! What a simulation remembers: everything that happened in order, what was done to whom and when, and what was
//! against the law.

use super::script::APPS;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use uuid::Uuid;

/// Something that was done to an app and explains what became of its deployments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The engine said no to something.
    Refused,
    /// The source could not give the tree.
    Source,
    /// Somebody stopped or removed a container of it by hand.
    Touched,
    /// The engine took its containers down.
    EngineKilled,
    /// The engine was away for longer than deployments wait.
    EngineAway,
    /// The ingress was away.
    IngressAway,
}

#[derive(Default)]
pub struct Notes {
    pub trace: Vec<(Duration, String)>,
    pub violations: Vec<String>,
    /// When, to which app (to all if none), what.
    pub reasons: Vec<(Duration, Option<&'static str>, Reason)>,
    /// Accepted deployments in the order of their answers, as their clients know them.
    pub accepted: Vec<Uuid>,
    /// Accepted changes.
    pub changes: Vec<i64>,
    pub keys: BTreeMap<u8, Uuid>,
    keys_tried: BTreeSet<u8>,
    /// Requests without a key, and keys: no more deployments than these may exist.
    pub attempts: usize,
    pub cancelled: BTreeSet<Uuid>,
    pub deleted: BTreeSet<Uuid>,
    /// Whether a deletion by force was asked for, which stops.
    pub forced: bool,
    pub faults: BTreeMap<&'static str, u64>,
    pub crash_points: BTreeSet<String>,
    pub crashes: u64,
    pub lives: u64,
    /// When each deployment came into each phase.
    pub phases: BTreeMap<i64, Vec<(String, Duration)>>,
    /// Containers whose last start or stop was a stop through the engine's API.
    pub stopped: BTreeSet<String>,
    /// When each container was started.
    pub started: BTreeMap<String, Duration>,
    pub starts: u64,
    /// What ran when the engine went down.
    pub downed: BTreeSet<String>,
    pub gone_since: Duration,
    pub gone_until: Duration,
    pub ingress_gone_until: Duration,
    /// How often the engine went away.
    pub outages: u64,
    /// Calls that had begun and not ended.
    pub in_flight: BTreeMap<u64, InFlight>,
    pub calls: u64,
    /// Whose output the engine would not give.
    pub unread: BTreeSet<String>,
}

/// A call that an engine may carry out after its caller has died.
#[derive(Clone, Debug)]
pub enum InFlight {
    Create(Box<longshore::core::ports::ContainerSpec>),
    Start(String),
    Stop(String),
}

impl Notes {
    /// Somebody is about to ask for a deployment.
    pub fn attempt(&mut self, key: Option<u8>) {
        if key.is_none_or(|key| self.keys_tried.insert(key)) {
            self.attempts += 1;
        }
    }

    pub fn against(&mut self, at: Duration, law: String) {
        self.trace.push((at, format!("AGAINST THE LAW: {law}")));
        self.violations.push(law);
    }

    /// Whether something of that kind was done to an app in that time.
    pub fn explains(&self, app: &str, from: Duration, to: Duration, reasons: &[Reason]) -> bool {
        self.reasons.iter().any(|(at, whose, reason)| {
            (from..=to).contains(at)
                && whose.is_none_or(|whose| whose == app)
                && reasons.contains(reason)
        })
    }
}

/// Whose an object is: its name holds its app's.
pub fn app_of(text: &str) -> Option<&'static str> {
    APPS.into_iter().find(|app| text.contains(app))
}

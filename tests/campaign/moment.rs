//! When the daemon is killed: some time after the last request, or as soon as the database shows that something is
//! under way, and a little later.

use crate::chance::Chance;
use crate::rows::Rows;
use std::time::Duration;

/// How long a mark is waited for that may never come.
const PATIENCE: Duration = Duration::from_secs(4);

const LOOK: Duration = Duration::from_millis(1);

/// What there is to wait for, by the name it is counted under.
const MARKS: [(u64, (&str, &str)); 11] = [
    (3, ("time", "")),
    (
        2,
        (
            "checkout",
            "SELECT 1 FROM deployment WHERE phase = 'checkout'",
        ),
    ),
    (
        2,
        ("build", "SELECT 1 FROM deployment WHERE phase = 'build'"),
    ),
    (
        2,
        (
            "rollout",
            "SELECT 1 FROM deployment WHERE phase = 'rollout'",
        ),
    ),
    (
        2,
        (
            "container made",
            "SELECT 1 FROM container WHERE role = 'candidate' AND made_at IS NULL",
        ),
    ),
    (
        2,
        (
            "old one stopped",
            "SELECT 1 FROM container WHERE displaced_by IS NOT NULL",
        ),
    ),
    (
        3,
        (
            "commit",
            "SELECT 1 FROM deployment WHERE phase = 'committed'",
        ),
    ),
    (
        2,
        (
            "settling",
            "SELECT 1 FROM settlement WHERE settled_at IS NULL",
        ),
    ),
    (
        2,
        (
            "restoring",
            "SELECT 1 FROM settlement WHERE settled_at IS NULL AND kind = 'restore'",
        ),
    ),
    (
        3,
        ("change", "SELECT 1 FROM operation WHERE phase = 'running'"),
    ),
    (
        2,
        (
            "removal",
            "SELECT 1 FROM settlement WHERE settled_at IS NULL AND kind IN ('retire_network', 'retire_volume')",
        ),
    ),
];

/// A moment to kill at.
pub struct Moment {
    pub name: &'static str,
    question: &'static str,
    then: Duration,
}

impl Moment {
    pub fn choose(chance: &mut Chance) -> Self {
        let (name, question) = chance.weighted(&MARKS);
        let then = match (name, chance.percent(40)) {
            ("time", _) => chance.millis(2000),
            (_, true) => Duration::ZERO,
            (_, false) => chance.millis(200),
        };
        Self {
            name,
            question,
            then,
        }
    }

    /// Waits for it; what it is counted under.
    pub async fn come(&self, rows: &Rows) -> &'static str {
        let seen = async {
            while !self.question.is_empty() && !rows.is(self.question) {
                tokio::time::sleep(LOOK).await;
            }
        };
        let came = tokio::time::timeout(PATIENCE, seen).await.is_ok();
        tokio::time::sleep(self.then).await;
        if came { self.name } else { "nothing came" }
    }
}

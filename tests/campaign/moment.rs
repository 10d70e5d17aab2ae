//! When a process is killed, and which: some time after the last request, or as soon as the database shows that something is
//! under way, and a little later.

use crate::chance::Chance;
use crate::rows::Rows;
use std::time::Duration;

/// How many looks in a row find nothing to do before a mark is given up: a request may still be under way.
const PATIENCE: u32 = 400;

/// How many looks there are at most.
const LONGEST: u32 = 6000;

const LOOK: Duration = Duration::from_millis(1);

/// What there is to wait for, by the name it is counted under.
const MARKS: [(u64, (&str, &str)); 15] = [
    (4, ("acceptance", "")),
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
        3,
        (
            "unrouting",
            "SELECT 1 FROM settlement WHERE settled_at IS NULL AND unrouted IS NOT NULL",
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
        3,
        (
            "run begun",
            "SELECT 1 FROM one_off WHERE run IS NOT NULL AND starting_at IS NOT NULL AND ended_at IS NULL",
        ),
    ),
    (2, ("run", "SELECT 1 FROM run WHERE ended_at IS NULL")),
    (
        2,
        (
            "removal",
            "SELECT 1 FROM settlement WHERE settled_at IS NULL AND kind IN ('retire_network', 'retire_volume')",
        ),
    ),
];

/// Who is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Victim {
    Plane,
    Ingress,
    Both,
}

/// A moment to kill at.
pub struct Moment {
    pub name: &'static str,
    question: &'static str,
    then: Duration,
    pub victim: Victim,
    /// How long the ingress stays away.
    pub away: Duration,
}

impl Moment {
    pub fn choose(chance: &mut Chance) -> Self {
        let (name, question) = chance.weighted(&MARKS);
        let then = match (name, chance.percent(40)) {
            ("acceptance", _) => chance.millis(60),
            ("time", _) => chance.millis(2000),
            (_, true) => Duration::ZERO,
            (_, false) => chance.millis(200),
        };
        let victim =
            chance.weighted(&[(4, Victim::Plane), (3, Victim::Ingress), (3, Victim::Both)]);
        let away = match chance.percent(40) {
            true => chance.millis(3000),
            false => Duration::ZERO,
        };
        Self {
            name,
            question,
            then,
            victim,
            away,
        }
    }

    /// Waits for it; what it is counted under.
    pub async fn come(&self, rows: &Rows) -> &'static str {
        let mut came = self.question.is_empty();
        let (mut looks, mut idle) = (0, 0);
        // What does not come while there is nothing to do will not come.
        while !came && idle < PATIENCE && looks < LONGEST {
            looks += 1;
            tokio::time::sleep(LOOK).await;
            came = rows.is(self.question);
            idle = match rows.heads().is_empty() {
                true => idle + 1,
                false => 0,
            };
        }
        tokio::time::sleep(self.then).await;
        if came { self.name } else { "rest" }
    }
}

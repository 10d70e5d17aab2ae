//! The driver, the store and the world through thousands of made-up days: what is accepted ends, for a reason, and
//! nothing is lost, doubled or left over, whatever comes late, gets lost, is refused or ends in the middle.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "support/laws.rs"]
mod laws;
#[path = "support/simulation/mod.rs"]
mod simulation;
#[path = "support/world.rs"]
#[expect(dead_code, reason = "another test file uses the rest")]
mod world;

use simulation::{Told, run};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many seeds are run where nobody asks for more.
const SHORT: u64 = 200;
/// How many failing seeds are told of before the rest is left.
const ENOUGH: usize = 5;

#[test]
fn the_laws_hold_whatever_the_world_does() {
    let first = number("FROM").unwrap_or(1);
    let count = number("SEEDS").unwrap_or(SHORT);
    let next = AtomicU64::new(first);
    let sum = Mutex::new(Sum::default());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count || sum.lock().unwrap().failed.len() >= ENOUGH {
                        return;
                    }
                    let told = run(seed);
                    sum.lock().unwrap().add(&told);
                }
            });
        }
    });
    let sum = sum.into_inner().unwrap();
    println!("{sum}");
    let failed: Vec<String> = sum.failed.iter().map(failure).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(
        sum.crash_points.len() > 40 || count < SHORT,
        "too few places to end were hit"
    );
}

#[test]
fn the_same_seed_tells_the_same_story() {
    for seed in 1..=12 {
        let (one, other) = (run(seed), run(seed));
        let differs = one
            .lines()
            .into_iter()
            .zip(other.lines())
            .find(|(one, other)| one != other);
        assert_eq!(one.digest(), other.digest(), "seed {seed}: {differs:#?}");
    }
}

/// `SEED=… cargo test --test simulation -- --ignored replay --nocapture` (or `make simulate SEED=…`).
#[test]
#[ignore = "tells one seed's story: SEED=… must say which"]
fn replay() {
    let told = run(number("SEED").expect("SEED says which"));
    for line in told.lines() {
        println!("{line}");
    }
    assert!(
        told.violations.is_empty(),
        "{}",
        failure(&(told.seed, told.violations))
    );
}

fn failure((seed, violations): &(u64, Vec<String>)) -> String {
    format!(
        "seed {seed}: {}\nreplay: SEED={seed} cargo test --test simulation -- --ignored replay --nocapture",
        violations.join("\n    ")
    )
}

#[derive(Default)]
struct Sum {
    seeds: u64,
    deployments: u64,
    changes: u64,
    ends: BTreeMap<String, u64>,
    crashes: u64,
    crash_points: BTreeSet<String>,
    faults: BTreeMap<&'static str, u64>,
    failed: Vec<(u64, Vec<String>)>,
}

impl Sum {
    fn add(&mut self, told: &Told) {
        self.seeds += 1;
        self.deployments += told.deployments;
        self.changes += told.changes;
        self.crashes += told.crashes;
        self.crash_points.extend(told.crash_points.iter().cloned());
        for (end, count) in &told.ends {
            *self.ends.entry(end.clone()).or_default() += count;
        }
        for (fault, count) in &told.faults {
            *self.faults.entry(fault).or_default() += count;
        }
        if !told.violations.is_empty() {
            self.failed.push((told.seed, told.violations.clone()));
        }
    }
}

impl std::fmt::Display for Sum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let list = |counts: Vec<String>| counts.join(", ");
        write!(
            f,
            "simulation: {} seeds, {} deployments ({}), {} changes, {} crashes at {} distinct points, faults: {}; {} seeds against the laws",
            self.seeds,
            self.deployments,
            list(
                self.ends
                    .iter()
                    .map(|(end, count)| format!("{count} {end}"))
                    .collect()
            ),
            self.changes,
            self.crashes,
            self.crash_points.len(),
            list(
                self.faults
                    .iter()
                    .map(|(fault, count)| format!("{count} {fault}"))
                    .collect()
            ),
            self.failed.len()
        )
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "how much is simulated is said from outside"
)]
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

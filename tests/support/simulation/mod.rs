//! A simulation of the daemon's lives in a world that misbehaves. Everything in it, the requests, the faults, the delays,
//! the places where the process ends, is drawn from one number, so that it happens again exactly as it was.
//!
//! `script` is drawn before the first life; `faulty` is what the ports do on a bad day; `life` runs the driver through
//! the script; `observer` looks on after every commit and before every removal; `verdict` looks at the end.

pub mod chance;
mod faulty;
mod life;
mod notes;
mod observer;
mod script;
mod sim;
mod verdict;

use crate::world::Bench;
use sim::Sim;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

/// What became of a seed.
pub struct Told {
    pub seed: u64,
    pub trace: Vec<(Duration, String)>,
    pub violations: Vec<String>,
    pub deployments: u64,
    pub ends: BTreeMap<String, u64>,
    pub changes: u64,
    pub crashes: u64,
    pub crash_points: BTreeSet<String>,
    pub faults: BTreeMap<&'static str, u64>,
}

impl Told {
    /// A number that stands for everything that happened.
    pub fn digest(&self) -> u64 {
        let mut digest = 0xCBF2_9CE4_8422_2325_u64;
        for (at, text) in &self.trace {
            for byte in at.as_millis().to_be_bytes().iter().chain(text.as_bytes()) {
                digest = (digest ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3);
            }
        }
        digest
    }

    pub fn lines(&self) -> Vec<String> {
        let line = |(at, text): &(Duration, String)| format!("{:>10.3}  {text}", at.as_secs_f64());
        self.trace.iter().map(line).collect()
    }
}

/// Runs a seed to its end.
pub fn run(seed: u64) -> Told {
    let script = script::Script::draw(seed);
    let mut bench = None;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let sim = runtime.block_on(async {
        let mut new = Bench::new(script.apps.clone());
        new.max_concurrent = script.max_concurrent;
        new.retention.keep_releases = script.keep_releases;
        let sim = Sim::new(seed, script, new.world.clone());
        bench = Some(new);
        sim
    });
    let bench = bench.unwrap();
    let went = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(life::live(seed, &sim, &bench));
    }));
    if let Err(panic) = went {
        let text = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
        let law = format!("panicked: {}", text.unwrap_or_default());
        sim.notes.clear_poison();
        sim.notes().violations.push(law);
    }
    told(seed, &sim)
}

fn told(seed: u64, sim: &Arc<Sim>) -> Told {
    let mut notes = sim.notes();
    let mut ends = BTreeMap::new();
    for phases in notes.phases.values() {
        if let Some((phase, _)) = phases.last() {
            *ends.entry(phase.clone()).or_default() += 1;
        }
    }
    Told {
        seed,
        trace: std::mem::take(&mut notes.trace),
        violations: std::mem::take(&mut notes.violations),
        deployments: notes.phases.len() as u64,
        ends,
        changes: notes.changes.len() as u64,
        crashes: notes.crashes,
        crash_points: std::mem::take(&mut notes.crash_points),
        faults: std::mem::take(&mut notes.faults),
    }
}

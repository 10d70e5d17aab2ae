//! What a campaign counts, and its summary.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// Times, of which the summary tells the middle and the end.
#[derive(Default)]
pub struct Times(Vec<Duration>);

impl Times {
    pub fn add(&mut self, time: Duration) {
        self.0.push(time);
    }

    fn over(&self, limit: Duration) -> usize {
        self.0.iter().filter(|time| **time > limit).count()
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let Some(last) = sorted.last() else {
            return f.write_str("none");
        };
        let at = |percent: usize| sorted[(sorted.len() - 1) * percent / 100].as_secs_f64();
        let (p50, p99, max) = (at(50), at(99), last.as_secs_f64());
        write!(
            f,
            "{} of them, p50 {p50:.2} s, p99 {p99:.2} s, max {max:.2} s",
            sorted.len()
        )
    }
}

pub type Counts = BTreeMap<String, usize>;

#[derive(Default)]
pub struct Tally {
    pub kills: usize,
    /// How many of them were the ingress.
    pub ingress_kills: usize,
    /// Releases that took over by a swap.
    pub swaps: usize,
    /// Requests that must not fail, and the others.
    pub probes: (usize, usize),
    pub kills_at: Counts,
    pub requests: Counts,
    pub outcomes: Counts,
    pub checks: usize,
    /// From a daemon's start to its first answer.
    pub ready: Times,
    /// From there to the first thing done about an environment's unfinished work.
    pub resumed: Times,
    /// From there to the end of an operation that was unfinished, its own work included.
    pub settled: Times,
}

pub fn count(counts: &mut Counts, what: impl Into<String>) {
    *counts.entry(what.into()).or_default() += 1;
}

fn list(counts: &Counts) -> String {
    let parts: Vec<String> = counts
        .iter()
        .map(|(what, count)| format!("{count} {what}"))
        .collect();
    parts.join(", ")
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_crash_loop = |what: &&String| what.ends_with("crash_loop");
        let crash_loops: usize = self
            .outcomes
            .iter()
            .filter(|(what, _)| is_crash_loop(what))
            .map(|(_, count)| count)
            .sum();
        let others: Counts = self
            .outcomes
            .iter()
            .filter(|(what, _)| !is_crash_loop(what))
            .map(|(what, count)| (what.clone(), *count))
            .collect();
        let late = self.resumed.over(Duration::from_secs(5));
        writeln!(
            f,
            "{} kills, {} of the control plane and {} of the ingress, at these moments: {}",
            self.kills,
            self.kills - self.ingress_kills,
            self.ingress_kills,
            list(&self.kills_at)
        )?;
        let (judged, unjudged) = self.probes;
        writeln!(
            f,
            "{} swaps; {judged} probes had to be answered and were, {unjudged} did not have to",
            self.swaps
        )?;
        writeln!(f, "requests: {}", list(&self.requests))?;
        writeln!(f, "outcomes: {}; crash_loop {crash_loops}", list(&others))?;
        writeln!(f, "start to ready: {}", self.ready)?;
        writeln!(
            f,
            "ready to resumed: {}; later than 5 s: {late}",
            self.resumed
        )?;
        writeln!(f, "ready to settled, own work included: {}", self.settled)?;
        write!(
            f,
            "{} checks: nothing lost, nothing doubled, 0 leftovers, routes as stored",
            self.checks
        )
    }
}

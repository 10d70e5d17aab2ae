//! What became of the requests, in figures.

use serde::Serialize;
use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

/// How many examples of each failure are kept.
const EXAMPLES: usize = 3;
/// How much of what a server said is kept of an example.
const LONGEST: usize = 300;

/// In place of a version: the server ended a WebSocket in good order between two messages.
pub(crate) const ENDED: &str = "ended";
/// The same, while a message was on its way to it.
pub(crate) const CROSSED: &str = "ended, a message on its way";

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Plain,
    /// A small request on a kept connection.
    Kept,
    /// A small request on a connection of its own.
    Fresh,
    Upload,
    Slow,
    /// A message over a WebSocket that lives until the server ends it.
    Socket,
    /// A WebSocket from its opening to its last message.
    ShortSocket,
}

/// Why there was no right answer.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    what: String,
    detail: String,
}

impl Failure {
    pub(crate) fn new(what: &str, detail: &str) -> Self {
        Self {
            what: what.to_owned(),
            detail: detail.trim().chars().take(LONGEST).collect(),
        }
    }

    pub(crate) fn of(what: &str, error: &dyn Error) -> Self {
        let mut detail = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            detail = format!("{detail}: {cause}");
            source = cause.source();
        }
        Self::new(what, &detail)
    }
}

/// What became of one request.
pub(crate) struct Outcome {
    pub(crate) kind: Kind,
    pub(crate) host: String,
    /// When it was to be sent.
    pub(crate) due: Instant,
    pub(crate) ended: Instant,
    /// The version that answered.
    pub(crate) result: Result<String, Failure>,
}

/// All of it.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) seconds: f64,
    pub(crate) sent: usize,
    pub(crate) failed: usize,
    /// The longest time between two right answers to small requests of one host, in milliseconds.
    pub(crate) longest_gap_ms: f64,
    /// Of small requests, from when they were due.
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
    /// Kept connections that the server ended between two requests.
    pub(crate) reopened: u64,
    /// WebSockets that the server ended in good order.
    pub(crate) sockets_ended: usize,
    /// Those of them to which a message was on its way.
    pub(crate) sockets_ended_crossing: usize,
    /// How many right answers each version gave.
    pub(crate) versions: BTreeMap<String, usize>,
    pub(crate) kinds: BTreeMap<Kind, Figures>,
    pub(crate) failures: BTreeMap<String, Failures>,
}

/// Of one kind.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    sent: usize,
    failed: usize,
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
}

/// Of one kind of failure.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Failures {
    count: usize,
    first: Vec<String>,
}

fn milliseconds(duration: Duration) -> f64 {
    // Tenths of a microsecond are noise.
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let place = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(place).copied().map_or(0.0, milliseconds)
}

/// The times of those that came right, sorted.
fn times<'a>(outcomes: impl Iterator<Item = &'a Outcome>) -> Vec<Duration> {
    let right = outcomes.filter(|outcome| outcome.result.is_ok());
    let mut times: Vec<_> = right
        .map(|outcome| outcome.ended.saturating_duration_since(outcome.due))
        .collect();
    times.sort_unstable();
    times
}

fn is_small(outcome: &&Outcome) -> bool {
    matches!(outcome.kind, Kind::Kept | Kind::Fresh)
}

fn longest_gap(all: &[Outcome], began: Instant) -> Duration {
    let mut hosts: BTreeMap<&str, Vec<Instant>> = BTreeMap::new();
    let mut last_due = began;
    for outcome in all.iter().filter(is_small) {
        let answers = hosts.entry(&outcome.host).or_default();
        if outcome.result.is_ok() {
            answers.push(outcome.ended);
        }
        last_due = last_due.max(outcome.due);
    }
    let longest = |mut answers: Vec<Instant>| {
        answers.push(began);
        answers.sort_unstable();
        // Requests that were due after the last right answer wait still.
        answers.extend((answers.last() < Some(&last_due)).then_some(last_due));
        let gaps = answers.windows(2).map(|pair| pair[1] - pair[0]);
        gaps.max().unwrap_or_default()
    };
    hosts.into_values().map(longest).max().unwrap_or_default()
}

impl Report {
    pub(crate) fn of(all: &[Outcome], reopened: u64, began: Instant, ended: Instant) -> Self {
        let mut versions: BTreeMap<String, usize> = BTreeMap::new();
        let mut failures: BTreeMap<String, Failures> = BTreeMap::new();
        let mut by_kind: BTreeMap<Kind, Vec<&Outcome>> = BTreeMap::new();
        for outcome in all {
            by_kind.entry(outcome.kind).or_default().push(outcome);
            match &outcome.result {
                Ok(version) => *versions.entry(version.clone()).or_default() += 1,
                Err(failure) => {
                    let of_kind = failures.entry(failure.what.clone()).or_default();
                    of_kind.count += 1;
                    if of_kind.first.len() < EXAMPLES {
                        let after = outcome.ended.saturating_duration_since(began).as_secs_f64();
                        let example =
                            format!("{:?} after {after:.3} s: {}", outcome.kind, failure.detail);
                        of_kind.first.push(example);
                    }
                }
            }
        }
        let kinds = by_kind
            .into_iter()
            .map(|(kind, outcomes)| (kind, Figures::of(&outcomes)));
        let small = times(all.iter().filter(is_small));
        Self {
            seconds: ended.saturating_duration_since(began).as_secs_f64(),
            sent: all.len(),
            failed: failures.values().map(|of_kind| of_kind.count).sum(),
            longest_gap_ms: milliseconds(longest_gap(all, began)),
            p50_ms: percentile(&small, 50),
            p99_ms: percentile(&small, 99),
            max_ms: percentile(&small, 100),
            reopened,
            sockets_ended: versions.get(ENDED).copied().unwrap_or_default(),
            sockets_ended_crossing: versions.get(CROSSED).copied().unwrap_or_default(),
            kinds: kinds.collect(),
            versions,
            failures,
        }
    }

    /// For people, on standard error.
    pub(crate) fn tell(&self) {
        eprintln!(
            "sent {}, failed {}; longest gap {:.1} ms; small requests p50 {:.2} ms, p99 {:.2} ms, max {:.1} ms; {:.1} s",
            self.sent,
            self.failed,
            self.longest_gap_ms,
            self.p50_ms,
            self.p99_ms,
            self.max_ms,
            self.seconds
        );
        for (what, failures) in &self.failures {
            eprintln!("  {} × {what}", failures.count);
            for first in &failures.first {
                eprintln!("    {first}");
            }
        }
    }

    /// As JSON, into the file or to standard output.
    pub(crate) fn write(&self, output: Option<&Path>) {
        let text = serde_json::to_string_pretty(self).expect("figures are JSON");
        match output {
            Some(path) => std::fs::write(path, text + "\n").unwrap(),
            None => println!("{text}"),
        }
    }
}

impl Figures {
    fn of(outcomes: &[&Outcome]) -> Self {
        let times = times(outcomes.iter().copied());
        Self {
            sent: outcomes.len(),
            failed: outcomes
                .iter()
                .filter(|outcome| outcome.result.is_err())
                .count(),
            p50_ms: percentile(&times, 50),
            p99_ms: percentile(&times, 99),
            max_ms: percentile(&times, 100),
        }
    }
}

//! What to tell a watcher: from what was told before, new log lines and the newest document to what comes next.
//! Nothing here waits or prints.

use super::document::{Deployment, Status};
use super::moment;
use crate::core::log::{self, Stream};
use std::time::Duration;

/// How long to wait before asking again after an answer without lines. The daemon holds such a question itself;
/// this keeps us from spinning when it does not.
pub const PAUSE: Duration = Duration::from_millis(200);

/// Something to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A line of the log.
    Line {
        /// The step it belongs to.
        step: String,
        /// Whether longshore itself says it, not a program.
        own_words: bool,
        /// The text, clean.
        text: String,
    },
    /// A step came to its end.
    StepEnded {
        /// Which one.
        step: String,
        /// How.
        how: How,
        /// How long it took, if both ends are known.
        took: Option<Duration>,
    },
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Its work is done.
    Done,
    /// The deployment failed in it.
    Failed,
    /// The deployment was cancelled in it.
    Cancelled,
}

/// What a watcher was told so far.
#[derive(Debug, Default)]
pub struct Follow {
    ends_told: Vec<String>,
}

impl Follow {
    /// Takes the next lines of the log and a document that is at least as new. A step's end is told before the
    /// first line of a later step, so that the lines of a step stay together; the last one's when the log is
    /// `complete`.
    pub fn advance(&mut self, lines: &str, document: &Deployment, complete: bool) -> Vec<Entry> {
        let mut entries = Vec::new();
        for line in lines.lines() {
            let entry = entry(line);
            if let Entry::Line { step, .. } = &entry {
                let index = document.steps.iter().position(|known| known.name == *step);
                self.tell_ends(document, index.unwrap_or(0), &mut entries);
            }
            entries.push(entry);
        }
        if complete && document.status.is_end() {
            self.tell_ends(document, document.steps.len(), &mut entries);
        }
        entries
    }

    /// Tells the ends of the first `count` steps that were not told yet.
    fn tell_ends(&mut self, document: &Deployment, count: usize, entries: &mut Vec<Entry>) {
        let last = document
            .steps
            .iter()
            .rposition(|step| step.started_at.is_some());
        for (index, step) in document.steps.iter().enumerate().take(count) {
            let over = step.ended_at.is_some() || document.status.is_end();
            if step.started_at.is_none() || !over || self.ends_told.contains(&step.name) {
                continue;
            }
            let how = match document.status {
                Status::Failed if Some(index) == last => How::Failed,
                Status::Cancelled if Some(index) == last => How::Cancelled,
                Status::Queued
                | Status::Building
                | Status::Deploying
                | Status::Success
                | Status::Failed
                | Status::Cancelled => How::Done,
            };
            let took = step.started_at.zip(step.ended_at);
            self.ends_told.push(step.name.clone());
            entries.push(Entry::StepEnded {
                step: log::clean(step.name.as_bytes()),
                how,
                took: took.map(|(from, to)| moment::between(from, to)),
            });
        }
    }
}

/// Lines of a log that has no steps that end.
pub fn lines(text: &str) -> Vec<Entry> {
    text.lines().map(entry).collect()
}

fn entry(line: &str) -> Entry {
    let clean = |text: &str| log::clean(text.as_bytes());
    match log::parse_line(line) {
        Some(parts) => Entry::Line {
            step: clean(parts.step),
            own_words: parts.stream == Stream::Agent.as_str(),
            text: clean(parts.text),
        },
        None => Entry::Line {
            step: "-".to_owned(),
            own_words: false,
            text: clean(line),
        },
    }
}

/// What the deployment is doing now; `None` when it has ended.
pub fn doing(document: &Deployment) -> Option<String> {
    let step = document
        .steps
        .iter()
        .find(|step| step.started_at.is_some() && step.ended_at.is_none());
    match (document.status, step) {
        (Status::Success | Status::Failed | Status::Cancelled, _) => None,
        (Status::Queued, _) => Some("waiting in the queue".to_owned()),
        (Status::Building | Status::Deploying, Some(step)) => {
            Some(log::clean(step.name.as_bytes()))
        }
        (Status::Building | Status::Deploying, None) => Some(document.status.as_str().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn document(status: &str, steps: Value) -> Deployment {
        serde_json::from_value(json!({ "id": "dep_1", "status": status, "steps": steps })).unwrap()
    }

    fn step(name: &str, from: Option<u8>, to: Option<u8>) -> Value {
        let at = |second: u8| format!("2025-03-14T10:32:{second:02}Z");
        json!({ "name": name, "started_at": from.map(at), "ended_at": to.map(at) })
    }

    fn lines(of: &[(&str, &str, &str)]) -> String {
        of.iter()
            .map(|(step, stream, text)| {
                format!("2025-03-14T10:32:00.000Z {step} {stream} {text}\n")
            })
            .collect()
    }

    fn told(entries: Vec<Entry>) -> Vec<String> {
        let tell = |entry| match entry {
            Entry::Line {
                step,
                own_words: true,
                text,
            } => format!("{step} > {text}"),
            Entry::Line {
                step,
                own_words: false,
                text,
            } => format!("{step} | {text}"),
            Entry::StepEnded { step, how, took } => {
                format!("{step} {how:?} {:?}", took.map(|t| t.as_secs()))
            }
        };
        entries.into_iter().map(tell).collect()
    }

    #[test]
    fn a_steps_end_is_told_once_and_between_its_lines_and_the_next_steps() {
        let mut follow = Follow::default();
        let building = json!([
            step("checkout", Some(0), Some(2)),
            step("build", Some(2), None),
            step("rollout", None, None)
        ]);
        let page = lines(&[
            ("-", "agent", "queued"),
            ("checkout", "agent", "fetching"),
            ("build", "stdout", "#1 a  b"),
        ]);
        assert_eq!(
            told(follow.advance(&page, &document("building", building.clone()), false)),
            [
                "- > queued",
                "checkout > fetching",
                "checkout Done Some(2)",
                "build | #1 a  b"
            ]
        );
        let page = lines(&[("build", "stderr", "warning")]);
        assert_eq!(
            told(follow.advance(&page, &document("building", building), false)),
            ["build | warning"]
        );
    }

    #[test]
    fn a_document_newer_than_the_lines_tells_no_end_before_the_lines_are_through() {
        let mut follow = Follow::default();
        let over = document(
            "success",
            json!([
                step("build", Some(0), Some(9)),
                step("rollout", Some(9), Some(10))
            ]),
        );
        let early = follow.advance(&lines(&[("build", "stdout", "a")]), &over, false);
        assert_eq!(told(early), ["build | a"]);
        assert!(follow.advance("", &over, false).is_empty());
        let rest = follow.advance(
            &lines(&[("build", "stdout", "b"), ("rollout", "agent", "c")]),
            &over,
            true,
        );
        assert_eq!(
            told(rest),
            [
                "build | b",
                "build Done Some(9)",
                "rollout > c",
                "rollout Done Some(1)"
            ]
        );
        assert!(follow.advance("", &over, true).is_empty());
    }

    #[test]
    fn the_last_step_that_began_is_the_one_a_deployment_failed_or_was_cancelled_in() {
        let steps = json!([
            step("checkout", Some(0), Some(2)),
            step("build", Some(2), Some(7)),
            step("rollout", None, None)
        ]);
        for (status, how) in [
            ("failed", "Failed"),
            ("cancelled", "Cancelled"),
            ("success", "Done"),
        ] {
            let entries = Follow::default().advance("", &document(status, steps.clone()), true);
            assert_eq!(
                told(entries),
                [
                    "checkout Done Some(2)".to_owned(),
                    format!("build {how} Some(5)")
                ]
            );
        }
        let open = json!([step("build", Some(2), None)]);
        let entries = Follow::default().advance("", &document("failed", open), true);
        assert_eq!(told(entries), ["build Failed None"]);
    }

    #[test]
    fn lines_that_are_none_and_steps_nobody_planned_are_shown_all_the_same() {
        let queued = document("queued", json!([]));
        let page = "cut sho\n2025-03-14T10:32:00.000Z surprise stdout \u{1b}[2Jx\u{7}\n";
        assert_eq!(
            told(Follow::default().advance(page, &queued, true)),
            ["- | cut sho", "surprise | x"]
        );
    }

    #[test]
    fn what_it_is_doing_is_the_step_under_way() {
        let running = json!([
            step("checkout", Some(0), Some(2)),
            step("build", Some(2), None)
        ]);
        for (status, steps, expected) in [
            ("queued", json!([]), Some("waiting in the queue")),
            ("building", running.clone(), Some("build")),
            ("deploying", json!([]), Some("deploying")),
            ("failed", running, None),
        ] {
            assert_eq!(doing(&document(status, steps)).as_deref(), expected);
        }
    }
}

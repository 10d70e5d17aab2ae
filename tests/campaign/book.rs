//! The client's book: what was accepted, and, from that and the outcomes alone, what must be live where.

use crate::http::Asked;
use crate::rows::{Environment, Operation, Run};
use crate::stage::{Kind, Place};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

/// What a request is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    Deploy {
        page: String,
        kind: Kind,
    },
    Rollback(Option<i64>),
    Restart,
    Change {
        word: &'static str,
        now: bool,
    },
    /// A run of a job, by hand.
    Run,
}

impl Ask {
    pub fn word(&self) -> &'static str {
        match self {
            Self::Deploy { .. } => "deploy",
            Self::Rollback(_) => "rollback",
            Self::Restart => "restart",
            Self::Change { now: true, .. } => "stop --now",
            Self::Change { word, now: false } => word,
            Self::Run => "run",
        }
    }

    /// Whether an operation of the database can be this request's.
    pub fn is(&self, operation: &Operation) -> bool {
        let kind = operation.kind.as_str();
        match self {
            Self::Deploy { .. } => kind == "commit" || kind == "image",
            Self::Rollback(_) => kind == "release",
            Self::Restart => kind == "restart",
            Self::Change { word, .. } => kind == *word,
            Self::Run => false,
        }
    }
}

/// Whether somebody cancelled it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancel {
    No,
    /// The answer was lost.
    Perhaps,
    Yes,
}

/// Something that was accepted.
#[derive(Clone, Debug)]
pub struct Entry {
    pub place: Place,
    pub ask: Ask,
    pub asked: Asked,
    pub cancel: Cancel,
    /// The outcome that was seen: none ever changes.
    pub ended: Option<(String, Option<String>)>,
}

/// Everything that was accepted, by the API's id.
#[derive(Default)]
pub struct Book {
    pub entries: HashMap<String, Entry>,
    /// The runs that were asked for.
    pub runs: HashMap<String, Entry>,
}

/// What an environment must be, by what became of its operations.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    /// The live release.
    pub live: Option<i64>,
    /// The page of each release.
    pub pages: BTreeMap<i64, String>,
    /// What it is meant to be doing, `running` unless somebody said otherwise.
    pub desired: Option<&'static str>,
    /// It was removed, and whether with its volumes.
    pub removed: Option<bool>,
    /// A change ended as `crash_loop`: it is made so at the next start only.
    pub unsure: bool,
    /// How many releases took over from one that ran.
    pub takeovers: usize,
}

impl Book {
    /// Writes down what was accepted. The same id twice is the same request twice.
    pub fn accept(&mut self, id: String, entry: Entry) {
        let entries = match entry.ask {
            Ask::Run => &self.runs,
            Ask::Deploy { .. } | Ask::Rollback(_) | Ask::Restart | Ask::Change { .. } => {
                &self.entries
            }
        };
        if let Some(known) = entries.get(&id) {
            let same = known.asked.key.is_some() && known.asked.key == entry.asked.key;
            assert!(same, "{id} answers {entry:?}, but it is {known:?}");
            return;
        }
        if let Some((other, _)) = self.of_key(entry.asked.key.as_deref()) {
            panic!("{id} and {other} are two for one key: {entry:?}");
        }
        match entry.ask {
            Ask::Run => self.runs.insert(id, entry),
            Ask::Deploy { .. } | Ask::Rollback(_) | Ask::Restart | Ask::Change { .. } => {
                self.entries.insert(id, entry)
            }
        };
    }

    /// What was accepted under a key.
    pub fn of_key(&self, key: Option<&str>) -> Option<(&String, &Entry)> {
        let key = key?;
        let has = |(_, entry): &(&String, &Entry)| entry.asked.key.as_deref() == Some(key);
        self.entries.iter().chain(&self.runs).find(has)
    }

    /// None lost, none doubled, none that nobody asked for.
    pub fn complete(&self, operations: &[Operation]) {
        for id in self.entries.keys() {
            let count = operations.iter().filter(|one| one.id == *id).count();
            assert_eq!(count, 1, "{id} was accepted and is there {count} times");
        }
        let stranger = self.strangers(operations).next();
        assert!(stranger.is_none(), "nobody asked for {stranger:?}");
    }

    /// Every run that was asked for is there once, none that nobody asked for, and each ended for a reason. `begun` are the
    /// containers in which a command began: no command begins twice.
    pub fn complete_runs(&self, runs: &[Run], begun: &[String]) {
        for id in self.runs.keys() {
            let count = runs.iter().filter(|one| one.id == *id).count();
            assert_eq!(count, 1, "run {id} was accepted and is there {count} times");
        }
        for run in runs {
            let asked = self.runs.contains_key(&run.id);
            assert_eq!(run.cause == "hand", asked, "asked for: {asked}: {run:?}");
            assert!(run.starts <= 1, "it has no retries: {run:?}");
            match run.phase.as_str() {
                "succeeded" => assert_eq!(run.starts, 1, "{run:?}"),
                "failed" => assert!(
                    run.status == Some(3) || run.code.as_deref() == Some("crash_loop"),
                    "{run:?}"
                ),
                "cancelled" => {}
                "skipped" => assert_eq!(run.starts, 0, "{run:?}"),
                phase => panic!("at rest it is {phase}: {run:?}"),
            }
        }
        let mut once = begun.to_vec();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), begun.len(), "a command began twice: {begun:?}");
        let surely = |run: &&Run| run.phase == "succeeded" || run.status.is_some();
        let least = runs.iter().filter(surely).count();
        let most = runs.iter().filter(|run| run.starts > 0).count();
        assert!(
            (least..=most).contains(&begun.len()),
            "{} commands began, of {least} to {most} runs: {runs:?}",
            begun.len()
        );
    }

    /// Operations that are in the database and not in the book.
    pub fn strangers<'a>(
        &'a self,
        operations: &'a [Operation],
    ) -> impl Iterator<Item = &'a Operation> {
        operations
            .iter()
            .filter(|one| !self.entries.contains_key(&one.id))
    }

    /// Notes an outcome as the API tells it; `None` for one that has not ended.
    pub fn note(&mut self, id: &str, told: &Value) -> Option<()> {
        let status = told["status"].as_str().unwrap().to_owned();
        if !matches!(status.as_str(), "success" | "failed" | "cancelled" | "done") {
            let before = &self.entries[id].ended;
            assert!(before.is_none(), "{id} was {before:?} and is {status}");
            return None;
        }
        let code = told["error"]["code"].as_str().map(str::to_owned);
        let restore = &told["restore_failed"];
        assert!(
            restore.as_array().is_none_or(Vec::is_empty),
            "{id} could not put back {restore}"
        );
        let outcome = (status, code);
        let entry = self.entries.get_mut(id).unwrap();
        match &entry.ended {
            Some(before) => assert_eq!(*before, outcome, "the outcome of {id} changed"),
            None => entry.ended = Some(outcome),
        }
        Some(())
    }

    /// What an environment must be, now that all of it has ended. Every outcome must have a reason.
    pub fn expected(&self, environment: &Environment, operations: &[Operation]) -> Expected {
        let mut expected = Expected::default();
        let queue: Vec<&Operation> = operations
            .iter()
            .filter(|one| one.environment == environment.serial)
            .collect();
        for (index, operation) in queue.iter().enumerate() {
            let entry = &self.entries[&operation.id];
            let told = format!("{}: {entry:?}, {operation:?}", operation.id);
            let place = (entry.place.app, entry.place.environment);
            assert_eq!(
                place,
                (environment.app.as_str(), environment.name.as_str()),
                "{told}"
            );
            assert!(
                expected.removed.is_none(),
                "after the removal of {}: {told}",
                environment.slug
            );
            let (status, code) = entry.ended.as_ref().expect("it has ended");
            let is_crash_loop = code.as_deref() == Some("crash_loop");
            let ends_others = |later: &&Operation| {
                matches!(
                    self.entries[&later.id].ask,
                    Ask::Change { word: "remove", .. } | Ask::Change { now: true, .. }
                )
            };
            match (&entry.ask, status.as_str()) {
                (Ask::Change { word, .. }, "done" | "failed") => {
                    assert!(status == "done" || is_crash_loop, "{told}");
                    expected.unsure = is_crash_loop;
                    match *word {
                        "stop" => expected.desired = Some("stopped"),
                        "suspend" => expected.desired = Some("suspended"),
                        "remove" => {
                            assert!(!is_crash_loop, "{told}");
                            expected.removed = Some(operation.volumes);
                        }
                        _ => expected.desired = Some("running"),
                    }
                }
                (Ask::Change { .. }, _) => {
                    let removed = queue[index + 1..]
                        .iter()
                        .any(|later| later.kind == "remove");
                    assert!(removed, "cancelled without a removal: {told}");
                }
                (_, "cancelled") => {
                    let has_reason = entry.cancel != Cancel::No
                        || queue[index + 1..]
                            .iter()
                            .copied()
                            .any(|later| ends_others(&later));
                    assert!(has_reason, "cancelled by nobody: {told}");
                }
                (ask, "failed") => {
                    let must = match ask {
                        Ask::Deploy { kind, .. } => kind.fails_with(entry.place),
                        Ask::Rollback(_) | Ask::Restart | Ask::Change { .. } | Ask::Run => None,
                    };
                    let fine = is_crash_loop || must.is_some() && code.as_deref() == must;
                    assert!(fine, "failed without a reason: {told}");
                }
                (ask, "success") => {
                    let page = match ask {
                        Ask::Deploy { page, kind } => {
                            assert_eq!(kind.fails_with(entry.place), None, "{told}");
                            page.clone()
                        }
                        Ask::Restart => expected.pages[&expected.live.expect(&told)].clone(),
                        Ask::Rollback(number) => {
                            let target = operation.target.expect(&told);
                            assert!(number.is_none_or(|number| number == target), "{told}");
                            expected.pages[&target].clone()
                        }
                        Ask::Change { .. } | Ask::Run => unreachable!("{told}"),
                    };
                    let number = operation.release.expect(&told);
                    let next = operation
                        .target
                        .unwrap_or(i64::try_from(expected.pages.len()).unwrap() + 1);
                    assert_eq!(number, next, "the release's number: {told}");
                    let ran = matches!(expected.desired, None | Some("running"));
                    expected.takeovers += usize::from(ran && expected.live.is_some());
                    expected.pages.insert(number, page);
                    expected.live = Some(number);
                    expected.desired = Some("running");
                    expected.unsure = false;
                }
                _ => panic!("{told}"),
            }
            if entry.cancel == Cancel::Yes {
                assert_eq!(status, "cancelled", "its cancellation was accepted: {told}");
            }
        }
        expected
    }
}

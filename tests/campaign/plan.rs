//! What is asked next: decided before any of it is sent, so that the seed alone decides it.

use crate::book::Ask;
use crate::chance::Chance;
use crate::daemon::World;
use crate::http::{Asked, Outcome};
use crate::stage::{PLACES, Place, Stage};
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;

/// A request to be sent.
#[derive(Clone, Debug)]
pub enum Step {
    /// One that makes an operation; `again` sends it twice.
    Ask { ask: Ask, asked: Asked, again: bool },
    /// Cancel what was accepted last.
    Cancel,
}

/// Requests about one environment, one after the other.
#[derive(Clone, Debug)]
pub struct Errand {
    pub place: Place,
    /// The environment's last deployment, for a cancellation that comes first.
    pub last: Option<String>,
    pub steps: Vec<(Duration, Step)>,
}

/// What an errand's request came to.
#[derive(Debug)]
pub struct Sent {
    pub place: Place,
    pub what: SentWhat,
    pub outcome: Outcome,
}

#[derive(Debug)]
pub enum SentWhat {
    Ask(Ask, Asked),
    Cancel(String),
}

/// What the planning client knows of an environment.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The last deployment that was accepted.
    pub last: Option<String>,
    pub suspended: bool,
    /// How many releases there may be.
    pub releases: u64,
}

impl Errand {
    /// Whether it may take away what is live.
    pub fn interrupts(&self) -> bool {
        let interrupts = |(_, step): &(Duration, Step)| match step {
            Step::Ask {
                ask: Ask::Change { word, .. },
                ..
            } => !matches!(*word, "start" | "activate"),
            Step::Ask { .. } | Step::Cancel => false,
        };
        self.steps.iter().any(interrupts)
    }
}

/// One to three errands, each for an environment of its own.
pub fn errands(
    chance: &mut Chance,
    stage: &mut Stage,
    world: &World,
    known: &[Known; PLACES.len()],
) -> Vec<Errand> {
    let mut left: Vec<usize> = (0..PLACES.len()).collect();
    let count = chance.weighted(&[(4, 1), (4, 2), (2, 3)]);
    let mut errands = Vec::new();
    for _ in 0..count {
        let index = left.remove(usize::try_from(chance.below(left.len() as u64)).unwrap());
        let mut steps = Vec::new();
        for nth in 0..chance.weighted(&[(5, 1), (3, 2), (1, 3)]) {
            let pause = match nth {
                0 => Duration::ZERO,
                _ => chance.millis(900),
            };
            steps.push((
                pause,
                step(chance, stage, world, PLACES[index], &known[index]),
            ));
        }
        let mut deploys: Vec<&mut Asked> = steps.iter_mut().filter_map(deploy).collect();
        // The branch's head is the version meant only where no later one was made meanwhile.
        if let [only] = deploys.as_mut_slice()
            && chance.percent(70)
            && let Some(body) = only.body.as_object_mut()
        {
            body.remove("commit_sha");
        }
        errands.push(Errand {
            place: PLACES[index],
            last: known[index].last.clone(),
            steps,
        });
    }
    errands
}

fn deploy((_, step): &mut (Duration, Step)) -> Option<&mut Asked> {
    match step {
        Step::Ask {
            ask: Ask::Deploy { .. },
            asked,
            ..
        } => Some(asked),
        Step::Ask { .. } | Step::Cancel => None,
    }
}

fn step(
    chance: &mut Chance,
    stage: &mut Stage,
    world: &World,
    place: Place,
    known: &Known,
) -> Step {
    let by_hand = if place.is_job() { 14 } else { 0 };
    let word = if known.suspended {
        chance.weighted(&[
            (12, "activate"),
            (1, "deploy"),
            (1, "stop"),
            (1, "suspend"),
            (2, "remove"),
        ])
    } else if known.releases == 0 {
        chance.weighted(&[
            (16, "deploy"),
            (2, "cancel"),
            (1, "stop"),
            (1, "start"),
            (1, "restart"),
            (1, "remove"),
            (by_hand / 7, "run"),
        ])
    } else {
        chance.weighted(&[
            (34, "deploy"),
            (10, "cancel"),
            (9, "rollback"),
            (6, "rollback to"),
            (10, "restart"),
            (7, "stop"),
            (5, "stop now"),
            (8, "start"),
            (4, "suspend"),
            (2, "activate"),
            (5, "remove"),
            (by_hand, "run"),
        ])
    };
    let key = chance
        .percent(60)
        .then(|| format!("{:016x}", chance.below(u64::MAX)));
    let again = key.is_some() && chance.percent(30);
    let app = place.app;
    let post = |action: &str, body: serde_json::Value, key: Option<String>| Asked {
        method: "POST",
        path: format!("/v1/apps/{app}/{action}"),
        key,
        body,
    };
    let mut body = json!({ "environment": place.environment });
    let change = |word: &'static str, asked: Asked| {
        (
            Ask::Change {
                word,
                now: asked.body["now"] == true,
            },
            asked,
        )
    };
    let (ask, asked) = match word {
        "cancel" => return Step::Cancel,
        "deploy" => {
            let (page, kind, body) = stage.version(world, chance, place);
            let path = "/v1/deployments".to_owned();
            (
                Ask::Deploy { page, kind },
                Asked {
                    method: "POST",
                    path,
                    key,
                    body,
                },
            )
        }
        "rollback" => (Ask::Rollback(None), post("rollback", body, key)),
        "rollback to" => {
            let number = i64::try_from(1 + chance.below(known.releases)).unwrap();
            body["release"] = json!(number);
            (Ask::Rollback(Some(number)), post("rollback", body, key))
        }
        "restart" => (Ask::Restart, post("restart", body, key)),
        // Without one nobody could tell whose run is there after a kill.
        "run" => {
            let key = key.unwrap_or_else(|| format!("{:016x}", chance.below(u64::MAX)));
            (Ask::Run, post("runs", body, Some(key)))
        }
        "stop now" => {
            body["now"] = json!(true);
            change("stop", post("stop", body, None))
        }
        "remove" => {
            let volumes = chance.percent(50);
            let path = format!(
                "/v1/apps/{app}?environment={}&volumes={volumes}",
                place.environment
            );
            change(
                "remove",
                Asked {
                    method: "DELETE",
                    path,
                    key: None,
                    body: serde_json::Value::Null,
                },
            )
        }
        word => {
            let word = ["stop", "start", "suspend", "activate"]
                .into_iter()
                .find(|one| *one == word)
                .unwrap();
            change(word, post(word, body, None))
        }
    };
    let again = again && asked.key.is_some();
    Step::Ask { ask, asked, again }
}

/// Sends an errand's requests until one is lost: what comes after it would be asked by nobody who waits for answers.
pub async fn run(errand: Errand, socket: PathBuf) -> Vec<Sent> {
    let place = errand.place;
    let mut last = errand.last;
    let mut all = Vec::new();
    for (pause, step) in errand.steps {
        tokio::time::sleep(pause).await;
        let (what, asked, times) = match step {
            Step::Ask { ask, asked, again } => (
                SentWhat::Ask(ask, asked.clone()),
                asked,
                1 + usize::from(again),
            ),
            Step::Cancel => {
                let Some(id) = &last else { continue };
                let path = format!("/v1/deployments/{id}/cancel");
                let asked = Asked {
                    method: "POST",
                    ..Asked::get(path)
                };
                (SentWhat::Cancel(id.clone()), asked, 1)
            }
        };
        for _ in 0..times {
            let outcome = asked.send(&socket).await;
            let lost = matches!(outcome, Outcome::Lost);
            if let Outcome::Answered(201, body) = &outcome {
                last = body["id"].as_str().map(str::to_owned);
            }
            let what = match &what {
                SentWhat::Ask(ask, asked) => SentWhat::Ask(ask.clone(), asked.clone()),
                SentWhat::Cancel(id) => SentWhat::Cancel(id.clone()),
            };
            all.push(Sent {
                place,
                what,
                outcome,
            });
            if lost {
                return all;
            }
        }
    }
    all
}

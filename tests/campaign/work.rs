//! The campaign itself: ask, kill, start again, look; and at every rest, compare everything.

use crate::book::{Ask, Book, Cancel, Entry};
use crate::chance::Chance;
use crate::daemon::{World, get};
use crate::harbour::Harbour;
use crate::http::{Asked, Outcome};
use crate::moment::{Moment, Victim};
use crate::objects;
use crate::plan::{self, Known, Sent, SentWhat};
use crate::routes;
use crate::rows::{Head, Rows};
use crate::stage::{PLACES, Place, Stage};
use crate::tally::{Tally, count};
use serde_json::Value;
use std::fmt::Write as _;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::task::JoinSet;

/// How long unfinished work may show no progress after the daemon is ready. Five seconds are promised; what is later
/// is counted and shown, and only this, which no busy machine explains, fails the campaign.
const RESUMED: Duration = Duration::from_secs(20);

/// How long everything may take to come to rest.
const REST: Duration = Duration::from_secs(120);

/// How long something may still be there, or not answer, that the engine was told about when the daemon was killed.
const LINGER: Duration = Duration::from_secs(5);

/// Among how many of the last requests with a key one is repeated.
const RECENT: usize = 8;

const LOOK: Duration = Duration::from_millis(10);

pub struct Campaign {
    kills: usize,
    seed: u64,
    chance: Chance,
    /// It ends before the world does.
    harbour: Harbour,
    world: World,
    stage: Stage,
    book: Book,
    known: [Known; PLACES.len()],
    lost: Vec<(Place, Ask, Asked)>,
    /// What was accepted under a key.
    keyed: Vec<(Place, Ask, Asked)>,
    tally: Tally,
    history: Vec<String>,
}

impl Campaign {
    /// Runs one and prints its summary.
    pub async fn run(kills: usize, seed: u64) {
        let mut world = World::with_pool(18).await;
        let stage = Stage::set(&world);
        let harbour = Harbour::set(&world).await;
        world.start().await;
        let mut campaign = Self {
            kills,
            seed,
            chance: Chance::new(seed),
            harbour,
            world,
            stage,
            book: Book::default(),
            known: Default::default(),
            lost: Vec::new(),
            keyed: Vec::new(),
            tally: Tally::default(),
            history: Vec::new(),
        };
        println!("campaign of {kills} kills, seed {seed}");
        while campaign.tally.kills < kills {
            campaign.round().await;
        }
        println!("{}", campaign.tally);
    }

    async fn round(&mut self) {
        let (victim, away) = self.ask_and_kill().await;
        if victim == Victim::Ingress {
            self.after(None, Vec::new()).await;
            return;
        }
        // A recovery is killed, too, and the next one.
        let again = self.chance.weighted(&[(14, 20), (1, 85)]);
        if !self.harbour.runs() && away.is_zero() {
            self.harbour.start().await;
        }
        while self.tally.kills < self.kills && self.chance.percent(again) {
            let after = self.chance.millis(1500);
            self.world.begin();
            tokio::time::sleep(after).await;
            self.world.kill();
            self.killed("recovery", 1, 0);
        }
        let left = Rows::copy(&self.world.data_dir());
        assert_eq!(left.damage(), Vec::<String>::new());
        let unfinished = left.heads();
        drop(left);
        let began = now();
        self.world.begin();
        self.world.ready().await;
        let ready = (now(), wall());
        self.tally.ready.add(ready.0 - began);
        if !self.harbour.runs() {
            tokio::time::sleep(away).await;
            self.harbour.start().await;
        }
        self.after(Some(ready), unfinished).await;
    }

    /// What follows when both processes run again; the time is that of the daemon's start, if it was killed.
    async fn after(&mut self, ready: Option<(Instant, i64)>, unfinished: Vec<Head>) {
        let rows = Rows::open(&self.world.data_dir());
        if let Some((ready, _)) = ready {
            self.resume(&rows, unfinished, ready).await;
        }
        self.find_lost(&rows).await;
        self.repeat().await;
        self.book.complete(&rows.operations());
        if self.tally.kills >= self.kills || self.chance.percent(65) {
            self.rest(&rows, ready.map(|(_, wall)| wall)).await;
            self.check(&rows).await;
        }
        self.tally.probes = self.harbour.probed();
    }

    fn killed(&mut self, at: &str, planes: usize, ingresses: usize) {
        self.tally.kills += planes + ingresses;
        self.tally.ingress_kills += ingresses;
        count(&mut self.tally.kills_at, at);
        self.history.push(format!(
            "kill {} at {at}, {planes} of the control plane, {ingresses} of the ingress",
            self.tally.kills
        ));
    }

    /// Sends errands, each to an environment of its own, and kills the daemon, the ingress or both under them or after
    /// them. If only the ingress was killed, it runs again. Returns how long it is to stay away.
    async fn ask_and_kill(&mut self) -> (Victim, Duration) {
        let errands = plan::errands(&mut self.chance, &mut self.stage, &self.world, &self.known);
        let moment = Moment::choose(&mut self.chance);
        let mut sending = JoinSet::new();
        for errand in errands {
            if errand.interrupts() {
                self.harbour.must_answer(errand.place, false);
            }
            sending.spawn(plan::run(errand, self.world.socket()));
        }
        let at = {
            let rows = Rows::open(&self.world.data_dir());
            moment.come(&rows).await
        };
        if moment.victim != Victim::Plane {
            self.harbour.kill();
        }
        match moment.victim {
            Victim::Plane | Victim::Both => self.world.kill(),
            Victim::Ingress => {
                tokio::time::sleep(moment.away).await;
                self.harbour.start().await;
            }
        }
        let sent = sending.join_all().await;
        for one in sent.into_iter().flatten() {
            self.note(one);
        }
        let (planes, ingresses) = match moment.victim {
            Victim::Plane => (1, 0),
            Victim::Ingress => (0, 1),
            Victim::Both => (1, 1),
        };
        self.killed(at, planes, ingresses);
        (moment.victim, moment.away)
    }

    /// Writes down what a request came to.
    fn note(&mut self, sent: Sent) {
        let Sent {
            place,
            what,
            outcome,
        } = sent;
        let mut line = format!("{} {}: {what:?}", place.app, place.environment);
        match (what, outcome) {
            (SentWhat::Cancel(id), outcome) => {
                let (word, cancel) = match outcome {
                    Outcome::Answered(200, _) => ("accepted", Cancel::Yes),
                    Outcome::Answered(404 | 409, _) => ("refused", Cancel::No),
                    Outcome::Answered(status, body) => panic!("{line}: {status} {body}"),
                    Outcome::Lost => ("lost", Cancel::Perhaps),
                };
                write!(line, " {word}").unwrap();
                count(&mut self.tally.requests, format!("cancel {word}"));
                let entry = self.book.entries.get_mut(&id).unwrap();
                if cancel == Cancel::Yes || entry.cancel == Cancel::No {
                    entry.cancel = cancel;
                }
            }
            (SentWhat::Ask(ask, asked), Outcome::Lost) => {
                write!(line, " lost").unwrap();
                self.lost.push((place, ask, asked));
            }
            (SentWhat::Ask(ask, asked), Outcome::Answered(status, body)) => {
                write!(line, " {status} {body}").unwrap();
                self.answered(place, ask, asked, status, &body);
            }
        }
        self.history.push(line);
    }

    fn answered(&mut self, place: Place, ask: Ask, asked: Asked, status: u16, body: &Value) {
        let word = ask.word();
        let id = match status {
            201 => body["id"].as_str().unwrap().to_owned(),
            202 => body["data"][0]["id"].to_string(),
            400..=499 => {
                let known = self.book.of_key(asked.key.as_deref());
                assert!(
                    known.is_none(),
                    "{asked:?} was accepted as {known:?}, and again: {status} {body}"
                );
                let suspended = self.known(place).suspended;
                let has_reason = !matches!(ask, Ask::Deploy { .. }) || suspended;
                assert!(
                    has_reason,
                    "{asked:?} is refused without a reason: {status} {body}"
                );
                count(&mut self.tally.requests, format!("{word} refused"));
                return;
            }
            _ => panic!("{asked:?}: {status} {body}"),
        };
        count(&mut self.tally.requests, format!("{word} accepted"));
        self.accept(id, place, ask, asked);
    }

    fn accept(&mut self, id: String, place: Place, ask: Ask, asked: Asked) {
        let known = self.known(place);
        match &ask {
            Ask::Deploy { .. } | Ask::Rollback(_) | Ask::Restart => known.last = Some(id.clone()),
            Ask::Change { word: "remove", .. } => *known = Known::default(),
            Ask::Change { word, .. } => known.suspended = *word == "suspend",
            Ask::Run => {}
        }
        if asked.key.is_some() {
            self.keyed.push((place, ask.clone(), asked.clone()));
        }
        let entry = Entry {
            place,
            ask,
            asked,
            cancel: Cancel::No,
            ended: None,
        };
        self.book.accept(id, entry);
    }

    fn known(&mut self, place: Place) -> &mut Known {
        let index = PLACES.iter().position(|one| *one == place).unwrap();
        &mut self.known[index]
    }

    /// What was under way goes on.
    async fn resume(&mut self, rows: &Rows, mut waiting: Vec<Head>, ready: Instant) {
        while !waiting.is_empty() {
            let heads = rows.heads();
            let before = waiting.len();
            waiting.retain(|head| heads.contains(head));
            for _ in waiting.len()..before {
                self.tally.resumed.add(now() - ready);
            }
            assert!(
                now() - ready < RESUMED,
                "{RESUMED:?} after the start nothing was done about {waiting:?}"
            );
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Requests whose answer was lost: with a key they are sent again, without one the client looks whether they are
    /// there.
    async fn find_lost(&mut self, rows: &Rows) {
        for (place, ask, asked) in std::mem::take(&mut self.lost) {
            let word = ask.word();
            if asked.key.is_some() {
                let Outcome::Answered(status, body) = asked.send(&self.world.socket()).await else {
                    panic!(
                        "{asked:?} is lost again, and nobody killed the daemon:\n{}",
                        self.world.told()
                    );
                };
                self.history
                    .push(format!("again {asked:?}: {status} {body}"));
                count(&mut self.tally.requests, format!("{word} sent again"));
                self.answered(place, ask, asked, status, &body);
                continue;
            }
            let operations = rows.operations();
            let environments = rows.environments();
            let is_it = |one: &&crate::rows::Operation| {
                let at = environments
                    .iter()
                    .find(|at| at.serial == one.environment)
                    .unwrap();
                ask.is(one) && at.app == place.app && at.name == place.environment
            };
            let found = self
                .book
                .strangers(&operations)
                .find(is_it)
                .map(|one| one.id.clone());
            self.history.push(format!(
                "{} {} {asked:?} was lost, found {found:?}",
                place.app, place.environment
            ));
            match found {
                Some(id) => {
                    count(
                        &mut self.tally.requests,
                        format!("{word} lost and accepted"),
                    );
                    self.accept(id, place, ask, asked);
                }
                None => count(&mut self.tally.requests, format!("{word} lost")),
            }
        }
    }

    /// A client that forgot that it was answered before the kill asks once more with the same key.
    async fn repeat(&mut self) {
        let recent = self.keyed.len().saturating_sub(RECENT);
        let among = (self.keyed.len() - recent) as u64;
        if among == 0 || !self.chance.percent(40) {
            return;
        }
        let nth = recent + usize::try_from(self.chance.below(among)).unwrap();
        let (place, ask, asked) = self.keyed[nth].clone();
        let Outcome::Answered(status, body) = asked.send(&self.world.socket()).await else {
            panic!(
                "{asked:?} is lost, and nobody killed the daemon:\n{}",
                self.world.told()
            );
        };
        self.history
            .push(format!("repeated {asked:?}: {status} {body}"));
        let known = self.book.of_key(asked.key.as_deref());
        let id = known.map(|(id, _)| id.as_str());
        assert!(
            status == 201 && body["id"].as_str() == id,
            "{} {}: {asked:?} was accepted as {id:?}, and is now {status} {body}",
            place.app,
            place.environment
        );
        count(&mut self.tally.requests, format!("{} repeated", ask.word()));
    }

    /// Waits until nothing is unfinished.
    async fn rest(&mut self, rows: &Rows, ready: Option<i64>) {
        let before: Vec<String> = {
            let unfinished =
                |one: &crate::rows::Operation| one.done_at.is_none_or(|done| Some(done) >= ready);
            rows.operations()
                .into_iter()
                .filter(unfinished)
                .map(|one| one.id)
                .collect()
        };
        let resting = async {
            while !rows.heads().is_empty() {
                tokio::time::sleep(LOOK).await;
            }
        };
        let rested = tokio::time::timeout(REST, resting).await.is_ok();
        assert!(
            rested,
            "after {REST:?} still at work: {:?}\n{}",
            rows.heads(),
            self.world.told()
        );
        let Some(ready) = ready else { return };
        for one in rows
            .operations()
            .into_iter()
            .filter(|one| before.contains(&one.id))
        {
            let took = one.done_at.unwrap() - ready;
            self.tally
                .settled
                .add(Duration::from_millis(u64::try_from(took).unwrap_or(0)));
        }
    }

    /// At rest, everything is as what was asked and what became of it say.
    async fn check(&mut self, rows: &Rows) {
        assert_eq!(rows.damage(), Vec::<String>::new());
        let operations = rows.operations();
        self.book.complete(&operations);
        self.book.complete_runs(&rows.runs(), &self.stage.begun());
        self.note_outcomes(&operations).await;
        let mut environments = Vec::new();
        for environment in rows.environments() {
            let expected = self.book.expected(&environment, &operations);
            let live = environment.live;
            if expected.removed.is_none() {
                assert_eq!(live, expected.live, "the live release of {environment:?}");
                assert_eq!(
                    environment.desired,
                    expected.desired.unwrap_or("running"),
                    "{environment:?}"
                );
            } else {
                assert!(
                    environment.removed && environment.container.is_none(),
                    "{environment:?}"
                );
            }
            environments.push((environment, expected));
        }
        let instance = self.world.instance();
        let differences = async || {
            let mut wrong = objects::differences(&instance, rows, &environments).await;
            wrong.extend(self.trees());
            wrong.extend(self.pages(&environments).await);
            wrong.extend(routes::differences(&self.harbour, &instance, rows, &environments).await);
            wrong
        };
        let began = now();
        let mut wrong = differences().await;
        while !wrong.is_empty() && now() - began < LINGER {
            tokio::time::sleep(LOOK * 10).await;
            wrong = differences().await;
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
        self.tally.swaps = 0;
        for (environment, expected) in &environments {
            let swaps = PLACES.iter().any(|one| {
                one.swaps() && one.app == environment.app && one.environment == environment.name
            });
            self.tally.swaps += usize::from(swaps) * expected.takeovers;
            if expected.removed.is_none()
                && let Some(index) = PLACES.iter().position(|one| {
                    one.app == environment.app && one.environment == environment.name
                })
            {
                self.known[index].releases = expected.pages.len() as u64;
                let runs = matches!(expected.desired, None | Some("running"));
                self.harbour.must_answer(
                    PLACES[index],
                    runs && expected.live.is_some() && !expected.unsure,
                );
            }
        }
        self.tally.checks += 1;
        if self.tally.checks.is_multiple_of(10) {
            println!("{} kills so far", self.tally.kills);
        }
        self.history.push("all is as it must be".to_owned());
    }

    /// The outcomes as the API tells them.
    async fn note_outcomes(&mut self, operations: &[crate::rows::Operation]) {
        for operation in operations {
            let id = &operation.id;
            let is_new = self.book.entries[id].ended.is_none();
            let path = match id.starts_with("dep_") {
                true => format!("/v1/deployments/{id}"),
                false => format!("/v1/operations/{id}"),
            };
            let answer = Asked::get(path).send(&self.world.socket()).await;
            let Outcome::Answered(200, body) = answer else {
                panic!("{id} was accepted and is not told of: {answer:?}");
            };
            let told = if id.starts_with("dep_") {
                &body
            } else {
                &body["data"][0]
            };
            self.book
                .note(id, told)
                .unwrap_or_else(|| panic!("at rest {id} has not ended: {told}"));
            if is_new {
                let entry = &self.book.entries[id];
                let (status, code) = entry.ended.clone().unwrap();
                let kind = match entry.ask {
                    Ask::Change { .. } => "change",
                    Ask::Deploy { .. } | Ask::Rollback(_) | Ask::Restart | Ask::Run => "deployment",
                };
                let code = code.unwrap_or_default();
                count(
                    &mut self.tally.outcomes,
                    format!("{kind} {status} {code}").trim_end(),
                );
            }
        }
    }

    /// Scratch trees that are left.
    fn trees(&self) -> Vec<String> {
        let left = std::fs::read_dir(self.world.data_dir().join("work")).unwrap();
        left.map(|entry| format!("{} is left", entry.unwrap().path().display()))
            .collect()
    }

    /// Running environments that do not show the page of their live release where the API says they serve.
    async fn pages(
        &self,
        environments: &[(crate::rows::Environment, crate::book::Expected)],
    ) -> Vec<String> {
        let Outcome::Answered(200, apps) = Asked::get("/v1/apps".to_owned())
            .send(&self.world.socket())
            .await
        else {
            panic!("the apps are not told of:\n{}", self.world.told());
        };
        let mut wrong = Vec::new();
        for (environment, expected) in environments {
            let (Some(live), Some("running"), None) =
                (expected.live, expected.desired, expected.removed)
            else {
                continue;
            };
            // A job has none.
            if environment.container.is_none() {
                continue;
            }
            let told = |list: &Value, name: &str| {
                let list = list.as_array().cloned().unwrap_or_default();
                list.into_iter()
                    .find(|one| one["name"] == name)
                    .unwrap_or_default()
            };
            let shown = told(
                &told(&apps["data"], &environment.app)["environments"],
                &environment.name,
            );
            let address = shown["address"].as_str().unwrap_or_default();
            let page = get(address, "/").await.map_err(|error| error.to_string());
            if page.as_ref() != Ok(&expected.pages[&live]) || shown["live_release"] != live {
                wrong.push(format!(
                    "{} shows {page:?} at {address}, not {}: {shown}",
                    environment.slug, expected.pages[&live]
                ));
            }
        }
        wrong
    }
}

impl Drop for Campaign {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let from = self.history.len().saturating_sub(60);
        eprintln!("{}", self.history[from..].join("\n"));
        let told = self.world.told();
        let lines: Vec<&str> = told.lines().collect();
        eprintln!("{}", lines[lines.len().saturating_sub(60)..].join("\n"));
        eprintln!("the ingress:\n{}", self.harbour.told());
        if let Some(keep) = crate::variable("KEEP") {
            let copied = std::fs::create_dir_all(&keep)
                .and_then(|()| copy(&self.world.data_dir(), keep.as_ref()));
            eprintln!("the data directory is kept in {keep}: {copied:?}");
        }
        eprintln!(
            "after {} kills; much the same again: make campaign-kill KILLS={} SEED={}",
            self.tally.kills, self.kills, self.seed
        );
    }
}

fn copy(from: &std::path::Path, to: &std::path::Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long a real daemon takes is measured"
)]
fn now() -> Instant {
    Instant::now()
}

/// The time as the daemon writes it down.
#[expect(
    clippy::disallowed_methods,
    reason = "compared with the times in the database"
)]
fn wall() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

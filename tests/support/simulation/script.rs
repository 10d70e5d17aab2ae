//! What happens from outside, all of it drawn from the seed before the first life begins.

use super::chance::Chance;
use crate::world::{Behaviour, git_app, image_app, image_of, routed, with_workers};
use longshore::core::app::App;
use longshore::core::change::Change;
use longshore::core::deployment::Trigger;
use longshore::core::name::ImageReference;
use longshore::core::spec::Strategy;
use std::collections::BTreeMap;
use std::time::Duration;

/// The apps' names; each object's name holds its app's, and no app's name is in another's.
pub const APPS: [&str; 3] = ["alpha", "bravo", "carol"];
/// The commits the branch's head can be at.
const COMMITS: [char; 8] = ['1', '2', '3', '4', '5', '6', '7', '8'];
/// The tags an image app's image can have.
const TAGS: [char; 4] = ['1', '2', '3', '4'];

/// Something that happens.
#[derive(Clone, Debug)]
pub enum Event {
    Deploy(Asked),
    /// Somebody cancels one of the deployments they know of.
    Cancel(u64),
    Change {
        app: &'static str,
        change: Change,
        now: bool,
    },
    HeadMoves(char),
    /// The engine is gone; `kills`: and takes the containers with it, as a restart without live-restore does.
    EngineGoes {
        length: Duration,
        kills: bool,
    },
    TablesRefused(u32),
    /// The ingress is gone, and comes back holding that.
    IngressGoes {
        length: Duration,
        back: Back,
    },
    /// A request begins, and goes on for so long.
    Request {
        app: &'static str,
        length: Duration,
    },
    /// The configuration gives an app that many domains.
    Domains {
        app: &'static str,
        count: usize,
    },
    /// The engine will not start what is live now.
    StartsRefused {
        app: &'static str,
        length: Duration,
    },
    /// Somebody asks for what is no longer needed to be collected.
    Collect,
    /// Somebody deletes one of the deployments they know of; by force the live one, too.
    Delete {
        which: u64,
        force: bool,
    },
    HandRemoves(u64),
    HandStops(u64),
    /// The wall clock is now so many seconds off.
    ClockJumps(i64),
    Kill,
    Shutdown,
}

/// What the ingress holds when it is back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Back {
    /// What it held.
    Whole,
    /// What it held before that.
    Older,
    Empty,
}

/// A request for a deployment.
#[derive(Clone, Debug)]
pub struct Asked {
    pub app: &'static str,
    pub trigger: Trigger,
    pub what: What,
    pub key: Option<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Configured,
    /// That tag of the app's image.
    Tag(char),
    Rollback(Option<i64>),
    Restart,
}

/// How badly the world behaves, in calls of a thousand.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// Nothing goes wrong at all.
    pub calm: bool,
    /// The call never arrived.
    pub lost: u64,
    /// It was carried out, and the answer never came.
    pub answerless: u64,
    /// The engine said no.
    pub refused: u64,
    /// It is carried out after the caller was told that nobody answers.
    pub late: u64,
    pub delayed: u64,
    /// How many points a life passes on average before it ends at one; none: as many as it likes.
    pub life: Option<u64>,
}

pub struct Script {
    pub apps: Vec<App>,
    pub max_concurrent: usize,
    pub keep_releases: usize,
    pub behaviours: BTreeMap<String, Behaviour>,
    /// How long an image takes to get ready.
    pub slow: BTreeMap<String, Duration>,
    /// How long its build takes.
    pub builds: BTreeMap<String, Duration>,
    pub weather: Weather,
    pub events: Vec<(Duration, Event)>,
}

impl Script {
    /// Whether an object's app is rolled out beside what serves.
    pub fn swaps(&self, object: &str) -> bool {
        let app = self
            .apps
            .iter()
            .find(|app| object.contains(app.name.as_str()));
        app.is_some_and(|app| {
            let mut specs = app.environments.values();
            specs.any(|spec| spec.rollout.strategy == Strategy::Swap)
        })
    }
}

pub fn image_name(app: &str, tag: char) -> String {
    format!("{app}-image:{tag}")
}

/// The id the world gives to a pulled image.
fn pulled_id(app: &str, tag: char) -> String {
    let reference = ImageReference::parse(&image_name(app, tag)).unwrap();
    format!("sha256:{}", reference.with_tag())
}

impl Script {
    pub fn draw(seed: u64) -> Self {
        let chance = Chance::new(seed, 1);
        let names = &APPS[..usize::try_from(chance.between(1, 3)).unwrap()];
        // A row of its own: what the seeds found before there were workers, they find still.
        let workers = Chance::new(seed, 7);
        let apps: Vec<(App, bool)> = names
            .iter()
            .map(|name| {
                let (app, git) = match chance.in_thousand(600) {
                    true => (git_app(name), true),
                    false => (image_app(name, &image_name(name, '1')), false),
                };
                let strategy = match chance.in_thousand(500) {
                    true => Strategy::Swap,
                    false => Strategy::Recreate,
                };
                let app = match workers.in_thousand(350) {
                    true => with_workers(app, &["worker"]),
                    false => app,
                };
                (routed(app, strategy), git)
            })
            .collect();
        let mut script = Self {
            max_concurrent: usize::try_from(chance.between(1, 2)).unwrap(),
            keep_releases: usize::try_from(chance.below(4)).unwrap(),
            behaviours: BTreeMap::new(),
            slow: BTreeMap::new(),
            builds: BTreeMap::new(),
            weather: weather(&chance),
            events: Vec::new(),
            apps: apps.iter().map(|(app, _)| app.clone()).collect(),
        };
        let commits = COMMITS
            .iter()
            .map(|digit| image_of(&digit.to_string().repeat(40)));
        let tags = names
            .iter()
            .flat_map(|name| TAGS.iter().map(|tag| pulled_id(name, *tag)));
        for image in commits.chain(tags) {
            script.draw_image(&chance, image);
        }
        let kinds: Vec<(&'static str, bool)> = names
            .iter()
            .copied()
            .zip(apps.iter().map(|(_, git)| *git))
            .collect();
        script.draw_events(&chance, &kinds);
        script
    }

    fn draw_image(&mut self, chance: &Chance, image: String) {
        match chance.below(10) {
            0 => drop(self.behaviours.insert(image.clone(), Behaviour::NeverReady)),
            1 => drop(self.behaviours.insert(image.clone(), Behaviour::Exits(1))),
            2 | 3 => drop(self.slow.insert(image.clone(), chance.millis(100, 8000))),
            _ => {}
        }
        let build = match chance.below(4) {
            0 => chance.millis(100_000, 400_000),
            _ => chance.millis(0, 20_000),
        };
        self.builds.insert(image, build);
    }

    fn draw_events(&mut self, chance: &Chance, apps: &[(&'static str, bool)]) {
        let length = chance.between(60, 2400) * 1000;
        let mut at = |event| self.events.push((chance.millis(0, length), event));
        let mut keyed: u8 = 0;
        for _ in 0..chance.between(2, 9) {
            let (app, git) = chance.pick(apps);
            let what = match chance.below(10) {
                0 | 1 => What::Rollback(
                    chance
                        .in_thousand(500)
                        .then(|| chance.between(1, 3).cast_signed()),
                ),
                2 => What::Restart,
                _ if git => What::Configured,
                _ => What::Tag(chance.pick(&TAGS)),
            };
            let automatic =
                matches!(what, What::Configured | What::Tag(_)) && chance.in_thousand(400);
            let mut asked = Asked {
                app,
                trigger: if automatic {
                    Trigger::Automatic
                } else {
                    Trigger::Manual
                },
                what,
                key: None,
            };
            if chance.in_thousand(400) {
                asked.key = Some(keyed);
                for _ in 0..chance.between(1, 3) {
                    at(Event::Deploy(asked.clone()));
                }
                keyed += 1;
            }
            at(Event::Deploy(asked));
        }
        for _ in 0..chance.below(6) {
            at(Event::Cancel(chance.next()));
        }
        for _ in 0..chance.between(1, 5) {
            at(Event::HeadMoves(chance.pick(&COMMITS)));
        }
        if chance.in_thousand(600) {
            for _ in 0..chance.below(5) {
                let change = match chance.below(9) {
                    0 | 1 => Change::Stop,
                    2 | 3 => Change::Start,
                    4 | 5 => Change::Suspend,
                    6 | 7 => Change::Activate,
                    _ => Change::Remove {
                        volumes: chance.in_thousand(500),
                    },
                };
                let now = chance.in_thousand(300);
                at(Event::Change {
                    app: chance.pick(apps).0,
                    change,
                    now,
                });
            }
        }
        for _ in 0..chance.below(4) {
            at(Event::Collect);
        }
        for _ in 0..chance.below(12) {
            at(Event::Request {
                app: chance.pick(apps).0,
                length: chance.millis(10, 20_000),
            });
        }
        for _ in 0..chance.below(4) {
            at(Event::Domains {
                app: chance.pick(apps).0,
                count: usize::try_from(chance.below(3)).unwrap(),
            });
        }
        for _ in 0..chance.below(4) {
            at(Event::Delete {
                which: chance.next(),
                force: chance.in_thousand(300),
            });
        }
        if self.weather.calm {
            return self.in_order();
        }
        for _ in 0..chance.below(4) {
            let length = match chance.below(4) {
                0 => chance.millis(150_000, 900_000),
                _ => chance.millis(500, 60_000),
            };
            at(Event::EngineGoes {
                length,
                kills: chance.in_thousand(300),
            });
        }
        for _ in 0..chance.below(3) {
            at(Event::TablesRefused(
                u32::try_from(chance.between(1, 12)).unwrap(),
            ));
        }
        for _ in 0..chance.below(3) {
            at(Event::IngressGoes {
                length: chance.millis(100, 300_000),
                back: chance.pick(&[Back::Whole, Back::Older, Back::Empty]),
            });
        }
        for _ in 0..chance.below(2) {
            at(Event::StartsRefused {
                app: chance.pick(apps).0,
                length: chance.millis(1000, 600_000),
            });
        }
        for _ in 0..chance.below(3) {
            at(Event::HandRemoves(chance.next()));
            at(Event::HandStops(chance.next()));
        }
        for _ in 0..chance.below(4) {
            at(Event::ClockJumps(
                chance.below(72_000).cast_signed() - 36_000,
            ));
        }
        for _ in 0..chance.below(4) {
            at(Event::Kill);
            at(Event::Shutdown);
        }
        self.in_order();
    }

    fn in_order(&mut self) {
        self.events.sort_by_key(|(at, _)| *at);
    }
}

fn weather(chance: &Chance) -> Weather {
    if chance.below(10) == 0 {
        return Weather {
            calm: true,
            lost: 0,
            answerless: 0,
            refused: 0,
            late: 0,
            delayed: 0,
            life: None,
        };
    }
    Weather {
        calm: false,
        lost: chance.pick(&[0, 10, 40, 120]),
        answerless: chance.pick(&[0, 10, 40, 120]),
        refused: chance.pick(&[0, 0, 3, 15]),
        late: chance.pick(&[0, 20, 100]),
        delayed: chance.pick(&[0, 100, 500]),
        life: chance.pick(&[None, Some(400), Some(120), Some(40)]),
    }
}

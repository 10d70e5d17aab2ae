//! A simulation's heart: chance, the notes, and the dice over every call.

use super::chance::Chance;
use super::notes::{InFlight, Notes, Reason, app_of};
use super::observer::Observer;
use super::script::{Script, Weather};
use crate::world::{Fake, Made, State, World};
use longshore::core::ports::{Clock as _, ContainerState, EngineEvent, RestartPolicy};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

pub struct Sim {
    pub world: Arc<World>,
    pub chance: Chance,
    pub notes: Mutex<Notes>,
    pub script: Script,
    /// The script is over: nothing goes wrong any more.
    pub over: AtomicBool,
    pub observer: OnceLock<Arc<Observer>>,
    /// How far the wall clock is off, in milliseconds.
    pub clock_off: AtomicI64,
}

/// More happens on no day: whoever asks again and again without a pause would go on for ever, since only pauses make
/// this clock go on.
const TOO_LONG: usize = 100_000;

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Fine,
    Lost,
    Answerless,
    Refused,
    Late(Duration),
}

impl Sim {
    pub fn new(seed: u64, script: Script, world: Arc<World>) -> Arc<Self> {
        Arc::new(Self {
            world,
            chance: Chance::new(seed, 2),
            notes: Mutex::default(),
            script,
            observer: OnceLock::new(),
            over: AtomicBool::new(false),
            clock_off: AtomicI64::new(0),
        })
    }

    pub fn now(&self) -> Duration {
        Fake(self.world.clone()).monotonic()
    }

    pub fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap()
    }

    pub fn trace(&self, text: String) {
        let now = self.now();
        let mut notes = self.notes();
        notes.trace.push((now, text));
        let length = notes.trace.len();
        drop(notes);
        assert!(length < TOO_LONG, "it goes in circles");
    }

    pub fn against(&self, law: String) {
        let now = self.now();
        self.notes().against(now, law);
    }

    pub fn weather(&self) -> Weather {
        match self.over.load(Ordering::Relaxed) {
            true => Weather {
                calm: true,
                lost: 0,
                answerless: 0,
                refused: 0,
                late: 0,
                delayed: 0,
                life: None,
            },
            false => self.script.weather,
        }
    }

    pub fn because(&self, app: Option<&'static str>, reason: Reason) {
        let now = self.now();
        self.notes().reasons.push((now, app, reason));
    }

    pub fn fault(&self, kind: &'static str) {
        *self.notes().faults.entry(kind).or_default() += 1;
    }

    /// Throws the dice over a call: how long it takes to arrive, and what becomes of it.
    pub fn fate(&self, about: &str, can_be_refused: bool, can_be_late: bool) -> (Duration, Fate) {
        let weather = self.weather();
        let delay = match self.chance.in_thousand(weather.delayed) {
            true => {
                self.fault("delayed");
                self.chance.millis(1, 1500)
            }
            false => Duration::ZERO,
        };
        let dice = self.chance.below(1000);
        let late = if can_be_late { weather.late } else { 0 };
        let refused = if can_be_refused { weather.refused } else { 0 };
        let mut below = 0;
        let mut falls = |times: u64| {
            below += times;
            dice < below
        };
        let (fate, kind) = if falls(weather.lost) {
            (Fate::Lost, "lost")
        } else if falls(weather.answerless) {
            (Fate::Answerless, "without an answer")
        } else if falls(late) {
            (Fate::Late(self.chance.millis(10, 20_000)), "late")
        } else if falls(refused) {
            self.because(app_of(about), Reason::Refused);
            (Fate::Refused, "refused")
        } else {
            return (delay, Fate::Fine);
        };
        self.fault(kind);
        (delay, fate)
    }

    /// Changes the world, and looks whether it may be so.
    pub fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.world.state.lock().unwrap());
        self.world.changed.notify_waiters();
        self.look();
    }

    /// The engine tells of something.
    pub fn tell(&self, event: EngineEvent) {
        self.world.tell(event, |_| {});
    }

    /// At every instant: of a process of an environment one container runs, or none (`recreate` stops the old one first);
    /// with `swap` two, of which one is on its way in or out.
    pub fn look(&self) {
        let mut running: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
        for (name, made) in &self.world.state.lock().unwrap().containers {
            if matches!(made.state, ContainerState::Running { .. }) {
                running
                    .entry((made.spec.network.clone(), made.spec.labels.role.clone()))
                    .or_default()
                    .push(name.clone());
            }
        }
        let most = |network: &str| if self.script.swaps(network) { 2 } else { 1 };
        for (_, names) in running
            .into_iter()
            .filter(|((network, _), names)| names.len() > most(network))
        {
            self.against(format!("{names:?} run at once"));
        }
    }

    /// A call's effect without its caller.
    pub fn carry_out(&self, call: &InFlight) {
        self.trace(format!("the engine carries out late: {}", told(call)));
        if self.world.state.lock().unwrap().engine_is_gone {
            return;
        }
        self.change(|state| match call {
            InFlight::Create(spec) => {
                state.removed_by_hand.remove(&spec.name);
                let taken = state
                    .containers
                    .values()
                    .any(|made| made.spec.address == spec.address);
                if taken || !state.networks.contains(&spec.network) {
                    return;
                }
                state
                    .containers
                    .entry(spec.name.clone())
                    .or_insert_with(|| Made {
                        spec: (**spec).clone(),
                        state: ContainerState::Created,
                        restart: RestartPolicy::No,
                        printed: Vec::new(),
                        times: Vec::new(),
                        joined: std::collections::BTreeMap::new(),
                    });
            }
            InFlight::Start(name) => {
                if let Some(made) = state.containers.get_mut(name) {
                    made.state = ContainerState::Running { health: None };
                }
            }
            InFlight::Stop(name) => {
                if let Some(made) = state.containers.get_mut(name)
                    && matches!(made.state, ContainerState::Running { .. })
                {
                    made.state = stopped();
                }
            }
        });
        if let InFlight::Create(_) = call {
            self.tell(EngineEvent::Made);
        }
        if let InFlight::Stop(name) = call {
            self.notes().stopped.insert(name.clone());
            self.tell(EngineEvent::Ended(name.clone()));
            self.because(app_of(name), Reason::Touched);
        }
    }

    /// The caller has died: what it had asked for may still happen.
    pub fn orphan_calls(self: &Arc<Self>) {
        let calls: Vec<InFlight> = std::mem::take(&mut self.notes().in_flight)
            .into_values()
            .collect();
        for call in calls {
            if self.chance.in_thousand(500) {
                continue;
            }
            self.fault("late");
            self.later(self.chance.millis(10, 20_000), call);
        }
    }

    pub fn later(self: &Arc<Self>, delay: Duration, call: InFlight) {
        let sim = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            sim.carry_out(&call);
        });
    }
}

pub fn stopped() -> ContainerState {
    ContainerState::Exited {
        code: 143,
        out_of_memory: false,
        error: None,
    }
}

fn told(call: &InFlight) -> String {
    match call {
        InFlight::Create(spec) => format!("create {}", spec.name),
        InFlight::Start(name) => format!("start {name}"),
        InFlight::Stop(name) => format!("stop {name}"),
    }
}

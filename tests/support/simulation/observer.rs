//! The laws of every instant: after each commit the database is looked at through a connection of its own, and before
//! each removal of a container what was known of it.

use super::sim::Sim;
use longshore::core::ports::ContainerState;
use longshore::core::route::{Route, Target};
use rusqlite::{Connection, OptionalExtension as _};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};

/// What was seen last.
pub struct Observer {
    sim: Weak<Sim>,
    data_dir: PathBuf,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    connection: Option<Connection>,
    last_event: i64,
    /// The phase of each deployment.
    phases: BTreeMap<i64, String>,
    /// The live release and deployment of each environment, and what it is meant to be doing.
    environments: BTreeMap<i64, (Option<i64>, Option<i64>, String)>,
    /// The generation in which each environment's routes changed last.
    generations: BTreeMap<i64, i64>,
}

/// A step of a deployment's life, as it was written.
struct Written {
    serial: i64,
    deployment: i64,
    phase: String,
    environment: i64,
    automatic: bool,
}

impl Observer {
    pub fn new(sim: &Arc<Sim>, data_dir: &Path) -> Arc<Self> {
        Arc::new(Self {
            sim: Arc::downgrade(sim),
            data_dir: data_dir.to_owned(),
            seen: Mutex::default(),
        })
    }

    fn sim(&self) -> Arc<Sim> {
        self.sim.upgrade().unwrap()
    }

    /// Looks on after a commit.
    pub fn look(&self, transaction: &'static str) {
        self.sim().trace(format!("store.{transaction}"));
        let mut seen = self.seen.lock().unwrap();
        if seen.connection.is_none() {
            seen.connection = Some(open(&self.data_dir.join("longshore.db")));
        }
        let connection = seen.connection.take().unwrap();
        self.look_at_deployments(&connection, &mut seen);
        self.look_at_environments(&connection, &mut seen, transaction);
        seen.connection = Some(connection);
    }

    fn look_at_deployments(&self, connection: &Connection, seen: &mut Seen) {
        let mut statement = connection
            .prepare_cached(
                "SELECT s.serial, s.deployment, s.phase, d.environment, d.initiated = 'automatic' FROM status_event s
                 JOIN deployment d ON d.serial = s.deployment WHERE s.serial > ?1 ORDER BY s.serial",
            )
            .unwrap();
        let written: Vec<Written> = statement
            .query_map([seen.last_event], |row| {
                Ok(Written {
                    serial: row.get(0)?,
                    deployment: row.get(1)?,
                    phase: row.get(2)?,
                    environment: row.get(3)?,
                    automatic: row.get(4)?,
                })
            })
            .unwrap()
            .map(Result::unwrap)
            .collect();
        for written in written {
            let now = self.sim().now();
            let Written {
                deployment, phase, ..
            } = &written;
            self.sim()
                .trace(format!("deployment {deployment} is {phase}"));
            self.sim()
                .notes()
                .phases
                .entry(*deployment)
                .or_default()
                .push((phase.clone(), now));
            seen.last_event = written.serial;
            let before = seen.phases.insert(*deployment, phase.clone());
            if !is_an_edge(before.as_deref(), phase) {
                self.sim().against(format!(
                    "deployment {deployment} went from {before:?} to {phase}"
                ));
            }
            if before.as_deref() == Some("queued")
                && matches!(phase.as_str(), "checkout" | "rollout")
            {
                self.look_at_start(connection, &written);
            }
            if phase == "superseded" {
                self.look_at_superseded(connection, &written);
            }
            if phase == "succeeded" {
                self.acknowledged(
                    seen,
                    written.environment,
                    &format!("deployment {deployment} succeeded"),
                );
            }
        }
    }

    /// One at a time, in the order of the queue, and only when what was before is settled.
    fn look_at_start(&self, connection: &Connection, started: &Written) {
        let count = |sql: &str| -> i64 {
            let mut statement = connection.prepare_cached(sql).unwrap();
            statement
                .query_row([started.deployment], |row| row.get(0))
                .unwrap()
        };
        let at_work = count(
            "SELECT count(*) FROM deployment d JOIN deployment me ON me.environment = d.environment
             WHERE me.serial = ?1 AND d.serial <> me.serial AND d.phase IN ('checkout', 'build', 'rollout', 'committed')",
        );
        let older = count(
            "SELECT count(*) FROM operation o JOIN operation me ON me.environment = o.environment
             WHERE me.deployment = ?1 AND o.serial < me.serial AND o.done_at IS NULL",
        );
        let unsettled = count(
            "SELECT count(*) FROM settlement s JOIN deployment me ON me.environment = s.environment
             WHERE me.serial = ?1 AND s.settled_at IS NULL",
        );
        if (at_work, older, unsettled) != (0, 0, 0) {
            self.sim().against(format!(
                "deployment {} began while {at_work} were at work, {older} older ones waited and {unsettled} things were unsettled",
                started.deployment
            ));
        }
    }

    fn look_at_superseded(&self, connection: &Connection, superseded: &Written) {
        let by: (i64, i64, bool) = connection
            .query_row(
                "SELECT b.serial, b.environment, b.initiated = 'automatic' OR b.wanted = 'release' FROM deployment d
                 JOIN deployment b ON b.serial = d.superseded_by WHERE d.serial = ?1",
                [superseded.deployment],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )
            .unwrap();
        let lawful = superseded.automatic
            && by.0 > superseded.deployment
            && by.1 == superseded.environment
            && by.2;
        if !lawful {
            self.sim().against(format!(
                "deployment {} was superseded by {}",
                superseded.deployment, by.0
            ));
        }
    }

    /// What is live changes at a commit and at a removal, what is meant at the begin of a change and at a commit.
    fn look_at_environments(&self, connection: &Connection, seen: &mut Seen, transaction: &str) {
        let mut statement = connection
            .prepare_cached(
                "SELECT serial, live_release, live_deployment, desired,
                        (SELECT count(*) FROM container c WHERE c.environment = e.serial AND c.role = 'live' AND c.process = 'web'),
                        (SELECT generation FROM instance) FROM environment e",
            )
            .unwrap();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let serial: i64 = row.get(0).unwrap();
            let now: (Option<i64>, Option<i64>, String) = (
                row.get(1).unwrap(),
                row.get(2).unwrap(),
                row.get(3).unwrap(),
            );
            let lives: i64 = row.get(4).unwrap();
            if lives != i64::from(now.0.is_some()) {
                self.sim().against(format!(
                    "environment {serial} has {lives} live containers and the release {:?}",
                    now.0
                ));
            }
            let before = seen.environments.insert(serial, now.clone());
            let fresh = (None, None, "running".to_owned());
            let before = before.unwrap_or(fresh);
            if before == now {
                continue;
            }
            seen.generations.insert(serial, row.get(5).unwrap());
            self.sim().trace(format!(
                "environment {serial}: release {:?} of deployment {:?}, {}",
                now.0, now.1, now.2
            ));
            let lawful = match transaction {
                "commit" => {
                    seen.phases
                        .get(&now.1.unwrap_or_default())
                        .is_some_and(|phase| phase == "committed")
                        && now.2 == "running"
                }
                "begin_change" => {
                    (before.0, before.1) == (now.0, now.1)
                        || (now.0.is_none() && now.2 == "removed")
                }
                _ => false,
            };
            if !lawful {
                self.sim().against(format!(
                    "{transaction} made of {before:?} in environment {serial}: {now:?}"
                ));
            }
        }
    }

    fn acknowledged(&self, seen: &Seen, environment: i64, what: &str) {
        // It may have lost its table since.
        let held = self.sim().world.state.lock().unwrap().acknowledged;
        let wanted = seen
            .generations
            .get(&environment)
            .copied()
            .unwrap_or_default();
        if held < wanted {
            self.sim().against(format!(
                "{what} while the ingress had acknowledged generation {held}, not {wanted}"
            ));
        }
    }

    /// A container is about to be removed: nothing of it may be lost, and nothing may be routed to it.
    pub fn about_to_remove(&self, name: &str) {
        let printed = match self.sim().world.state.lock().unwrap().containers.get(name) {
            Some(made) => made.printed.clone(),
            None => return,
        };
        let seen = self.seen.lock().unwrap();
        let row: Option<(String, i64, bool, String, String)> = seen
            .connection
            .as_ref()
            .unwrap()
            .query_row(
                "SELECT c.role, c.environment, c.release IS NOT NULL, d.uuid, e.uuid FROM container c
                 JOIN deployment d ON d.serial = c.deployment JOIN environment e ON e.serial = c.environment
                 WHERE c.name = ?1",
                [name],
                |row| {
                    let uuids = (row.get(3)?, row.get(4)?);
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?, uuids.0, uuids.1))
                },
            )
            .optional()
            .unwrap();
        let Some((role, environment, was_live, deployment, uuid)) = row else {
            return self
                .sim()
                .against(format!("{name}, which no row names, was removed"));
        };
        if role != "retired" {
            self.sim()
                .against(format!("{name} was removed while it was {role}"));
        }
        if was_live {
            self.acknowledged(&seen, environment, &format!("{name} was removed"));
        }
        // What was live is in the log of its environment, what never was in that of its deployment.
        let log = match was_live {
            true => whole(&self.data_dir.join("runtime").join(uuid)),
            false => {
                let log = self.data_dir.join("logs").join(format!("{deployment}.log"));
                std::fs::read_to_string(log).unwrap_or_default()
            }
        };
        let (unread, reborn) = {
            let sim = self.sim();
            let notes = sim.notes();
            (notes.unread.contains(name), notes.lives > 1)
        };
        for line in printed.iter().filter(|_| !unread) {
            match log.matches(line.as_str()).count() {
                0 => self.sim().against(format!(
                    "{name} was removed before its output was read: {line}"
                )),
                1 => {}
                // What was read and not yet noted when a life ended is read again; a line of a runtime log is its own note.
                _ if reborn && !was_live => {}
                times => self.sim().against(format!(
                    "the log has a line of {name} {times} times: {line}"
                )),
            }
        }
    }

    /// No request is sent to what is about to stop.
    pub fn about_to_stop(&self, name: &str) {
        let runs = self
            .sim()
            .world
            .state
            .lock()
            .unwrap()
            .containers
            .get(name)
            .is_some_and(|made| matches!(made.state, ContainerState::Running { .. }));
        let seen = self.seen.lock().unwrap();
        let environment: Option<i64> = seen
            .connection
            .as_ref()
            .unwrap()
            .query_row(
                "SELECT e.serial FROM container c JOIN environment e ON e.serial = c.environment
                 WHERE c.name = ?1 AND ((c.role = 'live' AND e.desired <> 'running')
                     OR (c.role = 'retired' AND c.release IS NOT NULL))",
                [name],
                |row| row.get(0),
            )
            .optional()
            .unwrap();
        if let Some(environment) = environment.filter(|_| runs) {
            self.acknowledged(&seen, environment, &format!("{name} was stopped"));
        }
        // Of an app that is swapped nothing is stopped while requests are sent to it. An ingress that came back with an
        // older table sends them where it did.
        let sim = self.sim();
        let state = sim.world.state.lock().unwrap();
        let is_newest = state.generation == state.acknowledged;
        let Some(made) = state.containers.get(name).filter(|_| runs && is_newest) else {
            return;
        };
        let leads = |one: &Route| matches!(one.target, Target::Container(to) if *to.ip() == made.spec.address);
        let routed = state
            .table
            .iter()
            .any(|table| table.routes.iter().any(leads));
        drop(state);
        if routed && sim.script.swaps(name) {
            sim.against(format!("{name} was stopped while requests were sent to it"));
        }
    }
}

/// The drawing in `core/deployment.rs`, in the words of the rows.
fn is_an_edge(from: Option<&str>, to: &str) -> bool {
    match from {
        None => to == "queued",
        Some("queued") => matches!(to, "checkout" | "rollout" | "cancelled" | "superseded"),
        Some("checkout") => matches!(to, "build" | "failed" | "cancelled"),
        Some("build") => matches!(to, "rollout" | "failed" | "cancelled"),
        Some("rollout") => matches!(to, "committed" | "failed" | "cancelled"),
        Some("committed") => to == "succeeded",
        Some(_) => false,
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "who looks on must not look through the eyes of the store"
)]
pub fn open(path: &Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection
        .busy_timeout(std::time::Duration::from_secs(5))
        .unwrap();
    connection
}

/// All files of a runtime log, one after the other.
fn whole(directory: &std::path::Path) -> String {
    let Ok(files) = std::fs::read_dir(directory) else {
        return String::new();
    };
    files
        .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap())
        .collect()
}

//! What is written in the database, read beside the daemon or, after a kill, from a copy of what is on disk.

use longshore::core::app::slug;
use longshore::core::name::{AppName, EnvironmentName};
use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};
use std::time::Duration;
use uuid::Uuid;

/// An operation, be it a deployment or a change.
#[derive(Clone, Debug)]
#[expect(dead_code, reason = "phase and code are shown when something is wrong")]
pub struct Operation {
    /// As the API names it.
    pub id: String,
    pub environment: i64,
    /// `commit`, `image`, `release`, `restart`, or the change's word.
    pub kind: String,
    pub volumes: bool,
    pub phase: String,
    pub code: Option<String>,
    /// The numbers of the release it made live, and of the one it was asked to.
    pub release: Option<i64>,
    pub target: Option<i64>,
    pub done_at: Option<i64>,
}

#[derive(Clone, Debug)]
pub struct Environment {
    pub serial: i64,
    pub app: String,
    pub name: String,
    pub slug: String,
    pub desired: String,
    pub removed: bool,
    /// The live release's number.
    pub live: Option<i64>,
    /// The live container's name: a job has none.
    pub container: Option<String>,
    /// Where the live container is.
    pub address: Option<String>,
    /// Whether a container was ever meant to be made, and whether one was surely made.
    pub intended: bool,
    pub made: bool,
}

/// A run of a job.
#[derive(Clone, Debug)]
#[expect(dead_code, reason = "some is shown when something is wrong")]
pub struct Run {
    /// As the API names it.
    pub id: String,
    pub environment: i64,
    pub event: String,
    pub cause: String,
    pub phase: String,
    pub status: Option<i64>,
    pub code: Option<String>,
    pub why: Option<String>,
    /// How often the engine was asked to start its command.
    pub starts: i64,
}

/// How far the work at an environment's head is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    pub environment: i64,
    pub id: Option<String>,
    progress: String,
}

pub struct Rows {
    connection: Connection,
    logs: PathBuf,
    _copy: Option<tempfile::TempDir>,
}

impl Rows {
    /// Beside the daemon.
    pub fn open(data_dir: &Path) -> Self {
        Self {
            connection: connect(
                &data_dir.join("longshore.db"),
                OpenFlags::SQLITE_OPEN_READ_ONLY,
            ),
            logs: data_dir.join("logs"),
            _copy: None,
        }
    }

    /// A copy of what a killed daemon left, so that nobody but the next daemon recovers the real one.
    pub fn copy(data_dir: &Path) -> Self {
        let copy = tempfile::tempdir().unwrap();
        for name in ["longshore.db", "longshore.db-wal"] {
            let from = data_dir.join(name);
            if from.exists() {
                std::fs::copy(from, copy.path().join(name)).unwrap();
            }
        }
        Self {
            connection: connect(
                &copy.path().join("longshore.db"),
                OpenFlags::SQLITE_OPEN_READ_WRITE,
            ),
            logs: data_dir.join("logs"),
            _copy: Some(copy),
        }
    }

    /// Every operation, in the order of the queues.
    pub fn operations(&self) -> Vec<Operation> {
        let sql = "SELECT o.serial, o.environment, coalesce(d.wanted, o.kind), o.volumes, coalesce(d.phase, o.phase),
                       coalesce(d.failure, o.failure) ->> 'code', r.number, t.number, o.done_at, d.uuid
                   FROM operation o LEFT JOIN deployment d ON d.serial = o.deployment
                   LEFT JOIN release r ON r.serial = d.release LEFT JOIN release t ON t.serial = d.target_release
                   ORDER BY o.serial";
        self.all(sql, |row| {
            let serial: i64 = row.get(0)?;
            let uuid: Option<String> = row.get(9)?;
            Ok(Operation {
                id: uuid.map_or_else(|| serial.to_string(), |uuid| deployment_id(&uuid)),
                environment: row.get(1)?,
                kind: row.get(2)?,
                volumes: row.get(3)?,
                phase: row.get(4)?,
                code: row.get(5)?,
                release: row.get(6)?,
                target: row.get(7)?,
                done_at: row.get(8)?,
            })
        })
    }

    pub fn environments(&self) -> Vec<Environment> {
        let sql = "SELECT e.serial, a.name, e.name, e.uuid, e.desired, e.removed_at IS NOT NULL, iif(e.removed_at IS NULL, r.number, NULL),
                       (SELECT name FROM container c WHERE c.environment = e.serial AND c.role = 'live' AND c.process = 'web'),
                       EXISTS (SELECT 1 FROM container c WHERE c.environment = e.serial),
                       EXISTS (SELECT 1 FROM container c WHERE c.environment = e.serial AND c.made_at IS NOT NULL),
                       (SELECT address FROM container c WHERE c.environment = e.serial AND c.role = 'live' AND c.process = 'web')
                   FROM environment e JOIN app a ON a.serial = e.app LEFT JOIN release r ON r.serial = e.live_release
                   ORDER BY e.serial";
        self.all(sql, |row| {
            let (app, name, uuid): (String, String, String) =
                (row.get(1)?, row.get(2)?, row.get(3)?);
            Ok(Environment {
                serial: row.get(0)?,
                slug: slug(
                    &AppName::parse(&app).unwrap(),
                    &EnvironmentName::parse(&name).unwrap(),
                    uuid.parse::<Uuid>().unwrap(),
                ),
                app,
                name,
                desired: row.get(4)?,
                removed: row.get(5)?,
                live: row.get(6)?,
                container: row.get(7)?,
                intended: row.get(8)?,
                made: row.get(9)?,
                address: row.get(10)?,
            })
        })
    }

    /// Every run, in their order.
    pub fn runs(&self) -> Vec<Run> {
        let sql = "SELECT uuid, environment, event, cause, phase, status, failure ->> 'code', why,
                       (SELECT count(*) FROM one_off o WHERE o.run = run.serial AND o.starting_at IS NOT NULL)
                   FROM run ORDER BY serial";
        self.all(sql, |row| {
            Ok(Run {
                id: shown_id("run", &row.get::<_, String>(0)?),
                environment: row.get(1)?,
                event: row.get(2)?,
                cause: row.get(3)?,
                phase: row.get(4)?,
                status: row.get(5)?,
                code: row.get(6)?,
                why: row.get(7)?,
                starts: row.get(8)?,
            })
        })
    }

    /// The route table's.
    pub fn generation(&self) -> i64 {
        self.all("SELECT generation FROM instance", |row| row.get(0))[0]
    }

    /// The numbers of the environment's releases whose images are kept.
    pub fn kept_releases(&self, environment: i64) -> Vec<i64> {
        let sql = format!(
            "SELECT number FROM release WHERE environment = {environment} AND collected_at IS NULL ORDER BY number"
        );
        self.all(&sql, |row| row.get(0))
    }

    /// Every environment with work, and a text that changes whenever something is done about it.
    pub fn heads(&self) -> Vec<Head> {
        let sql = "SELECT w.environment, w.head, d.uuid,
                       coalesce(d.phase, '') || ' ' || coalesce(o.phase, '') || ' ' || coalesce(o.strikes, '') || ' '
                       || coalesce((SELECT sum(strikes) FROM step s WHERE s.deployment = d.serial), '') || ' '
                       || (SELECT count(*) FROM settlement s WHERE s.environment = w.environment AND s.settled_at IS NOT NULL) || ' '
                       || (SELECT count(*) FROM container c WHERE c.environment = w.environment) || ' '
                       || (SELECT coalesce(group_concat(n.phase || n.strikes || n.consumed_ms), '') FROM run n WHERE n.environment = w.environment)
                   FROM (SELECT environment, min(head) AS head FROM (
                       SELECT environment, min(serial) AS head FROM operation WHERE done_at IS NULL GROUP BY environment
                       UNION ALL SELECT DISTINCT environment, NULL FROM settlement WHERE settled_at IS NULL
                       UNION ALL SELECT DISTINCT environment, NULL FROM run WHERE ended_at IS NULL)
                       GROUP BY environment) w
                   LEFT JOIN operation o ON o.serial = w.head LEFT JOIN deployment d ON d.serial = o.deployment";
        self.all(sql, |row| {
            let head: Option<i64> = row.get(1)?;
            let uuid: Option<String> = row.get(2)?;
            let told = uuid.as_ref().map_or(0, |uuid| self.told(uuid));
            let progress: String = row.get(3)?;
            Ok(Head {
                environment: row.get(0)?,
                id: head
                    .map(|head| uuid.map_or_else(|| head.to_string(), |uuid| deployment_id(&uuid))),
                progress: format!("{progress} {told}"),
            })
        })
    }

    /// Whether a question about the rows is answered with yes.
    pub fn is(&self, question: &str) -> bool {
        let mut statement = self.connection.prepare_cached(question).unwrap();
        statement.exists([]).unwrap()
    }

    /// What SQLite finds wrong; empty is the normal case.
    pub fn damage(&self) -> Vec<String> {
        let mut found: Vec<String> = self.all("PRAGMA integrity_check", |row| row.get(0));
        found.retain(|line| line != "ok");
        found.extend(self.all("PRAGMA foreign_key_check", |row| row.get::<_, String>(0)));
        found
    }

    fn told(&self, uuid: &str) -> u64 {
        let log = self.logs.join(format!("{uuid}.log"));
        log.metadata().map_or(0, |found| found.len())
    }

    fn all<T>(&self, sql: &str, row: impl Fn(&rusqlite::Row<'_>) -> rusqlite::Result<T>) -> Vec<T> {
        let mut statement = self.connection.prepare_cached(sql).unwrap();
        let rows = statement.query_map([], row).unwrap();
        rows.map(Result::unwrap).collect()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the campaign checks past the store under test"
)]
fn connect(path: &Path, flags: OpenFlags) -> Connection {
    let connection = Connection::open_with_flags(path, flags).unwrap();
    connection.busy_timeout(Duration::from_secs(10)).unwrap();
    connection
}

fn deployment_id(uuid: &str) -> String {
    shown_id("dep", uuid)
}

/// The prefix and the UUID in base 36.
fn shown_id(prefix: &str, uuid: &str) -> String {
    let mut value = uuid.parse::<Uuid>().unwrap().as_u128();
    let mut digits = Vec::new();
    while value > 0 {
        digits.push(char::from_digit((value % 36) as u32, 36).unwrap());
        value /= 36;
    }
    digits.push('_');
    digits.extend(prefix.chars().rev());
    digits.iter().rev().collect()
}

//! A history as it would be after years: deployments of every environment there is, most of them succeeded, some failed
//! or cancelled, each with its operation, steps, events, container and, if it went live, release. The data directory must
//! have been begun by a daemon with the apps that are to have a history; it must not run now.

use longshore::core::failure::{Failure, FailureCode};
use longshore::core::release::{Image, ReleaseContent};
use longshore::core::spec::Spec;
use rusqlite::{Connection, Statement, Transaction, params};
use std::collections::HashMap;
use std::path::Path;

/// How many deployments are written in one transaction.
const AT_ONCE: u64 = 50_000;
/// Between two deployments, in milliseconds: a million of them take two years.
pub(crate) const PAUSE: i64 = 63_000;
/// When the last one was made: 2026-01-01.
pub(crate) const END: i64 = 1_767_225_600_000;

/// An environment and what it has so far.
struct Environment {
    serial: i64,
    app: i64,
    project: i64,
    subnet: String,
    releases: i64,
    /// Its live release, deployment and container.
    live: Option<(i64, i64, i64)>,
}

#[expect(
    clippy::disallowed_methods,
    reason = "the bench writes rows that a program would take years for"
)]
pub(crate) fn open(data_dir: &Path) -> Connection {
    Connection::open(data_dir.join("longshore.db")).unwrap()
}

/// So many deployments, with so many milliseconds between two of them.
pub(crate) fn fill(data_dir: &Path, deployments: u64, pause: i64) {
    let began = crate::now();
    let mut connection = open(data_dir);
    // A history that is cut off is made again from the start, not mended.
    connection
        .execute_batch("PRAGMA synchronous = OFF; PRAGMA cache_size = -262144; PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = 20000;")
        .unwrap();
    let mut history = History::begin(&connection);
    let mut made = 0;
    while made < deployments {
        let tx = connection.transaction().unwrap();
        let many = AT_ONCE.min(deployments - made);
        history.write(&tx, made, many, deployments, pause);
        tx.commit().unwrap();
        made += many;
    }
    history.end(&connection);
    let size: i64 = connection
        .query_row(
            "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
            [],
            |row| row.get(0),
        )
        .unwrap();
    println!(
        "{deployments} deployments written in {:.1} s; the database is {}",
        began.elapsed().as_secs_f64(),
        bytesize::ByteSize(u64::try_from(size).unwrap())
    );
}

struct History {
    environments: Vec<Environment>,
    principal: i64,
    iids: HashMap<i64, i64>,
    chance: u64,
    spec: String,
    content: ReleaseContent,
    failure: String,
}

impl History {
    fn begin(connection: &Connection) -> Self {
        let environments = connection
            .prepare(
                "SELECT e.serial, e.app, a.project, e.subnet FROM environment e JOIN app a ON a.serial = e.app
                 WHERE e.removed_at IS NULL ORDER BY e.serial",
            )
            .unwrap()
            .query_map([], |row| {
                Ok(Environment {
                    serial: row.get(0)?,
                    app: row.get(1)?,
                    project: row.get(2)?,
                    subnet: row.get(3)?,
                    releases: 0,
                    live: None,
                })
            })
            .unwrap()
            .collect::<Result<Vec<_>, _>>()
            .unwrap();
        assert!(!environments.is_empty(), "no app is configured");
        let last: i64 = connection
            .query_row("SELECT count(*) FROM deployment", [], |row| row.get(0))
            .unwrap();
        assert_eq!(last, 0, "there is a history already");
        connection
            .execute(
                "INSERT INTO principal (uuid, kind, name, created_at) VALUES (?1, 'token', 'ci', ?2)",
                params![uuid(0, 1), 0],
            )
            .unwrap();
        let spec = spec();
        let failure = Failure {
            code: FailureCode::NotReady,
            message: "the container was not ready after 60s: nothing listens on 10.213.0.3:8080 (connection refused)".into(),
            output: (0..8).map(|line| format!("2025-06-01T12:00:0{line}Z error: cannot reach the database at db:5432, trying again")).collect(),
            next: "Make the app listen on port 8080, or set the app's `port` to where it listens, and deploy again.".into(),
        };
        Self {
            principal: connection.last_insert_rowid(),
            environments,
            iids: HashMap::new(),
            chance: 0x9e37_79b9_7f4a_7c15,
            content: ReleaseContent {
                image: image(0),
                sha: None,
                payload: None,
                job: None,
                run: spec.run.clone(),
                check: spec.rollout.health.check.clone(),
                processes: spec.processes.clone(),
            },
            spec: serde_json::to_string(&spec).unwrap(),
            failure: serde_json::to_string(&failure).unwrap(),
        }
    }

    /// The next of a row of numbers that look random and are the same every time (xorshift).
    fn chance(&mut self) -> u64 {
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        self.chance
    }

    fn write(&mut self, tx: &Transaction<'_>, from: u64, many: u64, all: u64, pause: i64) {
        let mut rows = Rows::prepare(tx);
        for number in from..from + many {
            let at = END - i64::try_from(all - number).unwrap() * pause;
            self.deployment(&mut rows, tx, at);
        }
    }

    fn deployment(&mut self, rows: &mut Rows<'_>, tx: &Transaction<'_>, at: i64) {
        // The first environments are the busiest, as the production of the app everybody works on.
        let (one, other, luck) = (self.chance(), self.chance(), self.chance() % 100);
        let count = self.environments.len() as u64;
        let which = usize::try_from((one % count).min(other % count)).unwrap();
        let entropy = self.chance();
        let place = &self.environments[which];
        let (environment, app, project) = (place.serial, place.app, place.project);
        let iid = self.iids.entry(project).or_insert(0);
        *iid += 1;
        let iid = *iid;
        // Two of three are built.
        let built = environment % 3 != 0;
        let outcome = match luck {
            0..82 => "succeeded",
            82..94 => "failed",
            94..98 => "cancelled",
            _ => "superseded",
        };
        // One of ten is of a branch that somebody works on; images are tagged anew each time.
        let branch = match entropy % 10 {
            0 => format!("feature/{}", entropy / 10 % 4_000),
            _ => "main".to_owned(),
        };
        let image_tag = format!("registry.example.com/acme/web:{:010x}", entropy >> 24);
        let sha = format!("{entropy:016x}{one:016x}{:08x}", other >> 32);
        let steps: &[&str] = match (outcome, built) {
            ("superseded", _) => &[],
            ("cancelled", true) => &["checkout", "build"],
            (_, true) => &["checkout", "build", "rollout"],
            (_, false) => &["rollout"],
        };
        let ended = at + 4_000 * (1 + i64::try_from(steps.len()).unwrap());
        let result = serde_json::to_string(&image(entropy)).unwrap();
        let started = !steps.is_empty();
        rows.deployment
            .execute(params![
                uuid(at, entropy),
                project,
                iid,
                app,
                environment,
                self.principal,
                if luck % 2 == 0 { "manual" } else { "automatic" },
                if built { "commit" } else { "image" },
                built.then_some(&branch),
                built.then_some(&sha),
                (!built).then_some(&image_tag),
                started.then_some(&self.spec),
                (built && started).then_some(r#"{"message":"Answer with what was asked for, also when it is empty\n\nThe page said nothing.","author":"Ada","author_email":"ada@example.com"}"#),
                started.then_some(&result),
                outcome,
                (outcome == "failed").then_some("rollout"),
                (outcome == "failed").then_some(&self.failure),
                (outcome == "cancelled").then_some(self.principal),
                (outcome == "cancelled").then_some(0),
                at,
                ended,
                if built { &branch } else { &image_tag },
            ])
            .unwrap();
        let serial = tx.last_insert_rowid();
        if outcome == "superseded" {
            // By itself: which one it was, nobody asks here.
            rows.superseded.execute([serial]).unwrap();
        }
        rows.operation
            .execute(params![environment, serial, at, ended])
            .unwrap();
        let mut event = |phase: &str, at: i64| {
            rows.event.execute(params![serial, phase, at]).unwrap();
        };
        event("queued", at);
        for (number, step) in (1..).zip(steps) {
            let began = at + number * 4_000;
            event(step, began);
            rows.step
                .execute(params![serial, step, began, began + 4_000])
                .unwrap();
        }
        if outcome == "succeeded" {
            event("committed", ended);
        }
        event(outcome, ended);
        if steps.last() == Some(&"rollout") {
            self.container(
                rows,
                tx,
                which,
                serial,
                (entropy, ended),
                outcome == "succeeded",
                built.then_some(sha),
            );
        }
    }

    #[expect(clippy::too_many_arguments, reason = "a row has as many columns")]
    fn container(
        &mut self,
        rows: &mut Rows<'_>,
        tx: &Transaction<'_>,
        which: usize,
        deployment: i64,
        (entropy, at): (u64, i64),
        live: bool,
        sha: Option<String>,
    ) {
        let place = &mut self.environments[which];
        let address = place.subnet.replace(".0/26", ".3");
        rows.container
            .execute(params![
                place.serial,
                deployment,
                format!("app-{}-{deployment}-1", place.serial),
                address,
                at,
                (!live).then_some(at)
            ])
            .unwrap();
        let container = tx.last_insert_rowid();
        if !live {
            return;
        }
        place.releases += 1;
        self.content.image = image(entropy);
        self.content.sha = sha.map(|sha| longshore::core::name::Sha::parse(&sha).unwrap());
        let content = serde_json::to_string(&self.content).unwrap();
        rows.release
            .execute(params![
                place.serial,
                place.releases,
                deployment,
                content,
                at
            ])
            .unwrap();
        let release = tx.last_insert_rowid();
        rows.went_live
            .execute(params![deployment, release])
            .unwrap();
        rows.live.execute(params![container, release]).unwrap();
        if let Some((old, _, retired)) = place.live.replace((release, deployment, container)) {
            rows.retired.execute(params![retired, at]).unwrap();
            rows.settlement
                .execute(params![place.serial, deployment, retired, at])
                .unwrap();
            // All but the last few were given up.
            rows.collected.execute(params![old - 500, at]).unwrap();
        }
    }

    fn end(&self, connection: &Connection) {
        for place in &self.environments {
            if let Some((release, deployment, _)) = place.live {
                connection
                    .execute(
                        "UPDATE environment SET live_release = ?2, live_deployment = ?3 WHERE serial = ?1",
                        params![place.serial, release, deployment],
                    )
                    .unwrap();
            }
        }
        for (project, iid) in &self.iids {
            connection
                .execute(
                    "UPDATE project SET last_iid = ?2 WHERE serial = ?1",
                    params![project, iid],
                )
                .unwrap();
        }
        connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            .unwrap();
    }
}

/// What is written again and again.
struct Rows<'a> {
    deployment: Statement<'a>,
    superseded: Statement<'a>,
    operation: Statement<'a>,
    event: Statement<'a>,
    step: Statement<'a>,
    container: Statement<'a>,
    release: Statement<'a>,
    went_live: Statement<'a>,
    live: Statement<'a>,
    retired: Statement<'a>,
    settlement: Statement<'a>,
    collected: Statement<'a>,
}

impl<'a> Rows<'a> {
    fn prepare(tx: &'a Transaction<'_>) -> Self {
        let prepare = |sql| tx.prepare(sql).unwrap();
        Self {
            deployment: prepare(
                "INSERT INTO deployment (uuid, project, iid, app, environment, principal, initiated, wanted, branch, sha, image,
                     spec, commit_info, result, phase, failed_step, failure, cancelled_by, was_waiting, created_at, ended_at, ref, updated_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?21)",
            ),
            superseded: prepare("UPDATE deployment SET superseded_by = serial WHERE serial = ?1"),
            operation: prepare("INSERT INTO operation (environment, kind, deployment, created_at, done_at) VALUES (?1, 'deploy', ?2, ?3, ?4)"),
            event: prepare("INSERT INTO status_event (deployment, phase, at) VALUES (?1, ?2, ?3)"),
            step: prepare("INSERT INTO step (deployment, name, budget_ms, consumed_ms, started_at, ended_at) VALUES (?1, ?2, 600000, 4000, ?3, ?4)"),
            container: prepare(
                "INSERT INTO container (environment, deployment, process, name, address, role, created_at, made_at, removed_at)
                 VALUES (?1, ?2, 'web', ?3, ?4, 'retired', ?5, ?5, ?6)",
            ),
            release: prepare("INSERT INTO release (environment, number, deployment, content, created_at) VALUES (?1, ?2, ?3, ?4, ?5)"),
            went_live: prepare("UPDATE deployment SET release = ?2 WHERE serial = ?1"),
            live: prepare("UPDATE container SET role = 'live', release = ?2 WHERE serial = ?1"),
            retired: prepare("UPDATE container SET role = 'retired', removed_at = ?2 WHERE serial = ?1"),
            settlement: prepare(
                "INSERT INTO settlement (environment, deployment, kind, container, created_at, settled_at)
                 VALUES (?1, ?2, 'retire_container', ?3, ?4, ?4)",
            ),
            collected: prepare("UPDATE release SET collected_at = ?2 WHERE serial = ?1 AND collected_at IS NULL"),
        }
    }
}

fn uuid(at: i64, entropy: u64) -> String {
    let mut bytes = [7; 10];
    bytes[..8].copy_from_slice(&entropy.to_be_bytes());
    let millis = u64::try_from(at).unwrap();
    uuid::Builder::from_unix_timestamp_millis(millis, &bytes)
        .into_uuid()
        .to_string()
}

fn image(entropy: u64) -> Image {
    let id = format!("{entropy:016x}").repeat(4);
    Image {
        id: format!("sha256:{id}"),
        digest: Some(format!("registry.example.com/acme/web@sha256:{id}")),
        reference: "registry.example.com/acme/web:latest".into(),
    }
}

/// The settings of an ordinary app.
fn spec() -> Spec {
    let text = r#"
        [[app]]
        name = "web"
        repository = "https://github.com/acme/web.git"
        port = 8080
        health = { path = "/up" }
        env = { LOG = "info", RAILS_ENV = "production", WORKERS = "4" }
        secrets = { DATABASE_URL = "store" }
        volumes = ["data:/data"]
        memory = "512MiB"
    "#;
    let config = longshore::config::parse("web.toml", text).unwrap();
    let app = config.apps.into_iter().next().unwrap();
    app.environments.into_values().next().unwrap()
}

//! Every migration, over a database that holds what a program of that schema wrote. `migrations/N.sql` is a whole
//! database of schema N; who appends a migration adds the one it begins from, taken with `.dump` from a real run.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use longshore::core::access::Reach;
use longshore::core::action::{DeploymentRef, Listed, StateFilter};
use longshore::core::admission::Desired;
use longshore::core::change::ChangePhase;
use longshore::core::commit_status::CommitState;
use longshore::core::deployment::Phase;
use longshore::core::id::{DeploymentSerial, EnvironmentSerial, OperationSerial, ProjectSerial};
use longshore::core::listing::Order;
use longshore::core::name::{Sha, TaskName};
use longshore::core::particulars::Narrowed;
use longshore::core::recorded::ReportedState;
use longshore::core::route::{Absence, Target};
use longshore::core::status::StatusState;
use longshore::core::time::Timestamp;
use longshore::store::{ListFilter, OpenWith, Store};
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn open(data_dir: &Path) -> Store {
    let with = OpenWith {
        now: Timestamp(1_741_948_400_000),
        random: Arc::new(|bytes: &mut [u8]| bytes.fill(5)),
        credentials_directory: None,
        watch: None,
    };
    Store::open(data_dir, with).unwrap()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the test makes a database that today's program would not"
)]
fn connect(data_dir: &Path) -> Connection {
    Connection::open(data_dir.join("longshore.db")).unwrap()
}

fn version(connection: &Connection) -> u32 {
    connection
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .unwrap()
}

/// The newest schema's number.
fn newest() -> u32 {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    version(&connect(dir.path()))
}

fn sample(number: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/migrations/{number}.sql"))
}

/// A data directory as a program of that schema left it, but for the instance.
fn begin_from(number: u32) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("key");
    std::fs::write(&key, [3; 32]).unwrap();
    std::fs::set_permissions(key, PermissionsExt::from_mode(0o600)).unwrap();
    let connection = connect(dir.path());
    let sql = std::fs::read_to_string(sample(number)).unwrap();
    connection.execute_batch(&sql).unwrap();
    connection
        .pragma_update(None, "user_version", number)
        .unwrap();
    dir
}

/// How many rows each table has.
fn counts(connection: &Connection) -> BTreeMap<String, i64> {
    let sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT IN ('sqlite_sequence', 'instance')";
    let mut statement = connection.prepare(sql).unwrap();
    let names: Vec<String> = statement
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let count = |name: String| {
        let sql = format!("SELECT count(*) FROM \"{name}\"");
        let rows = connection.query_row(&sql, [], |row| row.get(0)).unwrap();
        (name, rows)
    };
    names.into_iter().map(count).collect()
}

fn schema(connection: &Connection) -> BTreeMap<String, Option<String>> {
    let mut statement = connection
        .prepare("SELECT name, sql FROM sqlite_master")
        .unwrap();
    statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap()
}

#[test]
fn every_schema_has_a_database_to_migrate_from() {
    for number in 1..=newest() {
        assert!(
            sample(number).exists(),
            "there is no {}: add a database of that schema",
            sample(number).display()
        );
    }
}

#[test]
fn every_older_database_becomes_a_new_one_and_keeps_its_rows() {
    let fresh = tempfile::tempdir().unwrap();
    drop(open(fresh.path()));
    for number in 1..=newest() {
        let dir = begin_from(number);
        let before = counts(&connect(dir.path()));
        drop(open(dir.path()));
        let connection = connect(dir.path());
        assert_eq!(version(&connection), newest(), "from {number}");
        let after = counts(&connection);
        for (table, rows) in &before {
            assert!(
                after.get(table) >= Some(rows),
                "from {number}: {table} had {rows} rows and has {:?}",
                after.get(table)
            );
        }
        assert_eq!(
            schema(&connection),
            schema(&connect(fresh.path())),
            "from {number}: the schema differs from a fresh one; was a migration changed instead of appended?"
        );
        let whole: String = connection
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))
            .unwrap();
        assert_eq!(whole, "ok", "from {number}");
        let mut dangling = connection.prepare("PRAGMA foreign_key_check").unwrap();
        assert!(!dangling.exists([]).unwrap(), "from {number}");
    }
}

fn everything() -> ListFilter {
    ListFilter {
        limit: 100,
        steps: true,
        ..ListFilter::new(Reach::All)
    }
}

/// Schema 1's database: web succeeded, db succeeded, web failed in its rollout, web waits.
#[test]
fn what_schema_1_wrote_can_still_be_read() {
    let dir = begin_from(1);
    let store = open(dir.path());
    let phase = |serial| store.deployment(DeploymentSerial(serial)).unwrap().phase;
    assert!(matches!(phase(1), Phase::Succeeded { .. }));
    assert!(matches!(phase(2), Phase::Succeeded { .. }));
    assert!(matches!(phase(3), Phase::Failed { .. }));
    assert_eq!(phase(4), Phase::Queued);
    let (views, total) = store.list(&everything()).unwrap();
    assert_eq!((views.len(), total), (4, 4));
    let live = store.live(EnvironmentSerial(1)).unwrap().unwrap();
    assert_eq!(live.release.number, 1);
    assert_eq!(live.containers[0].name, "web-production-f1bbcdcb-1-1");
    let place = store.place_of(EnvironmentSerial(1)).unwrap();
    assert_eq!(place.slug(), "web-production-f1bbcdcb");
    for serial in 1..=3 {
        assert!(store.spec(DeploymentSerial(serial)).unwrap().is_some());
    }
    assert_eq!(store.unfinished().unwrap().len(), 1);
    assert_eq!(store.apps(Reach::All).unwrap().len(), 2);
}

/// Schema 2's database: web was rolled back and restarted and waits, db was stopped and is to start, old was removed.
#[test]
fn what_schema_2_wrote_can_still_be_read() {
    let dir = begin_from(2);
    let store = open(dir.path());
    let live = |serial| store.live(EnvironmentSerial(serial)).unwrap();
    assert_eq!(live(1).unwrap().release.number, 3);
    assert_eq!(live(2).unwrap().release.number, 1);
    assert!(live(3).is_none());
    let place = |serial| store.place_of(EnvironmentSerial(serial)).unwrap();
    assert_eq!(place(2).desired, Desired::Stopped);
    assert_eq!(place(3).desired, Desired::Removed);
    let target = store.rollback_target(EnvironmentSerial(1), None).unwrap();
    assert_eq!(store.release(target.unwrap()).unwrap().number, 1);
    let phase = |serial| {
        let change = store.change(OperationSerial(serial)).unwrap();
        change.map(|change| (change.change.as_str(), change.phase))
    };
    assert_eq!(phase(7), Some(("stop", ChangePhase::Done)));
    assert_eq!(phase(8), Some(("remove", ChangePhase::Done)));
    assert_eq!(phase(9), Some(("start", ChangePhase::Queued)));
    assert_eq!(phase(10), None);
    assert_eq!(store.unfinished().unwrap().len(), 2);
    assert_eq!(store.apps(Reach::All).unwrap().len(), 2);
}

/// Schema 3's database: web was rolled back and suspended, db was stopped; a deployment was deleted, a token revoked.
#[test]
fn what_schema_3_wrote_can_still_be_read() {
    let dir = begin_from(3);
    let store = open(dir.path());
    assert_eq!(
        store
            .live(EnvironmentSerial(1))
            .unwrap()
            .unwrap()
            .release
            .number,
        2
    );
    let (views, total) = store.list(&everything()).unwrap();
    assert_eq!((views.len(), total), (5, 5), "one of six was deleted");
    let now = Timestamp(1_795_529_920_000);
    let names = |all| -> Vec<String> {
        let tokens = store.tokens(Reach::All, all, now).unwrap();
        tokens
            .into_iter()
            .map(|token| token.principal.name)
            .collect()
    };
    assert_eq!(names(false), ["keyed", "ci", "user"]);
    assert_eq!(names(true), ["keyed", "ci", "old", "user"]);
    assert_eq!(store.unfinished().unwrap().len(), 0);
}

/// Schema 4's database: web was rolled back and deployed again by swap, and what it replaced still ends its requests; db was
/// stopped; gone is no longer configured and keeps its domain.
#[test]
fn what_schema_4_wrote_can_still_be_read() {
    let dir = begin_from(4);
    let store = open(dir.path());
    let live = |serial| store.live(EnvironmentSerial(serial)).unwrap();
    assert_eq!(live(1).unwrap().release.number, 3);
    let pending = store.pending_settlements(EnvironmentSerial(1)).unwrap();
    assert_eq!(pending.len(), 3);
    assert_eq!(pending[0].unrouted, Some(8));
    let routes = store.table().unwrap().routes;
    let told = |at: usize| (routes[at].domain.to_string(), routes[at].target);
    assert_eq!(routes.len(), 3);
    assert_eq!(
        told(0),
        ("db.example".to_owned(), Target::Nobody(Absence::Stopped))
    );
    for at in [1, 2] {
        assert!(matches!(told(at).1, Target::Container(_)), "{:?}", told(at));
    }
}

/// Schema 5's database: as before, and web has a worker beside it and a deployment hook.
#[test]
fn what_schema_5_wrote_can_still_be_read() {
    let dir = begin_from(5);
    let store = open(dir.path());
    let live = store.live(EnvironmentSerial(1)).unwrap().unwrap();
    let processes: Vec<&str> = live
        .containers
        .iter()
        .map(|row| row.process.as_str())
        .collect();
    assert_eq!(processes, ["web", "worker"]);
    assert!(live.release.content.process_names().eq(processes));
    let place = store.place_of(EnvironmentSerial(1)).unwrap();
    let secret = longshore::core::secret::Secret::new("a-hook-of-web");
    let called = store.hook_caller(place.environment_id, &secret).unwrap();
    assert_eq!(called.unwrap().caller.principal.name, "deployment hook");
    assert_eq!(store.table().unwrap().routes.len(), 3);
}

/// Schema 6's database: as before, and deployments were told of, one of them for an environment that runs nothing here.
#[test]
fn what_schema_6_wrote_can_still_be_read() {
    let dir = begin_from(6);
    let store = open(dir.path());
    let list = |filter: ListFilter| -> Vec<i64> {
        let (found, total) = store.list(&filter).unwrap();
        assert_eq!(found.len() as u64, total);
        found.iter().map(|listed| listed.serial().0).collect()
    };
    assert_eq!(list(everything()), [9, 8, 7, 6, 5, 4, 3, 2, 1]);
    let by_reference = ListFilter {
        project: Some(ProjectSerial(1)),
        order: Order::Reference,
        ..everything()
    };
    assert_eq!(list(by_reference), [7, 9, 8, 6, 5, 4, 1]);
    let ended_well = ListFilter {
        states: vec![StateFilter::Succeeded],
        order: Order::Updated,
        updated_from: Some(Timestamp(1_741_948_322_000)),
        ..everything()
    };
    assert_eq!(list(ended_well), [7, 6, 5, 4]);
    let found = store
        .find_recorded(DeploymentRef::Serial(DeploymentSerial(8)))
        .unwrap()
        .unwrap();
    assert_eq!(found.state, ReportedState::Running);
    assert_eq!((found.reference.as_str(), found.tag), ("search", false));
}

/// What is counted of deployments, told from their rows: by environment, phase and block of serials, by period of time, and by
/// shelf of references.
const COUNTED: [(&str, &str); 4] = [
    (
        "SELECT environment, phase, '', deployments FROM total WHERE deployments > 0 ORDER BY 1, 2",
        "SELECT environment, phase, '', count(*) FROM deployment WHERE hidden_at IS NULL GROUP BY 1, 2 ORDER BY 1, 2",
    ),
    (
        "SELECT environment, phase, block, deployments FROM tally WHERE deployments > 0 ORDER BY 1, 2, 3",
        "SELECT environment, phase, serial >> 14, count(*) FROM deployment WHERE hidden_at IS NULL GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
    ),
    (
        "SELECT environment, phase, period || ' ' || block, deployments FROM tally_updated ORDER BY 1, 2, 3",
        "SELECT environment, phase, (updated_at >> 28) || ' ' || (serial >> 14), count(*) FROM deployment
         WHERE hidden_at IS NULL GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
    ),
    (
        "SELECT environment, phase, shelf || ' ' || block || ' ' || oldest || ' ' || newest, deployments FROM tally_ref ORDER BY 1, 2, 3",
        "SELECT environment, phase, shelf || ' ' || block || ' ' || min(updated_at) || ' ' || max(updated_at), count(*) FROM (
             SELECT *, (SELECT max(name) FROM shelf WHERE name <= ref) AS shelf,
                 iif(EXISTS (SELECT 1 FROM shelf WHERE name = ref), serial >> 14, 0) AS block
             FROM deployment WHERE hidden_at IS NULL)
         GROUP BY environment, phase, shelf, block ORDER BY 1, 2, 3",
    ),
];

#[test]
fn every_older_database_is_counted_as_if_it_had_been_from_the_start() {
    for number in 1..=newest() {
        let dir = begin_from(number);
        drop(open(dir.path()));
        let connection = connect(dir.path());
        let rows = |sql: &str| -> Vec<(i64, String, String, i64)> {
            let mut statement = connection.prepare(sql).unwrap();
            let rows = statement.query_map([], |row| {
                let place: rusqlite::types::Value = row.get(2)?;
                Ok((row.get(0)?, row.get(1)?, format!("{place:?}"), row.get(3)?))
            });
            rows.unwrap().map(Result::unwrap).collect()
        };
        for (kept, told) in COUNTED {
            let told = rows(told);
            assert!(!told.is_empty());
            assert_eq!(rows(kept), told, "from {number}: {kept}");
        }
    }
}

/// A rollback is shown with what the deployment had whose release it made live again; all with when they ended.
#[test]
fn what_schema_5_wrote_is_shown_with_its_reference_and_when_it_ended() {
    let dir = begin_from(5);
    drop(open(dir.path()));
    let connection = connect(dir.path());
    let mut statement = connection
        .prepare("SELECT ref, tag, updated_at - 1741948320000 FROM deployment ORDER BY serial")
        .unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
    let rows: Vec<(String, bool, i64)> = rows.unwrap().map(Result::unwrap).collect();
    let shown: Vec<_> = rows
        .iter()
        .map(|row| (row.0.as_str(), row.1, row.2))
        .collect();
    assert_eq!(
        shown,
        [
            ("main", false, 1000),
            ("postgres:16", false, 1000),
            ("nginx:1", false, 1000),
            ("main", false, 2000),
            ("main", false, 2000),
            ("main", false, 3000),
        ]
    );
}

/// What was to be removed before there was an ingress waits for no table, and nothing is routed yet.
#[test]
fn before_schema_4_nothing_was_routed() {
    let dir = begin_from(3);
    let store = open(dir.path());
    assert_eq!(store.table().unwrap().routes, []);
    for serial in 1..=2 {
        for settlement in store
            .pending_settlements(EnvironmentSerial(serial))
            .unwrap()
        {
            assert_eq!(settlement.unrouted, None);
        }
    }
}

#[test]
fn what_schema_6_wrote_is_shown_with_the_statuses_it_would_have_had() {
    let dir = begin_from(6);
    let store = open(dir.path());
    let (all, _) = store.list(&everything()).unwrap();
    let mut seen = Vec::new();
    for listed in &all {
        let (statuses, _) = store.statuses(listed.serial(), 10, 0).unwrap();
        let states: Vec<StatusState> = statuses.iter().map(|status| status.state).collect();
        let (expected, noted, at) = match listed {
            Listed::Executed(view) => {
                let expected = match view.deployment.phase {
                    Phase::Queued => vec![],
                    Phase::Running(_) | Phase::Committed(_) => vec![StatusState::InProgress],
                    Phase::Succeeded { .. } => vec![StatusState::Success],
                    Phase::Failed { .. } => vec![StatusState::Failure],
                    Phase::Cancelled { .. } => vec![StatusState::Error],
                    Phase::Superseded { .. } => vec![StatusState::Inactive],
                };
                assert_eq!(
                    view.noted.production,
                    view.environment.as_str() == "production"
                );
                (expected, &view.noted, view.updated_at)
            }
            Listed::Recorded(view) => {
                let expected = match view.recorded.state {
                    ReportedState::Created => vec![],
                    ReportedState::Running => vec![StatusState::InProgress],
                    ReportedState::Success => vec![StatusState::Success],
                    ReportedState::Failed => vec![StatusState::Failure],
                    ReportedState::Canceled => vec![StatusState::Error],
                };
                (expected, &view.noted, view.recorded.updated_at)
            }
        };
        assert_eq!(states, expected, "{listed:?}");
        assert_eq!(noted.status_at, (!states.is_empty()).then_some(at));
        assert!(noted.task.is_none() && noted.payload.is_none() && !noted.transient);
        seen.extend(states);
    }
    for state in [
        StatusState::Success,
        StatusState::InProgress,
        StatusState::Error,
    ] {
        assert!(seen.contains(&state), "no deployment has {state:?}");
    }
}

#[test]
fn what_schema_7_wrote_can_still_be_read() {
    let dir = begin_from(7);
    let store = open(dir.path());
    let sha = Sha::parse(&"1".repeat(40)).unwrap();
    let newest = store
        .newest_commit_statuses(ProjectSerial(1), &sha)
        .unwrap();
    let [check] = newest.as_slice() else {
        panic!("{newest:?}");
    };
    assert_eq!(
        (check.context.as_str(), check.state),
        ("CI/Build", CommitState::Success)
    );
    let seeded = ListFilter {
        narrowed: Narrowed {
            task: Some(TaskName::parse("seed").ok()),
            ..Narrowed::default()
        },
        ..everything()
    };
    let (found, total) = store.list(&seeded).unwrap();
    let [Listed::Executed(view)] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!(total, 1);
    assert_eq!(view.noted.description.as_deref(), Some("by hand"));
    assert_eq!(
        view.deployment.request.payload.as_deref(),
        Some(r#"{"user":"ann"}"#)
    );
}

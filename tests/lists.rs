//! Pages and totals of lists, held against what a look at every row says: for made-up histories, filters and offsets, with
//! deployments that move from phase to phase, are hidden, and lie in many blocks of serials.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use longshore::core::access::Reach;
use longshore::core::action::StateFilter;
use longshore::core::id::{AppSerial, EnvironmentSerial};
use longshore::core::name::EnvironmentName;
use longshore::core::time::Timestamp;
use longshore::store::{ListFilter, OpenWith, Store};
use proptest::prelude::*;
use rusqlite::{Connection, params};
use std::path::Path;
use std::sync::Arc;

/// Apps, and the environments of each: 1 to 3, 4 to 6 and so on. The last of each app is named like its first: that one
/// was removed.
const APPS: i64 = 3;
const NAMES: [&str; 3] = ["production", "staging", "production"];
/// As many serials as are counted together.
const BLOCK: i64 = 1 << 14;

const PHASES: [&str; 9] = [
    "queued",
    "checkout",
    "build",
    "rollout",
    "committed",
    "succeeded",
    "failed",
    "cancelled",
    "superseded",
];

const STATES: [StateFilter; 7] = [
    StateFilter::Queued,
    StateFilter::Building,
    StateFilter::Deploying,
    StateFilter::Succeeded,
    StateFilter::Failed,
    StateFilter::Cancelled,
    StateFilter::Superseded,
];

fn phases(state: StateFilter) -> &'static [&'static str] {
    match state {
        StateFilter::Queued => &["queued"],
        StateFilter::Building => &["checkout", "build"],
        StateFilter::Deploying => &["rollout", "committed"],
        StateFilter::Succeeded => &["succeeded"],
        StateFilter::Failed => &["failed"],
        StateFilter::Cancelled => &["cancelled"],
        StateFilter::Superseded => &["superseded"],
    }
}

/// What happens to the history.
#[derive(Clone, Debug)]
enum Event {
    /// So many deployments of an environment in a phase, one after the other.
    Made {
        environment: i64,
        phase: usize,
        many: u16,
    },
    /// The next serial is so much further on.
    Gap(i64),
    /// The deployment at this place of the history goes to a phase.
    Moved { which: u16, phase: usize },
    /// It is deleted for every API, or taken back.
    Hidden { which: u16, hidden: bool },
    /// The row itself goes.
    Removed { which: u16 },
}

fn event() -> impl Strategy<Value = Event> {
    let many = prop_oneof![20 => 1u16..60, 1 => 900u16..1200];
    let made =
        (1..=APPS * 3, 0..PHASES.len(), many).prop_map(|(environment, phase, many)| Event::Made {
            environment,
            phase,
            many,
        });
    let gap = prop_oneof![Just(1), Just(BLOCK - 7), Just(BLOCK), 1..5 * BLOCK].prop_map(Event::Gap);
    let moved =
        (any::<u16>(), 0..PHASES.len()).prop_map(|(which, phase)| Event::Moved { which, phase });
    let hidden = (any::<u16>(), prop::bool::weighted(0.8))
        .prop_map(|(which, hidden)| Event::Hidden { which, hidden });
    let removed = any::<u16>().prop_map(|which| Event::Removed { which });
    prop_oneof![5 => made, 2 => gap, 6 => moved, 4 => hidden, 1 => removed]
}

/// A question, with the offset as a part of what there is.
fn question() -> impl Strategy<Value = (ListFilter, f64)> {
    let app = || (1..=APPS).prop_map(AppSerial);
    let reach = prop_oneof![
        3 => Just(Reach::All),
        1 => app().prop_map(Reach::App),
        1 => (1..=APPS * 3).prop_map(|environment| Reach::Environment(
            AppSerial((environment - 1) / 3 + 1),
            EnvironmentSerial(environment)
        )),
    ];
    let name = prop::sample::select(&["production", "staging", "elsewhere"][..])
        .prop_map(|name| EnvironmentName::parse(name).unwrap());
    let states = prop::sample::subsequence(&STATES[..], 0..=3);
    let parts = (
        reach,
        prop::option::weighted(0.4, app()),
        prop::option::weighted(0.4, name),
        prop_oneof![1 => Just(Vec::new()), 2 => states],
        1u32..=100,
        -0.1..1.1,
    );
    parts.prop_map(|(reach, app, environment, states, limit, part)| {
        let filter = ListFilter {
            app,
            environment,
            states,
            limit,
            steps: limit % 2 == 0,
            ..ListFilter::new(reach)
        };
        (filter, part)
    })
}

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
    reason = "the test writes rows that a program would take weeks for"
)]
fn connect(data_dir: &Path) -> Connection {
    let connection = Connection::open(data_dir.join("longshore.db")).unwrap();
    connection
        .pragma_update(None, "synchronous", false)
        .unwrap();
    connection
}

fn begin(connection: &Connection) {
    connection
        .execute_batch(
            "INSERT INTO principal (serial, uuid, kind, name, created_at) VALUES (1, '00000000-0000-7000-8000-000000000001', 'local', 'you', 0);
             INSERT INTO project (serial, path) VALUES (1, 'acme/web');",
        )
        .unwrap();
    for app in 1..=APPS {
        connection
            .execute(
                "INSERT INTO app (serial, uuid, name, project, configured, created_at) VALUES (?1, ?2, ?3, 1, 1, 0)",
                params![app, uuid(app), format!("app-{app}")],
            )
            .unwrap();
        for (place, name) in (1..).zip(NAMES) {
            let serial = (app - 1) * 3 + place;
            connection
                .execute(
                    "INSERT INTO environment (serial, uuid, app, name, desired, configured, subnet, created_at, removed_at)
                     VALUES (?1, ?2, ?3, ?4, 'running', 1, ?5, 0, ?6)",
                    params![serial, uuid(serial), app, name, format!("10.0.{serial}.0/26"), (place == 3).then_some(1)],
                )
                .unwrap();
        }
    }
    // A release and somebody who cancelled, for the phases that have them.
    connection
        .execute_batch("PRAGMA foreign_keys = OFF")
        .unwrap();
    connection
        .execute(
            "INSERT INTO release VALUES (1, 1, 1, 1, ?1, 0, NULL, NULL)",
            [RELEASE],
        )
        .unwrap();
}

const RELEASE: &str = r#"{"image":{"id":"sha256:1","digest":null,"reference":"web:1"},"sha":null,"run":{"command":[],"entrypoint":[],"port":null,"publish":[],"env":{},"env_files":[],"secrets":{},"volumes":[],"memory":null,"millicpus":null,"stop_grace":{"secs":10,"nanos":0},"logging":{"driver":"json-file","options":{}}},"check":"image"}"#;

fn uuid(number: i64) -> String {
    uuid::Uuid::from_u128(u128::try_from(number).unwrap()).to_string()
}

fn move_to(connection: &Connection, serial: i64, phase: &str) {
    let has = |which: &[&str]| which.contains(&phase);
    connection
        .execute(
            "UPDATE deployment SET phase = ?2, release = ?3, failed_step = ?4, failure = ?5, cancelled_by = ?6, was_waiting = ?6,
                                   superseded_by = ?7, ended_at = ?8 WHERE serial = ?1",
            params![
                serial,
                phase,
                has(&["committed", "succeeded"]).then_some(1),
                has(&["failed"]).then_some("rollout"),
                has(&["failed"]).then_some(r#"{"code":"not_ready","message":"","output":[],"next":""}"#),
                has(&["cancelled"]).then_some(1),
                has(&["superseded"]).then_some(1),
                has(&["succeeded", "failed", "cancelled", "superseded"]).then_some(5),
            ],
        )
        .unwrap();
}

fn happen(connection: &Connection, next: &mut i64, all: &mut Vec<i64>, event: &Event) {
    let at = |which: u16, all: &[i64]| match all.len() {
        0 => None,
        many => Some(usize::from(which) % many),
    };
    match *event {
        Event::Made {
            environment,
            phase,
            many,
        } => {
            for _ in 0..many {
                connection
                    .execute(
                        "INSERT INTO deployment (serial, uuid, project, iid, app, environment, principal, initiated, wanted, image, phase, created_at)
                         VALUES (?1, ?2, 1, ?1, ?3, ?4, 1, 'manual', 'image', 'nginx', 'queued', 0)",
                        params![*next, uuid(*next), (environment - 1) / 3 + 1, environment],
                    )
                    .unwrap();
                move_to(connection, *next, PHASES[phase]);
                all.push(*next);
                *next += 1;
            }
        }
        Event::Gap(further) => *next += further,
        Event::Moved { which, phase } => {
            if let Some(at) = at(which, all) {
                move_to(connection, all[at], PHASES[phase]);
            }
        }
        Event::Hidden { which, hidden } => {
            if let Some(at) = at(which, all) {
                connection
                    .execute(
                        "UPDATE deployment SET hidden_at = ?2 WHERE serial = ?1",
                        params![all[at], hidden.then_some(9)],
                    )
                    .unwrap();
            }
        }
        Event::Removed { which } => {
            if let Some(at) = at(which, all) {
                let serial = all.remove(at);
                connection
                    .execute("DELETE FROM deployment WHERE serial = ?1", [serial])
                    .unwrap();
            }
        }
    }
}

/// Every deployment that matches, newest first, found by looking at each row.
fn naive(connection: &Connection, filter: &ListFilter) -> Vec<i64> {
    let mut statement = connection
        .prepare(
            "SELECT +d.serial, d.app, d.environment, e.name, d.phase FROM deployment d NOT INDEXED
             JOIN environment e ON e.serial = d.environment WHERE d.hidden_at IS NULL ORDER BY 1 DESC",
        )
        .unwrap();
    let mut rows = statement.query([]).unwrap();
    let mut found = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        let (app, environment) = (
            AppSerial(row.get(1).unwrap()),
            EnvironmentSerial(row.get(2).unwrap()),
        );
        let (name, phase): (String, String) = (row.get(3).unwrap(), row.get(4).unwrap());
        let in_state = |state: &StateFilter| phases(*state).contains(&phase.as_str());
        if filter.reach.includes(app, environment)
            && filter.app.is_none_or(|only| only == app)
            && filter
                .environment
                .as_ref()
                .is_none_or(|only| only.as_str() == name)
            && (filter.states.is_empty() || filter.states.iter().any(in_state))
        {
            found.push(row.get(0).unwrap());
        }
    }
    found
}

fn page(all: &[i64], filter: &ListFilter) -> Vec<i64> {
    let offset = usize::try_from(filter.offset).unwrap();
    let limit = usize::try_from(filter.limit).unwrap();
    all.iter().copied().skip(offset).take(limit).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn a_page_and_its_total_are_what_a_look_at_every_row_says(
        events in prop::collection::vec(event(), 1..60),
        questions in prop::collection::vec(question(), 1..40),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        let connection = connect(dir.path());
        begin(&connection);
        let (mut next, mut all) = (1, Vec::new());
        connection.execute_batch("BEGIN").unwrap();
        for event in &events {
            happen(&connection, &mut next, &mut all, event);
        }
        connection.execute_batch("COMMIT").unwrap();
        for (mut filter, part) in questions {
            let matching = naive(&connection, &filter);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss,
                reason = "any whole number about there will do")]
            let offset = (part * matching.len() as f64).max(0.0) as u64;
            filter.offset = offset;
            let (views, total) = store.list(&filter).unwrap();
            let serials: Vec<i64> = views.iter().map(|view| view.serial().0).collect();
            prop_assert_eq!(serials, page(&matching, &filter), "{:?}", filter);
            prop_assert_eq!(total, matching.len() as u64, "{:?}", filter);
        }
    }
}

#[test]
fn a_page_across_the_edges_of_blocks_leaves_nothing_out_and_tells_nothing_twice() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let connection = connect(dir.path());
    begin(&connection);
    let (mut next, mut all) = (BLOCK - 2500, Vec::new());
    connection.execute_batch("BEGIN").unwrap();
    for round in 0..100 {
        let made = Event::Made {
            environment: round % (APPS * 3) + 1,
            phase: usize::try_from(round).unwrap() % PHASES.len(),
            many: 100,
        };
        happen(&connection, &mut next, &mut all, &made);
        if round % 30 == 29 {
            happen(&connection, &mut next, &mut all, &Event::Gap(3 * BLOCK));
        }
    }
    connection.execute_batch("COMMIT").unwrap();
    let anything = ListFilter {
        limit: 100,
        steps: true,
        ..ListFilter::new(Reach::All)
    };
    let production = EnvironmentName::parse("production").ok();
    let filters = [
        anything.clone(),
        ListFilter {
            app: Some(AppSerial(2)),
            ..anything.clone()
        },
        ListFilter {
            environment: production.clone(),
            ..anything.clone()
        },
        ListFilter {
            environment: production,
            states: vec![StateFilter::Building, StateFilter::Failed],
            ..anything.clone()
        },
        ListFilter {
            states: vec![StateFilter::Deploying],
            ..anything
        },
    ];
    for mut filter in filters {
        let matching = naive(&connection, &filter);
        let mut seen = Vec::new();
        while seen.len() < matching.len() {
            let (views, total) = store.list(&filter).unwrap();
            assert_eq!(total, matching.len() as u64);
            assert!(!views.is_empty(), "after {} of {filter:?}", seen.len());
            seen.extend(views.iter().map(|view| view.serial().0));
            filter.offset += u64::from(filter.limit);
        }
        assert_eq!(seen, matching, "{filter:?}");
    }
}

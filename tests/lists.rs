//! Pages and totals of lists, held against what a look at every row says: for made-up histories, filters, orders and offsets,
//! with deployments that move from phase to phase, are hidden, and lie in many blocks of serials and periods of time.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use longshore::core::access::Reach;
use longshore::core::action::StateFilter;
use longshore::core::id::{AppSerial, EnvironmentSerial, ProjectSerial};
use longshore::core::listing::Order;
use longshore::core::name::{EnvironmentName, Sha, TaskName};
use longshore::core::particulars::Narrowed;
use longshore::core::time::Timestamp;
use longshore::store::{ListFilter, OpenWith, Store};
use proptest::prelude::*;
use rusqlite::{Connection, params};
use std::cmp::{Ordering, Reverse};
use std::path::Path;
use std::sync::Arc;

/// Apps, and the environments of each: 1 to 3, 4 to 6 and so on. The last of each app is named like its first: that one
/// was removed.
const APPS: i64 = 3;
const NAMES: [&str; 3] = ["production", "staging", "production"];
/// The project of each app; there is a third that has none.
const PROJECTS: [i64; 3] = [1, 1, 2];
/// As many serials as are counted together.
const BLOCK: i64 = 1 << 14;
/// As many milliseconds as are.
const PERIOD: i64 = 1 << 28;
/// How many periods a history takes, about.
const PERIODS: i64 = 6;

/// Where deployments stand that were executed here, and that others told of.
const PHASES: [&str; 14] = [
    "queued",
    "checkout",
    "build",
    "rollout",
    "committed",
    "succeeded",
    "failed",
    "cancelled",
    "superseded",
    "recorded_created",
    "recorded_running",
    "recorded_success",
    "recorded_failed",
    "recorded_canceled",
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

const ORDERS: [Order; 3] = [Order::Serial, Order::Updated, Order::Reference];

fn phases(state: StateFilter) -> &'static [&'static str] {
    match state {
        StateFilter::Queued => &["queued", "recorded_created"],
        StateFilter::Building => &["checkout", "build"],
        StateFilter::Deploying => &["rollout", "committed", "recorded_running"],
        StateFilter::Succeeded => &["succeeded", "recorded_success"],
        StateFilter::Failed => &["failed", "recorded_failed"],
        StateFilter::Cancelled => &["cancelled", "recorded_canceled"],
        StateFilter::Superseded => &["superseded"],
    }
}

/// What happens to the history.
#[derive(Clone, Debug)]
enum Event {
    /// So many deployments of an environment in a phase, one after the other, with so many milliseconds between them.
    Made {
        environment: i64,
        phase: usize,
        many: u16,
        references: References,
        pause: i64,
    },
    /// The next serial is so much further on.
    Gap(i64),
    /// So many milliseconds pass.
    Pass(i64),
    /// The deployment at this place of the history goes to a phase, now or at a time of its own.
    Moved {
        which: u16,
        phase: usize,
        at: Option<i64>,
    },
    /// It is deleted for every API, or taken back.
    Hidden { which: u16, hidden: bool },
    /// The row itself goes.
    Removed { which: u16 },
    /// This is said of it besides.
    Noted { which: u16, note: Note },
}

/// What can be said of a deployment besides.
#[derive(Clone, Debug)]
enum Note {
    Tag(bool),
    Sha(usize),
    Written(&'static str),
    Task(Option<&'static str>),
    Shown(Option<&'static str>),
}

const SHAS: [&str; 2] = [
    "e83c5163316f89bfbde7d9ab23ca2e25604af290",
    "a84d88e7554fc1fa21bcbc4efae3c782a70d2b9d",
];

fn note() -> impl Strategy<Value = Note> {
    let tasks = prop::sample::select(&[None, Some("migrate"), Some("seed")][..]);
    let names = prop::sample::select(&[None, Some("Staging"), Some("qa"), Some("Production")][..]);
    prop_oneof![
        any::<bool>().prop_map(Note::Tag),
        (0..SHAS.len()).prop_map(Note::Sha),
        prop::sample::select(&["main", "refs/heads/main", "feature/3", "e83c516"][..])
            .prop_map(Note::Written),
        tasks.prop_map(Note::Task),
        names.prop_map(Note::Shown),
    ]
}

/// What a list is narrowed to besides; most lists are not.
fn narrowed() -> impl Strategy<Value = Narrowed> {
    let sha = prop::sample::select(&SHAS[..]).prop_map(|sha| Sha::parse(sha).unwrap());
    let reference = prop::sample::select(
        &[
            "main",
            "refs/heads/main",
            "refs/tags/feature",
            "feature/3",
            "e83c516",
            "none",
        ][..],
    );
    let task = prop::sample::select(&[None, Some("migrate"), Some("none")][..])
        .prop_map(|task| task.map(|task| TaskName::parse(task).unwrap()));
    let name = prop::sample::select(&["staging", "PRODUCTION", "qa", "production"][..])
        .prop_map(|name| EnvironmentName::any(name).unwrap());
    let some = (
        prop::option::weighted(0.3, sha),
        prop::option::weighted(0.4, reference.prop_map(str::to_owned)),
        prop::option::weighted(0.4, task),
        prop::option::weighted(0.4, name),
    );
    let some = some.prop_map(|(sha, reference, task, shown_environment)| Narrowed {
        sha,
        reference,
        task,
        shown_environment,
    });
    prop_oneof![2 => Just(Narrowed::default()), 1 => some]
}

/// What deployments have as references.
#[derive(Clone, Copy, Debug)]
enum References {
    /// All the same.
    One(&'static str),
    /// One of so many.
    Some(i64),
    /// Each its own.
    Each,
}

impl References {
    fn of(self, serial: i64) -> String {
        match self {
            Self::One(reference) => reference.to_owned(),
            Self::Some(many) => format!("feature/{}", serial % many),
            Self::Each => format!("web:{:x}", serial * 7919 % 65_536),
        }
    }
}

fn references() -> impl Strategy<Value = References> {
    let same = prop::sample::select(&["main", "", "maintenance", "öffnen", "feature"][..]);
    prop_oneof![
        3 => same.prop_map(References::One),
        2 => (1i64..40).prop_map(References::Some),
        2 => Just(References::Each),
    ]
}

/// A time of the history, often one where a period begins or a row may lie.
fn time() -> impl Strategy<Value = i64> {
    prop_oneof![
        2 => 0..PERIODS * PERIOD,
        1 => (0..PERIODS + 1).prop_map(|period| period * PERIOD),
        1 => (0..PERIODS + 1, -2i64..3).prop_map(|(period, off)| period * PERIOD + off),
        1 => 0..200i64,
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let many = prop_oneof![20 => 1u16..60, 1 => 900u16..1200];
    let pause = prop::sample::select(&[0, 1, 700, 600_000, PERIOD / 20][..]);
    let made = (1..=APPS * 3, 0..PHASES.len(), many, references(), pause).prop_map(
        |(environment, phase, many, references, pause)| Event::Made {
            environment,
            phase,
            many,
            references,
            pause,
        },
    );
    let gap = prop_oneof![Just(1), Just(BLOCK - 7), Just(BLOCK), 1..5 * BLOCK].prop_map(Event::Gap);
    let pass = prop_oneof![Just(1), Just(PERIOD), 1..2 * PERIOD].prop_map(Event::Pass);
    let at = prop::option::weighted(0.2, time());
    let moved = (any::<u16>(), 0..PHASES.len(), at).prop_map(|(which, phase, at)| Event::Moved {
        which,
        phase,
        at,
    });
    let hidden = (any::<u16>(), prop::bool::weighted(0.8))
        .prop_map(|(which, hidden)| Event::Hidden { which, hidden });
    let removed = any::<u16>().prop_map(|which| Event::Removed { which });
    let noted = (any::<u16>(), note()).prop_map(|(which, note)| Event::Noted { which, note });
    prop_oneof![5 => made, 2 => gap, 2 => pass, 6 => moved, 4 => hidden, 1 => removed, 6 => noted]
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
        (
            prop::option::weighted(0.4, (1..=3i64).prop_map(ProjectSerial)),
            prop::option::weighted(0.3, app()),
        ),
        prop::option::weighted(0.4, name),
        prop_oneof![1 => Just(Vec::new()), 2 => states],
        (
            prop::option::weighted(0.3, time().prop_map(Timestamp)),
            prop::option::weighted(0.3, time().prop_map(Timestamp)),
        ),
        (prop::sample::select(&ORDERS[..]), any::<bool>(), narrowed()),
        1u32..=100,
        -0.1..1.1,
    );
    parts.prop_map(|parts| {
        let (reach, (project, app), environment, states, times, order, limit, part) = parts;
        let filter = ListFilter {
            project,
            app,
            environment,
            states,
            updated_from: times.0,
            updated_before: times.1,
            order: match order.2.is_open() {
                true => order.0,
                false => Order::Serial,
            },
            ascending: order.1,
            narrowed: order.2,
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
             INSERT INTO project (serial, path) VALUES (1, 'acme/web'), (2, 'acme/db'), (3, 'acme/none');",
        )
        .unwrap();
    for app in 1..=APPS {
        connection
            .execute(
                "INSERT INTO app (serial, uuid, name, project, configured, created_at) VALUES (?1, ?2, ?3, ?4, 1, 0)",
                params![app, uuid(app), format!("app-{app}"), project_of(app)],
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

fn project_of(app: i64) -> i64 {
    PROJECTS[usize::try_from(app - 1).unwrap()]
}

fn move_to(connection: &Connection, serial: i64, phase: &str, at: i64) {
    let has = |which: &[&str]| which.contains(&phase);
    connection
        .execute(
            "UPDATE deployment SET phase = ?2, release = ?3, failed_step = ?4, failure = ?5, cancelled_by = ?6, was_waiting = ?6,
                                   superseded_by = ?7, ended_at = ?8, updated_at = ?9, wanted = ?10,
                                   sha = iif(?10 = 'recorded', 'e83c5163316f89bfbde7d9ab23ca2e25604af290', NULL),
                                   ref = iif(?10 = 'recorded' AND ref = '', 'told', ref) WHERE serial = ?1",
            params![
                serial,
                phase,
                has(&["committed", "succeeded"]).then_some(1),
                has(&["failed"]).then_some("rollout"),
                has(&["failed"]).then_some(r#"{"code":"not_ready","message":"","output":[],"next":""}"#),
                has(&["cancelled"]).then_some(1),
                has(&["superseded"]).then_some(1),
                has(&["succeeded", "failed", "cancelled", "superseded"]).then_some(at),
                at,
                if phase.starts_with("recorded") { "recorded" } else { "image" },
            ],
        )
        .unwrap();
}

/// What is there of a history, and what comes next.
struct History {
    next: i64,
    now: i64,
    all: Vec<i64>,
}

impl History {
    fn from(next: i64) -> Self {
        Self {
            next,
            now: 100,
            all: Vec::new(),
        }
    }

    fn make(&mut self, connection: &Connection, environment: i64, phase: &str, reference: &str) {
        let app = (environment - 1) / 3 + 1;
        connection
            .prepare_cached(
                "INSERT INTO deployment (serial, uuid, project, iid, app, environment, principal, initiated, wanted, image, phase,
                                         created_at, updated_at, ref)
                 VALUES (?1, ?2, ?3, ?1, ?4, ?5, 1, 'manual', 'image', 'nginx', 'queued', ?6, ?6, ?7)",
            )
            .unwrap()
            .execute(params![
                self.next,
                uuid(self.next),
                project_of(app),
                app,
                environment,
                self.now,
                reference
            ])
            .unwrap();
        move_to(connection, self.next, phase, self.now);
        self.all.push(self.next);
        self.next += 1;
    }
}

fn happen(connection: &Connection, history: &mut History, event: &Event) {
    let at = |which: u16, all: &[i64]| match all.len() {
        0 => None,
        many => Some(usize::from(which) % many),
    };
    match *event {
        Event::Made {
            environment,
            phase,
            many,
            references,
            pause,
        } => {
            for _ in 0..many {
                let reference = references.of(history.next);
                history.make(connection, environment, PHASES[phase], &reference);
                history.now += pause;
            }
        }
        Event::Gap(further) => history.next += further,
        Event::Pass(time) => history.now += time,
        Event::Moved {
            which,
            phase,
            at: time,
        } => {
            let all = &history.all;
            if let Some(at) = at(which, all) {
                let time = time.unwrap_or(history.now);
                move_to(connection, all[at], PHASES[phase], time);
            }
        }
        Event::Hidden { which, hidden } => {
            let all = &history.all;
            if let Some(at) = at(which, all) {
                connection
                    .execute(
                        "UPDATE deployment SET hidden_at = ?2 WHERE serial = ?1",
                        params![all[at], hidden.then_some(9)],
                    )
                    .unwrap();
            }
        }
        Event::Noted { which, ref note } => {
            if let Some(at) = at(which, &history.all) {
                write_note(connection, history.all[at], note);
            }
        }
        Event::Removed { which } => {
            if let Some(at) = at(which, &history.all) {
                let serial = history.all.remove(at);
                connection
                    .execute("DELETE FROM deployment WHERE serial = ?1", [serial])
                    .unwrap();
            }
        }
    }
}

fn write_note(connection: &Connection, serial: i64, note: &Note) {
    let set = |column: &str, value: &dyn rusqlite::ToSql| {
        let sql = format!("UPDATE deployment SET {column} = ?2 WHERE serial = ?1");
        connection.execute(&sql, params![serial, value]).unwrap();
    };
    match note {
        Note::Tag(tag) => set("tag", tag),
        Note::Sha(sha) => set("sha", &SHAS[*sha]),
        Note::Written(written) => set("written", written),
        Note::Task(task) => set("task", task),
        Note::Shown(name) => set("shown_environment", name),
    }
}

/// A row, as far as lists look at it.
struct Row {
    tag: bool,
    sha: Option<String>,
    written: Option<String>,
    task: Option<String>,
    shown: Option<String>,
    serial: i64,
    app: AppSerial,
    environment: EnvironmentSerial,
    name: String,
    phase: String,
    reference: String,
    updated_at: Timestamp,
}

fn rows(connection: &Connection) -> Vec<Row> {
    let mut statement = connection
        .prepare(
            "SELECT +d.serial, d.app, d.environment, e.name, d.phase, d.ref, d.updated_at, d.tag, d.sha, d.written, d.task,
                    d.shown_environment FROM deployment d NOT INDEXED
             JOIN environment e ON e.serial = d.environment WHERE d.hidden_at IS NULL",
        )
        .unwrap();
    let rows = statement.query_map([], |row| {
        Ok(Row {
            serial: row.get(0)?,
            app: AppSerial(row.get(1)?),
            environment: EnvironmentSerial(row.get(2)?),
            name: row.get(3)?,
            phase: row.get(4)?,
            reference: row.get(5)?,
            updated_at: Timestamp(row.get(6)?),
            tag: row.get(7)?,
            sha: row.get(8)?,
            written: row.get(9)?,
            task: row.get(10)?,
            shown: row.get(11)?,
        })
    });
    rows.unwrap().map(Result::unwrap).collect()
}

/// Whether a row is among those that a list is narrowed to besides.
fn is_among(row: &Row, narrowed: &Narrowed) -> bool {
    let is_called = |name: &String| {
        let of_kind = |prefix: &str, tag: bool| {
            let short = name.strip_prefix(prefix);
            short.is_some_and(|short| short == row.reference && row.tag == tag)
        };
        row.written.as_ref() == Some(name)
            || row.reference == *name
            || of_kind("refs/heads/", false)
            || of_kind("refs/tags/", true)
    };
    let shown = row.shown.as_ref().unwrap_or(&row.name);
    let narrowed_to = |name: &EnvironmentName| name.as_str().eq_ignore_ascii_case(shown);
    let sha = narrowed.sha.as_ref();
    sha.is_none_or(|sha| row.sha.as_deref() == Some(sha.as_str()))
        && narrowed.reference.as_ref().is_none_or(is_called)
        && narrowed
            .task
            .as_ref()
            .is_none_or(|task| row.task.as_deref() == task.as_ref().map(TaskName::as_str))
        && narrowed.shown_environment.as_ref().is_none_or(narrowed_to)
}

/// Every deployment that matches, in the order of the list, found by looking at each row.
fn naive(rows: &[Row], filter: &ListFilter) -> Vec<i64> {
    let matches = |row: &&Row| {
        let in_state = |state: &StateFilter| phases(*state).contains(&row.phase.as_str());
        let named = filter.environment.as_ref();
        filter.reach.includes(row.app, row.environment)
            && filter
                .project
                .is_none_or(|only| only.0 == project_of(row.app.0))
            && filter.app.is_none_or(|only| only == row.app)
            && named.is_none_or(|only| only.as_str() == row.name)
            && (filter.states.is_empty() || filter.states.iter().any(in_state))
            && filter
                .updated_from
                .is_none_or(|from| row.updated_at >= from)
            && filter
                .updated_before
                .is_none_or(|before| row.updated_at < before)
            && is_among(row, &filter.narrowed)
    };
    let mut found: Vec<&Row> = rows.iter().filter(matches).collect();
    let order = |one: &&Row, other: &&Row| -> Ordering {
        let keys = match filter.order {
            Order::Serial => one.serial.cmp(&other.serial),
            Order::Updated => one.updated_at.cmp(&other.updated_at),
            Order::Reference => one.reference.cmp(&other.reference),
        };
        let keys = match filter.ascending {
            true => keys,
            false => keys.reverse(),
        };
        keys.then(Reverse(one.serial).cmp(&Reverse(other.serial)))
    };
    found.sort_by(order);
    found.iter().map(|row| row.serial).collect()
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
        let mut history = History::from(1);
        connection.execute_batch("BEGIN").unwrap();
        for event in &events {
            happen(&connection, &mut history, event);
        }
        connection.execute_batch("COMMIT").unwrap();
        let rows = rows(&connection);
        for (mut filter, part) in questions {
            let matching = naive(&rows, &filter);
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
    let mut history = History::from(BLOCK - 1500);
    connection.execute_batch("BEGIN").unwrap();
    for round in 0..100 {
        let made = Event::Made {
            environment: round % (APPS * 3) + 1,
            phase: usize::try_from(round).unwrap() % PHASES.len(),
            many: 60,
            references: match round % 3 {
                0 => References::One("main"),
                1 => References::Some(20),
                _ => References::Each,
            },
            pause: [0, 1000, PERIOD / 150][usize::try_from(round % 3).unwrap()],
        };
        happen(&connection, &mut history, &made);
        if round % 30 == 29 {
            happen(&connection, &mut history, &Event::Gap(3 * BLOCK));
        }
    }
    connection.execute_batch("COMMIT").unwrap();
    let rows = rows(&connection);
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
            ..anything.clone()
        },
        ListFilter {
            project: Some(ProjectSerial(1)),
            updated_from: Some(Timestamp(PERIOD / 3)),
            updated_before: Some(Timestamp(history.now - PERIOD / 2)),
            ..anything
        },
    ];
    let in_order = |filter: ListFilter| {
        let orders = ORDERS
            .into_iter()
            .flat_map(|order| [(order, false), (order, true)]);
        orders.map(move |(order, ascending)| ListFilter {
            order,
            ascending,
            ..filter.clone()
        })
    };
    for mut filter in filters.into_iter().flat_map(in_order) {
        let matching = naive(&rows, &filter);
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

//! How long the store takes for a page of every order and filter that GitLab's lists and GitHub's have, with a short and with a long
//! history, both of two years in three environments; and what a write takes with and without that by which the orders are kept.

use crate::fill::{END, fill, open};
use longshore::core::access::Reach;
use longshore::core::action::{DeploymentRef, StateFilter};
use longshore::core::id::{PrincipalSerial, ProjectSerial};
use longshore::core::listing::Order;
use longshore::core::name::{EnvironmentName, Reported, Sha, TaskName};
use longshore::core::particulars::Narrowed;
use longshore::core::recorded::{Record, ReportedState};
use longshore::core::time::Timestamp;
use longshore::store::{ListFilter, OpenWith, Store, Wrote};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How often a first page is asked for, and one further on.
const FIRST: usize = 300;
const FURTHER: usize = 40;
/// Where the page further on begins, if there are so many.
const OFFSET: u64 = 500_000;
/// How many deployments a client has on a page unless it says otherwise.
const LIMIT: u32 = 20;
/// How many deployments are reported with and without, in turns of so many.
const REPORTED: usize = 1_500;
const TURN: usize = 50;

const DAY: i64 = 24 * 60 * 60 * 1000;
const YEARS: i64 = 730 * DAY;

struct Question {
    name: &'static str,
    filter: ListFilter,
}

/// Times of a page.
struct Taken {
    median: f64,
    slowest: f64,
}

pub(crate) fn lists(directory: &Path, sizes: &[u64]) {
    let mut first_of_fewest: Vec<f64> = Vec::new();
    for (number, size) in sizes.iter().enumerate() {
        let data_dir = directory.join(size.to_string());
        begin(&data_dir);
        fill(&data_dir, *size, YEARS / i64::try_from(*size).unwrap());
        let store = store(&data_dir);
        println!(
            "\n{size} deployments; milliseconds\n{:<44}{:>9}{:>9}{:>9}{:>7}{:>11}{:>9}{:>9}{:>9}",
            "order, filter", "of", "first", "slowest", "times", "offset", "median", "slowest", ""
        );
        for (place, question) in questions().iter().enumerate() {
            let (found, total) = store.list(&question.filter).unwrap();
            assert!(total == 0 || !found.is_empty(), "{}", question.name);
            let first = taken(&store, &question.filter, FIRST);
            if number == 0 {
                first_of_fewest.push(first.median);
            }
            let offset = OFFSET.min(total.saturating_sub(u64::from(LIMIT)));
            let further = ListFilter {
                offset,
                ..question.filter.clone()
            };
            let further = taken(&store, &further, FURTHER);
            println!(
                "{:<44}{total:>9}{:>9.3}{:>9.3}{:>7.2}{offset:>11}{:>9.3}{:>9.3}",
                question.name,
                first.median,
                first.slowest,
                first.median / first_of_fewest[place],
                further.median,
                further.slowest
            );
        }
        drop(store);
        writes(&data_dir);
    }
}

fn taken(store: &Store, filter: &ListFilter, times: usize) -> Taken {
    let ask = || {
        let asked = crate::now();
        store.list(filter).unwrap();
        asked.elapsed().as_secs_f64() * 1e3
    };
    // The first answers fill caches.
    for _ in 0..3 {
        ask();
    }
    let mut all: Vec<f64> = (0..times).map(|_| ask()).collect();
    all.sort_unstable_by(f64::total_cmp);
    Taken {
        median: all[times / 2],
        slowest: all[times - 1],
    }
}

/// What GitLab's dialect asks the store.
fn questions() -> Vec<Question> {
    let all = ListFilter {
        project: Some(ProjectSerial(1)),
        limit: LIMIT,
        steps: true,
        ..ListFilter::new(Reach::All)
    };
    let staging = |filter: &ListFilter| ListFilter {
        environment: EnvironmentName::parse("staging").ok(),
        ..filter.clone()
    };
    let in_state = |filter: &ListFilter, state| ListFilter {
        states: vec![state],
        ..filter.clone()
    };
    let between = |filter: &ListFilter, days: i64| ListFilter {
        updated_from: Some(Timestamp(END - YEARS / 2 - DAY / 3)),
        updated_before: Some(Timestamp(END - YEARS / 2 - DAY / 3 + days * DAY)),
        ..filter.clone()
    };
    let since = |filter: &ListFilter, days: i64| ListFilter {
        updated_from: Some(Timestamp(END - days * DAY)),
        ..filter.clone()
    };
    let ordered = |filter: &ListFilter, order| ListFilter {
        order,
        ..filter.clone()
    };
    let mut found = Vec::new();
    let mut both = |ascending, descending, filter: ListFilter| {
        let upwards = ListFilter {
            ascending: true,
            ..filter.clone()
        };
        found.push(Question {
            name: ascending,
            filter: upwards,
        });
        found.push(Question {
            name: descending,
            filter,
        });
    };
    let updated = ordered(&all, Order::Updated);
    let reference = ordered(&all, Order::Reference);
    let finished = in_state(&updated, StateFilter::Succeeded);
    both("id asc", "id desc", all.clone());
    both("id asc, environment", "id desc, environment", staging(&all));
    let success = in_state(&all, StateFilter::Succeeded);
    both("id asc, status=success", "id desc, status=success", success);
    let failed = in_state(&all, StateFilter::Failed);
    both("id asc, status=failed", "id desc, status=failed", failed);
    both(
        "id asc, updated on a day",
        "id desc, updated on a day",
        between(&all, 1),
    );
    both(
        "id asc, updated in 300 days",
        "id desc, updated in 300 days",
        between(&all, 300),
    );
    both(
        "id asc, updated since 600 days",
        "id desc, updated since 600 days",
        since(&all, 600),
    );
    both("updated_at asc", "updated_at desc", updated.clone());
    both(
        "updated_at asc, environment",
        "updated_at desc, environment",
        staging(&updated),
    );
    let success = in_state(&updated, StateFilter::Succeeded);
    both(
        "updated_at asc, status=success",
        "updated_at desc, status=success",
        success,
    );
    let failed = in_state(&updated, StateFilter::Failed);
    both(
        "updated_at asc, status=failed",
        "updated_at desc, status=failed",
        failed,
    );
    both(
        "updated_at asc, updated on a day",
        "updated_at desc, updated on a day",
        between(&updated, 1),
    );
    both(
        "updated_at asc, updated in 300 days",
        "updated_at desc, updated in 300 days",
        between(&updated, 300),
    );
    both(
        "updated_at asc, updated since 600 days",
        "updated_at desc, updated since 600 days",
        since(&updated, 600),
    );
    both("ref asc", "ref desc", reference.clone());
    both(
        "ref asc, environment",
        "ref desc, environment",
        staging(&reference),
    );
    let success = in_state(&reference, StateFilter::Succeeded);
    both(
        "ref asc, status=success",
        "ref desc, status=success",
        success,
    );
    let failed = in_state(&reference, StateFilter::Failed);
    both("ref asc, status=failed", "ref desc, status=failed", failed);
    both(
        "ref asc, updated in 300 days",
        "ref desc, updated in 300 days",
        between(&reference, 300),
    );
    both(
        "finished_at asc, finished on a day",
        "finished_at desc, finished on a day",
        between(&finished, 1),
    );
    both(
        "finished_at asc, finished in 300 days",
        "finished_at desc, finished in 300 days",
        between(&finished, 300),
    );
    both(
        "finished_at asc, finished since 600 days",
        "finished_at desc, finished since 600 days",
        since(&finished, 600),
    );
    let narrowed = |narrowed: Narrowed| ListFilter {
        narrowed,
        ..all.clone()
    };
    let nothing = Narrowed::default;
    let named = |name| EnvironmentName::any(name).ok();
    let of_ref = || Some("main".to_owned());
    let tasks = |task| Narrowed { task, ..nothing() };
    let shown = Narrowed {
        shown_environment: named("staging"),
        ..nothing()
    };
    both(
        "GitHub: environment, asc",
        "GitHub: environment",
        narrowed(shown),
    );
    let reference = Narrowed {
        reference: of_ref(),
        ..nothing()
    };
    both("GitHub: ref, asc", "GitHub: ref", narrowed(reference));
    let both_named = Narrowed {
        reference: of_ref(),
        shown_environment: named("Staging"),
        ..nothing()
    };
    both(
        "GitHub: ref and environment, asc",
        "GitHub: ref and environment",
        narrowed(both_named),
    );
    let sha = Narrowed {
        sha: Sha::parse(&"a".repeat(40)).ok(),
        ..nothing()
    };
    both(
        "GitHub: sha that is not there, asc",
        "GitHub: sha that is not there",
        narrowed(sha),
    );
    both(
        "GitHub: task=deploy, asc",
        "GitHub: task=deploy",
        narrowed(tasks(Some(None))),
    );
    let other = TaskName::parse("migrate").ok();
    both(
        "GitHub: another task, asc",
        "GitHub: another task",
        narrowed(tasks(Some(other))),
    );
    found
}

/// How long reporting a deployment and its end takes, beside the same in a copy of the database that is kept as it was
/// before there were these orders.
fn writes(data_dir: &Path) {
    let before: PathBuf = data_dir.with_extension("before");
    std::fs::create_dir(&before).unwrap();
    for name in ["key", "longshore.db"] {
        std::fs::copy(data_dir.join(name), before.join(name)).unwrap();
    }
    let connection = open(&before);
    let drop = "DROP TRIGGER tally_new; DROP TRIGGER tally_less; DROP TRIGGER tally_more; DROP TRIGGER tally_gone;
        DROP INDEX deployment_by_environment_updated; DROP INDEX deployment_by_environment_ref;";
    connection.execute_batch(drop).unwrap();
    let older = include_str!("../../src/store/schema_3.sql");
    let from = older.find("CREATE TRIGGER tally_new").unwrap();
    let to = older.find("CREATE INDEX deployment_visible").unwrap();
    connection.execute_batch(&older[from..to]).unwrap();
    connection.close().unwrap();
    let stores = [store(data_dir), store(&before)];
    let mut all: [[Vec<f64>; 2]; 2] = Default::default();
    for turn in 0..REPORTED / TURN {
        for place in [turn % 2, 1 - turn % 2] {
            for number in 0..TURN {
                let took = reported(&stores[place], (turn * TURN + number) as u64);
                for (all, took) in all[place].iter_mut().zip(took) {
                    all.push(took);
                }
            }
        }
    }
    let median = |all: &mut Vec<f64>| {
        all.sort_unstable_by(f64::total_cmp);
        all[all.len() / 2]
    };
    let [[create, end], [create_before, end_before]] = &mut all;
    println!(
        "reporting one that runs: {:.3} ms, without the orders {:.3} ms; that it ended: {:.3} ms, without {:.3} ms (medians of {REPORTED})",
        median(create),
        median(create_before),
        median(end),
        median(end_before)
    );
}

/// How long it takes to write down that a deployment runs, and that it ended.
fn reported(store: &Store, number: u64) -> [f64; 2] {
    let at = Timestamp(END + 1_000 * i64::try_from(number).unwrap());
    let environment = ["production", "staging", "qa"][usize::try_from(number % 3).unwrap()];
    let record = Record {
        project: ProjectSerial(1),
        environment: EnvironmentName::parse(environment).unwrap(),
        reference: Reported::parse(if number.is_multiple_of(10) {
            "feature/77"
        } else {
            "main"
        })
        .unwrap(),
        tag: false,
        sha: Reported::parse(&format!("{number:040x}")).unwrap(),
        state: ReportedState::Running,
        particulars: Default::default(),
        contexts: Default::default(),
    };
    let id = uuid::Builder::from_unix_timestamp_millis(
        u64::try_from(at.0).unwrap(),
        &[&number.to_be_bytes()[..], &[1, 2]]
            .concat()
            .try_into()
            .unwrap(),
    )
    .into_uuid();
    let began = crate::now();
    let wrote = store.record(&record, id, (PrincipalSerial(1), Reach::All), at);
    let created = began.elapsed();
    let Wrote::New(serial) = wrote.unwrap() else {
        panic!("{environment} has no app");
    };
    let found = store.find_recorded(DeploymentRef::Serial(serial)).unwrap();
    let from = found.unwrap();
    let state = from.state;
    let to = from
        .report(ReportedState::Success, Timestamp(at.0 + 500))
        .unwrap();
    let began = crate::now();
    store
        .report(state, &to, PrincipalSerial(1), Timestamp(at.0 + 500))
        .unwrap();
    let ended = began.elapsed();
    [created, ended].map(|took: Duration| took.as_secs_f64() * 1e3)
}

fn store(data_dir: &Path) -> Store {
    let with = OpenWith {
        now: Timestamp(END),
        random: Arc::new(|bytes: &mut [u8]| bytes.fill(5)),
        credentials_directory: None,
        watch: None,
    };
    Store::open(data_dir, with).unwrap()
}

/// A project with an app and three environments.
fn begin(data_dir: &Path) {
    std::fs::create_dir(data_dir).unwrap();
    drop(store(data_dir));
    let connection = open(data_dir);
    connection
        .execute_batch(
            "INSERT INTO principal (serial, uuid, kind, name, created_at) VALUES (1, '00000000-0000-7000-8000-000000000001', 'local', 'you', 0);
             INSERT INTO project (serial, path) VALUES (1, 'acme/web');
             INSERT INTO app (serial, uuid, name, project, configured, created_at)
                 VALUES (1, '00000000-0000-5000-8000-000000000001', 'web', 1, 1, 0);
             INSERT INTO environment (serial, uuid, app, name, desired, configured, subnet, created_at) VALUES
                 (1, '00000000-0000-4000-8000-000000000001', 1, 'production', 'running', 1, '10.213.0.0/26', 0),
                 (2, '00000000-0000-4000-8000-000000000002', 1, 'staging', 'running', 1, '10.213.0.64/26', 0),
                 (3, '00000000-0000-4000-8000-000000000003', 1, 'qa', 'running', 1, '10.213.0.128/26', 0);",
        )
        .unwrap();
}

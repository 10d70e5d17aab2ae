//! What SQLite says that it will do for lists: nothing is read whole that grows with the history, and nothing sorted but what
//! is equal.

use super::places::{Condition, In, NAMED, NAMED_IN_APP, total_sql};
use super::serials::{Column, PRESENT, Range};
use super::*;
use crate::core::name::{Sha, TaskName};
use crate::store::views::{ORIGINS, REFUSALS, STEPS, VIEWS};
use crate::store::{OpenWith, Store};
use rusqlite::types::Value;
use std::sync::Arc;

/// What SQLite says that it will do, line by line.
fn plan(tx: &Connection, sql: &str) -> Vec<String> {
    let mut statement = tx.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let nothing = vec![Value::Null; statement.parameter_count()];
    let lines = statement.query_map(rusqlite::params_from_iter(nothing), |row| row.get("detail"));
    lines.unwrap().map(Result::unwrap).collect()
}

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let with = OpenWith {
        now: Timestamp(0),
        random: Arc::new(|bytes: &mut [u8]| bytes.fill(5)),
        credentials_directory: None,
        watch: None,
    };
    let store = Store::open(dir.path(), with).unwrap();
    (dir, store)
}

fn conditions() -> Vec<Condition> {
    let places = [In::Everywhere, In::App, In::Apps, In::Environments];
    let with_phases = |places| [false, true].map(|phases| Condition { places, phases });
    places.into_iter().flat_map(with_phases).collect()
}

fn slices() -> [Slice; 2] {
    [false, true].map(|ascending| Slice {
        ascending,
        skip: 0,
        limit: 0,
    })
}

/// What a filter says of phases to queries of rows.
const OF_PHASES: [&str; 3] = ["", " AND d.phase IN (?)", " AND d.phase IN (?,?,?)"];

/// Whether rows of that table are found by an index, with those terms in it.
fn searches(plan: &[String], index: &str, terms: &str) -> bool {
    let line = |line: &String| line.contains(index) && line.ends_with(&format!("({terms})"));
    plan.iter().filter(|line| line.starts_with("SCAN")).count() == 0 && plan.iter().any(line)
}

#[test]
fn no_query_of_a_list_scans_or_sorts_the_history() {
    let (_dir, store) = store();
    store
        .read(|tx| {
            for of in [None, Some((Column::App, 1)), Some((Column::Environment, 1))] {
                for phase in [None, Some("queued")] {
                    for ascending in [false, true] {
                        let sql = Range { of, phase }.sql(ascending);
                        let plan = plan(tx, sql);
                        let equals = match of {
                            None => "",
                            Some((Column::App, _)) => "app=? AND ",
                            Some((Column::Environment, _)) => "environment=? AND ",
                        };
                        let phase = phase.map_or("", |_| "phase=? AND ");
                        let range = format!("({equals}{phase}serial>? AND serial<?)");
                        assert!(
                            plan.len() == 1
                                && plan[0].starts_with("SEARCH deployment USING")
                                && plan[0].contains("INDEX deployment_")
                                && plan[0].ends_with(&range),
                            "{sql}: {plan:?}"
                        );
                    }
                }
            }
            for (sql, table) in [
                (VIEWS.as_str(), "d"),
                (STEPS, "step"),
                (REFUSALS, "settlement"),
                (ORIGINS, "d"),
                (ORIGINS, "x"),
            ] {
                let plan = plan(tx, sql);
                assert!(
                    plan.iter()
                        .any(|line| line.starts_with(&format!("SEARCH {table} USING"))),
                    "{sql}: {plan:?}"
                );
                // The one thing that is read whole is the page's own list of serials.
                let scans: Vec<_> = plan
                    .iter()
                    .filter(|line| line.starts_with("SCAN"))
                    .collect();
                assert!(
                    scans.iter().all(|line| line.contains("VIRTUAL TABLE")),
                    "{sql}: {plan:?}"
                );
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn rows_are_found_and_in_their_order_by_an_index_in_every_order_of_a_list() {
    let (_dir, store) = store();
    let updated = "deployment_by_environment_updated";
    let in_span = "environment=? AND updated_at>? AND updated_at<?";
    let by_ref = "deployment_by_environment_ref";
    store
        .read(|tx| {
            let ordered = |sql: &str, index: &str, terms: &str, sorted: &[&str]| {
                let plan = plan(tx, sql);
                let sorts: Vec<_> = plan.iter().filter(|line| line.contains("TEMP B-TREE")).collect();
                assert!(searches(&plan, index, terms) && sorts == sorted, "{sql}: {plan:?}");
            };
            // Of what changed in the same millisecond, or has the same of many references, the greatest serial comes first.
            let ties = "USE TEMP B-TREE FOR LAST TERM OF ORDER BY";
            for phases in OF_PHASES {
                for slice in slices() {
                    let sorted: &[&str] = if slice.ascending { &[ties] } else { &[] };
                    ordered(&times::read_sql(phases, slice), updated, in_span, sorted);
                    let alone = references::read_sql(references::ALONE, phases, slice);
                    let terms = "environment=? AND ref=? AND serial>? AND serial<?";
                    ordered(&alone, by_ref, terms, &[]);
                    let among = references::read_sql(references::AMONG, phases, slice);
                    let terms = "environment=? AND ref>? AND ref<?";
                    ordered(&among, by_ref, terms, sorted);
                }
                ordered(&times::counted_sql(phases), updated, in_span, &[]);
                let sql = references::counted_sql(references::AMONG, phases);
                ordered(&sql, by_ref, "environment=? AND ref>? AND ref<?", &[]);
                for order in [Order::Serial, Order::Updated, Order::Reference] {
                    ordered(&few::of_span_sql(order, phases), updated, in_span, &[]);
                }
            }
            for slice in slices() {
                let terms = "environment=? AND phase=? AND serial>? AND serial<?";
                let sql = serials::within_sql(slice);
                ordered(&sql, "deployment_by_environment_phase", terms, &[]);
            }
            for condition in conditions() {
                for order in [Order::Serial, Order::Updated, Order::Reference] {
                    let sql = few::of_phases_sql(order, condition);
                    let plan = plan(tx, &sql);
                    let found = "SEARCH d USING INDEX deployment_by_environment_phase (environment=? AND phase=?)";
                    let found = |line: &String| line.replace("COVERING ", "") == found;
                    assert!(plan.iter().any(found), "{sql}: {plan:?}");
                }
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn totals_and_blocks_are_read_without_a_look_at_deployments_and_without_sorting() {
    let (_dir, store) = store();
    store
        .read(|tx| {
            for condition in conditions() {
                let mut statements = vec![
                    total_sql(condition),
                    times::blocks_sql(condition),
                    times::present_sql(condition),
                    serials::present_sql(condition),
                    references::present_sql(condition),
                ];
                for slice in slices() {
                    statements.push(serials::blocks_sql(condition, slice));
                    statements.push(times::periods_sql(condition, slice.direction()));
                    statements.push(references::parts_sql(condition, slice));
                }
                for sql in statements {
                    let plan = plan(tx, &sql);
                    let looks =
                        |line: &String| line.contains("deployment") || line.contains("TEMP B-TREE");
                    assert!(!plan.iter().any(looks), "{sql}: {plan:?}");
                }
            }
            for sql in [NAMED, NAMED_IN_APP, PRESENT, references::NEXT] {
                let plan = plan(tx, sql);
                assert!(plan[0].starts_with("SEARCH"), "{sql}: {plan:?}");
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn what_a_list_is_narrowed_to_is_counted_in_an_index_and_read_in_its_order() {
    let (_dir, store) = store();
    let name = "main";
    let lists = [
        (
            Narrowed {
                sha: Sha::parse(&"a".repeat(40)).ok(),
                ..Narrowed::default()
            },
            "deployment_by_sha",
        ),
        (
            Narrowed {
                reference: Some(name.to_owned()),
                ..Narrowed::default()
            },
            "deployment_by_project_ref",
        ),
        (
            Narrowed {
                reference: Some(format!("refs/heads/{name}")),
                ..Narrowed::default()
            },
            "deployment_by_project_ref",
        ),
        (
            Narrowed {
                task: Some(TaskName::parse("migrate").ok()),
                ..Narrowed::default()
            },
            "deployment_task",
        ),
    ];
    store
        .read(|tx| {
            for (narrowed, index) in lists {
                let list = ListFilter {
                    project: Some(ProjectSerial(1)),
                    narrowed,
                    ..ListFilter::new(Reach::All)
                };
                for sql in narrowed::queries(tx, &list)? {
                    let plan = plan(tx, &sql);
                    let found = plan
                        .iter()
                        .any(|line| line.starts_with("SEARCH d USING") && line.contains(index));
                    let sorts = plan.iter().any(|line| line.contains("TEMP B-TREE"));
                    assert!(found && !sorts, "{sql}: {plan:?}");
                }
            }
            Ok(())
        })
        .unwrap();
}

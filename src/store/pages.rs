//! Which deployments are on a page of a list, and how many there are in all, at a cost that the length of the history
//! does not decide.
//!
//! A filter is a handful of ranges, each in the order of the serials in an index: an app's deployments, an environment's
//! in one phase. A page near the top reads the first rows of each. For one further down, `tally` tells in which block of
//! serials it begins, and the ranges are read within that block. Totals are sums over `total`.
//!
//! Another order is another way over the same blocks (upwards, say), as long as it follows the serials; another filter is
//! another column of a [`Range`] with an index that ends in `serial`, and a column of `tally`.

use super::StoreError;
use crate::core::access::Reach;
use crate::core::action::{Order, StateFilter};
use crate::core::id::{AppSerial, ProjectSerial};
use crate::core::name::EnvironmentName;
use crate::core::time::Timestamp;
use rusqlite::{Connection, params_from_iter, types::Value};
use uuid::Uuid;

/// How many serials there are to a block, as a power of two; the triggers of the schema have the same number.
const BLOCK_BITS: u32 = 14;

/// How many rows are read from the top before the blocks are asked: reading so many takes about a tenth of a millisecond.
const FROM_THE_TOP: u64 = 1024;

/// Which deployments to list, with everything resolved to serials.
#[derive(Clone, Debug)]
pub struct ListFilter {
    /// What the caller can see.
    pub reach: Reach,
    /// Only those of apps of this project.
    pub project: Option<ProjectSerial>,
    /// Only this app's.
    pub app: Option<AppSerial>,
    /// Only those of environments of this name.
    pub environment: Option<EnvironmentName>,
    /// Only those of the environment with this id.
    pub environment_id: Option<Uuid>,
    /// Only those in one of these states; empty: all.
    pub states: Vec<StateFilter>,
    /// Only those that changed last at or after this.
    pub updated_from: Option<Timestamp>,
    /// Only those that changed last before this.
    pub updated_before: Option<Timestamp>,
    /// In which order.
    pub order: Order,
    /// The other way round: the smallest first.
    pub ascending: bool,
    /// How many at most.
    pub limit: u32,
    /// How many to skip.
    pub offset: u64,
    /// Whether their steps, and what could not be started again, are looked up.
    pub steps: bool,
}

impl ListFilter {
    /// Everything that can be seen from there, the newest first; how much of it is still to be said.
    #[must_use]
    pub fn new(reach: Reach) -> Self {
        Self {
            reach,
            project: None,
            app: None,
            environment: None,
            environment_id: None,
            states: Vec::new(),
            updated_from: None,
            updated_before: None,
            order: Order::default(),
            ascending: false,
            limit: 0,
            offset: 0,
            steps: false,
        }
    }
}

/// Where the deployments of a filter are.
enum Places {
    Everywhere,
    App(i64),
    Environments(Vec<i64>),
}

/// A filter as the queries need it.
struct Filter {
    places: Places,
    /// The words of the phases; empty: all.
    phases: Vec<&'static str>,
}

/// Deployments that one index holds in the order of their serials.
#[derive(Clone, Copy)]
struct Range<'a> {
    /// A column and its value.
    of: Option<(Column, i64)>,
    phase: Option<&'a str>,
}

#[derive(Clone, Copy)]
enum Column {
    App,
    Environment,
}

/// Serials from here to there, both included.
#[derive(Clone, Copy)]
struct Span {
    from: i64,
    to: i64,
}

impl Span {
    const ALL: Self = Self {
        from: 0,
        to: i64::MAX,
    };

    fn of_block(block: i64) -> Self {
        let from = block << BLOCK_BITS;
        Self {
            from,
            to: from + ((1 << BLOCK_BITS) - 1),
        }
    }
}

/// The serials of the deployments on a page, newest first, and how many match in all.
pub(super) fn page(tx: &Connection, list: &ListFilter) -> Result<(Vec<i64>, u64), StoreError> {
    let filter = Filter::of(tx, list)?;
    let total = filter.total(tx)?;
    if list.offset >= total || list.limit == 0 {
        return Ok((Vec::new(), total));
    }
    let ranges = filter.ranges();
    let limit = u64::from(list.limit);
    let rows = (ranges.len() as u64).saturating_mul(list.offset + limit);
    let serials = if rows <= FROM_THE_TOP {
        read(tx, &ranges, Span::ALL, list.offset, limit)?
    } else {
        filter.further_down(tx, list.offset, limit)?
    };
    Ok((serials, total))
}

impl Filter {
    fn of(tx: &Connection, list: &ListFilter) -> Result<Self, StoreError> {
        let phases = list.states.iter().flat_map(|state| phase_words(*state));
        let mut phases: Vec<&str> = phases.copied().collect();
        phases.sort_unstable();
        phases.dedup();
        Ok(Self {
            places: places(tx, list)?,
            phases,
        })
    }

    fn total(&self, tx: &Connection) -> Result<u64, StoreError> {
        let (condition, values) = self.condition();
        let total: i64 = tx
            .prepare_cached(&total_sql(condition))?
            .query_row(params_from_iter(values), |row| row.get(0))?;
        Ok(u64::try_from(total).unwrap_or(0))
    }

    /// A page that does not begin near the top.
    fn further_down(
        &self,
        tx: &Connection,
        mut skip: u64,
        limit: u64,
    ) -> Result<Vec<i64>, StoreError> {
        let (condition, values) = self.condition();
        let mut statement = tx.prepare_cached(&blocks_sql(condition))?;
        let mut blocks = statement.query(params_from_iter(values))?;
        let mut found = Vec::new();
        while let Some(row) = blocks.next()? {
            let (block, deployments): (i64, i64) = (row.get(0)?, row.get(1)?);
            let deployments = u64::try_from(deployments).unwrap_or(0);
            if skip >= deployments {
                skip -= deployments;
                continue;
            }
            let wanted = limit - found.len() as u64;
            let here = self.ranges_in(tx, block)?;
            found.extend(read(tx, &here, Span::of_block(block), skip, wanted)?);
            skip = 0;
            if found.len() as u64 >= limit {
                break;
            }
        }
        Ok(found)
    }

    fn ranges(&self) -> Vec<Range<'_>> {
        let places: Vec<Option<(Column, i64)>> = match &self.places {
            Places::Everywhere => vec![None],
            Places::App(app) => vec![Some((Column::App, *app))],
            Places::Environments(all) => all
                .iter()
                .map(|environment| Some((Column::Environment, *environment)))
                .collect(),
        };
        let with_phases = |of| -> Vec<Range<'_>> {
            if self.phases.is_empty() {
                return vec![Range { of, phase: None }];
            }
            let phases = self.phases.iter();
            phases
                .map(|phase| Range {
                    of,
                    phase: Some(phase),
                })
                .collect()
        };
        places.into_iter().flat_map(with_phases).collect()
    }

    /// The ranges that have something in a block: of a thousand environments of one name, most have not.
    fn ranges_in(&self, tx: &Connection, block: i64) -> Result<Vec<Range<'_>>, StoreError> {
        let all = self.ranges();
        let Places::Environments(_) = self.places else {
            return Ok(all);
        };
        let present: Vec<i64> = tx
            .prepare_cached(PRESENT)?
            .query_map([block], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        let is_present = |range: &Range<'_>| {
            range
                .of
                .is_none_or(|(_, environment)| present.binary_search(&environment).is_ok())
        };
        Ok(all.into_iter().filter(is_present).collect())
    }

    /// The same filter on `total` and `tally`.
    fn condition(&self) -> (Condition, Vec<Value>) {
        let mut values = Vec::new();
        let (environments, app) = match &self.places {
            Places::Everywhere => (false, false),
            Places::App(app) => {
                values.push(Value::Integer(*app));
                (false, true)
            }
            Places::Environments(all) => {
                values.push(Value::Text(json_array(all)));
                (true, false)
            }
        };
        if !self.phases.is_empty() {
            let quoted: Vec<String> = self.phases.iter().map(|p| format!("\"{p}\"")).collect();
            values.push(Value::Text(format!("[{}]", quoted.join(","))));
        }
        let condition = Condition {
            environments,
            app,
            phases: !self.phases.is_empty(),
        };
        (condition, values)
    }
}

/// What the rows of `total` and `tally` are asked for, in the order of the values.
#[derive(Clone, Copy)]
struct Condition {
    environments: bool,
    app: bool,
    phases: bool,
}

impl Condition {
    fn sql(self) -> String {
        let mut sql = "1".to_owned();
        if self.app {
            sql += " AND environment IN (SELECT serial FROM environment WHERE app = ?)";
        }
        if self.environments {
            sql += " AND environment IN (SELECT value FROM json_each(?))";
        }
        if self.phases {
            sql += " AND phase IN (SELECT value FROM json_each(?))";
        }
        sql
    }
}

fn total_sql(condition: Condition) -> String {
    format!(
        "SELECT coalesce(sum(deployments), 0) FROM total WHERE {}",
        condition.sql()
    )
}

fn blocks_sql(condition: Condition) -> String {
    format!(
        "SELECT block, sum(deployments) AS many FROM tally WHERE {} GROUP BY block HAVING many > 0 ORDER BY block DESC",
        condition.sql()
    )
}

/// The environments of a block, in their order.
const PRESENT: &str = "SELECT DISTINCT environment FROM tally WHERE block = ?1 AND deployments > 0 ORDER BY environment";

/// A JSON array of serials, for `json_each`.
pub(super) fn json_array(serials: &[i64]) -> String {
    let text: Vec<String> = serials.iter().map(i64::to_string).collect();
    format!("[{}]", text.join(","))
}

impl Range<'_> {
    fn sql(self) -> &'static str {
        macro_rules! range {
            ($index:literal, $condition:literal) => {
                concat!(
                    "SELECT serial FROM deployment INDEXED BY ",
                    $index,
                    " WHERE hidden_at IS NULL AND ",
                    $condition,
                    "serial BETWEEN ? AND ? ORDER BY serial DESC LIMIT ? OFFSET ?"
                )
            };
        }
        match (self.of, self.phase) {
            (None, None) => range!("deployment_visible", ""),
            (None, Some(_)) => range!("deployment_by_phase", "phase = ? AND "),
            (Some((Column::App, _)), None) => range!("deployment_by_app", "app = ? AND "),
            (Some((Column::App, _)), Some(_)) => {
                range!("deployment_by_app_phase", "app = ? AND phase = ? AND ")
            }
            (Some((Column::Environment, _)), None) => {
                range!("deployment_by_environment", "environment = ? AND ")
            }
            (Some((Column::Environment, _)), Some(_)) => range!(
                "deployment_by_environment_phase",
                "environment = ? AND phase = ? AND "
            ),
        }
    }

    fn read(
        self,
        tx: &Connection,
        span: Span,
        skip: u64,
        limit: u64,
    ) -> Result<Vec<i64>, StoreError> {
        let of = self.of.map(|(_, value)| Value::Integer(value));
        let phase = self.phase.map(|phase| Value::Text(phase.to_owned()));
        let count = |count: u64| Value::Integer(i64::try_from(count).unwrap_or(i64::MAX));
        let ends = [span.from, span.to].map(Value::Integer);
        let values = of.into_iter().chain(phase).chain(ends);
        let values = values.chain([count(limit), count(skip)]);
        let mut statement = tx.prepare_cached(self.sql())?;
        let rows = statement.query_map(params_from_iter(values), |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// The deployments of all the ranges within a span, newest first.
fn read(
    tx: &Connection,
    ranges: &[Range<'_>],
    span: Span,
    skip: u64,
    limit: u64,
) -> Result<Vec<i64>, StoreError> {
    if let [only] = ranges {
        return only.read(tx, span, skip, limit);
    }
    let mut serials = Vec::new();
    for range in ranges {
        serials.extend(range.read(tx, span, 0, skip + limit)?);
    }
    serials.sort_unstable_by(|one, other| other.cmp(one));
    let skip = usize::try_from(skip).unwrap_or(usize::MAX);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    Ok(serials.into_iter().skip(skip).take(limit).collect())
}

/// Where the filter looks, of what the caller can see.
fn places(tx: &Connection, list: &ListFilter) -> Result<Places, StoreError> {
    let seen = match list.reach {
        Reach::All => None,
        Reach::App(app) | Reach::Environment(app, _) => Some(app),
    };
    if let (Some(seen), Some(asked)) = (seen, list.app)
        && seen != asked
    {
        return Ok(Places::Environments(Vec::new()));
    }
    let app = list.app.or(seen);
    let only = match list.reach {
        Reach::All | Reach::App(_) => None,
        Reach::Environment(_, environment) => Some(environment.0),
    };
    if let Some(id) = list.environment_id {
        let values = [
            Value::Text(id.to_string()),
            app.map_or(Value::Null, |app| Value::Integer(app.0)),
            list.environment
                .as_ref()
                .map_or(Value::Null, |name| Value::Text(name.as_str().to_owned())),
        ];
        let mut found = environments(tx, OF_ID, &values)?;
        found.retain(|environment| only.is_none_or(|only| only == *environment));
        return Ok(Places::Environments(found));
    }
    let Some(name) = &list.environment else {
        return Ok(match (only, app) {
            (Some(environment), _) => Places::Environments(vec![environment]),
            (None, Some(app)) => Places::App(app.0),
            (None, None) => Places::Everywhere,
        });
    };
    let mut named = match app {
        Some(app) => {
            let values = [Value::Integer(app.0), Value::Text(name.as_str().to_owned())];
            environments(tx, NAMED_IN_APP, &values)?
        }
        None => environments(tx, NAMED, &[Value::Text(name.as_str().to_owned())])?,
    };
    named.retain(|environment| only.is_none_or(|only| only == *environment));
    Ok(Places::Environments(named))
}

/// Environments of a name, removed ones too.
const NAMED: &str = "SELECT serial FROM environment WHERE name = ?1";
/// The environment of an id, if it is of that app and name where those are given.
const OF_ID: &str = "SELECT serial FROM environment WHERE uuid = ?1 AND app IS coalesce(?2, app) AND name IS coalesce(?3, name)";
const NAMED_IN_APP: &str = "SELECT serial FROM environment WHERE app = ?1 AND name = ?2";

fn environments(tx: &Connection, sql: &str, values: &[Value]) -> Result<Vec<i64>, StoreError> {
    let mut statement = tx.prepare_cached(sql)?;
    let rows = statement.query_map(params_from_iter(values), |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn phase_words(state: StateFilter) -> &'static [&'static str] {
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

#[cfg(test)]
mod tests {
    use super::super::views::{ORIGINS, REFUSALS, STEPS, VIEWS};
    use super::*;
    use crate::store::{OpenWith, Store};
    use std::sync::Arc;

    /// What SQLite says that it will do, line by line.
    fn plan(tx: &Connection, sql: &str) -> Vec<String> {
        let mut statement = tx.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let nothing = vec![Value::Null; statement.parameter_count()];
        let lines = statement.query_map(params_from_iter(nothing), |row| row.get("detail"));
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

    #[test]
    fn no_query_of_a_list_scans_or_sorts_the_history() {
        let (_dir, store) = store();
        store
            .read(|tx| {
                for of in [None, Some((Column::App, 1)), Some((Column::Environment, 1))] {
                    for phase in [None, Some("queued")] {
                        let sql = Range { of, phase }.sql();
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
                                && plan[0].starts_with("SEARCH deployment USING INDEX deployment_")
                                && plan[0].ends_with(&range),
                            "{sql}: {plan:?}"
                        );
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
    fn totals_and_blocks_are_read_without_a_look_at_deployments() {
        let (_dir, store) = store();
        store
            .read(|tx| {
                for (environments, app) in [(false, false), (true, false), (false, true)] {
                    for phases in [false, true] {
                        let condition = Condition {
                            environments,
                            app,
                            phases,
                        };
                        for sql in [total_sql(condition), blocks_sql(condition)] {
                            let plan = plan(tx, &sql);
                            assert!(
                                !plan.iter().any(|line| line.contains("deployment")
                                    || line.contains("TEMP B-TREE")),
                                "{sql}: {plan:?}"
                            );
                        }
                    }
                }
                for sql in [NAMED, NAMED_IN_APP, PRESENT] {
                    let plan = plan(tx, sql);
                    assert!(plan[0].starts_with("SEARCH"), "{sql}: {plan:?}");
                }
                Ok(())
            })
            .unwrap();
    }
}

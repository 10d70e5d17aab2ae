//! What a list asks for, as its queries need it: where to look, in which phases.

use super::{ListFilter, StoreError, json_array};
use crate::core::access::Reach;
use crate::core::action::StateFilter;
use rusqlite::{Connection, params_from_iter, types::Value};

/// Where the deployments of a filter are.
pub(super) enum Places {
    Everywhere,
    Apps(Vec<i64>),
    Environments(Vec<i64>),
}

/// A filter as the queries need it.
pub(super) struct Filter {
    pub(super) places: Places,
    /// The words of the phases; empty: all.
    pub(super) phases: Vec<&'static str>,
}

impl Filter {
    pub(super) fn of(tx: &Connection, list: &ListFilter) -> Result<Self, StoreError> {
        let every: &[StateFilter] = match list.executed && list.states.is_empty() {
            true => &StateFilter::ALL,
            false => &list.states,
        };
        let phases = every.iter().flat_map(|state| phase_words(*state));
        let phases = phases.filter(|phase| !list.executed || !phase.starts_with("recorded_"));
        let mut phases: Vec<&str> = phases.copied().collect();
        phases.sort_unstable();
        phases.dedup();
        Ok(Self {
            places: places(tx, list)?,
            phases,
        })
    }

    /// How many there are, whenever they changed.
    pub(super) fn total(&self, tx: &Connection) -> Result<u64, StoreError> {
        let (condition, values) = self.condition();
        sum(tx, condition, values)
    }

    /// How many there are in any phase.
    pub(super) fn total_of_places(&self, tx: &Connection) -> Result<u64, StoreError> {
        let (condition, values) = self.condition_of_places();
        sum(tx, condition, values)
    }

    /// The same filter on the tables of totals and tallies, with its values.
    pub(super) fn condition(&self) -> (Condition, Vec<Value>) {
        let (condition, mut values) = self.condition_of_places();
        if !self.phases.is_empty() {
            let quoted: Vec<String> = self.phases.iter().map(|p| format!("\"{p}\"")).collect();
            values.push(Value::Text(format!("[{}]", quoted.join(","))));
        }
        let phases = !self.phases.is_empty();
        (
            Condition {
                phases,
                ..condition
            },
            values,
        )
    }

    fn condition_of_places(&self) -> (Condition, Vec<Value>) {
        let (places, values) = match &self.places {
            Places::Everywhere => (In::Everywhere, Vec::new()),
            Places::Apps(all) => match all.as_slice() {
                [only] => (In::App, vec![Value::Integer(*only)]),
                several => (In::Apps, vec![Value::Text(json_array(several))]),
            },
            Places::Environments(all) => (In::Environments, vec![Value::Text(json_array(all))]),
        };
        let phases = false;
        (Condition { places, phases }, values)
    }

    /// The filter's phases as a condition on rows that are in its places, to follow other conditions.
    pub(super) fn of_phases(&self) -> String {
        match self.phases.len() {
            0 => String::new(),
            many => format!(" AND d.phase IN ({})", vec!["?"; many].join(",")),
        }
    }

    /// The values of [`Filter::of_phases`].
    pub(super) fn phase_values(&self) -> impl Iterator<Item = Value> {
        let phases = self.phases.iter();
        phases.map(|phase| Value::Text((*phase).to_owned()))
    }
}

fn sum(tx: &Connection, condition: Condition, values: Vec<Value>) -> Result<u64, StoreError> {
    let mut statement = tx.prepare_cached(&total_sql(condition))?;
    let total: i64 = statement.query_row(params_from_iter(values), |row| row.get(0))?;
    Ok(u64::try_from(total).unwrap_or(0))
}

/// What the rows of totals and tallies are asked for, in the order of the values.
#[derive(Clone, Copy)]
pub(super) struct Condition {
    pub(super) places: In,
    pub(super) phases: bool,
}

/// How the places are told.
#[derive(Clone, Copy)]
pub(super) enum In {
    Everywhere,
    App,
    Apps,
    Environments,
}

impl Condition {
    /// To follow other conditions, or `1`.
    pub(super) fn sql(self) -> String {
        let mut sql = match self.places {
            In::Everywhere => "",
            In::App => " AND environment IN (SELECT serial FROM environment WHERE app = ?)",
            In::Apps => {
                " AND environment IN (SELECT e.serial FROM json_each(?) a CROSS JOIN environment e ON e.app = a.value)"
            }
            In::Environments => " AND environment IN (SELECT value FROM json_each(?))",
        }
        .to_owned();
        if self.phases {
            sql += " AND phase IN (SELECT value FROM json_each(?))";
        }
        sql
    }
}

pub(super) fn total_sql(condition: Condition) -> String {
    format!(
        "SELECT coalesce(sum(deployments), 0) FROM total WHERE 1{}",
        condition.sql()
    )
}

/// Where the filter looks, of what the caller can see.
fn places(tx: &Connection, list: &ListFilter) -> Result<Places, StoreError> {
    let seen = match list.reach {
        Reach::All => None,
        Reach::App(app) | Reach::Environment(app, _) => Some(app),
    };
    let only = match list.reach {
        Reach::All | Reach::App(_) => None,
        Reach::Environment(_, environment) => Some(environment.0),
    };
    let mut apps = match list.project {
        Some(project) => Some(serials(tx, OF_PROJECT, &[Value::Integer(project.0)])?),
        None => None,
    };
    for app in [seen, list.app].into_iter().flatten() {
        match &mut apps {
            Some(apps) => apps.retain(|one| *one == app.0),
            None => apps = Some(vec![app.0]),
        }
    }
    if list.environment.is_none() && list.environment_id.is_none() {
        return Ok(match (only, apps) {
            (Some(_), Some(apps)) if apps.is_empty() => Places::Environments(Vec::new()),
            (Some(environment), _) => Places::Environments(vec![environment]),
            (None, Some(apps)) => Places::Apps(apps),
            (None, None) => Places::Everywhere,
        });
    }
    let among = match &apps {
        None => vec![Value::Null],
        Some(apps) => apps.iter().copied().map(Value::Integer).collect(),
    };
    let mut found = Vec::new();
    for app in among {
        found.extend(named(tx, list, app)?);
    }
    found.retain(|environment| only.is_none_or(|only| only == *environment));
    Ok(Places::Environments(found))
}

/// The environments of the name and id that the list gives, of that app, or of any if it is null.
fn named(tx: &Connection, list: &ListFilter, app: Value) -> Result<Vec<i64>, StoreError> {
    let name = match &list.environment {
        Some(name) => Value::Text(name.as_str().to_owned()),
        None => Value::Null,
    };
    if let Some(id) = list.environment_id {
        return serials(tx, OF_ID, &[Value::Text(id.to_string()), app, name]);
    }
    match app {
        Value::Null => serials(tx, NAMED, &[name]),
        app => serials(tx, NAMED_IN_APP, &[app, name]),
    }
}

const OF_PROJECT: &str = "SELECT serial FROM app WHERE project = ?1";
/// Environments of a name, removed ones too.
pub(super) const NAMED: &str = "SELECT serial FROM environment WHERE name = ?1";
/// The environment of an id, if it is of that app and name where those are given.
const OF_ID: &str = "SELECT serial FROM environment WHERE uuid = ?1 AND app IS coalesce(?2, app) AND name IS coalesce(?3, name)";
pub(super) const NAMED_IN_APP: &str = "SELECT serial FROM environment WHERE app = ?1 AND name = ?2";

/// What a query with one column of serials finds.
pub(super) fn serials(
    tx: &Connection,
    sql: &str,
    values: &[Value],
) -> Result<Vec<i64>, StoreError> {
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

//! Pages of what is so little that it is read whole and sorted.

use super::places::{Condition, Filter};
use super::times::{Span, present};
use super::{Slice, StoreError};
use crate::core::listing::Order;
use rusqlite::types::{FromSql, Value};
use rusqlite::{Connection, params_from_iter};

/// How many are few: reading and sorting so many takes less than a millisecond. References are read from the rows
/// themselves, which takes longer.
pub(super) fn most(order: Order) -> u64 {
    match order {
        Order::Serial | Order::Updated => 2048,
        Order::Reference => 256,
    }
}

/// Whether a filter lets so few through that a walk in the order of the list would meet more that are not among them
/// before it has a page together.
pub(super) fn are_few(
    tx: &Connection,
    filter: &Filter,
    order: Order,
    total: u64,
    slice: Slice,
) -> Result<bool, StoreError> {
    if total > most(order) {
        return Ok(false);
    }
    let all = match filter.phases.is_empty() {
        true => total,
        false => filter.total_of_places(tx)?,
    };
    Ok(total.saturating_mul(total) <= slice.end().saturating_mul(all))
}

/// Of everything in the filter's environments and phases, what changed last within a span: a page, and how much it is.
pub(super) fn of_phases(
    tx: &Connection,
    filter: &Filter,
    order: Order,
    span: Span,
    slice: Slice,
) -> Result<(Vec<i64>, u64), StoreError> {
    let (condition, mut values) = filter.condition();
    values.extend(span.values());
    let sql = of_phases_sql(order, condition);
    match order {
        Order::Serial | Order::Updated => {
            let rows = read::<i64>(tx, &sql, values)?;
            let total = rows.len() as u64;
            Ok((slice.of(rows), total))
        }
        Order::Reference => {
            let rows = read::<String>(tx, &sql, values)?;
            let total = rows.len() as u64;
            Ok((slice.of(rows), total))
        }
    }
}

pub(super) fn of_phases_sql(order: Order, condition: Condition) -> String {
    format!(
        "SELECT {}, d.serial FROM (SELECT environment, phase FROM total WHERE deployments > 0{}) t
         CROSS JOIN deployment d INDEXED BY deployment_by_environment_phase
         WHERE d.hidden_at IS NULL AND d.environment = t.environment AND d.phase = t.phase AND d.updated_at >= ? AND d.updated_at < ?",
        key(order),
        condition.sql()
    )
}

/// A page of what changed last within a span.
pub(super) fn of_span(
    tx: &Connection,
    filter: &Filter,
    order: Order,
    span: Span,
    slice: Slice,
) -> Result<Vec<i64>, StoreError> {
    let sql = of_span_sql(order, &filter.of_phases());
    let values = |environment| {
        let values = [Value::Integer(environment)].into_iter();
        let values = values.chain(span.values()).chain(filter.phase_values());
        values.collect()
    };
    let environments = present(tx, filter, span)?;
    match order {
        Order::Serial | Order::Updated => {
            let mut rows = Vec::new();
            for environment in environments {
                rows.extend(read::<i64>(tx, &sql, values(environment))?);
            }
            Ok(slice.of(rows))
        }
        Order::Reference => {
            let mut rows = Vec::new();
            for environment in environments {
                rows.extend(read::<String>(tx, &sql, values(environment))?);
            }
            Ok(slice.of(rows))
        }
    }
}

pub(super) fn of_span_sql(order: Order, of_phases: &str) -> String {
    format!(
        "SELECT {}, d.serial FROM deployment d INDEXED BY deployment_by_environment_updated
         WHERE d.hidden_at IS NULL AND d.environment = ? AND d.updated_at >= ? AND d.updated_at < ?{of_phases}",
        key(order)
    )
}

fn key(order: Order) -> &'static str {
    match order {
        Order::Serial => "d.serial",
        Order::Updated => "d.updated_at",
        Order::Reference => "d.ref",
    }
}

fn read<K: FromSql>(
    tx: &Connection,
    sql: &str,
    values: Vec<Value>,
) -> Result<Vec<(K, i64)>, StoreError> {
    let mut statement = tx.prepare_cached(sql)?;
    let rows = statement.query_map(params_from_iter(values), |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

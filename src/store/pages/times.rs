//! Pages in the order of when deployments changed last, and what of them lies within a span of time. `tally_updated` counts
//! by period; where a span begins or ends within one, the rows of that part are counted.

use super::places::{Condition, Filter};
use super::serials::Serials;
use super::{ListFilter, Slice, StoreError, count, located};
use rusqlite::{Connection, params_from_iter, types::Value};
use std::collections::BTreeMap;

/// How many milliseconds there are to a period, as a power of two; the triggers of the schema have the same number. A
/// million deployments in two years are about 4,000 to a period: few enough to be read, and the periods few enough to be
/// summed up.
const PERIOD_BITS: u32 = 28;

/// Before every moment and after every moment, where periods begin.
const BEGIN: i64 = -END;
const END: i64 = 1 << 62;

/// From a moment until before another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    from: i64,
    to: i64,
}

impl Span {
    /// What a list asks for; `None` if it does not ask.
    pub(super) fn of(list: &ListFilter) -> Option<Self> {
        if list.updated_from.is_none() && list.updated_before.is_none() {
            return None;
        }
        Some(Self {
            from: list.updated_from.map_or(BEGIN, |at| at.0).clamp(BEGIN, END),
            to: list.updated_before.map_or(END, |at| at.0).clamp(BEGIN, END),
        })
    }

    /// Always.
    pub(super) const ALL: Self = Self {
        from: BEGIN,
        to: END,
    };

    fn of_period(period: i64) -> Self {
        Self {
            from: period << PERIOD_BITS,
            to: (period + 1) << PERIOD_BITS,
        }
    }

    pub(super) fn is_empty(self) -> bool {
        self.from >= self.to
    }

    pub(super) fn values(self) -> [Value; 2] {
        [self.from, self.to].map(Value::Integer)
    }

    /// The periods that this has a part of, from the first to the last.
    fn touched(self) -> [Value; 2] {
        [self.from >> PERIOD_BITS, (self.to - 1) >> PERIOD_BITS].map(Value::Integer)
    }

    /// The part before the periods that lie wholly in it, those, and the part after them.
    fn parts(self) -> [Self; 3] {
        let first = Self::of_period((self.from + ((1 << PERIOD_BITS) - 1)) >> PERIOD_BITS).from;
        let last = Self::of_period(self.to >> PERIOD_BITS).from;
        let part = |from, to| Self { from, to };
        if first > last {
            return [self, part(last, last), part(last, last)];
        }
        [
            part(self.from, first),
            part(first, last),
            part(last, self.to),
        ]
    }
}

/// A page of everything the filter lets through.
pub(super) fn page(tx: &Connection, filter: &Filter, slice: Slice) -> Result<Vec<i64>, StoreError> {
    let enough = Some(slice.end());
    let periods = periods(tx, filter, Span::ALL, slice.ascending, enough)?;
    page_of(tx, filter, &periods, slice)
}

/// A page of those periods, or parts of periods, which are in its order.
pub(super) fn page_of(
    tx: &Connection,
    filter: &Filter,
    periods: &[(Span, u64)],
    slice: Slice,
) -> Result<Vec<i64>, StoreError> {
    let (found, slice) = located(periods.iter().copied(), slice);
    let from = found.iter().map(|span| span.from).min().unwrap_or(0);
    let to = found.iter().map(|span| span.to).max().unwrap_or(0);
    let span = Span { from, to };
    let mut rows: Vec<(i64, i64)> = Vec::new();
    for environment in present(tx, filter, span)? {
        let values = [Value::Integer(environment)].into_iter();
        let values = values.chain(span.values()).chain(filter.phase_values());
        let values = values.chain([Value::Integer(count(slice.end()))]);
        let mut statement = tx.prepare_cached(&read_sql(&filter.of_phases(), slice))?;
        let found = statement.query_map(params_from_iter(values), |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
        for row in found {
            rows.push(row?);
        }
    }
    Ok(slice.of(rows))
}

pub(super) fn read_sql(of_phases: &str, slice: Slice) -> String {
    format!(
        "SELECT d.updated_at, d.serial FROM deployment d INDEXED BY deployment_by_environment_updated
         WHERE d.hidden_at IS NULL AND d.environment = ? AND d.updated_at >= ? AND d.updated_at < ?{of_phases}
         ORDER BY d.updated_at {}, d.serial DESC LIMIT ?",
        slice.direction()
    )
}

/// The periods that a span consists of, or parts of them, and how many deployments each has, in the order of a list; no more
/// of them than have enough together, if it is said how many that is.
pub(super) fn periods(
    tx: &Connection,
    filter: &Filter,
    span: Span,
    ascending: bool,
    enough: Option<u64>,
) -> Result<Vec<(Span, u64)>, StoreError> {
    let [first, whole, last] = span.parts();
    let (begin, end) = if ascending {
        (first, last)
    } else {
        (last, first)
    };
    let mut found = Vec::new();
    let edge = |part: Span, found: &mut Vec<_>| -> Result<(), StoreError> {
        if !part.is_empty() {
            found.push((part, counted(tx, filter, part, Serials::ALL)?));
        }
        Ok(())
    };
    edge(begin, &mut found)?;
    let (condition, values) = filter.condition();
    let direction = if ascending { "ASC" } else { "DESC" };
    let mut statement = tx.prepare_cached(&periods_sql(condition, direction))?;
    let values = whole.touched().into_iter().chain(values);
    let mut rows = statement.query(params_from_iter(values))?;
    let mut have = 0;
    while enough.is_none_or(|enough| have < enough)
        && let Some(row) = rows.next()?
    {
        let deployments = u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0);
        have += deployments;
        found.push((Span::of_period(row.get(0)?), deployments));
    }
    edge(end, &mut found)?;
    Ok(found)
}

pub(super) fn periods_sql(condition: Condition, direction: &str) -> String {
    format!(
        "SELECT period, sum(deployments) FROM tally_updated WHERE period BETWEEN ? AND ?{} GROUP BY period ORDER BY period {direction}",
        condition.sql()
    )
}

/// How many deployments of each block of serials changed last within a span.
pub(super) fn blocks(
    tx: &Connection,
    filter: &Filter,
    span: Span,
) -> Result<BTreeMap<i64, u64>, StoreError> {
    let mut found: BTreeMap<i64, u64> = BTreeMap::new();
    let [first, whole, last] = span.parts();
    for edge in [first, last] {
        if edge.is_empty() {
            continue;
        }
        for (block, _) in blocks_of(tx, filter, edge)? {
            let deployments = counted(tx, filter, edge, Serials::of_block(block))?;
            if deployments > 0 {
                *found.entry(block).or_default() += deployments;
            }
        }
    }
    for (block, deployments) in blocks_of(tx, filter, whole)? {
        *found.entry(block).or_default() += deployments;
    }
    Ok(found)
}

/// The blocks that the periods have something of that a span touches, and how much, once for each period.
fn blocks_of(tx: &Connection, filter: &Filter, span: Span) -> Result<Vec<(i64, u64)>, StoreError> {
    if span.is_empty() {
        return Ok(Vec::new());
    }
    let (condition, values) = filter.condition();
    let values = span.touched().into_iter().chain(values);
    let mut statement = tx.prepare_cached(&blocks_sql(condition))?;
    let rows = statement.query_map(params_from_iter(values), |row| {
        let deployments: i64 = row.get(1)?;
        Ok((row.get(0)?, u64::try_from(deployments).unwrap_or(0)))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn blocks_sql(condition: Condition) -> String {
    format!(
        "SELECT block, sum(deployments) FROM tally_updated WHERE period BETWEEN ? AND ?{} GROUP BY period, block",
        condition.sql()
    )
}

/// How many deployments with those serials changed last within a part of a period.
fn counted(
    tx: &Connection,
    filter: &Filter,
    part: Span,
    serials: Serials,
) -> Result<u64, StoreError> {
    let mut statement = tx.prepare_cached(&counted_sql(&filter.of_phases()))?;
    let mut all = 0;
    for environment in present(tx, filter, part)? {
        let values = [Value::Integer(environment)].into_iter();
        let values = values.chain(part.values()).chain(serials.values());
        let values = values.chain(filter.phase_values());
        let found: i64 = statement.query_row(params_from_iter(values), |row| row.get(0))?;
        all += u64::try_from(found).unwrap_or(0);
    }
    Ok(all)
}

pub(super) fn counted_sql(of_phases: &str) -> String {
    format!(
        "SELECT count(*) FROM deployment d INDEXED BY deployment_by_environment_updated
         WHERE d.hidden_at IS NULL AND d.environment = ? AND d.updated_at >= ? AND d.updated_at < ? AND d.serial BETWEEN ? AND ?{of_phases}"
    )
}

/// The environments of the filter that have something in the periods that a span touches.
pub(super) fn present(
    tx: &Connection,
    filter: &Filter,
    span: Span,
) -> Result<Vec<i64>, StoreError> {
    let (condition, values) = filter.condition();
    let values: Vec<Value> = span.touched().into_iter().chain(values).collect();
    let mut found = super::places::serials(tx, &present_sql(condition), &values)?;
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

pub(super) fn present_sql(condition: Condition) -> String {
    format!(
        "SELECT environment FROM tally_updated WHERE period BETWEEN ? AND ?{}",
        condition.sql()
    )
}

//! Pages in the order of the serials. A filter is a handful of ranges, each in the order of the serials in an index: an
//! app's deployments, an environment's in one phase. A page near the beginning reads the first rows of each. For one
//! further on, `tally` tells in which block of serials it begins, and the ranges are read within that block.

use super::places::{Condition, Filter, Places};
use super::times::Span;
use super::{BLOCK_BITS, Slice, StoreError, count, located};
use rusqlite::{Connection, params_from_iter, types::Value};
use std::collections::{BTreeMap, BTreeSet};

/// How many rows are read from the beginning before the blocks are asked: reading so many takes about a tenth of a
/// millisecond.
const FROM_THE_TOP: u64 = 1024;

/// Deployments that one index holds in the order of their serials.
#[derive(Clone, Copy)]
pub(super) struct Range<'a> {
    /// A column and its value.
    pub(super) of: Option<(Column, i64)>,
    pub(super) phase: Option<&'a str>,
}

#[derive(Clone, Copy)]
pub(super) enum Column {
    App,
    Environment,
}

/// Serials from here to there, both included.
#[derive(Clone, Copy)]
pub(super) struct Serials {
    pub(super) from: i64,
    pub(super) to: i64,
}

impl Serials {
    pub(super) const ALL: Self = Self {
        from: 0,
        to: i64::MAX,
    };

    pub(super) fn of_block(block: i64) -> Self {
        let from = block << BLOCK_BITS;
        Self {
            from,
            to: from + ((1 << BLOCK_BITS) - 1),
        }
    }

    pub(super) fn values(self) -> [Value; 2] {
        [self.from, self.to].map(Value::Integer)
    }
}

/// A page of everything the filter lets through.
pub(super) fn page(tx: &Connection, filter: &Filter, slice: Slice) -> Result<Vec<i64>, StoreError> {
    let ranges = ranges(filter);
    let rows = (ranges.len() as u64).saturating_mul(slice.end());
    if rows <= FROM_THE_TOP {
        read(tx, &ranges, Serials::ALL, slice)
    } else {
        further_on(tx, filter, slice)
    }
}

/// A page that does not begin near the beginning.
fn further_on(tx: &Connection, filter: &Filter, mut slice: Slice) -> Result<Vec<i64>, StoreError> {
    let (condition, values) = filter.condition();
    let mut statement = tx.prepare_cached(&blocks_sql(condition, slice))?;
    let mut blocks = statement.query(params_from_iter(values))?;
    let mut found = Vec::new();
    while let Some(row) = blocks.next()? {
        let (block, deployments): (i64, i64) = (row.get(0)?, row.get(1)?);
        let deployments = u64::try_from(deployments).unwrap_or(0);
        if slice.skip >= deployments {
            slice.skip -= deployments;
            continue;
        }
        let here = ranges_in(tx, filter, block)?;
        let page = read(tx, &here, Serials::of_block(block), slice)?;
        slice.limit -= page.len() as u64;
        slice.skip = 0;
        found.extend(page);
        if slice.limit == 0 {
            break;
        }
    }
    Ok(found)
}

/// A page of those that changed last within a span of time, of whom each block has so many.
pub(super) fn page_within(
    tx: &Connection,
    filter: &Filter,
    blocks: &BTreeMap<i64, u64>,
    span: Span,
    slice: Slice,
) -> Result<Vec<i64>, StoreError> {
    let blocks = blocks.iter().map(|(block, many)| (*block, *many));
    let (blocks, mut slice) = match slice.ascending {
        true => located(blocks, slice),
        false => located(blocks.rev(), slice),
    };
    let mut found = Vec::new();
    for block in blocks {
        let mut rows = Vec::new();
        for (environment, phase) in present(tx, filter, block)? {
            let sql = within_sql(slice);
            let values = [Value::Integer(environment), Value::Text(phase)].into_iter();
            let values = values.chain(Serials::of_block(block).values());
            let values = values.chain(span.values());
            let values = values.chain([Value::Integer(count(slice.end()))]);
            let mut statement = tx.prepare_cached(&sql)?;
            let serials = statement.query_map(params_from_iter(values), |row| row.get(0))?;
            for serial in serials {
                let serial: i64 = serial?;
                rows.push((serial, serial));
            }
        }
        let page = slice.of(rows);
        slice.limit -= page.len() as u64;
        slice.skip = 0;
        found.extend(page);
    }
    Ok(found)
}

pub(super) fn within_sql(slice: Slice) -> String {
    format!(
        "SELECT serial FROM deployment INDEXED BY deployment_by_environment_phase
         WHERE hidden_at IS NULL AND environment = ? AND phase = ? AND serial BETWEEN ? AND ? AND updated_at >= ? AND updated_at < ?
         ORDER BY serial {} LIMIT ?",
        slice.direction()
    )
}

fn ranges(filter: &Filter) -> Vec<Range<'_>> {
    let of = |column: Column, all: &[i64]| {
        all.iter()
            .map(|serial| Some((column, *serial)))
            .collect::<Vec<_>>()
    };
    let places = match &filter.places {
        Places::Everywhere => vec![None],
        Places::Apps(all) => of(Column::App, all),
        Places::Environments(all) => of(Column::Environment, all),
    };
    let with_phases = |of| -> Vec<Range<'_>> {
        if filter.phases.is_empty() {
            return vec![Range { of, phase: None }];
        }
        let phases = filter.phases.iter();
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
fn ranges_in<'a>(
    tx: &Connection,
    filter: &'a Filter,
    block: i64,
) -> Result<Vec<Range<'a>>, StoreError> {
    let all = ranges(filter);
    let Places::Environments(_) = filter.places else {
        return Ok(all);
    };
    let present = super::places::serials(tx, PRESENT, &[Value::Integer(block)])?;
    let is_present = |range: &Range<'_>| {
        range
            .of
            .is_none_or(|(_, environment)| present.binary_search(&environment).is_ok())
    };
    Ok(all.into_iter().filter(is_present).collect())
}

/// The environments of a block, in their order.
pub(super) const PRESENT: &str = "SELECT DISTINCT environment FROM tally WHERE block = ?1 AND deployments > 0 ORDER BY environment";

/// The environments and phases of the filter that have something in a block.
fn present(
    tx: &Connection,
    filter: &Filter,
    block: i64,
) -> Result<BTreeSet<(i64, String)>, StoreError> {
    let (condition, values) = filter.condition();
    let values = [Value::Integer(block)].into_iter().chain(values);
    let mut statement = tx.prepare_cached(&present_sql(condition))?;
    let rows = statement.query_map(params_from_iter(values), |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn present_sql(condition: Condition) -> String {
    format!(
        "SELECT environment, phase FROM tally WHERE block = ? AND deployments > 0{}",
        condition.sql()
    )
}

pub(super) fn blocks_sql(condition: Condition, slice: Slice) -> String {
    format!(
        "SELECT block, sum(deployments) AS many FROM tally WHERE 1{} GROUP BY block HAVING many > 0 ORDER BY block {}",
        condition.sql(),
        slice.direction()
    )
}

impl Range<'_> {
    pub(super) fn sql(self, ascending: bool) -> &'static str {
        macro_rules! range {
            ($index:literal, $condition:literal, $direction:literal) => {
                concat!(
                    "SELECT serial FROM deployment INDEXED BY ",
                    $index,
                    " WHERE hidden_at IS NULL AND ",
                    $condition,
                    "serial BETWEEN ? AND ? ORDER BY serial ",
                    $direction,
                    " LIMIT ? OFFSET ?"
                )
            };
            ($index:literal, $condition:literal) => {
                match ascending {
                    true => range!($index, $condition, "ASC"),
                    false => range!($index, $condition, "DESC"),
                }
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

    fn read(self, tx: &Connection, serials: Serials, slice: Slice) -> Result<Vec<i64>, StoreError> {
        let of = self.of.map(|(_, value)| Value::Integer(value));
        let phase = self.phase.map(|phase| Value::Text(phase.to_owned()));
        let values = of.into_iter().chain(phase).chain(serials.values());
        let values =
            values.chain([slice.limit, slice.skip].map(|rows| Value::Integer(count(rows))));
        let mut statement = tx.prepare_cached(self.sql(slice.ascending))?;
        let rows = statement.query_map(params_from_iter(values), |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// The deployments of all the ranges within those serials.
fn read(
    tx: &Connection,
    ranges: &[Range<'_>],
    serials: Serials,
    slice: Slice,
) -> Result<Vec<i64>, StoreError> {
    if let [only] = ranges {
        return only.read(tx, serials, slice);
    }
    let from_the_first = Slice {
        skip: 0,
        limit: slice.end(),
        ..slice
    };
    let mut rows = Vec::new();
    for range in ranges {
        let found = range.read(tx, serials, from_the_first)?;
        rows.extend(found.into_iter().map(|serial| (serial, serial)));
    }
    Ok(slice.of(rows))
}

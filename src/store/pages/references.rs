//! Pages in the order of references. `tally_ref` counts by shelf: one holds a single reference, and is counted by block of
//! serials, or what lies between two others.

use super::places::{Condition, Filter};
use super::serials::Serials;
use super::times::Span;
use super::{Slice, StoreError, count};
use rusqlite::{Connection, Row, params_from_iter, types::Value};

/// What the name of a shelf ends in that holds more than one reference, and no reference has; the triggers of the schema
/// know it, too.
const BETWEEN: char = '\u{1}';

/// A shelf, or of one with a single reference what lies in a block of serials.
struct Part {
    shelf: String,
    block: i64,
    /// How many certainly are within the span that is asked for.
    deployments: u64,
    /// Whether there may be more.
    in_part: bool,
}

/// A page of what the filter lets through that changed last within a span.
pub(super) fn page(
    tx: &Connection,
    filter: &Filter,
    span: Span,
    mut slice: Slice,
) -> Result<Vec<i64>, StoreError> {
    let (condition, values) = filter.condition();
    let mut statement = tx.prepare_cached(&parts_sql(condition, slice))?;
    let values = span.values().into_iter().chain(values);
    let mut rows = statement.query(params_from_iter(values))?;
    let mut found = Vec::new();
    let mut shelf: Vec<Part> = Vec::new();
    while slice.limit > 0 {
        let next = rows.next()?.map(Part::of).transpose()?;
        // The blocks of a reference come with the greatest serials first in both orders.
        let is_same = |part: &Part| {
            let name = shelf.last().map(|last| &last.shelf);
            slice.ascending && name.is_none_or(|name| *name == part.shelf)
        };
        let ends = !next.as_ref().is_some_and(is_same);
        if ends {
            for part in shelf.drain(..).rev() {
                part.take(tx, filter, span, &mut slice, &mut found)?;
            }
        }
        match next {
            Some(part) => shelf.push(part),
            None => break,
        }
    }
    Ok(found)
}

pub(super) fn parts_sql(condition: Condition, slice: Slice) -> String {
    let direction = slice.direction();
    format!(
        "SELECT shelf, block, sum(iif(oldest >= ?1 AND newest < ?2, deployments, 0)),
                max((oldest < ?1 OR newest >= ?2) AND newest >= ?1 AND oldest < ?2)
         FROM tally_ref WHERE 1{} GROUP BY shelf, block ORDER BY shelf {direction}, block {direction}",
        condition.sql()
    )
}

impl Part {
    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        let deployments: i64 = row.get(2)?;
        Ok(Self {
            shelf: row.get(0)?,
            block: row.get(1)?,
            deployments: u64::try_from(deployments).unwrap_or(0),
            in_part: row.get(3)?,
        })
    }

    /// Adds what a page takes of this part.
    fn take(
        &self,
        tx: &Connection,
        filter: &Filter,
        span: Span,
        slice: &mut Slice,
        found: &mut Vec<i64>,
    ) -> Result<(), StoreError> {
        if slice.limit == 0 || (self.deployments == 0 && !self.in_part) {
            return Ok(());
        }
        let environments = self.environments(tx, filter)?;
        let place = self.place(tx)?;
        if slice.skip > 0 {
            let deployments = match self.in_part {
                true => place.counted(tx, filter, &environments, span)?,
                false => self.deployments,
            };
            if slice.skip >= deployments {
                slice.skip -= deployments;
                return Ok(());
            }
        }
        let mut rows: Vec<(String, i64)> = Vec::new();
        for environment in environments {
            let values = place.values(environment, span, filter);
            let values = values.chain([Value::Integer(count(slice.end()))]);
            let mut statement = tx.prepare_cached(&place.read_sql(&filter.of_phases(), *slice))?;
            let read = statement.query_map(params_from_iter(values), |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
            for row in read {
                rows.push(row?);
            }
        }
        let page = slice.of(rows);
        slice.limit -= page.len() as u64;
        slice.skip = 0;
        found.extend(page);
        Ok(())
    }

    /// The environments of the filter that have something there.
    fn environments(&self, tx: &Connection, filter: &Filter) -> Result<Vec<i64>, StoreError> {
        let (condition, values) = filter.condition();
        let this = [Value::Text(self.shelf.clone()), Value::Integer(self.block)];
        let values: Vec<Value> = this.into_iter().chain(values).collect();
        let mut found = super::places::serials(tx, &present_sql(condition), &values)?;
        found.dedup();
        Ok(found)
    }

    fn place(&self, tx: &Connection) -> Result<Place<'_>, StoreError> {
        if !self.shelf.ends_with(BETWEEN) {
            return Ok(Place::Alone {
                reference: &self.shelf,
                serials: Serials::of_block(self.block),
            });
        }
        let next: Option<String> = tx
            .prepare_cached(NEXT)?
            .query_row([&self.shelf], |row| row.get(0))?;
        Ok(Place::Between {
            from: &self.shelf,
            to: next.unwrap_or_else(|| char::MAX.to_string()),
        })
    }
}

/// The environments of a part, in their order.
pub(super) fn present_sql(condition: Condition) -> String {
    format!(
        "SELECT environment FROM tally_ref WHERE shelf = ? AND block = ?{} ORDER BY environment",
        condition.sql()
    )
}

/// The name of the shelf after one.
pub(super) const NEXT: &str = "SELECT min(name) FROM shelf WHERE name > ?1";

/// Where in the index the deployments of a part are.
enum Place<'a> {
    Alone {
        reference: &'a str,
        serials: Serials,
    },
    /// From the one until before the other.
    Between { from: &'a str, to: String },
}

impl Place<'_> {
    fn condition(&self) -> &'static str {
        match self {
            Self::Alone { .. } => ALONE,
            Self::Between { .. } => AMONG,
        }
    }

    /// The values of the statements, but for the limit.
    fn values(&self, environment: i64, span: Span, filter: &Filter) -> impl Iterator<Item = Value> {
        let here = match self {
            Self::Alone { reference, serials } => {
                let mut values = vec![Value::Text((*reference).to_owned())];
                values.extend(serials.values());
                values
            }
            Self::Between { from, to } => {
                vec![Value::Text((*from).to_owned()), Value::Text(to.clone())]
            }
        };
        let values = [Value::Integer(environment)].into_iter().chain(here);
        let values = values.chain(span.values()).chain(filter.phase_values());
        values.collect::<Vec<_>>().into_iter()
    }

    fn counted(
        &self,
        tx: &Connection,
        filter: &Filter,
        environments: &[i64],
        span: Span,
    ) -> Result<u64, StoreError> {
        let sql = counted_sql(self.condition(), &filter.of_phases());
        let mut statement = tx.prepare_cached(&sql)?;
        let mut all = 0;
        for environment in environments {
            let values = params_from_iter(self.values(*environment, span, filter));
            let found: i64 = statement.query_row(values, |row| row.get(0))?;
            all += u64::try_from(found).unwrap_or(0);
        }
        Ok(all)
    }

    fn read_sql(&self, of_phases: &str, slice: Slice) -> String {
        read_sql(self.condition(), of_phases, slice)
    }
}

/// Of one reference.
pub(super) const ALONE: &str = "d.ref = ? AND d.serial BETWEEN ? AND ?";
/// Of those between two others, none of which has many deployments.
pub(super) const AMONG: &str = "d.ref >= ? AND d.ref < ?";

pub(super) fn counted_sql(place: &str, of_phases: &str) -> String {
    format!(
        "SELECT count(*) FROM deployment d INDEXED BY deployment_by_environment_ref
         WHERE d.hidden_at IS NULL AND d.environment = ? AND {place} AND d.updated_at >= ? AND d.updated_at < ?{of_phases}"
    )
}

pub(super) fn read_sql(place: &str, of_phases: &str, slice: Slice) -> String {
    format!(
        "SELECT d.ref, d.serial FROM deployment d INDEXED BY deployment_by_environment_ref
         WHERE d.hidden_at IS NULL AND d.environment = ? AND {place} AND d.updated_at >= ? AND d.updated_at < ?{of_phases}
         ORDER BY d.ref {}, d.serial DESC LIMIT ?",
        slice.direction()
    )
}

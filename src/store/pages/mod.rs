//! Which deployments are on a page of a list, and how many there are in all, at a cost that the length of the history
//! does not decide.
//!
//! Tables that triggers keep exact tell how many deployments there are, by environment and phase, and where: `total` of all,
//! `tally` by block of serials, `tally_updated` by period of time besides, `tally_ref` by shelf of references. Blocks, periods
//! and shelves are passed over until the offset falls into one; that one is read, in the order of an index that holds what
//! the filter asks for. Totals are sums over the same tables; only at the ends of a span of time are rows counted.
//!
//! Where a filter leaves so few that looking for them in the order of the list would take longer than sorting, they are
//! sorted.

mod few;
mod narrowed;
mod places;
mod references;
mod serials;
mod times;

#[cfg(test)]
mod plans;

use super::StoreError;
use crate::core::access::Reach;
use crate::core::action::StateFilter;
use crate::core::id::{AppSerial, ProjectSerial};
use crate::core::listing::Order;
use crate::core::name::EnvironmentName;
use crate::core::particulars::Narrowed;
use crate::core::time::Timestamp;
use narrowed::Left;
use places::Filter;
use rusqlite::Connection;
use std::cmp::Reverse;
use times::Span;
use uuid::Uuid;

/// How many serials there are to a block, as a power of two; the triggers of the schema have the same number.
const BLOCK_BITS: u32 = 14;

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
    /// Only those that were executed here.
    pub executed: bool,
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
    /// What else it is narrowed to.
    pub narrowed: Narrowed,
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
            executed: false,
            updated_from: None,
            updated_before: None,
            order: Order::default(),
            ascending: false,
            limit: 0,
            offset: 0,
            steps: false,
            narrowed: Narrowed::default(),
        }
    }
}

/// Where a page lies in a list, or in what is left of it.
#[derive(Clone, Copy)]
struct Slice {
    ascending: bool,
    skip: u64,
    limit: u64,
}

impl Slice {
    fn of_list(list: &ListFilter) -> Self {
        Self {
            ascending: list.ascending,
            skip: list.offset,
            limit: u64::from(list.limit),
        }
    }

    fn end(self) -> u64 {
        self.skip.saturating_add(self.limit)
    }

    /// Whether nothing of so many is on the page.
    fn is_beyond(self, total: u64) -> bool {
        self.skip >= total || self.limit == 0
    }

    fn direction(self) -> &'static str {
        match self.ascending {
            true => "ASC",
            false => "DESC",
        }
    }

    /// This part of rows that are in no order yet. Of the same key the greater serial comes first, whichever way round.
    fn of<K: Ord>(self, mut rows: Vec<(K, i64)>) -> Vec<i64> {
        rows.sort_unstable_by(|(one, first), (other, second)| {
            let keys = match self.ascending {
                true => one.cmp(other),
                false => other.cmp(one),
            };
            keys.then(Reverse(first).cmp(&Reverse(second)))
        });
        let whole = |count| usize::try_from(count).unwrap_or(usize::MAX);
        let rows = rows.into_iter().skip(whole(self.skip));
        let rows = rows.take(whole(self.limit));
        rows.map(|(_, serial)| serial).collect()
    }
}

/// The serials of the deployments on a page, in its order, and how many match in all.
pub(super) fn page(tx: &Connection, list: &ListFilter) -> Result<(Vec<i64>, u64), StoreError> {
    if list.narrowed.is_open() {
        return open_page(tx, list);
    }
    match narrowed::simplified(tx, list)? {
        Left::Open(list) => open_page(tx, &list),
        Left::Narrowed(list) => {
            let slice = Slice::of_list(&list);
            narrowed::page(tx, &list, slice)
        }
    }
}

/// A page of a list that is narrowed to nothing else.
fn open_page(tx: &Connection, list: &ListFilter) -> Result<(Vec<i64>, u64), StoreError> {
    let filter = Filter::of(tx, list)?;
    let slice = Slice::of_list(list);
    let whenever = filter.total(tx)?;
    let span = Span::of(list);
    if span.is_none() && (slice.is_beyond(whenever) || list.order == Order::Serial) {
        let page = match slice.is_beyond(whenever) {
            true => Vec::new(),
            false => serials::page(tx, &filter, slice)?,
        };
        return Ok((page, whenever));
    }
    if few::are_few(tx, &filter, list.order, whenever, slice)? {
        let span = span.unwrap_or(Span::ALL);
        return few::of_phases(tx, &filter, list.order, span, slice);
    }
    let Some(span) = span else {
        let page = match list.order {
            Order::Serial => serials::page(tx, &filter, slice),
            Order::Updated => times::page(tx, &filter, slice),
            Order::Reference => references::page(tx, &filter, Span::ALL, slice),
        };
        return Ok((page?, whenever));
    };
    if span.is_empty() {
        return Ok((Vec::new(), 0));
    }
    within(tx, &filter, list.order, span, slice)
}

/// A page of those that changed last within a span of time, and how many there are in it.
fn within(
    tx: &Connection,
    filter: &Filter,
    order: Order,
    span: Span,
    slice: Slice,
) -> Result<(Vec<i64>, u64), StoreError> {
    let page = |total, find: &dyn Fn() -> Result<Vec<i64>, StoreError>| match slice.is_beyond(total)
    {
        true => Ok((Vec::new(), total)),
        false => Ok((find()?, total)),
    };
    match order {
        Order::Updated => {
            let periods = times::periods(tx, filter, span, slice.ascending, None)?;
            let total = periods.iter().map(|(_, deployments)| deployments).sum();
            page(total, &|| times::page_of(tx, filter, &periods, slice))
        }
        Order::Serial | Order::Reference => {
            let blocks = times::blocks(tx, filter, span)?;
            let total = blocks.values().sum();
            page(total, &|| {
                if total <= few::most(order) {
                    few::of_span(tx, filter, order, span, slice)
                } else if order == Order::Serial {
                    serials::page_within(tx, filter, &blocks, span, slice)
                } else {
                    references::page(tx, filter, span, slice)
                }
            })
        }
    }
}

/// Of blocks in the order of a list, those that a page lies in, and what is to be skipped of them.
fn located<T>(blocks: impl Iterator<Item = (T, u64)>, slice: Slice) -> (Vec<T>, Slice) {
    let (mut found, mut rest, mut have) = (Vec::new(), slice, 0);
    for (block, deployments) in blocks {
        if found.is_empty() && rest.skip >= deployments {
            rest.skip -= deployments;
            continue;
        }
        found.push(block);
        have += deployments;
        if have >= rest.end() {
            break;
        }
    }
    (found, rest)
}

/// A JSON array of serials, for `json_each`.
pub(super) fn json_array(serials: &[i64]) -> String {
    let text: Vec<String> = serials.iter().map(i64::to_string).collect();
    format!("[{}]", text.join(","))
}

/// A count as SQLite takes it.
fn count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

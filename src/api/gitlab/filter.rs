//! Which deployments a list shows, in which order: filters of the old and of the current GitLab, and which of them may
//! not be combined.

use super::error::Refusal;
use super::parse::Asked;
use super::wire::word;
use crate::core::listing::{ListDeployments, Order, StateFilter};
use crate::core::name::EnvironmentName;
use crate::core::time::Timestamp;

/// What a list was asked for. The times of changes may come with any order, as the old GitLab allows.
pub(super) struct Filter {
    order: SortBy,
    ascending: bool,
    updated: Range,
    finished: Range,
    environment: Option<String>,
    states: Option<&'static [StateFilter]>,
}

/// From (included) and until (excluded).
type Range = (Option<Timestamp>, Option<Timestamp>);

#[derive(Clone, Copy, PartialEq, Eq)]
enum SortBy {
    /// `id`, `iid` and `created_at` are the same order.
    Id,
    UpdatedAt,
    FinishedAt,
    Ref,
}

/// Those that have ended by themselves or by somebody, as GitLab counts.
const FINISHED: [StateFilter; 3] = [
    StateFilter::Succeeded,
    StateFilter::Failed,
    StateFilter::Cancelled,
];

/// Whether a list begins with the smallest.
pub(super) fn ascending(word: &str) -> Option<bool> {
    match word {
        "asc" => Some(true),
        "desc" => Some(false),
        _ => None,
    }
}

fn sort_by(word: &str) -> Option<SortBy> {
    Some(match word {
        "id" | "iid" | "created_at" => SortBy::Id,
        "updated_at" => SortBy::UpdatedAt,
        "finished_at" => SortBy::FinishedAt,
        "ref" => SortBy::Ref,
        _ => return None,
    })
}

impl Filter {
    pub(super) fn of(asked: &mut Asked) -> Self {
        Self {
            order: asked.word("order_by", sort_by).unwrap_or(SortBy::Id),
            ascending: asked.word("sort", ascending).unwrap_or(true),
            updated: (asked.time("updated_after"), asked.time("updated_before")),
            finished: (asked.time("finished_after"), asked.time("finished_before")),
            environment: asked.present("environment"),
            states: asked.word("status", word::states),
        }
    }

    /// Refuses what GitLab cannot look up, in its order and words.
    pub(super) fn combined(&self) -> Result<(), Refusal> {
        let is_some = |(from, until): Range| from.is_some() || until.is_some();
        let (by_updated, by_finished) = (is_some(self.updated), is_some(self.finished));
        let by_finish = self.order == SortBy::FinishedAt;
        let states = self.states.unwrap_or_default();
        let are_ended = !states.is_empty() && states.iter().all(|state| FINISHED.contains(state));
        let why = if by_updated && by_finished {
            "Both `updated_at` filter and `finished_at` filter can not be specified"
        } else if by_finished && !by_finish {
            "`finished_at` filter requires `finished_at` sort."
        } else if by_finish && !by_finished && !are_ended {
            "`finished_at` sort requires `finished_at` filter or a filter with at least one of the finished statuses."
        } else if by_finished && states != [StateFilter::Succeeded] {
            "`finished_at` filter must be combined with `success` status filter."
        } else {
            return Ok(());
        };
        Err(Refusal::bad_request(why))
    }

    /// The list to ask for; `None` if it can hold nothing.
    pub(super) fn list(self) -> Option<ListDeployments> {
        let environment = match self.environment.as_deref().map(EnvironmentName::reported) {
            Some(Ok(name)) => Some(name),
            // What can be no name is one that no environment has.
            Some(Err(_)) => return None,
            None => None,
        };
        if self.states == Some(&[]) {
            return None;
        }
        // What has ended changed last when it ended.
        let (order, (from, before)) = match self.order {
            SortBy::Id => (Order::Serial, self.updated),
            SortBy::Ref => (Order::Reference, self.updated),
            SortBy::UpdatedAt => (Order::Updated, self.updated),
            SortBy::FinishedAt => match self.finished {
                (None, None) => (Order::Updated, self.updated),
                finished => (Order::Updated, finished),
            },
        };
        Some(ListDeployments {
            environment,
            states: self.states.unwrap_or_default().to_vec(),
            updated_from: from,
            updated_before: before,
            order,
            ascending: self.ascending,
            steps: true,
            ..ListDeployments::default()
        })
    }
}

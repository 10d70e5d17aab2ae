//! States in GitLab's words.

use crate::core::deployment::Phase;
use crate::core::environment::Standing;
use crate::core::listing::StateFilter;
use crate::core::recorded::ReportedState;
use serde::Serialize;

/// A deployment's status. A seventh, `blocked`, is never shown: nothing here waits for an approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::api::gitlab) enum Status {
    Created,
    Running,
    Success,
    Failed,
    Canceled,
    Skipped,
}

impl From<&Phase> for Status {
    fn from(phase: &Phase) -> Self {
        match phase {
            Phase::Queued => Self::Created,
            Phase::Running(_) | Phase::Committed(_) => Self::Running,
            Phase::Succeeded { .. } => Self::Success,
            Phase::Failed { .. } => Self::Failed,
            Phase::Cancelled { .. } => Self::Canceled,
            Phase::Superseded { .. } => Self::Skipped,
        }
    }
}

impl From<ReportedState> for Status {
    fn from(state: ReportedState) -> Self {
        match state {
            ReportedState::Created => Self::Created,
            ReportedState::Running => Self::Running,
            ReportedState::Success => Self::Success,
            ReportedState::Failed => Self::Failed,
            ReportedState::Canceled => Self::Canceled,
        }
    }
}

/// What a list is narrowed to by a status; nothing if it can hold nothing. `None`: no such status.
pub(in crate::api::gitlab) fn states(word: &str) -> Option<&'static [StateFilter]> {
    Some(match word {
        "created" => &[StateFilter::Queued],
        "running" => &[StateFilter::Building, StateFilter::Deploying],
        "success" => &[StateFilter::Succeeded],
        "failed" => &[StateFilter::Failed],
        "canceled" => &[StateFilter::Cancelled],
        "skipped" => &[StateFilter::Superseded],
        "blocked" => &[],
        _ => return None,
    })
}

/// Whether an environment serves, in GitLab's word.
pub(in crate::api::gitlab) fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Available => "available",
        Standing::Stopping => "stopping",
        Standing::Stopped => "stopped",
    }
}

/// The same read back.
pub(in crate::api::gitlab) fn parse_standing(word: &str) -> Option<Standing> {
    let all = [Standing::Available, Standing::Stopping, Standing::Stopped];
    all.into_iter().find(|one| standing(*one) == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_of_the_contract_can_be_filtered_by_and_no_other() {
        for word in [
            "created", "running", "success", "failed", "canceled", "skipped",
        ] {
            assert!(!states(word).unwrap().is_empty(), "{word}");
        }
        assert_eq!(states("blocked"), Some(&[][..]));
        for word in ["", "cancelled", "Success", "queued"] {
            assert_eq!(states(word), None, "{word}");
        }
    }
}

//! The states in git.dev's words.

use crate::core::action::StateFilter;
use crate::core::deployment::{Phase, Step};

pub(super) fn status(phase: &Phase) -> &'static str {
    match phase {
        Phase::Queued => "queued",
        Phase::Running(Step::Checkout | Step::Build) => "building",
        Phase::Running(Step::Rollout) | Phase::Committed(_) => "deploying",
        Phase::Succeeded { .. } => "success",
        Phase::Failed { .. } => "failed",
        Phase::Cancelled { .. } | Phase::Superseded { .. } => "cancelled",
    }
}

/// The states a word of the list's filter stands for; `None` for a word git.dev does not have.
pub(super) fn filter(word: &str) -> Option<&'static [StateFilter]> {
    match word {
        "queued" => Some(&[StateFilter::Queued]),
        "building" => Some(&[StateFilter::Building]),
        "deploying" => Some(&[StateFilter::Deploying]),
        "success" => Some(&[StateFilter::Succeeded]),
        "failed" => Some(&[StateFilter::Failed]),
        "cancelled" => Some(&[StateFilter::Cancelled, StateFilter::Superseded]),
        _ => None,
    }
}

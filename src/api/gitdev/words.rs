//! The words that a list's filter takes.

use crate::core::action::StateFilter;

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

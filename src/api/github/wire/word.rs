//! States in GitHub's words.

use crate::core::commit_status::CommitState;
use crate::core::status::StatusState;

/// What a status of a deployment says.
pub(super) fn of_status(state: StatusState) -> &'static str {
    match state {
        StatusState::Error => "error",
        StatusState::Failure => "failure",
        StatusState::Inactive => "inactive",
        StatusState::InProgress => "in_progress",
        StatusState::Queued => "queued",
        StatusState::Pending => "pending",
        StatusState::Success => "success",
    }
}

/// The same read back.
pub(in crate::api::github) fn status(word: &str) -> Option<StatusState> {
    let mut all = StatusState::ALL.into_iter();
    all.find(|state| of_status(*state) == word)
}

/// What a check says of a commit.
pub(in crate::api::github) fn of_commit_state(state: CommitState) -> &'static str {
    match state {
        CommitState::Error => "error",
        CommitState::Failure => "failure",
        CommitState::Pending => "pending",
        CommitState::Success => "success",
    }
}

/// The same read back.
pub(in crate::api::github) fn commit_state(word: &str) -> Option<CommitState> {
    let mut all = CommitState::ALL.into_iter();
    all.find(|state| of_commit_state(*state) == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_the_contract_is_read_and_no_other() {
        for word in [
            "error",
            "failure",
            "inactive",
            "in_progress",
            "queued",
            "pending",
            "success",
        ] {
            assert_eq!(status(word).map(of_status), Some(word));
        }
        for word in ["error", "failure", "pending", "success"] {
            assert_eq!(commit_state(word).map(of_commit_state), Some(word));
        }
        for word in ["", "Success", "waiting", "cancelled", "inprogress"] {
            assert_eq!(status(word), None, "{word}");
        }
        assert_eq!(commit_state("in_progress"), None);
    }
}

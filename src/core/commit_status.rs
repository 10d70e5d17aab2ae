//! Statuses of commits, as GitHub has them: what somebody's checks said of a commit. They are kept here, and a deployment
//! can be made to wait for them.

use super::access::Principal;
use super::id::CommitStatusSerial;
use super::name::{RefName, Sha};
use super::project::ProjectRef;
use super::time::Timestamp;

/// What a check says of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CommitState {
    /// The check itself is at fault.
    Error,
    /// The commit is.
    Failure,
    /// It is not known yet.
    Pending,
    /// All is well.
    Success,
}

impl CommitState {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Error, Self::Failure, Self::Pending, Self::Success];

    /// The word that is stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Failure => "failure",
            Self::Pending => "pending",
            Self::Success => "success",
        }
    }

    /// Reads the word back.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// What several checks say together: the worst of them; nothing at all is still pending.
    #[must_use]
    pub fn combined(states: impl IntoIterator<Item = Self>) -> Self {
        let mut states = states.into_iter().peekable();
        if states.peek().is_none() {
            return Self::Pending;
        }
        states.fold(Self::Success, |all, state| match (all, state) {
            (Self::Failure, _) | (_, Self::Error | Self::Failure) => Self::Failure,
            (Self::Pending, _) | (_, Self::Pending) => Self::Pending,
            (all, Self::Success) => all,
        })
    }
}

/// Which checks of a commit must have said that all is well before it is deployed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Contexts {
    /// None.
    #[default]
    Skip,
    /// Every one there is.
    All,
    /// These, by their labels without regard to case.
    These(Vec<String>),
}

impl Contexts {
    /// Which of the checks are looked at, with what each said last: `newest` has every label once. One that was asked for
    /// and said nothing is pending.
    ///
    /// # Errors
    /// All of them, if not every one says that all is well.
    pub fn judge(
        &self,
        newest: &[(String, CommitState)],
    ) -> Result<(), Vec<(String, CommitState)>> {
        let looked_at: Vec<(String, CommitState)> = match self {
            Self::Skip => return Ok(()),
            Self::All => newest.to_vec(),
            Self::These(labels) => labels
                .iter()
                .map(|label| {
                    let said = newest
                        .iter()
                        .find(|(known, _)| known.to_lowercase() == label.to_lowercase());
                    let said = said.map_or(CommitState::Pending, |(_, state)| *state);
                    (label.clone(), said)
                })
                .collect(),
        };
        let is_well = looked_at
            .iter()
            .all(|(_, state)| *state == CommitState::Success);
        if is_well { Ok(()) } else { Err(looked_at) }
    }
}

/// How many statuses one check may give one commit (GitHub's contract).
pub const MAX_STATUSES: u64 = 1000;

/// A request to write down what a check says.
#[derive(Clone, Debug)]
pub struct PostCommitStatus {
    /// In which project.
    pub project: ProjectRef,
    /// Of which commit.
    pub sha: Sha,
    /// What it says.
    pub state: CommitState,
    /// The check's label; compared without regard to case.
    pub context: String,
    /// A short description.
    pub description: Option<String>,
    /// Where to read more.
    pub target_url: Option<String>,
}

/// A request for the statuses of a commit, the newest first.
#[derive(Clone, Debug)]
pub struct ListCommitStatuses {
    /// In which project.
    pub project: ProjectRef,
    /// Of the commit that this names.
    pub name: RefName,
    /// How many at most.
    pub limit: u32,
    /// How many to skip.
    pub offset: u64,
}

/// What a check said, as a reader sees it.
#[derive(Clone, Debug)]
pub struct CommitStatusView {
    /// Its serial.
    pub serial: CommitStatusSerial,
    /// The commit.
    pub sha: Sha,
    /// What it said.
    pub state: CommitState,
    /// The check's label.
    pub context: String,
    /// A short description.
    pub description: Option<String>,
    /// Where to read more.
    pub target_url: Option<String>,
    /// Who wrote it.
    pub by: Principal,
    /// When.
    pub at: Timestamp,
}

/// What all checks say of a commit together.
#[derive(Clone, Debug)]
pub struct Combined {
    /// The commit.
    pub sha: Sha,
    /// What they say together.
    pub state: CommitState,
    /// A page of what each said last, by when it first spoke.
    pub newest: Vec<CommitStatusView>,
    /// How many checks there are.
    pub total: u64,
}

#[cfg(test)]
mod tests {
    use super::CommitState::{Error, Failure, Pending, Success};
    use super::*;

    #[test]
    fn one_bad_check_outweighs_all_others_and_none_is_pending() {
        let cases: [(&[CommitState], CommitState); 7] = [
            (&[], Pending),
            (&[Success], Success),
            (&[Success, Pending], Pending),
            (&[Pending, Failure], Failure),
            (&[Error, Success], Failure),
            (&[Failure, Pending, Success], Failure),
            (&[Pending, Error], Failure),
        ];
        for (states, together) in cases {
            assert_eq!(
                CommitState::combined(states.iter().copied()),
                together,
                "{states:?}"
            );
        }
    }

    #[test]
    fn the_checks_that_are_asked_for_must_all_be_well_whatever_the_case() {
        let newest = [
            ("ci/build".to_owned(), Success),
            ("lint".to_owned(), Failure),
        ];
        let these = |labels: &[&str]| {
            Contexts::These(labels.iter().map(|label| (*label).to_owned()).collect())
        };
        assert_eq!(Contexts::Skip.judge(&newest), Ok(()));
        assert_eq!(Contexts::All.judge(&[]), Ok(()));
        assert_eq!(Contexts::All.judge(&newest), Err(newest.to_vec()));
        assert_eq!(these(&["CI/Build"]).judge(&newest), Ok(()));
        assert_eq!(these(&[]).judge(&newest), Ok(()));
        let with_missing = these(&["ci/build", "deploy"]).judge(&newest);
        assert_eq!(
            with_missing,
            Err(vec![
                ("ci/build".to_owned(), Success),
                ("deploy".to_owned(), Pending)
            ])
        );
    }
}

//! What every code means: the failures of deployments, the errors of the API, and why a daemon is not healthy. The
//! command line and whoever else shows a code read it from here.

mod failures;
mod requests;

use super::failure::FailureCode;

/// What a code means, why it comes and what to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The stable word.
    pub code: &'static str,
    /// Where it stands.
    pub of: &'static [Of],
    /// What it means, in one line.
    pub meaning: &'static str,
    /// How it comes about.
    pub why: &'static str,
    /// What to do, a sentence each.
    pub next: &'static [&'static str],
}

/// What a code is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// A deployment, or a change of an environment, that failed.
    Deployment,
    /// A request that was not carried out.
    Request,
    /// A daemon that is not healthy (`/healthz`).
    Health,
}

impl Of {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deployment => "deployment",
            Self::Request => "request",
            Self::Health => "health",
        }
    }
}

/// All explanations: of failures first, then of requests and of the daemon's health.
pub fn all() -> impl Iterator<Item = &'static Explanation> {
    failures::TABLE.iter().chain(requests::TABLE)
}

/// What that code means.
#[must_use]
pub fn find(code: &str) -> Option<&'static Explanation> {
    all().find(|explanation| explanation.code == code)
}

/// What the code of a failure means.
#[must_use]
pub fn failure(code: FailureCode) -> &'static Explanation {
    failures::of(code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_code_is_explained_once_in_whole_sentences() {
        let mut seen = BTreeSet::new();
        for explanation in all() {
            let code = explanation.code;
            assert!(seen.insert(code), "{code} is there twice");
            assert!(!explanation.of.is_empty(), "{code} is of nothing");
            let meaning = explanation.meaning;
            assert!(
                meaning.len() <= 90 && !meaning.ends_with('.'),
                "{code}: {meaning}"
            );
            assert!(!explanation.next.is_empty(), "{code} says nothing to do");
            for sentence in [explanation.why].iter().chain(explanation.next) {
                let begins = sentence.starts_with(|first: char| {
                    first.is_uppercase() || first == '`' || first == 'l'
                });
                assert!(begins && sentence.ends_with('.'), "{code}: {sentence}");
                assert_eq!(sentence.matches('`').count() % 2, 0, "{code}: {sentence}");
            }
        }
    }

    #[test]
    fn a_failure_is_explained_under_its_own_word() {
        for explanation in failures::TABLE {
            let code = explanation.code;
            let read = serde::de::value::StrDeserializer::<serde::de::value::Error>::new(code);
            let failure: FailureCode = serde::Deserialize::deserialize(read).unwrap();
            assert_eq!(super::failure(failure), explanation);
            assert!(explanation.of.contains(&Of::Deployment));
        }
    }
}

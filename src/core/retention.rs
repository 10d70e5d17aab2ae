//! What is kept and what may go: releases and their images, logs, scratch trees, mirrors, the build cache. Decided
//! here from what is known; nothing is removed because it is not known.

use super::id::ReleaseSerial;
use super::time::Timestamp;
use std::time::Duration;
use uuid::Uuid;

/// What the configuration says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How many releases of each environment keep their images, the live one besides.
    pub keep_releases: usize,
    /// How long the log of a deployment that is no kept release's is kept after its end.
    pub logs: Duration,
    /// How large the log of what an environment's containers print may grow, in bytes.
    pub runtime_logs: u64,
    /// How large the engine's build cache may stay; `None`: it is not touched.
    pub build_cache: Option<u64>,
}

impl Policy {
    /// Whether what ended then is past the time for which logs are kept.
    #[must_use]
    pub fn is_past(&self, ended: Timestamp, now: Timestamp) -> bool {
        let kept = i64::try_from(self.logs.as_millis()).unwrap_or(i64::MAX);
        now.millis_since(ended) > kept
    }
}

/// A release whose image was not given up, as far as its fate depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownRelease {
    /// The row's serial.
    pub serial: ReleaseSerial,
    /// Its number within the environment.
    pub number: i64,
    /// Whether it is the environment's live one.
    pub live: bool,
    /// An unfinished deployment that is to make it live again.
    pub target_of: Option<Uuid>,
    /// Whether a run of it has not ended.
    pub runs: bool,
}

/// What becomes of a release's image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Kept: it is live.
    Live,
    /// Kept: this deployment goes back to it.
    Target(Uuid),
    /// Kept: a run of it has not ended.
    Runs,
    /// Kept: it is one of the last.
    Recent,
    /// Given up: it is older than the last.
    Old,
    /// Given up: its environment was removed.
    EnvironmentRemoved,
}

impl Fate {
    /// Whether the image is to be given up now.
    #[must_use]
    pub fn is_collected_now(self) -> bool {
        match self {
            Self::Old | Self::EnvironmentRemoved => true,
            Self::Live | Self::Target(_) | Self::Runs | Self::Recent => false,
        }
    }

    /// Why, for people.
    #[must_use]
    pub fn reason(self, keep: usize) -> String {
        match self {
            Self::Live => "it is live".to_owned(),
            Self::Target(deployment) => format!("deployment {deployment} goes back to it"),
            Self::Runs => "a run of it has not ended".to_owned(),
            Self::Recent => format!("it is one of the last {keep} (retention.keep_releases)"),
            Self::Old => format!("it is older than the last {keep} (retention.keep_releases)"),
            Self::EnvironmentRemoved => "its environment was removed".to_owned(),
        }
    }
}

/// Decides over the releases of one environment, in their order. The last ones are those with the highest numbers,
/// the live one among them or not.
#[must_use]
pub fn fates(releases: &[KnownRelease], removed: bool, keep: usize) -> Vec<Fate> {
    let mut numbers: Vec<i64> = releases.iter().map(|release| release.number).collect();
    numbers.sort_unstable_by(|a, b| b.cmp(a));
    numbers.truncate(keep);
    let fate = |release: &KnownRelease| match release {
        KnownRelease {
            target_of: Some(deployment),
            ..
        } => Fate::Target(*deployment),
        _ if removed => Fate::EnvironmentRemoved,
        KnownRelease { live: true, .. } => Fate::Live,
        KnownRelease { runs: true, .. } => Fate::Runs,
        KnownRelease { number, .. } if numbers.contains(number) => Fate::Recent,
        _ => Fate::Old,
    };
    releases.iter().map(fate).collect()
}

/// A deployment as far as its log's and its tree's fate depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownDeployment {
    /// When it ended, if it has.
    pub ended_at: Option<Timestamp>,
    /// Whether it is the live one, or made a release whose image is kept.
    pub of_kept_release: bool,
}

impl KnownDeployment {
    /// Whether its log is past its time: it has ended, longer ago than logs are kept, and no release that can be
    /// live again came of it.
    #[must_use]
    pub fn log_is_old(&self, policy: &Policy, now: Timestamp) -> bool {
        !self.of_kept_release
            && self
                .ended_at
                .is_some_and(|ended| policy.is_past(ended, now))
    }
}

/// What a collection did, or would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collection {
    /// Whether it only says what it would do.
    pub explained: bool,
    /// Everything it looked at.
    pub findings: Vec<Finding>,
    /// Why nothing is known of the engine's part; images and releases were left alone then.
    pub engine_away: Option<String>,
}

/// An object and what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub object: String,
    /// How large it is, where that is known. Layers that images share are counted in each.
    pub bytes: Option<u64>,
    /// What becomes of it.
    pub verdict: Verdict,
    /// Why.
    pub reason: String,
}

/// Kinds of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A release's image, by our tag of it.
    Release,
    /// Any other image, by its tag or id.
    Image,
    /// The engine's build cache.
    BuildCache,
    /// A scratch tree, by its deployment.
    Tree,
    /// Deployments' logs.
    Logs,
    /// A project's git mirror.
    Mirror,
}

impl Kind {
    /// The word that is shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Image => "image",
            Self::BuildCache => "build_cache",
            Self::Tree => "tree",
            Self::Logs => "logs",
            Self::Mirror => "mirror",
        }
    }
}

/// What becomes of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It stays.
    Keep,
    /// It would go.
    Collect,
    /// It went.
    Collected,
    /// It was to go and could not.
    Refused,
}

impl Verdict {
    /// The word that is shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Collect => "collect",
            Self::Collected => "collected",
            Self::Refused => "refused",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn release(number: i64) -> KnownRelease {
        KnownRelease {
            serial: ReleaseSerial(number),
            number,
            live: false,
            target_of: None,
            runs: false,
        }
    }

    fn live(number: i64) -> KnownRelease {
        KnownRelease {
            live: true,
            ..release(number)
        }
    }

    fn words(releases: &[KnownRelease], removed: bool, keep: usize) -> String {
        let word = |fate| match fate {
            Fate::Live => 'L',
            Fate::Target(_) => 'T',
            Fate::Runs => 'J',
            Fate::Recent => 'R',
            Fate::Old => 'o',
            Fate::EnvironmentRemoved => 'e',
        };
        fates(releases, removed, keep)
            .into_iter()
            .map(word)
            .collect()
    }

    #[test]
    fn the_live_release_the_last_ones_and_rollback_targets_are_kept() {
        let target = KnownRelease {
            target_of: Some(Uuid::nil()),
            ..release(2)
        };
        let all = |live_number: i64| -> Vec<KnownRelease> {
            (1..=7)
                .map(|n| {
                    if n == live_number {
                        live(n)
                    } else {
                        release(n)
                    }
                })
                .collect()
        };
        for (releases, removed, keep, expected) in [
            (vec![], false, 5, ""),
            (vec![live(1)], false, 5, "L"),
            (vec![live(1)], false, 1, "L"),
            (all(7), false, 5, "ooRRRRL"),
            (all(7), false, 2, "oooooRL"),
            (all(7), false, 1, "ooooooL"),
            // After a rollback the newer ones are still the last.
            (all(3), false, 2, "ooLooRR"),
            // Nothing is live any more: the environment was stopped before anything else was.
            (all(0), false, 2, "oooooRR"),
            (
                vec![release(1), target, release(3), live(4)],
                false,
                1,
                "oToL",
            ),
            (
                vec![
                    KnownRelease {
                        runs: true,
                        ..release(1)
                    },
                    release(2),
                    live(3),
                ],
                false,
                1,
                "JoL",
            ),
            // What was given up before is not among them: the last are the last of those that are left.
            (vec![release(2), live(4)], false, 2, "RL"),
            (vec![release(2), release(3)], true, 5, "ee"),
        ] {
            assert_eq!(
                words(&releases, removed, keep),
                expected,
                "{releases:?} {keep}"
            );
        }
    }

    proptest! {
        #[test]
        fn never_more_than_needed_goes(count in 1i64..30, live_number in 1i64..30, target in 1i64..30, keep in 1usize..10) {
            let releases: Vec<KnownRelease> = (1..=count)
                .map(|n| KnownRelease { live: n == live_number, target_of: (n == target).then(Uuid::nil), ..release(n) })
                .collect();
            let fates = fates(&releases, false, keep);
            for (release, fate) in releases.iter().zip(&fates) {
                if release.live || release.target_of.is_some() || release.number > count - i64::try_from(keep).unwrap() {
                    prop_assert!(!fate.is_collected_now(), "{release:?}");
                }
            }
            let kept = fates.iter().filter(|fate| !fate.is_collected_now()).count();
            prop_assert!(kept <= keep + 2);
        }
    }

    #[test]
    fn a_log_goes_only_when_it_is_old_and_no_kept_release_came_of_it() {
        let policy = Policy {
            keep_releases: 5,
            logs: Duration::from_secs(10),
            runtime_logs: 1 << 26,
            build_cache: None,
        };
        let now = Timestamp(100_000);
        for (ended_at, of_kept_release, expected) in [
            (None, false, false),
            (Some(Timestamp(95_000)), false, false),
            (Some(Timestamp(90_000)), false, false),
            (Some(Timestamp(89_999)), false, true),
            (Some(Timestamp(0)), true, false),
            // The clock was set back.
            (Some(Timestamp(200_000)), false, false),
        ] {
            let known = KnownDeployment {
                ended_at,
                of_kept_release,
            };
            assert_eq!(known.log_is_old(&policy, now), expected, "{known:?}");
        }
    }
}

//! How often somebody may ask, and what they are told about it.

use std::num::NonZeroU32;

/// What an allowance says where there is no limit: the largest number every client's integer holds.
pub const UNLIMITED: u32 = i32::MAX as u32;

/// How often a token may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RatePlan {
    /// 100 requests a minute, 20 at once; also what strangers have.
    Starter,
    /// 1000 requests a minute, 200 at once: a token's unless something else is asked for.
    Pro,
    /// As often as they like.
    Enterprise,
    /// Figures of its own.
    Custom(Rate),
}

/// A bucket: it holds `burst` requests and gets `per_minute` back each minute, evenly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many requests a minute in the long run.
    pub per_minute: NonZeroU32,
    /// How many at once.
    pub burst: NonZeroU32,
}

impl Rate {
    /// The largest figure of either kind: beyond it only `enterprise` makes sense, and buckets count in nanoseconds.
    pub const MAX: u32 = 1_000_000;

    /// A rate of two numbers from 1 to [`Rate::MAX`].
    #[must_use]
    pub fn new(per_minute: u32, burst: u32) -> Option<Self> {
        let within = |figure| NonZeroU32::new(figure).filter(|figure| figure.get() <= Self::MAX);
        Some(Self {
            per_minute: within(per_minute)?,
            burst: within(burst)?,
        })
    }

    const STARTER: Self = Self::fixed(100, 20);
    const PRO: Self = Self::fixed(1000, 200);

    /// A rate of two numbers that stand in the program.
    pub(super) const fn fixed(per_minute: u32, burst: u32) -> Self {
        match (NonZeroU32::new(per_minute), NonZeroU32::new(burst)) {
            (Some(per_minute), Some(burst)) => Self { per_minute, burst },
            (None, _) | (_, None) => panic!("a plan's figures are not 0"),
        }
    }
}

impl RatePlan {
    /// Its figures; `None` if there is no limit.
    #[must_use]
    pub fn rate(self) -> Option<Rate> {
        match self {
            Self::Starter => Some(Rate::STARTER),
            Self::Pro => Some(Rate::PRO),
            Self::Enterprise => None,
            Self::Custom(rate) => Some(rate),
        }
    }

    /// The word in answers and the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starter => "starter",
            Self::Pro => "pro",
            Self::Enterprise => "enterprise",
            Self::Custom(_) => "custom",
        }
    }

    /// Reads the word back; `custom` needs its figures, and no other plan has any.
    #[must_use]
    pub fn parse(word: &str, rate: Option<Rate>) -> Option<Self> {
        match (word, rate) {
            ("starter", None) => Some(Self::Starter),
            ("pro", None) => Some(Self::Pro),
            ("enterprise", None) => Some(Self::Enterprise),
            ("custom", Some(rate)) => Some(Self::Custom(rate)),
            _ => None,
        }
    }

    /// Whether whoever has this plan may hand out `other`: it allows nothing more, in the long run or at once.
    #[must_use]
    pub fn covers(self, other: Self) -> bool {
        match (self.rate(), other.rate()) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(own), Some(other)) => {
                other.per_minute <= own.per_minute && other.burst <= own.burst
            }
        }
    }
}

/// How much somebody may still ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// How many requests a minute.
    pub limit: u32,
    /// How many at once when it is whole.
    pub burst: u32,
    /// How many at once now.
    pub remaining: u32,
    /// The Unix second at which it is as many as ever.
    pub full_at: i64,
}

/// A request too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// Whose limit it was.
    pub plan: RatePlan,
    /// How many requests a minute that is.
    pub limit: u32,
    /// In how many seconds the next one will be taken; at least 1.
    pub retry_after: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn custom(per_minute: u32, burst: u32) -> RatePlan {
        RatePlan::Custom(Rate::new(per_minute, burst).unwrap())
    }

    #[test]
    fn a_plan_covers_what_allows_nothing_more() {
        for plan in [
            RatePlan::Starter,
            RatePlan::Pro,
            RatePlan::Enterprise,
            custom(7, 3),
        ] {
            assert!(plan.covers(plan));
            assert!(RatePlan::Enterprise.covers(plan));
            assert_eq!(
                plan.covers(RatePlan::Enterprise),
                plan == RatePlan::Enterprise
            );
        }
        assert!(
            RatePlan::Pro.covers(RatePlan::Starter) && !RatePlan::Starter.covers(RatePlan::Pro)
        );
        assert!(
            !RatePlan::Starter.covers(custom(100, 21))
                && !RatePlan::Starter.covers(custom(101, 20))
        );
        assert!(
            RatePlan::Starter.covers(custom(100, 20)) && custom(100, 20).covers(RatePlan::Starter)
        );
    }

    #[test]
    fn words_and_figures_are_read_back_and_nothing_else_is() {
        for plan in [RatePlan::Starter, RatePlan::Pro, RatePlan::Enterprise] {
            assert_eq!(RatePlan::parse(plan.as_str(), None), Some(plan));
            assert_eq!(RatePlan::parse(plan.as_str(), Rate::new(1, 1)), None);
        }
        let rate = Rate::new(1, Rate::MAX);
        assert_eq!(RatePlan::parse("custom", rate), rate.map(RatePlan::Custom));
        assert_eq!(RatePlan::parse("custom", None), None);
        for (per_minute, burst) in [(0, 1), (1, 0), (Rate::MAX + 1, 1), (1, Rate::MAX + 1)] {
            assert_eq!(Rate::new(per_minute, burst), None);
        }
    }
}

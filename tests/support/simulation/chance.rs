//! Chance that can be had again: a stream of numbers made from a seed (SplitMix64).

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub struct Chance(AtomicU64);

impl Chance {
    /// The `stream`th of a seed's streams: drawing from one moves no other.
    pub fn new(seed: u64, stream: u64) -> Self {
        let chance = Self(AtomicU64::new(
            seed.wrapping_mul(0xD134_2543_DE82_EF95)
                .wrapping_add(stream << 32),
        ));
        chance.next();
        chance
    }

    pub fn next(&self) -> u64 {
        let golden = 0x9E37_79B9_7F4A_7C15;
        let mut mixed = self
            .0
            .fetch_add(golden, Ordering::Relaxed)
            .wrapping_add(golden);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub fn below(&self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    pub fn between(&self, from: u64, to: u64) -> u64 {
        from + self.below(to - from + 1)
    }

    /// True so many times in a thousand.
    pub fn in_thousand(&self, times: u64) -> bool {
        self.below(1000) < times
    }

    pub fn pick<T: Copy>(&self, among: &[T]) -> T {
        among[usize::try_from(self.below(among.len() as u64)).unwrap()]
    }

    pub fn millis(&self, from: u64, to: u64) -> Duration {
        Duration::from_millis(self.between(from, to))
    }
}

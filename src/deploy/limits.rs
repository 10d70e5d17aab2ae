//! How often somebody may ask: a bucket for every token, and one for every address requests without a good token come
//! from. Buckets are in memory only; a daemon that starts anew gives everybody a full one.

use crate::core::id::PrincipalSerial;
use crate::core::ports::Clock;
use crate::core::rate::{Allowance, Exceeded, Rate, RatePlan, UNLIMITED};
use crate::core::time::Timestamp;
use governor::clock::Clock as GovernorClock;
use governor::middleware::{NoOpMiddleware, StateInformationMiddleware};
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed, StateStore};
use governor::{Quota, RateLimiter};
use std::collections::HashMap;
use std::convert::Infallible;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How many buckets of a kind are remembered: 1 MiB or two of memory, however many addresses somebody has.
const MAX_BUCKETS: usize = 10_000;

/// What somebody without a good token may ask.
const STRANGERS: RatePlan = RatePlan::Starter;

pub(super) struct Limits {
    clock: Monotonic,
    tokens: Buckets<PrincipalSerial>,
    addresses: Buckets<IpAddr>,
}

/// The port's clock, as the buckets ask it.
#[derive(Clone)]
struct Monotonic(Arc<dyn Clock>);

impl GovernorClock for Monotonic {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.0.monotonic().into()
    }
}

type Buckets<K> = Mutex<HashMap<K, Bucket>>;

struct Bucket {
    limiter: RateLimiter<NotKeyed, Level, Monotonic, StateInformationMiddleware>,
    level: Level,
    /// When it is full again, on the monotonic clock: from then on it is like a new one.
    full_at: Duration,
}

/// How full a bucket is. The limiter only ever takes; who holds this beside it can also put something back.
#[derive(Clone, Default)]
struct Level(Arc<InMemoryState>);

impl StateStore for Level {
    type Key = NotKeyed;

    fn measure_and_replace<T, F, E>(&self, key: &NotKeyed, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        self.0.measure_and_replace(key, f)
    }
}

impl Level {
    /// Puts one request back that takes this long to come back by itself. One that was full stays so.
    fn put_back(&self, one: Duration) {
        let earlier = |full_at: Option<Nanos>| {
            let full_at = full_at.unwrap_or_default().saturating_sub(Nanos::from(one));
            Ok::<_, Infallible>(((), full_at))
        };
        let Ok(()) = self.measure_and_replace(&NotKeyed::NonKey, earlier);
    }
}

impl Limits {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock: Monotonic(clock),
            tokens: Mutex::default(),
            addresses: Mutex::default(),
        }
    }

    /// One request of a token's.
    pub(super) fn take(
        &self,
        token: PrincipalSerial,
        plan: RatePlan,
    ) -> (Allowance, Option<Exceeded>) {
        self.take_from(&self.tokens, token, plan)
    }

    /// One request of nobody we know.
    pub(super) fn take_of_stranger(&self, address: IpAddr) -> (Allowance, Option<Exceeded>) {
        self.take_from(&self.addresses, network(address), STRANGERS)
    }

    /// What a token may still ask, of which nothing is taken.
    pub(super) fn look(&self, token: PrincipalSerial, plan: RatePlan) -> Allowance {
        self.look_into(&self.tokens, token, plan)
    }

    /// The same of nobody we know.
    pub(super) fn look_of_stranger(&self, address: IpAddr) -> Allowance {
        self.look_into(&self.addresses, network(address), STRANGERS)
    }

    /// Takes back that a request of a token's was counted.
    pub(super) fn put_back(&self, token: PrincipalSerial, plan: RatePlan) -> Allowance {
        self.put_back_into(&self.tokens, token, plan);
        self.look(token, plan)
    }

    /// The same of nobody we know.
    pub(super) fn put_back_of_stranger(&self, address: IpAddr) -> Allowance {
        self.put_back_into(&self.addresses, network(address), STRANGERS);
        self.look_of_stranger(address)
    }

    /// What is said where nothing is counted.
    pub(super) fn unlimited(&self) -> Allowance {
        Allowance {
            limit: UNLIMITED,
            burst: UNLIMITED,
            remaining: UNLIMITED,
            full_at: self.clock.0.now().0.div_euclid(1000),
        }
    }

    fn take_from<K: Copy + Eq + Hash>(
        &self,
        buckets: &Buckets<K>,
        key: K,
        plan: RatePlan,
    ) -> (Allowance, Option<Exceeded>) {
        let Some(rate) = plan.rate() else {
            return (self.unlimited(), None);
        };
        let (monotonic, now) = (self.clock.0.monotonic(), self.clock.0.now());
        let mut buckets = buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MAX_BUCKETS && !buckets.contains_key(&key) {
            forget(&mut buckets, monotonic);
        }
        let bucket = buckets.entry(key).or_insert_with(|| {
            let level = Level::default();
            let limiter: RateLimiter<_, _, _, NoOpMiddleware<Nanos>> =
                RateLimiter::new(quota(rate), level.clone(), self.clock.clone());
            Bucket {
                limiter: limiter.with_middleware(),
                level,
                full_at: monotonic,
            }
        });
        let (remaining, wait) = match bucket.limiter.check() {
            Ok(state) => (state.remaining_burst_capacity(), None),
            Err(until) => (0, Some(until.wait_time_from(monotonic.into()))),
        };
        let until_full = until_full(rate, remaining);
        bucket.full_at = monotonic + until_full;
        let allowance = allowance(rate, remaining, now);
        let exceeded = wait.map(|wait| Exceeded {
            plan,
            limit: rate.per_minute.get(),
            retry_after: wait.as_millis().div_ceil(1000).max(1) as u64,
        });
        (allowance, exceeded)
    }

    /// Only taking tells how much there is: so one is taken and put back.
    fn look_into<K: Copy + Eq + Hash>(
        &self,
        buckets: &Buckets<K>,
        key: K,
        plan: RatePlan,
    ) -> Allowance {
        let (taken, exceeded) = self.take_from(buckets, key, plan);
        let (Some(rate), None) = (plan.rate(), exceeded) else {
            return taken;
        };
        self.put_back_into(buckets, key, plan);
        let remaining = taken.remaining.saturating_add(1).min(rate.burst.get());
        allowance(rate, remaining, self.clock.0.now())
    }

    fn put_back_into<K: Copy + Eq + Hash>(&self, buckets: &Buckets<K>, key: K, plan: RatePlan) {
        let Some(rate) = plan.rate() else {
            return;
        };
        let mut buckets = buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = buckets.get_mut(&key) {
            bucket.level.put_back(interval(rate));
            bucket.full_at = bucket.full_at.saturating_sub(interval(rate));
        }
    }
}

fn allowance(rate: Rate, remaining: u32, now: Timestamp) -> Allowance {
    Allowance {
        limit: rate.per_minute.get(),
        burst: rate.burst.get(),
        remaining,
        full_at: second_after(now, until_full(rate, remaining)),
    }
}

/// Counted in whole requests, so at most one request's time too late.
fn until_full(rate: Rate, remaining: u32) -> Duration {
    interval(rate) * rate.burst.get().saturating_sub(remaining)
}

fn quota(rate: Rate) -> Quota {
    Quota::per_minute(rate.per_minute).allow_burst(rate.burst)
}

/// How long one request takes to come back.
fn interval(rate: Rate) -> Duration {
    Duration::from_secs(60) / rate.per_minute.get()
}

/// The first Unix second that is not before then.
fn second_after(now: Timestamp, wait: Duration) -> i64 {
    let wait = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
    let then = now.0.saturating_add(wait);
    then.div_euclid(1000) + i64::from(then.rem_euclid(1000) > 0)
}

/// Makes room: full buckets are as good as new ones, and of the others the emptier half stays. Who comes from ever new
/// addresses can so make others' buckets full, and never empty.
fn forget<K: Copy + Eq + Hash>(buckets: &mut HashMap<K, Bucket>, now: Duration) {
    buckets.retain(|_, bucket| bucket.full_at > now);
    if buckets.len() > MAX_BUCKETS / 2 {
        let mut times: Vec<Duration> = buckets.values().map(|bucket| bucket.full_at).collect();
        times.sort_unstable();
        let middle = times[times.len() / 2];
        buckets.retain(|_, bucket| bucket.full_at > middle);
    }
}

/// Whose address it is: of IPv6 the first half, which is what one customer is given.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_trait::async_trait;
    use proptest::prelude::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// A clock that stands until it is turned; the wall's began at second 1000.
    #[derive(Default)]
    struct Turned(AtomicU64);

    #[async_trait]
    impl Clock for Turned {
        fn now(&self) -> Timestamp {
            Timestamp(1_000_000 + i64::try_from(self.0.load(Ordering::Relaxed)).unwrap())
        }

        fn monotonic(&self) -> Duration {
            Duration::from_millis(self.0.load(Ordering::Relaxed))
        }

        async fn sleep(&self, _: Duration) {}
    }

    fn limits() -> (Arc<Turned>, Limits) {
        let clock = Arc::new(Turned::default());
        (clock.clone(), Limits::new(clock))
    }

    const ANN: PrincipalSerial = PrincipalSerial(1);
    const BOB: PrincipalSerial = PrincipalSerial(2);

    #[test]
    fn a_bucket_holds_the_burst_and_fills_evenly() {
        let (clock, limits) = limits();
        for left in (0..20).rev() {
            let (allowance, exceeded) = limits.take(ANN, RatePlan::Starter);
            assert_eq!((allowance.limit, allowance.remaining), (100, left));
            assert_eq!(exceeded, None);
        }
        let (allowance, exceeded) = limits.take(ANN, RatePlan::Starter);
        assert_eq!((allowance.remaining, allowance.full_at), (0, 1012));
        let exceeded = exceeded.unwrap();
        assert_eq!((exceeded.limit, exceeded.retry_after), (100, 1));
        // Every 600 ms one comes back.
        clock.0.store(599, Ordering::Relaxed);
        assert!(limits.take(ANN, RatePlan::Starter).1.is_some());
        clock.0.store(600, Ordering::Relaxed);
        assert!(limits.take(ANN, RatePlan::Starter).1.is_none());
        assert!(limits.take(ANN, RatePlan::Starter).1.is_some());
        // Somebody else's is another.
        assert_eq!(limits.take(BOB, RatePlan::Starter).0.remaining, 19);
        clock.0.store(60_000, Ordering::Relaxed);
        let (allowance, _) = limits.take(ANN, RatePlan::Starter);
        assert_eq!((allowance.remaining, allowance.full_at), (19, 1061));
    }

    #[test]
    fn who_is_slow_waits_as_long_as_they_are_told() {
        let (clock, limits) = limits();
        let plan = RatePlan::Custom(Rate::new(2, 1).unwrap());
        assert!(limits.take(ANN, plan).1.is_none());
        clock.0.store(500, Ordering::Relaxed);
        let (allowance, exceeded) = limits.take(ANN, plan);
        assert_eq!(exceeded.unwrap().retry_after, 30);
        assert_eq!(allowance.full_at, 1031);
        clock.0.store(30_000, Ordering::Relaxed);
        assert!(limits.take(ANN, plan).1.is_none());
    }

    #[test]
    fn a_request_that_is_put_back_was_never_counted() {
        let (clock, limits) = limits();
        let full = limits.look(ANN, RatePlan::Starter);
        assert_eq!((full.limit, full.burst, full.remaining), (100, 20, 20));
        for _ in 0..3 {
            limits.take(ANN, RatePlan::Starter);
        }
        let kept = limits.put_back(ANN, RatePlan::Starter);
        assert_eq!((kept.remaining, kept.full_at), (18, 1002));
        assert_eq!(limits.look(ANN, RatePlan::Starter), kept);
        // What came back by itself meanwhile does not come back twice.
        clock.0.store(60_000, Ordering::Relaxed);
        limits.put_back(ANN, RatePlan::Starter);
        for left in (0..20).rev() {
            let (allowance, exceeded) = limits.take(ANN, RatePlan::Starter);
            assert_eq!((allowance.remaining, exceeded), (left, None));
        }
        assert!(limits.take(ANN, RatePlan::Starter).1.is_some());
        assert_eq!(limits.look(ANN, RatePlan::Starter).remaining, 0);
        assert_eq!(limits.put_back(ANN, RatePlan::Starter).remaining, 1);
        assert!(limits.take(ANN, RatePlan::Starter).1.is_none());
        let stranger: IpAddr = "192.0.2.1".parse().unwrap();
        limits.take_of_stranger(stranger);
        assert_eq!(limits.look_of_stranger(stranger).remaining, 19);
        assert_eq!(limits.put_back_of_stranger(stranger).remaining, 20);
        assert_eq!(limits.look(ANN, RatePlan::Enterprise).remaining, UNLIMITED);
    }

    #[test]
    fn who_has_no_limit_is_told_numbers_all_the_same() {
        let (_, limits) = limits();
        for _ in 0..5000 {
            let (allowance, exceeded) = limits.take(ANN, RatePlan::Enterprise);
            assert_eq!(allowance.limit, 2_147_483_647);
            assert_eq!((allowance.remaining, allowance.full_at), (UNLIMITED, 1000));
            assert_eq!(exceeded, None);
        }
    }

    #[test]
    fn strangers_of_one_network_share_a_bucket() {
        let (_, limits) = limits();
        let take = |text: &str| {
            let address = text.parse().unwrap();
            limits.take_of_stranger(address).0.remaining
        };
        assert_eq!(take("192.0.2.1"), 19);
        assert_eq!(take("::ffff:192.0.2.1"), 18);
        assert_eq!(take("192.0.2.2"), 19);
        assert_eq!(take("2001:db8:0:1::1"), 19);
        assert_eq!(take("2001:db8:0:1:ffff::2"), 18);
        assert_eq!(take("2001:db8:0:2::1"), 19);
    }

    #[test]
    fn as_many_addresses_as_somebody_likes_take_no_more_memory_and_nobody_elses_turn() {
        let (clock, limits) = limits();
        let innocent: IpAddr = "192.0.2.1".parse().unwrap();
        for index in 0..100_000u32 {
            let address = IpAddr::V4(index.to_be_bytes().into());
            assert!(limits.take_of_stranger(address).1.is_none());
            clock
                .0
                .fetch_add(u64::from(index % 3 == 0), Ordering::Relaxed);
            let known = limits.addresses.lock().unwrap().len();
            assert!(known <= MAX_BUCKETS, "{known}");
        }
        assert!(limits.take_of_stranger(innocent).1.is_none());
    }

    proptest! {
        /// Over any stretch of time nobody gets more than what was in the bucket and what came back meanwhile, and who
        /// waits as long as they were told is served.
        #[test]
        fn nobody_gets_more_than_their_rate_and_who_waits_is_served(
            per_minute in 1u32..5000, burst in 1u32..50, pauses in prop::collection::vec(0u64..3000, 1..300),
        ) {
            let (clock, limits) = limits();
            let plan = RatePlan::Custom(Rate::new(per_minute, burst).unwrap());
            let mut served = 0u64;
            for pause in pauses {
                let now = clock.0.fetch_add(pause, Ordering::Relaxed) + pause;
                let (allowance, exceeded) = limits.take(ANN, plan);
                prop_assert!(allowance.remaining < burst);
                prop_assert!(allowance.full_at * 1000 > 1_000_000 + i64::try_from(now).unwrap());
                match exceeded {
                    None => served += 1,
                    Some(exceeded) => prop_assert!(exceeded.retry_after >= 1 && allowance.remaining == 0),
                }
                prop_assert!(served <= u64::from(burst) + now * u64::from(per_minute) / 60_000 + 1);
            }
            if let (_, Some(exceeded)) = limits.take(ANN, plan) {
                clock.0.fetch_add(exceeded.retry_after * 1000, Ordering::Relaxed);
                prop_assert!(limits.take(ANN, plan).1.is_none());
            }
        }
    }
}

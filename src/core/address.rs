//! Where in the address pool an environment's network lies, and which address a container gets. The lower half of
//! a network's /26 is ours to give out; the upper half is the engine's own, so that it never hands out an address
//! that one of our rows still names.

use ipnet::Ipv4Net;
use std::net::Ipv4Addr;

/// The size of an environment's network.
const NETWORK_PREFIX: u8 = 26;
/// The first address we give out: 0 is the network's, 1 the gateway's.
const FIRST: u32 = 2;
/// The first address of the engine's half.
const ENGINE_HALF: u32 = 32;

/// The next network of the pool that none of `taken` overlaps, going round from the one given out last, so that what may
/// still know an address of one that was given back has the longest time to forget it; `None` when the pool is full.
#[must_use]
pub fn free_network(pool: Ipv4Net, taken: &[Ipv4Net], last: Option<Ipv4Net>) -> Option<Ipv4Net> {
    let is_free = |subnet: &Ipv4Net| !taken.iter().any(|t| overlaps(*t, *subnet));
    let all = || pool.subnets(NETWORK_PREFIX).ok();
    let is_behind = |subnet: &Ipv4Net| last.is_some_and(|last| subnet.network() > last.network());
    let mut behind = all()?.filter(is_behind);
    behind.find(is_free).or_else(|| all()?.find(is_free))
}

/// The engine's own half of an environment's network.
#[must_use]
pub fn engine_half(network: Ipv4Net) -> Option<Ipv4Net> {
    network.subnets(NETWORK_PREFIX + 1).ok()?.nth(1)
}

/// The next address of our half that no row names, going round from the one given out last, so that a stale
/// route has the longest time to be forgotten; `None` when all are taken.
#[must_use]
pub fn free_address(
    network: Ipv4Net,
    taken: &[Ipv4Addr],
    last: Option<Ipv4Addr>,
) -> Option<Ipv4Addr> {
    let base = u32::from(network.network());
    let count = ENGINE_HALF - FIRST;
    let start = last.map_or(0, |last| {
        (u32::from(last).wrapping_sub(base).saturating_sub(FIRST) + 1) % count
    });
    (0..count)
        .map(|step| Ipv4Addr::from(base + FIRST + (start + step) % count))
        .find(|address| !taken.contains(address))
}

/// Whether two networks share an address.
#[must_use]
pub fn overlaps(one: Ipv4Net, other: Ipv4Net) -> bool {
    one.contains(&other.network()) || other.contains(&one.network())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_cut_from_the_pool_lowest_first_and_never_overlap() {
        let pool: Ipv4Net = "10.213.0.0/16".parse().unwrap();
        let mut taken: Vec<Ipv4Net> = vec!["10.213.0.64/26".parse().unwrap()];
        taken.push(free_network(pool, &taken, None).unwrap());
        taken.push(free_network(pool, &taken, Some(taken[1])).unwrap());
        assert_eq!(
            taken[1..],
            [
                "10.213.0.0/26".parse().unwrap(),
                "10.213.0.128/26".parse().unwrap()
            ]
        );
        assert_eq!(
            free_network(
                "10.0.0.0/26".parse().unwrap(),
                &["10.0.0.0/8".parse().unwrap()],
                None
            ),
            None
        );
        assert_eq!(
            engine_half(taken[1]),
            Some("10.213.0.32/27".parse().unwrap())
        );
    }

    #[test]
    fn networks_go_round_the_pool_before_one_that_was_given_back_is_given_out_again() {
        let pool: Ipv4Net = "10.0.0.0/24".parse().unwrap();
        let all: Vec<Ipv4Net> = pool.subnets(26).unwrap().collect();
        let at = |index: usize| Some(all[index]);
        assert_eq!(free_network(pool, &[], at(0)), at(1));
        assert_eq!(free_network(pool, &all[2..3], at(1)), at(3));
        assert_eq!(free_network(pool, &all[..1], at(3)), at(1));
        assert_eq!(free_network(pool, &all, at(3)), None);
        // Another pool before it, or behind it.
        assert_eq!(
            free_network(pool, &[], "192.168.0.0/26".parse().ok()),
            at(0)
        );
        assert_eq!(free_network(pool, &[], "9.0.0.0/26".parse().ok()), at(0));
    }

    #[test]
    fn addresses_go_round_our_half_and_skip_what_a_row_names() {
        let network: Ipv4Net = "10.213.0.64/26".parse().unwrap();
        let at = |last: u8| Ipv4Addr::new(10, 213, 0, last);
        assert_eq!(free_address(network, &[], None), Some(at(66)));
        assert_eq!(free_address(network, &[at(67)], Some(at(66))), Some(at(68)));
        assert_eq!(free_address(network, &[], Some(at(95))), Some(at(66)));
        let all: Vec<Ipv4Addr> = (66..=95).map(at).collect();
        assert_eq!(free_address(network, &all, Some(at(70))), None);
    }
}

//! Whether the address pool is free on this host. A pool that overlaps a route of somebody else's would swallow
//! traffic for it, or be swallowed.

use super::connection::Docker;
use super::network;
use crate::core::address::overlaps;
use crate::core::ports::EngineError;
use ipnet::Ipv4Net;
use std::net::Ipv4Addr;

/// A route of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where it leads to.
    pub to: Ipv4Net,
    /// The interface it leaves by.
    pub interface: String,
}

/// Why the pool cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// Somebody else has addresses of it.
    #[error("docker.address_pool {pool} overlaps {with}{}", match .free { Some(free) => format!("; {free} is free on this host"), None => "; no /16 of the private ranges is free on this host".to_owned() })]
    Conflict {
        /// The pool.
        pool: Ipv4Net,
        /// What it overlaps: a route with its interface, or another network of the engine.
        with: String,
        /// A pool that could be used.
        free: Option<Ipv4Net>,
    },
    /// The engine could not be asked which networks are ours.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Asks whether the pool overlaps a route of this host or a network of its engine that is not this instance's.
///
/// # Errors
/// Names the first overlap and a pool that is free; or says why the engine could not be asked.
pub async fn check_pool(docker: &Docker, pool: Ipv4Net) -> Result<(), PoolError> {
    let networks = network::all(docker).await?;
    let table = match docker.is_local() {
        true => tokio::fs::read_to_string("/proc/net/route")
            .await
            .unwrap_or_default(),
        false => String::new(),
    };
    judge(pool, &parse_routes(&table), &networks)
}

fn judge(pool: Ipv4Net, routes: &[Route], networks: &[network::Known]) -> Result<(), PoolError> {
    let is_ours = |to: Ipv4Net| {
        networks
            .iter()
            .any(|network| network.ours && network.subnets.contains(&to))
    };
    let of_networks = networks
        .iter()
        .filter(|network| !network.ours)
        .flat_map(|network| {
            network.subnets.iter().map(|subnet| {
                (
                    *subnet,
                    format!("{subnet} of the Docker network '{}'", network.name),
                )
            })
        });
    let of_host = routes
        .iter()
        .filter(|route| !is_ours(route.to))
        .map(|route| {
            (
                route.to,
                format!("the route to {} on {}", route.to, route.interface),
            )
        });
    // A network of the engine has a route too; its own name says more than the bridge's.
    let others: Vec<(Ipv4Net, String)> = of_networks.chain(of_host).collect();
    let Some((_, with)) = others.iter().find(|(to, _)| overlaps(*to, pool)) else {
        return Ok(());
    };
    let taken: Vec<Ipv4Net> = others.iter().map(|(to, _)| *to).collect();
    Err(PoolError::Conflict {
        pool,
        with: with.clone(),
        free: free_pool(&taken),
    })
}

/// A private /16 that nothing of `taken` overlaps: of 10.0.0.0/8 from the default pool upwards and round, else of
/// 172.16.0.0/12.
#[must_use]
pub fn free_pool(taken: &[Ipv4Net]) -> Option<Ipv4Net> {
    let ten = (213..=255)
        .chain(0..213)
        .map(|second| Ipv4Addr::new(10, second, 0, 0));
    let hundred = (16..32).map(|second| Ipv4Addr::new(172, second, 0, 0));
    ten.chain(hundred)
        .filter_map(|address| Ipv4Net::new(address, 16).ok())
        .find(|pool| !taken.iter().any(|net| overlaps(*net, *pool)))
}

/// The routes of `/proc/net/route`. Default routes are left out, also the two halves of one by which tunnels take
/// all traffic: they lead to what no other route leads to.
#[must_use]
pub fn parse_routes(table: &str) -> Vec<Route> {
    let route = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let word = |index: usize| {
            let number = u32::from_str_radix(fields.get(index)?, 16).ok()?;
            Some(Ipv4Addr::from(number.to_ne_bytes()))
        };
        let to = Ipv4Net::with_netmask(word(1)?, word(7)?).ok()?.trunc();
        let interface = (*fields.first()?).to_owned();
        (to.prefix_len() > 1).then_some(Route { to, interface })
    };
    table.lines().skip(1).filter_map(route).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TABLE: &str =
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0
tun0\t00000000\t0100000A\t0003\t0\t0\t0\t00000080\t0\t0\t0
eth0\t0000000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
br-1\t4000D50A\t00000000\t0001\t0\t0\t0\tC0FFFFFF\t0\t0\t0
";

    fn net(text: &str) -> Ipv4Net {
        text.parse().unwrap()
    }

    fn known(name: &str, ours: bool, subnet: &str) -> network::Known {
        network::Known {
            name: name.to_owned(),
            ours,
            subnets: vec![net(subnet)],
        }
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn routes_are_read_without_default_routes() {
        let routes = parse_routes(TABLE);
        let all: Vec<_> = routes
            .iter()
            .map(|route| (route.to, route.interface.as_str()))
            .collect();
        assert_eq!(
            all,
            [
                (net("10.0.0.0/24"), "eth0"),
                (net("10.213.0.64/26"), "br-1")
            ]
        );
    }

    #[test]
    fn our_own_networks_are_no_conflict_and_everything_else_is() {
        let pool = net("10.213.0.0/16");
        let bridge = Route {
            to: net("10.213.0.64/26"),
            interface: "br-1".to_owned(),
        };
        let ours = [known("web", true, "10.213.0.64/26")];
        assert_eq!(judge(pool, std::slice::from_ref(&bridge), &ours), Ok(()));
        let error = judge(pool, std::slice::from_ref(&bridge), &[])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("10.213.0.64/26 on br-1") && error.contains("10.214.0.0/16 is free"),
            "{error}"
        );
        let theirs = [known("other", false, "10.213.0.64/26")];
        let error = judge(pool, &[bridge], &theirs).unwrap_err().to_string();
        assert!(error.contains("Docker network 'other'"), "{error}");
        let vpn = Route {
            to: net("10.0.0.0/8"),
            interface: "wg0".to_owned(),
        };
        let error = judge(pool, &[vpn], &[]).unwrap_err().to_string();
        assert!(
            error.contains("on wg0") && error.contains("172.16.0.0/16 is free"),
            "{error}"
        );
    }

    #[test]
    fn a_free_pool_is_looked_for_in_all_private_sixteens() {
        assert_eq!(free_pool(&[]), Some(net("10.213.0.0/16")));
        assert_eq!(
            free_pool(&[net("10.213.7.0/24"), net("10.214.0.0/15")]),
            Some(net("10.216.0.0/16"))
        );
        assert_eq!(free_pool(&[net("0.0.0.0/0")]), None);
    }

    proptest! {
        #[test]
        fn any_text_is_a_table(text in "[ \tA-F0-9\n\u{e9}]{0,200}") {
            let _ = parse_routes(&text);
        }
    }
}

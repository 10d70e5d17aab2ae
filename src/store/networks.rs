//! The environments' networks: which one a new environment gets, and when a removed one gives its own back. Those of
//! connections are cut from the same pool.

use super::{Store, StoreError};
use crate::core::address;
use ipnet::Ipv4Net;
use rusqlite::{Connection, Transaction, params};
use std::net::Ipv4Addr;

/// Removed environments of which nothing is left but the network: their removal is done, everything they left is undone (a
/// network that the engine did not let go is there still), no container of theirs has a row that says it is there, and a
/// table that holds leads to none of their addresses.
const LEFT: &str = "SELECT serial, subnet FROM environment e WHERE runs AND removed_at IS NOT NULL AND subnet <> uuid
    AND desired = 'removed'
    AND NOT EXISTS (SELECT 1 FROM operation o WHERE o.environment = e.serial AND o.done_at IS NULL)
    AND NOT EXISTS (SELECT 1 FROM settlement s WHERE s.environment = e.serial AND s.settled_at IS NULL)
    AND NOT EXISTS (SELECT 1 FROM settlement s WHERE s.environment = e.serial AND s.refused IS NOT NULL
                    AND s.kind IN ('retire_network', 'retire_container'))
    AND NOT EXISTS (SELECT 1 FROM settlement s WHERE s.environment = e.serial AND s.unrouted IS NOT NULL AND s.unrouted > ?1)
    AND NOT EXISTS (SELECT 1 FROM container c WHERE c.environment = e.serial AND c.removed_at IS NULL)";

impl Store {
    /// Gives back the networks of removed environments, as far as nothing names an address of them any more. `held` is the
    /// generation of the route table that the ingress is known to hold. Returns how many there were.
    ///
    /// # Errors
    /// If the database fails.
    pub fn give_networks_back(&self, held: i64) -> Result<usize, StoreError> {
        if self.read(|tx| left(tx, held))?.is_empty() {
            return Ok(0);
        }
        self.write("give_networks_back", |tx| {
            let left = left(tx, held)?;
            for (environment, _) in &left {
                tx.execute(
                    "UPDATE environment SET subnet = uuid, last_address = NULL WHERE serial = ?1",
                    [environment],
                )?;
            }
            Ok(left.len())
        })
    }
}

fn left(tx: &Connection, held: i64) -> Result<Vec<(i64, Ipv4Net)>, StoreError> {
    let mut statement = tx.prepare_cached(LEFT)?;
    let rows = statement.query_map([held], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))?;
    let found: Vec<(i64, String)> = rows.collect::<Result<_, _>>()?;
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let named = named_addresses(tx)?;
    let networks = found
        .into_iter()
        .filter_map(|(serial, subnet)| Some((serial, subnet.parse::<Ipv4Net>().ok()?)));
    Ok(networks
        .filter(|(_, subnet)| !named.iter().any(|address| subnet.contains(address)))
        .collect())
}

/// The addresses of containers that are there, by our rows or by what an adoption saw.
fn named_addresses(tx: &Connection) -> Result<Vec<Ipv4Addr>, StoreError> {
    let addresses: Vec<String> = tx
        .prepare_cached(
            "SELECT address FROM container WHERE removed_at IS NULL UNION SELECT address FROM stray WHERE address IS NOT NULL",
        )?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let addresses = addresses.iter().filter_map(|text| text.parse().ok());
    Ok(addresses.collect())
}

/// A network for a new environment or connection: no other has it, and no container that is there an address of it.
pub(super) fn take_subnet(tx: &Transaction<'_>, pool: Ipv4Net) -> Result<Ipv4Net, StoreError> {
    let taken: Vec<String> = tx
        .prepare_cached(
            "SELECT subnet FROM environment WHERE runs AND subnet <> uuid
             UNION ALL SELECT subnet FROM connection WHERE removed_at IS NULL",
        )?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let taken = taken.iter().filter_map(|subnet| subnet.parse().ok());
    let named = named_addresses(tx)?;
    let taken: Vec<Ipv4Net> = taken.chain(named.into_iter().map(Ipv4Net::from)).collect();
    let last: Option<String> =
        tx.query_row("SELECT last_subnet FROM instance", [], |row| row.get(0))?;
    let last = last.and_then(|subnet| subnet.parse().ok());
    let subnet = address::free_network(pool, &taken, last).ok_or_else(|| {
        StoreError::AddressesExhausted(format!(
            "docker.address_pool {pool} has no network left for another environment or connection; choose a larger pool, or remove environments"
        ))
    })?;
    tx.execute(
        "UPDATE instance SET last_subnet = ?1",
        params![subnet.to_string()],
    )?;
    Ok(subnet)
}

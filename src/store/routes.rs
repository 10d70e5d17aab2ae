//! The route table: a function of the rows, each of whose changes makes its generation grow in the same transaction.

use super::rows::{from_json, inconsistent};
use super::{Store, StoreError};
use crate::core::admission::Desired;
use crate::core::release::ReleaseContent;
use crate::core::route::{Absence, Domain, Route, Service, Table, Target};
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

impl Store {
    /// The route table's generation.
    ///
    /// # Errors
    /// If the database fails.
    pub fn generation(&self) -> Result<i64, StoreError> {
        self.read(generation)
    }

    /// The route table of this moment.
    ///
    /// # Errors
    /// If the database fails, or its rows contradict each other.
    pub fn table(&self) -> Result<Table, StoreError> {
        self.read(|tx| {
            Ok(Table {
                instance: self.instance,
                generation: generation(tx)?,
                routes: routes(tx)?,
            })
        })
    }
}

fn generation(tx: &Connection) -> Result<i64, StoreError> {
    let mut statement = tx.prepare_cached("SELECT generation FROM instance")?;
    Ok(statement.query_row([], |row| row.get(0))?)
}

/// The routes changed, or may have: the table is another one from here on. Returns its generation.
pub(super) fn grow(tx: &Connection) -> Result<i64, StoreError> {
    let sql = "UPDATE instance SET generation = generation + 1 RETURNING generation";
    Ok(tx.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}

/// All routes, by their domains. Where two want one domain, the API has it before apps, an app that the configuration
/// names before one that it no longer does, and a preview after those.
pub(super) fn routes(tx: &Connection) -> Result<Vec<Route>, StoreError> {
    let mut routes = api(tx)?;
    let mut statement = tx.prepare_cached(
        "SELECT e.serial, a.name, e.name, e.domains, e.desired, c.address, r.content FROM environment e
         JOIN app a ON a.serial = e.app
         LEFT JOIN release r ON r.serial = e.live_release
         LEFT JOIN container c ON c.environment = e.serial AND c.role = 'live' AND c.process = 'web'
         WHERE e.removed_at IS NULL AND e.domains <> '[]' ORDER BY e.configured DESC, e.preview, e.serial",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let serial: i64 = row.get(0)?;
        let service = Service {
            app: row.get(1)?,
            environment: row.get(2)?,
        };
        let desired: String = row.get(4)?;
        let live: (Option<String>, Option<String>) = (row.get(5)?, row.get(6)?);
        let live = match live {
            (Some(address), Some(content)) => Some(target(serial, &address, &content)?),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => {
                return Err(inconsistent("environment", serial, "is live by half"));
            }
        };
        let target = match Desired::parse(&desired) {
            Some(Desired::Running) => live.unwrap_or(Target::Nobody(Absence::NotDeployed)),
            Some(Desired::Stopped) => Target::Nobody(Absence::Stopped),
            Some(Desired::Suspended) => Target::Nobody(Absence::Suspended),
            Some(Desired::Removed) => continue,
            None => {
                let what = format!("desired '{desired}'");
                return Err(inconsistent("environment", serial, what));
            }
        };
        let domains: Vec<Domain> = from_json("environment", serial, &row.get::<_, String>(3)?)?;
        for domain in domains {
            let route = Route {
                domain: domain.clone(),
                service: service.clone(),
                target,
            };
            routes.entry(domain).or_insert(route);
        }
    }
    Ok(routes.into_values().collect())
}

/// Where what is live listens.
fn target(environment: i64, address: &str, content: &str) -> Result<Target, StoreError> {
    let address: Ipv4Addr = address
        .parse()
        .map_err(|_| inconsistent("environment", environment, format!("address '{address}'")))?;
    let content: ReleaseContent = from_json("release", environment, content)?;
    Ok(match content.run.port {
        Some(port) => Target::Container(SocketAddrV4::new(address, port)),
        None => Target::Nobody(Absence::NoPort),
    })
}

fn api(tx: &Connection) -> Result<BTreeMap<Domain, Route>, StoreError> {
    let mut statement = tx.prepare_cached("SELECT api_domains, api_address FROM instance")?;
    let (domains, address): (String, Option<String>) =
        statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let Some(address) = address else {
        return Ok(BTreeMap::new());
    };
    let address: SocketAddr = address
        .parse()
        .map_err(|_| inconsistent("instance", 1, format!("api_address '{address}'")))?;
    let domains: Vec<Domain> = from_json("instance", 1, &domains)?;
    let route = |domain: Domain| {
        let service = Service {
            app: Service::API.to_owned(),
            environment: String::new(),
        };
        let target = Target::Api(address);
        (
            domain.clone(),
            Route {
                domain,
                service,
                target,
            },
        )
    };
    Ok(domains.into_iter().map(route).collect())
}

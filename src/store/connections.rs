//! The connections of environments, as rows: written before the network of one is made, kept until it is gone.

use super::networks::take_subnet;
use super::operations::write_settlements;
use super::phases::still;
use super::rows::{from_json, inconsistent};
use super::{Place, Store, StoreError};
use crate::core::connection::{Connection, network_name};
use crate::core::deployment::{Deployment, Step};
use crate::core::id::{ConnectionSerial, DeploymentSerial, EnvironmentSerial};
use crate::core::name::AppName;
use crate::core::operation::Undo;
use crate::core::release::ReleaseContent;
use crate::core::time::Timestamp;
use ipnet::Ipv4Net;
use rusqlite::{Connection as Sql, OptionalExtension as _, Row, Transaction, params};
use std::collections::BTreeSet;
use uuid::Uuid;

/// A connection with what its provider has live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// The connection.
    pub connection: Connection,
    /// The container that serves; `None` where nothing is live yet.
    pub serving: Option<String>,
}

const CONNECTION: &str = "n.serial, n.consumer, n.provider, n.alias, n.network, n.subnet";
/// Those that are wanted.
const WANTED: &str = "n.retired_at IS NULL AND n.removed_at IS NULL";

impl Store {
    /// Writes down what an environment is about to be connected to, as far as that is not written yet. Returns the apps of
    /// which there is no environment of its name to be connected to.
    ///
    /// # Errors
    /// [`StoreError::AddressesExhausted`]; [`StoreError::Moved`] if the deployment for which it is done left its rollout.
    pub fn intend_connections(
        &self,
        place: &Place,
        wanted: &BTreeSet<AppName>,
        pool: Ipv4Net,
        deployment: Option<&Deployment>,
        now: Timestamp,
    ) -> Result<Vec<AppName>, StoreError> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let (mut new, mut missing) = (Vec::new(), Vec::new());
        self.read(|tx| {
            for alias in wanted {
                match provider(tx, place, alias)? {
                    None => missing.push(alias.clone()),
                    Some(found) if is_wanted(tx, place, found.0, alias)? => {}
                    // Who is reached by a name is decided by deployments: another app may have been given it meanwhile.
                    Some(_) if deployment.is_none() && is_known(tx, place, alias)? => {}
                    Some(found) => new.push((alias, found)),
                }
            }
            Ok(())
        })?;
        if new.is_empty() {
            return Ok(missing);
        }
        self.write_sparing("intend_connections", |tx| {
            if let Some(deployment) = deployment {
                still(tx, deployment)?;
                tx.execute(
                    "UPDATE deployment SET connects = 1 WHERE serial = ?1",
                    [deployment.serial.0],
                )?;
            }
            for (alias, (provider, id)) in &new {
                let known = tx.execute(
                    "UPDATE connection SET retired_at = NULL WHERE consumer = ?1 AND provider = ?2 AND alias = ?3 AND removed_at IS NULL",
                    params![place.environment.0, provider.0, alias.as_str()],
                )?;
                if known == 1 {
                    continue;
                }
                let subnet = take_subnet(tx, pool)?;
                tx.execute(
                    "INSERT INTO connection (consumer, provider, alias, network, subnet, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                    params![
                        place.environment.0,
                        provider.0,
                        alias.as_str(),
                        network_name(&place.slug(), alias, *id),
                        subnet.to_string(),
                        now.0
                    ],
                )?;
            }
            Ok(())
        })?;
        Ok(missing)
    }

    /// What an environment is connected to.
    ///
    /// # Errors
    /// If the database fails.
    pub fn connections_of(&self, consumer: EnvironmentSerial) -> Result<Vec<Reached>, StoreError> {
        self.read(|tx| {
            let sql = format!(
                "SELECT {CONNECTION}, (SELECT c.name FROM container c WHERE c.environment = n.provider AND c.role = 'live' AND c.process = 'web')
                 FROM connection n WHERE n.consumer = ?1 AND {WANTED} ORDER BY n.serial"
            );
            let mut statement = tx.prepare_cached(&sql)?;
            let mut rows = statement.query([consumer.0])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.push(Reached {
                    connection: connection(row)?,
                    serving: row.get(6)?,
                });
            }
            Ok(found)
        })
    }

    /// What is connected to an environment.
    ///
    /// # Errors
    /// If the database fails.
    pub fn connections_to(
        &self,
        provider: EnvironmentSerial,
    ) -> Result<Vec<Connection>, StoreError> {
        self.read(|tx| {
            let sql = format!(
                "SELECT {CONNECTION} FROM connection n WHERE n.provider = ?1 AND {WANTED} ORDER BY n.serial"
            );
            let mut statement = tx.prepare_cached(&sql)?;
            let mut rows = statement.query([provider.0])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.push(connection(row)?);
            }
            Ok(found)
        })
    }

    /// Whether an environment has connections, to either side.
    ///
    /// # Errors
    /// If the database fails.
    pub fn connects(&self, environment: EnvironmentSerial) -> Result<bool, StoreError> {
        self.read(|tx| connects(tx, environment))
    }

    /// A connection's row.
    ///
    /// # Errors
    /// If there is none of that serial.
    pub fn connection(&self, serial: ConnectionSerial) -> Result<Connection, StoreError> {
        self.read(|tx| {
            let sql = format!("SELECT {CONNECTION} FROM connection n WHERE n.serial = ?1");
            let mut statement = tx.prepare_cached(&sql)?;
            let mut rows = statement.query([serial.0])?;
            match rows.next()? {
                Some(row) => connection(row),
                None => Err(inconsistent("connection", serial, "is missing")),
            }
        })
    }

    /// The networks that a container is in beside its environment's, by what its release is connected to. A run of a release
    /// that is no longer live finds there what is still there.
    pub(super) fn networks_of(
        &self,
        consumer: EnvironmentSerial,
        wanted: &BTreeSet<AppName>,
    ) -> Result<Vec<String>, StoreError> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        self.read(|tx| {
            let mut statement = tx.prepare_cached(
                "SELECT alias, network FROM connection WHERE consumer = ?1 AND removed_at IS NULL
                 ORDER BY retired_at IS NOT NULL, serial DESC",
            )?;
            let mut rows = statement.query([consumer.0])?;
            let mut left = wanted.clone();
            let mut networks = Vec::new();
            while let Some(row) = rows.next()? {
                let alias: String = row.get(0)?;
                // One of each name: where a deployment changes who it is, the new one.
                let found = left.iter().find(|name| name.as_str() == alias).cloned();
                if let Some(found) = found {
                    left.remove(&found);
                    networks.push(row.get(1)?);
                }
            }
            Ok(networks)
        })
    }
}

/// What is known when a deployment is asked for: whether there will be anything to connect, or to end.
pub(super) fn expected(
    tx: &Transaction<'_>,
    deployment: DeploymentSerial,
    environment: EnvironmentSerial,
) -> Result<(), StoreError> {
    if connects(tx, environment)? {
        tx.execute(
            "UPDATE deployment SET connects = 1 WHERE serial = ?1",
            [deployment.0],
        )?;
    }
    Ok(())
}

/// The step after the commit is done.
pub(super) fn synced(
    tx: &Transaction<'_>,
    deployment: DeploymentSerial,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.prepare_cached(
        "UPDATE step SET ended_at = ?3 WHERE deployment = ?1 AND name = ?2 AND ended_at IS NULL",
    )?
    .execute(params![deployment.0, Step::SyncConnections.as_str(), now.0])?;
    Ok(())
}

/// A release has become live: what it is not connected to is to end. Where there is anything to connect or to end,
/// the step that does so begins.
pub(super) fn committed(
    tx: &Transaction<'_>,
    deployment: &Deployment,
    wanted: &BTreeSet<AppName>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let environment = deployment.environment;
    let ends = retire_unwanted(
        tx,
        environment,
        (Some(deployment.serial), Of::Newest),
        wanted,
        now,
    )?;
    let connects = ends || !wanted.is_empty() || is_provider(tx, environment)?;
    tx.execute(
        "UPDATE deployment SET connects = ?2 WHERE serial = ?1",
        params![deployment.serial.0, connects],
    )?;
    if connects {
        tx.execute(
            "INSERT INTO step (deployment, name, budget_ms, started_at) VALUES (?1, ?2, 0, ?3)",
            params![deployment.serial.0, Step::SyncConnections.as_str(), now.0],
        )?;
    }
    Ok(())
}

/// A deployment has ended before its commit: what it alone was connected to is to end.
pub(super) fn given_up(
    tx: &Transaction<'_>,
    deployment: &Deployment,
    now: Timestamp,
) -> Result<(), StoreError> {
    let environment = deployment.environment;
    if known(tx, environment)?.is_empty() {
        return Ok(());
    }
    let live: Option<String> = tx
        .query_row(
            "SELECT r.content FROM environment e JOIN release r ON r.serial = e.live_release WHERE e.serial = ?1",
            [environment.0],
            |row| row.get(0),
        )
        .optional()?;
    let wanted = match live {
        Some(text) => {
            let content: ReleaseContent = from_json("release", environment.0, &text)?;
            content.run.connect.to
        }
        None => BTreeSet::new(),
    };
    let keep = (Some(deployment.serial), Of::Oldest);
    retire_unwanted(tx, environment, keep, &wanted, now).map(drop)
}

/// An environment is removed: all its connections end, to either side.
pub(super) fn removed(
    tx: &Transaction<'_>,
    environment: EnvironmentSerial,
    now: Timestamp,
) -> Result<(), StoreError> {
    let all: Vec<i64> = tx
        .prepare_cached(
            "SELECT serial FROM connection WHERE (consumer = ?1 OR provider = ?1) AND retired_at IS NULL AND removed_at IS NULL",
        )?
        .query_map([environment.0], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    retire(tx, environment, None, &all, now)
}

/// Which of several connections by one name stays: a deployment made the newer one, of another provider.
#[derive(Clone, Copy)]
enum Of {
    Newest,
    Oldest,
}

fn retire_unwanted(
    tx: &Transaction<'_>,
    environment: EnvironmentSerial,
    (deployment, stays): (Option<DeploymentSerial>, Of),
    wanted: &BTreeSet<AppName>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let mut known = known(tx, environment)?;
    match stays {
        Of::Oldest => {}
        Of::Newest => known.reverse(),
    }
    let mut left: BTreeSet<&str> = wanted.iter().map(AppName::as_str).collect();
    let unwanted: Vec<i64> = known
        .iter()
        .filter(|(_, alias)| !left.remove(alias.as_str()))
        .map(|(serial, _)| *serial)
        .collect();
    retire(tx, environment, deployment, &unwanted, now)?;
    Ok(!unwanted.is_empty())
}

/// They are to be undone after the containers that used them: a run that is at work settles them when it has ended.
fn retire(
    tx: &Transaction<'_>,
    environment: EnvironmentSerial,
    deployment: Option<DeploymentSerial>,
    connections: &[i64],
    now: Timestamp,
) -> Result<(), StoreError> {
    for serial in connections {
        tx.execute(
            "UPDATE connection SET retired_at = ?2 WHERE serial = ?1",
            params![serial, now.0],
        )?;
        let undo = [Undo::RetireConnection(ConnectionSerial(*serial))];
        write_settlements(tx, environment, deployment, &undo, None, now)?;
        tx.prepare_cached(
            "UPDATE settlement SET run = (SELECT max(r.serial) FROM run r WHERE r.environment = ?1 AND r.ended_at IS NULL
                                            AND r.cause IN ('schedule', 'hand'))
             WHERE kind = 'retire_connection' AND serial = (SELECT max(serial) FROM settlement)",
        )?
        .execute([environment.0])?;
    }
    Ok(())
}

/// The connections an environment has, with their names for it.
fn known(tx: &Sql, consumer: EnvironmentSerial) -> Result<Vec<(i64, String)>, StoreError> {
    let mut statement = tx.prepare_cached(
        "SELECT serial, alias FROM connection WHERE consumer = ?1 AND retired_at IS NULL AND removed_at IS NULL ORDER BY serial",
    )?;
    let rows = statement.query_map([consumer.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn connects(tx: &Sql, environment: EnvironmentSerial) -> Result<bool, StoreError> {
    Ok(is_provider(tx, environment)? || !known(tx, environment)?.is_empty())
}

fn is_provider(tx: &Sql, environment: EnvironmentSerial) -> Result<bool, StoreError> {
    let sql = format!("SELECT 1 FROM connection n WHERE n.provider = ?1 AND {WANTED}");
    Ok(tx.prepare_cached(&sql)?.exists([environment.0])?)
}

/// The environment that an app of that name has for those of the consumer's name. A preview is nobody's provider.
fn provider(
    tx: &Sql,
    consumer: &Place,
    app: &AppName,
) -> Result<Option<(EnvironmentSerial, Uuid)>, StoreError> {
    let by_name: Option<(i64, String)> = tx
        .prepare_cached(
            "SELECT e.serial, e.uuid FROM environment e JOIN app a ON a.serial = e.app
             WHERE a.name = ?1 AND e.name = ?2 AND e.runs AND NOT e.preview AND e.removed_at IS NULL AND e.serial <> ?3
             ORDER BY a.configured DESC, e.serial DESC LIMIT 1",
        )?
        .query_row(
            params![app.as_str(), consumer.environment_name.as_str(), consumer.environment.0],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?;
    // A release may know its provider by a name that this has no more.
    let found = match by_name {
        Some(found) => Some(found),
        None => tx
            .prepare_cached(
                "SELECT e.serial, e.uuid FROM connection n JOIN environment e ON e.serial = n.provider
                 WHERE n.consumer = ?1 AND n.alias = ?2 AND e.runs AND e.removed_at IS NULL ORDER BY n.serial DESC LIMIT 1",
            )?
            .query_row(params![consumer.environment.0, app.as_str()], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()?,
    };
    found
        .map(|(serial, id): (i64, String)| {
            let id = super::rows::uuid("environment", serial, &id)?;
            Ok((EnvironmentSerial(serial), id))
        })
        .transpose()
}

fn is_wanted(
    tx: &Sql,
    consumer: &Place,
    provider: EnvironmentSerial,
    alias: &AppName,
) -> Result<bool, StoreError> {
    let sql = format!(
        "SELECT 1 FROM connection n WHERE n.consumer = ?1 AND n.provider = ?2 AND n.alias = ?3 AND {WANTED}"
    );
    let key = params![consumer.environment.0, provider.0, alias.as_str()];
    Ok(tx.prepare_cached(&sql)?.exists(key)?)
}

/// Whether the consumer is connected to anybody by that name.
fn is_known(tx: &Sql, consumer: &Place, alias: &AppName) -> Result<bool, StoreError> {
    let known = known(tx, consumer.environment)?;
    Ok(known.iter().any(|(_, known)| known == alias.as_str()))
}

fn connection(row: &Row<'_>) -> Result<Connection, StoreError> {
    let serial: i64 = row.get(0)?;
    let (alias, subnet): (String, String) = (row.get(3)?, row.get(5)?);
    Ok(Connection {
        serial: ConnectionSerial(serial),
        consumer: EnvironmentSerial(row.get(1)?),
        provider: EnvironmentSerial(row.get(2)?),
        alias: AppName::parse(&alias)
            .map_err(|error| inconsistent("connection", serial, error.0))?,
        network: row.get(4)?,
        subnet: subnet
            .parse()
            .map_err(|_| inconsistent("connection", serial, format!("subnet '{subnet}'")))?,
    })
}

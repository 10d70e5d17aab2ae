//! Connections: an environment of one app (the consumer) reaches the one of another (the provider) by that app's name, over a
//! network that is theirs alone. Nobody else is on it, and a container of the provider only once its release is live.
//!
//! A connection belongs to the consumer's release, as its variables do: going back to an earlier release brings back what
//! that was connected to.

use super::id::{ConnectionSerial, EnvironmentSerial};
use super::name::{AppName, VariableName};
use super::secret::Secret;
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// What an environment is connected to, and what its containers are told of that.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connect {
    /// The apps whose environment of the same name it reaches.
    pub to: BTreeSet<AppName>,
    /// Variables that say where; a plain variable or a secret of the same name wins.
    pub env: BTreeMap<VariableName, ConnectValue>,
}

/// The value of a variable: where a provider is reached is text by now, a secret is read when a container is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConnectValue(pub Vec<Piece>);

/// A piece of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Piece {
    /// As it is.
    Text(String),
    /// The value of one of the app's own secrets.
    Secret(VariableName),
}

/// A connection that is, or is about to be, or is on its way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// The row's serial.
    pub serial: ConnectionSerial,
    /// Who reaches.
    pub consumer: EnvironmentSerial,
    /// Who is reached.
    pub provider: EnvironmentSerial,
    /// Under which name: that of the provider's app when the connection was made.
    pub alias: AppName,
    /// The engine's name of its network.
    pub network: String,
    /// The network's addresses; all are the engine's to give out, as nothing but the name is used.
    pub subnet: Ipv4Net,
}

impl ConnectValue {
    /// Whether it has to be kept from sight.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        self.0.iter().any(|piece| match piece {
            Piece::Secret(_) => true,
            Piece::Text(_) => false,
        })
    }

    /// The text, with these secrets. One that is not among them leaves nothing: the configuration takes only a template
    /// whose secrets the app has.
    #[must_use]
    pub fn render(&self, secrets: &BTreeMap<VariableName, Secret>) -> Secret {
        let pieces = self.0.iter().map(|piece| match piece {
            Piece::Text(text) => text.as_str(),
            Piece::Secret(name) => secrets.get(name).map_or("", Secret::expose),
        });
        Secret::new(pieces.collect::<String>())
    }
}

/// The name of a connection's network. No environment's is like it, as those have no dot, and no container's begins so.
#[must_use]
pub fn network_name(consumer_slug: &str, alias: &AppName, provider: Uuid) -> String {
    let provider = provider.simple().to_string();
    format!("{consumer_slug}.{alias}-{}", &provider[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_holds_the_secret_of_the_moment_and_is_one_itself() {
        let name = VariableName::parse("PASSWORD").unwrap();
        let plain = ConnectValue(vec![Piece::Text("db:5432".into())]);
        let secret = ConnectValue(vec![
            Piece::Text("postgres://app:".into()),
            Piece::Secret(name.clone()),
            Piece::Text("@db".into()),
        ]);
        assert!(!plain.is_secret() && secret.is_secret());
        let secrets = BTreeMap::from([(name, Secret::new("pa55"))]);
        assert_eq!(secret.render(&secrets).expose(), "postgres://app:pa55@db");
        assert_eq!(plain.render(&secrets).expose(), "db:5432");
    }

    #[test]
    fn networks_of_connections_are_told_apart_from_environments_and_from_each_other() {
        let db = AppName::parse("db").unwrap();
        let one = network_name("web-production-1a2b3c4d", &db, Uuid::from_u128(1 << 100));
        assert_eq!(one, "web-production-1a2b3c4d.db-00000010");
        let other = network_name("web-production-1a2b3c4d", &db, Uuid::from_u128(2 << 100));
        assert_ne!(one, other, "the app was removed and made again");
    }
}

//! Networks of environments and connections: a bridge with addresses of our own choosing.

use super::connection::{Docker, UNARY};
use super::{labels, observe};
use crate::core::address::overlaps;
use crate::core::ports::{EngineError, Network};
use bollard::models::{
    EndpointIpamConfig, EndpointSettings, Ipam, IpamConfig, NetworkConnectRequest,
    NetworkCreateRequest, NetworkDisconnectRequest, NetworkInspect,
};
use bollard::query_parameters::ListContainersOptionsBuilder;
use ipnet::Ipv4Net;
use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::time::Duration;

/// How often, and how far apart, it is looked for who has a subnet: making a network takes 0.1 s.
const LOOKS: u32 = 20;
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// A network of anybody's, as far as addresses go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its name.
    pub name: String,
    /// Whether this instance made it.
    pub ours: bool,
    /// Its IPv4 subnets.
    pub subnets: Vec<Ipv4Net>,
}

/// Makes the network if there is none; one of ours by that name and subnet is kept.
pub async fn ensure(docker: &Docker, network: &Network) -> Result<(), EngineError> {
    if let Some(found) = find(docker, &network.name).await? {
        return must_fit(docker, network, &found);
    }
    let request = request(docker, network);
    let made = docker
        .call(UNARY, |client| async move {
            client.create_network(request).await
        })
        .await;
    match made {
        Ok(_) => Ok(()),
        Err(EngineError::Refused(said)) if said.contains("overlap") => taken(docker, network).await,
        Err(error) => Err(error),
    }
}

/// Removes it; fine if it does not exist.
pub async fn remove(docker: &Docker, name: &str) -> Result<(), EngineError> {
    let Some(found) = find(docker, name).await? else {
        return Ok(());
    };
    labels::must_be_ours(
        docker.instance(),
        found.labels.as_ref(),
        &format!("network '{name}'"),
    )?;
    let removed = docker
        .call(
            UNARY,
            |client| async move { client.remove_network(name).await },
        )
        .await;
    match removed {
        Err(EngineError::NotFound(_)) => Ok(()),
        removed => removed,
    }
}

/// Puts a container of ours into a network of ours; fine if it is in it.
pub async fn join(
    docker: &Docker,
    network: &str,
    container: &str,
    alias: Option<&str>,
) -> Result<(), EngineError> {
    let missing =
        |what: &str, name: &str| EngineError::NotFound(format!("there is no {what} '{name}'"));
    let there = observe::look(docker, container).await?;
    let there = there.ok_or_else(|| missing("container", container))?;
    let has = there
        .config
        .as_ref()
        .and_then(|config| config.labels.as_ref());
    labels::must_be_ours(docker.instance(), has, &format!("container '{container}'"))?;
    let found = find(docker, network).await?;
    let found = found.ok_or_else(|| missing("network", network))?;
    let what = format!("network '{network}'");
    labels::must_be_ours(docker.instance(), found.labels.as_ref(), &what)?;
    let networks = there
        .network_settings
        .and_then(|settings| settings.networks);
    if networks.is_some_and(|networks| networks.contains_key(network)) {
        return Ok(());
    }
    let request = NetworkConnectRequest {
        container: container.to_owned(),
        endpoint_config: Some(EndpointSettings {
            aliases: alias.map(|alias| vec![alias.to_owned()]),
            ..EndpointSettings::default()
        }),
    };
    let joined = docker
        .call(UNARY, |client| async move {
            client.connect_network(network, request).await
        })
        .await;
    match joined {
        // An earlier call of ours that was cut off has done it.
        Err(EngineError::Refused(said)) if said.contains("already exists in network") => Ok(()),
        Err(EngineError::Refused(said)) if said.contains(BEING_REMOVED) => {
            Err(EngineError::NotFound(said))
        }
        joined => joined,
    }
}

/// What the engine says of a container that is as good as gone.
const BEING_REMOVED: &str = "marked for removal";

/// Takes our containers out of a network of ours, also those that do not run, and removes it; fine if it does not exist.
/// One that does not run keeps a network in mind that is gone, and could not be started again.
pub async fn dissolve(docker: &Docker, name: &str) -> Result<(), EngineError> {
    let Some(found) = find(docker, name).await? else {
        return Ok(());
    };
    let what = format!("network '{name}'");
    labels::must_be_ours(docker.instance(), found.labels.as_ref(), &what)?;
    let instance = format!("{}={}", labels::INSTANCE, docker.instance());
    let filters = HashMap::from([
        ("label", vec![instance]),
        ("network", vec![name.to_owned()]),
    ]);
    let options = ListContainersOptionsBuilder::new()
        .all(true)
        .filters(&filters)
        .build();
    let inside = docker
        .call(UNARY, |client| async move {
            client.list_containers(Some(options)).await
        })
        .await?;
    for container in inside.into_iter().filter_map(|container| container.id) {
        let request = NetworkDisconnectRequest {
            container,
            force: Some(true),
        };
        let left = docker
            .call(UNARY, |client| async move {
                client.disconnect_network(name, request).await
            })
            .await;
        match left {
            Err(EngineError::NotFound(_)) => {}
            Err(EngineError::Refused(said))
                if said.contains("is not connected to") || said.contains(BEING_REMOVED) => {}
            left => left?,
        }
    }
    remove(docker, name).await
}

/// The subnet is taken: by the very same network, which an earlier call of ours that was cut off, or another one
/// beside us, has made; else by somebody else. The engine's own text names neither the subnet nor who has it, and it
/// takes the subnet some time before it shows the network.
async fn taken(docker: &Docker, network: &Network) -> Result<(), EngineError> {
    for _ in 0..LOOKS {
        let holder = all(docker).await?.into_iter().find(|other| {
            other
                .subnets
                .iter()
                .any(|subnet| overlaps(*subnet, network.subnet))
        });
        match holder {
            Some(holder) if holder.name == network.name => {
                if let Some(found) = find(docker, &network.name).await? {
                    return must_fit(docker, network, &found);
                }
            }
            Some(holder) => {
                return Err(subnet_taken(
                    network,
                    &format!("the network '{}'", holder.name),
                ));
            }
            None => tokio::time::sleep(LOOK_AGAIN).await,
        }
    }
    Err(subnet_taken(network, "something else on this host"))
}

fn subnet_taken(network: &Network, holder: &str) -> EngineError {
    EngineError::Refused(format!(
        "the subnet {} of network '{}' is already used by {holder}; remove that, or choose another docker.address_pool",
        network.subnet, network.name
    ))
}

fn request(docker: &Docker, network: &Network) -> NetworkCreateRequest {
    NetworkCreateRequest {
        name: network.name.clone(),
        driver: Some("bridge".to_owned()),
        internal: Some(network.internal),
        ipam: Some(Ipam {
            config: Some(vec![IpamConfig {
                subnet: Some(network.subnet.to_string()),
                ip_range: Some(network.engine_half.to_string()),
                // Left out, the engine would take the first address of its own half.
                gateway: network
                    .subnet
                    .hosts()
                    .next()
                    .map(|gateway| gateway.to_string()),
                auxiliary_addresses: None,
            }]),
            ..Ipam::default()
        }),
        labels: Some(labels::of_environment(
            docker.instance(),
            &network.app,
            &network.environment,
        )),
        ..NetworkCreateRequest::default()
    }
}

/// The network of that name; the engine also finds one whose id begins with the text.
async fn find(docker: &Docker, name: &str) -> Result<Option<NetworkInspect>, EngineError> {
    let found = docker
        .call(UNARY, |client| async move {
            client.inspect_network(name, None).await
        })
        .await;
    match found {
        Ok(found) => Ok(Some(found).filter(|found| found.name.as_deref() == Some(name))),
        Err(EngineError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

fn must_fit(docker: &Docker, wanted: &Network, found: &NetworkInspect) -> Result<(), EngineError> {
    let what = format!("network '{}'", wanted.name);
    labels::must_be_ours(docker.instance(), found.labels.as_ref(), &what)?;
    if found.internal.unwrap_or_default() != wanted.internal {
        return Err(EngineError::Refused(format!(
            "{what} exists and is not as longshore makes it; remove it with `docker network rm {}` when nothing uses it",
            wanted.name
        )));
    }
    let subnets = subnets(found.ipam.as_ref());
    // Of a connection's network only the name is used: one that an older database knew does as well.
    if subnets == [wanted.subnet] || wanted.internal {
        return Ok(());
    }
    let has = subnets
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ");
    Err(EngineError::Refused(format!(
        "{what} exists with the subnet {has} and not {}; remove it with `docker network rm {}` when nothing uses it",
        wanted.subnet, wanted.name
    )))
}

/// All networks of the engine.
pub async fn all(docker: &Docker) -> Result<Vec<Known>, EngineError> {
    let found = docker
        .call(
            UNARY,
            |client| async move { client.list_networks(None).await },
        )
        .await?;
    Ok(found
        .into_iter()
        .map(|network| Known {
            name: network.name.unwrap_or_default(),
            ours: labels::is_ours(docker.instance(), network.labels.as_ref()),
            subnets: subnets(network.ipam.as_ref()),
        })
        .collect())
}

fn subnets(ipam: Option<&Ipam>) -> Vec<Ipv4Net> {
    ipam.and_then(|ipam| ipam.config.as_deref())
        .unwrap_or_default()
        .iter()
        .filter_map(|config| config.subnet.as_deref()?.parse().ok())
        .collect()
}

/// The one endpoint a container is made with: its network, its address there and the name others call it by.
pub fn endpoints(
    network: &str,
    address: Ipv4Addr,
    alias: &str,
) -> HashMap<String, EndpointSettings> {
    let endpoint = EndpointSettings {
        ipam_config: Some(EndpointIpamConfig {
            ipv4_address: Some(address.to_string()),
            ..EndpointIpamConfig::default()
        }),
        aliases: Some(vec![alias.to_owned()]),
        ..EndpointSettings::default()
    };
    HashMap::from([(network.to_owned(), endpoint)])
}

//! Ports published on the host: `[address:]host:container[/udp]`.

use crate::core::spec::{Protocol, Publish};
use std::net::{IpAddr, Ipv4Addr};

const FORM: &str =
    "write \"[address:]host-port:container-port[/udp]\", like \"127.0.0.1:5432:5432\"";

/// Reads one; without an address it is every IPv4 address of the host, as with `docker run`.
pub(super) fn parse(text: &str) -> Result<Publish, String> {
    let (ports, protocol) = match text.rsplit_once('/') {
        None => (text, Protocol::Tcp),
        Some((ports, "tcp")) => (ports, Protocol::Tcp),
        Some((ports, "udp")) => (ports, Protocol::Udp),
        Some((_, other)) => {
            return Err(format!("has the protocol {other:?}; it can be tcp or udp"));
        }
    };
    let (host, container) = ports
        .rsplit_once(':')
        .ok_or_else(|| format!("is {text:?} and needs a port of the host as well: {FORM}"))?;
    let (address, host) = match host.rsplit_once(':') {
        None => (IpAddr::V4(Ipv4Addr::UNSPECIFIED), host),
        Some((address, port)) => (read_address(address)?, port),
    };
    Ok(Publish {
        address,
        host_port: read_port(host)?,
        container_port: read_port(container)?,
        protocol,
    })
}

fn read_address(text: &str) -> Result<IpAddr, String> {
    match text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
    {
        Some(inner) => inner.parse().map(IpAddr::V6).ok(),
        None => text.parse().map(IpAddr::V4).ok(),
    }
    .ok_or_else(|| {
        format!(
            "has {text:?} where an address of the host is expected, like 127.0.0.1 or [::1]: {FORM}"
        )
    })
}

fn read_port(text: &str) -> Result<u16, String> {
    if text.contains('-') && text.bytes().all(|b| b.is_ascii_digit() || b == b'-') {
        return Err(format!(
            "has the range {text:?}; ports are published one by one"
        ));
    }
    text.parse()
        .ok()
        .filter(|port| *port > 0 && text.bytes().all(|b| b.is_ascii_digit()))
        .ok_or_else(|| format!("has {text:?} where a port from 1 to 65535 is expected: {FORM}"))
}

/// As it would be written.
pub(super) fn show(publish: &Publish) -> String {
    let Publish {
        address,
        host_port,
        protocol,
        ..
    } = publish;
    let address = std::net::SocketAddr::new(*address, *host_port);
    match protocol {
        Protocol::Tcp => format!("{address}/tcp"),
        Protocol::Udp => format!("{address}/udp"),
    }
}

/// Whether the host cannot give both. All addresses of a family clash with each one of it; IPv4 and IPv6 are apart,
/// so that an app can be published on both.
pub(super) fn clash(one: &Publish, other: &Publish) -> bool {
    one.protocol == other.protocol
        && one.host_port == other.host_port
        && one.address.is_ipv4() == other.address.is_ipv4()
        && (one.address == other.address
            || one.address.is_unspecified()
            || other.address.is_unspecified())
}

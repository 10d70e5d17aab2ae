//! `[ingress]`: where requests come in, and how much and how long.

use super::agent::{text, texts, values};
use super::fault::Report;
use super::reader::{At, Reading, Table, Value};
use super::value::{duration, network, size};
use super::{Api, Ingress, keys, path};
use crate::core::ingress::{AccessLog, IngressSettings, ProxyLimits};
use ipnet::IpNet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// More than a process can have files open on a usual host.
const MOST_CONNECTIONS: i64 = 1 << 20;
/// The least that a browser's usual request fits into.
const LEAST_HEADER: u64 = 8 << 10;
/// Each connection may hold as much at once.
const MOST_HEADER: u64 = 1 << 20;
/// Beyond any upload; keeps sums far from their end.
const MOST_BODY: u64 = 1 << 50;

/// `[ingress]` as it was read, before it is judged beside the other tables.
pub(super) struct IngressKeys {
    embedded: Reading<bool>,
    listen: Reading<Vec<At<SocketAddr>>>,
    socket: Reading<PathBuf>,
    data_dir: Reading<PathBuf>,
    trusted_proxies: Reading<Vec<At<IpNet>>>,
    access_log: Reading<AccessLog>,
    limits: ProxyLimits,
}

/// Reads `[ingress]`.
pub(super) fn read(top: &Table<'_>) -> IngressKeys {
    let table = top
        .get("ingress")
        .and_then(|value| value.table(keys::INGRESS));
    let table = table.as_ref();
    IngressKeys {
        embedded: table.map_or(Reading::Absent, |table| {
            table.read("embedded", Value::boolean)
        }),
        listen: texts(table, "listen", listen),
        socket: text(table, "socket", path::socket),
        data_dir: text(table, "data_dir", path::data_dir),
        trusted_proxies: texts(table, "trusted_proxies", network),
        access_log: text(table, "access_log", access_log),
        limits: limits(table),
    }
}

fn limits(table: Option<&Table<'_>>) -> ProxyLimits {
    let default = ProxyLimits::default();
    let time = |key, most, default| text(table, key, duration(most)).unwrap_or_else(|| default);
    let connections = |value: &Value<'_>| usize::try_from(value.integer(1, MOST_CONNECTIONS)?).ok();
    ProxyLimits {
        connections: table
            .map_or(Reading::Absent, |table| {
                table.read("max_connections", connections)
            })
            .unwrap_or_else(|| default.connections),
        head: text(table, "max_header_size", header_size).unwrap_or_else(|| default.head),
        body: text(table, "max_body_size", body_size).value().copied(),
        head_timeout: time("header_timeout", HOUR, default.head_timeout),
        idle_timeout: time("idle_timeout", DAY, default.idle_timeout),
        read_timeout: time("read_timeout", DAY, default.read_timeout),
        write_timeout: time("write_timeout", DAY, default.write_timeout),
        upstream_timeout: time("upstream_timeout", DAY, default.upstream_timeout),
        // Every waiting request holds a connection and what its client sent.
        wait_timeout: time("wait_timeout", MINUTE, default.wait_timeout),
        shutdown_timeout: time("shutdown_timeout", HOUR, default.shutdown_timeout),
    }
}

impl IngressKeys {
    /// What is listened on, with the entry that says so; without one it is the default.
    pub fn addresses(&self) -> Vec<(SocketAddr, Option<&At<SocketAddr>>)> {
        match self.listen.value() {
            Some(list) => list.iter().map(|at| (at.value, Some(at))).collect(),
            None => vec![(SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)), None)],
        }
    }

    /// The values, defaults filled in. Inside the daemon's process the ingress keeps its things beside the daemon's; on its
    /// own it has the directories of its own unit.
    pub fn build(&self, api: &Api, data_dir: &Path) -> Ingress {
        let embedded = self.embedded.value().copied().unwrap_or(true);
        let (socket, own_data_dir) = if embedded {
            (beside(&api.socket), data_dir.join("ingress"))
        } else {
            (
                PathBuf::from("/run/longshore-ingress/control.sock"),
                PathBuf::from("/var/lib/longshore-ingress"),
            )
        };
        let addresses = self.addresses();
        Ingress {
            embedded,
            listen: addresses.into_iter().map(|(address, _)| address).collect(),
            socket: self.socket.clone().unwrap_or_else(|| socket),
            settings: IngressSettings {
                data_dir: self.data_dir.clone().unwrap_or_else(|| own_data_dir),
                trusted_proxies: values(&self.trusted_proxies),
                access_log: self.access_log.value().copied().unwrap_or(AccessLog::Off),
                limits: self.limits,
            },
        }
    }

    /// Reports a socket that cannot be told from the API's, or has no room beside it.
    pub fn check_socket(
        &self,
        built: &Ingress,
        api: &Api,
        given: &Reading<PathBuf>,
        report: &Report,
    ) {
        if let Some(socket) = self.socket.given() {
            if socket.value == api.socket {
                report.add(
                    &socket.place,
                    "is the API's socket, too (api.socket); name another",
                );
            }
        } else if let (Some(given), Err(_)) =
            (given.given(), path::socket(&built.socket.to_string_lossy()))
        {
            let message = format!(
                "leaves no room for the ingress's socket beside it, {:?}, which would be longer than a unix socket's path can be; shorten it, or set ingress.socket",
                built.socket
            );
            report.add(&given.place, message);
        }
    }
}

/// `api.sock` → `api.ingress.sock`.
fn beside(api: &Path) -> PathBuf {
    api.with_extension("ingress.sock")
}

fn listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!("must be an address and a port, like \"0.0.0.0:80\" or \"[::]:80\", not {text:?}")
    })
}

fn access_log(text: &str) -> Result<AccessLog, String> {
    match text {
        "off" => Ok(AccessLog::Off),
        "common" => Ok(AccessLog::Common),
        "json" => Ok(AccessLog::Json),
        _ => Err(format!(
            "must be \"off\", \"common\" or \"json\", not {text:?}"
        )),
    }
}

fn header_size(text: &str) -> Result<usize, String> {
    let bytes = size(text)?;
    if !(LEAST_HEADER..=MOST_HEADER).contains(&bytes) {
        return Err(format!("must be from \"8KiB\" to \"1MiB\", not {text:?}"));
    }
    usize::try_from(bytes).map_err(|_| format!("is too large: {text:?}"))
}

fn body_size(text: &str) -> Result<u64, String> {
    match size(text)? {
        0 => Err("must not be zero; leave it out for bodies of any size".to_owned()),
        bytes if bytes > MOST_BODY => Err(format!("must be at most \"1PiB\", not {text:?}")),
        bytes => Ok(bytes),
    }
}

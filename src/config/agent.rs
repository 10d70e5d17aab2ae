//! The agent's own tables: `[api]`, `[docker]`, `[limits]`.

use super::reader::{At, Reading, Table, Value};
use super::url::{has_strange_characters, is_host, split};
use super::value::{duration, network, secret};
use super::{Api, Docker, Limits, Registry, keys, path};
use crate::core::route::Domain;
use ipnet::{IpNet, Ipv4Net};
use std::fmt::Display;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// `[api]` as it was read, before it is judged beside the other tables.
pub(super) struct ApiKeys {
    pub listen: Reading<Option<SocketAddr>>,
    pub socket: Reading<PathBuf>,
    pub public_url: Reading<String>,
    pub domains: Reading<Vec<At<Domain>>>,
    pub trusted_proxies: Reading<Vec<At<IpNet>>>,
    pub gitlab_strict: Reading<bool>,
}

/// Reads `[api]`.
pub(super) fn api(top: &Table<'_>) -> ApiKeys {
    let table = top.get("api").and_then(|value| value.table(keys::API));
    let table = table.as_ref();
    ApiKeys {
        listen: text(table, "listen", listen),
        socket: text(table, "socket", path::socket),
        public_url: text(table, "public_url", public_url),
        domains: texts(table, "domains", Domain::parse),
        trusted_proxies: texts(table, "trusted_proxies", network),
        gitlab_strict: table.map_or(Reading::Absent, |table| {
            table.read("gitlab_strict", Value::boolean)
        }),
    }
}

impl ApiKeys {
    /// Where the API listens, the default included.
    pub fn address(&self) -> Option<SocketAddr> {
        let default = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 7470)));
        self.listen.value().copied().unwrap_or(default)
    }

    /// The values, defaults filled in.
    pub fn build(&self) -> Api {
        let socket = || PathBuf::from("/run/longshore/api.sock");
        Api {
            listen: self.address(),
            socket: self.socket.clone().unwrap_or_else(socket),
            public_url: self.public_url.value().cloned(),
            domains: values(&self.domains),
            trusted_proxies: values(&self.trusted_proxies),
            gitlab_strict: self.gitlab_strict.clone().unwrap_or_else(|| false),
        }
    }
}

/// Reads `[docker]`.
pub(super) fn docker(top: &Table<'_>) -> Docker {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    let table = top
        .get("docker")
        .and_then(|value| value.table(keys::DOCKER));
    let table = table.as_ref();
    let pool = || Ipv4Net::new(Ipv4Addr::new(10, 213, 0, 0), 16).expect("16 is a prefix's length");
    Docker {
        host: text(table, "host", engine_host)
            .unwrap_or_else(|| "unix:///var/run/docker.sock".to_owned()),
        address_pool: text(table, "address_pool", address_pool).unwrap_or_else(pool),
        registries: table
            .and_then(|table| registries(&table.get("registries")?))
            .unwrap_or_default(),
        unavailable_timeout: text(table, "unavailable_timeout", duration(DAY))
            .unwrap_or_else(|| Duration::from_secs(120)),
    }
}

/// Reads `[limits]`.
pub(super) fn limits(top: &Table<'_>) -> Limits {
    let table = top
        .get("limits")
        .and_then(|value| value.table(keys::LIMITS));
    let read = |value: &Value<'_>| usize::try_from(value.integer(1, 64)?).ok();
    let table = table.as_ref();
    let max_concurrent = table.map_or(Reading::Absent, |table| table.read("max_concurrent", read));
    Limits {
        max_concurrent: max_concurrent.unwrap_or_else(|| 2),
        preview_check: text(table, "preview_check", preview_check)
            .unwrap_or_else(|| Duration::from_secs(60)),
    }
}

/// Oftener would be a burden for the remote, more seldom could hardly be called looking.
fn preview_check(text: &str) -> Result<Duration, String> {
    const LEAST: Duration = Duration::from_secs(5);
    const DAY: Duration = Duration::from_secs(24 * 3600);
    match duration(DAY)(text)? {
        pause if pause < LEAST => Err(format!("must be at least \"5s\", not {text:?}")),
        pause => Ok(pause),
    }
}

pub(super) fn text<T>(
    table: Option<&Table<'_>>,
    key: &str,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Reading<T> {
    table.map_or(Reading::Absent, |table| table.text(key, parse))
}

pub(super) fn texts<T, E: Display>(
    table: Option<&Table<'_>>,
    key: &str,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Reading<Vec<At<T>>> {
    table.map_or(Reading::Absent, |table| table.texts(key, parse))
}

pub(super) fn values<T: Clone>(list: &Reading<Vec<At<T>>>) -> Vec<T> {
    let list = list.value().map_or(&[][..], Vec::as_slice);
    list.iter().map(|at| at.value.clone()).collect()
}

fn listen(text: &str) -> Result<Option<SocketAddr>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| {
        format!("must be an address and a port, like \"127.0.0.1:7470\", or \"\" to turn TCP off, not {text:?}")
    })
}

fn public_url(text: &str) -> Result<String, String> {
    const FORM: &str = "write it like \"https://deploy.example.com\"";
    let url = split(text)
        .filter(|url| {
            matches!(url.scheme, "https" | "http") && is_host(url.host) && url.user.is_none()
        })
        .filter(|_| !has_strange_characters(text));
    match url {
        None => Err(format!(
            "must be an http or https URL without user and password: {FORM}"
        )),
        Some(url) if url.path.contains(['?', '#']) => {
            Err(format!("must end before any '?' or '#': {FORM}"))
        }
        Some(url) if url.path.ends_with('/') => Err(format!("must not end with a slash: {FORM}")),
        Some(_) => Ok(text.to_owned()),
    }
}

fn engine_host(text: &str) -> Result<String, String> {
    let url = split(text);
    match url.map(|url| (url.scheme, url.user, url.host, url.path)) {
        Some(("unix", None, "", path)) => match path::socket(path) {
            Ok(_) => Ok(text.to_owned()),
            Err(fault) => Err(format!(
                "must name a socket after unix://: the path {fault}"
            )),
        },
        Some(("tcp" | "http", None, host, "" | "/")) if is_host(host) => Ok(text.to_owned()),
        _ => Err(
            "must be the engine's address: \"unix:///path/of/docker.sock\" or \"tcp://host:port\""
                .to_owned(),
        ),
    }
}

/// The pool must be worth cutting up (a /24 makes four networks) and must not hide addresses of the internet.
fn address_pool(text: &str) -> Result<Ipv4Net, String> {
    let pool: Ipv4Net = text
        .parse()
        .map_err(|_| format!("must be an IPv4 network, like \"10.213.0.0/16\", not {text:?}"))?;
    if !(8..=24).contains(&pool.prefix_len()) {
        return Err(format!(
            "must have a prefix from /8 to /24, not /{}: each environment takes a /26 of it",
            pool.prefix_len()
        ));
    }
    if pool.addr() != pool.network() {
        return Err(format!(
            "is {text:?}, which lies inside a network: write {:?}",
            pool.trunc().to_string()
        ));
    }
    if !(pool.network().is_private() && pool.broadcast().is_private()) {
        return Err(format!(
            "must lie in a private network (10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16), not be {text:?}"
        ));
    }
    Ok(pool)
}

fn registries(value: &Value<'_>) -> Option<Vec<Registry>> {
    let mut known: Vec<At<String>> = Vec::new();
    let mut registries = Vec::new();
    for entry in value.list("tables")? {
        let Some(table) = entry.table(keys::REGISTRY) else {
            continue;
        };
        let host = table.text("host", registry_host);
        let username = table.text("username", username);
        let password = table.text("password", secret);
        if host.is_absent() {
            table.missing("a host, like \"registry.example.com\"");
        }
        if username.is_absent() {
            table.missing("a username");
        }
        if password.is_absent() {
            table.missing("a password, \"file:/path\" or \"credential:NAME\"");
        }
        if let Some(host) = host.given() {
            if let Some(other) = known.iter().find(|other| other.value == host.value) {
                let message = format!("is {:?}, as {} is already", host.value, other.place.path);
                entry.report().add(&host.place, message);
            }
            known.push(host.clone());
        }
        if let (Some(host), Some(username), Some(password)) =
            (host.value(), username.value(), password.value())
        {
            registries.push(Registry {
                host: host.clone(),
                username: username.clone(),
                password: password.clone(),
            });
        }
    }
    Some(registries)
}

fn registry_host(text: &str) -> Result<String, String> {
    let host = text.split_once("://").map_or(text, |(_, rest)| rest);
    let host = host.split('/').next().unwrap_or_default();
    match host {
        "index.docker.io" | "registry-1.docker.io" | "hub.docker.com" => {
            Err("must be \"docker.io\" for Docker Hub".to_owned())
        }
        _ if host != text && is_host(host) => Err(format!(
            "must be a host alone, without scheme and path: write {host:?}"
        )),
        _ if !is_host(host) => Err(
            "must be a host, with a port where needed, like \"registry.example.com\"".to_owned(),
        ),
        _ => Ok(text.to_owned()),
    }
}

fn username(text: &str) -> Result<String, String> {
    if text.is_empty() || text.contains(|c: char| c.is_control() || c == ':') {
        return Err("must not be empty nor hold a colon or control characters".to_owned());
    }
    Ok(text.to_owned())
}

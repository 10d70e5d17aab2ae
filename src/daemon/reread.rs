//! The configuration, read at the start and again at every reload.

use crate::config::{self, Config, Ingress};
use crate::deploy::{Faulty, ReadConfiguration, Registry, Reread, Settings};
use anyhow::Context as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Reads the configuration; every fault is named with its line.
pub(super) fn read_config(file: &Path) -> anyhow::Result<Config> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("cannot read the configuration {}", file.display()))?;
    config::parse(&file.display().to_string(), &text)
        .map_err(|faults| anyhow::anyhow!("the configuration has faults:\n{faults}"))
}

/// Reads the configuration again, beside the one this process began with.
pub(super) fn read_again(file: PathBuf, running: Config) -> ReadConfiguration {
    let name = file.display().to_string();
    let faulty = move |faults| Faulty {
        file: name.clone(),
        faults,
    };
    Arc::new(move || {
        let name = file.display().to_string();
        let text = std::fs::read_to_string(&file)
            .map_err(|error| faulty(vec![format!("{name} cannot be read: {error}")]))?;
        let config = config::parse(&name, &text)
            .map_err(|faults| faulty(faults.to_string().lines().map(str::to_owned).collect()))?;
        Ok(Reread {
            file: name,
            settings: Settings {
                address_pool: running.docker.address_pool,
                api_address: reachable(running.api.listen),
                ..settings(&config)
            },
            needs_restart: needs_restart(&running, &config),
        })
    })
}

/// The keys that were read once, when the process began. An ingress of its own reads the file at its own start; only
/// where to reach it is the daemon's to know. Where the other kind comes, the defaults of its keys change with it.
fn needs_restart(running: &Config, config: &Config) -> Vec<&'static str> {
    let (api, new_api) = (&running.api, &config.api);
    let (docker, new_docker) = (&running.docker, &config.docker);
    let (ingress, new_ingress) = (&running.ingress, &config.ingress);
    let is_same_kind = ingress.embedded == new_ingress.embedded;
    let keys = [
        ("data_dir", running.data_dir != config.data_dir),
        ("api.listen", api.listen != new_api.listen),
        ("api.socket", api.socket != new_api.socket),
        ("api.public_url", api.public_url != new_api.public_url),
        (
            "api.trusted_proxies",
            api.trusted_proxies != new_api.trusted_proxies,
        ),
        (
            "api.gitlab_strict",
            api.gitlab_strict != new_api.gitlab_strict,
        ),
        ("docker.host", docker.host != new_docker.host),
        (
            "docker.address_pool",
            docker.address_pool != new_docker.address_pool,
        ),
        ("ingress.embedded", ingress.embedded != new_ingress.embedded),
        (
            "ingress.socket",
            is_same_kind && ingress.socket != new_ingress.socket,
        ),
    ];
    let of_ingress = ingress_keys(ingress, new_ingress);
    let is_ours = is_same_kind && ingress.embedded;
    let of_ingress = of_ingress.into_iter().filter(|_| is_ours);
    let keys = keys.into_iter().chain(of_ingress);
    keys.filter(|(_, changed)| *changed)
        .map(|(key, _)| key)
        .collect()
}

/// What only the process that runs the ingress reads.
fn ingress_keys(running: &Ingress, new: &Ingress) -> [(&'static str, bool); 14] {
    let (a, b) = (&running.settings, &new.settings);
    let (m, n) = (&a.limits, &b.limits);
    [
        ("ingress.listen", running.listen != new.listen),
        ("ingress.data_dir", a.data_dir != b.data_dir),
        (
            "ingress.trusted_proxies",
            a.trusted_proxies != b.trusted_proxies,
        ),
        ("ingress.access_log", a.access_log != b.access_log),
        ("ingress.max_connections", m.connections != n.connections),
        ("ingress.max_header_size", m.head != n.head),
        ("ingress.max_body_size", m.body != n.body),
        ("ingress.header_timeout", m.head_timeout != n.head_timeout),
        ("ingress.idle_timeout", m.idle_timeout != n.idle_timeout),
        ("ingress.read_timeout", m.read_timeout != n.read_timeout),
        ("ingress.write_timeout", m.write_timeout != n.write_timeout),
        (
            "ingress.upstream_timeout",
            m.upstream_timeout != n.upstream_timeout,
        ),
        ("ingress.wait_timeout", m.wait_timeout != n.wait_timeout),
        (
            "ingress.shutdown_timeout",
            m.shutdown_timeout != n.shutdown_timeout,
        ),
    ]
}

pub(super) fn settings(config: &Config) -> Settings {
    let registry = |registry: &config::Registry| Registry {
        host: registry.host.clone(),
        username: registry.username.clone(),
        password: registry.password.clone(),
    };
    Settings {
        apps: config.apps.clone(),
        address_pool: config.docker.address_pool,
        api_domains: config.api.domains.clone(),
        api_address: reachable(config.api.listen),
        registries: config.docker.registries.iter().map(registry).collect(),
        max_concurrent: config.limits.max_concurrent,
        preview_check: config.limits.preview_check,
        unavailable_timeout: config.docker.unavailable_timeout,
        retention: config.retention,
    }
}

/// Where the ingress finds the API: what listens everywhere is found at home.
fn reachable(listen: Option<SocketAddr>) -> Option<SocketAddr> {
    let ip = |address: SocketAddr| match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    listen.map(|address| SocketAddr::new(ip(address), address.port()))
}

//! The configuration, read at the start and again at every reload.

use crate::config::{self, Config};
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

/// The keys that were read once, when the process began.
fn needs_restart(running: &Config, config: &Config) -> Vec<&'static str> {
    let keys = [
        ("data_dir", running.data_dir != config.data_dir),
        ("api.listen", running.api.listen != config.api.listen),
        ("api.socket", running.api.socket != config.api.socket),
        (
            "api.public_url",
            running.api.public_url != config.api.public_url,
        ),
        ("docker.host", running.docker.host != config.docker.host),
        (
            "docker.address_pool",
            running.docker.address_pool != config.docker.address_pool,
        ),
    ];
    let changed = keys.into_iter().filter(|(_, changed)| *changed);
    changed.map(|(key, _)| key).collect()
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

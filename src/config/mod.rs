//! The configuration file: from TOML text to validated values, with every fault named at once by line and column.
//! It reads text and no files; whether a path exists or a port is free is found out where it is used.
//!
//! ```text
//!  text ─reader─▶ tables ─agent──▶ Api, Ingress, Docker, Limits ──────┐
//!                        └layer──▶ the keys of an app, of each of its │
//!                                  environments, laid over each other │
//!                                    ├─spec────▶ Spec ──▶ App ────────┼─▶ Config
//!                                    └─conflict─▶ faults between apps ┘
//! ```
//!
//! A key is added in [`keys`], in the reader of its table, and in `config.example.toml`; tests hold the three together.

mod agent;
mod app;
mod command;
mod conflict;
mod connection;
mod fault;
mod health;
mod ingress;
mod job;
pub mod keys;
mod layer;
mod listening;
mod path;
mod previews;
mod process;
mod publish;
mod reader;
mod repository;
mod retention;
mod spec;
mod syntax;
mod url;
mod value;
mod volume;

pub use fault::{Fault, Faults};

use crate::core::app::App;
use crate::core::ingress::IngressSettings;
use crate::core::name::AppName;
use crate::core::retention::Policy;
use crate::core::route::Domain;
use crate::core::secret::SecretRef;
use fault::Report;
use ipnet::{IpNet, Ipv4Net};
use reader::Table;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use toml::de::DeTable;
use uuid::Uuid;

/// Everything the configuration file says, defaults filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where the database, logs, mirrors and scratch trees are kept.
    pub data_dir: PathBuf,
    /// Where requests come in.
    pub api: Api,
    /// How the apps' requests come in.
    pub ingress: Ingress,
    /// How containers are run.
    pub docker: Docker,
    /// How much at a time.
    pub limits: Limits,
    /// What is kept and what may go.
    pub retention: Policy,
    /// The apps, in the file's order. Names and ids are unique.
    pub apps: Vec<App>,
}

/// Where requests come in.
#[derive(Clone, Debug, PartialEq)]
pub struct Api {
    /// The TCP address; none when TCP is off.
    pub listen: Option<SocketAddr>,
    /// The unix socket.
    pub socket: PathBuf,
    /// What absolute URLs in answers begin with; no slash at its end.
    pub public_url: Option<String>,
    /// Where the API is also served, through the ingress.
    pub domains: Vec<Domain>,
    /// The proxies whose `X-Forwarded-For` the API believes.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether GitLab's API takes no deployment as `created`, as GitLab does.
    pub gitlab_strict: bool,
}

/// How the apps' requests come in.
#[derive(Clone, Debug, PartialEq)]
pub struct Ingress {
    /// Whether the ingress is a part of the daemon's process.
    pub embedded: bool,
    /// Its TCP addresses; IPv4 and IPv6 are apart, also where an address is all of its family.
    pub listen: Vec<SocketAddr>,
    /// The unix socket it is told its routes by.
    pub socket: PathBuf,
    /// How it takes requests and passes them on.
    pub settings: IngressSettings,
}

/// How containers are run.
#[derive(Clone, Debug, PartialEq)]
pub struct Docker {
    /// The engine: `unix:///path`, `tcp://host:port` or `http://host:port`.
    pub host: String,
    /// What the environments' networks are cut from: private, /8 to /24.
    pub address_pool: Ipv4Net,
    /// Credentials for registries; each host once.
    pub registries: Vec<Registry>,
    /// How long a deployment waits for an engine that is gone.
    pub unavailable_timeout: Duration,
}

/// The right to use a registry.
#[derive(Clone, Debug, PartialEq)]
pub struct Registry {
    /// Its host, with port if any; `docker.io` for the engine's default.
    pub host: String,
    /// The user.
    pub username: String,
    /// Where the password or token is kept.
    pub password: SecretRef,
}

/// How much at a time.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Deployments that check out, build or roll out at the same time.
    pub max_concurrent: usize,
    /// How often it is looked whether previews are to end.
    pub preview_check: Duration,
}

impl Config {
    /// The app of that name.
    #[must_use]
    pub fn app(&self, name: &AppName) -> Option<&App> {
        self.apps.iter().find(|app| app.name == *name)
    }

    /// The app of that id.
    #[must_use]
    pub fn app_by_id(&self, id: Uuid) -> Option<&App> {
        self.apps.iter().find(|app| app.id == id)
    }
}

/// Reads a configuration; `file` is its name for messages only.
///
/// # Errors
/// Every fault there is. Where the text is not TOML, what the broken lines would have said is unknown, so that only
/// the faults of single values are named beside the syntax errors, not what is missing or contradicts itself.
pub fn parse(file: &str, text: &str) -> Result<Config, Faults> {
    let report = Report::default();
    let config = syntax::check(text, &report).and_then(|text| {
        let tree = DeTable::parse(&text).ok()?;
        read(&Table::root(tree.get_ref(), &report), &report)
    });
    match config {
        Some(config) if report.is_clean() => Ok(config),
        _ => Err(report.into_faults(file, text)),
    }
}

/// `None` for a text of which broken lines were left out: the report then has the reason.
fn read(top: &Table<'_>, report: &Report) -> Option<Config> {
    let data_dir = top
        .text("data_dir", path::data_dir)
        .unwrap_or_else(|| PathBuf::from("/var/lib/longshore"));
    let api_keys = agent::api(top);
    let ingress_keys = ingress::read(top);
    let docker = agent::docker(top);
    let limits = agent::limits(top);
    let retention = retention::read(top);
    let declared = app::read(top);
    if report.is_partial() {
        return None;
    }
    let api = api_keys.build();
    let ingress = ingress_keys.build(&api, &data_dir);
    ingress_keys.check_socket(&ingress, &api, &api_keys.socket, report);
    conflict::find(&declared, &api_keys, &ingress_keys, report);
    let apps = declared
        .iter()
        .filter_map(|app| app.build(&declared, report))
        .collect();
    Some(Config {
        data_dir,
        api,
        ingress,
        docker,
        limits,
        retention,
        apps,
    })
}

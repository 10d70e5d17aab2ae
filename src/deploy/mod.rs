//! What longshore exists for: taking requests in (`dispatch`) and walking deployments to their end (`drive`), through
//! kills, cancels and an engine that comes and goes.
//!
//! One future drives everything: each environment with work has one walk at a time, and nothing here is spawned.
//! State is re-read from the store wherever a walk begins, so a walk after a kill is the same as any other. Every
//! `select!` is `biased`: the same events in the same order make the same walk, so that a simulated one can be replayed.

mod adopt;
mod answered;
mod authenticate;
mod build;
mod candidates;
mod change;
mod changes;
mod checkout;
mod collect;
mod commits;
mod committed;
mod connections;
mod containers;
mod create;
mod delete;
mod dispatch;
mod drive;
mod environments;
mod events;
mod failures;
mod gate;
mod history;
mod hooks;
mod interrupt;
mod jobs;
mod journal;
mod limits;
mod measure;
mod one_off;
mod patience;
mod permits;
mod plan;
mod previews;
mod processes;
mod projects;
mod pulse;
mod readiness;
mod record;
mod reload;
mod rollout;
mod routes;
mod run;
mod runs;
mod runtime;
mod schedule;
mod secrets;
mod services;
mod settle;
mod statuses;
mod tasks;
mod tokens;
mod uphold;
mod walk;
mod watch;

use crate::core::app::App;
use crate::core::ports::{Clock, Engine, Ingress, Random, RegistryCredential, Source};
use crate::core::retention::Policy;
use crate::core::route::Domain;
use crate::core::secret::SecretRef;
use crate::core::spec::Spec;
use crate::core::time::Timestamp;
use crate::store::{Configured, Place, SecretError, Store};
pub use hooks::HookFault;
use ipnet::Ipv4Net;
pub use reload::{Faulty, ReadConfiguration, Reread};
use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

/// What the configuration says, as far as deployments need it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// All apps.
    pub apps: Vec<App>,
    /// What the networks of new environments are cut from.
    pub address_pool: Ipv4Net,
    /// Where the API is served through the ingress.
    pub api_domains: Vec<Domain>,
    /// Where the ingress finds the API; none if that does not listen over TCP.
    pub api_address: Option<SocketAddr>,
    /// All registries.
    pub registries: Vec<Registry>,
    /// How many deployments may check out, build or roll out at once.
    pub max_concurrent: usize,
    /// How often it is looked whether previews are to end.
    pub preview_check: Duration,
    /// How long a deployment waits for an engine that is gone.
    pub unavailable_timeout: Duration,
    /// What is kept and what may go.
    pub retention: Policy,
}

impl Settings {
    /// What of it rows are made of.
    #[must_use]
    pub fn configured(&self) -> Configured<'_> {
        Configured {
            apps: &self.apps,
            pool: self.address_pool,
            api_domains: &self.api_domains,
            api_address: self.api_address,
        }
    }
}

/// A registry and where its password is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registry {
    /// Its host.
    pub host: String,
    /// The user.
    pub username: String,
    /// The password.
    pub password: SecretRef,
}

/// The ways out.
#[derive(Clone)]
pub struct Ports {
    /// Docker.
    pub engine: Arc<dyn Engine>,
    /// Git.
    pub source: Arc<dyn Source>,
    /// The data path.
    pub ingress: Arc<dyn Ingress>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Random bytes.
    pub random: Random,
}

/// Takes requests in and walks deployments. Cheap to share; everything lasting is in the store.
pub struct Agent {
    store: Arc<Store>,
    ports: Ports,
    settings: RwLock<Arc<Settings>>,
    limits: limits::Limits,
    /// Counts checkouts, builds and rollouts.
    permits: permits::Permits,
    /// What was at work when this process began and was not resumed yet.
    interrupted: Mutex<HashSet<interrupt::Resumed>>,
    read_configuration: Option<ReadConfiguration>,
    /// Whether the database is as old as the world.
    history: tokio::sync::watch::Sender<history::History>,
    adopting: tokio::sync::Mutex<()>,
    /// One collection at a time.
    collecting: tokio::sync::Mutex<()>,
    /// Networks of connections are made and taken away by one walk at a time: each may belong to two of them.
    connecting: tokio::sync::Mutex<()>,
    /// How old the previews' last deployments are.
    ages: Mutex<previews::Ages>,
    watch: watch::Watch,
    published: routes::Published,
    /// Whether this process is ending: nobody is to go on waiting for what comes.
    closing: tokio::sync::watch::Sender<bool>,
    counted: Mutex<measure::Counted>,
    pulse: pulse::Pulse,
}

impl Agent {
    /// Puts the parts together.
    #[must_use]
    pub fn new(store: Arc<Store>, ports: Ports, settings: Settings) -> Self {
        let agent = Self {
            limits: limits::Limits::new(ports.clock.clone()),
            ages: Mutex::new(previews::Ages::new(
                &store.previews().unwrap_or_default(),
                ports.clock.monotonic(),
            )),
            store,
            ports,
            permits: permits::Permits::new(settings.max_concurrent),
            settings: RwLock::new(Arc::new(settings)),
            interrupted: Mutex::new(HashSet::new()),
            read_configuration: None,
            history: tokio::sync::watch::Sender::new(history::History::Unchecked),
            adopting: tokio::sync::Mutex::new(()),
            connecting: tokio::sync::Mutex::default(),
            collecting: tokio::sync::Mutex::new(()),
            watch: watch::Watch::default(),
            published: routes::Published::default(),
            pulse: pulse::Pulse::default(),
            closing: tokio::sync::watch::Sender::new(false),
            counted: Mutex::default(),
        };
        agent.begin_counting();
        agent
    }

    /// The process is ending: whoever waits for a line or an event gets an answer now, and can ask the next process.
    pub fn close(&self) {
        self.closing.send_replace(true);
    }

    /// Whether the process is ending.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        *self.closing.borrow()
    }

    /// The present time, for what an answer says of it.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.ports.clock.now()
    }

    /// Time since some point, for measuring how long something took.
    #[must_use]
    pub fn monotonic(&self) -> Duration {
        self.ports.clock.monotonic()
    }

    fn settings(&self) -> Arc<Settings> {
        self.settings
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Where the API is served through the ingress, as the configuration says now.
    #[must_use]
    pub fn api_domains(&self) -> Vec<Domain> {
        self.settings().api_domains.clone()
    }

    /// Where the API listens, for programs of this host.
    #[must_use]
    pub fn api_address(&self) -> Option<SocketAddr> {
        self.settings().api_address
    }

    /// What the configuration says of an environment now; `None` if it no longer names it, or takes no previews like it.
    fn configured(&self, place: &Place) -> Option<Spec> {
        let settings = self.settings();
        let app = settings.apps.iter().find(|app| app.id == place.app_id)?;
        app.spec_of(&place.environment_name, place.preview)
    }

    fn registry_credentials(&self) -> Result<Vec<RegistryCredential>, SecretError> {
        let settings = self.settings();
        let read = |registry: &Registry| {
            Ok(RegistryCredential {
                host: registry.host.clone(),
                username: registry.username.clone(),
                password: self.store.secret(&registry.password)?,
            })
        };
        settings.registries.iter().map(read).collect()
    }
}

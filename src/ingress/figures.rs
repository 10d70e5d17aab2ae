//! What is counted of the data path, for Prometheus.
//!
//! Counting is on every request's way: each worker has its own place for what every request counts, added up when
//! somebody asks.

use super::proxy::CODES;
use crate::core::route::Service;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::prometheus_text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Everything that is counted.
#[derive(Debug)]
pub struct Figures {
    accounts: Mutex<HashMap<Service, Arc<Account>>>,
    /// Of requests that are nobody's.
    pub(super) strangers: Account,
    pub(super) clients: AtomicI64,
    pub(super) upstreams_open: AtomicI64,
    pub(super) upstreams_idle: AtomicI64,
    pub(super) log_dropped: Arc<AtomicU64>,
}

/// So many workers count without meeting; more share places.
const PLACES: usize = 16;

/// The latencies' upper bounds, in microseconds: from what a small answer takes to what nobody waits for.
const BOUNDS: [u64; 14] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000,
];

/// What is counted for one app and environment.
#[derive(Debug)]
pub struct Account {
    pub(super) service: Service,
    places: [Place; PLACES],
    errors: [AtomicU64; CODES.len()],
    pub(super) upgrades_open: AtomicI64,
    pub(super) retries: AtomicU64,
    pub(super) waits: AtomicU64,
    swaps: AtomicU64,
    drains: AtomicU64,
    cut_off: AtomicU64,
}

/// Far enough from the next that two processors do not fight for one cache line.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Place {
    classes: [AtomicU64; 5],
    /// One more than there are bounds: what took longer.
    took: [AtomicU64; BOUNDS.len() + 1],
    took_sum: AtomicU64,
    received: AtomicU64,
    sent: AtomicU64,
}

impl Default for Figures {
    fn default() -> Self {
        Self {
            accounts: Mutex::default(),
            strangers: Account::new(Service {
                app: String::new(),
                environment: String::new(),
            }),
            clients: AtomicI64::new(0),
            upstreams_open: AtomicI64::new(0),
            upstreams_idle: AtomicI64::new(0),
            log_dropped: Arc::default(),
        }
    }
}

impl Figures {
    /// That of a service; made at its first mention and kept.
    pub(super) fn account(&self, service: &Service) -> Arc<Account> {
        let mut accounts = self
            .accounts
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        match accounts.get(service) {
            Some(account) => Arc::clone(account),
            None => {
                let account = Arc::new(Account::new(service.clone()));
                accounts.insert(service.clone(), Arc::clone(&account));
                account
            }
        }
    }

    /// All of it in Prometheus' text format.
    #[must_use]
    pub fn encode(self: &Arc<Self>) -> String {
        let mut registry = Registry::with_prefix("longshore_ingress");
        registry.register_collector(Box::new(Shown(Arc::clone(self))));
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &registry);
        text
    }
}

impl Account {
    fn new(service: Service) -> Self {
        Self {
            service,
            places: Default::default(),
            errors: Default::default(),
            upgrades_open: AtomicI64::new(0),
            retries: AtomicU64::new(0),
            waits: AtomicU64::new(0),
            swaps: AtomicU64::new(0),
            drains: AtomicU64::new(0),
            cut_off: AtomicU64::new(0),
        }
    }

    /// A request was answered, or its client went away.
    pub(super) fn answered(
        &self,
        worker: usize,
        status: u16,
        took: Duration,
        received: u64,
        sent: u64,
    ) {
        let place = &self.places[worker % PLACES];
        let class = usize::from(status / 100).clamp(1, 5) - 1;
        place.classes[class].fetch_add(1, Relaxed);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.partition_point(|bound| *bound < micros);
        place.took[bucket].fetch_add(1, Relaxed);
        place.took_sum.fetch_add(micros, Relaxed);
        place.received.fetch_add(received, Relaxed);
        place.sent.fetch_add(sent, Relaxed);
    }

    /// We answered ourselves, or could not answer at all.
    pub(super) fn failed(&self, code: usize) {
        self.errors[code].fetch_add(1, Relaxed);
    }

    /// Its requests go to another address now.
    pub(super) fn swapped(&self) {
        self.swaps.fetch_add(1, Relaxed);
    }

    /// A drain ended, with so much still under way.
    pub(super) fn drained(&self, left: u64) {
        self.drains.fetch_add(1, Relaxed);
        self.cut_off.fetch_add(left, Relaxed);
    }

    fn sum(&self, of: impl Fn(&Place) -> &AtomicU64) -> u64 {
        self.places
            .iter()
            .map(|place| of(place).load(Relaxed))
            .sum()
    }
}

#[derive(Debug)]
struct Shown(Arc<Figures>);

type Labels<'a> = [(&'static str, &'a str); 2];
type Accounts = BTreeMap<Service, Arc<Account>>;

impl Collector for Shown {
    fn encode(&self, mut to: DescriptorEncoder) -> fmt::Result {
        let accounts: Accounts = {
            let held = self
                .0
                .accounts
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            held.iter()
                .map(|(service, account)| (service.clone(), Arc::clone(account)))
                .collect()
        };
        requests(&mut to, &accounts)?;
        for (name, help, of) in COUNTERS {
            let mut family = to.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (service, account) in &accounts {
                ConstCounter::new(of(account)).encode(family.encode_family(&labels(service))?)?;
            }
        }
        let mut family = to.encode_descriptor(
            "upgrades_open",
            "Upgraded connections (WebSocket and others) open now",
            None,
            MetricType::Gauge,
        )?;
        for (service, account) in &accounts {
            ConstGauge::new(account.upgrades_open.load(Relaxed))
                .encode(family.encode_family(&labels(service))?)?;
        }
        self.errors(&mut to, &accounts)?;
        self.connections(&mut to)
    }
}

type Counter = (&'static str, &'static str, fn(&Account) -> u64);

const COUNTERS: [Counter; 7] = [
    ("received_bytes", "Bytes of requests' bodies", |account| {
        account.sum(|place| &place.received)
    }),
    ("sent_bytes", "Bytes of answers' bodies", |account| {
        account.sum(|place| &place.sent)
    }),
    (
        "retries",
        "Requests sent again because a kept connection had been closed",
        |account| account.retries.load(Relaxed),
    ),
    (
        "waits",
        "Requests that waited for an app that took no connection",
        |account| account.waits.load(Relaxed),
    ),
    (
        "swaps",
        "Times its requests were led to another address",
        |account| account.swaps.load(Relaxed),
    ),
    (
        "drains",
        "Times it was waited for what was under way to an address",
        |account| account.drains.load(Relaxed),
    ),
    (
        "drain_cut_off",
        "Requests and upgraded connections still under way when a drain's time was over",
        |account| account.cut_off.load(Relaxed),
    ),
];

fn labels(service: &Service) -> Labels<'_> {
    [
        ("app", service.app.as_str()),
        ("environment", service.environment.as_str()),
    ]
}

fn requests(to: &mut DescriptorEncoder<'_>, accounts: &Accounts) -> fmt::Result {
    let mut family = to.encode_descriptor(
        "requests",
        "Requests by the class of their answer's status",
        None,
        MetricType::Counter,
    )?;
    for (service, account) in accounts {
        for (class, name) in ["1xx", "2xx", "3xx", "4xx", "5xx"].into_iter().enumerate() {
            let [app, environment] = labels(service);
            ConstCounter::new(account.sum(|place| &place.classes[class]))
                .encode(family.encode_family(&[app, environment, ("status", name)])?)?;
        }
    }
    let mut family = to.encode_descriptor(
        "request_duration",
        "From a request's head to its answer's end",
        Some(&Unit::Seconds),
        MetricType::Histogram,
    )?;
    for (service, account) in accounts {
        let mut buckets = Vec::with_capacity(BOUNDS.len() + 1);
        let mut count = 0;
        for at in 0..=BOUNDS.len() {
            let here = account.sum(|place| &place.took[at]);
            count += here;
            let bound = BOUNDS.get(at).map_or(f64::MAX, |bound| {
                Duration::from_micros(*bound).as_secs_f64()
            });
            buckets.push((bound, here));
        }
        let sum = Duration::from_micros(account.sum(|place| &place.took_sum)).as_secs_f64();
        family
            .encode_family(&labels(service))?
            .encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?;
    }
    Ok(())
}

impl Shown {
    fn errors(&self, to: &mut DescriptorEncoder<'_>, accounts: &Accounts) -> fmt::Result {
        let mut family = to.encode_descriptor(
            "errors",
            "Requests answered by the ingress itself, by code; without an app: no route was found or looked for",
            None,
            MetricType::Counter,
        )?;
        let all = accounts.values().map(|account| &**account);
        for account in std::iter::once(&self.0.strangers).chain(all) {
            for (code, count) in CODES.iter().zip(&account.errors) {
                let count = count.load(Relaxed);
                if count > 0 {
                    let [app, environment] = labels(&account.service);
                    ConstCounter::new(count).encode(family.encode_family(&[
                        app,
                        environment,
                        ("code", code),
                    ])?)?;
                }
            }
        }
        Ok(())
    }

    fn connections(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let figures = &self.0;
        for (name, help, value) in [
            (
                "client_connections",
                "Connections of clients open now",
                &figures.clients,
            ),
            (
                "upstream_connections",
                "Connections to apps open now",
                &figures.upstreams_open,
            ),
            (
                "upstream_connections_idle",
                "Connections to apps kept for a next request now",
                &figures.upstreams_idle,
            ),
        ] {
            let gauge = ConstGauge::new(value.load(Relaxed));
            gauge.encode(to.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
        }
        ConstCounter::new(figures.log_dropped.load(Relaxed)).encode(to.encode_descriptor(
            "access_log_dropped",
            "Lines of the access log that nobody took in time",
            None,
            MetricType::Counter,
        )?)
    }
}

/// A connection that counts as open as long as this value is.
#[derive(Debug)]
pub(super) struct Open {
    figures: Arc<Figures>,
    of: fn(&Figures) -> &AtomicI64,
}

impl Open {
    pub fn client(figures: &Arc<Figures>) -> Self {
        Self::new(figures, |figures| &figures.clients)
    }

    pub fn upstream(figures: &Arc<Figures>) -> Self {
        Self::new(figures, |figures| &figures.upstreams_open)
    }

    pub fn idle(figures: &Arc<Figures>) -> Self {
        Self::new(figures, |figures| &figures.upstreams_idle)
    }

    fn new(figures: &Arc<Figures>, of: fn(&Figures) -> &AtomicI64) -> Self {
        of(figures).fetch_add(1, Relaxed);
        Self {
            figures: Arc::clone(figures),
            of,
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        (self.of)(&self.figures).fetch_sub(1, Relaxed);
    }
}

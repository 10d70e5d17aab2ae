//! The table that holds, and what is under way to each upstream.
//!
//! ```text
//!   find:     look up ─▶ count in ─▶ version still the same? ─ yes ─▶ go
//!                 ▲                           │ no
//!                 └──── take the new table ◀──┴─ count out
//!   install:  new table ─▶ version + 1 ─▶ return        drain: count = 0?
//! ```
//!
//! Finding takes no lock: it counts in first and then makes sure that the table it looked in still holds. All of it is
//! sequentially consistent, so either the find sees the new version and goes elsewhere, or whoever drains after the
//! install sees its count.

use super::figures::{Account, Figures};
use super::lookup::Lookup;
use crate::core::ports::Takeover;
use crate::core::route::{Absence, Table, Target};
use std::collections::{HashMap, HashSet};
use std::net::{SocketAddr, SocketAddrV4};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use uuid::Uuid;

/// The table that holds now and everything counted on behalf of it.
#[derive(Debug)]
pub struct Routes {
    held: Mutex<Held>,
    /// Grows with every table that takes effect.
    version: AtomicU64,
    /// The same, for those who want to be woken.
    changes: watch::Sender<u64>,
    figures: Arc<Figures>,
}

#[derive(Debug, Default)]
struct Held {
    table: Option<Arc<Table>>,
    lookup: Arc<Lookup<Way>>,
    /// Those of the table, and earlier ones that something is still under way to.
    upstreams: HashMap<SocketAddr, Arc<Upstream>>,
}

/// Where a route leads.
#[derive(Debug)]
struct Way {
    account: Arc<Account>,
    end: End,
}

#[derive(Debug)]
enum End {
    Upstream(Arc<Upstream>),
    Nobody(Absence),
}

/// One address that requests are sent to. While it is in the table or something is under way to it, all who speak of
/// the address share one.
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    /// Whether it is a container, one hop away, or the API on this host.
    neighbour: bool,
    account: Arc<Account>,
    /// Requests and upgraded connections under way.
    under_way: AtomicU64,
    /// Who waits for that to become none.
    drains: AtomicU64,
    empty: Notify,
    /// Requests that wait for it to take connections.
    waiting: AtomicU64,
}

/// What a table does where another may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It takes the held one's place.
    Replaces,
    /// One of the same instance that is as new or newer is there already: this generation.
    Holds(i64),
    /// Another instance's is there.
    Foreign(Uuid),
}

/// What a table does where another may be; nothing is changed.
#[must_use]
pub fn admit(held: Option<&Table>, new: &Table, takeover: Takeover) -> Admission {
    match held {
        None => Admission::Replaces,
        Some(held) if held.instance == new.instance => {
            if new.generation > held.generation {
                Admission::Replaces
            } else {
                Admission::Holds(held.generation)
            }
        }
        Some(held) => match takeover {
            Takeover::Explicit => Admission::Replaces,
            Takeover::No => Admission::Foreign(held.instance),
        },
    }
}

impl Default for Routes {
    fn default() -> Self {
        Self::new()
    }
}

impl Routes {
    /// Without a table.
    #[must_use]
    pub fn new() -> Self {
        Self {
            held: Mutex::default(),
            version: AtomicU64::new(0),
            changes: watch::Sender::new(0),
            figures: Arc::default(),
        }
    }

    /// Makes the table hold and returns the generation that holds now. When it returns, no new request goes where only
    /// older tables lead.
    ///
    /// # Errors
    /// The instance whose table is there, if it is another one and this is no takeover.
    pub fn install(&self, table: Table, takeover: Takeover) -> Result<i64, Uuid> {
        let mut held = self.lock();
        match admit(held.table.as_deref(), &table, takeover) {
            Admission::Replaces => {}
            Admission::Holds(generation) => return Ok(generation),
            Admission::Foreign(instance) => return Err(instance),
        }
        self.count_swaps(held.table.as_deref(), &table);
        let generation = table.generation;
        held.lookup = Arc::new(self.lay_out(&table, &mut held.upstreams));
        held.table = Some(Arc::new(table));
        let version = self.version.fetch_add(1, SeqCst) + 1;
        // Only now nothing can be counted in any more on what left the table.
        let current: HashSet<SocketAddr> = addresses(held.table.as_deref()).collect();
        held.upstreams.retain(|address, upstream| {
            current.contains(address) || upstream.under_way.load(SeqCst) > 0
        });
        drop(held);
        self.changes.send_replace(version);
        Ok(generation)
    }

    /// The table that holds.
    #[must_use]
    pub fn table(&self) -> Option<Arc<Table>> {
        self.lock().table.clone()
    }

    /// Waits until nothing is under way to the address, at most so long, and returns how much still is.
    pub async fn drain(&self, address: SocketAddrV4, limit: Duration) -> u64 {
        let upstream = self.lock().upstreams.get(&address.into()).cloned();
        let Some(upstream) = upstream else { return 0 };
        let left = upstream.drain(limit).await;
        // A look that was not to wait is no drain that failed.
        if left == 0 || !limit.is_zero() {
            upstream.account.drained(left);
        }
        left
    }

    /// What is counted.
    #[must_use]
    pub fn figures(&self) -> &Arc<Figures> {
        &self.figures
    }

    /// Changes with every table that takes effect.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn lay_out(
        &self,
        table: &Table,
        upstreams: &mut HashMap<SocketAddr, Arc<Upstream>>,
    ) -> Lookup<Way> {
        Lookup::new(table.routes.iter().map(|route| {
            let account = self.figures.account(&route.service);
            let mut upstream = |address, neighbour| {
                End::Upstream(Arc::clone(upstreams.entry(address).or_insert_with(|| {
                    Arc::new(Upstream::new(address, neighbour, Arc::clone(&account)))
                })))
            };
            let end = match route.target {
                Target::Container(address) => upstream(address.into(), true),
                Target::Api(address) => upstream(address, false),
                Target::Nobody(absence) => End::Nobody(absence),
            };
            (route.domain.clone(), Way { account, end })
        }))
    }

    /// A swap is a service whose requests went to one address and now go to another.
    fn count_swaps(&self, old: Option<&Table>, new: &Table) {
        let Some(old) = old else { return };
        let of = |table: &Table| {
            let mut targets = HashMap::new();
            for route in &table.routes {
                if let Some(address) = address_of(route.target) {
                    targets.insert(route.service.clone(), address);
                }
            }
            targets
        };
        let before = of(old);
        for (service, address) in of(new) {
            if before.get(&service).is_some_and(|old| *old != address) {
                self.figures.account(&service).swapped();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        // Nothing that is done under it can panic halfway through a change.
        self.held
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn address_of(target: Target) -> Option<SocketAddr> {
    match target {
        Target::Container(address) => Some(address.into()),
        Target::Api(address) => Some(address),
        Target::Nobody(_) => None,
    }
}

fn addresses(table: Option<&Table>) -> impl Iterator<Item = SocketAddr> + '_ {
    table
        .into_iter()
        .flat_map(|table| &table.routes)
        .filter_map(|route| address_of(route.target))
}

impl Upstream {
    fn new(address: SocketAddr, neighbour: bool, account: Arc<Account>) -> Self {
        Self {
            address,
            neighbour,
            account,
            under_way: AtomicU64::new(0),
            drains: AtomicU64::new(0),
            empty: Notify::new(),
            waiting: AtomicU64::new(0),
        }
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether it is to be reached without any router between.
    pub fn is_neighbour(&self) -> bool {
        self.neighbour
    }

    /// A place among those who wait for it, if there is one left.
    pub fn wait(self: &Arc<Self>) -> Option<Waiting> {
        let waiting = Waiting(Arc::clone(self));
        (self.waiting.fetch_add(1, SeqCst) < MOST_WAITING).then_some(waiting)
    }

    fn count_in(self: &Arc<Self>) -> UnderWay {
        self.under_way.fetch_add(1, SeqCst);
        UnderWay(Arc::clone(self))
    }

    async fn drain(&self, limit: Duration) -> u64 {
        self.drains.fetch_add(1, SeqCst);
        let emptied = async {
            loop {
                let empty = self.empty.notified();
                tokio::pin!(empty);
                // From here on a notification is not missed, so the count may be looked at.
                empty.as_mut().enable();
                if self.under_way.load(SeqCst) == 0 {
                    return;
                }
                empty.await;
            }
        };
        // How it ended is read from the count itself.
        let _ = tokio::time::timeout(limit, emptied).await;
        self.drains.fetch_sub(1, SeqCst);
        self.under_way.load(SeqCst)
    }
}

/// So many requests wait for one address that takes no connection. Each holds its client's connection: a crowd that waits
/// for one app must leave room for the others.
const MOST_WAITING: u64 = 1024;

/// A place among those who wait, as long as this value is.
#[derive(Debug)]
pub struct Waiting(Arc<Upstream>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, SeqCst);
    }
}

/// Something under way to an upstream, as long as this value is.
#[derive(Debug)]
pub struct UnderWay(Arc<Upstream>);

impl UnderWay {
    /// To whom.
    pub fn upstream(&self) -> &Arc<Upstream> {
        &self.0
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if self.0.under_way.fetch_sub(1, SeqCst) == 1 && self.0.drains.load(SeqCst) > 0 {
            self.0.empty.notify_waiters();
        }
    }
}

/// What was found for a request.
#[derive(Debug)]
pub enum Found {
    /// Somebody answers it, and it is counted as under way to them.
    Upstream(UnderWay, Arc<Account>),
    /// Nobody does, on purpose.
    Nobody(Absence, Arc<Account>),
    /// No route is for it.
    NoRoute,
    /// There is no table yet.
    NoTable,
}

/// One worker's view of the routes.
#[derive(Debug)]
pub struct Finder {
    routes: Arc<Routes>,
    version: u64,
    lookup: Arc<Lookup<Way>>,
}

impl Finder {
    /// Finds in the table that holds at each time.
    pub fn new(routes: Arc<Routes>) -> Self {
        Self {
            routes,
            version: 0,
            lookup: Arc::default(),
        }
    }

    /// The way of a request, and counts it in there.
    pub fn find(&mut self, host: &str, path: &str) -> Found {
        self.refresh();
        loop {
            let found = self.find_once(host, path);
            if self.routes.version.load(SeqCst) == self.version {
                return found;
            }
            drop(found);
            self.refresh();
        }
    }

    fn find_once(&self, host: &str, path: &str) -> Found {
        match self.lookup.find(host, path) {
            Some(way) => match &way.end {
                End::Upstream(upstream) => {
                    Found::Upstream(upstream.count_in(), Arc::clone(&way.account))
                }
                End::Nobody(absence) => Found::Nobody(*absence, Arc::clone(&way.account)),
            },
            None if self.version == 0 => Found::NoTable,
            None => Found::NoRoute,
        }
    }

    fn refresh(&mut self) {
        if self.routes.version.load(SeqCst) != self.version {
            let held = self.routes.lock();
            self.lookup = Arc::clone(&held.lookup);
            // Under the lock the version belongs to the lookup.
            self.version = self.routes.version.load(SeqCst);
        }
    }

    /// Whether the table that holds leads to the address.
    pub fn leads_to(&self, address: SocketAddr) -> bool {
        addresses(self.routes.lock().table.as_deref()).any(|current| current == address)
    }
}

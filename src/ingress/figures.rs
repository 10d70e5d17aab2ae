//! What is counted of the data path.

use crate::core::route::Service;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

/// Everything that is counted.
#[derive(Debug, Default)]
pub struct Figures {
    accounts: Mutex<HashMap<Service, Arc<Account>>>,
}

/// What is counted for one app and environment.
#[derive(Debug, Default)]
pub struct Account {
    swaps: AtomicU64,
    drains: AtomicU64,
    cut_off: AtomicU64,
}

impl Figures {
    /// That of a service; made at its first mention and kept.
    pub fn account(&self, service: &Service) -> Arc<Account> {
        let mut accounts = self
            .accounts
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        Arc::clone(accounts.entry(service.clone()).or_default())
    }

    /// All of it in Prometheus' text format.
    #[must_use]
    pub fn encode(&self) -> String {
        String::new()
    }
}

impl Account {
    /// Its requests go to another address now.
    pub fn swapped(&self) {
        self.swaps.fetch_add(1, Relaxed);
    }

    /// A drain ended, with so much still under way.
    pub fn drained(&self, left: u64) {
        self.drains.fetch_add(1, Relaxed);
        self.cut_off.fetch_add(left, Relaxed);
    }
}

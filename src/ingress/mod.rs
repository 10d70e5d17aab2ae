//! The data path: a reverse proxy whose routes are told over a unix socket, so that it can be a process of its own.
//!
//! ```text
//!   control plane                      ingress (the same process or its own)
//!   ┌────────────┐   unix socket   ┌──────────────────────────────────────────┐
//!   │ Client ────┼──── table ─────▶│ control ─▶ routes ─▶ kept (on disk)      │
//!   │  (a port)  │◀─── held ───────┤              │                           │
//!   │            │──── drain ─────▶│              ▼                           │
//!   └────────────┘                 │ clients ─▶ proxy ─▶ upstream containers  │
//!                                  └──────────────────────────────────────────┘
//! ```

mod figures;
mod lookup;
mod probe;
pub mod proxy;
mod routes;

pub use routes::{Admission, Routes, admit};

use crate::core::ports::{Ingress, IngressError, Probe, ProbeAnswer, Takeover};
use crate::core::route::Table;
use async_trait::async_trait;
use std::net::SocketAddrV4;
use std::path::PathBuf;
use std::time::Duration;
use uuid::Uuid;

/// The sockets the ingress serves at: bound by whoever starts it, or given by systemd.
#[derive(Debug)]
pub struct Sockets {
    /// For everybody's requests.
    pub traffic: Vec<std::net::TcpListener>,
    /// For the control plane.
    pub control: std::os::unix::net::UnixListener,
}

/// The control plane's side of an ingress: the port, over the ingress's unix socket.
#[derive(Debug)]
pub struct Client {
    socket: PathBuf,
}

impl Client {
    /// Of the ingress that listens at this path. Nothing is opened before it is needed.
    #[must_use]
    pub fn new(socket: PathBuf) -> Self {
        Self { socket }
    }
}

#[async_trait]
impl Ingress for Client {
    async fn publish(&self, table: &Table, _: Takeover) -> Result<i64, IngressError> {
        tracing::trace!(socket = %self.socket.display(), "not there yet");
        Ok(table.generation)
    }

    async fn held(&self, _: Uuid) -> Result<Option<i64>, IngressError> {
        Ok(None)
    }

    async fn drain(&self, _: SocketAddrV4, _: Duration) -> Result<u64, IngressError> {
        Ok(0)
    }

    async fn figures(&self) -> Result<String, IngressError> {
        Ok(String::new())
    }

    async fn probe(&self, probe: &Probe) -> ProbeAnswer {
        probe::ask(probe).await
    }
}

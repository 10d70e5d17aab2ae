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

mod client;
mod control;
mod figures;
mod kept;
mod lookup;
mod probe;
pub mod proxy;
mod routes;
mod run;
mod wire;

pub use client::Client;
pub use kept::KeptError;
pub use routes::{Admission, Routes, admit};
pub use run::{RunError, run};

/// The sockets the ingress serves at: bound by whoever starts it, or given by systemd.
#[derive(Debug)]
pub struct Sockets {
    /// For everybody's requests.
    pub traffic: Vec<std::net::TcpListener>,
    /// For the control plane.
    pub control: std::os::unix::net::UnixListener,
}

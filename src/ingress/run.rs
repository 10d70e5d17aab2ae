//! The ingress from its start to its end, as a process or a part of one.
//!
//! ```text
//!   kept table ─▶ Serving ──stopped──▶ Finishing ──nothing under way, or time is up──▶ ended
//!                    │                     │
//!                  traffic and control   control, and what is under way
//! ```

use super::Sockets;
use super::control::{self, Control};
use super::kept::{Kept, KeptError};
use super::proxy;
use super::routes::Routes;
use crate::core::ingress::IngressSettings;
use crate::core::ports::{Random, Takeover};
use std::sync::Arc;
use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Why the ingress cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Its table.
    #[error(transparent)]
    Kept(#[from] KeptError),
    /// A socket it was given.
    #[error("a socket of the ingress cannot be used: {0}")]
    Socket(#[from] std::io::Error),
    /// A part of it ended before it was told to.
    #[error("the ingress's {0} ended; the log says why")]
    Ended(&'static str),
}

/// Serves from its first moment by the table it kept, until `stopped` is true; then lets what is under way end within
/// `limits.shutdown_timeout`. The control plane is answered until the end. Dropping it cuts everything off.
///
/// # Errors
/// If it cannot begin, or a part of it fails.
pub async fn run(
    settings: IngressSettings,
    sockets: Sockets,
    random: Random,
    stopped: watch::Receiver<bool>,
) -> Result<(), RunError> {
    let (kept, table) = Kept::open(&settings.data_dir)?;
    let routes = Arc::new(Routes::new());
    match table {
        Some(table) => {
            tracing::info!(
                instance = %table.instance,
                generation = table.generation,
                routes = table.routes.len(),
                "routing by the table that was kept"
            );
            // There is none yet that it could offend.
            let _ = routes.install(table, Takeover::Explicit);
        }
        None => tracing::info!("there is no route table yet: the control plane will tell one"),
    }
    sockets.control.set_nonblocking(true)?;
    let door = UnixListener::from_std(sockets.control)?;
    let (end, ended) = watch::channel(false);
    let mut beside = JoinSet::new();
    let control = Arc::new(Control::new(Arc::clone(&routes), kept));
    beside.spawn(control::serve(door, control, ended));
    tokio::select! {
        served = proxy::serve(sockets.traffic, routes, &settings, random, stopped.clone()) => served?,
        _ = beside.join_next() => return Err(RunError::Ended("control socket")),
    }
    if !*stopped.borrow() && stopped.has_changed().is_ok() {
        return Err(RunError::Ended("proxy"));
    }
    end.send_replace(true);
    while beside.join_next().await.is_some() {}
    Ok(())
}

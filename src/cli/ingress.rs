//! `longshore ingress`.

use super::exit::{Error, Exit};
use clap::Args;
use std::path::PathBuf;

/// Arguments of `longshore ingress`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Of the configuration it uses [ingress], and it needs neither Docker nor the daemon: it serves by the
routes it was last told, and keeps them in ingress.data_dir. The daemon tells it new ones at
ingress.socket when the configuration says embedded = false.

It ends at SIGTERM or SIGINT when the requests under way have ended, at a second one at once. A
changed configuration is applied by a restart; where systemd holds the sockets, connections wait
meanwhile.

Example:
  longshore ingress --config /etc/longshore/config.toml")]
pub struct IngressArgs {
    /// The configuration file
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/etc/longshore/config.toml"
    )]
    config: PathBuf,
    /// What the ingress tells of itself on standard error: error, warn, info, debug, or a filter per module
    #[arg(
        long,
        value_name = "LEVEL",
        env = "LONGSHORE_LOG",
        default_value = "info"
    )]
    log: String,
}

/// Runs the ingress to its end.
pub fn run(args: &IngressArgs) -> Result<Exit, Error> {
    crate::daemon::start_logging(&args.log)
        .map_err(|error| Error::failed(format!("--log {}: {error:#}", args.log)))?;
    // Taken before anything else opens files or starts threads.
    let sockets = listenfd::ListenFd::from_env();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::failed(format!("cannot start: {error}")))?;
    runtime
        .block_on(crate::daemon::run_ingress(&args.config, sockets))
        .map_err(|error| Error::failed(format!("{error:#}")))?;
    Ok(Exit::Success)
}

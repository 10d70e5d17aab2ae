//! `longshore serve`.

use super::exit::{Error, Exit};
use clap::Args;
use std::path::PathBuf;

/// Arguments of `longshore serve`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
It ends at SIGTERM or SIGINT; deployments under way go on when it starts again.

Example:
  longshore serve --config /etc/longshore/config.toml")]
pub struct ServeArgs {
    /// The configuration file
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/etc/longshore/config.toml"
    )]
    config: PathBuf,
    /// What the daemon tells of itself on standard error: error, warn, info, debug, or a filter per module
    #[arg(
        long,
        value_name = "LEVEL",
        env = "LONGSHORE_LOG",
        default_value = "info"
    )]
    log: String,
    /// Where systemd puts the unit's credentials
    #[arg(long, env = "CREDENTIALS_DIRECTORY", hide = true)]
    credentials_directory: Option<PathBuf>,
}

/// Runs the daemon to its end.
pub fn run(args: &ServeArgs) -> Result<Exit, Error> {
    crate::daemon::start_logging(&args.log)
        .map_err(|error| Error::failed(format!("--log {}: {error:#}", args.log)))?;
    let around = crate::daemon::Surroundings {
        credentials_directory: args.credentials_directory.clone(),
        // Taken before anything else opens files or starts threads.
        sockets: listenfd::ListenFd::from_env(),
        environment: std::env::vars_os().collect(),
    };
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::failed(format!("cannot start: {error}")))?
        .block_on(crate::daemon::run(&args.config, around))
        .map_err(|error| Error::failed(format!("{error:#}")))?;
    Ok(Exit::Success)
}

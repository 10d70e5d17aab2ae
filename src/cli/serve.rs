//! `longshore serve`.

use super::exit::{Error, Exit};
use clap::Args;
use std::path::PathBuf;

/// Arguments of `longshore serve`.
#[derive(Debug, Args)]
#[command(after_help = "\
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
}

/// Runs the daemon to its end.
pub fn run(args: &ServeArgs) -> Result<Exit, Error> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::failed(format!("cannot start: {error}")))?
        .block_on(crate::daemon::run(&args.config))
        .map_err(|error| Error::failed(format!("{error:#}")))?;
    Ok(Exit::Success)
}

//! What can be typed after `longshore`.

use super::exit::Error;
use super::{
    adopt, again, cancel, change, check, deploy, gc, list, logs, reload, secret, serve, show, token,
};
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Turns one Linux host with Docker into a place to deploy to.
#[derive(Debug, Parser)]
#[command(name = "longshore", version, about, after_help = AFTER_HELP, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    pub connection: Connection,
    /// Print the answer as one JSON document on standard output.
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub command: Command,
}

const AFTER_HELP: &str = "\
Environment:
  LONGSHORE_SOCKET  the daemon's socket, like --socket
  LONGSHORE_TOKEN   the token sent with --url; the socket needs none
  NO_COLOR          turns colours off

Examples:
  longshore check /etc/longshore/config.toml
  longshore deploy web
  longshore ls --app web --status failed
  longshore logs web -f";

/// Where the daemon is.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection")]
pub struct Connection {
    /// The daemon's unix socket [env: LONGSHORE_SOCKET] [default: /run/longshore/api.sock]
    #[arg(long, global = true, value_name = "PATH", conflicts_with = "url")]
    pub socket: Option<PathBuf>,
    /// A remote daemon's address, http://host:port; its token comes from LONGSHORE_TOKEN
    #[arg(long, global = true, value_name = "URL")]
    pub url: Option<String>,
}

impl Connection {
    /// Commands that talk to no daemon take no address of one.
    pub fn refuse_for(&self, command: &str) -> Result<(), Error> {
        match (&self.socket, &self.url) {
            (None, None) => Ok(()),
            (Some(_), _) | (_, Some(_)) => Err(Error::usage(format!(
                "`longshore {command}` talks to no daemon and takes neither --socket nor --url; \
                 the daemon's own addresses are in [api] of its configuration"
            ))),
        }
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    #[command(flatten)]
    Ask(AskCommand),
    /// Check a configuration file and list all its faults
    Check(check::CheckArgs),
    /// Run the daemon
    Serve(serve::ServeArgs),
}

/// The commands that ask the daemon.
#[derive(Debug, Subcommand)]
pub enum AskCommand {
    /// Deploy an app and watch until it is live
    Deploy(deploy::DeployArgs),
    /// List deployments, newest first
    Ls(list::ListArgs),
    /// Show one deployment: its steps, how it ended and why
    Show(show::ShowArgs),
    /// Print a deployment's log
    Logs(logs::LogsArgs),
    /// Cancel a deployment
    Cancel(cancel::CancelArgs),
    /// Run the live image again with today's configuration and secrets
    Restart(again::RestartArgs),
    /// Make an earlier release live again
    Rollback(again::RollbackArgs),
    /// Stop an environment; a start or a deployment by hand brings it back
    Stop(change::DownArgs),
    /// Start a stopped environment
    Start(change::UpArgs),
    /// Stop an environment and refuse deployments to it until it is activated
    Suspend(change::DownArgs),
    /// End a suspension
    Activate(change::UpArgs),
    /// List apps, their environments and what is live in them
    Apps,
    /// Remove apps
    #[command(subcommand)]
    App(AppCommand),
    /// Give back what is no longer needed: images, logs, scratch trees
    Gc(gc::GcArgs),
    /// After a backup was put back: make what runs live, or what the database says
    Adopt(adopt::AdoptArgs),
    /// Have the daemon read its configuration again
    Reload(reload::ReloadArgs),
    /// Make tokens for the API
    #[command(subcommand)]
    Token(TokenCommand),
    /// Keep secrets for the apps whose configuration says "store"
    #[command(subcommand)]
    Secret(SecretCommand),
}

/// What can be done with an app.
#[derive(Debug, Subcommand)]
pub enum AppCommand {
    /// Remove an app or one of its environments
    Rm(change::RemoveArgs),
}

/// What can be done with tokens.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a token; its secret is printed once and kept nowhere
    Create(token::CreateArgs),
}

/// What can be done with secrets.
#[derive(Debug, Subcommand)]
pub enum SecretCommand {
    /// Set a secret of an environment; the value comes from standard input or a file
    Set(secret::SetArgs),
    /// List the secrets of an environment, without their values
    Ls(secret::ListArgs),
    /// Forget a secret of an environment
    Rm(secret::RemoveArgs),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_fit_together() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}

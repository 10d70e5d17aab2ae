//! What can be typed after `longshore`.

use super::exit::Error;
use super::output::Color;
use super::patience::DEFAULT_PATIENCE;
use super::{
    adopt, again, app, cancel, change, check, completions, deploy, events, explain, gc, hook,
    ingress, list, logs, man, processes, reload, remove, run, runs, secret, serve, show, status,
    takeover, token,
};
use clap::{Args, Parser, Subcommand, ValueHint};
use std::path::PathBuf;
use std::time::Duration;

/// Turns one Linux host with Docker into a place to deploy to.
#[derive(Debug, Parser)]
#[command(name = "longshore", version, about, after_help = AFTER_HELP, after_long_help = AFTER_LONG_HELP, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    pub connection: Connection,
    #[command(flatten)]
    pub manner: Manner,
    #[command(subcommand)]
    pub command: Command,
}

const AFTER_HELP: &str = "\
Examples:
  longshore check /etc/longshore/config.toml
  longshore deploy web
  longshore ls --app web --status failed
  longshore logs web -f

Environment variables, exit statuses and more: longshore --help";

const AFTER_LONG_HELP: &str = "\
Environment:
  LONGSHORE_SOCKET      the daemon's socket, like --socket
  LONGSHORE_URL         a remote daemon's address, like --url
  LONGSHORE_TOKEN       the token sent to a URL; the socket needs none
  LONGSHORE_TOKEN_FILE  a file with that token, like --token-file
  LONGSHORE_CA          authorities to trust instead of the system's, like --ca
  NO_COLOR              anything: no colours
  CLICOLOR              0: no colours
  CLICOLOR_FORCE        1: colours also where nobody looks

Exit status:
  0    it worked
  1    it did not work; with deploy: the deployment failed, what ran before still runs
  2    the arguments make no sense
  3    the deployment was cancelled, or a newer one took its place
  4    the daemon cannot be reached, went away and did not come back, or cannot answer
  5    the daemon refused the request
  130  stopped by the user; with deploy: the deployment goes on

With --json, standard output is one JSON document, the API's own where there is one; lists are under
\"data\". Errors are sentences on standard error all the same, and the exit status tells.

Examples:
  longshore check /etc/longshore/config.toml
  longshore deploy web
  longshore ls --app web --status failed
  longshore logs web -f
  longshore explain not_ready
  LONGSHORE_TOKEN_FILE=token longshore --url https://deploy.example.com apps";

/// Where the daemon is, and how to get to it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection")]
pub struct Connection {
    /// The daemon's unix socket [env: LONGSHORE_SOCKET] [default: /run/longshore/api.sock]
    #[arg(long, global = true, value_name = "PATH", conflicts_with = "url", value_hint = ValueHint::FilePath)]
    pub socket: Option<PathBuf>,
    /// A remote daemon's address, https://host or http://host:port [env: LONGSHORE_URL]
    #[arg(long, global = true, value_name = "URL", value_hint = ValueHint::Url)]
    pub url: Option<String>,
    /// A file with the token for a URL [env: LONGSHORE_TOKEN_FILE, or the token in LONGSHORE_TOKEN]
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath, hide_short_help = true)]
    pub token_file: Option<PathBuf>,
    /// A PEM file of authorities to trust instead of the system's [env: LONGSHORE_CA]
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath, hide_short_help = true)]
    pub ca: Option<PathBuf>,
    /// How long to wait for a daemon that went away, or wants to be asked less often
    #[arg(long, global = true, value_name = "TIME", default_value = DEFAULT_PATIENCE, hide_short_help = true,
          value_parser = patience)]
    pub patience: Duration,
}

/// How to tell it.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct Manner {
    /// Print the answer as one JSON document on standard output
    #[arg(long, global = true)]
    pub json: bool,
    /// Print only results and errors: no progress, no hints
    #[arg(long, short, global = true)]
    pub quiet: bool,
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        value_enum,
        default_value_t,
        hide_possible_values = true,
        help = "Use colours: auto (at a terminal), always or never"
    )]
    pub color: Color,
}

fn patience(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|_| "it is no time: write numbers with units, like 30s or 2m".to_owned())
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
    /// Explain a code of a failure or an error: what it means and what to do
    Explain(explain::ExplainArgs),
    /// Run the daemon
    Serve(serve::ServeArgs),
    /// Run the ingress alone, apart from the daemon
    Ingress(ingress::IngressArgs),
    /// Print the script by which a shell completes longshore's commands
    Completions(completions::CompletionsArgs),
    /// Print or write the manual pages
    Man(man::ManArgs),
}

/// The commands that ask the daemon.
#[derive(Debug, Subcommand)]
pub enum AskCommand {
    /// Deploy an app and watch until it is live
    Deploy(deploy::DeployArgs),
    /// List deployments, newest first
    Ls(list::ListArgs),
    /// Show one deployment or run: how it ended and why
    Show(show::ShowArgs),
    /// Print what an app prints, or the log of a deployment or a run
    Logs(logs::LogsArgs),
    /// Run a job once, as it is live, and watch until it ends
    Run(run::RunArgs),
    /// List the runs of a job, newest first
    Runs(runs::RunsArgs),
    /// Cancel a deployment, or a run of a job
    Cancel(cancel::CancelArgs),
    /// Remove a deployment from the history
    Rm(remove::RemoveArgs),
    /// Print what happened, or follow what happens
    Events(events::EventsArgs),
    /// Run the live image again with today's configuration and secrets
    Restart(again::RestartArgs),
    /// Make an earlier release live again
    Rollback(again::RollbackArgs),
    /// Stop an environment; a start or a deployment by hand brings it back
    #[command(after_long_help = STOP)]
    Stop(change::DownArgs),
    /// Start a stopped environment
    #[command(after_long_help = START)]
    Start(change::UpArgs),
    /// Stop an environment and refuse deployments to it until it is activated
    #[command(after_long_help = SUSPEND)]
    Suspend(change::DownArgs),
    /// End a suspension
    #[command(after_long_help = ACTIVATE)]
    Activate(change::UpArgs),
    /// List apps, their environments and what is live in them
    #[command(after_long_help = APPS)]
    Apps,
    /// List the processes of an environment and how each of them stands
    Ps(processes::ProcessesArgs),
    /// Show or remove an app
    #[command(subcommand)]
    App(AppCommand),
    /// Give back what is no longer needed: images, logs, scratch trees
    Gc(gc::GcArgs),
    /// After a backup was put back: make what runs live, or what the database says
    Adopt(adopt::AdoptArgs),
    /// Make the ingress serve this daemon's apps, where it serves another's
    Takeover(takeover::TakeoverArgs),
    /// Have the daemon read its configuration again
    Reload(reload::ReloadArgs),
    /// Tell whether the daemon is well, its version, and what it has to do
    Status(status::StatusArgs),
    /// Make, list and revoke tokens for the API
    #[command(subcommand)]
    Token(TokenCommand),
    /// Keep secrets for the apps whose configuration says "store"
    #[command(subcommand)]
    Secret(SecretCommand),
    /// Make, show and take away an address whose call deploys, for programs that hold no token
    #[command(subcommand)]
    Hook(HookCommand),
}

const STOP: &str = "\
It waits in the environment's queue like a deployment; --now cancels what runs and waits before it.
The container is stopped and kept; a start, or a deployment by hand, brings the environment back.

With --json: {\"data\": [operation]}

Examples:
  longshore stop web
  longshore stop web --environment staging --now";

const START: &str = "\
With --json: {\"data\": [operation]}

Example:
  longshore start web --environment staging";

const SUSPEND: &str = "\
Like a stop; and nothing can be deployed there until `longshore activate`.

With --json: {\"data\": [operation]}

Example:
  longshore suspend web --environment staging";

const ACTIVATE: &str = "\
What was live runs again, and deployments are taken again.

With --json: {\"data\": [operation]}

Example:
  longshore activate web --environment staging";

const APPS: &str = "\
ADDRESS is the first domain, or where the live container listens if there is none. Where what
runs is not what the configuration says, a line below the table tells by which keys; for what has a
schedule another tells when it comes next.

With --json: {\"data\": [{\"name\", \"id\", \"project\", \"configured\", \"environments\": [...]}]}

Examples:
  longshore apps
  longshore apps --json | jq -r '.data[].name'";

/// What can be done with an app.
#[derive(Debug, Subcommand)]
pub enum AppCommand {
    /// Show an app and its environments
    Show(app::ShowArgs),
    /// Remove an app or one of its environments
    Rm(change::RemoveArgs),
}

/// What can be done with tokens.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a token; its secret is printed once and not shown again
    Create(token::CreateArgs),
    /// List the tokens there are, without their secrets
    Ls(token::ListArgs),
    /// Revoke a token; it holds at once
    Revoke(token::RevokeArgs),
}

/// What can be done with deployment hooks.
#[derive(Debug, Subcommand)]
pub enum HookCommand {
    /// Print the address; a POST to it deploys, and needs no token
    #[command(after_long_help = HOOK_SHOW)]
    Show(hook::HookArgs),
    /// Make an address, or print the one there is
    #[command(after_long_help = HOOK_ENABLE)]
    Enable(hook::HookArgs),
    /// Make another address; the one there was leads nowhere from then on
    #[command(after_long_help = HOOK_RENEW)]
    Renew(hook::HookArgs),
    /// Take the address away
    #[command(after_long_help = HOOK_DISABLE)]
    Disable(hook::HookArgs),
}

const HOOK_SHOW: &str = "\
With --json: {\"app\", \"environment\", \"since\", \"url\"}

Example:
  longshore hook show web --environment staging";

const HOOK_ENABLE: &str = "\
A call deploys what the configuration says, like `longshore deploy`, at most ten times a minute.
The address is a secret: give it to programs as you would give them a token.

With --json: {\"app\", \"environment\", \"since\", \"url\"}

Example:
  curl -X POST \"$(longshore hook enable web)\"";

const HOOK_RENEW: &str = "\
With --json: {\"app\", \"environment\", \"since\", \"url\"}

Example:
  longshore hook renew web";

const HOOK_DISABLE: &str = "\
With --json: {\"app\", \"environment\", \"url\": null}

Example:
  longshore hook disable web";

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

    #[test]
    fn no_line_at_the_end_of_a_help_text_is_broken() {
        fn check(command: &clap::Command) {
            let after = command.get_after_long_help();
            for line in after.map(ToString::to_string).unwrap_or_default().lines() {
                let name = command.get_name();
                assert!(line.chars().count() <= 100, "{name}: {line}");
            }
            command.get_subcommands().for_each(check);
        }
        use clap::CommandFactory;
        check(&Cli::command());
    }
}

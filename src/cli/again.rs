//! `longshore restart` and `longshore rollback`: deployments of what was there.

use super::Session;
use super::attend::{attend, create, display};
use super::document::encode;
use super::exit::{Error, Exit};
use clap::Args;
use serde_json::{Value, json};

/// Which environment, and how to wait.
#[derive(Debug, Args)]
pub struct Again {
    /// The app, as the configuration names it
    #[arg(value_name = "APP", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    app: String,
    /// The environment; the app's default if absent
    #[arg(long, value_name = "E")]
    environment: Option<String>,
    /// Print the deployment's id and do not wait for its end
    #[arg(long)]
    no_wait: bool,
}

/// Arguments of `longshore restart`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
The image that is live runs again, in a new container, with what the configuration and the secrets
say today; nothing is built. It is a deployment and makes a new release.

Exit statuses and --json are those of `longshore deploy`.

Example:
  longshore restart web --environment staging")]
pub struct RestartArgs {
    #[command(flatten)]
    again: Again,
}

/// Arguments of `longshore rollback`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
An earlier release is live again as it was: its image, environment and limits, with today's secrets.
It keeps its number. Without --to it is the highest below the live one that no rollback has left.
Events and timers then deploy nothing until there is a new commit or somebody deploys.

Exit statuses and --json are those of `longshore deploy`.

Examples:
  longshore rollback web
  longshore rollback web --to 12")]
pub struct RollbackArgs {
    #[command(flatten)]
    again: Again,
    /// The release to go back to, by its number
    #[arg(long, value_name = "RELEASE", value_parser = clap::value_parser!(i64).range(1..))]
    to: Option<i64>,
}

/// Restarts.
pub async fn restart(session: &Session, args: RestartArgs) -> Result<Exit, Error> {
    run(session, args.again, "restart", json!({})).await
}

/// Rolls back.
pub async fn rollback(session: &Session, args: RollbackArgs) -> Result<Exit, Error> {
    let body = args
        .to
        .map_or(json!({}), |release| json!({ "release": release }));
    run(session, args.again, "rollback", body).await
}

async fn run(session: &Session, args: Again, what: &str, mut body: Value) -> Result<Exit, Error> {
    if let Some(environment) = args.environment {
        body["environment"] = environment.into();
    }
    let display = display(session);
    let path = format!("/v1/apps/{}/{what}", encode(&args.app));
    let created = create(session, &display, &path, &body, session.patience).await?;
    attend(session, &display, created, args.no_wait, session.patience).await
}

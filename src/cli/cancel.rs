//! `longshore cancel`.

use super::exit::{Error, Exit};
use super::{Session, find};
use clap::Args;
use clap::builder::NonEmptyStringValueParser;

/// Arguments of `longshore cancel`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
A deployment can be cancelled until its release is live; what ran before goes on running.

With --json: {\"id\", \"status\", \"cancelled_by\", \"cancelled_at\"}

Example:
  longshore cancel dep_9x2m4p")]
pub struct CancelArgs {
    /// The deployment's id, or a beginning of it that no other has
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    id: String,
}

/// Cancels a deployment.
pub async fn run(session: &Session, args: &CancelArgs) -> Result<Exit, Error> {
    let id = find::deployment(session, &args.id).await?.value.id;
    let cancelled = session.client.cancel(&id).await?;
    if session.json {
        session.output.print(&cancelled.text)?;
    } else {
        session.output.print(&format!(
            "{} is cancelled",
            super::table::clean(&cancelled.value.id)
        ))?;
    }
    Ok(Exit::Success)
}

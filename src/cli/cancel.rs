//! `longshore cancel`.

use super::document::is_run;
use super::exit::{Error, Exit};
use super::{Session, find, runs};
use clap::Args;
use clap::builder::NonEmptyStringValueParser;

/// Arguments of `longshore cancel`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
A deployment can be cancelled until its release is live; what ran before goes on running. A run of a
job is named by its id, or by its job and number; one that is a part of a deployment or of a change
ends with that.

With --json: {\"id\", \"status\", \"cancelled_by\", \"cancelled_at\"}, or the run

Examples:
  longshore cancel dep_9x2m4p
  longshore cancel run_7c1k9a
  longshore cancel report --run 12")]
pub struct CancelArgs {
    /// The deployment's id, or a beginning of it that no other has; a run's id; with --run a job's name
    #[arg(value_name = "ID|APP", value_parser = NonEmptyStringValueParser::new())]
    id: String,
    /// The job's run of this number
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..))]
    run: Option<i64>,
    /// The job's environment; its default if absent
    #[arg(long, value_name = "E", requires = "run")]
    environment: Option<String>,
}

/// Cancels a deployment or a run.
pub async fn run(session: &Session, args: &CancelArgs) -> Result<Exit, Error> {
    let run = match args.run {
        Some(number) => {
            let environment = args.environment.as_deref();
            let found = runs::numbered(session, &args.id, environment, number).await?;
            Some(found.id)
        }
        None => is_run(&args.id).then(|| args.id.clone()),
    };
    if let Some(id) = run {
        return cancel_run(session, &id).await;
    }
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

async fn cancel_run(session: &Session, id: &str) -> Result<Exit, Error> {
    let cancelled = session.client.cancel_run(id).await?;
    let run = &cancelled.value;
    let text = match session.json {
        true => cancelled.text,
        false => format!(
            "run {} of {} is cancelled",
            run.number,
            super::table::clean(&run.app)
        ),
    };
    session.output.print(&text)?;
    Ok(Exit::Success)
}

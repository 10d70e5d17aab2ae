//! `longshore adopt`.

use super::document::{Adopted, Apps};
use super::exit::{Error, Exit};
use super::table::clean;
use super::{Session, question};
use clap::Args;

/// Arguments of `longshore adopt`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
After a backup of the database was put back, containers may run that it knows nothing of. longshore
notices that, starts and removes nothing, and waits for one of these two:

  longshore adopt            what runs stays and becomes live, as a new release of each
                             environment; what was unfinished in the backup is given up
  longshore adopt --discard  what the database says becomes live again; containers it does not
                             know are stopped and removed, and what was unfinished goes on

Containers that belong to no environment are listed and left alone.

With --json: {\"live\": [...], \"failed\": [...], \"removed\": [...], \"unknown\": [...]}

Exit status: 0 it is done, 5 there is nothing to adopt

Example:
  longshore adopt --yes")]
pub struct AdoptArgs {
    /// Make live what the database says, and remove the containers it does not know
    #[arg(long)]
    discard: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

/// Ends the doubt over a restored database.
pub async fn run(session: &Session, args: &AdoptArgs) -> Result<Exit, Error> {
    // The answer brings the warning that says what is the matter, where something is.
    session.client.get::<Apps>("/v1/apps").await?;
    let found = session.client.take_warning();
    if let Some(what) = found.filter(|_| !args.yes) {
        session.output.say(&clean(&what));
        let asked = format!("{} Go on?", explanation(args.discard));
        if !question::confirm(session.output, &asked)? {
            return Err(Error::failed("nothing was done"));
        }
    }
    let body = serde_json::json!({ "discard": args.discard });
    let adopted = session
        .client
        .post::<Adopted>("/v1/adopt", &body, None)
        .await?;
    if session.json {
        session.output.print(&adopted.text)?;
    } else {
        session.output.print(&told(&adopted.value))?;
    }
    Ok(Exit::Success)
}

fn explanation(discard: bool) -> &'static str {
    if discard {
        "What the database says becomes live again. Containers of its environments that it does not know are stopped and \
         removed; their volumes stay. What was unfinished goes on."
    } else {
        "What runs stays and becomes live, as a new release of each environment. What was unfinished in the backup is \
         given up."
    }
}

fn told(adopted: &Adopted) -> String {
    let mut lines = Vec::new();
    for one in &adopted.live {
        let what = match one.origin.as_str() {
            "adopted" => "what runs is adopted",
            "unchanged" => "what runs is what the database says",
            _ => "what the database says is brought up",
        };
        lines.push(format!(
            "{} of {}: release {} is live ({}, {}): {what}",
            clean(&one.environment),
            clean(&one.app),
            one.release,
            clean(&one.container),
            clean(&one.deployment),
        ));
    }
    let names = |names: &[String]| names.iter().map(|name| clean(name)).collect::<Vec<_>>();
    for name in names(&adopted.failed) {
        lines.push(format!("{name} was unfinished and is given up"));
    }
    for name in names(&adopted.removed) {
        lines.push(format!("{name} is removed"));
    }
    for one in &adopted.unknown {
        lines.push(format!(
            "{} is left alone: {}",
            clean(&one.container),
            clean(&one.why)
        ));
    }
    if lines.is_empty() {
        lines.push("nothing is live".to_owned());
    }
    lines.join("\n")
}

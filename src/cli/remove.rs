//! `longshore rm`.

use super::document::encode;
use super::exit::{Error, Exit};
use super::table::clean;
use super::{Session, find, question};
use clap::Args;
use clap::builder::NonEmptyStringValueParser;

/// Arguments of `longshore rm`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
The deployment is taken out of the lists; what runs is not touched. A live one cannot be removed,
one under way only with --force, which cancels it first. To remove an app: `longshore app rm`.

With --json: {\"id\", \"removed\": true}

Examples:
  longshore rm dep_9x2m4p
  longshore rm dep_9x2m4p --force --yes")]
pub struct RemoveArgs {
    /// The deployment's id, or a beginning of it that no other has
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    id: String,
    /// Cancel it first if it is under way
    #[arg(long)]
    force: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

/// Removes a deployment from the history.
pub async fn run(session: &Session, args: &RemoveArgs) -> Result<Exit, Error> {
    let deployment = find::deployment(session, &args.id).await?.value;
    let id = clean(&deployment.id);
    if !args.yes {
        let what = format!(
            "Remove {id} ({} of {}, {})?",
            clean(&deployment.environment),
            clean(&deployment.app),
            deployment.status.as_str()
        );
        if !question::confirm(session.output, &what)? {
            session.output.say("nothing was removed");
            return Ok(Exit::Interrupted);
        }
    }
    let force = if args.force { "?force=true" } else { "" };
    let path = format!("/v1/deployments/{}{force}", encode(&deployment.id));
    session.client.delete_silently(&path).await?;
    session.output.print(&if session.json {
        serde_json::json!({ "id": deployment.id, "removed": true }).to_string()
    } else {
        format!("{id} is removed")
    })?;
    Ok(Exit::Success)
}

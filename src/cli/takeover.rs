//! `longshore takeover`.

use super::document::TakenOver;
use super::exit::{Error, Exit};
use super::table::clean;
use super::{Session, question};
use clap::Args;

/// Arguments of `longshore takeover`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
The ingress serves by the route table of one instance of longshore and refuses that of another, so
that a second daemon, or one with a new database, cannot take the traffic away unseen. This makes
it serve this daemon's apps from now on, and those of the other no more.

With --json: {\"generation\", \"replaced\"}, the instance whose table held before, or null

Exit status: 0 it is done, or was so already

Example:
  longshore takeover --yes")]
pub struct TakeoverArgs {
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

/// Makes the ingress serve this daemon's apps.
pub async fn run(session: &Session, args: &TakeoverArgs) -> Result<Exit, Error> {
    let what = "The ingress is to serve this daemon's apps from now on, and no longer those of any other longshore. Go on?";
    if !args.yes && !question::confirm(session.output, what)? {
        session.output.say("nothing was done");
        return Ok(Exit::Interrupted);
    }
    let body = serde_json::json!({});
    let taken = session
        .client
        .post::<TakenOver>("/v1/takeover", &body, None)
        .await?;
    session.output.print(&if session.json {
        taken.text
    } else {
        told(&taken.value)
    })?;
    Ok(Exit::Success)
}

fn told(taken: &TakenOver) -> String {
    let generation = taken.generation;
    match &taken.replaced {
        Some(other) => format!(
            "the ingress serves this daemon's apps (routes of generation {generation}), and no longer those of {}",
            clean(other)
        ),
        None => format!(
            "the ingress serves this daemon's apps (routes of generation {generation}); it served no other's"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_place_was_taken_is_told() {
        let told = |replaced: Option<&str>| {
            told(&TakenOver {
                generation: 7,
                replaced: replaced.map(str::to_owned),
            })
        };
        assert!(told(Some("0d6c\u{1b}")).ends_with("no longer those of 0d6c"));
        assert!(told(None).ends_with("(routes of generation 7); it served no other's"));
    }
}

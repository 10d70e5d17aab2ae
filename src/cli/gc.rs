//! `longshore gc`.

use super::exit::{Error, Exit};
use super::table::clean;
use super::{Session, table};
use bytesize::ByteSize;
use clap::Args;
use serde::Deserialize;

/// Arguments of `longshore gc`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
The daemon does the same by itself after its start and once a day. [retention] in the configuration
says what is kept.

With --json: {\"data\": [{\"kind\", \"object\", \"bytes\", \"verdict\", \"reason\"}], \"engine_away\"}

Examples:
  longshore gc --explain
  longshore gc --json | jq -r '.data[] | select(.verdict == \"collected\") | .object'")]
pub struct GcArgs {
    /// Change nothing; say what would go, what stays, and why
    #[arg(long)]
    explain: bool,
}

/// A collection.
#[derive(Debug, Deserialize)]
struct Collection {
    data: Vec<Finding>,
    engine_away: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Finding {
    kind: String,
    object: String,
    bytes: Option<u64>,
    verdict: String,
    reason: String,
}

/// Collects, or explains.
pub async fn run(session: &Session, args: &GcArgs) -> Result<Exit, Error> {
    let client = &session.client;
    let answer = if args.explain {
        client.get::<Collection>("/v1/gc").await?
    } else {
        let body = serde_json::json!({});
        client.post::<Collection>("/v1/gc", &body, None).await?
    };
    if session.json {
        session.output.print(&answer.text)?;
        return Ok(Exit::Success);
    }
    let collection = &answer.value;
    let shown: Vec<&Finding> = collection
        .data
        .iter()
        .filter(|finding| args.explain || finding.verdict != "keep")
        .collect();
    if !shown.is_empty() {
        let header = ["OBJECT", "KIND", "SIZE", "VERDICT", "REASON"];
        let rows = shown.into_iter().map(row).collect();
        session
            .output
            .print(&table::render(&header, rows, &[], session.output))?;
    }
    if let Some(why) = &collection.engine_away {
        let why = clean(why);
        session.output.note(&format!(
            "the engine was not asked, and images were left alone: {why}"
        ));
    }
    session.output.note(&total(collection, args.explain));
    Ok(Exit::Success)
}

fn row(finding: &Finding) -> Vec<String> {
    let size = finding.bytes.map(|bytes| ByteSize(bytes).to_string());
    vec![
        finding.object.clone(),
        finding.kind.clone(),
        size.unwrap_or_default(),
        finding.verdict.clone(),
        finding.reason.clone(),
    ]
}

/// What it comes to. Images share layers, so that the sum is the most that can become free.
fn total(collection: &Collection, explain: bool) -> String {
    let verdict = if explain { "collect" } else { "collected" };
    let gone: Vec<&Finding> = collection
        .data
        .iter()
        .filter(|finding| finding.verdict == verdict)
        .collect();
    if gone.is_empty() {
        return "nothing to collect".to_owned();
    }
    let bytes = ByteSize(gone.iter().filter_map(|finding| finding.bytes).sum());
    let objects = match gone.len() {
        1 => "1 object".to_owned(),
        more => format!("{more} objects"),
    };
    if explain {
        format!("{objects} would go, at most {bytes}; `longshore gc` does it")
    } else {
        format!("{objects} collected, at most {bytes}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_of_what_goes() {
        let collection: Collection = serde_json::from_str(
            r#"{"explained": true, "engine_away": null, "data": [
                {"kind": "release", "object": "longshore/web-1:1", "bytes": 1048576, "verdict": "collect", "reason": "old"},
                {"kind": "tree", "object": "x", "bytes": null, "verdict": "collect", "reason": "ended"},
                {"kind": "release", "object": "longshore/web-1:2", "bytes": 1048576, "verdict": "keep", "reason": "live"}]}"#,
        )
        .unwrap();
        assert_eq!(
            total(&collection, true),
            "2 objects would go, at most 1.0 MiB; `longshore gc` does it"
        );
        assert_eq!(total(&collection, false), "nothing to collect");
    }
}

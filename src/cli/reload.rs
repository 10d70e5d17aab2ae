//! `longshore reload`.

use super::Session;
use super::client::ClientError;
use super::document::{Change, Reloaded};
use super::exit::{Error, Exit};
use super::table::clean;
use clap::Args;

/// Arguments of `longshore reload`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
The daemon reads the file it was started with. A file with faults is refused, all faults are listed,
and the configuration before it goes on. An app's domains hold at once; what else changes in it
takes effect with its next deployment, and until then `longshore apps` shows the difference. An app
that is gone from the file keeps serving. SIGHUP does the same.

With --json: {\"file\", \"added\", \"removed\", \"renamed\", \"changed\", \"settings\", \"needs_restart\",
\"notes\"}, or {\"ok\": false, \"faults\": [...]}

Exit status: 0 it is in force, 1 it has faults

Example:
  longshore check /etc/longshore/config.toml && longshore reload")]
pub struct ReloadArgs {}

/// Has the configuration read again.
pub async fn run(session: &Session, _: &ReloadArgs) -> Result<Exit, Error> {
    let body = serde_json::json!({});
    let output = session.output;
    match session
        .client
        .post::<Reloaded>("/v1/reload", &body, None)
        .await
    {
        Ok(reloaded) if session.json => output.print(&reloaded.text)?,
        Ok(reloaded) => output.print(&told(&reloaded.value))?,
        Err(ClientError::Refused(refusal)) if refusal.code == "config_refused" => {
            let faults = faults(&refusal.details);
            if session.json {
                let document = serde_json::json!({ "ok": false, "faults": faults });
                output.print(&document.to_string())?;
            } else {
                output.say(&faults.join("\n"));
            }
            return Err(Error::failed(clean(&refusal.message)));
        }
        Err(error) => return Err(error.into()),
    }
    Ok(Exit::Success)
}

fn faults(details: &serde_json::Value) -> Vec<String> {
    let listed = details["faults"].as_array().map_or(&[][..], Vec::as_slice);
    let faults = listed.iter().filter_map(serde_json::Value::as_str);
    faults.map(clean).collect()
}

fn told(reloaded: &Reloaded) -> String {
    let mut lines = Vec::new();
    for name in &reloaded.added {
        lines.push(format!(
            "new app {0}: `longshore deploy {0}` deploys it",
            clean(name)
        ));
    }
    for rename in &reloaded.renamed {
        lines.push(format!(
            "app {} is now {}",
            clean(&rename.from),
            clean(&rename.to)
        ));
    }
    for name in &reloaded.removed {
        let name = clean(name);
        lines.push(format!("app {name} is gone from the file: what runs of it goes on until `longshore app rm {name}`"));
    }
    lines.extend(reloaded.changed.iter().map(change));
    if !reloaded.settings.is_empty() {
        lines.push(format!("in force now: {}", list(&reloaded.settings)));
    }
    if !reloaded.needs_restart.is_empty() {
        lines.push(format!(
            "in force only after the daemon was started again: {}",
            list(&reloaded.needs_restart)
        ));
    }
    lines.extend(
        reloaded
            .notes
            .iter()
            .map(|note| format!("note: {}", clean(note))),
    );
    let file = clean(&reloaded.file);
    if lines.is_empty() {
        return format!("{file}: nothing has changed");
    }
    format!("{file} is in force\n  {}", lines.join("\n  "))
}

fn change(change: &Change) -> String {
    let app = clean(&change.app);
    let Some(environment) = change.environment.as_deref().map(clean) else {
        return format!(
            "app {app}: {} changed",
            list(&change.keys.clone().unwrap_or_default())
        );
    };
    let deploy = format!("`longshore deploy {app} --environment {environment}`");
    match (change.what.as_str(), &change.keys) {
        ("added", _) => format!("{app} has a new environment {environment}: {deploy} deploys it"),
        ("removed", _) => format!(
            "environment {environment} of {app} is gone from the file: what runs there goes on"
        ),
        (_, keys) => {
            let (at_once, later): (Vec<String>, Vec<String>) = keys
                .clone()
                .unwrap_or_default()
                .into_iter()
                .partition(|key| key == "domains");
            let mut parts = Vec::new();
            if !at_once.is_empty() {
                parts.push(format!("{} changed and hold now", list(&at_once)));
            }
            if !later.is_empty() {
                parts.push(format!("{} changed: {deploy} applies it", list(&later)));
            }
            format!("{environment} of {app}: {}", parts.join("; "))
        }
    }
}

fn list(keys: &[String]) -> String {
    keys.iter()
        .map(|key| clean(key))
        .collect::<Vec<_>>()
        .join(", ")
}

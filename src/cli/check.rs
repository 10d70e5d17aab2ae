//! `longshore check`.

use super::exit::{Error, Exit};
use super::output::Output;
use crate::core::app::App;
use crate::core::name::VariableName;
use crate::core::spec::RunSpec;
use clap::Args;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Arguments of `longshore check`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
All faults are listed, each with its place. Nothing is asked of the daemon, Docker or git.

With --json: {\"file\", \"ok\": true, \"apps\", \"environments\", \"notes\": [...]}
or {\"file\", \"ok\": false, \"faults\": [...]}

Example:
  longshore check config.toml && longshore reload")]
pub struct CheckArgs {
    /// The configuration file
    #[arg(value_name = "FILE", default_value = "/etc/longshore/config.toml")]
    file: PathBuf,
}

/// Checks a configuration file.
pub fn run(args: &CheckArgs, output: Output, json: bool) -> Result<Exit, Error> {
    let name = args.file.display().to_string();
    let text = std::fs::read_to_string(&args.file)
        .map_err(|error| Error::failed(format!("cannot read {name}: {error}")))?;
    match crate::config::parse(&name, &text) {
        Ok(config) => {
            let apps = config.apps.len();
            let environments: usize = config.apps.iter().map(|app| app.environments.len()).sum();
            let notes: Vec<String> = config.apps.iter().filter_map(previews).collect();
            output.print(&if json {
                let document = serde_json::json!({
                    "file": name, "ok": true, "apps": apps, "environments": environments, "notes": notes,
                });
                document.to_string()
            } else {
                let ok = format!(
                    "{name}: ok, {}, {}",
                    count(apps, "app"),
                    count(environments, "environment")
                );
                [vec![ok], notes].concat().join("\n")
            })?;
            Ok(Exit::Success)
        }
        Err(faults) => {
            let listed = faults.to_string();
            if json {
                let lines: Vec<&str> = listed.lines().collect();
                let document = serde_json::json!({ "file": name, "ok": false, "faults": lines });
                output.print(&document.to_string())?;
            } else {
                output.say(listed.trim_end());
            }
            Ok(Exit::Failed)
        }
    }
}

/// What an app's previews are, and what of the app they do not get: nobody is to find that out from a preview that fails.
fn previews(app: &App) -> Option<String> {
    let previews = app.previews.as_ref()?;
    let any = |has: fn(&RunSpec) -> bool| app.environments.values().any(|spec| has(&spec.run));
    let mut without = Vec::new();
    without.extend(any(|run| !run.publish.is_empty()).then_some("ports of the host".to_owned()));
    without.extend(any(|run| !run.volumes.is_empty()).then_some("volumes".to_owned()));
    without.extend(any(|run| !run.env_files.is_empty()).then_some("env_file".to_owned()));
    let secrets = app
        .environments
        .values()
        .flat_map(|spec| spec.run.secrets.keys());
    let unnamed: BTreeSet<&str> = secrets
        .filter(|name| !previews.spec.run.secrets.contains_key(*name))
        .map(VariableName::as_str)
        .collect();
    if !unnamed.is_empty() {
        let unnamed: Vec<&str> = unnamed.into_iter().collect();
        without.push(format!("the secrets {}", unnamed.join(", ")));
    }
    let at = match &previews.domain {
        Some(domain) => format!("at {domain}"),
        None => "without a route, as previews has no domain".to_owned(),
    };
    let ttl = humantime::format_duration(previews.ttl);
    let without = match without.as_slice() {
        [] => String::new(),
        _ => format!("; they get nothing of its {}", without.join(", ")),
    };
    Some(format!(
        "app \"{}\" takes previews: at most {}, {at}, each until {ttl} after its last deployment or the end of its branch{without}",
        app.name, previews.max
    ))
}

fn count(number: usize, noun: &str) -> String {
    if number == 1 {
        format!("1 {noun}")
    } else {
        format!("{number} {noun}s")
    }
}

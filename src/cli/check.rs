//! `longshore check`.

use super::exit::{Error, Exit};
use super::output::Output;
use clap::Args;
use std::path::PathBuf;

/// Arguments of `longshore check`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
All faults are listed, each with its place. Nothing is asked of the daemon, Docker or git.

With --json: {\"file\", \"ok\": true, \"apps\", \"environments\"} or {\"file\", \"ok\": false, \"faults\": [...]}

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
            output.print(&if json {
                let document = serde_json::json!({
                    "file": name, "ok": true, "apps": apps, "environments": environments,
                });
                document.to_string()
            } else {
                format!(
                    "{name}: ok, {}, {}",
                    count(apps, "app"),
                    count(environments, "environment")
                )
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

fn count(number: usize, noun: &str) -> String {
    if number == 1 {
        format!("1 {noun}")
    } else {
        format!("{number} {noun}s")
    }
}

//! `longshore ps`.

use super::document::encode;
use super::exit::{Error, Exit};
use super::{Session, table};
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use serde::Deserialize;

/// Arguments of `longshore ps`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Where nothing is live yet, it lists what the configuration would run. STATUS is empty where there is
no container, or the engine cannot be asked. COMMAND is what the configuration says instead of the
image's own.

With --json: {\"data\": [{\"name\", \"kind\", \"state\", \"exit_code\", \"release\", \"container\",
\"command\", ...}]}

Examples:
  longshore ps web
  longshore ps web --environment staging --json | jq -r '.data[].container'")]
pub struct ProcessesArgs {
    /// The app, as the configuration names it
    #[arg(value_name = "APP", value_parser = NonEmptyStringValueParser::new())]
    app: String,
    /// The environment; the app's default if absent
    #[arg(long, value_name = "E", value_parser = NonEmptyStringValueParser::new())]
    environment: Option<String>,
}

/// A process as the API tells of it.
#[derive(Debug, Deserialize)]
struct Process {
    name: String,
    state: Option<String>,
    exit_code: Option<i64>,
    release: Option<i64>,
    container: Option<String>,
    #[serde(default)]
    command: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Processes {
    data: Vec<Process>,
}

/// Lists processes.
pub async fn run(session: &Session, args: &ProcessesArgs) -> Result<Exit, Error> {
    let app = encode(&args.app);
    let path = match &args.environment {
        Some(environment) => {
            format!(
                "/v1/apps/{app}/environments/{}/processes",
                encode(environment)
            )
        }
        None => format!("/v1/apps/{app}/processes"),
    };
    let found = session.client.get::<Processes>(&path).await?;
    if session.json {
        session.output.print(&found.text)?;
        return Ok(Exit::Success);
    }
    let header = ["PROCESS", "STATUS", "RELEASE", "CONTAINER", "COMMAND"];
    let rows = found.value.data.iter().map(row).collect();
    session
        .output
        .print(&table::render(&header, rows, &["COMMAND"], session.output))?;
    Ok(Exit::Success)
}

fn row(process: &Process) -> Vec<String> {
    let status = match (&process.state, process.exit_code) {
        (Some(state), Some(code)) => format!("{state} ({code})"),
        (Some(state), None) => state.clone(),
        (None, _) => String::new(),
    };
    vec![
        process.name.clone(),
        status,
        process
            .release
            .map(|number| number.to_string())
            .unwrap_or_default(),
        process.container.clone().unwrap_or_default(),
        process.command.join(" "),
    ]
}

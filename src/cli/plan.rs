//! `longshore deploy --plan`: what a deployment would do, without doing it.

use super::Session;
use super::document::encode;
use super::exit::{Error, Exit};
use super::output::{Paint, Side};
use super::table::clean;
use crate::core::command as core;
use serde::Deserialize;
use serde_json::Value;

/// A plan as the API tells of it.
#[derive(Debug, Deserialize)]
struct Plan {
    app: String,
    environment: String,
    #[serde(default)]
    steps: Vec<String>,
    strategy: Option<String>,
    /// Why that is not the configured one.
    instead: Option<String>,
    #[serde(default)]
    domains: Vec<String>,
    #[serde(default)]
    downtime: bool,
    #[serde(default)]
    why: String,
    branch: Option<String>,
    commit_sha: Option<String>,
    image: Option<String>,
    release: Option<i64>,
    #[serde(default)]
    processes: Vec<String>,
    #[serde(default)]
    commands: Vec<Command>,
    #[serde(default)]
    changes: Vec<String>,
    #[serde(default)]
    waits_for: u64,
    #[serde(default)]
    would: String,
    refused: Option<String>,
}

/// What would be run once.
#[derive(Debug, Deserialize)]
struct Command {
    #[serde(default)]
    command: Vec<String>,
    task: Option<String>,
}

impl Command {
    fn line(&self) -> String {
        let shown = core::Command {
            words: self.command.clone(),
            retry: false,
        };
        let shown = clean(&shown.to_string());
        match &self.task {
            None => shown,
            Some(task) => format!("{shown} (task {})", clean(task)),
        }
    }
}

/// Asks for the plan of a deployment that would be asked for with that body, and shows it.
pub async fn run(session: &Session, app: &str, body: &Value) -> Result<Exit, Error> {
    let path = format!("/v1/apps/{}/plan", encode(app));
    let plan = session.client.post::<Plan>(&path, body, None).await?;
    let output = session.output;
    output.print(&if session.json {
        plan.text
    } else {
        text(&plan.value, output.paint(Side::Stdout))
    })?;
    Ok(match plan.value.refused {
        Some(_) => Exit::Refused,
        None => Exit::Success,
    })
}

fn text(plan: &Plan, paint: Paint) -> String {
    let would = match (&plan.refused, plan.would.as_str()) {
        (Some(_), _) => paint.red("would be refused"),
        (None, "start") => paint.green("would start what is stopped, with this deployment"),
        (None, _) => paint.green("would be deployed"),
    };
    let mut lines = vec![format!(
        "{} of {} {would}; nothing was changed",
        clean(&plan.environment),
        clean(&plan.app)
    )];
    let mut row = |name: &str, value: Option<String>| {
        let value = value.filter(|value| !value.is_empty());
        lines.extend(value.map(|value| format!("  {} {value}", paint.dim(&format!("{name:<9}")))));
    };
    row("refused", plan.refused.as_deref().map(clean));
    row("image", plan.image.as_deref().map(clean));
    row("branch", plan.branch.as_deref().map(clean));
    row("commit", plan.commit_sha.as_deref().map(clean));
    row("release", plan.release.map(|number| number.to_string()));
    row("steps", Some(clean(&plan.steps.join(", "))));
    let mut name = "runs";
    for command in &plan.commands {
        row(name, Some(command.line()));
        name = "";
    }
    row("processes", Some(clean(&plan.processes.join(", "))));
    let strategy = plan.strategy.as_deref().map(clean);
    row(
        "strategy",
        strategy.map(|name| match plan.instead.as_deref().map(clean) {
            Some(why) => format!("{name}, not the configured one, because {why}"),
            None => name,
        }),
    );
    row("domains", Some(clean(&plan.domains.join(", "))));
    let downtime = if plan.downtime { "yes" } else { "none" };
    let why = match plan.why.as_str() {
        "" => String::new(),
        why => format!(": {}", clean(why)),
    };
    row("downtime", Some(format!("{downtime}{why}")));
    row("changes", Some(clean(&plan.changes.join(", "))));
    row(
        "queue",
        Some(match plan.waits_for {
            0 => "nothing is before it".to_owned(),
            1 => "waits for 1 that is before it".to_owned(),
            more => format!("waits for {more} that are before it"),
        }),
    );
    lines.join("\n")
}

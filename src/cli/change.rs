//! `longshore stop`, `start`, `suspend`, `activate` and `app rm`: asked for, then waited for.

use super::client::Document;
use super::display::Display;
use super::document::{Apps, Operation, Operations, encode, query};
use super::exit::{Error, Exit};
use super::patience::patiently;
use super::table::clean;
use super::{Session, attend, question, summary};
use clap::Args;
use serde_json::json;
use std::time::Duration;

/// How often it is asked how a change stands: most take less than a second.
const POLL: Duration = Duration::from_millis(250);

/// What is asked of an environment.
#[derive(Clone, Copy, Debug)]
pub enum What {
    Stop,
    Start,
    Suspend,
    Activate,
}

impl What {
    fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Start => "start",
            Self::Suspend => "suspend",
            Self::Activate => "activate",
        }
    }
}

/// Which environment, and how to wait.
#[derive(Debug, Args)]
pub struct Target {
    /// The app, as the configuration names it
    #[arg(value_name = "APP", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    app: String,
    /// The environment; the app's default if absent
    #[arg(long, value_name = "E")]
    environment: Option<String>,
    #[command(flatten)]
    wait: Wait,
}

/// How to wait.
#[derive(Debug, Args)]
pub struct Wait {
    /// Do not wait until it is done
    #[arg(long)]
    no_wait: bool,
}

/// Arguments of `longshore start` and `longshore activate`.
#[derive(Debug, Args)]
pub struct UpArgs {
    #[command(flatten)]
    target: Target,
}

/// Arguments of `longshore stop` and `longshore suspend`.
#[derive(Debug, Args)]
pub struct DownArgs {
    #[command(flatten)]
    target: Target,
    /// Cancel deployments that run or wait, instead of waiting for them
    #[arg(long)]
    now: bool,
}

/// Arguments of `longshore app rm`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Deployments that run or wait are cancelled. Containers, images and networks go; the history stays,
and volumes too unless --volumes is given. If the configuration still names the app, its next
deployment makes a new, empty environment.

With --json: {\"data\": [operation]}

Examples:
  longshore app rm old-shop
  longshore app rm web --environment review-12 --volumes --yes")]
pub struct RemoveArgs {
    /// The app
    #[arg(value_name = "APP", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    app: String,
    /// Only this environment; all of them if absent
    #[arg(long, value_name = "E")]
    environment: Option<String>,
    /// Remove the volumes with what is in them, too
    #[arg(long)]
    volumes: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    wait: Wait,
}

/// Starts or activates.
pub async fn up(session: &Session, what: What, args: &UpArgs) -> Result<Exit, Error> {
    ask(session, what, &args.target, false).await
}

/// Stops or suspends.
pub async fn down(session: &Session, what: What, args: &DownArgs) -> Result<Exit, Error> {
    ask(session, what, &args.target, args.now).await
}

async fn ask(session: &Session, what: What, target: &Target, now: bool) -> Result<Exit, Error> {
    let mut body = json!({ "now": now });
    if let Some(environment) = &target.environment {
        body["environment"] = environment.as_str().into();
    }
    let path = format!("/v1/apps/{}/{}", encode(&target.app), what.as_str());
    let display = attend::display(session);
    // Asking twice makes sure twice: it can be repeated when the answer was lost.
    let asked = patiently(session.patience, &display, async || {
        session.client.post::<Operations>(&path, &body, None).await
    });
    wait_for(session, &display, asked.await?, &target.wait).await
}

/// Removes an app or one of its environments.
pub async fn remove(session: &Session, args: &RemoveArgs) -> Result<Exit, Error> {
    let names = environments(session, args).await?;
    let what = format!("{} of {}", names.join(" and "), clean(&args.app));
    if !args.yes {
        let volumes = match args.volumes {
            true => "with its volumes and what is in them",
            false => "keeping its volumes",
        };
        if !question::confirm(session.output, &format!("Remove {what}, {volumes}?"))? {
            session.output.say("nothing was removed");
            return Ok(Exit::Interrupted);
        }
    }
    let volumes = args.volumes.then_some("true");
    let filter = query(&[
        ("environment", args.environment.as_deref()),
        ("volumes", volumes),
    ]);
    let path = format!("/v1/apps/{}{filter}", encode(&args.app));
    let display = attend::display(session);
    let asked = session.client.delete::<Operations>(&path).await?;
    wait_for(session, &display, asked, &args.wait).await
}

/// The environments that would go.
async fn environments(session: &Session, args: &RemoveArgs) -> Result<Vec<String>, Error> {
    let apps = session.client.get::<Apps>("/v1/apps").await?.value.data;
    let app = apps.into_iter().find(|app| app.name == args.app);
    let known: Vec<String> = app
        .map(|app| {
            app.environments
                .into_iter()
                .map(|environment| environment.name)
                .collect()
        })
        .unwrap_or_default();
    let wanted = |name: &String| args.environment.as_ref().is_none_or(|only| only == name);
    let chosen: Vec<String> = known
        .iter()
        .filter(|name| wanted(name))
        .map(|name| clean(name))
        .collect();
    match (&args.environment, chosen.is_empty()) {
        (_, false) => Ok(chosen),
        (Some(environment), true) if !known.is_empty() => Err(Error::refused(format!(
            "'{}' has no environment '{environment}'; it has: {}",
            args.app,
            known.join(", ")
        ))),
        (_, true) => Err(Error::refused(format!("there is no app '{}'", args.app))),
    }
}

/// Waits until each is done and what it leaves is cleared away.
async fn wait_for(
    session: &Session,
    display: &Display,
    asked: Document<Operations>,
    wait: &Wait,
) -> Result<Exit, Error> {
    let mut last = Vec::new();
    for operation in asked.value.data {
        last.push(if wait.no_wait {
            operation
        } else {
            follow(session, display, operation, session.patience).await?
        });
    }
    display.clear();
    if session.json {
        let shown = serde_json::to_string(&json!({ "data": last }))
            .map_err(|error| Error::failed(error.to_string()))?;
        session.output.print(&shown)?;
    }
    let mut exit = Exit::Success;
    for operation in &last {
        let told = told(session, operation);
        match operation.status.as_str() {
            "failed" | "cancelled" => {
                session.output.say(&told);
                exit = if operation.status == "failed" {
                    Exit::Failed
                } else {
                    Exit::Cancelled
                };
            }
            _ if session.json => {}
            _ => session.output.print(&told)?,
        }
    }
    Ok(exit)
}

async fn follow(
    session: &Session,
    display: &Display,
    mut operation: Operation,
    patience: Duration,
) -> Result<Operation, Error> {
    let path = format!("/v1/operations/{}", operation.id);
    while operation.completed_at.is_none() {
        display.doing(Some(format!(
            "{} {} of {}",
            doing(&operation),
            clean(&operation.environment),
            clean(&operation.app)
        )));
        tokio::time::sleep(POLL).await;
        let answer = patiently(patience, display, async || {
            session.client.get::<Operations>(&path).await
        });
        let mut found = answer.await?.value.data;
        operation = found
            .pop()
            .ok_or_else(|| session.client.foreign("its answer names no operation"))?;
    }
    Ok(operation)
}

fn doing(operation: &Operation) -> &'static str {
    match (operation.status.as_str(), operation.operation.as_str()) {
        ("queued", _) => "waiting for",
        (_, "stop") => "stopping",
        (_, "start") => "starting",
        (_, "suspend") => "suspending",
        (_, "activate") => "activating",
        (_, "remove") => "removing",
        _ => "changing",
    }
}

fn told(session: &Session, operation: &Operation) -> String {
    let what = format!(
        "{} of {}",
        clean(&operation.environment),
        clean(&operation.app)
    );
    let verb = clean(&operation.operation);
    let done = match operation.operation.as_str() {
        "stop" => "is stopped",
        "start" | "activate" => "is running",
        "suspend" => "is suspended",
        "remove" => "is removed",
        _ => "is changed",
    };
    let paint = session.output.stderr_paint();
    match (operation.status.as_str(), &operation.error) {
        ("done", _) => format!("{what} {done}"),
        ("failed", Some(failure)) => {
            let mut lines = vec![format!("{} {verb} of {what}", paint.red("failed:"))];
            lines.extend(summary::failure_lines(failure, paint));
            lines.join("\n")
        }
        ("cancelled", _) => {
            format!("the {verb} of {what} was cancelled: the environment was removed")
        }
        (status, _) => format!("the {verb} of {what} is {}", clean(status)),
    }
}

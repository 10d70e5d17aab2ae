//! `longshore deploy`.

use super::client::{ClientError, Document};
use super::display::Display;
use super::document::{Apps, Deployment, Status};
use super::echo::SilentInterrupt;
use super::exit::{Error, Exit};
use super::output::Side;
use super::patience::{DEFAULT_PATIENCE, patiently};
use super::table::clean;
use super::watch::{End, Watch};
use super::{Session, list, summary};
use crate::core::name::VariableName;
use clap::Args;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Arguments of `longshore deploy`.
#[derive(Debug, Args)]
#[command(after_help = "\
Without --branch, --commit or --image it deploys what the configuration says: the head of the
app's branch, or its image.

Exit status:
  0    success: the release is live
  1    the deployment failed; what ran before still runs
  2    the arguments make no sense
  3    the deployment was cancelled, or a newer one took its place
  4    the daemon cannot be reached, or went away and did not come back
  5    the daemon refused the request
  130  watching was stopped; the deployment goes on

Examples:
  longshore deploy web
  longshore deploy web --environment staging --branch feature/login
  longshore deploy web --commit 3f2a9c1 --env LOG=debug
  longshore deploy proxy --image nginx:1.27
  id=$(longshore deploy web --no-wait)")]
pub struct DeployArgs {
    /// The app, as the configuration names it
    #[arg(value_name = "APP", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    app: String,
    /// Deploy the head of this branch
    #[arg(long, value_name = "B")]
    branch: Option<String>,
    /// Deploy this commit: 7 to 40 digits, on the configured branch or the one of --branch
    #[arg(long, value_name = "SHA")]
    commit: Option<String>,
    /// Deploy this image
    #[arg(long, value_name = "REF", conflicts_with_all = ["branch", "commit"])]
    image: Option<String>,
    /// The environment; the app's default if absent
    #[arg(long, value_name = "E")]
    environment: Option<String>,
    /// An environment variable for this deployment only; may be given several times
    #[arg(long = "env", value_name = "NAME=VALUE")]
    variables: Vec<String>,
    /// Print the deployment's id and do not wait for its end
    #[arg(long)]
    no_wait: bool,
    /// How long to wait for a daemon that went away
    #[arg(long, value_name = "TIME", default_value = DEFAULT_PATIENCE, value_parser = humantime::parse_duration)]
    patience: Duration,
}

/// Deploys and watches.
pub async fn run(session: &Session, args: DeployArgs) -> Result<Exit, Error> {
    let body = body(&args)?;
    let output = session.output;
    let display = Display::new(
        output,
        if session.json {
            Side::Stderr
        } else {
            Side::Stdout
        },
    );
    let created = create(session, &display, &body, args.patience).await?;
    if args.no_wait {
        let text = if session.json {
            created.text
        } else {
            clean(&created.value.id)
        };
        output.print(&text)?;
        return Ok(Exit::Success);
    }
    // From here on Ctrl-C is a question, before the first line invites it.
    let mut interrupts = signal(SignalKind::interrupt())
        .map_err(|error| Error::failed(format!("cannot listen for Ctrl-C: {error}")))?;
    let silent = SilentInterrupt::begin(output);
    display.print(&opening(&created.value));
    let mut watch = Watch {
        client: &session.client,
        display: &display,
        output,
        patience: args.patience,
        last: created,
    };
    let end = watch.run(&mut interrupts).await;
    display.clear();
    drop(silent);
    if end == Ok(End::Over) {
        conclude(session, &display, &watch.last.value).await;
    }
    if session.json {
        match output.print(&watch.last.text) {
            // How it ended matters more than who reads it.
            Ok(()) | Err(Error::PipeClosed) => {}
            Err(error) => return Err(error),
        }
    }
    if matches!(
        &end,
        Err(Error::Ended {
            exit: Exit::Unreachable,
            ..
        })
    ) {
        let id = clean(&watch.last.value.id);
        output.say(&format!(
            "{id} goes on as soon as the daemon runs; `longshore logs {id} -f` follows it then"
        ));
    }
    Ok(match end? {
        End::Stopped => Exit::Interrupted,
        End::Over => match watch.last.value.status {
            Status::Success => Exit::Success,
            Status::Cancelled => Exit::Cancelled,
            Status::Failed | Status::Queued | Status::Building | Status::Deploying => Exit::Failed,
        },
    })
}

/// Asks for the deployment. When the answer is lost on the way, asking again with the same key gets it, and no
/// second deployment.
async fn create(
    session: &Session,
    display: &Display,
    body: &serde_json::Value,
    patience: Duration,
) -> Result<Document<Deployment>, ClientError> {
    let key = key();
    let ask = async || {
        session
            .client
            .post("/v1/deployments", body, Some(&key))
            .await
    };
    match ask().await {
        Err(ClientError::Lost { .. }) => patiently(patience, display, ask).await,
        answer => answer,
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the command line is a client of its own and makes its own keys"
)]
fn key() -> String {
    uuid::Uuid::new_v4().to_string()
}

fn body(args: &DeployArgs) -> Result<serde_json::Value, Error> {
    // What is not named comes from the configuration; the bare API wants a branch.
    let from_config = args.branch.is_none() && args.image.is_none();
    let mut body = serde_json::json!({ "project_id": args.app, "from_config": from_config });
    for (field, value) in [
        ("branch", &args.branch),
        ("commit_sha", &args.commit),
        ("image", &args.image),
        ("environment", &args.environment),
    ] {
        if let Some(value) = value {
            body[field] = value.as_str().into();
        }
    }
    let mut variables = serde_json::Map::new();
    for variable in &args.variables {
        // Values may be secret: no message repeats one, nor what could be one for want of an `=`.
        let (name, value) = variable
            .split_once('=')
            .ok_or_else(|| Error::usage("--env takes NAME=VALUE, and one of them has no '='"))?;
        let name = VariableName::parse(name)
            .map_err(|error| Error::usage(format!("--env: the name '{name}' {error}")))?;
        variables.insert(name.into(), value.into());
    }
    if !variables.is_empty() {
        body["env_vars"] = variables.into();
    }
    Ok(body)
}

fn opening(deployment: &Deployment) -> String {
    let version = match list::version(deployment) {
        version if version.is_empty() => String::new(),
        version => format!(" of {}", clean(&version)),
    };
    format!(
        "{}: deployment{version} to {} of {}",
        clean(&deployment.id),
        clean(&deployment.environment),
        clean(&deployment.app),
    )
}

/// Says how it ended: a success where the lines went, anything else on standard error.
async fn conclude(session: &Session, display: &Display, deployment: &Deployment) {
    match deployment.status {
        Status::Success => {
            let address = address(session, deployment).await;
            let side = if session.json {
                Side::Stderr
            } else {
                Side::Stdout
            };
            let paint = session.output.paint(side);
            display.print(&summary::of(deployment, address.as_deref(), paint));
        }
        Status::Failed
        | Status::Cancelled
        | Status::Queued
        | Status::Building
        | Status::Deploying => {
            let paint = session.output.stderr_paint();
            session.output.say(&summary::of(deployment, None, paint));
        }
    }
}

/// Where the environment's container listens; a nicety, so any error is the same as not knowing.
async fn address(session: &Session, deployment: &Deployment) -> Option<String> {
    let apps = session.client.get::<Apps>("/v1/apps").await.ok()?.value;
    let app = apps
        .data
        .into_iter()
        .find(|app| app.name == deployment.app)?;
    let mut environments = app.environments.into_iter();
    environments
        .find(|environment| environment.name == deployment.environment)?
        .address
}

//! `longshore deploy`.

use super::attend::{attend, create, display};
use super::exit::{Error, Exit};
use super::{Session, plan};
use crate::core::name::VariableName;
use clap::Args;

/// Arguments of `longshore deploy`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Without --branch, --commit or --image it deploys what the configuration says: the head of the
app's branch, or its image.

With --json: the deployment as it ended, as `longshore show --json` prints it (with --no-wait as it
was taken in, with --plan the plan); the log goes to standard error.

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
  longshore deploy web --plan
  longshore deploy web --environment staging --branch feature/login
  longshore deploy web --environment pr-12 --branch feature/login --preview
  longshore deploy web --commit 3f2a9c1 --env LOG=debug
  longshore deploy proxy --image nginx:1.27
  longshore deploy web --task deploy:seed
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
    /// Make the environment a preview if it is not there: it gets containers and a domain of its own, and goes when its
    /// branch does, or some time after its last deployment
    #[arg(long, requires = "environment")]
    preview: bool,
    /// An environment variable for this deployment only; may be given several times
    #[arg(long = "env", value_name = "NAME=VALUE")]
    variables: Vec<String>,
    /// Run this task of the app, too, before the release takes over
    #[arg(long, value_name = "NAME")]
    task: Option<String>,
    /// JSON for the containers, which find it where the app's `payload` says
    #[arg(long, value_name = "JSON")]
    payload: Option<String>,
    /// Only tell what it would do: steps, downtime, changes of the configuration, the queue; exits 5 if it would be
    /// refused
    #[arg(long, conflicts_with = "no_wait")]
    plan: bool,
    /// Print the deployment's id and do not wait for its end
    #[arg(long)]
    no_wait: bool,
}

/// Deploys and watches.
pub async fn run(session: &Session, args: DeployArgs) -> Result<Exit, Error> {
    let body = body(&args)?;
    if args.plan {
        return plan::run(session, &args.app, &body).await;
    }
    let display = display(session);
    let created = create(
        session,
        &display,
        "/v1/deployments",
        &body,
        session.patience,
    )
    .await?;
    attend(session, &display, created, args.no_wait, session.patience).await
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
        ("task", &args.task),
    ] {
        if let Some(value) = value {
            body[field] = value.as_str().into();
        }
    }
    if args.preview {
        body["preview"] = true.into();
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
    if let Some(payload) = &args.payload {
        body["payload"] = serde_json::from_str(payload)
            .map_err(|error| Error::usage(format!("--payload is not JSON: {error}")))?;
    }
    if !variables.is_empty() {
        body["env_vars"] = variables.into();
    }
    Ok(body)
}

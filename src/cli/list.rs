//! `longshore ls`.

use super::Session;
use super::document::{Deployment, Page, Status, query};
use super::exit::{Error, Exit};
use super::output::Side;
use super::{moment, table};
use clap::Args;

/// Arguments of `longshore ls`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
\"recorded\" behind a status: somebody else deployed it and told longshore of it.
At a narrow terminal columns are left out and texts shortened, never ids; in a pipe all is whole.

With --json: {\"data\": [deployment], \"meta\": {\"total\", \"limit\", \"offset\"}}

Examples:
  longshore ls
  longshore ls --app web --environment staging -n 5
  longshore ls --status failed --json | jq -r '.data[].id'")]
pub struct ListArgs {
    /// Only this app's
    #[arg(long, value_name = "APP")]
    app: Option<String>,
    /// Only this environment's
    #[arg(long, value_name = "E")]
    environment: Option<String>,
    /// Only those in this state
    #[arg(long, value_name = "S")]
    status: Option<Status>,
    /// How many at most, 1 to 100
    #[arg(short = 'n', long, value_name = "LIMIT", default_value_t = 20,
          value_parser = clap::value_parser!(u8).range(1..=100))]
    limit: u8,
}

/// Lists deployments.
pub async fn run(session: &Session, args: &ListArgs) -> Result<Exit, Error> {
    let limit = args.limit.to_string();
    let filter = query(&[
        ("limit", Some(limit.as_str())),
        ("project_id", args.app.as_deref()),
        ("environment", args.environment.as_deref()),
        ("status", args.status.map(Status::as_str)),
    ]);
    let page = session
        .client
        .get::<Page>(&format!("/v1/deployments{filter}"))
        .await?;
    let output = session.output;
    if session.json {
        output.print(&page.text)?;
        return Ok(Exit::Success);
    }
    let shown = page.value.data.len() as u64;
    if shown == 0 {
        output.note("no deployments");
        return Ok(Exit::Success);
    }
    let to_a_person = output.is_terminal(Side::Stdout);
    let rows = page
        .value
        .data
        .iter()
        .map(|deployment| row(deployment, to_a_person))
        .collect();
    let header = [
        "ID",
        "STATUS",
        "APP",
        "ENVIRONMENT",
        "VERSION",
        "RELEASE",
        "CREATED",
        "TOOK",
    ];
    output.print(&table::render(
        &header,
        rows,
        &[
            "TOOK",
            "RELEASE",
            "ENVIRONMENT",
            "VERSION",
            "CREATED",
            "APP",
        ],
        output,
    ))?;
    if page.value.meta.total > shown {
        output.note(&format!(
            "{shown} of {}; more with -n",
            page.value.meta.total
        ));
    }
    Ok(Exit::Success)
}

fn row(deployment: &Deployment, to_a_person: bool) -> Vec<String> {
    let status = match (deployment.status.as_str(), deployment.superseded) {
        (_, true) => "superseded".to_owned(),
        (word, false) if deployment.recorded => format!("{word} (recorded)"),
        (word, false) => word.to_owned(),
    };
    let release = match (deployment.release, deployment.live) {
        (Some(number), true) => format!("{number} (live)"),
        (Some(number), false) => number.to_string(),
        (None, _) => String::new(),
    };
    let took = match (deployment.created_at, deployment.completed_at) {
        // What was reported only when it had ended took nobody knows how long.
        (Some(from), Some(to)) if deployment.recorded && from == to => String::new(),
        (Some(from), Some(to)) => moment::duration(moment::between(from, to)),
        (_, None) | (None, _) => String::new(),
    };
    vec![
        deployment.id.clone(),
        status,
        deployment.app.clone(),
        deployment.environment.clone(),
        version(deployment),
        release,
        deployment
            .created_at
            .map_or(String::new(), |at| moment::shown(at, to_a_person)),
        took,
    ]
}

/// What it deploys, in few characters: the branch and the commit as git shortens it, or the image.
pub fn version(deployment: &Deployment) -> String {
    let sha: Option<String> = deployment
        .commit_sha
        .as_deref()
        .map(|sha| sha.chars().take(7).collect());
    match (&deployment.image, &deployment.branch, sha) {
        (Some(image), _, None) => image.clone(),
        (_, Some(branch), Some(sha)) => format!("{branch}@{sha}"),
        (_, None, Some(sha)) => sha,
        (None, Some(branch), None) => branch.clone(),
        (None, None, None) => String::new(),
    }
}

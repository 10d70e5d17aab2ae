//! `longshore show`.

use super::document::{App, Commit, Deployment, Status, Step, encode, is_run};
use super::exit::{Error, Exit};
use super::output::{Paint, Side};
use super::table::clean;
use super::{Session, find, moment, runs, summary};
use crate::core::time::Timestamp;
use clap::Args;
use clap::builder::NonEmptyStringValueParser;

/// Arguments of `longshore show`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
With --json: the API's own document of a deployment or a run.

Examples:
  longshore show dep_9x2m4p
  longshore show run_7c1k9a
  longshore show dep_9x2m4p --json | jq -r .error.code")]
pub struct ShowArgs {
    /// The deployment's id, or a beginning of it that no other has; or a run's id
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    id: String,
}

/// Shows a deployment or a run.
pub async fn run(session: &Session, args: &ShowArgs) -> Result<Exit, Error> {
    if is_run(&args.id) {
        return show_run(session, &args.id).await;
    }
    let document = find::deployment(session, &args.id).await?;
    let output = session.output;
    let text = if session.json {
        document.text
    } else {
        let now = output.is_terminal(Side::Stdout).then(moment::now);
        let next = next_run(session, &document.value).await;
        let next = next.map(|next| moment::ahead(next, now.is_some()));
        block(&document.value, next, now, output.paint(Side::Stdout))
    };
    output.print(&text)?;
    Ok(Exit::Success)
}

async fn show_run(session: &Session, id: &str) -> Result<Exit, Error> {
    let document = session.client.run(id).await?;
    let output = session.output;
    let text = match session.json {
        true => document.text,
        false => {
            let now = output.is_terminal(Side::Stdout).then(moment::now);
            runs::block(&document.value, now, output.paint(Side::Stdout))
        }
    };
    output.print(&text)?;
    Ok(Exit::Success)
}

/// When the schedule of what it made live comes next; a nicety, so any error is the same as not knowing.
async fn next_run(session: &Session, deployment: &Deployment) -> Option<Timestamp> {
    if !deployment.live {
        return None;
    }
    let path = format!("/v1/apps/{}", encode(&deployment.app));
    let app = session.client.get::<App>(&path).await.ok()?.value;
    let mut environments = app.environments.into_iter();
    environments
        .find(|environment| environment.name == deployment.environment)?
        .next_run
}

/// The deployment in lines of name and value; times relative to `now` if given.
fn block(
    deployment: &Deployment,
    next_run: Option<String>,
    now: Option<Timestamp>,
    paint: Paint,
) -> String {
    let time =
        |at: Timestamp| now.map_or_else(|| at.to_seconds_string(), |now| moment::ago(at, now));
    let word = deployment.status.as_str();
    let status = match deployment.status {
        Status::Success => paint.green(word),
        Status::Failed => paint.red(word),
        Status::Cancelled if deployment.superseded => paint.yellow("superseded"),
        Status::Cancelled => paint.yellow(word),
        Status::Queued | Status::Building | Status::Deploying => paint.bold(word),
    };
    let recorded = if deployment.recorded {
        ", recorded"
    } else {
        ""
    };
    let id = paint.bold(&clean(&deployment.id));
    let mut lines = vec![format!("{id} {status}{recorded}")];
    let mut row = |name: &str, value: Option<String>| {
        let value = value.filter(|value| !value.is_empty());
        lines.extend(value.map(|value| format!("  {} {value}", paint.dim(&format!("{name:<12}")))));
    };
    row("app", Some(clean(&deployment.app)));
    row("environment", Some(clean(&deployment.environment)));
    row("image", deployment.image.as_deref().map(clean));
    let kind = if deployment.tag { "tag" } else { "branch" };
    row(kind, deployment.branch.as_deref().map(clean));
    row("commit", deployment.commit_sha.as_deref().map(clean));
    let said = |c: &Commit| format!("{} ({})", clean(&c.message), clean(&c.author));
    row("", deployment.commit.as_ref().map(said));
    row(
        "is a",
        match (&deployment.rollback, deployment.restart) {
            (Some(rollback), _) => Some(format!("rollback to release {}", rollback.of)),
            (None, true) => Some("restart of what was live".to_owned()),
            (None, false) => None,
        },
    );
    row("task", deployment.task.as_deref().map(clean));
    let live = if deployment.live { ", live" } else { "" };
    row(
        "release",
        deployment.release.map(|number| format!("{number}{live}")),
    );
    row("next run", next_run);
    let created = deployment.created_at.map(time);
    if deployment.recorded {
        let by = deployment.created_by.as_deref().map(clean);
        let by = by.map_or(String::new(), |who| format!(", by {who}"));
        row("reported", created.map(|at| format!("{at}{by}")));
        row("executed", Some(ELSEWHERE.to_owned()));
    } else {
        row(
            "created",
            created.map(|at| format!("{at}{}", asked(deployment))),
        );
    }
    row("ended", deployment.completed_at.map(time));
    row(
        "cancelled by",
        deployment
            .cancelled_by_name
            .as_deref()
            .or(deployment.cancelled_by.as_deref())
            .map(clean),
    );
    row("url", deployment.deploy_url.as_deref().map(clean));
    for step in &deployment.steps {
        row(
            &clean(&step.name),
            Some(progress(step, deployment.status, now)),
        );
    }
    if let Some(failure) = &deployment.error {
        lines.extend(summary::failure_lines(failure, paint));
    }
    lines.extend(summary::restore_lines(deployment, paint));
    lines.join("\n")
}

/// What is to be known of a deployment that was only recorded.
const ELSEWHERE: &str = "elsewhere; longshore was only told of it and has no log";

fn asked(deployment: &Deployment) -> String {
    let by = deployment
        .created_by
        .as_deref()
        .map(|who| format!("by {}", clean(who)));
    let parts: Vec<String> = deployment
        .trigger
        .as_deref()
        .map(clean)
        .into_iter()
        .chain(by)
        .collect();
    if parts.is_empty() {
        String::new()
    } else {
        format!(", {}", parts.join(" "))
    }
}

fn progress(step: &Step, status: Status, now: Option<Timestamp>) -> String {
    match (step.started_at, step.ended_at) {
        (None, _) if status.is_end() => "not begun".to_owned(),
        (None, _) => "to come".to_owned(),
        (Some(from), Some(to)) => moment::duration(moment::between(from, to)),
        (Some(_), None) if status.is_end() => "broken off".to_owned(),
        (Some(from), None) => match now {
            Some(now) => format!(
                "running for {}",
                moment::duration(moment::between(from, now))
            ),
            None => "running".to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_block_shows_what_is_known_and_leaves_out_what_is_not() {
        let deployment: Deployment = serde_json::from_value(json!({
            "id": "dep_9x2m4p", "status": "building", "app": "web", "environment": "production",
            "branch": "main", "commit_sha": "a1b2c3d4e5f6a1b2c3d4e5f6a1b2c3d4e5f6a1b2",
            "commit": {"message": "Fix\u{1b}[2J it\n\nlong story", "author": "Ann"},
            "created_at": "2025-03-14T10:32:00Z", "trigger": "manual", "created_by": "ci",
            "steps": [
                {"name": "checkout", "started_at": "2025-03-14T10:32:00.000Z", "ended_at": "2025-03-14T10:32:01.500Z"},
                {"name": "build", "started_at": "2025-03-14T10:32:02Z", "ended_at": null},
                {"name": "rollout", "started_at": null, "ended_at": null},
            ],
        }))
        .unwrap();
        let now = moment::parse("2025-03-14T10:32:30Z");
        assert_eq!(
            block(&deployment, None, now, Paint(false)),
            "dep_9x2m4p building\n  app          web\n  environment  production\n  \
             branch       main\n  commit       a1b2c3d4e5f6a1b2c3d4e5f6a1b2c3d4e5f6a1b2\n               Fix it (Ann)\n  \
             created      30s ago, manual by ci\n  checkout     1.5s\n  \
             build        running for 28s\n  rollout      to come"
        );
        let absolute = block(&deployment, Some("in 3h".to_owned()), None, Paint(false));
        assert!(
            absolute
                .contains("next run     in 3h\n  created      2025-03-14T10:32:00Z, manual by ci"),
            "{absolute}"
        );
    }
}

//! `longshore runs`: what a job ran.

use super::document::{App, Run, RunPage, encode, query};
use super::exit::{Error, Exit};
use super::output::{Paint, Side};
use super::table::clean;
use super::{Session, moment, summary, table};
use crate::core::time::Timestamp;
use clap::Args;

/// How many runs are looked through at a time for one of a number: the largest page the API gives.
const PAGE: u64 = 100;

/// Arguments of `longshore runs`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
CAUSE is what made a run: its schedule, somebody by hand, or a deployment or change it is a part of.
EXIT is the status its command ended with, if it ended by itself. A run that is \"skipped\" was due
while another was at work. A line below the table tells when the schedule comes next.

With --json: {\"data\": [run], \"meta\": {\"total\", \"limit\", \"offset\"}}

Examples:
  longshore runs report
  longshore runs report --environment staging -n 5
  longshore logs report --run 7")]
pub struct RunsArgs {
    /// The job, as the configuration names it
    #[arg(value_name = "APP", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    app: String,
    /// The environment; the app's default if absent
    #[arg(long, value_name = "E")]
    environment: Option<String>,
    /// How many at most, 1 to 100
    #[arg(short = 'n', long, value_name = "LIMIT", default_value_t = 20,
          value_parser = clap::value_parser!(u8).range(1..=100))]
    limit: u8,
}

/// Lists runs.
pub async fn run(session: &Session, args: &RunsArgs) -> Result<Exit, Error> {
    let environment = args.environment.as_deref();
    let path = page_path(&args.app, environment, args.limit.into(), 0);
    let page = session.client.get::<RunPage>(&path).await?;
    let output = session.output;
    if session.json {
        output.print(&page.text)?;
        return Ok(Exit::Success);
    }
    let runs = &page.value.data;
    let to_a_person = output.is_terminal(Side::Stdout);
    if runs.is_empty() {
        output.note("no runs yet");
    } else {
        let header = [
            "NUMBER", "EVENT", "CAUSE", "STATE", "EXIT", "WHEN", "TOOK", "ID",
        ];
        let rows = runs.iter().map(|run| row(run, to_a_person)).collect();
        output.print(&table::render(
            &header,
            rows,
            &["ID", "CAUSE", "TOOK", "EVENT"],
            output,
        ))?;
    }
    let shown = runs.len() as u64;
    if page.value.meta.total > shown {
        output.note(&format!(
            "{shown} of {}; more with -n",
            page.value.meta.total
        ));
    }
    // A nicety: any error is the same as not knowing.
    if let Ok(app) = session
        .client
        .get::<App>(&format!("/v1/apps/{}", encode(&args.app)))
        .await
    {
        let shown = environment.or(runs.first().map(|run| run.environment.as_str()));
        for one in &app.value.environments {
            let is_meant = shown.is_none_or(|shown| shown == one.name);
            if let Some(next) = one.next_run.filter(|_| is_meant) {
                let place = clean(&one.name);
                output.note(&format!(
                    "next run in {place}: {}",
                    moment::ahead(next, to_a_person)
                ));
            }
        }
    }
    Ok(Exit::Success)
}

fn page_path(app: &str, environment: Option<&str>, limit: u64, offset: u64) -> String {
    let (limit, offset) = (limit.to_string(), offset.to_string());
    let filter = query(&[
        ("environment", environment),
        ("limit", Some(&limit)),
        ("offset", Some(&offset)),
    ]);
    format!("/v1/apps/{}/runs{filter}", encode(app))
}

fn row(run: &Run, to_a_person: bool) -> Vec<String> {
    let status = run.exit_status.map(|status| status.to_string());
    let when = run.started_at.or(run.created_at);
    vec![
        run.number.to_string(),
        run.event.clone(),
        run.cause.clone(),
        run.status.as_str().to_owned(),
        status.unwrap_or_default(),
        when.map_or(String::new(), |at| moment::shown(at, to_a_person)),
        run.took().map_or(String::new(), moment::duration),
        run.id.clone(),
    ]
}

/// The run of that number.
pub async fn numbered(
    session: &Session,
    app: &str,
    environment: Option<&str>,
    number: i64,
) -> Result<Run, Error> {
    let mut offset = 0;
    loop {
        let path = page_path(app, environment, PAGE, offset);
        let page = session.client.get::<RunPage>(&path).await?.value;
        let oldest = page.data.last().map(|run| run.number);
        let mut runs = page.data.into_iter();
        if let Some(run) = runs.find(|run| run.number == number) {
            return Ok(run);
        }
        offset += PAGE;
        if offset >= page.meta.total || oldest.is_none_or(|oldest| oldest < number) {
            return Err(Error::refused(format!(
                "'{app}' has no run {number}, or no longer; `longshore runs {app}` lists them"
            )));
        }
    }
}

/// A run in lines of name and value; times relative to `now` if given.
pub fn block(run: &Run, now: Option<Timestamp>, paint: Paint) -> String {
    let time =
        |at: Timestamp| now.map_or_else(|| at.to_seconds_string(), |now| moment::ago(at, now));
    let word = run.status.as_str();
    let mut lines = vec![format!("{} {word}", paint.bold(&clean(&run.id)))];
    let mut row = |name: &str, value: Option<String>| {
        let value = value.filter(|value| !value.is_empty());
        lines.extend(value.map(|value| format!("  {} {value}", paint.dim(&format!("{name:<12}")))));
    };
    row("job", Some(clean(&run.app)));
    row("environment", Some(clean(&run.environment)));
    row("number", Some(run.number.to_string()));
    row("event", Some(clean(&run.event)));
    let by = run.created_by.as_deref().map(clean);
    let by = by.map_or(String::new(), |by| format!(", by {by}"));
    row("cause", Some(format!("{}{by}", clean(&run.cause))));
    row("part of", run.deployment.as_deref().map(clean));
    row("due", run.due_at.map(time));
    row("created", run.created_at.map(time));
    row("began", run.started_at.map(time));
    row("ended", run.completed_at.map(time));
    row("took", run.took().map(moment::duration));
    row(
        "attempts",
        (run.attempts > 1).then(|| run.attempts.to_string()),
    );
    row(
        "exit status",
        run.exit_status.map(|status| status.to_string()),
    );
    row("cancelled by", run.cancelled.as_deref().map(clean));
    if let Some(failure) = &run.error {
        lines.extend(summary::failure_lines(failure, paint));
    }
    lines.join("\n")
}

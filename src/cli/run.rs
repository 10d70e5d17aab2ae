//! `longshore run`: a job is run once, and watched to its end.

use super::attend::{create, display};
use super::client::{ClientError, Document};
use super::display::Display;
use super::document::{JobEvent, LogPage, Run, RunStatus, encode};
use super::exit::{Error, Exit};
use super::output::{Paint, Side};
use super::patience::patiently;
use super::table::clean;
use super::{Session, follow, moment, summary};
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

/// Arguments of `longshore run`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
It runs what is live, without a deployment: the image, commands and limits of the last one, with
today's secrets. Without --event it is what the job's schedule runs, else what a start runs.

With --json: the run as it ended, as `longshore show --json` prints it (with --detach as it was
made); the log goes to standard error.

Exit status:
  0    it ended with status 0
  1    it failed: it ended with another status, was cut off, or took too long
  2    the arguments make no sense
  3    it was cancelled, or a newer run took its place
  4    the daemon cannot be reached, or went away and did not come back
  5    the daemon refused: the app is no job, nothing is live, or another run is at work
  130  watching was stopped; the run goes on

Examples:
  longshore run report
  longshore run report --environment staging --event start
  id=$(longshore run report --detach)")]
pub struct RunArgs {
    /// The job, as the configuration names it
    #[arg(value_name = "APP", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    app: String,
    /// The environment; the app's default if absent
    #[arg(long, value_name = "E")]
    environment: Option<String>,
    /// Run what the job runs at this event
    #[arg(long, value_name = "EVENT")]
    event: Option<JobEvent>,
    /// Print the run's id and do not wait for its end
    #[arg(long)]
    detach: bool,
}

/// Runs and watches.
pub async fn run(session: &Session, args: &RunArgs) -> Result<Exit, Error> {
    let mut body = serde_json::json!({});
    if let Some(environment) = &args.environment {
        body["environment"] = environment.as_str().into();
    }
    if let Some(event) = args.event {
        body["event"] = event.as_str().into();
    }
    let display = display(session);
    let path = format!("/v1/apps/{}/runs", encode(&args.app));
    let made: Document<Run> = create(session, &display, &path, &body, session.patience).await?;
    if args.detach {
        let text = match session.json {
            true => made.text,
            false => clean(&made.value.id),
        };
        session.output.print(&text)?;
        return Ok(Exit::Success);
    }
    attend(session, &display, made).await
}

async fn attend(session: &Session, display: &Display, made: Document<Run>) -> Result<Exit, Error> {
    let output = session.output;
    let mut interrupts = signal(SignalKind::interrupt())
        .map_err(|error| Error::failed(format!("cannot listen for Ctrl-C: {error}")))?;
    let id = made.value.id.clone();
    if !output.is_quiet() {
        let run = &made.value;
        display.print(&format!(
            "{}: run {} of {} in {}",
            clean(&run.id),
            run.number,
            clean(&run.app),
            clean(&run.environment)
        ));
    }
    display.doing(doing(&made.value));
    let watched = tokio::select! {
        watched = watch(session, display, made) => watched,
        _ = interrupts.recv() => {
            display.clear();
            output.say(&format!(
                "no longer watching; the run goes on. Follow it with `longshore logs {id} -f`, cancel it with `longshore cancel {id}`"
            ));
            return Ok(Exit::Interrupted);
        }
    };
    display.clear();
    let ended = watched.map_err(|error| {
        let error = Error::from(error);
        error.with(Some(&format!(
            "it goes on as soon as the daemon runs; `longshore logs {id} -f` follows it then"
        )))
    })?;
    conclude(session, display, &ended.value);
    if session.json {
        match output.print(&ended.text) {
            // How it ended matters more than who reads it.
            Ok(()) | Err(Error::PipeClosed) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(match ended.value.status {
        RunStatus::Succeeded => Exit::Success,
        RunStatus::Cancelled | RunStatus::Skipped => Exit::Cancelled,
        RunStatus::Failed | RunStatus::Queued | RunStatus::Running => Exit::Failed,
    })
}

/// Log and document in turn, until both are at their end.
async fn watch(
    session: &Session,
    display: &Display,
    made: Document<Run>,
) -> Result<Document<Run>, ClientError> {
    let id = made.value.id.clone();
    let (mut from, mut last) = (0, made);
    loop {
        let page: LogPage = patiently(session.patience, display, async || {
            session.client.log(&id, from, true).await
        })
        .await?;
        from = page.next;
        display.tell(&follow::lines(&page.text));
        last = patiently(session.patience, display, async || {
            session.client.run(&id).await
        })
        .await
        .unwrap_or(last);
        display.doing(doing(&last.value));
        if page.complete && last.value.status.is_end() {
            return Ok(last);
        }
        if page.text.is_empty() {
            tokio::time::sleep(follow::PAUSE).await;
        }
        tokio::time::sleep(session.client.pace(2)).await;
    }
}

fn doing(run: &Run) -> Option<String> {
    match run.status {
        RunStatus::Queued => Some("waiting for another run's end".to_owned()),
        RunStatus::Running => Some("running".to_owned()),
        RunStatus::Succeeded | RunStatus::Failed | RunStatus::Cancelled | RunStatus::Skipped => {
            None
        }
    }
}

/// Says how it ended: a success where the lines went, anything else on standard error.
fn conclude(session: &Session, display: &Display, run: &Run) {
    match run.status {
        RunStatus::Succeeded => {
            let side = match session.json {
                true => Side::Stderr,
                false => Side::Stdout,
            };
            display.print(&ending(run, session.output.paint(side)));
        }
        RunStatus::Failed
        | RunStatus::Cancelled
        | RunStatus::Skipped
        | RunStatus::Queued
        | RunStatus::Running => {
            let paint = session.output.stderr_paint();
            session.output.say(&ending(run, paint));
        }
    }
}

fn ending(run: &Run, paint: Paint) -> String {
    let what = format!("run {} of {}", run.number, clean(&run.app));
    let after = match run.took() {
        Some(took) => format!(" after {}", moment::duration(took)),
        None => String::new(),
    };
    match run.status {
        RunStatus::Succeeded => format!(
            "{} {what} ended with status 0{after}",
            paint.green("success:")
        ),
        RunStatus::Failed => {
            let mut lines = vec![format!("{} {what}{after}", paint.red("failed:"))];
            if let Some(failure) = &run.error {
                lines.extend(summary::failure_lines(failure, paint));
            }
            lines.push(format!("  whole log: longshore logs {}", clean(&run.id)));
            lines.join("\n")
        }
        RunStatus::Cancelled => {
            let why = match run.cancelled.as_deref() {
                Some("run") => "a newer run took its place",
                Some("deployment") => "a deployment ended it",
                Some("environment") => "its environment was stopped or removed",
                Some(_) | None => "cancelled",
            };
            format!("{} {what}: {why}{after}", paint.yellow("cancelled:"))
        }
        RunStatus::Skipped => format!(
            "{} {what}: another run was at work",
            paint.yellow("skipped:")
        ),
        RunStatus::Queued | RunStatus::Running => format!("{what} is {}", run.status.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn run(with: Value) -> Run {
        let mut document = json!({
            "id": "run_1", "number": 7, "app": "report", "environment": "production", "event": "cron", "cause": "hand",
            "created_at": "2025-03-14T10:32:00Z", "started_at": "2025-03-14T10:32:01Z",
            "completed_at": "2025-03-14T10:32:43Z",
        });
        let fields = document.as_object_mut().unwrap();
        fields.extend(with.as_object().unwrap().clone());
        serde_json::from_value(document).unwrap()
    }

    #[test]
    fn each_end_of_a_run_is_told_in_a_sentence() {
        let failure = json!({
            "code": "job_failed", "message": "its command ended with status 3",
            "output": ["no \u{1b}[31mspace"], "next": "free some",
        });
        for (with, expected) in [
            (
                json!({"status": "succeeded", "exit_status": 0}),
                "success: run 7 of report ended with status 0 after 42s",
            ),
            (
                json!({"status": "failed", "exit_status": 3, "error": failure}),
                "failed: run 7 of report after 42s\n  its command ended with status 3 (job_failed)\n  | no space\n  \
                 next: free some\n  whole log: longshore logs run_1",
            ),
            (
                json!({"status": "cancelled", "cancelled": "run"}),
                "cancelled: run 7 of report: a newer run took its place after 42s",
            ),
            (
                json!({"status": "cancelled", "cancelled": "hand", "started_at": null}),
                "cancelled: run 7 of report: cancelled",
            ),
            (
                json!({"status": "skipped", "started_at": null}),
                "skipped: run 7 of report: another run was at work",
            ),
        ] {
            assert_eq!(ending(&run(with), Paint(false)), expected);
        }
    }
}

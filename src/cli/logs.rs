//! `longshore logs`: of an app what it prints, of a deployment or a run its log.

use super::document::is_run;
use super::exit::{Error, Exit};
use super::log_filter::Filter;
use super::output::{Output, Paint, Side};
use super::patience::{Waiting, patiently};
use super::{Session, find, follow, printed, runs};
use crate::core::log::parse_line;
use clap::Args;
use std::time::Duration;

/// Arguments of `longshore logs`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
With an app it prints what its running containers printed, and those that were replaced, that
crashed or were removed: the newest lines, with -f what comes after them, past a restart of the
daemon, without a gap. With a deployment's id (or an app and --deployment) it prints the log of
that deployment: its checkout, build and rollout; with -f until it ends. With a run's id (or a job
and --run) it prints what that run printed.

With --json: {\"data\": [{\"timestamp\", \"release\", \"process\", \"container\", \"stream\",
\"severity\", \"message\", \"id\"}], \"meta\": {\"next\"}}; of a deployment {\"id\", \"data\":
[{\"timestamp\", \"step\", \"stream\", \"message\"}]}; with -f an object a line.

Examples:
  longshore logs web              the newest lines web printed
  longshore logs web -f           and what it prints from now on
  longshore logs web --since 1h --severity warn --grep timeout
  longshore logs web --deployment the log of the newest deployment of web
  longshore logs dep_9x2m4p | less
  longshore logs report --run 7")]
pub struct LogsArgs {
    /// An app's name, or the id of a deployment or a run
    #[arg(value_name = "APP|ID")]
    of: String,
    /// Follow what is printed; a deployment's log until the deployment ends
    #[arg(short, long)]
    follow: bool,
    /// The log of the app's newest deployment
    #[arg(long)]
    deployment: bool,
    /// The log of the job's run of this number
    #[arg(long, value_name = "N", conflicts_with = "deployment", value_parser = clap::value_parser!(i64).range(1..))]
    run: Option<i64>,
    #[command(flatten)]
    filter: Filter,
}

/// Prints a log.
pub async fn run(session: &Session, args: &LogsArgs) -> Result<Exit, Error> {
    let is_id = find::is_id(&args.of);
    let is_of_run = is_run(&args.of) || args.run.is_some();
    if !is_id && !is_of_run && !args.deployment {
        return printed::run(session, &args.of, &args.filter, args.follow).await;
    }
    if let Some(foreign) = args.filter.foreign_to_a_deployment() {
        return Err(Error::usage(format!(
            "{foreign} is for what running containers print, not for the log of a deployment or a run: name an app, without --deployment or --run"
        )));
    }
    let id = if let Some(number) = args.run {
        let environment = args.filter.environment();
        runs::numbered(session, &args.of, environment, number)
            .await?
            .id
    } else if is_of_run {
        args.of.clone()
    } else if is_id {
        find::deployment(session, &args.of).await?.value.id
    } else {
        let environment = args.filter.environment();
        find::newest_of(session, &args.of, environment).await?.id
    };
    let mut printer = Printer::new(session, args.follow);
    let mut from = 0;
    loop {
        let ask = async || session.client.log(&id, from, args.follow).await;
        let page = if args.follow {
            patiently(session.patience, &session.output, ask).await?
        } else {
            ask().await?
        };
        printer.page(&page.text)?;
        from = page.next;
        let at_the_end = page.text.is_empty() && !args.follow;
        if page.complete || at_the_end {
            break;
        }
        let pause = match page.text.is_empty() {
            true => follow::PAUSE,
            false => Duration::ZERO,
        };
        tokio::time::sleep(pause.max(session.client.pace(1))).await;
    }
    printer.end(&id)?;
    Ok(Exit::Success)
}

impl Waiting for Output {
    fn away(&self) {
        self.note("the daemon is not answering; waiting…");
    }

    fn back(&self) {
        self.note("the daemon is back");
    }
}

/// Prints lines as they are in the file, in columns for a person, or as JSON.
struct Printer {
    output: Output,
    to_a_person: bool,
    json: bool,
    /// What is printed at the end; what is followed is printed as it comes.
    gathered: Option<Vec<serde_json::Value>>,
}

impl Printer {
    fn new(session: &Session, follow: bool) -> Self {
        Self {
            output: session.output,
            to_a_person: session.output.is_terminal(Side::Stdout),
            json: session.json,
            gathered: (session.json && !follow).then(Vec::new),
        }
    }

    fn page(&mut self, text: &str) -> Result<(), Error> {
        if let Some(gathered) = &mut self.gathered {
            gathered.extend(text.lines().map(json));
            return Ok(());
        }
        let paint = self.output.paint(Side::Stdout);
        let lines: Vec<String> = text
            .lines()
            .map(|line| {
                if self.json {
                    json(line).to_string()
                } else if self.to_a_person {
                    for_a_person(line, paint)
                } else {
                    clean(line)
                }
            })
            .collect();
        if lines.is_empty() {
            Ok(())
        } else {
            self.output.print(&lines.join("\n"))
        }
    }

    fn end(self, id: &str) -> Result<(), Error> {
        match self.gathered {
            Some(lines) => {
                let document = serde_json::json!({ "id": id, "data": lines });
                self.output.print(&document.to_string())
            }
            None => Ok(()),
        }
    }
}

fn clean(line: &str) -> String {
    crate::core::log::clean(line.as_bytes())
}

fn for_a_person(line: &str, paint: Paint) -> String {
    match parse_line(line) {
        Some(parts) => {
            // `2025-03-14T10:32:00.045Z`: the time of day is enough where a person looks on.
            let time = parts.timestamp.get(11..19).unwrap_or(parts.timestamp);
            let label = paint.dim(&format!("{} {:<8}", clean(time), clean(parts.step)));
            format!("{label} {}", clean(parts.text))
        }
        None => clean(line),
    }
}

fn json(line: &str) -> serde_json::Value {
    match parse_line(line) {
        Some(parts) => serde_json::json!({
            "timestamp": parts.timestamp, "step": parts.step, "stream": parts.stream, "message": parts.text,
        }),
        None => serde_json::json!({ "message": line }),
    }
}

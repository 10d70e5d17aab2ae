//! `longshore events`.

use super::client::ClientError;
use super::document::query;
use super::exit::{Error, Exit};
use super::output::{Paint, Side};
use super::patience::patiently;
use super::table::clean;
use super::{Session, moment};
use clap::Args;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;

/// How far back events are looked at where nobody says from where: a filter may leave few of them.
const LOOK_BACK: i64 = 1000;

/// How many events are shown where nobody says how many.
const LAST: usize = 50;

/// How many events are asked for at a time.
const PAGE: &str = "1000";

/// Arguments of `longshore events`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Without -f it prints the last events of the newest 1,000, with --after what came after that one.
With -f it prints what happens from now on (or after --after, or after the last -n events) until
Ctrl-C, also past a restart of the daemon, without a gap.

With --json: {\"data\": [...], \"meta\": {\"next\": id}}; with -f one JSON object a line.

Examples:
  longshore events
  longshore events -f -n 20 --app web
  longshore events -f --json | jq -r 'select(.status == \"failed\") | .deployment'")]
pub struct EventsArgs {
    /// Follow what happens
    #[arg(short, long)]
    follow: bool,
    /// Only this app's
    #[arg(long, value_name = "APP")]
    app: Option<String>,
    /// Only this environment's
    #[arg(long, value_name = "E")]
    environment: Option<String>,
    /// Only this deployment's
    #[arg(long, value_name = "ID")]
    deployment: Option<String>,
    /// Begin after the event of this number; 0 for the first of all
    #[arg(long, value_name = "EVENT", value_parser = clap::value_parser!(i64).range(0..))]
    after: Option<i64>,
    /// How many at most; with -f how many of the last come first [default: 50, with -f 0]
    #[arg(short = 'n', long, value_name = "LIMIT")]
    limit: Option<usize>,
}

/// What happened.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Event {
    id: i64,
    #[serde(rename = "type", default)]
    of: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    phase: Option<String>,
    #[serde(default)]
    at: String,
    #[serde(default)]
    app: String,
    #[serde(default)]
    environment: String,
    deployment: Option<String>,
    operation: Option<i64>,
    #[serde(default)]
    run: Option<i64>,
    #[serde(default)]
    kind: String,
}

#[derive(Debug, Deserialize)]
struct Page {
    data: Vec<Event>,
    meta: Meta,
}

#[derive(Debug, Deserialize)]
struct Meta {
    next: i64,
}

/// Prints events.
pub async fn run(session: &Session, args: &EventsArgs) -> Result<Exit, Error> {
    if args.follow {
        follow(session, args).await
    } else {
        list(session, args).await
    }
}

async fn page(session: &Session, args: &EventsArgs, after: &str) -> Result<Page, ClientError> {
    let path = path(args, &[("after", Some(after)), ("limit", Some(PAGE))]);
    Ok(session.client.get::<Page>(&path).await?.value)
}

fn path(args: &EventsArgs, more: &[(&str, Option<&str>)]) -> String {
    let mut parts = more.to_vec();
    parts.extend([
        ("app", args.app.as_deref()),
        ("environment", args.environment.as_deref()),
        ("deployment", args.deployment.as_deref()),
    ]);
    format!("/v1/events{}", query(&parts))
}

/// Events that were, and after which one to go on.
async fn past(
    session: &Session,
    args: &EventsArgs,
    limit: usize,
) -> Result<(Vec<Event>, i64), Error> {
    let newest = page(session, args, "latest").await?.meta.next;
    // One deployment's events are found without looking through the others'.
    let begin = match args.deployment {
        Some(_) => 0,
        None => newest - LOOK_BACK,
    };
    let mut after = args.after.unwrap_or(begin.max(0));
    let mut events = Vec::new();
    while after < newest && (args.after.is_none() || events.len() < limit) {
        let page = page(session, args, &after.to_string()).await?;
        if page.meta.next <= after {
            break;
        }
        after = page.meta.next;
        events.extend(page.data);
    }
    // From a place on it is the first ones, else the last.
    if args.after.is_some() {
        if events.len() > limit {
            events.truncate(limit);
            after = events.last().map_or(after, |last| last.id);
        }
    } else {
        events.drain(..events.len().saturating_sub(limit));
    }
    Ok((events, after.max(args.after.unwrap_or(newest))))
}

async fn list(session: &Session, args: &EventsArgs) -> Result<Exit, Error> {
    let (events, next) = past(session, args, args.limit.unwrap_or(LAST)).await?;
    let output = session.output;
    if session.json {
        let document = serde_json::json!({ "data": events, "meta": { "next": next } });
        output.print(&document.to_string())?;
    } else if events.is_empty() {
        output.note("no events");
    } else {
        let look = Look::of(session);
        let lines: Vec<String> = events.iter().map(|event| look.line(event)).collect();
        output.print(&lines.join("\n"))?;
    }
    Ok(Exit::Success)
}

async fn follow(session: &Session, args: &EventsArgs) -> Result<Exit, Error> {
    let look = Look::of(session);
    // Where it begins is known before anything is waited for: what happens while a connection is lost is not missed.
    let begin = match (args.limit, args.after) {
        (None, Some(after)) => after,
        (None, None) => page(session, args, "latest").await?.meta.next,
        (Some(limit), _) => {
            let (events, next) = past(session, args, limit).await?;
            for event in &events {
                let text = serde_json::to_string(event);
                session.output.print(&match (session.json, text) {
                    (true, Ok(text)) => text,
                    (true, Err(_)) | (false, _) => look.line(event),
                })?;
            }
            next
        }
    };
    let last = RefCell::new(begin.to_string());
    loop {
        let mut events = patiently(session.patience, &session.output, async || {
            let last = last.borrow().clone();
            let path = path(args, &[("after", Some(&last))]);
            session.client.events(&path, Some(&last)).await
        })
        .await?;
        while let Some(event) = events.next().await {
            if event.data.is_empty() {
                continue;
            }
            let read: Event = serde_json::from_str(&event.data).map_err(|error| {
                session
                    .client
                    .foreign(format!("an event cannot be read: {error}"))
            })?;
            session.output.print(&if session.json {
                event.data
            } else {
                look.line(&read)
            })?;
            last.replace(event.id.unwrap_or_else(|| read.id.to_string()));
        }
        // Each end is followed by a new beginning; one that ends at once would have us spin.
        tokio::time::sleep(super::follow::PAUSE).await;
    }
}

/// How an event is shown.
struct Look {
    to_a_person: bool,
    paint: Paint,
}

impl Look {
    fn of(session: &Session) -> Self {
        Self {
            to_a_person: session.output.is_terminal(Side::Stdout),
            paint: session.output.paint(Side::Stdout),
        }
    }

    fn line(&self, event: &Event) -> String {
        let at = match moment::parse(&event.at) {
            Some(at) if self.to_a_person => moment::shown(at, true),
            Some(_) | None => clean(&event.at),
        };
        let place = format!("{}/{}", clean(&event.app), clean(&event.environment));
        let what = match (&event.deployment, event.operation) {
            (Some(id), _) => clean(id),
            (None, Some(number)) => format!("{} {number}", clean(&event.kind)),
            (None, None) if let Some(number) = event.run => format!("run {number}"),
            (None, None) => clean(&event.of),
        };
        let word = clean(&event.status);
        let status = match event.status.as_str() {
            "success" | "done" => self.paint.green(&word),
            "failed" => self.paint.red(&word),
            "cancelled" => self.paint.yellow(&word),
            _ => self.paint.bold(&word),
        };
        // The rest of such a phase says what the status says.
        let phase = event
            .phase
            .as_deref()
            .map(|phase| match phase.strip_prefix("recorded_") {
                Some(_) => "recorded".to_owned(),
                None => clean(phase),
            });
        let phase = match phase {
            Some(phase) if !phase.is_empty() && !same(&phase, &word) => format!(" ({phase})"),
            Some(_) | None => String::new(),
        };
        format!("{at}  {place}  {what}  {status}{phase}")
    }
}

/// Whether the phase says no more than the status.
fn same(phase: &str, status: &str) -> bool {
    phase == status || (phase, status) == ("succeeded", "success")
}

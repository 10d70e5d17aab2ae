//! `longshore status`.

use super::document::{Apps, Page, query};
use super::exit::{Error, Exit};
use super::output::{Paint, Side};
use super::table::clean;
use super::{Session, moment};
use crate::core::time::Timestamp;
use clap::Args;
use hyper::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// How many deployments are asked for at a time: the largest page the API gives.
const PAGE: u64 = 100;

/// How many of a state are looked through. Of those executed here few are unfinished; what others only reported to be
/// under way may never be reported to have ended.
const LOOKED_AT: u64 = 1000;

/// Arguments of `longshore status`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
With --json: {\"place\", \"client\", \"version\", \"status\": \"ok\"|\"unavailable\", \"reasons\": [...],
\"queued\", \"running\", \"next_run\": {\"app\", \"environment\", \"at\"}}; the two numbers are null where
the token may not see deployments, next_run where no schedule comes. What was only recorded is not
counted.

Exit status: 0 it is well, 1 it is not, 4 it cannot be reached

Examples:
  longshore status
  longshore status --url https://deploy.example.com")]
pub struct StatusArgs {}

/// What `/healthz` says.
#[derive(Debug, Deserialize)]
struct Health {
    status: String,
    #[serde(default)]
    reasons: Vec<Reason>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Reason {
    code: String,
    #[serde(default)]
    message: String,
}

/// What the API's description says of the daemon.
#[derive(Debug, Deserialize)]
struct Description {
    info: Info,
}

#[derive(Debug, Deserialize)]
struct Info {
    version: String,
}

/// Tells how the daemon is.
pub async fn run(session: &Session, _: &StatusArgs) -> Result<Exit, Error> {
    let (status, health) = session.client.look::<Health>("/healthz").await?;
    let health = health.value;
    let described = session.client.get::<Description>("/v1/openapi.json").await;
    let version = described.ok().map(|answer| answer.value.info.version);
    let queued = count(session, "queued").await;
    let running = match (
        count(session, "building").await,
        count(session, "deploying").await,
    ) {
        (Some(building), Some(deploying)) => Some(building + deploying),
        (_, None) | (None, _) => None,
    };
    let next_run = next_run(session).await;
    let output = session.output;
    let place = session.client.place();
    output.print(&if session.json {
        json!({
            "place": place.to_string(), "client": env!("CARGO_PKG_VERSION"), "version": version,
            "status": health.status, "reasons": health.reasons, "queued": queued, "running": running,
            "next_run": next_run.map(|next| json!({
                "app": next.app, "environment": next.environment, "at": next.at.to_seconds_string(),
            })),
        })
        .to_string()
    } else {
        let seen = Seen {
            place: place.to_string(),
            version,
            queued,
            running,
            next_run: next_run.map(|next| next.told(output.is_terminal(Side::Stdout))),
        };
        text(&health, &seen, output.paint(Side::Stdout))
    })?;
    Ok(if status == StatusCode::OK {
        Exit::Success
    } else {
        Exit::Failed
    })
}

/// How many deployments that are executed here are in that state; `None` if one may not see them, or if so many were
/// reported to be in it that nobody wants to look through them.
async fn count(session: &Session, status: &str) -> Option<u64> {
    let mut offset = 0;
    let mut recorded = 0;
    while offset < LOOKED_AT {
        let (limit, from) = (PAGE.to_string(), offset.to_string());
        let filter = query(&[
            ("limit", Some(&limit)),
            ("offset", Some(&from)),
            ("status", Some(status)),
        ]);
        let path = format!("/v1/deployments{filter}");
        let page = session.client.get::<Page>(&path).await.ok()?.value;
        let elsewhere = page.data.iter().filter(|deployment| deployment.recorded);
        recorded += elsewhere.count() as u64;
        offset += PAGE;
        if offset >= page.meta.total {
            return Some(page.meta.total.saturating_sub(recorded));
        }
    }
    None
}

struct Seen {
    place: String,
    version: Option<String>,
    queued: Option<u64>,
    running: Option<u64>,
    next_run: Option<String>,
}

/// The run that a schedule makes next.
struct NextRun {
    app: String,
    environment: String,
    at: Timestamp,
}

impl NextRun {
    fn told(&self, to_a_person: bool) -> String {
        let (app, environment) = (clean(&self.app), clean(&self.environment));
        let when = moment::ahead(self.at, to_a_person);
        format!("next run of {app} in {environment}: {when}")
    }
}

/// The first run of all schedules; `None` if there is none, or one may not see them.
async fn next_run(session: &Session) -> Option<NextRun> {
    let apps = session.client.get::<Apps>("/v1/apps").await.ok()?.value;
    let next = apps.data.into_iter().flat_map(|app| {
        let name = app.name;
        app.environments.into_iter().filter_map(move |environment| {
            Some(NextRun {
                app: name.clone(),
                environment: environment.name,
                at: environment.next_run?,
            })
        })
    });
    next.min_by_key(|next| next.at)
}

fn text(health: &Health, seen: &Seen, paint: Paint) -> String {
    let word = match health.status.as_str() {
        "ok" => paint.green("ok"),
        other => paint.red(&clean(other)),
    };
    let mut lines = vec![format!("the daemon at {}: {word}", seen.place)];
    for reason in &health.reasons {
        lines.push(format!(
            "  {} ({})",
            clean(&reason.message),
            clean(&reason.code)
        ));
    }
    let own = env!("CARGO_PKG_VERSION");
    lines.extend(seen.version.as_deref().map(clean).map(|version| {
        let differs = if version == own {
            String::new()
        } else {
            format!(" (this program is {own})")
        };
        format!("  version      {version}{differs}")
    }));
    if let (Some(queued), Some(running)) = (seen.queued, seen.running) {
        lines.push(format!(
            "  deployments  {running} under way, {queued} waiting"
        ));
    }
    if let Some(next) = &seen.next_run {
        lines.push(format!("  schedules    {next}"));
    }
    if let Some(first) = health.reasons.first() {
        lines.push(format!("  next: longshore explain {}", clean(&first.code)));
    }
    lines.join("\n")
}

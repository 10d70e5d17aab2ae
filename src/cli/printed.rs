//! `longshore logs APP`: what an environment's running containers print.

use super::document::{encode, query};
use super::exit::{Error, Exit};
use super::log_filter::Filter;
use super::output::{Paint, Side};
use super::patience::patiently;
use super::table::clean;
use super::{Session, follow};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;

/// A line that a container printed.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Line {
    #[serde(default)]
    container: String,
    #[serde(default)]
    id: u64,
    message: String,
    #[serde(default)]
    process: String,
    #[serde(default)]
    release: i64,
    severity: Option<String>,
    #[serde(default)]
    stream: String,
    #[serde(default)]
    timestamp: String,
}

#[derive(Debug, Deserialize)]
struct Page {
    data: Vec<Line>,
    meta: Meta,
}

#[derive(Debug, Deserialize)]
struct Meta {
    next: u64,
}

/// Prints the newest lines, and with `follow` what comes after them.
pub async fn run(
    session: &Session,
    app: &str,
    filter: &Filter,
    follow: bool,
) -> Result<Exit, Error> {
    let parts = filter.parts()?;
    let path = |more: &[(&str, Option<&str>)]| {
        let mut all: Vec<(&str, Option<&str>)> = more.to_vec();
        all.extend(parts.iter().map(|(name, value)| (*name, value.as_deref())));
        format!("/v1/apps/{}/logs{}", encode(app), query(&all))
    };
    let limit = filter.limit().max(1).to_string();
    let newest = path(&[("limit", Some(&limit))]);
    let document = match follow {
        true => {
            patiently(session.patience, &session.output, async || {
                session.client.get::<Page>(&newest).await
            })
            .await?
        }
        false => session.client.get::<Page>(&newest).await?,
    };
    let look = Look::of(session);
    let page = document.value;
    let lines = match filter.limit() {
        0 => &[],
        _ => page.data.as_slice(),
    };
    if session.json && !follow {
        session.output.print(&document.text)?;
        return Ok(Exit::Success);
    }
    for line in lines {
        session.output.print(&look.line(line))?;
    }
    if !follow {
        if lines.is_empty() {
            session.output.note("no lines");
        }
        return Ok(Exit::Success);
    }
    let next = RefCell::new(page.meta.next.to_string());
    loop {
        let mut events = patiently(session.patience, &session.output, async || {
            let next = next.borrow().clone();
            let path = path(&[("from", Some(&next))]);
            session.client.events(&path, Some(&next)).await
        })
        .await?;
        while let Some(event) = events.next().await {
            if event.data.is_empty() {
                continue;
            }
            let line: Line = serde_json::from_str(&event.data).map_err(|error| {
                session
                    .client
                    .foreign(format!("a line cannot be read: {error}"))
            })?;
            session.output.print(&look.line(&line))?;
            if let Some(id) = event.id {
                next.replace(id);
            }
        }
        // Each end is followed by a new beginning; one that ends at once would have us spin.
        tokio::time::sleep(follow::PAUSE).await;
    }
}

/// How a line is shown.
struct Look {
    json: bool,
    to_a_person: bool,
    paint: Paint,
}

impl Look {
    fn of(session: &Session) -> Self {
        Self {
            json: session.json,
            to_a_person: session.output.is_terminal(Side::Stdout),
            paint: session.output.paint(Side::Stdout),
        }
    }

    fn line(&self, line: &Line) -> String {
        if self.json {
            return serde_json::to_string(line).unwrap_or_default();
        }
        let (time, process) = (clean(&line.timestamp), clean(&line.process));
        let message = crate::core::log::clean(line.message.as_bytes());
        if !self.to_a_person {
            return format!(
                "{time} {} {process} {} {message}",
                line.release,
                clean(&line.stream)
            );
        }
        // `2025-03-14T10:32:00.045Z`: the time of day is enough where a person looks on.
        let time = time.get(11..19).unwrap_or(&time);
        let label = self
            .paint
            .dim(&format!("{time} {process}.{}", line.release));
        let message = match (line.severity.as_deref(), line.stream.as_str()) {
            (Some("error"), _) => self.paint.red(&message),
            (Some("warn"), _) => self.paint.yellow(&message),
            (_, "agent") => self.paint.dim(&message),
            _ => message,
        };
        format!("{label} {message}")
    }
}

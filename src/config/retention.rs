//! `[retention]`, and what `[docker]` says of the build cache.

use super::keys;
use super::reader::{Reading, Table, Value};
use super::value::{duration, size};
use crate::core::retention::Policy;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// What fits into a small host's disk and into the sight of whoever chooses a rollback's target.
const MOST_RELEASES: i64 = 1000;
/// Less would make every build begin at nothing.
const LEAST_CACHE: u64 = 100 << 20;
/// An eighth of it goes at a time: less would hold a few minutes of a chatty program.
const LEAST_LOG: u64 = 4 << 20;
/// Beyond any host's disk.
const MOST_CACHE: u64 = 1 << 50;

/// Reads what is kept.
pub(super) fn read(top: &Table<'_>) -> Policy {
    let retention = top
        .get("retention")
        .and_then(|value| value.table(keys::RETENTION));
    let docker = top
        .get("docker")
        .and_then(|value| value.table(keys::DOCKER));
    let (retention, docker) = (retention.as_ref(), docker.as_ref());
    let count = |value: &Value<'_>| usize::try_from(value.integer(1, MOST_RELEASES)?).ok();
    let prunes = docker.map_or(Reading::Absent, |table| {
        table.read("prune_build_cache", Value::boolean)
    });
    let budget = docker.map_or(Reading::Absent, |table| table.text("build_cache", cache));
    Policy {
        keep_releases: retention
            .map_or(Reading::Absent, |table| table.read("keep_releases", count))
            .unwrap_or_else(|| 5),
        logs: retention
            .map_or(Reading::Absent, |table| {
                table.text("logs", duration(100 * 365 * DAY))
            })
            .unwrap_or_else(|| 90 * DAY),
        runtime_logs: retention
            .map_or(Reading::Absent, |table| table.text("runtime_logs", log))
            .unwrap_or_else(|| 64 << 20),
        build_cache: prunes
            .unwrap_or_else(|| false)
            .then(|| budget.unwrap_or_else(|| 10 << 30)),
    }
}

fn log(text: &str) -> Result<u64, String> {
    match size(text)? {
        bytes if bytes < LEAST_LOG => Err(format!("must be at least \"4MiB\", not {text:?}")),
        bytes if bytes > MOST_CACHE => Err(format!("must be at most \"1PiB\", not {text:?}")),
        bytes => Ok(bytes),
    }
}

fn cache(text: &str) -> Result<u64, String> {
    match size(text)? {
        bytes if bytes < LEAST_CACHE => Err(format!("must be at least \"100MiB\", not {text:?}")),
        bytes if bytes > MOST_CACHE => Err(format!("must be at most \"1PiB\", not {text:?}")),
        bytes => Ok(bytes),
    }
}

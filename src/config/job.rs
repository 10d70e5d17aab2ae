//! What makes an app a job: when it runs, what it runs on which event, and how its runs get along with each other. And which
//! keys of a service mean nothing to a job, which are faults, as the other way round.

use super::fault::{Place, Report};
use super::keys;
use super::layer::Layer;
use super::reader::{At, Reading, Table, Value};
use super::spec::{place_of, values, without_effect};
use super::value::{c_string, duration};
use crate::core::job::{JobCommand, JobEvent, JobSpec, Missed, Occasion, Overlap, Schedule};
use crate::core::schedule::{Cron, Zone};
use std::collections::BTreeMap;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);
/// Longer than any step may take: what runs on for more is a service.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);
/// What fails a hundred times is not helped by the next.
const MOST_RETRIES: i64 = 100;
/// More than two months of a job that runs every minute.
const MOST_RUNS: i64 = 100_000;
/// A fifth of a name may be wrong; more, and the guess would mislead.
const NEAR: usize = 5;

/// What an app is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It runs on.
    Service,
    /// It runs to its end.
    Job,
}

/// Reads `kind`.
pub(super) fn kind(text: &str) -> Result<Kind, String> {
    match text {
        "service" => Ok(Kind::Service),
        "job" => Ok(Kind::Job),
        _ => Err(format!("must be \"service\" or \"job\", not {text:?}")),
    }
}

/// A job's own keys in one layer.
#[derive(Clone)]
pub(super) struct JobLayer {
    on_start: Reading<JobCommand>,
    on_stop: Reading<JobCommand>,
    on_delete: Reading<JobCommand>,
    schedule: Reading<Schedule>,
    overlap: Reading<Overlap>,
    max_duration: Reading<Duration>,
    retries: Reading<u32>,
    keep_runs: Reading<u32>,
}

impl JobLayer {
    /// Reads them.
    pub fn read(table: &Table<'_>) -> Self {
        let number = |most| {
            move |value: &Value<'_>| value.integer(0, most).and_then(|n| u32::try_from(n).ok())
        };
        Self {
            on_start: table.read("on_start", command),
            on_stop: table.read("on_stop", command),
            on_delete: table.read("on_delete", command),
            schedule: table.read("schedule", schedule),
            overlap: table.text("overlap", overlap),
            max_duration: table.text("max_duration", duration(LONGEST)),
            retries: table.read("retries", number(MOST_RETRIES)),
            keep_runs: table.read("keep_runs", |value| {
                u32::try_from(value.integer(1, MOST_RUNS)?).ok()
            }),
        }
    }

    /// This layer over another.
    pub fn over(&self, below: &Self) -> Self {
        Self {
            on_start: self.on_start.over(&below.on_start),
            on_stop: self.on_stop.over(&below.on_stop),
            on_delete: self.on_delete.over(&below.on_delete),
            schedule: self.schedule.over(&below.schedule),
            overlap: self.overlap.over(&below.overlap),
            max_duration: self.max_duration.over(&below.max_duration),
            retries: self.retries.over(&below.retries),
            keep_runs: self.keep_runs.over(&below.keep_runs),
        }
    }

    fn places(&self) -> [Option<&Place>; 8] {
        [
            place_of(&self.on_start),
            place_of(&self.on_stop),
            place_of(&self.on_delete),
            place_of(&self.schedule),
            place_of(&self.overlap),
            place_of(&self.max_duration),
            place_of(&self.retries),
            place_of(&self.keep_runs),
        ]
    }
}

fn command(value: &Value<'_>) -> Option<JobCommand> {
    let table = value.table(keys::JOB_COMMAND)?;
    Some(JobCommand {
        entrypoint: values(&table.texts("entrypoint", c_string)),
        command: values(&table.texts("command", c_string)),
    })
}

fn schedule(value: &Value<'_>) -> Option<Schedule> {
    let table = value.table(keys::SCHEDULE)?;
    let cron = table.text("cron", Cron::parse);
    let time_zone = table.text("time_zone", zone);
    let missed = table.text("missed", missed);
    if cron.is_absent() {
        table.missing("a cron, like cron = \"0 3 * * *\"");
    }
    match (&time_zone, &missed) {
        (Reading::Faulty, _) | (_, Reading::Faulty) => None,
        _ => Some(Schedule {
            cron: cron.value()?.clone(),
            time_zone: time_zone.unwrap_or_else(Zone::utc),
            missed: missed.unwrap_or_else(|| Missed::Skip),
        }),
    }
}

/// The name of a zone that is none may be nearly one.
fn zone(text: &str) -> Result<Zone, String> {
    Zone::parse(text).map_err(|fault| {
        let lower = text.to_ascii_lowercase();
        let distance = |name: &String| strsim::osa_distance(&lower, &name.to_ascii_lowercase());
        let near = Zone::names()
            .into_iter()
            .min_by_key(distance)
            .filter(|name| distance(name) <= (name.len() / NEAR).max(1));
        match near {
            Some(near) => format!("{fault}; did you mean {near:?}?"),
            None => fault,
        }
    })
}

fn missed(text: &str) -> Result<Missed, String> {
    match text {
        "skip" => Ok(Missed::Skip),
        "once" => Ok(Missed::Once),
        _ => Err(format!("must be \"skip\" or \"once\", not {text:?}")),
    }
}

fn overlap(text: &str) -> Result<Overlap, String> {
    match text {
        "forbid" => Ok(Overlap::Forbid),
        "replace" => Ok(Overlap::Replace),
        "allow" => Ok(Overlap::Allow),
        _ => Err(format!(
            "must be \"forbid\", \"replace\" or \"allow\", not {text:?}"
        )),
    }
}

/// Reports a job's keys on a service.
pub(super) fn refuse(layer: &Layer, report: &Report) {
    for place in layer.job.places().into_iter().flatten() {
        report.add(
            place,
            "has no effect on a service; take it out, or give the app kind = \"job\"",
        );
    }
}

/// A job's layer without what only a service has; reports what of it there is.
pub(super) fn without_service_keys(layer: &Layer, report: &Report) -> Layer {
    let single = [
        place_of(&layer.port),
        place_of(&layer.domains),
        place_of(&layer.publish),
        place_of(&layer.strategy),
        place_of(&layer.health),
        place_of(&layer.drain_timeout),
        place_of(&layer.release),
    ];
    let processes = layer.processes.values().map(|process| &process.place);
    let tasks = layer.tasks.values().map(|task| &task.place);
    let places: Vec<Option<&Place>> = single
        .into_iter()
        .chain(processes.chain(tasks).map(Some))
        .collect();
    without_effect(&places, "a job", report);
    Layer {
        port: Reading::Absent,
        domains: Reading::Absent,
        publish: Reading::Absent,
        strategy: Reading::Absent,
        health: Reading::Absent,
        drain_timeout: Reading::Absent,
        release: Reading::Absent,
        processes: BTreeMap::new(),
        tasks: BTreeMap::new(),
        ..layer.clone()
    }
}

/// What a job is; `None` after faults.
pub(super) fn build(layer: &JobLayer, report: &Report) -> Option<JobSpec> {
    Some(JobSpec {
        occasion: occasion(layer, report)?,
        overlap: layer.overlap.value().copied().unwrap_or(Overlap::Forbid),
        max_duration: layer.max_duration.value().copied().unwrap_or(HOUR),
        retries: layer.retries.value().copied().unwrap_or(0),
        keep_runs: layer.keep_runs.value().copied().unwrap_or(50),
    })
}

/// A job that says nothing runs the app's own command when it is deployed.
fn occasion(layer: &JobLayer, report: &Report) -> Option<Occasion> {
    let events = [
        (JobEvent::Start, &layer.on_start),
        (JobEvent::Stop, &layer.on_stop),
        (JobEvent::Delete, &layer.on_delete),
    ];
    let given = events.iter().filter_map(|(_, reading)| place_of(reading));
    let scheduled = match &layer.schedule {
        Reading::Faulty => return None,
        Reading::Absent => None,
        Reading::Given(at) => Some(at),
    };
    if let Some(At { value, place }) = scheduled {
        let mut clashes = 0;
        for other in given {
            let (first, second) = match place.offset < other.offset {
                true => (place, other),
                false => (other, place),
            };
            report.add(
                second,
                format!(
                    "cannot stand beside {}: a job runs either by a schedule or on events",
                    first.path
                ),
            );
            clashes += 1;
        }
        return (clashes == 0).then(|| Occasion::Scheduled(value.clone()));
    }
    let says_nothing = events.iter().all(|(_, reading)| reading.is_absent());
    let mut commands: BTreeMap<JobEvent, JobCommand> = events
        .into_iter()
        .filter_map(|(event, reading)| Some((event, reading.value()?.clone())))
        .collect();
    if says_nothing {
        commands.insert(JobEvent::Start, JobCommand::default());
    }
    Some(Occasion::Lifecycle(commands))
}

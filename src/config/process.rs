//! `[app.processes.NAME]`: what runs beside the container that serves. A process that an environment names, too, is laid
//! over the app's key by key.

use super::fault::{Place, Report};
use super::health::{STAYS_UP, only_true};
use super::keys;
use super::layer::Layer;
use super::reader::{At, Reading, Table, Value};
use super::spec::{STOP_GRACE, values};
use super::value::{c_string, duration, memory, millicpus};
use crate::core::name::ProcessName;
use crate::core::process::{MAX_PROCESSES, ProcessSpec};
use crate::core::spec::Check;
use std::collections::BTreeMap;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

/// The keys of one process in one layer.
#[derive(Clone)]
pub(super) struct ProcessLayer {
    pub place: Place,
    command: Reading<Vec<At<String>>>,
    entrypoint: Reading<Vec<At<String>>>,
    memory: Reading<u64>,
    millicpus: Reading<u32>,
    stop_grace: Reading<Duration>,
    health: Reading<Check>,
}

/// Reads `processes`; what has a name that no process can have is left out.
pub(super) fn read(table: &Table<'_>) -> BTreeMap<ProcessName, ProcessLayer> {
    let mut processes = BTreeMap::new();
    let entries = table.get("processes").and_then(|value| value.entries());
    for (name, value) in entries.unwrap_or_default() {
        let keys = value.table(keys::PROCESS);
        match ProcessName::parse_further(name.value) {
            Ok(parsed) => {
                let layer = keys.map(|table| ProcessLayer::read(&table, name.place));
                processes.extend(layer.map(|layer| (parsed, layer)));
            }
            Err(fault) => value
                .report()
                .add(&name.place, format!("has a name that {fault}")),
        }
    }
    processes
}

impl ProcessLayer {
    fn read(table: &Table<'_>, place: Place) -> Self {
        Self {
            place,
            command: table.texts("command", c_string),
            entrypoint: table.texts("entrypoint", c_string),
            memory: table.text("memory", memory),
            millicpus: table.read("cpus", millicpus),
            stop_grace: table.text("stop_grace", duration(HOUR)),
            health: table.read("health", health),
        }
    }

    fn over(&self, below: &Self) -> Self {
        Self {
            place: self.place.clone(),
            command: self.command.over(&below.command),
            entrypoint: self.entrypoint.over(&below.entrypoint),
            memory: self.memory.over(&below.memory),
            millicpus: self.millicpus.over(&below.millicpus),
            stop_grace: self.stop_grace.over(&below.stop_grace),
            health: self.health.over(&below.health),
        }
    }
}

/// The processes of a layer over another's.
pub(super) fn over(
    above: &BTreeMap<ProcessName, ProcessLayer>,
    below: &BTreeMap<ProcessName, ProcessLayer>,
) -> BTreeMap<ProcessName, ProcessLayer> {
    let mut merged = below.clone();
    for (name, layer) in above {
        let laid = match below.get(name) {
            Some(below) => layer.over(below),
            None => layer.clone(),
        };
        merged.insert(name.clone(), laid);
    }
    merged
}

/// A process has no port of its own: only its image can be asked, or whether it stays up.
fn health(value: &Value<'_>) -> Option<Check> {
    let table = value.table(keys::PROCESS_HEALTH)?;
    let image = table.read("image", only_true);
    let stays_up = table.text("stays_up", duration(HOUR));
    match (image, stays_up) {
        (Reading::Given(_), Reading::Absent) => Some(Check::Image),
        (Reading::Absent, Reading::Given(time)) => Some(Check::StaysUp(time.value)),
        (Reading::Absent, Reading::Absent) => Some(Check::StaysUp(STAYS_UP)),
        (Reading::Faulty, _) | (_, Reading::Faulty) => None,
        (Reading::Given(_), Reading::Given(_)) => {
            value.fault("must have image or stays_up, not both: only one thing is asked")
        }
    }
}

/// The processes of an environment. What one does not say for itself is the app's.
pub(super) fn build(layer: &Layer, report: &Report) -> BTreeMap<ProcessName, ProcessSpec> {
    if let Some(first_too_many) = layer.processes.values().nth(MAX_PROCESSES) {
        report.add(
            &first_too_many.place,
            format!("is one too many: an app may have {MAX_PROCESSES} processes beside itself"),
        );
    }
    let build = |(name, process): (&ProcessName, &ProcessLayer)| {
        if process.command.is_absent() && process.entrypoint.is_absent() {
            report.add(
                &process.place,
                "needs a command, like command = [\"./worker\"]: without one it would be the app once more",
            );
        }
        (name.clone(), spec(layer, process))
    };
    layer.processes.iter().map(build).collect()
}

fn spec(app: &Layer, process: &ProcessLayer) -> ProcessSpec {
    let entrypoint = process.entrypoint.over(&app.entrypoint);
    ProcessSpec {
        command: values(&process.command),
        entrypoint: values(&entrypoint),
        memory: process.memory.over(&app.memory).value().copied(),
        millicpus: process.millicpus.over(&app.millicpus).value().copied(),
        stop_grace: process
            .stop_grace
            .over(&app.stop_grace)
            .value()
            .copied()
            .unwrap_or(STOP_GRACE),
        check: process
            .health
            .value()
            .cloned()
            .unwrap_or(Check::StaysUp(STAYS_UP)),
    }
}

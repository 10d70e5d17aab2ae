//! `release`, `[app.tasks.NAME]` and `payload`: what is run to its end from a deployment's image, and where containers find
//! what the deployment brought. A task that an environment names, too, is laid over the app's key by key.

use super::fault::{Place, Report};
use super::keys;
use super::layer::Layer;
use super::path;
use super::reader::{At, Reading, Table, Value};
use super::spec::{listed, values};
use super::value::c_string;
use crate::core::command::{Command, PayloadPlace};
use crate::core::name::{TaskName, VariableName};
use std::collections::BTreeMap;

/// What the kernel shows of itself: nothing can be put there, or the program would not see it.
const KERNELS: [&str; 3] = ["/proc", "/sys", "/dev"];

/// The keys of one task in one layer.
#[derive(Clone)]
pub(super) struct TaskLayer {
    pub place: Place,
    command: Reading<Vec<String>>,
    retry: Reading<bool>,
}

/// Reads `release`: each entry is a command, or a table that says more of one.
pub(super) fn release(value: &Value<'_>) -> Option<Vec<At<Command>>> {
    let entries = value.list("commands, each a list of words: [[\"./migrate\"]]")?;
    let read = |entry: Value<'_>| {
        let command = if entry.is_table() {
            let table = entry.table(keys::COMMAND)?;
            let (command, retry) = (table.read("command", words), retry(&table));
            if command.is_absent() {
                table.missing("a command, like command = [\"./migrate\"]");
            }
            Command {
                words: command.value()?.clone(),
                retry: retry.value().copied().unwrap_or_default(),
            }
        } else {
            Command {
                words: words(&entry)?,
                retry: false,
            }
        };
        Some(At {
            value: command,
            place: entry.place,
        })
    };
    Some(entries.into_iter().filter_map(read).collect())
}

/// Reads `tasks`; what has a name that no task can have is left out.
pub(super) fn tasks(table: &Table<'_>) -> BTreeMap<TaskName, TaskLayer> {
    let mut tasks = BTreeMap::new();
    let entries = table.get("tasks").and_then(|value| value.entries());
    for (name, value) in entries.unwrap_or_default() {
        let keys = value.table(keys::COMMAND);
        match TaskName::parse(name.value) {
            Ok(parsed) => {
                let layer = keys.map(|table| TaskLayer {
                    command: table.read("command", words),
                    retry: retry(&table),
                    place: name.place,
                });
                tasks.extend(layer.map(|layer| (parsed, layer)));
            }
            Err(fault) => value
                .report()
                .add(&name.place, format!("has a name that {fault}")),
        }
    }
    tasks
}

fn retry(table: &Table<'_>) -> Reading<bool> {
    table.read("retry", Value::boolean)
}

fn words(value: &Value<'_>) -> Option<Vec<String>> {
    let entries = value.list("words, like [\"./migrate\", \"--all\"]")?;
    let count = entries.len();
    let words: Vec<String> = entries
        .iter()
        .filter_map(|entry| entry.text(c_string))
        .collect();
    if words.len() < count {
        return None;
    }
    match words.first().map(String::as_str) {
        None | Some("") => value.fault("must begin with the program to run"),
        Some(_) => Some(words),
    }
}

/// Reads `payload`.
pub(super) fn payload(value: &Value<'_>) -> Option<PayloadPlace> {
    let table = value.table(keys::PAYLOAD)?;
    let env = table.text("env", VariableName::parse);
    let file = table.text("file", file);
    match (env, file) {
        (Reading::Given(env), Reading::Absent) => Some(PayloadPlace::Env(env.value)),
        (Reading::Absent, Reading::Given(file)) => Some(PayloadPlace::File(file.value)),
        (Reading::Absent, Reading::Absent) => {
            table.missing("an env or a file, like { env = \"DEPLOY_PAYLOAD\" }");
            None
        }
        (Reading::Given(_), Reading::Given(_)) => {
            value.fault("must have an env or a file, not both: one place is enough")
        }
        (Reading::Faulty, _) | (_, Reading::Faulty) => None,
    }
}

fn file(text: &str) -> Result<String, String> {
    let path = path::absolute(text)?;
    if path.parent().is_none() || text.ends_with('/') {
        return Err(format!("must be a file, not the directory {text:?}"));
    }
    if let Some(kernels) = KERNELS.iter().find(|kernels| path.starts_with(kernels)) {
        return Err(format!(
            "cannot lie below {kernels:?}, which the engine lays over whatever is there"
        ));
    }
    Ok(path.to_string_lossy().into_owned())
}

/// The tasks of a layer over another's.
pub(super) fn over(
    above: &BTreeMap<TaskName, TaskLayer>,
    below: &BTreeMap<TaskName, TaskLayer>,
) -> BTreeMap<TaskName, TaskLayer> {
    let mut merged = below.clone();
    for (name, layer) in above {
        let laid = match below.get(name) {
            Some(below) => TaskLayer {
                place: layer.place.clone(),
                command: layer.command.over(&below.command),
                retry: layer.retry.over(&below.retry),
            },
            None => layer.clone(),
        };
        merged.insert(name.clone(), laid);
    }
    merged
}

/// The tasks of an environment.
pub(super) fn build(layer: &Layer, report: &Report) -> BTreeMap<TaskName, Command> {
    let build = |(name, task): (&TaskName, &TaskLayer)| {
        if task.command.is_absent() {
            report.add(&task.place, "needs a command, like command = [\"./seed\"]");
        }
        let command = Command {
            words: task.command.value().cloned().unwrap_or_default(),
            retry: task.retry.value().copied().unwrap_or_default(),
        };
        (name.clone(), command)
    };
    layer.tasks.iter().map(build).collect()
}

/// The commands of `release` of an environment.
pub(super) fn build_release(layer: &Layer) -> Vec<Command> {
    values(&layer.release)
}

/// The payload has a place of its own: no variable that is set to something else, and no mount, which outlives the
/// container and may be another's at the same time.
pub(super) fn check_payload(layer: &Layer, report: &Report) {
    let Some(payload) = layer.payload.given() else {
        return;
    };
    match &payload.value {
        PayloadPlace::Env(name) => {
            let env = layer.env.get(name).map(|at| &at.place);
            let secret = layer.secrets.get(name).map(|at| &at.place);
            let connection = layer.connect_env.get(name).map(|at| &at.place);
            if let Some(other) = env.or(secret).or(connection) {
                report.add(
                    &payload.place,
                    format!(
                        "cannot be in {name}, which {} sets to something else",
                        other.path
                    ),
                );
            }
        }
        PayloadPlace::File(path) => {
            let around = listed(&layer.volumes)
                .iter()
                .find(|mount| std::path::Path::new(path).starts_with(&mount.value.target));
            if let Some(mount) = around {
                report.add(
                    &payload.place,
                    format!(
                        "cannot be inside the mount of {}: it would be in every container that has it",
                        mount.place.path
                    ),
                );
            }
        }
    }
}

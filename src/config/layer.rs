//! The keys an app says for all its environments and an environment for itself: one layer, each key read and checked
//! by itself. What keys mean together is judged when the layers lie over each other.

use super::command::TaskLayer;
use super::health::{self, HealthKeys};
use super::job::JobLayer;
use super::process::{self, ProcessLayer};
use super::reader::{At, Reading, Table, Value};
use super::repository::Remote;
use super::value::{c_string, duration, memory, millicpus, port, secret, variable_secret};
use super::{command, connection, keys, path, publish, repository, volume};
use crate::core::command::{Command, PayloadPlace};
use crate::core::name::{AppName, Branch, ImageReference, ProcessName, TaskName, VariableName};
use crate::core::route::Domain;
use crate::core::secret::SecretSource;
use crate::core::spec::{GitCredentials, Logging, Mount, Publish, PullPolicy, Strategy};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);
const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

/// The keys of one layer.
#[derive(Clone)]
pub(super) struct Layer {
    pub repository: Reading<Remote>,
    pub image: Reading<ImageReference>,
    pub pull: Reading<PullPolicy>,
    pub credentials: Reading<GitCredentials>,
    pub branch: Reading<Branch>,
    pub auto_merge: Reading<bool>,
    pub dockerfile: Reading<String>,
    pub context: Reading<String>,
    pub target: Reading<String>,
    pub build_args: BTreeMap<VariableName, At<String>>,
    pub command: Reading<Vec<At<String>>>,
    pub entrypoint: Reading<Vec<At<String>>>,
    pub port: Reading<u16>,
    pub domains: Reading<Vec<At<Domain>>>,
    pub publish: Reading<Vec<At<Publish>>>,
    pub strategy: Reading<Strategy>,
    pub health: Reading<HealthKeys>,
    pub drain_timeout: Reading<Duration>,
    pub stop_grace: Reading<Duration>,
    pub deadlines: Reading<DeadlineKeys>,
    pub env: BTreeMap<VariableName, At<String>>,
    pub env_file: Reading<Vec<At<PathBuf>>>,
    pub secrets: BTreeMap<VariableName, At<SecretSource>>,
    pub volumes: Reading<Vec<At<Mount>>>,
    pub memory: Reading<u64>,
    pub millicpus: Reading<u32>,
    pub logging: Reading<Logging>,
    pub processes: BTreeMap<ProcessName, ProcessLayer>,
    pub release: Reading<Vec<At<Command>>>,
    pub tasks: BTreeMap<TaskName, TaskLayer>,
    pub payload: Reading<PayloadPlace>,
    pub connections: Reading<Vec<At<AppName>>>,
    pub connect_env: BTreeMap<VariableName, At<connection::Pieces>>,
    pub job: JobLayer,
}

/// The keys of `deadlines`.
#[derive(Clone, Debug)]
pub(super) struct DeadlineKeys {
    pub checkout: Reading<Duration>,
    pub build: Reading<Duration>,
    pub rollout: Reading<Duration>,
}

impl Layer {
    /// Reads the keys of an app's or environment's table.
    pub fn read(table: &Table<'_>) -> Self {
        Self {
            repository: table.text("repository", repository::parse),
            image: table.text("image", ImageReference::parse),
            pull: table.text("pull", pull),
            credentials: table.read("credentials", credentials),
            branch: table.text("branch", Branch::parse),
            auto_merge: table.read("auto_merge", Value::boolean),
            dockerfile: table.text("dockerfile", path::file_inside),
            context: table.text("context", path::inside),
            target: table.text("target", stage),
            build_args: variables(table, "build_args", c_string),
            command: table.texts("command", c_string),
            entrypoint: table.texts("entrypoint", c_string),
            port: table.read("port", port),
            domains: table.texts("domains", Domain::parse),
            publish: table.texts("publish", publish::parse),
            strategy: table.text("strategy", strategy),
            health: table.read("health", health::read),
            drain_timeout: table.text("drain_timeout", duration(HOUR)),
            stop_grace: table.text("stop_grace", duration(HOUR)),
            deadlines: table.read("deadlines", deadlines),
            env: variables(table, "env", c_string),
            env_file: table.texts("env_file", path::absolute),
            secrets: variables(table, "secrets", variable_secret),
            volumes: table.texts("volumes", volume::parse),
            memory: table.text("memory", memory),
            millicpus: table.read("cpus", millicpus),
            logging: table.read("logging", logging),
            processes: process::read(table),
            release: table.read("release", command::release),
            tasks: command::tasks(table),
            payload: table.read("payload", command::payload),
            connections: table.texts("connections", AppName::parse),
            connect_env: variables(table, "connect_env", connection::template),
            job: JobLayer::read(table),
        }
    }

    /// This layer over another: tables of variables are merged name by name, everything else is replaced.
    pub fn over(&self, below: &Self) -> Self {
        Self {
            repository: self.repository.over(&below.repository),
            image: self.image.over(&below.image),
            pull: self.pull.over(&below.pull),
            credentials: self.credentials.over(&below.credentials),
            branch: self.branch.over(&below.branch),
            auto_merge: self.auto_merge.over(&below.auto_merge),
            dockerfile: self.dockerfile.over(&below.dockerfile),
            context: self.context.over(&below.context),
            target: self.target.over(&below.target),
            build_args: merged(&self.build_args, &below.build_args),
            command: self.command.over(&below.command),
            entrypoint: self.entrypoint.over(&below.entrypoint),
            port: self.port.over(&below.port),
            domains: self.domains.over(&below.domains),
            publish: self.publish.over(&below.publish),
            strategy: self.strategy.over(&below.strategy),
            health: self.health.over(&below.health),
            drain_timeout: self.drain_timeout.over(&below.drain_timeout),
            stop_grace: self.stop_grace.over(&below.stop_grace),
            deadlines: self.deadlines.over(&below.deadlines),
            env: merged(&self.env, &below.env),
            env_file: self.env_file.over(&below.env_file),
            secrets: merged(&self.secrets, &below.secrets),
            volumes: self.volumes.over(&below.volumes),
            memory: self.memory.over(&below.memory),
            millicpus: self.millicpus.over(&below.millicpus),
            logging: self.logging.over(&below.logging),
            processes: process::over(&self.processes, &below.processes),
            release: self.release.over(&below.release),
            tasks: command::over(&self.tasks, &below.tasks),
            payload: self.payload.over(&below.payload),
            connections: self.connections.over(&below.connections),
            connect_env: merged(&self.connect_env, &below.connect_env),
            job: self.job.over(&below.job),
        }
    }
}

fn merged<T: Clone>(
    above: &BTreeMap<VariableName, At<T>>,
    below: &BTreeMap<VariableName, At<T>>,
) -> BTreeMap<VariableName, At<T>> {
    let mut merged = below.clone();
    merged.extend(above.clone());
    merged
}

/// A table of variables; those with a fault are left out.
fn variables<T>(
    table: &Table<'_>,
    key: &str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> BTreeMap<VariableName, At<T>> {
    let mut variables = BTreeMap::new();
    let entries = table.get(key).and_then(|value| value.entries());
    for (name, value) in entries.unwrap_or_default() {
        let variable = match VariableName::parse(name.value) {
            Ok(variable) => Some(variable),
            Err(fault) => {
                value
                    .report()
                    .add(&name.place, format!("has a name that {fault}"));
                None
            }
        };
        let read = value.text(&parse);
        if let (Some(variable), Some(read)) = (variable, read) {
            variables.insert(
                variable,
                At {
                    value: read,
                    place: value.place,
                },
            );
        }
    }
    variables
}

fn pull(text: &str) -> Result<PullPolicy, String> {
    match text {
        "always" => Ok(PullPolicy::Always),
        "missing" => Ok(PullPolicy::Missing),
        "never" => Ok(PullPolicy::Never),
        _ => Err(format!(
            "must be \"always\", \"missing\" or \"never\", not {text:?}"
        )),
    }
}

fn strategy(text: &str) -> Result<Strategy, String> {
    match text {
        "swap" => Ok(Strategy::Swap),
        "recreate" => Ok(Strategy::Recreate),
        _ => Err(format!("must be \"swap\" or \"recreate\", not {text:?}")),
    }
}

fn credentials(value: &Value<'_>) -> Option<GitCredentials> {
    let table = value.table(keys::CREDENTIALS)?;
    match (table.text("token", secret), table.text("ssh_key", secret)) {
        (Reading::Given(token), Reading::Absent) => Some(GitCredentials::Token(token.value)),
        (Reading::Absent, Reading::Given(key)) => Some(GitCredentials::SshKey(key.value)),
        (Reading::Absent, Reading::Absent) => {
            table.missing("either a token or an ssh_key, like { token = \"file:/path\" }");
            None
        }
        (Reading::Faulty, Reading::Absent) | (Reading::Absent, Reading::Faulty) => None,
        _ => value.fault("must have a token or an ssh_key, not both"),
    }
}

fn stage(text: &str) -> Result<String, String> {
    let is_fine = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let begins_well = text
        .bytes()
        .next()
        .is_some_and(|b| b.is_ascii_alphanumeric());
    if begins_well && text.len() <= 255 && text.bytes().all(is_fine) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "must be the name or number of one of the Dockerfile's stages, not {text:?}"
    ))
}

fn deadlines(value: &Value<'_>) -> Option<DeadlineKeys> {
    let table = value.table(keys::DEADLINES)?;
    Some(DeadlineKeys {
        checkout: table.text("checkout", duration(WEEK)),
        build: table.text("build", duration(WEEK)),
        rollout: table.text("rollout", duration(WEEK)),
    })
}

/// Without options `json-file` gets a bound: the engine's own default fills the disk.
fn logging(value: &Value<'_>) -> Option<Logging> {
    let table = value.table(keys::LOGGING)?;
    let driver = table.text("driver", log_driver);
    let options = table.read("options", |value| {
        let read = |(name, value): (At<&str>, Value<'_>)| {
            Some((name.value.to_owned(), value.text(c_string)?))
        };
        Some(value.entries()?.into_iter().filter_map(read).collect())
    });
    let driver = match driver {
        Reading::Faulty => return None,
        Reading::Absent => "json-file".to_owned(),
        Reading::Given(driver) => driver.value,
    };
    let default = default_logging();
    let options = match options {
        Reading::Faulty => return None,
        Reading::Absent if driver == default.driver => default.options,
        Reading::Absent => BTreeMap::new(),
        Reading::Given(options) => options.value,
    };
    Some(Logging { driver, options })
}

/// What an app gets that says nothing: at most 30 MB of the engine's own copy of the output.
pub(super) fn default_logging() -> Logging {
    let option = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    Logging {
        driver: "json-file".to_owned(),
        options: BTreeMap::from([option("max-size", "10m"), option("max-file", "3")]),
    }
}

fn log_driver(text: &str) -> Result<String, String> {
    match text {
        "json-file" | "local" | "journald" => Ok(text.to_owned()),
        _ => Err(format!(
            "must be \"json-file\", \"local\" or \"journald\", the drivers whose logs can be read back, not {text:?}"
        )),
    }
}

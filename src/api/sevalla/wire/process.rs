//! Processes in answers.

use super::Time;
use crate::core::action::EnvironmentDetail;
use crate::core::process::{ProcessKind, ProcessView, alias};
use crate::core::spec::Check;
use serde::Serialize;
use uuid::Uuid;

/// The most a command may take, in characters.
const MAX_ENTRYPOINT: usize = 1024;

/// A process. What there is no such thing as here is null.
#[derive(Serialize)]
pub(in crate::api::sevalla) struct Process {
    app_id: Uuid,
    cpu_limit: Option<u32>,
    created_at: Time,
    display_name: String,
    entrypoint: String,
    id: Uuid,
    ingress_protocol: Option<&'static str>,
    internal_hostname: String,
    is_ingress_enabled: bool,
    job_start_policy: Option<&'static str>,
    key: String,
    liveness_probe: Option<Probe>,
    memory_limit: Option<u64>,
    port: Option<u16>,
    readiness_probe: Option<Probe>,
    resource_type_id: Option<Uuid>,
    resource_type_name: Option<String>,
    scaling_strategy: Scaling,
    schedule: Option<String>,
    time_zone: Option<String>,
    #[serde(rename = "type")]
    kind: &'static str,
    updated_at: Time,
}

/// How many there are.
#[derive(Serialize)]
struct Scaling {
    config: Instances,
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Instances {
    instance_count: u32,
}

/// When a process counts as ready, as far as it can be said in these words.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Probe {
    HttpGet {
        path: String,
        port: u16,
        scheme: &'static str,
    },
    TcpSocket {
        port: u16,
    },
}

impl Process {
    pub(in crate::api::sevalla) fn new(
        process: &ProcessView,
        environment: &EnvironmentDetail,
    ) -> Self {
        let is_web = match process.kind {
            ProcessKind::Web => true,
            ProcessKind::Worker => false,
        };
        let is_served = is_web && process.port.is_some();
        Self {
            app_id: environment.id,
            cpu_limit: process.millicpus,
            // It may have been there since then: nobody wrote down when a process came.
            created_at: environment.created_at.into(),
            display_name: process.name.clone(),
            entrypoint: entrypoint(&process.command),
            id: process.id,
            ingress_protocol: is_served.then_some("http"),
            internal_hostname: alias(environment.app.as_str(), &process.name),
            is_ingress_enabled: is_served,
            job_start_policy: None,
            key: process.name.clone(),
            liveness_probe: None,
            memory_limit: process.memory.map(megabytes),
            port: process.port,
            readiness_probe: if is_web { readiness(environment) } else { None },
            resource_type_id: None,
            resource_type_name: None,
            scaling_strategy: Scaling {
                config: Instances { instance_count: 1 },
                kind: "manual",
            },
            schedule: None,
            time_zone: None,
            kind: if is_web { "web" } else { "worker" },
            updated_at: process.since.unwrap_or(environment.created_at).into(),
        }
    }
}

/// One line, as one would type it; empty for what the image says.
fn entrypoint(command: &[String]) -> String {
    let words: Vec<String> = command.iter().map(|word| quoted(word)).collect();
    words.join(" ").chars().take(MAX_ENTRYPOINT).collect()
}

fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// At least one, which is the least the document allows.
fn megabytes(bytes: u64) -> u64 {
    (bytes / (1024 * 1024)).max(1)
}

fn readiness(environment: &EnvironmentDetail) -> Option<Probe> {
    match &environment.spec.as_ref()?.rollout.health.check {
        Check::Http { port, path } => Some(Probe::HttpGet {
            path: path.clone(),
            port: *port,
            scheme: "HTTP",
        }),
        Check::Tcp { port } => Some(Probe::TcpSocket { port: *port }),
        Check::Image | Check::StaysUp(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_one_line_that_a_shell_takes_apart_again() {
        let line = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            entrypoint(&words)
        };
        assert_eq!(line(&[]), "");
        assert_eq!(line(&["npm", "start"]), "npm start");
        assert_eq!(line(&["sh", "-c", "it's", ""]), r"sh -c 'it'\''s' ''");
        assert_eq!(line(&["x".repeat(2000).as_str()]).len(), MAX_ENTRYPOINT);
    }
}

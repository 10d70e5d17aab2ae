//! What the engine is asked to make for a release: the environment's network, and a container for each process.

use crate::core::address::engine_half;
use crate::core::command::{Command, NO_PAYLOAD, PayloadPlace};
use crate::core::container::{ContainerRow, WEB};
use crate::core::job::JobCommand;
use crate::core::ports::{ContainerSpec, EngineMount, FileInside, Labels, Network};
use crate::core::process::alias;
use crate::core::release::ReleaseContent;
use crate::core::secret::Secret;
use crate::core::spec::{Check, Mount, MountSource, RunSpec};
use crate::store::{ContainerEnv, Place, StoreError};
use std::time::Duration;

/// How often an image's own HEALTHCHECK is asked while its container starts, where the engine can be told.
const HEALTH_START_INTERVAL: Duration = Duration::from_secs(1);

/// The environment's network; `None` where nothing of the environment is left.
pub(super) fn network(place: &Place) -> Option<Network> {
    let subnet = place.subnet?;
    Some(Network {
        name: place.slug(),
        subnet,
        engine_half: engine_half(subnet)?,
        app: place.app_name.as_str().to_owned(),
        environment: place.environment_name.as_str().to_owned(),
        internal: false,
    })
}

/// How long a container of a release may take to stop. One of a process that the release does not have, which only a
/// mended database could hold, is given what the app is.
pub(super) fn grace(content: &ReleaseContent, row: &ContainerRow) -> Duration {
    let own = content.process(&row.process);
    own.map_or(content.run.stop_grace, |(run, _)| run.stop_grace)
}

/// What the engine is asked to make for a process of a release.
pub(super) fn container_spec(
    place: &Place,
    content: &ReleaseContent,
    env: ContainerEnv,
    row: &ContainerRow,
    labels: Labels,
) -> Result<ContainerSpec, StoreError> {
    let Some((run, check)) = content.process(&row.process) else {
        return Err(StoreError::Inconsistent {
            table: "container",
            id: row.serial.to_string(),
            what: format!("is of process '{}', which its release has not", row.process),
        });
    };
    let health_start_interval = matches!(check, Check::Image).then_some(HEALTH_START_INTERVAL);
    Ok(ContainerSpec {
        alias: alias(place.app_name.as_str(), &row.process),
        publish: run.publish.clone(),
        health_start_interval,
        ..bare(place, content, &run, env, row, labels)
    })
}

/// What it is asked to make for a command that is run to its end: as the app's container is, but that nobody reaches it
/// from outside or by the app's name.
pub(super) fn one_off_spec(
    place: &Place,
    content: &ReleaseContent,
    command: &Command,
    env: ContainerEnv,
    row: &ContainerRow,
    labels: Labels,
) -> ContainerSpec {
    let run = RunSpec {
        command: command.words.clone(),
        ..content.run.clone()
    };
    bare(place, content, &run, env, row, labels)
}

/// What it is asked to make for a job's command at an event.
pub(super) fn run_spec(
    place: &Place,
    content: &ReleaseContent,
    command: &JobCommand,
    env: ContainerEnv,
    row: &ContainerRow,
    labels: Labels,
) -> ContainerSpec {
    let run = as_run(&content.run, command);
    bare(place, content, &run, env, row, labels)
}

/// How an app's container runs, with a command in place of its own.
pub(super) fn as_run(run: &RunSpec, command: &JobCommand) -> RunSpec {
    let or_own = |words: &[String], own: &[String]| match words {
        [] => own.to_vec(),
        words => words.to_vec(),
    };
    RunSpec {
        entrypoint: or_own(&command.entrypoint, &run.entrypoint),
        command: or_own(&command.command, &run.command),
        ..run.clone()
    }
}

fn bare(
    place: &Place,
    content: &ReleaseContent,
    run: &RunSpec,
    env: ContainerEnv,
    row: &ContainerRow,
    labels: Labels,
) -> ContainerSpec {
    let mount = |mount: &Mount| EngineMount {
        source: match &mount.source {
            MountSource::Volume(name) => MountSource::Volume(format!("{}-{name}", place.slug())),
            MountSource::External(name) => MountSource::External(name.clone()),
            MountSource::Host(path) => MountSource::Host(path.clone()),
        },
        target: mount.target.clone(),
        read_only: mount.read_only,
    };
    let mut variables = env.variables;
    let mut files = Vec::new();
    let payload = content.payload.as_deref().unwrap_or(NO_PAYLOAD);
    match &run.payload {
        None => {}
        Some(PayloadPlace::Env(name)) => {
            variables.retain(|(own, _)| own != name);
            variables.push((name.clone(), Secret::new(payload)));
        }
        Some(PayloadPlace::File(path)) => files.push(FileInside {
            path: path.clone(),
            content: payload.to_owned(),
        }),
    }
    ContainerSpec {
        name: row.name.clone(),
        image: content.image.id.clone(),
        command: run.command.clone(),
        entrypoint: run.entrypoint.clone(),
        env: variables,
        labels,
        network: place.slug(),
        address: row.address,
        // A name of its own: the app's belongs to what serves.
        alias: row.name.clone(),
        connections: env.networks,
        publish: Vec::new(),
        mounts: run.volumes.iter().map(mount).collect(),
        memory: run.memory,
        millicpus: run.millicpus,
        logging: run.logging.clone(),
        stop_grace: run.stop_grace,
        health_start_interval: None,
        files,
    }
}

/// What a process is called in front of its name where containers are spoken of: nothing for the one that serves.
pub(super) fn spoken(process: &str) -> String {
    match process {
        WEB => String::new(),
        worker => format!("{worker}: "),
    }
}

//! From an environment's keys to its spec: defaults are filled in, and keys that contradict each other, or can have
//! no effect, are faults.

use super::command;
use super::fault::{Place, Report};
use super::health;
use super::job::{self, Kind};
use super::layer::{DeadlineKeys, Layer, default_logging};
use super::process;
use super::reader::{At, Reading};
use super::repository::{Remote, Transport};
use crate::core::connection::Connect;
use crate::core::name::{Branch, ImageReference, VariableName};
use crate::core::spec::{
    BuildSpec, DRAIN_TIMEOUT, Deadlines, GitCredentials, GitSource, ImageSource, Mount, PullPolicy,
    Repository, RolloutSpec, RunSpec, SourceSpec, Spec, Strategy,
};
use std::collections::BTreeMap;
use std::time::Duration;

/// What `stop_grace` is if nothing is said.
pub(super) const STOP_GRACE: Duration = Duration::from_secs(10);
const MINUTE: Duration = Duration::from_secs(60);

/// Builds the spec; `None` where its source has a fault. `place` is the app's; a kind that has a fault is `None`.
pub(super) fn build(
    kind: Option<Kind>,
    layer: &Layer,
    place: &Place,
    report: &Report,
) -> Option<Spec> {
    match kind {
        Some(Kind::Job) => {
            let layer = job::without_service_keys(layer, report);
            let job = job::build(&layer.job, report);
            let spec = build_service(&layer, place, report)?;
            Some(Spec {
                job: Some(job?),
                ..spec
            })
        }
        Some(Kind::Service) => {
            job::refuse(layer, report);
            build_service(layer, place, report)
        }
        None => build_service(layer, place, report),
    }
}

fn build_service(layer: &Layer, place: &Place, report: &Report) -> Option<Spec> {
    let source = source(layer, place, report);
    check_mounts(layer, report);
    check_domains(layer, report);
    check_strategy(layer, report);
    command::check_payload(layer, report);
    let strategy = layer.strategy.value().copied();
    let rollout = RolloutSpec {
        strategy: strategy.unwrap_or_else(|| default_strategy(layer)),
        health: health::build(&layer.health, &layer.port, report),
        drain_timeout: layer
            .drain_timeout
            .value()
            .copied()
            .unwrap_or(DRAIN_TIMEOUT),
    };
    Some(Spec {
        source: source?,
        run: run(layer),
        processes: process::build(layer, report),
        release: command::build_release(layer),
        tasks: command::build(layer, report),
        job: None,
        rollout,
        deadlines: deadlines(layer.deadlines.value()),
        domains: values(&layer.domains),
    })
}

/// What `strategy` is if nothing is said: two containers run side by side wherever that can do no harm.
fn default_strategy(layer: &Layer) -> Strategy {
    let publishes = !listed(&layer.publish).is_empty();
    let writes = listed(&layer.volumes)
        .iter()
        .any(|mount| mount.value.is_writable());
    if layer.port.value().is_some() && !publishes && !writes {
        Strategy::Swap
    } else {
        Strategy::Recreate
    }
}

/// A host port cannot lead to two containers, and without a port there is nothing to move requests to.
fn check_strategy(layer: &Layer, report: &Report) {
    let Some(strategy) = layer.strategy.given() else {
        return;
    };
    match strategy.value {
        Strategy::Recreate => {}
        Strategy::Swap => {
            if let Some(published) = listed(&layer.publish).first() {
                report.add(
                    &strategy.place,
                    format!(
                        "cannot be \"swap\" beside {}: a port of the host leads to one container; take publish out, or write strategy = \"recreate\"",
                        published.place.path
                    ),
                );
            }
            if layer.port.is_absent() {
                report.add(
                    &strategy.place,
                    "cannot be \"swap\" without a port: set the port the app listens on, or write strategy = \"recreate\"",
                );
            }
        }
    }
}

fn check_domains(layer: &Layer, report: &Report) {
    if let (Some(domain), true) = (listed(&layer.domains).first(), layer.port.is_absent()) {
        report.add(
            &domain.place,
            "leads nowhere without a port: set the port the app listens on",
        );
    }
}

fn source(layer: &Layer, place: &Place, report: &Report) -> Option<SourceSpec> {
    match (&layer.repository, &layer.image) {
        (Reading::Given(remote), Reading::Absent) => {
            Some(SourceSpec::Git(git(layer, &remote.value, report)))
        }
        (Reading::Absent, Reading::Given(reference)) => {
            Some(SourceSpec::Image(image(layer, &reference.value, report)))
        }
        (Reading::Given(repository), Reading::Given(image)) => {
            let mut places = [&repository.place, &image.place];
            places.sort_by_key(|place| place.offset);
            let message = format!(
                "cannot stand beside {}: an app is either built from a repository or runs an image, in all its environments",
                places[0].path
            );
            report.add(places[1], message);
            None
        }
        (Reading::Absent, Reading::Absent) => {
            report.add(
                place,
                "needs a source: repository = \"https://…\" to build from, or image = \"name:tag\" to run; with nothing but a name and a project, deployments that others execute are recorded",
            );
            None
        }
        (Reading::Faulty, _) | (_, Reading::Faulty) => None,
    }
}

fn git(layer: &Layer, remote: &Remote, report: &Report) -> GitSource {
    without_effect(
        &[place_of(&layer.pull)],
        "an app that is built from a repository",
        report,
    );
    check_credentials(layer, remote.transport, report);
    let main = || Branch::parse("main").expect("it is a valid name");
    GitSource {
        repository: Repository {
            url: remote.url.clone(),
            credentials: layer.credentials.value().cloned(),
        },
        branch: layer.branch.value().cloned().unwrap_or_else(main),
        auto_merge: layer.auto_merge.value().copied().unwrap_or(true),
        build: build_spec(layer),
    }
}

fn image(layer: &Layer, reference: &ImageReference, report: &Report) -> ImageSource {
    let build_keys = [
        place_of(&layer.branch),
        place_of(&layer.auto_merge),
        place_of(&layer.dockerfile),
        place_of(&layer.context),
        place_of(&layer.target),
    ];
    let build_args = layer.build_args.values().map(|at| Some(&at.place));
    let build_keys: Vec<_> = build_keys.into_iter().chain(build_args).collect();
    without_effect(&build_keys, "an app that runs an image", report);
    if let Some(place) = place_of(&layer.credentials) {
        report.add(
            place,
            "is for a repository; credentials for an image's registry belong to docker.registries",
        );
    }
    ImageSource {
        reference: reference.clone(),
        pull: layer.pull.value().copied().unwrap_or(PullPolicy::Always),
    }
}

pub(super) fn place_of<T>(reading: &Reading<T>) -> Option<&Place> {
    reading.given().map(|at| &at.place)
}

pub(super) fn without_effect(places: &[Option<&Place>], on: &str, report: &Report) {
    for place in places.iter().copied().flatten() {
        report.add(place, format!("has no effect on {on}; take it out"));
    }
}

fn check_credentials(layer: &Layer, transport: Transport, report: &Report) {
    let Some(credentials) = layer.credentials.given() else {
        return;
    };
    let fault = match (&credentials.value, transport) {
        (GitCredentials::Token(_), Transport::Http)
        | (GitCredentials::SshKey(_), Transport::Ssh) => {
            return;
        }
        (GitCredentials::Token(_), Transport::Ssh | Transport::Open) => {
            "has a token, which works only with an https:// or http:// repository"
        }
        (GitCredentials::SshKey(_), Transport::Http | Transport::Open) => {
            "has an ssh_key, which works only with an ssh:// or user@host:path repository"
        }
    };
    report.add(&credentials.place, fault);
}

fn build_spec(layer: &Layer) -> BuildSpec {
    let text = |reading: &Reading<String>, default: &str| {
        reading
            .value()
            .cloned()
            .unwrap_or_else(|| default.to_owned())
    };
    let args = layer.build_args.iter();
    BuildSpec {
        context: text(&layer.context, "."),
        dockerfile: text(&layer.dockerfile, "Dockerfile"),
        target: layer.target.value().cloned(),
        args: args
            .map(|(name, at)| (name.to_string(), at.value.clone()))
            .collect(),
    }
}

fn run(layer: &Layer) -> RunSpec {
    RunSpec {
        command: values(&layer.command),
        entrypoint: values(&layer.entrypoint),
        port: layer.port.value().copied(),
        publish: values(&layer.publish),
        env: variables(&layer.env),
        env_files: values(&layer.env_file),
        secrets: variables(&layer.secrets),
        volumes: values(&layer.volumes),
        memory: layer.memory.value().copied(),
        millicpus: layer.millicpus.value().copied(),
        // Of other apps: known when all are read.
        connect: Connect::default(),
        stop_grace: layer.stop_grace.value().copied().unwrap_or(STOP_GRACE),
        logging: layer
            .logging
            .value()
            .cloned()
            .unwrap_or_else(default_logging),
        payload: layer.payload.value().cloned(),
    }
}

pub(super) fn values<T: Clone>(list: &Reading<Vec<At<T>>>) -> Vec<T> {
    listed(list).iter().map(|at| at.value.clone()).collect()
}

pub(super) fn listed<T>(list: &Reading<Vec<At<T>>>) -> &[At<T>] {
    list.value().map_or(&[], Vec::as_slice)
}

fn variables<T: Clone>(map: &BTreeMap<VariableName, At<T>>) -> BTreeMap<VariableName, T> {
    map.iter()
        .map(|(name, at)| (name.clone(), at.value.clone()))
        .collect()
}

fn check_mounts(layer: &Layer, report: &Report) {
    let mounts: &[At<Mount>] = listed(&layer.volumes);
    for (index, mount) in mounts.iter().enumerate() {
        let target = &mount.value.target;
        if let Some(other) = mounts[..index]
            .iter()
            .find(|other| other.value.target == *target)
        {
            report.add(
                &mount.place,
                format!(
                    "is mounted at {target:?}, as {} is already",
                    other.place.path
                ),
            );
        }
    }
}

fn deadlines(keys: Option<&DeadlineKeys>) -> Deadlines {
    let or = |reading: Option<&Reading<Duration>>, default| {
        reading.and_then(Reading::value).copied().unwrap_or(default)
    };
    Deadlines {
        checkout: or(keys.map(|keys| &keys.checkout), 10 * MINUTE),
        build: or(keys.map(|keys| &keys.build), 60 * MINUTE),
        rollout: or(keys.map(|keys| &keys.rollout), 10 * MINUTE),
    }
}

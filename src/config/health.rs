//! When a container counts as ready: the keys of `health`, and what they mean for an app with a port or without.

use super::fault::{Place, Report};
use super::keys;
use super::reader::{Reading, Value};
use super::value::{duration, port};
use crate::core::spec::{Check, Health};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const INTERVAL: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_secs(60);
pub(super) const STAYS_UP: Duration = Duration::from_secs(5);

/// The keys of `health`.
#[derive(Clone, Debug)]
pub(super) struct HealthKeys {
    path: Reading<String>,
    tcp: Reading<()>,
    image: Reading<()>,
    stays_up: Reading<Duration>,
    port: Reading<u16>,
    interval: Reading<Duration>,
    timeout: Reading<Duration>,
}

/// Reads `health`.
pub(super) fn read(value: &Value<'_>) -> Option<HealthKeys> {
    let table = value.table(keys::HEALTH)?;
    Some(HealthKeys {
        path: table.text("path", request_path),
        tcp: table.read("tcp", only_true),
        image: table.read("image", only_true),
        stays_up: table.text("stays_up", duration(HOUR)),
        port: table.read("port", port),
        interval: table.text("interval", duration(HOUR)),
        timeout: table.text("timeout", duration(DAY)),
    })
}

/// What is asked for by being named.
pub(super) fn only_true(value: &Value<'_>) -> Option<()> {
    match value.boolean()? {
        true => Some(()),
        false => value.fault("can only be true; leave it out otherwise"),
    }
}

fn request_path(text: &str) -> Result<String, String> {
    let is_fine = text.starts_with('/') && text.bytes().all(|b| b.is_ascii_graphic() && b != b'#');
    if is_fine && text.len() <= 2048 {
        return Ok(text.to_owned());
    }
    Err(format!(
        "must be the path of an HTTP request, like \"/up\", without spaces, '#' or characters beyond ASCII, not {text:?}"
    ))
}

/// The health of an environment; `app_port` is the port its container listens on.
pub(super) fn build(
    keys: &Reading<HealthKeys>,
    app_port: &Reading<u16>,
    report: &Report,
) -> Health {
    let Some(keys) = keys.value() else {
        let check = default_check(app_port);
        return Health {
            check,
            interval: INTERVAL,
            timeout: TIMEOUT,
        };
    };
    let check = check(keys, &keys.port.over(app_port), report);
    let timeout = keys.timeout.value().copied().unwrap_or(TIMEOUT);
    let interval = keys
        .interval
        .value()
        .copied()
        .unwrap_or(INTERVAL.min(timeout));
    if let Some(given) = keys.interval.given()
        && interval > timeout
    {
        let timeout = humantime::format_duration(timeout);
        report.add(
            &given.place,
            format!("must not be longer than the health's timeout, {timeout}"),
        );
    }
    if let Check::StaysUp(time) = check
        && time >= timeout
    {
        check_time(keys, time, report);
    }
    Health {
        check,
        interval,
        timeout,
    }
}

/// What is asked of an app that does not say.
fn default_check(port: &Reading<u16>) -> Check {
    match port.value() {
        Some(port) => Check::Tcp { port: *port },
        None => Check::StaysUp(STAYS_UP),
    }
}

/// What is asked; after a fault something that only fills the place.
fn check(keys: &HealthKeys, port: &Reading<u16>, report: &Report) -> Check {
    let asked = [
        place_of(&keys.path),
        place_of(&keys.tcp),
        place_of(&keys.image),
        place_of(&keys.stays_up),
    ];
    let mut asked: Vec<&Place> = asked.into_iter().flatten().collect();
    asked.sort_by_key(|place| place.offset);
    for further in asked.iter().skip(1) {
        let message = format!(
            "cannot stand beside {}: only one thing is asked",
            asked[0].path
        );
        report.add(further, message);
    }
    if let (Some(path), true) = (keys.path.given(), port.is_absent()) {
        report.add(
            &path.place,
            "needs a port to ask: set the app's port, or port beside the path",
        );
    }
    if let (Some(tcp), true) = (keys.tcp.given(), port.is_absent()) {
        report.add(
            &tcp.place,
            "needs a port to connect to: set the app's port, or port beside it",
        );
    }
    if let (Some(place), true) = (
        place_of(&keys.port),
        keys.image.given().is_some() || keys.stays_up.given().is_some(),
    ) {
        report.add(
            place,
            "has no effect: only path and tcp ask a port; take it out",
        );
    }
    let number = port.value().copied().unwrap_or_default();
    match (
        keys.path.value(),
        keys.tcp.value(),
        keys.image.value(),
        keys.stays_up.value(),
    ) {
        (Some(path), _, _, _) => Check::Http {
            port: number,
            path: path.clone(),
        },
        (_, Some(()), _, _) => Check::Tcp { port: number },
        (_, _, Some(()), _) => Check::Image,
        (_, _, _, Some(time)) => Check::StaysUp(*time),
        (None, None, None, None) => default_check(port),
    }
}

/// A container that has to stay up longer than it may take to get ready would never be ready.
fn check_time(keys: &HealthKeys, time: Duration, report: &Report) {
    let time = humantime::format_duration(time);
    match (keys.stays_up.given(), keys.timeout.given()) {
        (Some(stays_up), _) => report.add(&stays_up.place, "must be shorter than the health's timeout"),
        (None, Some(timeout)) => report.add(
            &timeout.place,
            format!("must be longer than the {time} that an app without a port must stay up to count as ready"),
        ),
        (None, None) => {}
    }
}

fn place_of<T>(reading: &Reading<T>) -> Option<&Place> {
    reading.given().map(|at| &at.place)
}

//! `previews` of an app: what it says of the environments that deployments make, and what they are made of.

use super::fault::Report;
use super::job::Kind;
use super::layer::Layer;
use super::reader::{At, Reading, Table, Value};
use super::value::duration;
use super::{keys, spec};
use crate::core::name::VariableName;
use crate::core::preview::{PreviewDomain, Previews};
use std::time::Duration;

/// Less, and a preview would end before anybody had looked at it.
const LEAST_TTL: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Each has a network of the pool and containers: more than any single host holds.
const MOST: i64 = 1000;

/// The keys of `previews`.
#[derive(Clone, Debug)]
pub(super) struct PreviewKeys {
    pub domain: Reading<PreviewDomain>,
    max: Reading<u32>,
    ttl: Reading<Duration>,
    secrets: Reading<Vec<At<VariableName>>>,
}

/// Reads them.
pub(super) fn read(value: &Value<'_>) -> Option<PreviewKeys> {
    let table: Table<'_> = value.table(keys::PREVIEWS)?;
    let max = |value: &Value<'_>| u32::try_from(value.integer(1, MOST)?).ok();
    Some(PreviewKeys {
        domain: table.text("domain", PreviewDomain::parse),
        max: table.read("max", max),
        ttl: table.text("ttl", ttl),
        secrets: table.texts("secrets", VariableName::parse),
    })
}

fn ttl(text: &str) -> Result<Duration, String> {
    match duration(3650 * DAY)(text)? {
        ttl if ttl < LEAST_TTL => Err(format!("must be at least \"1m\", not {text:?}")),
        ttl => Ok(ttl),
    }
}

/// What previews are, over the app's own keys: those of its environments are for them alone. `None` after faults.
pub(super) fn build(
    kind: Option<Kind>,
    keys: &At<PreviewKeys>,
    own: &Layer,
    report: &Report,
) -> Option<Previews> {
    let At { value: keys, place } = keys;
    if own.repository.is_absent() && own.image.is_absent() {
        report.add(
            place,
            "needs a source that the app itself has: what only an environment says is no preview's",
        );
        return None;
    }
    if let (Some(domain), true) = (keys.domain.given(), own.port.is_absent()) {
        report.add(
            &domain.place,
            "leads nowhere without a port: set the port the app listens on, in the app itself",
        );
    }
    let named = keys.secrets.value().map_or(&[][..], Vec::as_slice);
    for secret in named {
        if !own.secrets.contains_key(&secret.value) {
            let known: Vec<&str> = own.secrets.keys().map(VariableName::as_str).collect();
            let known = match known.join(", ") {
                none if none.is_empty() => "it has none".to_owned(),
                known => format!("it has {known}"),
            };
            report.add(
                &secret.place,
                format!(
                    "is {:?}, which is no secret of the app itself; {known}",
                    secret.value.as_str()
                ),
            );
        }
    }
    let mut layer = own.clone();
    layer.domains = Reading::Absent;
    layer.publish = Reading::Absent;
    layer.volumes = Reading::Absent;
    // What is in such a file is often secret, and nobody has named it for previews.
    layer.env_file = Reading::Absent;
    // What is connected is an environment that the configuration has.
    layer.connections = Reading::Absent;
    layer.connect_env.clear();
    layer
        .secrets
        .retain(|name, _| named.iter().any(|secret| secret.value == *name));
    Some(Previews {
        spec: spec::build(kind, &layer, place, report)?,
        domain: keys.domain.value().cloned(),
        max: keys.max.clone().unwrap_or_else(|| 10),
        ttl: keys.ttl.clone().unwrap_or_else(|| 7 * DAY),
    })
}

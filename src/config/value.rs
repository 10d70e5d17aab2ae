//! Values that are written as strings or numbers of some form. Each function's error is read after the key's path.

use super::path;
use super::reader::Value;
use crate::core::secret::{SecretRef, SecretSource};
use humantime::format_duration;
use ipnet::IpNet;
use std::net::IpAddr;
use std::time::Duration;

/// What Docker can run at the least.
const LEAST_MEMORY: u64 = 6 << 20;
/// Beyond any host; keeps the engine's signed arithmetic far from its end.
const MOST_MEMORY: u64 = 64 << 40;
/// Docker takes a hundredth of a CPU at the least.
const LEAST_CPUS: f64 = 0.01;
/// Beyond any host.
const MOST_CPUS: f64 = 4096.0;

/// A duration between a millisecond and `most`.
pub(super) fn duration(most: Duration) -> impl Fn(&str) -> Result<Duration, String> {
    const LEAST: Duration = Duration::from_millis(1);
    move |text| {
        let duration = humantime::parse_duration(text).map_err(|_| {
            format!(
                "is {text:?}, which is not a duration: write numbers with units, like \"30s\", \"7d\" or \"1h 30m\""
            )
        })?;
        if (LEAST..=most).contains(&duration) {
            return Ok(duration);
        }
        Err(format!(
            "must be longer than zero and at most {}, not {text:?}",
            format_duration(most)
        ))
    }
}

/// A size in bytes.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let size: bytesize::ByteSize = text.parse().map_err(|_| {
        format!("is {text:?}, which is not a size: write a number with its unit, like \"256MiB\" or \"1.5GiB\"")
    })?;
    Ok(size.as_u64())
}

/// A memory limit in bytes.
pub(super) fn memory(text: &str) -> Result<u64, String> {
    match size(text)? {
        bytes if bytes < LEAST_MEMORY => Err(format!(
            "must be at least \"6MiB\", the least that Docker takes, not {text:?}"
        )),
        bytes if bytes > MOST_MEMORY => Err(format!("must be at most \"64TiB\", not {text:?}")),
        bytes => Ok(bytes),
    }
}

/// A number of CPUs, in thousandths.
pub(super) fn millicpus(value: &Value<'_>) -> Option<u32> {
    let cpus = value.number()?;
    if !(LEAST_CPUS..=MOST_CPUS).contains(&cpus) {
        return value.fault(format!(
            "must be a number of CPUs from {LEAST_CPUS} to {MOST_CPUS}, like 0.5 or 2"
        ));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 10 and 4096000 by the check above"
    )]
    Some((cpus * 1000.0).round() as u32)
}

/// A network, or a single address.
pub(super) fn network(text: &str) -> Result<IpNet, String> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(IpNet::from(address));
    }
    let network: IpNet = text.parse().map_err(|_| {
        format!(
            "must be an address or a network, like \"10.0.0.1\" or \"10.0.0.0/8\", not {text:?}"
        )
    })?;
    if network != network.trunc() {
        return Err(format!(
            "is {text:?}, which lies inside a network: write {:?}",
            network.trunc().to_string()
        ));
    }
    Ok(network)
}

/// A TCP or UDP port.
pub(super) fn port(value: &Value<'_>) -> Option<u16> {
    u16::try_from(value.integer(1, 65535)?).ok()
}

/// Where the value of an app's secret variable is kept.
pub(super) fn variable_secret(text: &str) -> Result<SecretSource, String> {
    if text == "store" {
        return Ok(SecretSource::Store);
    }
    on_host(text, "\"store\", \"file:/path\" or \"credential:NAME\"").map(SecretSource::Host)
}

/// Where a secret of longshore's own is kept.
pub(super) fn secret(text: &str) -> Result<SecretRef, String> {
    if text == "store" {
        return Err(
            "says \"store\", which keeps the variables of an environment and only works in an app's secrets; write \"file:/path\" or \"credential:NAME\""
                .to_owned(),
        );
    }
    on_host(text, "\"file:/path\" or \"credential:NAME\"")
}

/// The text is never repeated: it may be the secret.
fn on_host(text: &str, forms: &str) -> Result<SecretRef, String> {
    if let Some(path) = text.strip_prefix("file:") {
        return match path::absolute(path) {
            Ok(path) => Ok(SecretRef::File(path)),
            Err(_) => Err("must have an absolute path without \"..\" after \"file:\"".to_owned()),
        };
    }
    if let Some(name) = text.strip_prefix("credential:") {
        return if is_credential_name(name) {
            Ok(SecretRef::Credential(name.to_owned()))
        } else {
            Err(
                "must have the name of a systemd credential after \"credential:\": a file name, no path"
                    .to_owned(),
            )
        };
    }
    Err(format!(
        "must say where the secret is kept, {forms}; the secret itself does not belong into this file"
    ))
}

/// systemd's own rule: a file name of printable ASCII without a colon.
fn is_credential_name(name: &str) -> bool {
    let is_fine = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'/' | b':');
    !name.is_empty()
        && name.len() <= 255
        && name.bytes().all(is_fine)
        && !matches!(name, "." | "..")
}

/// A text for a container's environment, command line or build: anything a C string can hold.
pub(super) fn c_string(text: &str) -> Result<String, String> {
    if text.contains('\0') {
        return Err("holds a NUL character, which no program can be given".to_owned());
    }
    Ok(text.to_owned())
}

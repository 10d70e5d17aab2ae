//! Values that must not be shown, and where they are kept.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A value that never prints itself.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value.
    #[must_use]
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself; every call is a place where it could leak.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The largest value of a secret, in bytes: a bundle of keys fits, a mistaken path to a disk image does not.
pub const MAX_SECRET: usize = 1024 * 1024;

/// Why a text cannot be kept as a secret; read after what it is about.
///
/// # Errors
/// If it is empty, too large, or holds what no environment variable can.
pub fn check_value(value: &str) -> Result<(), &'static str> {
    if value.is_empty() {
        return Err("is empty");
    }
    if value.len() > MAX_SECRET {
        return Err("is larger than 1 MiB");
    }
    if value.contains('\0') {
        return Err("holds a NUL character, which no environment variable can");
    }
    Ok(())
}

/// A text as people and programs write files, without the line end at its end.
#[must_use]
pub fn without_line_end(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

/// Where the value of an app's secret variable is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretSource {
    /// `store`: in the database, sealed, for one environment; set by `longshore secret set`.
    Store,
    /// On this host.
    #[serde(untagged)]
    Host(SecretRef),
}

/// Where a secret is kept on this host; read each time a container is made or a remote is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretRef {
    /// `file:/path`: the file's content without its final newline.
    File(PathBuf),
    /// `credential:NAME`: a systemd credential.
    Credential(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_written_as_it_was_before_there_was_a_store() {
        let file = SecretSource::Host(SecretRef::File("/k".into()));
        let credential = SecretSource::Host(SecretRef::Credential("k".into()));
        for (text, source) in [
            (r#"{"file":"/k"}"#, file),
            (r#"{"credential":"k"}"#, credential),
            (r#""store""#, SecretSource::Store),
        ] {
            assert_eq!(serde_json::to_string(&source).unwrap(), text);
            assert_eq!(serde_json::from_str::<SecretSource>(text).unwrap(), source);
        }
    }
}

//! Bodies: JSON objects, whatever the content type says, for curl says it is a form. A value is kept as it was written
//! until somebody asks for it as what it should be.

use super::error::Refusal;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// How much of a wrong value is shown, in characters.
const MAX_SHOWN: usize = 100;

/// The values of a body.
#[derive(Debug, Default)]
pub(super) struct Fields(BTreeMap<String, Box<RawValue>>);

impl Fields {
    /// Those of a body that has to say something.
    pub(super) fn of(body: &[u8]) -> Result<Self, Refusal> {
        if body.trim_ascii().is_empty() {
            return Err(Refusal::invalid_request(
                "For 'links/0/schema', nil is not an object.",
            ));
        }
        Self::of_any(body)
    }

    /// Those of a body that may be empty.
    pub(super) fn of_any(body: &[u8]) -> Result<Self, Refusal> {
        if body.trim_ascii().is_empty() {
            return Ok(Self::default());
        }
        let unread = |_| Refusal::bad_request("Problems parsing JSON");
        let whole: &RawValue = serde_json::from_slice(body).map_err(unread)?;
        if !whole.get().starts_with('{') {
            return Err(Refusal::bad_request("Body should be a JSON object"));
        }
        let fields = serde_json::from_str(whole.get()).map_err(unread)?;
        Ok(Self(fields))
    }

    /// A value as it was written; `null` is absent.
    pub(super) fn raw(&self, name: &str) -> Option<&str> {
        let value = self.0.get(name).map(|value| value.get());
        value.filter(|value| *value != "null")
    }

    fn read<T: serde::de::DeserializeOwned>(
        &self,
        name: &str,
        kind: &str,
    ) -> Result<Option<T>, Refusal> {
        let read = |raw| serde_json::from_str(raw).map_err(|_| wrong(name, raw, kind));
        self.raw(name).map(read).transpose()
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<String>, Refusal> {
        self.read(name, "a string")
    }

    /// A text that says something: what is empty was not given.
    pub(super) fn present(&self, name: &str) -> Result<Option<String>, Refusal> {
        Ok(self.text(name)?.filter(|text| !text.is_empty()))
    }

    pub(super) fn required(&self, name: &str) -> Result<String, Refusal> {
        if !self.0.contains_key(name) {
            let why = format!("\"{name}\" wasn't supplied.");
            return Err(Refusal::invalid_request(&why));
        }
        let text = self.text(name)?;
        text.ok_or_else(|| wrong(name, "nil", "a string"))
    }

    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, Refusal> {
        self.read(name, "a boolean")
    }

    pub(super) fn texts(&self, name: &str) -> Result<Option<Vec<String>>, Refusal> {
        let Some(items) = self.read::<Vec<Box<RawValue>>>(name, "an array")? else {
            return Ok(None);
        };
        let text = |item: &Box<RawValue>| {
            let read = serde_json::from_str(item.get());
            read.map_err(|_| wrong(&format!("{name}/items"), item.get(), "a string"))
        };
        items.iter().map(text).collect::<Result<_, _>>().map(Some)
    }
}

/// A value of another type than is documented.
pub(super) fn wrong(name: &str, raw: &str, kind: &str) -> Refusal {
    let shown: String = raw.chars().take(MAX_SHOWN).collect();
    let more = if shown.len() < raw.len() { "…" } else { "" };
    Refusal::invalid_request(&format!(
        "For 'properties/{name}', {shown}{more} is not {kind}."
    ))
}

//! The filters of logs: a JSON array of `{"key","operator","value"}` or with `"values"`. Every one must hold.

use super::error::Refusal;
use super::wire::log::{APP_RUNTIME, ID_APP, Labels, LogEntry, severity_word};
use crate::core::runtime::{Condition, Label, Severity};
use serde_json::Value;
use uuid::Uuid;

/// How many filters, and how many values of one, are looked at: each is asked of every line.
const MAX_FILTERS: usize = 20;
const MAX_VALUES: usize = 100;

/// A condition on a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Filter {
    key: Key,
    any: Vec<String>,
    /// Whether it is enough that the text holds one of the values.
    partly: bool,
    not: bool,
}

/// What of a line is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Key {
    Severity,
    Message,
    Service,
    Tag(String),
    Attribute(String),
}

/// What the runtime log is asked for.
pub(super) enum Asked {
    /// The lines for which these hold.
    Lines(Vec<Condition>),
    /// Nothing: no line can be meant.
    Nothing,
}

pub(super) fn parse(text: &str) -> Result<Vec<Filter>, Refusal> {
    let read: Value = serde_json::from_str(text)
        .map_err(|error| Refusal::field("filters", format_args!("is not JSON: {error}")))?;
    let Value::Array(items) = read else {
        return Err(Refusal::field("filters", "must be a JSON array"));
    };
    if items.len() > MAX_FILTERS {
        let most = format_args!("holds more than {MAX_FILTERS} filters");
        return Err(Refusal::field("filters", most));
    }
    let filters = items.iter().enumerate();
    let filters = filters.map(|(index, item)| {
        filter(item).map_err(|fault| Refusal::bad(format!("filters[{index}]{fault}")))
    });
    filters.collect()
}

/// One of them; the fault is to be read after the filter's place.
fn filter(item: &Value) -> Result<Filter, String> {
    if !item.is_object() {
        return Err(" must be an object".into());
    }
    let (partly, not) = operator(text_of(item, "operator")?)?;
    let any = values(item)?;
    Ok(Filter {
        key: key(text_of(item, "key")?)?,
        any,
        partly,
        not,
    })
}

fn text_of<'a>(item: &'a Value, name: &str) -> Result<&'a str, String> {
    let text = item.get(name).and_then(Value::as_str);
    text.ok_or_else(|| format!(".{name} must be a string"))
}

fn operator(word: &str) -> Result<(bool, bool), String> {
    Ok(match word {
        "EQUALS" | "IN" => (false, false),
        "NOT_EQUALS" | "NOT_IN" => (false, true),
        "CONTAINS" => (true, false),
        "NOT_CONTAINS" => (true, true),
        _ => {
            return Err(
                ".operator must be EQUALS, NOT_EQUALS, CONTAINS, NOT_CONTAINS, IN or NOT_IN".into(),
            );
        }
    })
}

fn key(word: &str) -> Result<Key, String> {
    Ok(match (word, word.split_once('.')) {
        ("severity", _) => Key::Severity,
        ("message", _) => Key::Message,
        ("service", _) => Key::Service,
        (_, Some(("tags", name))) if !name.is_empty() => Key::Tag(name.to_owned()),
        (_, Some(("attributes", name))) if !name.is_empty() => Key::Attribute(name.to_owned()),
        _ => {
            return Err(
                ".key must be severity, message, service, tags.NAME or attributes.NAME".into(),
            );
        }
    })
}

fn values(item: &Value) -> Result<Vec<String>, String> {
    let listed = match item.get("values") {
        None | Some(Value::Null) => &[][..],
        Some(Value::Array(values)) => values,
        Some(_) => return Err(".values must be an array".into()),
    };
    let single = item.get("value").filter(|value| !value.is_null());
    let all: Result<Vec<String>, String> = listed.iter().chain(single).map(value).collect();
    let all = all?;
    match all.len() {
        0 => Err(" needs a value, or values".into()),
        count if count > MAX_VALUES => Err(format!(".values holds more than {MAX_VALUES}")),
        _ => Ok(all),
    }
}

fn value(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(value) => Ok(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            Err(".value must be a string, a number, true or false".into())
        }
    }
}

impl Filter {
    /// Whether it holds for a line.
    pub(super) fn takes(&self, entry: &LogEntry) -> bool {
        let text = |labels: &'_ Labels, name: &str| labels.get(name).cloned();
        match &self.key {
            Key::Severity => self.takes_severity(entry.severity),
            Key::Message => self.takes_text(Some(&entry.message)),
            Key::Service => self.takes_text(Some(entry.service)),
            Key::Tag(name) => self.takes_text(text(&entry.tags, name).as_deref()),
            Key::Attribute(name) => self.takes_text(text(&entry.attributes, name).as_deref()),
        }
    }

    /// A line that has no such text has none of the values.
    fn takes_text(&self, text: Option<&str>) -> bool {
        self.has_one(text) != self.not
    }

    fn has_one(&self, text: Option<&str>) -> bool {
        let is_meant = |value: &String| match text {
            Some(text) if self.partly => text.contains(value.as_str()),
            Some(text) => text == value,
            None => false,
        };
        self.any.iter().any(is_meant)
    }

    /// Severities are words of ours: their case is nobody's concern.
    fn takes_severity(&self, word: &str) -> bool {
        self.has_severity(word) != self.not
    }

    fn has_severity(&self, word: &str) -> bool {
        let upper = Self {
            any: self
                .any
                .iter()
                .map(|one| one.to_ascii_uppercase())
                .collect(),
            ..self.clone()
        };
        upper.has_one(Some(word))
    }

    /// The same for the runtime log, or whether it holds for every line or none.
    fn condition(&self, application: Uuid) -> Result<Condition, bool> {
        let (any, not) = (self.any.clone(), self.not);
        let label = |label| Condition::Label {
            label,
            any: self.any.clone(),
            partly: self.partly,
            not,
        };
        Ok(match &self.key {
            Key::Severity => Condition::Severity {
                any: Severity::ALL
                    .into_iter()
                    .filter(|one| self.has_severity(severity_word(*one)))
                    .collect(),
                not,
            },
            Key::Message if self.partly => Condition::Contains { any, not },
            Key::Message => Condition::Equals { any, not },
            Key::Service => return Err(self.takes_text(Some(APP_RUNTIME))),
            Key::Tag(name) => match name.as_str() {
                ID_APP => return Err(self.takes_text(Some(&application.to_string()))),
                "container" => label(Label::Container),
                "process" => label(Label::Process),
                "release" => label(Label::Release),
                _ => return Err(self.takes_text(None)),
            },
            Key::Attribute(name) => match name.as_str() {
                "stream" => label(Label::Stream),
                _ => return Err(self.takes_text(None)),
            },
        })
    }
}

/// The filters as the runtime log understands them.
pub(super) fn of_runtime(filters: &[Filter], application: Uuid) -> Asked {
    let mut conditions = Vec::new();
    for filter in filters {
        match filter.condition(application) {
            Ok(condition) => conditions.push(condition),
            Err(true) => {}
            Err(false) => return Asked::Nothing,
        }
    }
    Asked::Lines(conditions)
}

//! A typed reader over TOML values that know where they stand. It goes on after a fault, so that one pass finds
//! all of them; serde would stop at the first.

use super::fault::{Place, Report};
use super::keys::{Keys, advice};
use std::fmt::Display;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value and its place.
#[derive(Clone, Debug)]
pub(super) struct At<T> {
    pub value: T,
    pub place: Place,
}

/// What became of a key.
#[derive(Clone, Debug)]
pub(super) enum Reading<T> {
    /// It is not in the file.
    Absent,
    /// It is, and the report says what is wrong with it: nothing may be concluded from it.
    Faulty,
    /// It is, and this is its value.
    Given(At<T>),
}

impl<T> Reading<T> {
    /// The value with its place, if there is a good one.
    pub fn given(&self) -> Option<&At<T>> {
        match self {
            Self::Given(at) => Some(at),
            Self::Absent | Self::Faulty => None,
        }
    }

    /// The value, if there is a good one.
    pub fn value(&self) -> Option<&T> {
        self.given().map(|at| &at.value)
    }

    /// The value; the default where there is no good one.
    pub fn unwrap_or_else(self, default: impl FnOnce() -> T) -> T {
        match self {
            Self::Given(at) => at.value,
            Self::Absent | Self::Faulty => default(),
        }
    }

    pub fn is_absent(&self) -> bool {
        match self {
            Self::Absent => true,
            Self::Faulty | Self::Given(_) => false,
        }
    }
}

impl<T: Clone> Reading<T> {
    /// This one where the key is in the file at all, else the one below.
    pub fn over(&self, below: &Self) -> Self {
        if self.is_absent() { below } else { self }.clone()
    }
}

/// A table whose keys are known.
pub(super) struct Table<'a> {
    node: &'a DeTable<'a>,
    keys: Keys,
    /// What stands before a key in its path.
    prefix: String,
    report: &'a Report,
    pub place: Place,
}

impl<'a> Table<'a> {
    /// The whole file.
    pub fn root(node: &'a DeTable<'a>, report: &'a Report) -> Self {
        let place = Place {
            offset: 0,
            path: "the file".to_owned(),
        };
        Self::open(node, super::keys::TOP, place, String::new(), report)
    }

    /// Opens a table and reports every key that is not one of `keys`.
    fn open(
        node: &'a DeTable<'a>,
        keys: Keys,
        place: Place,
        prefix: String,
        report: &'a Report,
    ) -> Self {
        let table = Self {
            node,
            keys,
            prefix,
            report,
            place,
        };
        for name in node.keys() {
            if !table.knows(name.get_ref()) {
                let place = table.place_of(name);
                report.add(&place, advice(name.get_ref(), keys));
            }
        }
        table
    }

    fn knows(&self, key: &str) -> bool {
        self.keys.iter().any(|group| group.contains(&key))
    }

    fn place_of(&self, name: &Spanned<impl AsRef<str>>) -> Place {
        Place {
            offset: name.span().start,
            path: format!("{}{}", self.prefix, bare_or_quoted(name.get_ref().as_ref())),
        }
    }

    /// The value of a key, if it is in the file.
    pub fn get(&self, key: &str) -> Option<Value<'a>> {
        debug_assert!(self.knows(key), "{key} is read and not listed in keys.rs");
        let node = self.node.get(key)?;
        let path = format!("{}{key}", self.prefix);
        let place = Place {
            offset: node.span().start,
            path,
        };
        Some(Value {
            node: node.get_ref(),
            place,
            report: self.report,
        })
    }

    /// Reads a key by a function that gives nothing where it has reported a fault.
    pub fn read<T>(&self, key: &str, read: impl FnOnce(&Value<'a>) -> Option<T>) -> Reading<T> {
        match self.get(key) {
            None => Reading::Absent,
            Some(value) => match read(&value) {
                None => Reading::Faulty,
                Some(read) => Reading::Given(At {
                    value: read,
                    place: value.place,
                }),
            },
        }
    }

    /// Reads a key whose value is a string of some form.
    pub fn text<T, E: Display>(
        &self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Reading<T> {
        self.read(key, |value| value.text(parse))
    }

    /// Reads a key whose value is a list of strings of some form.
    pub fn texts<T, E: Display>(
        &self,
        key: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Reading<Vec<At<T>>> {
        self.read(key, |value| {
            let parse = |entry: Value<'a>| {
                Some(At {
                    value: entry.text(&parse)?,
                    place: entry.place,
                })
            };
            Some(
                value
                    .list("strings")?
                    .into_iter()
                    .filter_map(parse)
                    .collect(),
            )
        })
    }

    /// Reports that a key should be there, unless it may be on a line that was left out.
    pub fn missing(&self, what: impl Display) {
        if !self.report.is_partial() {
            self.report.add(&self.place, format!("needs {what}"));
        }
    }
}

/// A value of a known key.
pub(super) struct Value<'a> {
    node: &'a DeValue<'a>,
    report: &'a Report,
    pub place: Place,
}

impl<'a> Value<'a> {
    /// Reports what is wrong; gives nothing, for the caller to hand on.
    pub fn fault<T>(&self, message: impl Display) -> Option<T> {
        self.report.add(&self.place, message);
        None
    }

    fn mismatch<T>(&self, expected: impl Display) -> Option<T> {
        let found = match self.node {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a float",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.fault(format!("must be {expected}, not {found}"))
    }

    pub fn string(&self) -> Option<&'a str> {
        match self.node {
            DeValue::String(text) => Some(text),
            DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) => {
                self.mismatch("a string in quotes")
            }
            _ => self.mismatch("a string"),
        }
    }

    /// A string of some form.
    pub fn text<T, E: Display>(&self, parse: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        match parse(self.string()?) {
            Ok(value) => Some(value),
            Err(message) => self.fault(message),
        }
    }

    /// An integer between two bounds.
    pub fn integer(&self, low: i64, high: i64) -> Option<i64> {
        let expected = format!("an integer from {low} to {high}");
        let DeValue::Integer(digits) = self.node else {
            return self.mismatch(expected);
        };
        match i64::from_str_radix(digits.as_str(), digits.radix()) {
            Ok(number) if (low..=high).contains(&number) => Some(number),
            _ => self.fault(format!("must be {expected}")),
        }
    }

    /// An integer or a float; too large an integer is infinite.
    pub fn number(&self) -> Option<f64> {
        match self.node {
            DeValue::Float(digits) => Some(digits.as_str().parse().unwrap_or(f64::NAN)),
            DeValue::Integer(digits) => {
                Some(match i32::from_str_radix(digits.as_str(), digits.radix()) {
                    Ok(number) => f64::from(number),
                    Err(_) => f64::INFINITY,
                })
            }
            _ => self.mismatch("a number"),
        }
    }

    pub fn boolean(&self) -> Option<bool> {
        match self.node {
            DeValue::Boolean(value) => Some(*value),
            _ => self.mismatch("true or false"),
        }
    }

    /// The entries of a list; `of` is what they are.
    pub fn list(&self, of: &str) -> Option<Vec<Value<'a>>> {
        let DeValue::Array(entries) = self.node else {
            let example = if of == "strings" {
                ", like [\"…\", \"…\"]"
            } else {
                ""
            };
            return self.mismatch(format!("a list of {of}{example}"));
        };
        let entry = |(index, node): (usize, &'a Spanned<DeValue<'a>>)| Value {
            node: node.get_ref(),
            report: self.report,
            place: Place {
                offset: node.span().start,
                path: format!("{}[{index}]", self.place.path),
            },
        };
        Some(entries.iter().enumerate().map(entry).collect())
    }

    /// A table with known keys.
    pub fn table(&self, keys: Keys) -> Option<Table<'a>> {
        let prefix = format!("{}.", self.place.path);
        self.scope(keys, self.place.path.clone(), prefix)
    }

    /// A table with known keys and a name of its own in paths.
    pub fn scope(&self, keys: Keys, path: String, prefix: String) -> Option<Table<'a>> {
        let DeValue::Table(node) = self.node else {
            return self.mismatch("a table");
        };
        let place = Place {
            offset: self.place.offset,
            path,
        };
        Some(Table::open(node, keys, place, prefix, self.report))
    }

    /// The entries of a table whose keys the user chooses: a key's name and place, and its value.
    pub fn entries(&self) -> Option<Vec<(At<&'a str>, Value<'a>)>> {
        let DeValue::Table(node) = self.node else {
            return self.mismatch("a table, like { NAME = \"value\" }");
        };
        let entry = |(name, node): (&'a Spanned<_>, &'a Spanned<DeValue<'a>>)| {
            let key: &'a str = std::borrow::Cow::as_ref(name.get_ref());
            let path = format!("{}.{}", self.place.path, bare_or_quoted(key));
            let place = |offset| Place {
                offset,
                path: path.clone(),
            };
            let value = Value {
                node: node.get_ref(),
                report: self.report,
                place: place(node.span().start),
            };
            (
                At {
                    value: key,
                    place: place(name.span().start),
                },
                value,
            )
        };
        Some(node.iter().map(entry).collect())
    }

    /// Whether this is a table rather than a list of them: `[x]` where `[[x]]` is meant.
    pub fn is_table(&self) -> bool {
        self.node.is_table()
    }

    /// The string at `key`, looked at before anything is checked, to name the table by.
    pub fn peek(&self, key: &str) -> Option<&'a str> {
        self.node.as_table()?.get(key)?.get_ref().as_str()
    }

    /// Whether a table holds no other keys than these.
    pub fn holds_only(&self, keys: &[&str]) -> bool {
        let table = self.node.as_table();
        table.is_some_and(|table| {
            table
                .keys()
                .all(|key| keys.contains(&key.get_ref().as_ref()))
        })
    }

    /// Where faults go.
    pub fn report(&self) -> &'a Report {
        self.report
    }
}

/// A key as it can stand in a path and on a terminal.
fn bare_or_quoted(key: &str) -> String {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if !key.is_empty() && key.bytes().all(is_bare) {
        key.to_owned()
    } else {
        format!("{key:?}")
    }
}

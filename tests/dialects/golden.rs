//! Compares an answer with what a contract says of it. In an expected text `{kind:name}` stands for something of that
//! kind; what it stood for the first time it must stand for ever after. An object with the key `...` may have further
//! keys, an array that ends with `...` further elements.

use regex::Regex;
use serde_json::Value;
use std::collections::BTreeMap;

/// What the names stand for.
#[derive(Clone, Debug, Default)]
pub struct Bound(pub BTreeMap<String, String>);

const MORE: &str = "...";

impl Bound {
    /// The text with every known name filled in: a request.
    pub fn fill(&self, text: &str) -> String {
        let mut filled = text.to_owned();
        for (name, value) in &self.0 {
            filled = filled.replace(&format!("{{{name}}}"), value);
        }
        for kind in [
            "{dep:", "{token:", "{user:", "{proj:", "{uuid:", "{secret:", "{serial:",
        ] {
            assert!(!filled.contains(kind), "nothing is known of {filled}");
        }
        filled
    }

    /// Says where an answer differs from what is expected.
    pub fn compare(&mut self, at: &str, expected: &Value, found: &Value) -> Result<(), String> {
        match (expected, found) {
            // A number has no place for a name.
            (Value::String(wanted), Value::Number(given)) if is_number(wanted) => {
                self.text(at, wanted, &given.to_string())
            }
            (Value::Object(wanted), Value::Object(given)) => {
                for (key, value) in wanted.iter().filter(|(key, _)| *key != MORE) {
                    let found = given.get(key).ok_or(format!("{at}.{key} is missing"))?;
                    self.compare(&format!("{at}.{key}"), value, found)?;
                }
                let unknown = given.keys().find(|key| !wanted.contains_key(*key));
                match unknown {
                    Some(key) if !wanted.contains_key(MORE) => {
                        Err(format!("{at}.{key} is not in the contract"))
                    }
                    Some(_) | None => Ok(()),
                }
            }
            (Value::Array(wanted), Value::Array(given)) => {
                let open = wanted.last().is_some_and(|last| last == MORE);
                let wanted = &wanted[..wanted.len() - usize::from(open)];
                if given.len() < wanted.len() || (!open && given.len() > wanted.len()) {
                    return Err(format!("{at} has {} elements: {found}", given.len()));
                }
                for (index, (wanted, given)) in wanted.iter().zip(given).enumerate() {
                    self.compare(&format!("{at}[{index}]"), wanted, given)?;
                }
                Ok(())
            }
            (Value::String(wanted), Value::String(given)) => self.text(at, wanted, given),
            _ if expected == found => Ok(()),
            _ => Err(format!("{at} is {found}, not {expected}")),
        }
    }

    pub fn text(&mut self, at: &str, expected: &str, found: &str) -> Result<(), String> {
        let placeholder = Regex::new(r"\{([a-z]+):?([a-z0-9_-]*)\}").unwrap();
        let (mut pattern, mut names, mut last) = ("(?s)^".to_owned(), Vec::new(), 0);
        for hole in placeholder.captures_iter(expected) {
            let whole = hole.get(0).unwrap();
            pattern += &regex::escape(&expected[last..whole.start()]);
            last = whole.end();
            let name = format!("{}:{}", &hole[1], &hole[2]);
            match self.0.get(&name) {
                Some(known) => pattern += &regex::escape(known),
                None => {
                    pattern += &format!("({})", kind(&hole[1]));
                    names.push((!hole[2].is_empty()).then_some(name));
                }
            }
        }
        pattern += &regex::escape(&expected[last..]);
        pattern += "$";
        let fits = Regex::new(&pattern).unwrap();
        let groups = fits
            .captures(found)
            .ok_or_else(|| format!("{at} is {found:?}, not {expected:?}"))?;
        for (index, name) in names.into_iter().enumerate() {
            if let Some(name) = name {
                self.0.insert(name, groups[index + 1].to_owned());
            }
        }
        Ok(())
    }
}

/// Whether a text stands for a number and for nothing else.
fn is_number(text: &str) -> bool {
    let is_one = |kind: &str| text.starts_with(kind) && text.find('}') == Some(text.len() - 1);
    is_one("{serial:") || is_one("{span") || is_one("{number")
}

fn kind(word: &str) -> &'static str {
    match word {
        "dep" => "dep_[0-9a-z]{10,}",
        "token" => "lsh_[A-Za-z0-9_-]{40}",
        "user" => "user_[0-9a-z]{10,}",
        "uuid" => "[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
        "secret" => "[A-Za-z0-9_-]{20,}",
        "line" => r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}",
        "milli" => r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z",
        "time" => r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ",
        "moment" => r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z",
        "serial" => r"[1-9]\d*",
        "span" => r"\d+\.\d+",
        "seconds" => r"\d+\.\ds",
        "number" => r"\d+",
        "text" => ".+",
        other => panic!("no placeholder {other}"),
    }
}

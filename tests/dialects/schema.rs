//! The documented answers as JSON schemas, and the part of JSON Schema they are written in. A word it does not know is a
//! fault of the schema, not something to pass over.

use regex::Regex;
use serde_json::{Map, Value, json};
use std::cell::RefCell;
use std::collections::HashMap;

pub struct Schemas {
    documented: Value,
    /// Each pattern is made once: it is asked of thousands of mutations.
    patterns: RefCell<HashMap<String, Regex>>,
}

impl Schemas {
    fn new(text: &str) -> Self {
        Self {
            documented: serde_json::from_str(text).unwrap(),
            patterns: RefCell::default(),
        }
    }

    /// git.dev's.
    pub fn gitdev() -> Self {
        Self::new(include_str!("gitdev.schema.json"))
    }

    /// Sevalla's.
    pub fn sevalla() -> Self {
        Self::new(include_str!("sevalla.schema.json"))
    }

    /// GitLab's.
    pub fn gitlab() -> Self {
        Self::new(include_str!("gitlab.schema.json"))
    }

    /// GitHub's.
    pub fn github() -> Self {
        Self::new(include_str!("github.schema.json"))
    }

    /// Qovery's.
    pub fn qovery() -> Self {
        Self::new(include_str!("qovery.schema.json"))
    }

    /// The schema of an answer in Qovery's dialect; everything below its paths has one.
    pub fn of_qoverys_answer(method: &str, path: &str, status: u16) -> Option<String> {
        let path = path.split('?').next().unwrap().trim_end_matches('/');
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        let prefixes = ["job", "environment", "organization", "project"];
        let is_its = parts.first().is_some_and(|part| prefixes.contains(part));
        let name = match (method, parts.as_slice(), status) {
            (_, _, 400..) if is_its => return Some(format!("error_{status}")),
            ("GET", ["job", _], 200) => "job",
            ("GET", ["job", _, "status"], 200)
            | ("POST", ["job", _, "deploy" | "redeploy" | "stop" | "uninstall"], 202) => "status",
            ("GET", ["job", _, "deploymentHistory"], 200) => "history",
            ("GET", ["job", _, "deploymentHistoryV2"], 200) => "history_v2",
            ("POST", ["job", _, "cleanFailedJob"], 200) => "cleaned",
            ("GET", ["environment", _, "job"], 200) => "jobs",
            ("GET", ["environment", _, "job", "status"], 200) => "statuses",
            ("GET", ["environment", _, "status"], 200)
            | ("POST", ["environment", _, "service", "deploy"], 202)
            | ("POST", ["environment", _, "cancelDeployment"], 202) => "environment_status",
            ("GET", ["environment", _, "statuses"], 200) => "environment_statuses",
            ("GET", ["organization"], 200) => "organizations",
            ("GET", ["organization", _, "project"], 200) => "projects",
            ("GET", ["project", _, "environment"], 200) => "environments",
            _ if is_its => panic!("{method} {path} answers {status}, which is not documented"),
            _ => return None,
        };
        Some(name.to_owned())
    }

    /// The schema of an answer in GitHub's dialect; everything of it that has a body has one.
    pub fn of_githubs_answer(method: &str, path: &str, status: u16) -> Option<String> {
        let path = path.split('?').next().unwrap();
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let parts = parts.strip_prefix(&["api", "v3"]).unwrap_or(&parts);
        if parts.first() == Some(&"v1") {
            return None;
        }
        let below = match parts {
            ["repos", _, _, below @ ..] => Some(below),
            _ => None,
        };
        let name = match (method, below, status) {
            (_, _, 400..) => return Some(format!("error_{status}")),
            ("GET", None, 200) => match parts {
                [] => "root",
                ["user"] => "current_user",
                [one] => one,
                _ => panic!("{path} answers {status}, which is not documented"),
            },
            ("GET", Some([]), 200) => "repository",
            ("GET", Some(["deployments"]), 200) => "deployments",
            ("POST", Some(["deployments"]), 201) | ("GET", Some(["deployments", _]), 200) => {
                "deployment"
            }
            ("POST", Some(["deployments"]), 202) => "merged",
            ("GET", Some(["deployments", _, "statuses"]), 200) => "statuses",
            ("POST", Some(["deployments", _, "statuses"]), 201)
            | ("GET", Some(["deployments", _, "statuses", _]), 200) => "status",
            ("POST", Some(["statuses", _]), 201) => "commit_status",
            ("GET", Some(["commits", _, .., "statuses"] | ["statuses", ..]), 200) => {
                "commit_statuses"
            }
            ("GET", Some(["commits", _, .., "status"]), 200) => "combined",
            ("GET", Some(["commits", ..]), 200) => "commit",
            ("GET", Some(["environments"]), 200) => "environments",
            ("GET" | "PUT", Some(["environments", _]), 200) => "environment",
            _ => panic!("{method} {path} answers {status}, which is not documented"),
        };
        Some(name.to_owned())
    }

    /// The schema of an answer in GitLab's dialect; everything below its prefix has one.
    pub fn of_gitlabs_answer(method: &str, path: &str, status: u16) -> Option<String> {
        let path = path.split('?').next().unwrap().trim_end_matches('/');
        let parts: Vec<&str> = path.strip_prefix("/api/v4")?.split('/').skip(1).collect();
        let name = match (method, parts.as_slice(), status) {
            (_, _, 400..) => return Some(format!("error_{status}")),
            ("GET", ["user"], 200) => "user",
            ("GET", ["version" | "metadata"], 200) => "version",
            ("GET", ["projects"], 200) => "projects",
            ("GET", ["projects", _], 200) => "project",
            ("GET", ["projects", _, "deployments"], 200) => "deployments",
            ("POST", ["projects", _, "deployments"], 201)
            | ("GET" | "PUT", ["projects", _, "deployments", _], 200) => "deployment",
            ("GET", ["projects", _, "deployments", _, "merge_requests"], 200) => "merge_requests",
            ("GET", ["projects", _, "environments"], 200) => "environments",
            ("GET", ["projects", _, "environments", _], 200) => "environment_with_last",
            ("POST", ["projects", _, "environments"], 201)
            | ("PUT", ["projects", _, "environments", _], 200)
            | ("POST", ["projects", _, "environments", _, "stop"], 200) => "environment",
            _ => panic!("{method} {path} answers {status}, which is not documented"),
        };
        Some(name.to_owned())
    }

    /// The schema of an answer in Sevalla's dialect; everything below its paths has one.
    pub fn of_sevallas_answer(method: &str, path: &str, status: u16) -> Option<String> {
        let path = path.split('?').next().unwrap().trim_end_matches('/');
        let path = path.strip_prefix("/v3").unwrap_or(path);
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        let is_its = matches!(parts.first(), Some(&("applications" | "api-keys")));
        let name = match (method, parts.as_slice(), status) {
            (_, _, 400..) if is_its => return Some("error".to_owned()),
            ("GET", ["applications"], 200) => "applications",
            ("GET", ["applications", _], 200) => "application",
            ("POST", ["applications", _, "suspend" | "activate"], 200) => "message",
            ("GET", ["applications", _, "deployments"], 200) => "deployments",
            ("POST", ["applications", _, "deployments"], 200) => "deployment",
            ("POST", ["applications", _, "deployments", "rollback"], 200) => "deployment",
            ("GET", ["applications", _, "deployments", _], 200) => "deployment",
            ("POST", ["applications", _, "deployments", _, "cancel"], 200) => "message",
            ("GET", ["applications", _, "deployments", _, "logs"], 200) => "lines",
            ("GET", ["applications", _, "runtime-logs"], 200) => "lines",
            ("GET", ["applications", _, "processes"], 200) => "processes",
            ("GET" | "PUT", ["applications", _, "deployment-hook"], 200) => "hook",
            ("POST", ["applications", _, "deployment-hook"], 201) => "hook",
            ("GET", ["api-keys", "validate"], 200) => "key",
            _ if is_its => panic!("{method} {path} answers {status}, which is not documented"),
            _ => return None,
        };
        Some(name.to_owned())
    }

    /// The schema of the answer to a request in git.dev's dialect, if the contract documents it.
    pub fn of_answer(method: &str, path: &str, status: u16) -> Option<String> {
        let path = path.split('?').next().unwrap().trim_end_matches('/');
        let below = path.strip_prefix("/v1/deployments")?;
        let parts: Vec<&str> = below.split('/').skip(1).collect();
        let name = match (method, parts.as_slice(), status) {
            (_, _, 400..) => return Some(format!("error_{status}")),
            ("POST", [], 201) => "created",
            ("GET", [], 200) => "list",
            ("GET", [_], 200) => "deployment",
            ("GET", [_, "logs"], 200) => "lines",
            ("POST", [_, "cancel"], 200) => "cancelled",
            _ => return None,
        };
        Some(name.to_owned())
    }

    pub fn check(&self, name: &str, found: &Value) -> Result<(), String> {
        let schema = self.documented["$defs"].get(name);
        let schema = schema.ok_or(format!("there is no schema {name}"))?;
        self.fits(name, schema, found)
    }

    /// Every schema that has examples, with them.
    pub fn examples(&self) -> Vec<(&String, &Value)> {
        let all = self.documented["$defs"].as_object().unwrap().iter();
        all.filter_map(|(name, schema)| Some((name, schema.get("examples")?.as_array()?)))
            .flat_map(|(name, examples)| examples.iter().map(move |example| (name, example)))
            .collect()
    }

    /// The words of an enumeration.
    pub fn words(&self, name: &str) -> Vec<Value> {
        self.documented["$defs"][name]["enum"]
            .as_array()
            .unwrap()
            .clone()
    }

    fn matches(&self, pattern: &str, text: &str) -> bool {
        let mut patterns = self.patterns.borrow_mut();
        let made = patterns.entry(pattern.to_owned());
        let made = made.or_insert_with(|| Regex::new(pattern).unwrap());
        made.is_match(text)
    }

    fn fits(&self, at: &str, schema: &Value, found: &Value) -> Result<(), String> {
        for (word, rule) in schema.as_object().unwrap() {
            let holds = match word.as_str() {
                "$ref" => {
                    let name = rule.as_str().unwrap().strip_prefix("#/$defs/").unwrap();
                    self.check(name, found)?;
                    true
                }
                "anyOf" => {
                    let tried = rule.as_array().unwrap().iter();
                    let tried = tried.map(|schema| self.fits(at, schema, found));
                    tried.into_iter().any(|fits| fits.is_ok())
                }
                "type" => {
                    let kinds = rule
                        .as_array()
                        .map_or(vec![rule], |all| all.iter().collect());
                    kinds.iter().any(|kind| is_a(kind.as_str().unwrap(), found))
                }
                "not" => self.fits(at, rule, found).is_err(),
                "enum" => rule.as_array().unwrap().contains(found),
                "maximum" => !found.is_number() || found.as_f64() <= rule.as_f64(),
                "maxLength" => match found.as_str() {
                    Some(text) => text.chars().count() as u64 <= rule.as_u64().unwrap(),
                    None => true,
                },
                "minLength" => match found.as_str() {
                    Some(text) => text.chars().count() as u64 >= rule.as_u64().unwrap(),
                    None => true,
                },
                "minimum" => !found.is_number() || found.as_f64() >= rule.as_f64(),
                "pattern" => match found.as_str() {
                    Some(text) => self.matches(rule.as_str().unwrap(), text),
                    None => true,
                },
                "required" => {
                    let mut keys = rule.as_array().unwrap().iter();
                    keys.all(|key| found.get(key.as_str().unwrap()).is_some())
                }
                "properties" => {
                    for (key, value) in found.as_object().into_iter().flatten() {
                        if let Some(schema) = rule.get(key) {
                            self.fits(&format!("{at}.{key}"), schema, value)?;
                        }
                    }
                    true
                }
                "additionalProperties" => {
                    assert_eq!(rule, false);
                    let known = &schema["properties"];
                    let mut keys = found.as_object().into_iter().flat_map(Map::keys);
                    keys.all(|key| known.get(key).is_some())
                }
                "items" => {
                    for (index, item) in found.as_array().into_iter().flatten().enumerate() {
                        self.fits(&format!("{at}[{index}]"), rule, item)?;
                    }
                    true
                }
                "examples" => true,
                unknown => panic!("{at}: nobody knows what {unknown} means"),
            };
            if !holds {
                return Err(format!("{at}: {found} breaks {word}: {rule}"));
            }
        }
        Ok(())
    }
}

fn is_a(kind: &str, found: &Value) -> bool {
    match kind {
        "object" => found.is_object(),
        "array" => found.is_array(),
        "string" => found.is_string(),
        "number" => found.is_number(),
        "integer" => found.is_i64() || found.is_u64(),
        "boolean" => found.is_boolean(),
        "null" => found.is_null(),
        unknown => panic!("nobody knows what a {unknown} is"),
    }
}

/// Everything that can be wrong with an answer in one place: each value gone, of another type, out of its form; at each
/// closed object a key more. Values that stand in no schema are not touched.
pub fn mutations(answer: &Value) -> Vec<(String, Value)> {
    let mut places = vec![String::new()];
    collect("", answer, &mut places);
    let mut mutated = Vec::new();
    for place in &places {
        let value = answer.pointer(place).unwrap();
        let others: &[Value] = match value {
            Value::Object(_) => &[json!([]), json!("x"), Value::Null],
            Value::Array(_) => &[json!({}), Value::Null],
            Value::String(_) => &[json!(7), json!(["x"])],
            Value::Number(_) => &[json!("7"), json!(-1), json!(0.5)],
            Value::Bool(_) => &[json!("true"), json!(1)],
            Value::Null => &[json!(false), json!(["x"])],
        };
        for other in others {
            let mut bad = answer.clone();
            *bad.pointer_mut(place).unwrap() = other.clone();
            mutated.push((format!("{place} is {other}"), bad));
        }
        let (parent, key) = place.rsplit_once('/').unwrap_or_default();
        let mut bad = answer.clone();
        if let Some(Value::Object(object)) = bad.pointer_mut(parent)
            && object.remove(key).is_some()
        {
            mutated.push((format!("{place} is absent"), bad));
        }
    }
    mutated
}

fn collect(at: &str, value: &Value, places: &mut Vec<String>) {
    let below: Vec<(String, &Value)> = match value {
        Value::Object(object) => object
            .iter()
            .map(|(key, value)| (key.clone(), value))
            .collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(index, item)| (index.to_string(), item))
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    for (key, value) in below {
        let at = format!("{at}/{key}");
        places.push(at.clone());
        collect(&at, value, places);
    }
}

//! Commands that are run to their end from the image of a deployment, each in a container of its own: those of `release`
//! and those under `[app.tasks]`. And where containers find what the deployment brought for them.

use super::deployment::Wanted;
use super::job::JobEvent;
use super::name::{TaskName, VariableName};
use super::spec::Spec;
use serde::{Deserialize, Serialize};

/// What GitHub calls a deployment that asks for no task.
pub const DEPLOY: &str = "deploy";

/// What a container is told where the deployment brought no payload.
pub const NO_PAYLOAD: &str = "{}";

/// The longest payload that fits into an environment variable whatever its name: what the kernel lets one be, 128 KiB,
/// less the longest name, the equals sign and the final NUL.
pub const LONGEST_IN_VARIABLE: usize = 128 * 1024 - 257;

/// A command as the configuration says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// The program and its arguments; never empty. They take the place of the image's command.
    pub words: Vec<String>,
    /// Whether it is run again where it was cut off before it ended by itself.
    #[serde(default)]
    pub retry: bool,
}

impl std::fmt::Display for Command {
    /// As it could be typed.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let is_plain = |word: &str| {
            !word.is_empty() && !word.contains(|c: char| c.is_whitespace() || "\"'\\$`".contains(c))
        };
        for (index, word) in self.words.iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            match word {
                word if is_plain(word) => write!(f, "{space}{word}")?,
                word => write!(f, "{space}{word:?}")?,
            }
        }
        Ok(())
    }
}

/// Where a container finds the payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PayloadPlace {
    /// In this variable.
    Env(VariableName),
    /// In this file, by its absolute path.
    File(String),
}

/// Which command one is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// The one of `release` at this place, from 0.
    Release(usize),
    /// The task that was asked for.
    Task(TaskName),
    /// What a job runs at this event.
    Run(JobEvent),
}

impl Purpose {
    /// The words that are stored.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::Release(place) => format!("release {place}"),
            Self::Task(name) => format!("task {name}"),
            Self::Run(event) => format!("run {event}"),
        }
    }

    /// Reads the stored words back.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once(' ')? {
            ("release", place) => place.parse().ok().map(Self::Release),
            ("task", name) => TaskName::parse(name).ok().map(Self::Task),
            ("run", event) => JobEvent::parse(event).map(Self::Run),
            _ => None,
        }
    }
}

/// The commands a deployment runs, in order. What brings a release back, or only starts it anew, runs none of `release`:
/// what they prepare was prepared when the release was made. A task is run whenever it is asked for.
///
/// A task that the spec does not know is left out; it is refused before ([`unknown`]).
#[must_use]
pub fn commands_of<'a>(
    spec: &'a Spec,
    wanted: &Wanted,
    task: Option<&TaskName>,
) -> Vec<(Purpose, &'a Command)> {
    let release: &[Command] = match wanted {
        Wanted::Commit { .. } | Wanted::Image(_) => &spec.release,
        Wanted::Release(_) | Wanted::Restart => &[],
    };
    let release = release
        .iter()
        .enumerate()
        .map(|(place, command)| (Purpose::Release(place), command));
    let task = task.and_then(|name| {
        let command = spec.tasks.get(name)?;
        Some((Purpose::Task(name.clone()), command))
    });
    release.chain(task).collect()
}

/// The tasks there are, if the one that is asked for is none of them.
#[must_use]
pub fn unknown(spec: &Spec, task: Option<&TaskName>) -> Option<Vec<String>> {
    let asked = task?;
    if spec.tasks.contains_key(asked) {
        return None;
    }
    let own = spec.tasks.keys().map(TaskName::to_string);
    Some(std::iter::once(DEPLOY.to_owned()).chain(own).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_it_could_be_typed() {
        let command = |words: &[&str]| Command {
            words: words.iter().map(|word| (*word).to_owned()).collect(),
            retry: false,
        };
        for (words, shown) in [
            (&["./migrate"][..], "./migrate"),
            (&["sh", "-c", "a && b"], "sh -c \"a && b\""),
            (&["x", ""], "x \"\""),
        ] {
            assert_eq!(command(words).to_string(), shown);
        }
    }

    #[test]
    fn what_is_stored_of_a_purpose_is_read_back() {
        let task = TaskName::parse("deploy:seed").unwrap();
        for purpose in [
            Purpose::Release(0),
            Purpose::Release(12),
            Purpose::Task(task),
            Purpose::Run(JobEvent::Cron),
        ] {
            assert_eq!(Purpose::parse(&purpose.to_text()), Some(purpose));
        }
        for text in ["", "release", "release x", "run 1"] {
            assert_eq!(Purpose::parse(text), None, "{text}");
        }
    }
}

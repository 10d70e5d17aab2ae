//! What running containers print, kept beyond their lives: the lines, how severe they say they are, and how they are
//! asked for.

mod severity;
mod written;

pub use severity::severity_of;
pub use written::{Read, Written, micros_of};

use super::action::AppRef;
use super::container::OutputCursor;
use super::log::Stream;
use super::name::EnvironmentName;
use super::time::Timestamp;

/// How severe a line says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// For those who look for a fault, `trace` and `verbose` included.
    Debug,
    /// What happens, `notice` included.
    Info,
    /// Something may be wrong.
    Warn,
    /// Something is, `critical`, `fatal` and `panic` included.
    Error,
}

impl Severity {
    /// All of them, the least severe first.
    pub const ALL: [Self; 4] = [Self::Debug, Self::Info, Self::Warn, Self::Error];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }

    /// Reads the word back.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }

    /// This one and what is more severe.
    #[must_use]
    pub fn and_above(self) -> Vec<Self> {
        Self::ALL.into_iter().filter(|one| *one >= self).collect()
    }
}

/// A line that a running container printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeLine {
    /// The byte at which it begins in its environment's log. Grows from line to line, and is never used again.
    pub offset: u64,
    /// The engine's time of it, with its place among the lines of that time.
    pub cursor: OutputCursor,
    /// The engine's time of it.
    pub at: Timestamp,
    /// The same in microseconds since 1970.
    pub at_micros: i64,
    /// Which container printed it, by the engine's name.
    pub container: String,
    /// Which process of the app that is.
    pub process: String,
    /// The number of the release it ran.
    pub release: i64,
    /// Where it was printed; [`Stream::Agent`] for our own words about lines that are not there.
    pub stream: Stream,
    /// How severe it says it is; `None` if it says nothing.
    pub severity: Option<Severity>,
    /// The text, clean and redacted.
    pub text: String,
}

/// A request for what an environment's running containers printed.
#[derive(Clone, Debug)]
pub struct ReadRuntimeLog {
    /// Of which app.
    pub app: AppRef,
    /// Of which environment; the token's own, else the app's default, if absent.
    pub environment: Option<EnvironmentName>,
    /// Which lines.
    pub filter: RuntimeFilter,
    /// Which of them.
    pub range: RuntimeRange,
    /// How many at most.
    pub limit: u32,
}

/// Which part of the log is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuntimeRange {
    /// The last ones, oldest first.
    Last,
    /// From this byte on, in order; with `wait` it is waited for a line (up to [`super::action::LOG_WAIT`]) when there is
    /// none yet.
    From {
        /// 0, or an offset an earlier answer gave.
        offset: u64,
        /// Whether to wait.
        wait: bool,
    },
}

/// Which lines are meant. Everything that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuntimeFilter {
    /// Not printed before.
    pub since: Option<Timestamp>,
    /// Not printed after.
    pub until: Option<Timestamp>,
    /// Only of this process.
    pub process: Option<String>,
    /// Only of this release.
    pub release: Option<i64>,
    /// Every one of these must hold.
    pub conditions: Vec<Condition>,
}

impl RuntimeFilter {
    /// Whether a line is meant. How severe it is is looked for only where that is asked.
    #[must_use]
    pub fn takes(&self, line: &Written<'_>) -> bool {
        let since = self
            .since
            .is_none_or(|since| line.micros >= since.0.saturating_mul(1000));
        // The whole of the millisecond.
        let until = self
            .until
            .is_none_or(|until| line.micros <= until.0.saturating_mul(1000).saturating_add(999));
        let process = self.process.as_deref();
        since
            && until
            && process.is_none_or(|process| process == line.process)
            && self.release.is_none_or(|release| release == line.release)
            && self.conditions.iter().all(|one| one.holds(line))
    }
}

impl Condition {
    fn holds(&self, line: &Written<'_>) -> bool {
        match self {
            Self::Severity { any, not } => {
                let severity = severity_of(line.text).unwrap_or(Severity::Info);
                any.contains(&severity) != *not
            }
            Self::Stream(stream) => *stream == line.stream,
            Self::Contains { any, not } => {
                any.iter().any(|part| line.text.contains(part.as_str())) != *not
            }
            Self::Equals { any, not } => any.iter().any(|text| line.text == text) != *not,
            Self::Label {
                label,
                any,
                partly,
                not,
            } => label.holds_one(line, any, *partly) != *not,
        }
    }
}

/// A condition on a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Its severity is one of these (or, `not`, none of these). A line that says nothing counts as [`Severity::Info`].
    Severity {
        /// The severities.
        any: Vec<Severity>,
        /// Turned round.
        not: bool,
    },
    /// It was printed there.
    Stream(Stream),
    /// Its text holds one of these (or, `not`, none of these), as they are written.
    Contains {
        /// The texts.
        any: Vec<String>,
        /// Turned round.
        not: bool,
    },
    /// Its text is one of these (or, `not`, none of these).
    Equals {
        /// The texts.
        any: Vec<String>,
        /// Turned round.
        not: bool,
    },
    /// What it is labelled with is one of these (or, `not`, none of these).
    Label {
        /// Which of its labels.
        label: Label,
        /// The texts.
        any: Vec<String>,
        /// Whether it is enough that the label holds one of them.
        partly: bool,
        /// Turned round.
        not: bool,
    },
}

impl Label {
    fn holds_one(self, line: &Written<'_>, any: &[String], partly: bool) -> bool {
        let release = line.release.to_string();
        let text = match self {
            Self::Container => line.container,
            Self::Process => line.process,
            Self::Release => &release,
            Self::Stream => line.stream.as_str(),
        };
        any.iter().any(|one| match partly {
            true => text.contains(one.as_str()),
            false => text == one,
        })
    }
}

/// What a line is labelled with, beside its time and its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// Which container printed it, by the engine's name.
    Container,
    /// Which process of the app that is.
    Process,
    /// The number of the release it ran, in digits.
    Release,
    /// Where it was printed, by the stream's word.
    Stream,
}

/// A part of a runtime log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimePage {
    /// The lines, oldest first.
    pub lines: Vec<RuntimeLine>,
    /// The byte at which to go on.
    pub next: u64,
}

//! Which lines of a runtime log somebody wants.

use super::exit::Error;
use super::moment;
use crate::core::time::Timestamp;
use clap::Args;

/// How many lines are shown where nobody says how many.
const LAST: u32 = 100;

/// Which lines.
#[derive(Debug, Args)]
#[command(next_help_heading = "With an app")]
pub struct Filter {
    /// Of this environment
    #[arg(long, value_name = "E")]
    environment: Option<String>,
    /// Only what was printed since then: 1h, 2d, or 2025-03-14T10:32:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only what was printed until then
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Only lines that say they are so severe or more; one that says nothing is info
    #[arg(long, value_name = "LEVEL", value_parser = ["debug", "info", "warn", "error"])]
    severity: Option<String>,
    /// Only lines that hold this text
    #[arg(long, value_name = "TEXT")]
    grep: Option<String>,
    /// Only of this process
    #[arg(long, value_name = "NAME")]
    process: Option<String>,
    /// Only of this release
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..))]
    release: Option<i64>,
    /// How many of the newest lines come first, up to 1000 [default: 100]
    #[arg(short = 'n', long = "lines", value_name = "N", value_parser = clap::value_parser!(u32).range(0..=1000))]
    lines: Option<u32>,
}

impl Filter {
    /// The environment.
    pub fn environment(&self) -> Option<&str> {
        self.environment.as_deref()
    }

    /// How many of the newest lines.
    pub fn limit(&self) -> u32 {
        self.lines.unwrap_or(LAST)
    }

    /// What of it does not concern a deployment's log.
    pub fn foreign_to_a_deployment(&self) -> Option<&'static str> {
        [
            ("--since", self.since.is_some()),
            ("--until", self.until.is_some()),
            ("--severity", self.severity.is_some()),
            ("--grep", self.grep.is_some()),
            ("--process", self.process.is_some()),
            ("--release", self.release.is_some()),
            ("-n", self.lines.is_some()),
        ]
        .into_iter()
        .find_map(|(name, is_given)| is_given.then_some(name))
    }

    /// The parameters of a question.
    pub fn parts(&self) -> Result<Vec<(&'static str, Option<String>)>, Error> {
        let time = |name: &str, given: &Option<String>| {
            let given = given.as_deref();
            given.map(|text| moment(name, text)).transpose()
        };
        Ok(vec![
            ("environment", self.environment.clone()),
            ("since", time("--since", &self.since)?),
            ("until", time("--until", &self.until)?),
            ("severity", self.severity.clone()),
            ("contains", self.grep.clone()),
            ("process", self.process.clone()),
            ("release", self.release.map(|number| number.to_string())),
        ])
    }
}

/// A time of its own, or so long ago.
fn moment(name: &str, text: &str) -> Result<String, Error> {
    let ago = || {
        let ago = humantime::parse_duration(text).ok()?;
        let ago = i64::try_from(ago.as_millis()).ok()?;
        Some(Timestamp(moment::now().0.checked_sub(ago)?))
    };
    let at = moment::parse(text).or_else(ago);
    let at = at.ok_or_else(|| {
        Error::usage(format!(
            "{name} '{text}' is no time: write how long ago, like 30s or 2h, or a time like 2025-03-14T10:32:00Z"
        ))
    })?;
    Ok(at.to_millis_string())
}

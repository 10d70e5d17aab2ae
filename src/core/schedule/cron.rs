//! The five fields of cron: what they may say, and which time of a wall clock comes next by them.

use croner::parser::{CronParser, Seconds, Year};
use croner::{CivilDateTime, CronDateTime, Resolution, Weekday, errors::CronError};
use jiff::civil::{DateTime, date};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// The five fields of a schedule: as crontab(5) has them, without nicknames, seconds, or what other programs added.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cron {
    text: String,
    /// Shared: it has a place for every year there may be, and specs are copied at every turn.
    pattern: Arc<croner::Cron>,
    /// Whether minute and hour name times of the day, and no rhythm.
    pub(super) by_the_day: bool,
}

/// One of the five fields.
struct Field {
    name: &'static str,
    low: u8,
    high: u8,
    /// What the numbers from `low` on are also called.
    names: &'static [&'static str],
}

const MONTHS: &[&str] = &[
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];
const DAYS: &[&str] = &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

const FIELDS: [Field; 5] = [
    field("minute", 0, 59, &[]),
    field("hour", 0, 23, &[]),
    field("day of the month", 1, 31, &[]),
    field("month", 1, 12, MONTHS),
    // Sunday is both.
    field("day of the week", 0, 7, DAYS),
];

const fn field(name: &'static str, low: u8, high: u8, names: &'static [&'static str]) -> Field {
    Field {
        name,
        low,
        high,
        names,
    }
}

impl Cron {
    /// Reads the five fields.
    ///
    /// # Errors
    /// Says which field is not one and why, or that the schedule's time never comes; to be read after the key's name.
    pub fn parse(text: &str) -> Result<Self, String> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        if text.trim_start().starts_with('@') {
            return Err(format!(
                "must be five fields, like \"0 0 * * *\", not the nickname {text:?}"
            ));
        }
        if fields.len() != FIELDS.len() {
            let seconds = match fields.len() {
                6 | 7 => "; seconds and years are none of them",
                _ => "",
            };
            return Err(format!(
                "must have five fields (minute, hour, day of the month, month, day of the week), like \"0 3 * * *\", and has {}{seconds}",
                fields.len()
            ));
        }
        for (field, text) in FIELDS.iter().zip(&fields) {
            field
                .check(text)
                .map_err(|why| format!("has {text:?} for the {}: {why}", field.name))?;
        }
        let text = fields.join(" ");
        let parser = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            .build();
        let pattern = parser
            .parse(&text)
            .map_err(|error| format!("cannot be read: {error}"))?;
        let cron = Self {
            by_the_day: !fields[0].contains('*') && !fields[1].contains('*'),
            text,
            pattern: Arc::new(pattern),
        };
        match cron.comes() {
            true => Ok(cron),
            false => Err(format!(
                "is {:?}, and no month it names has such a day: its time would never come",
                cron.text
            )),
        }
    }

    /// The five fields, with one space between them.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether any day is one of its own. A leap year has every date there is, and every weekday.
    fn comes(&self) -> bool {
        let first = date(2000, 1, 1).at(0, 0, 0, 0);
        let before = first.saturating_sub(jiff::Span::new().seconds(1));
        self.on_the_wall(before, false)
            .is_some_and(|comes| comes.year() <= 2000)
    }

    /// The next time the wall clock shows it, of a clock that is never set.
    pub(super) fn on_the_wall(&self, after: DateTime, inclusive: bool) -> Option<DateTime> {
        let next = self.pattern.find_next_occurrence(&Wall(after), inclusive);
        next.ok().map(|Wall(next)| next)
    }
}

impl PartialEq for Cron {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Cron {}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for Cron {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<Cron> for String {
    fn from(cron: Cron) -> Self {
        cron.text
    }
}

impl Field {
    /// A list of entries, each with a step or without.
    fn check(&self, text: &str) -> Result<(), String> {
        text.split(',').try_for_each(|entry| self.entry(entry))
    }

    fn entry(&self, text: &str) -> Result<(), String> {
        let (range, step) = match text.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (text, None),
        };
        let is_range = match (range, range.split_once('-')) {
            ("*", _) => true,
            (_, Some((from, to))) => {
                let (first, last) = (self.value(from, false)?, self.value(to, true)?);
                if first > last {
                    return Err(format!(
                        "the range {range} goes backwards; write both of its parts, with a comma between them"
                    ));
                }
                true
            }
            (one, None) => {
                self.value(one, false)?;
                false
            }
        };
        let Some(step) = step else { return Ok(()) };
        if !is_range {
            return Err(format!(
                "the step of {text} needs a * or a range before it, like */{step}"
            ));
        }
        match number(step) {
            Some(step) if step >= 1 && step <= self.high => Ok(()),
            _ => Err(format!(
                "the step of {text} must be a number from 1 to {}",
                self.high
            )),
        }
    }

    /// A number, or what it is called. A week that ends with Sunday ends with its 7.
    fn value(&self, text: &str, ends: bool) -> Result<u8, String> {
        let name = self
            .names
            .iter()
            .position(|name| name.eq_ignore_ascii_case(text));
        if let Some(index) = name {
            let value = self.low + u8::try_from(index).unwrap_or(self.high);
            return Ok(if ends && value == 0 { 7 } else { value });
        }
        match number(text) {
            Some(value) if (self.low..=self.high).contains(&value) => Ok(value),
            _ => {
                let names = match self.names {
                    [first, .., last] => format!(" or {first} to {last}"),
                    [_] | [] => String::new(),
                };
                Err(format!(
                    "{text:?} is none of {} to {}{names}",
                    self.low, self.high
                ))
            }
        }
    }
}

/// At most two digits and nothing else.
fn number(text: &str) -> Option<u8> {
    let is_number = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

/// What a wall clock shows that is never set: what a schedule's fields are compared with. Where the clock is set is not
/// left to the one who compares: he would leave out one of several times of an hour that does not come, and run it twice
/// where the hour does.
#[derive(Clone)]
struct Wall(DateTime);

impl CronDateTime for Wall {
    fn to_civil(&self) -> CivilDateTime {
        let at = self.0;
        let part = |part: i8| u32::from(part.unsigned_abs());
        CivilDateTime::new(
            croner::CivilDate::from_parts_unchecked(
                i32::from(at.year()),
                part(at.month()),
                part(at.day()),
            ),
            croner::CivilTime::from_parts_unchecked(
                part(at.hour()),
                part(at.minute()),
                part(at.second()),
            ),
        )
    }

    fn civil_weekday(&self) -> Weekday {
        let day = self.0.weekday().to_sunday_zero_offset();
        Weekday::from_days_from_sunday(u32::from(day.unsigned_abs()))
    }

    fn resolve_civil(&self, civil: CivilDateTime) -> Result<Resolution<Self>, CronError> {
        let part = |part: u32| i8::try_from(part).map_err(|_| CronError::InvalidDate);
        let year = i16::try_from(civil.year()).map_err(|_| CronError::InvalidDate)?;
        let at = DateTime::new(
            year,
            part(civil.month())?,
            part(civil.day())?,
            part(civil.hour())?,
            part(civil.minute())?,
            part(civil.second())?,
            0,
        );
        let at = at.map_err(|_| CronError::InvalidDate)?;
        Ok(Resolution::Single(Self(at)))
    }

    fn checked_add_seconds(&self, seconds: i64) -> Option<Self> {
        let span = jiff::Span::new().try_seconds(seconds).ok()?;
        self.0.checked_add(span).ok().map(Self)
    }

    fn cmp_instant(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_five_fields_are_those_of_crontab_and_nothing_else() {
        for text in [
            "* * * * *",
            "*/15 0-23/2 1,15 jan-mar,DEC mon-fri",
            "0 0 29 2 *",
            "0 0 31 1,2 *",
            "0 0 30 2 MON",
            "5 4 * * 7",
            "  0\t3  * * SUN ",
        ] {
            let cron = Cron::parse(text).unwrap();
            assert_eq!(cron.as_str().split(' ').count(), 5);
            assert_eq!(Cron::parse(cron.as_str()).unwrap(), cron);
        }
        for (text, fault) in [
            (
                "",
                "must have five fields (minute, hour, day of the month, month, day of the week), like \"0 3 * * *\", and has 0",
            ),
            ("0 3 * *", "and has 4"),
            (
                "0 0 3 * * *",
                "and has 6; seconds and years are none of them",
            ),
            (
                "@daily",
                "must be five fields, like \"0 0 * * *\", not the nickname \"@daily\"",
            ),
            (
                "60 * * * *",
                "has \"60\" for the minute: \"60\" is none of 0 to 59",
            ),
            (
                "0 24 * * *",
                "has \"24\" for the hour: \"24\" is none of 0 to 23",
            ),
            (
                "0 0 0 * *",
                "for the day of the month: \"0\" is none of 1 to 31",
            ),
            (
                "0 0 * 13 *",
                "for the month: \"13\" is none of 1 to 12 or JAN to DEC",
            ),
            (
                "0 0 * * 8",
                "for the day of the week: \"8\" is none of 0 to 7 or SUN to SAT",
            ),
            ("0 0 * JANUARY *", "for the month: \"JANUARY\" is none"),
            ("SUN 0 * * *", "for the minute: \"SUN\" is none"),
            ("0 0 L * *", "for the day of the month: \"L\" is none"),
            ("0 0 15W * *", "for the day of the month: \"15W\" is none"),
            ("0 0 * * 5#2", "for the day of the week: \"5#2\" is none"),
            ("0 0 * * +1", "for the day of the week: \"+1\" is none"),
            ("0 0 ? * 1", "for the day of the month: \"?\" is none"),
            ("0,, * * * *", "for the minute: \"\" is none"),
            (
                "0 22-2 * * *",
                "for the hour: the range 22-2 goes backwards",
            ),
            ("0 0 * * SAT-MON", "the range SAT-MON goes backwards"),
            (
                "5/10 * * * *",
                "the step of 5/10 needs a * or a range before it, like */10",
            ),
            (
                "*/0 * * * *",
                "the step of */0 must be a number from 1 to 59",
            ),
            ("*/x * * * *", "the step of */x must be a number"),
            ("1-2-3 * * * *", "for the minute: \"2-3\" is none"),
            ("-1 * * * *", "for the minute: \"\" is none"),
            (
                "0 0 30 2 *",
                "is \"0 0 30 2 *\", and no month it names has such a day",
            ),
            ("0 0 31 4,6 *", "its time would never come"),
        ] {
            let found = Cron::parse(text).unwrap_err();
            assert!(found.contains(fault), "{text}: {found}");
        }
    }
}

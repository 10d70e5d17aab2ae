//! When a schedule's time comes: the five fields of cron, read on the wall clock of a time zone, and what has become due
//! since the schedule was looked at last.
//!
//! ```text
//!   minute, hour  say "*" ──▶ by elapsed time: every time the wall clock shows it, so in an hour that comes twice twice,
//!        │                    and not at all in one that is left out
//!        └─ say only numbers ▶ by the day: once, in an hour that comes twice the first time, and for a time that is left
//!                             out at the moment the wall clock goes on
//!
//!   look(seen, now):  seen ────────── now            Waiting
//!                     seen ──•──•──•─ now            Missed: the last is over by more than a minute
//!                     seen ──•──•──•now              Due: it has just come; those before it are missed
//!                     now ───── seen                 Waiting: what was run is not run again
//!                     now ──────── a day ────── seen Begin: the clock was wrong, and is now another
//! ```
//!
//! The time zones are a part of this program: what comes next is a function of its arguments, on every host the same.

use super::job::Schedule;
use super::time::Timestamp;
use croner::parser::{CronParser, Seconds, Year};
use croner::{CivilDateTime, CronDateTime, Resolution, Weekday, errors::CronError};
use jiff::civil::{DateTime, date};
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::fmt;

/// How late a time is still run as due: longer than the scheduler sleeps, and than a restart of the daemon takes.
pub const LATE: i64 = 60_000;
/// By how much a clock that is set back is one that was put right, in milliseconds: more, and what is written down is of
/// a time that was never there.
const SET_BACK: i64 = 24 * 3600 * 1000;
/// So many missed times are counted one by one; nobody wants to know a larger number exactly.
pub const MOST_COUNTED: u32 = 1000;

/// The five fields of a schedule: as crontab(5) has them, without nicknames, seconds, or what other programs added.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cron {
    text: String,
    pattern: croner::Cron,
    /// Whether minute and hour name times of the day, and no rhythm.
    by_the_day: bool,
}

/// A time zone by its name in the IANA database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Zone {
    name: String,
    zone: TimeZone,
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
            pattern,
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
    fn on_the_wall(&self, after: DateTime, inclusive: bool) -> Option<DateTime> {
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

impl Zone {
    /// Finds a time zone, however its name's letters are cased.
    ///
    /// # Errors
    /// If there is none of that name; to be read after the key's name.
    pub fn parse(text: &str) -> Result<Self, String> {
        let zone = TimeZoneDatabase::bundled().get(text);
        let zone = zone.map_err(|_| {
            format!("must be a time zone's name, like \"Europe/Berlin\" or \"UTC\", not {text:?}")
        })?;
        let name = zone.iana_name().unwrap_or(text).to_owned();
        Ok(Self { name, zone })
    }

    /// The one that nobody sets.
    #[must_use]
    pub fn utc() -> Self {
        Self {
            name: "UTC".to_owned(),
            zone: TimeZone::UTC,
        }
    }

    /// Its name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// The names of all there are.
    #[must_use]
    pub fn names() -> Vec<String> {
        let database = TimeZoneDatabase::bundled();
        database.available().map(|name| name.to_string()).collect()
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl TryFrom<String> for Zone {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<Zone> for String {
    fn from(zone: Zone) -> Self {
        zone.name
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

/// The first time of a schedule after another; `None` where the calendar ends.
#[must_use]
pub fn next(schedule: &Schedule, after: Timestamp) -> Option<Timestamp> {
    let after = jiff::Timestamp::from_millisecond(after.0).ok()?;
    let (cron, zone) = (&schedule.cron, &schedule.time_zone.zone);
    let next = match cron.by_the_day {
        true => next_of_the_day(cron, zone, after),
        false => next_elapsed(cron, zone, after),
    };
    next.map(|next| Timestamp(next.as_millisecond()))
}

/// Times of the day are looked for on the wall, each of which is one moment.
fn next_of_the_day(
    cron: &Cron,
    zone: &TimeZone,
    after: jiff::Timestamp,
) -> Option<jiff::Timestamp> {
    let mut wall = zone.to_datetime(after);
    // In an hour that comes the second time, the wall shows times whose moment is over.
    loop {
        wall = cron.on_the_wall(wall, false)?;
        let moment = moment(zone, wall)?;
        if moment > after {
            return Some(moment);
        }
    }
}

/// When the wall shows a time of the day: first, or would have.
fn moment(zone: &TimeZone, wall: DateTime) -> Option<jiff::Timestamp> {
    match zone.to_ambiguous_timestamp(wall).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(wall).ok(),
        AmbiguousOffset::Fold { before, .. } => before.to_timestamp(wall).ok(),
        AmbiguousOffset::Gap { after, .. } => {
            // By the clock that is set later, it is not set yet.
            let earlier = after.to_timestamp(wall).ok()?;
            zone.following(earlier).next().map(|set| set.timestamp())
        }
    }
}

/// A rhythm is looked for from one setting of the clock to the next, between which it goes evenly.
fn next_elapsed(cron: &Cron, zone: &TimeZone, after: jiff::Timestamp) -> Option<jiff::Timestamp> {
    let (mut from, mut inclusive) = (after, false);
    loop {
        let offset = zone.to_offset(from);
        let wall = cron.on_the_wall(offset.to_datetime(from), inclusive)?;
        let at = offset.to_timestamp(wall).ok()?;
        match zone.following(from).next() {
            Some(set) if set.timestamp() <= at => (from, inclusive) = (set.timestamp(), true),
            Some(_) | None => return Some(at),
        }
    }
}

/// What a look at a schedule says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Nothing has come since; this comes next.
    Waiting {
        /// When; `None` where the calendar ends.
        next: Option<Timestamp>,
    },
    /// A time has just come.
    Due {
        /// Which.
        at: Timestamp,
        /// How many before it were missed; at most [`MOST_COUNTED`].
        missed: u32,
    },
    /// The last time that came is over, and nobody was there.
    Missed {
        /// The last.
        last: Timestamp,
        /// How many there were, with it; at most [`MOST_COUNTED`].
        count: u32,
    },
    /// It has no time before now: it is looked at for the first time, or the clock was set back by so much that what was
    /// seen says nothing.
    Begin {
        /// By how many milliseconds the clock was set back, if it was.
        set_back: Option<i64>,
    },
}

/// Looks at a schedule whose times up to `seen` are done with.
#[must_use]
pub fn look(schedule: &Schedule, seen: Option<Timestamp>, now: Timestamp) -> Look {
    let Some(seen) = seen else {
        return Look::Begin { set_back: None };
    };
    let set_back = seen.millis_since(now);
    if set_back > SET_BACK {
        return Look::Begin {
            set_back: Some(set_back),
        };
    }
    match passed(schedule, seen, now) {
        None => Look::Waiting {
            next: next(schedule, seen),
        },
        Some((at, count)) if now.millis_since(at) <= LATE => Look::Due {
            at,
            missed: count - 1,
        },
        Some((last, count)) => Look::Missed { last, count },
    }
}

/// When a schedule's time comes next, for those who read: what is due now is about to be.
#[must_use]
pub fn upcoming(schedule: &Schedule, seen: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
    match look(schedule, seen, now) {
        Look::Waiting { next } => next,
        Look::Due { .. } | Look::Missed { .. } | Look::Begin { .. } => next(schedule, now),
    }
}

/// The last time that has come, and how many have.
fn passed(schedule: &Schedule, seen: Timestamp, now: Timestamp) -> Option<(Timestamp, u32)> {
    let comes = |from| next(schedule, from).filter(|at| *at <= now);
    let mut last = comes(seen)?;
    let mut count = 1;
    while let Some(at) = comes(last) {
        if count == MOST_COUNTED {
            return Some((latest(schedule, at, now), count));
        }
        last = at;
        count += 1;
    }
    Some((last, count))
}

/// The last time up to now, of a schedule that has come at `known`.
fn latest(schedule: &Schedule, known: Timestamp, now: Timestamp) -> Timestamp {
    let comes = |from| next(schedule, from).filter(|at| *at <= now);
    let mut back = LATE;
    // Ever further back until there is one: then few are between it and now.
    let mut last = loop {
        let from = Timestamp(now.0.saturating_sub(back));
        match comes(from) {
            _ if from <= known => break known,
            Some(at) => break at,
            None => back = back.saturating_mul(2),
        }
    };
    while let Some(at) = comes(last) {
        last = at;
    }
    last
}

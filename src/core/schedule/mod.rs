//! When a schedule's time comes: the five fields of cron, read on the wall clock of a time zone, and what has become due
//! since the schedule was looked at last.
//!
//! ```text
//!   minute, hour  say "*" ──▶ by elapsed time: every time the wall clock shows it, so in an hour that comes twice twice,
//!        │                    and not at all in one that is left out
//!        └─ say only numbers ▶ by the day: once, in an hour that comes twice the first time, and for a time that is left
//!                             out at the moment the wall clock goes on
//! ```
//!
//! The time zones are a part of this program: what comes next is a function of its arguments, on every host the same.

mod cron;
mod look;
mod zone;

pub use cron::Cron;
pub use look::{LATE, Look, MOST_COUNTED, look, upcoming};
pub use zone::Zone;

use super::job::Schedule;
use super::time::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::job::Missed;
    use proptest::prelude::*;

    fn schedule(cron: &str, zone: &str) -> Schedule {
        Schedule {
            cron: Cron::parse(cron).unwrap(),
            time_zone: Zone::parse(zone).unwrap(),
            missed: Missed::Skip,
        }
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    /// All times of a schedule between two moments, the first left out and the last not.
    fn between(schedule: &Schedule, from: &str, to: &str) -> Vec<String> {
        let (mut from, to) = (at(from), at(to));
        let mut times = Vec::new();
        while let Some(time) = next(schedule, from).filter(|time| *time <= to) {
            assert!(time > from);
            times.push(time.to_seconds_string()[5..16].to_owned());
            from = time;
        }
        times
    }

    #[test]
    fn a_time_of_the_day_is_kept_by_the_wall_clock_all_the_year() {
        let berlin = schedule("0 3 * * *", "Europe/Berlin");
        assert_eq!(
            between(&berlin, "2026-03-27T12:00:00Z", "2026-03-30T12:00:00Z"),
            ["03-28T02:00", "03-29T01:00", "03-30T01:00"]
        );
        let new_york = schedule("30 9 * * MON-FRI", "America/New_York");
        assert_eq!(
            between(&new_york, "2026-10-30T12:00:00Z", "2026-11-03T15:00:00Z"),
            ["10-30T13:30", "11-02T14:30", "11-03T14:30"]
        );
    }

    #[test]
    fn what_is_left_out_when_clocks_go_forward_comes_once_just_after() {
        // Europe: 02:00 to 03:00 at 01:00 UTC.
        let (from, to) = ("2026-03-28T12:00:00Z", "2026-03-29T12:00:00Z");
        let times = |cron| between(&schedule(cron, "Europe/Berlin"), from, to);
        assert_eq!(times("30 2 * * *"), ["03-29T01:00"]);
        assert_eq!(times("0 2 * * *"), ["03-29T01:00"]);
        assert_eq!(times("0,15,59 2 * * *"), ["03-29T01:00"]);
        // Both are at the same moment.
        assert_eq!(times("0 2,3 * * *"), ["03-29T01:00"]);
        assert_eq!(
            times("30 1,2,3 * * *"),
            ["03-29T00:30", "03-29T01:00", "03-29T01:30"]
        );
        // The hour before is not touched by it.
        assert_eq!(times("59 1 * * *"), ["03-29T00:59"]);
        assert_eq!(times("0 0 * * *"), ["03-28T23:00"]);
        // A rhythm goes on by elapsed time.
        let hours = times("0 * * * *");
        assert_eq!(hours.len(), 24);
        assert_eq!(
            hours[11..15],
            ["03-29T00:00", "03-29T01:00", "03-29T02:00", "03-29T03:00"]
        );
        assert_eq!(times("*/15 2 * * *"), Vec::<String>::new());
        // By half an hour, at 2:00, and at midnight.
        let lord_howe = schedule("15 2 * * *", "Australia/Lord_Howe");
        assert_eq!(
            between(&lord_howe, "2026-10-03T12:00:00Z", "2026-10-04T12:00:00Z"),
            ["10-03T15:30"]
        );
        let cairo = schedule("30 0 * * *", "Africa/Cairo");
        assert_eq!(
            between(&cairo, "2026-04-23T12:00:00Z", "2026-04-24T12:00:00Z"),
            ["04-23T22:00"]
        );
    }

    #[test]
    fn what_comes_twice_when_clocks_go_back_is_taken_the_first_time() {
        // Europe: 03:00 to 02:00 at 01:00 UTC.
        let (from, to) = ("2026-10-24T12:00:00Z", "2026-10-25T12:00:00Z");
        let times = |cron| between(&schedule(cron, "Europe/Berlin"), from, to);
        assert_eq!(times("30 2 * * *"), ["10-25T00:30"]);
        assert_eq!(times("0 2 * * *"), ["10-25T00:00"]);
        assert_eq!(times("0 3 * * *"), ["10-25T02:00"]);
        assert_eq!(
            times("0,30 1-3 * * *"),
            [
                "10-24T23:00",
                "10-24T23:30",
                "10-25T00:00",
                "10-25T00:30",
                "10-25T02:00",
                "10-25T02:30"
            ]
        );
        let hours = times("0 * * * *");
        assert_eq!(hours.len(), 24);
        assert_eq!(
            hours[10..15],
            [
                "10-24T23:00",
                "10-25T00:00",
                "10-25T01:00",
                "10-25T02:00",
                "10-25T03:00"
            ]
        );
        assert_eq!(
            times("*/30 2 * * *"),
            ["10-25T00:00", "10-25T00:30", "10-25T01:00", "10-25T01:30"]
        );
        // Looked at from within the second of the two hours.
        let daily = schedule("30 2 * * *", "Europe/Berlin");
        assert_eq!(
            next(&daily, at("2026-10-25T01:10:00Z")),
            Some(at("2026-10-26T01:30:00Z"))
        );
    }

    #[test]
    fn days_of_the_month_and_of_the_week_are_either_or() {
        let both = schedule("0 0 13 * FRI", "UTC");
        assert_eq!(
            between(&both, "2026-11-12T12:00:00Z", "2026-11-27T12:00:00Z"),
            ["11-13T00:00", "11-20T00:00", "11-27T00:00"]
        );
        let leap = schedule("0 0 29 2 *", "UTC");
        assert_eq!(
            next(&leap, at("2096-03-01T00:00:00Z")),
            Some(at("2104-02-29T00:00:00Z"))
        );
        for sunday in ["0", "7", "SUN", "sun"] {
            let weekly = schedule(&format!("0 0 * * {sunday}"), "UTC");
            assert_eq!(
                next(&weekly, at("2026-11-28T14:00:00Z")),
                Some(at("2026-11-29T00:00:00Z"))
            );
        }
        let end = schedule("0 0 * JAN,dec FRI-SUN", "UTC");
        assert_eq!(
            between(&end, "2026-11-28T00:00:00Z", "2026-12-06T12:00:00Z"),
            ["12-04T00:00", "12-05T00:00", "12-06T00:00"]
        );
    }

    #[test]
    fn where_the_calendar_ends_nothing_comes() {
        let daily = schedule("0 3 * * *", "Europe/Berlin");
        assert_eq!(next(&daily, Timestamp(i64::MAX)), None);
        assert_eq!(next(&daily, Timestamp(i64::MIN)), None);
        assert_eq!(next(&daily, at("9999-12-31T12:00:00Z")), None);
    }

    proptest! {
        /// However it is asked, the times are the same and in order; and what the wall shows at a time is what the fields
        /// say, but where the clock was just set forward.
        #[test]
        fn what_comes_next_is_the_first_of_all_that_come(
            minute in prop_oneof![Just("*".to_owned()), Just("*/20".to_owned()), (0u8..60).prop_map(|m| m.to_string())],
            hour in prop_oneof![Just("*".to_owned()), Just("1-3".to_owned()), (0u8..24).prop_map(|h| h.to_string())],
            zone in prop::sample::select(vec!["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"]),
            days in 0i64..700, ahead in 1i64..200_000,
        ) {
            let schedule = schedule(&format!("{minute} {hour} * * *"), zone);
            let from = Timestamp(at("2026-01-01T00:00:00Z").0 + days * 86_400_000);
            let first = next(&schedule, from).unwrap();
            prop_assert!(first > from);
            // From anywhere before it, it is the next.
            let nearer = Timestamp((first.0 - ahead * 1000).max(from.0));
            prop_assert_eq!(next(&schedule, nearer), Some(first));
            prop_assert!(next(&schedule, first).unwrap() > first);
        }
    }
}

//! Points in time and stretches of it, as a person reads them.

use crate::core::time::Timestamp;
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Now, by this machine's clock; only ever shown.
#[expect(
    clippy::disallowed_methods,
    reason = "the command line has no other clock, and decides nothing by it"
)]
pub fn now() -> Timestamp {
    let nanos = OffsetDateTime::now_utc().unix_timestamp_nanos();
    Timestamp(i64::try_from(nanos / 1_000_000).unwrap_or(i64::MAX))
}

/// Reads `2025-03-14T10:32:00Z`, with or without a fraction.
pub fn parse(text: &str) -> Option<Timestamp> {
    let nanos = OffsetDateTime::parse(text, &Rfc3339)
        .ok()?
        .unix_timestamp_nanos();
    i64::try_from(nanos / 1_000_000).ok().map(Timestamp)
}

/// The time between two points; none if a clock was set back between them.
pub fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::from_millis(u64::try_from(to.millis_since(from)).unwrap_or(0))
}

/// `0.4s`, `14s`, `3m 05s`, `2h 07m`.
pub fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 => format!("{:.1}s", time.as_millis() as f64 / 1000.0),
        10..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h {:02}m", seconds / 3600, seconds / 60 % 60),
    }
}

/// `just now`, `12s ago`, `3m ago`, `2h ago`, `5d ago`; the date when that says more, which also is so for a future.
pub fn ago(at: Timestamp, now: Timestamp) -> String {
    let seconds = now.millis_since(at).div_euclid(1000);
    match seconds {
        // Two machines' clocks may differ a little.
        -60..5 => "just now".to_owned(),
        5..60 => format!("{seconds}s ago"),
        60..3600 => format!("{}m ago", seconds / 60),
        3600..86_400 => format!("{}h ago", seconds / 3600),
        86_400..2_592_000 => format!("{}d ago", seconds / 86_400),
        _ => at.to_seconds_string().chars().take(10).collect(),
    }
}

/// When something comes: for a person also how long that is, `in 3h, at 2025-03-14T10:32:00Z`.
pub fn ahead(at: Timestamp, to_a_person: bool) -> String {
    match to_a_person {
        true => until(at, now()),
        false => at.to_seconds_string(),
    }
}

fn until(at: Timestamp, now: Timestamp) -> String {
    let seconds = at.millis_since(now).div_euclid(1000);
    let when = at.to_seconds_string();
    match seconds {
        ..60 => format!("within a minute, at {when}"),
        60..3600 => format!("in {}m, at {when}", seconds / 60),
        3600..86_400 => format!("in {}h, at {when}", seconds / 3600),
        86_400.. => format!("in {}d, at {when}", seconds / 86_400),
    }
}

/// For a person how long ago it was, for a program when.
pub fn shown(at: Timestamp, to_a_person: bool) -> String {
    if to_a_person {
        ago(at, now())
    } else {
        at.to_seconds_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_in_time_are_told_by_how_long_ago_they_were() {
        let now = parse("2025-03-14T10:32:00Z").unwrap();
        for (text, expected) in [
            ("2025-03-14T10:32:30Z", "just now"),
            ("2025-03-14T10:31:59.001Z", "just now"),
            ("2025-03-14T10:31:48Z", "12s ago"),
            ("2025-03-14T10:29:00Z", "3m ago"),
            ("2025-03-14T07:32:00Z", "3h ago"),
            ("2025-03-09T10:31:00Z", "5d ago"),
            ("2024-12-31T00:00:00Z", "2024-12-31"),
            ("2031-01-01T00:00:00Z", "2031-01-01"),
        ] {
            assert_eq!(ago(parse(text).unwrap(), now), expected, "{text}");
        }
        for nonsense in ["", "yesterday", "2025-13-14T10:32:00Z", "1741948320"] {
            assert_eq!(parse(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn points_in_time_to_come_are_told_by_how_far_off_they_are() {
        let now = parse("2025-03-14T10:32:00Z").unwrap();
        for (text, expected) in [
            (
                "2025-03-14T10:31:00Z",
                "within a minute, at 2025-03-14T10:31:00Z",
            ),
            (
                "2025-03-14T10:32:59Z",
                "within a minute, at 2025-03-14T10:32:59Z",
            ),
            ("2025-03-14T11:00:00Z", "in 28m, at 2025-03-14T11:00:00Z"),
            ("2025-03-15T10:00:00Z", "in 23h, at 2025-03-15T10:00:00Z"),
            ("2025-04-01T00:00:00Z", "in 17d, at 2025-04-01T00:00:00Z"),
        ] {
            assert_eq!(until(parse(text).unwrap(), now), expected);
        }
    }

    #[test]
    fn durations_are_as_exact_as_a_person_wants_them() {
        for (millis, expected) in [
            (0, "0.0s"),
            (449, "0.4s"),
            (9_960, "10.0s"),
            (14_200, "14s"),
            (185_000, "3m 05s"),
            (7_620_000, "2h 07m"),
        ] {
            assert_eq!(duration(Duration::from_millis(millis)), expected);
        }
        assert_eq!(between(Timestamp(5), Timestamp(3)), Duration::ZERO);
    }
}

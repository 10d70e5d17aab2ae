//! Points in time as they are stored: milliseconds since 1970 in UTC.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

/// A point in wall time, in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Reads `2025-03-14T10:32:00Z` and its like (RFC 3339, with any offset), to the millisecond.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let nanos = OffsetDateTime::parse(text, &Rfc3339)
            .ok()?
            .unix_timestamp_nanos();
        i64::try_from(nanos.div_euclid(1_000_000)).ok().map(Self)
    }

    /// `2025-03-14T10:32:00Z`, the form of every API answer.
    #[must_use]
    pub fn to_seconds_string(self) -> String {
        self.date_time()
            .format(format_description!(
                "[year]-[month]-[day]T[hour]:[minute]:[second]Z"
            ))
            .unwrap_or_default()
    }

    /// `2025-03-14T10:32:00.123Z`, the form of a log line.
    #[must_use]
    pub fn to_millis_string(self) -> String {
        self.date_time()
            .format(format_description!(
                "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z"
            ))
            .unwrap_or_default()
    }

    /// Milliseconds from `earlier` to this point; negative when the clock was set back between the two.
    #[must_use]
    pub fn millis_since(self, earlier: Timestamp) -> i64 {
        self.0 - earlier.0
    }

    /// A row could hold any integer: what no calendar date exists for is shown as the epoch.
    fn date_time(self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_print_in_utc_with_and_without_milliseconds() {
        let at = Timestamp(1_741_948_320_045);
        assert_eq!(at.to_seconds_string(), "2025-03-14T10:32:00Z");
        assert_eq!(at.to_millis_string(), "2025-03-14T10:32:00.045Z");
        assert_eq!(
            Timestamp(i64::MAX).to_seconds_string(),
            "1970-01-01T00:00:00Z"
        );
    }

    #[test]
    fn timestamps_are_read_with_any_offset_and_nothing_else_is_one() {
        let at = Some(Timestamp(1_741_948_320_045));
        assert_eq!(Timestamp::parse("2025-03-14T10:32:00.045Z"), at);
        assert_eq!(Timestamp::parse("2025-03-14T12:02:00.0456+01:30"), at);
        for text in ["", "2025-03-14", "2025-03-14T10:32:00", "1741948320"] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }
}

//! A line of a runtime log as it stands in the file: the engine's time with a number, the release's number, the process,
//! the container, where it was printed, the text.

use super::{RuntimeLine, severity_of};
use crate::core::container::OutputCursor;
use crate::core::log::Stream;
use crate::core::time::Timestamp;
use std::fmt::Write as _;
use time::{Date, Month, Time};

/// What stands in a stream's place where only is said how far a container was read.
const READ: &str = "read";
/// How long a time of fixed width is: `2025-03-14T10:32:00.123456789Z`.
const TIME: usize = 30;

/// A line of output in a runtime log's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written<'a> {
    /// Its place in its container's output.
    pub cursor: &'a str,
    /// Its time, in microseconds since 1970.
    pub micros: i64,
    /// The release's number.
    pub release: i64,
    /// The process.
    pub process: &'a str,
    /// The container's name.
    pub container: &'a str,
    /// Where it was printed.
    pub stream: Stream,
    /// The text.
    pub text: &'a str,
}

/// How far a container was read, as any line of its output says, and a line without text that says nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Read<'a> {
    /// Up to here.
    pub cursor: &'a str,
    /// The release's number.
    pub release: i64,
    /// The process.
    pub process: &'a str,
    /// The container's name.
    pub container: &'a str,
}

impl<'a> Written<'a> {
    /// Takes a line of the file apart; `None` for one that is no line of output.
    #[must_use]
    pub fn parse(line: &'a str) -> Option<Self> {
        let (read, stream, text) = parts(line)?;
        let stream = match stream {
            "stdout" => Stream::Stdout,
            "stderr" => Stream::Stderr,
            "agent" => Stream::Agent,
            _ => return None,
        };
        Some(Self {
            cursor: read.cursor,
            micros: micros_of(read.cursor).unwrap_or_default(),
            release: read.release,
            process: read.process,
            container: read.container,
            stream,
            text,
        })
    }

    /// Writes it at the end of a text, with the line's end.
    pub fn write(&self, out: &mut String) {
        // Writing into a text cannot fail.
        let _ = writeln!(
            out,
            "{} {} {} {} {} {}",
            self.cursor,
            self.release,
            self.process,
            self.container,
            self.stream.as_str(),
            self.text
        );
    }

    /// The line for readers, which begins at that byte.
    #[must_use]
    pub fn line(&self, offset: u64) -> RuntimeLine {
        RuntimeLine {
            offset,
            cursor: OutputCursor(self.cursor.to_owned()),
            at: Timestamp(self.micros.div_euclid(1000)),
            at_micros: self.micros,
            container: self.container.to_owned(),
            process: self.process.to_owned(),
            release: self.release,
            stream: self.stream,
            severity: match self.stream {
                Stream::Stdout | Stream::Stderr => severity_of(self.text),
                Stream::Agent => None,
            },
            text: self.text.to_owned(),
        }
    }
}

impl<'a> Read<'a> {
    /// What a line of the file says of how far its container was read. Our own words say nothing of it.
    #[must_use]
    pub fn parse(line: &'a str) -> Option<Self> {
        let (read, stream, _) = parts(line)?;
        matches!(stream, "stdout" | "stderr" | READ).then_some(read)
    }

    /// Writes it at the end of a text, with the line's end.
    pub fn write(&self, out: &mut String) {
        // Writing into a text cannot fail.
        let _ = writeln!(
            out,
            "{} {} {} {} {READ} -",
            self.cursor, self.release, self.process, self.container
        );
    }
}

fn parts(line: &str) -> Option<(Read<'_>, &str, &str)> {
    let mut parts = line.splitn(6, ' ');
    let read = Read {
        cursor: parts.next()?,
        release: parts.next()?.parse().ok()?,
        process: parts.next()?,
        container: parts.next()?,
    };
    Some((read, parts.next()?, parts.next()?))
}

/// The time of a cursor, in microseconds since 1970; `None` if it has none.
#[must_use]
pub fn micros_of(cursor: &str) -> Option<i64> {
    let time = cursor.as_bytes().get(..TIME)?;
    let shape = b"0000-00-00T00:00:00.000000000Z";
    let fits = |(byte, shape): (&u8, &u8)| match shape {
        b'0' => byte.is_ascii_digit(),
        other => byte == other,
    };
    if !time.iter().zip(shape).all(fits) {
        return None;
    }
    let number = |from: usize, to: usize| {
        let digits = time[from..to].iter();
        digits.fold(0u32, |sum, digit| sum * 10 + u32::from(digit - b'0'))
    };
    let small = |from: usize, to: usize| u8::try_from(number(from, to)).ok();
    let month = Month::try_from(small(5, 7)?).ok()?;
    let year = i32::try_from(number(0, 4)).ok()?;
    let date = Date::from_calendar_date(year, month, small(8, 10)?).ok()?;
    let (hour, minute, second) = (small(11, 13)?, small(14, 16)?, small(17, 19)?);
    let time = Time::from_hms_micro(hour, minute, second, number(20, 26)).ok()?;
    let nanos = date.with_time(time).assume_utc().unix_timestamp_nanos();
    i64::try_from(nanos / 1000).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_says_what_was_printed_when_by_whom() {
        let line = "2025-03-14T10:32:00.045678901Z/000000002 7 web web-production-1 stderr a  b";
        let written = Written::parse(line).unwrap();
        assert_eq!(written.micros, 1_741_948_320_045_678);
        assert_eq!(
            (written.release, written.process, written.container),
            (7, "web", "web-production-1")
        );
        assert_eq!((written.stream, written.text), (Stream::Stderr, "a  b"));
        assert_eq!(Read::parse(line).unwrap().cursor, written.cursor);
        let mut again = String::new();
        written.write(&mut again);
        assert_eq!(again, format!("{line}\n"));
    }

    #[test]
    fn how_far_a_container_was_read_is_no_line_of_output_and_our_own_words_do_not_say_it() {
        let mut line = String::new();
        let read = Read {
            cursor: "2025-03-14T10:32:00.045678901Z/000000002",
            release: 7,
            process: "web",
            container: "c",
        };
        read.write(&mut line);
        assert_eq!(Read::parse(line.trim_end()), Some(read));
        assert_eq!(Written::parse(line.trim_end()), None);
        let ours = line.replace("read -", "agent 3 lines are missing");
        assert_eq!(Read::parse(ours.trim_end()), None);
        assert!(Written::parse(ours.trim_end()).is_some());
    }

    proptest! {
        #[test]
        fn any_text_is_a_line_or_none_and_never_a_panic(line in "\\PC{0,80}", cursor in "[0-9TZ:./-]{28,45}") {
            let _ = (Written::parse(&line), Read::parse(&line), micros_of(&line), micros_of(&cursor));
        }

        #[test]
        fn every_text_without_a_line_end_comes_back(text in "[^\n]{0,80}", release in 0i64..1000) {
            let written = Written {
                cursor: "2025-03-14T10:32:00.000000000Z/000000002",
                micros: 1_741_948_320_000_000,
                release,
                process: "web",
                container: "c",
                stream: Stream::Stdout,
                text: &text,
            };
            let mut line = String::new();
            written.write(&mut line);
            prop_assert_eq!(Written::parse(line.strip_suffix('\n').unwrap()), Some(written));
        }
    }
}

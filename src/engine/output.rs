//! What a container printed, line by line, with a cursor by which reading goes on after any interruption.
//!
//! The engine only knows "since this second". So each line gets a position that is the same in every reading: the
//! latest engine's time so far, and a number among the lines of that time. Two streams are written side by side, so
//! that a line may be stored after one with a later time: it takes the later time too, and is neither lost nor
//! doubled.

use super::connection::Docker;
use super::work::Out;
use crate::core::container::OutputCursor;
use crate::core::log::{LineSplitter, Stream};
use crate::core::ports::{EngineError, OutputLine};
use crate::core::runtime::micros_of;
use bollard::container::LogOutput;
use bollard::query_parameters::LogsOptionsBuilder;
use std::collections::VecDeque;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

/// How long a piece of a line is at which the engine cuts one that is longer. A shorter one without a line end is what a
/// program printed last before it ended: nothing belongs to it any more, also if the program is started again.
const PIECE: usize = 16 * 1024;

/// How long the engine's own form of a time is, which is the one we want.
const WIDTH: usize = "2025-03-14T10:32:00.123456789Z".len();

/// How far before the cursor's second reading begins again, in seconds: more than two streams of one container can
/// be out of order.
const OVERLAP: i64 = 1;

/// Reads what the container printed after `after`; with `follow` until it ends.
///
/// An engine that follows may end before it gave the last lines (20.10 does with a line that has no end), so what
/// was stored is read once more after it.
pub async fn read(
    docker: &Docker,
    name: &str,
    after: Option<OutputCursor>,
    follow: bool,
    out: Out<OutputLine>,
) -> Result<(), EngineError> {
    let mut lines = Lines::new(after);
    if follow {
        pass(docker, name, true, &mut lines, &out).await?;
        lines = Lines::new(lines.reached);
    }
    pass(docker, name, false, &mut lines, &out).await?;
    for line in lines.finish() {
        out.say(line).await;
    }
    Ok(())
}

/// One reading, up to where the engine ends it.
async fn pass(
    docker: &Docker,
    name: &str,
    follow: bool,
    lines: &mut Lines,
    out: &Out<OutputLine>,
) -> Result<(), EngineError> {
    let options = LogsOptionsBuilder::new()
        .follow(follow)
        .stdout(true)
        .stderr(true)
        .timestamps(true)
        .since(lines.reached.as_ref().map_or(0, since))
        .build();
    let client = docker.client().await?;
    let mut stream = client.logs(name, Some(options));
    while let Some(item) = docker.next(&mut stream).await? {
        for line in lines.take(item.map_err(|error| docker.explain(&error))?) {
            out.say(line).await;
        }
    }
    Ok(())
}

/// The second to begin at again; 0, the beginning, if the cursor is not one of ours.
fn since(cursor: &OutputCursor) -> i32 {
    let time = cursor
        .0
        .split_once('/')
        .map_or(cursor.0.as_str(), |(time, _)| time);
    OffsetDateTime::parse(time, &Rfc3339)
        .ok()
        .and_then(|time| i32::try_from((time.unix_timestamp() - OVERLAP).max(0)).ok())
        .unwrap_or_default()
}

/// The engine's messages put together to lines.
struct Lines {
    /// The last line that was given, now or in an earlier reading.
    reached: Option<OutputCursor>,
    time: String,
    number: u32,
    stdout: LineSplitter,
    stderr: LineSplitter,
    /// Of standard output and standard error.
    recent: [Recent; 2],
}

/// How many times of lines are remembered of a stream, 1 MiB of them: more than the engine was seen to repeat.
const RECENT: usize = 65_536;

/// The times of a stream's last lines. An engine that turns its log file over while it is followed gives lines twice
/// (20.10: some tenth of a second's, more to a reader that lags). Within one stream times only grow, so that an earlier
/// time that was there before is a repetition; one that was not is a clock that was set back.
#[derive(Default)]
struct Recent {
    times: VecDeque<u128>,
    /// The last line was a repetition: one of the last time is so, too.
    repeats: bool,
}

impl Recent {
    fn is_repeated(&mut self, time: &str) -> bool {
        let digits = time.bytes().filter(u8::is_ascii_digit);
        let time = digits.fold(0, |all: u128, digit| all * 10 + u128::from(digit - b'0'));
        match self.times.back() {
            Some(last) if time < *last => {
                self.repeats = self.times.binary_search(&time).is_ok();
                return self.repeats;
            }
            Some(last) if time == *last => return self.repeats,
            Some(_) | None => self.repeats = false,
        }
        if self.times.len() == RECENT {
            self.times.pop_front();
        }
        self.times.push_back(time);
        false
    }
}

impl Lines {
    fn new(after: Option<OutputCursor>) -> Self {
        Self {
            reached: after,
            time: String::new(),
            number: 0,
            stdout: LineSplitter::default(),
            stderr: LineSplitter::default(),
            recent: Default::default(),
        }
    }

    /// Takes one message: a time, a space, and a line or a piece of a long one.
    fn take(&mut self, message: LogOutput) -> Vec<OutputLine> {
        let (stream, bytes) = match message {
            LogOutput::StdOut { message } | LogOutput::Console { message } => {
                (Stream::Stdout, message)
            }
            LogOutput::StdErr { message } => (Stream::Stderr, message),
            LogOutput::StdIn { .. } => return Vec::new(),
        };
        let (time, text) = stamped(&bytes);
        let [of_stdout, of_stderr] = &mut self.recent;
        let recent = match stream {
            Stream::Stderr => of_stderr,
            Stream::Stdout | Stream::Agent => of_stdout,
        };
        if time.as_deref().is_some_and(|time| recent.is_repeated(time)) {
            return Vec::new();
        }
        let splitter = match stream {
            Stream::Stderr => &mut self.stderr,
            Stream::Stdout | Stream::Agent => &mut self.stdout,
        };
        let mut texts = splitter.push(text);
        if text.len() < PIECE && !text.ends_with(b"\n") {
            texts.extend(splitter.finish());
        }
        texts
            .into_iter()
            .filter_map(|text| self.place(time.as_deref(), stream, text))
            .collect()
    }

    /// What was printed last, if it had no line end.
    fn finish(mut self) -> Vec<OutputLine> {
        let (stdout, stderr) = (self.stdout.finish(), self.stderr.finish());
        [(Stream::Stdout, stdout), (Stream::Stderr, stderr)]
            .into_iter()
            .filter_map(|(stream, text)| self.place(None, stream, text?))
            .collect()
    }

    /// Gives a line its position; `None` if it was read before.
    fn place(&mut self, time: Option<&str>, stream: Stream, text: String) -> Option<OutputLine> {
        match time {
            Some(time) if time > self.time.as_str() => {
                time.clone_into(&mut self.time);
                self.number = 0;
            }
            Some(_) | None => self.number += 1,
        }
        let cursor = OutputCursor(format!("{}/{:09}", self.time, self.number));
        if self
            .reached
            .as_ref()
            .is_some_and(|reached| cursor <= *reached)
        {
            return None;
        }
        self.reached = Some(cursor.clone());
        Some(OutputLine {
            cursor,
            stream,
            text,
        })
    }
}

/// A message's time in a form of fixed width, and its text; no time if there is none, which no engine does.
fn stamped(bytes: &[u8]) -> (Option<String>, &[u8]) {
    let Some(space) = bytes.iter().position(|byte| *byte == b' ') else {
        return (None, bytes);
    };
    let fixed =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:9]Z");
    let text = std::str::from_utf8(&bytes[..space]).ok();
    if let Some(text) = text.filter(|text| text.len() == WIDTH && micros_of(text).is_some()) {
        return (Some(text.to_owned()), &bytes[space + 1..]);
    }
    let time = text
        .and_then(|text| OffsetDateTime::parse(text, &Rfc3339).ok())
        .and_then(|time| time.to_offset(time::UtcOffset::UTC).format(fixed).ok());
    match time {
        Some(time) => (Some(time), &bytes[space + 1..]),
        None => (None, bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn out(text: &str) -> LogOutput {
        LogOutput::StdOut {
            message: text.to_owned().into(),
        }
    }

    fn err(text: &str) -> LogOutput {
        LogOutput::StdErr {
            message: text.to_owned().into(),
        }
    }

    fn all(messages: &[LogOutput], after: Option<OutputCursor>) -> Vec<OutputLine> {
        let mut lines = Lines::new(after);
        let mut all: Vec<_> = messages
            .iter()
            .cloned()
            .flat_map(|m| lines.take(m))
            .collect();
        all.extend(lines.finish());
        all
    }

    #[test]
    fn pieces_of_a_long_line_become_one_line_and_streams_are_kept_apart() {
        let long = format!("{} {}", "x".repeat(PIECE - 101), "y".repeat(100));
        let messages = [
            out(&format!("2026-01-01T00:00:00.1Z {long}")),
            err("2026-01-01T00:00:00.2Z other\n"),
            out("2026-01-01T00:00:00.3Z line\n"),
            out("2026-01-01T01:00:00.4+01:00 last"),
        ];
        let lines = all(&messages, None);
        let texts: Vec<_> = lines
            .iter()
            .map(|l| (l.stream, l.text.trim_matches(['x', 'y'])))
            .collect();
        assert_eq!(
            texts,
            [
                (Stream::Stdout, " "),
                (Stream::Stderr, "other"),
                (Stream::Stdout, "line"),
                (Stream::Stdout, "last")
            ]
        );
        assert_eq!(lines[2].text.len(), 104);
        assert_eq!(
            lines[1].cursor.0,
            "2026-01-01T00:00:00.200000000Z/000000000"
        );
    }

    /// A program that prints no last line end and is started again by the engine: what it printed first is not taken
    /// for the beginning of what it prints then, however often it is read and from where.
    #[test]
    fn what_a_program_printed_last_stays_a_line_of_its_own_when_it_is_started_again() {
        let messages = [
            out("2026-01-01T00:00:00.1Z begins\n"),
            out("2026-01-01T00:00:00.2Z dies"),
            out("2026-01-01T00:00:09.1Z begins\n"),
            out("2026-01-01T00:00:09.2Z dies"),
        ];
        let whole = all(&messages, None);
        let texts: Vec<_> = whole.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(texts, ["begins", "dies", "begins", "dies"]);
        for seen in 1..=messages.len() {
            let mut read = all(&messages[..seen], None);
            let last = read.last().map(|line| line.cursor.clone());
            read.extend(all(&messages[seen - 1..], last));
            assert_eq!(read, whole, "broken off after {seen}");
        }
    }

    #[test]
    fn lines_that_the_engine_repeats_are_given_once_and_a_clock_that_was_set_back_loses_none() {
        let line = |time: u32, text: &str| out(&format!("2026-01-01T00:00:00.{time:09}Z {text}\n"));
        let messages = [
            line(1, "one"),
            line(2, "two"),
            err("2026-01-01T00:00:00.000000003Z beside\n"),
            line(4, "three"),
            line(1, "one"),
            line(2, "two"),
            line(4, "three"),
            line(5, "four"),
            line(3, "after the clock was set back"),
        ];
        let lines = all(&messages, None);
        let texts: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
        let expected = [
            "one",
            "two",
            "beside",
            "three",
            "four",
            "after the clock was set back",
        ];
        assert_eq!(texts, expected);
        assert!(lines.is_sorted_by_key(|line| line.cursor.clone()));
    }

    #[test]
    fn reading_begins_again_a_second_before_the_cursor() {
        let cursor = |text: &str| OutputCursor(text.to_owned());
        assert_eq!(
            since(&cursor("1970-01-01T00:01:00.900000000Z/000000003")),
            59
        );
        assert_eq!(
            since(&cursor("1970-01-01T00:00:00.000000000Z/000000000")),
            0
        );
        assert_eq!(since(&cursor("nonsense")), 0);
    }

    proptest! {
        #[test]
        fn reading_on_from_any_line_gives_exactly_the_rest(
            times in proptest::collection::vec((0u32..5, any::<bool>()), 1..40), stop in 0usize..40,
        ) {
            let messages: Vec<_> = times.iter().enumerate().map(|(n, (time, is_err))| {
                let text = format!("2026-01-01T00:00:00.{time}Z line {n}\n");
                if *is_err { err(&text) } else { out(&text) }
            }).collect();
            let whole = all(&messages, None);
            prop_assert!(whole.is_sorted_by_key(|line| line.cursor.clone()));
            let stop = stop.min(whole.len() - 1);
            let rest = all(&messages, Some(whole[stop].cursor.clone()));
            prop_assert_eq!(&rest, &whole[stop + 1..]);
        }
    }
}

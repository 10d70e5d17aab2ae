//! A deployment's log: one line = time, step, stream, text. What programs print is cleaned where it enters:
//! no terminal codes, no control characters, no line without an end.

use super::deployment::Step;
use super::time::Timestamp;

/// The longest text of one line, in bytes. Longer than any compiler's message, short enough that a program
/// that prints without line ends cannot fill memory.
pub const MAX_LINE: usize = 16 * 1024;

/// In how much of a line's end a place is looked for to cut it.
const CUT_REACH: usize = MAX_LINE / 4;

/// Who a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// longshore's own words.
    Agent,
    /// A program's standard output.
    Stdout,
    /// A program's standard error.
    Stderr,
}

impl Stream {
    /// The word in the log file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// One line of a deployment's log, without its end.
#[must_use]
pub fn format_line(at: Timestamp, step: Option<Step>, stream: Stream, text: &str) -> String {
    format!(
        "{} {} {} {text}",
        at.to_millis_string(),
        step.map_or("-", Step::as_str),
        stream.as_str()
    )
}

/// A log line taken apart again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// `2025-03-14T10:32:00.123Z`.
    pub timestamp: &'a str,
    /// The step's word, or `-`.
    pub step: &'a str,
    /// The stream's word.
    pub stream: &'a str,
    /// What was said.
    pub text: &'a str,
}

/// Takes a line of the file apart; `None` for one that a crash cut short.
#[must_use]
pub fn parse_line(line: &str) -> Option<Line<'_>> {
    let mut parts = line.splitn(4, ' ');
    Some(Line {
        timestamp: parts.next()?,
        step: parts.next()?,
        stream: parts.next()?,
        text: parts.next()?,
    })
}

/// Turns a program's output, in pieces of any size, into clean lines.
#[derive(Debug, Default)]
pub struct LineSplitter {
    pending: Vec<u8>,
}

impl LineSplitter {
    /// Takes a piece and returns the lines that are now complete. A line longer than [`MAX_LINE`] is cut before that,
    /// where words end if it has any, and goes on in the next one: a secret that were cut in two would be found in
    /// neither.
    pub fn push(&mut self, piece: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for &byte in piece {
            if byte == b'\n' {
                lines.push(clean(&std::mem::take(&mut self.pending)));
            } else {
                self.pending.push(byte);
                if self.pending.len() >= MAX_LINE {
                    let reach = self.pending.len() - CUT_REACH;
                    let ends_a_word = |byte: &u8| matches!(byte, b' ' | b'\t' | b',' | b';' | b'&');
                    let cut = self.pending[reach..].iter().rposition(ends_a_word);
                    let rest = self
                        .pending
                        .split_off(cut.map_or(MAX_LINE, |cut| reach + cut + 1));
                    lines.push(clean(&std::mem::replace(&mut self.pending, rest)));
                }
            }
        }
        lines
    }

    /// The last line, if the output ended without a line end.
    pub fn finish(&mut self) -> Option<String> {
        (!self.pending.is_empty()).then(|| clean(&std::mem::take(&mut self.pending)))
    }
}

/// The text a person would see: what a carriage return overwrote, colours and other terminal codes, and control
/// characters are gone, so that reading a log can do nothing to a terminal.
#[must_use]
pub fn clean(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_end_matches('\r');
    let shown = text
        .rsplit('\r')
        .find(|part| !part.is_empty())
        .unwrap_or_default();
    let mut out = String::with_capacity(shown.len());
    let mut chars = shown.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => skip_terminal_code(&mut chars),
            '\t' => out.push('\t'),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

/// Reads past one escape sequence: CSI (`ESC [ … letter`), OSC (`ESC ] … BEL` or `ESC \`), or a two-byte one.
fn skip_terminal_code(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match chars.next() {
        Some('[') => {
            for c in chars.by_ref() {
                if ('@'..='~').contains(&c) {
                    break;
                }
            }
        }
        Some(']') => {
            while let Some(c) = chars.next() {
                if c == '\u{7}' {
                    break;
                }
                if c == '\u{1b}' {
                    chars.next();
                    break;
                }
            }
        }
        Some(_) | None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_can_be_taken_apart_again() {
        let line = format_line(
            Timestamp(1_741_948_320_045),
            Some(Step::Build),
            Stream::Stdout,
            "a  b c",
        );
        assert_eq!(line, "2025-03-14T10:32:00.045Z build stdout a  b c");
        let parsed = parse_line(&line).unwrap();
        assert_eq!(
            (parsed.step, parsed.stream, parsed.text),
            ("build", "stdout", "a  b c")
        );
        assert_eq!(parse_line("2025-03-14T10"), None);
    }

    #[test]
    fn progress_bars_colours_and_titles_leave_only_what_is_seen_last() {
        assert_eq!(clean(b"10%\r50%\r100%\r"), "100%");
        assert_eq!(clean(b"\x1b[1;31merror\x1b[0m: no\x07"), "error: no");
        assert_eq!(
            clean(b"\x1b]0;title\x07text\x1b]8;;u\x1b\\link"),
            "textlink"
        );
    }

    #[test]
    fn a_line_that_is_too_long_is_cut_between_words_if_it_has_any() {
        let mut splitter = LineSplitter::default();
        let text = format!("{} password=hunter22", "x".repeat(MAX_LINE - 12));
        let mut lines = splitter.push(text.as_bytes());
        lines.extend(splitter.finish());
        assert_eq!(lines[1], "password=hunter22");
        let lines = splitter.push(&vec![b'x'; 2 * MAX_LINE]);
        assert!(lines.iter().all(|line| line.len() == MAX_LINE) && lines.len() == 2);
    }

    proptest! {
        #[test]
        fn however_output_is_cut_into_pieces_the_lines_are_the_same(
            bytes in proptest::collection::vec(any::<u8>(), 0..400), cut in 1usize..40,
        ) {
            let whole = { let mut s = LineSplitter::default(); let mut l = s.push(&bytes); l.extend(s.finish()); l };
            let mut splitter = LineSplitter::default();
            let mut lines: Vec<String> = bytes.chunks(cut).flat_map(|piece| splitter.push(piece)).collect();
            lines.extend(splitter.finish());
            prop_assert_eq!(&lines, &whole);
            prop_assert!(lines.iter().all(|l| !l.chars().any(|c| c.is_control() && c != '\t')));
        }
    }
}

//! Reading a runtime log piece by piece, forwards and backwards, so that no request holds much of it.

use super::segments::{Segment, Spot};
use super::{RuntimeLog, StoreError};
use crate::core::container::OutputCursor;
use crate::core::log::Stream;
use crate::core::runtime::{RuntimeFilter, RuntimeLine, Written, micros_of};
use crate::core::time::Timestamp;
use crate::store::files;
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt as _;

/// How much is looked at at once: more than the longest line, however much longer redaction made it.
const PIECE: u64 = 256 * 1024;

/// A part of a log that was looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    /// The lines in it that are meant.
    pub lines: Vec<RuntimeLine>,
    /// The byte to go on at, forwards or backwards.
    pub next: u64,
    /// How many bytes were looked at.
    pub looked_at: u64,
    /// There is nothing more in that direction.
    pub is_end: bool,
}

/// Lines from a byte on. Where it is no longer there, a line of ours says so.
pub(super) fn forward(
    log: &RuntimeLog,
    from: u64,
    filter: &RuntimeFilter,
    limit: usize,
) -> Result<Piece, StoreError> {
    let spot = log.kept().segments.spot(from);
    let (segment, is_newest) = match spot {
        Spot::In(segment, is_newest) => (segment, is_newest),
        Spot::Gone(next) => return Ok(gone(log, from, next)),
        Spot::End(end) => {
            return Ok(Piece {
                next: end,
                is_end: true,
                ..Piece::default()
            });
        }
    };
    if !is_newest && !may_hold(log, &segment, filter)? {
        return Ok(Piece {
            next: segment.end(),
            ..Piece::default()
        });
    }
    let to = segment.end().min(from + PIECE);
    // The byte before tells whether a line begins here.
    let margin = u64::from(from > segment.start);
    let Some(bytes) = read(&segment, from - margin, to)? else {
        return Ok(gone(log, from, segment.end()));
    };
    let skipped = match (margin, bytes.first()) {
        (0, _) | (1, Some(b'\n')) => 0,
        _ => line_end(&bytes[1..]).map_or(bytes.len() - 1, |end| end + 1),
    };
    let bytes = &bytes[usize::try_from(margin).unwrap_or(1)..];
    let mut piece = Piece {
        next: from + skipped as u64,
        looked_at: bytes.len() as u64,
        ..Piece::default()
    };
    let mut rest = &bytes[skipped..];
    while let Some(end) = line_end(rest).filter(|_| piece.lines.len() < limit) {
        take(&rest[..end], piece.next, filter, &mut piece.lines);
        piece.next += end as u64 + 1;
        rest = &rest[end + 1..];
    }
    if piece.next == from && limit > 0 {
        // No line is so long: a power cut left something else here.
        piece.next = to;
    }
    Ok(piece)
}

/// Lines before a byte, the newest first.
pub(super) fn backward(
    log: &RuntimeLog,
    before: u64,
    filter: &RuntimeFilter,
    limit: usize,
) -> Result<Piece, StoreError> {
    let found = log.kept().segments.before(before);
    let Some((segment, is_newest)) = found else {
        return Ok(Piece {
            is_end: true,
            ..Piece::default()
        });
    };
    let to = segment.end().min(before);
    let passed = Piece {
        next: segment.start,
        ..Piece::default()
    };
    if !is_newest && !may_hold(log, &segment, filter)? {
        return Ok(passed);
    }
    let from = segment.start.max(to.saturating_sub(PIECE));
    let Some(bytes) = read(&segment, from, to)? else {
        return Ok(passed);
    };
    let mut piece = Piece {
        looked_at: bytes.len() as u64,
        ..Piece::default()
    };
    // A line whose beginning is not here belongs to the piece before.
    let skipped = match from == segment.start {
        true => 0,
        false => line_end(&bytes).map_or(bytes.len(), |end| end + 1),
    };
    let mut rest = &bytes[skipped..];
    // No line is so long: a power cut left something else here.
    piece.next = match rest.is_empty() {
        true => from,
        false => to,
    };
    while !rest.is_empty() && piece.lines.len() < limit {
        let line = rest.strip_suffix(b"\n").unwrap_or(rest);
        let begin = line.iter().rposition(|byte| *byte == b'\n');
        let begin = begin.map_or(0, |end| end + 1);
        piece.next = from + (skipped + begin) as u64;
        take(&line[begin..], piece.next, filter, &mut piece.lines);
        rest = &rest[..begin];
    }
    Ok(piece)
}

fn take(bytes: &[u8], offset: u64, filter: &RuntimeFilter, lines: &mut Vec<RuntimeLine>) {
    // What we wrote is UTF-8; what a power cut made of it need not be.
    let line = std::str::from_utf8(bytes).ok().and_then(Written::parse);
    if let Some(line) = line.filter(|line| filter.takes(line)) {
        lines.push(line.line(offset));
    }
}

fn line_end(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| *byte == b'\n')
}

/// What is in a file; `None` if that went meanwhile.
fn read(segment: &Segment, from: u64, to: u64) -> Result<Option<Vec<u8>>, StoreError> {
    let mut bytes = vec![0; usize::try_from(to - from).unwrap_or_default()];
    let at = from - segment.start;
    let read = File::open(&segment.path).and_then(|file| file.read_exact_at(&mut bytes, at));
    match read {
        Ok(()) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(files::fault(&segment.path)(error)),
    }
}

/// Whether a file that gets no more lines may hold one of the wanted time. Each is looked through once for that.
fn may_hold(log: &RuntimeLog, of: &Segment, filter: &RuntimeFilter) -> Result<bool, StoreError> {
    if filter.since.is_none() && filter.until.is_none() {
        return Ok(true);
    }
    let (earliest, latest) = match of.span {
        Some(span) => span,
        None => {
            let Some(bytes) = read(of, of.start, of.end())? else {
                return Ok(false);
            };
            let times = bytes
                .split(|byte| *byte == b'\n')
                .filter_map(|line| micros_of(std::str::from_utf8(line.get(..30)?).ok()?));
            let span = times.fold((i64::MAX, i64::MIN), |(earliest, latest), time| {
                (time.min(earliest), time.max(latest))
            });
            log.kept().segments.know_span(of.start, span);
            span
        }
    };
    let since = filter
        .since
        .map_or(i64::MIN, |at| at.0.saturating_mul(1000));
    let until = filter
        .until
        .map_or(i64::MAX, |at| at.0.saturating_mul(1000).saturating_add(999));
    Ok(earliest <= until && since <= latest)
}

/// What stands where lines went.
fn gone(log: &RuntimeLog, from: u64, next: u64) -> Piece {
    let first = forward(log, next, &RuntimeFilter::default(), 1).unwrap_or_default();
    let first = first.lines.into_iter().next();
    let micros = first.as_ref().map_or(0, |line| line.at_micros);
    let text = format!(
        "{} of older lines are not here any more: the log had reached retention.runtime_logs",
        bytesize::ByteSize(next - from)
    );
    let line = RuntimeLine {
        offset: from,
        cursor: first
            .as_ref()
            .map_or_else(|| OutputCursor(String::new()), |line| line.cursor.clone()),
        at: Timestamp(micros.div_euclid(1000)),
        at_micros: micros,
        container: first
            .as_ref()
            .map_or_else(|| "-".into(), |line| line.container.clone()),
        process: first
            .as_ref()
            .map_or_else(|| "-".into(), |line| line.process.clone()),
        release: first.as_ref().map_or(0, |line| line.release),
        stream: Stream::Agent,
        severity: None,
        text,
    };
    Piece {
        lines: vec![line],
        next,
        ..Piece::default()
    }
}

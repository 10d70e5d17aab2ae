//! Faults of a configuration, and where in the text they are.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::ops::Range;

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The key with its path, what is wrong with it and what is expected.
    pub message: String,
}

/// All faults of a configuration, in the text's order; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults {
    /// The file's name.
    pub file: String,
    /// The faults.
    pub faults: Vec<Fault>,
}

impl std::fmt::Display for Faults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, fault) in self.faults.iter().enumerate() {
            let Fault {
                line,
                column,
                message,
            } = fault;
            let newline = if index == 0 { "" } else { "\n" };
            write!(f, "{newline}{}:{line}:{column}: {message}", self.file)?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

/// A key's or table's place in the text and its name for people: `app "web": health.interval`.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub offset: usize,
    pub path: String,
}

/// What was found so far. The readers share it and go on after a fault. The same fault at the same place, as when
/// two environments inherit it, is one fault.
#[derive(Default)]
pub(super) struct Report {
    found: RefCell<BTreeSet<(usize, String)>>,
    doubtful: RefCell<Vec<Range<usize>>>,
    is_partial: Cell<bool>,
}

impl Report {
    /// Adds a fault; the message is read after the path: "must be …", "is not …".
    pub fn add(&self, place: &Place, message: impl std::fmt::Display) {
        let is_doubtful = |range: &Range<usize>| range.contains(&place.offset);
        if !self.doubtful.borrow().iter().any(is_doubtful) {
            self.add_bare(place.offset, format!("{} {message}", place.path));
        }
    }

    /// Adds a fault that belongs to no key.
    pub fn add_bare(&self, offset: usize, message: String) {
        self.found.borrow_mut().insert((offset, message));
    }

    /// Says that lines were left out of what is judged: what is missing may have been on them.
    pub fn set_partial(&self) {
        self.is_partial.set(true);
    }

    pub fn is_partial(&self) -> bool {
        self.is_partial.get()
    }

    /// In this range no key's fault is certain: they are not taken.
    pub fn doubt(&self, range: Range<usize>) {
        self.doubtful.borrow_mut().push(range);
    }

    pub fn is_clean(&self) -> bool {
        self.found.borrow().is_empty()
    }

    /// All of it, in the text's order.
    pub fn into_faults(self, file: &str, text: &str) -> Faults {
        let mut faults: Vec<Fault> = self
            .found
            .into_inner()
            .into_iter()
            .map(|(offset, message)| {
                let (line, column) = position(text, offset);
                Fault {
                    line,
                    column,
                    message,
                }
            })
            .collect();
        faults.sort();
        Faults {
            file: file.to_owned(),
            faults,
        }
    }
}

/// Line and column of an offset. The end of the text counts as the end of its last line; a byte order mark has no
/// column.
pub(super) fn position(text: &str, offset: usize) -> (usize, usize) {
    let end = text.strip_suffix('\n').unwrap_or(text).len();
    let offset = text.floor_char_boundary(offset.min(end));
    let before = &text[..offset];
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let column = before[start..]
        .trim_start_matches('\u{feff}')
        .chars()
        .count()
        + 1;
    (line, column)
}

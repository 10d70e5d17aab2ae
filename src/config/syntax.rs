//! Whether the text is TOML, and if it is not, how much of it can still be judged.

use super::fault::{Report, position};
use std::borrow::Cow;
use std::collections::BTreeSet;
use toml::de::DeTable;

/// A text without syntax errors.
pub(super) struct Sound<'t> {
    /// The text, broken lines blanked; offsets are those of the original.
    pub text: Cow<'t, str>,
    /// Whether it is the original.
    pub is_whole: bool,
}

/// Reports syntax errors and gives what is left to judge.
///
/// A broken line is left out and the rest read without it: what is wrong with the other lines can be said in the same
/// breath. Not so behind a broken `[table]` header, where keys would be looked for in the wrong table, nor when the
/// rest is no TOML either, because the breakage runs over several lines.
pub(super) fn check<'t>(text: &'t str, report: &Report) -> Option<Sound<'t>> {
    let (_, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return Some(Sound {
            text: text.into(),
            is_whole: true,
        });
    }
    let mut errors: Vec<_> = errors
        .iter()
        .map(|error| (error.span().map_or(0, |span| span.start), error.message()))
        .collect();
    errors.sort_unstable();
    let mut broken = BTreeSet::new();
    for (offset, message) in errors {
        // The first error of a line is the cause of the others.
        if broken.insert(position(text, offset).0) {
            report.add_bare(offset, message.replace('\n', ": "));
        }
    }
    let rest = without(text, &broken, report);
    let (_, errors) = DeTable::parse_recoverable(&rest);
    errors.is_empty().then_some(Sound {
        text: rest.into(),
        is_whole: false,
    })
}

/// The text with the broken lines blanked; a broken header becomes the report's horizon.
fn without(text: &str, broken: &BTreeSet<usize>, report: &Report) -> String {
    let mut rest = String::with_capacity(text.len());
    for (index, line) in text.split_inclusive('\n').enumerate() {
        if !broken.contains(&(index + 1)) {
            rest.push_str(line);
            continue;
        }
        if line.trim_start().starts_with('[') {
            report.end_at(rest.len());
        }
        let ending = if line.ends_with('\n') { "\n" } else { "" };
        rest.extend(std::iter::repeat_n(' ', line.len() - ending.len()));
        rest.push_str(ending);
    }
    rest
}

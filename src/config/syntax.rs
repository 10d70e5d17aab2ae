//! Whether the text is TOML, and if it is not, how much of it can still be judged.

use super::fault::{Report, position};
use std::borrow::Cow;
use std::collections::BTreeSet;
use toml::de::DeTable;

/// Reports syntax errors and gives what is left to judge, with the offsets of the original: the text itself if there are
/// none.
///
/// A broken line is left out and the rest read without it: what is wrong with the other lines can be said in the same
/// breath. Not so between a broken `[table]` header and the next, where keys would be looked for in the wrong table, nor
/// when the rest is no TOML either, because the breakage runs over several lines.
pub(super) fn check<'t>(text: &'t str, report: &Report) -> Option<Cow<'t, str>> {
    let (_, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return Some(text.into());
    }
    report.set_partial();
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
    errors.is_empty().then_some(rest.into())
}

/// The text with the broken lines blanked; what follows a broken header is doubted.
fn without(text: &str, broken: &BTreeSet<usize>, report: &Report) -> String {
    let mut rest = String::with_capacity(text.len());
    let mut doubt_from = None;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let is_broken = broken.contains(&(index + 1));
        let is_header = line.trim_start().starts_with('[');
        if is_header && is_broken && doubt_from.is_none() {
            doubt_from = Some(rest.len());
        }
        // A header with a dot may hang on the broken one.
        let is_sound_header = is_header && !is_broken && !line.contains('.');
        if let (true, Some(from)) = (is_sound_header, doubt_from) {
            report.doubt(from..rest.len());
            doubt_from = None;
        }
        if is_broken {
            let ending = if line.ends_with('\n') { "\n" } else { "" };
            rest.extend(std::iter::repeat_n(' ', line.len() - ending.len()));
            rest.push_str(ending);
        } else {
            rest.push_str(line);
        }
    }
    if let Some(from) = doubt_from {
        report.doubt(from..rest.len());
    }
    rest
}

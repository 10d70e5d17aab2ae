//! The texts by which a secret's value is found: itself, its lines, and its base64.

use crate::core::log::clean;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// A value shorter than this is not looked for: replacing every `1` or `on` would make logs unreadable and would
/// itself tell the value.
const SHORTEST: usize = 4;

/// The automaton looks for this much of a form, and the rest is compared: its size would otherwise grow with that of
/// whole key files. As much of a long secret alone is hidden, too.
const ANCHOR: usize = 24;

/// Programs break base64 into lines, anywhere in a value that has something before it. So there are anchors of this
/// length all along it.
const PIECE: usize = 12;

/// How far these are from each other: fifteen characters of a value are found. In a long one it is a whole line, of 64
/// characters or more, to keep the automaton small.
const STRIDE: usize = 4;
const LONG_STRIDE: usize = 52;
const LONG: usize = 4096;

/// A text to look for.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Form {
    pub(super) text: String,
    /// Whether its parts are looked for, too.
    in_pieces: bool,
}

impl Form {
    /// The parts by which it is found, and where they are in it.
    pub(super) fn anchors(&self) -> Vec<(usize, &str)> {
        let text = self.text.as_str();
        if !self.in_pieces || text.len() <= PIECE {
            return vec![(0, &text[..text.ceil_char_boundary(ANCHOR)])];
        }
        let stride = if text.len() > LONG {
            LONG_STRIDE
        } else {
            STRIDE
        };
        let piece = |at| Some((at, text.get(at..at + PIECE)?));
        (0..text.len()).step_by(stride).map_while(piece).collect()
    }
}

/// Everything to look for. A log's lines are clean of control characters, so the value is looked for without them, too.
pub(super) fn forms_of(value: &str) -> Vec<Form> {
    let mut forms = base64_forms(value, true);
    forms.push(plain(value));
    let lines = value.lines().map(|line| clean(line.as_bytes()));
    for line in lines {
        let line = line.trim();
        if line == value {
            continue;
        }
        forms.extend(base64_forms(line, false));
        forms.push(plain(line));
    }
    forms.retain(|form| form.text.len() >= SHORTEST);
    forms
}

fn plain(text: &str) -> Form {
    Form {
        text: text.to_owned(),
        in_pieces: false,
    }
}

/// The value in base64 at each of the three places it can have in a longer text (`user:token` puts it at any); only
/// the characters that depend on nothing but the value.
fn base64_forms(value: &str, in_pieces: bool) -> Vec<Form> {
    if value.len() < SHORTEST {
        return Vec::new();
    }
    let mut forms = Vec::new();
    for lead in 0..3usize {
        let mut padded = vec![0u8; lead];
        padded.extend_from_slice(value.as_bytes());
        for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            let encoded = engine.encode(&padded);
            let from = (lead * 8).div_ceil(6);
            let to = padded.len() * 8 / 6;
            let text = encoded.get(from..to).unwrap_or_default().to_owned();
            forms.push(Form { text, in_pieces });
        }
    }
    forms
}

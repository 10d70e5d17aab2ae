//! Takes secret values out of text where it enters: the value itself, and the forms it takes when a program encodes
//! it. Works on whole lines, so a value cannot hide by being written in two pieces.
//!
//! Base64 is looked for as such. Percent signs and backslashes are undone first, because programs differ in what they
//! escape and how; what is then found is taken out of the text as it was written.

use super::log::clean;
use super::secret::Secret;
use aho_corasick::AhoCorasick;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use std::sync::Arc;

/// What stands where a value was.
const MASK: &str = "[redacted]";

/// A value shorter than this is not looked for: replacing every `1` or `on` would make logs unreadable and would
/// itself tell the value.
const SHORTEST: usize = 4;

/// The automaton looks for this much of a form, and the rest is compared: its size would otherwise grow with that of
/// whole key files. As much of a long secret alone is hidden, too.
const ANCHOR: usize = 24;

/// After how many characters programs break base64: MIME's number, and PEM's.
const WRAPS: [usize; 2] = [76, 64];

/// How many escapings one in the other are undone: JSON in JSON, JSON in a URL.
const DEPTH: usize = 2;

/// Replaces every known secret value.
#[derive(Clone, Debug, Default)]
pub struct Redactor(Known);

#[derive(Clone, Default)]
enum Known {
    #[default]
    Nothing,
    Forms(Arc<Forms>),
    /// More than can be looked for: nothing is shown.
    TooMuch,
}

struct Forms {
    /// The anchors, in the order of the forms.
    anchors: AhoCorasick,
    forms: Vec<String>,
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Nothing => "Nothing",
            Self::Forms(_) => "Forms(…)",
            Self::TooMuch => "TooMuch",
        })
    }
}

impl Redactor {
    /// Knows these values in their raw, base64, URL-encoded and JSON-escaped forms, and each line of a value that
    /// has several.
    #[must_use]
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        let mut forms: Vec<String> = secrets
            .into_iter()
            .flat_map(|secret| forms_of(secret.expose()))
            .collect();
        forms.sort_unstable();
        forms.dedup();
        if forms.is_empty() {
            return Self::default();
        }
        let anchors = forms.iter().map(|form| anchor(form));
        Self(match AhoCorasick::new(anchors) {
            Ok(anchors) => Known::Forms(Arc::new(Forms { anchors, forms })),
            // Beyond the automaton's limits: gigabytes of secrets.
            Err(_) => Known::TooMuch,
        })
    }

    /// The text without secret values.
    #[must_use]
    pub fn redact(&self, text: String) -> String {
        let forms = match &self.0 {
            Known::Nothing => return text,
            Known::Forms(forms) => forms,
            Known::TooMuch => return MASK.to_owned(),
        };
        let mut found = Vec::new();
        forms.search(text.as_bytes(), &|start, end| (start, end), &mut found);
        let written = Unescaped::nothing(&text);
        forms.search_unescaped(&written, DEPTH, &mut found);
        if found.is_empty() {
            return text;
        }
        mask(&text, found)
    }
}

impl Forms {
    /// Adds where in the text secrets stand. `place` tells where in the text as it was written a part of it is.
    fn search(
        &self,
        text: &[u8],
        place: &dyn Fn(usize, usize) -> (usize, usize),
        found: &mut Vec<(usize, usize)>,
    ) {
        for hit in self.anchors.find_overlapping_iter(text) {
            let form = self.forms[hit.pattern().as_usize()].as_bytes();
            let same = form
                .iter()
                .zip(&text[hit.start()..])
                .take_while(|(wanted, given)| wanted == given)
                .count();
            found.push(place(hit.start(), hit.start() + same));
        }
    }

    fn search_unescaped(&self, text: &Unescaped, depth: usize, found: &mut Vec<(usize, usize)>) {
        if depth == 0 {
            return;
        }
        for rule in [percent, percent_and_plus, backslash] {
            if let Some(text) = text.undo(rule) {
                let place = |start: usize, end: usize| (text.from[start].0, text.from[end - 1].1);
                self.search(&text.bytes, &place, found);
                self.search_unescaped(&text, depth - 1, found);
            }
        }
    }
}

/// The text with a mask in place of what lies between these bytes.
fn mask(text: &str, mut found: Vec<(usize, usize)>) -> String {
    found.sort_unstable();
    let mut out = String::with_capacity(text.len());
    let mut shown = 0;
    for (start, end) in found {
        // A part of a character is hidden with the whole of it.
        let (start, end) = (
            text.floor_char_boundary(start),
            text.ceil_char_boundary(end),
        );
        if end <= shown {
            continue;
        }
        if start > shown || shown == 0 {
            out.push_str(&text[shown..start.max(shown)]);
            out.push_str(MASK);
        }
        shown = end;
    }
    out.push_str(&text[shown..]);
    out
}

/// A text some of whose escapes are undone, and where each of its bytes stood in the text as it was written.
struct Unescaped {
    bytes: Vec<u8>,
    from: Vec<(usize, usize)>,
}

/// What an escape at the beginning of the bytes stands for, and how long it is.
type Rule = fn(&[u8]) -> Option<(Escape, usize)>;

enum Escape {
    Byte(u8),
    Char(char),
}

impl Unescaped {
    fn nothing(text: &str) -> Self {
        Self {
            bytes: text.as_bytes().to_vec(),
            from: (0..text.len()).map(|at| (at, at + 1)).collect(),
        }
    }

    /// `None` if there is nothing to undo.
    fn undo(&self, rule: Rule) -> Option<Self> {
        let mut undone = Self {
            bytes: Vec::with_capacity(self.bytes.len()),
            from: Vec::with_capacity(self.bytes.len()),
        };
        let (mut at, mut changed) = (0, false);
        while at < self.bytes.len() {
            let Some((escape, length)) = rule(&self.bytes[at..]) else {
                undone.bytes.push(self.bytes[at]);
                undone.from.push(self.from[at]);
                at += 1;
                continue;
            };
            match escape {
                Escape::Byte(byte) => undone.bytes.push(byte),
                Escape::Char(c) => {
                    let mut room = [0; 4];
                    undone
                        .bytes
                        .extend_from_slice(c.encode_utf8(&mut room).as_bytes());
                }
            }
            let whole = (self.from[at].0, self.from[at + length - 1].1);
            undone.from.resize(undone.bytes.len(), whole);
            at += length;
            changed = true;
        }
        changed.then_some(undone)
    }
}

fn percent(bytes: &[u8]) -> Option<(Escape, usize)> {
    match bytes {
        [b'%', high, low, ..] => Some((Escape::Byte(byte(&[*high, *low])?), 3)),
        _ => None,
    }
}

/// As forms are sent: a plus is a blank.
fn percent_and_plus(bytes: &[u8]) -> Option<(Escape, usize)> {
    match bytes {
        [b'+', ..] => Some((Escape::Byte(b' '), 1)),
        _ => percent(bytes),
    }
}

/// As JSON and most languages write texts.
fn backslash(bytes: &[u8]) -> Option<(Escape, usize)> {
    let [b'\\', kind, rest @ ..] = bytes else {
        return None;
    };
    let byte_of = |byte| Some((Escape::Byte(byte), 2));
    match kind {
        b'n' => byte_of(b'\n'),
        b'r' => byte_of(b'\r'),
        b't' => byte_of(b'\t'),
        b'b' => byte_of(8),
        b'f' => byte_of(12),
        b'"' | b'\'' | b'\\' | b'/' => byte_of(*kind),
        b'x' => Some((Escape::Byte(byte(rest.get(..2)?)?), 4)),
        b'u' => unicode(rest),
        _ => None,
    }
}

/// What follows `\u`: four digits, and for what lies beyond them a second escape.
fn unicode(rest: &[u8]) -> Option<(Escape, usize)> {
    let unit = |digits: &[u8]| {
        Some(u16::from_be_bytes([
            byte(digits.get(..2)?)?,
            byte(digits.get(2..4)?)?,
        ]))
    };
    let first = unit(rest)?;
    if let Some(c) = char::from_u32(u32::from(first)) {
        return Some((Escape::Char(c), 6));
    }
    let second = unit(rest.get(4..)?.strip_prefix(b"\\u")?)?;
    match char::decode_utf16([first, second]).next() {
        Some(Ok(c)) => Some((Escape::Char(c), 12)),
        Some(Err(_)) | None => None,
    }
}

fn byte(digits: &[u8]) -> Option<u8> {
    let digit = |c: &u8| char::from(*c).to_digit(16);
    match digits {
        [high, low] => u8::try_from(digit(high)? * 16 + digit(low)?).ok(),
        _ => None,
    }
}

/// The beginning of a form by which it is found.
fn anchor(form: &str) -> &str {
    &form[..form.ceil_char_boundary(ANCHOR)]
}

/// Everything to look for. A log's lines are clean of control characters, so the value is looked for without them, too.
fn forms_of(value: &str) -> Vec<String> {
    let mut forms = Vec::new();
    let lines = value.lines().map(|line| clean(line.as_bytes()));
    let lines: Vec<String> = lines.map(|line| line.trim().to_owned()).collect();
    for raw in std::iter::once(value).chain(lines.iter().map(String::as_str)) {
        if raw.len() >= SHORTEST {
            forms.extend(base64_forms(raw.as_bytes()));
            forms.push(raw.to_owned());
        }
    }
    forms
}

/// The value in base64 at each of the three places it can have in a longer text (`user:token` puts it at any); only
/// the characters that depend on nothing but the value. What programs break into lines is a form for each line.
fn base64_forms(value: &[u8]) -> Vec<String> {
    let mut forms = Vec::new();
    for lead in 0..3usize {
        let mut padded = vec![0u8; lead];
        padded.extend_from_slice(value);
        for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            let encoded = engine.encode(&padded);
            let from = (lead * 8).div_ceil(6);
            let to = padded.len() * 8 / 6;
            let certain = encoded.get(from..to).unwrap_or_default();
            for width in WRAPS {
                if lead == 0 && certain.len() > width {
                    let lines = certain.as_bytes().chunks(width).skip(1);
                    forms.extend(lines.map(|line| String::from_utf8_lossy(line).into_owned()));
                }
            }
            forms.push(certain.to_owned());
        }
    }
    forms.retain(|form| form.len() >= SHORTEST);
    forms
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};
    use proptest::prelude::*;

    fn redact(secret: &str, text: &str) -> String {
        Redactor::new([&Secret::new(secret)]).redact(text.to_owned())
    }

    #[test]
    fn a_value_is_found_however_a_program_escapes_it() {
        let secret = "p\"ss <w>/rd+42é\u{1f511}";
        for shown in [
            secret,
            "p%22ss%20%3Cw%3E%2Frd%2B42%C3%A9%F0%9F%94%91",
            "p%22ss%20%3cw%3e/rd%2b42%c3%a9%f0%9f%94%91",
            "p%22ss+%3Cw%3E%2Frd%2B42%C3%A9%F0%9F%94%91",
            "p\\\"ss <w>/rd+42é\u{1f511}",
            "p\\\"ss \\u003cw\\u003E\\/rd+42\\u00e9\\ud83d\\udd11",
            // JSON in JSON, and JSON in a URL.
            "p\\\\\\\"ss <w>/rd+42é\u{1f511}",
            "p%5C%22ss%20%3Cw%3E%2Frd%2B42%C3%A9%F0%9F%94%91",
        ] {
            let shown = redact(secret, &format!("a={shown}&b"));
            assert_eq!(shown, format!("a={MASK}&b"));
        }
    }

    #[test]
    fn a_value_that_looks_escaped_is_found_as_it_is() {
        assert_eq!(redact("100%25\\n", "x 100%25\\n y"), format!("x {MASK} y"));
        assert_eq!(
            redact("100%25\\n", "x 100%25\\\\n y"),
            format!("x {MASK} y")
        );
        assert_eq!(redact("100%25\\n", "100%2525%5Cn"), MASK);
    }

    #[test]
    fn a_value_in_basic_authentication_is_found_wherever_it_begins() {
        for user in ["", "u", "us", "use"] {
            for encoded in [
                STANDARD.encode(format!("{user}:p4ssw0rd??>")),
                URL_SAFE.encode(format!("{user}:p4ssw0rd??>")),
            ] {
                let shown = redact("p4ssw0rd??>", &format!("Basic {encoded}"));
                // At most the characters it shares with its neighbours are left.
                assert!(
                    shown.contains(MASK) && shown.len() <= "Basic ".len() + MASK.len() + 9,
                    "{shown}"
                );
            }
        }
    }

    #[test]
    fn each_line_of_a_key_is_hidden_and_each_line_of_its_base64() {
        let lines: Vec<String> = (0..9u8).map(|n| STANDARD.encode([n * 7 + 1; 48])).collect();
        let secret = format!(
            "-----BEGIN KEY-----\n{}\n-----END KEY-----\n",
            lines.join("\n")
        );
        for line in &lines {
            assert_eq!(redact(&secret, &format!("  {line}")), format!("  {MASK}"));
        }
        let encoded = STANDARD.encode(&secret);
        for width in WRAPS {
            for line in encoded.as_bytes().chunks(width) {
                let line = std::str::from_utf8(line).unwrap();
                let shown = redact(&secret, line);
                assert!(
                    shown.contains(MASK) && shown.len() <= MASK.len() + 4,
                    "{line}: {shown}"
                );
            }
        }
        let escaped = secret.replace('\n', "\\n");
        assert_eq!(
            redact(&secret, &format!("{{\"key\":\"{escaped}\"}}")),
            format!("{{\"key\":\"{MASK}\"}}")
        );
    }

    #[test]
    fn what_a_log_leaves_out_of_a_line_does_not_hide_a_value() {
        let line = clean("key \u{1b}[1mhun\u{7}ter22\u{1b}[0m".as_bytes());
        assert_eq!(redact("hun\u{7}ter22", &line), format!("key {MASK}"));
    }

    #[test]
    fn the_beginning_of_a_long_value_is_hidden_too() {
        let secret: String = ('a'..='z').chain('0'..='9').collect();
        assert_eq!(redact(&secret, &secret[..30]), MASK);
        assert_eq!(
            redact(&secret, &format!("{}, {secret}!", &secret[..25])),
            format!("{MASK}, {MASK}!")
        );
    }

    #[test]
    fn values_within_values_are_hidden_whole() {
        let secrets = ["hunter", "hunter22", "22hunters"].map(Secret::new);
        let shown = Redactor::new(&secrets).redact("it is hunter22hunters.".into());
        assert_eq!(shown, format!("it is {MASK}."));
    }

    #[test]
    fn short_values_are_left_because_masking_them_would_mask_everything() {
        assert_eq!(redact("on", "button on"), "button on");
        assert_eq!(
            redact("on\nabcd", "button on abcd"),
            format!("button on {MASK}")
        );
    }

    #[test]
    fn debugging_shows_no_value() {
        let known = Redactor::new([&Secret::new("hunter22")]);
        assert_eq!(format!("{known:?}"), "Redactor(Forms(…))");
    }

    proptest! {
        #[test]
        fn no_text_around_it_hides_a_value(secret in "[a-zA-Z0-9/+_.-]{8,80}", lead in "[ -~]{0,9}", tail in "[ -~]{0,9}") {
            let text = format!("{lead}{secret}{tail}");
            prop_assert!(!redact(&secret, &text).contains(&secret));
            let encoded = STANDARD.encode(&text);
            prop_assert!(redact(&secret, &encoded).contains(MASK));
        }

        #[test]
        fn any_text_can_be_searched(secret in "\\PC{4,9}", text in "(\\PC|%[0-9a-f]{2}|\\\\u[0-9a-f]{4}|\\\\.){0,40}") {
            let shown = redact(&secret, &format!("{text}{secret}{text}"));
            prop_assert!(shown.contains(MASK));
        }
    }
}

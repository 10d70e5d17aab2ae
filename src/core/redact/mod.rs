//! Takes secret values out of text where it enters: the value itself, and the forms it takes when a program encodes
//! it. Works on whole lines, so a value cannot hide by being written in two pieces.
//!
//! Base64 is looked for as such. Percent signs and backslashes are undone first, because programs differ in what they
//! escape and how; what is then found is taken out of the text as it was written.

mod forms;
mod unescape;

use super::secret::Secret;
use aho_corasick::AhoCorasick;
use forms::{Form, forms_of};
use std::collections::HashMap;
use std::sync::Arc;
use unescape::{RULES, Unescaped};

/// What stands where a value was.
const MASK: &str = "[redacted]";

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
    forms: Vec<Form>,
    anchors: AhoCorasick,
    /// Which form each anchor is of, and where in it.
    places: Vec<(usize, usize)>,
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
        let mut forms: Vec<Form> = secrets
            .into_iter()
            .flat_map(|secret| forms_of(secret.expose()))
            .collect();
        forms.sort_unstable();
        forms.dedup();
        if forms.is_empty() {
            return Self::default();
        }
        let mut places = Vec::new();
        let mut anchors = Vec::new();
        for (index, form) in forms.iter().enumerate() {
            for (at, anchor) in form.anchors() {
                places.push((index, at));
                anchors.push(anchor);
            }
        }
        let Ok(anchors) = AhoCorasick::new(anchors) else {
            // Beyond the automaton's limits: gigabytes of secrets.
            return Self(Known::TooMuch);
        };
        Self(Known::Forms(Arc::new(Forms {
            forms,
            anchors,
            places,
        })))
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
        if text.contains(['%', '+', '\\']) {
            let written = Unescaped::nothing(&text);
            forms.search_unescaped(&written, DEPTH, &mut found);
        }
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
        // Where each form was found last: it has many anchors.
        let mut last: HashMap<usize, (usize, usize)> = HashMap::new();
        for hit in self.anchors.find_overlapping_iter(text) {
            let (index, at) = self.places[hit.pattern().as_usize()];
            let is_within =
                |(start, end): &(usize, usize)| *start <= hit.start() && hit.end() <= *end;
            if last.get(&index).is_some_and(is_within) {
                continue;
            }
            let form = self.forms[index].text.as_bytes();
            let before = form[..at]
                .iter()
                .rev()
                .zip(text[..hit.start()].iter().rev());
            let after = form[at..].iter().zip(&text[hit.start()..]);
            let (start, end) = (hit.start() - same(before), hit.start() + same(after));
            last.insert(index, (start, end));
            found.push(place(start, end));
        }
    }

    fn search_unescaped(&self, text: &Unescaped, depth: usize, found: &mut Vec<(usize, usize)>) {
        if depth == 0 {
            return;
        }
        for rule in RULES {
            if let Some(text) = text.undo(rule) {
                let place = |start: usize, end: usize| text.written(start, end);
                self.search(text.bytes(), &place, found);
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

/// How many of the pairs are equal until the first that is not.
fn same<'a>(pairs: impl Iterator<Item = (&'a u8, &'a u8)>) -> usize {
    pairs.take_while(|(wanted, given)| wanted == given).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::log::clean;
    use base64::Engine as _;
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
        for (user, width) in [("", 76), ("", 64), ("user:", 76), ("us:", 64)] {
            let encoded = STANDARD.encode(format!("{user}{secret}"));
            for line in encoded.as_bytes().chunks(width) {
                let line = std::str::from_utf8(line).unwrap();
                let shown = redact(&secret, line);
                let is_hidden = shown.contains(MASK) && shown.len() <= MASK.len() + 8;
                assert!(is_hidden || line.len() < 15, "{line}: {shown}");
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

//! Takes secret values out of text where it enters: the value itself, and the forms it takes when a program encodes
//! it. Works on whole lines, so a value cannot hide by being written in two pieces.

use super::secret::Secret;
use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// What stands where a value was.
const MASK: &str = "[redacted]";

/// A value shorter than this is not looked for: replacing every `1` or `on` would make logs unreadable and would
/// itself tell the value.
const SHORTEST: usize = 4;

/// Replaces every known secret value.
#[derive(Clone, Debug, Default)]
pub struct Redactor {
    patterns: Option<AhoCorasick>,
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
        // Building fails only for patterns beyond the automaton's limits (gigabytes); leftmost-longest takes the
        // whole of a value whose beginning is another value.
        let patterns = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(&forms)
            .ok();
        Self { patterns }
    }

    /// The text without secret values.
    #[must_use]
    pub fn redact(&self, text: String) -> String {
        match &self.patterns {
            Some(patterns) if patterns.is_match(&text) => {
                let mut out = String::with_capacity(text.len());
                patterns.replace_all_with(&text, &mut out, |_, _, out| {
                    out.push_str(MASK);
                    true
                });
                out
            }
            Some(_) | None => text,
        }
    }
}

fn forms_of(value: &str) -> Vec<String> {
    let mut forms = Vec::new();
    let lines = value.lines().map(str::trim).filter(|line| *line != value);
    for raw in std::iter::once(value)
        .chain(lines)
        .filter(|raw| raw.len() >= SHORTEST)
    {
        forms.push(raw.to_owned());
        forms.extend(base64_forms(raw.as_bytes()));
        forms.push(utf8_percent_encode(raw, NON_ALPHANUMERIC).to_string());
        forms.push(json_escaped(raw));
        forms.push(form_urlencoded(raw));
    }
    forms
}

/// The value in base64 at each of the three places it can have in a longer text (`user:token` puts it at any); only
/// the characters that depend on nothing but the value.
fn base64_forms(value: &[u8]) -> Vec<String> {
    let mut forms = Vec::new();
    for lead in 0..3usize {
        let mut padded = vec![0u8; lead];
        padded.extend_from_slice(value);
        for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            let encoded = engine.encode(&padded);
            let from = (lead * 8).div_ceil(6);
            let to = padded.len() * 8 / 6;
            if to.saturating_sub(from) >= SHORTEST {
                forms.push(encoded[from..to].to_owned());
            }
        }
    }
    forms
}

/// As `encodeURIComponent` and most query builders write it: unreserved characters stay.
fn form_urlencoded(value: &str) -> String {
    const KEPT: percent_encoding::AsciiSet = NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'_')
        .remove(b'.')
        .remove(b'~');
    utf8_percent_encode(value, &KEPT).to_string()
}

fn json_escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    fn redact(secret: &str, text: &str) -> String {
        Redactor::new([&Secret::new(secret)]).redact(text.to_owned())
    }

    #[test]
    fn a_value_is_found_raw_encoded_escaped_and_line_by_line() {
        let secret = "p\"ss w/rd+42";
        for shown in [
            secret.to_owned(),
            "p%22ss%20w%2Frd%2B42".into(),
            "p\\\"ss w/rd+42".into(),
        ] {
            assert_eq!(
                redact(secret, &format!("a {shown} b")),
                format!("a {MASK} b")
            );
        }
        let basic = STANDARD.encode(format!("user:{secret}"));
        let shown = redact(secret, &basic);
        assert!(shown.contains(MASK), "{shown}");
        assert_eq!(
            redact("line one\nline two", "x line two y"),
            format!("x {MASK} y")
        );
    }

    #[test]
    fn short_values_are_left_because_masking_them_would_mask_everything() {
        assert_eq!(redact("on", "button on"), "button on");
    }

    proptest! {
        #[test]
        fn no_text_around_it_hides_a_value(secret in "[a-zA-Z0-9/+_.-]{8,40}", lead in "[ -~]{0,9}", tail in "[ -~]{0,9}") {
            let text = format!("{lead}{secret}{tail}");
            prop_assert!(!redact(&secret, &text).contains(&secret));
            let encoded = STANDARD.encode(&text);
            prop_assert!(redact(&secret, &encoded).contains(MASK));
        }
    }
}

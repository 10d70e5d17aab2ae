//! How severe a line says it is: by a field of JSON or logfmt, by a word at its head, alone or after a time, by syslog's
//! or klog's prefix. What stands in the middle of a sentence says nothing.

use super::Severity;

/// How many words at a line's head may be times, process numbers and names before the one that tells.
const HEAD: usize = 6;
/// The fields that tell.
const FIELDS: [&str; 6] = [
    "level",
    "severity",
    "lvl",
    "levelname",
    "loglevel",
    "log.level",
];

/// How severe a line says it is; `None` if it says nothing.
#[must_use]
pub fn severity_of(text: &str) -> Option<Severity> {
    let text = text.trim_start();
    match text.as_bytes().first()? {
        b'{' => of_json(text),
        b'<' => of_syslog(text),
        _ => of_letter(text).or_else(|| of_head(text)),
    }
}

/// What a word for a severity means, in whatever case.
fn of_word(word: &str) -> Option<Severity> {
    const WORDS: [(&str, Severity); 24] = [
        ("trace", Severity::Debug),
        ("verbose", Severity::Debug),
        ("debug", Severity::Debug),
        ("dbg", Severity::Debug),
        ("trc", Severity::Debug),
        ("info", Severity::Info),
        ("information", Severity::Info),
        ("informational", Severity::Info),
        ("inf", Severity::Info),
        ("notice", Severity::Info),
        ("log", Severity::Info),
        ("warn", Severity::Warn),
        ("warning", Severity::Warn),
        ("wrn", Severity::Warn),
        ("error", Severity::Error),
        ("err", Severity::Error),
        ("severe", Severity::Error),
        ("critical", Severity::Error),
        ("crit", Severity::Error),
        ("fatal", Severity::Error),
        ("ftl", Severity::Error),
        ("panic", Severity::Error),
        ("alert", Severity::Error),
        ("emergency", Severity::Error),
    ];
    let found = WORDS.iter().find(|(one, _)| word.eq_ignore_ascii_case(one));
    found.map(|(_, severity)| *severity)
}

/// The numbers of pino and bunyan.
fn of_number(text: &str) -> Option<Severity> {
    match text.parse().ok()? {
        10..=29 => Some(Severity::Debug),
        30..=39 => Some(Severity::Info),
        40..=49 => Some(Severity::Warn),
        50u32..=60 => Some(Severity::Error),
        _ => None,
    }
}

/// `<3>`: the lower three bits are the severity.
fn of_syslog(text: &str) -> Option<Severity> {
    let (digits, _) = text.strip_prefix('<')?.split_once('>')?;
    if digits.len() > 3 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    match digits.parse::<u32>().ok()? {
        more if more > 191 => None,
        number => Some(match number % 8 {
            0..=3 => Severity::Error,
            4 => Severity::Warn,
            5 | 6 => Severity::Info,
            _ => Severity::Debug,
        }),
    }
}

/// klog's `E0102 15:04:05` and Ruby's `E, [2025-…`.
fn of_letter(text: &str) -> Option<Severity> {
    let (letter, rest) = text.split_at_checked(1)?;
    let is_klog = || {
        let (date, rest) = rest.split_at_checked(5)?;
        let is_date = date.bytes().take(4).all(|byte| byte.is_ascii_digit());
        (is_date && date.ends_with(' ') && is_time(rest.split(' ').next()?)).then_some(())
    };
    if !rest.starts_with(", [") && is_klog().is_none() {
        return None;
    }
    match letter {
        "D" => Some(Severity::Debug),
        "I" => Some(Severity::Info),
        "W" => Some(Severity::Warn),
        "E" | "F" => Some(Severity::Error),
        _ => None,
    }
}

/// The first of the fields that tell, on the outermost level of a JSON object.
fn of_json(text: &str) -> Option<Severity> {
    let mut scan = Scan {
        rest: text.strip_prefix('{')?,
    };
    loop {
        let key = scan.string()?;
        scan.after(':')?;
        let value = scan.value()?;
        if FIELDS.contains(&key) {
            let word = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
            let severity = match word {
                Some(word) => of_word(word).or_else(|| of_number(word)),
                None => of_number(value),
            };
            if severity.is_some() {
                return severity;
            }
        }
        scan.after(',')?;
    }
}

/// Reads through JSON without looking at what it need not.
struct Scan<'a> {
    rest: &'a str,
}

impl<'a> Scan<'a> {
    fn after(&mut self, mark: char) -> Option<()> {
        self.rest = self.rest.trim_start().strip_prefix(mark)?;
        Some(())
    }

    /// A string without its quotes, as it is written.
    fn string(&mut self) -> Option<&'a str> {
        let inner = self.rest.trim_start().strip_prefix('"')?;
        let end = end_of_string(inner)?;
        self.rest = &inner[end + 1..];
        Some(&inner[..end])
    }

    /// Any value, as it is written.
    fn value(&mut self) -> Option<&'a str> {
        let text = self.rest.trim_start();
        let bytes = text.as_bytes();
        let (mut at, mut depth) = (0, 0usize);
        while let Some(byte) = bytes.get(at) {
            match byte {
                b'"' => at += 1 + end_of_string(&text[at + 1..])?,
                b'{' | b'[' => depth += 1,
                b'}' | b']' | b',' if depth == 0 => break,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            at += 1;
        }
        let value = &text[..at];
        self.rest = &text[at..];
        Some(value.trim_end())
    }
}

/// Where a string ends whose opening quote is before the text.
fn end_of_string(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })
}

/// A word at the head, or after a time and what usually stands between the two; else a field of logfmt.
fn of_head(text: &str) -> Option<Severity> {
    let mut timed = false;
    let mut words = text.split_whitespace();
    for _ in 0..HEAD {
        let word = words.next()?;
        if let Some(severity) = telling(word) {
            return Some(severity);
        }
        if word.contains('=') {
            return of_logfmt(text);
        }
        if is_time(word.trim_start_matches('[')) {
            timed = true;
        } else if timed && word == "-" {
            return of_dashes(text);
        } else if !(timed && may_stand_between(word) || is_bracketed(word)) {
            return None;
        }
    }
    None
}

/// Whether a word is a severity as one is written at a head: in brackets, with a colon, or in capitals.
fn telling(word: &str) -> Option<Severity> {
    let bare = word.trim_end_matches([']', ')', '|']);
    if let Some(inner) = bare.strip_prefix(['[', '(']) {
        return of_word(inner.trim_end_matches(':'));
    }
    let bare = bare.trim_end_matches(',');
    if let Some((name, rest)) = bare.split_once(':') {
        // `WARNING:root:text`, `error:`, `app.ERROR:`
        let last = name.rsplit_once('.').filter(|(_, last)| is_loud(last));
        let name = last.map_or(name, |(_, last)| last);
        return of_word(name).filter(|_| rest.is_empty() || is_loud(name));
    }
    of_word(bare).filter(|_| is_loud(bare))
}

fn is_loud(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// A date, a time, both, or a distance from UTC: digits and what is written between them.
fn is_time(word: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_digit() || b"-:/.,+TZ]".contains(&byte);
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    digits >= 4 && word.bytes().all(is_part) && word.bytes().any(|byte| b":-/+".contains(&byte))
}

/// What may stand between a time and the severity: a zone, the number of a process, dashes.
fn may_stand_between(word: &str) -> bool {
    let is_zone = word.len() <= 5 && is_loud(word.trim_end_matches(']'));
    is_zone || word.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_bracketed(word: &str) -> bool {
    word.starts_with('[') && word.ends_with(']')
}

/// `2025-03-14 10:32:00,123 - name - ERROR - text`
fn of_dashes(text: &str) -> Option<Severity> {
    let mut fields = text.split(" - ").skip(1).take(2);
    fields.find_map(|field| of_word(field.trim()))
}

/// `time=… level=warn msg="…"`: only where a line begins with such a field.
fn of_logfmt(text: &str) -> Option<Severity> {
    let value = |word: &str| {
        let (name, value) = word.split_once('=')?;
        let value = value.trim_matches('"');
        let tells = FIELDS.contains(&name);
        tells.then(|| of_word(value).or_else(|| of_number(value)))?
    };
    text.split_whitespace().find_map(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_is_as_severe_as_it_says() {
        use Severity::{Debug, Error, Info, Warn};
        for (text, expected) in [
            (r#"{"level":"error","msg":"x"}"#, Error),
            (r#"{"msg":"level \": warn","severity" : "WARNING"}"#, Warn),
            (r#"{"a":{"level":"error"},"lvl":"dbg"}"#, Debug),
            (r#"{"level":30,"time":1,"msg":"pino"}"#, Info),
            (r#"{"level":60}"#, Error),
            (r#"{"level":"verbose"}"#, Debug),
            (r#"{"log.level":"fatal"}"#, Error),
            (r#"{"level":"?","severity":"notice"}"#, Info),
            ("time=2025-03-14T10:32:00Z level=warn msg=\"a b\"", Warn),
            ("level=\"error\" msg=x", Error),
            ("ts=1 lvl=eror level=crit", Error),
            ("[ERROR] no", Error),
            ("[warn] careful", Warn),
            ("ERROR: no", Error),
            ("Error: no", Error),
            ("error: no", Error),
            ("WARN careful", Warn),
            ("WARNING:root:careful", Warn),
            ("INFO:     127.0.0.1:1 - \"GET / HTTP/1.1\"", Info),
            ("panic: runtime error", Error),
            ("2025-03-14T10:32:00.1Z ERROR app: no", Error),
            ("2025-03-14T10:32:00Z  WARN 12 --- [main] x", Warn),
            ("2025/03/14 10:32:00 [error] 12#12: *1 open() failed", Error),
            ("2025-03-14 10:32:00.000 UTC [12] ERROR:  relation", Error),
            ("2025-03-14 10:32:00.000 UTC [12] LOG:  ready", Info),
            ("10:32:00.123 [main] DEBUG com.example - x", Debug),
            ("[2025-03-14T10:32:00Z INFO  app] x", Info),
            ("[2025-03-14 10:32:00 +0000] [12] [CRITICAL] x", Error),
            ("2025-03-14 10:32:00,123 - app.web - ERROR - no", Error),
            ("[2025-03-14T10:32:00+00:00] app.ERROR: no", Error),
            ("E, [2025-03-14T10:32:00.1 #1] ERROR -- : no", Error),
            ("E0314 10:32:00.000000       1 main.go:7] no", Error),
            ("I0314 10:32:00.000000       1 main.go:7] yes", Info),
            ("<3>no", Error),
            ("<4>careful", Warn),
            ("<30>daemon, info", Info),
            ("<191>debug", Debug),
            ("   FATAL no", Error),
        ] {
            assert_eq!(severity_of(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn a_line_that_says_nothing_says_nothing() {
        for text in [
            "",
            " ",
            "there was an error",
            "An ERROR in the middle",
            "error in the beginning of a sentence",
            "Info about something",
            "set level=warn to see less",
            "listening on 0.0.0.0:8080",
            "GET / HTTP/1.1 200 ERROR",
            "{\"msg\":\"level\"}",
            "{\"level\":\"",
            "{\"level\":{\"level\":\"error\"}}",
            "{\"level\":3}",
            "{",
            "<999>x",
            "<>x",
            "<b>error</b>",
            "E0314",
            "Errors: 7",
            "10 errors",
            "2025-03-14 something ERROR",
        ] {
            assert_eq!(severity_of(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_line_is_looked_at_without_a_panic(
            text in "(\\PC|[{}\\[\\]\":,\\\\<>= E0-9-]|level|ERROR){0,60}", more in "\\PC{0,40}",
        ) {
            let _ = (severity_of(&text), severity_of(&more), severity_of(&format!("{{{text}")));
        }
    }
}

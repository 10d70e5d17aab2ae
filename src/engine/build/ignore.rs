//! `.dockerignore` by Docker's own rules, which are not git's: patterns are anchored at the context's root, the last
//! one that matches wins, and one that matches a directory matches what is inside.
//!
//! It follows `patternmatcher` of the Moby project step by step, its oddities included, because a context that
//! differs from what `docker build` sends is a fault that nobody finds.

use regex::Regex;

/// The patterns of a `.dockerignore` file.
#[derive(Debug, Default)]
pub struct Ignore {
    patterns: Vec<Pattern>,
}

/// What the patterns say of a path, with what its children need to know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the path is left out.
    pub excluded: bool,
    /// Which patterns matched it or a directory it is in.
    matched: Vec<bool>,
}

#[derive(Debug)]
struct Pattern {
    includes: bool,
    matcher: Matcher,
}

#[derive(Debug)]
enum Matcher {
    Exact(String),
    Prefix(String),
    Suffix(String),
    Regex(Regex),
}

impl Ignore {
    /// Reads the file's text.
    ///
    /// # Errors
    /// Names the line that is not a pattern.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut patterns = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            if line.starts_with('#') || line.trim().is_empty() {
                continue;
            }
            let pattern = Pattern::parse(line.trim())
                .ok_or_else(|| format!("line {number}, '{}', is not a pattern", line.trim()))?;
            patterns.push(pattern);
        }
        Ok(Self { patterns })
    }

    /// Whether something inside an excluded directory may be included all the same.
    #[must_use]
    pub fn has_exceptions(&self) -> bool {
        self.patterns.iter().any(|pattern| pattern.includes)
    }

    /// Judges a path relative to the context (`a/b`), given the verdict on the directory it is in; none at the root.
    #[must_use]
    pub fn judge(&self, path: &str, parent: Option<&Verdict>) -> Verdict {
        let mut excluded = false;
        let mut matched = vec![false; self.patterns.len()];
        for (index, pattern) in self.patterns.iter().enumerate() {
            let inherited = parent.is_some_and(|parent| parent.matched[index]);
            // A pattern that could not change the verdict is not asked; its children are asked anew.
            let asked = || pattern.includes == excluded && pattern.matcher.matches(path);
            if inherited || asked() {
                matched[index] = true;
                excluded = !pattern.includes;
            }
        }
        Verdict { excluded, matched }
    }
}

impl Pattern {
    fn parse(line: &str) -> Option<Self> {
        let (includes, text) = match line.strip_prefix('!') {
            Some(text) => (true, text.trim()),
            None => (false, line),
        };
        if text.is_empty() {
            return None;
        }
        let cleaned = clean(text);
        let anchored = match cleaned.strip_prefix('/') {
            Some(rest) if !rest.is_empty() => rest,
            // Docker cleans "!/" away to "!", which is no pattern; a lone "/" matches nothing.
            Some(_) if includes => return None,
            Some(_) | None => &cleaned,
        };
        if !is_well_formed(anchored) {
            return None;
        }
        Some(Self {
            includes,
            matcher: Matcher::compile(anchored)?,
        })
    }
}

impl Matcher {
    /// Follows Moby's `Pattern.compile`: as long as a pattern has nothing but leading or trailing `**` it is
    /// compared as text, else it becomes a regular expression.
    fn compile(pattern: &str) -> Option<Self> {
        let mut kind = Kind::Exact;
        let mut expression = String::from("^");
        let mut chars = pattern.chars().peekable();
        let mut in_class = false;
        let mut first = true;
        while let Some(c) = chars.next() {
            match c {
                '*' if chars.peek() == Some(&'*') => {
                    chars.next();
                    chars.next_if_eq(&'/');
                    if chars.peek().is_none() && kind == Kind::Exact {
                        kind = Kind::Prefix;
                    } else if chars.peek().is_none() {
                        expression.push_str(".*");
                        kind = Kind::Regex;
                    } else {
                        expression.push_str("(.*/)?");
                        kind = Kind::Regex;
                    }
                    if first {
                        kind = Kind::Suffix;
                    }
                }
                '*' | '?' => {
                    // Docker puts this into a class too, which it then ends.
                    expression.push_str(if in_class { "\\[^/]" } else { "[^/]" });
                    expression.push_str(if c == '*' { "*" } else { "" });
                    in_class = false;
                    kind = Kind::Regex;
                }
                '.' | '+' | '(' | ')' | '|' | '{' | '}' | '$' => {
                    expression.push('\\');
                    expression.push(c);
                }
                '\\' => {
                    expression.push('\\');
                    expression.push(chars.next().unwrap_or('\\'));
                    kind = Kind::Regex;
                }
                '[' | ']' => {
                    push_bracket(&mut expression, c, &mut in_class);
                    kind = Kind::Regex;
                }
                // Within a class Rust's expressions know operators that Go's do not.
                '&' | '~' if in_class => {
                    expression.push('\\');
                    expression.push(c);
                }
                c => expression.push(c),
            }
            first = false;
        }
        expression.push('$');
        Some(match kind {
            Kind::Exact => Self::Exact(pattern.to_owned()),
            Kind::Prefix => Self::Prefix(without_stars(pattern, str::strip_suffix).to_owned()),
            Kind::Suffix => Self::Suffix(without_stars(pattern, str::strip_prefix).to_owned()),
            Kind::Regex => Self::Regex(Regex::new(&expression).ok()?),
        })
    }

    fn matches(&self, path: &str) -> bool {
        match self {
            Self::Exact(pattern) => path == pattern,
            Self::Prefix(prefix) => path.starts_with(prefix),
            Self::Suffix(suffix) => {
                path.ends_with(suffix) || suffix.strip_prefix('/') == Some(path)
            }
            Self::Regex(expression) => expression.is_match(path),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Exact,
    Prefix,
    Suffix,
    Regex,
}

/// A bracket inside a class is a character to Go, and begins a nested class in Rust.
fn push_bracket(expression: &mut String, bracket: char, in_class: &mut bool) {
    match (bracket, *in_class) {
        ('[', true) => expression.push_str("\\["),
        (']', _) => {
            *in_class = false;
            expression.push(']');
        }
        (bracket, _) => {
            *in_class = true;
            expression.push(bracket);
        }
    }
}

fn without_stars<'a>(
    pattern: &'a str,
    strip: impl Fn(&'a str, &'static str) -> Option<&'a str>,
) -> &'a str {
    strip(pattern, "**").unwrap_or(pattern)
}

/// Go's `filepath.Clean`: no empty, `.` or inner `..` parts, no slash at the end.
fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    match (rooted, parts.join("/")) {
        (true, path) => format!("/{path}"),
        (false, path) if path.is_empty() => ".".to_owned(),
        (false, path) => path,
    }
}

/// The grammar of Go's `filepath.Match`, which Docker asks of every pattern.
fn is_well_formed(pattern: &str) -> bool {
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        let fits = match c {
            '\\' => rest.next().is_some(),
            '[' => skip_class(&mut rest),
            _ => true,
        };
        if !fits {
            return false;
        }
    }
    true
}

/// Reads past a class after its `[`; false if it is none.
fn skip_class(rest: &mut std::str::Chars<'_>) -> bool {
    let mut ahead = rest.clone().peekable();
    ahead.next_if_eq(&'^');
    let mut ranges = 0;
    loop {
        if ranges > 0 && ahead.next_if_eq(&']').is_some() {
            break;
        }
        if !skip_class_character(&mut ahead) {
            return false;
        }
        if ahead.next_if_eq(&'-').is_some() && !skip_class_character(&mut ahead) {
            return false;
        }
        ranges += 1;
    }
    *rest = {
        let left: usize = ahead.map(char::len_utf8).sum();
        let text = rest.as_str();
        text[text.len() - left..].chars()
    };
    true
}

/// One character of a class, which may be escaped; something must follow it.
fn skip_class_character(ahead: &mut std::iter::Peekable<std::str::Chars<'_>>) -> bool {
    match ahead.next() {
        None | Some('-' | ']') => false,
        Some('\\') => ahead.next().is_some() && ahead.peek().is_some(),
        Some(_) => ahead.peek().is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What the patterns say of a path, asked as a walk asks: each directory on the way first.
    fn excludes(text: &str, path: &str) -> bool {
        let ignore = Ignore::parse(text).unwrap();
        let mut verdict: Option<Verdict> = None;
        for (at, _) in path.match_indices('/').chain([(path.len(), "")]) {
            verdict = Some(ignore.judge(&path[..at], verdict.as_ref()));
        }
        verdict.unwrap().excluded
    }

    #[test]
    fn patterns_are_anchored_and_the_last_one_that_matches_wins() {
        for (text, path, excluded) in [
            ("temp", "temp", true),
            ("temp", "temp/a/b", true),
            ("temp", "a/temp", false),
            ("/temp", "temp", true),
            ("temp/", "temp/a", true),
            ("./a/../temp", "temp", true),
            ("*/temp*", "a/temporary.txt", true),
            ("*/temp*", "temporary.txt", false),
            ("*/*/temp*", "a/b/temp", true),
            ("temp?", "tempa", true),
            ("temp?", "temp", false),
            ("temp?", "temp/", false),
            ("**/*.go", "a/b/c.go", true),
            ("**/*.go", "c.go", true),
            ("**.go", "a/c.go", true),
            ("**/node_modules", "node_modules/x", true),
            ("**/node_modules", "a/node_modules/x", true),
            ("**/node_modules", "a/my_node_modules", false),
            ("a/**", "a/b/c", true),
            ("a/**", "ab", false),
            ("a/**/z", "a/z", true),
            ("a/**/z", "a/b/c/z", true),
            ("**", "a/b", true),
            ("[a-c].txt", "b.txt", true),
            ("[^a-c].txt", "b.txt", false),
            ("a\\*b", "a*b", true),
            ("a\\*b", "axb", false),
            ("a.b", "axb", false),
            ("*.md\n!README.md", "README.md", false),
            (
                "*.md\n!README*.md\nREADME-secret.md",
                "README-secret.md",
                true,
            ),
            (
                "*.md\nREADME-secret.md\n!README*.md",
                "README-secret.md",
                false,
            ),
            ("*\n!src", "src/a/b", false),
            ("*\n!src/a", "src/a/b", false),
            ("*\n!src/a", "src/b", true),
            ("*\n!**/*.go", "src/b.go", false),
            ("a/x\n!a", "a/x", true),
            ("# a\n\n  \n \tb \t", "b", true),
            ("# a", "# a", false),
            (" # a", "# a", true),
            ("\u{feff}a", "a", true),
            ("! a\n", "a", false),
            ("a\r\nb\r\n", "a", true),
            ("..", "a", false),
            (".", "a", false),
            ("/", "a", false),
            ("a+(b)|{c}$", "a+(b)|{c}$", true),
            ("[[]x*", "[xy", true),
            ("[a&&b]*", "&", true),
        ] {
            assert_eq!(excludes(text, path), excluded, "{text:?} on {path:?}");
        }
    }

    #[test]
    fn what_docker_refuses_as_a_pattern_is_refused_with_its_line() {
        for bad in [
            "[", "[a", "a[]b", "[-]", "[a-]", "!", "!/", "\\", "[\\", "[^]",
        ] {
            let text = format!("good\n{bad}");
            let error = Ignore::parse(&text).unwrap_err();
            assert!(error.contains("line 2"), "{bad}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_file_of_patterns_or_an_error(
            text in "[ab/*?.!\\[\\]^&~\\\\\n-]{0,30}", path in "[ab/.-]{1,12}",
        ) {
            if let Ok(ignore) = Ignore::parse(&text) {
                let _ = ignore.judge(&path, None);
            }
        }

        #[test]
        fn a_plain_name_excludes_itself_and_what_is_inside_and_nothing_else(
            name in "[a-z]{1,5}(/[a-z]{1,5}){0,2}", path in "[a-z]{1,5}(/[a-z]{1,5}){0,3}",
        ) {
            let inside = path == name || path.starts_with(&format!("{name}/"));
            prop_assert_eq!(excludes(&name, &path), inside);
            prop_assert_eq!(excludes(&format!("*\n!{name}"), &path), !inside);
        }
    }
}

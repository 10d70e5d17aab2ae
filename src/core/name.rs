//! Names that came from outside and were checked once, at the edge. None of them can be mistaken for an
//! option by another program, and none can leave the place it is put into.

use serde::{Deserialize, Serialize};

/// Why a name was not taken; the text is a whole sentence fragment for the user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidName(pub String);

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident = $check:path;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Takes the text if it is a valid name.
            ///
            /// # Errors
            /// Says what is wrong with it.
            pub fn parse(text: &str) -> Result<Self, InvalidName> {
                $check(text)?;
                Ok(Self(text.to_owned()))
            }

            /// The name as it was written.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;
            fn try_from(text: String) -> Result<Self, InvalidName> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

names! {
    /// An app's name: lower-case letters, digits and inner dashes, at most 40.
    AppName = slug;
    /// An environment's name; the same rules as an app's, but for one that was only reported.
    EnvironmentName = slug;
    /// The name of a process of an app; the same rules as an app's.
    ProcessName = slug;
    /// A project's path: `owner/repo`, or more parts.
    ProjectPath = project_path;
    /// A branch, by the rules of `git check-ref-format --branch`, at most 255 bytes.
    Branch = branch;
    /// A tag; the same rules as a branch's.
    Tag = branch;
    /// What somebody calls a branch, a tag, a commit or any other ref, as it was written; the same rules as a branch's.
    RefName = branch;
    /// A ref by its whole name that is neither a branch nor a tag: `refs/pull/3/merge`. Git's rules for names, at most 255
    /// bytes.
    OtherRef = other_ref;
    /// The name of a task of an app: 1 to 100 letters, digits and `._:/-`, not `deploy`.
    TaskName = task;
    /// An environment variable's name: `[A-Za-z_][A-Za-z0-9_]*`, at most 255.
    VariableName = variable;
    /// An image reference: `[host[:port]/]path[:tag][@sha256:…]`.
    ImageReference = image_reference;
    /// A full commit id: 40 or 64 lower-case hexadecimal digits.
    Sha = sha;
    /// A branch, tag or commit of a repository we have no copy of, as somebody told it: 1 to 255 visible characters
    /// (GitLab's contract).
    Reported = reported;
}

impl EnvironmentName {
    /// Takes the name of an environment that somebody else deploys to: 1 to 255 letters, digits, spaces and `-_/${}.`
    /// (GitLab's contract). Nothing on this host is ever named after it.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn reported(text: &str) -> Result<Self, InvalidName> {
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_/${}. ".contains(c);
        match text.chars().count() {
            0 => refuse("must not be empty")?,
            1..=255 if text.chars().all(fits) => {}
            1..=255 => refuse(
                "can contain only letters, digits, '-', '_', '/', '$', '{', '}', '.', and spaces",
            )?,
            _ => refuse("is longer than 255 characters")?,
        }
        Ok(Self(text.to_owned()))
    }
}

impl EnvironmentName {
    /// Takes the name of any environment: 1 to 255 characters, no control characters (GitHub's contract). What is named after
    /// it on this host gets a slug of it.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn any(text: &str) -> Result<Self, InvalidName> {
        match text.chars().count() {
            0 => refuse("must not be empty")?,
            1..=255 if text.chars().any(char::is_control) => {
                refuse("must not hold control characters")?;
            }
            1..=255 => {}
            _ => refuse("is longer than 255 characters")?,
        }
        Ok(Self(text.to_owned()))
    }
}

impl ImageReference {
    /// The registry's host as the engine keys credentials: the first part if it looks like a host
    /// (a dot, a port, or `localhost`), else `docker.io`.
    #[must_use]
    pub fn registry(&self) -> &str {
        match self.0.split_once('/') {
            Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => host,
            Some(_) | None => "docker.io",
        }
    }

    /// True when the reference names content (`@sha256:…`), which cannot change under it.
    #[must_use]
    pub fn is_pinned(&self) -> bool {
        self.0.contains("@sha256:")
    }

    /// The reference with an explicit tag: `:latest` where neither tag nor digest is given.
    #[must_use]
    pub fn with_tag(&self) -> String {
        let last = self.0.rsplit('/').next().unwrap_or(&self.0);
        if self.is_pinned() || last.contains(':') {
            self.0.clone()
        } else {
            format!("{}:latest", self.0)
        }
    }
}

fn task(text: &str) -> Result<(), InvalidName> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"._:/-".contains(&b);
    match text.as_bytes() {
        [] => refuse("must not be empty"),
        bytes if bytes.len() > 100 => refuse("is longer than 100 characters"),
        bytes if !bytes.iter().copied().all(fits) => {
            refuse("may hold only letters, digits, '.', '_', ':', '/' and '-'")
        }
        [b'-', ..] => refuse("must not begin with a dash"),
        b"deploy" => refuse("is what every deployment does; name the task something else"),
        _ => Ok(()),
    }
}

fn refuse(what: impl Into<String>) -> Result<(), InvalidName> {
    Err(InvalidName(what.into()))
}

fn slug(text: &str) -> Result<(), InvalidName> {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    match text.as_bytes() {
        [] => refuse("must not be empty"),
        bytes if bytes.len() > 40 => refuse("is longer than 40 characters"),
        bytes if !bytes.iter().copied().all(inner) => {
            refuse("may hold only lower-case letters, digits and dashes")
        }
        [b'-', ..] | [.., b'-'] => refuse("must not begin or end with a dash"),
        _ => Ok(()),
    }
}

fn project_path(text: &str) -> Result<(), InvalidName> {
    let part = |p: &str| {
        !p.is_empty()
            && !p.starts_with(['-', '.'])
            && p.bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
    };
    if text.len() > 255 {
        return refuse("is longer than 255 characters");
    }
    if text.split('/').count() < 2 || !text.split('/').all(part) {
        return refuse(
            "must look like owner/name: letters, digits, '-', '_' and '.' in parts divided by '/'",
        );
    }
    Ok(())
}

fn branch(text: &str) -> Result<(), InvalidName> {
    if text.is_empty() {
        return refuse("must not be empty");
    }
    if text.len() > 255 {
        return refuse("is longer than 255 bytes");
    }
    if text.starts_with('-') {
        return refuse("must not begin with a dash");
    }
    if text
        .chars()
        .any(|c| c.is_control() || " ~^:?*[\\".contains(c))
    {
        return refuse("holds a space, a control character or one of ~ ^ : ? * [ \\");
    }
    let bad_part = |p: &str| p.is_empty() || p.starts_with('.') || p.ends_with(".lock");
    if text.contains("..")
        || text.contains("@{")
        || text == "@"
        || text.ends_with('.')
        || text.split('/').any(bad_part)
    {
        return refuse("is not a valid git name");
    }
    if text == "HEAD" {
        return refuse("must not be HEAD");
    }
    Ok(())
}

fn other_ref(text: &str) -> Result<(), InvalidName> {
    match text.strip_prefix("refs/") {
        Some(rest) if rest.starts_with("heads/") || rest.starts_with("tags/") => {
            refuse("is a branch or a tag")
        }
        Some(rest) if text.len() <= 255 => branch(rest),
        Some(_) => refuse("is longer than 255 bytes"),
        None => refuse("must begin with refs/"),
    }
}

fn reported(text: &str) -> Result<(), InvalidName> {
    match text.chars().count() {
        0 => refuse("must not be empty"),
        1..=255 if !text.chars().any(|c| c.is_control() || c.is_whitespace()) => Ok(()),
        1..=255 => refuse("holds a space or a control character"),
        _ => refuse("is longer than 255 characters"),
    }
}

fn variable(text: &str) -> Result<(), InvalidName> {
    let bytes = text.as_bytes();
    let first = |b: u8| b.is_ascii_alphabetic() || b == b'_';
    match bytes {
        [head, rest @ ..]
            if rest.len() < 255
                && first(*head)
                && rest.iter().all(|b| first(*b) || b.is_ascii_digit()) =>
        {
            Ok(())
        }
        _ => refuse("must match [A-Za-z_][A-Za-z0-9_]* and be at most 255 long"),
    }
}

fn image_reference(text: &str) -> Result<(), InvalidName> {
    if text.is_empty() {
        return refuse("must not be empty");
    }
    if text.len() > 512 {
        return refuse("is longer than 512 characters");
    }
    let (path, digest) = match text.split_once('@') {
        Some((path, digest)) => (path, Some(digest)),
        None => (text, None),
    };
    if let Some(digest) = digest {
        let hex = digest.strip_prefix("sha256:").unwrap_or_default();
        if hex.len() != 64
            || !hex
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        {
            return refuse("has a digest that is not sha256: and 64 hexadecimal digits");
        }
    }
    let (parts, last) = match path.rsplit_once('/') {
        Some((parts, last)) => (Some(parts), last),
        None => (None, path),
    };
    let (repository, tag) = match last.split_once(':') {
        Some((repository, tag)) => (repository, Some(tag)),
        None => (last, None),
    };
    // As the engine reads it: words, and between two of them a dot, one or two underscores, or dashes.
    let is_of_a_word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let part = |p: &str| {
        let bytes = p.as_bytes();
        let ends_in_words = bytes.first().copied().is_some_and(is_of_a_word)
            && bytes.last().copied().is_some_and(is_of_a_word);
        ends_in_words
            && p.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
                .all(|between| {
                    matches!(between, "" | "." | "_" | "__") || between.bytes().all(|b| b == b'-')
                })
    };
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let host = |p: &str| {
        let is_port = |port: &str| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
        if let Some((address, port)) = p.strip_prefix('[').and_then(|p| p.split_once(']')) {
            return address.parse::<std::net::Ipv6Addr>().is_ok()
                && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port));
        }
        let (name, port) = match p.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (p, None),
        };
        name.split('.').all(is_label) && port.is_none_or(is_port)
    };
    // The engine takes what comes first for a registry's host only if no path could be written so.
    let is_host =
        |p: &str| p == "localhost" || p.contains(|c: char| ".:".contains(c) || c.is_uppercase());
    let first = |p: &str| if is_host(p) { host(p) } else { part(p) };
    let parts_hold = parts.is_none_or(|parts| {
        let mut parts = parts.split('/');
        parts.next().is_some_and(first) && parts.all(part)
    });
    let tag_holds = tag.is_none_or(|tag| {
        tag.len() <= 128
            && !tag.starts_with(['-', '.'])
            && !tag.is_empty()
            && tag
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
    });
    if !part(repository) || !parts_hold || !tag_holds {
        return refuse(
            "is not an image reference: [host[:port]/]path[:tag][@sha256:…], in lower case",
        );
    }
    Ok(())
}

fn sha(text: &str) -> Result<(), InvalidName> {
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if matches!(text.len(), 40 | 64) && text.bytes().all(hex) {
        Ok(())
    } else {
        refuse("must be a full commit id: 40 hexadecimal digits")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_that_looks_like_an_option_becomes_a_name() {
        for text in ["-x", "--upload-pack=evil", "-"] {
            assert!(AppName::parse(text).is_err(), "{text}");
            assert!(Branch::parse(text).is_err(), "{text}");
            assert!(ImageReference::parse(text).is_err(), "{text}");
            assert!(ProjectPath::parse(&format!("{text}/a")).is_err(), "{text}");
        }
    }

    #[test]
    fn branches_follow_the_rules_of_git() {
        for good in ["main", "feature/login", "v1.2", "a@b", "ünïcode"] {
            assert!(Branch::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "", "a..b", "a b", "a~1", "a^", "a:b", "a?", "a*", "a[", "a\\b", "/a", "a/", "a//b",
            ".a", "a/.b", "a.lock", "a.lock/b", "a.", "@", "a@{1}", "a\nb", "HEAD",
        ] {
            assert!(Branch::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn image_references_know_their_registry_and_tag() {
        for (text, registry, tagged) in [
            ("nginx", "docker.io", "nginx:latest"),
            ("nginx:1.27", "docker.io", "nginx:1.27"),
            ("acme/web", "docker.io", "acme/web:latest"),
            ("localhost/web", "localhost", "localhost/web:latest"),
            (
                "127.0.0.1:5000/web:2",
                "127.0.0.1:5000",
                "127.0.0.1:5000/web:2",
            ),
            (
                "registry.example.com/a/b",
                "registry.example.com",
                "registry.example.com/a/b:latest",
            ),
        ] {
            let reference = ImageReference::parse(text).unwrap();
            assert_eq!(
                (reference.registry(), reference.with_tag().as_str()),
                (registry, tagged),
                "{text}"
            );
        }
        for bad in [
            "",
            "Web",
            "a b",
            "a:",
            "a@sha256:12",
            "a//b",
            "../a",
            "a:-x",
            "http://a/b",
            // Found by fuzzing: the engine knows no such names.
            "a..b",
            "a.",
            "a-/b",
            "a.-b",
            "a___b",
            "a..b/c",
            "-a.b/c",
            "a:b/c",
            "[1/c",
            "a1-b.c_d/e",
        ] {
            assert!(ImageReference::parse(bad).is_err(), "{bad}");
        }
        for good in [
            "a.b",
            "a_b",
            "a__b",
            "a--b",
            "e/a1-b.c_d",
            "a/b:1..2",
            "localhost/a",
            "A.B:1/c",
            "[::1]:5000/c",
        ] {
            assert!(ImageReference::parse(good).is_ok(), "{good}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_either_a_name_or_an_error_and_never_a_panic(text in any::<String>()) {
            let _ = (AppName::parse(&text), Branch::parse(&text), ImageReference::parse(&text));
            let _ = (ProjectPath::parse(&text), VariableName::parse(&text), Sha::parse(&text));
        }
    }
}

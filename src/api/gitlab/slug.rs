//! The short form of an environment's name, which fits into a host's name.

use uuid::Uuid;

/// GitLab's limit, in characters.
const LONGEST: usize = 24;
/// How many characters tell apart what would be written alike.
const MARK: usize = 6;

/// At most [`LONGEST`] of `[a-z0-9-]`, beginning with a letter. A name that is one already stays as it is; to another a
/// mark of its own is added, so that no two names of a project have the same.
pub(super) fn slug(name: &str) -> String {
    let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let begins = name.starts_with(|c: char| c.is_ascii_lowercase());
    if begins && name.len() <= LONGEST && name.bytes().all(is_plain) && !name.ends_with('-') {
        return name.to_owned();
    }
    let mut written = String::new();
    for c in name.chars().map(|c| c.to_ascii_lowercase()) {
        match c {
            'a'..='z' | '0'..='9' => written.push(c),
            _ if written.ends_with('-') => {}
            _ => written.push('-'),
        }
    }
    if !written.starts_with(|c: char| c.is_ascii_lowercase()) {
        written.insert_str(0, "env-");
    }
    written.truncate(LONGEST - MARK - 1);
    let mark = Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes())
        .simple()
        .to_string();
    format!("{}-{}", written.trim_end_matches('-'), &mark[..MARK])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_a_slug_is_its_own() {
        for name in ["production", "staging-2", "a", "abcdefghijklmnopqrstuvwx"] {
            assert_eq!(slug(name), name);
        }
    }

    #[test]
    fn any_other_name_is_marked_so_that_no_two_are_alike() {
        let names = [
            "Production",
            "review/feature",
            "review-feature-",
            "review//feature",
            "review feature",
            "2nd",
            "-",
            "abcdefghijklmnopqrstuvwxy",
            "abcdefghijklmnopqrstuvwxz",
            "${CI}.x",
            "a--",
        ];
        let slugs: std::collections::BTreeSet<String> = names.into_iter().map(slug).collect();
        assert_eq!(slugs.len(), names.len(), "{slugs:?}");
        for slug in &slugs {
            assert!(slug.len() <= LONGEST, "{slug}");
            assert!(slug.starts_with(|c: char| c.is_ascii_lowercase()), "{slug}");
            let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            assert!(slug.bytes().all(is_plain) && !slug.contains("--"), "{slug}");
        }
        assert!(slug("review/feature").starts_with("review-feature-"));
    }
}

//! What of a repository a commit is looked for on.

use super::name::{Branch, InvalidName, OtherRef, Sha, Tag};

/// What a deployment names of its repository. Of one name there may be both a branch and a tag, and they are two
/// references.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reference {
    /// A branch.
    Branch(Branch),
    /// A tag, annotated or not: the commit it names is meant, never the tag's own object.
    Tag(Tag),
    /// A commit by itself, wherever in the repository it is.
    Commit(Sha),
    /// Another ref.
    Other(OtherRef),
}

/// What git calls a branch before its name.
const HEADS: &str = "refs/heads/";
/// What git calls a tag before its name.
const TAGS: &str = "refs/tags/";

impl Reference {
    /// Takes the short name of a branch, or of a tag.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(name: &str, is_tag: bool) -> Result<Self, InvalidName> {
        if is_tag {
            Tag::parse(name).map(Self::Tag)
        } else {
            Branch::parse(name).map(Self::Branch)
        }
    }

    /// Takes the name that [`Reference::full`] gives.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse_full(name: &str) -> Result<Self, InvalidName> {
        if let Some(branch) = name.strip_prefix(HEADS) {
            Branch::parse(branch).map(Self::Branch)
        } else if let Some(tag) = name.strip_prefix(TAGS) {
            Tag::parse(tag).map(Self::Tag)
        } else if name.starts_with("refs/") {
            OtherRef::parse(name).map(Self::Other)
        } else {
            Sha::parse(name).map(Self::Commit)
        }
    }

    /// The refs that a name may mean as GitHub's callers write it, the one that is meant first if there are several: a
    /// whole name (`refs/heads/x`) means itself, `heads/x` and `tags/x` say what they mean, and of a short name the branch
    /// comes before the tag. Digits of a commit are no ref: see [`commit_digits`].
    #[must_use]
    pub fn meant_by(name: &str) -> Vec<Self> {
        if name.starts_with("refs/") {
            return Self::parse_full(name).into_iter().collect();
        }
        let qualified = name.starts_with("heads/") || name.starts_with("tags/");
        let qualified = qualified.then(|| Self::parse_full(&format!("refs/{name}")));
        let short = [false, true].map(|is_tag| Self::parse(name, is_tag));
        qualified.into_iter().chain(short).flatten().collect()
    }

    /// The short name; of a commit its id, and of another ref the whole name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Branch(branch) => branch.as_str(),
            Self::Tag(tag) => tag.as_str(),
            Self::Commit(sha) => sha.as_str(),
            Self::Other(name) => name.as_str(),
        }
    }

    /// The name that means nothing else: `refs/heads/…`, `refs/tags/…`, another `refs/…`, or a commit's id.
    #[must_use]
    pub fn full(&self) -> String {
        match self {
            Self::Branch(branch) => format!("{HEADS}{branch}"),
            Self::Tag(tag) => format!("{TAGS}{tag}"),
            Self::Commit(sha) => sha.to_string(),
            Self::Other(name) => name.to_string(),
        }
    }

    /// The short name of what a commit was found on: one that was named by itself was found on nothing.
    #[must_use]
    pub fn found_on(&self) -> Option<String> {
        match self {
            Self::Branch(_) | Self::Tag(_) | Self::Other(_) => Some(self.to_string()),
            Self::Commit(_) => None,
        }
    }

    /// The word for what it is.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Branch(_) => "branch",
            Self::Tag(_) => "tag",
            Self::Commit(_) => "commit",
            Self::Other(_) => "ref",
        }
    }

    /// Whether it is a tag.
    #[must_use]
    pub fn is_tag(&self) -> bool {
        match self {
            Self::Tag(_) => true,
            Self::Branch(_) | Self::Commit(_) | Self::Other(_) => false,
        }
    }
}

/// The digits, in lower case, if a name can be the beginning of a commit's id: 7 to 40 hexadecimal digits.
#[must_use]
pub fn commit_digits(name: &str) -> Option<String> {
    let digits =
        (7..=40).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    digits.then(|| name.to_ascii_lowercase())
}

impl From<Branch> for Reference {
    fn from(branch: Branch) -> Self {
        Self::Branch(branch)
    }
}

/// The short name.
impl std::fmt::Display for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_branch_and_a_tag_of_one_name_are_two_references() {
        let [branch, tag] = [false, true].map(|is_tag| Reference::parse("v1", is_tag).unwrap());
        assert_ne!(branch, tag);
        assert_eq!(branch.to_string(), tag.to_string());
        assert_eq!(branch.full(), "refs/heads/v1");
        assert_eq!(tag.full(), "refs/tags/v1");
        assert!(tag.is_tag() && !branch.is_tag());
        for one in [branch, tag] {
            assert_eq!(Reference::parse_full(&one.full()), Ok(one));
        }
        assert!(Reference::parse_full("v1").is_err());
    }

    #[test]
    fn a_commit_and_another_ref_are_what_their_whole_names_say() {
        for (name, kind) in [
            ("refs/pull/3/merge", "ref"),
            ("refs/stash", "ref"),
            (&"a1".repeat(20)[..], "commit"),
            ("refs/heads/a/b", "branch"),
            ("refs/tags/v1", "tag"),
        ] {
            let one = Reference::parse_full(name).unwrap();
            assert_eq!((one.kind(), one.full().as_str()), (kind, name));
        }
        for bad in [
            "refs/",
            "refs/heads/",
            "refs/tags/-x",
            "refs/-x",
            "refs/pull/../x",
            "refs/pull/3/merge\n",
            "A1A1A1A1A1A1A1A1A1A1A1A1A1A1A1A1A1A1A1A1",
        ] {
            assert!(Reference::parse_full(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_name_means_what_it_says_and_a_branch_before_a_tag() {
        let meant = |name: &str| {
            let all = Reference::meant_by(name);
            all.iter().map(Reference::full).collect::<Vec<_>>()
        };
        assert_eq!(meant("x"), ["refs/heads/x", "refs/tags/x"]);
        assert_eq!(meant("refs/heads/x"), ["refs/heads/x"]);
        assert_eq!(meant("refs/tags/x"), ["refs/tags/x"]);
        assert_eq!(meant("refs/pull/3/merge"), ["refs/pull/3/merge"]);
        assert_eq!(
            meant("heads/x"),
            ["refs/heads/x", "refs/heads/heads/x", "refs/tags/heads/x"]
        );
        assert_eq!(
            meant("tags/x"),
            ["refs/tags/x", "refs/heads/tags/x", "refs/tags/tags/x"]
        );
        for nothing in [
            "",
            "-x",
            "a..b",
            "a\nb",
            "refs/heads/-x",
            "refs/",
            "HEAD",
            "x^{}",
            "*",
        ] {
            assert_eq!(meant(nothing), [""; 0], "{nothing}");
        }
    }

    #[test]
    fn digits_of_a_commit_are_hexadecimal_in_any_case_and_seven_to_forty() {
        assert_eq!(commit_digits("ABCdef1").as_deref(), Some("abcdef1"));
        assert!(commit_digits(&"f".repeat(40)).is_some());
        for bad in ["abcdef", "abcdefg", "", &"f".repeat(41)] {
            assert_eq!(commit_digits(bad), None);
        }
    }

    #[test]
    fn a_tag_cannot_be_an_option_or_a_pattern_either() {
        for bad in [
            "",
            "-x",
            "--upload-pack=evil",
            "v*",
            "v1^{}",
            "a..b",
            "HEAD",
        ] {
            assert!(Reference::parse(bad, true).is_err(), "{bad}");
        }
    }
}

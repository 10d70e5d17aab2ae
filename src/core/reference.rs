//! What of a repository a commit is looked for on.

use super::name::{Branch, InvalidName, Tag};

/// A branch or a tag. Of one name there may be both, and they are two references.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reference {
    /// A branch.
    Branch(Branch),
    /// A tag, annotated or not: the commit it names is meant, never the tag's own object.
    Tag(Tag),
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
        } else {
            Err(InvalidName(format!("must begin with {HEADS} or {TAGS}")))
        }
    }

    /// The short name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Branch(branch) => branch.as_str(),
            Self::Tag(tag) => tag.as_str(),
        }
    }

    /// The name that means nothing else: `refs/heads/…` or `refs/tags/…`.
    #[must_use]
    pub fn full(&self) -> String {
        match self {
            Self::Branch(branch) => format!("{HEADS}{branch}"),
            Self::Tag(tag) => format!("{TAGS}{tag}"),
        }
    }

    /// Whether it is a tag.
    #[must_use]
    pub fn is_tag(&self) -> bool {
        match self {
            Self::Branch(_) => false,
            Self::Tag(_) => true,
        }
    }
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

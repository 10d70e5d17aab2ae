//! Previews: environments that a deployment makes for a name the configuration does not have. They are what the app is,
//! without what only one environment can have, and they end by themselves.

use super::name::{EnvironmentName, InvalidName};
use super::route::{Domain, Host};
use super::spec::Spec;
use std::fmt;
use std::time::Duration;
use uuid::Uuid;

/// What an app says of its previews.
#[derive(Clone, Debug, PartialEq)]
pub struct Previews {
    /// What each of them is deployed with, but for its domain: the app's own keys without host ports, volumes and files of
    /// variables, and with no other secrets than those named for previews.
    pub spec: Spec,
    /// Where each is reached; `None`: it gets no route.
    pub domain: Option<PreviewDomain>,
    /// How many there may be at a time.
    pub max: u32,
    /// How long one stays after its last deployment was asked for.
    pub ttl: Duration,
}

impl Previews {
    /// Where a preview's requests come from.
    #[must_use]
    pub fn domains_of(&self, name: &EnvironmentName) -> Vec<Domain> {
        self.domain
            .iter()
            .map(|domain| domain.of(name.as_str()))
            .collect()
    }

    /// What a preview is deployed with.
    #[must_use]
    pub fn spec_of(&self, name: &EnvironmentName) -> Spec {
        Spec {
            domains: self.domains_of(name),
            ..self.spec.clone()
        }
    }
}

/// What stands for the environment in the domain of previews.
const PLACEHOLDER: &str = "{environment}";
/// The longest label DNS has.
const LONGEST_LABEL: usize = 63;
/// The longest name.
const LONGEST_HOST: usize = 253;
/// What is left for the environment at the least: a readable part, and the mark of a name that is no label.
const LEAST_ROOM: usize = 24;
/// Two dashes, which no label has that is a name itself, and what tells one such name from another.
const MARK: usize = 10;

/// The domains of an app's previews: one with [`PLACEHOLDER`] in its first label, where each preview has its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PreviewDomain {
    before: String,
    after: String,
    room: usize,
}

impl PreviewDomain {
    /// Reads the text form, like `{environment}.preview.example.com`.
    ///
    /// # Errors
    /// Says what is wrong, to be read after the name of the key.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let no = |why: &str| {
            Err(InvalidName(format!(
                "{why}, like \"{PLACEHOLDER}.preview.example.com\", not {text:?}"
            )))
        };
        let (Some((before, after)), 1) = (
            text.split_once(PLACEHOLDER),
            text.matches(PLACEHOLDER).count(),
        ) else {
            return no("must hold \"{environment}\" exactly once");
        };
        if before.contains(['.', '/']) {
            return no("must have \"{environment}\" in its first label");
        }
        let (rest, below) = match after.split_once('.') {
            Some((rest, below)) if !rest.contains('/') => (rest, below),
            Some(_) | None => {
                return no("must have a domain behind the label of \"{environment}\"");
            }
        };
        let host = below.split('/').next().unwrap_or_default();
        let (before, after) = (before.to_ascii_lowercase(), after.to_owned());
        let of_label = LONGEST_LABEL.saturating_sub(before.len() + rest.len());
        let of_host = LONGEST_HOST.saturating_sub(before.len() + rest.len() + 1 + host.len());
        let room = of_label.min(of_host);
        if room < LEAST_ROOM {
            return no("leaves too little room in its first label for the name of an environment");
        }
        let one = Domain::parse(&format!("{before}x{after}"));
        match one.map(|domain| domain.host) {
            Ok(Host::Exact(_)) => Ok(Self {
                before,
                after,
                room,
            }),
            Ok(Host::Below(_) | Host::Any) | Err(_) => {
                no("must be a host name once \"{environment}\" is replaced")
            }
        }
    }

    /// The domain of one preview. Two names never have the same one.
    #[must_use]
    pub fn of(&self, name: &str) -> Domain {
        let label = label(name, self.room);
        Domain::parse(&format!("{}{label}{}", self.before, self.after))
            .expect("it was a domain with another label that is no longer")
    }
}

impl fmt::Display for PreviewDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{PLACEHOLDER}{}", self.before, self.after)
    }
}

/// The letters and digits of any name, in lower case, with a dash for whatever stands between them.
#[must_use]
pub fn plain(name: &str) -> String {
    let mut plain = String::new();
    for c in name.chars() {
        if c.is_ascii_alphanumeric() {
            plain.push(c.to_ascii_lowercase());
        } else if !plain.is_empty() && !plain.ends_with('-') {
            plain.push('-');
        }
    }
    plain.truncate(plain.trim_end_matches('-').len());
    plain
}

/// A DNS label for any name, the same one each time. A name that is a label by itself is its own; any other keeps what it
/// can and gets a mark behind two dashes, which the first kind never has: `feature-x` and `feature/x` do not meet.
#[must_use]
pub fn label(name: &str, room: usize) -> String {
    let mut label = plain(name);
    if label == name && label.len() <= room {
        return label;
    }
    // Two letters before two dashes are reserved (`xn--`).
    if label.len() < 3 {
        label = plain(&format!("env-{label}"));
    }
    label.truncate(room.saturating_sub(MARK));
    let kept = label.trim_end_matches('-');
    let whole = format!("https://longshore.dev/environment/{name}");
    let mark = Uuid::new_v5(&Uuid::NAMESPACE_URL, whole.as_bytes()).simple();
    format!("{kept}--{}", &mark.to_string()[..MARK - 2])
}

/// What is known of a preview when it is asked whether its time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Age {
    /// How old its last deployment was by the clock of this host when it was first seen here; nothing if that lay in the
    /// future.
    pub at_first: Duration,
    /// How long ago that was, on the clock that only goes forward.
    pub since: Duration,
}

impl Age {
    /// Whether it is past its time. What the clock of the host jumps while this process looks on counts for nothing.
    #[must_use]
    pub fn is_past(self, ttl: Duration) -> bool {
        self.at_first.saturating_add(self.since) >= ttl
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_that_is_a_label_is_its_own_and_any_other_is_marked() {
        for (name, expected) in [
            ("pr-12", "pr-12"),
            ("feature-x", "feature-x"),
            ("20261128", "20261128"),
        ] {
            assert_eq!(label(name, 63), expected);
        }
        for (name, kept) in [
            ("feature/x", "feature-x--"),
            ("feature--x", "feature-x--"),
            ("Feature-X", "feature-x--"),
            ("-feature-x", "feature-x--"),
            ("ab/", "env-ab--"),
            ("ü", "env--"),
            (
                "a very long name, longer than a label of DNS can be at all, by far",
                "a-very-long-name-longer-than-a-label-of-dns-can-be-at--",
            ),
        ] {
            let label = label(name, 63);
            assert!(label.starts_with(kept), "{name}: {label}");
            assert!(label.len() <= 63, "{label}");
        }
    }

    #[test]
    fn a_domain_of_previews_has_one_place_for_the_name_in_its_first_label() {
        for (text, of) in [
            (
                "{environment}.preview.example.com",
                "pr-1.preview.example.com",
            ),
            (
                "PR-{environment}-web.example.com",
                "pr-pr-1-web.example.com",
            ),
            ("{environment}.example.com/docs", "pr-1.example.com/docs"),
        ] {
            let domain = PreviewDomain::parse(text).unwrap();
            assert_eq!(domain.of("pr-1").to_string(), of);
        }
        let long = format!("{{environment}}-{}.example.com", "a".repeat(39));
        for text in [
            "preview.example.com",
            "",
            "{environment}",
            "{environment}.",
            "{environment}/a.b",
            "preview.{environment}.example.com",
            "{environment}.{environment}.example.com",
            "{environment}{environment}.example.com",
            "*.{environment}.example.com",
            "-{environment}.example.com",
            "{environment}.example.com:80",
            "https://{environment}.example.com",
            "{environment}. example.com",
            &long,
        ] {
            let fault = PreviewDomain::parse(text).unwrap_err();
            assert!(
                fault.0.contains("{environment}.preview.example.com"),
                "{text}: {fault}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_two_names_have_different_domains_that_dns_can_hold(names in proptest::collection::btree_set(any_name(), 2..40)) {
            let domain = PreviewDomain::parse("{environment}.preview.example.com").unwrap();
            let tight = PreviewDomain::parse(&format!("{{environment}}-{}.example.com", "a".repeat(38))).unwrap();
            for domain in [domain, tight] {
                let domains: std::collections::BTreeSet<String> =
                    names.iter().map(|name| domain.of(name).to_string()).collect();
                prop_assert_eq!(domains.len(), names.len(), "{:?}", names);
                for one in domains {
                    let first = one.split('.').next().unwrap();
                    prop_assert!(first.len() <= 63, "{}", first);
                    prop_assert!(first.as_bytes().get(2..4) != Some(b"--"), "{}", first);
                }
            }
        }
    }

    /// Names that are near each other, and names that are anything.
    fn any_name() -> impl Strategy<Value = String> {
        prop_oneof!["[a-c/_-]{1,6}", "[A-Ca-c-]{1,4}", "\\PC{1,255}"]
    }
}

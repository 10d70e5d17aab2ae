//! Who asked, who a project belongs to, and longshore itself.

use super::node;
use crate::api::github::urls::{Urls, encoded};
use crate::core::access::Principal;
use crate::core::time::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// GitHub's `simple-user`.
#[derive(Clone, Serialize)]
pub(in crate::api::github) struct User(Map<String, Value>);

/// What follows a user's URL under a name; what is in braces is for the client to fill in.
const PARTS: [(&str, &str); 9] = [
    ("events_url", "/events{/privacy}"),
    ("followers_url", "/followers"),
    ("following_url", "/following{/other_user}"),
    ("gists_url", "/gists{/gist_id}"),
    ("organizations_url", "/orgs"),
    ("received_events_url", "/received_events"),
    ("repos_url", "/repos"),
    ("starred_url", "/starred{/owner}{/repo}"),
    ("subscriptions_url", "/subscriptions"),
];

impl User {
    pub(in crate::api::github) fn new(principal: &Principal, urls: &Urls) -> Self {
        Self::of((principal.serial.0, &principal.name, "User"), urls)
    }

    /// Whose a project is. There is no row of them: the number is derived from the name, so that it is always the same,
    /// and within every client's integers.
    pub(in crate::api::github) fn owner(name: &str, urls: &Urls) -> Self {
        let name_lower = name.to_ascii_lowercase();
        let (number, ..) = Uuid::new_v5(&Uuid::NAMESPACE_URL, name_lower.as_bytes()).as_fields();
        let id = i64::from((number >> 1).max(1));
        Self::of((id, name, "Organization"), urls)
    }

    /// Who says what becomes of a deployment that is executed here. No row has the number 0.
    pub(in crate::api::github) fn longshore(urls: &Urls) -> Self {
        Self::of((0, "longshore[bot]", "Bot"), urls)
    }

    fn of((id, login, kind): (i64, &str, &str), urls: &Urls) -> Self {
        let name = encoded(login);
        let url = urls.api(&format!("/users/{name}"));
        let mut keys = Map::new();
        for (key, part) in PARTS {
            keys.insert(key.to_owned(), format!("{url}{part}").into());
        }
        let node = node::id(kind, id);
        let avatar = avatar(id, urls);
        for (key, value) in [
            ("avatar_url", json!(avatar)),
            ("gravatar_id", json!("")),
            ("html_url", json!(urls.web(&format!("/{name}")))),
            ("id", json!(id)),
            ("login", json!(login)),
            ("node_id", json!(node)),
            ("site_admin", json!(false)),
            ("type", json!(kind)),
            ("url", json!(url)),
        ] {
            keys.insert(key.to_owned(), value);
        }
        Self(keys)
    }

    /// Of oneself one is told more: GitHub's `public-user`.
    pub(in crate::api::github) fn of_caller(principal: &Principal, urls: &Urls) -> Self {
        let Self(mut keys) = Self::new(principal, urls);
        let made_at = made_at(principal.id).to_seconds_string();
        for key in [
            "bio",
            "company",
            "email",
            "hireable",
            "location",
            "twitter_username",
        ] {
            keys.insert(key.to_owned(), Value::Null);
        }
        for key in ["followers", "following", "public_gists", "public_repos"] {
            keys.insert(key.to_owned(), json!(0));
        }
        for (key, value) in [
            ("blog", ""),
            ("created_at", &made_at),
            ("name", &principal.name),
            ("updated_at", &made_at),
        ] {
            keys.insert(key.to_owned(), json!(value));
        }
        Self(keys)
    }
}

/// A picture's address.
pub(super) fn avatar(id: i64, urls: &Urls) -> String {
    urls.web(&format!("/avatars/{id}"))
}

/// When an id was made, as far as it tells.
fn made_at(id: Uuid) -> Timestamp {
    let at = id.get_timestamp().map(|at| at.to_unix());
    let millis = at.and_then(|(seconds, nanos)| {
        let millis = seconds.checked_mul(1000)?;
        i64::try_from(millis + u64::from(nanos) / 1_000_000).ok()
    });
    Timestamp(millis.unwrap_or(0))
}

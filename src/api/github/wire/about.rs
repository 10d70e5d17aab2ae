//! What is where, which GitHub this is like, and how often one may ask.

use crate::api::github::place::Prefix;
use crate::api::github::urls::Urls;
use crate::core::rate::Allowance;
use serde::Serialize;
use std::collections::BTreeMap;

/// Where GitHub's API has what; what is in braces is for the client to fill in. Not all of it is served here.
const PLACES: [(&str, &str); 32] = [
    ("authorizations_url", "/authorizations"),
    (
        "code_search_url",
        "/search/code?q={query}{&page,per_page,sort,order}",
    ),
    (
        "commit_search_url",
        "/search/commits?q={query}{&page,per_page,sort,order}",
    ),
    (
        "current_user_repositories_url",
        "/user/repos{?type,page,per_page,sort}",
    ),
    ("current_user_url", "/user"),
    ("emails_url", "/user/emails"),
    ("emojis_url", "/emojis"),
    ("events_url", "/events"),
    ("feeds_url", "/feeds"),
    ("followers_url", "/user/followers"),
    ("following_url", "/user/following{/target}"),
    ("gists_url", "/gists{/gist_id}"),
    ("hub_url", "/hub"),
    (
        "issue_search_url",
        "/search/issues?q={query}{&page,per_page,sort,order}",
    ),
    ("issues_url", "/issues"),
    ("keys_url", "/user/keys"),
    (
        "label_search_url",
        "/search/labels?q={query}&repository_id={repository_id}{&page,per_page}",
    ),
    ("notifications_url", "/notifications"),
    (
        "organization_repositories_url",
        "/orgs/{org}/repos{?type,page,per_page,sort}",
    ),
    ("organization_teams_url", "/orgs/{org}/teams"),
    ("organization_url", "/orgs/{org}"),
    ("public_gists_url", "/gists/public"),
    ("rate_limit_url", "/rate_limit"),
    (
        "repository_search_url",
        "/search/repositories?q={query}{&page,per_page,sort,order}",
    ),
    ("repository_url", "/repos/{owner}/{repo}"),
    ("starred_gists_url", "/gists/starred"),
    ("starred_url", "/user/starred{/owner}{/repo}"),
    (
        "topic_search_url",
        "/search/topics?q={query}{&page,per_page}",
    ),
    ("user_organizations_url", "/user/orgs"),
    (
        "user_repositories_url",
        "/users/{user}/repos{?type,page,per_page,sort}",
    ),
    (
        "user_search_url",
        "/search/users?q={query}{&page,per_page,sort,order}",
    ),
    ("user_url", "/users/{user}"),
];

/// GitHub's `root`.
#[derive(Serialize)]
pub(in crate::api::github) struct Root(BTreeMap<&'static str, String>);

impl Root {
    pub(in crate::api::github) fn new(urls: &Urls) -> Self {
        let mut places: BTreeMap<&str, String> = PLACES
            .into_iter()
            .map(|(name, path)| (name, urls.api(path)))
            .collect();
        places.insert(
            "current_user_authorizations_html_url",
            urls.web("/settings/connections/applications{/client_id}"),
        );
        Self(places)
    }
}

/// GitHub's `api-overview`.
#[derive(Serialize)]
pub(in crate::api::github) struct Meta {
    #[serde(skip_serializing_if = "Option::is_none")]
    installed_version: Option<&'static str>,
    verifiable_password_authentication: bool,
}

/// The version of GitHub Enterprise whose deployments API this is.
const LIKE_ENTERPRISE: &str = "3.17.0";

impl Meta {
    /// Below Enterprise's prefix clients look for its version.
    pub(in crate::api::github) fn at(prefix: Prefix) -> Self {
        Self {
            installed_version: match prefix {
                Prefix::None => None,
                Prefix::ApiV3 => Some(LIKE_ENTERPRISE),
            },
            verifiable_password_authentication: false,
        }
    }
}

/// GitHub's `rate-limit-overview`.
#[derive(Serialize)]
pub(in crate::api::github) struct Limits {
    rate: Limit,
    resources: Resources,
}

#[derive(Serialize)]
struct Resources {
    core: Limit,
    /// Clients expect it; there is one bucket for everything.
    search: Limit,
}

/// How many one may ask until a Unix second.
#[derive(Clone, Copy, Serialize)]
struct Limit {
    limit: u32,
    remaining: u32,
    reset: i64,
    used: u32,
}

impl From<Allowance> for Limits {
    fn from(allowance: Allowance) -> Self {
        let limit = Limit {
            limit: allowance.burst,
            remaining: allowance.remaining,
            reset: allowance.full_at,
            used: allowance.burst.saturating_sub(allowance.remaining),
        };
        Self {
            rate: limit,
            resources: Resources {
                core: limit,
                search: limit,
            },
        }
    }
}

//! A project as a repository.

use super::node;
use super::user::User;
use crate::api::github::urls::{Urls, owner_and_name};
use crate::core::access::Scope;
use crate::core::project::ProjectView;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// GitHub's `full-repository`, without what only GitHub has settings for.
#[derive(Clone, Serialize)]
pub(in crate::api::github) struct Repository(Map<String, Value>);

/// What follows a repository's URL under a name; what is in braces is for the client to fill in.
const PARTS: [(&str, &str); 37] = [
    ("archive_url", "/{archive_format}{/ref}"),
    ("assignees_url", "/assignees{/user}"),
    ("blobs_url", "/git/blobs{/sha}"),
    ("branches_url", "/branches{/branch}"),
    ("collaborators_url", "/collaborators{/collaborator}"),
    ("comments_url", "/comments{/number}"),
    ("commits_url", "/commits{/sha}"),
    ("compare_url", "/compare/{base}...{head}"),
    ("contents_url", "/contents/{+path}"),
    ("contributors_url", "/contributors"),
    ("deployments_url", "/deployments"),
    ("downloads_url", "/downloads"),
    ("events_url", "/events"),
    ("forks_url", "/forks"),
    ("git_commits_url", "/git/commits{/sha}"),
    ("git_refs_url", "/git/refs{/sha}"),
    ("git_tags_url", "/git/tags{/sha}"),
    ("hooks_url", "/hooks"),
    ("issue_comment_url", "/issues/comments{/number}"),
    ("issue_events_url", "/issues/events{/number}"),
    ("issues_url", "/issues{/number}"),
    ("keys_url", "/keys{/key_id}"),
    ("labels_url", "/labels{/name}"),
    ("languages_url", "/languages"),
    ("merges_url", "/merges"),
    ("milestones_url", "/milestones{/number}"),
    (
        "notifications_url",
        "/notifications{?since,all,participating}",
    ),
    ("pulls_url", "/pulls{/number}"),
    ("releases_url", "/releases{/id}"),
    ("stargazers_url", "/stargazers"),
    ("statuses_url", "/statuses/{sha}"),
    ("subscribers_url", "/subscribers"),
    ("subscription_url", "/subscription"),
    ("tags_url", "/tags"),
    ("teams_url", "/teams"),
    ("trees_url", "/git/trees{/sha}"),
    ("url", ""),
];

const COUNTERS: [&str; 10] = [
    "forks",
    "forks_count",
    "network_count",
    "open_issues",
    "open_issues_count",
    "size",
    "stargazers_count",
    "subscribers_count",
    "watchers",
    "watchers_count",
];

const NEVER: [&str; 9] = [
    "archived",
    "disabled",
    "fork",
    "has_discussions",
    "has_downloads",
    "has_issues",
    "has_pages",
    "has_projects",
    "has_wiki",
];

const NOTHING: [&str; 5] = [
    "description",
    "homepage",
    "language",
    "license",
    "mirror_url",
];

/// What a project that is built from no repository is said to have, for there has to be a text.
const NO_BRANCH: &str = "main";

impl Repository {
    pub(in crate::api::github) fn new(view: &ProjectView, scope: Scope, urls: &Urls) -> Self {
        let (owner, name) = owner_and_name(&view.path);
        let url = urls.repository(&view.path);
        let html_url = urls.web_repository(&view.path);
        let git = view.repository.as_ref().unwrap_or(&html_url);
        let branch = view.branch.as_ref().map(ToString::to_string);
        let mut keys = Map::new();
        let parts = PARTS.map(|(key, part)| (key, json!(format!("{url}{part}"))));
        let counters = COUNTERS.map(|key| (key, json!(0)));
        let never = NEVER.map(|key| (key, json!(false)));
        let nothing = NOTHING.map(|key| (key, Value::Null));
        let at_git = ["clone_url", "git_url", "ssh_url", "svn_url"].map(|key| (key, json!(git)));
        let active = view.last_activity_at.to_seconds_string();
        let own = [
            ("created_at", json!(view.created_at.to_seconds_string())),
            (
                "default_branch",
                json!(branch.as_deref().unwrap_or(NO_BRANCH)),
            ),
            ("full_name", json!(view.path.as_str())),
            ("html_url", json!(html_url)),
            ("id", json!(view.serial.0)),
            ("name", json!(name)),
            ("node_id", json!(node::id("Repository", view.serial))),
            ("owner", json!(User::owner(owner, urls))),
            ("permissions", permissions(scope)),
            ("private", json!(true)),
            ("pushed_at", json!(active)),
            ("topics", json!([])),
            ("updated_at", json!(active)),
            ("visibility", json!("private")),
        ];
        let all = parts.into_iter().chain(counters).chain(never);
        for (key, value) in all.chain(nothing).chain(at_git).chain(own) {
            keys.insert(key.to_owned(), value);
        }
        Self(keys)
    }
}

/// What a token may do, in GitHub's steps.
fn permissions(scope: Scope) -> Value {
    let (write, admin) = match scope {
        Scope::Read => (false, false),
        Scope::Write => (true, false),
        Scope::Admin => (true, true),
    };
    json!({ "admin": admin, "maintain": admin, "pull": true, "push": write, "triage": write })
}

//! Which of this dialect's places a path names. References may be of several parts, encoded or not, and what comes after
//! them counts, so that no table of templates can say it. Slashes that are doubled, or stand at the end, say nothing.

use axum::http::Method;
use percent_encoding::percent_decode_str;

/// What all of a path begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prefix {
    /// As at GitHub.
    None,
    /// As at a GitHub Enterprise server.
    ApiV3,
}

impl Prefix {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::None => "",
            Self::ApiV3 => "/api/v3",
        }
    }
}

/// A place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Root,
    Meta,
    RateLimit,
    User,
    /// Of the repository of this path, as the caller wrote it.
    Of(String, Part),
    /// There is nothing.
    Nowhere,
}

/// A part of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Itself,
    Deployments,
    Deployment(String),
    Statuses(String),
    /// A status of a deployment.
    Status(String, String),
    /// The commit that this names.
    Commit(String),
    CommitStatuses(String),
    /// The same as GitHub once called it, and where new ones are posted.
    Posted(String),
    Combined(String),
    Environments,
    Environment(String),
}

/// A path that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) prefix: Prefix,
    pub(super) place: Place,
    /// The path without what says nothing, as it was encoded.
    pub(super) path: String,
}

impl Found {
    pub(super) fn at(path: &str) -> Self {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let (prefix, rest) = match parts.as_slice() {
            ["api", "v3", rest @ ..] => (Prefix::ApiV3, rest),
            rest => (Prefix::None, rest),
        };
        Self {
            prefix,
            place: place(rest).unwrap_or(Place::Nowhere),
            path: format!("/{}", parts.join("/")),
        }
    }
}

/// `None`: nowhere, or a part is no text.
fn place(parts: &[&str]) -> Option<Place> {
    Some(match parts {
        [] => Place::Root,
        ["meta"] => Place::Meta,
        ["rate_limit"] => Place::RateLimit,
        ["user"] => Place::User,
        ["repos", owner, name, rest @ ..] => {
            let (owner, name) = (decoded(owner)?, decoded(name)?);
            let name = name.strip_suffix(".git").unwrap_or(&name);
            Place::Of(format!("{owner}/{name}"), part(rest)?)
        }
        _ => return None,
    })
}

fn part(parts: &[&str]) -> Option<Part> {
    Some(match parts {
        [] => Part::Itself,
        ["deployments"] => Part::Deployments,
        ["deployments", id] => Part::Deployment(decoded(id)?),
        ["deployments", id, "statuses"] => Part::Statuses(decoded(id)?),
        ["deployments", id, "statuses", status] => Part::Status(decoded(id)?, decoded(status)?),
        ["commits", name @ .., "status"] if !name.is_empty() => Part::Combined(joined(name)?),
        ["commits", name @ .., "statuses"] if !name.is_empty() => {
            Part::CommitStatuses(joined(name)?)
        }
        ["commits", name @ ..] if !name.is_empty() => Part::Commit(joined(name)?),
        ["statuses", name @ ..] if !name.is_empty() => Part::Posted(joined(name)?),
        ["environments"] => Part::Environments,
        ["environments", name] => Part::Environment(decoded(name)?),
        _ => return None,
    })
}

fn decoded(part: &str) -> Option<String> {
    let text = percent_decode_str(part).decode_utf8().ok()?;
    Some(text.into_owned())
}

fn joined(parts: &[&str]) -> Option<String> {
    let parts: Option<Vec<String>> = parts.iter().map(|part| decoded(part)).collect();
    Some(parts?.join("/"))
}

impl Place {
    /// Whether somebody who does not say who they are may ask for it.
    pub(super) fn is_open(&self) -> bool {
        match self {
            Self::Root | Self::Meta | Self::RateLimit | Self::Nowhere => true,
            Self::User | Self::Of(..) => false,
        }
    }

    /// What stands in the place of names, for figures.
    pub(super) fn template(&self) -> Option<&'static str> {
        Some(match self {
            Self::Root => "/",
            Self::Meta => "/meta",
            Self::RateLimit => "/rate_limit",
            Self::User => "/user",
            Self::Of(_, part) => match part {
                Part::Itself => "/repos/{owner}/{repo}",
                Part::Deployments => "/repos/{owner}/{repo}/deployments",
                Part::Deployment(_) => "/repos/{owner}/{repo}/deployments/{deployment_id}",
                Part::Statuses(_) => "/repos/{owner}/{repo}/deployments/{deployment_id}/statuses",
                Part::Status(..) => {
                    "/repos/{owner}/{repo}/deployments/{deployment_id}/statuses/{status_id}"
                }
                Part::Commit(_) => "/repos/{owner}/{repo}/commits/{ref}",
                Part::CommitStatuses(_) => "/repos/{owner}/{repo}/commits/{ref}/statuses",
                Part::Posted(_) => "/repos/{owner}/{repo}/statuses/{sha}",
                Part::Combined(_) => "/repos/{owner}/{repo}/commits/{ref}/status",
                Part::Environments => "/repos/{owner}/{repo}/environments",
                Part::Environment(_) => "/repos/{owner}/{repo}/environments/{environment_name}",
            },
            Self::Nowhere => return None,
        })
    }

    /// What GitHub's documentation calls what is asked for here, by its path below `rest/`; nothing where it is silent.
    pub(super) fn documented(&self, method: &Method) -> &'static str {
        let (gets, posts, deletes) = (
            matches!(*method, Method::GET | Method::HEAD),
            *method == Method::POST,
            *method == Method::DELETE,
        );
        match self {
            Self::Root if gets => "meta/meta#github-api-root",
            Self::Meta if gets => "meta/meta#get-apiname-meta-information",
            Self::RateLimit if gets => {
                "rate-limit/rate-limit#get-rate-limit-status-for-the-authenticated-user"
            }
            Self::User if gets => "users/users#get-the-authenticated-user",
            Self::Of(_, part) => match part {
                Part::Itself if gets => "repos/repos#get-a-repository",
                Part::Deployments if gets => "deployments/deployments#list-deployments",
                Part::Deployments if posts => "deployments/deployments#create-a-deployment",
                Part::Deployment(_) if gets => "deployments/deployments#get-a-deployment",
                Part::Deployment(_) if deletes => "deployments/deployments#delete-a-deployment",
                Part::Statuses(_) if gets => "deployments/statuses#list-deployment-statuses",
                Part::Statuses(_) if posts => "deployments/statuses#create-a-deployment-status",
                Part::Status(..) if gets => "deployments/statuses#get-a-deployment-status",
                Part::Commit(_) if gets => "commits/commits#get-a-commit",
                Part::CommitStatuses(_) if gets => {
                    "commits/statuses#list-commit-statuses-for-a-reference"
                }
                Part::Posted(_) if gets => "commits/statuses#list-commit-statuses-for-a-reference",
                Part::Posted(_) if posts => "commits/statuses#create-a-commit-status",
                Part::Combined(_) if gets => {
                    "commits/statuses#get-the-combined-status-for-a-specific-reference"
                }
                Part::Environments if gets => "deployments/environments#list-environments",
                Part::Environment(_) if gets => "deployments/environments#get-an-environment",
                Part::Environment(_) if *method == Method::PUT => {
                    "deployments/environments#create-or-update-an-environment"
                }
                Part::Environment(_) if deletes => "deployments/environments#delete-an-environment",
                Part::Itself
                | Part::Deployments
                | Part::Deployment(_)
                | Part::Statuses(_)
                | Part::Status(..)
                | Part::Commit(_)
                | Part::CommitStatuses(_)
                | Part::Posted(_)
                | Part::Combined(_)
                | Part::Environments
                | Part::Environment(_) => "",
            },
            Self::Root | Self::Meta | Self::RateLimit | Self::User | Self::Nowhere => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(part: Part) -> Place {
        Place::Of("Acme/web".into(), part)
    }

    #[test]
    fn paths_lead_to_their_places_however_they_are_written() {
        for (path, expected) in [
            ("/", Place::Root),
            ("/meta", Place::Meta),
            ("/rate_limit/", Place::RateLimit),
            ("//user", Place::User),
            ("/repos/Acme/web", of(Part::Itself)),
            ("/repos/Acme/web.git/", of(Part::Itself)),
            ("/repos/Acme/web//deployments", of(Part::Deployments)),
            (
                "/repos/Acme/web/deployments/7",
                of(Part::Deployment("7".into())),
            ),
            (
                "/repos/Acme/web/deployments/NaN",
                of(Part::Deployment("NaN".into())),
            ),
            (
                "/repos/Acme/web/deployments/7/statuses",
                of(Part::Statuses("7".into())),
            ),
            (
                "/repos/Acme/web/deployments/7/statuses/9",
                of(Part::Status("7".into(), "9".into())),
            ),
            (
                "/repos/Acme/web/commits/main",
                of(Part::Commit("main".into())),
            ),
            (
                "/repos/Acme/web/commits/heads/feat/x",
                of(Part::Commit("heads/feat/x".into())),
            ),
            (
                "/repos/Acme/web/commits/heads/feat/x/status",
                of(Part::Combined("heads/feat/x".into())),
            ),
            (
                "/repos/Acme/web/commits/heads%2Ffeat%2Fx/status",
                of(Part::Combined("heads/feat/x".into())),
            ),
            (
                "/repos/Acme/web/commits/feat%2Fstatus",
                of(Part::Commit("feat/status".into())),
            ),
            (
                "/repos/Acme/web/commits/status/status",
                of(Part::Combined("status".into())),
            ),
            (
                "/repos/Acme/web/commits/status",
                of(Part::Commit("status".into())),
            ),
            (
                "/repos/Acme/web/commits/a/b/statuses",
                of(Part::CommitStatuses("a/b".into())),
            ),
            (
                "/repos/Acme/web/statuses/heads/main",
                of(Part::Posted("heads/main".into())),
            ),
            ("/repos/Acme/web/environments", of(Part::Environments)),
            (
                "/repos/Acme/web/environments/a%2Fb%20c",
                of(Part::Environment("a/b c".into())),
            ),
            ("/repos/Acme/web/environments/a/b", Place::Nowhere),
            ("/repos/Acme/web/commits", Place::Nowhere),
            ("/repos/Acme/web/commits/%ff", Place::Nowhere),
            ("/repos/Acme", Place::Nowhere),
            ("/repos", Place::Nowhere),
            ("/nothing", Place::Nowhere),
        ] {
            for (prefix, before) in [(Prefix::None, ""), (Prefix::ApiV3, "/api/v3")] {
                let found = Found::at(&format!("{before}{path}"));
                assert_eq!(
                    (found.prefix, found.place),
                    (prefix, expected.clone()),
                    "{path}"
                );
            }
        }
        let found = Found::at("/api/v3//repos/a/b//deployments/");
        assert_eq!(found.path, "/api/v3/repos/a/b/deployments");
        assert_eq!(Found::at("/api/v3").place, Place::Root);
        assert_eq!(Found::at("/api/v4/repos").place, Place::Nowhere);
    }

    #[test]
    fn a_subgroups_project_is_reached_by_an_encoded_slash() {
        let found = Found::at("/repos/acme%2Fgroup/web/deployments");
        assert_eq!(
            found.place,
            Place::Of("acme/group/web".into(), Part::Deployments)
        );
    }
}

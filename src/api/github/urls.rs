//! The URLs in answers. Each begins as that of the request does: its scheme, host and port, and the prefix that it came by.
//! Clients take the next address from an answer and refuse one that leads elsewhere.

use super::place::Prefix;
use crate::api::arrival::Base;
use crate::core::name::{EnvironmentName, ProjectPath};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stands for something else in a URL, or may (RFC 3986, section 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A text as one part of a path.
pub(super) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// What the URLs of one answer begin with.
#[derive(Clone, Debug)]
pub(super) struct Urls {
    base: Base,
    api: String,
}

impl Urls {
    pub(super) fn new(base: Base, prefix: Prefix) -> Self {
        let api = format!("{}{}", base.api, prefix.as_str());
        Self { base, api }
    }

    /// Something in this dialect, by a path that begins with a slash.
    pub(super) fn api(&self, path: &str) -> String {
        format!("{}{path}", self.api)
    }

    /// Something for people, by a path that begins with a slash.
    pub(super) fn web(&self, path: &str) -> String {
        format!("{}{path}", self.base.api)
    }

    /// What no dialect owns.
    pub(super) fn base(&self) -> &Base {
        &self.base
    }

    pub(super) fn repository(&self, path: &ProjectPath) -> String {
        self.api(&format!("/repos/{}", full(path)))
    }

    pub(super) fn deployment(&self, path: &ProjectPath, serial: i64) -> String {
        format!("{}/deployments/{serial}", self.repository(path))
    }

    pub(super) fn environment(&self, path: &ProjectPath, name: &EnvironmentName) -> String {
        let name = encoded(name.as_str());
        format!("{}/environments/{name}", self.repository(path))
    }

    /// A repository for people.
    pub(super) fn web_repository(&self, path: &ProjectPath) -> String {
        self.web(&format!("/{}", full(path)))
    }
}

/// Whose a project is, and what it is called there. A path of more than two parts belongs to all but its last.
pub(super) fn owner_and_name(path: &ProjectPath) -> (&str, &str) {
    path.as_str()
        .rsplit_once('/')
        .unwrap_or(("", path.as_str()))
}

/// A project's path as two parts of a URL.
fn full(path: &ProjectPath) -> String {
    let (owner, name) = owner_and_name(path);
    format!("{}/{}", encoded(owner), encoded(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_url_has_the_prefix_of_its_request_and_names_are_one_part_of_it() {
        let base = Base {
            api: "https://deploy.example:8443/base".into(),
            apps_scheme: "https",
        };
        let bare = Urls::new(base.clone(), Prefix::None);
        let enterprise = Urls::new(base, Prefix::ApiV3);
        let path = ProjectPath::parse("acme/group/web.app").unwrap();
        let at = "https://deploy.example:8443/base";
        assert_eq!(
            bare.deployment(&path, 7),
            format!("{at}/repos/acme%2Fgroup/web.app/deployments/7")
        );
        let name = EnvironmentName::reported("review/a b").unwrap();
        assert_eq!(
            enterprise.environment(&path, &name),
            format!("{at}/api/v3/repos/acme%2Fgroup/web.app/environments/review%2Fa%20b")
        );
        assert_eq!(
            enterprise.web_repository(&path),
            format!("{at}/acme%2Fgroup/web.app")
        );
    }
}

//! Apps and their environments as the configuration declares them.

use super::name::{AppName, EnvironmentName, ProjectPath};
use super::spec::Spec;
use std::collections::BTreeMap;
use uuid::Uuid;

/// What is deployed. Without environments it is not deployed here: deployments of its project are only recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct App {
    /// The name users type.
    pub name: AppName,
    /// The identity that survives renaming.
    pub id: Uuid,
    /// The project it belongs to.
    pub project: ProjectPath,
    /// The environment taken when none is named.
    pub default_environment: EnvironmentName,
    /// Each environment's spec.
    pub environments: BTreeMap<EnvironmentName, Spec>,
}

/// An app's id when the configuration sets none: derived from its name, so that the same name in a
/// new database is the same app to a client.
#[must_use]
pub fn derived_id(name: &AppName) -> Uuid {
    Uuid::new_v5(
        &Uuid::NAMESPACE_URL,
        format!("https://longshore.dev/app/{name}").as_bytes(),
    )
}

/// What an environment's containers, networks and volumes are named after: the names, readable, and the
/// environment's own id, so that `web` + `api-staging` and `web-api` + `staging` never meet.
#[must_use]
pub fn slug(app: &AppName, environment: &EnvironmentName, id: Uuid) -> String {
    let id = id.simple().to_string();
    format!("{app}-{environment}-{}", &id[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_join_to_the_same_text_still_get_different_slugs() {
        let name = |a: &str, e: &str, id: u128| {
            slug(
                &AppName::parse(a).unwrap(),
                &EnvironmentName::parse(e).unwrap(),
                Uuid::from_u128(id),
            )
        };
        let (one, two) = (
            name("web", "api-staging", 1 << 100),
            name("web-api", "staging", 1 << 101),
        );
        assert_ne!(one, two);
        assert_eq!(one, "web-api-staging-00000010");
    }
}

//! Apps and their environments as the configuration declares them.

use super::name::{AppName, EnvironmentName, ProjectPath};
use super::preview::{Previews, plain};
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
    /// Its previews; `None` if it takes none.
    pub previews: Option<Previews>,
}

impl App {
    /// What an environment is deployed with now; `None` if the configuration does not say: it neither names it, nor is it a
    /// preview of an app that takes them.
    #[must_use]
    pub fn spec_of(&self, environment: &EnvironmentName, is_preview: bool) -> Option<Spec> {
        match (self.environments.get(environment), &self.previews) {
            (Some(spec), _) => Some(spec.clone()),
            (None, Some(previews)) if is_preview => Some(previews.spec_of(environment)),
            (None, _) => None,
        }
    }
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

/// The same for a preview, whose name may be anything: at most as long as a DNS label, and with nothing in it that a name
/// of the engine's cannot have.
#[must_use]
pub fn preview_slug(app: &AppName, environment: &EnvironmentName, id: Uuid) -> String {
    const LONGEST: usize = 63;
    let id = id.simple().to_string();
    let mut name = plain(environment.as_str());
    name.truncate(LONGEST.saturating_sub(app.as_str().len() + "--".len() + 8));
    match name.trim_end_matches('-') {
        "" => format!("{app}-preview-{}", &id[..8]),
        name => format!("{app}-{name}-{}", &id[..8]),
    }
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

    #[test]
    fn a_preview_of_any_name_has_a_slug_the_engine_takes() {
        let app = AppName::parse(&"a".repeat(40)).unwrap();
        for (name, expected) in [
            ("$/${}", "-preview-00000010"),
            ("Feature/Log in.", "-feature-log-i-00000010"),
            ("pr-12", "-pr-12-00000010"),
        ] {
            let name = EnvironmentName::reported(name).unwrap();
            let slug = preview_slug(&app, &name, Uuid::from_u128(1 << 100));
            assert_eq!(slug.strip_prefix(app.as_str()), Some(expected));
            assert!(slug.len() <= 63, "{slug}");
        }
    }
}

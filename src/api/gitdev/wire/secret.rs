//! Secrets in answers: never a value.

use super::Time;
use crate::core::action::{SecretView, SecretsView};
use serde::Serialize;
use utoipa::ToSchema;

/// The secrets of an environment.
#[derive(Serialize, ToSchema)]
pub(in crate::api::gitdev) struct Secrets {
    app: String,
    data: Vec<ListedSecret>,
    environment: String,
}

impl From<&SecretsView> for Secrets {
    fn from(found: &SecretsView) -> Self {
        Self {
            app: found.app.to_string(),
            data: found.secrets.iter().map(ListedSecret::from).collect(),
            environment: found.environment.to_string(),
        }
    }
}

/// A secret of an environment, without its value.
#[derive(Serialize, ToSchema)]
struct ListedSecret {
    name: String,
    #[schema(required)]
    set_at: Option<Time>,
    /// The name of who set it last; nobody has if it is null.
    #[schema(required)]
    set_by: Option<String>,
    /// Whether the configuration takes it from here.
    used: bool,
}

impl From<&SecretView> for ListedSecret {
    fn from(view: &SecretView) -> Self {
        Self {
            name: view.name.to_string(),
            set_at: view.set.as_ref().map(|set| set.at.into()),
            set_by: view.set.as_ref().map(|set| set.by.name.clone()),
            used: view.used,
        }
    }
}

/// The secret that a request was about, and where it is.
#[derive(Serialize, ToSchema)]
pub(in crate::api::gitdev) struct Secret {
    app: String,
    environment: String,
    name: String,
    #[schema(required)]
    set_at: Option<Time>,
    #[schema(required)]
    set_by: Option<String>,
    used: bool,
}

impl Secret {
    /// The first of those found; `None` if there is none.
    pub(in crate::api::gitdev) fn first(found: &SecretsView) -> Option<Self> {
        let listed = ListedSecret::from(found.secrets.first()?);
        Some(Self {
            app: found.app.to_string(),
            environment: found.environment.to_string(),
            name: listed.name,
            set_at: listed.set_at,
            set_by: listed.set_by,
            used: listed.used,
        })
    }
}

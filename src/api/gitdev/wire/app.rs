//! Apps and environments in answers.

use super::Time;
use super::word::{Desired, Kind, Strategy};
use crate::api::gitdev::id;
use crate::core::action::{AppView, EnvironmentView};
use crate::core::route::Domain;
use serde::Serialize;
use utoipa::ToSchema;

/// All apps the caller can see.
#[derive(Serialize, ToSchema)]
pub(in crate::api::gitdev) struct Apps {
    data: Vec<App>,
}

impl From<&[AppView]> for Apps {
    fn from(apps: &[AppView]) -> Self {
        let data = apps.iter().map(App::from).collect();
        Self { data }
    }
}

/// An app's environments.
#[derive(Serialize, ToSchema)]
pub(in crate::api::gitdev) struct Environments {
    data: Vec<Environment>,
}

impl From<&[EnvironmentView]> for Environments {
    fn from(environments: &[EnvironmentView]) -> Self {
        let data = environments.iter().map(Environment::from).collect();
        Self { data }
    }
}

/// An app.
#[derive(Serialize, ToSchema)]
pub(in crate::api::gitdev) struct App {
    /// Whether the configuration still names it.
    configured: bool,
    environments: Vec<Environment>,
    /// What a deployment calls `project_id`.
    #[schema(examples("proj_ay8qq57t3id7qvyf5yd216m2c"))]
    id: String,
    name: String,
    /// Its repository's owner and name.
    project: String,
}

impl From<&AppView> for App {
    fn from(app: &AppView) -> Self {
        Self {
            configured: app.configured,
            environments: app.environments.iter().map(Environment::from).collect(),
            id: id::project(app.id),
            name: app.name.to_string(),
            project: app.project.to_string(),
        }
    }
}

/// An environment of an app, with what is live in it.
#[derive(Serialize, ToSchema)]
pub(in crate::api::gitdev) struct Environment {
    /// Where the live container is reached from the host.
    #[schema(required, examples("10.114.0.4:8080"))]
    address: Option<String>,
    /// Whether the configuration still names it; of a preview, whether its app still takes previews.
    configured: bool,
    desired: Desired,
    /// Where its requests come from.
    #[schema(examples("web.example.com", "*.example.com", "example.com/docs"))]
    domains: Vec<String>,
    /// The keys of the configuration by which what is live differs from what a deployment would make now.
    drift: Vec<String>,
    kind: Kind,
    /// The deployment that made the live release live.
    #[schema(required)]
    live_deployment: Option<String>,
    /// The live release's number.
    #[schema(required)]
    live_release: Option<i64>,
    name: String,
    /// When its schedule comes next; none without a schedule, or while nothing is made to run by it.
    #[schema(required)]
    next_run: Option<Time>,
    /// Whether it is a preview: it was made for a deployment, and will be gone some day.
    preview: bool,
    /// How a release takes over, as the configuration says; none if it no longer names the environment.
    #[schema(required)]
    strategy: Option<Strategy>,
    /// The live commit or image.
    #[schema(required)]
    version: Option<String>,
}

impl From<&EnvironmentView> for Environment {
    fn from(environment: &EnvironmentView) -> Self {
        Self {
            address: environment.address.clone(),
            configured: environment.configured,
            desired: environment.desired.into(),
            domains: environment.domains.iter().map(Domain::to_string).collect(),
            drift: environment.drift.clone(),
            kind: match environment.job {
                true => Kind::Job,
                false => Kind::Service,
            },
            live_deployment: environment.live_deployment.map(id::deployment),
            live_release: environment.live_release,
            name: environment.name.to_string(),
            next_run: environment.next_run.map(Time::from),
            preview: environment.preview,
            strategy: environment.strategy.map(Strategy::from),
            version: environment.live_version.clone(),
        }
    }
}

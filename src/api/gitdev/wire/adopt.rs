//! What an adoption did.

use crate::api::gitdev::id;
use crate::core::adoption::Adopted;
use serde::Serialize;
use utoipa::ToSchema;

/// What became of everything that ran when the database was put back.
#[derive(Serialize, ToSchema)]
pub(in crate::api::gitdev) struct Adoption {
    /// Deployments that were unfinished in the backup and are given up.
    failed: Vec<String>,
    /// What is live now, or is being brought up.
    live: Vec<LiveAgain>,
    /// Containers that are being removed.
    removed: Vec<String>,
    /// Containers that nothing is known of; they are left alone.
    unknown: Vec<Unknown>,
}

#[derive(Serialize, ToSchema)]
struct LiveAgain {
    app: String,
    container: String,
    deployment: String,
    environment: String,
    /// `adopted`, `unchanged` or `database`: whether it ran, and whether the database knew it.
    origin: String,
    release: i64,
}

#[derive(Serialize, ToSchema)]
struct Unknown {
    container: String,
    why: String,
}

impl From<&Adopted> for Adoption {
    fn from(adopted: &Adopted) -> Self {
        let Adopted {
            live,
            failed,
            removed,
            unknown,
        } = adopted;
        let live = live.iter().map(|one| LiveAgain {
            app: one.app.to_string(),
            container: one.container.clone(),
            deployment: id::deployment(one.deployment),
            environment: one.environment.to_string(),
            origin: one.origin.as_str().to_owned(),
            release: one.release,
        });
        let unknown = unknown.iter().map(|one| Unknown {
            container: one.container.clone(),
            why: one.why.clone(),
        });
        Self {
            failed: failed.iter().copied().map(id::deployment).collect(),
            live: live.collect(),
            removed: removed.clone(),
            unknown: unknown.collect(),
        }
    }
}

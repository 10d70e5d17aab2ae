//! A collection of garbage in answers.

use crate::core::retention::{Collection, Finding as CoreFinding};
use serde::Serialize;
use utoipa::ToSchema;

/// What a collection did, or would do.
#[derive(Serialize, ToSchema)]
pub(in crate::api::gitdev) struct Garbage {
    data: Vec<Finding>,
    /// Why the engine could not be asked; what it holds is left alone then.
    #[schema(required)]
    engine_away: Option<String>,
    /// Whether it only says what it would do.
    explained: bool,
}

/// Something that may be no longer needed.
#[derive(Serialize, ToSchema)]
struct Finding {
    /// Layers that images share are counted in each.
    #[schema(required)]
    bytes: Option<u64>,
    #[schema(examples("release", "build_cache"))]
    kind: String,
    /// Its name.
    object: String,
    reason: String,
    #[schema(examples("keep", "collect"))]
    verdict: String,
}

impl From<&CoreFinding> for Finding {
    fn from(finding: &CoreFinding) -> Self {
        Self {
            bytes: finding.bytes,
            kind: finding.kind.as_str().to_owned(),
            object: finding.object.clone(),
            reason: finding.reason.clone(),
            verdict: finding.verdict.as_str().to_owned(),
        }
    }
}

impl From<&Collection> for Garbage {
    fn from(collection: &Collection) -> Self {
        Self {
            data: collection.findings.iter().map(Finding::from).collect(),
            engine_away: collection.engine_away.clone(),
            explained: collection.explained,
        }
    }
}

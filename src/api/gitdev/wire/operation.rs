//! Changes of environments in answers.

use super::Time;
use super::deployment::Failure;
use super::word::{OperationKind, OperationStatus};
use crate::core::action::ChangeView;
use crate::core::change::ChangePhase;
use serde::Serialize;
use utoipa::ToSchema;

/// Changes of environments: one for each environment that is meant.
#[derive(Serialize, ToSchema)]
pub(in crate::api::gitdev) struct Operations {
    data: Vec<Operation>,
}

impl From<&[ChangeView]> for Operations {
    fn from(views: &[ChangeView]) -> Self {
        let data = views.iter().map(Operation::from).collect();
        Self { data }
    }
}

/// A change of an environment.
#[derive(Serialize, ToSchema)]
struct Operation {
    app: String,
    /// When it ended and everything of it was cleared away.
    #[schema(required)]
    completed_at: Option<Time>,
    created_at: Time,
    /// The name of who asked for it.
    created_by: String,
    environment: String,
    #[schema(required)]
    error: Option<Failure>,
    id: i64,
    operation: OperationKind,
    status: OperationStatus,
}

impl From<&ChangeView> for Operation {
    fn from(view: &ChangeView) -> Self {
        let error = match &view.change.phase {
            ChangePhase::Failed(failure) => Some(failure.into()),
            ChangePhase::Queued
            | ChangePhase::Running
            | ChangePhase::Done
            | ChangePhase::Cancelled => None,
        };
        Self {
            app: view.app.to_string(),
            completed_at: view.done_at.map(Time::from),
            created_at: view.change.created_at.into(),
            created_by: view.by.name.clone(),
            environment: view.environment.to_string(),
            error,
            id: view.change.serial.0,
            operation: view.change.change.into(),
            status: OperationStatus::from(&view.change.phase),
        }
    }
}

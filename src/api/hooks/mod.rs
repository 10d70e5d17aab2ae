//! What other programs call without a token because the address itself is the secret: deployment hooks. Answers have the
//! shape that Sevalla's clients read, whose hooks they are.

use super::auth::Peer;
use super::{Api, RequestId};
use crate::core::action::Reply;
use crate::core::error::Error;
use crate::core::secret::Secret;
use crate::deploy::HookFault;
use axum::extract::rejection::PathRejection;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Extension, Json, Router};
use serde_json::json;
use uuid::Uuid;

/// The routes, below `/hooks`.
pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/apps/{environment}/deploy/{secret}", post(deploy))
        .route("/apps/{environment}/deploy/{secret}/", post(deploy))
        .fallback(async || refusal(StatusCode::NOT_FOUND, "Not found"))
        .method_not_allowed_fallback(async || {
            let message = "A deployment hook is called with POST";
            refusal(StatusCode::METHOD_NOT_ALLOWED, message)
        })
}

/// Whatever body comes is not looked at: a forge's own webhook would send a long one.
async fn deploy(
    State(api): State<Api>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Extension(RequestId(request)): Extension<RequestId>,
    named: Result<Path<(String, String)>, PathRejection>,
) -> Response {
    let Ok(Path((environment, secret))) = named else {
        return unknown();
    };
    // What is no id is looked for all the same: guesses count.
    let environment = Uuid::try_parse(&environment).unwrap_or(Uuid::nil());
    let secret = Secret::new(secret);
    let origin = peer.into();
    match api.agent.call_hook(&origin, environment, &secret).await {
        Ok(Reply::Deployment(view)) => {
            let id = view.deployment.id;
            // Clients were seen to read each of the three.
            Json(json!({ "id": id, "deployment": { "id": id }, "deploymentId": id }))
                .into_response()
        }
        Ok(Reply::Ignored(reason)) => refusal(StatusCode::CONFLICT, &reason.to_string()),
        Ok(other) => {
            tracing::error!(?other, request, "a reply does not fit its action");
            refusal(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
        }
        Err(HookFault::Unknown) => unknown(),
        Err(HookFault::TooMany(exceeded)) => {
            let wait = [(header::RETRY_AFTER, HeaderValue::from(exceeded.retry_after))];
            let answer = refusal(StatusCode::TOO_MANY_REQUESTS, "Too many requests");
            (wait, answer).into_response()
        }
        Err(HookFault::Refused(error)) => refusal(status(&error), &error.to_string()),
    }
}

fn unknown() -> Response {
    refusal(StatusCode::NOT_FOUND, "There is no such deployment hook")
}

fn refusal(status: StatusCode, message: &str) -> Response {
    let body = json!({ "message": message, "status": status.as_u16() });
    (status, Json(body)).into_response()
}

/// What a call can meet; the rest cannot come of it and would be our fault.
fn status(error: &Error) -> StatusCode {
    match error {
        Error::AppNotFound(_)
        | Error::EnvironmentNotFound { .. }
        | Error::EnvironmentIdNotFound(_) => StatusCode::NOT_FOUND,
        Error::BranchNotFound { .. }
        | Error::TagNotFound { .. }
        | Error::CommitNotFound { .. }
        | Error::Missing(_)
        | Error::Invalid { .. }
        | Error::Refused(_)
        | Error::Unsupported(_) => StatusCode::BAD_REQUEST,
        Error::Unavailable(_) => StatusCode::BAD_GATEWAY,
        Error::DiskFull(_) => StatusCode::INSUFFICIENT_STORAGE,
        Error::DeploymentNotFound
        | Error::ProjectNotFound(_)
        | Error::Recorded
        | Error::RefNotFound { .. }
        | Error::RepositoryEmpty { .. }
        | Error::MergeConflict { .. }
        | Error::MergeRefused { .. }
        | Error::ChecksFailed { .. }
        | Error::UnknownTask { .. }
        | Error::PreviewsOff { .. }
        | Error::TooManyPreviews { .. }
        | Error::StatusNotFound
        | Error::TooManyStatuses
        | Error::Active
        | Error::RunNotFound
        | Error::NotAJob { .. }
        | Error::NoSuchEvent { .. }
        | Error::RunAtWork { .. }
        | Error::Busy { .. }
        | Error::ReportedRunning
        | Error::NewestSuccess
        | Error::CannotBecome(_)
        | Error::EnvironmentExists { .. }
        | Error::NotStopped
        | Error::SecretNotFound { .. }
        | Error::HookNotFound { .. }
        | Error::OperationNotFound
        | Error::TokenNotFound
        | Error::Forbidden(_)
        | Error::NotCancellable(_)
        | Error::InProgress(_)
        | Error::Live
        | Error::ConfigRefused { .. }
        | Error::KeyReused
        | Error::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

//! Errors in Sevalla's shape: `{"message","status"}`, and of our own faults `data` with the request's id as their code.

use super::wire::problem::{Details, Problem};
use crate::api::answer::{self, Said};
use crate::core::action::Reply;
use crate::core::admission::IgnoredReason;
use crate::core::error::Error;
use crate::core::rate::Exceeded;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};

/// A request that is not carried out.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    message: String,
    header: Option<Said>,
}

/// A message, in characters: ours, with something of the request in it.
const MAX_MESSAGE: usize = 1000;

impl Refusal {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        let mut message = message.into();
        if let Some((end, _)) = message.char_indices().nth(MAX_MESSAGE) {
            message.truncate(end);
            message.push('…');
        }
        Self {
            status,
            message,
            header: None,
        }
    }

    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// A field of a body or a parameter of a query.
    pub(super) fn field(name: &str, what: impl std::fmt::Display) -> Self {
        Self::bad(format!("{name} {what}"))
    }

    pub(super) fn not_found(what: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("Not found: {what}"))
    }

    pub(super) fn no_application(id: &str) -> Self {
        Self::not_found(format_args!("there is no application '{id}'"))
    }

    pub(super) fn no_deployment(id: &str) -> Self {
        Self::not_found(format_args!("the application has no deployment '{id}'"))
    }

    pub(super) fn no_route() -> Self {
        Self::not_found("there is nothing at this path")
    }

    pub(super) fn method_not_allowed(method: &Method) -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            format!("{method} is not possible at this path"),
        )
    }

    pub(super) fn unauthorized(message: &str) -> Self {
        Self {
            header: Some(Said::Challenge),
            ..Self::new(StatusCode::UNAUTHORIZED, message)
        }
    }

    pub(super) fn too_many(exceeded: &Exceeded) -> Self {
        let message = format!("Too many requests: {} a minute are allowed", exceeded.limit);
        Self {
            header: Some(Said::RetryAfter(exceeded.retry_after)),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, message)
        }
    }

    /// A reply of another kind than the action asks for: our fault.
    pub(super) fn unexpected(reply: &Reply) -> Self {
        tracing::error!(?reply, "a reply does not fit its action");
        Self::internal("longshore gave itself an answer it did not expect")
    }

    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let is_ours = self.status == StatusCode::INTERNAL_SERVER_ERROR;
        let body = Problem {
            data: None,
            message: self.message,
            status: self.status.as_u16(),
        };
        let mut response = (self.status, answer::json(&body)).into_response();
        if let Some(said) = self.header {
            said.in_header_of(&mut response);
        }
        if is_ours {
            answer::our_fault(&mut response, move |id| {
                let mut body = body.clone();
                body.data = Some(Details {
                    code: id.to_owned(),
                });
                answer::json(&body)
            });
        }
        response
    }
}

/// Events come in elsewhere; here it would be a trigger without a deployment.
impl From<IgnoredReason> for Refusal {
    fn from(reason: IgnoredReason) -> Self {
        Self::bad(reason.to_string())
    }
}

/// Every error, in Sevalla's words. Only documented statuses: there is no 409, 422 or 503.
impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::EnvironmentIdNotFound(id) => Self::no_application(&id.to_string()),
            Error::AppNotFound(_) | Error::EnvironmentNotFound { .. } => {
                Self::not_found("there is no such application")
            }
            Error::HookNotFound { .. } => {
                Self::not_found("the application's deployment hook is not enabled")
            }
            Error::DeploymentNotFound
            | Error::ProjectNotFound(_)
            | Error::SecretNotFound { .. }
            | Error::OperationNotFound
            | Error::TokenNotFound => Self::not_found(message),
            Error::Forbidden(_) => {
                Self::new(StatusCode::FORBIDDEN, format!("Forbidden: {message}"))
            }
            Error::Invalid { field, message } => Self::field(called(field), message),
            Error::Missing(field) => Self::field(called(field), "is required"),
            Error::BranchNotFound { .. }
            | Error::TagNotFound { .. }
            | Error::CommitNotFound { .. }
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
            | Error::NotCancellable(_)
            | Error::InProgress(_)
            | Error::Live
            | Error::Recorded
            | Error::ReportedRunning
            | Error::NewestSuccess
            | Error::CannotBecome(_)
            | Error::EnvironmentExists { .. }
            | Error::NotStopped
            | Error::Refused(_)
            | Error::ConfigRefused { .. }
            | Error::KeyReused
            | Error::Unsupported(_) => Self::bad(message),
            // Nothing was done, and later it may be. Of the documented statuses a client repeats 429 three times,
            // as if it were asking too often; 400 says that asking again is pointless. After 500 it repeats
            // what only looks, and shows the message of what would change something to whoever asked for it.
            Error::Unavailable(_) | Error::DiskFull(_) => Self::internal(message),
            Error::Internal(_) => Self::internal(message),
        }
    }
}

/// What a client calls a field of an action.
fn called(field: &'static str) -> &'static str {
    match field {
        "image" => "docker_image",
        "release" => "deployment_id",
        other => other,
    }
}

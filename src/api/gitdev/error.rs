//! Errors in git.dev's shape: `{"error":{"code","message","details"}}`. All validation is 400.

use super::wire::problem::{Problem, ProblemCause};
use super::wire::word::Status;
use crate::api::answer::{self, Said};
use crate::core::action::Reply;
use crate::core::admission::IgnoredReason;
use crate::core::error::{Ended, Error};
use crate::core::rate::Exceeded;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// A request that is not carried out.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
    details: Value,
    header: Option<Said>,
}

/// What a refusal repeats of a request, in characters: enough to see what was meant.
const MAX_SHOWN: usize = 255;
/// A message: ours, with something of the request in it.
const MAX_MESSAGE: usize = 1000;

/// A text cut to its beginning.
fn shown(text: String, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// The same for the fields of details. Lists are ours.
fn shown_in(details: Value) -> Value {
    let Value::Object(fields) = details else {
        return details;
    };
    let cut = |(name, value)| match value {
        Value::String(text) => (name, Value::String(shown(text, MAX_SHOWN))),
        other => (name, other),
    };
    Value::Object(fields.into_iter().map(cut).collect())
}

impl Refusal {
    pub(super) fn new(
        status: StatusCode,
        code: &'static str,
        message: impl Into<String>,
        details: Value,
    ) -> Self {
        Self {
            status,
            code,
            message: shown(message.into(), MAX_MESSAGE),
            details: shown_in(details),
            header: None,
        }
    }

    pub(super) fn bad(code: &'static str, message: impl Into<String>, details: Value) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message, details)
    }

    pub(super) fn field(field: &str, message: impl std::fmt::Display) -> Self {
        Self::bad(
            "invalid_field",
            format!("{field} {message}"),
            json!({ "field": field }),
        )
    }

    pub(super) fn parameter(parameter: &str, message: &str) -> Self {
        Self::bad(
            "invalid_parameter",
            format!("{parameter} {message}"),
            json!({ "parameter": parameter }),
        )
    }

    pub(super) fn missing(field: &str) -> Self {
        Self::bad(
            "missing_field",
            format!("{field} is required"),
            json!({ "field": field }),
        )
    }

    pub(super) fn no_deployment(id: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "deployment_not_found",
            format!("There is no deployment '{id}'"),
            json!({ "id": id }),
        )
    }

    pub(super) fn no_project(id: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "project_not_found",
            format!("There is no project '{id}'"),
            json!({ "id": id }),
        )
    }

    /// An environment that is part of a path.
    pub(super) fn no_environment(name: &str, message: impl Into<String>) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "environment_not_found",
            message,
            json!({ "environment": name }),
        )
    }

    pub(super) fn too_many_followers(most: usize) -> Self {
        Self {
            header: Some(Said::RetryAfter(30)),
            ..Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "too_many_followers",
                format!(
                    "{most} logs and events are followed already; ask again without following, or later"
                ),
                json!({ "max_followers": most }),
            )
        }
    }

    pub(super) fn no_route() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not_found",
            "There is nothing at this path",
            json!({}),
        )
    }

    pub(super) fn too_large(max: usize) -> Self {
        let message = format!("The body is larger than {max} bytes");
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "payload_too_large",
            message,
            json!({ "max_bytes": max }),
        )
    }

    pub(super) fn missing_token() -> Self {
        Self::unauthorized(
            "missing_token",
            "An Authorization: Bearer token is required",
        )
    }

    pub(super) fn invalid_token() -> Self {
        Self::unauthorized(
            "invalid_token",
            "The token is not known, or no longer holds",
        )
    }

    pub(super) fn expired_token() -> Self {
        Self::unauthorized("expired_token", "The token's time is over")
    }

    pub(super) fn too_many(exceeded: &Exceeded) -> Self {
        let Exceeded {
            plan,
            limit,
            retry_after,
        } = *exceeded;
        let details = json!({ "limit": limit, "retry_after": retry_after, "plan": plan.as_str() });
        Self {
            header: Some(Said::RetryAfter(retry_after)),
            ..Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "rate_limit_exceeded",
                format!("Rate limit of {limit} requests per minute exceeded"),
                details,
            )
        }
    }

    fn unauthorized(code: &'static str, message: &str) -> Self {
        Self {
            header: Some(Said::Challenge),
            ..Self::new(StatusCode::UNAUTHORIZED, code, message, json!({}))
        }
    }

    pub(super) fn method_not_allowed(method: &Method, path: &str) -> Self {
        let message = format!("{method} is not possible at {path}");
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            message,
            json!({}),
        )
    }

    /// A reply of another kind than the action asks for: our fault.
    pub(super) fn unexpected(reply: &Reply) -> Self {
        tracing::error!(?reply, "a reply does not fit its action");
        Self::internal("longshore gave itself an answer it did not expect")
    }

    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal_error",
            message,
            json!({}),
        )
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let is_ours = self.status == StatusCode::INTERNAL_SERVER_ERROR;
        let body = Problem {
            error: ProblemCause {
                code: self.code.to_owned(),
                details: self.details,
                message: self.message,
            },
        };
        let mut response = (self.status, answer::json(&body)).into_response();
        if let Some(said) = self.header {
            said.in_header_of(&mut response);
        }
        if is_ours {
            answer::our_fault(&mut response, move |id| {
                let mut body = body.clone();
                body.error.details["request_id"] = id.into();
                answer::json(&body)
            });
        }
        response
    }
}

/// Events come in elsewhere; here it would be a create without a deployment.
impl From<IgnoredReason> for Refusal {
    fn from(reason: IgnoredReason) -> Self {
        Self::new(
            StatusCode::CONFLICT,
            "nothing_to_deploy",
            reason.to_string(),
            json!({}),
        )
    }
}

/// Every error, in git.dev's words. `subject` is the id or name the request was about.
fn refusal(error: Error, subject: &str) -> Refusal {
    let message = error.to_string();
    match error {
        Error::AppNotFound(_) => Refusal::no_project(subject),
        Error::EnvironmentNotFound { .. } => {
            Refusal::bad("invalid_field", message, json!({ "field": "environment" }))
        }
        Error::EnvironmentIdNotFound(id) => Refusal::no_environment(&id.to_string(), message),
        Error::HookNotFound { environment, .. } => Refusal::new(
            StatusCode::NOT_FOUND,
            "hook_not_found",
            message,
            json!({ "environment": environment }),
        ),
        Error::DeploymentNotFound => Refusal::no_deployment(subject),
        Error::ProjectNotFound(_) => Refusal::no_project(subject),
        Error::Recorded => Refusal::new(
            StatusCode::CONFLICT,
            "deployment_recorded",
            message,
            json!({ "id": subject }),
        ),
        Error::ReportedRunning => Refusal::new(
            StatusCode::CONFLICT,
            "deployment_in_progress",
            message,
            json!({ "id": subject, "status": "deploying" }),
        ),
        Error::NewestSuccess => Refusal::new(
            StatusCode::CONFLICT,
            "deployment_active",
            message,
            json!({ "id": subject, "status": "success" }),
        ),
        // What only who reports deployments, and their environments, can meet.
        Error::CannotBecome(_) | Error::EnvironmentExists { .. } | Error::NotStopped => {
            Refusal::bad("invalid_field", message, json!({}))
        }
        Error::SecretNotFound { name, .. } => Refusal::new(
            StatusCode::NOT_FOUND,
            "secret_not_found",
            message,
            json!({ "name": name }),
        ),
        Error::OperationNotFound => Refusal::new(
            StatusCode::NOT_FOUND,
            "operation_not_found",
            format!("There is no operation '{subject}'"),
            json!({ "id": subject }),
        ),
        Error::TokenNotFound => Refusal::new(
            StatusCode::NOT_FOUND,
            "token_not_found",
            format!("There is no token '{subject}'"),
            json!({ "id": subject }),
        ),
        Error::Forbidden(needed) => Refusal::new(
            StatusCode::FORBIDDEN,
            "insufficient_scope",
            message,
            json!({ "required": needed.as_str() }),
        ),
        Error::Missing(field) => Refusal::missing(field),
        Error::Invalid { field, .. } => {
            Refusal::bad("invalid_field", message, json!({ "field": field }))
        }
        Error::BranchNotFound { branch, .. } => Refusal::bad(
            "invalid_branch",
            format!("Branch '{branch}' does not exist in repository"),
            json!({ "project_id": subject }),
        ),
        // A request of this dialect names branches only.
        Error::TagNotFound { .. } => {
            Refusal::bad("invalid_field", message, json!({ "field": "tag" }))
        }
        Error::UnknownTask { .. } => {
            Refusal::bad("invalid_field", message, json!({ "field": "task" }))
        }
        Error::PreviewsOff { .. } => {
            Refusal::bad("invalid_field", message, json!({ "field": "environment" }))
        }
        Error::TooManyPreviews { .. } => Refusal::new(
            StatusCode::CONFLICT,
            "environment_refused",
            message,
            json!({}),
        ),
        Error::Active => Refusal::new(
            StatusCode::CONFLICT,
            "deployment_active",
            message,
            json!({ "id": subject, "status": "success" }),
        ),
        Error::RunNotFound => Refusal::new(
            StatusCode::NOT_FOUND,
            "run_not_found",
            message,
            json!({ "id": subject }),
        ),
        Error::NotAJob { .. } => Refusal::bad("invalid_field", message, json!({ "field": "app" })),
        Error::NoSuchEvent { .. } => {
            Refusal::bad("invalid_field", message, json!({ "field": "event" }))
        }
        Error::RunAtWork { number } => Refusal::new(
            StatusCode::CONFLICT,
            "run_at_work",
            message,
            json!({ "run": number }),
        ),
        Error::Busy { .. } => Refusal::new(
            StatusCode::CONFLICT,
            "operation_in_progress",
            message,
            json!({}),
        ),
        // What only GitHub's dialect asks for.
        Error::RefNotFound { .. }
        | Error::RepositoryEmpty { .. }
        | Error::MergeConflict { .. }
        | Error::MergeRefused { .. }
        | Error::ChecksFailed { .. }
        | Error::StatusNotFound
        | Error::TooManyStatuses => Refusal::bad("invalid_field", message, json!({})),
        Error::CommitNotFound { commit, .. } => {
            Refusal::bad("invalid_commit", message, json!({ "commit_sha": commit }))
        }
        Error::NotCancellable(ended) => {
            let status = match ended {
                Ended::Committed => "deploying",
                Ended::Succeeded => "success",
                Ended::Failed => "failed",
                Ended::Superseded => "cancelled",
            };
            let details = json!({ "id": subject, "status": status });
            Refusal::new(
                StatusCode::CONFLICT,
                "deployment_not_cancellable",
                message,
                details,
            )
        }
        Error::InProgress(phase) => Refusal::new(
            StatusCode::CONFLICT,
            "deployment_in_progress",
            message,
            json!({ "id": subject, "status": Status::from(&*phase) }),
        ),
        // Nothing is live before it succeeded.
        Error::Live => Refusal::new(
            StatusCode::CONFLICT,
            "deployment_active",
            message,
            json!({ "id": subject, "status": "success" }),
        ),
        Error::Refused(_) => Refusal::new(
            StatusCode::CONFLICT,
            "environment_refused",
            message,
            json!({}),
        ),
        Error::ConfigRefused { file, faults } => Refusal::new(
            StatusCode::CONFLICT,
            "config_refused",
            message,
            json!({ "file": file, "faults": faults }),
        ),
        Error::KeyReused => Refusal::new(
            StatusCode::CONFLICT,
            "idempotency_key_reused",
            message,
            json!({}),
        ),
        Error::Unsupported(_) => Refusal::bad("unsupported", message, json!({})),
        Error::Unavailable(_) => Refusal {
            header: Some(Said::RetryAfter(5)),
            ..Refusal::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                message,
                json!({}),
            )
        },
        Error::DiskFull(_) => Refusal {
            header: Some(Said::RetryAfter(60)),
            ..Refusal::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "disk_full",
                message,
                json!({}),
            )
        },
        Error::Internal(_) => Refusal::internal(message),
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        refusal(error, "")
    }
}

/// The same where app and environment are parts of the path, or of the query, and no fields.
pub(super) fn of_path(error: Error, app: &str) -> Refusal {
    if let Error::EnvironmentNotFound { environment, .. } = &error {
        return Refusal::no_environment(environment, error.to_string());
    }
    about(error, app)
}

/// An error of a request about something, named as the caller wrote it.
pub(super) fn about(error: Error, subject: &str) -> Refusal {
    refusal(error, subject)
}

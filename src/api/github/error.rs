//! Errors in GitHub's shape: a message, where it is documented, the status as a text, and for some what is wrong with
//! which field.

use super::wire::problem::Problem;
use super::wire::word;
use crate::api::answer::{self, Said, shown};
use crate::core::access::{Caller, Scope};
use crate::core::action::Reply;
use crate::core::admission::IgnoredReason;
use crate::core::commit_status::CommitState;
use crate::core::error::Error;
use crate::core::rate::Exceeded;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

/// Which permission somebody lacks.
const ACCEPTED: HeaderName = HeaderName::from_static("x-accepted-github-permissions");

/// A request that is not carried out.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    message: String,
    errors: Vec<Value>,
    said: Option<Said>,
    /// The permission that would have done.
    permission: Option<&'static str>,
}

/// What of a deployment, a status or a commit status is wrong.
#[derive(Clone, Copy, Debug)]
pub(super) enum Resource {
    Deployment,
    DeploymentStatus,
    Status,
}

impl Resource {
    fn as_str(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::DeploymentStatus => "DeploymentStatus",
            Self::Status => "Status",
        }
    }
}

impl Refusal {
    pub(super) fn with(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: shown(message),
            errors: Vec::new(),
            said: None,
            permission: None,
        }
    }

    pub(super) fn not_found() -> Self {
        Self::with(StatusCode::NOT_FOUND, "Not Found")
    }

    /// The body as such is wrong.
    pub(super) fn bad_request(message: &str) -> Self {
        Self::with(StatusCode::BAD_REQUEST, message)
    }

    /// The body is not what is documented.
    pub(super) fn invalid_request(why: &str) -> Self {
        Self::unprocessable(format!("Invalid request.\n\n{why}"))
    }

    /// A sentence says it all.
    pub(super) fn unprocessable(message: impl Into<String>) -> Self {
        Self::with(StatusCode::UNPROCESSABLE_ENTITY, message)
    }

    /// A value that cannot be used. The text begins with the field's name.
    pub(super) fn invalid(resource: Resource, field: &str, text: impl Into<String>) -> Self {
        let error = json!({
            "code": "custom",
            "field": field,
            "message": shown(text),
            "resource": resource.as_str(),
        });
        Self {
            errors: vec![error],
            ..Self::unprocessable("Validation Failed")
        }
    }

    /// More characters than there may be.
    pub(super) fn too_long(resource: Resource, field: &str, most: usize) -> Self {
        let text = format!("{field} is too long (maximum is {most} characters)");
        Self::invalid(resource, field, text)
    }

    /// What is refused of a deployment's deletion is only said, not placed.
    fn no_deletion(text: impl Into<String>) -> Self {
        Self {
            errors: vec![Value::String(shown(text))],
            ..Self::unprocessable("Validation Failed")
        }
    }

    pub(super) fn no_ref(name: &str) -> Self {
        Self::unprocessable(format!("No ref found for: {name}"))
    }

    pub(super) fn no_commit(name: &str) -> Self {
        Self::unprocessable(format!("No commit found for SHA: {name}"))
    }

    pub(super) fn requires_authentication() -> Self {
        Self::with(StatusCode::UNAUTHORIZED, "Requires authentication")
    }

    pub(super) fn bad_credentials() -> Self {
        Self::with(StatusCode::UNAUTHORIZED, "Bad credentials")
    }

    /// 403 and not 429: every generation of clients takes it for a limit.
    pub(super) fn too_many(exceeded: &Exceeded) -> Self {
        Self {
            said: Some(Said::RetryAfter(exceeded.retry_after)),
            ..Self::with(
                StatusCode::FORBIDDEN,
                format!(
                    "API rate limit exceeded: {} requests a minute.",
                    exceeded.limit
                ),
            )
        }
    }

    /// Without `Retry-After`: there are clients that repeat a refusal that has one.
    fn forbidden(permission: &'static str) -> Self {
        Self {
            permission: Some(permission),
            ..Self::with(
                StatusCode::FORBIDDEN,
                "Resource not accessible by personal access token",
            )
        }
    }

    fn conflict(message: String) -> Self {
        Self::with(StatusCode::CONFLICT, message)
    }

    /// The texts begin as clients expect. All contexts that were looked at are told, not only those that failed.
    fn checks_failed(reference: &str, contexts: &[(String, CommitState)]) -> Self {
        let contexts: Vec<Value> = contexts
            .iter()
            .map(|(context, state)| {
                let state = word::of_commit_state(*state);
                json!({ "context": context, "state": state })
            })
            .collect();
        let error = json!({
            "code": "invalid",
            "contexts": contexts,
            "field": "required_contexts",
            "resource": "Deployment",
        });
        Self {
            errors: vec![error],
            ..Self::conflict(format!(
                "Conflict: Commit status checks failed for {reference}."
            ))
        }
    }

    /// A reply of another kind than the action asks for: our fault.
    pub(super) fn unexpected(reply: &Reply) -> Self {
        tracing::error!(?reply, "a reply does not fit its action");
        Self::fault()
    }

    /// The request's id, by which the cause is found in the log, is in a header.
    pub(super) fn fault() -> Self {
        Self::with(StatusCode::INTERNAL_SERVER_ERROR, "Server Error")
    }

    /// Nothing was done, and later it may be.
    fn unavailable(why: String, seconds: u64) -> Self {
        Self {
            said: Some(Said::RetryAfter(seconds)),
            ..Self::with(StatusCode::SERVICE_UNAVAILABLE, why)
        }
    }

    /// The answer. `documented` is the place in GitHub's documentation; it may be empty.
    pub(super) fn into_answer(self, documented: &str) -> Response {
        let documentation_url = match documented {
            "" => "https://docs.github.com/rest".to_owned(),
            at => format!("https://docs.github.com/rest/{at}"),
        };
        let body = Problem {
            documentation_url,
            errors: self.errors,
            message: self.message,
            status: self.status.as_str().to_owned(),
        };
        let mut response = (self.status, answer::json(&body)).into_response();
        if let Some(said) = self.said {
            said.in_header_of(&mut response);
        }
        if let Some(permission) = self.permission {
            let headers = response.headers_mut();
            headers.insert(ACCEPTED, HeaderValue::from_static(permission));
        }
        response
    }
}

/// Whether a caller may change what is kept under this permission: GitHub looks at that after the repository and before
/// what is asked for.
pub(super) fn allow(caller: &Caller, permission: &'static str) -> Result<(), Refusal> {
    match caller.scope {
        Scope::Write | Scope::Admin => Ok(()),
        Scope::Read => Err(Refusal::forbidden(permission)),
    }
}

/// Events come in elsewhere; here it would be a create without a deployment.
impl From<IgnoredReason> for Refusal {
    fn from(reason: IgnoredReason) -> Self {
        Self::unprocessable(reason.to_string())
    }
}

/// Every error, in GitHub's words.
impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::ProjectNotFound(_)
            | Error::AppNotFound(_)
            | Error::EnvironmentIdNotFound(_)
            | Error::DeploymentNotFound
            | Error::StatusNotFound
            | Error::HookNotFound { .. }
            | Error::SecretNotFound { .. }
            | Error::OperationNotFound
            | Error::TokenNotFound => Self::not_found(),
            Error::Forbidden(_) => Self::forbidden("deployments=write"),
            Error::RefNotFound { name, .. } => Self::no_ref(&name),
            Error::BranchNotFound { branch, .. } => Self::no_ref(&branch),
            Error::TagNotFound { tag, .. } => Self::no_ref(&tag),
            Error::CommitNotFound { commit, .. } => Self::no_ref(&commit),
            Error::RepositoryEmpty { .. } => Self::conflict("Git Repository is empty.".to_owned()),
            Error::MergeConflict { from, into } => {
                Self::conflict(format!("Conflict merging {from} into {into}."))
            }
            Error::MergeRefused { from, into, why } => {
                Self::conflict(format!("Conflict merging {from} into {into}. {why}"))
            }
            Error::ChecksFailed {
                reference,
                contexts,
            } => Self::checks_failed(&reference, &contexts),
            Error::Invalid { field, message } => {
                Self::invalid(Resource::Deployment, field, format!("{field} {message}"))
            }
            Error::Missing(field) => {
                Self::invalid_request(&format!("\"{field}\" wasn't supplied."))
            }
            Error::TooManyStatuses => Self::invalid(
                Resource::Status,
                "context",
                "This SHA and context has reached the maximum number of statuses.",
            ),
            Error::Active => Self::no_deletion(
                "We cannot delete an active deployment unless it is the only deployment in a given environment.",
            ),
            Error::InProgress(_) | Error::ReportedRunning | Error::Live | Error::NewestSuccess => {
                Self::no_deletion(message)
            }
            // Not 409: there are clients that repeat that.
            Error::EnvironmentNotFound { .. }
            | Error::UnknownTask { .. }
            | Error::PreviewsOff { .. }
            | Error::TooManyPreviews { .. }
            | Error::EnvironmentExists { .. }
            | Error::NotStopped
            | Error::RunNotFound
            | Error::NotAJob { .. }
            | Error::NoSuchEvent { .. }
            | Error::RunAtWork { .. }
            | Error::Busy { .. }
            | Error::NotCancellable(_)
            | Error::CannotBecome(_)
            | Error::Recorded
            | Error::Refused(_)
            | Error::ConfigRefused { .. }
            | Error::KeyReused
            | Error::Unsupported(_) => Self::unprocessable(message),
            Error::Unavailable(_) => Self::unavailable(message, 5),
            Error::DiskFull(_) => Self::unavailable(message, 60),
            Error::Internal(_) => Self::fault(),
        }
    }
}

//! Errors in GitLab's two shapes: `{"error": …}` for what is wrong with a request as such, `{"message": …}` for what is
//! refused once it was understood.

use super::wire::problem::Problem;
use crate::api::answer::{self, Said, shown};
use crate::core::access::{Caller, Scope};
use crate::core::action::Reply;
use crate::core::admission::IgnoredReason;
use crate::core::error::{Ended, Error};
use crate::core::rate::Exceeded;
use crate::core::recorded::ReportedState;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

/// A request that is not carried out.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    body: Problem,
    header: Option<Said>,
}

impl Refusal {
    fn with(status: StatusCode, body: Problem) -> Self {
        Self {
            status,
            body,
            header: None,
        }
    }

    /// Of the first family.
    pub(super) fn error(status: StatusCode, error: impl Into<String>) -> Self {
        Self::with(status, Problem::error(shown(error)))
    }

    /// Of the second.
    fn message(status: StatusCode, message: impl Into<String>) -> Self {
        Self::with(status, Problem::message(shown(message)))
    }

    /// Parameters that break a rule.
    pub(super) fn invalid(error: impl Into<String>) -> Self {
        Self::error(StatusCode::BAD_REQUEST, error)
    }

    /// Parameters that are each allowed, and not like this.
    pub(super) fn bad_request(why: &str) -> Self {
        Self::message(StatusCode::BAD_REQUEST, format!("400 Bad request - {why}"))
    }

    /// Something that is asked for cannot be, because of one of its fields.
    pub(super) fn field(field: &str, what: impl Into<String>) -> Self {
        Self::with(
            StatusCode::BAD_REQUEST,
            Problem::field(field, vec![shown(what)]),
        )
    }

    pub(super) fn no_project() -> Self {
        Self::message(StatusCode::NOT_FOUND, "404 Project Not Found")
    }

    /// A deployment or an environment.
    pub(super) fn not_found() -> Self {
        Self::message(StatusCode::NOT_FOUND, "404 Not found")
    }

    pub(super) fn no_route() -> Self {
        Self::error(StatusCode::NOT_FOUND, "404 Not Found")
    }

    pub(super) fn method_not_allowed() -> Self {
        Self::error(StatusCode::METHOD_NOT_ALLOWED, "405 Not Allowed")
    }

    pub(super) fn changed_since() -> Self {
        Self::message(StatusCode::PRECONDITION_FAILED, "412 Precondition Failed")
    }

    pub(super) fn unauthorized() -> Self {
        Self {
            header: Some(Said::Challenge),
            ..Self::message(StatusCode::UNAUTHORIZED, "401 Unauthorized")
        }
    }

    pub(super) fn expired() -> Self {
        Self::invalid_token(
            "Token is expired. You can either do re-authorization or token refresh.",
        )
    }

    pub(super) fn revoked() -> Self {
        Self::invalid_token("Token was revoked. You have to re-authorize from the user.")
    }

    fn invalid_token(description: &'static str) -> Self {
        let body = Problem::explained("invalid_token", description, None);
        Self {
            header: Some(Said::Challenge),
            ..Self::with(StatusCode::UNAUTHORIZED, body)
        }
    }

    pub(super) fn too_many(exceeded: &Exceeded) -> Self {
        Self {
            header: Some(Said::RetryAfter(exceeded.retry_after)),
            ..Self::message(StatusCode::TOO_MANY_REQUESTS, "429 Too Many Requests")
        }
    }

    pub(super) fn forbidden() -> Self {
        Self::message(StatusCode::FORBIDDEN, "403 Forbidden")
    }

    /// What is executed here is not reported to us.
    pub(super) fn executed_here() -> Self {
        Self::message(
            StatusCode::FORBIDDEN,
            "403 Forbidden - Deployments executed by this agent can not be updated using the API",
        )
    }

    fn insufficient_scope() -> Self {
        let body = Problem::explained(
            "insufficient_scope",
            "The request requires higher privileges than provided by the access token.",
            Some("api"),
        );
        Self::with(StatusCode::FORBIDDEN, body)
    }

    /// A status that a deployment cannot get, by the event that would bring it there.
    pub(super) fn no_transition(event: &str) -> Self {
        Self::field("status", format!("cannot transition via \"{event}\""))
    }

    /// A reply of another kind than the action asks for: our fault.
    pub(super) fn unexpected(reply: &Reply) -> Self {
        tracing::error!(?reply, "a reply does not fit its action");
        Self::internal("longshore gave itself an answer it did not expect")
    }

    pub(super) fn internal(why: &str) -> Self {
        Self::message(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("500 Internal Server Error - {why}"),
        )
    }

    /// Nothing was done, and later it may be. Not 429 and not 502: there are clients that repeat those within
    /// milliseconds.
    fn unavailable(why: &str, seconds: u64) -> Self {
        Self {
            header: Some(Said::RetryAfter(seconds)),
            ..Self::message(
                StatusCode::SERVICE_UNAVAILABLE,
                format!("503 Service Unavailable - {why}"),
            )
        }
    }
}

/// Whether a caller may do what needs this scope, in an order of checks that is GitLab's: after the project is known and
/// before it is known whether there is what is to be changed.
pub(super) fn allow(caller: &Caller, needed: Scope) -> Result<(), Refusal> {
    match needed {
        _ if caller.scope >= needed => Ok(()),
        Scope::Admin if caller.scope >= Scope::Write => Err(Refusal::forbidden()),
        Scope::Read | Scope::Write | Scope::Admin => Err(Refusal::insufficient_scope()),
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let is_ours = self.status == StatusCode::INTERNAL_SERVER_ERROR;
        let mut response = (self.status, super::render::json(&self.body)).into_response();
        if let Some(said) = self.header {
            said.in_header_of(&mut response);
        }
        if is_ours {
            answer::our_fault(&mut response, move |id| {
                super::render::json(&self.body.with_request(id))
            });
        }
        response
    }
}

/// Events come in elsewhere; here it would be a create without a deployment.
impl From<IgnoredReason> for Refusal {
    fn from(reason: IgnoredReason) -> Self {
        Self::field("environment", reason.to_string())
    }
}

/// Every error, in GitLab's words.
impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::ProjectNotFound(_) | Error::AppNotFound(_) => Self::no_project(),
            Error::EnvironmentNotFound { .. } => {
                Self::field("environment", "is not configured for this project")
            }
            Error::EnvironmentIdNotFound(_)
            | Error::DeploymentNotFound
            | Error::HookNotFound { .. }
            | Error::SecretNotFound { .. }
            | Error::OperationNotFound
            | Error::TokenNotFound => Self::not_found(),
            Error::EnvironmentExists { .. } => Self::field("name", "has already been taken"),
            Error::Forbidden(Scope::Admin) | Error::NotStopped => Self::forbidden(),
            Error::Forbidden(Scope::Read | Scope::Write) => Self::insufficient_scope(),
            Error::CannotBecome(refused) => Self::no_transition(event(refused.to)),
            Error::Recorded => Self::bad_request(&message),
            Error::BranchNotFound { .. } | Error::TagNotFound { .. } => {
                Self::field("ref", "The branch or tag does not exist")
            }
            Error::CommitNotFound { .. } => Self::with(
                StatusCode::BAD_REQUEST,
                // GitLab's sentence, and which of several things it is.
                Problem::field(
                    "sha",
                    vec!["The commit does not exist".to_owned(), shown(message)],
                ),
            ),
            Error::Invalid { field, message } => Self::field(called(field), message),
            Error::Missing(field) => Self::field(called(field), "can't be blank"),
            Error::NotCancellable(ended) => match ended {
                Ended::Committed => Self::no_transition("cancel"),
                Ended::Succeeded | Ended::Failed | Ended::Superseded => Self::executed_here(),
            },
            Error::InProgress(_) | Error::ReportedRunning => {
                Self::message(StatusCode::BAD_REQUEST, "Cannot destroy running deployment")
            }
            Error::Live | Error::NewestSuccess => Self::message(
                StatusCode::BAD_REQUEST,
                "Deployment currently deployed to environment",
            ),
            Error::RefNotFound { .. } | Error::RepositoryEmpty { .. } => {
                Self::field("ref", "The branch or tag does not exist")
            }
            Error::PreviewsOff { .. } => {
                Self::field("environment", "is not configured for this project")
            }
            Error::Refused(_) | Error::TooManyPreviews { .. } => {
                Self::field("environment", message)
            }
            // What only GitHub's dialect asks for.
            Error::MergeConflict { .. }
            | Error::MergeRefused { .. }
            | Error::ChecksFailed { .. }
            | Error::UnknownTask { .. }
            | Error::StatusNotFound
            | Error::TooManyStatuses
            | Error::Active => Self::bad_request(&message),
            // What only jobs have.
            Error::RunNotFound
            | Error::NotAJob { .. }
            | Error::NoSuchEvent { .. }
            | Error::RunAtWork { .. }
            | Error::Busy { .. } => Self::bad_request(&message),
            Error::ConfigRefused { .. } | Error::KeyReused | Error::Unsupported(_) => {
                Self::bad_request(&message)
            }
            Error::Unavailable(_) => Self::unavailable(&message, 5),
            Error::DiskFull(_) => Self::unavailable(&message, 60),
            Error::Internal(_) => Self::internal(&message),
        }
    }
}

/// What a client calls a field of an action.
fn called(field: &'static str) -> &'static str {
    match field {
        "image" | "branch" => "ref",
        "commit_sha" => "sha",
        other => other,
    }
}

/// GitLab's name for what brings a deployment there. Nothing brings it back to `created`.
fn event(to: ReportedState) -> &'static str {
    match to {
        ReportedState::Created => "create",
        ReportedState::Running => "run",
        ReportedState::Success => "succeed",
        ReportedState::Failed => "drop",
        ReportedState::Canceled => "cancel",
    }
}

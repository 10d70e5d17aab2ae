//! Errors as Qovery's clients read them: `{"detail","status","title"}`.

use super::wire::problem::Problem;
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
    detail: String,
    header: Option<Said>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let detail = answer::shown(detail);
        Self {
            detail: match status {
                StatusCode::BAD_REQUEST => harmless(detail),
                _ => detail,
            },
            status,
            header: None,
        }
    }

    pub(super) fn bad(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// A field of a body or a parameter of a query.
    pub(super) fn field(name: &str, what: impl std::fmt::Display) -> Self {
        Self::bad(format!("{name} {what}"))
    }

    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    pub(super) fn no_job(id: &str) -> Self {
        Self::not_found(format!("there is no job '{id}'"))
    }

    pub(super) fn no_environment(id: &str) -> Self {
        Self::not_found(format!("there is no environment '{id}'"))
    }

    pub(super) fn no_route() -> Self {
        Self::not_found("there is nothing at this path")
    }

    pub(super) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, detail)
    }

    /// Something is at work or waits.
    pub(super) fn in_progress() -> Self {
        Self::conflict("an operation is in progress")
    }

    pub(super) fn method_not_allowed(method: &Method) -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            format!("{method} is not possible at this path"),
        )
    }

    pub(super) fn unauthorized(detail: &str) -> Self {
        Self {
            header: Some(Said::Challenge),
            ..Self::new(StatusCode::UNAUTHORIZED, detail)
        }
    }

    pub(super) fn too_many(exceeded: &Exceeded) -> Self {
        let detail = format!("too many requests: {} a minute are allowed", exceeded.limit);
        Self {
            header: Some(Said::RetryAfter(exceeded.retry_after)),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, detail)
        }
    }

    /// A reply of another kind than the action asks for: our fault.
    pub(super) fn unexpected(reply: &Reply) -> Self {
        tracing::error!(?reply, "a reply does not fit its action");
        Self::internal("longshore gave itself an answer it did not expect")
    }

    pub(super) fn internal(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
    }
}

/// The Terraform provider takes a 400 with this word in it for one that says that nothing is there any more, and forgets
/// what it manages. The word can be in what the caller sent.
fn harmless(detail: String) -> String {
    const WORD: &str = "exist";
    let mut harmless = detail;
    while let Some(at) = harmless.to_ascii_lowercase().find(WORD) {
        harmless.insert(at + 1, '-');
    }
    harmless
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let is_ours = self.status == StatusCode::INTERNAL_SERVER_ERROR;
        let body = Problem {
            detail: self.detail,
            status: self.status.as_u16(),
            title: self.status.canonical_reason().unwrap_or("Error"),
        };
        let mut response = (self.status, answer::json(&body)).into_response();
        if let Some(said) = self.header {
            said.in_header_of(&mut response);
        }
        if is_ours {
            answer::our_fault(&mut response, move |id| {
                let mut body = body.clone();
                body.detail += &format!(" (request {id})");
                answer::json(&body)
            });
        }
        response
    }
}

/// Events come in elsewhere; here it would be a deployment that was asked for and is none.
impl From<IgnoredReason> for Refusal {
    fn from(reason: IgnoredReason) -> Self {
        Self::conflict(reason.to_string())
    }
}

/// Every error, in Qovery's statuses.
impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let detail = error.to_string();
        match error {
            Error::EnvironmentIdNotFound(id) => Self::no_job(&id.to_string()),
            Error::AppNotFound(_)
            | Error::EnvironmentNotFound { .. }
            | Error::HookNotFound { .. }
            | Error::DeploymentNotFound
            | Error::ProjectNotFound(_)
            | Error::SecretNotFound { .. }
            | Error::OperationNotFound
            | Error::RunNotFound
            | Error::StatusNotFound
            | Error::NotAJob { .. }
            | Error::TokenNotFound => Self::not_found(detail),
            Error::Forbidden(_) => Self::new(StatusCode::FORBIDDEN, detail),
            Error::Invalid { field, message } => Self::field(called(field), message),
            Error::Missing(field) => Self::field(called(field), "is required"),
            Error::BranchNotFound { branch, repository } => {
                Self::bad(format!("{repository} has no branch '{branch}'"))
            }
            Error::TagNotFound { tag, repository } => {
                Self::bad(format!("{repository} has no tag '{tag}'"))
            }
            Error::CommitNotFound { .. }
            | Error::RefNotFound { .. }
            | Error::RepositoryEmpty { .. }
            | Error::NoSuchEvent { .. }
            | Error::UnknownTask { .. }
            | Error::PreviewsOff { .. }
            | Error::ConfigRefused { .. }
            | Error::KeyReused
            | Error::Unsupported(_) => Self::bad(detail),
            Error::Busy { .. } => Self::in_progress(),
            Error::MergeConflict { .. }
            | Error::MergeRefused { .. }
            | Error::ChecksFailed { .. }
            | Error::TooManyPreviews { .. }
            | Error::TooManyStatuses
            | Error::Active
            | Error::RunAtWork { .. }
            | Error::NotCancellable(_)
            | Error::InProgress(_)
            | Error::Live
            | Error::Recorded
            | Error::ReportedRunning
            | Error::NewestSuccess
            | Error::CannotBecome(_)
            | Error::EnvironmentExists { .. }
            | Error::NotStopped
            | Error::Refused(_) => Self::conflict(detail),
            // Nothing was done, and later it may be.
            Error::Unavailable(_) | Error::DiskFull(_) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
            }
            Error::Internal(_) => Self::internal(detail),
        }
    }
}

/// What a client calls a field of an action.
fn called(field: &'static str) -> &'static str {
    match field {
        "image" => "image_tag",
        "commit_sha" => "git_commit_id",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_400_holds_the_word_that_makes_a_client_forget_what_it_manages() {
        for (text, expected) in [
            ("tag 'x' does not exist", "tag 'x' does not e-xist"),
            ("Existing, EXISTS", "E-xisting, E-XISTS"),
            ("coexistence", "coe-xistence"),
            ("nothing", "nothing"),
        ] {
            assert_eq!(Refusal::bad(text).detail, expected);
        }
        assert_eq!(Refusal::conflict("exists").detail, "exists");
    }
}

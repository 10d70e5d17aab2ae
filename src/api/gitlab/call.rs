//! What every handler looks at of a request.

use super::error::Refusal;
use super::parse::Asked;
use super::path::Named;
use crate::api::Api;
use crate::api::arrival::Base;
use crate::core::access::Caller;
use crate::core::action::{Action, Reply};
use crate::core::error::Error;
use crate::core::project::ProjectView;
use axum::Extension;
use axum::extract::FromRequestParts;
use axum::http::Uri;
use axum::http::request::Parts;

/// A request of somebody who was let in.
pub(super) struct Call {
    pub(super) api: Api,
    pub(super) caller: Caller,
    /// What URLs in the answer begin with.
    pub(super) base: Base,
    pub(super) uri: Uri,
    /// What its path names.
    pub(super) named: Named,
    /// What it says besides.
    pub(super) asked: Asked,
}

impl Call {
    /// Asks for something in the caller's name.
    pub(super) async fn dispatch(&self, action: Action) -> Result<Reply, Error> {
        self.api.agent.dispatch(&self.caller, action).await
    }

    /// The number at a name in braces.
    pub(super) fn number(&mut self, name: &str) -> i64 {
        self.asked.id(name, self.named.text(name))
    }

    /// The project at `{id}`. What can be no project's path is one that there is not.
    pub(super) async fn project(&self) -> Result<ProjectView, Refusal> {
        let which = self.named.project().ok_or_else(Refusal::no_project)?;
        match self.dispatch(Action::GetProject(which)).await? {
            Reply::Project(project) => Ok(*project),
            other => Err(Refusal::unexpected(&other)),
        }
    }
}

impl FromRequestParts<Api> for Call {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Refusal> {
        let caller = Extension::<Caller>::from_request_parts(parts, api).await;
        let Ok(Extension(caller)) = caller else {
            return Err(Refusal::internal("a request came past the door"));
        };
        let Ok(base) = Base::from_request_parts(parts, api).await;
        let Ok(named) = Named::from_request_parts(parts, api).await;
        Ok(Self {
            api: api.clone(),
            caller,
            base,
            uri: parts.uri.clone(),
            named,
            asked: Asked::from_request_parts(parts, api).await?,
        })
    }
}

//! What a path names. What is no text, or can be no name of ours, is asked for all the same and is a 404 like any other,
//! after the scope was looked at.

use super::error::Refusal;
use super::id;
use super::parse::{self, NOTHING};
use crate::api::Api;
pub(super) use crate::api::path::holes;
use crate::core::action::AppRef;
use crate::core::name::EnvironmentName;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use std::convert::Infallible;
use uuid::Uuid;

/// The environment that a path may name; what can be no environment's name is a 404.
pub(super) fn environment(text: Option<String>) -> Result<Option<EnvironmentName>, Refusal> {
    let Some(text) = text else {
        return Ok(None);
    };
    let message = || format!("There is no environment '{text}'");
    match EnvironmentName::any(&text) {
        Ok(name) => Ok(Some(name)),
        Err(_) => Err(Refusal::no_environment(&text, message())),
    }
}

/// The deployment at `{id}`.
pub(super) struct Named {
    pub(super) deployment: Uuid,
    /// As the caller wrote it; empty if that is no text.
    pub(super) text: String,
}

impl FromRequestParts<Api> for Named {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Infallible> {
        let NamedId(text) = NamedId::from_request_parts(parts, api).await?;
        let deployment = id::parse("dep_", &text).unwrap_or(NOTHING);
        Ok(Self { deployment, text })
    }
}

/// Whatever stands at `{id}`.
pub(super) struct NamedId(pub(super) String);

impl FromRequestParts<Api> for NamedId {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Infallible> {
        let text = holes(parts, api).await.remove("id");
        Ok(Self(text.unwrap_or_default()))
    }
}

/// The app at `{app}`.
pub(super) struct NamedApp {
    pub(super) app: AppRef,
    /// As the caller wrote it; empty if that is no text.
    pub(super) text: String,
}

impl FromRequestParts<Api> for NamedApp {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Infallible> {
        let text = holes(parts, api).await.remove("app").unwrap_or_default();
        let app = parse::app(&text);
        Ok(Self { app, text })
    }
}

/// What stands at `{environment}`.
pub(super) struct NamedEnvironment(pub(super) String);

impl FromRequestParts<Api> for NamedEnvironment {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Infallible> {
        let text = holes(parts, api).await.remove("environment");
        Ok(Self(text.unwrap_or_default()))
    }
}

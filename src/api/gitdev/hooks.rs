//! An addition: deployment hooks. Their address is a secret, which is why reading it needs the right to deploy.

use super::error::{self, Refusal};
use super::wire::hook::Hook;
use super::wire::problem::Problem;
use super::{Route, parse, path, render};
use crate::api::Api;
use crate::api::arrival::Base;
use crate::api::hook::address;
use crate::core::access::Caller;
use crate::core::action::{Action, AppRef, Reply};
use crate::core::hook::{HookChange, HookRequest};
use crate::core::name::EnvironmentName;
use axum::Extension;
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use utoipa_axum::routes;

pub(super) fn routes() -> Vec<Route> {
    vec![
        routes!(show_default, enable_default, renew_default, disable_default),
        routes!(show, enable, renew, disable),
    ]
}

/// What a request is made with.
struct Asked {
    api: Api,
    caller: Caller,
    base: Base,
    app: AppRef,
    environment: Option<EnvironmentName>,
    /// The app as the caller wrote it.
    text: String,
}

impl FromRequestParts<Api> for Asked {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Refusal> {
        let mut named = path::holes(parts, api).await;
        let environment = path::environment(named.remove("environment"))?;
        let text = named.remove("app").unwrap_or_default();
        let Ok(base) = Base::from_request_parts(parts, api).await;
        let caller = Extension::<Caller>::from_request_parts(parts, api).await;
        let Extension(caller) = caller.map_err(|fault| Refusal::internal(fault.to_string()))?;
        Ok(Self {
            api: api.clone(),
            caller,
            base,
            app: parse::app(&text),
            environment,
            text,
        })
    }
}

/// The deployment hook of the token's own environment, else of the app's default
#[utoipa::path(
    get, path = "/apps/{app}/hook", tag = "hooks", operation_id = "getHookOfDefault",
    params(("app" = String, Path, description = "The app's id or name")),
    responses(
        (status = 200, body = Hook),
        (status = 404, body = Problem, description = "There is no such app or environment, or it has no hook"),
    ),
)]
async fn show_default(asked: Asked) -> Result<Response, Refusal> {
    asked.answer(HookChange::Show).await
}

/// The deployment hook of an environment
#[utoipa::path(
    get, path = "/apps/{app}/environments/{environment}/hook", tag = "hooks", operation_id = "getHook",
    params(("app" = String, Path, description = "The app's id or name"), ("environment" = String, Path, description = "The environment's name")),
    responses(
        (status = 200, body = Hook),
        (status = 404, body = Problem, description = "There is no such app or environment, or it has no hook"),
    ),
)]
async fn show(asked: Asked) -> Result<Response, Refusal> {
    asked.answer(HookChange::Show).await
}

/// Sees to it that the token's own environment, else the app's default has a deployment hook
#[utoipa::path(
    post, path = "/apps/{app}/hook", tag = "hooks", operation_id = "enableHookOfDefault",
    params(("app" = String, Path, description = "The app's id or name")),
    responses(
        (status = 200, body = Hook, description = "There was one"),
        (status = 201, body = Hook, description = "It was made"),
        (status = 404, body = Problem, description = "There is no such app or environment"),
    ),
)]
async fn enable_default(asked: Asked) -> Result<Response, Refusal> {
    asked.answer(HookChange::Enable).await
}

/// Sees to it that an environment has a deployment hook
#[utoipa::path(
    post, path = "/apps/{app}/environments/{environment}/hook", tag = "hooks", operation_id = "enableHook",
    params(("app" = String, Path, description = "The app's id or name"), ("environment" = String, Path, description = "The environment's name")),
    responses(
        (status = 200, body = Hook, description = "There was one"),
        (status = 201, body = Hook, description = "It was made"),
        (status = 404, body = Problem, description = "There is no such app or environment"),
    ),
)]
async fn enable(asked: Asked) -> Result<Response, Refusal> {
    asked.answer(HookChange::Enable).await
}

/// Gives the token's own environment, else the app's default a new deployment hook: the earlier address leads nowhere from then on
#[utoipa::path(
    put, path = "/apps/{app}/hook", tag = "hooks", operation_id = "renewHookOfDefault",
    params(("app" = String, Path, description = "The app's id or name")),
    responses(
        (status = 200, body = Hook),
        (status = 404, body = Problem, description = "There is no such app or environment"),
    ),
)]
async fn renew_default(asked: Asked) -> Result<Response, Refusal> {
    asked.answer(HookChange::Renew).await
}

/// Gives an environment a new deployment hook: the earlier address leads nowhere from then on
#[utoipa::path(
    put, path = "/apps/{app}/environments/{environment}/hook", tag = "hooks", operation_id = "renewHook",
    params(("app" = String, Path, description = "The app's id or name"), ("environment" = String, Path, description = "The environment's name")),
    responses(
        (status = 200, body = Hook),
        (status = 404, body = Problem, description = "There is no such app or environment"),
    ),
)]
async fn renew(asked: Asked) -> Result<Response, Refusal> {
    asked.answer(HookChange::Renew).await
}

/// Takes the deployment hook of the token's own environment, else of the app's default away
#[utoipa::path(
    delete, path = "/apps/{app}/hook", tag = "hooks", operation_id = "disableHookOfDefault",
    params(("app" = String, Path, description = "The app's id or name")),
    responses(
        (status = 204, description = "There is none now"),
        (status = 404, body = Problem, description = "There is no such app or environment"),
    ),
)]
async fn disable_default(asked: Asked) -> Result<Response, Refusal> {
    asked.answer(HookChange::Disable).await
}

/// Takes the deployment hook of an environment away
#[utoipa::path(
    delete, path = "/apps/{app}/environments/{environment}/hook", tag = "hooks", operation_id = "disableHook",
    params(("app" = String, Path, description = "The app's id or name"), ("environment" = String, Path, description = "The environment's name")),
    responses(
        (status = 204, description = "There is none now"),
        (status = 404, body = Problem, description = "There is no such app or environment"),
    ),
)]
async fn disable(asked: Asked) -> Result<Response, Refusal> {
    asked.answer(HookChange::Disable).await
}

impl Asked {
    async fn answer(self, change: HookChange) -> Result<Response, Refusal> {
        let request = HookRequest {
            app: self.app,
            environment: self.environment,
            change,
        };
        let asked = Action::Hook(request);
        match self.api.agent.dispatch(&self.caller, asked).await {
            Ok(Reply::Hook(view)) => {
                let status = match (change, view.made) {
                    (HookChange::Enable, true) => StatusCode::CREATED,
                    (HookChange::Enable, false)
                    | (HookChange::Show | HookChange::Renew | HookChange::Disable, _) => {
                        StatusCode::OK
                    }
                };
                let hook = Hook::new(&view, address(&self.base, &view));
                Ok((status, render::json(&hook)).into_response())
            }
            Ok(Reply::Gone) => Ok(StatusCode::NO_CONTENT.into_response()),
            Ok(other) => Err(Refusal::unexpected(&other)),
            Err(error) => Err(error::of_path(error, &self.text)),
        }
    }
}

//! An addition: the secrets an environment's variables are taken from. An answer never holds a value.

use super::error::{self, Refusal};
use super::wire::name;
use super::wire::problem::Problem;
use super::wire::request::SecretValue;
use super::wire::secret::{Secret as Answer, Secrets};
use super::{Route, parse, path, render};
use crate::api::Api;
use crate::core::access::Caller;
use crate::core::action::{Action, AppRef, Reply, SecretRequest, SecretsView};
use crate::core::name::{EnvironmentName, VariableName};
use crate::core::secret::{MAX_SECRET, Secret};
use axum::Extension;
use axum::body::Body;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::response::Response;
use utoipa_axum::routes;

/// The largest body, in bytes: a value of the largest size whose every character JSON writes as two.
const MAX_BODY: usize = 2 * MAX_SECRET + 1024;

pub(super) fn routes() -> Vec<Route> {
    vec![
        routes!(list_default),
        routes!(set_default, remove_default),
        routes!(list),
        routes!(set, remove),
    ]
}

/// What a path names.
struct Named {
    app: AppRef,
    environment: Option<EnvironmentName>,
    /// The app as the caller wrote it.
    text: String,
    name: String,
}

impl FromRequestParts<Api> for Named {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Refusal> {
        let mut named = path::holes(parts, api).await;
        let environment = path::environment(named.remove("environment"))?;
        let text = named.remove("app").unwrap_or_default();
        Ok(Self {
            app: parse::app(&text),
            environment,
            text,
            name: named.remove("name").unwrap_or_default(),
        })
    }
}

impl Named {
    fn secret(&self) -> Result<SecretRequest, Refusal> {
        let name = VariableName::parse(&self.name);
        Ok(SecretRequest {
            app: self.app.clone(),
            environment: self.environment.clone(),
            name: name.map_err(|fault| Refusal::field("name", fault))?,
        })
    }
}

/// The secrets of the token's own environment, else the app's default
#[utoipa::path(
    get, path = "/apps/{app}/secrets", tag = "secrets", operation_id = "listSecretsOfDefault",
    params(("app" = String, Path, description = "The app's id or name")),
    responses(
        (status = 200, body = Secrets),
        (status = 404, body = Problem, description = "There is no such app or environment"),
    ),
)]
async fn list_default(
    state: State<Api>,
    caller: Extension<Caller>,
    named: Named,
) -> Result<Response, Refusal> {
    list(state, caller, named).await
}

/// The secrets of an environment
#[utoipa::path(
    get, path = "/apps/{app}/environments/{environment}/secrets", tag = "secrets", operation_id = "listSecrets",
    params(("app" = String, Path, description = "The app's id or name"), ("environment" = String, Path, description = "The environment's name")),
    responses(
        (status = 200, body = Secrets),
        (status = 404, body = Problem, description = "There is no such app or environment"),
    ),
)]
async fn list(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    named: Named,
) -> Result<Response, Refusal> {
    let action = Action::ListSecrets(named.app, named.environment);
    let found = ask(&api, &caller, action, &named.text).await?;
    Ok(render::json(&Secrets::from(&found)))
}

/// Keeps a secret of the token's own environment, else the app's default
#[utoipa::path(
    put, path = "/apps/{app}/secrets/{name}", tag = "secrets", operation_id = "setSecretOfDefault",
    params(("app" = String, Path, description = "The app's id or name"), ("name" = inline(name::VariableName), Path, description = "The secret's name, which is its variable's")),
    request_body = SecretValue,
    responses(
        (status = 200, body = Answer),
        (status = 400, body = Problem, description = "The name or the body breaks a rule"),
        (status = 404, body = Problem, description = "There is no such app or environment"),
    ),
)]
async fn set_default(
    state: State<Api>,
    caller: Extension<Caller>,
    named: Named,
    body: Body,
) -> Result<Response, Refusal> {
    set(state, caller, named, body).await
}

/// Keeps a secret of an environment
#[utoipa::path(
    put, path = "/apps/{app}/environments/{environment}/secrets/{name}", tag = "secrets", operation_id = "setSecret",
    params(("app" = String, Path, description = "The app's id or name"), ("environment" = String, Path, description = "The environment's name"), ("name" = inline(name::VariableName), Path, description = "The secret's name, which is its variable's")),
    request_body = SecretValue,
    responses(
        (status = 200, body = Answer),
        (status = 400, body = Problem, description = "The name or the body breaks a rule"),
        (status = 404, body = Problem, description = "There is no such app or environment"),
    ),
)]
async fn set(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    named: Named,
    body: Body,
) -> Result<Response, Refusal> {
    let body = parse::object(body, MAX_BODY).await?;
    let value = Secret::new(parse::required(&body, "value")?);
    let action = Action::SetSecret(named.secret()?, value);
    one(&ask(&api, &caller, action, &named.text).await?)
}

/// Forgets a secret of the token's own environment, else the app's default
#[utoipa::path(
    delete, path = "/apps/{app}/secrets/{name}", tag = "secrets", operation_id = "removeSecretOfDefault",
    params(("app" = String, Path, description = "The app's id or name"), ("name" = inline(name::VariableName), Path, description = "The secret's name, which is its variable's")),
    responses(
        (status = 200, body = Answer),
        (status = 400, body = Problem, description = "The name or the body breaks a rule"),
        (status = 404, body = Problem, description = "There is no such app or environment, or no such secret"),
    ),
)]
async fn remove_default(
    state: State<Api>,
    caller: Extension<Caller>,
    named: Named,
) -> Result<Response, Refusal> {
    remove(state, caller, named).await
}

/// Forgets a secret of an environment
#[utoipa::path(
    delete, path = "/apps/{app}/environments/{environment}/secrets/{name}", tag = "secrets", operation_id = "removeSecret",
    params(("app" = String, Path, description = "The app's id or name"), ("environment" = String, Path, description = "The environment's name"), ("name" = inline(name::VariableName), Path, description = "The secret's name, which is its variable's")),
    responses(
        (status = 200, body = Answer),
        (status = 400, body = Problem, description = "The name or the body breaks a rule"),
        (status = 404, body = Problem, description = "There is no such app or environment, or no such secret"),
    ),
)]
async fn remove(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    named: Named,
) -> Result<Response, Refusal> {
    let action = Action::RemoveSecret(named.secret()?);
    one(&ask(&api, &caller, action, &named.text).await?)
}

async fn ask(
    api: &Api,
    caller: &Caller,
    action: Action,
    app: &str,
) -> Result<SecretsView, Refusal> {
    match api.agent.dispatch(caller, action).await {
        Ok(Reply::Secrets(secrets)) => Ok(secrets),
        Ok(other) => Err(Refusal::unexpected(&other)),
        Err(error) => Err(error::of_path(error, app)),
    }
}

fn one(found: &SecretsView) -> Result<Response, Refusal> {
    let first = Answer::first(found);
    let first = first.ok_or_else(|| Refusal::internal("a reply does not fit its action"))?;
    Ok(render::json(&first))
}

//! An addition: the secrets an environment's variables are taken from. An answer never holds a value.

use super::error::{self, Refusal};
use super::{parse, render};
use crate::api::Api;
use crate::core::access::Caller;
use crate::core::action::{Action, AppRef, Reply, SecretRequest, SecretView, SecretsView};
use crate::core::error::Error;
use crate::core::name::{EnvironmentName, VariableName};
use crate::core::secret::{MAX_SECRET, Secret};
use crate::core::time::Timestamp;
use axum::body::Body;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::{get, put};
use axum::{Extension, Router};
use serde_json::{Value, json};
use std::collections::HashMap;

/// The largest body, in bytes: a value of the largest size whose every character JSON writes as two.
const MAX_BODY: usize = 2 * MAX_SECRET + 1024;

pub(super) fn routes() -> Router<Api> {
    let mut routes = Router::new();
    // Without an environment it is the token's own, else the app's default.
    for place in ["/apps/{app}", "/apps/{app}/environments/{environment}"] {
        for slash in ["", "/"] {
            routes = routes
                .route(&format!("{place}/secrets{slash}"), get(list))
                .route(
                    &format!("{place}/secrets/{{name}}{slash}"),
                    put(set).delete(remove),
                );
        }
    }
    routes
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
        let mut named = match Path::<HashMap<String, String>>::from_request_parts(parts, api).await
        {
            Ok(Path(named)) => named,
            // What is no text names no app.
            Err(_) => HashMap::new(),
        };
        let environment = match named.remove("environment") {
            Some(text) => {
                let parsed = EnvironmentName::parse(&text);
                let message = || format!("There is no environment '{text}'");
                Some(parsed.map_err(|_| no_environment(&text, message()))?)
            }
            None => None,
        };
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

async fn list(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    named: Named,
) -> Result<Response, Refusal> {
    let action = Action::ListSecrets(named.app, named.environment);
    let found = ask(&api, &caller, action, &named.text).await?;
    let data: Vec<Value> = found.secrets.iter().map(secret).collect();
    let (app, environment) = (found.app.as_str(), found.environment.as_str());
    Ok(render::json(
        &json!({ "app": app, "environment": environment, "data": data }),
    ))
}

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
        Err(error) => {
            // It is part of the path here, not a field.
            if let Error::EnvironmentNotFound { environment, .. } = &error {
                return Err(no_environment(environment, error.to_string()));
            }
            Err(error::about(error, app))
        }
    }
}

fn no_environment(name: &str, message: String) -> Refusal {
    let details = json!({ "environment": name });
    Refusal::new(
        StatusCode::NOT_FOUND,
        "environment_not_found",
        message,
        details,
    )
}

fn one(found: &SecretsView) -> Result<Response, Refusal> {
    let Some(view) = found.secrets.first() else {
        return Err(Refusal::internal("a reply does not fit its action"));
    };
    let mut body = secret(view);
    body["app"] = found.app.as_str().into();
    body["environment"] = found.environment.as_str().into();
    Ok(render::json(&body))
}

fn secret(view: &SecretView) -> Value {
    json!({
        "name": view.name.as_str(),
        "set_at": view.set.as_ref().map(|set| Timestamp::to_seconds_string(set.at)),
        "set_by": view.set.as_ref().map(|set| &set.by.name),
        "used": view.used,
    })
}

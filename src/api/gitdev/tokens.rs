//! Tokens: an addition.

use super::error::{self, Refusal};
use super::wire::problem::Problem;
use super::wire::request::TokenRequest;
use super::wire::token::NewToken;
use super::{MAX_BODY, Route, parse, render};
use crate::api::Api;
use crate::core::access::Caller;
use crate::core::action::{Action, Reply};
use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;
use utoipa_axum::routes;

pub(super) fn routes() -> Vec<Route> {
    vec![routes!(create)]
}

/// Makes a token
#[utoipa::path(
    post, path = "/tokens", tag = "tokens", operation_id = "createToken",
    request_body = TokenRequest,
    responses(
        (status = 201, body = NewToken),
        (status = 400, body = Problem, description = "The body breaks a rule"),
        (status = 404, body = Problem, description = "There is no such app"),
    ),
)]
async fn create(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Result<Response, Refusal> {
    let body = parse::object(body, MAX_BODY).await?;
    let create = parse::token(&body)?;
    let scope = create.scope;
    let asked = body.get("app").and_then(Value::as_str);
    match api
        .agent
        .dispatch(&caller, Action::CreateToken(create))
        .await
        .map_err(|error| error::about(error, asked.unwrap_or_default()))?
    {
        Reply::Token { principal, secret } => {
            let made = NewToken::new(&principal, scope, &secret);
            Ok((StatusCode::CREATED, render::json(&made)).into_response())
        }
        other => Err(Refusal::unexpected(&other)),
    }
}

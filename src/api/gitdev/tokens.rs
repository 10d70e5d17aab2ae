//! Tokens: an addition. Only the answer to a create holds one.

use super::error::{self, Refusal};
use super::key::Keyed;
use super::path::NamedId;
use super::wire::problem::Problem;
use super::wire::request::TokenRequest;
use super::wire::token::{NewToken, Tokens};
use super::{MAX_BODY, Params, Route, id, parse, render};
use crate::api::Api;
use crate::core::access::{Caller, Scope};
use crate::core::action::{Action, CreateToken, Reply};
use crate::core::rate::{Rate, RatePlan};
use crate::core::time::Timestamp;
use axum::Extension;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;
use utoipa_axum::routes;

pub(super) fn routes() -> Vec<Route> {
    vec![routes!(list, create), routes!(revoke)]
}

/// Makes a token that can do no more than the one that makes it
#[utoipa::path(
    post, path = "/tokens", tag = "tokens", operation_id = "createToken",
    params(Keyed),
    request_body = TokenRequest,
    responses(
        (status = 201, body = NewToken),
        (status = 400, body = Problem, description = "The body breaks a rule"),
        (status = 404, body = Problem, description = "There is no such app"),
        (status = 409, body = Problem, description = "The key was used for another request"),
    ),
)]
async fn create(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    keyed: Keyed,
    body: Body,
) -> Result<Response, Refusal> {
    let body = parse::object(body, MAX_BODY).await?;
    let mut create = parsed(&body)?;
    create.key = keyed.key(&body)?;
    let asked = body.get("app").and_then(Value::as_str);
    match api
        .agent
        .dispatch(&caller, Action::CreateToken(create))
        .await
        .map_err(|error| error::about(error, asked.unwrap_or_default()))?
    {
        Reply::Token(view, secret) => {
            let made = NewToken::new(&view, &secret);
            Ok((StatusCode::CREATED, render::json(&made)).into_response())
        }
        other => Err(Refusal::unexpected(&other)),
    }
}

/// Lists the tokens within the caller's reach
#[utoipa::path(
    get, path = "/tokens", tag = "tokens", operation_id = "listTokens",
    params(("all" = Option<bool>, Query, description = "Those that were revoked or have ended, too")),
    responses(
        (status = 200, body = Tokens),
        (status = 400, body = Problem, description = "A parameter breaks a rule"),
    ),
)]
async fn list(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Query(params): Params,
) -> Result<Response, Refusal> {
    let all = parse::flag_of_query(&params, "all")?;
    match api
        .agent
        .dispatch(&caller, Action::ListTokens { all })
        .await?
    {
        Reply::Tokens(tokens) => Ok(render::json(&Tokens::new(&tokens))),
        other => Err(Refusal::unexpected(&other)),
    }
}

/// Revokes a token within the caller's reach, at once and for ever
#[utoipa::path(
    delete, path = "/tokens/{id}", tag = "tokens", operation_id = "revokeToken",
    params(("id" = String, Path, description = "The token's id")),
    responses(
        (status = 204, description = "It no longer holds"),
        (status = 404, body = Problem, description = "There is no such token, or it is revoked already"),
    ),
)]
async fn revoke(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    NamedId(text): NamedId,
) -> Result<Response, Refusal> {
    let token = id::parse("user_", &text).unwrap_or(parse::NOTHING);
    match api
        .agent
        .dispatch(&caller, Action::RevokeToken(token))
        .await
        .map_err(|error| error::about(error, &text))?
    {
        Reply::Gone => Ok(StatusCode::NO_CONTENT.into_response()),
        other => Err(Refusal::unexpected(&other)),
    }
}

fn parsed(body: &parse::Object) -> Result<CreateToken, Refusal> {
    let name = parse::required(body, "name")?;
    let scope = Scope::parse(&parse::required(body, "scope")?).ok_or_else(|| {
        Refusal::field("scope", "must be deploy:read, deploy:write or deploy:admin")
    })?;
    let app = parse::text(body, "app")?.map(|text| parse::app(&text));
    let environment = parse::environment(body)?;
    let plan = plan(body)?;
    let expires_at = match parse::text(body, "expires_at")? {
        None => None,
        Some(text) => Some(Timestamp::parse(&text).ok_or_else(|| {
            Refusal::field(
                "expires_at",
                "must be a time of RFC 3339, like 2031-01-31T00:00:00Z",
            )
        })?),
    };
    Ok(CreateToken {
        name,
        scope,
        app,
        environment,
        plan,
        expires_at,
        key: None,
    })
}

/// A plan by its name, or by figures of its own.
fn plan(body: &parse::Object) -> Result<Option<RatePlan>, Refusal> {
    let word = parse::text(body, "plan")?;
    let (rate, burst) = (figure(body, "rate")?, figure(body, "burst")?);
    match (word.as_deref(), rate, burst) {
        (None, None, None) => Ok(None),
        (None | Some("custom"), Some(rate), Some(burst)) => {
            Ok(Rate::new(rate, burst).map(RatePlan::Custom))
        }
        (None | Some("custom"), None, _) => Err(Refusal::missing("rate")),
        (None | Some("custom"), Some(_), None) => Err(Refusal::missing("burst")),
        (Some(word), None, None) => RatePlan::parse(word, None).map(Some).ok_or_else(|| {
            Refusal::field(
                "plan",
                "must be starter, pro or enterprise; for other figures give rate and burst",
            )
        }),
        (Some(_), ..) => Err(Refusal::field(
            "plan",
            "and rate or burst exclude each other",
        )),
    }
}

fn figure(body: &parse::Object, field: &str) -> Result<Option<u32>, Refusal> {
    let within = |number: u64| u32::try_from(number).ok().filter(|n| *n <= Rate::MAX);
    match body.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_u64().and_then(within) {
            Some(number) if number > 0 => Ok(Some(number)),
            Some(_) | None => Err(Refusal::field(
                field,
                format!("must be a number from 1 to {}", Rate::MAX),
            )),
        },
    }
}

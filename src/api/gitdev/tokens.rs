//! An addition: the tokens that requests come with. Only the answer to a create holds one.

use super::error::{self, Refusal};
use super::{MAX_BODY, Params, id, parse, render};
use crate::api::Api;
use crate::core::access::{Caller, Scope};
use crate::core::action::{Action, CreateToken, Reply, TokenView};
use crate::core::plan::{Plan, Rate, UNLIMITED};
use crate::core::time::Timestamp;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get};
use axum::{Extension, Router};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

pub(super) fn routes(slash: &str) -> Router<Api> {
    Router::new()
        .route(&format!("/tokens{slash}"), get(list).post(create))
        .route(&format!("/tokens/{{id}}{slash}"), delete(revoke))
}

/// A token, without its secret.
#[derive(Serialize, ToSchema)]
struct Token<'a> {
    /// Its id: that of the user its requests are made by.
    id: String,
    /// The name it was given.
    name: &'a str,
    /// What it may do.
    scope: &'static str,
    /// The app it is for; all apps if null.
    app: Option<&'a str>,
    /// The environment it is for; all of the app's if null.
    environment: Option<&'a str>,
    /// How often it may ask.
    plan: &'static str,
    /// How many requests a minute; unlimited if null.
    rate: Option<u32>,
    /// How many at once.
    burst: u32,
    /// When it was made.
    created_at: String,
    /// Who made it.
    created_by: Option<&'a str>,
    /// When it ends by itself.
    expires_at: Option<String>,
    /// When it was used last, to the minute.
    last_used_at: Option<String>,
    /// When it was revoked.
    revoked_at: Option<String>,
}

/// A token that was just made.
#[derive(Serialize, ToSchema)]
struct NewToken<'a> {
    #[serde(flatten)]
    token: Token<'a>,
    /// The secret itself: it is shown only here.
    #[serde(rename = "token")]
    secret: &'a str,
}

/// Tokens, in the order they were made.
#[derive(Serialize, ToSchema)]
struct Tokens<'a> {
    data: Vec<Token<'a>>,
}

fn shown(view: &TokenView) -> Token<'_> {
    let rate = view.plan.rate();
    let time = |at: Option<Timestamp>| at.map(Timestamp::to_seconds_string);
    Token {
        id: id::user(view.principal.id),
        name: &view.principal.name,
        scope: view.scope.as_str(),
        app: view.app.as_ref().map(|name| name.as_str()),
        environment: view.environment.as_ref().map(|name| name.as_str()),
        plan: view.plan.as_str(),
        rate: rate.map(|rate| rate.per_minute.get()),
        burst: rate.map_or(UNLIMITED, |rate| rate.burst.get()),
        created_at: view.created_at.to_seconds_string(),
        created_by: view.created_by.as_deref(),
        expires_at: time(view.expires_at),
        last_used_at: time(view.last_used_at),
        revoked_at: time(view.revoked_at),
    }
}

async fn create(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let body = parse::object(body, MAX_BODY).await?;
    let mut create = parsed(&body)?;
    create.key = parse::key_at(&uri, &body, &headers)?;
    let asked = body.get("app").and_then(Value::as_str);
    match api
        .agent
        .dispatch(&caller, Action::CreateToken(create))
        .await
        .map_err(|error| error::about(error, asked.unwrap_or_default()))?
    {
        Reply::Token(view, secret) => {
            let made = NewToken {
                token: shown(&view),
                secret: secret.expose(),
            };
            Ok((StatusCode::CREATED, render::body(&made)?).into_response())
        }
        other => Err(Refusal::unexpected(&other)),
    }
}

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
        Reply::Tokens(tokens) => render::body(&Tokens {
            data: tokens.iter().map(shown).collect(),
        }),
        other => Err(Refusal::unexpected(&other)),
    }
}

async fn revoke(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    parse::Text(text): parse::Text,
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
fn plan(body: &parse::Object) -> Result<Option<Plan>, Refusal> {
    let word = parse::text(body, "plan")?;
    let (rate, burst) = (figure(body, "rate")?, figure(body, "burst")?);
    match (word.as_deref(), rate, burst) {
        (None, None, None) => Ok(None),
        (None | Some("custom"), Some(rate), Some(burst)) => {
            Ok(Rate::new(rate, burst).map(Plan::Custom))
        }
        (None | Some("custom"), None, _) => Err(Refusal::missing("rate")),
        (None | Some("custom"), Some(_), None) => Err(Refusal::missing("burst")),
        (Some(word), None, None) => Plan::parse(word, None).map(Some).ok_or_else(|| {
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

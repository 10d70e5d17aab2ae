//! Additions: what is done to environments, and redeploying what was there: stop, start, suspend, activate, remove,
//! restart, rollback.

use super::error::{self, Refusal};
use super::{MAX_BODY, Params, parse, render};
use crate::api::Api;
use crate::core::access::Caller;
use crate::core::action::{Action, ChangeEnvironment, CreateDeployment, Reply, Target};
use crate::core::change::Change;
use crate::core::id::OperationSerial;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use axum::routing::{delete, get, post};
use axum::{Extension, Router};

pub(super) fn routes(slash: &str) -> Router<Api> {
    let change = |change| {
        post(async move |state, caller, uri, headers, path, body| {
            ask(state, caller, uri, headers, path, body, change).await
        })
    };
    Router::new()
        .route(&format!("/apps/{{app}}{slash}"), delete(remove))
        .route(&format!("/apps/{{app}}/stop{slash}"), change(Change::Stop))
        .route(
            &format!("/apps/{{app}}/start{slash}"),
            change(Change::Start),
        )
        .route(
            &format!("/apps/{{app}}/suspend{slash}"),
            change(Change::Suspend),
        )
        .route(
            &format!("/apps/{{app}}/activate{slash}"),
            change(Change::Activate),
        )
        .route(&format!("/apps/{{app}}/restart{slash}"), post(restart))
        .route(&format!("/apps/{{app}}/rollback{slash}"), post(rollback))
        .route(&format!("/operations/{{id}}{slash}"), get(show))
}

async fn ask(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    uri: Uri,
    headers: HeaderMap,
    parse::Text(app): parse::Text,
    body: Body,
    change: Change,
) -> Result<Response, Refusal> {
    let body = parse::optional_object(body, MAX_BODY).await?;
    let asked = ChangeEnvironment {
        app: parse::app(&app),
        environments: parse::environments(&body)?,
        change,
        now: parse::flag(&body, "now")?,
        key: parse::key_at(&uri, &body, &headers)?,
    };
    carry_out(&api, &caller, &app, asked).await
}

async fn remove(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    uri: Uri,
    headers: HeaderMap,
    parse::Text(app): parse::Text,
    Query(params): Params,
) -> Result<Response, Refusal> {
    let asked = ChangeEnvironment {
        app: parse::app(&app),
        environments: parse::environments_of_query(&params)?,
        change: Change::Remove {
            volumes: parse::flag_of_query(&params, "volumes")?,
        },
        now: true,
        key: parse::key_at(&uri, &parse::Object::new(), &headers)?,
    };
    carry_out(&api, &caller, &app, asked).await
}

async fn carry_out(
    api: &Api,
    caller: &Caller,
    app: &str,
    asked: ChangeEnvironment,
) -> Result<Response, Refusal> {
    match api
        .agent
        .dispatch(caller, Action::Change(asked))
        .await
        .map_err(|error| error::about(error, app))?
    {
        Reply::Changes(views) => Ok(render::changes(&views, StatusCode::ACCEPTED)),
        other => Err(Refusal::unexpected(&other)),
    }
}

async fn show(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    parse::Text(id): parse::Text,
) -> Result<Response, Refusal> {
    // What is no number is an operation there is not.
    let serial = OperationSerial(id.parse().unwrap_or(0));
    match api
        .agent
        .dispatch(&caller, Action::GetChange(serial))
        .await
        .map_err(|error| error::about(error, &id))?
    {
        Reply::Changes(views) => Ok(render::changes(&views, StatusCode::OK)),
        other => Err(Refusal::unexpected(&other)),
    }
}

async fn restart(
    state: State<Api>,
    caller: Extension<Caller>,
    uri: Uri,
    headers: HeaderMap,
    parse::Text(app): parse::Text,
    body: Body,
) -> Result<Response, Refusal> {
    let body = parse::optional_object(body, MAX_BODY).await?;
    let create = parse::create_again(&app, &uri, &body, &headers, Target::Restart)?;
    created(state, caller, uri, headers, &app, create).await
}

async fn rollback(
    state: State<Api>,
    caller: Extension<Caller>,
    uri: Uri,
    headers: HeaderMap,
    parse::Text(app): parse::Text,
    body: Body,
) -> Result<Response, Refusal> {
    let body = parse::optional_object(body, MAX_BODY).await?;
    let target = Target::Release(parse::release(&body)?);
    let create = parse::create_again(&app, &uri, &body, &headers, target)?;
    created(state, caller, uri, headers, &app, create).await
}

async fn created(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    uri: Uri,
    headers: HeaderMap,
    app: &str,
    create: CreateDeployment,
) -> Result<Response, Refusal> {
    match api
        .agent
        .dispatch(&caller, Action::CreateDeployment(create))
        .await
        .map_err(|error| error::about(error, app))?
    {
        Reply::Deployment(view) => Ok(render::created(&view, &render::base(&api, &headers, &uri))),
        Reply::Ignored(reason) => Err(reason.into()),
        other => Err(Refusal::unexpected(&other)),
    }
}

//! The git.dev dialect at `/v1`, which is also the native surface: what the command line needs beyond the documented
//! routes is added here, where no git.dev client notices.

mod adopted;
mod door;
mod error;
mod gc;
mod id;
mod operations;
mod parse;
mod reloaded;
mod render;
mod secrets;
mod tokens;
mod words;

use super::Api;
use crate::core::access::Caller;
use crate::core::action::{Action, Reply};
use axum::Router;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Extension, http::Method};
use error::Refusal;
use parse::Named;
use serde_json::Value;
use std::collections::HashMap;

/// The largest request body, in bytes: a hundred variables of 32 KiB do not fit, and no real request has them.
const MAX_BODY: usize = 1024 * 1024;

type Params = Query<HashMap<String, String>>;

pub(super) fn routes(api: &Api) -> Router<Api> {
    let mut routes = Router::new();
    // Lenient: each path is also known with a trailing slash.
    for slash in ["", "/"] {
        routes = routes
            .route(&format!("/deployments{slash}"), get(list).post(create))
            .route(
                &format!("/deployments/{{id}}{slash}"),
                get(show).delete(delete),
            )
            .route(&format!("/deployments/{{id}}/cancel{slash}"), post(cancel))
            .route(&format!("/deployments/{{id}}/logs{slash}"), get(logs))
            .route(&format!("/apps{slash}"), get(apps))
            .route(&format!("/gc{slash}"), get(gc::explain).post(gc::collect))
            .route(&format!("/reload{slash}"), post(reload))
            .route(&format!("/adopt{slash}"), post(adopt))
            .merge(operations::routes(slash))
            .merge(tokens::routes(slash));
    }
    routes
        .merge(secrets::routes())
        .fallback(async || Refusal::no_route())
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn_with_state(api.clone(), door::pass))
}

async fn method_not_allowed(method: Method, uri: Uri) -> Refusal {
    Refusal::method_not_allowed(&method, uri.path())
}

async fn create(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let body = parse::object(body, MAX_BODY).await?;
    let create = parse::create(&body, &headers, |app, environment| {
        api.agent.runs_image(&caller, app, environment)
    })?;
    let asked = body.get("project_id").and_then(Value::as_str);
    match api
        .agent
        .dispatch(&caller, Action::CreateDeployment(create))
        .await
        .map_err(|error| error::about(error, asked.unwrap_or_default()))?
    {
        Reply::Deployment(view) => Ok(render::created(&view, &render::base(&api, &headers, &uri))),
        Reply::Ignored(reason) => Err(reason.into()),
        other => Err(Refusal::unexpected(&other)),
    }
}

async fn list(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    uri: Uri,
    headers: HeaderMap,
    Query(params): Params,
) -> Result<Response, Refusal> {
    let list = parse::list(&params)?;
    let (limit, offset) = (list.limit, list.offset);
    let asked = params.get("project_id");
    match api
        .agent
        .dispatch(&caller, Action::ListDeployments(list))
        .await
        .map_err(|error| error::about(error, asked.map_or("", String::as_str)))?
    {
        Reply::Deployments { items, total } => Ok(render::list(
            &items,
            total,
            limit,
            offset,
            &render::base(&api, &headers, &uri),
        )),
        other => Err(Refusal::unexpected(&other)),
    }
}

async fn show(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    uri: Uri,
    headers: HeaderMap,
    named: Named,
) -> Result<Response, Refusal> {
    match api
        .agent
        .dispatch(&caller, Action::GetDeployment(named.deployment))
        .await
        .map_err(|error| error::about(error, &named.text))?
    {
        Reply::Deployment(view) => Ok(render::deployment(
            &view,
            &render::base(&api, &headers, &uri),
        )),
        other => Err(Refusal::unexpected(&other)),
    }
}

async fn cancel(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    named: Named,
) -> Result<Response, Refusal> {
    match api
        .agent
        .dispatch(&caller, Action::CancelDeployment(named.deployment))
        .await
        .map_err(|error| error::about(error, &named.text))?
    {
        Reply::Deployment(view) => Ok(render::cancelled(&view)),
        other => Err(Refusal::unexpected(&other)),
    }
}

/// Deletes one that has ended; with `force=true` the live one, too.
async fn delete(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    named: Named,
    Query(params): Params,
) -> Result<Response, Refusal> {
    let delete = Action::DeleteDeployment {
        id: named.deployment,
        force: parse::flag_of_query(&params, "force")?,
    };
    match api
        .agent
        .dispatch(&caller, delete)
        .await
        .map_err(|error| error::about(error, &named.text))?
    {
        Reply::Gone => Ok(StatusCode::NO_CONTENT.into_response()),
        other => Err(Refusal::unexpected(&other)),
    }
}

async fn logs(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    named: Named,
    headers: HeaderMap,
    Query(params): Params,
) -> Result<Response, Refusal> {
    let Named { deployment, text } = named;
    let wanted = parse::log(&params, &headers)?;
    match wanted {
        parse::LogForm::Piece { from, wait } => {
            let read = crate::core::action::ReadLog {
                deployment,
                from,
                limit: 0,
                wait,
            };
            match api
                .agent
                .dispatch(&caller, Action::ReadLog(read))
                .await
                .map_err(|error| error::about(error, &text))?
            {
                Reply::Log(page) => Ok(render::log_piece(page)),
                other => Err(Refusal::unexpected(&other)),
            }
        }
        parse::LogForm::Whole => {
            // The first piece is read before the answer begins, so that a missing deployment is a 404.
            let first = render::read_piece(&api, &caller, deployment, 0)
                .await
                .map_err(|error| error::about(error, &text))?;
            Ok(render::whole_log(api, caller, deployment, first))
        }
        parse::LogForm::Lines { limit, offset } => {
            let lines = render::log_lines(&api, &caller, deployment, limit, offset).await;
            lines.map_err(|error| error::about(error, &text))
        }
    }
}

async fn apps(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, Refusal> {
    match api.agent.dispatch(&caller, Action::ListApps).await? {
        Reply::Apps(apps) => Ok(render::apps(&apps)),
        other => Err(Refusal::unexpected(&other)),
    }
}

async fn adopt(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Result<Response, Refusal> {
    let body = parse::object(body, MAX_BODY).await?;
    let action = adopted::parse(&body)?;
    match api.agent.dispatch(&caller, action).await? {
        Reply::Adopted(adopted) => Ok(adopted::render(&adopted)),
        other => Err(Refusal::unexpected(&other)),
    }
}

async fn reload(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, Refusal> {
    match api.agent.dispatch(&caller, Action::Reload).await? {
        Reply::Reloaded(reloaded) => Ok(reloaded::render(&reloaded)),
        other => Err(Refusal::unexpected(&other)),
    }
}

//! GitHub's deployments API at `/` and `/api/v3`: repositories, their deployments with statuses, commit statuses and
//! environments, for clients that know GitHub or its Enterprise server. Whatever no other dialect has a place for is
//! answered here.

mod about;
mod body;
mod bounds;
mod call;
mod commit_statuses;
mod commits;
mod condition;
mod create;
mod deployments;
mod door;
mod environments;
mod error;
mod headers;
mod place;
mod statuses;
mod urls;
mod wire;

use super::Api;
use super::door::pass;
use super::metrics::Route;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use call::Call;
use error::Refusal;
use place::{Found, Part, Place};

/// Everything that is at no other place.
pub(super) fn serve(router: Router<Api>, api: &Api) -> Router<Api> {
    let all = Router::new()
        .fallback(answer)
        .layer(from_fn(bounds::panics))
        .layer(from_fn(condition::check))
        .layer(from_fn_with_state((api.clone(), door::DOOR), pass))
        .layer(from_fn(find))
        .layer(from_fn(headers::dress));
    router.fallback_service(all.with_state(api.clone()))
}

/// Before the door: who may come in depends on the place.
async fn find(mut request: Request, next: Next) -> Response {
    let found = Found::at(request.uri().path());
    let route = found.place.template();
    request.extensions_mut().insert(found);
    let mut response = next.run(request).await;
    if let Some(template) = route {
        response.extensions_mut().insert(Route(template));
    }
    response
}

async fn answer(State(api): State<Api>, mut request: Request) -> Response {
    let found = request.extensions_mut().remove::<Found>();
    let found = found.unwrap_or_else(|| Found::at(request.uri().path()));
    let method = request.method().clone();
    let documented = found.place.documented(&method);
    let answered = match Call::of(api, found, request).await {
        Ok(call) => handle(&method, &call).await,
        Err(refusal) => Err(refusal),
    };
    answered.unwrap_or_else(|refusal| refusal.into_answer(documented))
}

/// What is asked of a place that does not do it is nowhere, as at GitHub.
async fn handle(method: &Method, call: &Call) -> Result<Response, Refusal> {
    // Whoever only wants the head is given the same without its body further out.
    let method = match *method {
        Method::HEAD => &Method::GET,
        _ => method,
    };
    match (call.place(), method) {
        (Place::Root, &Method::GET) => Ok(about::root(call)),
        (Place::Meta, &Method::GET) => Ok(about::meta(call)),
        (Place::RateLimit, &Method::GET) => about::rate_limit(call),
        (Place::User, &Method::GET) => about::user(call).await,
        (Place::Of(path, part), method) => of_repository(method, call, &path, part).await,
        (Place::Root | Place::Meta | Place::RateLimit | Place::User | Place::Nowhere, _) => {
            Err(Refusal::not_found())
        }
    }
}

async fn of_repository(
    method: &Method,
    call: &Call,
    path: &str,
    part: Part,
) -> Result<Response, Refusal> {
    match (part, method) {
        (Part::Itself, &Method::GET) => about::repository(call, path).await,
        (Part::Deployments, &Method::GET) => deployments::list(call, path).await,
        (Part::Deployments, &Method::POST) => deployments::create(call, path).await,
        (Part::Deployment(id), &Method::GET) => deployments::show(call, path, &id).await,
        (Part::Deployment(id), &Method::DELETE) => deployments::delete(call, path, &id).await,
        (Part::Statuses(id), &Method::GET) => statuses::list(call, path, &id).await,
        (Part::Statuses(id), &Method::POST) => statuses::create(call, path, &id).await,
        (Part::Status(id, status), &Method::GET) => statuses::show(call, path, &id, &status).await,
        (Part::Commit(name), &Method::GET) => commits::show(call, path, &name).await,
        (Part::CommitStatuses(name) | Part::Posted(name), &Method::GET) => {
            commit_statuses::list(call, path, &name).await
        }
        (Part::Posted(sha), &Method::POST) => commit_statuses::create(call, path, &sha).await,
        (Part::Combined(name), &Method::GET) => commit_statuses::combine(call, path, &name).await,
        (Part::Environments, &Method::GET) => environments::list(call, path).await,
        (Part::Environment(name), &Method::GET) => environments::show(call, path, &name).await,
        (Part::Environment(name), &Method::PUT) => environments::put(call, path, &name).await,
        (Part::Environment(name), &Method::DELETE) => environments::delete(call, path, &name).await,
        (
            Part::Itself
            | Part::Deployments
            | Part::Deployment(_)
            | Part::Statuses(_)
            | Part::Status(..)
            | Part::Commit(_)
            | Part::CommitStatuses(_)
            | Part::Posted(_)
            | Part::Combined(_)
            | Part::Environments
            | Part::Environment(_),
            _,
        ) => {
            // That there is no such repository is said first.
            call.project(path).await?;
            Err(Refusal::not_found())
        }
    }
}

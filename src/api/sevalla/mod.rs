//! Sevalla's API v3 at `/v3` and at the bare paths below it. What Sevalla calls an application is an environment here, by
//! its id. Documented objects have the documented keys and no others.

mod applications;
mod bounds;
mod deployments;
mod door;
mod error;
mod filter;
mod hook;
mod keys;
mod logs;
mod parse;
mod path;
mod processes;
mod wire;

use super::Api;
use super::answer as render;
use super::door::pass;
use axum::Router;
use axum::extract::Query;
use axum::http::Method;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::MethodRouter;
use error::Refusal;
use std::collections::HashMap;

/// The largest request body, in bytes: a branch and an image.
const MAX_BODY: usize = 64 * 1024;

type Params = Query<HashMap<String, String>>;

/// A path with the handlers of its methods.
type Route = (&'static str, MethodRouter<Api>);

/// Everything, to be served below each of its prefixes.
pub(super) fn serve(router: Router<Api>, api: &Api) -> Router<Api> {
    // What is right below `/v3` and leads nowhere.
    let above = parts(within(api, Vec::new()), api);
    let router = parts(router, api).nest("/v3", above);
    router.route_service("/v3/", nothing_but(api, None))
}

fn parts(router: Router<Api>, api: &Api) -> Router<Api> {
    // A nest does not answer for its own path with a slash, and a service is asked with the whole path.
    let list = ("/applications/", applications::list_route());
    router
        .nest("/applications", below_applications(api))
        .route_service("/applications/", nothing_but(api, Some(list)))
        .nest("/api-keys", within(api, keys::routes()))
        .route_service("/api-keys/", nothing_but(api, None))
}

fn nothing_but(api: &Api, route: Option<Route>) -> Router {
    within(api, route.into_iter().collect()).with_state(api.clone())
}

fn below_applications(api: &Api) -> Router<Api> {
    let list = [
        applications::routes(),
        deployments::routes(),
        logs::routes(),
        hook::routes(),
        processes::routes(),
    ];
    within(api, list.into_iter().flatten().collect())
}

/// Routes behind the door. Lenient: each is also known with a trailing slash.
fn within(api: &Api, routes: Vec<Route>) -> Router<Api> {
    let add = |router: Router<Api>, (path, methods): Route| match path {
        path if path.ends_with('/') => router.route(path, methods),
        path => router
            .route(path, methods.clone())
            .route(&format!("{path}/"), methods),
    };
    let router = routes.into_iter().fold(Router::new(), add);
    router
        .fallback(async || Refusal::no_route())
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn(bounds::panics))
        .layer(from_fn(bounds::head))
        .layer(from_fn_with_state((api.clone(), door::DOOR), pass))
}

async fn method_not_allowed(method: Method) -> Refusal {
    Refusal::method_not_allowed(&method)
}

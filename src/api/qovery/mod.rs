//! Qovery's API of jobs at its bare paths. What Qovery calls a job is an environment of a job app here, by its id; what it
//! calls an environment is all apps' environments of one name. Its generated clients reject an answer with a word they do
//! not know, or without a key they must have: the types in `wire` hold no others, and hold those always.

mod bounds;
mod deploy;
mod door;
mod environments;
mod error;
mod history;
mod jobs;
mod parse;
mod path;
mod places;
mod source;
mod state;
mod target;
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

/// The largest request body, in bytes: every service of an environment, each with a version.
const MAX_BODY: usize = 256 * 1024;

type Params = Query<HashMap<String, String>>;

/// A path with the handlers of its methods.
type Route = (&'static str, MethodRouter<Api>);

/// Everything, at the root: there is no prefix.
pub(super) fn serve(router: Router<Api>, api: &Api) -> Router<Api> {
    // A nest does not answer for its own path with a slash, and a service is asked with the whole path.
    let nothing = || within(api, Vec::new()).with_state(api.clone());
    let all = ("/organization/", places::organizations());
    let organizations = within(api, vec![all]).with_state(api.clone());
    router
        .nest("/job", within(api, jobs::routes()))
        .route_service("/job/", nothing())
        .nest("/environment", within(api, environments::routes()))
        .route_service("/environment/", nothing())
        .nest("/project", within(api, places::of_project()))
        .route_service("/project/", nothing())
        .nest("/organization", within(api, places::of_organization()))
        .route_service("/organization/", organizations)
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

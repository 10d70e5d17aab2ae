//! The git.dev dialect at `/v1`, which is also the native surface: what the command line needs beyond the documented
//! routes is added here, where no git.dev client notices.

mod apps;
mod bounds;
mod deployments;
mod describe;
mod door;
mod error;
mod events;
mod follow;
mod gc;
mod hooks;
mod key;
mod operations;
mod parse;
mod path;
mod plan;
mod processes;
mod render;
mod runs;
mod runtime;
mod secrets;
mod tokens;
mod upkeep;
mod wire;
mod words;

use super::Api;
use super::door::pass;
use super::id;
use axum::Router;
use axum::extract::Query;
use axum::http::{Method, Uri};
use axum::middleware::{from_fn, from_fn_with_state};
use error::Refusal;
use std::collections::HashMap;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

/// The largest request body, in bytes: a hundred variables of 32 KiB do not fit, and no real request has them.
const MAX_BODY: usize = 1024 * 1024;

type Params = Query<HashMap<String, String>>;

/// A path with the handlers of its methods and their descriptions.
type Route = UtoipaMethodRouter<Api>;

pub(super) fn routes(api: &Api) -> Router<Api> {
    let list = [
        deployments::routes(),
        apps::routes(),
        runtime::routes(),
        plan::routes(),
        operations::routes(),
        runs::routes(),
        events::routes(),
        secrets::routes(),
        hooks::routes(),
        processes::routes(),
        tokens::routes(),
        gc::routes(),
        upkeep::routes(),
        describe::routes(),
    ];
    let described = OpenApiRouter::with_openapi(describe::begin());
    let described = list.into_iter().flatten().fold(described, serve);
    let (router, description) = described.split_for_parts();
    router
        .fallback(async || Refusal::no_route())
        .method_not_allowed_fallback(method_not_allowed)
        .layer(describe::layer(description))
        .layer(from_fn(bounds::panics))
        .layer(from_fn(bounds::head))
        .layer(from_fn_with_state((api.clone(), door::DOOR), pass))
}

/// The one place where a path is served, so that what is described is served and the other way round. Lenient: each is
/// also known with a trailing slash, of which the description says nothing.
fn serve(router: OpenApiRouter<Api>, (schemas, paths, methods): Route) -> OpenApiRouter<Api> {
    let slashed: Vec<String> = paths.paths.keys().map(|path| format!("{path}/")).collect();
    let described = router.routes((schemas, paths, methods.clone()));
    slashed.into_iter().fold(described, |router, path| {
        router.route(&path, methods.clone())
    })
}

async fn method_not_allowed(method: Method, uri: Uri) -> Refusal {
    // The prefix is taken off on the way here.
    Refusal::method_not_allowed(&method, &format!("/v1{}", uri.path()))
}

//! GitLab's deployments API at `/api/v4`: projects, their environments and deployments, for clients that know GitLab.
//! What is asked for with the status `created` is executed; every other status only tells of what somebody else does.

mod about;
mod bounds;
mod create;
mod deployments;
mod door;
mod environments;
mod error;
mod filter;
mod parse;
mod path;
mod projects;
mod render;
mod slug;
mod wire;

use super::Api;
use super::door::pass;
use super::parameters;
use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::MethodRouter;
use error::Refusal;

/// Where all of this is.
const PREFIX: &str = "/api/v4";

/// The largest request body, in bytes: an environment with a description is the largest thing that is sent.
const MAX_BODY: usize = 64 * 1024;

/// A path with the handlers of its methods.
type Route = (&'static str, MethodRouter<Api>);

/// Everything, to be served below [`PREFIX`].
pub(super) fn serve(router: Router<Api>, api: &Api) -> Router<Api> {
    let all = within(api);
    router
        .nest(PREFIX, all.clone())
        // A nest does not answer for its own path with a slash.
        .route_service("/api/v4/", all.with_state(api.clone()))
}

/// Routes behind the door. Lenient: each is also known with a trailing slash.
fn within(api: &Api) -> Router<Api> {
    let list = [
        about::routes(),
        projects::routes(),
        deployments::routes(),
        environments::routes(),
    ];
    let add = |router: Router<Api>, (path, methods): Route| {
        router
            .route(path, methods.clone())
            .route(&format!("{path}/"), methods)
    };
    let router = list.into_iter().flatten().fold(Router::new(), add);
    router
        .fallback(async || Refusal::no_route())
        .method_not_allowed_fallback(async || Refusal::method_not_allowed())
        .layer(from_fn(bounds::panics))
        .layer(from_fn_with_state((api.clone(), door::DOOR), pass))
        .layer(from_fn(gather))
}

/// Before the door, for a token may be a parameter, and a parameter may be in the body.
async fn gather(request: Request, next: Next) -> Response {
    let (mut request, read) = parameters::gather(request, MAX_BODY).await;
    request.extensions_mut().insert(read);
    next.run(request).await
}

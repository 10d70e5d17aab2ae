//! The HTTP side: one routes file, and a folder per dialect. A dialect parses a request into an `Action` and renders
//! the `Reply`; it knows no store and no engine.

mod answer;
mod arrival;
mod auth;
mod bounds;
mod door;
mod follow;
mod gitdev;
mod github;
mod gitlab;
mod health;
mod hook;
mod hooks;
mod id;
mod log;
mod metrics;
mod number;
mod page;
mod parameters;
mod path;
mod qovery;
mod sevalla;

use crate::core::hook as core_hook;
use crate::core::ports::Random;
use crate::deploy::Agent;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use follow::Followers;
use metrics::Requests;
use std::sync::Arc;

pub use arrival::Proxies;
pub use auth::Peer;

/// What every dialect is given.
#[derive(Clone)]
pub struct Api {
    /// Where requests go.
    pub agent: Arc<Agent>,
    /// For request ids.
    pub random: Random,
    /// The base of absolute URLs where the request's own `Host` is not one of ours.
    pub public_url: Option<String>,
    /// Who stands before the API.
    pub proxies: Proxies,
    /// Whether GitLab's dialect takes no deployment as `created`, as GitLab does: it then records and deploys nothing.
    pub gitlab_strict: bool,
    /// How much memory this process has in use, in bytes; it is told by whoever may ask the system.
    pub resident_bytes: Option<ReadBytes>,
}

/// Asks for a number of bytes; `None` if there is no answer.
pub type ReadBytes = Arc<dyn Fn() -> Option<u64> + Send + Sync>;

/// All routes. The listener must give each connection's [`Peer`] as `ConnectInfo`.
pub fn routes(api: Api) -> Router {
    let gitdev = gitdev::routes(&api);
    let router = sevalla::serve(Router::new(), &api);
    let router = qovery::serve(router, &api);
    let router = gitlab::serve(router, &api);
    github::serve(router, &api)
        .nest("/v1", gitdev.clone())
        // A nest does not answer for its own path with a slash.
        .route_service("/v1/", gitdev.with_state(api.clone()))
        .nest("/hooks", hooks::routes())
        .route("/healthz", get(health::show))
        .route("/metrics", get(metrics::show))
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn_with_state(api.clone(), metrics::count))
        .layer(Extension(Requests::default()))
        .layer(Extension(Followers::default()))
        .layer(from_fn_with_state(api.clone(), request_id))
        .layer(from_fn(log_request))
        .layer(from_fn_with_state(api.clone(), arrival::look))
        .with_state(api)
}

async fn method_not_allowed() -> Response {
    root_error(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
}

/// What is of no dialect answers in the shape of the one that lives at the root, GitHub's.
fn root_error(status: StatusCode, message: &str) -> Response {
    let body = serde_json::json!({ "message": message, "status": status.as_str() });
    (status, Json(body)).into_response()
}

/// The id of a request, given back in `X-Request-Id`.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(pub(crate) String);

async fn request_id(
    axum::extract::State(api): axum::extract::State<Api>,
    mut request: Request,
    next: Next,
) -> Response {
    let mut bytes = [0; 8];
    (api.random)(&mut bytes);
    let id = format!("{:016x}", u64::from_be_bytes(bytes));
    request.extensions_mut().insert(RequestId(id.clone()));
    let mut response = next.run(request).await;
    if let Ok(value) = HeaderValue::from_str(&id) {
        response
            .headers_mut()
            .insert(HeaderName::from_static("x-request-id"), value);
    }
    response
}

async fn log_request(request: Request, next: Next) -> Response {
    let (method, path) = (
        request.method().clone(),
        core_hook::shown(request.uri().path()).into_owned(),
    );
    let response = next.run(request).await;
    tracing::debug!(%method, path, status = response.status().as_u16(), "request");
    response
}

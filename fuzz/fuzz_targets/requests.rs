//! Requests to every route, through the real router with a real store: answered in JSON, never by a fault of ours.
#![no_main]

#[expect(dead_code, reason = "the tests use the rest")]
#[path = "../../tests/support/world.rs"]
mod world;

use arbitrary::Arbitrary;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use libfuzzer_sys::fuzz_target;
use longshore::api::{Api, Peer, routes};
use std::cell::RefCell;
use std::sync::Arc;
use tower::ServiceExt as _;
use world::{Bench, Process, git_app};

/// A store grows with what is created; after so many requests another begins.
const LIFE: usize = 2000;

#[derive(Arbitrary, Debug)]
struct Asked<'a> {
    route: u8,
    name: &'a str,
    query: &'a str,
    header: &'a [u8],
    body: &'a [u8],
}

struct Life {
    router: axum::Router,
    left: usize,
    _bench: Bench,
}

fn begin() -> Life {
    let bench = Bench::new(vec![git_app("web")]);
    let Process { agent, .. } = bench.start();
    let router = routes(Api {
        agent: Arc::new(agent),
        random: Arc::new(|bytes: &mut [u8]| bytes.fill(7)),
        public_url: None,
        resident_bytes: None,
    });
    Life {
        router,
        left: LIFE,
        _bench: bench,
    }
}

thread_local! {
    static RUNTIME: tokio::runtime::Runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    static LIVING: RefCell<Option<Life>> = const { RefCell::new(None) };
}

fn path(asked: &Asked<'_>) -> (&'static str, String) {
    let name: String = asked
        .name
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || "_-.%".contains(*c))
        .collect();
    match asked.route % 16 {
        0 => ("POST", "/v1/deployments".into()),
        1 => ("GET", "/v1/deployments".into()),
        2 => ("GET", format!("/v1/deployments/{name}")),
        3 => ("POST", format!("/v1/deployments/{name}/cancel")),
        4 => ("GET", format!("/v1/deployments/{name}/logs")),
        5 => ("DELETE", format!("/v1/deployments/{name}")),
        6 => ("POST", "/v1/apps/web/plan".into()),
        7 => ("POST", "/v1/apps/web/rollback".into()),
        8 => ("POST", "/v1/apps/web/stop".into()),
        9 => ("GET", "/v1/events".into()),
        10 => ("POST", "/v1/tokens".into()),
        11 => ("DELETE", format!("/v1/tokens/{name}")),
        12 => ("PUT", format!("/v1/apps/web/secrets/{name}")),
        13 => ("GET", format!("/v1/operations/{name}")),
        14 => ("GET", format!("/v1/apps/{name}")),
        _ => ("POST", "/v1/gc".into()),
    }
}

async fn ask(life: &mut Life, asked: &Asked<'_>) {
    let (method, path) = path(asked);
    let query: String = asked
        .query
        .chars()
        .filter(|c| c.is_ascii_graphic() && *c != '#')
        .collect();
    let built = Request::builder()
        .method(method)
        .uri(format!("{path}?{query}"))
        .header("idempotency-key", asked.header)
        .header("last-event-id", asked.header)
        .body(Body::from(asked.body.to_vec()));
    // What is no HTTP never comes so far.
    let Ok(mut request) = built else { return };
    request
        .extensions_mut()
        .insert(ConnectInfo(Peer::Local("ann".into())));
    let response = life
        .router
        .clone()
        .oneshot(request)
        .await
        .unwrap_or_else(|never| match never {});
    let status = response.status();
    assert!(status.as_u16() != 500, "{method} {path}?{query}: {status}");
    if status.is_client_error() {
        let read = axum::body::to_bytes(response.into_body(), 1 << 20)
            .await
            .expect("an answer");
        let value: serde_json::Value = serde_json::from_slice(&read).expect("refusals are JSON");
        assert!(value["error"]["code"].is_string(), "{value}");
    }
}

fuzz_target!(|asked: Asked<'_>| {
    RUNTIME.with(|runtime| {
        runtime.block_on(async {
            let mut life = match LIVING.take() {
                Some(life) if life.left > 0 => life,
                Some(_) | None => begin(),
            };
            life.left -= 1;
            let answered =
                tokio::time::timeout(std::time::Duration::from_secs(3600), ask(&mut life, &asked));
            assert!(
                answered.await.is_ok(),
                "an hour without an answer: {asked:?}"
            );
            LIVING.set(Some(life));
        });
    });
});

//! A daemon without sockets: the router over a real agent and a real store, the world around it in memory.

use super::world::{Bench, Process, create};
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request, StatusCode};
use longshore::api::{Api, Peer, routes};
use longshore::core::app::App;
use longshore::core::deployment::Trigger;
use longshore::deploy::Agent;
use longshore::store::Store;
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use tower::ServiceExt as _;

/// Where requests over TCP come from.
const REMOTE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Who sends a request.
#[derive(Clone, Debug)]
pub enum As {
    /// A user of the socket.
    Ann,
    /// Somebody with a token.
    Token(String),
    /// Somebody without.
    Nobody,
}

pub struct Stage {
    pub bench: Bench,
    pub agent: Arc<Agent>,
    pub store: Arc<Store>,
    pub router: Router,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    #[track_caller]
    pub fn ok(self) -> Value {
        assert!(self.status.is_success(), "{} {}", self.status, self.text);
        self.json()
    }
}

impl Stage {
    pub fn set(apps: Vec<App>) -> Self {
        let bench = Bench::new(apps);
        let process = bench.start();
        Self::on(bench, process)
    }

    /// Ends this life of the daemon and begins another on the same data.
    pub fn again(self) -> Self {
        let Self {
            bench,
            agent,
            store,
            router,
        } = self;
        drop((agent, store, router));
        let process = bench.start();
        Self::on(bench, process)
    }

    fn on(bench: Bench, process: Process) -> Self {
        let Process { agent, store, .. } = process;
        let agent = Arc::new(agent);
        let router = routes(Api {
            agent: agent.clone(),
            random: Arc::new(|bytes: &mut [u8]| bytes.fill(7)),
            public_url: Some("https://deploy.example".into()),
        });
        Self {
            bench,
            agent,
            store,
            router,
        }
    }

    pub fn request(method: &str, path: &str, by: &As, body: Value) -> Request<Body> {
        let mut built = Request::builder().method(method).uri(path);
        let peer = match by {
            As::Ann => Peer::Local("ann".into()),
            As::Nobody => Peer::Remote(REMOTE),
            As::Token(token) => {
                built = built.header("authorization", format!("Bearer {token}"));
                Peer::Remote(REMOTE)
            }
        };
        let body = match body {
            Value::Null => Body::empty(),
            body => Body::from(body.to_string()),
        };
        let mut request = built.body(body).unwrap();
        request.extensions_mut().insert(ConnectInfo(peer));
        request
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, 1 << 24).await.unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Self::request("GET", path, &As::Ann, Value::Null))
            .await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Self::request("POST", path, &As::Ann, body)).await
    }
}

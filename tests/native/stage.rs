//! A daemon without sockets: the router over a real agent and a real store, the world around it in memory.

use super::world::{Bench, Process, sha};
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request, StatusCode};
use futures_util::StreamExt as _;
use longshore::api::{Api, Peer, Proxies, routes};
use longshore::core::access::Caller;
use longshore::core::app::App;
use longshore::deploy::Agent;
use longshore::store::Store;
use serde_json::{Value, json};
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
    /// Who may do everything.
    pub caller: Caller,
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
        bench.world.state.lock().unwrap().head = Some(sha('a'));
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
            caller: _,
        } = self;
        drop((agent, store, router));
        let process = bench.start();
        Self::on(bench, process)
    }

    /// The same with another configuration.
    pub fn again_with(mut self, apps: Vec<App>) -> Self {
        self.bench.apps = apps;
        self.again()
    }

    /// Returns when the daemon says that it can do its work, or that it cannot.
    pub async fn healthy(&self, wanted: bool) {
        loop {
            let answer = self.get_as("/healthz", &As::Nobody).await;
            if answer.status.is_success() == wanted {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }

    pub fn on(bench: Bench, process: Process) -> Self {
        let Process {
            agent,
            store,
            caller,
        } = process;
        let agent = Arc::new(agent);
        let router = routes(Api {
            agent: agent.clone(),
            random: Arc::new(|bytes: &mut [u8]| bytes.fill(7)),
            public_url: Some("https://deploy.example".into()),
            proxies: Proxies {
                trusted: vec!["10.0.0.0/8".parse().unwrap()],
                of_ingress: vec!["127.0.0.0/8".parse().unwrap()],
            },
            gitlab_strict: false,
            resident_bytes: None,
        });
        Self {
            bench,
            agent,
            store,
            router,
            caller,
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

    /// A token for an app, or for everything.
    pub async fn token(&self, scope: &str, app: Option<&str>) -> As {
        let name = format!("{scope}-{app:?}");
        let body = json!({ "name": name, "scope": scope, "app": app });
        let made = self.post("/v1/tokens", body).await.ok();
        As::Token(made["token"].as_str().unwrap().to_owned())
    }

    pub async fn get_as(&self, path: &str, by: &As) -> Answer {
        self.send(Self::request("GET", path, by, Value::Null)).await
    }

    /// Asks for a deployment of what the configuration says, and gives its id.
    pub async fn deploy(&self, app: &str) -> String {
        let body = json!({ "project_id": app, "from_config": true });
        let made = self.post("/v1/deployments", body).await.ok();
        made["id"].as_str().unwrap().to_owned()
    }

    /// Drives until everything is done and settled.
    pub async fn drive(&self) {
        let done = async {
            let mut changes = self.store.changes();
            loop {
                changes.borrow_and_update();
                if self.store.unfinished().unwrap().is_empty() {
                    return;
                }
                changes.changed().await.unwrap();
            }
        };
        self.agent.drive(done).await.unwrap();
    }

    /// Begins to follow; what comes is read with [`Followed::next`].
    pub async fn follow(&self, path: &str, by: &As, last: Option<&str>) -> Followed {
        let mut request = Self::request("GET", path, by, Value::Null);
        let headers = request.headers_mut();
        headers.insert("accept", "text/event-stream".parse().unwrap());
        if let Some(last) = last {
            headers.insert("last-event-id", last.parse().unwrap());
        }
        let response = self.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let kind = response.headers()["content-type"].to_str().unwrap();
        assert_eq!(kind, "text/event-stream");
        Followed {
            body: Box::pin(response.into_body().into_data_stream()),
            text: String::new(),
        }
    }
}

/// An event stream that is being read.
pub struct Followed {
    body: std::pin::Pin<Box<axum::body::BodyDataStream>>,
    text: String,
}

/// One message of an event stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    pub id: Option<String>,
    pub event: Option<String>,
    pub data: String,
    pub comment: Option<String>,
}

impl Message {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap()
    }
}

impl Followed {
    /// The next message, comments among them; `None` at the end of the stream.
    pub async fn next(&mut self) -> Option<Message> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let block: String = self.text.drain(..end + 2).collect();
                return Some(message(&block));
            }
            let piece = self.body.next().await?.unwrap();
            self.text += std::str::from_utf8(&piece).unwrap();
        }
    }

    /// The rest of it.
    pub async fn rest(mut self) -> Vec<Message> {
        let mut messages = Vec::new();
        while let Some(message) = self.next().await {
            messages.push(message);
        }
        messages
    }
}

/// Reads a message as the specification of Server-Sent Events says, with nothing else allowed.
fn message(block: &str) -> Message {
    let mut message = Message::default();
    for line in block.lines().filter(|line| !line.is_empty()) {
        let (field, value) = line.split_once(':').unwrap();
        let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
        match field {
            "" => message.comment = Some(value),
            "id" => message.id = Some(value),
            "event" => message.event = Some(value),
            "data" => message.data += &value,
            other => panic!("no field {other}: {block}"),
        }
    }
    message
}

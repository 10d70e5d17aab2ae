//! HTTP/1.1 to the daemon: one connection per request, the whole answer or an error, everything with a limit.

use super::place::Place;
use crate::core::secret::Secret;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, USER_AGENT,
};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::cell::RefCell;
use std::io;
use std::time::Duration;
use tokio::task::JoinSet;

/// How long an answer may take: a create resolves its branch first, which the daemon bounds at 30 s, and a log
/// request is held for up to 25 s.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// The largest answer taken. The daemon's own pages are far smaller; this keeps a stranger from filling memory.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// Asks one daemon.
pub struct Client {
    place: Place,
    token: Option<Secret>,
    /// What the daemon says to everybody who asks for anything.
    warning: RefCell<Option<String>>,
}

/// An answer's value and the text it was read from, which `--json` prints as it came.
pub struct Document<T> {
    /// What it says.
    pub value: T,
    /// The JSON text.
    pub text: String,
}

/// An answer before anybody has read it.
pub struct Answer {
    /// Its headers.
    pub headers: HeaderMap,
    /// Its whole body.
    pub body: Bytes,
}

/// Why there is no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No connection.
    #[error("cannot reach the daemon at {place}: {cause} — {}", .place.hint(.cause))]
    Unreachable {
        /// Where.
        place: Place,
        /// Why.
        cause: io::Error,
    },
    /// The connection ended, or time did, before the answer was whole.
    #[error("the daemon at {place} went away before it had answered: {cause}")]
    Lost {
        /// Where.
        place: Place,
        /// How.
        cause: String,
    },
    /// It said no.
    #[error("{0}")]
    Refused(Refusal),
    /// It said that it cannot now.
    #[error("the daemon cannot answer: {0}")]
    Failing(Refusal),
    /// Somebody answered who is not longshore.
    #[error("what answers at {place} is not longshore, or of another version: {what}")]
    Foreign {
        /// Where.
        place: Place,
        /// What was odd.
        what: String,
    },
}

/// What to do about a refusal, where the daemon's sentence alone does not tell a person at a terminal.
fn next_step(code: &str) -> Option<&'static str> {
    match code {
        "invalid_branch" => {
            Some("push the branch to the app's repository, or name another with --branch")
        }
        "invalid_commit" => Some(
            "push the commit, or give more of its digits, and the branch it is on with --branch",
        ),
        "project_not_found" => Some("`longshore apps` lists the apps there are"),
        "secret_not_found" => Some("`longshore secret ls APP` lists the secrets there are"),
        "deployment_not_found" => Some("`longshore ls` lists the deployments there are"),
        "insufficient_scope" => {
            Some("use a token with that scope: `longshore token create NAME --scope …`")
        }
        "deployment_not_cancellable" => Some("`longshore show` tells how it stands"),
        _ => None,
    }
}

/// An error the daemon answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: StatusCode,
    /// The stable word.
    pub code: String,
    /// One sentence.
    pub message: String,
    /// What belongs to it; null if there is nothing.
    pub details: serde_json::Value,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let clean = |text: &str| crate::core::log::clean(text.as_bytes());
        write!(f, "{} ({})", clean(&self.message), clean(&self.code))?;
        if let Some(next) = next_step(&self.code) {
            write!(f, "\nnext: {next}")?;
        }
        if self.status == StatusCode::UNAUTHORIZED {
            write!(
                f,
                " — put a token of `longshore token create` into LONGSHORE_TOKEN"
            )?;
        }
        Ok(())
    }
}

impl ClientError {
    /// Whether the same question may get an answer in a moment: the daemon is restarting, or busy.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Lost { .. } | Self::Failing(_) => true,
            Self::Refused(refusal) => refusal.status == StatusCode::TOO_MANY_REQUESTS,
            Self::Foreign { .. } => false,
        }
    }

    /// Whether the daemon says that there is no such thing.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.status == StatusCode::NOT_FOUND)
    }
}

/// The shape of every error answer.
#[derive(Deserialize)]
struct ErrorAnswer {
    error: ErrorBody,
}

#[derive(Deserialize)]
struct ErrorBody {
    code: String,
    message: String,
    #[serde(default)]
    details: serde_json::Value,
}

impl Client {
    /// Asks the daemon at that place. A token goes only to a URL: the socket's permissions say who may use it,
    /// and a token there could only lessen what they may do.
    pub fn new(place: Place, token: Option<Secret>) -> Self {
        let token = match place {
            Place::Socket(_) => None,
            Place::Url { .. } => token,
        };
        Self {
            place,
            token,
            warning: RefCell::default(),
        }
    }

    /// GET of a path (`/v1/…`, encoded) whose answer is JSON.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Document<T>, ClientError> {
        let request = self.request(Method::GET, path, "application/json", Bytes::new());
        self.read(self.send(request).await?)
    }

    /// POST of a JSON body; a repetition with the same `key` gets the first answer again.
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &serde_json::Value,
        key: Option<&str>,
    ) -> Result<Document<T>, ClientError> {
        let body = Bytes::from(body.to_string());
        let mut request = self.request(Method::POST, path, "application/json", body);
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(key) = key.and_then(|key| HeaderValue::from_str(key).ok()) {
            headers.insert("idempotency-key", key);
        }
        self.read(self.send(request).await?)
    }

    /// PUT of a JSON body.
    pub async fn put<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &serde_json::Value,
    ) -> Result<Document<T>, ClientError> {
        let body = Bytes::from(body.to_string());
        let mut request = self.request(Method::PUT, path, "application/json", body);
        let content_type = HeaderValue::from_static("application/json");
        request.headers_mut().insert(CONTENT_TYPE, content_type);
        self.read(self.send(request).await?)
    }

    /// DELETE of a path whose answer is JSON.
    pub async fn delete<T: DeserializeOwned>(
        &self,
        path: &str,
    ) -> Result<Document<T>, ClientError> {
        let request = self.request(Method::DELETE, path, "application/json", Bytes::new());
        self.read(self.send(request).await?)
    }

    /// GET of a path whose answer is plain text.
    pub async fn get_text(&self, path: &str) -> Result<Answer, ClientError> {
        let request = self.request(Method::GET, path, "text/plain", Bytes::new());
        self.send(request).await
    }

    /// What the daemon said beside its last answers, once.
    pub fn take_warning(&self) -> Option<String> {
        self.warning.take()
    }

    /// An answer that is not what the API promises.
    pub fn foreign(&self, what: impl Into<String>) -> ClientError {
        ClientError::Foreign {
            place: self.place.clone(),
            what: what.into(),
        }
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        accept: &'static str,
        body: Bytes,
    ) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = format!("{}{path}", self.place.prefix())
            .parse()
            .expect("the prefix was part of a URL and the path is percent-encoded");
        let headers = request.headers_mut();
        headers.insert(
            HOST,
            HeaderValue::from_str(self.place.authority()).expect("it was part of a URL"),
        );
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
        headers.insert(
            USER_AGENT,
            HeaderValue::from_static(concat!("longshore/", env!("CARGO_PKG_VERSION"))),
        );
        // A token that no header can carry is no token; the answer will be 401 and say so.
        let bearer = self
            .token
            .as_ref()
            .and_then(|token| HeaderValue::from_str(&format!("Bearer {}", token.expose())).ok());
        if let Some(mut bearer) = bearer {
            bearer.set_sensitive(true);
            headers.insert(AUTHORIZATION, bearer);
        }
        request
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Answer, ClientError> {
        let stream = self
            .place
            .connect()
            .await
            .map_err(|cause| ClientError::Unreachable {
                place: self.place.clone(),
                cause,
            })?;
        let exchange = async {
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
            // The set ends the connection when this future is dropped.
            let mut tasks = JoinSet::new();
            tasks.spawn(connection);
            let (parts, body) = sender.send_request(request).await?.into_parts();
            let body = Limited::new(body, MAX_ANSWER).collect().await?.to_bytes();
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>((parts, body))
        };
        let lost = |cause: String| ClientError::Lost {
            place: self.place.clone(),
            cause,
        };
        let (parts, body) = match tokio::time::timeout(ANSWER_LIMIT, exchange).await {
            Ok(answer) => answer.map_err(|error| lost(with_sources(&*error)))?,
            Err(_) => {
                return Err(lost(format!(
                    "no answer within {} s",
                    ANSWER_LIMIT.as_secs()
                )));
            }
        };
        let warning = parts.headers.get("x-longshore-warning");
        if let Some(warning) = warning.and_then(|value| value.to_str().ok()) {
            self.warning.replace(Some(warning.to_owned()));
        }
        if parts.status.is_success() {
            Ok(Answer {
                headers: parts.headers,
                body,
            })
        } else {
            Err(self.refusal(parts.status, &body))
        }
    }

    fn refusal(&self, status: StatusCode, body: &[u8]) -> ClientError {
        let said = serde_json::from_slice::<ErrorAnswer>(body)
            .ok()
            .map(|answer| answer.error);
        match said {
            Some(ErrorBody {
                code,
                message,
                details,
            }) => {
                let refusal = Refusal {
                    status,
                    code,
                    message,
                    details,
                };
                if status.is_server_error() {
                    ClientError::Failing(refusal)
                } else {
                    ClientError::Refused(refusal)
                }
            }
            // What stands between us and a daemon that restarts: a proxy's own page.
            None if status.is_server_error() => ClientError::Failing(Refusal {
                status,
                code: "no_details".to_owned(),
                message: format!("HTTP status {status}"),
                details: serde_json::Value::Null,
            }),
            None => self.foreign(format!(
                "it answered {status} without longshore's error document"
            )),
        }
    }

    fn read<T: DeserializeOwned>(&self, answer: Answer) -> Result<Document<T>, ClientError> {
        let value = serde_json::from_slice(&answer.body)
            .map_err(|error| self.foreign(format!("its answer cannot be read: {error}")))?;
        // JSON that was read is UTF-8.
        let text = String::from_utf8_lossy(&answer.body).trim().to_owned();
        Ok(Document { value, text })
    }
}

/// An error with its causes: hyper's own text alone says only which part failed.
fn with_sources(error: &(dyn std::error::Error + 'static)) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

//! HTTP/1.1 to the daemon: one connection per request, the whole answer or an error, everything with a limit.

use super::moment;
use super::output::Output;
use super::place::Place;
pub use super::refusal::{ClientError, Refusal};
use super::sse::Events;
use super::tls::Tls;
use crate::core::secret::Secret;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER,
    USER_AGENT,
};
use hyper::http::response::Parts;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::cell::{Cell, RefCell};
use std::time::Duration;
use tokio::task::JoinSet;

/// How long an answer may take: a create resolves its branch first, which the daemon bounds at 30 s, and a log
/// request is held for up to 25 s.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// The largest answer taken. The daemon's own pages are far smaller; this keeps a stranger from filling memory.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// The most of an error that is read from a stream.
const MAX_REFUSAL: usize = 64 * 1024;

/// How long to wait where the daemon says "too many requests" and not until when.
const UNTOLD_WAIT: Duration = Duration::from_secs(2);

/// Asks one daemon.
pub struct Client {
    place: Place,
    token: Option<Secret>,
    tls: Option<Tls>,
    /// How long "too many requests" is waited out in all.
    patience: Duration,
    output: Output,
    /// How many requests a minute the token may make, as far as the daemon told.
    limit: Cell<Option<u32>>,
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
    pub fn new(
        place: Place,
        token: Option<Secret>,
        tls: Option<Tls>,
        patience: Duration,
        output: Output,
    ) -> Self {
        let token = match place {
            Place::Socket(_) => None,
            Place::Url { .. } => token,
        };
        Self {
            place,
            token,
            tls,
            patience,
            output,
            limit: Cell::default(),
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

    /// DELETE of a path whose answer has no content.
    pub async fn delete_silently(&self, path: &str) -> Result<(), ClientError> {
        let request = self.request(Method::DELETE, path, "application/json", Bytes::new());
        self.send(request).await.map(|_| ())
    }

    /// GET of a path whose answer is read whatever its status says: what it is, and the JSON.
    pub async fn look<T: DeserializeOwned>(
        &self,
        path: &str,
    ) -> Result<(StatusCode, Document<T>), ClientError> {
        let request = self.request(Method::GET, path, "application/json", Bytes::new());
        let (parts, body) = self.exchange(request).await?;
        let status = parts.status;
        if !status.is_success() && status != StatusCode::SERVICE_UNAVAILABLE {
            return Err(self.refusal(&parts, &body));
        }
        let headers = parts.headers;
        Ok((status, self.read(Answer { headers, body })?))
    }

    /// GET of Server-Sent Events after the one of that id, for as long as the daemon sends them.
    pub async fn events(&self, path: &str, after: Option<&str>) -> Result<Events, ClientError> {
        let mut request = self.request(Method::GET, path, "text/event-stream", Bytes::new());
        if let Some(after) = after.and_then(|after| HeaderValue::from_str(after).ok()) {
            request.headers_mut().insert("last-event-id", after);
        }
        let beginning = tokio::time::timeout(ANSWER_LIMIT, self.begin(request)).await;
        let (parts, mut body, connection) = beginning.unwrap_or_else(|_| {
            Err(self.lost(format!("no answer within {} s", ANSWER_LIMIT.as_secs())))
        })?;
        if !parts.status.is_success() {
            let mut said = Vec::new();
            while let Some(Ok(frame)) = body.frame().await {
                said.extend_from_slice(&frame.into_data().unwrap_or_default());
                if said.len() > MAX_REFUSAL {
                    break;
                }
            }
            return Err(self.refusal(&parts, &said));
        }
        let kind = header(&parts.headers, CONTENT_TYPE.as_str()).unwrap_or_default();
        if !kind.starts_with("text/event-stream") {
            return Err(self.foreign("it sends no events; a newer version does"));
        }
        Ok(Events::new(body, connection))
    }

    /// GET of a path whose answer is plain text.
    pub async fn get_text(&self, path: &str) -> Result<Answer, ClientError> {
        let request = self.request(Method::GET, path, "text/plain", Bytes::new());
        self.send(request).await
    }

    /// Where the daemon is.
    pub fn place(&self) -> &Place {
        &self.place
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

    /// The whole answer; "too many requests" is waited out.
    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Answer, ClientError> {
        let mut waited = Duration::ZERO;
        loop {
            let (parts, body) = self.exchange(request.clone()).await?;
            let wait = retry_after(&parts);
            if parts.status == StatusCode::TOO_MANY_REQUESTS && waited + wait <= self.patience {
                if waited.is_zero() {
                    self.output.note(&format!(
                        "the daemon has had too many requests from this token; waiting {}…",
                        moment::duration(wait)
                    ));
                }
                waited += wait;
                tokio::time::sleep(wait).await;
                continue;
            }
            return if parts.status.is_success() {
                Ok(Answer {
                    headers: parts.headers,
                    body,
                })
            } else {
                Err(self.refusal(&parts, &body))
            };
        }
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<(Parts, Bytes), ClientError> {
        let whole = async {
            let (parts, body, _connection) = self.begin(request).await?;
            let body = Limited::new(body, MAX_ANSWER).collect().await;
            let body = body.map_err(|error| self.lost(with_sources(&*error)))?;
            Ok((parts, body.to_bytes()))
        };
        match tokio::time::timeout(ANSWER_LIMIT, whole).await {
            Ok(answer) => answer,
            Err(_) => Err(self.lost(format!("no answer within {} s", ANSWER_LIMIT.as_secs()))),
        }
    }

    /// The beginning of an answer, its body to come, and the connection, which ends when the set is dropped.
    async fn begin(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<(Parts, Incoming, JoinSet<hyper::Result<()>>), ClientError> {
        let connecting = self.place.connect(self.tls.as_ref()).await;
        let stream = connecting.map_err(|cause| ClientError::Unreachable {
            place: self.place.clone(),
            cause,
        })?;
        let exchange = async {
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
            let mut tasks = JoinSet::new();
            tasks.spawn(connection);
            let (parts, body) = sender.send_request(request).await?.into_parts();
            Ok::<_, hyper::Error>((parts, body, tasks))
        };
        let (parts, body, tasks) = exchange.await.map_err(|error| {
            if error.is_parse() && !self.place.is_tls() {
                return self
                    .foreign("it does not speak HTTP; if it speaks TLS, use https:// in the URL");
            }
            self.lost(with_sources(&error))
        })?;
        if let Some(warning) = header(&parts.headers, "x-longshore-warning") {
            self.warning.replace(Some(warning.to_owned()));
        }
        if let Some(limit) = header(&parts.headers, "x-ratelimit-limit") {
            self.limit.set(limit.parse().ok());
        }
        Ok((parts, body, tasks))
    }

    /// How far apart so many questions that are asked again and again have to be for the token's rate to last.
    pub fn pace(&self, questions: u32) -> Duration {
        match self.limit.get() {
            None | Some(0) => Duration::ZERO,
            Some(limit) => Duration::from_secs(60) * questions / limit,
        }
    }

    fn lost(&self, cause: String) -> ClientError {
        ClientError::Lost {
            place: self.place.clone(),
            cause,
        }
    }

    fn refusal(&self, parts: &Parts, body: &[u8]) -> ClientError {
        let status = parts.status;
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
            None => self.foreign(strange(parts, body)),
        }
    }

    fn read<T: DeserializeOwned>(&self, answer: Answer) -> Result<Document<T>, ClientError> {
        if is_page(&answer.headers, &answer.body) {
            return Err(self.foreign(PAGE));
        }
        let value = serde_json::from_slice(&answer.body)
            .map_err(|error| self.foreign(format!("its answer cannot be read: {error}")))?;
        // JSON that was read is UTF-8.
        let text = String::from_utf8_lossy(&answer.body).trim().to_owned();
        Ok(Document { value, text })
    }
}

/// What is odd about an answer that is no success and none of longshore's errors.
fn strange(parts: &Parts, body: &[u8]) -> String {
    let status = parts.status;
    if status.is_redirection() {
        let to = header(&parts.headers, LOCATION.as_str()).unwrap_or("elsewhere");
        let to = crate::core::log::clean(to.as_bytes());
        return format!(
            "it answered {status} and points to {to}; no redirect is followed, because the token would go along: \
             use that address in the URL if it is the daemon's"
        );
    }
    if is_page(&parts.headers, body) {
        return format!("{status}: {PAGE}");
    }
    format!(
        "it answered {status} without longshore's error document; is the URL the daemon's, up to but without /v1?"
    )
}

const PAGE: &str = "it answered with a web page; is the URL the daemon's, up to but without /v1?";

fn is_page(headers: &HeaderMap, body: &[u8]) -> bool {
    let named = header(headers, CONTENT_TYPE.as_str()).is_some_and(|kind| kind.contains("html"));
    named || body.trim_ascii_start().first() == Some(&b'<')
}

/// How long "too many requests" asks to wait.
fn retry_after(parts: &Parts) -> Duration {
    let told = header(&parts.headers, RETRY_AFTER.as_str()).and_then(|text| text.parse().ok());
    told.map_or(UNTOLD_WAIT, |seconds: u32| {
        Duration::from_secs(seconds.max(1).into())
    })
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// An error with its causes: hyper's own text alone says only which part failed.
fn with_sources(error: &(dyn std::error::Error + 'static)) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

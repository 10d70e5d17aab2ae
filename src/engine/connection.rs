//! The way to the engine: connected anew for each call, so that an engine that is down, not yet there or started
//! again is nothing special.

use super::failure;
use crate::core::ports::EngineError;
use bollard::errors::Error;
use bollard::{API_DEFAULT_VERSION, ClientVersion, Docker as Client};
use futures_util::{Stream, StreamExt};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use uuid::Uuid;

/// How long an engine that is alive may take for anything that is not a stop and not a stream. Slow are creating a
/// container on a busy disk and starting one after a reboot (0.1 s per network of the host): seconds, not a minute.
pub const UNARY: Duration = Duration::from_secs(60);

/// How long it may take for what moves data: a kill with its unmounting, deleting an image, copying an image's files
/// into a new volume. A stop has this beyond its grace.
pub const HEAVY: Duration = Duration::from_secs(120);

/// How long an answer or a stream may be silent until the engine is asked whether it lives: a hung engine keeps its
/// connections open and silent for ever.
const SILENCE: Duration = Duration::from_secs(5);

/// How long it may take to say that it lives. It needs no lock and no disk for that, half a millisecond as a rule; an
/// engine that is only slow manages it in this time on any host that still does anything.
const PING: Duration = Duration::from_secs(10);

/// bollard's own limit for the head of an answer, in seconds. Ours are stricter where there is one; a pull or a
/// build may rightly be silent for a day.
const CLIENT_LIMIT: u64 = 24 * 60 * 60;

/// The engine on one host, seen by one instance of longshore.
#[derive(Debug)]
pub struct Docker {
    host: Host,
    instance: Uuid,
    /// The client whose version was settled with the engine; none until it answered, and again after it was lost.
    settled: Mutex<Option<Client>>,
    sessions: AtomicU64,
}

/// Either kind of stream to the engine.
pub(super) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Unix { path: PathBuf, shown: String },
    Tcp { address: String, shown: String },
}

impl Docker {
    /// Takes the engine's address (`unix:///path`, `tcp://host:port` or a path) and connects only when asked for
    /// something.
    ///
    /// # Errors
    /// `Refused` if the address has another form.
    pub fn new(host: &str, instance: Uuid) -> Result<Self, EngineError> {
        Ok(Self {
            host: Host::parse(host)?,
            instance,
            settled: Mutex::new(None),
            sessions: AtomicU64::new(0),
        })
    }

    /// The instance whose objects this is allowed to change.
    #[must_use]
    pub fn instance(&self) -> Uuid {
        self.instance
    }

    /// A connection of our own, for what bollard cannot ask.
    pub(super) async fn dial(&self) -> Result<Box<dyn Wire>, EngineError> {
        let dialled = match &self.host {
            Host::Unix { path, .. } => UnixStream::connect(path)
                .await
                .map(|stream| Box::new(stream) as Box<dyn Wire>),
            Host::Tcp { address, .. } => TcpStream::connect(address.trim_start_matches("tcp://"))
                .await
                .map(|stream| Box::new(stream) as Box<dyn Wire>),
        };
        dialled.map_err(|err| self.explain(&Error::IOError { err }))
    }

    /// Whether the engine's processes and routes are this machine's.
    pub(super) fn is_local(&self) -> bool {
        matches!(self.host, Host::Unix { .. })
    }

    /// Asks the engine something that has one answer.
    pub(super) async fn call<T, F>(
        &self,
        limit: Duration,
        ask: impl FnOnce(Client) -> F,
    ) -> Result<T, EngineError>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let client = self.client().await?;
        tokio::select! {
            biased;
            answer = timeout(limit, ask(client)) => match answer {
                Ok(answer) => answer.map_err(|error| self.explain(&error)),
                Err(_) => Err(self.explain(&Error::RequestTimeoutError)),
            },
            lost = self.lost() => Err(lost),
        }
    }

    /// The next item of one of the engine's streams, as bollard gave it; `Err` if the engine was silent for too
    /// long and does not answer anything else either.
    pub(super) async fn next<T>(
        &self,
        stream: &mut (impl Stream<Item = Result<T, Error>> + Unpin),
    ) -> Result<Option<Result<T, Error>>, EngineError> {
        tokio::select! {
            biased;
            item = stream.next() => Ok(item),
            lost = self.lost() => Err(lost),
        }
    }

    /// Watches over an answer that does not come: returns when the engine does not say that it lives. Some builds
    /// and pulls are rightly silent for hours, and so is a hung engine.
    pub(super) async fn lost(&self) -> EngineError {
        loop {
            tokio::time::sleep(SILENCE).await;
            if let Err(lost) = self.ping().await {
                return lost;
            }
        }
    }

    /// Asks the engine whether it lives.
    pub(super) async fn ping(&self) -> Result<(), EngineError> {
        let client = self.client().await?;
        match timeout(PING, client.ping()).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(self.explain(&error)),
            Err(_) => Err(self.explain(&Error::RequestTimeoutError)),
        }
    }

    /// A client whose version is settled with the engine.
    pub(super) async fn client(&self) -> Result<Client, EngineError> {
        if let Some(client) = self.lock().clone() {
            return Ok(client);
        }
        let client = self.host.connect()?;
        let client = match timeout(PING, client.negotiate_version()).await {
            Ok(Ok(client)) => client,
            Ok(Err(error)) => return Err(self.explain(&error)),
            Err(_) => return Err(self.explain(&Error::RequestTimeoutError)),
        };
        *self.lock() = Some(client.clone());
        Ok(client)
    }

    /// Whether the engine speaks at least this version of its API.
    pub(super) async fn speaks(&self, major: usize, minor: usize) -> Result<bool, EngineError> {
        let wanted = ClientVersion {
            major_version: major,
            minor_version: minor,
        };
        Ok(self.client().await?.client_version() >= wanted)
    }

    /// What an error of bollard means.
    pub(super) fn explain(&self, error: &Error) -> EngineError {
        self.noticed(failure::explain(error, self.host.shown()))
    }

    /// What an error of bollard in a pull means.
    pub(super) fn explain_pull(&self, error: &Error) -> EngineError {
        self.noticed(failure::explain_pull(error, self.host.shown()))
    }

    /// A name for a build's session that no other build of this engine has. A deployment is built by one process at
    /// a time, and what an earlier one left open has another number or another process.
    pub(super) fn session(&self, deployment: Uuid) -> String {
        let count = self.sessions.fetch_add(1, Ordering::Relaxed);
        format!("longshore-{deployment}-{}-{count}", std::process::id())
    }

    /// After the engine was lost another version of it may come back.
    fn noticed(&self, error: EngineError) -> EngineError {
        if matches!(error, EngineError::Unavailable(_)) {
            *self.lock() = None;
        }
        error
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Client>> {
        self.settled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Host {
    fn parse(host: &str) -> Result<Self, EngineError> {
        let shown = host.to_owned();
        if let Some(path) = host
            .strip_prefix("unix://")
            .or(host.starts_with('/').then_some(host))
            && path.starts_with('/')
        {
            return Ok(Self::Unix {
                path: PathBuf::from(path),
                shown,
            });
        }
        match host
            .strip_prefix("tcp://")
            .and_then(|address| address.rsplit_once(':'))
        {
            Some((name, port)) if !name.is_empty() && port.parse::<u16>().is_ok() => {
                Ok(Self::Tcp {
                    address: host.to_owned(),
                    shown,
                })
            }
            _ => Err(EngineError::Refused(format!(
                "docker.host '{host}' is not an address of an engine: write unix:///path or tcp://host:port"
            ))),
        }
    }

    fn shown(&self) -> &str {
        match self {
            Self::Unix { shown, .. } | Self::Tcp { shown, .. } => shown,
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that connects to Docker"
    )]
    fn connect(&self) -> Result<Client, EngineError> {
        match self {
            Self::Unix { path, shown } => {
                // bollard says "not found" also of a path that it may not look at.
                match std::fs::metadata(path) {
                    Ok(_) => {}
                    Err(err) if err.kind() == std::io::ErrorKind::PermissionDenied => {
                        return Err(failure::forbidden(shown));
                    }
                    Err(_) => return Err(failure::missing(shown)),
                }
                let path = path.to_string_lossy();
                Client::connect_with_unix(&path, CLIENT_LIMIT, API_DEFAULT_VERSION)
            }
            Self::Tcp { address, .. } => {
                Client::connect_with_http(address, CLIENT_LIMIT, API_DEFAULT_VERSION)
            }
        }
        .map_err(|error| failure::explain(&error, self.shown()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[test]
    fn addresses_are_a_path_a_unix_url_or_a_tcp_url() {
        for good in [
            "unix:///var/run/docker.sock",
            "/run/docker.sock",
            "tcp://127.0.0.1:2375",
            "tcp://[::1]:2375",
        ] {
            assert!(Docker::new(good, Uuid::nil()).is_ok(), "{good}");
        }
        for bad in [
            "",
            "docker.sock",
            "unix://docker.sock",
            "tcp://host",
            "tcp://:1",
            "ssh://host",
            "http://h:1",
        ] {
            let refused = Docker::new(bad, Uuid::nil()).map(|_| ());
            assert!(
                matches!(refused, Err(EngineError::Refused(text)) if text.contains("docker.host")),
                "{bad}"
            );
        }
    }

    /// An engine that answers in this time, and to `slowly` in that one; `None` is never.
    fn engine(at: &std::path::Path, usually: Option<Duration>, slowly: Option<Duration>) -> Docker {
        let listener = tokio::net::UnixListener::bind(at).unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, usually, slowly));
            }
        });
        Docker::new(&at.to_string_lossy(), Uuid::nil()).unwrap()
    }

    async fn answer(
        mut stream: tokio::net::UnixStream,
        usually: Option<Duration>,
        slowly: Option<Duration>,
    ) {
        let mut request = [0; 4096];
        let read = stream.read(&mut request).await.unwrap();
        let request = String::from_utf8_lossy(&request[..read]).into_owned();
        let body = r#"{"ApiVersion":"1.41","MinAPIVersion":"1.12"}"#;
        let time = if request.contains("/containers/") {
            slowly
        } else {
            usually
        };
        match time {
            Some(time) => tokio::time::sleep(time).await,
            None => std::future::pending().await,
        }
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(answer.as_bytes()).await.unwrap();
    }

    /// What an engine of that kind answers, and after how long.
    async fn ask(usually: Option<u64>, slowly: Option<u64>) -> (Result<(), EngineError>, Duration) {
        let directory = tempfile::tempdir().unwrap();
        let seconds = |time: Option<u64>| time.map(Duration::from_secs);
        let docker = engine(
            &directory.path().join("s"),
            seconds(usually),
            seconds(slowly),
        );
        let began = began();
        let asked = docker.call(UNARY, |client| async move {
            client.inspect_container("x", None).await.map(|_| ())
        });
        let answer = asked.await;
        (answer, began.elapsed())
    }

    #[expect(clippy::disallowed_methods, reason = "this is the test's clock")]
    fn began() -> tokio::time::Instant {
        tokio::time::Instant::now()
    }

    #[tokio::test(start_paused = true)]
    async fn an_engine_that_is_only_slow_is_waited_for() {
        let (answer, took) = ask(Some(4), Some(50)).await;
        assert_eq!(answer, Ok(()));
        assert!(took >= Duration::from_secs(50), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_engine_that_hangs_is_unavailable_in_seconds_whatever_it_was_asked() {
        for (usually, slowly) in [(None, None), (None, Some(0))] {
            let (answer, took) = ask(usually, slowly).await;
            assert!(
                matches!(answer, Err(EngineError::Unavailable(_))),
                "{answer:?}"
            );
            assert!(took <= Duration::from_secs(16), "{took:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_answer_that_never_comes_from_an_engine_that_lives_is_given_up_too() {
        let (answer, took) = ask(Some(0), None).await;
        assert!(
            matches!(answer, Err(EngineError::Unavailable(_))),
            "{answer:?}"
        );
        assert!(took >= UNARY && took < UNARY * 2, "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_is_left_only_when_the_engine_behind_it_hangs() {
        let directory = tempfile::tempdir().unwrap();
        let lives = engine(&directory.path().join("l"), Some(Duration::ZERO), None);
        let hangs = engine(&directory.path().join("h"), None, None);
        let mut silent = futures_util::stream::pending::<Result<(), Error>>();
        let hour = Duration::from_secs(60 * 60);
        assert!(timeout(hour, lives.next(&mut silent)).await.is_err());
        let left = timeout(hour, hangs.next(&mut silent)).await.unwrap();
        assert!(matches!(left, Err(EngineError::Unavailable(_))), "{left:?}");
    }
}

//! Real repositories behind a real transport: `git http-backend` in a small HTTP server on loopback, which can ask
//! for a token, refuse, redirect, or hold its answers back.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by panicking"
)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, HeaderMap, LOCATION, WWW_AUTHENTICATE};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A bare repository whose commits are made without a work tree.
pub struct Repository {
    path: PathBuf,
}

impl Repository {
    /// An empty one.
    pub fn create(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let status = git_command()
            .args(["init", "--quiet", "--bare", "--initial-branch=main"])
            .arg(&path)
            .status()
            .unwrap();
        assert!(status.success(), "git init {}", path.display());
        Self { path }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Runs git in it and returns what it printed.
    #[track_caller]
    pub fn git(&self, arguments: &[&str], input: &str) -> String {
        let mut child = git_command()
            .arg("--git-dir")
            .arg(&self.path)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(input.as_bytes())
            .unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "git {arguments:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Commits text files on top of the branch and returns the commit's id.
    #[track_caller]
    pub fn commit(&self, branch: &str, files: &[(&str, &str)], message: &str) -> String {
        let entries: Vec<_> = files
            .iter()
            .map(|(path, text)| {
                let id = self.git(&["hash-object", "-w", "--stdin"], text);
                ("100644", *path, id)
            })
            .collect();
        self.commit_entries(branch, &entries, message)
    }

    /// Commits entries of any mode (`120000` a symlink's target, `160000` a submodule's commit) by their object id.
    #[track_caller]
    pub fn commit_entries(
        &self,
        branch: &str,
        entries: &[(&str, &str, String)],
        message: &str,
    ) -> String {
        let branch = format!("refs/heads/{branch}");
        let parent = self.git(&["for-each-ref", "--format=%(objectname)", &branch], "");
        if parent.is_empty() {
            self.git(&["read-tree", "--empty"], "");
        } else {
            self.git(&["read-tree", &parent], "");
        }
        for (mode, path, id) in entries {
            let entry = format!("{mode},{id},{path}");
            self.git(&["update-index", "--add", "--cacheinfo", &entry], "");
        }
        let tree = self.git(&["write-tree"], "");
        let mut arguments = vec!["commit-tree", &tree, "-F", "-"];
        if !parent.is_empty() {
            arguments.extend(["-p", &parent]);
        }
        let commit = self.git(&arguments, message);
        self.git(&["update-ref", &branch, &commit], "");
        commit
    }
}

/// What the server does with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Behaviour {
    Serve,
    /// Reads it and does not answer until told otherwise.
    Hold,
    /// Sends the client to the same path under another address.
    Redirect(String),
    /// Answers with a status and nothing else.
    Status(u16),
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    pub path: String,
    pub authorization: Option<String>,
}

/// Serves every repository below a directory.
pub struct GitServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    root: PathBuf,
    token: Option<String>,
    behaviour: watch::Sender<Behaviour>,
    of_old: AtomicBool,
    seen: Mutex<Vec<Seen>>,
    arrived: watch::Sender<usize>,
}

impl GitServer {
    /// Starts it on a free port of loopback; with a token, only for who sends that as the password.
    pub async fn start(root: &Path, token: Option<&str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let shared = Arc::new(Shared {
            root: root.to_owned(),
            token: token.map(str::to_owned),
            behaviour: watch::Sender::new(Behaviour::Serve),
            of_old: AtomicBool::new(false),
            seen: Mutex::default(),
            arrived: watch::Sender::new(0),
        });
        Self {
            address: listener.local_addr().unwrap(),
            task: tokio::spawn(accept(listener, Arc::clone(&shared))),
            shared,
        }
    }

    /// `http://127.0.0.1:<port>/<repository>`.
    pub fn url(&self, repository: &str) -> String {
        format!("http://{}/{repository}", self.address)
    }

    pub fn behave(&self, behaviour: Behaviour) {
        self.shared.behaviour.send_replace(behaviour);
    }

    /// Speaks only the first version of git's protocol from now on.
    pub fn speak_of_old(&self) {
        self.shared.of_old.store(true, Ordering::Relaxed);
    }

    /// Every request so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// Returns when this many requests have arrived in all.
    pub async fn arrived(&self, count: usize) {
        let mut arrived = self.shared.arrived.subscribe();
        arrived.wait_for(|now| *now >= count).await.unwrap();
    }
}

impl Drop for GitServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // Dropped with this task, and the connections with it.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            let service = service_fn(move |request| answer(Arc::clone(&shared), request));
            // A client that goes away in the middle is part of the tests.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (mut head, body) = request.into_parts();
    if shared.of_old.load(Ordering::Relaxed) {
        head.headers.remove("git-protocol");
    }
    let Ok(body) = body.collect().await else {
        return Ok(plain(StatusCode::BAD_REQUEST));
    };
    let authorization = head.headers.get(AUTHORIZATION);
    let authorization = authorization.map(|value| value.to_str().unwrap().to_owned());
    shared.seen.lock().unwrap().push(Seen {
        path: head.uri.path().to_owned(),
        authorization: authorization.clone(),
    });
    shared.arrived.send_modify(|count| *count += 1);
    let mut behaviour = shared.behaviour.subscribe();
    let now = behaviour
        .wait_for(|now| *now != Behaviour::Hold)
        .await
        .unwrap()
        .clone();
    match now {
        Behaviour::Status(status) => return Ok(plain(StatusCode::from_u16(status).unwrap())),
        Behaviour::Redirect(to) => {
            let mut response = plain(StatusCode::MOVED_PERMANENTLY);
            let to = format!("{to}{}", head.uri.path_and_query().unwrap());
            response.headers_mut().insert(LOCATION, to.parse().unwrap());
            return Ok(response);
        }
        Behaviour::Serve | Behaviour::Hold => {}
    }
    if let Some(token) = &shared.token {
        let wanted = format!(
            "Basic {}",
            STANDARD.encode(format!("x-access-token:{token}"))
        );
        if authorization != Some(wanted) {
            let mut response = plain(StatusCode::UNAUTHORIZED);
            let challenge = "Basic realm=\"git\"".parse().unwrap();
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
            return Ok(response);
        }
    }
    let root = shared.root.clone();
    let body = body.to_bytes();
    let answered = tokio::task::spawn_blocking(move || backend(&root, &head, &body)).await;
    Ok(answered.unwrap())
}

/// Runs `git http-backend` as a web server runs a CGI program.
fn backend(root: &Path, head: &hyper::http::request::Parts, body: &[u8]) -> Response<Full<Bytes>> {
    let header = |name: &str| {
        let value = head.headers.get(name).map(|value| value.to_str().unwrap());
        value.unwrap_or_default().to_owned()
    };
    let mut child = git_command()
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REQUEST_METHOD", head.method.as_str())
        .env("PATH_INFO", head.uri.path())
        .env("QUERY_STRING", head.uri.query().unwrap_or_default())
        .env("CONTENT_TYPE", header("content-type"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
        .env("GIT_PROTOCOL", header("git-protocol"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut out = Vec::new();
    std::thread::scope(|scope| {
        // It may answer before it has read everything.
        scope.spawn(move || drop(stdin.write_all(body)));
        child.stdout.take().unwrap().read_to_end(&mut out).unwrap();
    });
    child.wait().unwrap();
    let end = out.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.expect("http-backend prints a header");
    let mut response = Response::new(Full::new(Bytes::copy_from_slice(&out[end + 4..])));
    for line in String::from_utf8_lossy(&out[..end]).lines() {
        let (name, value) = line.split_once(": ").unwrap();
        if name == "Status" {
            *response.status_mut() = value[..3].parse().unwrap();
        } else {
            let headers: &mut HeaderMap = response.headers_mut();
            headers.insert(
                hyper::header::HeaderName::try_from(name).unwrap(),
                value.parse().unwrap(),
            );
        }
    }
    response
}

fn plain(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::new()));
    *response.status_mut() = status;
    response
}

/// Git as the other side uses it: without the developer's configuration, with a fixed author and time.
#[expect(
    clippy::disallowed_methods,
    reason = "the other side of the transport is a real git, too"
)]
fn git_command() -> Command {
    let mut command = Command::new("git");
    command
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null");
    for who in ["AUTHOR", "COMMITTER"] {
        command
            .env(format!("GIT_{who}_NAME"), "Ada Lovelace")
            .env(format!("GIT_{who}_EMAIL"), "ada@example.com")
            .env(format!("GIT_{who}_DATE"), "2025-03-14T10:32:00Z");
    }
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn the_git_server_serves_refuses_redirects_and_holds_back() {
    let dir = tempfile::tempdir().unwrap();
    let repository = Repository::create(dir.path().join("a.git"));
    let sha = repository.commit("main", &[("f", "text")], "one");
    assert!(repository.path().ends_with("a.git"));
    let (server, other) = (
        GitServer::start(dir.path(), Some("hunter22")).await,
        GitServer::start(dir.path(), None).await,
    );
    let list = |url: String| {
        tokio::task::spawn_blocking(move || {
            let mut git = git_command();
            git.args(["-c", "credential.helper=", "ls-remote", &url])
                .env("GIT_TERMINAL_PROMPT", "0");
            let output = git.output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        })
    };
    assert!(list(other.url("a.git")).await.unwrap().contains(&sha));
    assert_eq!(list(server.url("a.git")).await.unwrap(), "");
    server.behave(Behaviour::Status(503));
    assert_eq!(list(server.url("a.git")).await.unwrap(), "");
    server.behave(Behaviour::Redirect(
        other.url("").trim_end_matches('/').into(),
    ));
    assert!(list(server.url("a.git")).await.unwrap().contains(&sha));
    other.behave(Behaviour::Hold);
    let before = other.seen().len();
    let held = list(other.url("a.git"));
    other.arrived(before + 1).await;
    assert!(!held.is_finished());
    other.behave(Behaviour::Serve);
    assert!(held.await.unwrap().contains(&sha));
    let seen = other.seen().pop().unwrap();
    assert!(seen.path.starts_with("/a.git") && seen.authorization.is_none());
    other.speak_of_old();
    assert!(list(other.url("a.git")).await.unwrap().contains(&sha));
}

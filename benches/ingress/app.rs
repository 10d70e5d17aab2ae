//! A web app to be deployed: it says its version in every answer, takes slow uploads, gives slow and large answers, echoes
//! over WebSockets, and can be told to behave badly at its start and at its end.

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, Role};
use tokio_util::task::TaskTracker;

/// What a small answer's body is filled up to: the size proxies are usually measured with.
const SMALL: usize = 120;
/// The size of a large answer.
const LARGE: usize = 1024 * 1024;
/// In how many pieces a slow answer comes.
pub(crate) const PIECES: u32 = 10;
/// Between two pieces of a slow answer.
pub(crate) const PAUSE: Duration = Duration::from_millis(100);
/// How long a WebSocket that is told to end may take to agree.
const FAREWELL: Duration = Duration::from_secs(1);

#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Options {
    /// Where to listen
    #[arg(long, default_value = "0.0.0.0:8080")]
    pub(crate) listen: SocketAddr,
    /// What it says of itself
    #[arg(long, env = "APP_VERSION", default_value = "v0")]
    pub(crate) version: String,
    /// Answers 503, to the health check too, for so many milliseconds
    #[arg(long, env = "APP_READY_AFTER", default_value_t = 0)]
    pub(crate) ready_after: u64,
    /// Answers 503 for ever
    #[arg(long, env = "APP_NEVER_READY")]
    pub(crate) never_ready: bool,
    /// Goes on as before when it is told to stop
    #[arg(long, env = "APP_DEAF")]
    pub(crate) deaf: bool,
}

type Body = BoxBody<Bytes, Infallible>;

/// What requests share.
struct App {
    version: HeaderValue,
    ready: AtomicBool,
    large: Bytes,
    stopped: watch::Receiver<bool>,
    /// Connections and WebSockets that still live.
    alive: TaskTracker,
}

/// Serves until SIGTERM, then finishes what is under way.
pub(crate) async fn serve(options: Options) {
    let listener = TcpListener::bind(options.listen).await.unwrap();
    let mut terminated = signal(SignalKind::terminate()).unwrap();
    let (stop, stopped) = watch::channel(false);
    let app = Arc::new(App {
        version: HeaderValue::from_str(&options.version).unwrap(),
        ready: AtomicBool::new(options.ready_after == 0 && !options.never_ready),
        large: Bytes::from(vec![b'x'; LARGE]),
        stopped,
        alive: TaskTracker::new(),
    });
    if options.ready_after > 0 && !options.never_ready {
        let app = Arc::clone(&app);
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(options.ready_after)).await;
            app.ready.store(true, Ordering::Relaxed);
        });
    }
    eprintln!("{} listens at {}", options.version, options.listen);
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = terminated.recv() => if options.deaf { continue } else { break },
        };
        // A client that went away before it was taken in is nobody's loss.
        let Ok((stream, _)) = stream else { continue };
        let _ = stream.set_nodelay(true);
        app.alive.spawn(serve_one(Arc::clone(&app), stream));
    }
    drop(listener);
    stop.send_replace(true);
    app.alive.close();
    app.alive.wait().await;
}

/// Serves a connection to its end; after the stop only what is under way on it.
async fn serve_one(app: Arc<App>, stream: TcpStream) {
    let mut stopped = app.stopped.clone();
    let answers = hyper::service::service_fn(move |request| answer(Arc::clone(&app), request));
    let connection = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), answers)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = stopped.wait_for(|stopped| *stopped) => {}
    }
    connection.as_mut().graceful_shutdown();
    // How it ends is the client's affair.
    let _ = connection.await;
}

async fn answer(app: Arc<App>, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let mut response = match (request.method(), request.uri().path()) {
        _ if !app.ready.load(Ordering::Relaxed) => {
            status(StatusCode::SERVICE_UNAVAILABLE, "not ready yet\n")
        }
        (&Method::GET, "/up") => status(StatusCode::OK, "up\n"),
        (&Method::GET, "/" | "/small") => full(small(&app)),
        (&Method::GET, "/large") => full(app.large.clone()),
        (&Method::GET, "/slow") => Response::new(slowly()),
        (&Method::GET, "/page") => page(),
        (&Method::POST, "/digest") => digested(request).await,
        (&Method::POST, "/echo") => Response::new(endless(request.into_body())),
        (&Method::GET, "/socket") => upgraded(&app, request),
        _ => status(StatusCode::NOT_FOUND, "no such path\n"),
    };
    let headers = response.headers_mut();
    headers.insert("x-version", app.version.clone());
    Ok(response)
}

fn full(bytes: Bytes) -> Response<Body> {
    Response::new(Full::new(bytes).boxed())
}

fn status(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = full(Bytes::from_static(text.as_bytes()));
    *response.status_mut() = status;
    response
}

fn small(app: &App) -> Bytes {
    let mut text = format!("version {}\n", app.version.to_str().unwrap());
    while text.len() < SMALL {
        text.push('.');
    }
    Bytes::from(text)
}

/// What a browser is shown: it says on its page what came back over a WebSocket. The picture, which is none, takes its
/// time, and until it has come the page is not whole.
fn page() -> Response<Body> {
    let text = "<!doctype html><title>page</title><p id=\"said\">waiting</p><img src=\"/slow\"><script>\n\
        const socket = new WebSocket(`ws://${location.host}/socket`);\n\
        socket.onopen = () => socket.send('from the page');\n\
        socket.onmessage = (event) => { document.getElementById('said').textContent = `came back: ${event.data}`; };\n\
        socket.onerror = () => { document.getElementById('said').textContent = 'failed'; };\n\
        </script>\n";
    let mut response = full(Bytes::from_static(text.as_bytes()));
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, html);
    response
}

/// What a slow answer says in full.
pub(crate) fn slow_text() -> String {
    (0..PIECES).map(slow_piece).collect()
}

fn slow_piece(number: u32) -> String {
    format!("piece {number} of {PIECES}\n")
}

fn slowly() -> Body {
    let pieces = futures_util::stream::unfold(0, |number| async move {
        if number == PIECES {
            return None;
        }
        tokio::time::sleep(PAUSE).await;
        let piece = Frame::data(Bytes::from(slow_piece(number)));
        Some((Ok::<_, Infallible>(piece), number + 1))
    });
    BodyExt::boxed(StreamBody::new(pieces))
}

/// SHA-256 of the bytes, in hexadecimal.
pub(crate) fn hexadecimal(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn digested(request: Request<Incoming>) -> Response<Body> {
    let mut body = request.into_body();
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    while let Some(frame) = body.frame().await {
        // A client that went away gets no answer anyway.
        let Ok(frame) = frame else {
            return status(StatusCode::BAD_REQUEST, "the body broke off\n");
        };
        if let Some(data) = frame.data_ref() {
            context.update(data);
        }
    }
    full(Bytes::from(hexadecimal(context.finish().as_ref())))
}

/// The body as it comes in; one that breaks off ends the answer early.
fn endless(body: Incoming) -> Body {
    let frames = futures_util::stream::unfold(body, |mut body| async move {
        let frame = body.frame().await?.ok()?;
        Some((Ok::<_, Infallible>(frame), body))
    });
    BodyExt::boxed(StreamBody::new(frames))
}

fn upgraded(app: &Arc<App>, mut request: Request<Incoming>) -> Response<Body> {
    let Some(key) = request.headers().get("sec-websocket-key") else {
        return status(StatusCode::UPGRADE_REQUIRED, "a WebSocket is wanted here\n");
    };
    let accept = derive_accept_key(key.as_bytes());
    let upgrade = hyper::upgrade::on(&mut request);
    let stopped = app.stopped.clone();
    app.alive.spawn(async move {
        let Ok(upgraded) = upgrade.await else { return };
        let io = TokioIo::new(upgraded);
        let socket = WebSocketStream::from_raw_socket(io, Role::Server, None).await;
        echo(socket, stopped).await;
    });
    let mut response = status(StatusCode::SWITCHING_PROTOCOLS, "");
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    let accept = HeaderValue::from_str(&accept).unwrap();
    headers.insert("sec-websocket-accept", accept);
    response
}

/// Sends back what comes until either side ends it; who is told to stop says so to the other side.
async fn echo<S>(mut socket: WebSocketStream<S>, mut stopped: watch::Receiver<bool>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    loop {
        let message = tokio::select! {
            message = socket.next() => message,
            _ = stopped.wait_for(|stopped| *stopped) => break,
        };
        match message {
            Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => {
                if socket.send(message).await.is_err() {
                    return;
                }
            }
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return,
        }
    }
    let going = CloseFrame {
        code: CloseCode::Away,
        reason: "this version ends".into(),
    };
    let _ = socket.close(Some(going)).await;
    let agreed = async { while let Some(Ok(_)) = socket.next().await {} };
    let _ = tokio::time::timeout(FAREWELL, agreed).await;
}

//! Apps: small servers on addresses of the loopback network.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::SocketAddrV4;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How long `/slow` takes.
pub const SLOW: Duration = Duration::from_secs(1);

/// An app that answers with its name; it ends when this is dropped.
pub struct Upstream {
    pub address: SocketAddrV4,
    /// How many requests for `/slow` have arrived, and how many of whose bodies the first byte has.
    pub slow: watch::Receiver<u64>,
    pub uploads: watch::Receiver<u64>,
    serving: JoinSet<()>,
}

struct App {
    name: String,
    slow: watch::Sender<u64>,
    uploads: watch::Sender<u64>,
}

impl Upstream {
    pub fn begin(name: &str, host: [u8; 4]) -> Self {
        Self::begin_at(name, SocketAddrV4::new(host.into(), 0))
    }

    pub fn begin_at(name: &str, address: SocketAddrV4) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(address.into()).unwrap();
        let listener = socket.listen(1024).unwrap();
        let std::net::SocketAddr::V4(address) = listener.local_addr().unwrap() else {
            panic!("it was bound to IPv4")
        };
        let (slow, arrived) = watch::channel(0);
        let (uploads, uploading) = watch::channel(0);
        let app = App {
            name: name.to_owned(),
            slow,
            uploads,
        };
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, Arc::new(app)));
        Self {
            address,
            slow: arrived,
            uploads: uploading,
            serving,
        }
    }
}

impl Upstream {
    /// Ends it: when this returns, nobody listens there.
    pub async fn end(mut self) {
        self.serving.shutdown().await;
    }
}

async fn serve(listener: TcpListener, app: Arc<App>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let app = Arc::clone(&app);
        let service = service_fn(move |request| answer(Arc::clone(&app), request));
        connections.spawn(
            hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades(),
        );
    }
}

async fn answer(
    app: Arc<App>,
    mut request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut answer = Response::new(Full::default());
    match request.uri().path() {
        "/slow" => {
            app.slow.send_modify(|arrived| *arrived += 1);
            tokio::time::sleep(SLOW).await;
            *answer.body_mut() = app.name.clone().into();
        }
        "/hang" => {
            app.slow.send_modify(|arrived| *arrived += 1);
            std::future::pending::<()>().await;
        }
        "/upload" => {
            let mut length = 0;
            while let Some(frame) = request.body_mut().frame().await {
                let Ok(frame) = frame else {
                    *answer.status_mut() = StatusCode::BAD_REQUEST;
                    break;
                };
                if length == 0 {
                    app.uploads.send_modify(|arrived| *arrived += 1);
                }
                length += frame.data_ref().map_or(0, Bytes::len);
            }
            *answer.body_mut() = length.to_string().into();
        }
        "/echo" => {
            *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            for (name, value) in [(header::CONNECTION, "upgrade"), (header::UPGRADE, "echo")] {
                let value = header::HeaderValue::from_static(value);
                answer.headers_mut().insert(name, value);
            }
            tokio::spawn(echo(request));
        }
        _ => *answer.body_mut() = app.name.clone().into(),
    }
    Ok(answer)
}

async fn echo(request: Request<Incoming>) {
    let upgraded = hyper::upgrade::on(request).await.unwrap();
    let mut stream = TokioIo::new(upgraded);
    let mut heard = [0; 64];
    while let Ok(length @ 1..) = stream.read(&mut heard).await {
        if stream.write_all(&heard[..length]).await.is_err() {
            return;
        }
    }
}

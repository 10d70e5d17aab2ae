//! One question to a container, from the host.

use crate::core::ports::{Probe, ProbeAnswer};
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use nix::sys::socket::{setsockopt, sockopt};
use std::net::SocketAddrV4;
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

/// A container is one hop away: what does not connect by then is not listening yet.
const CONNECT_LIMIT: Duration = Duration::from_millis(200);
/// How long an answer may take; a slow first page is asked again.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

pub(super) async fn ask(probe: &Probe) -> ProbeAnswer {
    let asked = match probe {
        Probe::Tcp { address } => connect(*address).await.map(drop),
        Probe::Http { address, path } => match timeout(ANSWER_LIMIT, get(*address, path)).await {
            Ok(asked) => asked,
            Err(_) => Err(format!(
                "{address}{path} did not answer within {} s",
                ANSWER_LIMIT.as_secs()
            )),
        },
    };
    match asked {
        Ok(()) => ProbeAnswer::Ready,
        Err(why) => ProbeAnswer::NotReady(why),
    }
}

/// Connects to a neighbour only: while the bridge does not exist yet, a plain connect would leave by the default route
/// and could reach a stranger.
async fn connect(address: SocketAddrV4) -> Result<TcpStream, String> {
    let socket = TcpSocket::new_v4().map_err(|error| format!("no socket: {error}"))?;
    setsockopt(&socket, sockopt::DontRoute, &true)
        .map_err(|error| format!("SO_DONTROUTE: {error}"))?;
    match timeout(CONNECT_LIMIT, socket.connect(address.into())).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            Err(format!("nothing listens on {address} (connection refused)"))
        }
        Ok(Err(error)) => Err(format!("{address} cannot be reached ({error})")),
        Err(_) => Err(format!(
            "{address} did not accept a connection within {} ms",
            CONNECT_LIMIT.as_millis()
        )),
    }
}

async fn get(address: SocketAddrV4, path: &str) -> Result<(), String> {
    let stream = connect(address).await?;
    let broken =
        |error: hyper::Error| format!("GET {path} on {address} got no HTTP answer ({error})");
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let request = Request::get(path)
        .header(header::HOST, address.to_string())
        .header(header::USER_AGENT, "longshore-probe")
        .body(Empty::<Bytes>::new())
        .map_err(|error| format!("health.path '{path}' is not a path ({error})"))?;
    let answer = sender.send_request(request);
    tokio::pin!(answer);
    // The connection ends with this function: an answer's body is not waited for. A server that closes after its answer
    // ends the connection in the moment the answer is there: it must still be taken.
    let answer = tokio::select! {
        answer = &mut answer => answer,
        _ = connection => answer.await,
    };
    let answer = answer.map_err(broken)?;
    let status = answer.status();
    if status.is_success() || status.is_redirection() {
        Ok(())
    } else {
        Err(format!(
            "GET {path} on {address} answered {}",
            describe(status)
        ))
    }
}

fn describe(status: StatusCode) -> String {
    match status.canonical_reason() {
        Some(reason) => format!("{} {reason}", status.as_u16()),
        None => status.as_u16().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    fn v4(address: SocketAddr) -> SocketAddrV4 {
        match address {
            SocketAddr::V4(address) => address,
            SocketAddr::V6(_) => panic!("bound to IPv4"),
        }
    }

    async fn answer_once(answer: &'static str) -> SocketAddrV4 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = v4(listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        address
    }

    async fn ask_for(answer: &'static str) -> ProbeAnswer {
        let address = answer_once(answer).await;
        ask(&Probe::Http {
            address,
            path: "/up".into(),
        })
        .await
    }

    #[tokio::test]
    async fn success_and_redirection_are_ready_and_an_error_is_named() {
        assert_eq!(
            ask_for("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await,
            ProbeAnswer::Ready
        );
        assert_eq!(
            ask_for("HTTP/1.1 302 Found\r\nlocation: /login\r\ncontent-length: 0\r\n\r\n").await,
            ProbeAnswer::Ready
        );
        let ProbeAnswer::NotReady(why) =
            ask_for("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n").await
        else {
            panic!("503 is not ready");
        };
        assert!(why.ends_with("answered 503 Service Unavailable"), "{why}");
    }

    #[tokio::test]
    async fn silence_nonsense_and_a_closed_port_are_not_ready_and_say_so() {
        for answer in ["", "hello\r\n\r\n"] {
            assert!(
                matches!(ask_for(answer).await, ProbeAnswer::NotReady(_)),
                "{answer:?}"
            );
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = v4(listener.local_addr().unwrap());
        assert_eq!(ask(&Probe::Tcp { address }).await, ProbeAnswer::Ready);
        drop(listener);
        let ProbeAnswer::NotReady(why) = ask(&Probe::Tcp { address }).await else {
            panic!("nobody listens")
        };
        assert!(why.contains("connection refused"), "{why}");
    }
}

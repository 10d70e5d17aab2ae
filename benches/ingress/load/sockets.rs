//! WebSockets: those that live until the server ends them, and those that end by themselves.

use super::client;
use super::report::{self, Failure, Kind, Outcome};
use super::{Load, now};
use futures_util::{SinkExt as _, StreamExt as _};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, Message};

/// Between two messages of a WebSocket that lives long.
const EVERY: Duration = Duration::from_millis(250);
/// How many messages a short one sends, and how long it rests after each.
const MESSAGES: u32 = 5;
const REST: Duration = Duration::from_millis(100);
/// Before one that failed is opened again: a server that is down is asked as often as by the other kinds, no more.
const AGAIN: Duration = Duration::from_millis(100);

type Socket = WebSocketStream<TcpStream>;

/// How an echo ended.
enum Echo {
    Came,
    /// The server said in good order that the WebSocket ends.
    Ended,
}

async fn open(load: &Load, number: u64) -> Result<(Socket, String), Failure> {
    let stream = client::tcp(load).await?;
    let address = format!("ws://{}/socket", load.host(number));
    match tokio_tungstenite::client_async(address, stream).await {
        Ok((socket, response)) => {
            let version = response.headers().get("x-version");
            let version = version.and_then(|version| version.to_str().ok());
            Ok((socket, version.unwrap_or("unknown").to_owned()))
        }
        Err(Error::Http(response)) => {
            let body = response.body().as_deref().unwrap_or_default();
            let what = format!("status {}", response.status().as_u16());
            Err(Failure::new(&what, &String::from_utf8_lossy(body)))
        }
        Err(error) => Err(Failure::of("no WebSocket", &error)),
    }
}

/// Sends a message and waits until it comes back.
async fn echo(socket: &mut Socket, text: &str) -> Result<Echo, Failure> {
    let broke = |error: &Error| Failure::of("a WebSocket that breaks", error);
    match socket.send(Message::text(text)).await {
        // What the server said last is still to be read.
        Ok(()) | Err(Error::ConnectionClosed | Error::Io(_)) => {}
        Err(error) => return Err(broke(&error)),
    }
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(came))) if came.as_str() == text => return Ok(Echo::Came),
            Some(Ok(Message::Text(came))) => {
                return Err(Failure::new("a wrong echo", came.as_str()));
            }
            Some(Ok(Message::Close(Some(_)))) => return Ok(Echo::Ended),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(other)) => return Err(Failure::new("a wrong echo", &format!("{other:?}"))),
            Some(Err(error)) => return Err(broke(&error)),
            None => return Err(Failure::new("a WebSocket that breaks", "no close frame")),
        }
    }
}

/// Waits for the next message's moment; false if the server ended the WebSocket in good order before it.
async fn rest(load: &Load, socket: &mut Socket, moment: Instant) -> Result<bool, Failure> {
    tokio::select! {
        _ = load.until(moment) => Ok(true),
        message = socket.next() => match message {
            Some(Ok(Message::Close(Some(_)))) => Ok(false),
            Some(Ok(other)) => Err(Failure::new("a wrong echo", &format!("{other:?}"))),
            Some(Err(error)) => Err(Failure::of("a WebSocket that breaks", &error)),
            None => Err(Failure::new("a WebSocket that breaks", "no close frame")),
        },
    }
}

/// Says goodbye; what the other side answers matters to nobody any more.
async fn farewell(load: &Load, mut socket: Socket) {
    let goodbye = async {
        let _ = socket.close(None).await;
        while let Some(Ok(_)) = socket.next().await {}
    };
    let _ = tokio::time::timeout(load.patience, goodbye).await;
}

fn in_time<T>(
    load: &Load,
    result: Result<Result<T, Failure>, tokio::time::error::Elapsed>,
) -> Result<T, Failure> {
    result.unwrap_or_else(|_| {
        Err(Failure::new(
            "no answer in time",
            &format!("{:?}", load.patience),
        ))
    })
}

/// Keeps one WebSocket open until the time is over, and reports every message's way and every end.
pub(crate) async fn keep_one(load: Arc<Load>, number: u64, began: Instant, until: Instant) {
    // Spread over the interval, so that not all of them send at once.
    let mut due = began + EVERY / 7 * u32::try_from(number % 7).expect("below seven");
    let report = |kind: Kind, due: Instant, result: Result<String, Failure>| {
        let host = load.host(number).to_owned();
        // The receiver lives as long as the load does.
        let _ = load.outcomes.send(Outcome {
            kind,
            host,
            due,
            ended: now(),
            result,
        });
    };
    let mut open_socket: Option<(Socket, String)> = None;
    while due < until && load.until(due).await {
        let (mut socket, version) = match open_socket.take() {
            Some(open) => open,
            None => match in_time(
                &load,
                tokio::time::timeout(load.patience, open(&load, number)).await,
            ) {
                Ok(open) => open,
                Err(failure) => {
                    report(Kind::Socket, due, Err(failure));
                    due = due.max(now()) + AGAIN;
                    continue;
                }
            },
        };
        let text = format!("message of {number} due at {:?}", due - began);
        let echoed = tokio::time::timeout(load.patience, echo(&mut socket, &text)).await;
        let moment = due;
        due += EVERY;
        match in_time(&load, echoed) {
            Ok(Echo::Came) => report(Kind::Socket, moment, Ok(version.clone())),
            Ok(Echo::Ended) => {
                report(Kind::Socket, moment, Ok(report::CROSSED.to_owned()));
                farewell(&load, socket).await;
                continue;
            }
            Err(failure) => {
                report(Kind::Socket, moment, Err(failure));
                continue;
            }
        }
        match rest(&load, &mut socket, due.min(until)).await {
            Ok(true) => open_socket = Some((socket, version)),
            Ok(false) => {
                report(Kind::Socket, now(), Ok(report::ENDED.to_owned()));
                farewell(&load, socket).await;
            }
            Err(failure) => report(Kind::Socket, now(), Err(failure)),
        }
    }
    if let Some((socket, _)) = open_socket {
        farewell(&load, socket).await;
    }
}

/// One that exchanges its messages and ends; the server may not end it before.
pub(crate) async fn short(load: &Arc<Load>, number: u64, due: Instant) -> Outcome {
    let exchange = async {
        let (mut socket, version) = open(load, number).await?;
        for message in 0..MESSAGES {
            match echo(&mut socket, &format!("{message} of {number}")).await? {
                Echo::Came => tokio::time::sleep(REST).await,
                Echo::Ended => {
                    return Err(Failure::new("a WebSocket ended too early", "by the server"));
                }
            }
        }
        Ok((socket, version))
    };
    let exchanged = tokio::time::timeout(load.patience, exchange).await;
    let (ended, result) = match in_time(load, exchanged) {
        Ok((socket, version)) => {
            let ended = now();
            farewell(load, socket).await;
            (ended, Ok(version))
        }
        Err(failure) => (now(), Err(failure)),
    };
    Outcome {
        kind: Kind::ShortSocket,
        host: load.host(number).to_owned(),
        due,
        ended,
        result,
    }
}

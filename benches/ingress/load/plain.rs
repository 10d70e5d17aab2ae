//! Small requests, slow uploads and slow answers.

use super::client::{self, Answer, Body};
use super::report::{Failure, Kind, Outcome};
use super::{Load, now};
use crate::app;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, StreamBody};
use hyper::body::Frame;
use hyper::{Method, Request, header};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// An upload's pieces: so many, so large, with such pauses between them.
const PIECES: u8 = 10;
const PIECE: usize = 8 * 1024;
const PAUSE: Duration = Duration::from_millis(100);

/// Opens the kept connections; those that cannot be opened will be missed later.
pub(crate) async fn fill_pool(load: &Arc<Load>, connections: usize) {
    for _ in 0..connections {
        if let Ok(connection) = client::connect(load).await {
            load.pool.put(connection);
        }
    }
}

fn request(load: &Load, number: u64, method: Method, path: &str, body: Body) -> Request<Body> {
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = path.parse().expect("a path");
    let host = load.host(number).parse().expect("a host");
    request.headers_mut().insert(header::HOST, host);
    request
}

fn alone(request: &mut Request<Body>) {
    let close = header::HeaderValue::from_static("close");
    request.headers_mut().insert(header::CONNECTION, close);
}

/// A small request, on a kept connection or on its own in turn.
pub(crate) async fn small(load: &Arc<Load>, number: u64, due: Instant) -> Outcome {
    // Each host gets both kinds.
    let fresh = (number / load.hosts.len() as u64).is_multiple_of(2);
    let mut request = request(load, number, Method::GET, "/small", Empty::new().boxed());
    let kind = if fresh { Kind::Fresh } else { Kind::Kept };
    let asked = async {
        let answer = if fresh {
            alone(&mut request);
            client::ask_fresh(load, request).await?
        } else {
            client::ask_kept(load, request).await?
        };
        let expected = format!("version {}\n", answer.version);
        expect(&answer, answer.body.starts_with(expected.as_bytes()))?;
        Ok(answer.version)
    };
    outcome(load, number, kind, due, asked).await
}

/// A body that comes in pieces over about a second, whose digest must come back.
pub(crate) async fn upload(load: &Arc<Load>, number: u64, due: Instant) -> Outcome {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    for piece in 0..PIECES {
        context.update(&piece_of(number, piece));
    }
    let expected = app::hexadecimal(context.finish().as_ref());
    let pieces = futures_util::stream::unfold(0, move |piece| async move {
        if piece == PIECES {
            return None;
        }
        tokio::time::sleep(PAUSE).await;
        let frame = Frame::data(piece_of(number, piece));
        Some((Ok::<_, Infallible>(frame), piece + 1))
    });
    let body = StreamBody::new(pieces).boxed();
    let mut request = request(load, number, Method::POST, "/digest", body);
    alone(&mut request);
    let asked = async {
        let answer = client::ask_fresh(load, request).await?;
        expect(&answer, answer.body == expected.as_bytes())?;
        Ok(answer.version)
    };
    outcome(load, number, Kind::Upload, due, asked).await
}

fn piece_of(number: u64, piece: u8) -> Bytes {
    let seed = number.to_le_bytes();
    (0..PIECE)
        .map(|place| seed[place % seed.len()] ^ piece.wrapping_mul(31) ^ place.to_le_bytes()[0])
        .collect()
}

/// An answer that comes in pieces over about a second.
pub(crate) async fn slow(load: &Arc<Load>, number: u64, due: Instant) -> Outcome {
    let mut request = request(load, number, Method::GET, "/slow", Empty::new().boxed());
    alone(&mut request);
    let asked = async {
        let answer = client::ask_fresh(load, request).await?;
        expect(&answer, answer.body == app::slow_text().as_bytes())?;
        Ok(answer.version)
    };
    outcome(load, number, Kind::Slow, due, asked).await
}

fn expect(answer: &Answer, right: bool) -> Result<(), Failure> {
    if right {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&answer.body);
    Err(Failure::new("a wrong body", &text))
}

async fn outcome(
    load: &Load,
    number: u64,
    kind: Kind,
    due: Instant,
    asked: impl Future<Output = Result<String, Failure>>,
) -> Outcome {
    let result = match tokio::time::timeout(load.patience, asked).await {
        Ok(result) => result,
        Err(_) => Err(Failure::new(
            "no answer in time",
            &format!("{:?}", load.patience),
        )),
    };
    Outcome {
        kind,
        host: load.host(number).to_owned(),
        due,
        ended: now(),
        result,
    }
}

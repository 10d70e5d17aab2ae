//! Connections on a clock that goes on when everybody waits.

use super::*;
use crate::serve::table::Table;
use crate::serve::{BODY, HEAD, IDLE, Limits, STALL, Serving};
use axum::extract::Request as Asked;
use axum::routing::{get, post};
use tokio::io::{DuplexStream, duplex};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A connection of a client, on a clock that goes on when everybody waits.
struct Client {
    stream: DuplexStream,
    served: JoinHandle<()>,
    stop: watch::Sender<bool>,
    table: Arc<Table>,
}

async fn echo(request: Asked) -> String {
    match axum::body::to_bytes(request.into_body(), 1 << 20).await {
        Ok(bytes) => format!("{} bytes", bytes.len()),
        Err(error) => format!("failed: {error:?}"),
    }
}

fn connect(buffer: usize) -> Client {
    let router = Router::new()
        .route("/", get(async || "hello"))
        .route("/echo", post(echo))
        .route("/ignored", post(async || "ignored"))
        .route("/large", get(async || "x".repeat(1 << 20)))
        .route("/never", get(std::future::pending::<&'static str>));
    let (stop, stopped) = watch::channel(false);
    let table = Arc::new(Table::new(1));
    let serving = Serving {
        router,
        limits: Limits::with_open_files(1 << 20),
        table: Arc::clone(&table),
        stopped,
    };
    let (stream, other) = duplex(buffer);
    let place = table.enter().expect("it is the first");
    let served = tokio::spawn(serve(other, |_| Peer::Local("ann".into()), serving, place));
    Client {
        stream,
        served,
        stop,
        table,
    }
}

impl Client {
    async fn send(&mut self, bytes: &str) {
        self.stream.write_all(bytes.as_bytes()).await.unwrap();
    }

    /// One answer with a body of known length.
    async fn answer(&mut self) -> String {
        let mut read = Vec::new();
        loop {
            let byte = self.stream.read_u8().await;
            read.push(
                byte.unwrap_or_else(|_| panic!("it ended: {}", String::from_utf8_lossy(&read))),
            );
            let text = String::from_utf8_lossy(&read);
            let Some((head, body)) = text.split_once("\r\n\r\n") else {
                continue;
            };
            let head = head.to_ascii_lowercase();
            let length = head
                .split("content-length: ")
                .nth(1)
                .and_then(|rest| rest.lines().next());
            if Some(body.len()) == length.and_then(|length| length.parse().ok()) {
                return text.into_owned();
            }
        }
    }

    async fn rest(&mut self) -> String {
        let mut text = String::new();
        self.stream.read_to_string(&mut text).await.unwrap();
        text
    }
}

const GET: &str = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

/// Virtual seconds since a moment.
fn seconds(since: tokio::time::Instant) -> u64 {
    since.elapsed().as_secs()
}

fn now() -> tokio::time::Instant {
    tokio::time::sleep(Duration::ZERO).deadline()
}

#[tokio::test(start_paused = true)]
async fn who_says_nothing_is_closed_after_the_idle_limit_without_an_answer() {
    let began = now();
    let mut client = connect(1024);
    assert_eq!(client.rest().await, "");
    assert_eq!(seconds(began), IDLE.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_connection_may_wait_longer_for_its_next_request_than_a_head_may_take() {
    let mut client = connect(1024);
    for _ in 0..3 {
        client.send(GET).await;
        assert!(client.answer().await.ends_with("hello"));
        tokio::time::sleep(IDLE - Duration::from_secs(1)).await;
    }
    let began = now();
    assert_eq!(client.rest().await, "");
    // One second is the rest, the other what is left of the limit.
    assert!(seconds(began) <= 2);
}

#[tokio::test(start_paused = true)]
async fn headers_a_byte_at_a_time_are_given_up_with_an_answer() {
    let began = now();
    let mut client = connect(1024);
    let trickle = async {
        for byte in "GET / HTTP/1.1\r\nHost: xxxxxxxxxxxxxxxxxxxx".bytes() {
            client.stream.write_u8(byte).await.unwrap();
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    };
    trickle.await;
    let answer = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("\"code\":\"request_timeout\""), "{answer}");
    assert!(seconds(began) < 30);
}

#[tokio::test(start_paused = true)]
async fn a_slow_second_head_ends_the_connection() {
    let mut client = connect(1024);
    client.send(GET).await;
    client.answer().await;
    let began = now();
    client.send("GET / HT").await;
    assert_eq!(client.rest().await, "");
    assert_eq!(seconds(began), HEAD.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_second_head_that_came_half_with_the_first_request_is_not_lost() {
    let mut client = connect(1024);
    client.send(&format!("{GET}GET / HTTP/1.1\r\nHo")).await;
    client.answer().await;
    tokio::time::sleep(HEAD / 2).await;
    client.send("st: x\r\n\r\n").await;
    assert!(client.answer().await.ends_with("hello"));
}

#[tokio::test(start_paused = true)]
async fn nonsense_after_a_request_and_a_pause_is_refused_in_json_too() {
    let mut client = connect(1024);
    client.send(GET).await;
    client.answer().await;
    tokio::time::sleep(IDLE / 2).await;
    client.send("nonsense\r\n\r\n").await;
    let answer = client.answer().await;
    assert!(answer.contains("\"code\":\"invalid_request\""), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_trickles_fails_for_its_reader_when_its_time_is_up() {
    let began = now();
    let mut client = connect(1024);
    client
        .send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
        .await;
    let (mut reader, mut writer) = tokio::io::split(client.stream);
    let trickling = tokio::spawn(async move {
        while writer.write_u8(b'x').await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    let mut answer = String::new();
    reader.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains("TimedOut"), "{answer}");
    assert_eq!(seconds(began), BODY.as_secs());
    client.served.await.unwrap();
    drop(reader);
    trickling.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_never_reads_the_answer_is_given_up() {
    let began = now();
    let mut client = connect(1024);
    client.send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n").await;
    (&mut client.served).await.unwrap();
    assert_eq!(seconds(began), STALL.as_secs());
}

#[tokio::test(start_paused = true)]
async fn who_reads_slowly_gets_it_all() {
    let mut client = connect(1024);
    client.send("GET /large HTTP/1.0\r\n\r\n").await;
    let (mut all, mut piece) = (0, [0; 8192]);
    loop {
        match client.stream.read(&mut piece).await.unwrap() {
            0 => break,
            length => all += length,
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(all > 1 << 20, "{all}");
}

#[tokio::test(start_paused = true)]
async fn what_is_no_http_is_refused_in_json() {
    let mut client = connect(1024);
    client.send("\x16\x03\x01\x02 client hello\r\n\r\n").await;
    let answer = client.answer().await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains("\"code\":\"invalid_request\""), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_head_beyond_the_buffer_is_refused_as_too_large() {
    let mut client = connect(1 << 20);
    client
        .send(&format!(
            "GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n",
            "x".repeat(200_000)
        ))
        .await;
    let answer = client.answer().await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    assert!(
        answer.contains("\"code\":\"headers_too_large\""),
        "{answer}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_came_before_the_body_is_read_is_not_torn_away() {
    let mut client = connect(1024);
    client
        .send("POST /ignored HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
        .await;
    // All of the body is sent before anything is read.
    client.stream.write_all(&[b'x'; 100_000]).await.unwrap();
    assert!(client.rest().await.ends_with("ignored"));
}

#[tokio::test(start_paused = true)]
async fn who_expects_it_is_told_to_go_on_with_the_body() {
    let mut client = connect(1024);
    client
        .send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        .await;
    let mut told = [0; 25];
    client.stream.read_exact(&mut told).await.unwrap();
    assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
    client.send("abc").await;
    assert!(client.answer().await.ends_with("3 bytes"));
}

#[tokio::test(start_paused = true)]
async fn requests_in_one_packet_are_answered_in_order() {
    let mut client = connect(4096);
    client
        .send(&format!(
            "{GET}GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n{GET}"
        ))
        .await;
    for status in ["200", "404", "200"] {
        let answer = client.answer().await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_follows_a_chunked_body() {
    let mut client = connect(4096);
    let chunked =
        "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    client.send(&format!("{chunked}{GET}")).await;
    let answers = client.rest().await;
    assert_eq!(answers.matches("HTTP/1.1").count(), 1, "{answers}");
    assert!(answers.contains("3 bytes"), "{answers}");
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_makes_room_and_one_at_work_does_not() {
    let mut idle = connect(1024);
    idle.send(GET).await;
    idle.answer().await;
    assert!(idle.table.enter().is_some());
    assert_eq!(idle.rest().await, "");

    let mut busy = connect(1024);
    busy.send("GET /never HTTP/1.1\r\nHost: x\r\n\r\n").await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!(busy.table.enter().is_none());
    drop(busy.stream);
}

#[tokio::test(start_paused = true)]
async fn a_stop_closes_what_is_idle_and_lets_a_request_end() {
    let mut idle = connect(1024);
    idle.stop.send_replace(true);
    assert_eq!(idle.rest().await, "");

    let mut busy = connect(1024);
    busy.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\na")
        .await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    busy.stop.send_replace(true);
    tokio::time::sleep(Duration::from_secs(1)).await;
    busy.send("bc").await;
    assert!(busy.rest().await.ends_with("3 bytes"));
    busy.served.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_has_only_ended_their_side_still_gets_the_answer() {
    let mut client = connect(1024);
    client
        .send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
        .await;
    client.stream.shutdown().await.unwrap();
    assert!(client.rest().await.ends_with("3 bytes"));
}

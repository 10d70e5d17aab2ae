//! HTTP/2 with prior knowledge, by hyper's h2 as the client.

use super::support::{App, Proxy, ok};
use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, RecvStream};
use hyper::http::{HeaderMap, Request};
use std::future::Future;
use tokio::net::TcpStream;

fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(async {
            tokio::time::timeout(super::support::PATIENCE, test)
                .await
                .unwrap()
        })
}

async fn connect(proxy: &Proxy) -> SendRequest<Bytes> {
    let stream = TcpStream::connect(proxy.address).await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(async move {
        // How it ends is seen by those who use it.
        let _ = connection.await;
    });
    client
}

fn get(path: &str) -> Request<()> {
    Request::get(format!("http://web.example.com{path}"))
        .body(())
        .unwrap()
}

async fn whole(answer: ResponseFuture) -> (u16, HeaderMap, Vec<u8>, HeaderMap) {
    let answer = answer.await.unwrap();
    let status = answer.status().as_u16();
    let headers = answer.headers().clone();
    let mut body: RecvStream = answer.into_body();
    let mut bytes = Vec::new();
    while let Some(data) = body.data().await {
        let data = data.unwrap();
        body.flow_control().release_capacity(data.len()).unwrap();
        bytes.extend_from_slice(&data);
    }
    let trailers = body.trailers().await.unwrap().unwrap_or_default();
    (status, headers, bytes, trailers)
}

#[test]
fn many_requests_share_a_connection_and_reach_the_app_as_http_1_1() {
    let app = App::mirror();
    let proxy = Proxy::before(&app);
    run(async {
        let mut client = connect(&proxy).await;
        let mut answers = Vec::new();
        for at in 0..20 {
            client = client.ready().await.unwrap();
            let mut request = get(&format!("/{at}?q"));
            request
                .headers_mut()
                .append("cookie", "a=1".parse().unwrap());
            request
                .headers_mut()
                .append("cookie", "b=2".parse().unwrap());
            let (answer, _) = client.send_request(request, true).unwrap();
            answers.push((at, answer));
        }
        for (at, answer) in answers {
            let (status, headers, body, _) = whole(answer).await;
            let head = String::from_utf8(body).unwrap();
            assert_eq!(status, 200);
            assert!(headers.contains_key("x-request-id") && headers.contains_key("date"));
            for line in [
                &format!("GET /{at}?q HTTP/1.1\r\nHost: web.example.com\r\n")[..],
                "\r\nCookie: a=1; b=2\r\n",
                "\r\nX-Forwarded-For: 127.0.0.1\r\n",
                "\r\nX-Forwarded-Host: web.example.com\r\n",
            ] {
                assert!(head.contains(line), "{line} in {head}");
            }
        }
    });
}

#[test]
fn bodies_and_trailers_pass_both_ways() {
    let app = App::new(|mut wire| {
        while let Some(head) = wire.head() {
            assert_eq!(head.field("te"), Some("trailers"));
            let (body, trailers) = wire.chunked();
            let mut answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
            answer.extend_from_slice(format!("{:x}\r\n", body.len()).as_bytes());
            answer.extend_from_slice(&body);
            answer.extend_from_slice(format!("\r\n0\r\n{trailers}\r\n").as_bytes());
            wire.say(answer);
        }
    });
    let proxy = Proxy::before(&app);
    run(async {
        let mut client = connect(&proxy).await.ready().await.unwrap();
        let request = Request::post("http://web.example.com/")
            .header("te", "trailers")
            .body(())
            .unwrap();
        let (answer, mut body) = client.send_request(request, false).unwrap();
        let sent: Vec<u8> = (0..300_000_u32).map(|at| at as u8).collect();
        let sending = async {
            let mut left = &sent[..];
            while !left.is_empty() {
                body.reserve_capacity(left.len());
                let capacity = std::future::poll_fn(|cx| body.poll_capacity(cx))
                    .await
                    .unwrap()
                    .unwrap();
                let (now, later) = left.split_at(capacity.min(left.len()));
                body.send_data(Bytes::copy_from_slice(now), false).unwrap();
                left = later;
            }
            let mut trailers = HeaderMap::new();
            trailers.insert("x-sum", "42".parse().unwrap());
            body.send_trailers(trailers).unwrap();
        };
        let ((), (status, _, got, trailers)) = tokio::join!(sending, whole(answer));
        assert_eq!(status, 200);
        assert!(got == sent);
        assert_eq!(trailers["x-sum"], "42");
    });
}

#[test]
fn our_own_pages_and_the_apps_faults_are_answers_too() {
    let app = App::new(|mut wire| {
        wire.head();
    });
    let proxy = Proxy::with(
        super::support::settings(),
        &[("web.example.com/app", "web", app.target())],
    );
    run(async {
        let mut client = connect(&proxy).await.ready().await.unwrap();
        for (path, status, code) in [("/", 404, "no_route"), ("/app", 502, "upstream_closed")] {
            client = client.ready().await.unwrap();
            let (answer, _) = client.send_request(get(path), true).unwrap();
            let (got, headers, body, _) = whole(answer).await;
            assert_eq!(got, status);
            assert_eq!(headers["x-longshore-error"], code);
            assert!(!body.is_empty());
        }
    });
}

#[test]
fn an_answer_that_breaks_off_is_a_reset_and_the_connection_lives_on() {
    let app = App::new(|mut wire| {
        while let Some(head) = wire.head() {
            if head.target() == "/broken" {
                wire.say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
                return;
            }
            wire.say(ok("whole"));
        }
    });
    let proxy = Proxy::before(&app);
    run(async {
        let mut client = connect(&proxy).await.ready().await.unwrap();
        let (answer, _) = client.send_request(get("/broken"), true).unwrap();
        // The reset may overtake what there was of the answer.
        let reason = match answer.await {
            Err(error) => error.reason(),
            Ok(answer) => {
                let mut body = answer.into_body();
                loop {
                    match body.data().await {
                        Some(Ok(_)) => {}
                        Some(Err(error)) => break error.reason(),
                        None => panic!("it looked whole"),
                    }
                }
            }
        };
        assert_eq!(reason, Some(Reason::INTERNAL_ERROR));
        client = client.ready().await.unwrap();
        let (answer, _) = client.send_request(get("/"), true).unwrap();
        assert_eq!(whole(answer).await.2, b"whole");
    });
}

#[test]
fn what_http_2_forbids_and_what_names_two_hosts_is_refused() {
    let app = App::mirror();
    let proxy = Proxy::before(&app);
    run(async {
        for (name, value) in [("host", "other.example.com"), ("host", "a b")] {
            let mut client = connect(&proxy).await.ready().await.unwrap();
            let mut request = get("/");
            request.headers_mut().insert(name, value.parse().unwrap());
            let (answer, _) = client.send_request(request, true).unwrap();
            assert_eq!(whole(answer).await.0, 400, "{name}: {value}");
        }
        let mut client = connect(&proxy).await.ready().await.unwrap();
        let request = Request::post("http://web.example.com/")
            .header("content-length", "5")
            .body(())
            .unwrap();
        let (answer, mut body) = client.send_request(request, false).unwrap();
        body.send_data(Bytes::from_static(b"abc"), true).unwrap();
        let refused = match answer.await {
            Ok(answer) => answer.status().as_u16() >= 400,
            Err(error) => error.reason() == Some(Reason::PROTOCOL_ERROR),
        };
        assert!(refused, "a body shorter than its length");
    });
}

#[test]
fn a_stop_tells_the_client_and_answers_what_is_under_way() {
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let (tell, told) = std::sync::mpsc::channel::<()>();
    let app = App::answering(move |_| {
        tell.send(()).unwrap();
        wait.lock().unwrap().recv().unwrap();
        ok("done")
    });
    let proxy = Proxy::before(&app);
    run(async {
        let stream = TcpStream::connect(proxy.address).await.unwrap();
        let (client, connection) = h2::client::handshake(stream).await.unwrap();
        let ended = tokio::spawn(connection);
        let mut client = client.ready().await.unwrap();
        let (answer, _) = client.send_request(get("/"), true).unwrap();
        tokio::task::spawn_blocking(move || told.recv().unwrap())
            .await
            .unwrap();
        proxy.begin_stop();
        go.send(()).unwrap();
        assert_eq!(whole(answer).await.2, b"done");
        // GOAWAY without an error ends the connection.
        ended.await.unwrap().unwrap();
    });
}

#[test]
fn a_stream_that_the_client_gives_up_takes_its_request_to_the_app_with_it() {
    let (tell, told) = std::sync::mpsc::channel::<&str>();
    let app = App::new(move |mut wire| {
        if wire.head().is_some() {
            tell.send("asked").unwrap();
            assert!(wire.is_over());
            tell.send("ended").unwrap();
        }
    });
    let proxy = Proxy::before(&app);
    run(async {
        let mut client = connect(&proxy).await.ready().await.unwrap();
        let (answer, mut stream) = client.send_request(get("/"), true).unwrap();
        let told = tokio::task::spawn_blocking(move || {
            assert_eq!(told.recv().unwrap(), "asked");
            told
        });
        let told = told.await.unwrap();
        stream.send_reset(Reason::CANCEL);
        drop(answer);
        tokio::task::spawn_blocking(move || assert_eq!(told.recv().unwrap(), "ended"))
            .await
            .unwrap();
    });
}

#[test]
fn a_flood_of_resets_ends_the_connection() {
    let app = App::mirror();
    let proxy = Proxy::before(&app);
    run(async {
        let mut client = connect(&proxy).await;
        let mut refused = false;
        for _ in 0..5_000 {
            client = match client.ready().await {
                Ok(client) => client,
                Err(_) => {
                    refused = true;
                    break;
                }
            };
            match client.send_request(get("/"), false) {
                Ok((_, mut stream)) => stream.send_reset(Reason::CANCEL),
                Err(_) => {
                    refused = true;
                    break;
                }
            }
        }
        // Whether the flood is cut off depends on who is faster; others are served either way.
        let mut other = connect(&proxy).await.ready().await.unwrap();
        let (answer, _) = other.send_request(get("/"), true).unwrap();
        assert_eq!(whole(answer).await.0, 200, "refused: {refused}");
    });
}

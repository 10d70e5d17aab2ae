//! Bodies on their way, both ways: as they come, whole, with what belongs to them.

use super::support::{App, Proxy, Wire, ok, until};
use proptest::prelude::*;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

/// Whatever body comes, framed in whatever way.
fn body(wire: &mut Wire, head: &super::support::Head) -> (Vec<u8>, String) {
    match (
        head.field("content-length"),
        head.field("transfer-encoding"),
    ) {
        (Some(length), None) => (wire.exactly(length.parse().unwrap()), String::new()),
        (None, Some("chunked")) => wire.chunked(),
        (None, None) => (Vec::new(), String::new()),
        both => panic!("{both:?}"),
    }
}

/// Answers with what it was sent.
fn echo() -> App {
    App::new(|mut wire| {
        while let Some(head) = wire.head() {
            let (body, trailers) = body(&mut wire, &head);
            let answer = if head.target().starts_with("/chunked") {
                let mut answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
                for chunk in body.chunks(10_000) {
                    answer.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                    answer.extend_from_slice(chunk);
                    answer.extend_from_slice(b"\r\n");
                }
                answer.extend_from_slice(format!("0\r\n{trailers}\r\n").as_bytes());
                answer
            } else {
                let mut answer =
                    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len())
                        .into_bytes();
                answer.extend_from_slice(&body);
                answer
            };
            wire.say(answer);
        }
    })
}

fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|at| (at * 7 + at / 251) as u8).collect()
}

#[test]
fn bodies_of_every_size_arrive_whole_both_ways() {
    let app = echo();
    let proxy = Proxy::before(&app);
    for path in ["/", "/chunked"] {
        for count in [
            0, 1, 8_191, 8_192, 16_384, 16_385, 131_072, 1_048_576, 3_000_001,
        ] {
            let sent = bytes(count);
            let mut client = proxy.client();
            let mut writer = client.stream.try_clone().unwrap();
            let text = sent.clone();
            let sending = std::thread::spawn(move || {
                use std::io::Write as _;
                let head = format!(
                    "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n",
                    text.len()
                );
                writer.write_all(head.as_bytes()).unwrap();
                writer.write_all(&text).unwrap();
            });
            assert!(client.answer().body == sent, "{count} bytes to {path}");
            sending.join().unwrap();
        }
    }
}

#[test]
fn a_body_reaches_the_app_before_its_end_is_sent() {
    let (got, seen) = (
        Arc::new(Mutex::new(Vec::new())),
        Arc::new(AtomicUsize::new(0)),
    );
    let app = App::new({
        let (got, seen) = (Arc::clone(&got), Arc::clone(&seen));
        move |mut wire| {
            if wire.head().is_none() {
                return;
            }
            loop {
                let chunk = wire.chunk();
                if chunk.is_empty() {
                    break;
                }
                got.lock().unwrap().push(chunk);
                seen.fetch_add(1, SeqCst);
            }
            wire.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        }
    });
    let proxy = Proxy::before(&app);
    let mut client = proxy.client();
    client.say("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    for at in 1..4 {
        client.say("5\r\nhello\r\n");
        until("the chunk is there", || seen.load(SeqCst) == at);
    }
    client.say("0\r\n\r\n");
    assert_eq!(client.answer().status, 200);
    assert_eq!(got.lock().unwrap().concat(), b"hellohellohello");
}

#[test]
fn an_answer_reaches_the_client_before_its_end_is_sent() {
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let app = App::new(move |mut wire| {
        if wire.head().is_some() {
            wire.say("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
            for _ in 0..3 {
                wire.say("data: a\n\n");
                wait.lock().unwrap().recv().unwrap();
            }
        }
    });
    let proxy = Proxy::before(&app);
    let mut client = proxy.client();
    client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let head = client.head().unwrap();
    assert_eq!(head.field("transfer-encoding"), Some("chunked"));
    for _ in 0..3 {
        assert_eq!(client.chunk(), b"data: a\n\n");
        go.send(()).unwrap();
    }
    assert_eq!(client.chunk(), b"");
}

#[test]
fn both_directions_flow_at_once() {
    let app = App::new(|mut wire| {
        if wire.head().is_some() {
            wire.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            loop {
                let chunk = wire.chunk();
                wire.say(format!("{:x}\r\n", chunk.len()));
                wire.say(&chunk);
                wire.say("\r\n");
                if chunk.is_empty() {
                    break;
                }
            }
        }
    });
    let proxy = Proxy::before(&app);
    let mut client = proxy.client();
    client.say("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.say("4\r\nping\r\n");
    assert_eq!(client.head().unwrap().first(), "HTTP/1.1 200 OK");
    assert_eq!(client.chunk(), b"ping");
    client.say("4\r\npong\r\n");
    assert_eq!(client.chunk(), b"pong");
    client.say("0\r\n\r\n");
    assert_eq!(client.chunk(), b"");
}

#[test]
fn trailers_pass_both_ways_without_those_that_would_change_the_message() {
    let app = echo();
    let proxy = Proxy::before(&app);
    let answer = proxy.ask(
        "POST /chunked HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n\
         3\r\nabc\r\n0\r\nX-Sum: 6\r\nContent-Length: 9\r\nX-Forwarded-For: 1.1.1.1\r\n\r\n",
    );
    assert_eq!(answer.text(), "abc");
    assert_eq!(answer.trailers, "X-Sum: 6\r\n");
}

#[test]
fn chunk_extensions_end_here() {
    let app = App::new(|mut wire| {
        if wire.head().is_some() {
            let raw = wire.up_to("0\r\n\r\n").unwrap();
            wire.say(ok(&raw));
        }
    });
    let proxy = Proxy::before(&app);
    let answer = proxy.ask(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n003;name=\"v\"\r\nabc\r\n0;last\r\n\r\n",
    );
    assert_eq!(answer.text(), "3\r\nabc\r\n0\r\n\r\n");
}

#[test]
fn the_app_decides_whether_a_client_that_asks_first_may_send_its_body() {
    let app = App::new(|mut wire| {
        while let Some(head) = wire.head() {
            assert_eq!(head.field("expect"), Some("100-continue"));
            if head.target() == "/no" {
                wire.say("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
                return;
            }
            wire.say("HTTP/1.1 100 Continue\r\n\r\n");
            let (body, _) = body(&mut wire, &head);
            wire.say(ok(&String::from_utf8(body).unwrap()));
        }
    });
    let proxy = Proxy::before(&app);
    let ask = |path: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
        )
    };
    let mut client = proxy.client();
    client.say(ask("/yes"));
    assert_eq!(client.head().unwrap().first(), "HTTP/1.1 100 Continue");
    client.say("abc");
    assert_eq!(client.answer().text(), "abc");
    client.say(ask("/no"));
    let answer = client.answer();
    assert_eq!(answer.status, 403);
    // It may or may not send the body now: only a new connection is clear.
    assert_eq!(answer.head.field("connection"), Some("close"));
    assert!(client.is_over());
}

#[test]
fn interim_answers_reach_who_understands_them() {
    let app = App::answering(|_| {
        format!(
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n{}",
            ok("done")
        )
    });
    let proxy = Proxy::before(&app);
    let mut client = proxy.client();
    client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let hint = client.head().unwrap();
    assert_eq!(hint.first(), "HTTP/1.1 103 Early Hints");
    assert_eq!(hint.field("link"), Some("</a.css>"));
    assert_eq!(client.answer().text(), "done");
    assert_eq!(proxy.ask("GET / HTTP/1.0\r\n\r\n").text(), "done");
}

#[test]
fn an_answer_that_comes_before_the_request_is_whole_reaches_the_client() {
    let app = App::new(|mut wire| {
        if wire.head().is_some() {
            wire.say("HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig");
            wire.half_close();
            wire.rest();
        }
    });
    let proxy = Proxy::before(&app);
    let mut client = proxy.client();
    client.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nabc");
    let answer = client.answer();
    assert_eq!((answer.status, answer.text()), (413, "big"));
    assert!(client.is_over());
}

#[test]
fn an_answer_that_breaks_off_does_not_look_whole() {
    for (answer, is_http_1_0) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc", false),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
            false,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
            true,
        ),
    ] {
        let app = App::new(move |mut wire| {
            if wire.head().is_some() {
                wire.say(answer);
            }
        });
        let proxy = Proxy::before(&app);
        let mut client = proxy.client();
        client.say(format!(
            "GET / HTTP/1.{}\r\nHost: a\r\n\r\n",
            u8::from(!is_http_1_0)
        ));
        use std::io::Read as _;
        let mut got = Vec::new();
        let ended = client.stream.read_to_end(&mut got);
        assert!(ended.is_err(), "{:?}", String::from_utf8_lossy(&got));
        until("it is logged", || {
            proxy.log.text().contains("upstream_closed")
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_goes_in_comes_out(
        method in "[A-Z]{1,10}",
        path in "/[a-zA-Z0-9._~!$&'()*+,;=:@%-]{0,40}(\\?[a-z0-9=&/?]{0,20})?",
        fields in prop::collection::vec(("x-p-[a-z0-9]{1,12}", "[!-~]([ -~]{0,30}[!-~])?"), 0..12),
        body in prop::collection::vec(any::<u8>(), 0..40_000),
        chunk in prop::option::of(1_usize..5_000),
    ) {
        prop_assume!(!matches!(method.as_str(), "CONNECT" | "TRACE" | "HEAD" | "PRI"));
        let app = App::new(|mut wire| {
            while let Some(head) = wire.head() {
                let (body, _) = self::body(&mut wire, &head);
                let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", head.text.len() + body.len()).into_bytes();
                answer.extend_from_slice(head.text.as_bytes());
                answer.extend_from_slice(&body);
                wire.say(answer);
            }
        });
        let proxy = Proxy::before(&app);
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: a\r\n").into_bytes();
        for (name, value) in &fields {
            request.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        match chunk {
            None => {
                request.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
                request.extend_from_slice(&body);
            }
            Some(size) => {
                request.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
                for chunk in body.chunks(size) {
                    request.extend_from_slice(format!("{:X}\r\n", chunk.len()).as_bytes());
                    request.extend_from_slice(chunk);
                    request.extend_from_slice(b"\r\n");
                }
                request.extend_from_slice(b"0\r\n\r\n");
            }
        }
        let mut client = proxy.client();
        client.say(&request);
        let answer = client.answer();
        let end = answer.body.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
        let head = super::support::Head { text: String::from_utf8(answer.body[..end].to_vec()).unwrap() };
        prop_assert_eq!(head.first(), format!("{method} {path} HTTP/1.1"));
        prop_assert!(answer.body[end..] == body);
        for (name, _) in &fields {
            let sent: Vec<&str> = fields.iter().filter(|(other, _)| other == name).map(|(_, value)| value.as_str()).collect();
            prop_assert_eq!(head.all(name), sent);
        }
    }
}

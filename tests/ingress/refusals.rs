//! Requests that two servers might read differently: refused, the connection closed, nothing passed on.

use super::support::{App, Proxy, ok};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

/// Counts the requests that reach it.
fn counting() -> (App, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&count);
    let app = App::new(move |mut wire| {
        while wire.head().is_some() {
            seen.fetch_add(1, SeqCst);
            if wire.try_say(ok("reached").as_bytes()).is_err() {
                return;
            }
        }
    });
    (app, count)
}

#[track_caller]
fn refused(proxy: &Proxy, request: &[u8], status: u16) {
    let shown = String::from_utf8_lossy(&request[..request.len().min(200)]).into_owned();
    let mut client = proxy.client();
    client.say(request);
    let answer = client.answer();
    assert_eq!(answer.status, status, "{shown:?}");
    assert!(answer.error().is_some(), "{shown:?}");
    assert_eq!(answer.head.field("connection"), Some("close"), "{shown:?}");
    assert!(client.is_over(), "{shown:?}");
}

#[test]
fn heads_that_could_be_read_in_two_ways_are_refused_and_reach_nobody() {
    let (app, count) = counting();
    let proxy = Proxy::before(&app);
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    for fields in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: -5\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: 5 5\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: \r\n",
        "Content-Length: 18446744073709551621\r\n",
        "Content-Length : 5\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: 'chunked'\r\n",
        "Transfer-Encoding:\u{b}chunked\r\n",
        "Transfer-Encoding:\u{c}chunked\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding:\r\n chunked\r\n",
        "Transfer-Encoding\r\n: chunked\r\n",
        "X: a\r\n folded: yes\r\n",
        " X: a\r\n",
        "X: a\nTransfer-Encoding: chunked\r\n",
        "X: a\rTransfer-Encoding: chunked\r\n",
        "X: a\0b\r\n",
        "X\0Y: a\r\n",
        "X Y: a\r\n",
        "X\r\n",
        ": a\r\n",
        "Host: b\r\n",
        "Host: a\r\n",
    ] {
        let request = format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n0\r\n\r\n{smuggled}");
        refused(&proxy, request.as_bytes(), 400);
    }
    assert_eq!(count.load(SeqCst), 0);
}

#[test]
fn request_lines_and_hosts_that_are_none_are_refused() {
    let (app, count) = counting();
    let proxy = Proxy::before(&app);
    for (line, status) in [
        ("GET  / HTTP/1.1", 400),
        ("GET\t/ HTTP/1.1", 400),
        ("GET / HTTP/1.1 ", 400),
        ("GET /a b HTTP/1.1", 400),
        ("GET /a\0b HTTP/1.1", 400),
        ("GET /", 400),
        ("GET / HTTP", 400),
        ("GET / http/1.1", 400),
        ("G(T / HTTP/1.1", 400),
        (" GET / HTTP/1.1", 400),
        ("GET a HTTP/1.1", 400),
        ("GET * HTTP/1.1", 400),
        ("GET /#a HTTP/1.1", 400),
        ("GET http://b/ HTTP/1.1", 400),
        ("GET http://u@a/ HTTP/1.1", 400),
        ("GET ftp://a/ HTTP/1.1", 400),
        ("PRI * HTTP/2.0", 505),
        ("GET / HTTP/2.0", 505),
        ("GET / HTTP/1.2", 505),
        ("CONNECT a:80 HTTP/1.1", 405),
        ("TRACE / HTTP/1.1", 405),
    ] {
        refused(
            &proxy,
            format!("{line}\r\nHost: a\r\n\r\n").as_bytes(),
            status,
        );
    }
    for host in [
        "", "a b", "a,b", "u@a", "a/b", "a:b", "a:99999", "a:1:2", "[::1", "[x]", "a\\b", "a%20b",
    ] {
        refused(
            &proxy,
            format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes(),
            400,
        );
    }
    for request in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\nHost: a\n\n",
        "GET / HTTP/1.1\r\nHost: a\n\r\n",
        "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "\u{16}\u{3}\u{1}\r\n\r\n",
    ] {
        refused(&proxy, request.as_bytes(), 400);
    }
    assert_eq!(count.load(SeqCst), 0);
}

#[test]
fn chunks_that_could_be_read_in_two_ways_end_the_request_and_the_connection() {
    let (app, count) = counting();
    let silent = App::new(|mut wire| {
        wire.head();
        wire.rest();
    });
    let proxy = Proxy::with(
        super::support::settings(),
        &[("a", "web", silent.target()), ("b", "other", app.target())],
    );
    for body in [
        "x\r\n",
        "0x5\r\nhello\r\n",
        "+5\r\nhello\r\n",
        "-5\r\nhello\r\n",
        " 5\r\nhello\r\n",
        "5 \r\nhello\r\n",
        "5\nhello\r\n",
        "5;a\nb\r\nhello\r\n",
        "5;\0\r\nhello\r\n",
        "\r\n",
        "10000000000000000\r\n",
        "ffffffffffffffff\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhelloXX0\r\n\r\n",
        "0\r\nX : 1\r\n\r\n",
        "0\r\n X: 1\r\n\r\n",
        "0\r\nX: 1\nY: 2\r\n\r\n",
    ] {
        let request = format!(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}GET / HTTP/1.1\r\nHost: b\r\n\r\n"
        );
        refused(&proxy, request.as_bytes(), 400);
    }
    assert_eq!(count.load(SeqCst), 0, "what came behind was no request");
}

#[test]
fn what_comes_behind_a_body_is_the_next_request_and_nothing_else() {
    let (app, count) = counting();
    let proxy = Proxy::before(&app);
    // A body that looks like a request is a body.
    let inner = "GET /inner HTTP/1.1\r\nHost: a\r\n\r\n";
    let app2 = App::new(|mut wire| {
        while let Some(head) = wire.head() {
            let length = head.field("content-length").unwrap().parse().unwrap();
            let body = wire.exactly(length);
            wire.say(ok(&String::from_utf8(body).unwrap()));
        }
    });
    let second = Proxy::before(&app2);
    let answer = second.ask(&format!(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{inner}",
        inner.len()
    ));
    assert_eq!(answer.text(), inner);
    drop(proxy);
    assert_eq!(count.load(SeqCst), 0);
}

#[test]
fn answers_that_could_be_read_in_two_ways_are_the_apps_fault() {
    for text in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        "HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX Y: 1\r\n\r\n",
        "HTTP/1.1 99 Low\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "hello\r\n\r\n",
    ] {
        let app = App::answering(move |_| text.into());
        let answer = Proxy::before(&app).get("a", "/");
        assert_eq!(
            (answer.status, answer.error()),
            (502, Some("upstream_invalid")),
            "{text:?}"
        );
    }
    for text in ["", "HTTP/1.1 200 OK\r\nContent-"] {
        let app = App::new(move |mut wire| {
            if wire.head().is_some() {
                wire.say(text);
            }
        });
        let answer = Proxy::before(&app).get("a", "/");
        assert_eq!(
            (answer.status, answer.error()),
            (502, Some("upstream_closed")),
            "{text:?}"
        );
    }
}

#[test]
fn an_answer_that_comes_before_its_question_is_no_answer() {
    // What an app says unasked behind an answer must not become the answer to somebody else's request.
    let app = App::answering(|head| match head.target() {
        "/evil" => format!("{}{}", ok("evil"), ok("poison")),
        _ => ok("good"),
    });
    let proxy = Proxy::before(&app);
    for _ in 0..5 {
        assert_eq!(proxy.get("a", "/evil").text(), "evil");
        assert_eq!(proxy.get("a", "/").text(), "good");
    }
}

//! How much and how long: each limit, and what the client is told.

use super::support::{App, Proxy, ok, settings, until};
use longshore::core::route::Target;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

const SHORT: Duration = Duration::from_millis(60);

#[test]
fn heads_that_are_too_large_are_refused_each_with_its_status() {
    let app = App::named("web");
    let proxy = Proxy::with_limits(&app, |limits| limits.head = 2000);
    let long = "a".repeat(3000);
    for (request, status) in [
        (format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"), 414),
        (
            format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n"),
            431,
        ),
        (
            format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X:\r\n".repeat(200)),
            431,
        ),
    ] {
        let mut client = proxy.client();
        client.say(request);
        assert_eq!(client.answer().status, status);
        assert!(client.is_over());
    }
    let fits = "a".repeat(1800);
    assert_eq!(proxy.get("a", &format!("/{fits}")).status, 200);
}

#[test]
fn a_large_head_within_the_limit_passes() {
    let app = App::answering(|head| ok(&head.field("x").unwrap().len().to_string()));
    let proxy = Proxy::before(&app);
    let long = "a".repeat(60_000);
    let answer = proxy.ask(&format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n"));
    assert_eq!(answer.text(), "60000");
}

#[test]
fn a_body_that_is_too_large_is_refused_before_or_in_its_middle() {
    let reached = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&reached);
    let app = App::new(move |mut wire| {
        if wire.head().is_some() {
            seen.fetch_add(1, SeqCst);
            wire.rest();
        }
    });
    let proxy = Proxy::with_limits(&app, |limits| limits.body = Some(10));
    let mut client = proxy.client();
    client.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n");
    let answer = client.answer();
    assert_eq!(
        (answer.status, answer.error()),
        (413, Some("body_too_large"))
    );
    assert!(client.is_over());
    assert_eq!(reached.load(SeqCst), 0);
    let mut client = proxy.client();
    client.say("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n");
    until("the app has the first part", || reached.load(SeqCst) == 1);
    client.say("6\r\nabcdef\r\n");
    assert_eq!(client.answer().status, 413);
    assert!(client.is_over());
}

#[test]
fn a_head_that_does_not_end_in_time_is_a_408() {
    let app = App::named("web");
    let proxy = Proxy::with_limits(&app, |limits| limits.head_timeout = SHORT);
    let mut client = proxy.client();
    client.say("GET / HTTP/1.1\r\nHost:");
    let answer = client.answer();
    assert_eq!(
        (answer.status, answer.error()),
        (408, Some("request_timeout"))
    );
    assert!(client.is_over());
}

#[test]
fn a_connection_without_requests_is_closed_without_a_word() {
    let app = App::named("web");
    let proxy = Proxy::with_limits(&app, |limits| limits.idle_timeout = SHORT);
    assert!(proxy.client().is_over());
    let mut client = proxy.client();
    client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.answer().status, 200);
    assert!(client.is_over());
}

#[test]
fn a_body_that_does_not_come_in_time_is_a_408() {
    let app = App::new(|mut wire| {
        wire.head();
        wire.rest();
    });
    let proxy = Proxy::with_limits(&app, |limits| limits.read_timeout = SHORT);
    let mut client = proxy.client();
    client.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab");
    let answer = client.answer();
    assert_eq!(
        (answer.status, answer.error()),
        (408, Some("request_timeout"))
    );
    assert!(client.is_over());
}

#[test]
fn a_client_that_takes_nothing_is_given_up() {
    let ended = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&ended);
    let app = App::new(move |mut wire| {
        if wire.head().is_some() {
            wire.say("HTTP/1.1 200 OK\r\n\r\n");
            while wire.try_say(&[b'a'; 65_536]).is_ok() {}
            seen.fetch_add(1, SeqCst);
        }
    });
    let proxy = Proxy::with_limits(&app, |limits| limits.write_timeout = SHORT);
    let mut client = proxy.client();
    client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    until("the app's connection ends", || ended.load(SeqCst) == 1);
    until("it is logged", || proxy.log.text().contains("client_gone"));
}

#[test]
fn an_app_that_does_not_answer_in_time_is_a_504() {
    let app = App::new(|mut wire| {
        wire.head();
        wire.rest();
    });
    let proxy = Proxy::with_limits(&app, |limits| limits.upstream_timeout = SHORT);
    let mut client = proxy.client();
    for request in [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab",
    ] {
        client.say(request);
        let answer = client.answer();
        assert_eq!(
            (answer.status, answer.error()),
            (504, Some("upstream_timeout"))
        );
    }
}

#[test]
fn an_app_that_stops_in_the_middle_of_its_answer_is_given_up() {
    let app = App::new(|mut wire| {
        if wire.head().is_some() {
            wire.say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab");
            wire.rest();
        }
    });
    let proxy = Proxy::with_limits(&app, |limits| limits.upstream_timeout = SHORT);
    let mut client = proxy.client();
    client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.head().unwrap().first(), "HTTP/1.1 200 OK");
    assert_eq!(client.rest(), b"ab");
    until("it is logged", || {
        proxy.log.text().contains("upstream_timeout")
    });
}

/// An address that nobody listens at.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

fn container(address: SocketAddr) -> Target {
    match address {
        SocketAddr::V4(address) => Target::Container(address),
        SocketAddr::V6(_) => panic!("bound to IPv4"),
    }
}

#[test]
fn a_request_waits_for_an_app_that_comes_back() {
    let address = free();
    let proxy = Proxy::with(settings(), &[("*", "web", container(address))]);
    let mut client = proxy.client();
    client.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
    let waits = "longshore_ingress_waits_total{app=\"web\",environment=\"production\"}";
    until("it waits", || proxy.figure(waits) == Some(1.0));
    let _app = App::at(&address.to_string(), |mut wire| {
        if wire.head().is_some() {
            let body = wire.exactly(3);
            wire.say(ok(&String::from_utf8(body).unwrap()));
        }
    });
    assert_eq!(client.answer().text(), "abc");
}

#[test]
fn a_request_that_waits_follows_its_route_to_another_app() {
    let app = App::named("new");
    let proxy = Proxy::with(settings(), &[("*", "web", container(free()))]);
    let mut client = proxy.client();
    client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let waits = "longshore_ingress_waits_total{app=\"web\",environment=\"production\"}";
    until("it waits", || proxy.figure(waits) == Some(1.0));
    proxy.install(2, &[("*", "web", app.target())]);
    assert_eq!(client.answer().text(), "new /");
}

#[test]
fn who_waited_too_long_is_told_when_to_come_again() {
    let mut settings = settings();
    settings.limits.wait_timeout = SHORT;
    let proxy = Proxy::with(settings, &[("*", "web", container(free()))]);
    let mut client = proxy.client();
    for _ in 0..2 {
        client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        let answer = client.answer();
        assert_eq!(
            (answer.status, answer.error()),
            (503, Some("upstream_unreachable"))
        );
        assert_eq!(answer.head.field("retry-after"), Some("2"));
        assert!(!answer.text().contains("127.0.0.1"), "no addresses of ours");
    }
}

#[test]
fn where_all_seats_are_taken_the_longest_idle_connection_goes() {
    let app = App::named("web");
    let proxy = Proxy::with_limits(&app, |limits| limits.connections = 1);
    let mut old = proxy.client();
    old.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(old.answer().status, 200);
    assert_eq!(proxy.get("a", "/").status, 200);
    assert!(old.is_over());
}

#[test]
fn where_all_seats_are_at_work_a_new_connection_gets_a_503() {
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let asked = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&asked);
    let app = App::answering(move |_| {
        seen.fetch_add(1, SeqCst);
        wait.lock().unwrap().recv().unwrap();
        ok("done")
    });
    let proxy = Proxy::with_limits(&app, |limits| limits.connections = 1);
    let mut busy = proxy.client();
    busy.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    until("the app is asked", || asked.load(SeqCst) == 1);
    let answer = proxy.client().answer();
    assert_eq!((answer.status, answer.error()), (503, Some("ingress_full")));
    go.send(()).unwrap();
    assert_eq!(busy.answer().text(), "done");
}

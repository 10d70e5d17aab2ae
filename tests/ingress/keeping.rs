//! Connections that are kept, on both sides, and what happens when one was closed meanwhile.

use super::support::{App, Proxy, Wire, ok, until};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn both_connections_serve_one_request_after_another() {
    let app = App::named("web");
    let proxy = Proxy::before(&app);
    let mut client = proxy.client();
    for _ in 0..10 {
        client.say(GET);
        assert_eq!(client.answer().text(), "web /");
    }
    assert_eq!(app.connections(), 1);
    until("it is kept", || {
        proxy.figure("longshore_ingress_upstream_connections_idle ") == Some(1.0)
    });
}

#[test]
fn requests_sent_at_once_are_answered_in_their_order() {
    let app = App::named("web");
    let proxy = Proxy::before(&app);
    let mut client = proxy.client();
    let paths: Vec<String> = (0..50).map(|at| format!("/{at}")).collect();
    let all: String = paths
        .iter()
        .map(|path| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"))
        .collect();
    client.say(all);
    for path in paths {
        assert_eq!(client.answer().text(), format!("web {path}"));
    }
}

#[test]
fn a_client_that_wants_to_close_is_closed_after_its_answer() {
    let app = App::named("web");
    let proxy = Proxy::before(&app);
    let mut client = proxy.client();
    client.say("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let answer = client.answer();
    assert_eq!(answer.head.field("connection"), Some("close"));
    assert!(client.is_over());
}

#[test]
fn http_1_0_is_answered_without_chunks_and_closed() {
    let app = App::answering(|head| {
        assert!(head.first().ends_with("HTTP/1.1"));
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n".into()
    });
    let proxy = Proxy::before(&app);
    let mut client = proxy.client();
    client.say("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    let answer = client.answer();
    assert_eq!(answer.head.field("connection"), Some("close"));
    assert_eq!(answer.head.field("transfer-encoding"), None);
    assert_eq!(answer.text(), "abc");
}

#[test]
fn an_app_that_closes_after_its_answer_is_dialled_anew() {
    let app = App::new(|mut wire| {
        if wire.head().is_some() {
            wire.say("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\na");
        }
    });
    let proxy = Proxy::before(&app);
    let mut client = proxy.client();
    for _ in 0..3 {
        client.say(GET);
        assert_eq!(client.answer().text(), "a");
    }
    assert_eq!(app.connections(), 3);
}

/// Answers the first request of each of its first connections and ends the connection at the second one's head.
fn forgetful(times: usize) -> (App, Arc<AtomicUsize>) {
    let heads = Arc::new(AtomicUsize::new(0));
    let (seen, connection) = (Arc::clone(&heads), AtomicUsize::new(0));
    let app = App::new(move |mut wire: Wire| {
        let forgets = connection.fetch_add(1, SeqCst) < times;
        let mut answered = false;
        while wire.head().is_some() {
            seen.fetch_add(1, SeqCst);
            if forgets && answered {
                return;
            }
            wire.say(ok("here"));
            answered = true;
        }
    });
    (app, heads)
}

#[test]
fn a_repeatable_request_on_a_kept_connection_that_was_closed_is_sent_again_on_a_new_one() {
    for method in ["GET", "HEAD", "OPTIONS", "DELETE", "PUT"] {
        let (app, heads) = forgetful(1);
        let proxy = Proxy::before(&app);
        let mut client = proxy.client();
        client.say(GET);
        client.answer();
        client.say(format!(
            "{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
        ));
        assert_eq!(client.answer_to(method == "HEAD").status, 200, "{method}");
        assert_eq!((app.connections(), heads.load(SeqCst)), (2, 3));
        let retries = "longshore_ingress_retries_total{app=\"web\",environment=\"production\"}";
        assert_eq!(proxy.figure(retries), Some(1.0));
    }
}

#[test]
fn others_are_not_sent_again() {
    for request in [
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
        "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab",
        "PATCH / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    ] {
        let (app, heads) = forgetful(1);
        let proxy = Proxy::before(&app);
        let mut client = proxy.client();
        client.say(GET);
        client.answer();
        client.say(request);
        let answer = client.answer();
        assert_eq!(
            (answer.status, answer.error()),
            (502, Some("upstream_closed"))
        );
        assert_eq!((app.connections(), heads.load(SeqCst)), (1, 2), "{request}");
    }
}

#[test]
fn nothing_is_sent_a_third_time() {
    let app = App::new({
        let first = AtomicUsize::new(0);
        move |mut wire| {
            if wire.head().is_some() && first.fetch_add(1, SeqCst) == 0 {
                wire.say(ok("here"));
                wire.head();
            }
        }
    });
    let proxy = Proxy::before(&app);
    let mut client = proxy.client();
    client.say(GET);
    client.answer();
    client.say(GET);
    let answer = client.answer();
    assert_eq!(
        (answer.status, answer.error()),
        (502, Some("upstream_closed"))
    );
    assert_eq!(app.connections(), 2);
    // The client's connection is as good as before.
    client.say(GET);
    assert_eq!(client.answer().status, 502);
}

#[test]
fn a_kept_connection_that_was_closed_before_is_not_used() {
    let app = App::new(|mut wire| {
        if wire.head().is_some() {
            wire.say(ok("here"));
        }
    });
    let proxy = Proxy::before(&app);
    let mut client = proxy.client();
    for at in 1..4 {
        client.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab");
        // Now and then the app's end comes after the next request; that is what an honest 502 is for.
        assert!(matches!(client.answer().status, 200 | 502));
        assert!(app.connections() <= at);
    }
}

#[test]
fn a_client_that_goes_away_takes_its_request_to_the_app_with_it() {
    let ended = Arc::new(AtomicUsize::new(0));
    let (seen, asked) = (Arc::clone(&ended), Arc::new(AtomicUsize::new(0)));
    let app = App::new({
        let asked = Arc::clone(&asked);
        move |mut wire| {
            if wire.head().is_some() {
                asked.fetch_add(1, SeqCst);
                assert!(wire.is_over());
                seen.fetch_add(1, SeqCst);
            }
        }
    });
    let proxy = Proxy::before(&app);
    let mut client = proxy.client();
    client.say(GET);
    until("the app is asked", || asked.load(SeqCst) == 1);
    drop(client);
    until("the app's connection ends", || ended.load(SeqCst) == 1);
    until("it is logged", || proxy.log.text().contains("client_gone"));
    assert!(proxy.log.text().contains("\"status\":499"));
}

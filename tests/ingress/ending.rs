//! How it ends: who is idle may ask once more and is closed, who is under way is answered, and what takes too long is cut off.

use super::support::{App, Proxy, ok, until};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

/// An app that answers when it is told to, and how many requests it has.
fn waiting() -> (App, Arc<AtomicUsize>, mpsc::Sender<()>) {
    let (go, wait) = mpsc::channel::<()>();
    let (wait, asked) = (Mutex::new(wait), Arc::new(AtomicUsize::new(0)));
    let seen = Arc::clone(&asked);
    let app = App::answering(move |head| {
        seen.fetch_add(1, SeqCst);
        if head.target() == "/slow" {
            // The sender is gone where nobody waits for the answer any more.
            let _ = wait.lock().unwrap().recv();
        }
        ok("done")
    });
    (app, asked, go)
}

#[test]
fn idle_connections_end_and_requests_under_way_are_answered() {
    let (app, asked, go) = waiting();
    let proxy = Proxy::before(&app);
    let mut idle = proxy.client();
    idle.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(idle.answer().text(), "done");
    let mut busy = proxy.client();
    busy.say("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    until("the app is asked", || asked.load(SeqCst) == 2);
    proxy.begin_stop();
    assert!(idle.is_over());
    assert!(!proxy.has_ended());
    go.send(()).unwrap();
    let answer = busy.answer();
    assert_eq!(answer.text(), "done");
    assert_eq!(answer.head.field("connection"), Some("close"));
    assert!(busy.is_over());
    drop(busy);
    until("it has ended", || proxy.has_ended());
}

#[test]
fn what_takes_longer_than_the_shutdown_timeout_is_cut_off() {
    let (app, asked, go) = waiting();
    let proxy = Proxy::with_limits(&app, |limits| {
        limits.shutdown_timeout = Duration::from_millis(50);
    });
    let mut busy = proxy.client();
    busy.say("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    until("the app is asked", || asked.load(SeqCst) == 1);
    proxy.begin_stop();
    assert!(busy.is_over());
    until("it has ended", || proxy.has_ended());
    drop(go);
}

#[test]
fn a_connection_that_was_just_made_may_still_ask() {
    let app = App::named("web");
    let proxy = Proxy::before(&app);
    let mut client = proxy.client();
    until("the connection is there", || {
        proxy.figure("longshore_ingress_client_connections ") == Some(1.0)
    });
    proxy.begin_stop();
    client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.answer().text(), "web /");
    drop(client);
    until("it has ended", || proxy.has_ended());
}

#[test]
fn a_kept_connection_may_ask_once_more_and_then_ends() {
    let app = App::named("web");
    let proxy = Proxy::before(&app);
    let mut client = proxy.client();
    let ask = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    client.say(ask);
    assert_eq!(client.answer().text(), "web /");
    proxy.begin_stop();
    client.say(ask);
    assert_eq!(client.answer().text(), "web /");
    assert!(client.is_over());
    drop(client);
    until("it has ended", || proxy.has_ended());
}

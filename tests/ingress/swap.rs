//! Tables that change while requests are under way.

use super::support::{App, Proxy, ok, settings, until};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

#[test]
fn no_request_fails_while_tables_change_and_after_a_drain_the_old_app_sees_nothing() {
    /// Fails loudly when it is asked although everything that led to it has been drained.
    fn app(retired: &Arc<AtomicBool>, late: &Arc<AtomicUsize>) -> App {
        let (retired, late) = (Arc::clone(retired), Arc::clone(late));
        App::answering(move |_| {
            if retired.load(SeqCst) {
                late.fetch_add(1, SeqCst);
            }
            ok("here")
        })
    }
    let late = Arc::new(AtomicUsize::new(0));
    let retired = [
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicBool::new(true)),
    ];
    let apps = [app(&retired[0], &late), app(&retired[1], &late)];
    let proxy = Proxy::with(settings(), &[("*", "web", apps[0].target())]);
    let over = AtomicBool::new(false);
    let answered = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for keeps in [true, true, true, false] {
            let (proxy, over, answered) = (&proxy, &over, &answered);
            scope.spawn(move || {
                let mut client = proxy.client();
                while !over.load(SeqCst) {
                    if !keeps {
                        client = proxy.client();
                    }
                    // Not repeatable: a failure cannot be hidden by a second try.
                    client.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
                    assert_eq!(client.answer().text(), "here");
                    answered.fetch_add(1, SeqCst);
                }
            });
        }
        for generation in 2..402 {
            let (new, old) = if generation % 2 == 0 { (1, 0) } else { (0, 1) };
            retired[new].store(false, SeqCst);
            proxy.install(generation, &[("*", "web", apps[new].target())]);
            assert_eq!(proxy.drain(&apps[old], super::support::PATIENCE), 0);
            retired[old].store(true, SeqCst);
            let before = answered.load(SeqCst);
            until("requests go on", || answered.load(SeqCst) > before + 5);
        }
        over.store(true, SeqCst);
    });
    assert!(answered.load(SeqCst) > 2000, "{answered:?}");
    assert_eq!(late.load(SeqCst), 0, "requests after the drain");
    let swaps = "longshore_ingress_swaps_total{app=\"web\",environment=\"production\"}";
    assert_eq!(proxy.figure(swaps), Some(400.0));
}

#[test]
fn a_drain_waits_for_what_is_under_way_and_says_what_is_left() {
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let asked = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&asked);
    let old = App::answering(move |_| {
        seen.fetch_add(1, SeqCst);
        wait.lock().unwrap().recv().unwrap();
        ok("old")
    });
    let new = App::named("new");
    let proxy = Proxy::before(&old);
    let mut client = proxy.client();
    client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    until("the app is asked", || asked.load(SeqCst) == 1);
    proxy.install(2, &[("*", "web", new.target())]);
    assert_eq!(proxy.get("a", "/").text(), "new /");
    assert_eq!(proxy.drain(&old, Duration::from_millis(1)), 1);
    let drained = std::thread::scope(|scope| {
        let drain = scope.spawn(|| proxy.drain(&old, super::support::PATIENCE));
        go.send(()).unwrap();
        assert_eq!(client.answer().text(), "old");
        drain.join().unwrap()
    });
    assert_eq!(drained, 0);
    let labels = "{app=\"web\",environment=\"production\"}";
    for (name, value) in [("drains", 2.0), ("drain_cut_off", 1.0)] {
        assert_eq!(
            proxy.figure(&format!("longshore_ingress_{name}_total{labels}")),
            Some(value)
        );
    }
    // A kept client connection goes to the new one with its next request.
    client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.answer().text(), "new /");
}

#[test]
fn kept_connections_to_an_address_that_no_route_leads_to_are_closed() {
    let ended = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&ended);
    let old = App::new(move |mut wire| {
        while wire.head().is_some() {
            wire.say(ok("old"));
        }
        seen.fetch_add(1, SeqCst);
    });
    let new = App::named("new");
    let proxy = Proxy::before(&old);
    assert_eq!(proxy.get("a", "/").text(), "old");
    proxy.install(2, &[("*", "web", new.target())]);
    until("the kept connection ends", || ended.load(SeqCst) == 1);
}

#[test]
fn an_address_nobody_knows_has_nothing_under_way() {
    let app = App::named("web");
    let proxy = Proxy::at("127.0.0.1:0", settings());
    assert_eq!(proxy.drain(&app, Duration::from_secs(60)), 0);
}

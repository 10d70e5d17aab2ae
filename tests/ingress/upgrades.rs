//! Connections that switch to another protocol.

use super::support::{App, Proxy, ok};
use std::time::Duration;

const ASK: &str = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Key: abc\r\n\r\n";

/// Switches and says everything back, in capital letters, until the client is done; then says goodbye.
fn shouting() -> App {
    App::new(|mut wire| {
        let Some(head) = wire.head() else { return };
        assert_eq!(head.field("upgrade"), Some("websocket"));
        assert_eq!(head.field("connection"), Some("Upgrade"));
        assert_eq!(head.field("sec-websocket-key"), Some("abc"));
        wire.say(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Accept: def\r\n\r\nfirst\n",
        );
        while let Some(line) = wire.up_to("\n") {
            wire.say(line.to_uppercase());
        }
        wire.say("goodbye");
    })
}

#[test]
fn after_101_bytes_go_both_ways_and_each_direction_ends_on_its_own() {
    let app = shouting();
    let proxy = Proxy::before(&app);
    let open = "longshore_ingress_upgrades_open{app=\"web\",environment=\"production\"}";
    let mut client = proxy.client();
    // What comes at once behind the head is the other protocol's already.
    client.say(format!("{ASK}early\n"));
    let head = client.head().unwrap();
    assert_eq!(head.first(), "HTTP/1.1 101 Switching Protocols");
    assert_eq!(head.field("upgrade"), Some("websocket"));
    assert_eq!(head.field("connection"), Some("Upgrade"));
    assert_eq!(head.field("sec-websocket-accept"), Some("def"));
    assert_eq!(client.up_to("\n").unwrap(), "first\n");
    assert_eq!(client.up_to("\n").unwrap(), "EARLY\n");
    client.say("hello\n");
    assert_eq!(client.up_to("\n").unwrap(), "HELLO\n");
    assert_eq!(proxy.figure(open), Some(1.0));
    assert_eq!(proxy.drain(&app, Duration::from_millis(1)), 1);
    client.half_close();
    assert_eq!(client.rest(), b"goodbye");
    assert_eq!(proxy.drain(&app, super::support::PATIENCE), 0);
    assert_eq!(proxy.figure(open), Some(0.0));
}

#[test]
fn an_app_that_does_not_switch_answers_as_usual() {
    let app = App::answering(|_| ok("no"));
    let proxy = Proxy::before(&app);
    let mut client = proxy.client();
    for _ in 0..2 {
        client.say(ASK);
        assert_eq!(client.answer().text(), "no");
    }
    assert_eq!(app.connections(), 1);
}

#[test]
fn a_switch_that_nobody_asked_for_is_the_apps_fault() {
    let app = App::answering(|_| {
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: other\r\n\r\n".into()
    });
    let proxy = Proxy::before(&app);
    for request in [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n",
    ] {
        let answer = proxy.ask(request);
        assert_eq!(
            (answer.status, answer.error()),
            (502, Some("upstream_invalid"))
        );
    }
}

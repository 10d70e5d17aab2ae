//! What an app is told of a request, and what of an app's answer reaches the client.

use super::support::{App, Proxy, ok, settings};

fn trusting(net: &str, app: &App) -> Proxy {
    let mut settings = settings();
    settings.trusted_proxies = vec![net.parse().unwrap()];
    Proxy::with(settings, &[("*", "web", app.target())])
}

const TOLD: &str = "GET /a HTTP/1.1\r\nHost: web.example.com\r\nX-Forwarded-For: 1.2.3.4\r\n\
                    X-Forwarded-Proto: https\r\nX-Forwarded-Host: told.example.com\r\nX-Forwarded-Port: 443\r\n\
                    Forwarded: for=1.2.3.4\r\nX-Request-Id: told-by-proxy\r\nX-Real-IP: 1.2.3.4\r\n\r\n";

#[test]
fn what_a_stranger_says_of_where_it_comes_from_is_replaced() {
    let app = App::mirror();
    let proxy = Proxy::before(&app);
    let answer = proxy.ask(TOLD);
    let head = answer.text();
    for line in [
        "\r\nHost: web.example.com\r\n",
        "\r\nX-Forwarded-For: 127.0.0.1\r\n",
        "\r\nX-Forwarded-Proto: http\r\n",
        "\r\nX-Forwarded-Host: web.example.com\r\n",
        "\r\nX-Forwarded-Port: 80\r\n",
        "\r\nForwarded: for=127.0.0.1;host=\"web.example.com\";proto=http\r\n",
    ] {
        assert!(head.contains(line), "{line} in {head}");
    }
    for gone in ["1.2.3.4", "https", "told"] {
        assert!(!head.contains(gone), "{gone} in {head}");
    }
}

#[test]
fn what_a_trusted_proxy_says_is_continued() {
    let app = App::mirror();
    let answer = trusting("127.0.0.0/8", &app).ask(TOLD);
    let head = answer.text();
    for line in [
        "\r\nX-Forwarded-For: 1.2.3.4, 127.0.0.1\r\n",
        "\r\nX-Forwarded-Proto: https\r\n",
        "\r\nX-Forwarded-Host: told.example.com\r\n",
        "\r\nX-Forwarded-Port: 443\r\n",
        "\r\nForwarded: for=1.2.3.4, for=127.0.0.1;host=",
        "\r\nX-Request-Id: told-by-proxy\r\n",
    ] {
        assert!(head.contains(line), "{line} in {head}");
    }
    assert_eq!(answer.head.field("x-request-id"), Some("told-by-proxy"));
    let stranger = trusting("10.0.0.0/8", &app).ask(TOLD);
    assert!(!stranger.text().contains("1.2.3.4"));
}

#[test]
fn a_request_has_an_id_of_its_own_that_app_and_client_learn() {
    let app = App::answering(|head| {
        let id = head.field("x-request-id").unwrap();
        format!(
            "HTTP/1.1 200 OK\r\nX-Request-Id: mine\r\nContent-Length: {}\r\n\r\n{id}",
            id.len()
        )
    });
    let proxy = Proxy::before(&app);
    let (one, two) = (proxy.get("a", "/"), proxy.get("a", "/"));
    assert_eq!(one.head.all("x-request-id"), [one.text()]);
    assert_eq!(one.body.len(), 32);
    assert_ne!(one.body, two.body);
}

#[test]
fn what_is_for_one_connection_does_not_reach_the_other() {
    let app = App::new(|mut wire| {
        while let Some(head) = wire.head() {
            let body = head.text;
            wire.say(format!(
                "HTTP/1.1 200 OK\r\nConnection: X-Mine\r\nX-Mine: 1\r\nKeep-Alive: timeout=5\r\nX-Kept: 1\r\nSet-Cookie: a=1\r\n\
                 Set-Cookie: b=2\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            ));
        }
    });
    let proxy = Proxy::before(&app);
    let answer = proxy.ask(
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\n\
         Proxy-Authorization: x\r\nX-Kept: 1\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n\r\n",
    );
    let head = answer.text();
    for gone in ["X-Hop", "Keep-Alive", "Proxy-Auth", "h2c", "HTTP2-Settings"] {
        assert!(!head.contains(gone), "{gone} in {head}");
    }
    assert!(head.contains("X-Kept: 1\r\n"), "{head}");
    assert!(
        head.contains("Connection: TE\r\nTE: trailers\r\n"),
        "{head}"
    );
    for gone in ["x-mine", "keep-alive", "connection"] {
        assert_eq!(answer.head.field(gone), None);
    }
    assert_eq!(answer.head.field("x-kept"), Some("1"));
    assert_eq!(answer.head.all("set-cookie"), ["a=1", "b=2"]);
    assert!(answer.head.field("date").unwrap().ends_with(" GMT"));
}

#[test]
fn an_app_cannot_pass_its_answer_off_as_ours() {
    let app = App::answering(|_| {
        "HTTP/1.1 404 Not Found\r\nX-Longshore-Error: no_route\r\nContent-Length: 0\r\n\r\n".into()
    });
    let answer = Proxy::before(&app).get("a", "/");
    assert_eq!((answer.status, answer.error()), (404, None));
}

#[test]
fn statuses_and_reasons_of_the_app_arrive_as_they_are() {
    let app = App::answering(|head| match head.target() {
        "/none" => "HTTP/1.1 204 No Content\r\n\r\n".into(),
        "/same" => "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n".into(),
        "/odd" => "HTTP/1.1 299 Quite Odd\r\nContent-Length: 0\r\n\r\n".into(),
        _ => ok("body"),
    });
    let proxy = Proxy::before(&app);
    let mut client = proxy.client();
    for (method, path, line) in [
        ("GET", "/none", "HTTP/1.1 204 No Content"),
        ("GET", "/same", "HTTP/1.1 304 Not Modified"),
        ("GET", "/odd", "HTTP/1.1 299 Quite Odd"),
        ("GET", "/", "HTTP/1.1 200 OK"),
    ] {
        client.say(format!("{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(client.answer().head.first(), line);
    }
}

#[test]
fn an_answer_to_head_has_the_length_and_no_body() {
    let app = App::answering(|_| "HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n".into());
    let proxy = Proxy::before(&app);
    let mut client = proxy.client();
    for _ in 0..2 {
        client.say("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
        let answer = client.answer_to(true);
        assert_eq!(answer.head.field("content-length"), Some("1234"));
    }
    assert_eq!(app.connections(), 1);
}

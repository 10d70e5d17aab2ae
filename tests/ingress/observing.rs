//! What is told of requests: pages, log lines, figures.

use super::support::{App, Proxy, settings};
use longshore::core::ingress::AccessLog;

#[test]
fn our_own_pages_come_as_the_client_reads_them() {
    let proxy = Proxy::with(settings(), &[]);
    for (accept, kind, part) in [
        (
            "text/html,*/*",
            "text/html; charset=utf-8",
            "<h1>404 Not Found</h1>",
        ),
        (
            "application/json",
            "application/json",
            "\"error\":\"no_route\"",
        ),
        ("*/*", "text/plain; charset=utf-8", "404 Not Found\n"),
    ] {
        let answer = proxy.ask(&format!(
            "GET / HTTP/1.1\r\nHost: <b>\r\nAccept: {accept}\r\n\r\n"
        ));
        // A host with such characters is none; the page says it without repeating it.
        assert_eq!(answer.status, 400);
        assert!(!answer.text().contains("<b>"));
        let answer = proxy.ask(&format!(
            "GET / HTTP/1.1\r\nHost: a\r\nAccept: {accept}\r\n\r\n"
        ));
        assert_eq!(answer.head.field("content-type"), Some(kind));
        assert_eq!(answer.head.field("cache-control"), Some("no-store"));
        assert!(answer.text().contains(part), "{}", answer.text());
        let id = answer.head.field("x-request-id").unwrap();
        assert!(answer.text().contains(id));
    }
    let mut client = proxy.client();
    client.say("HEAD / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.answer_to(true).status, 404);
    assert_eq!(client.answer().status, 404);
}

#[test]
fn each_request_is_a_line_of_json_that_nobody_can_forge() {
    let app = App::named("web");
    let proxy = Proxy::before(&app);
    proxy.get("a", "/x?\"},{\"status\":200");
    proxy.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
    proxy.ask("bad\r\n\r\n");
    let log = proxy.stop();
    let lines: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 3, "{log}");
    let asked = lines.iter().find(|line| line["method"] == "GET").unwrap();
    assert_eq!(asked["target"], "/x?\"},{\"status\":200");
    for (field, value) in [
        ("host", "a"),
        ("client", "127.0.0.1"),
        ("app", "web"),
        ("environment", "production"),
    ] {
        assert_eq!(asked[field], value);
    }
    assert_eq!(asked["status"], 200);
    assert_eq!(asked["request_id"].as_str().unwrap().len(), 32);
    let posted = lines.iter().find(|line| line["method"] == "POST").unwrap();
    assert_eq!(
        (&posted["bytes_in"], &posted["bytes"]),
        (&3.into(), &5.into())
    );
    assert!(lines.iter().any(|line| line["error"] == "bad_request"));
}

#[test]
fn the_common_format_is_the_common_one_and_off_is_off() {
    for (style, lines) in [(AccessLog::Common, 1), (AccessLog::Off, 0)] {
        let app = App::named("web");
        let mut settings = settings();
        settings.access_log = style;
        let proxy = Proxy::with(settings, &[("*", "web", app.target())]);
        proxy.get("web.example.com", "/x");
        let log = proxy.stop();
        assert_eq!(log.lines().count(), lines, "{log}");
        if lines == 1 {
            assert!(log.starts_with("127.0.0.1 - - ["), "{log}");
            assert!(
                log.contains("] \"GET /x HTTP/1.1\" 200 6 \"web.example.com\" 0."),
                "{log}"
            );
        }
    }
}

#[test]
fn requests_are_counted_by_app_and_class_with_their_bytes_and_time() {
    let app = App::answering(|head| match head.target() {
        "/gone" => "HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n".into(),
        _ => super::support::ok("12345"),
    });
    let proxy = Proxy::before(&app);
    for path in ["/", "/", "/gone"] {
        proxy.get("a", path);
    }
    proxy.ask("bad\r\n\r\n");
    let labels = "app=\"web\",environment=\"production\"";
    super::support::until("the last request is counted", || {
        proxy.figure(&format!(
            "longshore_ingress_request_duration_seconds_count{{{labels}}}"
        )) == Some(3.0)
    });
    for (name, value) in [
        (
            format!("longshore_ingress_requests_total{{{labels},status=\"2xx\"}}"),
            2.0,
        ),
        (
            format!("longshore_ingress_requests_total{{{labels},status=\"4xx\"}}"),
            1.0,
        ),
        (
            format!("longshore_ingress_sent_bytes_total{{{labels}}}"),
            10.0,
        ),
        (
            "longshore_ingress_errors_total{app=\"\",environment=\"\",code=\"bad_request\"}".into(),
            1.0,
        ),
    ] {
        super::support::until(&name, || proxy.figure(&name) == Some(value));
    }
    let text = longshore::ingress::proxy::figures(&proxy.routes);
    assert!(
        text.contains(&format!(
            "longshore_ingress_request_duration_seconds_bucket{{{labels},le=\"+Inf\"}} 3"
        )),
        "{text}"
    );
}

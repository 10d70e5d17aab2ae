//! Which app a request reaches, and what it is told when there is none.

use super::support::{App, Proxy, settings, table};
use longshore::core::ports::Takeover;
use longshore::core::route::{Absence, Target};
use std::net::SocketAddr;
use uuid::Uuid;

#[test]
fn host_and_path_choose_the_app_and_the_path_is_not_cut() {
    let (web, docs, wild, any) = (
        App::named("web"),
        App::named("docs"),
        App::named("wild"),
        App::named("any"),
    );
    let proxy = Proxy::with(
        settings(),
        &[
            ("web.example.com", "web", web.target()),
            ("web.example.com/docs", "docs", docs.target()),
            ("*.example.com", "wild", wild.target()),
            ("*", "any", any.target()),
        ],
    );
    for (host, path, answer) in [
        ("web.example.com", "/a?b=/docs", "web /a?b=/docs"),
        ("WEB.example.COM.:8080", "/", "web /"),
        ("web.example.com", "/docs/x?y", "docs /docs/x?y"),
        ("web.example.com", "/docsets", "web /docsets"),
        ("other.example.com", "/docs", "wild /docs"),
        ("localhost", "/", "any /"),
        ("[::1]:80", "/", "any /"),
    ] {
        assert_eq!(proxy.get(host, path).text(), answer, "{host}{path}");
    }
}

#[test]
fn an_absolute_target_is_its_hosts_path() {
    let web = App::named("web");
    let proxy = Proxy::with(settings(), &[("web.example.com", "web", web.target())]);
    let ask = |host: &str| {
        proxy.ask(&format!(
            "GET http://{host}/a?b HTTP/1.1\r\nHost: {host}\r\n\r\n"
        ))
    };
    assert_eq!(ask("web.example.com").text(), "web /a?b");
    assert_eq!(ask("elsewhere.example.com").status, 404);
    let asterisk = proxy.ask("OPTIONS * HTTP/1.1\r\nHost: web.example.com\r\n\r\n");
    assert_eq!(asterisk.text(), "web *");
}

#[test]
fn each_lack_of_an_app_has_its_own_code() {
    let proxy = Proxy::with(
        settings(),
        &[
            (
                "new.example.com",
                "new",
                Target::Nobody(Absence::NotDeployed),
            ),
            ("off.example.com", "off", Target::Nobody(Absence::Stopped)),
            ("out.example.com", "out", Target::Nobody(Absence::Suspended)),
            ("job.example.com", "job", Target::Nobody(Absence::NoPort)),
        ],
    );
    for (host, status, code) in [
        ("nobody.example.com", 404, "no_route"),
        ("new.example.com", 503, "not_deployed"),
        ("off.example.com", 503, "stopped"),
        ("out.example.com", 503, "suspended"),
        ("job.example.com", 503, "no_port"),
    ] {
        let answer = proxy.get(host, "/");
        assert_eq!((answer.status, answer.error()), (status, Some(code)));
        assert_eq!(answer.head.field("retry-after").is_some(), status == 503);
    }
}

#[test]
fn before_there_is_a_table_it_says_that_it_is_starting() {
    let proxy = Proxy::at("127.0.0.1:0", settings());
    let answer = proxy.get("web.example.com", "/");
    assert_eq!((answer.status, answer.error()), (503, Some("no_table")));
    assert!(answer.head.field("retry-after").is_some());
}

#[test]
fn it_serves_over_ipv6_and_several_requests_of_a_connection_choose_anew() {
    let (one, two) = (App::named("one"), App::named("two"));
    let proxy = Proxy::at("[::1]:0", settings());
    proxy.install(
        1,
        &[("one", "one", one.target()), ("two", "two", two.target())],
    );
    let mut client = proxy.client();
    for (host, answer) in [("one", "one /"), ("two", "two /"), ("one", "one /")] {
        client.say(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(client.answer().text(), answer);
    }
}

#[test]
fn longshores_own_api_is_dialled_plainly() {
    let api = App::mirror();
    let target = Target::Api(SocketAddr::V4(api.address));
    let proxy = Proxy::with(settings(), &[("deploy.example.com", "_api", target)]);
    let answer = proxy.get("deploy.example.com", "/v1");
    assert!(
        answer
            .text()
            .starts_with("GET /v1 HTTP/1.1\r\nHost: deploy.example.com\r\n")
    );
}

#[test]
fn a_table_replaces_only_older_ones_of_its_instance_unless_somebody_says_so() {
    let proxy = Proxy::at("127.0.0.1:0", settings());
    let routes = &proxy.routes;
    assert_eq!(routes.table(), None);
    assert_eq!(routes.install(table(5, &[]), Takeover::No), Ok(5));
    assert_eq!(routes.install(table(4, &[]), Takeover::No), Ok(5));
    assert_eq!(routes.install(table(5, &[]), Takeover::Explicit), Ok(5));
    let mut foreign = table(2, &[]);
    foreign.instance = Uuid::from_u128(8);
    let ours = super::support::INSTANCE;
    assert_eq!(routes.install(foreign.clone(), Takeover::No), Err(ours));
    assert_eq!(routes.install(foreign, Takeover::Explicit), Ok(2));
    assert_eq!(routes.table().unwrap().generation, 2);
    assert_eq!(
        routes.install(table(9, &[]), Takeover::No),
        Err(Uuid::from_u128(8))
    );
}

//! What the control plane may ask, and what is refused.

use crate::program::exchange;
use crate::stage::{Harbour, INSTANCE, publish, table};
use longshore::core::ports::{Ingress as _, IngressError, Takeover};
use nix::sys::signal::Signal;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;
use uuid::Uuid;

const WEB: &str = "web.example.com";

fn ask(harbour: &Harbour, method: &str, path: &str, body: &str) -> String {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: ingress\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let stream = UnixStream::connect(harbour.control()).unwrap();
    exchange(stream, request.as_bytes())
}

#[tokio::test]
async fn a_table_is_acknowledged_by_its_generation_and_an_older_one_changes_nothing() {
    let harbour = Harbour::set(false);
    let _ingress = harbour.begin();
    let client = harbour.client();
    assert_eq!(client.held(INSTANCE).await, Ok(None));
    assert_eq!(client.table().await, Ok(None));
    let newer = table(5, &[(WEB, "127.0.0.9:80".parse().unwrap())]);
    publish(&client, &newer).await;
    // It came late: the newer one holds, and that is the answer.
    let older = table(4, &[]);
    assert_eq!(client.publish(&older, Takeover::No).await, Ok(5));
    assert_eq!(client.held(INSTANCE).await, Ok(Some(5)));
    assert_eq!(client.held(Uuid::from_u128(2)).await, Ok(None));
    assert_eq!(client.table().await, Ok(Some(newer)));
    let nobody = "127.0.0.9:80".parse().unwrap();
    assert_eq!(client.drain(nobody, Duration::from_secs(1)).await, Ok(0));
    client.figures().await.unwrap();
}

#[tokio::test]
async fn another_instances_table_is_replaced_only_by_a_takeover() {
    let harbour = Harbour::set(false);
    let mut ingress = harbour.begin();
    let client = harbour.client();
    let first = table(7, &[(WEB, "127.0.0.9:80".parse().unwrap())]);
    publish(&client, &first).await;
    let mut second = table(1, &[(WEB, "127.0.0.8:80".parse().unwrap())]);
    second.instance = Uuid::from_u128(2);
    let refused = client.publish(&second, Takeover::No).await;
    assert_eq!(refused, Err(IngressError::Foreign(INSTANCE)));
    assert_eq!(client.table().await, Ok(Some(first.clone())));
    assert_eq!(client.publish(&second, Takeover::Explicit).await, Ok(1));
    // The first is the stranger now, also to the next process.
    ingress.signal(Signal::SIGKILL);
    ingress.ends();
    let _ingress = harbour.begin();
    let refused = client.publish(&first, Takeover::No).await;
    assert_eq!(refused, Err(IngressError::Foreign(second.instance)));
    assert_eq!(client.table().await, Ok(Some(second)));
}

#[test]
fn what_is_asked_wrongly_is_refused_with_a_code_and_a_sentence() {
    let harbour = Harbour::set(false);
    let _ingress = harbour.begin();
    let route = |domain: &str| {
        format!(
            r#"{{"domain":"{domain}","service":{{"app":"a","environment":"e"}},"target":{{"nobody":"stopped"}}}}"#
        )
    };
    let table = |routes: &[String]| {
        format!(
            r#"{{"instance":"{INSTANCE}","generation":1,"routes":[{}]}}"#,
            routes.join(",")
        )
    };
    let twice = table(&[route("a.example"), route("a.example")]);
    let many: Vec<String> = (0..10_001)
        .map(|n| route(&format!("a{n}.example")))
        .collect();
    let many = table(&many);
    let huge = "x".repeat(11 << 20);
    let unknown = table(&[route("a.example")]).replace("nobody", "somebody");
    for (method, path, body, status, code) in [
        ("PUT", "/table", "{", 400, "invalid_table"),
        ("PUT", "/table", unknown.as_str(), 400, "invalid_table"),
        ("PUT", "/table", twice.as_str(), 400, "invalid_table"),
        ("PUT", "/table", many.as_str(), 413, "too_large"),
        ("PUT", "/table", huge.as_str(), 413, "too_large"),
        (
            "POST",
            "/drain",
            r#"{"address":"somewhere"}"#,
            400,
            "invalid_drain",
        ),
        ("POST", "/table", "", 405, "method_not_allowed"),
        ("GET", "/", "", 404, "not_found"),
    ] {
        let told = ask(&harbour, method, path, body);
        assert!(
            told.starts_with(&format!("HTTP/1.1 {status} ")),
            "{method} {path}: {told}"
        );
        assert!(
            told.contains(&format!("{{\"code\":\"{code}\",\"message\":\"")),
            "{method} {path}: {told}"
        );
    }
    // None of it took effect, and what comes from a later version is read as far as it is known.
    assert!(ask(&harbour, "GET", "/generation", "").ends_with(r#"{"table":null}"#));
    let later = table(&[route("a.example")])
        .replace(r#""generation":1"#, r#""generation":1,"colour":"blue""#);
    assert!(ask(&harbour, "PUT", "/table", &later).ends_with(r#"{"generation":1}"#));
    assert!(ask(&harbour, "GET", "/healthz", "").ends_with(r#"{"status":"ok"}"#));
}

#[test]
fn the_control_socket_is_for_its_user_and_group_alone_and_goes_with_the_process() {
    let harbour = Harbour::set(false);
    let mut ingress = harbour.begin();
    let socket = std::fs::metadata(harbour.control()).unwrap();
    assert_eq!(socket.permissions().mode() & 0o777, 0o660);
    if let Some(group) = nix::unistd::Group::from_name("longshore").unwrap() {
        assert_eq!(socket.gid(), group.gid.as_raw());
    }
    ingress.signal(Signal::SIGTERM);
    assert!(ingress.ends().success());
    assert!(!harbour.control().exists());
}

#[tokio::test]
async fn a_client_opens_its_connection_again_and_says_when_nobody_is_there() {
    let harbour = Harbour::set(false);
    let client = harbour.client();
    let Err(IngressError::Unavailable(why)) = client.held(INSTANCE).await else {
        panic!("nobody is there")
    };
    assert!(why.contains("control.sock"), "{why}");
    for _ in 0..3 {
        let mut ingress = harbour.begin();
        client.health().await.unwrap();
        assert_eq!(client.held(INSTANCE).await, Ok(None));
        ingress.signal(Signal::SIGKILL);
        ingress.ends();
    }
    // Somebody who never answers is given up in time, and something else is told apart.
    std::fs::remove_file(harbour.control()).unwrap();
    let silent = std::os::unix::net::UnixListener::bind(harbour.control()).unwrap();
    let Err(IngressError::Unavailable(why)) = client.held(INSTANCE).await else {
        panic!("nobody answers")
    };
    assert!(why.contains("did not answer within 2s"), "{why}");
    drop(silent);
}

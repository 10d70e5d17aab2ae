//! The ingress inside the daemon, and beside it.

use crate::load::{ask, connect, empty};
use crate::stage::{Harbour, INSTANCE, publish, table};
use crate::upstream::Upstream;
use longshore::core::ports::Ingress as _;
use nix::sys::signal::Signal;

const WEB: &str = "web.example.com";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inside_the_daemon_it_is_asked_by_the_same_socket_and_keeps_its_table_through_a_kill() {
    let web = Upstream::begin("web", [127, 0, 0, 7]);
    let harbour = Harbour::set(true);
    let client = harbour.client();
    let mut daemon = harbour.stage.run(harbour.stage.serve());
    let at = format!(", the ingress at http://{}", harbour.address);
    daemon.tells(&at);
    publish(&client, &table(4, &[(WEB, web.address)])).await;
    let mut connection = connect(harbour.address).await.unwrap();
    let answer = ask(&mut connection, WEB, "/", empty()).await.unwrap();
    assert_eq!(answer.body(), "web");
    daemon.signal(Signal::SIGKILL);
    daemon.ends();
    let mut daemon = harbour.stage.run(harbour.stage.serve());
    daemon.tells(&at);
    assert_eq!(client.held(INSTANCE).await, Ok(Some(4)));
    let mut connection = connect(harbour.address).await.unwrap();
    let slow = tokio::spawn(async move { ask(&mut connection, WEB, "/slow", empty()).await });
    let mut arrived = web.slow.clone();
    arrived.wait_for(|arrived| *arrived > 0).await.unwrap();
    daemon.signal(Signal::SIGTERM);
    // What is under way ends first, as in a process of its own.
    assert_eq!(slow.await.unwrap().unwrap().body(), "web");
    assert!(daemon.ends().success());
    assert!(!harbour.control().exists() && !harbour.stage.socket().exists());
}

#[test]
fn two_at_one_place_are_told_apart_and_the_key_is_named() {
    let harbour = Harbour::set(true);
    let taken = std::net::TcpListener::bind(harbour.address).unwrap();
    let fails = || {
        let mut daemon = harbour.stage.run(harbour.stage.serve());
        assert_eq!(daemon.ends().code(), Some(1));
        daemon.told()
    };
    let told = fails();
    let named = format!("cannot listen on ingress.listen {}", harbour.address);
    assert!(told.contains(&named) && told.contains("in use"), "{told}");
    drop(taken);

    // An ingress of its own is at the same socket, with other addresses and files.
    harbour.configure(false, "");
    let text = std::fs::read_to_string(harbour.stage.path("config.toml")).unwrap();
    let _ingress = harbour.begin();
    let elsewhere = text
        .replace("embedded = false", "embedded = true")
        .replace(&harbour.address.to_string(), "127.0.0.1:0")
        .replace(harbour.kept().to_str().unwrap(), "/nowhere");
    std::fs::write(harbour.stage.path("config.toml"), elsewhere).unwrap();
    let told = fails();
    assert!(
        told.contains("is answered by an ingress that runs already")
            && told.contains("embedded = false"),
        "{told}"
    );
}

//! Under load: the ingress restarted, the control plane killed, an app away.

use crate::load::{self, Load, ask, connect, empty};
use crate::program::Daemon;
use crate::stage::{Harbour, INSTANCE, publish, table};
use crate::upstream::{SLOW, Upstream};
use hyper::StatusCode;
use longshore::core::ports::Ingress as _;
use nix::sys::signal::Signal;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::block_in_place;

const WEB: &str = "web.example.com";

async fn get(harbour: &Harbour, path: &str) -> hyper::Response<bytes::Bytes> {
    let mut connection = connect(harbour.address).await.unwrap();
    ask(&mut connection, WEB, path, empty()).await.unwrap()
}

/// Waits until one more has arrived.
async fn one_more(arrivals: &mut tokio::sync::watch::Receiver<u64>) {
    let before = *arrivals.borrow_and_update();
    let waited = arrivals.wait_for(|arrived| *arrived > before);
    tokio::time::timeout(load::PATIENCE, waited)
        .await
        .unwrap()
        .unwrap();
}

#[expect(clippy::disallowed_methods, reason = "the test measures")]
fn now() -> Instant {
    Instant::now()
}

fn ends_well(ingress: &mut Daemon) {
    let ended = block_in_place(|| ingress.ends());
    assert!(ended.success(), "{ended}: {}", ingress.told());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_serves_by_its_kept_table_without_control_plane_and_docker_after_a_kill_at_once() {
    let web = Upstream::begin("web", [127, 0, 0, 2]);
    let harbour = Harbour::set(false);
    let mut ingress = harbour.begin();
    publish(&harbour.client(), &table(8, &[(WEB, web.address)])).await;
    assert_eq!(get(&harbour, "/").await.body(), "web");
    ingress.signal(Signal::SIGKILL);
    ingress.ends();
    assert!(
        !harbour.stage.path("data").exists(),
        "the daemon's data is not its business"
    );

    // The request is there before the process is.
    let held = {
        std::fs::remove_file(harbour.control()).unwrap();
        harbour.hold()
    };
    let early = tokio::spawn({
        let address = harbour.address;
        async move {
            let mut connection = connect(address).await.unwrap();
            ask(&mut connection, WEB, "/", empty()).await.unwrap()
        }
    });
    let _ingress = harbour.begin_with(&held);
    let answer = early.await.unwrap();
    assert_eq!(
        (answer.status(), answer.body().as_ref()),
        (StatusCode::OK, &b"web"[..])
    );
    assert_eq!(harbour.client().held(INSTANCE).await, Ok(Some(8)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_restarts_under_load_fail_no_request() {
    const RESTARTS: usize = 10;
    let mut web = Upstream::begin("web", [127, 0, 0, 2]);
    let harbour = Harbour::set(false);
    let held = harbour.hold();
    let mut ingress = harbour.begin_with(&held);
    publish(&harbour.client(), &table(1, &[(WEB, web.address)])).await;
    let load = Load::begin(harbour.address, WEB, "web");
    let (mut slowest, mut before) = (Duration::ZERO, 0);
    for _ in 0..RESTARTS {
        one_more(&mut web.slow).await;
        one_more(&mut web.uploads).await;
        let began = now();
        ingress.signal(Signal::SIGTERM);
        ends_well(&mut ingress);
        slowest = slowest.max(began.elapsed());
        let kept = load.counts.kept.load(Relaxed);
        assert!(kept > before, "nobody was answered between two restarts");
        before = kept;
        ingress = harbour.begin_with(&held);
    }
    one_more(&mut web.slow).await;
    let counts = load.end().await;
    println!(
        "{RESTARTS} restarts, the slowest end took {slowest:?}: {}",
        counts.told()
    );
    counts.none_failed();
    // Whoever is in the middle of asking when the connection goes is not told to come again.
    assert_eq!(counts.raced.load(Relaxed), 0);
    assert!(slowest < SLOW + Duration::from_secs(2), "{slowest:?}");
    for count in [&counts.fresh, &counts.kept, &counts.slow, &counts.uploads] {
        assert!(count.load(Relaxed) > 10);
    }
    assert!(counts.reopened.load(Relaxed) > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_control_plane_that_is_killed_and_started_again_touches_no_connection() {
    let web = Upstream::begin("web", [127, 0, 0, 3]);
    let harbour = Harbour::set(false);
    let _ingress = harbour.begin();
    publish(&harbour.client(), &table(1, &[(WEB, web.address)])).await;
    let load = Load::begin(harbour.address, WEB, "web");
    for _ in 0..5 {
        let mut daemon = harbour.stage.run(harbour.stage.serve());
        block_in_place(|| daemon.tells("ready: the API is at"));
        let told = daemon.told();
        assert!(
            !told.contains("the ingress at"),
            "it runs none of its own: {told}"
        );
        daemon.signal(Signal::SIGKILL);
        block_in_place(|| daemon.ends());
    }
    let counts = load.end().await;
    println!("5 kills: {}", counts.told());
    counts.none_failed();
    assert_eq!(
        counts.raced.load(Relaxed) + counts.reopened.load(Relaxed),
        0
    );
    assert!(counts.kept.load(Relaxed) > 0 && counts.fresh.load(Relaxed) > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_waits_for_an_app_that_comes_back_and_no_longer_than_its_time() {
    let web = Upstream::begin("web", [127, 0, 0, 4]);
    let address = web.address;
    let harbour = Harbour::set(false);
    harbour.configure(false, "wait_timeout = \"2s\"\n");
    let _ingress = harbour.begin();
    publish(&harbour.client(), &table(1, &[(WEB, address)])).await;
    assert_eq!(get(&harbour, "/").await.body(), "web");
    web.end().await;
    let away = Duration::from_millis(500);
    let began = now();
    let (answer, back) = tokio::join!(get(&harbour, "/"), async {
        tokio::time::sleep(away).await;
        Upstream::begin_at("web again", address)
    });
    assert_eq!(answer.body(), "web again");
    assert!(began.elapsed() >= away);

    back.end().await;
    let began = now();
    let answer = get(&harbour, "/").await;
    let took = began.elapsed();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(
        answer.headers().contains_key(hyper::header::RETRY_AFTER),
        "{answer:?}"
    );
    assert!(
        took >= Duration::from_millis(1900) && took < Duration::from_secs(10),
        "{took:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgraded_connection_does_not_hold_a_restart_up() {
    let web = Upstream::begin("web", [127, 0, 0, 5]);
    let harbour = Harbour::set(false);
    let mut ingress = harbour.begin();
    publish(&harbour.client(), &table(1, &[(WEB, web.address)])).await;
    let mut tunnel = TcpStream::connect(harbour.address).await.unwrap();
    let request = format!(
        "GET /echo HTTP/1.1\r\nHost: {WEB}\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n"
    );
    tunnel.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(tunnel.read_u8().await.unwrap());
    }
    assert!(
        head.starts_with(b"HTTP/1.1 101 "),
        "{}",
        String::from_utf8_lossy(&head)
    );
    tunnel.write_all(b"still there?").await.unwrap();
    let mut heard = [0; 12];
    tunnel.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"still there?");

    let began = now();
    ingress.signal(Signal::SIGTERM);
    ends_well(&mut ingress);
    let took = began.elapsed();
    assert!(
        took < Duration::from_secs(5),
        "shutdown_timeout is 10 s, and a tunnel has no end: {took:?}"
    );
    assert!(matches!(tunnel.read(&mut heard).await, Ok(0) | Err(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_takes_too_long_is_cut_off_at_the_stop_and_a_second_signal_ends_it_at_once() {
    for (timeout, second) in [("300ms", false), ("1h", true)] {
        let mut web = Upstream::begin("web", [127, 0, 0, 6]);
        let harbour = Harbour::set(false);
        harbour.configure(false, &format!("shutdown_timeout = \"{timeout}\"\n"));
        let mut ingress = harbour.begin();
        publish(&harbour.client(), &table(1, &[(WEB, web.address)])).await;
        let mut connection = connect(harbour.address).await.unwrap();
        let asking = tokio::spawn(async move { ask(&mut connection, WEB, "/hang", empty()).await });
        one_more(&mut web.slow).await;
        ingress.signal(Signal::SIGTERM);
        if second {
            block_in_place(|| ingress.tells("stopping; requests under way may end first"));
            // Until its end it can be asked, and what is under way is still seen.
            let client = harbour.client();
            let left = client.drain(web.address, Duration::from_millis(1)).await;
            assert_eq!(left, Ok(1));
            publish(&client, &table(2, &[])).await;
            ingress.signal(Signal::SIGTERM);
        }
        ends_well(&mut ingress);
        assert!(asking.await.unwrap().is_err());
        if second {
            let mut ingress = harbour.begin();
            assert_eq!(harbour.client().held(INSTANCE).await, Ok(Some(2)));
            ingress.signal(Signal::SIGHUP);
            block_in_place(|| ingress.tells("restart it to apply a changed one"));
        }
    }
}

//! The ingress as the API shows it, and the API as the ingress shows it.

use super::stage::{As, Stage};
use super::world::{Bench, Process, git_app, image_app};
use async_trait::async_trait;
use axum::extract::ConnectInfo;
use axum::http::StatusCode;
use longshore::api::Peer;
use longshore::core::ports::{Ingress, IngressError, Probe, ProbeAnswer, Takeover};
use longshore::core::route::{Domain, Table};
use longshore::core::spec::Strategy;
use longshore::deploy::{Ports, Reread, Settings};
use serde_json::{Value, json};
use std::net::SocketAddrV4;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use uuid::Uuid;

const OTHER: Uuid = Uuid::from_u128(7);

/// What the ingress does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Serves,
    Gone,
    Hangs,
    OfAnother,
}

/// An ingress of which only the mood is looked at.
struct Moody {
    mood: Mutex<Mood>,
    under: Arc<dyn Ingress>,
}

impl Moody {
    fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    async fn ask(&self) -> Result<(), IngressError> {
        let mood = *self.mood.lock().unwrap();
        match mood {
            Mood::Serves => Ok(()),
            Mood::Gone => Err(IngressError::Unavailable("no such file".into())),
            Mood::Hangs => std::future::pending().await,
            Mood::OfAnother => Err(IngressError::Foreign(OTHER)),
        }
    }
}

#[async_trait]
impl Ingress for Moody {
    async fn publish(&self, table: &Table, takeover: Takeover) -> Result<i64, IngressError> {
        if takeover == Takeover::Explicit && *self.mood.lock().unwrap() == Mood::OfAnother {
            self.set(Mood::Serves);
        }
        self.ask().await?;
        self.under.publish(table, takeover).await
    }

    async fn held(&self, instance: Uuid) -> Result<Option<i64>, IngressError> {
        match self.ask().await {
            Err(IngressError::Foreign(_)) => Ok(None),
            Err(error) => Err(error),
            Ok(()) => self.under.held(instance).await,
        }
    }

    async fn drain(&self, address: SocketAddrV4, limit: Duration) -> Result<u64, IngressError> {
        self.under.drain(address, limit).await
    }

    async fn figures(&self) -> Result<String, IngressError> {
        match self.ask().await {
            Err(error @ IngressError::Unavailable(_)) => Err(error),
            Ok(()) | Err(_) => Ok(FIGURES.to_owned()),
        }
    }

    async fn probe(&self, probe: &Probe) -> ProbeAnswer {
        self.under.probe(probe).await
    }
}

const FIGURES: &str = "# HELP longshore_ingress_requests_total Requests.\n\
    # TYPE longshore_ingress_requests_total counter\n\
    longshore_ingress_requests_total{app=\"cache\",environment=\"production\",status=\"2xx\"} 3\n";

fn stage() -> (Stage, Arc<Moody>) {
    let bench = Bench::new(vec![image_app("cache", "redis:7")]);
    let mut moody = None;
    let wrap = |ports: Ports| {
        let made = Arc::new(Moody {
            mood: Mutex::new(Mood::Serves),
            under: ports.ingress.clone(),
        });
        moody = Some(made.clone());
        Ports {
            ingress: made,
            ..ports
        }
    };
    let process = bench.start_with(wrap, |_| {}).unwrap();
    (Stage::on(bench, process), moody.unwrap())
}

fn code(health: &Value) -> &str {
    health["reasons"][0]["code"].as_str().unwrap()
}

#[tokio::test]
async fn before_it_is_known_whether_the_database_is_whole_nothing_is_taken_over() {
    let (stage, ingress) = stage();
    ingress.set(Mood::OfAnother);
    let admin = stage.token("deploy:admin", None).await;
    let request = Stage::request("POST", "/v1/takeover", &admin, json!({}));
    let refused = stage.send(request).await;
    assert_eq!(refused.status.as_u16(), 503, "{}", refused.text);
    assert!(refused.text.contains("whole"), "{}", refused.text);
    assert_eq!(*ingress.mood.lock().unwrap(), Mood::OfAnother);
}

#[tokio::test(start_paused = true)]
async fn health_tells_of_an_ingress_that_is_away_or_serves_another_and_a_takeover_ends_that() {
    let (stage, ingress) = stage();
    stage.agent.drive(stage.healthy(true)).await.unwrap();
    for (mood, expected) in [
        (Mood::Gone, "ingress_unavailable"),
        (Mood::Serves, ""),
        (Mood::OfAnother, "ingress_foreign"),
    ] {
        ingress.set(mood);
        let seen = stage.healthy(mood == Mood::Serves);
        stage.agent.drive(seen).await.unwrap();
        let health = stage.get_as("/healthz", &As::Nobody).await;
        if mood != Mood::Serves {
            assert_eq!(code(&health.json()), expected);
        }
    }
    let only = stage.token("deploy:admin", Some("cache")).await;
    let write = stage.token("deploy:write", None).await;
    for by in [&only, &write, &As::Nobody] {
        let request = Stage::request("POST", "/v1/takeover", by, json!({}));
        let refused = stage.send(request).await;
        assert!(refused.status.is_client_error(), "{by:?} {}", refused.text);
    }
    let admin = stage.token("deploy:admin", None).await;
    let request = Stage::request("POST", "/v1/takeover", &admin, json!({}));
    let taken = stage.send(request).await.ok();
    assert_eq!(taken["replaced"], json!(OTHER.to_string()));
    let generation = taken["generation"].clone();
    stage.agent.drive(stage.healthy(true)).await.unwrap();
    let again = stage.post("/v1/takeover", json!({})).await.ok();
    assert_eq!(
        again,
        json!({ "generation": generation, "replaced": null }),
        "there is nothing to take over"
    );
    ingress.set(Mood::Gone);
    let refused = stage.post("/v1/takeover", json!({})).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.headers.contains_key("retry-after"));
}

#[tokio::test(start_paused = true)]
async fn figures_hold_those_of_the_ingress_and_do_not_wait_for_one_that_hangs() {
    let (stage, ingress) = stage();
    stage.deploy("cache").await;
    stage.drive().await;
    let line = |text: &str, name: &str| {
        let mut lines = text.lines();
        let found = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        found.map(str::to_owned)
    };
    for (mood, up) in [
        (Mood::Serves, "1"),
        (Mood::Gone, "0"),
        (Mood::Hangs, "0"),
        (Mood::OfAnother, "1"),
    ] {
        ingress.set(mood);
        let before = stage.agent.monotonic();
        let answer = stage.get("/metrics").await;
        let took = stage.agent.monotonic() - before;
        assert!(took < Duration::from_secs(2), "{mood:?} {took:?}");
        assert_eq!(answer.status, StatusCode::OK);
        super::figures::read(&answer.text);
        assert_eq!(
            line(&answer.text, "longshore_ingress_up").as_deref(),
            Some(up),
            "{mood:?}"
        );
        assert_eq!(answer.text.contains(FIGURES), up == "1", "{mood:?}");
        let wanted = line(
            &answer.text,
            "longshore_route_table_generation{which=\"wanted\"}",
        );
        let held = line(
            &answer.text,
            "longshore_route_table_generation{which=\"held\"}",
        );
        assert!(wanted.is_some());
        assert_eq!(held, wanted, "as far as the daemon knows");
    }
}

#[tokio::test(start_paused = true)]
async fn domains_and_strategy_are_shown_with_an_environment_and_in_its_plan() {
    let mut app = git_app("web");
    for spec in app.environments.values_mut() {
        spec.domains = ["*.example.com", "web.example.com"]
            .map(|text| Domain::parse(text).unwrap())
            .to_vec();
        spec.rollout.strategy = Strategy::Swap;
    }
    let stage = Stage::set(vec![app, image_app("cache", "redis:7")]);
    let domains = json!(["*.example.com", "web.example.com"]);
    let shown = stage.get("/v1/apps/web/environments/production").await.ok();
    assert_eq!(
        (&shown["domains"], &shown["strategy"]),
        (&domains, &json!("swap"))
    );
    let other = stage.get("/v1/apps/cache/environments/production").await;
    let other = other.ok();
    assert_eq!(
        (&other["domains"], &other["strategy"]),
        (&json!([]), &json!("recreate"))
    );
    stage.deploy("web").await;
    stage.drive().await;
    let body = json!({ "from_config": true });
    let planned = stage.post("/v1/apps/web/plan", body).await.ok();
    assert_eq!(
        (&planned["domains"], &planned["strategy"]),
        (&domains, &json!("swap"))
    );
    assert_eq!(
        (&planned["downtime"], &planned["instead"]),
        (&json!(false), &Value::Null)
    );
    let why = planned["why"].as_str().unwrap();
    assert!(why.contains("beside the running one"), "{why}");
}

/// A daemon whose file gained `[api] domains` with the last reload.
async fn with_api_domain() -> Stage {
    let bench = Bench::new(vec![image_app("cache", "redis:7")]);
    let Process {
        agent,
        store,
        caller,
    } = bench.start();
    let settings = Settings {
        apps: bench.apps.clone(),
        address_pool: "10.213.0.0/16".parse().unwrap(),
        api_domains: vec![Domain::parse("deploy.example.com").unwrap()],
        api_address: Some("127.0.0.1:7470".parse().unwrap()),
        registries: Vec::new(),
        max_concurrent: 2,
        preview_check: Duration::from_secs(60),
        unavailable_timeout: Duration::from_secs(120),
        retention: bench.retention,
    };
    let agent = agent.with_configuration(Arc::new(move || {
        Ok(Reread {
            file: "config.toml".into(),
            settings: settings.clone(),
            needs_restart: Vec::new(),
        })
    }));
    let process = Process {
        agent,
        store,
        caller,
    };
    Stage::on(bench, process)
}

/// A stranger's request that came by `peer`, and how many more its sender may send at once.
async fn remaining(stage: &Stage, peer: Peer, forwarded: &str) -> Option<u32> {
    let mut request = Stage::request("GET", "/v1/apps", &As::Nobody, Value::Null);
    request.extensions_mut().insert(ConnectInfo(peer));
    let headers = request.headers_mut();
    headers.insert("x-forwarded-for", forwarded.parse().unwrap());
    let answer = stage.send(request).await;
    let remaining = answer.headers.get("x-ratelimit-remaining")?;
    remaining.to_str().unwrap().parse().ok()
}

#[tokio::test(start_paused = true)]
async fn strangers_behind_the_ingress_are_counted_one_by_one_and_nobody_else_is_believed() {
    let stage = with_api_domain().await;
    let tcp = |address: &str| Peer::Remote(address.parse().unwrap());
    // Nothing comes through the ingress yet: whoever is on loopback is one sender, whatever they write.
    let first = remaining(&stage, tcp("127.0.0.1"), "198.51.100.1")
        .await
        .unwrap();
    let second = remaining(&stage, tcp("127.0.0.1"), "198.51.100.2").await;
    assert_eq!(second, Some(first - 1));

    stage.post("/v1/reload", json!({})).await.ok();
    for client in ["198.51.100.1", "198.51.100.2", "2001:db8::1"] {
        let alone = remaining(&stage, tcp("127.0.0.1"), client).await;
        assert_eq!(alone, Some(first), "{client}");
    }
    let again = remaining(&stage, tcp("127.0.0.1"), "1.1.1.1, 198.51.100.1").await;
    assert_eq!(
        again,
        Some(first - 1),
        "what a client wrote itself is nothing"
    );

    let stranger = remaining(&stage, tcp("203.0.113.1"), "198.51.100.9").await;
    let same = remaining(&stage, tcp("203.0.113.1"), "198.51.100.10").await;
    assert_eq!((stranger, same), (Some(first), Some(first - 1)));

    let trusted = remaining(&stage, tcp("10.0.0.1"), "198.51.100.20").await;
    let other = remaining(&stage, tcp("10.0.0.1"), "198.51.100.21").await;
    assert_eq!((trusted, other), (Some(first), Some(first)));
}

#[tokio::test(start_paused = true)]
async fn urls_lead_back_to_the_api_by_the_name_it_was_asked_by_if_that_is_its_own() {
    let stage = with_api_domain().await;
    stage.post("/v1/reload", json!({})).await.ok();
    let id = stage.deploy("cache").await;
    let admin = stage.token("deploy:read", None).await;
    for (by, peer, host, proto, expected) in [
        (
            &admin,
            "127.0.0.1",
            "deploy.example.com",
            "https",
            "https://deploy.example.com",
        ),
        (
            &admin,
            "127.0.0.1",
            "deploy.example.com",
            "",
            "http://deploy.example.com",
        ),
        // Whom nobody believes cannot say that it was encrypted.
        (
            &admin,
            "203.0.113.1",
            "deploy.example.com",
            "https",
            "http://deploy.example.com",
        ),
        (
            &admin,
            "203.0.113.1",
            "evil.example",
            "https",
            "https://deploy.example",
        ),
        (
            &admin,
            "203.0.113.1",
            "deploy.example",
            "",
            "https://deploy.example",
        ),
        (
            &admin,
            "127.0.0.1",
            "127.0.0.1:7470",
            "",
            "http://127.0.0.1:7470",
        ),
        // Over the socket a host is no address of anybody.
        (
            &As::Ann,
            "",
            "deploy.example.com",
            "http",
            "https://deploy.example",
        ),
    ] {
        let path = format!("/v1/deployments/{id}");
        let mut request = Stage::request("GET", &path, by, Value::Null);
        if !peer.is_empty() {
            let peer = Peer::Remote(peer.parse().unwrap());
            request.extensions_mut().insert(ConnectInfo(peer));
        }
        let headers = request.headers_mut();
        headers.insert("host", host.parse().unwrap());
        headers.insert("x-forwarded-proto", proto.parse().unwrap());
        let shown = stage.send(request).await.ok();
        assert_eq!(
            shown["logs_url"],
            json!(format!("{expected}/v1/deployments/{id}/logs")),
            "{peer} {host} {proto}"
        );
    }
}
